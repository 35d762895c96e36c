"""Estimators for tests of builds. Like the real one, they can be opened in other processes."""

from __future__ import annotations

import os
import signal
import time
from types import TracebackType
from typing import Self

import numpy as np
from PIL import Image as Pillow

from models.pose import Image, Pose

MARK_COLOUR = (255, 0, 255)
"""The colour of the square that stands for a person."""


def marked_scene(
    number: int = 1, size: tuple[int, int] = (200, 160), box: tuple[int, int, int, int] = (60, 30, 120, 140)
) -> Pillow.Image:
    """Return a picture in which `MarkFinder` finds a person in `box`: another one for each number up to 15."""
    picture = np.full((size[1], size[0], 3), (60, number * 16 + 8, 60), np.uint8)
    left, top, right, bottom = box
    picture[top:bottom, left:right] = MARK_COLOUR
    rng = np.random.default_rng(number)
    grain = rng.integers(0, 25, size[::-1], np.uint8)  # a smooth picture would count as blurred
    patches = rng.integers(0, 25, (8, 8), np.uint8)  # and pictures that differ only in grain as near-duplicates
    grain += np.asarray(Pillow.fromarray(patches).resize(size, Pillow.Resampling.NEAREST))
    grain[0, 0] = 0
    picture[:, :, ::2] -= grain[:, :, None]
    return Pillow.fromarray(picture)


class MarkFinder:
    """Finds one person in a picture with a magenta square: random key points that fill the square."""

    def estimate(self, image: Image) -> list[Pose]:
        marked = np.all(np.abs(image.astype(int) - MARK_COLOUR) < 60, axis=2)
        if not marked.any():
            return []
        rows, columns = np.flatnonzero(marked.any(1)), np.flatnonzero(marked.any(0))
        corner = np.array([columns[0], rows[0]], np.float32)
        size = np.array([columns[-1] - columns[0], rows[-1] - rows[0]], np.float32)
        # The picture's first pixel seeds the key points, so that people differ from picture to picture.
        rng = np.random.default_rng(int(image[0, 0, 1]) // 16)
        xy = rng.random((17, 2)).astype(np.float32)
        xy = (xy - xy.min(0)) / np.ptp(xy, axis=0) * size + corner
        return [Pose(xy, np.full(17, 0.9, np.float32), 0.9)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class CrashingFinder(MarkFinder):
    """Kills its process at every picture whose first pixel is black, as a bug in a decoder can."""

    def estimate(self, image: Image) -> list[Pose]:
        if image[0, 0].max() < 40:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().estimate(image)


class UnopenableFinder(MarkFinder):
    """Cannot be opened, like the real one without its model."""

    def __init__(self) -> None:
        raise FileNotFoundError("the model is not here: run pose-mirror models fetch")


class LoggingFinder(MarkFinder):
    """Takes a moment for each picture, and logs its process and the picture's width to the file named by `NOTES`."""

    def estimate(self, image: Image) -> list[Pose]:
        time.sleep(0.01)
        with open(os.environ["NOTES"], "ab", buffering=0) as notes:
            notes.write(f"{os.getpid()} {image.shape[1]}\n".encode())
        return super().estimate(image)
