"""Solids seen by a camera: rounded cones with elliptical sections, drawn into a depth buffer.

A solid is the hull of two balls (a ball alone where they coincide), squashed along its own axes: an upper arm, a shoe,
a skull. Seen along one direction its surface is where a quadratic in depth has its front root, so a solid is drawn by
a handful of array operations, at any size, and solids hide each other pixel by pixel. Inside a solid the
perspective is taken as constant (that of its middle), which a limb is short enough for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from models.figures.forms import CutPlane, Floats, ProjectedSolids, Vector, project_solids
from models.figures.projection import Camera

Bytes = npt.NDArray[np.uint8]

NOTHING: Final = 0
"""The material of a pixel where there is no solid."""
EMPTY_NEARNESS: Final = np.float32(-1e6)
"""How near such a pixel is."""
NO_DEPTH: Final = np.float32(np.nan)
"""The depth of a surface beside itself: no comparison with it holds."""
MAX_MULTIPLICATIONS: Final = 200_000
"""Multiplications in a matrix product at most: for more, BLAS starts threads, which here cost more than they save."""


@dataclass(slots=True)
class Solids:
    """Solids in the order they were added: metres, the scene's axes."""

    starts: list[Vector] = field(default_factory=list)
    ends: list[Vector] = field(default_factory=list)
    radii: list[tuple[float, float]] = field(default_factory=list)
    squashes: list[Vector] = field(default_factory=list)
    materials: list[int] = field(default_factory=list)
    cuts: list[CutPlane | None] = field(default_factory=list)
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
        cut: CutPlane | None = None,
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

    def project(self, camera: Camera) -> ProjectedSolids:
        """What a camera sees of them: work out once, draw as often as needed."""
        return project_solids(
            np.array(self.starts), np.array(self.ends), np.array(self.radii, float), np.array(self.squashes),
            self.cuts, camera,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Buffers:
    """What is seen in a rectangle of the picture whose corner is at `left`, `top`: H×W each.

    `nearness` is metres towards the camera from its target, `material` uint8 (0 where nothing is).
    """

    left: int
    top: int
    nearness: Floats
    material: Bytes


def draw(solids: Solids, projected: ProjectedSolids, width: int, height: int, margin: int = 2) -> Buffers | None:
    """Draws the solids as the camera sees them; None where none of them is in the picture."""
    boxes = np.clip(projected.boxes, 0, np.array([width, height] * 6))
    inside = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    if not inside.any():
        return None
    left, top = np.maximum(boxes[inside, :2].min(0) - margin, 0).tolist()
    right, bottom = np.minimum(boxes[inside, 2:4].max(0) + margin, (width, height)).tolist()
    shape = (bottom - top, right - left)
    buffers = Buffers(left, top, np.full(shape, EMPTY_NEARNESS, np.float32), np.zeros(shape, np.uint8))
    with np.errstate(invalid="ignore"):  # the root of less than nothing: `NO_DEPTH`
        for number in np.flatnonzero(inside).tolist():
            box = boxes[number].tolist()
            window = (slice(box[1] - top, box[3] - top), slice(box[0] - left, box[2] - left))
            spots = _PixelBox(projected.origins[number], box)
            _draw_one(solids, projected, number, spots, buffers.nearness[window], buffers.material[window])
    return buffers


def sample(solids: Solids, projected: ProjectedSolids, x: Floats, y: Floats) -> tuple[Floats, Bytes]:
    """Nearness and material at N places of the picture (x, y in pixels, not whole), as `draw` has them at pixels."""
    nearness, material = np.full(len(x), EMPTY_NEARNESS, np.float32), np.zeros(len(x), np.uint8)
    order = np.argsort(y, kind="stable")
    across, down = x[order], y[order]
    bands = np.searchsorted(down, projected.boxes[:, [1, 3]] + (-1, 1)).tolist()
    sides = (projected.boxes[:, [0, 2]] + (-1, 1)).tolist()
    with np.errstate(invalid="ignore"):
        for number, ((first, last), (left, right)) in enumerate(zip(bands, sides, strict=True)):
            if first == last:
                continue
            band = across[first:last]
            inside = np.flatnonzero((band > left) & (band < right)) + first
            if not len(inside):
                continue
            near, made = nearness[inside][None], material[inside][None]
            spots = _ScatteredPoints(projected.origins[number], across[inside], down[inside])
            _draw_one(solids, projected, number, spots, near, made)
            nearness[inside], material[inside] = near[0], made[0]
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return nearness[back], material[back]


class _Places(Protocol):
    """Where in the picture a solid is drawn, seen from its origin: `x` and `y` broadcast to the places."""

    x: Floats
    y: Floats

    def evaluate(self, polynomials: Floats) -> Floats:
        """The values of m polynomials (m×3×3) at the places, H×m×W."""

    def cap(self, end: int) -> tuple[slice, slice] | None:
        """Which of the places the ball at an end covers; None where none."""

    def subset(self, some: tuple[slice, slice]) -> _Places:
        """Those places."""


class _PixelBox:
    """All the pixels of a box."""

    def __init__(self, origin: list[float], box: list[int]) -> None:
        self.box = box
        self.x = np.arange(box[0], box[2], dtype=np.float32) - np.float32(origin[0])
        self.y = np.float32(origin[1]) - np.arange(box[1], box[3], dtype=np.float32)[:, None]

    def evaluate(self, polynomials: Floats) -> Floats:
        x, y = np.ones((3, self.x.size), np.float32), np.ones((self.y.size, 3), np.float32)
        x[1], y[:, 1:2] = self.x, self.y
        np.multiply(self.x, self.x, out=x[2])
        np.multiply(self.y[:, 0], self.y[:, 0], out=y[:, 2])
        across = np.matmul(polynomials, x).transpose(1, 0, 2).reshape(3, -1)
        rows = max(MAX_MULTIPLICATIONS // across.size, 1)
        made = np.empty((len(y), across.shape[1]), np.float32)
        for top in range(0, len(y), rows):
            np.matmul(y[top : top + rows], across, out=made[top : top + rows])
        return made.reshape(len(y), len(polynomials), -1)

    def cap(self, end: int) -> tuple[slice, slice] | None:
        left, top, right, bottom = self.box[4 + 4 * end : 8 + 4 * end]
        if right <= left or bottom <= top:
            return None
        return slice(top - self.box[1], bottom - self.box[1]), slice(left - self.box[0], right - self.box[0])

    def subset(self, some: tuple[slice, slice]) -> _PixelBox:
        made = object.__new__(_PixelBox)
        made.x, made.y = self.x[some[1]], self.y[some[0]]
        return made


class _ScatteredPoints:
    """Single places."""

    def __init__(self, origin: list[float], x: Floats, y: Floats) -> None:
        self.x, self.y = x - np.float32(origin[0]), np.float32(origin[1]) - y[None]
        self._powers: Floats | None = None

    def evaluate(self, polynomials: Floats) -> Floats:
        if self._powers is None:
            x, y = self.x, self.y[0]
            self._powers = np.stack([np.ones_like(x), x, x * x, y, x * y, y * y])
        made: Floats = polynomials.reshape(-1, 9)[:, [0, 1, 2, 3, 4, 6]] @ self._powers
        return made[None]

    def cap(self, end: int) -> tuple[slice, slice] | None:
        del end
        return slice(None), slice(None)

    def subset(self, some: tuple[slice, slice]) -> _ScatteredPoints:
        del some
        return self


def _draw_one(
    solids: Solids, seen: ProjectedSolids, number: int, at: _Places, nearness: Floats, material: Bytes
) -> None:
    """Draws a solid over what is at some places already (H×W), in place."""
    planes = at.evaluate(seen.cone_polynomials[number]) if seen.is_cone[number] else None
    z = _surface_depth(seen, number, at, planes, solids.caps[number])
    if (cut := seen.cuts[number]) is not None:
        gone = _is_beyond(cut, at, z)
        inner = _back_depth(seen, number, at, planes)
        np.putmask(inner, _is_beyond(cut, at, inner), NO_DEPTH)
        np.copyto(z, inner, where=gone)
    first, second = seen.depth_to_metres[number]
    z *= np.float32(second)
    z += np.float32(first)
    if melt := solids.melts[number]:
        _melt(z, nearness, material == solids.materials[number], melt)
    front = z > nearness
    np.copyto(nearness, z, where=front)
    np.copyto(material, np.uint8(solids.materials[number]), where=front)


def _melt(z: Floats, behind: Floats, kin: npt.NDArray[np.bool_], melt: float) -> None:
    """Rounds the crease where a surface meets another of its material: the smooth maximum of two depths."""
    apart = z - behind
    np.abs(apart, out=apart)
    kin &= apart < np.float32(melt)
    if not kin.any():
        return
    where = np.flatnonzero(kin)
    close = np.float32(melt) - apart.reshape(-1)[where]
    flat = z.reshape(-1)
    flat[where] = np.maximum(flat[where], behind[kin]) + close * close * np.float32(0.25 / melt)


def _surface_depth(
    seen: ProjectedSolids, number: int, at: _Places, planes: Floats | None, caps: tuple[bool, bool]
) -> Floats:
    """The depth of a solid's surface at each place, `NO_DEPTH` beside it."""
    if planes is None:
        return _nearer_root(at.evaluate(seen.ball_polynomials[number, seen.larger_ball[number]]), False)
    z = _nearer_root(planes, seen.inside_out[number])
    _keep_between_ends(z, planes, seen.rise[number])
    for end in (0, 1):
        if caps[end] and (some := at.cap(end)) is not None:
            np.fmax(
                z[some], _nearer_root(at.subset(some).evaluate(seen.ball_polynomials[number, end]), False), out=z[some]
            )
    return z


def _keep_between_ends(z: Floats, planes: Floats, rise: float) -> None:
    along = z * np.float32(rise)
    along += planes[:, 2]
    along -= np.float32(0.5)
    np.abs(along, out=along)
    np.putmask(z, along > np.float32(0.5), NO_DEPTH)


def _is_beyond(cut: list[float], at: _Places, z: Floats) -> npt.NDArray[np.bool_]:
    side = z * np.float32(cut[2])
    side += at.x * np.float32(cut[0]) + at.y * np.float32(cut[1])
    beyond: npt.NDArray[np.bool_] = side > np.float32(cut[3])
    return beyond


def _back_depth(seen: ProjectedSolids, number: int, at: _Places, planes: Floats | None) -> Floats:
    """The depth of the far wall, seen from within: what shows where the front is cut away."""
    if planes is None:
        return _nearer_root(at.evaluate(seen.ball_polynomials[number, 0]), True)
    z = _nearer_root(planes, not seen.inside_out[number])
    _keep_between_ends(z, planes, seen.rise[number])
    return z


def _nearer_root(values: Floats, turned: bool) -> Floats:
    """The nearer root at each place from the values of disc and b (H×2…×W), `NO_DEPTH` where there is none."""
    z: Floats = np.sqrt(values[:, 0])
    if turned:
        np.negative(z, out=z)
    z -= values[:, 1]
    return z
