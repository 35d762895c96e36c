"""Vectors for Annoy: they ignore place and size, and are complete where a pose is not."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.likeness import Flags, likeness
from index.vector import (
    REGIONS,
    REGIONS_PER_QUERY,
    ShapeModel,
    choose_regions,
    fit_shape_model,
    region_vectors,
)
from models.pose import MIRROR_ORDER
from tests.support.sample_poses import STANDING_POSE, sample_people

FLIP = np.array([-1, 1], np.float32)


def flags(values: list[bool]) -> Flags:
    return np.array(values, np.bool_)


SEEN_FLAGS = st.lists(st.booleans(), min_size=17, max_size=17).map(flags)
AT_LEAST_TWO_SEEN = SEEN_FLAGS.filter(lambda seen: seen.sum() >= 2)


@pytest.fixture(scope="module")
def shape() -> ShapeModel:
    poses = sample_people(3000, unseen_share=0.15)
    return fit_shape_model(poses[:, :, :2], poses[:, :, 2] > 0)


@pytest.mark.parametrize("region", REGIONS)
@given(seed=st.integers(0, 1000), scale=st.floats(0.05, 50), x=st.floats(-2000, 2000), y=st.floats(-2000, 2000))
@settings(max_examples=20)
def test_vectors_ignore_place_and_size(region: str, seed: int, scale: float, x: float, y: float) -> None:
    pose = sample_people(1, seed)[:, :, :2]
    moved = (pose * scale + (x, y)).astype(np.float32)
    before, after = region_vectors(pose, region), region_vectors(moved, region)
    assert np.linalg.norm(before) == pytest.approx(1, abs=1e-5)
    assert np.abs(before - after).max() < 2e-3


@pytest.mark.parametrize("region", REGIONS)
def test_a_pose_in_one_place_has_a_zero_vector(region: str) -> None:
    assert not region_vectors(np.zeros((2, 17, 2), np.float32), region).any()


def test_nearer_poses_are_more_alike() -> None:
    poses = sample_people(4000)[:, :, :2]
    distances = np.linalg.norm(region_vectors(poses, "whole") - region_vectors(poses[:1], "whole"), axis=1)[1:]
    likenesses = likeness(poses[0], np.ones(17, np.float32), poses[1:], np.ones((3999, 17), bool))
    nearest = likenesses[np.argsort(distances)]
    assert nearest[:40].mean() > nearest[40:400].mean() > nearest[400:].mean()


@pytest.mark.slow
def test_completing_keeps_seen_points(shape: ShapeModel) -> None:
    poses = sample_people(500, 7, unseen_share=0.4)
    seen = poses[:, :, 2] > 0
    completed = shape.complete(poses[:, :, :2], seen)
    assert np.array_equal(completed[seen], poses[:, :, :2][seen])
    assert np.isfinite(completed).all()


@pytest.mark.slow
@given(seed=st.integers(0, 1000), seen=SEEN_FLAGS, size=st.sampled_from([0.0, 1.0, 1e4]))
def test_completes_any_points(shape: ShapeModel, seed: int, seen: Flags, size: float) -> None:
    pose = sample_people(1, seed)[:, :, :2] * np.float32(size)
    assert np.isfinite(shape.complete(pose, seen[None])).all()


def test_guesses_a_wrist_better_from_a_seen_elbow(shape: ShapeModel) -> None:
    poses = sample_people(400, 99)[:, :, :2]
    seen = np.ones((400, 17), bool)
    seen[:, 9] = False
    with_elbow = shape.complete(poses, seen)[:, 9]
    seen[:, 7] = False
    without_elbow = shape.complete(poses, seen)[:, 9]
    errors, more_errors = (np.linalg.norm(guess - poses[:, 9], axis=1) for guess in (with_elbow, without_elbow))
    assert np.median(errors) < 0.9 * np.median(more_errors)


def test_guesses_ignore_place_and_size(shape: ShapeModel) -> None:
    poses, seen = sample_people(50, 3)[:, :, :2], sample_people(50, 3, unseen_share=0.4)[:, :, 2] > 0
    seen[:, 5:7] = True
    before = shape.complete(poses, seen)
    after = shape.complete(poses * 3 + np.array((200, -50), np.float32), seen)
    assert np.abs((after - (200, -50)) / 3 - before).max() < 0.01


def test_guesses_mirror_images_alike(shape: ShapeModel) -> None:
    poses, seen = sample_people(50, 4)[:, :, :2], sample_people(50, 4, unseen_share=0.4)[:, :, 2] > 0
    seen[:, 5:7] = True
    straight = shape.complete(poses, seen)
    mirrored = shape.complete(poses[:, MIRROR_ORDER] * FLIP, seen[:, MIRROR_ORDER])
    assert np.abs(mirrored[:, MIRROR_ORDER] * FLIP - straight).max() < 0.05


@given(seed=st.integers(0, 1000), seen=AT_LEAST_TWO_SEEN)
def test_queries_are_vectors_of_the_completed_pose(shape: ShapeModel, seed: int, seen: Flags) -> None:
    pose = sample_people(1, seed)[:, :, :2]
    completed = shape.complete(pose, seen[None])
    queries = shape.queries(pose[0], seen)
    assert [(query.region, query.mirrored) for query in queries] == [
        *((region, False) for region in choose_regions(seen)),
        *((region, True) for region in choose_regions(seen[MIRROR_ORDER])),
    ]
    for region, mirrored, vector in queries:
        expected = region_vectors(completed[:, MIRROR_ORDER] * FLIP if mirrored else completed, region)[0]
        assert np.abs(expected - vector).max() < 1e-3


@given(seed=st.integers(0, 1000), seen=AT_LEAST_TWO_SEEN)
def test_a_mirror_image_has_the_same_queries_mirrored(shape: ShapeModel, seed: int, seen: Flags) -> None:
    pose = sample_people(1, seed)[0, :, :2]
    straight, mirrored = shape.queries(pose, seen), shape.queries(pose[MIRROR_ORDER] * FLIP, seen[MIRROR_ORDER])
    vectors = {(query.region, query.mirrored): query.vector for query in mirrored}
    for query in straight:
        assert np.abs(np.subtract(vectors[query.region, not query.mirrored], query.vector)).max() < 2e-3


@given(seed=st.integers(0, 1000), seen=SEEN_FLAGS, size=st.sampled_from([0.0, 1.0, 1e4]))
def test_any_points_have_queries(shape: ShapeModel, seed: int, seen: Flags, size: float) -> None:
    for query in shape.queries(sample_people(1, seed)[0, :, :2] * np.float32(size), seen):
        length = np.linalg.norm(query.vector)
        # Points all in one place are not a pose: their queries only have to be finite.
        assert length == pytest.approx(1, abs=1e-6) if size else length <= 1 + 1e-6


def test_a_single_person_is_guessed_to_stand() -> None:
    pose = STANDING_POSE[None]
    seen = np.ones((1, 17), bool)
    shape = fit_shape_model(pose, seen)
    seen[0, 13:] = False
    knees_and_ankles = shape.complete(pose, seen)[0, 13:]
    assert (knees_and_ankles[:, 1] > pose[0, 11:13, 1].max()).all(), "below the hips"


def test_fitting_is_reproducible() -> None:
    poses = sample_people(300, unseen_share=0.2)
    first, second = (fit_shape_model(poses[:, :, :2], poses[:, :, 2] > 0) for _ in range(2))
    assert np.array_equal(first.mean, second.mean)
    assert np.array_equal(first.covariance, second.covariance)


@pytest.mark.parametrize(
    ("points", "first", "not_chosen"),
    [
        (range(17), "whole", ()),
        ((0, *range(3, 13)), "upper", ("legs",)),
        (range(11), "arms", ("legs",)),
        ((5, 6, 11, 12, 13, 14, 15, 16), "legs", ("arms",)),
        ((5, 6, 7, 9, 11, 12, 13, 15), "left", ()),
        ((5, 6, 8, 10, 11, 12, 14, 16), "right", ()),
    ],
)
def test_chooses_regions_that_are_seen(points: Iterable[int], first: str, not_chosen: tuple[str, ...]) -> None:
    seen: npt.NDArray[np.bool_] = np.isin(np.arange(17), list(points))
    regions = choose_regions(seen)
    assert regions[0] == first
    assert 1 <= len(set(regions)) == len(regions) <= REGIONS_PER_QUERY
    assert not set(regions) & set(not_chosen)
