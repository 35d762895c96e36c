"""The drawn visitor of the attract loop: smooth, whole, and in many poses."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.display.drawn_visitor import HOLD_SECONDS, MOVE_SECONDS, POSES, is_still, pose_at
from device.display.layout import Size
from index.likeness import likeness
from models.pose import LEFT_ANKLE, LEFT_SHOULDER, RIGHT_ANKLE, RIGHT_SHOULDER

PANE = (600, 600)
CYCLE = len(POSES) * (HOLD_SECONDS + MOVE_SECONDS)
TIMES = st.floats(0, 1e5)
PANES = st.tuples(st.integers(40, 2000), st.integers(40, 2000))


@given(TIMES, PANES)
def test_the_whole_visitor_is_in_the_pane(now: float, pane: Size) -> None:
    xy = pose_at(now, pane).xy
    assert (xy > 0).all()
    assert (xy < np.array(pane) - 1).all()


@given(TIMES)
def test_the_visitor_moves_without_a_jump(now: float) -> None:
    """No key point moves faster than 5 m a second, a third of what a boxer's fist does."""
    before, after = (pose_at(time, PANE).xy for time in (now, now + 0.02))
    metre = 600 / 2.36
    assert np.hypot(*(after - before).T).max() < 5 * metre * 0.02


@given(TIMES)
def test_nobody_sees_a_visitor_move_who_is_still(now: float) -> None:
    """Between two of the ten pictures a second that are then drawn, no key point moves by 5 mm."""
    before, after = pose_at(now, PANE).xy, pose_at(now + 0.1, PANE).xy
    if is_still(now) and is_still(now + 0.1):
        assert np.hypot(*(after - before).T).max() < 0.005 * 600 / 2.36


def test_the_visitor_is_still_for_half_of_the_time() -> None:
    assert 0.5 < np.mean([is_still(now) for now in np.linspace(0, CYCLE, 2000)]) < 0.7


def test_the_visitor_repeats_without_a_jump() -> None:
    before, after = pose_at(CYCLE - 0.001, PANE), pose_at(CYCLE + 0.001, PANE)
    assert np.abs(before.xy - after.xy).max() < 1


@pytest.mark.parametrize("number", range(len(POSES)))
def test_each_pose_is_held_for_two_seconds(number: int) -> None:
    start = number * (HOLD_SECONDS + MOVE_SECONDS)
    held = [pose_at(start + seconds, PANE) for seconds in np.linspace(0.1, 2.1, 20)]
    for pose in held:
        assert likeness(held[0].xy, held[0].visibility, pose.xy[None], pose.scores[None] > 0)[0] > 0.85


def test_every_pose_differs_from_the_one_before() -> None:
    poses = [pose_at(number * (HOLD_SECONDS + MOVE_SECONDS) + 1, PANE).xy for number in range(len(POSES) + 1)]
    for before, after in pairwise(poses):
        assert np.hypot(*(after - before).T).max() > 60


@given(TIMES)
def test_a_foot_is_always_on_the_floor(now: float) -> None:
    xy = pose_at(now, PANE).xy
    assert abs(xy[[LEFT_ANKLE, RIGHT_ANKLE], 1].max() - 0.87 * PANE[1]) < 0.03 * PANE[1]


@given(TIMES)
def test_the_visitors_left_is_on_the_right_of_the_mirror(now: float) -> None:
    xy = pose_at(now, PANE).xy
    assert xy[LEFT_SHOULDER, 0] > xy[RIGHT_SHOULDER, 0]
