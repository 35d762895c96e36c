"""Agreement, against its definition and its laws."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.agreement import agreement, align
from models.pose import MIRROR_ORDER, SIGMAS, Floats, Pose
from tests.support.sample_poses import STANDING_POSE, sample_people

SEEN = np.ones((1, 17), bool)
ONES = np.ones(17, np.float32)


def agreement_by_definition(
    query: npt.NDArray[np.float64], weights: Floats, candidate: Floats, seen: npt.NDArray[np.bool_]
) -> float:
    """The formula in docs/explanation, term by term, with the alignment from NumPy's least squares."""
    rows, targets = [], []
    for k in range(17):
        root = math.sqrt(weights[k] * seen[k])
        rows += [(root * candidate[k, 0], root, 0), (root * candidate[k, 1], 0, root)]
        targets += [root * query[k, 0], root * query[k, 1]]
    scale, x, y = np.linalg.lstsq(np.array(rows, float), np.array(targets, float), rcond=None)[0]
    if scale <= 0:  # the best fit would be upside down, which is not allowed: the best that is allowed is a dot
        shared = weights * seen
        scale, (x, y) = 0, shared @ query / shared.sum()
    box = query[weights > 0]
    area = 0.53 * np.ptp(box[:, 0]) * np.ptp(box[:, 1])
    total = 0.0
    for k in range(17):
        error = (scale * candidate[k, 0] + x - query[k, 0]) ** 2 + (scale * candidate[k, 1] + y - query[k, 1]) ** 2
        total += float(weights[k]) * seen[k] * math.exp(-error / (2 * area * (2 * SIGMAS[k]) ** 2))
    return total / float(weights.sum())


@given(seed=st.integers(0, 10_000))
def test_follows_its_definition(seed: int) -> None:
    query, candidate = sample_people(2, seed, unseen_share=0.2)
    weights = np.random.default_rng(seed).random(17).astype(np.float32) * (query[:, 2] > 0)
    seen = candidate[:, 2] > 0
    expected = agreement_by_definition(query[:, :2].astype(float), weights, candidate[:, :2], seen)
    assert agreement(query[:, :2], weights, candidate[None, :, :2], seen[None])[0] == pytest.approx(expected, abs=2e-4)


@given(seed=st.integers(0, 10_000), scale=st.floats(0.1, 20), x=st.floats(-900, 900), y=st.floats(-900, 900))
def test_ignores_place_and_size(seed: int, scale: float, x: float, y: float) -> None:
    query, candidate = sample_people(2, seed)[:, :, :2]
    moved = (candidate * scale + (x, y)).astype(np.float32)
    before, after = agreement(query, ONES, np.stack([candidate, moved]), np.repeat(SEEN, 2, 0))
    assert after == pytest.approx(before, abs=1e-3)


@given(seed=st.integers(0, 10_000))
def test_mirroring_both_poses_changes_nothing(seed: int) -> None:
    query, candidate = sample_people(2, seed, unseen_share=0.1)
    seen = candidate[:, 2] > 0
    weights = (query[:, 2] > 0).astype(np.float32)
    before = agreement(query[:, :2], weights, candidate[None, :, :2], seen[None])[0]
    flip = np.array([-1, 1], np.float32)
    mirrored_query, mirrored_candidate = query[MIRROR_ORDER, :2] * flip, candidate[None, MIRROR_ORDER, :2] * flip
    after = agreement(mirrored_query, weights[MIRROR_ORDER], mirrored_candidate, seen[None, MIRROR_ORDER])[0]
    assert after == pytest.approx(before, abs=1e-4)


def test_a_pose_agrees_fully_with_itself() -> None:
    poses = sample_people(50)[:, :, :2]
    assert agreement(poses[7], ONES, poses, np.repeat(SEEN, 50, 0)).argmax() == 7
    assert agreement(poses[7], ONES, poses[7:8], SEEN)[0] == pytest.approx(1, abs=1e-6)


def test_batch_size_and_memory_order_do_not_matter() -> None:
    query, candidates = sample_people(1, 3)[0], sample_people(200, 4, unseen_share=0.3)
    transposed = np.ascontiguousarray(candidates.T).T
    weights, seen = np.random.default_rng(5).random(17).astype(np.float32), candidates[:, :, 2] > 0
    batch = agreement(query[:, :2], weights, candidates[:, :, :2], seen)
    single = [agreement(query[:, :2], weights, candidates[i : i + 1, :, :2], seen[i : i + 1])[0] for i in range(200)]
    assert batch == pytest.approx(single, abs=1e-5)
    reordered = agreement(query[:, :2], weights, transposed[:, :, :2], transposed[:, :, 2] > 0)
    assert reordered == pytest.approx(batch, abs=1e-6)
    assert np.array_equal(transposed, candidates), "the candidates are unchanged"


def test_a_point_that_the_photo_lacks_counts_as_missed() -> None:
    seen = SEEN.copy()
    seen[0, :5] = False
    assert agreement(STANDING_POSE, ONES, STANDING_POSE[None], seen)[0] == pytest.approx(12 / 17, abs=1e-5)


def test_a_point_that_the_visitor_lacks_does_not_count() -> None:
    weights, candidate = ONES.copy(), STANDING_POSE.copy()
    weights[9], candidate[9] = 0, (300, 300)
    assert agreement(STANDING_POSE, weights, candidate[None], SEEN)[0] == pytest.approx(1, abs=1e-5)


def test_a_headstand_does_not_match_standing() -> None:
    assert agreement(STANDING_POSE, ONES, -STANDING_POSE[None], SEEN)[0] < 0.2


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e30])
def test_rejects_a_coordinate_that_is_not_finite(bad: float) -> None:
    query = STANDING_POSE.copy()
    query[3, 1] = bad
    with pytest.raises(ValueError, match="not a finite number"):
        agreement(query, ONES, STANDING_POSE[None], SEEN)


@pytest.mark.parametrize(
    ("weights", "message"), [(0 * ONES, "no key point with a weight"), (math.nan * ONES, "not a finite number")]
)
def test_rejects_a_query_without_weight(weights: Floats, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        agreement(STANDING_POSE, weights, STANDING_POSE[None], SEEN)


def test_poses_without_common_points_do_not_agree() -> None:
    assert agreement(STANDING_POSE, ONES, STANDING_POSE[None], ~SEEN)[0] == 0


def test_align_finds_scale_and_shift() -> None:
    alignment = align(STANDING_POSE * 3 + np.array((40, -7), np.float32), ONES, STANDING_POSE, SEEN[0])
    assert alignment == pytest.approx((3, 40, -7), abs=1e-3)


def test_align_returns_the_alignment_of_agreement() -> None:
    query, candidate = sample_people(2, 5)[:, :, :2]
    scale, x, y = align(query, ONES, candidate, SEEN[0])
    aligned = candidate * scale + np.array((x, y), np.float32)
    errors = ((aligned - query) ** 2).sum(1)
    (left, top, right, bottom) = Pose(query, ONES, 1.0).box() or (0, 0, 0, 0)
    expected = np.exp(-errors / (2 * 0.53 * (right - left) * (bottom - top) * (2 * SIGMAS) ** 2)).mean()
    assert agreement(query, ONES, candidate[None], SEEN)[0] == pytest.approx(expected, abs=1e-4)
