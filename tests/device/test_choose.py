"""Choosing the photo: laws for any visitor, and what a visitor would notice."""

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

agreements = st.floats(0, 1, width=32)
shortlists = st.lists(
    st.builds(Match, st.integers(0, 60), st.booleans(), agreements), max_size=12, unique_by=lambda match: match[:2]
).map(lambda found: sorted(found, key=lambda match: -match.agreement))
visits = st.lists(st.tuples(st.none() | shortlists, st.floats(-0.1, 1)), max_size=60)
"""What is found in each frame, and the seconds to the next; now and then the clock is set back."""


def matches(*found: tuple[int, float]) -> list[Match]:
    return [Match(item, False, agreement) for item, agreement in sorted(found, key=lambda pair: -pair[1])]


def play(
    frames: Sequence[list[Match] | None], settings: ChooseSettings = SETTINGS, step: float = FRAME
) -> list[Choice]:
    states = [Choice()]
    for i, found in enumerate(frames):
        states.append(choose(states[-1], found, i * step, settings))
    return states[1:]


def shown(states: Sequence[Choice]) -> list[int | None]:
    """The photos one after another, each once as long as it stays."""
    items = [state.shown and state.shown.item for state in states]
    return [item for i, item in enumerate(items) if i == 0 or item != items[i - 1]]


@given(visits)
def test_a_photo_stays_for_the_hold_whatever_is_found(visit: list[tuple[list[Match] | None, float]]) -> None:
    state, now = Choice(), 0.0
    for found, step in visit:
        after = choose(state, found, now, SETTINGS)
        if state.shown and after.shown and after.shown[:2] != state.shown[:2]:
            assert now - state.since >= SETTINGS.hold
            assert after.since == now
        state, now = after, now + step


@given(visits)
def test_one_of_the_last_30_comes_back_only_when_nothing_else_is_near(
    visit: list[tuple[list[Match] | None, float]],
) -> None:
    state, now = Choice(), 0.0
    last: list[int] = []
    for found, step in visit:
        after = choose(state, found, now, SETTINGS)
        new = after.shown if after.since == now and after.shown and after != state else None
        if found and new and (not state.shown or new[:2] != state.shown[:2]):
            if new.item in last[-30:]:
                others = [match.agreement for match in found if match.item not in last[-30:]]
                assert all(other < found[0].agreement - FRESH_PHOTO_TOLERANCE for other in others)
            last.append(new.item)
        state, now = after, now + step


@given(visits)
def test_a_change_is_to_a_photo_that_agrees_clearly_better(visit: list[tuple[list[Match] | None, float]]) -> None:
    state, now = Choice(), 0.0
    for found, step in visit:
        after = choose(state, found, now, SETTINGS, shown_agreement=0.5)
        if state.shown and after.shown and after.shown[:2] != state.shown[:2]:
            assert after.shown.agreement > 0.5 + SETTINGS.margin
        state, now = after, now + step


@given(visits)
def test_the_same_frames_give_the_same_choices(visit: list[tuple[list[Match] | None, float]]) -> None:
    found = [frame for frame, _ in visit]
    assert play(found) == play(found)


@given(visits, st.floats(-1e6, 1e6))
def test_only_the_time_between_frames_counts(visit: list[tuple[list[Match] | None, float]], hours: float) -> None:
    state, later, now = Choice(), Choice(), 0.0
    for found, _ in visit:
        state = choose(state, found, now, SETTINGS)
        later = choose(later, found, now + round(hours), SETTINGS)
        assert (later.shown, later.recent) == (state.shown, state.recent)
        now += 0.125


def test_the_best_photo_is_shown_at_once_to_somebody_who_comes() -> None:
    assert choose(Choice(), matches((3, 0.2), (7, 0.1)), 0.0, SETTINGS).shown == Match(3, False, 0.2)


def test_no_photo_is_shown_when_nobody_is_there() -> None:
    state = choose(Choice(), matches((3, 0.8)), 0.0, SETTINGS)
    assert choose(state, None, 0.01, SETTINGS).shown is None


def test_the_photo_stays_while_too_little_of_the_visitor_is_seen() -> None:
    state = choose(Choice(), matches((3, 0.8)), 0.0, SETTINGS)
    assert choose(state, [], 10.0, SETTINGS) == state


def test_the_shown_photo_tells_its_present_agreement() -> None:
    state = choose(Choice(), matches((3, 0.8), (4, 0.5)), 0.0, SETTINGS)
    assert choose(state, matches((3, 0.6), (4, 0.5)), 1.0, SETTINGS).shown == Match(3, False, 0.6)
    assert choose(state, matches((4, 0.5)), 0.1, SETTINGS, shown_agreement=0.7).shown == Match(3, False, 0.7)


def test_a_photo_that_is_no_longer_found_gives_way_unless_it_is_said_to_agree() -> None:
    state = choose(Choice(), matches((3, 0.8)), 0.0, SETTINGS)
    assert choose(state, matches((4, 0.5)), 1.0, SETTINGS).shown == Match(4, False, 0.5)
    assert choose(state, matches((4, 0.5)), 1.0, SETTINGS, shown_agreement=0.6).shown == Match(3, False, 0.6)


def test_a_better_photo_waits_for_the_hold_and_then_comes() -> None:
    frames = [matches((1, 0.8))] + [matches((1, 0.5), (2, 0.9))] * 30
    states = play(frames)
    came = next(i for i, state in enumerate(states) if state.shown and state.shown.item == 2)
    assert SETTINGS.hold <= came * FRAME < SETTINGS.hold + FRAME + 1e-9


def test_a_still_visitor_keeps_the_photo_while_agreements_tremble() -> None:
    rng = np.random.default_rng(1)
    true = np.linspace(0.8, 0.75, 40)
    frames = [matches(*enumerate((true + rng.normal(0, SETTINGS.margin / 6, 40)).tolist())) for _ in range(900)]
    assert len(shown(play(frames))) <= 2


def test_a_moving_visitor_sees_a_new_photo_each_time_the_hold_is_over() -> None:
    frames = [matches((i // 3, 0.9), (i // 3 - 1, 0.5)) for i in range(90)]
    changes = len(shown(play(frames)))
    assert changes == pytest.approx(90 * FRAME / SETTINGS.hold, abs=2)


def test_a_pose_taken_again_and_again_shows_another_photo_each_time() -> None:
    arms_up = [(item, 0.9 - 0.001 * item) for item in range(20)]
    arms_down = [(100 + item, 0.9 - 0.001 * item) for item in range(20)]
    frames = [matches(*(arms_up if i // 30 % 2 else arms_down)) for i in range(600)]
    items = shown(play(frames))
    assert len(items) == len(set(items)) == 20


def test_with_nothing_else_near_a_photo_comes_back() -> None:
    frames = [matches((i // 30 % 2, 0.9), (2, 0.7)) for i in range(150)]
    assert shown(play(frames)) == [0, 1, 0, 1, 0]


def test_a_library_of_one_photo_shows_it() -> None:
    assert shown(play([matches((0, 0.3))] * 100)) == [0]


def test_the_mirror_image_of_a_photo_is_the_same_photo() -> None:
    state = choose(Choice(), [Match(1, False, 0.8)], 0.0, SETTINGS)
    found = [Match(1, True, 0.9), Match(2, False, 0.85), Match(1, False, 0.6)]
    assert choose(state, found, 1.0, SETTINGS).shown == Match(2, False, 0.85)


def test_a_photo_comes_back_after_30_others() -> None:
    frames = [matches((i, 0.9)) for i in range(31)]
    state = play(frames, step=1.0)[-1]
    assert state.recent == tuple(range(1, 31))
    assert choose(state, matches((0, 0.9), (40, 0.85), (30, 0.5)), 40.0, SETTINGS).shown == Match(0, False, 0.9)
    assert choose(state, matches((1, 0.9), (40, 0.85), (30, 0.5)), 40.0, SETTINGS).shown == Match(40, False, 0.85)


def test_remembering_nothing_shows_the_best_each_time() -> None:
    frames = [matches((i // 30 % 2, 0.9), (2, 0.85)) for i in range(150)]
    assert shown(play(frames, ChooseSettings(remember=0))) == [0, 1, 0, 1, 0]


def test_a_clock_set_back_by_an_hour_delays_a_change_by_no_more_than_the_hold() -> None:
    state = choose(Choice(), matches((1, 0.5)), 3600.0, SETTINGS)
    state = choose(state, matches((2, 0.9), (1, 0.5)), 0.0, SETTINGS)
    assert state.shown == Match(1, False, 0.5)
    assert choose(state, matches((2, 0.9), (1, 0.5)), SETTINGS.hold, SETTINGS).shown == Match(2, False, 0.9)
