"""Choosing the photo: laws for any visit, and what a visitor would notice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.choose import FRESH_PHOTO_TOLERANCE, Choice, ChooseSettings, choose
from index.match import Match

SETTINGS = ChooseSettings()
FRAME = 1 / 30

likenesses = st.floats(0, 1, width=32)
shortlists = st.lists(
    st.builds(Match, st.integers(0, 60), st.booleans(), likenesses), max_size=12, unique_by=lambda match: match[:2]
).map(lambda matches: sorted(matches, key=lambda match: -match.likeness))
visits = st.lists(st.tuples(st.none() | shortlists, st.floats(-0.1, 1)), max_size=60)
"""The matches of each frame, and the seconds to the next frame. Now and then the clock is set back."""


def matches(*pairs: tuple[int, float]) -> list[Match]:
    """Matches of these items and likenesses, best first."""
    return [Match(item, False, likeness) for item, likeness in sorted(pairs, key=lambda pair: -pair[1])]


def play(
    frames: Sequence[list[Match] | None], settings: ChooseSettings = SETTINGS, step: float = FRAME
) -> list[Choice]:
    """The choice after each frame, given the matches of each."""
    states = [Choice()]
    for i, found in enumerate(frames):
        states.append(choose(states[-1], found, i * step, settings))
    return states[1:]


def shown(states: Sequence[Choice]) -> list[int | None]:
    """The items shown one after another, each listed once while it stays."""
    items = [state.shown and state.shown.item for state in states]
    return [item for i, item in enumerate(items) if i == 0 or item != items[i - 1]]


@given(visits)
def test_a_photo_stays_for_the_hold(visit: list[tuple[list[Match] | None, float]]) -> None:
    state, now = Choice(), 0.0
    for found, step in visit:
        after = choose(state, found, now, SETTINGS)
        if state.shown and after.shown and after.shown[:2] != state.shown[:2]:
            assert now - state.since >= SETTINGS.hold
            assert after.since == now
        state, now = after, now + step


@pytest.mark.slow
@given(visits)
def test_a_recent_photo_returns_only_if_no_other_is_near(
    visit: list[tuple[list[Match] | None, float]],
) -> None:
    state, now = Choice(), 0.0
    last: list[int] = []
    for found, step in visit:
        after = choose(state, found, now, SETTINGS)
        new = after.shown if after.since == now and after.shown and after != state else None
        if found and new and (not state.shown or new[:2] != state.shown[:2]):
            if new.item in last[-30:]:
                others = [match.likeness for match in found if match.item not in last[-30:]]
                assert all(other < found[0].likeness - FRESH_PHOTO_TOLERANCE for other in others)
            last.append(new.item)
        state, now = after, now + step


@pytest.mark.slow
@given(visits)
def test_a_new_photo_is_more_alike_by_the_margin(visit: list[tuple[list[Match] | None, float]]) -> None:
    state, now = Choice(), 0.0
    for found, step in visit:
        after = choose(state, found, now, SETTINGS, shown_likeness=0.5)
        if state.shown and after.shown and after.shown[:2] != state.shown[:2]:
            stayed = now - state.since >= SETTINGS.stay
            assert after.shown.likeness > 0.5 + SETTINGS.margin or stayed
        state, now = after, now + step


@pytest.mark.slow
@given(visits)
def test_the_same_frames_give_the_same_choices(visit: list[tuple[list[Match] | None, float]]) -> None:
    found = [frame for frame, _ in visit]
    assert play(found) == play(found)


@pytest.mark.slow
@given(visits, st.floats(-1e6, 1e6))
def test_only_the_time_between_frames_counts(visit: list[tuple[list[Match] | None, float]], hours: float) -> None:
    state, later, now = Choice(), Choice(), 0.0
    for found, _ in visit:
        state = choose(state, found, now, SETTINGS)
        later = choose(later, found, now + round(hours), SETTINGS)
        assert (later.shown, later.recent) == (state.shown, state.recent)
        now += 0.125


def test_shows_a_new_visitor_the_best_photo_at_once() -> None:
    assert choose(Choice(), matches((3, 0.2), (7, 0.1)), 0.0, SETTINGS).shown == Match(3, False, 0.2)


def test_shows_no_photo_without_a_visitor() -> None:
    state = choose(Choice(), matches((3, 0.8)), 0.0, SETTINGS)
    assert choose(state, None, 0.01, SETTINGS).shown is None


def test_the_photo_stays_while_too_little_is_seen() -> None:
    state = choose(Choice(), matches((3, 0.8)), 0.0, SETTINGS)
    assert choose(state, [], 10.0, SETTINGS) == state


def test_the_choice_has_the_present_likeness() -> None:
    state = choose(Choice(), matches((3, 0.8), (4, 0.5)), 0.0, SETTINGS)
    assert choose(state, matches((3, 0.6), (4, 0.5)), 1.0, SETTINGS).shown == Match(3, False, 0.6)
    assert choose(state, matches((4, 0.5)), 0.1, SETTINGS, shown_likeness=0.7).shown == Match(3, False, 0.7)


def test_replaces_a_photo_that_is_no_longer_a_match() -> None:
    state = choose(Choice(), matches((3, 0.8)), 0.0, SETTINGS)
    assert choose(state, matches((4, 0.5)), 1.0, SETTINGS).shown == Match(4, False, 0.5)
    assert choose(state, matches((4, 0.5)), 1.0, SETTINGS, shown_likeness=0.6).shown == Match(3, False, 0.6)


def test_a_better_photo_waits_for_the_hold() -> None:
    frames = [matches((1, 0.8))] + [matches((1, 0.5), (2, 0.9))] * 30
    states = play(frames)
    came = next(i for i, state in enumerate(states) if state.shown and state.shown.item == 2)
    assert SETTINGS.hold <= came * FRAME < SETTINGS.hold + FRAME + 1e-9


def test_a_still_visitor_keeps_the_photo() -> None:
    rng = np.random.default_rng(1)
    true = np.linspace(0.8, 0.75, 40)
    frames = [matches(*enumerate((true + rng.normal(0, SETTINGS.margin / 6, 40)).tolist())) for _ in range(900)]
    assert len(shown(play(frames))) <= 1 + 30 / SETTINGS.stay


def test_a_still_visitor_sees_another_good_photo_in_time() -> None:
    states = play([matches((1, 0.9), (2, 0.87), (3, 0.7))] * 400)
    came = next(i for i, state in enumerate(states) if state.shown and state.shown.item == 2)
    assert SETTINGS.stay <= came * FRAME < SETTINGS.stay + 2 * FRAME
    assert 3 not in shown(states), "it is far less alike"


def test_a_moving_visitor_gets_a_new_photo_after_each_hold() -> None:
    frames = [matches((i // 3, 0.9), (i // 3 - 1, 0.5)) for i in range(90)]
    changes = len(shown(play(frames)))
    assert changes == pytest.approx(90 * FRAME / SETTINGS.hold, abs=2)


def test_a_repeated_pose_gets_another_photo_each_time() -> None:
    arms_up = [(item, 0.9 - 0.001 * item) for item in range(20)]
    arms_down = [(100 + item, 0.9 - 0.001 * item) for item in range(20)]
    frames = [matches(*(arms_up if i // 30 % 2 else arms_down)) for i in range(600)]
    items = shown(play(frames))
    assert len(items) == len(set(items)) == 20


def test_a_photo_returns_if_no_other_is_near() -> None:
    frames = [matches((i // 30 % 2, 0.9), (2, 0.7)) for i in range(150)]
    assert shown(play(frames)) == [0, 1, 0, 1, 0]


def test_shows_the_only_photo_of_a_library() -> None:
    assert shown(play([matches((0, 0.3))] * 100)) == [0]


def test_a_mirrored_photo_counts_as_the_same_photo() -> None:
    state = choose(Choice(), [Match(1, False, 0.8)], 0.0, SETTINGS)
    found = [Match(1, True, 0.9), Match(2, False, 0.85), Match(1, False, 0.6)]
    assert choose(state, found, 1.0, SETTINGS).shown == Match(2, False, 0.85)


def test_a_photo_may_return_after_30_others() -> None:
    frames = [matches((i, 0.9)) for i in range(31)]
    state = play(frames, step=1.0)[-1]
    assert state.recent == tuple(range(1, 31))
    assert choose(state, matches((0, 0.9), (40, 0.85), (30, 0.5)), 40.0, SETTINGS).shown == Match(0, False, 0.9)
    assert choose(state, matches((1, 0.9), (40, 0.85), (30, 0.5)), 40.0, SETTINGS).shown == Match(40, False, 0.85)


def test_without_memory_the_best_photo_is_shown() -> None:
    frames = [matches((i // 30 % 2, 0.9), (2, 0.85)) for i in range(150)]
    assert shown(play(frames, ChooseSettings(remember=0))) == [0, 1, 0, 1, 0]


def test_a_clock_set_back_delays_a_change_by_one_hold() -> None:
    state = choose(Choice(), matches((1, 0.5)), 3600.0, SETTINGS)
    state = choose(state, matches((2, 0.9), (1, 0.5)), 0.0, SETTINGS)
    assert state.shown == Match(1, False, 0.5)
    assert choose(state, matches((2, 0.9), (1, 0.5)), SETTINGS.hold, SETTINGS).shown == Match(2, False, 0.9)
