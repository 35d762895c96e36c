"""How sure it is that a pose is a person's."""

from __future__ import annotations

import numpy as np
import pytest

from device.presence import presence
from models.pose import Pose
from tests.device.test_follow import person

HEIGHT = 480


def seen_only(pose: Pose, part: slice) -> Pose:
    """The pose with only a part of its key points seen, and its score as the estimator's: the mean over all."""
    scores = np.full(17, 0.03, np.float32)
    scores[part] = pose.scores[part]
    return Pose(pose.xy, scores, float(scores.mean()))


def test_believes_a_clear_person() -> None:
    assert presence(person(320), HEIGHT) > 0.95


def test_believes_a_person_behind_a_counter() -> None:
    near = seen_only(person(320, height=700, floor=800), slice(0, 11))
    assert presence(near, HEIGHT) > 0.9


def test_doubts_a_small_figure_of_middling_scores() -> None:
    assert presence(person(320, height=60, score=0.45), HEIGHT) < 0.1


def test_doubts_low_scores_of_any_size() -> None:
    assert presence(person(320, height=450, score=0.15), HEIGHT) < 0.5


def test_grows_with_scores_and_size() -> None:
    by_score = [presence(person(320, score=score), HEIGHT) for score in (0.2, 0.4, 0.6, 0.8)]
    by_size = [presence(person(320, height=height, score=0.5), HEIGHT) for height in (50, 100, 200, 400)]
    assert by_score == sorted(by_score)
    assert by_size == sorted(by_size)


def test_is_the_same_at_any_resolution() -> None:
    pose = person(320, score=0.4)
    assert presence(pose.scaled(2, 2), 2 * HEIGHT) == pytest.approx(presence(pose, HEIGHT))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nobody_is_where_numbers_are_not_finite(bad: float) -> None:
    pose = person(320)
    xy, scores = pose.xy.copy(), pose.scores.copy()
    xy[3], scores[4] = bad, bad
    assert presence(Pose(xy, pose.scores, 0.8), HEIGHT) == 0
    assert presence(Pose(pose.xy, scores, 0.8), HEIGHT) == 0


def test_nobody_is_where_nothing_is_seen() -> None:
    assert presence(person(320, score=0.0), HEIGHT) < 1e-6
