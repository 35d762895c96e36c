"""The background of the screen: a photo, cross-faded from the one before."""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
import pygame

from device.display.continuation import prepare
from device.display.layout import Size, cover
from models.pose import Image

Pixels = npt.NDArray[np.uint8]
"""H×W×4 uint8 in the order blue, green, red, unused: a canvas's own memory."""

BGRX_MASKS: Final = (0xFF0000, 0xFF00, 0xFF, 0)
"""The colour masks of a pygame surface with such `Pixels`. Nearly every display uses them."""

BACKGROUND_COLOURS: Final = ((58, 66, 84), (20, 23, 30))
"""The plain background's colours (RGB): in the middle, and in the corners."""


class Backdrop:
    """A cross-fade between two pictures of `size` (width, height). Each frame costs a single pass over the pixels."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self._picture: Image | None = None
        # three pictures that are written over in turn: fresh memory for each photo would take longer than the photo
        self._old, self._new, self._spare = (np.empty((size[1], size[0], 4), np.uint8) for _ in range(3))
        cv2.cvtColor(_plain_background(size), cv2.COLOR_RGB2BGRA, dst=self._new)
        self._started_at, self._seconds = -math.inf, 1.0

    def fade_to(self, picture: Image | None, now: float, seconds: float) -> None:
        """Start to fade to another picture (H×W×3; None: the plain background), over `seconds`.

        The same object again changes nothing. The first picture is there at once: the screen must not become dark while
        somebody comes or leaves, and the panes change. For a moment after the window was resized, pictures still have
        the old size: they are scaled to fill the canvas.
        """
        if picture is self._picture:
            return
        if self._share(now) < 1:
            self.paint(self._spare, now)  # a fade that is under way goes on from what it shows, without a jump
            self._old, self._spare = self._spare, self._old
        else:
            self._old, self._new = self._new, self._old
        rgb = _plain_background(self.size) if picture is None else _fill_canvas(picture, self.size)
        cv2.cvtColor(rgb, cv2.COLOR_RGB2BGRA, dst=self._new)
        is_first = self._started_at == -math.inf
        self._picture, self._started_at, self._seconds = picture, now, 0.0 if is_first else seconds

    def paint(self, canvas: Pixels, now: float) -> None:
        """Paint the fade's state at the time `now`."""
        share = self._share(now)
        if share <= 0 or share >= 1:
            np.copyto(canvas, self._new if share else self._old)
        else:
            cv2.addWeighted(self._old, 1 - share, self._new, share, 0, dst=canvas)

    def _share(self, now: float) -> float:
        """Return how much of the fade is over at the time `now`, 0 to 1."""
        return min(max((now - self._started_at) / self._seconds, 0.0), 1.0) if self._seconds > 0 else 1.0


def surface_pixels(surface: pygame.Surface) -> Pixels:
    """Return a 32-bit surface's own memory. While the array lives, the surface is locked and cannot be drawn on."""
    width, height = surface.get_size()
    rows = pygame.surfarray.pixels2d(surface).T
    return rows.view(np.uint8).reshape(height, width, 4)


def _fill_canvas(picture: Image, size: Size) -> Image:
    own_size = picture.shape[1], picture.shape[0]
    return picture if own_size == size else prepare(picture, cover(own_size, size), size)


def _plain_background(size: Size) -> Image:
    """Draw a dark gradient, lighter in the middle. Noise of less than one grey level hides the bands of a gradient."""
    width, height = size
    across, down = np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)
    distance = np.minimum(np.hypot(across[None, :], down[:, None]) / math.sqrt(2), 1)[..., None]
    middle, corner = (np.array(colour, np.float32) for colour in BACKGROUND_COLOURS)
    noise = np.random.default_rng(0).random((height, width, 1), dtype=np.float32)
    return (middle + (corner - middle) * distance + noise).astype(np.uint8)
