"""How a placed photo is drawn, and what continues it where it is smaller than the display."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.display.continuation import DARKEST, downscale, prepare
from device.display.layout import Size, cover
from index.agreement import Alignment
from models.pose import Image

WIDE, TALL = (640, 360), (360, 640)


def beside(photo: Size, display: Size, scale: float, at: float = 0.5) -> Alignment:
    """Return a placement of this scale, `at` this share of the way from the upper left to the lower right corner."""
    return Alignment(scale, *((scale - 1) / 2 + at * (d - scale * p) for p, d in zip(photo, display, strict=True)))


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


@settings(max_examples=80)
@given(
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
    st.floats(0.1, 2.5),
    st.floats(0, 1),
    st.booleans(),
)
def test_a_prepared_photo_has_no_seam_at_any_size(
    photo: Size, display: Size, scale: float, at: float, mirrored: bool
) -> None:
    colour = np.array([10, 200, 90])
    picture = np.full((photo[1], photo[0], 3), colour, np.uint8)
    prepared = prepare(picture, beside(photo, display, scale, at), display, mirrored).astype(int)
    assert prepared.shape == (display[1], display[0], 3)
    assert (prepared <= colour + 1).all()
    assert (prepared >= DARKEST * colour - 2).all()
    if min(display) > 100:
        assert max(np.abs(np.diff(prepared, axis=axis)).max(initial=0) for axis in (0, 1)) <= 8


@pytest.mark.parametrize(("photo", "display"), [((240, 300), WIDE), ((300, 200), TALL), ((100, 100), WIDE)])
def test_the_continuation_leaves_the_photo_alone(photo: Size, display: Size) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (photo[1], photo[0], 3), np.uint8)
    placement = Alignment(1.0, *((d - p) // 2 for p, d in zip(photo, display, strict=True)))
    left, top = int(placement.x), int(placement.y)
    prepared = prepare(picture, placement, display)
    inside = prepared[max(top, 0) : top + photo[1], max(left, 0) : left + photo[0]]
    assert np.array_equal(inside, picture[max(-top, 0) :][: inside.shape[0], max(-left, 0) :][:, : inside.shape[1]])


def test_the_continuation_takes_up_the_colours_of_the_edge() -> None:
    picture = np.zeros((360, 200, 3), np.uint8)
    picture[:180, :, 2] = 200  # a blue sky
    picture[180:, :, 1] = 150  # above a meadow
    prepared = prepare(picture, beside((200, 360), WIDE, 1.0), WIDE)
    assert prepared[60, 20].argmax() == prepared[60, 620].argmax() == 2
    assert prepared[300, 20].argmax() == prepared[300, 620].argmax() == 1


def test_nobody_appears_twice() -> None:
    """A person in the middle of the photo has no mirror image beyond its edge."""
    picture = np.full((300, 240, 3), 100, np.uint8)
    picture[60:, 90:150] = 255
    prepared = prepare(picture, beside((240, 300), WIDE, 1.2), WIDE)
    assert prepared[:, :150].max() <= 104
    assert prepared[:, -150:].max() <= 104


@pytest.mark.parametrize("scale", [0.3, 1.0, 1.7])
def test_a_mirrored_photo_is_continued_like_its_mirror_image(scale: float) -> None:
    picture = np.random.default_rng(1).integers(0, 255, (12, 9, 3), np.uint8).repeat(32, 0).repeat(32, 1)
    placement = beside((288, 384), WIDE, scale, 0.3)
    plain = prepare(np.ascontiguousarray(picture[:, ::-1]), placement, WIDE)
    difference = np.abs(prepare(picture, placement, WIDE, mirrored=True).astype(int) - plain)
    assert difference.mean() < 2
    assert difference.max() <= 16


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
