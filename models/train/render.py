"""Draws people for training into buffers of depth, normals and materials. Compiled.

The solids are those of `models.figures` (rounded cones with elliptical sections), and a pixel's surface is the same
root of the same quadratic as in `models.figures.forms`. The difference is one loop that works out pixel after pixel:
in small pictures it draws about two thousand people a second.

A solid's coordinates start at its start: X to the right and Y up in pixels, and Z towards the camera in pixels at
the solid's middle. The functions that `draw_person` calls are compiled into it. Kernels take scalars, because numba
compiles them fastest that way.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from models.figures.look import MATERIALS_PER_PERSON
from models.pose import Floats
from models.train.buffers import AXES_COLUMNS, Buffers, Projection, inlined, kernel

START, END, RADII, SQUASH, CUT, LIMIT, IS_CUT, MELT, CAPS, MATERIAL, ON_TRUNK, SOLID_COLUMNS = (
    0, 3, 6, 8, 17, 20, 21, 22, 23, 25, 26, 27
)  # fmt: skip
"""Columns of a solid's row: two points (m), two radii (m), the squash (3×3), the normal and limit of a plane,
whether that plane cuts the solid, over how many metres the solid melts into others, whether it has its two balls
(all as in `models.figures.solids`), its material, and whether its cloth is the trunk's; then the number of columns.
"""

NEAR_PLANE: Final = 0.2
"""A solid within this many metres in front of the camera is not drawn."""
NO_SURFACE: Final = -1e30
"""The depth where a ray misses a surface."""
MIN_QUADRATIC: Final = 1e-9
"""A quadratic whose leading coefficient is below this has no usable root."""
BALL_TOLERANCE: Final = 1e-4
"""A solid is drawn as its larger ball if its axis exceeds the difference of its radii by less than this (squares, as
a share of the larger radius squared)."""
SHORT_SOLID: Final = 0.01
"""A solid shorter than this, in metres, has its texture along its own upright instead of from its start to its end.
"""
SIDE, AT_START, AT_END, NONE = range(4)
"""Parts of a solid's surface."""


class _Quadric(NamedTuple):
    """xx·X² + 2xy·XY + … + zz·Z² + 2(x·X + y·Y + z·Z) + one, which is below 0 inside a solid."""

    xx: float
    xy: float
    xz: float
    yy: float
    yz: float
    zz: float
    x: float
    y: float
    z: float
    one: float


class _Plane(NamedTuple):
    """x·X + y·Y + z·Z + one."""

    x: float
    y: float
    z: float
    one: float


class _Shape(NamedTuple):
    """A solid's surface.

    It consists of the cone's side between its ends, where `along` is 0 and 1; the balls at the ends; and a plane
    that cuts away the part where `cut` is above 0.
    """

    side: _Quadric
    start: _Quadric
    end: _Quadric
    along: _Plane
    cut: _Plane
    is_cone: bool
    has_start: bool
    has_end: bool
    is_cut: bool


class Person(NamedTuple):
    """A person to be drawn."""

    rows: Floats
    """The person's solids in their own axes, N×`SOLID_COLUMNS`."""
    turn: Floats
    """The rotation from those axes to the camera's, 3×3 …"""
    move: Floats
    """… and the translation, 3 numbers."""
    trunk: Floats
    """Where the texture of cloth on the trunk starts, and two directions: chest, its up and its side (3×3), in the
    camera's axes."""
    number: int
    """The person's number in the scene."""
    first: int
    """The number of the person's first solid in the scene."""


@kernel
def draw_person(person: Person, view: Projection, into: Buffers) -> None:
    """Draw one person into the buffers, in place."""
    rows, turn, move, trunk, who, first = person
    squash, metric = np.empty((3, 3)), np.empty((3, 3))
    for number in range(len(rows)):
        row = rows[number]
        ax, ay, az = _rotated(turn, row, START)
        bx, by, bz = _rotated(turn, row, END)
        ax, ay, az, bx, by, bz = ax + move[0], ay + move[1], az + move[2], bx + move[0], by + move[1], bz + move[2]
        if max(az, bz) > view.distance - NEAR_PLANE:
            continue
        scale_a, scale_b = view.focal / (view.distance - az), view.focal / (view.distance - bz)
        size = view.focal / (view.distance - 0.5 * (az + bz))
        x0, y0, x1, y1 = view.x + ax * scale_a, view.y - ay * scale_a, view.x + bx * scale_b, view.y - by * scale_b
        r0, r1 = row[RADII] * scale_a, row[RADII + 1] * scale_b
        reach_x, reach_y = _rotate_squash(row, turn, squash)
        left, right = _span(x0, x1, reach_x * r0, reach_x * r1, into.depth.shape[1])
        top, bottom = _span(y0, y1, reach_y * r0, reach_y * r1, into.depth.shape[0])
        if left > right or top > bottom:
            continue
        shape = _shape(row, turn, squash, metric, x1 - x0, y0 - y1, (bz - az) * size, r0, r1, size)
        _set_texture_axes(into.texture_axes[first + number], row, turn, trunk, ax, ay, az, bx, by, bz)
        melt, tag = row[MELT], np.int16(who * MATERIALS_PER_PERSON + int(row[MATERIAL]))
        for py in range(top, bottom + 1):
            y = y0 - py
            for px in range(left, right + 1):
                x = px - x0
                part, z = _surface(shape, x, y)
                if part == NONE:
                    continue
                depth, share, behind = az + z / size, 1.0, into.depth[py, px]
                if melt > 0 and into.tags[py, px] == tag and abs(depth - behind) < melt:
                    depth, share = _blend_depths(depth, behind, melt)
                elif depth <= behind:
                    continue
                nx, ny, nz = _normal(shape, part, x, y, z)
                normal = into.normals[py, px]
                normal[0] = normal[0] * (1 - share) + nx * share
                normal[1] = normal[1] * (1 - share) + ny * share
                normal[2] = normal[2] * (1 - share) + nz * share
                into.depth[py, px], into.tags[py, px] = depth, tag
                if share > 0.5:
                    into.solid_ids[py, px] = first + number


@inlined
def _product(matrix: Any, x: float, y: float, z: float) -> tuple[float, float, float]:
    return (
        matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] * z,
        matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2] * z,
        matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2] * z,
    )


@inlined
def _rotated(turn: Any, row: Any, at: int) -> tuple[float, float, float]:
    """Return a direction in a row, turned to the camera's axes."""
    turned: tuple[float, float, float] = _product(turn, row[at], row[at + 1], row[at + 2])
    return turned


@inlined
def _rotate_squash(row: Any, turn: Any, squash: Any) -> tuple[float, float]:
    """Turn the squash to the camera, and return how far the solid reaches sideways and up per unit of its radius.

    The rows of the squash are a solid's axes by how far it extends along them.
    """
    across = up = 0.0
    for i in range(3):
        at = SQUASH + 3 * i
        squash[i, 0], squash[i, 1], squash[i, 2] = _rotated(turn, row, at)
        length2 = row[at] ** 2 + row[at + 1] ** 2 + row[at + 2] ** 2
        across += (squash[i, 0] / length2) ** 2
        up += (squash[i, 1] / length2) ** 2
    return np.sqrt(across), np.sqrt(up)


@inlined
def _span(start: float, end: float, start_reach: float, end_reach: float, length: int) -> tuple[int, int]:
    """Return the first and the last pixel along a picture's side at which a solid may be visible."""
    first = int(np.floor(min(start - start_reach, end - end_reach)))
    last = int(np.ceil(max(start + start_reach, end + end_reach)))
    return max(first, 0), min(last, length - 1)


@inlined
def _shape(
    row: Any, turn: Any, squash: Any, metric: Any, wx: float, wy: float, wz: float, r0: float, r1: float, size: float
) -> _Shape:
    """Return the surface of a solid whose end is at `wx`, `wy`, `wz`; `metric` (3×3) is room to work in.

    A point w is on the ball at the start where |squash·w| = r0. It is on the side where the same holds for its
    distance from the axis and the radius there (see `models.figures.forms`).
    """
    ox, oy, oz = _product(squash, wx, wy, wz)
    axis2 = ox * ox + oy * oy + oz * oz
    span = axis2 - (r1 - r0) ** 2
    is_cone = span > BALL_TOLERANCE * max(r0, r1) ** 2
    pull = _product(squash.T, ox, oy, oz)
    for i in range(3):
        for j in range(3):
            metric[i, j] = squash[0, i] * squash[0, j] + squash[1, i] * squash[1, j] + squash[2, i] * squash[2, j]
    start = _quadric(metric, 0.0, 0.0, 0.0, -r0 * r0)
    end = _quadric(metric, -pull[0], -pull[1], -pull[2], axis2 - r1 * r1)
    over = 1.0 / span if is_cone else 0.0
    slope = r0 * (r1 - r0) * over
    for i in range(3):
        for j in range(3):
            metric[i, j] -= pull[i] * pull[j] * over
    side = _quadric(metric, -pull[0] * slope, -pull[1] * slope, -pull[2] * slope, -slope * r0 * (r1 - r0) - r0 * r0)
    along = _Plane(pull[0] * over, pull[1] * over, pull[2] * over, slope)
    nx, ny, nz = _rotated(turn, row, CUT)
    kept = row[LIMIT] - row[CUT] * row[START] - row[CUT + 1] * row[START + 1] - row[CUT + 2] * row[START + 2]
    cut = _Plane(float(nx), float(ny), float(nz), -kept * size)
    has_start = row[CAPS] > 0 if is_cone else r0 >= r1
    has_end = row[CAPS + 1] > 0 if is_cone else r1 > r0
    return _Shape(side, start, end, along, cut, is_cone, has_start, has_end, row[IS_CUT] > 0)


@inlined
def _quadric(square: Any, x: float, y: float, z: float, one: float) -> _Quadric:
    s = square
    return _Quadric(s[0, 0], s[0, 1], s[0, 2], s[1, 1], s[1, 2], s[2, 2], x, y, z, one)


@inlined
def _surface(shape: _Shape, x: float, y: float) -> tuple[int, float]:
    """Return the part of a solid that shows at a pixel, and its depth there."""
    part, z = _front(shape, x, y)
    if part != NONE and shape.is_cut and _evaluate(shape.cut, x, y, z) > 0:
        part, z = _far_wall(shape, x, y)
    return part, z


@inlined
def _front(shape: _Shape, x: float, y: float) -> tuple[int, float]:
    """Return the part of a solid that is nearest to the camera, and its depth."""
    part, nearest = NONE, NO_SURFACE
    if shape.is_cone:
        z = _root(shape.side, x, y, False)
        if z > NO_SURFACE and 0 <= _evaluate(shape.along, x, y, z) <= 1:
            part, nearest = SIDE, z
    if shape.has_start:
        z = _root(shape.start, x, y, False)
        if z > nearest:
            part, nearest = AT_START, z
    if shape.has_end:
        z = _root(shape.end, x, y, False)
        if z > nearest:
            part, nearest = AT_END, z
    return part, nearest


@inlined
def _far_wall(shape: _Shape, x: float, y: float) -> tuple[int, float]:
    """Return what shows where the front is cut away: the far wall, from inside, unless that is cut away too."""
    part = SIDE if shape.is_cone else AT_START
    z = _root(shape.side if shape.is_cone else shape.start, x, y, True)
    if z == NO_SURFACE or _evaluate(shape.cut, x, y, z) > 0:
        return NONE, z
    if shape.is_cone and not 0 <= _evaluate(shape.along, x, y, z) <= 1:
        return NONE, z
    return part, z


@inlined
def _evaluate(plane: _Plane, x: float, y: float, z: float) -> float:
    return plane.x * x + plane.y * y + plane.z * z + plane.one


@inlined
def _root(q: _Quadric, x: float, y: float, far: bool) -> float:
    """Return the depth of the surface nearest to the camera, or farthest from it if `far`; `NO_SURFACE` if the ray
    misses."""
    if abs(q.zz) < MIN_QUADRATIC:
        return NO_SURFACE
    b = (q.z + q.xz * x + q.yz * y) / q.zz
    c = (q.one + 2 * q.x * x + 2 * q.y * y + q.xx * x * x + 2 * q.xy * x * y + q.yy * y * y) / q.zz
    disc = b * b - c
    if disc < 0:
        return NO_SURFACE
    root = np.sqrt(disc)
    if (q.zz < 0) != far:  # the cone's mirror image is hit, whose nearer root is the other one
        root = -root
    return float(root - b)


@inlined
def _normal(shape: _Shape, part: int, x: float, y: float, z: float) -> tuple[float, float, float]:
    """Return the normal, of unit length and towards the camera."""
    q = shape.side
    if part == AT_START:
        q = shape.start
    elif part == AT_END:
        q = shape.end
    nx = q.xx * x + q.xy * y + q.xz * z + q.x
    ny = q.xy * x + q.yy * y + q.yz * z + q.y
    nz = q.xz * x + q.yz * y + q.zz * z + q.z
    scale = 1.0 / np.sqrt(nx * nx + ny * ny + nz * nz + 1e-20)
    if nz < 0:
        scale = -scale
    return nx * scale, ny * scale, nz * scale


@inlined
def _blend_depths(depth: float, behind: float, melt: float) -> tuple[float, float]:
    """Return the smooth maximum of two depths less than `melt` apart, and the share of the new one in that surface."""
    close = (melt - abs(depth - behind)) / melt
    share = 0.5 * close if depth < behind else 1 - 0.5 * close
    return max(depth, behind) + close * close * melt * 0.25, share


@inlined
def _set_texture_axes(
    axes: Any, row: Any, turn: Any, trunk: Any, ax: float, ay: float, az: float, bx: float, by: float, bz: float
) -> None:
    """Set where a solid's pattern starts and its directions: from the chest for the trunk, along the limb for a
    limb."""
    if row[ON_TRUNK] > 0:
        for i in range(AXES_COLUMNS):
            axes[i] = trunk[i // 3, i % 3]
        return
    dx, dy, dz = bx - ax, by - ay, bz - az
    if dx * dx + dy * dy + dz * dz < SHORT_SOLID * SHORT_SOLID:
        dx, dy, dz = _rotated(turn, row, SQUASH + 3)
    length = np.sqrt(dx * dx + dy * dy + dz * dz)
    dx, dy, dz = dx / length, dy / length, dz / length
    level = np.sqrt(dx * dx + dy * dy) + 1e-6
    axes[0], axes[1], axes[2] = ax, ay, az
    axes[3], axes[4], axes[5] = dx, dy, dz
    axes[6], axes[7], axes[8] = dy / level, -dx / level, 0.0
