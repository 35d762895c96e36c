"""The measure that everything is judged by, against its definition and by its laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.agreement import agreement, align
from models.pose import MIRROR_ORDER, SIGMAS, Pose
from tests.support.sample_poses import STANDING_POSE, sample_people

SEEN = np.ones((1, 17), bool)
ONES = np.ones(17, np.float32)


def by_definition(query, weights, candidate, seen) -> float:
    """DESIGN's formula, term by term, with the fit found by NumPy's least squares."""
    rows, wanted = [], []
    for k in range(17):
        root = math.sqrt(weights[k] * seen[k])
        rows += [(root * candidate[k, 0], root, 0), (root * candidate[k, 1], 0, root)]
        wanted += [root * query[k, 0], root * query[k, 1]]
    scale, x, y = np.linalg.lstsq(np.array(rows, float), np.array(wanted, float), rcond=None)[0]
    if scale <= 0:  # it would fit best turned over, which is not allowed: the nearest that is, is a dot
        shared = weights * seen
        scale, (x, y) = 0, shared @ query / shared.sum()
    box = query[weights > 0]
    area = 0.53 * np.ptp(box[:, 0]) * np.ptp(box[:, 1])
    found = 0.0
    for k in range(17):
        missed = (scale * candidate[k, 0] + x - query[k, 0]) ** 2 + (scale * candidate[k, 1] + y - query[k, 1]) ** 2
        found += weights[k] * seen[k] * math.exp(-missed / (2 * area * (2 * SIGMAS[k]) ** 2))
    return found / weights.sum()


@given(seed=st.integers(0, 10_000))
@settings(deadline=None)
def test_it_is_what_the_definition_says(seed):
    query, candidate = sample_people(2, seed, unseen_share=0.2)
    weights = np.random.default_rng(seed).random(17).astype(np.float32) * (query[:, 2] > 0)
    seen = candidate[:, 2] > 0
    expected = by_definition(query[:, :2].astype(float), weights, candidate[:, :2], seen)
    assert agreement(query[:, :2], weights, candidate[None, :, :2], seen[None])[0] == pytest.approx(expected, abs=2e-4)


@given(seed=st.integers(0, 10_000), scale=st.floats(0.1, 20), x=st.floats(-900, 900), y=st.floats(-900, 900))
@settings(deadline=None)
def test_place_and_size_of_the_photo_do_not_count(seed, scale, x, y):
    query, candidate = sample_people(2, seed)[:, :, :2]
    moved = (candidate * scale + (x, y)).astype(np.float32)
    before, after = agreement(query, ONES, np.stack([candidate, moved]), np.repeat(SEEN, 2, 0))
    assert after == pytest.approx(before, abs=1e-3)


@given(seed=st.integers(0, 10_000))
@settings(deadline=None)
def test_both_mirrored_agree_as_before(seed):
    query, candidate = sample_people(2, seed, unseen_share=0.1)
    seen = candidate[:, 2] > 0
    weights = (query[:, 2] > 0).astype(np.float32)
    before = agreement(query[:, :2], weights, candidate[None, :, :2], seen[None])[0]
    flip = np.array([-1, 1], np.float32)
    after = agreement(
        query[MIRROR_ORDER, :2] * flip, weights[MIRROR_ORDER], candidate[None, MIRROR_ORDER, :2] * flip, seen[None, MIRROR_ORDER]
    )[0]  # fmt: skip
    assert after == pytest.approx(before, abs=1e-4)


def test_a_pose_agrees_with_itself_wholly():
    poses = sample_people(50)[:, :, :2]
    assert agreement(poses[7], ONES, poses, np.repeat(SEEN, 50, 0)).argmax() == 7
    assert agreement(poses[7], ONES, poses[7:8], SEEN)[0] == pytest.approx(1, abs=1e-6)


def test_many_at_once_agree_as_one_by_one_however_they_lie_in_memory():
    query, candidates = sample_people(1, 3)[0], sample_people(200, 4, unseen_share=0.3)
    rows = np.ascontiguousarray(candidates.T).T
    weights, seen = np.random.default_rng(5).random(17).astype(np.float32), candidates[:, :, 2] > 0
    together = agreement(query[:, :2], weights, candidates[:, :, :2], seen)
    apart = [agreement(query[:, :2], weights, candidates[i : i + 1, :, :2], seen[i : i + 1])[0] for i in range(200)]
    assert together == pytest.approx(apart, abs=1e-5)
    assert agreement(query[:, :2], weights, rows[:, :, :2], rows[:, :, 2] > 0) == pytest.approx(together, abs=1e-6)
    assert np.array_equal(rows, candidates), "left as they were"


def test_a_point_that_the_photo_lacks_counts_as_missed():
    seen = SEEN.copy()
    seen[0, :5] = False
    assert agreement(STANDING_POSE, ONES, STANDING_POSE[None], seen)[0] == pytest.approx(12 / 17, abs=1e-5)


def test_a_point_that_the_visitor_lacks_does_not_count():
    weights, elsewhere = ONES.copy(), STANDING_POSE.copy()
    weights[9], elsewhere[9] = 0, (300, 300)
    assert agreement(STANDING_POSE, weights, elsewhere[None], SEEN)[0] == pytest.approx(1, abs=1e-5)


def test_a_headstand_is_not_standing():
    assert agreement(STANDING_POSE, ONES, -STANDING_POSE[None], SEEN)[0] < 0.2


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e30])
def test_a_coordinate_that_is_no_number_is_refused(bad):
    query = STANDING_POSE.copy()
    query[3, 1] = bad
    with pytest.raises(ValueError, match="not a finite number"):
        agreement(query, ONES, STANDING_POSE[None], SEEN)


@pytest.mark.parametrize(
    ("weights", "said"), [(0 * ONES, "no key point with a weight"), (math.nan * ONES, "not a finite number")]
)
def test_a_query_without_weight_is_refused(weights, said):
    with pytest.raises(ValueError, match=said):
        agreement(STANDING_POSE, weights, STANDING_POSE[None], SEEN)


def test_nothing_shared_agrees_not_at_all():
    assert agreement(STANDING_POSE, ONES, STANDING_POSE[None], ~SEEN)[0] == 0


def test_align_lays_the_photo_on_the_visitor():
    found = align(STANDING_POSE * 3 + np.float32((40, -7)), ONES, STANDING_POSE, SEEN[0])
    assert found == pytest.approx((3, 40, -7), abs=1e-3)


def test_align_is_the_fit_that_agreement_judges():
    query, candidate = sample_people(2, 5)[:, :, :2]
    scale, x, y = align(query, ONES, candidate, SEEN[0])
    laid = candidate * scale + np.float32((x, y))
    missed = ((laid - query) ** 2).sum(1)
    (left, top, right, bottom) = Pose(query, ONES, 1.0).box() or (0, 0, 0, 0)
    expected = np.exp(-missed / (2 * 0.53 * (right - left) * (bottom - top) * (2 * SIGMAS) ** 2)).mean()
    assert agreement(query, ONES, candidate[None], SEEN)[0] == pytest.approx(expected, abs=1e-4)
