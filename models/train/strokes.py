"""The strokes that backdrops are painted with: shapes with soft edges and textures, painted in one compiled call."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from models.train.palette import Colour, Dice, Floats

Bytes = npt.NDArray[np.uint8]
Point = tuple[float, float]
Spot = tuple[float, float, float, float]
"""Where an ellipse or a rotated rectangle is: x and y of its centre, its half width and its half height, in pixels."""

QUAD, ELLIPSE, CAPSULE = 0, 1, 2
"""Shapes of strokes."""
STROKE_COLUMNS: Final = 40
"""Numbers in a stroke's row."""
GEOMETRY, SOFT, ALPHA, TEXTURE, MATRIX, GAIN, BASE, SHADE = 1, 9, 10, 11, 12, 21, 24, 27
"""Columns of a stroke's row: 8 numbers of geometry; the edge's half width in pixels; the opacity; the texture (−1:
none); the 3×3 matrix from picture to texture (its seventh number is 0: each row has one scale); gain and base of the
colour; and the shading (per pixel in x and in y, around which point, how round)."""
TEXTURE_SIDE: Final = 512
"""Side of a texture in pixels, a power of two."""
BYTES_PER_TEXTURE: Final = 3 * sum((TEXTURE_SIDE >> level) ** 2 for level in range(7))
"""Bytes of a texture with its six halvings."""
ROD_ROUNDNESS: Final = 0.3
"""How much darker the sides of a rod are than its middle, as a share of its brightness."""


class Brush(NamedTuple):
    """How a stroke looks: its colour, the half width of its soft edge in pixels, its opacity, and its shading.

    `shade` is by how much the light changes for each pixel to the right and for each pixel down.
    """

    tone: Colour
    soft: float = 0.6
    alpha: float = 1.0
    shade: Point = (0.0, 0.0)


class Strokes:
    """Strokes in the order in which they are painted."""

    def __init__(self) -> None:
        self._rows = np.zeros((64, STROKE_COLUMNS), np.float32)
        self._count = 0

    def reserve(self, count: int) -> Floats:
        """Add `count` strokes, and return their rows (count×40) to be filled in."""
        while self._count + count > len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._count += count
        return self._rows[self._count - count : self._count]

    def rows(self) -> Floats:
        """Return all strokes, N×40."""
        return self._rows[: self._count]

    def quad(self, corners: Sequence[float], brush: Brush) -> Floats:
        """Add a convex shape with four corners, given as x and y of each corner in turn, and return its row."""
        x, y = (corners[0] + corners[4]) / 2, (corners[1] + corners[5]) / 2
        return self._add(QUAD, corners, brush, x, y)

    def box(self, left: float, top: float, right: float, bottom: float, brush: Brush) -> Floats:
        """Add an upright rectangle, and return its row."""
        return self.quad((left, top, right, top, right, bottom, left, bottom), brush)

    def rotated_box(self, spot: Spot, angle: float, brush: Brush) -> Floats:
        """Add a rectangle turned by an angle (radians), and return its row."""
        x, y, across, down = spot
        c, s = math.cos(angle), math.sin(angle)
        a, b, p, q = across * c, across * s, -down * s, down * c
        corners = (x - a - p, y - b - q, x + a - p, y + b - q, x + a + p, y + b + q, x - a + p, y - b + q)
        return self.quad(corners, brush)

    def ellipse(
        self, spot: Spot, brush: Brush, angle: float = 0.0, power: float = 2.0, roundness: float = 0.0
    ) -> Floats:
        """Add an ellipse, and return its row. A `power` (2, 4 or 8) above 2 makes it more like a rectangle.

        `roundness` shades it like a ball, in place of the brush's own shade.
        """
        x, y, across, down = spot
        across, down, c, s = max(across, 0.1), max(down, 0.1), math.cos(angle), math.sin(angle)
        geometry = (x, y, c / across, s / across, c / down, s / down, power, min(across, down))
        dark = 0.9 * roundness / down
        return self._add(ELLIPSE, geometry, brush._replace(shade=(s * dark, -c * dark)), x, y)

    def capsule(self, start: Point, end: Point, thick: Point, brush: Brush) -> Floats:
        """Add a rod with round ends, and return its row. `thick` holds half its width at the start and at the end."""
        row = self._add(CAPSULE, (*start, thick[0], *end, thick[1]), brush, *start)
        row[SHADE + 4] = ROD_ROUNDNESS
        return row

    def _add(self, kind: int, geometry: Sequence[float], brush: Brush, x: float, y: float) -> Floats:
        row: Floats = self.reserve(1)[0]
        row[:] = (
            kind, *geometry, *(0.0,) * (8 - len(geometry)), brush.soft, brush.alpha, -1, 0, 0, 0, 0, 0, 0, 0, 0, 1,
            0, 0, 0, *brush.tone, *brush.shade, x, y, *(0.0,) * 9,
        )  # fmt: skip
        return row


def set_texture(row: Floats, texture: int, matrix: Sequence[float], strength: float = 1.0) -> None:
    """Give a stroke a texture, which is multiplied into a share of its colour (`strength`).

    `matrix` (9 numbers) maps the picture's pixels to the texture's.
    """
    row[TEXTURE] = texture
    row[MATRIX:GAIN] = matrix
    row[GAIN:BASE] = row[BASE:SHADE] * (strength / 128)
    row[BASE:SHADE] *= 1 - strength


def upright_matrix(x: float, y: float, scale: float, turn: float = 0.0) -> tuple[float, ...]:
    """Return the matrix of a texture that stands upright in the picture, turned by an angle.

    Its upper left corner is at x, y, and `scale` of its pixels make one of the picture's.
    """
    cosine, sine = scale * math.cos(turn), scale * math.sin(turn)
    return (cosine, sine, -cosine * x - sine * y, -sine, cosine, sine * x - cosine * y, 0.0, 0.0, 1.0)


def ground_matrix(
    dice: Dice, middle: float, horizon: float, near: float, scale: float, turn: float
) -> tuple[float, ...]:
    """Return the matrix of a texture that lies on the ground.

    `near` rows below the horizon, `scale` of its pixels make one of the picture's.
    """
    cosine, sine = math.cos(turn), math.sin(turn)
    off_u, off_v = dice(0, TEXTURE_SIDE), dice(0, TEXTURE_SIDE)
    # Pixels of the texture sideways: across × (x − middle) / below; into the depth: deep / below.
    across, deep = scale * near, scale * near * near * dice(0.5, 1.0)
    return (
        cosine * across, off_u, -cosine * across * middle - sine * deep - off_u * horizon,
        sine * across, off_v, -sine * across * middle + cosine * deep - off_v * horizon,
        0.0, 1.0, -horizon,
    )  # fmt: skip
