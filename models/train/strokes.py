"""What backdrops are painted with: shapes with soft edges and textures, many of them in one compiled call."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from models.train.palette import Colour, Dice, Floats

Bytes = npt.NDArray[np.uint8]
Point = tuple[float, float]

QUAD, ELLIPSE, CAPSULE = 0, 1, 2
STROKE_COLUMNS: Final = 40
GEOMETRY, SOFT, ALPHA, TEXTURE, MATRIX, GAIN, BASE, SHADE = 1, 9, 10, 11, 12, 21, 24, 27
"""Where a stroke's row has its numbers: 8 of geometry, the edge's half width in pixels, its opacity, which texture
(−1: none), the 3×3 matrix from picture to texture (its seventh number is 0: each row has one scale), gain and base of
its colour, and (per pixel in x and in y, about where, how round) its shading."""
TEXTURE_SIDE: Final = 512
BYTES_PER_TEXTURE: Final = 3 * sum((TEXTURE_SIDE >> level) ** 2 for level in range(7))
"""Bytes of a texture with its six halvings."""


class Strokes:
    """Strokes in the order in which they are painted."""

    def __init__(self) -> None:
        self._rows = np.zeros((64, STROKE_COLUMNS), np.float32)
        self._count = 0

    def reserve(self, count: int) -> Floats:
        """The rows (count×40, to be filled in) of that many further strokes."""
        while self._count + count > len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._count += count
        return self._rows[self._count - count : self._count]

    def rows(self) -> Floats:
        """All strokes, N×40."""
        return self._rows[: self._count]

    def quad(
        self, corners: Sequence[float], tone: Colour, soft: float = 0.6, alpha: float = 1.0,
        shade: Point = (0.0, 0.0),
    ) -> Floats:  # fmt: skip
        """A convex four-cornered shape: x and y of each corner in turn. Returns its row."""
        return self._add(
            QUAD, corners, tone, soft, alpha, shade, (corners[0] + corners[4]) / 2, (corners[1] + corners[5]) / 2
        )

    def box(
        self, left: float, top: float, right: float, bottom: float, tone: Colour, soft: float = 0.6, alpha: float = 1.0,
        shade: Point = (0.0, 0.0),
    ) -> Floats:  # fmt: skip
        """An upright rectangle."""
        return self.quad((left, top, right, top, right, bottom, left, bottom), tone, soft, alpha, shade)

    def rotated_box(
        self, x: float, y: float, across: float, down: float, angle: float, tone: Colour, soft: float = 0.6,
        shade: Point = (0.0, 0.0),
    ) -> Floats:  # fmt: skip
        """A rectangle by its centre and half sides, turned by an angle."""
        c, s = math.cos(angle), math.sin(angle)
        a, b, p, q = across * c, across * s, -down * s, down * c
        corners = (x - a - p, y - b - q, x + a - p, y + b - q, x + a + p, y + b + q, x - a + p, y - b + q)
        return self.quad(corners, tone, soft, 1.0, shade)

    def ellipse(
        self, x: float, y: float, across: float, down: float, tone: Colour, soft: float = 0.6, alpha: float = 1.0,
        angle: float = 0.0, power: float = 2.0, roundness: float = 0.0,
    ) -> Floats:  # fmt: skip
        """An ellipse by its centre and half axes; with a power (2, 4 or 8) above 2 nearer to a rectangle."""
        across, down, c, s = max(across, 0.1), max(down, 0.1), math.cos(angle), math.sin(angle)
        place = (x, y, c / across, s / across, c / down, s / down, power, min(across, down))
        dark = 0.9 * roundness / down
        return self._add(ELLIPSE, place, tone, soft, alpha, (s * dark, -c * dark), x, y)

    def capsule(
        self, start: Point, end: Point, thick: Point, tone: Colour, soft: float = 0.6, alpha: float = 1.0,
        roundness: float = 0.3,
    ) -> Floats:  # fmt: skip
        """A rod with round ends, half as wide at its ends as `thick` says."""
        row = self._add(CAPSULE, (*start, thick[0], *end, thick[1]), tone, soft, alpha, (0.0, 0.0), *start)
        row[SHADE + 4] = roundness
        return row

    def _add(
        self, kind: int, geometry: Sequence[float], tone: Colour, soft: float, alpha: float, shade: Point,
        x: float, y: float,
    ) -> Floats:  # fmt: skip
        row: Floats = self.reserve(1)[0]
        row[:] = (
            kind, *geometry, *(0.0,) * (8 - len(geometry)), soft, alpha, -1, 0, 0, 0, 0, 0, 0, 0, 0, 1,
            0, 0, 0, *tone, *shade, x, y, *(0.0,) * 9,
        )  # fmt: skip
        return row


def set_texture(row: Floats, texture: int, matrix: Sequence[float], strength: float = 1.0) -> None:
    """Give a stroke a texture, which is multiplied into so much of its colour; `matrix` (9 numbers) leads from the
    picture's pixels to the texture's."""
    row[TEXTURE] = texture
    row[MATRIX:GAIN] = matrix
    row[GAIN:BASE] = row[BASE:SHADE] * (strength / 128)
    row[BASE:SHADE] *= 1 - strength


def upright_matrix(x: float, y: float, scale: float, turn: float = 0.0) -> tuple[float, ...]:
    """The matrix of a texture that stands upright in the picture, its upper left corner at x, y (turned by an angle),
    of which `scale` pixels make one of the picture's."""
    cosine, sine = scale * math.cos(turn), scale * math.sin(turn)
    return (cosine, sine, -cosine * x - sine * y, -sine, cosine, sine * x - cosine * y, 0.0, 0.0, 1.0)


def ground_matrix(
    dice: Dice, middle: float, horizon: float, near: float, scale: float, turn: float
) -> tuple[float, ...]:
    """The matrix of a texture that lies on the ground, of which `scale` pixels make one of the picture's `near` rows
    below the horizon."""
    cosine, sine = math.cos(turn), math.sin(turn)
    off_u, off_v = dice(0, TEXTURE_SIDE), dice(0, TEXTURE_SIDE)
    # in pixels of the texture to the side: across × (x − middle) / below; into depth: deep / below
    across, deep = scale * near, scale * near * near * dice(0.5, 1.0)
    return (
        cosine * across, off_u, -cosine * across * middle - sine * deep - off_u * horizon,
        sine * across, off_v, -sine * across * middle + cosine * deep - off_v * horizon,
        0.0, 1.0, -horizon,
    )  # fmt: skip
