"""Likeness: its laws, and what people expect of it."""

from __future__ import annotations

import itertools
import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.likeness import MIRRORED_PARTS, PART_COUNT, compare, likeness, make_query, part_table
from models.pose import MIRROR_ORDER, Floats
from tests.support.sample_poses import STANDING_POSE, sample_people

SEEN = np.ones((1, 17), bool)
ONES = np.ones(17, np.float32)
FLIP = np.array([-1, 1], np.float32)
LEFT_SHOULDER, LEFT_ELBOW, LEFT_WRIST = 5, 7, 9

CHAINS = ((5, 7, 9), (6, 8, 10), (11, 13, 15), (12, 14, 16))
"""The key points of each limb, from the trunk outwards."""


def one(query: Floats, candidate: Floats, visibility: Floats = ONES) -> float:
    return float(likeness(query, visibility, candidate[None], SEEN)[0])


def with_left_arm(elbow: tuple[float, float], wrist: tuple[float, float]) -> Floats:
    """Return the standing pose with the left elbow and wrist here, relative to the left shoulder."""
    pose = STANDING_POSE.copy()
    pose[LEFT_ELBOW], pose[LEFT_WRIST] = pose[LEFT_SHOULDER] + elbow, pose[LEFT_SHOULDER] + wrist
    return pose


def resize_limbs(pose: Floats, arms: float, legs: float, trunk: float) -> Floats:
    """Return the same pose on a body of other proportions: every part keeps its direction."""
    shoulders, hips = pose[5:7].mean(0), pose[11:13].mean(0)
    result = pose.copy()
    shift = (trunk - 1) * (hips - shoulders)
    result[11:13] += shift
    for chain in CHAINS:
        factor = arms if chain[0] < 11 else legs
        for start, end in itertools.pairwise(chain):
            result[end] = result[start] + factor * (pose[end] - pose[start])
    return result


@given(seed=st.integers(0, 10_000), scale=st.floats(0.1, 20), x=st.floats(-900, 900), y=st.floats(-900, 900))
def test_ignores_place_and_size(seed: int, scale: float, x: float, y: float) -> None:
    query, candidate = sample_people(2, seed)[:, :, :2]
    moved = (candidate * scale + (x, y)).astype(np.float32)
    assert one(query, moved) == pytest.approx(one(query, candidate), abs=2e-3)


@given(seed=st.integers(0, 10_000))
def test_mirroring_both_poses_changes_nothing(seed: int) -> None:
    query, candidate = sample_people(2, seed)[:, :, :2]
    assert one(query[MIRROR_ORDER] * FLIP, candidate[MIRROR_ORDER] * FLIP) == pytest.approx(
        one(query, candidate), abs=1e-4
    )


@given(seed=st.integers(0, 10_000))
def test_comparing_mirrored_is_comparing_with_the_mirror_image(seed: int) -> None:
    query, candidate = sample_people(2, seed, unseen_share=0.1)
    visibility, seen = np.sqrt(query[:, 2]), candidate[None, :, 2] > 0
    table = part_table(candidate[None, :, :2], seen.astype(np.float32))[0]
    mirrored = compare(make_query(query[:, :2], visibility), table, np.array([True]))
    expected = likeness(query[:, :2], visibility, candidate[None, MIRROR_ORDER, :2] * FLIP, seen[:, MIRROR_ORDER])
    assert mirrored == pytest.approx(expected, abs=1e-4)


@given(seed=st.integers(0, 10_000), unseen=st.floats(0, 0.6))
def test_is_a_share_and_greatest_for_itself(seed: int, unseen: float) -> None:
    people = sample_people(30, seed, unseen)
    seen = people[:, :, 2] > 0
    result = likeness(people[0, :, :2], people[0, :, 2], people[:, :, :2], seen)
    assert ((result >= 0) & (result <= 1 + 1e-6)).all()
    assert result[0] == result.max()


@given(seed=st.integers(0, 10_000), arms=st.floats(0.8, 1.2), legs=st.floats(0.8, 1.2), trunk=st.floats(0.8, 1.2))
def test_proportions_hardly_count(seed: int, arms: float, legs: float, trunk: float) -> None:
    """A child, a tall person and a drawn figure in one pose are alike."""
    pose = sample_people(1, seed)[0, :, :2]
    assert one(pose, resize_limbs(pose, arms, legs, trunk)) > 0.9


@given(seed=st.integers(0, 300), arms=st.floats(0.8, 1.2), legs=st.floats(0.8, 1.2))
@settings(max_examples=30)
def test_other_proportions_find_the_same_pose(seed: int, arms: float, legs: float) -> None:
    people = sample_people(200, seed)[:, :, :2]
    resized = resize_limbs(people[7], arms, legs, 1.0)
    assert likeness(resized, ONES, people, np.repeat(SEEN, 200, 0)).argmax() == 7


def test_a_raised_arm_is_unlike_a_hanging_one() -> None:
    hanging = with_left_arm((1, 25), (2, 48))
    slightly_bent = with_left_arm((4, 25), (10, 46))
    raised = with_left_arm((1, -25), (2, -48))
    assert one(hanging, slightly_bent) > 0.95
    assert one(hanging, raised) < 0.8


def test_likeness_falls_as_an_arm_turns() -> None:
    likenesses = []
    for angle in range(0, 181, 15):
        turn = np.array([math.sin(math.radians(angle)), math.cos(math.radians(angle))])
        arm = with_left_arm(tuple((25 * turn).tolist()), tuple((48 * turn).tolist()))
        likenesses.append(one(with_left_arm((0, 25), (0, 48)), arm))
    assert likenesses == sorted(likenesses, reverse=True)
    assert likenesses[0] == pytest.approx(1, abs=1e-5)


def test_an_arm_towards_the_camera_is_unlike_one_at_full_length() -> None:
    towards_camera, wide = with_left_arm((6, 2), (10, 4)), with_left_arm((25, 0), (48, 0))
    assert one(towards_camera, with_left_arm((5, 4), (9, 7))) > one(towards_camera, wide) + 0.03


def test_looking_the_other_way_is_less_alike() -> None:
    left, right = STANDING_POSE.copy(), STANDING_POSE.copy()
    left[0, 0] += 8
    right[0, 0] -= 8
    assert one(left, right) < one(left, left) - 0.02


def test_unseen_legs_are_answered_by_standing_ones() -> None:
    kicking = STANDING_POSE.copy()
    kicking[13], kicking[15] = kicking[11] + np.array((30, 20)), kicking[11] + np.array((70, 25))
    waist_up = ONES.copy()
    waist_up[13:] = 0
    no_legs = SEEN.copy()
    no_legs[0, 13:] = False
    assert one(STANDING_POSE, kicking, waist_up) < one(STANDING_POSE, STANDING_POSE, waist_up) - 0.01
    photo_to_the_waist = likeness(STANDING_POSE, waist_up, STANDING_POSE[None], no_legs)[0]
    assert photo_to_the_waist > 0.97, "no legs are as good as standing ones"


def test_a_back_does_not_answer_a_face() -> None:
    """From behind, the same limbs are on the other side of the picture, so that only the shoulders tell."""
    back = STANDING_POSE[MIRROR_ORDER]
    seen = SEEN.copy()
    seen[0, :3] = False  # the face is on the other side
    assert likeness(STANDING_POSE, ONES, back[None], seen)[0] < 0.9
    assert likeness(STANDING_POSE, ONES, STANDING_POSE[None], seen)[0] > 0.95


def test_a_guessed_thigh_does_not_make_a_visitor_sit() -> None:
    seated = STANDING_POSE.copy()
    seated[13:15] = seated[11:13] + np.array((2, 8))
    seated[15:17] = seated[13:15] + np.array((0, 38))
    guessed = ONES.copy()
    guessed[13:] = 0.15
    assert one(seated, seated, guessed) < 0.9


def test_a_seated_person_answers_only_seated_visitors() -> None:
    """A visitor seen down to the waist is not known to sit."""
    seated = STANDING_POSE.copy()
    seated[13:15] = seated[11:13] + np.array((2, 8))
    seated[15:17] = seated[13:15] + np.array((0, 38))
    waist_up = ONES.copy()
    waist_up[13:] = 0
    assert one(seated, seated) == pytest.approx(1, abs=1e-5)
    assert one(STANDING_POSE, seated, waist_up) < 0.9
    assert one(seated, STANDING_POSE) < 0.85, "and somebody who stands hardly answers one who sits"
    assert one(STANDING_POSE, STANDING_POSE, waist_up) > 0.99


def test_a_part_that_the_photo_lacks_counts_as_missed() -> None:
    seen = SEEN.copy()
    seen[0, LEFT_WRIST] = False
    assert likeness(STANDING_POSE, ONES, STANDING_POSE[None], seen)[0] == pytest.approx(1 - 2 / 12.5, abs=1e-3)


def test_a_part_that_the_visitor_lacks_does_not_count() -> None:
    visibility, candidate = ONES.copy(), STANDING_POSE.copy()
    visibility[LEFT_WRIST], candidate[LEFT_WRIST] = 0, STANDING_POSE[LEFT_ELBOW] + np.array((0, -23))
    assert likeness(STANDING_POSE, visibility, candidate[None], SEEN)[0] > 0.99
    assert one(STANDING_POSE, candidate) < 0.9


def test_a_headstand_does_not_match_standing() -> None:
    assert one(STANDING_POSE, -STANDING_POSE) < 0.1


def test_poses_without_common_parts_are_not_alike() -> None:
    assert likeness(STANDING_POSE, ONES, STANDING_POSE[None], ~SEEN)[0] == 0
    assert likeness(STANDING_POSE, 0 * ONES, STANDING_POSE[None], SEEN)[0] == 0


def test_points_in_one_place_are_alike_to_nobody() -> None:
    point = np.full((17, 2), 7, np.float32)
    assert one(point, STANDING_POSE) == 0
    assert one(STANDING_POSE, point) == 0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e30])
def test_rejects_a_coordinate_that_is_not_finite(bad: float) -> None:
    query = STANDING_POSE.copy()
    query[3, 1] = bad
    with pytest.raises(ValueError, match="not a finite number"):
        one(query, STANDING_POSE)


def test_batches_are_compared_as_single_people() -> None:
    query, candidates = sample_people(1, 3)[0], sample_people(200, 4, unseen_share=0.3)
    seen = candidates[:, :, 2] > 0
    batch = likeness(query[:, :2], query[:, 2], candidates[:, :, :2], seen)
    single = [likeness(query[:, :2], query[:, 2], candidates[i : i + 1, :, :2], seen[i : i + 1])[0] for i in range(200)]
    assert batch == pytest.approx(single, abs=1e-5)


def test_the_parts_of_a_mirror_image_are_mirrored() -> None:
    pose = sample_people(1, 8)[:, :, :2]
    visible: npt.NDArray[np.float32] = np.ones((1, 17), np.float32)
    straight, mirrored = part_table(pose, visible)[0][0], part_table(pose[:, MIRROR_ORDER] * FLIP, visible)[0][0]
    x, lengths = straight[:PART_COUNT], straight[2 * PART_COUNT : 3 * PART_COUNT]
    assert mirrored[:PART_COUNT] == pytest.approx(-x[MIRRORED_PARTS], abs=1e-4)
    assert mirrored[2 * PART_COUNT : 3 * PART_COUNT] == pytest.approx(lengths[MIRRORED_PARTS], abs=1e-4)
