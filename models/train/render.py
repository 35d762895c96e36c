"""Draws people for training, compiled: solids into buffers of depth, normals and materials, then light over all of it.

The solids are those of `models.figures` (rounded cones with elliptical sections), and a pixel's surface is the same
root of the same quadratic as in `models.figures.forms`; what differs is that every pixel of a small picture is worked
out by one loop, about two hundred people a second, and that the light is made to look like a photo, not like a drawing.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from models.pose import Floats

Shorts = npt.NDArray[np.int16]

ROW: Final = 28
"""Numbers of a solid: start 3, end 3, radii 2, squash 9, cut 4, whether cut, melt, caps 2, material, part of the trunk,
(one free)."""
FAR: Final = np.float32(-1e6)
"""How near a pixel is where there is nobody, in metres."""
AXES: Final = 9
"""Numbers of a solid's texture: its origin and two directions, camera's axes."""


def buffers(height: int, width: int) -> tuple[Floats, Floats, Shorts, Shorts]:
    """Empty ones: nearness H×W, normals H×W×3, whose and which material (person·16 + material, −1: nobody), solid."""
    return (
        np.full((height, width), FAR, np.float32),
        np.zeros((height, width, 3), np.float32),
        np.full((height, width), -1, np.int16),
        np.zeros((height, width), np.int16),
    )


@njit(cache=True, fastmath={"contract", "arcp", "reassoc"}, error_model="numpy", nogil=True)
def draw(
    rows: Floats, turn: Floats, move: Floats, trunk: Floats, focal: float, distance: float, cx: float, cy: float,
    who: int, first: int, near: Floats, normals: Floats, what: Shorts, which: Shorts, axes: Floats,
) -> None:  # fmt: skip
    """Draws one person, in place.

    `rows` N×28 (see `ROW`) in the person's own axes, from which `turn` (3×3) and `move` (3) lead to the camera's;
    `trunk` (3 points: chest, up, side) is where cloth on the trunk has its texture from. `who` numbers the person,
    `first` the first of its solids in `axes`.
    """
    height, width = near.shape
    form = np.empty((3, 10))
    squash, own, metric, pull = np.empty((3, 3)), np.empty(3), np.empty((3, 3)), np.empty(3)
    frame = np.empty((3, 3))
    for number in range(len(rows)):
        row = rows[number]
        ax = turn[0, 0] * row[0] + turn[0, 1] * row[1] + turn[0, 2] * row[2] + move[0]
        ay = turn[1, 0] * row[0] + turn[1, 1] * row[1] + turn[1, 2] * row[2] + move[1]
        az = turn[2, 0] * row[0] + turn[2, 1] * row[1] + turn[2, 2] * row[2] + move[2]
        bx = turn[0, 0] * row[3] + turn[0, 1] * row[4] + turn[0, 2] * row[5] + move[0]
        by = turn[1, 0] * row[3] + turn[1, 1] * row[4] + turn[1, 2] * row[5] + move[1]
        bz = turn[2, 0] * row[3] + turn[2, 1] * row[4] + turn[2, 2] * row[5] + move[2]
        if max(az, bz) > distance - 0.2:
            continue
        sa, sb = focal / (distance - az), focal / (distance - bz)
        size = focal / (distance - 0.5 * (az + bz))
        x0, y0, x1, y1 = cx + ax * sa, cy - ay * sa, cx + bx * sb, cy - by * sb
        r0, r1 = row[6] * sa, row[7] * sb
        reach_x = 0.0
        reach_y = 0.0
        for i in range(3):  # the solid's own axes as the camera sees them: rows of the squash are axis / extent
            length2 = row[8 + 3 * i] ** 2 + row[9 + 3 * i] ** 2 + row[10 + 3 * i] ** 2
            for j in range(3):
                squash[i, j] = row[8 + 3 * i] * turn[j, 0] + row[9 + 3 * i] * turn[j, 1] + row[10 + 3 * i] * turn[j, 2]
                frame[i, j] = squash[i, j] / length2
            reach_x += frame[i, 0] ** 2
            reach_y += frame[i, 1] ** 2
        reach_x, reach_y = np.sqrt(reach_x), np.sqrt(reach_y)
        left = max(int(np.floor(min(x0 - reach_x * r0, x1 - reach_x * r1))), 0)
        right = min(int(np.ceil(max(x0 + reach_x * r0, x1 + reach_x * r1))), width - 1)
        top = max(int(np.floor(min(y0 - reach_y * r0, y1 - reach_y * r1))), 0)
        bottom = min(int(np.ceil(max(y0 + reach_y * r0, y1 + reach_y * r1))), height - 1)
        if left > right or top > bottom:
            continue
        wx, wy, wz = x1 - x0, y0 - y1, (bz - az) * size
        for i in range(3):
            own[i] = squash[i, 0] * wx + squash[i, 1] * wy + squash[i, 2] * wz
        along = own[0] ** 2 + own[1] ** 2 + own[2] ** 2
        span = along - (r1 - r0) ** 2
        is_cone = span > 1e-4 * max(r0, r1) ** 2
        for i in range(3):
            pull[i] = squash[0, i] * own[0] + squash[1, i] * own[1] + squash[2, i] * own[2]
            for j in range(3):
                metric[i, j] = squash[0, i] * squash[0, j] + squash[1, i] * squash[1, j] + squash[2, i] * squash[2, j]
        away = r0 * (r1 - r0)
        _quadric(form[0], metric, 0.0, 0.0, 0.0, -r0 * r0)
        _quadric(form[1], metric, -pull[0], -pull[1], -pull[2], along - r1 * r1)
        if is_cone:
            over = 1.0 / span
            for i in range(3):
                for j in range(3):
                    metric[i, j] -= pull[i] * pull[j] * over
            _quadric(
                form[2], metric, -pull[0] * away * over, -pull[1] * away * over, -pull[2] * away * over,
                -away * away * over - r0 * r0,
            )  # fmt: skip
        caps0, caps1 = row[23] > 0, row[24] > 0
        if not is_cone:
            caps0, caps1 = r0 >= r1, r1 > r0
        cut = row[21] > 0
        nx = turn[0, 0] * row[17] + turn[0, 1] * row[18] + turn[0, 2] * row[19]
        ny = turn[1, 0] * row[17] + turn[1, 1] * row[18] + turn[1, 2] * row[19]
        nz = turn[2, 0] * row[17] + turn[2, 1] * row[18] + turn[2, 2] * row[19]
        beyond = (row[20] - row[17] * row[0] - row[18] * row[1] - row[19] * row[2]) * size
        melt, tag = row[22], np.int16(who * 16 + int(row[25]))
        _texture(axes[first + number], row, trunk, ax, ay, az, bx, by, bz, frame)
        for py in range(top, bottom + 1):
            y = y0 - py
            for px in range(left, right + 1):
                x = px - x0
                best, used, z = -1e30, -1, 0.0
                if is_cone:
                    z = _root(form[2], x, y, False)
                    if z > -1e29:
                        t = (pull[0] * x + pull[1] * y + pull[2] * z + away) * over
                        if 0 <= t <= 1:
                            best, used = z, 2
                if caps0:
                    z = _root(form[0], x, y, False)
                    if z > best:
                        best, used = z, 0
                if caps1:
                    z = _root(form[1], x, y, False)
                    if z > best:
                        best, used = z, 1
                if used < 0:
                    continue
                if (
                    cut and nx * x + ny * y + nz * best > beyond
                ):  # cut away here: what shows is the far wall, from inside
                    used, z = (2, _root(form[2], x, y, True)) if is_cone else (0, _root(form[0], x, y, True))
                    if z < -1e29 or nx * x + ny * y + nz * z > beyond:
                        continue
                    if is_cone:
                        t = (pull[0] * x + pull[1] * y + pull[2] * z + away) * over
                        if t < 0 or t > 1:
                            continue
                    best = z
                depth = az + best / size
                behind = near[py, px]
                kin = melt > 0 and what[py, px] == tag and abs(depth - behind) < melt
                if not kin and depth <= behind:
                    continue
                q = form[used]
                gx = q[0] * x + q[1] * y + q[2] * best + q[6]
                gy = q[1] * x + q[3] * y + q[4] * best + q[7]
                gz = q[2] * x + q[4] * y + q[5] * best + q[8]
                length = 1.0 / np.sqrt(gx * gx + gy * gy + gz * gz + 1e-20)
                if gz < 0:
                    length = -length
                gx, gy, gz = gx * length, gy * length, gz * length
                if kin:  # two solids of one material melt into each other: the smooth maximum of their depths
                    close = (melt - abs(depth - behind)) / melt
                    share = 0.5 * close if depth < behind else 1 - 0.5 * close
                    gx = normals[py, px, 0] * (1 - share) + gx * share
                    gy = normals[py, px, 1] * (1 - share) + gy * share
                    gz = normals[py, px, 2] * (1 - share) + gz * share
                    depth = max(depth, behind) + close * close * melt * 0.25
                    if share > 0.5:
                        which[py, px] = first + number
                else:
                    which[py, px] = first + number
                near[py, px] = depth
                what[py, px] = tag
                normals[py, px, 0], normals[py, px, 1], normals[py, px, 2] = gx, gy, gz


@njit(cache=True, inline="always")
def _quadric(form: Any, square: Any, lx: float, ly: float, lz: float, constant: float) -> None:
    """w·square·w + 2 l·w + constant, w = (X, Y, z): the six of the square, the three of l, the constant."""
    form[0], form[1], form[2] = square[0, 0], square[0, 1], square[0, 2]
    form[3], form[4], form[5] = square[1, 1], square[1, 2], square[2, 2]
    form[6], form[7], form[8], form[9] = lx, ly, lz, constant


@njit(cache=True, inline="always")
def _root(q: Any, x: float, y: float, far: bool) -> float:
    """The surface that is nearest to the camera (or farthest from it) above a pixel; −1e30 beside the solid."""
    a = q[5]
    if abs(a) < 1e-9:
        return -1e30
    b = (q[8] + q[2] * x + q[4] * y) / a
    c = (q[9] + 2 * q[6] * x + 2 * q[7] * y + q[0] * x * x + 2 * q[1] * x * y + q[3] * y * y) / a
    disc = b * b - c
    if disc < 0:
        return -1e30
    root = np.sqrt(disc)
    if (a < 0) != far:
        root = -root
    return float(root - b)


@njit(cache=True, inline="always")
def _texture(
    axes: Any, row: Any, trunk: Any, ax: float, ay: float, az: float, bx: float, by: float, bz: float, frame: Any
) -> None:
    """Where a solid's cloth has its pattern from: the trunk's from the chest, a limb's along the limb."""
    if row[26] > 0:
        for i in range(9):
            axes[i] = trunk[i // 3, i % 3]
        return
    axes[0], axes[1], axes[2] = ax, ay, az
    dx, dy, dz = bx - ax, by - ay, bz - az
    length = np.sqrt(dx * dx + dy * dy + dz * dz)
    if length < 0.01:
        dx, dy, dz = frame[1, 0], frame[1, 1], frame[1, 2]
        length = np.sqrt(dx * dx + dy * dy + dz * dz) + 1e-9
    dx, dy, dz = dx / length, dy / length, dz / length
    across = np.sqrt(dx * dx + dy * dy) + 1e-6
    axes[3], axes[4], axes[5] = dx, dy, dz
    axes[6], axes[7], axes[8] = dy / across, -dx / across, 0.0
