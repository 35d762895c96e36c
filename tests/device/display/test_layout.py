"""Where a photo lies on the display: rules for any sizes and poses, and examples."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from device.display.layout import (
    EDGE_MARGIN,
    MAX_PERSON_SCALE,
    MAX_ZOOM,
    Size,
    camera_to_display,
    cover,
    downscale,
    place,
    prepare,
    transform_pose,
    visible_share,
)
from index.agreement import Alignment
from models.pose import LEFT_SHOULDER, NOSE, RIGHT_SHOULDER, Image, Pose

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


@settings(deadline=None)
@given(sizes, sizes, st.data())
def test_a_photo_always_fills_the_display(photo: Size, display: Size, data: st.DataObject) -> None:
    pose, visitor = data.draw(poses_in(photo)), data.draw(poses_in(display))
    placement = place(photo, display, pose, visitor)
    first, last = edges(photo, placement)
    slack = 1e-6 * placement.scale * max(photo) + 1e-6
    assert (first <= -0.5 + slack).all()
    assert (last >= np.array(display) - 0.5 - slack).all()
    smallest = cover(photo, display).scale
    assert smallest * (1 - 1e-9) <= placement.scale <= MAX_ZOOM * smallest * (1 + 1e-9)


@settings(deadline=None)
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


@settings(deadline=None)
@given(sizes, sizes, st.floats(1.01, MAX_ZOOM - 0.01), st.floats(0, 1), st.floats(0, 1), st.integers(0, 2**32))
def test_lays_the_person_on_the_visitor_if_possible(
    photo: Size, display: Size, zoom: float, across: float, down: float, seed: int
) -> None:
    assume(min(*photo, *display) > 20)
    scale = zoom * cover(photo, display).scale
    shift = [
        (d - 0.5 - scale * (p - 0.5)) * part + (scale - 1) / 2 * (1 - part)
        for p, d, part in zip(photo, display, (across, down), strict=True)
    ]
    visitor_xy = (0.1 + 0.8 * np.random.default_rng(seed).random((17, 2))) * np.array(display)
    seen = np.ones(17, np.float32)
    seen[[LEFT_SHOULDER, RIGHT_SHOULDER]] = 0  # else a crown is estimated, which may be anywhere
    pose = Pose(((visitor_xy - shift) / scale).astype(np.float32), seen, 1.0)
    placement = place(photo, display, pose, Pose(visitor_xy.astype(np.float32), np.ones(17, np.float32), 1.0))
    assert transform_pose(pose, placement).xy == pytest.approx(visitor_xy, abs=2e-3 * max(display))


@settings(deadline=None)
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
    assert place((400, 300), (1280, 720), unseen, person(600, 300)) == cover((400, 300), (1280, 720))


@settings(deadline=None)
@given(sizes, sizes, st.data())
def test_a_single_key_point_does_not_enlarge_the_photo(photo: Size, display: Size, data: st.DataObject) -> None:
    """One key point in common fits at any scale, so a scale would be chosen by rounding errors."""
    pose, visitor = data.draw(poses_in(photo)), data.draw(poses_in(display))
    only = np.zeros(17, np.float32)
    only[NOSE] = 1
    placement = place(photo, display, Pose(pose.xy, only, 1.0), Pose(visitor.xy, only, 1.0))
    assert placement.scale == cover(photo, display).scale


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
    assert place(*sizes, pose, near).scale > 1.5 * place(*sizes, pose, far).scale


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


def test_a_person_wider_than_the_display_fills_it() -> None:
    """Otherwise half of the person would be off the display, with only the head at its edge."""
    pose = person(500, 200, 2)
    for x in (-400, 100, 700):
        shown = transform_pose(pose, place((1000, 400), (480, 1920), pose, person(x, 900, 3)))
        assert shown.xy[:, 0].min() < 480 * 2 * EDGE_MARGIN
        assert shown.xy[:, 0].max() > 480 * (1 - 2 * EDGE_MARGIN)
        assert 0 < shown.xy[NOSE, 0] < 480


def spot_picture(width: int, height: int, x: float, y: float) -> Image:
    """Return a grey picture with a round bright spot in the red channel."""
    across, down = np.arange(width)[None, :] - x, np.arange(height)[:, None] - y
    picture = np.full((height, width, 3), 60, np.uint8)
    picture[..., 0] = 60 + 180 * np.exp(-(across**2 + down**2) / (2 * (width * 0.02) ** 2))
    return picture


def measure_spot(picture: Image) -> tuple[float, float, float, float]:
    """Return the spot's centre (x, y), and its spread across and down."""
    weight = picture[..., 0].astype(float) - 60
    weight[weight < 4] = 0
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    mean = [(weight * at).sum() / weight.sum() for at in (x, y)]
    spread = [np.sqrt((weight * (at - m) ** 2).sum() / weight.sum()) for at, m in zip((x, y), mean, strict=True)]
    return mean[0], mean[1], float(spread[0]), float(spread[1])


@pytest.mark.slow
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("zoom", [1.0, 1.37, 2.9])
@pytest.mark.parametrize("photo", [(300, 200), (641, 480), (1999, 1333), (3001, 2501)])
def test_a_prepared_photo_is_in_place_and_not_stretched(photo: Size, zoom: float, mirrored: bool) -> None:
    display = (640, 360)
    scale = cover(photo, display).scale * zoom
    x, y = photo[0] * 0.55, photo[1] * 0.48
    placement = Alignment(
        scale, *((d - 1 - scale * (p - 1)) / 2 + zoom - 1 for p, d in zip(photo, display, strict=True))
    )
    target = scale * x + placement.x, scale * y + placement.y
    source = spot_picture(*photo, photo[0] - 1 - x if mirrored else x, y)
    x, y, spread_x, spread_y = measure_spot(prepare(source, placement, display, mirrored))
    assert (x, y) == pytest.approx(target, abs=0.35)
    assert spread_x == pytest.approx(spread_y, rel=0.04)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
    st.booleans(),
    st.data(),
)
def test_a_prepared_photo_has_no_seam_at_any_size(
    photo: Size, display: Size, mirrored: bool, data: st.DataObject
) -> None:
    placement = place(photo, display, data.draw(poses_in(photo)), data.draw(poses_in(display)))
    picture = np.full((photo[1], photo[0], 3), (10, 200, 90), np.uint8)
    prepared = prepare(picture, placement, display, mirrored)
    assert prepared.shape == (display[1], display[0], 3)
    assert np.abs(prepared.astype(int) - (10, 200, 90)).max() <= 1


def test_fine_detail_shrinks_to_its_mean() -> None:
    stripes = np.zeros((1200, 1600, 3), np.uint8)
    stripes[:, ::2] = 255
    prepared = prepare(stripes, cover((1600, 1200), (320, 240)), (320, 240))
    assert prepared.min() > 90
    assert prepared.max() < 165


def test_downscale_drops_the_remainder_at_the_edges() -> None:
    picture = np.arange(7 * 5 * 3, dtype=np.uint8).reshape(5, 7, 3)
    small = downscale(picture, 2)
    assert small.shape == (2, 3, 3)
    assert small[0, 0] == pytest.approx(picture[:2, :2].mean((0, 1)), abs=0.6)
    assert downscale(picture, 1) is picture


def test_a_tall_photo_shows_a_strip_on_a_wide_display() -> None:
    points = np.zeros((1, 17, 2), np.float32)
    points[0, :, 1] = np.linspace(100, 900, 17)  # a standing person, 800 of 1000 pixels high
    seen = np.ones((1, 17), bool)
    assert visible_share(points, seen, np.array([[500, 1000]]), (500, 1000))[0] == 1
    assert visible_share(points, seen, np.array([[500, 1000]]), (1000, 500))[0] == pytest.approx(500 / 1600)


def test_only_key_points_that_count_need_room() -> None:
    points = np.zeros((1, 17, 2), np.float32)
    points[0, :, 1] = np.linspace(100, 900, 17)
    bust = np.arange(17)[None] < 5  # 200 pixels of the person
    assert visible_share(points, bust, np.array([[500, 1000]]), (1000, 500))[0] == 1
    assert visible_share(points, np.zeros((1, 17), bool), np.array([[500, 1000]]), (1000, 500))[0] == 1
