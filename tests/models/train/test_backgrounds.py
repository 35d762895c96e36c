"""Backdrops for training scenes, and what a camera makes of them."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed: pip install numba")

from models.train.backgrounds import MAX_COVERED_SHARE, BackdropPainter
from models.train.camera_effects import expose

SIZES = ((193, 193), (129, 257), (257, 129), (481, 353))


@pytest.fixture(scope="module")
def backdrops() -> BackdropPainter:
    return BackdropPainter(3)


@pytest.mark.slow
def test_a_generator_seed_repeats_a_backdrop(backdrops: BackdropPainter) -> None:
    first, second = (backdrops.paint(np.random.default_rng(8), 193, 129, None) for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, backdrops.paint(np.random.default_rng(9), 193, 129, None))


@pytest.mark.slow
def test_a_painter_seed_repeats_a_backdrop(backdrops: BackdropPainter) -> None:
    first, second = (
        painter.paint(np.random.default_rng(8), 193, 193, 60.0) for painter in (backdrops, BackdropPainter(3))
    )
    assert np.array_equal(first, second)


@pytest.mark.slow
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_backdrop_has_the_given_size_at_any_horizon(backdrops: BackdropPainter, width: int, height: int) -> None:
    rng = np.random.default_rng(width)
    for horizon in (None, -900.0, -1.0, 0.0, 33.3, height / 2, height + 50.0, 5000.0) * 3:
        picture = backdrops.paint(rng, width, height, horizon)
        assert picture.shape == (height, width, 3)
        assert picture.dtype == np.float32
        assert np.isfinite(picture).all()
        assert picture.min() >= 0
        assert picture.max() <= 255


@pytest.mark.slow
def test_backdrops_are_as_bright_and_colourful_as_photos(backdrops: BackdropPainter) -> None:
    rng = np.random.default_rng(5)
    pictures = np.array([backdrops.paint(rng, 129, 129, None) for _ in range(120)])
    means = pictures.mean((1, 2, 3))
    assert 90 < np.median(means) < 135
    assert (means > 30).mean() > 0.97
    assert np.median(pictures.max(3) - pictures.min(3)) < 60
    assert np.median(pictures.std((1, 2))) > 20


def test_the_mask_shows_what_objects_cover(backdrops: BackdropPainter) -> None:
    rng, shares = np.random.default_rng(6), []
    for _ in range(60):
        before = rng.random((193, 161, 3), np.float32) * 255
        after = before.copy()
        covered = backdrops.occlude(rng, after, None)
        assert covered.shape == (193, 161)
        assert covered.dtype == np.bool_
        assert np.array_equal(before[~covered], after[~covered])
        assert after.min() >= 0
        assert after.max() <= 255
        shares.append(covered.mean())
    assert max(shares) <= MAX_COVERED_SHARE
    assert np.mean(shares) > 0.04


def test_objects_spare_protected_pixels(backdrops: BackdropPainter) -> None:
    protected = np.zeros((193, 193), np.uint8)
    protected[60:190, 40:150] = 1
    for seed in range(30):
        picture = np.full((193, 193, 3), 77, np.float32)
        covered = backdrops.occlude(np.random.default_rng(seed), picture, protected)
        assert not covered[protected > 0].any()
        assert (picture[protected > 0] == 77).all()


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_photo_has_its_pictures_shape(width: int, height: int) -> None:
    rng = np.random.default_rng(1)
    picture = rng.random((height, width, 3), np.float32) * 255
    for _ in range(40):
        photo = expose(rng, picture)
        assert photo.shape == picture.shape
        assert photo.dtype == np.uint8


def test_a_seed_repeats_a_photo() -> None:
    picture = np.random.default_rng(1).random((129, 129, 3), np.float32) * 255
    original = picture.copy()
    first, second = (expose(np.random.default_rng(4), picture) for _ in range(2))
    assert np.array_equal(first, second)
    assert np.array_equal(picture, original)


def test_photos_are_mostly_mild() -> None:
    rng = np.random.default_rng(2)
    picture = np.full((129, 129, 3), 115, np.float32)
    means = np.array([expose(rng, picture).mean() for _ in range(150)])
    assert 85 < np.median(means) < 145
    assert ((means > 40) & (means < 225)).mean() > 0.95
