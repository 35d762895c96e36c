"""The performer as a camera."""

from __future__ import annotations

import time

import numpy as np
import pytest

from device.cameras.opening import open_camera
from device.cameras.performer import FPS
from models.figures import perform


@pytest.mark.slow
def test_shows_the_performance_at_the_frames_time() -> None:
    with open_camera("performer", size=(320, 240)) as camera:
        first = camera.latest()
        time.sleep(0.3)
        later = camera.latest()
    np.testing.assert_array_equal(first.image, perform(0.0, 320, 240)[0])
    numbers = [n for n in range(1, 30) if np.array_equal(later.image, perform(n / FPS, 320, 240)[0])]
    assert len(numbers) == 1
    assert numbers[0] / FPS == pytest.approx(later.captured_at - first.captured_at, abs=0.1)
    assert numbers[0] >= 8
    assert not first.mirrored, "the performer looks as a camera sees it"


def test_shows_every_picture_when_not_in_real_time() -> None:
    with open_camera("performer", size=(160, 120), small_shape=(97, 129), real_time=False) as camera:
        frames = [camera.latest() for _ in range(5)]
    assert np.diff([frame.captured_at for frame in frames]) == pytest.approx([1 / FPS] * 4)
    for number, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.image, perform(number / FPS, 160, 120)[0])
        assert frame.small.shape == (97, 129, 3)


@pytest.mark.parametrize(("size", "shape"), [((1920, 1080), (360, 640, 3)), ((1080, 1920), (640, 360, 3))])
def test_draws_a_large_picture_smaller(size: tuple[int, int], shape: tuple[int, int, int]) -> None:
    with open_camera("performer", size=size) as camera:
        assert camera.latest().image.shape == shape
