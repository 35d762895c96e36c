"""Vectors for Annoy: blind to what does not count, and whole where a pose is not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.vector import REGIONS, REGIONS_PER_QUERY, choose_regions, fit_shape_model, region_vectors
from models.pose import MIRROR_ORDER
from tests.support.sample_poses import STANDING_POSE, sample_people

FLIP = np.array([-1, 1], np.float32)


@pytest.fixture(scope="module")
def shape():
    poses = sample_people(3000, unseen_share=0.15)
    return fit_shape_model(poses[:, :, :2], poses[:, :, 2] > 0)


@pytest.mark.parametrize("region", REGIONS)
@given(seed=st.integers(0, 1000), scale=st.floats(0.05, 50), x=st.floats(-2000, 2000), y=st.floats(-2000, 2000))
@settings(deadline=None, max_examples=20)
def test_a_vector_is_blind_to_place_and_size(region, seed, scale, x, y):
    pose = sample_people(1, seed)[:, :, :2]
    moved = (pose * scale + (x, y)).astype(np.float32)
    before, after = region_vectors(pose, region), region_vectors(moved, region)
    assert np.linalg.norm(before) == pytest.approx(1, abs=1e-5)
    assert np.abs(before - after).max() < 2e-3


@pytest.mark.parametrize("region", REGIONS)
def test_all_points_in_one_place_give_no_vector_and_no_warning(region):
    assert not region_vectors(np.zeros((2, 17, 2), np.float32), region).any()


def test_nearer_poses_agree_better():
    from index.agreement import agreement

    poses = sample_people(4000)[:, :, :2]
    distances = np.linalg.norm(region_vectors(poses, "whole") - region_vectors(poses[:1], "whole"), axis=1)[1:]
    agreements = agreement(poses[0], np.ones(17, np.float32), poses[1:], np.ones((3999, 17), bool))
    nearest = agreements[np.argsort(distances)]
    assert nearest[:40].mean() > nearest[40:400].mean() > nearest[400:].mean()


def test_points_that_are_seen_stay_where_they_are(shape):
    poses = sample_people(500, 7, unseen_share=0.4)
    seen = poses[:, :, 2] > 0
    whole = shape.complete(poses[:, :, :2], seen)
    assert np.array_equal(whole[seen], poses[:, :, :2][seen])
    assert np.isfinite(whole).all()


@given(
    seed=st.integers(0, 1000), seen=st.lists(st.booleans(), min_size=17, max_size=17), size=st.sampled_from([0, 1, 1e4])
)
@settings(deadline=None)
def test_any_points_can_be_completed(shape, seed, seen, size):
    pose = sample_people(1, seed)[:, :, :2] * np.float32(size)
    assert np.isfinite(shape.complete(pose, np.array([seen]))).all()


def test_a_hidden_wrist_is_guessed_better_where_the_elbow_is_seen(shape):
    poses = sample_people(400, 99)[:, :, :2]
    seen = np.ones((400, 17), bool)
    seen[:, 9] = False
    guessed = shape.complete(poses, seen)[:, 9]
    seen[:, 7] = False
    from_less = shape.complete(poses, seen)[:, 9]
    away = np.linalg.norm(guessed - poses[:, 9], axis=1), np.linalg.norm(from_less - poses[:, 9], axis=1)
    assert np.median(away[0]) < 0.9 * np.median(away[1])


def test_guessing_is_blind_to_place_and_size(shape):
    poses, seen = sample_people(50, 3)[:, :, :2], sample_people(50, 3, unseen_share=0.4)[:, :, 2] > 0
    seen[:, 5:7] = True
    before = shape.complete(poses, seen)
    after = shape.complete(poses * 3 + np.float32((200, -50)), seen)
    assert np.abs((after - (200, -50)) / 3 - before).max() < 0.01


def test_mirror_images_are_guessed_alike(shape):
    poses, seen = sample_people(50, 4)[:, :, :2], sample_people(50, 4, unseen_share=0.4)[:, :, 2] > 0
    seen[:, 5:7] = True
    straight = shape.complete(poses, seen)
    mirrored = shape.complete(poses[:, MIRROR_ORDER] * FLIP, seen[:, MIRROR_ORDER])
    assert np.abs(mirrored[:, MIRROR_ORDER] * FLIP - straight).max() < 0.05


points_seen = st.lists(st.booleans(), min_size=17, max_size=17).map(np.array)


@given(seed=st.integers(0, 1000), seen=points_seen.filter(lambda seen: seen.sum() >= 2))
@settings(deadline=None)
def test_what_is_asked_are_the_vectors_of_the_whole_pose_and_of_its_mirror_image(shape, seed, seen):
    pose = sample_people(1, seed)[:, :, :2]
    whole = shape.complete(pose, seen[None])
    asked = shape.queries(pose[0], seen)
    assert [(one.region, one.mirrored) for one in asked] == [
        *((region, False) for region in choose_regions(seen)),
        *((region, True) for region in choose_regions(seen[MIRROR_ORDER])),
    ]
    for region, mirrored, vector in asked:
        expected = region_vectors(whole[:, MIRROR_ORDER] * FLIP if mirrored else whole, region)[0]
        assert np.abs(expected - vector).max() < 1e-3


@given(seed=st.integers(0, 1000), seen=points_seen.filter(lambda seen: seen.sum() >= 2))
@settings(deadline=None)
def test_a_mirror_image_asks_for_the_same_the_other_way_round(shape, seed, seen):
    pose = sample_people(1, seed)[0, :, :2]
    straight, turned = shape.queries(pose, seen), shape.queries(pose[MIRROR_ORDER] * FLIP, seen[MIRROR_ORDER])
    there = {(one.region, one.mirrored): one.vector for one in turned}
    for region, mirrored, vector in straight:
        assert np.abs(np.subtract(there[region, not mirrored], vector)).max() < 2e-3


@given(seed=st.integers(0, 1000), seen=points_seen, size=st.sampled_from([0, 1, 1e4]))
@settings(deadline=None)
def test_any_points_can_be_asked_for(shape, seed, seen, size):
    for one in shape.queries(sample_people(1, seed)[0, :, :2] * np.float32(size), seen):
        length = np.linalg.norm(one.vector)
        # All points in one place are nobody's pose: what they ask for only has to be numbers.
        assert length == pytest.approx(1, abs=1e-6) if size else length <= 1 + 1e-6


def test_one_person_alone_is_guessed_to_stand():
    one = STANDING_POSE[None]
    seen = np.ones((1, 17), bool)
    shape = fit_shape_model(one, seen)
    seen[0, 13:] = False
    knees_and_ankles = shape.complete(one, seen)[0, 13:]
    assert (knees_and_ankles[:, 1] > one[0, 11:13, 1].max()).all(), "below the hips"


def test_the_shape_is_the_same_each_time():
    poses = sample_people(300, unseen_share=0.2)
    first, second = (fit_shape_model(poses[:, :, :2], poses[:, :, 2] > 0) for _ in range(2))
    assert np.array_equal(first.mean, second.mean)
    assert np.array_equal(first.covariance, second.covariance)


@pytest.mark.parametrize(
    ("points", "first", "not_asked"),
    [
        (range(17), "whole", ()),
        (range(11), "face", ("legs",)),
        ((0, 5, 6, 7, 8, 9, 10), "arms", ("legs",)),
        ((5, 6, 11, 12, 13, 14, 15, 16), "legs", ("face",)),
        ((0, 5, 6, 7, 9, 11, 12), "left", ()),
        ((0, 5, 6, 8, 10, 11, 12), "right", ()),
    ],
)
def test_the_regions_asked_are_those_that_are_seen(points, first, not_asked):
    asked = choose_regions(np.isin(np.arange(17), list(points)))
    assert asked[0] == first
    assert len(set(asked)) == REGIONS_PER_QUERY
    assert not set(asked) & set(not_asked)
