"""Paints strokes on a picture. Compiled: a few nanoseconds for each pixel of each stroke.

Kernels take scalars, because numba compiles them fastest that way.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from models.train.palette import Floats
from models.train.strokes import BYTES_PER_TEXTURE, TEXTURE_SIDE, Bytes

TextureLine = npt.NDArray[np.float64]
"""One row of a stroke in its texture, as `_set_texture_line` sets it."""

NO_MASK: Final = np.zeros((0, 0), np.uint8)
"""Stands for a mask that is not used."""
MIN_COVERAGE: Final = 0.04
"""Coverage below which nothing is painted: it would hardly show."""


@njit(cache=True, nogil=True, fastmath=True)
def _span(edges: Floats, y: float, margin: float, low: float, high: float) -> tuple[float, float]:
    """Return the first and last column of a row inside the edges, including `margin` pixels outside them."""
    for edge in range(4):
        a, rest = edges[edge, 0], edges[edge, 1] * y + edges[edge, 2] + margin
        if a > 1e-6:
            low = max(low, -rest * edges[edge, 3])
        elif a < -1e-6:
            high = min(high, -rest * edges[edge, 3])
        elif rest < 0:
            return 1.0, 0.0
    return low, high


@njit(cache=True, nogil=True, fastmath=True)
def _chord(row: Floats, y: float, share: float, low: float, high: float) -> tuple[float, float]:
    """Return the first and last column of a row inside an ellipse scaled by `share`."""
    dy = y - row[2]
    a, b = row[3] * row[3] + row[6] * row[6], dy * (row[3] * row[4] - row[5] * row[6])
    inside = b * b - a * (dy * dy * (row[4] * row[4] + row[5] * row[5]) - share * share)
    if share <= 0 or inside <= 0:
        return 1.0, 0.0
    half = np.sqrt(inside)
    return max(low, row[1] - (b + half) / a), min(high, row[1] - (b - half) / a)


@njit(cache=True, nogil=True, fastmath=True)
def _set_edges(row: Floats, edges: Floats) -> bool:
    """Set a quad's edges as distances a·x + b·y + c, positive inside, and return whether it has any area."""
    area = 0.0
    for edge in range(4):
        x, y, nx, ny = row[1 + 2 * edge], row[2 + 2 * edge], row[1 + (2 * edge + 2) % 8], row[1 + (2 * edge + 3) % 8]
        area += x * ny - nx * y
    side = 1.0 if area > 0 else -1.0
    for edge in range(4):
        x, y, nx, ny = row[1 + 2 * edge], row[2 + 2 * edge], row[1 + (2 * edge + 2) % 8], row[1 + (2 * edge + 3) % 8]
        length = np.sqrt((nx - x) ** 2 + (ny - y) ** 2)
        if length < 1e-3:
            edges[edge, 0], edges[edge, 1], edges[edge, 2] = 0.0, 0.0, 1e6
            continue
        a, b = -side * (ny - y) / length, side * (nx - x) / length
        edges[edge, 0], edges[edge, 1], edges[edge, 2], edges[edge, 3] = (
            a,
            b,
            -a * x - b * y,
            1 / a if abs(a) > 1e-6 else 0.0,
        )
    return abs(area) > 1e-3


@njit(cache=True, nogil=True, fastmath=True)
def _bounds(row: Floats) -> tuple[float, float, float, float]:
    """Return the shape's left, top, right and bottom, without its soft edge."""
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
def paint(canvas: Floats, cover: Bytes, protected: Bytes, rows: Floats, texels: Bytes) -> None:
    """Paint strokes (N×40) on a picture (H×W×3), in place.

    If `cover` is H×W, it becomes 1 wherever something is painted. If `protected` is H×W, nothing is painted where it
    is not 0.
    """
    height, width = canvas.shape[0], canvas.shape[1]
    edges = np.zeros((4, 4), np.float32)
    line = np.zeros(6, np.float64)
    for i in range(rows.shape[0]):
        row = rows[i]
        if row[0] == 0 and not _set_edges(row, edges):
            continue
        soft = max(float(row[9]), 0.3)
        left, top, right, bottom = _bounds(row)
        for y in range(max(0, int(np.floor(top - soft))), min(height - 1, int(np.ceil(bottom + soft))) + 1):
            low, high = max(0.0, np.floor(left - soft)), min(width - 1.0, np.ceil(right + soft))
            full_low, full_high = 1.0, 0.0
            if row[0] == 0:
                full_low, full_high = _span(edges, y, -soft, low, high)
                low, high = _span(edges, y, soft, low, high)
            elif row[0] == 1:
                full_low, full_high = _chord(row, y, 1 - soft / row[8], low, high)
                if row[7] == 2:
                    low, high = _chord(row, y, 1 + soft / row[8], low, high)
            if low <= high:
                _set_texture_line(row, y, (low + high) / 2, line)
                span = (int(np.ceil(low)), int(np.floor(high)), int(np.ceil(full_low)), int(np.floor(full_high)))
                _paint_line(canvas, cover, protected, row, edges, texels, line, y, span)


@njit(cache=True, nogil=True, fastmath=True)
def _set_texture_line(row: Floats, y: int, x: float, line: TextureLine) -> None:
    """Set where a row of the picture is in a texture.

    `line` gets the first byte and the side of the texture at the size that fits (judged around x), u and v at the
    row's start, and their steps.
    """
    m, start, side = row[12:21], int(row[11]) * BYTES_PER_TEXTURE, TEXTURE_SIDE
    if start < 0:
        return
    w = 1.0 / max(m[7] * y + m[8], 1e-4)
    u, v = (m[0] * x + m[1] * y + m[2]) * w, (m[3] * x + m[4] * y + m[5]) * w
    ux, vx, uy, vy = m[0] * w, m[3] * w, (m[1] - u * m[7]) * w, (m[4] - v * m[7]) * w
    # A compromise between the longer side and the area of what a pixel covers of the texture.
    fourth_power = max(ux * ux + vx * vx, uy * uy + vy * vy) * abs(ux * vy - uy * vx)
    while fourth_power > 1.4**4 and side > TEXTURE_SIDE >> 6:
        start += 3 * side * side
        side //= 2
        fourth_power /= 16
        w *= 0.5
    line[0], line[1] = start, side if fourth_power > 0.6**4 else -side
    line[2], line[3] = (m[1] * y + m[2]) * w, (m[4] * y + m[5]) * w
    line[4], line[5] = m[0] * w, m[3] * w


@njit(cache=True, nogil=True, fastmath=True)
def _paint_line(
    canvas: Floats, cover: Bytes, protected: Bytes, row: Floats, edges: Floats, texels: Bytes, line: TextureLine,
    y: int, span: tuple[int, int, int, int],
) -> None:  # fmt: skip
    """Paint one row of a stroke: from one column to another (`span`), and which of them it covers fully."""
    low, high, full_low, full_high = span
    covering, keeping, alpha = cover.shape[0] > 0, protected.shape[0] > 0, float(row[10])
    level = 1 + row[28] * (y - row[30]) - row[27] * row[29]
    may_fill = row[0] != 2 and alpha >= 1 and not keeping
    x = low
    while x <= high:
        if may_fill and full_low <= x <= full_high:
            _fill_line(canvas, row, texels, line, y, x, min(full_high, high), level)
            if covering:
                cover[y, x : full_high + 1] = 1
            x = full_high + 1
            continue
        coverage, dark = _coverage(row, edges, x, y)
        coverage *= alpha
        if coverage >= MIN_COVERAGE and not (keeping and protected[y, x] != 0):
            r, g, b = _stroke_colour(row, texels, line, x, max(level - dark + row[27] * x, 0.0))
            canvas[y, x, 0] += coverage * (r - canvas[y, x, 0])
            canvas[y, x, 1] += coverage * (g - canvas[y, x, 1])
            canvas[y, x, 2] += coverage * (b - canvas[y, x, 2])
            if covering:
                cover[y, x] = 1
        x += 1


@njit(cache=True, nogil=True, fastmath=True)
def _fill_line(
    canvas: Floats, row: Floats, texels: Bytes, line: TextureLine, y: int, low: int, high: int, level: float
) -> None:  # fmt: skip
    """Paint the part of a row that a stroke covers fully."""
    a0, a1, a2, b0, b1, b2, shade = row[21], row[22], row[23], row[24], row[25], row[26], row[27]
    light, zero, full = np.float32(level + shade * low), np.float32(0), np.float32(255)
    if row[11] < 0:
        for x in range(low, high + 1):
            canvas[y, x, 0] = min(max(b0 * light, zero), full)
            canvas[y, x, 1] = min(max(b1 * light, zero), full)
            canvas[y, x, 2] = min(max(b2 * light, zero), full)
            light += shade
        return
    if line[1] < 0:
        for x in range(low, high + 1):
            r, g, b = _stroke_colour(row, texels, line, x, max(level + shade * x, 0.0))
            canvas[y, x, 0], canvas[y, x, 1], canvas[y, x, 2] = r, g, b
        return
    start, side = int(line[0]), int(line[1])
    # Fixed point: units of 2⁻¹⁶ of a texture's pixel.
    u, v = int((line[2] + line[4] * low) * 65536), int((line[3] + line[5] * low) * 65536)
    du, dv = int(line[4] * 65536), int(line[5] * 65536)
    for x in range(low, high + 1):
        k = start + 3 * (side * ((v >> 16) & (side - 1)) + ((u >> 16) & (side - 1)))
        canvas[y, x, 0] = min(max((b0 + a0 * np.float32(texels[k])) * light, zero), full)
        canvas[y, x, 1] = min(max((b1 + a1 * np.float32(texels[k + 1])) * light, zero), full)
        canvas[y, x, 2] = min(max((b2 + a2 * np.float32(texels[k + 2])) * light, zero), full)
        u, v, light = u + du, v + dv, light + shade


@njit(cache=True, nogil=True, fastmath=True, inline="always")
def _stroke_colour(row: Floats, texels: Bytes, line: TextureLine, x: int, light: float) -> tuple[float, float, float]:
    """Return a stroke's colour in a column of the row that `line` is for."""
    red, green, blue = float(row[24]), float(row[25]), float(row[26])
    if row[11] >= 0:
        start, side = int(line[0]), abs(int(line[1]))
        u, v = line[2] + line[4] * x + 65536.0, line[3] + line[5] * x + 65536.0
        iu, iv = int(u), int(v)
        k = start + 3 * (side * (iv & (side - 1)) + (iu & (side - 1)))
        r, g, b = float(texels[k]), float(texels[k + 1]), float(texels[k + 2])
        if line[1] < 0:
            # Magnified, so interpolate between the texture's pixels.
            right = start + 3 * (side * (iv & (side - 1)) + ((iu + 1) & (side - 1)))
            under = start + 3 * (side * ((iv + 1) & (side - 1)) + (iu & (side - 1)))
            fu, fv = u - iu, v - iv
            r += fu * (texels[right] - r) + fv * (texels[under] - r)
            g += fu * (texels[right + 1] - g) + fv * (texels[under + 1] - g)
            b += fu * (texels[right + 2] - b) + fv * (texels[under + 2] - b)
        red, green, blue = red + row[21] * r, green + row[22] * g, blue + row[23] * b
    red, green, blue = red * light, green * light, blue * light
    return min(max(red, 0.0), 255.0), min(max(green, 0.0), 255.0), min(max(blue, 0.0), 255.0)


@njit(cache=True, nogil=True, fastmath=True, inline="always")
def _coverage(row: Floats, edges: Floats, x: int, y: int) -> tuple[float, float]:
    """Return how much of a pixel a stroke covers (0–1), and how much darker it is there because it is round."""
    soft = max(float(row[9]), 0.3)
    if row[0] == 0:
        inside = soft
        for e in range(4):
            inside = min(inside, edges[e, 0] * x + edges[e, 1] * y + edges[e, 2])
        return max(0.0, (inside + soft) / (2 * soft)), 0.0
    dx, dy = float(x - row[1]), float(y - row[2])
    if row[0] == 1:
        p, q = dx * row[3] + dy * row[4], dy * row[5] - dx * row[6]
        p, q = p * p, q * q
        if row[7] > 2:
            p, q = p * p, q * q
        if row[7] > 4:
            p, q = p * p, q * q
        out = np.sqrt(p + q)
        if row[7] > 2:
            out = np.sqrt(out)
        if row[7] > 4:
            out = np.sqrt(out)
        return min(max(0.0, ((1 - out) * row[8] + soft) / (2 * soft)), 1.0), 0.0
    along_x, along_y = float(row[4] - row[1]), float(row[5] - row[2])
    t = (dx * along_x + dy * along_y) / max(along_x * along_x + along_y * along_y, 1e-6)
    t = min(max(t, 0.0), 1.0)
    thick = row[3] + t * (row[6] - row[3])
    away = np.sqrt((dx - t * along_x) ** 2 + (dy - t * along_y) ** 2)
    dark = row[31] * min(away / max(thick, 1e-3), 1.0) ** 2
    return min(max(0.0, (thick + soft - away) / (2 * soft)), 1.0), dark
