"""A brush for backgrounds: gradients and antialiased shapes; pixels, and colours in RGB."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from models.figures.look import Colour
from models.pose import Image

SUBPIXEL_BITS = 4
"""OpenCV places shapes to a sixteenth of a pixel."""

Point = tuple[float, float]


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Return a colour between two: `share` 0 is the first, 1 the second."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def fill_gradient(picture: Image, top: int, bottom: int, stops: Sequence[Colour]) -> None:
    """Fill rows `top` to `bottom` from one colour to the next, downwards."""
    top, bottom = max(top, 0), min(bottom, picture.shape[0])
    if bottom <= top:
        return
    at = np.linspace(0, len(stops) - 1, bottom - top)
    rows = np.stack([np.interp(at, range(len(stops)), [stop[i] for stop in stops]) for i in range(3)], axis=1)
    picture[top:bottom] = (rows + 0.5).astype(np.uint8)[:, None]


def fill_polygon(picture: Image, points: Sequence[Point], colour: Colour) -> None:
    """Fill a polygon."""
    corners = np.round(np.clip(points, -4000, 8000) * np.float64(1 << SUBPIXEL_BITS)).astype(np.int32)
    cv2.fillPoly(picture, [corners], colour, cv2.LINE_AA, SUBPIXEL_BITS)


def fill_rectangle(picture: Image, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
    """Fill a rectangle."""
    fill_polygon(picture, [(left, top), (right, top), (right, bottom), (left, bottom)], colour)


def fill_ellipse(picture: Image, centre: Point, half_axes: Point, colour: Colour, angle: float = 0.0) -> None:
    """Fill an ellipse with the half axes across and down, turned by an angle in degrees."""
    turn = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    (x, y), (across, down) = centre, half_axes
    a, b = np.cos(turn) * across, np.sin(turn) * down
    fill_polygon(picture, np.column_stack([x + a * c - b * s, y + a * s + b * c]), colour)  # type: ignore[arg-type]


def add_glow(picture: Image, x: float, y: float, radius: float, colour: Colour, strength: float) -> None:
    """Add light that falls off softly around a place."""
    height, width = picture.shape[:2]
    down = (np.arange(height, dtype=np.float32)[:, None] - np.float32(y)) / np.float32(radius)
    across = (np.arange(width, dtype=np.float32)[None, :] - np.float32(x)) / np.float32(radius)
    share = np.float32(strength) / (1 + 3 * (down * down + across * across)) ** 2
    blended = picture + (np.array(colour, np.float32) - picture) * share[..., None]
    picture[:] = (blended + np.float32(0.5)).astype(np.uint8)


def add_haze(picture: Image, rng: np.random.Generator, strength: float = 2.2) -> None:
    """Make the light uneven, so that no surface is flat. Grain would do so too, but makes JPEG files much larger."""
    height, width = picture.shape[:2]
    coarse = cv2.resize(rng.normal(0, 1, (5, 7)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    change = np.round(coarse * np.float32(strength)).astype(np.int16)
    picture[:] = np.clip(picture + change[..., None], 0, 255).astype(np.uint8)
