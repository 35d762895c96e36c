"""Solids seen by a camera: rounded cones with elliptical sections, drawn into a depth buffer with their normals.

A solid is the hull of two balls (a ball alone where they coincide), squashed along its own axes: an upper arm, a shoe,
a skull. Seen along one direction its surface is where a quadratic in depth has its front root, so a solid is drawn by
a handful of array operations, at any size, and solids hide each other pixel by pixel. Inside a solid the
perspective is taken as constant (that of its middle), which a limb is short enough for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from models.figures.camera import Camera

Floats = npt.NDArray[np.float32]
Vector = npt.NDArray[np.float64]

NOTHING: Final = 0
"""The material of a pixel where there is no solid."""
NOWHERE: Final = np.float32(-1e6)
"""How near such a pixel is."""
MISSED: Final = np.float32(-1e12)
"""The depth of a surface beside itself: still farther than nowhere when made metres."""
ONE_THREAD: Final = 200_000
"""Multiplications in a matrix product at most: for more, BLAS starts threads, which here cost more than they save."""


@dataclass(slots=True)
class Solids:
    """Solids in the order they were added: metres, the scene's axes."""

    starts: list[Vector] = field(default_factory=list)
    ends: list[Vector] = field(default_factory=list)
    radii: list[tuple[float, float]] = field(default_factory=list)
    squashes: list[Vector] = field(default_factory=list)
    materials: list[int] = field(default_factory=list)
    cuts: list[tuple[Vector, float] | None] = field(default_factory=list)
    melts: list[float] = field(default_factory=list)
    caps: list[tuple[bool, bool]] = field(default_factory=list)

    def add(
        self,
        material: int,
        start: Vector,
        end: Vector,
        radii: tuple[float, float],
        frame: Vector | None = None,
        squash: tuple[float, float, float] = (1.0, 1.0, 1.0),
        cut: tuple[Vector, float] | None = None,
        melt: float = 0.0,
        caps: tuple[bool, bool] = (True, True),
    ) -> None:
        """Adds one solid.

        `radii` at start and end; `frame` (3×3, its own axes as columns) and `squash` say how its sections are flattened
        along its own axes; `cut` (n, d) keeps the points p with n·p ≤ d; where it meets a solid of the same material
        their surfaces melt into one another over `melt` metres of depth; `caps`: whether its balls at start and end are
        drawn.
        """
        own = np.eye(3) if frame is None else frame
        self.starts.append(start)
        self.ends.append(end)
        self.radii.append(radii)
        self.squashes.append((own / np.array(squash)).T)
        self.materials.append(material)
        self.cuts.append(cut)
        self.melts.append(melt)
        self.caps.append(caps)


@dataclass(frozen=True, slots=True, eq=False)
class Buffers:
    """What is seen in a rectangle of the picture whose corner is at `left`, `top`: H×W each.

    `nearness` is metres towards the camera from its target, `light` the cosine between a surface and the light,
    `facing` that between it and the camera, `material` uint8 (0 where nothing is).
    """

    left: int
    top: int
    nearness: Floats
    light: Floats
    facing: Floats
    material: npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class _Forms:
    """Each solid's surface as polynomials of the pixel (X right, Y up) from its start.

    A polynomial is 3×3, powers of Y down and of X across, so that a box of pixels is two matrix products: (1, Y, Y²) ·
    polynomial · (1, X, X²)ᵀ. A surface is disc and b: depth = ±√disc - b. `planes` holds, for each solid, the
    polynomials of the cone's disc and b, of how far along the axis it is, and of the normal times the light and its
    z, x and y; to the last five come `rise` times the depth, and to the last four `run` times how far along.
    """

    box: npt.NDArray[np.int64]
    """left, top, right, bottom of the whole, then of the ball at the start, then of that at the end."""
    origin: list[list[float]]
    is_cone: list[bool]
    inside_out: list[bool]
    planes: Floats
    balls: Floats
    rise: list[list[float]]
    run: list[list[float]]
    radii: list[list[float] | None]
    """How long the normal is at the start, and how much longer at the end; None for a squashed solid."""
    depth: list[list[float]]
    """Metres = first + second · depth."""
    caps: list[tuple[bool, bool]]
    cut: list[list[float] | None]
    """X, Y, z ≤ fourth."""


def draw(solids: Solids, camera: Camera, light: Floats, width: int, height: int, margin: int = 2) -> Buffers | None:
    """Draws the solids as the camera sees them; None where none of them is in the picture.

    `light` (3, of unit length) is where the light is, in the camera's axes.
    """
    forms = _forms(solids, camera, light)
    seen = np.clip(forms.box, 0, np.array([width, height] * 6))
    inside = (seen[:, 2] > seen[:, 0]) & (seen[:, 3] > seen[:, 1])
    if not inside.any():
        return None
    left, top = np.maximum(seen[inside, :2].min(0) - margin, 0).tolist()
    right, bottom = np.minimum(seen[inside, 2:4].max(0) + margin, (width, height)).tolist()
    shape = (bottom - top, right - left)
    buffers = Buffers(
        left,
        top,
        np.full(shape, NOWHERE, np.float32),
        np.zeros(shape, np.float32),
        np.zeros(shape, np.float32),
        np.zeros(shape, np.uint8),
    )
    for number in np.flatnonzero(inside).tolist():
        _draw_one(buffers, forms, number, seen[number].tolist(), solids.materials[number], solids.melts[number])
    return buffers


def _forms(solids: Solids, camera: Camera, light: Floats) -> _Forms:
    """All the polynomials at once (a surface's are derived in `_quadratic`)."""
    starts, ends = camera.see(np.array(solids.starts)), camera.see(np.array(solids.ends))
    squash = np.array(solids.squashes) @ camera.turn.T  # from the camera's axes to the solid's own, where it is round
    radii = np.array(solids.radii, float)
    scale = camera.scale((starts[:, 2] + ends[:, 2]) / 2)
    r0, r1 = radii[:, 0] * camera.scale(starts[:, 2]), radii[:, 1] * camera.scale(ends[:, 2])
    first, last = camera.pixels(starts), camera.pixels(ends)
    way = np.column_stack([last - first, (ends[:, 2] - starts[:, 2]) * scale]) * (1, -1, 1)
    own = np.einsum("nij,nj->ni", squash, way)
    span = (own**2).sum(1) - (r1 - r0) ** 2
    cone = span > 1e-6 * np.maximum(r0, r1) ** 2
    span = np.where(cone, span, 1.0)
    metric = squash.transpose(0, 2, 1) @ squash
    pull = np.einsum("nij,ni->nj", squash, own)  # the solid's axis back in the camera's axes
    away = r0 * (r1 - r0)
    sides = _quadratic(
        metric - np.einsum("ni,nj->nij", pull, pull) / span[:, None, None],
        -pull * (away / span)[:, None],
        -(away**2) / span - r0**2,
    )
    ball0 = _quadratic(metric, np.zeros_like(pull), -(r0**2))
    ball1 = _quadratic(metric, -np.einsum("nij,nj->ni", metric, way), (own**2).sum(1) - r1**2)
    even = np.abs(metric - np.eye(3)).max((1, 2)) < 1e-9
    along = np.column_stack([pull, away]) / span[:, None]
    shine = np.concatenate([light[None, None] @ metric, metric[:, [2, 0, 1]]], axis=1)
    flat = np.concatenate([along[:, None, :3], shine], axis=1)
    planes = np.zeros((len(starts), 7, 3, 3))
    planes[:, 0:2] = sides[0]
    planes[:, 2:, 0, 1], planes[:, 2:, 1, 0] = flat[:, :, 0], flat[:, :, 1]
    planes[:, 2, 0, 0] = along[:, 3]
    return _Forms(
        _boxes(
            np.linalg.inv(squash).astype(float),
            first,
            last,
            r0,
            r1,
            np.maximum(starts[:, 2], ends[:, 2]) < camera.nearest,
        ),
        first.tolist(),
        cone.tolist(),
        sides[1].tolist(),
        planes.astype(np.float32),
        np.stack([ball0[0], ball1[0]], axis=1).astype(np.float32),
        flat[:, :, 2].tolist(),
        np.column_stack([-(pull @ light), -pull[:, [2, 0, 1]]]).tolist(),
        [[a, b - a] if same else None for a, b, same in zip(r0.tolist(), r1.tolist(), even, strict=True)],
        np.column_stack([starts[:, 2], 1 / scale]).tolist(),
        solids.caps,
        _cuts(solids, camera, scale),
    )


def _boxes(
    unsquash: Vector, first: Vector, last: Vector, r0: Vector, r1: Vector, before: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """N×12 pixels: around the whole solid, its first ball and its last; nothing for what is not before the camera."""
    reach = np.linalg.norm(unsquash[:, :2], axis=2)
    ball0 = np.column_stack([first - reach * r0[:, None], first + reach * r0[:, None] + 1])
    ball1 = np.column_stack([last - reach * r1[:, None], last + reach * r1[:, None] + 1])
    whole = np.column_stack([np.minimum(ball0[:, :2], ball1[:, :2]), np.maximum(ball0[:, 2:], ball1[:, 2:])])
    boxes = np.column_stack([whole, ball0, ball1])
    made: npt.NDArray[np.int64] = np.where(before[:, None], np.clip(np.floor(boxes), -1e6, 1e6), 0).astype(np.int64)
    return made


def _cuts(solids: Solids, camera: Camera, scale: Vector) -> list[list[float] | None]:
    rows: list[list[float] | None] = []
    for start, cut, size in zip(solids.starts, solids.cuts, scale.tolist(), strict=True):
        if cut is None:
            rows.append(None)
        else:
            rows.append([*(camera.turn @ cut[0] / size).tolist(), cut[1] - float(cut[0] @ start)])
    return rows


def _quadratic(square: Vector, linear: Vector, constant: Vector) -> tuple[Vector, npt.NDArray[np.bool_]]:
    """w·square·w + 2 linear·w + constant = 0 with w = (X, Y, z), solved for z.

    Returns the polynomials of disc and b, N×2×3×3, with which z = √disc - b, and where the root's sign is turned.
    """
    a = square[:, 2, 2]
    a = np.where(np.abs(a) < 1e-9, 1e-9, a)
    b = np.zeros((len(a), 3, 3))
    b[:, 0, 0], b[:, 0, 1], b[:, 1, 0] = linear[:, 2], square[:, 0, 2], square[:, 1, 2]
    c = np.zeros((len(a), 3, 3))
    c[:, 0, 0], c[:, 0, 1], c[:, 1, 0] = constant, 2 * linear[:, 0], 2 * linear[:, 1]
    c[:, 0, 2], c[:, 1, 1], c[:, 2, 0] = square[:, 0, 0], 2 * square[:, 0, 1], square[:, 1, 1]
    squared = np.zeros((len(a), 3, 3))
    squared[:, 0, 0], squared[:, 0, 2], squared[:, 2, 0] = b[:, 0, 0] ** 2, b[:, 0, 1] ** 2, b[:, 1, 0] ** 2
    squared[:, 0, 1], squared[:, 1, 0] = 2 * b[:, 0, 0] * b[:, 0, 1], 2 * b[:, 0, 0] * b[:, 1, 0]
    squared[:, 1, 1] = 2 * b[:, 0, 1] * b[:, 1, 0]
    over = 1 / a[:, None, None]
    return np.stack([(squared - c / over) * over**2, b * over], axis=1), a < 0


def _draw_one(buffers: Buffers, forms: _Forms, number: int, box: list[int], material: int, melt: float) -> None:
    left, top, right, bottom = box[:4]
    x, y = _powers(forms.origin[number], box)
    count = (5 if forms.radii[number] else 7) if forms.is_cone[number] else 0
    planes = _values(forms.planes[number, :count], x, y) if count else None
    z, along = _surface(forms, number, box, x, y, planes)
    if (cut := forms.cut[number]) is not None:
        gone = _beyond(cut, x, y, z)
        inner = _inside(forms, number, planes, x, y)
        np.putmask(inner, _beyond(cut, x, y, inner), MISSED)
        np.copyto(z, inner, where=gone)
    window = (slice(top - buffers.top, bottom - buffers.top), slice(left - buffers.left, right - buffers.left))
    behind, before = buffers.nearness[window], buffers.material[window]
    first, second = forms.depth[number]
    near = z * np.float32(second)
    near += np.float32(first)
    front = near > behind
    kin = None
    if melt:
        kin = before == material
        kin &= near > behind - np.float32(melt)
        front |= kin
    if not front.any():
        return
    if planes is None:
        planes = _values(forms.planes[number, : 5 if forms.radii[number] else 7], x, y)
    light, facing = _normals(forms, number, planes, z, along)
    if kin is not None and kin.any():
        share = np.clip((near - behind) * np.float32(0.5 / melt) + np.float32(0.5), 0, 1)
        np.putmask(share, ~kin, np.float32(1))
        rest = 1 - share
        near = np.maximum(near, behind)
        light = buffers.light[window] * rest + light * share
        facing = buffers.facing[window] * rest + facing * share
    np.copyto(behind, near, where=front)
    np.copyto(buffers.light[window], light, where=front)
    np.copyto(buffers.facing[window], facing, where=front)
    np.copyto(before, np.uint8(material), where=front)


def _powers(origin: list[float], box: list[int]) -> tuple[Floats, Floats]:
    """(1, X, X²) of a box's columns, 3×W, and (1, Y, Y²) of its rows, H×3."""
    x = np.ones((3, box[2] - box[0]), np.float32)
    y = np.ones((box[3] - box[1], 3), np.float32)
    x[1] = np.arange(box[0], box[2]) - origin[0]
    y[:, 1] = origin[1] - np.arange(box[1], box[3])
    np.multiply(x[1], x[1], out=x[2])
    np.multiply(y[:, 1], y[:, 1], out=y[:, 2])
    return x, y


def _values(polynomials: Floats, x: Floats, y: Floats) -> Floats:
    """The values of m polynomials (m×3×3) over a box, H×m×W."""
    across = np.matmul(polynomials, x).transpose(1, 0, 2).reshape(3, -1)
    rows = max(ONE_THREAD // across.size, 1)
    made = np.empty((len(y), across.shape[1]), np.float32)
    for top in range(0, len(y), rows):
        np.matmul(y[top : top + rows], across, out=made[top : top + rows])
    return made.reshape(len(y), len(polynomials), -1)


def _surface(
    forms: _Forms, number: int, box: list[int], x: Floats, y: Floats, planes: Floats | None
) -> tuple[Floats, Floats | None]:
    """The depth of a solid's surface at each pixel of its box (`MISSED` beside it), and how far along it is."""
    if planes is None:
        larger = 0 if box[6] - box[4] >= box[10] - box[8] else 1
        return _front(_values(forms.balls[number, larger], x, y), False), None
    z = _front(planes, forms.inside_out[number])
    along = z * np.float32(forms.rise[number][0])
    along += planes[:, 2]
    np.putmask(z, np.abs(along - np.float32(0.5)) > np.float32(0.5), MISSED)
    caps = forms.caps[number]
    for end, (left, top, right, bottom) in ((0, box[4:8]), (1, box[8:])):
        if not caps[end] or right <= left or bottom <= top:
            continue
        part = (slice(top - box[1], bottom - box[1]), slice(left - box[0], right - box[0]))
        cap = _front(_values(forms.balls[number, end], x[:, part[1]], y[part[0]]), False)
        wins = cap > z[part]
        np.copyto(z[part], cap, where=wins)
        np.copyto(along[part], np.float32(end), where=wins)
    return z, along


def _beyond(cut: list[float], x: Floats, y: Floats, z: Floats) -> npt.NDArray[np.bool_]:
    side = z * np.float32(cut[2])
    side += x[1] * np.float32(cut[0]) + y[:, 1:2] * np.float32(cut[1])
    beyond: npt.NDArray[np.bool_] = side > np.float32(cut[3])
    return beyond


def _inside(forms: _Forms, number: int, planes: Floats | None, x: Floats, y: Floats) -> Floats:
    """The depth of the far wall, seen from within: what shows where the front is cut away."""
    if planes is None:
        return _front(_values(forms.balls[number, 0], x, y), True)
    z = _front(planes, not forms.inside_out[number])
    along = z * np.float32(forms.rise[number][0])
    along += planes[:, 2]
    np.putmask(z, np.abs(along - np.float32(0.5)) > np.float32(0.5), MISSED)
    return z


def _front(values: Floats, turned: bool) -> Floats:
    """The nearer root at each pixel from the values of disc and b (H×2…×W), `MISSED` where there is none."""
    disc = values[:, 0]
    z: Floats = np.sqrt(np.maximum(disc, 0))
    if turned:
        np.negative(z, out=z)
    z -= values[:, 1]
    np.putmask(z, disc < 0, MISSED)
    return z


def _normals(forms: _Forms, number: int, planes: Floats, z: Floats, along: Floats | None) -> tuple[Floats, Floats]:
    """The cosines between the surface and the light, and the surface and the camera."""
    rise, run, radii = forms.rise[number], forms.run[number], forms.radii[number]
    parts = []
    for i in range(2 if radii else 4):
        part = z * np.float32(rise[i + 1])
        part += planes[:, i + 3]
        if along is not None:
            part += along * np.float32(run[i])
        parts.append(part)
    light, facing = parts[:2]
    size: Floats | np.float32
    if radii:
        size = np.float32(radii[0]) if along is None else along * np.float32(radii[1]) + np.float32(radii[0])
    else:
        size = facing * facing
        for part in parts[2:]:
            part *= part
            size += part
        np.sqrt(size, out=size)
    light /= size
    facing /= size
    return light, facing
