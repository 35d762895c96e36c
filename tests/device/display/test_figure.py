"""The drawn figure: it is where the pose is, whatever the pose is, and touches nothing else."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from device.display.drawn_visitor import pose_at
from device.display.figure import HAIR, SKIN, draw_figure
from device.display.style import COOL, MIDDLE, SLATE, WARM, Colour
from models.pose import (
    LEFT_ANKLE,
    LEFT_ELBOW,
    LEFT_HIP,
    LEFT_KNEE,
    LEFT_SHOULDER,
    LEFT_WRIST,
    NOSE,
    RIGHT_ELBOW,
    RIGHT_KNEE,
    RIGHT_SHOULDER,
    Floats,
    Image,
    Pose,
)

SIZE = (320, 480)
ARMS_WIDE = pose_at(5.0, SIZE)
"""A drawn visitor with both arms stretched out sideways."""


def drawn(pose: Pose, size: tuple[int, int] = SIZE) -> Image:
    picture = np.full((size[1], size[0], 3), SLATE, np.uint8)
    draw_figure(picture, pose)
    return picture


def colour_at(picture: Image, point: npt.NDArray[np.floating]) -> Colour:
    red, green, blue = picture[round(float(point[1])), round(float(point[0]))].tolist()
    return red, green, blue


def share_of(picture: Image, colour: Colour) -> float:
    return float((picture == colour).all(-1).mean())


def with_unseen(pose: Pose, *keypoints: int) -> Pose:
    scores = pose.scores.copy()
    scores[list(keypoints)] = 0
    return Pose(pose.xy, scores, pose.score)


def moved(pose: Pose, scale: float = 1.0, shift: tuple[float, float] = (0.0, 0.0)) -> Pose:
    return Pose(((pose.xy + 0.5) * scale - 0.5 + shift).astype(np.float32), pose.scores, pose.score)


def test_limbs_have_their_sides_colours() -> None:
    picture, xy = drawn(ARMS_WIDE), ARMS_WIDE.xy
    for left, right in ((LEFT_ELBOW, RIGHT_ELBOW), (LEFT_KNEE, RIGHT_KNEE)):
        assert colour_at(picture, xy[left]) == COOL
        assert colour_at(picture, xy[right]) == WARM
    assert colour_at(picture, xy[[LEFT_SHOULDER, RIGHT_SHOULDER, LEFT_HIP]].mean(0)) == MIDDLE
    assert colour_at(picture, xy[NOSE]) == SKIN


def test_a_hand_continues_its_forearm_and_a_foot_its_leg() -> None:
    picture, xy = drawn(ARMS_WIDE), ARMS_WIDE.xy
    forearm = xy[LEFT_WRIST] - xy[LEFT_ELBOW]
    assert colour_at(picture, xy[LEFT_WRIST] + 0.25 * forearm) == SKIN
    assert colour_at(picture, xy[LEFT_WRIST] + 0.7 * forearm) == SLATE
    below_ankle = picture[round(float(xy[LEFT_ANKLE, 1])) + 3 :]
    assert share_of(below_ankle, MIDDLE) > 0


def test_a_mirrored_pose_gives_the_mirror_image() -> None:
    """Cool and warm stay on the person's left and right, so they change places in the picture."""
    pose = pose_at(9.0, SIZE)
    mirrored = drawn(pose.mirrored(SIZE[0]))[:, ::-1]
    swapped = drawn(Pose(pose.xy, pose.scores, pose.score))
    assert share_of(mirrored, COOL) > 0.01
    cool, warm = ((swapped == colour).all(-1) for colour in (COOL, WARM))
    np.testing.assert_allclose((mirrored[cool] == WARM).all(-1).mean(), 1, atol=0.03)
    np.testing.assert_allclose((mirrored[warm] == COOL).all(-1).mean(), 1, atol=0.03)


def test_a_larger_pose_gives_a_larger_figure() -> None:
    small = drawn(ARMS_WIDE)
    large = drawn(moved(ARMS_WIDE, 3), (3 * SIZE[0], 3 * SIZE[1]))
    shrunk = cv2.resize(large, SIZE, interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(shrunk - small).mean() < 1.0


def test_a_shift_by_whole_pixels_shifts_the_figure() -> None:
    shifted = drawn(moved(ARMS_WIDE, shift=(7, -5)))
    np.testing.assert_array_equal(shifted[20:-20, 20:-20], np.roll(drawn(ARMS_WIDE), (-5, 7), (0, 1))[20:-20, 20:-20])


def test_a_shift_by_less_than_a_pixel_shows() -> None:
    """Edges move smoothly: whole pixels would make slow movement tremble."""
    pictures = [drawn(moved(ARMS_WIDE, shift=(step / 4, 0))).astype(int) for step in range(5)]
    changes = [np.abs(after - before).mean() for before, after in pairwise(pictures)]
    assert min(changes) > 0.4 * max(changes) > 0


def test_draws_head_and_shoulders_when_no_more_is_seen() -> None:
    bust = with_unseen(ARMS_WIDE, *range(LEFT_ELBOW, 17))
    picture = drawn(moved(bust, 3, (-300, -300)))
    assert share_of(picture, SKIN) > 0.01
    assert share_of(picture, MIDDLE) > 0.05
    assert share_of(picture, COOL) == share_of(picture, WARM) == 0


def test_leaves_out_feet_that_are_not_seen() -> None:
    whole, footless = drawn(ARMS_WIDE), drawn(with_unseen(ARMS_WIDE, 15, 16))
    lowest = [int(np.flatnonzero((picture != SLATE).any((1, 2))).max()) for picture in (whole, footless)]
    assert lowest[1] < ARMS_WIDE.xy[LEFT_ANKLE, 1] - 20 < lowest[0]
    assert colour_at(footless, ARMS_WIDE.xy[LEFT_KNEE] + [0, -8]) == COOL


def test_draws_a_straight_arm_for_a_hidden_elbow() -> None:
    picture = drawn(with_unseen(ARMS_WIDE, LEFT_ELBOW))
    assert colour_at(picture, ARMS_WIDE.xy[[LEFT_SHOULDER, LEFT_WRIST]].mean(0)) == COOL


def test_shows_hair_from_behind() -> None:
    away = drawn(with_unseen(ARMS_WIDE, 0, 1, 2))
    assert share_of(away, HAIR) > 2 * share_of(drawn(ARMS_WIDE), HAIR) > 0


def test_lays_the_arms_over_the_trunk() -> None:
    xy = ARMS_WIDE.xy.copy()
    xy[LEFT_WRIST] = xy[[LEFT_SHOULDER, RIGHT_SHOULDER, LEFT_HIP]].mean(0)
    xy[LEFT_ELBOW] = xy[LEFT_SHOULDER] + [30, 45]
    picture = drawn(Pose(xy, ARMS_WIDE.scores, 1.0))
    assert colour_at(picture, xy[LEFT_WRIST]) in (COOL, SKIN)


def test_draws_nothing_of_an_unseen_person() -> None:
    unseen = with_unseen(ARMS_WIDE, *range(17))
    assert share_of(drawn(unseen), SLATE) == 1


NUMBERS = st.one_of(
    st.floats(-50, 500, width=32),
    st.floats(width=32, allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, 1e-30, -1e6, 1e6, 3e38]),
)


@settings(max_examples=150)
@given(
    arrays(np.float32, (17, 2), elements=NUMBERS), arrays(np.float32, 17, elements=st.sampled_from([0, 0.29, 0.3, 1]))
)
def test_any_pose_is_drawn_inside_its_picture(xy: Floats, scores: Floats) -> None:
    around = np.full((140, 120, 3), 77, np.uint8)
    draw_figure(around[20:-20, 20:-20], Pose(xy, scores, 1.0))
    inside = np.zeros((140, 120), bool)
    inside[20:-20, 20:-20] = True
    assert (around[~inside] == 77).all()


@settings(max_examples=40)
@given(st.floats(0, 60), st.sets(st.integers(0, 16), max_size=14))
def test_leaves_the_background_as_it_is(now: float, unseen: set[int]) -> None:
    """A pattern of single pixels around the figure comes back exactly, though the figure is drawn enlarged."""
    pattern = np.random.default_rng(1).integers(0, 255, (240, 160, 3), np.uint8)
    picture = pattern.copy()
    pose = with_unseen(pose_at(now, (160, 240)), *unseen)
    draw_figure(picture, pose)
    seen = pose.xy[pose.scores > 0]
    far = np.ones((240, 160), bool)
    for x, y in seen:
        far[max(int(y) - 70, 0) : int(y) + 70, max(int(x) - 70, 0) : int(x) + 70] = False
    np.testing.assert_array_equal(picture[far], pattern[far])
