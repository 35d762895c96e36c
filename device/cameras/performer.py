"""The performer as a camera: a drawn figure that moves through many poses, for a mirror without a camera."""

from __future__ import annotations

from typing import Final

from device.cameras.base import Camera
from device.cameras.paced import ClipPicture, PacedCamera, advance_number
from models.figures import perform

FPS: Final = 30.0
"""Pictures per second, as many as most webcams deliver."""

MAX_SIDE: Final = 640
"""Pixels of the longer side at most: a larger picture takes longer to draw and shows nothing more."""


def open_performer(size: tuple[int, int], small_shape: tuple[int, int] | None, *, real_time: bool) -> Camera:
    """Open the performer at `size` (width, height), or smaller with the same aspect ratio (see `MAX_SIDE`)."""
    scale = min(MAX_SIDE / max(size), 1.0)
    width, height = (max(round(side * scale), 1) for side in size)
    return PacedCamera(Performance(width, height), small_shape, real_time=real_time)


class Performance:
    """An endless clip of the performer, `width`×`height` pixels, not mirrored."""

    def __init__(self, width: int, height: int) -> None:
        self._size = width, height
        self._number = -1

    def next_due(self) -> float:
        return (self._number + 1) / FPS

    def advance(self, until: float) -> ClipPicture:
        self._number = advance_number(self._number, until, FPS)
        image, _ = perform(self._number / FPS, *self._size)
        return ClipPicture(self._number / FPS, image)

    def close(self) -> None:
        pass
