"""Several languages: each is spoken in its turn, and none changes while it matters."""

from __future__ import annotations

from device.language.translate import Language
from device.language.turns import TURN_SECONDS, VISITOR_TURN_SECONDS, Languages, Turn, next_turn


def spoken(languages: Languages, times: range, *, present: bool = False, busy: bool = False) -> list[str]:
    return [languages.at(now, present, busy).code for now in times]


def test_one_language_stays() -> None:
    assert set(spoken(Languages([Language("de")]), range(0, 500, 7))) == {"de"}


def test_languages_take_turns_while_nobody_is_there() -> None:
    languages = Languages([Language("de"), Language("fr"), Language("en")])
    assert languages.current == Language("de")
    step = round(TURN_SECONDS)
    assert spoken(languages, range(1000, 1000 + 4 * step, step)) == ["de", "fr", "en", "de"]
    assert languages.at(1000 + 4 * step - 1).code == "de"


def test_a_visitor_has_longer_to_read() -> None:
    assert VISITOR_TURN_SECONDS > TURN_SECONDS
    turn = Turn(0, since=100.0)
    for now in (100.0, 100.0 + TURN_SECONDS, 99.9 + VISITOR_TURN_SECONDS):
        assert next_turn(turn, 2, now, present=True) == turn
    assert next_turn(turn, 2, 100.0 + VISITOR_TURN_SECONDS, present=True) == Turn(1, 100.0 + VISITOR_TURN_SECONDS)


def test_no_language_changes_during_a_recording() -> None:
    languages = Languages([Language("de"), Language("en")])
    assert set(spoken(languages, range(0, 200, 5), present=True, busy=True)) == {"de"}
    assert languages.at(200, present=True).code == "en"
    assert languages.current == Language("en")
