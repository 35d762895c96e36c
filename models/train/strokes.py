"""What backdrops are painted with: shapes with soft edges and textures, many of them in one compiled call."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from models.train.palette import Colour, Dice, Floats

Bytes = npt.NDArray[np.uint8]
Line = npt.NDArray[np.float64]
Point = tuple[float, float]

QUAD, ELLIPSE, CAPSULE = 0, 1, 2
COLUMNS: Final = 40
GEOMETRY, SOFT, ALPHA, TEXTURE, MAP, GAIN, BASE, SHADE = 1, 9, 10, 11, 12, 21, 24, 27
"""Where a stroke's row has its numbers: 8 of geometry, the edge's half width in pixels, its opacity, which texture
(−1: none), the 3×3 matrix from picture to texture (its seventh number is 0: each row has one scale), gain and base of
its colour, and (per pixel in x and in y, about where, how round) its shading."""
SIDE: Final = 512
PER_TEXTURE: Final = 3 * sum((SIDE >> level) ** 2 for level in range(7))
"""Bytes of a texture with its six halvings."""
FAINT: Final = 0.04
"""Coverage below which nothing is painted."""


class Strokes:
    """Strokes in the order in which they are painted."""

    def __init__(self) -> None:
        self._rows = np.zeros((64, COLUMNS), np.float32)
        self._count = 0

    def room(self, count: int) -> Floats:
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

    def turned(
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
        angle: float = 0.0, power: float = 2.0, round_: float = 0.0,
    ) -> Floats:  # fmt: skip
        """An ellipse by its centre and half axes; with a power (2, 4 or 8) above 2 nearer to a rectangle."""
        across, down, c, s = max(across, 0.1), max(down, 0.1), math.cos(angle), math.sin(angle)
        place = (x, y, c / across, s / across, c / down, s / down, power, min(across, down))
        row = self._add(ELLIPSE, place, tone, soft, alpha, (0.0, 0.0), x, y)
        row[SHADE + 4] = round_
        return row

    def capsule(
        self, start: Point, end: Point, thick: Point, tone: Colour, soft: float = 0.6, alpha: float = 1.0,
        round_: float = 0.3,
    ) -> Floats:  # fmt: skip
        """A rod with round ends, half as wide at its ends as `thick` says."""
        row = self._add(CAPSULE, (*start, thick[0], *end, thick[1]), tone, soft, alpha, (0.0, 0.0), *start)
        row[SHADE + 4] = round_
        return row

    def _add(
        self, kind: int, geometry: Sequence[float], tone: Colour, soft: float, alpha: float, shade: Point,
        x: float, y: float,
    ) -> Floats:  # fmt: skip
        row: Floats = self.room(1)[0]
        row[:] = (
            kind, *geometry, *(0.0,) * (8 - len(geometry)), soft, alpha, -1, 0, 0, 0, 0, 0, 0, 0, 0, 1,
            0, 0, 0, *tone, *shade, x, y, *(0.0,) * 9,
        )  # fmt: skip
        return row


def textured(row: Floats, texture: int, matrix: Sequence[float], strength: float = 1.0) -> None:
    """Give a stroke a texture, which is multiplied into so much of its colour; `matrix` (9 numbers) leads from the
    picture's pixels to the texture's."""
    row[TEXTURE] = texture
    row[MAP:GAIN] = matrix
    row[GAIN:BASE] = row[BASE:SHADE] * (strength / 128)
    row[BASE:SHADE] *= 1 - strength


def upright(x: float, y: float, scale: float, turn: float = 0.0) -> tuple[float, ...]:
    """The matrix of a texture that stands upright in the picture, its upper left corner at x, y (turned by an angle),
    of which `scale` pixels make one of the picture's."""
    cosine, sine = scale * math.cos(turn), scale * math.sin(turn)
    return (cosine, sine, -cosine * x - sine * y, -sine, cosine, sine * x - cosine * y, 0.0, 0.0, 1.0)


def lying(dice: Dice, middle: float, horizon: float, near: float, scale: float, turn: float) -> tuple[float, ...]:
    """The matrix of a texture that lies on the ground, of which `scale` pixels make one of the picture's `near` rows
    below the horizon."""
    cosine, sine = math.cos(turn), math.sin(turn)
    off_u, off_v = dice(0, SIDE), dice(0, SIDE)
    # in pixels of the texture to the side: across × (x − middle) / below; into depth: deep / below
    across, deep = scale * near, scale * near * near * dice(0.5, 1.0)
    return (
        cosine * across, off_u, -cosine * across * middle - sine * deep - off_u * horizon,
        sine * across, off_v, -sine * across * middle + cosine * deep - off_v * horizon,
        0.0, 1.0, -horizon,
    )  # fmt: skip


@njit(cache=True, nogil=True, fastmath=True)
def _span(edges: Floats, y: float, margin: float, low: float, high: float) -> tuple[float, float]:
    """From where to where a row is within the edges, `margin` pixels outside them included."""
    for e in range(4):
        a, rest = edges[e, 0], edges[e, 1] * y + edges[e, 2] + margin
        if a > 1e-6:
            low = max(low, -rest / a)
        elif a < -1e-6:
            high = min(high, -rest / a)
        elif rest < 0:
            return 1.0, 0.0
    return low, high


@njit(cache=True, nogil=True, fastmath=True)
def _edges(row: Floats, edges: Floats) -> bool:
    """A four-cornered shape's edges as distances a·x + b·y + c, positive inside; whether it has any inside."""
    area = 0.0
    for e in range(4):
        x, y, nx, ny = row[1 + 2 * e], row[2 + 2 * e], row[1 + (2 * e + 2) % 8], row[1 + (2 * e + 3) % 8]
        area += x * ny - nx * y
    side = 1.0 if area > 0 else -1.0
    for e in range(4):
        x, y, nx, ny = row[1 + 2 * e], row[2 + 2 * e], row[1 + (2 * e + 2) % 8], row[1 + (2 * e + 3) % 8]
        length = np.sqrt((nx - x) ** 2 + (ny - y) ** 2)
        if length < 1e-3:
            edges[e, 0], edges[e, 1], edges[e, 2] = 0.0, 0.0, 1e6
            continue
        a, b = -side * (ny - y) / length, side * (nx - x) / length
        edges[e, 0], edges[e, 1], edges[e, 2] = a, b, -a * x - b * y
    return abs(area) > 1e-3


@njit(cache=True, nogil=True, fastmath=True)
def _bounds(row: Floats) -> tuple[float, float, float, float]:
    """The shape's left, top, right and bottom without its soft edge."""
    kind = int(row[0])
    if kind == 0:
        return (
            min(row[1], row[3], row[5], row[7]), min(row[2], row[4], row[6], row[8]),
            max(row[1], row[3], row[5], row[7]), max(row[2], row[4], row[6], row[8]),
        )  # fmt: skip
    if kind == 1:
        p, q = 1 / np.sqrt(row[3] ** 2 + row[4] ** 2), 1 / np.sqrt(row[5] ** 2 + row[6] ** 2)
        wide, high = abs(p * p * row[3]) + abs(q * q * row[6]), abs(p * p * row[4]) + abs(q * q * row[5])
        return row[1] - wide, row[2] - high, row[1] + wide, row[2] + high
    return (
        min(row[1] - row[3], row[4] - row[6]), min(row[2] - row[3], row[5] - row[6]),
        max(row[1] + row[3], row[4] + row[6]), max(row[2] + row[3], row[5] + row[6]),
    )  # fmt: skip


@njit(cache=True, nogil=True, fastmath=True)
def paint(canvas: Floats, cover: Bytes, kept: Bytes, rows: Floats, texels: Bytes) -> None:
    """Paint strokes (N×40) onto a picture (H×W×3). Where `cover` is H×W, it is 1 from then on where anything was
    painted; where `kept` is, nothing is painted where it is not 0."""
    height, width = canvas.shape[0], canvas.shape[1]
    edges = np.zeros((4, 3), np.float32)
    line = np.zeros(6, np.float64)
    for i in range(rows.shape[0]):
        row = rows[i]
        if row[0] == 0 and not _edges(row, edges):
            continue
        soft = max(float(row[9]), 0.3)
        left, top, right, bottom = _bounds(row)
        for y in range(max(0, int(np.floor(top - soft))), min(height - 1, int(np.ceil(bottom + soft))) + 1):
            low, high = max(0.0, np.floor(left - soft)), min(width - 1.0, np.ceil(right + soft))
            full_low, full_high = 1.0, 0.0
            if row[0] == 0:
                full_low, full_high = _span(edges, y, -soft, low, high)
                low, high = _span(edges, y, soft, low, high)
            if low <= high:
                _texture_line(row, y, (low + high) / 2, line)
                span = (int(np.ceil(low)), int(np.floor(high)), int(np.ceil(full_low)), int(np.floor(full_high)))
                _paint_line(canvas, cover, kept, row, edges, texels, line, y, span)


@njit(cache=True, nogil=True, fastmath=True)
def _texture_line(row: Floats, y: int, x: float, line: Line) -> None:
    """Where a row of the picture lies in a texture: its first byte and side at the size that fits (by what is seen
    about x), u and v at the row's start and their steps."""
    m, start, side = row[12:21], int(row[11]) * PER_TEXTURE, SIDE
    if start < 0:
        return
    w = 1.0 / max(m[7] * y + m[8], 1e-4)
    u, v = (m[0] * x + m[1] * y + m[2]) * w, (m[3] * x + m[4] * y + m[5]) * w
    ux, vx, uy, vy = m[0] * w, m[3] * w, (m[1] - u * m[7]) * w, (m[4] - v * m[7]) * w
    # between the longer side of what a pixel sees of the texture and the area of it
    step = (max(ux * ux + vx * vx, uy * uy + vy * vy) * abs(ux * vy - uy * vx)) ** 0.25
    while step > 1.4 and side > SIDE >> 6:
        start += 3 * side * side
        side //= 2
        step *= 0.5
        w *= 0.5
    line[0], line[1] = start, side if step > 0.6 else -side
    line[2], line[3] = (m[1] * y + m[2]) * w, (m[4] * y + m[5]) * w
    line[4], line[5] = m[0] * w, m[3] * w


@njit(cache=True, nogil=True, fastmath=True)
def _paint_line(
    canvas: Floats, cover: Bytes, kept: Bytes, row: Floats, edges: Floats, texels: Bytes, line: Line, y: int,
    span: tuple[int, int, int, int],
) -> None:  # fmt: skip
    """Paint a stroke's part of one row: from and to which column, and between which of them it covers all."""
    low, high, full_low, full_high = span
    covering, keeping, plain = cover.shape[0] > 0, kept.shape[0] > 0, row[0] == 0
    alpha, start, side = float(row[10]), int(line[0]), int(line[1])
    smooth, side, textured_ = side < 0, abs(side), row[11] >= 0
    level = 1 + row[28] * (y - row[30]) - row[27] * row[29]
    for x in range(low, high + 1):
        coverage, light = alpha, level + row[27] * x
        if not plain or x < full_low or x > full_high:
            inside, dark = _coverage(row, edges, x, y)
            coverage *= inside
            light -= dark
        if coverage < FAINT or (keeping and kept[y, x] != 0):
            continue
        light = max(light, 0.0)
        red, green, blue = float(row[24]), float(row[25]), float(row[26])
        if textured_:
            u, v = line[2] + line[4] * x + 65536.0, line[3] + line[5] * x + 65536.0
            iu, iv = int(u), int(v)
            k = start + 3 * (side * (iv & (side - 1)) + (iu & (side - 1)))
            r, g, b = float(texels[k]), float(texels[k + 1]), float(texels[k + 2])
            if smooth:
                right = start + 3 * (side * (iv & (side - 1)) + ((iu + 1) & (side - 1)))
                under = start + 3 * (side * ((iv + 1) & (side - 1)) + (iu & (side - 1)))
                fu, fv = u - iu, v - iv
                r += fu * (texels[right] - r) + fv * (texels[under] - r)
                g += fu * (texels[right + 1] - g) + fv * (texels[under + 1] - g)
                b += fu * (texels[right + 2] - b) + fv * (texels[under + 2] - b)
            red, green, blue = red + row[21] * r, green + row[22] * g, blue + row[23] * b
        canvas[y, x, 0] += coverage * (min(max(red * light, 0.0), 255.0) - canvas[y, x, 0])
        canvas[y, x, 1] += coverage * (min(max(green * light, 0.0), 255.0) - canvas[y, x, 1])
        canvas[y, x, 2] += coverage * (min(max(blue * light, 0.0), 255.0) - canvas[y, x, 2])
        if covering:
            cover[y, x] = 1


@njit(cache=True, nogil=True, fastmath=True)
def _coverage(row: Floats, edges: Floats, x: int, y: int) -> tuple[float, float]:
    """How much of a pixel a stroke covers (0–1), and how much darker it is there for being round."""
    soft = max(float(row[9]), 0.3)
    if row[0] == 0:
        inside = soft
        for e in range(4):
            inside = min(inside, edges[e, 0] * x + edges[e, 1] * y + edges[e, 2])
        return max(0.0, (inside + soft) / (2 * soft)), 0.0
    dx, dy = float(x - row[1]), float(y - row[2])
    if row[0] == 1:
        p, q = dx * row[3] + dy * row[4], dy * row[5] - dx * row[6]
        down, p, q, rim = q, p * p, q * q, 1 - soft / row[8]
        dark = row[31] * (0.6 * down + 0.4 * (p + q))
        if rim > 0 and p + q < rim * rim:
            return 1.0, dark
        if row[7] > 2:
            p, q = p * p, q * q
        if row[7] > 4:
            p, q = p * p, q * q
        out = np.sqrt(p + q)
        if row[7] > 2:
            out = np.sqrt(out)
        if row[7] > 4:
            out = np.sqrt(out)
        return min(max(0.0, ((1 - out) * row[8] + soft) / (2 * soft)), 1.0), dark
    along_x, along_y = float(row[4] - row[1]), float(row[5] - row[2])
    t = (dx * along_x + dy * along_y) / max(along_x * along_x + along_y * along_y, 1e-6)
    t = min(max(t, 0.0), 1.0)
    thick = row[3] + t * (row[6] - row[3])
    away = np.sqrt((dx - t * along_x) ** 2 + (dy - t * along_y) ** 2)
    dark = row[31] * min(away / max(thick, 1e-3), 1.0) ** 2
    return min(max(0.0, (thick + soft - away) / (2 * soft)), 1.0), dark
