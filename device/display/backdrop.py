"""The background of the screen: a photo, cross-faded from the one before, bright or dimmed."""

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
        self._plain = _as_pixels(_plain_background(size))
        self._picture: Image | None = None
        self._old = self._new = self._plain
        self._started_at, self._seconds = -math.inf, 1.0

    def fade_to(self, picture: Image | None, now: float, seconds: float) -> None:
        """Start to fade to another picture (H×W×3; None: the plain background), over `seconds`.

        The same object again changes nothing. For a moment after the window was resized, pictures still have the old
        size: they are scaled to fill the canvas.
        """
        if picture is self._picture:
            return
        shown = np.empty_like(self._plain)
        self.paint(shown, now)  # a fade that is under way goes on from what it shows, without a jump
        self._old, self._picture = shown, picture
        self._new = self._plain if picture is None else _as_pixels(_fill_canvas(picture, self.size))
        self._started_at, self._seconds = now, seconds

    def paint(self, canvas: Pixels, now: float, brightness: float = 1.0) -> None:
        """Paint the fade's state at the time `now`, with `brightness` from 0 to 1."""
        share = min(max((now - self._started_at) / self._seconds, 0.0), 1.0) if self._seconds > 0 else 1.0
        if share < 1:
            cv2.addWeighted(self._old, (1 - share) * brightness, self._new, share * brightness, 0, dst=canvas)
        elif brightness < 1:
            cv2.convertScaleAbs(self._new, dst=canvas, alpha=brightness)
        else:
            np.copyto(canvas, self._new)


def surface_pixels(surface: pygame.Surface) -> Pixels:
    """Return a 32-bit surface's own memory. While the array lives, the surface is locked and cannot be drawn on."""
    width, height = surface.get_size()
    rows = pygame.surfarray.pixels2d(surface).T
    return rows.view(np.uint8).reshape(height, width, 4)


def _fill_canvas(picture: Image, size: Size) -> Image:
    own_size = picture.shape[1], picture.shape[0]
    return picture if own_size == size else prepare(picture, cover(own_size, size), size)


def _as_pixels(picture: Image) -> Pixels:
    return cv2.cvtColor(picture, cv2.COLOR_RGB2BGRA).astype(np.uint8, copy=False)


def _plain_background(size: Size) -> Image:
    """Draw a dark gradient, lighter in the middle. Noise of less than one grey level hides the bands of a gradient."""
    width, height = size
    across, down = np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)
    distance = np.minimum(np.hypot(across[None, :], down[:, None]) / math.sqrt(2), 1)[..., None]
    middle, corner = (np.array(colour, np.float32) for colour in BACKGROUND_COLOURS)
    noise = np.random.default_rng(0).random((height, width, 1), dtype=np.float32)
    return (middle + (corner - middle) * distance + noise).astype(np.uint8)
