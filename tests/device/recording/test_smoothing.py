"""Calmer poses: trembling goes, movements stay, and short gaps are filled."""

from __future__ import annotations

import numpy as np
import pytest

from device.recording.smoothing import smooth
from models.pose import LEFT_ANKLE, LEFT_ELBOW, LEFT_KNEE, LEFT_WRIST, Pose
from models.seen import LAYOUT_SCORE
from tests.support.recordings import standing


def at(count: int) -> list[float]:
    return [number / 12 for number in range(count)]


def without(pose: Pose, *points: int) -> Pose:
    scores = pose.scores.copy()
    scores[list(points)] = 0
    xy = pose.xy.copy()
    xy[list(points)] = -1000  # where an estimator guesses may be anywhere
    return Pose(xy, scores, pose.score)


def test_takes_out_trembling() -> None:
    random = np.random.default_rng(1)
    poses = []
    for _ in range(30):
        noise = random.normal(0, 2, (17, 2)).astype(np.float32)
        poses.append(Pose(standing().xy + noise, np.ones(17, np.float32), 1.0))
    steps = [np.diff([pose.xy for pose in some], axis=0).std() for some in (poses, smooth(poses, at(30)))]
    assert steps[1] < 0.6 * steps[0]


def test_keeps_a_steady_movement() -> None:
    poses = [standing(3.0 * number) for number in range(10)]
    smoothed = smooth(poses, at(10))
    for before, after in zip(poses[1:-1], smoothed[1:-1], strict=True):
        assert after.xy == pytest.approx(before.xy, abs=1e-3)


def test_fills_a_gap_with_the_limbs_last_direction() -> None:
    poses = [standing(number) for number in range(12)]
    poses[5] = without(poses[5], LEFT_WRIST)
    filled = smooth(poses, at(12))[5]
    assert filled.scores[LEFT_WRIST] >= LAYOUT_SCORE
    assert filled.xy[LEFT_WRIST] == pytest.approx(standing(5).xy[LEFT_WRIST], abs=0.5)


def test_does_not_invent_an_arm_for_long() -> None:
    poses = [standing()] * 10 + [without(standing(), LEFT_ELBOW, LEFT_WRIST)] * 20
    smoothed = smooth(poses, at(30))
    assert smoothed[-1].scores[LEFT_WRIST] < LAYOUT_SCORE
    assert smoothed[12].scores[LEFT_WRIST] >= LAYOUT_SCORE


def test_legs_stay_for_seconds() -> None:
    poses = [standing()] * 2 + [without(standing(), LEFT_KNEE, LEFT_ANKLE)] * 28
    last = smooth(poses, at(30))[-1]
    assert last.xy[LEFT_ANKLE] == pytest.approx(standing().xy[LEFT_ANKLE], abs=0.5)
    assert last.scores[LEFT_ANKLE] >= LAYOUT_SCORE


def test_does_not_mix_visitors_on_either_side_of_a_gap() -> None:
    left, right = standing(), Pose(standing().xy + np.array((200, 0), np.float32), np.ones(17, np.float32), 1.0)
    smoothed = smooth([left, left, right, right], [0.0, 0.1, 0.6, 0.7])
    assert smoothed[1].xy == pytest.approx(left.xy)
    assert smoothed[2].xy == pytest.approx(right.xy)


def test_leaves_what_it_receives_as_it_is() -> None:
    pose = without(standing(), LEFT_WRIST)
    smooth([standing(), pose, standing()], at(3))
    assert pose.scores[LEFT_WRIST] == 0
