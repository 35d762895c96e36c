"""The expected rating: what the ring promises."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.rating import MIN_BELIEVABLE, ring_share
from index.likeness import likeness
from models.pose import Pose


@pytest.fixture(scope="module")
def rated_answers(shared_data: Path) -> tuple[np.ndarray, np.ndarray]:
    """The likeness of each rated answer to the pose it was asked with, and the mean of its two ratings (0 to 2)."""
    with np.load(shared_data / "ratings" / "answers.npz") as data:
        rated = {name: data[name] for name in data.files}
    likenesses, ratings = [], []
    for visitor in range(len(rated["visitor"])):
        asked = rated["visitor" if rated["asked"][visitor] == "true" else "posenet"][visitor]
        scores = np.minimum(asked[:, 2], 1).astype(np.float32)
        _, distinct = np.unique(rated["same"][visitor], return_index=True)
        answers = rated["answers"][visitor][distinct]
        pose = Pose(asked[:, :2], scores, 1.0)
        likenesses += likeness(pose.xy, pose.visibility, answers[:, :, :2], answers[:, :, 2] > 0).tolist()
        ratings += rated["ratings"][visitor][distinct].mean(1).tolist()
    return np.array(likenesses), np.array(ratings)


@given(st.floats(-1, 2), st.floats(-1, 2))
def test_the_ring_never_opens_as_likeness_grows(first: float, second: float) -> None:
    less, more = sorted((first, second))
    assert 0 <= ring_share(less) <= ring_share(more) <= 1


@pytest.mark.parametrize(("fit", "share"), [(0.0, 0.0), (MIN_BELIEVABLE, 1 / 3), (0.89, 2 / 3), (1.0, 1.0)])
def test_the_ring_closes_at_the_rated_likenesses(fit: float, share: float) -> None:
    assert ring_share(fit) == pytest.approx(share)


def test_the_top_third_is_for_good_answers(rated_answers: tuple[np.ndarray, np.ndarray]) -> None:
    likenesses, ratings = rated_answers
    ring = np.array([ring_share(fit) for fit in likenesses])
    top, bottom = ratings[ring >= 2 / 3], ratings[ring <= 1 / 3]
    assert len(top) >= 20
    assert len(bottom) >= 10
    assert np.mean(top >= 1.5) > 0.5, "most people call them good"
    assert np.mean(top <= 0.5) < 0.1
    assert np.mean(bottom <= 0.5) > 0.5, "and those of the lowest third wrong"
