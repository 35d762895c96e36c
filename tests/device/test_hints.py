"""Hints: when a pose to try is named, and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from device.hints import HINT_SECONDS, HINTS, MIN_HINT_SECONDS, PATIENCE, Hinting, update_hint
from device.rating import MIN_BELIEVABLE

GOOD, POOR = MIN_BELIEVABLE + 0.1, MIN_BELIEVABLE - 0.1
STEP = 0.1


def play(likenesses: Sequence[float | None]) -> list[str | None]:
    state, hints = Hinting(), []
    for number, likeness in enumerate(likenesses):
        state = update_hint(state, likeness, number * STEP)
        hints.append(state.hint)
    return hints


def test_a_believable_answer_has_no_hint() -> None:
    assert set(play([GOOD] * 100)) == {None}


def test_a_hint_waits_for_the_patience() -> None:
    hints = play([POOR] * 40)
    first = next(number for number, hint in enumerate(hints) if hint)
    assert PATIENCE <= first * STEP < PATIENCE + 2 * STEP


def test_a_moment_between_two_poses_has_no_hint() -> None:
    assert set(play(([GOOD] * 5 + [POOR] * 10) * 10)) == {None}


def test_hints_follow_one_another() -> None:
    hints = play([POOR] * round((PATIENCE + len(HINTS) * HINT_SECONDS) / STEP))
    assert list(dict.fromkeys(hint for hint in hints if hint)) == list(HINTS)


def test_a_hint_ends_when_an_answer_is_believable() -> None:
    hints = play([POOR] * 16 + [GOOD] * 40)
    assert hints[16] == HINTS[0]
    assert hints[-1] is None


def test_the_next_visitor_starts_without_a_hint() -> None:
    hints = play([POOR] * 20 + [None] + [GOOD] * 5)
    assert hints[19] == HINTS[0]
    assert set(hints[20:]) == {None}


@given(st.lists(st.sampled_from([GOOD, POOR]), max_size=200))
def test_a_hint_never_flickers(likenesses: list[float]) -> None:
    hints = play(likenesses)
    changes = [number for number in range(1, len(hints)) if hints[number] != hints[number - 1]]
    for came, went in pairwise(changes):
        if hints[came] is not None:
            assert (went - came) * STEP >= MIN_HINT_SECONDS - 1e-9
