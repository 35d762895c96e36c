"""Where a photo lies on the display: rules for any sizes and poses, and examples."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from device.display.layout import (
    CONTINUATION_COST,
    EDGE_MARGIN,
    MAX_ENLARGEMENT,
    MAX_PERSON_SCALE,
    MAX_ZOOM,
    SMALLNESS_COST,
    Size,
    camera_to_display,
    cover,
    display_fit,
    place,
    transform_pose,
)
from device.display.outline import needed_points, outline
from index.agreement import Alignment
from models.pose import LEFT_SHOULDER, NOSE, Pose
from models.seen import FRAMING_SCORE, LAYOUT_SCORE

STANDING = np.array(
    [
        [0, -62], [3, -65], [-3, -65], [7, -63], [-7, -63], [18, -40], [-18, -40], [26, -15], [-40, -60],
        [30, 8], [-44, -88], [11, 10], [-11, 10], [13, 50], [-13, 50], [14, 88], [-14, 88],
    ],
    np.float32,
)  # fmt: skip
"""A person with the right hand raised, around (0, 0) and 176 pixels high (17×2)."""

Floats64 = npt.NDArray[np.float64]

sizes = st.tuples(st.integers(1, 5000), st.integers(1, 5000))


def person(x: float, y: float, scale: float = 1.0) -> Pose:
    return Pose(STANDING * np.float32(scale) + np.array([x, y], np.float32), np.ones(17, np.float32), 1.0)


@st.composite
def poses_in(draw: st.DrawFn, size: Size) -> Pose:
    """Return any pose in a picture, its key points seen, guessed or unseen."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    xy = random.random((17, 2)) * np.array(size) - 0.5
    scores = draw(st.sampled_from([np.ones(17), random.random(17), (random.random(17) > 0.8) * 1.0, np.zeros(17)]))
    return Pose(xy.astype(np.float32), scores.astype(np.float32), 1.0)


def edges(photo: Size, placement: Alignment) -> tuple[Floats64, Floats64]:
    """Return where the photo's upper left and lower right corners are on the display."""
    shift = np.array(placement[1:])
    return shift - 0.5 * placement.scale, shift + placement.scale * (np.array(photo) - 0.5)


def box_on_display(photo: Size, pose: Pose, visitor: Pose | None, placement: Alignment) -> tuple[Floats64, Floats64]:
    """Return the corners of what must be on the display, in display pixels."""
    seen = np.ones(17, bool) if visitor is None else visitor.scores >= FRAMING_SCORE
    needed = np.ones(17, bool) if visitor is None else needed_points(seen)
    box = outline(pose.xy[None], pose.scores[None] >= LAYOUT_SCORE, np.array([photo]), needed)
    shift = np.array(placement[1:])
    return shift + placement.scale * box.low[0], shift + placement.scale * box.high[0]


@given(sizes, sizes, st.booleans(), st.data())
def test_the_whole_person_is_on_the_display(photo: Size, display: Size, alone: bool, data: st.DataObject) -> None:
    pose, visitor = data.draw(poses_in(photo)), None if alone else data.draw(poses_in(display))
    placement = place(photo, display, pose, visitor)
    low, high = box_on_display(photo, pose, visitor, placement)
    slack = 1e-4 * max(*display, placement.scale * max(photo))
    assert (low >= -0.5 - slack).all()
    assert (high <= np.array(display) - 0.5 + slack).all()


@given(sizes, sizes, st.booleans(), st.data())
def test_fills_the_display_if_the_person_fits(photo: Size, display: Size, alone: bool, data: st.DataObject) -> None:
    pose, visitor = data.draw(poses_in(photo)), None if alone else data.draw(poses_in(display))
    placement = place(photo, display, pose, visitor)
    smallest = cover(photo, display).scale
    assert placement.scale <= MAX_ENLARGEMENT
    assert placement.scale <= MAX_ZOOM * smallest * (1 + 1e-9)
    low, high = box_on_display(photo, pose, visitor, Alignment(smallest, 0, 0))
    if smallest < MAX_ENLARGEMENT and (high - low <= (1 - 2 * EDGE_MARGIN) * np.array(display)).all():
        assert placement.scale >= smallest * (1 - 1e-6)


@given(sizes, sizes, st.data())
def test_a_photo_fills_a_direction_or_is_whole_in_it(photo: Size, display: Size, data: st.DataObject) -> None:
    pose, visitor = data.draw(poses_in(photo)), data.draw(poses_in(display))
    placement = place(photo, display, pose, visitor)
    first, last = edges(photo, placement)
    slack = 1e-6 * placement.scale * max(photo) + 1e-6
    fills = (first <= -0.5 + slack) & (last >= np.array(display) - 0.5 - slack)
    whole = (first >= -0.5 - slack) & (last <= np.array(display) - 0.5 + slack)
    assert (fills | whole).all()


@given(sizes, sizes, st.data())
def test_places_a_mirrored_photo_like_its_mirror_image(photo: Size, display: Size, data: st.DataObject) -> None:
    assume(min(*photo, *display) > 20)
    pose, visitor = data.draw(poses_in(photo)), data.draw(poses_in(display))
    placement = place(photo, display, pose, visitor)
    mirrored = place(photo, display, pose.mirrored(photo[0]), visitor.mirrored(display[0]))
    assert mirrored.scale == pytest.approx(placement.scale, rel=1e-3)
    assert edges(photo, mirrored)[1][0] == pytest.approx(
        display[0] - 1 - edges(photo, placement)[0][0], abs=0.02 * max(display)
    )


@given(sizes, sizes, st.floats(1.01, MAX_ZOOM - 0.01), st.floats(0, 1), st.floats(0, 1))
def test_lays_the_person_on_the_visitor_if_possible(
    photo: Size, display: Size, zoom: float, across: float, down: float
) -> None:
    scale = zoom * cover(photo, display).scale
    assume(min(*photo, *display) > 20 and scale < MAX_ENLARGEMENT)
    shift = [
        (d - 0.5 - scale * (p - 0.5)) * part + (scale - 1) / 2 * (1 - part)
        for p, d, part in zip(photo, display, (across, down), strict=True)
    ]
    visitor = person((display[0] - 1) / 2, (display[1] - 1) / 2, min(display) / 300)
    pose = Pose(((visitor.xy - shift) / scale).astype(np.float32), visitor.scores, 1.0)
    placement = place(photo, display, pose, visitor)
    assert transform_pose(pose, placement).xy == pytest.approx(visitor.xy, abs=2e-3 * max(display))


@given(sizes, sizes)
def test_cover_is_centred_and_exact_in_one_direction(picture: Size, display: Size) -> None:
    first, last = edges(picture, cover(picture, display))
    assert first + last == pytest.approx(np.array(display) - 1, rel=1e-6, abs=1e-6)
    assert min(last - first - np.array(display)) == pytest.approx(0, abs=1e-6 * max(display))


def test_lays_the_camera_picture_over_the_display() -> None:
    reflection = camera_to_display(person(320, 240), (640, 480), (1280, 720))
    assert reflection.xy[NOSE] == pytest.approx([640.5, (240 - 62 + 0.5) * 2 - 0.5 - 120], abs=0.01)


def test_centres_a_photo_without_common_key_points() -> None:
    unseen = Pose(STANDING, np.zeros(17, np.float32), 0.0)
    assert place((800, 600), (1280, 720), unseen, person(600, 300)) == pytest.approx(cover((800, 600), (1280, 720)))


@given(sizes, sizes, st.data())
def test_a_single_key_point_does_not_enlarge_the_photo(photo: Size, display: Size, data: st.DataObject) -> None:
    """One key point in common fits at any scale, so a scale would be chosen by rounding errors."""
    pose, visitor = data.draw(poses_in(photo)), data.draw(poses_in(display))
    only = np.zeros(17, np.float32)
    only[NOSE] = 1
    placement = place(photo, display, Pose(pose.xy, only, 1.0), Pose(visitor.xy, only, 1.0))
    assert placement.scale == pytest.approx(min(cover(photo, display).scale, MAX_ENLARGEMENT), rel=1e-6)


def test_guessed_key_points_move_nothing() -> None:
    visitor = person(700, 380, 2)
    guessed = Pose(visitor.xy.copy(), visitor.scores.copy(), 1.0)
    guessed.scores[13:], guessed.xy[13:] = 0.1, 0.0
    legless = Pose(visitor.xy, guessed.scores * (guessed.scores > 0.2), 1.0)
    pose = person(300, 200)
    assert place((600, 400), (1280, 720), pose, guessed) == place((600, 400), (1280, 720), pose, legless)


def test_a_near_visitor_gets_a_larger_person() -> None:
    """Only the upper body of a near visitor is seen, and it is large: the photo's person must look the same."""
    pose, far = person(400, 300), person(640, 360, 2)
    near = person(640, 560, 4.5)
    near.scores[13:] = 0
    sizes = (800, 600), (1280, 720)
    assert place(*sizes, pose, near).scale > 1.2 * place(*sizes, pose, far).scale


def test_enlarges_a_photo_a_little_to_reach_the_visitor() -> None:
    pose, display = person(640, 360), (1280, 720)
    central = place(display, display, pose, person(640, 360))
    aside = place(display, display, pose, person(1100, 360))
    assert central == pytest.approx((1, 0, 0), abs=1e-3)
    assert 1 < aside.scale <= MAX_PERSON_SCALE
    assert transform_pose(pose, aside).xy[NOSE, 0] > 700


@pytest.mark.parametrize("display", [(1280, 720), (720, 1280), (1080, 1080)])
@pytest.mark.parametrize("upside_down", [False, True])
def test_keeps_the_head_on_the_display(display: Size, upside_down: bool) -> None:
    photo, pose = (200, 400), person(100, 200, 2)
    if upside_down:
        pose = Pose(np.array([200, 400], np.float32) - pose.xy, pose.scores, 1.0)
    shown = transform_pose(pose, place(photo, display, pose, person(display[0] / 2, display[1] * 0.8, 1.5)))
    assert (shown.xy[NOSE] > np.array(display) * EDGE_MARGIN).all()
    assert (shown.xy[NOSE] < np.array(display) * (1 - EDGE_MARGIN)).all()


def test_a_wide_person_is_whole_on_a_narrow_display() -> None:
    pose = person(500, 200, 2)
    for x in (-400, 100, 700):
        shown = transform_pose(pose, place((1000, 400), (160, 1920), pose, person(x, 900, 3)))
        assert 0 < shown.xy[:, 0].min() < shown.xy[:, 0].max() < 160


def test_leaves_half_a_head_of_room_above_the_head() -> None:
    pose, display = person(200, 120, 1), (1280, 720)
    shown = transform_pose(pose, place((400, 240), display, pose, person(640, 0, 5)))
    head = 2 * (shown.xy[LEFT_SHOULDER, 1] - shown.xy[NOSE, 1]) / 2 * 1.2
    assert shown.xy[NOSE, 1] > head


def test_a_visitor_without_legs_may_be_answered_without_legs() -> None:
    pose, display = person(200, 200, 2), (1280, 720)
    whole = place((400, 400), display, pose, person(640, 360, 3))
    bust = person(640, 500, 6)
    bust.scores[11:] = 0
    near = place((400, 400), display, pose, bust)
    assert whole.scale * 400 < 1280
    assert near.scale > 1.2 * whole.scale


def test_somebody_cut_off_below_stands_on_the_lower_edge() -> None:
    bust = person(320, 330, 4)
    bust.scores[13:] = 0
    for y in (300, 900, 1500):
        visitor = person(540, y, 3)
        visitor.scores[13:] = 0
        placement = place((640, 480), (1080, 1920), bust, visitor)
        assert placement.scale * 480 < 1920
        assert edges((640, 480), placement)[1][1] == pytest.approx(1919.5, abs=1e-3)


def test_a_photo_is_placed_for_its_person_without_a_visitor() -> None:
    """Nobody stands before the mirror, and the photo still has its whole person."""
    pose = person(100, 200, 2)
    shown = transform_pose(pose, place((200, 400), (1280, 720), pose))
    assert 0 < shown.xy[:, 1].min() < shown.xy[:, 1].max() < 720


def fit(photo: Size, pose: Pose, display: Size, visitor: Pose) -> float:
    return float(display_fit(pose.keypoints[None], np.array([photo]), display, visitor)[0])


def test_a_photo_like_the_display_suits_it_best() -> None:
    pose, visitor = person(320, 180, 1), person(640, 360, 2)
    assert fit((640, 360), pose, (1280, 720), visitor) == pytest.approx(1, abs=0.01)
    tall = person(180, 320, 3)
    assert fit((360, 640), tall, (1280, 720), visitor) < 0.95
    assert fit((360, 640), tall, (720, 1280), person(360, 640, 6)) == pytest.approx(1, abs=0.01)


def test_a_photo_suits_less_if_its_person_stays_small() -> None:
    visitor = person(640, 360, 3)
    near, far = (fit((640, 360), person(320, 180, scale), (1280, 720), visitor) for scale in (1.2, 0.3))
    assert far < near


@given(sizes, sizes, st.data())
def test_a_shape_costs_little(photo: Size, display: Size, data: st.DataObject) -> None:
    pose, visitor = data.draw(poses_in(photo)), data.draw(poses_in(display))
    assert 1 - CONTINUATION_COST - SMALLNESS_COST - 1e-6 <= fit(photo, pose, display, visitor) <= 1
