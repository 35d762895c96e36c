"""Solids, drawn into a depth buffer as a camera sees them: rounded cones with elliptical sections.

A solid is the hull of two balls (one ball, if they coincide), squashed along its own axes: an upper arm, a shoe, a
skull. Along a line of sight its surface is the front root of a quadratic in depth, so a few array operations draw a
solid of any size, and solids hide each other pixel by pixel. Within a solid the perspective is constant, that of its
middle; limbs are short enough for that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Protocol, TypedDict, Unpack

import numpy as np
import numpy.typing as npt

from models.figures.forms import CutPlane, Floats, ProjectedSolids, Vector, project_solids
from models.figures.projection import Camera

Bytes = npt.NDArray[np.uint8]

NOTHING: Final = 0
"""The material of a pixel without a solid."""
EMPTY_NEARNESS: Final = np.float32(-1e6)
"""The nearness of a pixel without a solid: farther than any solid."""
NO_DEPTH: Final = np.float32(np.nan)
"""The depth of a surface where it does not exist. Every comparison with NaN is false, so nothing is drawn there."""
MAX_MULTIPLICATIONS: Final = 200_000
"""Multiplications in one matrix product, at most: for more, BLAS starts threads, which cost more than they save."""


class Shape(TypedDict, total=False):
    """What makes a solid differ from the hull of two balls; everything has a default."""

    frame: Vector
    """3×3, the solid's own axes as columns; by default the scene's."""
    squash: tuple[float, float, float]
    """Shares to which the solid is flattened along its own axes; by default it is not."""
    cut: CutPlane | None
    """A plane (n, d) that keeps the points p with n·p ≤ d."""
    melt: float
    """Metres of depth over which its surface melts into another solid's of the same material; 0 by default."""
    caps: tuple[bool, bool]
    """Whether the balls at start and end are drawn; both are by default."""


@dataclass(slots=True)
class Solids:
    """Solids in the order in which they were added; metres in the scene's axes."""

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
        **shape: Unpack[Shape],
    ) -> None:
        """Add a solid with the `radii` of its balls at start and end."""
        frame = shape.get("frame")
        axes = np.eye(3) if frame is None else frame
        self.starts.append(start)
        self.ends.append(end)
        self.radii.append(radii)
        self.squashes.append((axes / np.array(shape.get("squash", (1.0, 1.0, 1.0)))).T)
        self.materials.append(material)
        self.cuts.append(shape.get("cut"))
        self.melts.append(shape.get("melt", 0.0))
        self.caps.append(shape.get("caps", (True, True)))

    def project(self, camera: Camera) -> ProjectedSolids:
        """Return the solids as a camera sees them: project once, draw as often as needed."""
        return project_solids(
            np.array(self.starts), np.array(self.ends), np.array(self.radii, float), np.array(self.squashes),
            self.cuts, camera,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Buffers:
    """What is visible in a rectangle of the picture with its corner at `left`, `top`; H×W each.

    `nearness` is in metres from the camera's target towards the camera, `material` is uint8 (0: nothing).
    """

    left: int
    top: int
    nearness: Floats
    material: Bytes


def draw(solids: Solids, projected: ProjectedSolids, width: int, height: int, margin: int = 2) -> Buffers | None:
    """Draw the solids as the camera sees them; return None if none of them is in the picture."""
    boxes = np.clip(projected.boxes, 0, np.array([width, height] * 6))
    inside = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    if not inside.any():
        return None
    left, top = np.maximum(boxes[inside, :2].min(0) - margin, 0).tolist()
    right, bottom = np.minimum(boxes[inside, 2:4].max(0) + margin, (width, height)).tolist()
    shape = (bottom - top, right - left)
    buffers = Buffers(left, top, np.full(shape, EMPTY_NEARNESS, np.float32), np.zeros(shape, np.uint8))
    with np.errstate(invalid="ignore"):  # the root of a negative number is `NO_DEPTH`
        for number in np.flatnonzero(inside).tolist():
            box = boxes[number].tolist()
            window = (slice(box[1] - top, box[3] - top), slice(box[0] - left, box[2] - left))
            places = _PixelBox(projected.origins[number], box)
            _draw_one(solids, projected, number, places, buffers.nearness[window], buffers.material[window])
    return buffers


def sample(solids: Solids, projected: ProjectedSolids, x: Floats, y: Floats) -> tuple[Floats, Bytes]:
    """Return nearness and material at N places between the pixels (x, y), as `draw` does at the pixels."""
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
            near, materials = nearness[inside][None], material[inside][None]
            places = _ScatteredPoints(projected.origins[number], across[inside], down[inside])
            _draw_one(solids, projected, number, places, near, materials)
            nearness[inside], material[inside] = near[0], materials[0]
    original_order = np.empty_like(order)
    original_order[order] = np.arange(len(order))
    return nearness[original_order], material[original_order]


class _Places(Protocol):
    """The places of the picture where a solid is drawn, relative to its origin; `x` and `y` broadcast to the places."""

    x: Floats
    y: Floats

    def evaluate(self, polynomials: Floats) -> Floats:
        """Return the values of m polynomials (m×3×3) at the places, H×m×W."""

    def cap(self, end: int) -> tuple[slice, slice] | None:
        """Return which places the ball at an end (0 or 1) covers; None if it covers none."""

    def subset(self, window: tuple[slice, slice]) -> _Places:
        """Return some of the places."""


class _PixelBox:
    """All pixels of a box."""

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
        values = np.empty((len(y), across.shape[1]), np.float32)
        for top in range(0, len(y), rows):
            np.matmul(y[top : top + rows], across, out=values[top : top + rows])
        return values.reshape(len(y), len(polynomials), -1)

    def cap(self, end: int) -> tuple[slice, slice] | None:
        left, top, right, bottom = self.box[4 + 4 * end : 8 + 4 * end]
        if right <= left or bottom <= top:
            return None
        return slice(top - self.box[1], bottom - self.box[1]), slice(left - self.box[0], right - self.box[0])

    def subset(self, window: tuple[slice, slice]) -> _PixelBox:
        part = object.__new__(_PixelBox)
        part.x, part.y = self.x[window[1]], self.y[window[0]]
        return part


class _ScatteredPoints:
    """Single places, anywhere between the pixels."""

    def __init__(self, origin: list[float], x: Floats, y: Floats) -> None:
        self.x, self.y = x - np.float32(origin[0]), np.float32(origin[1]) - y[None]
        self._powers: Floats | None = None

    def evaluate(self, polynomials: Floats) -> Floats:
        if self._powers is None:
            x, y = self.x, self.y[0]
            self._powers = np.stack([np.ones_like(x), x, x * x, y, x * y, y * y])
        values: Floats = polynomials.reshape(-1, 9)[:, [0, 1, 2, 3, 4, 6]] @ self._powers
        return values[None]

    def cap(self, end: int) -> tuple[slice, slice] | None:
        del end
        return slice(None), slice(None)

    def subset(self, window: tuple[slice, slice]) -> _ScatteredPoints:
        del window
        return self


def _draw_one(
    solids: Solids, seen: ProjectedSolids, number: int, at: _Places, nearness: Floats, material: Bytes
) -> None:
    """Draw a solid over what is at the places already (H×W), in place."""
    planes = at.evaluate(seen.cone_polynomials[number]) if seen.is_cone[number] else None
    z = _surface_depth(seen, number, at, planes, solids.caps[number])
    if (cut := seen.cuts[number]) is not None:
        cut_off = _is_beyond(cut, at, z)
        inside = _back_depth(seen, number, at, planes)
        np.putmask(inside, _is_beyond(cut, at, inside), NO_DEPTH)
        np.copyto(z, inside, where=cut_off)
    first, second = seen.depth_to_metres[number]
    z *= np.float32(second)
    z += np.float32(first)
    if melt := solids.melts[number]:
        _melt(z, nearness, material == solids.materials[number], melt)
    front = z > nearness
    np.copyto(nearness, z, where=front)
    np.copyto(material, np.uint8(solids.materials[number]), where=front)


def _melt(z: Floats, behind: Floats, same_material: npt.NDArray[np.bool_], melt: float) -> None:
    """Round the crease where a surface meets another of its material: take the smooth maximum of both depths."""
    distance = z - behind
    np.abs(distance, out=distance)
    same_material &= distance < np.float32(melt)
    if not same_material.any():
        return
    where = np.flatnonzero(same_material)
    close = np.float32(melt) - distance.reshape(-1)[where]
    flat = z.reshape(-1)
    flat[where] = np.maximum(flat[where], behind[same_material]) + close * close * np.float32(0.25 / melt)


def _surface_depth(
    seen: ProjectedSolids, number: int, at: _Places, planes: Floats | None, caps: tuple[bool, bool]
) -> Floats:
    """Return the depth of a solid's surface at each place, or `NO_DEPTH`."""
    if planes is None:
        return _nearer_root(at.evaluate(seen.ball_polynomials[number, seen.larger_ball[number]]), False)
    z = _nearer_root(planes, seen.inside_out[number])
    _keep_between_ends(z, planes, seen.rise[number])
    for end in (0, 1):
        if caps[end] and (window := at.cap(end)) is not None:
            ball = _nearer_root(at.subset(window).evaluate(seen.ball_polynomials[number, end]), False)
            np.fmax(z[window], ball, out=z[window])
    return z


def _keep_between_ends(z: Floats, planes: Floats, rise: float) -> None:
    """Remove what is beyond the ends of a cone's axis."""
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
    """Return the depth of the back wall, which is visible where the front is cut off."""
    if planes is None:
        return _nearer_root(at.evaluate(seen.ball_polynomials[number, 0]), True)
    z = _nearer_root(planes, not seen.inside_out[number])
    _keep_between_ends(z, planes, seen.rise[number])
    return z


def _nearer_root(values: Floats, inside_out: bool) -> Floats:
    """Return the nearer root at each place from the values of disc and b (H×2…×W), or `NO_DEPTH`."""
    z: Floats = np.sqrt(values[:, 0])
    if inside_out:
        np.negative(z, out=z)
    z -= values[:, 1]
    return z
