"""The order in which a line's characters are drawn, with capitals for Hebrew letters, as in the standard's examples."""

from __future__ import annotations

import bidi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.display.bidi import base_level, levels, visual_order

HEBREW = {letter: chr(ord("א") + number) for number, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ")}
LATIN = {hebrew: letter for letter, hebrew in HEBREW.items()}


def order(text: str) -> str:
    """Return a text as it is drawn, from left to right."""
    logical = "".join(HEBREW.get(letter, letter) for letter in text)
    return "".join(LATIN.get(letter, letter) for letter in drawn_order(logical, base_level(logical)))


def drawn_order(text: str, base: int) -> str:
    return "".join(visual_order(list(text), levels(text, base)))


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("photo by", "photo by"),
        ("photo BY me", "photo YB me"),
        ("PHOTO BY", "YB OTOHP"),
        ("PHOTO by ME", "EM by OTOHP"),
        ("PHOTO 2019, BY ME", "EM YB ,2019 OTOHP"),
        ("photo BY ME, 2019", "photo 2019 ,EM YB"),
        ("A photo by me 12", "photo by me 12 A"),
        ("AB 12.5% CD", "DC 12.5% BA"),
        ("AB 1,000-2,000", "1,000-2,000 BA"),
        ("photo BY (2019)", "photo )2019( YB"),  # brackets are mirrored when they are drawn
        ("photo BY (me), 2019", "photo YB (me), 2019"),
        ("PHOTO (by me)", ")by me( OTOHP"),
        ("a) B [c(d] E", "a) B [c(d] E"),
        ("!", "!"),
        ("12 34", "12 34"),
        ("", ""),
    ],
)
def test_orders_a_line_as_it_is_read(text: str, drawn: str) -> None:
    assert order(text) == drawn


def test_numbers_after_arabic_letters_stay_in_order() -> None:
    text = "سنة 2019 و 50%"
    assert levels(text, base_level(text)) == [1] * 4 + [2] * 4 + [1] * 3 + [2] * 2 + [1]


LETTERS = "אבגمر" + "ab漢" + "12٣٤" + " .,:!()[]{}«»<%€-+/…"


@given(st.text(LETTERS, min_size=1, max_size=20) | st.text("א(b1)٣,% ", min_size=1, max_size=20))
def test_orders_any_line_as_python_bidi_does(text: str) -> None:
    for direction, base in (("L", 0), ("R", 1)):
        assert drawn_order(text, base) == bidi.get_display(text, base_dir=direction)
    assert base_level(text) == bidi.get_base_level(text)


@given(st.text(max_size=40))
def test_any_text_keeps_its_characters(text: str) -> None:
    text_levels = levels(text, base_level(text))
    assert len(text_levels) == len(text)
    assert sorted(visual_order(list(text), text_levels)) == sorted(text)
    assert set(text_levels) <= {0, 1, 2}
