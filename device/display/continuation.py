"""Draw a placed photo on a picture of the display's size, and continue it where it is smaller than the display.

The continuation is the photo's own mirror image beyond its edges, more blurred and darker the farther it is away. So
colours run on across the edge without a seam, and nothing in it draws the eye away from the person.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from device.display.layout import Size
from index.agreement import Alignment
from models.pose import Floats, Image

BAND: Final = 0.05
"""Width of the band outside the photo's edge in which the sharp mirror image turns into the blurred one. This and the
lengths below are shares of the display's short side."""

REACH: Final = 0.08
"""How far inside the photo the colours of its continuation are taken from at most."""

BLURS: Final = 0.025, 0.16
"""Standard deviations of the blur at the photo's edge, and far from it."""

FAR: Final = 0.35
"""Distance from the photo at which the continuation is as blurred and dark as it gets."""

DARKEST: Final = 0.7
"""Brightness of the continuation far from the photo, as a share of the photo's."""

CELL: Final = 16
"""Display pixels per pixel of the small picture in which the continuation is blurred: a large one would take many times
as long, and look the same."""


class _Part(NamedTuple):
    """Pixels of a photo, and the matrix (2×3) that maps their coordinates to the display's."""

    pixels: Image
    matrix: npt.NDArray[np.float64]


class _Rect(NamedTuple):
    """Whole display pixels: from `left` and `top` up to `right` and `bottom`, which are the first ones outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def slices(self) -> tuple[slice, slice]:
        return slice(self.top, self.bottom), slice(self.left, self.right)


def prepare(photo: Image, placement: Alignment, display: Size, mirrored: bool = False) -> Image:
    """Return the picture of the display's size (H×W×3) that a photo makes with the placement of `layout.place`.

    With `mirrored`, the photo is mirrored first. This takes some milliseconds: keep it off the thread that draws.
    """
    part = _visible_part(photo, placement, display, mirrored)
    size = photo.shape[1], photo.shape[0]
    covered = [_covered_range(size[i], display[i], placement.scale, placement[1 + i]) for i in (0, 1)]
    rect = _Rect(covered[0][0], covered[1][0], covered[0][1], covered[1][1])
    everything = _Rect(0, 0, *display)
    if rect == everything:
        return _warp(part, everything)
    band = round(BAND * min(display))
    around = _Rect(
        max(rect.left - band, 0),
        max(rect.top - band, 0),
        min(rect.right + band, display[0]),
        min(rect.bottom + band, display[1]),
    )
    picture = _continuation(part, rect, display)
    _blend_in(picture, _warp(part, around), rect, around, band)
    return picture


def downscale(picture: Image, factor: int) -> Image:
    """Average each `factor`×`factor` pixels into one; drop the remainder at the right and lower edge.

    By a whole factor this takes a tenth of the time of any other averaging. What remains is a shrink by less than half,
    which interpolation does without skipping a pixel.
    """
    if factor == 1:
        return picture
    width, height = max(picture.shape[1] // factor, 1), max(picture.shape[0] // factor, 1)
    cropped = picture[: height * factor, : width * factor]
    return cv2.resize(cropped, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _visible_part(photo: Image, placement: Alignment, display: Size, mirrored: bool) -> _Part:
    """Return the part of the photo that is on the display, shrunk by a whole factor if it is much too large."""
    scale = placement.scale
    left, right = _visible_range(photo.shape[1], display[0], scale, placement.x)
    top, bottom = _visible_range(photo.shape[0], display[1], scale, placement.y)
    columns = slice(photo.shape[1] - right, photo.shape[1] - left) if mirrored else slice(left, right)
    part = photo[top:bottom, columns]
    step = max(1, int(1 / scale))
    if mirrored and (cut := part.shape[1] % step) < part.shape[1]:
        part = part[:, cut:]  # after mirroring, the right edge is the left one, where the steps must begin
    x, y = placement.x + scale * left, placement.y + scale * top
    if mirrored:
        x, scale_x = x + scale * (part.shape[1] - 1), -scale
    else:
        scale_x = scale
    return _shrunk(_Part(part, np.array([[scale_x, 0, x], [0, scale, y]])), step)


def _shrunk(part: _Part, factor: int) -> _Part:
    """Return a part with `factor`×`factor` pixels averaged into one, in the same place on the display."""
    matrix = part.matrix.copy()
    matrix[:, 2] += part.matrix[:, :2].sum(1) * (factor - 1) / 2
    matrix[:, :2] *= factor
    return _Part(downscale(part.pixels, factor), matrix)


def _in_cells(part: _Part) -> _Part:
    """Return a part shrunk to about one pixel for each cell, without losing its edges."""
    # Every few pixels there is a sample, about 4×4 for each cell: the blur evens out what they miss.
    step = max(1, int(CELL / 4 / part.matrix[1, 1]))
    samples = part.pixels[step // 2 :: step, step // 2 :: step]
    if not samples.size:
        samples, step = part.pixels, 1
    old = np.array(samples.shape[1::-1])
    new = np.ceil(old * step * part.matrix[1, 1] / CELL).astype(int)
    factors, matrix = step * old / new, part.matrix.copy()
    matrix[:, 2] += part.matrix[:, :2] @ (step // 2 + (factors - step) / 2)
    matrix[:, :2] *= factors
    pixels = cv2.resize(np.ascontiguousarray(samples), (int(new[0]), int(new[1])), interpolation=cv2.INTER_AREA)
    return _Part(pixels.astype(np.uint8, copy=False), matrix)


def _visible_range(length: int, room: int, scale: float, shift: float) -> tuple[int, int]:
    """Return the range of photo pixels shown in one direction, with a few more for interpolation."""
    first, last = math.floor((-0.5 - shift) / scale) - 2, math.ceil((room - 0.5 - shift) / scale) + 3
    first = min(max(first, 0), length - 1)
    return first, min(max(last, first + 1), length)


def _covered_range(length: int, room: int, scale: float, shift: float) -> tuple[int, int]:
    """Return the range of display pixels that the photo reaches in one direction; at least one."""
    first, end = math.floor(shift - 0.5 * scale + 0.5), math.ceil(shift + scale * (length - 0.5) + 0.5)
    first = min(max(first, 0), room - 1)
    return first, min(max(end, first + 1), room)


def _warp(part: _Part, rect: _Rect) -> Image:
    """Draw a part on these pixels of the display. Where it does not reach, it is mirrored at its edge."""
    matrix = part.matrix - np.array([[0, 0, rect.left], [0, 0, rect.top]])
    size = rect.right - rect.left, rect.bottom - rect.top
    picture = cv2.warpAffine(part.pixels, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return picture.astype(np.uint8, copy=False)


def _continuation(part: _Part, rect: _Rect, display: Size) -> Image:
    """Return the blurred continuation of a part that covers `rect`, for the whole display."""
    unit = min(display)
    small = _in_cells(part)
    columns, rows = (math.ceil(side / CELL) for side in display)
    across, down = _cell_distances(columns, rect.left, rect.right), _cell_distances(rows, rect.top, rect.bottom)
    x = (_cell_sources(across, rect.left, rect.right, unit) - small.matrix[0, 2]) / small.matrix[0, 0]
    y = (_cell_sources(down, rect.top, rect.bottom, unit) - small.matrix[1, 2]) / small.matrix[1, 1]
    grid_x, grid_y = (np.ascontiguousarray(grid, np.float32) for grid in np.meshgrid(x, y))
    picture = cv2.remap(small.pixels, grid_x, grid_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    near, far = (cv2.GaussianBlur(picture.astype(np.float32), (0, 0), max(blur * unit / CELL, 0.3)) for blur in BLURS)
    farness = _smooth(np.hypot(across[None, :], down[:, None]) / (FAR * unit))[..., None]
    mixed = (near + (far - near) * farness) * (1 + (DARKEST - 1) * farness)
    size = columns * CELL, rows * CELL
    large = cv2.resize((mixed + 0.5).astype(np.uint8), size, interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(large[: display[1], : display[0]]).astype(np.uint8, copy=False)


def _cell_distances(count: int, first: int, end: int) -> Floats:
    """Return how far the middles of `count` cells are from the pixels `first` to `end` − 1: less than 0 before them."""
    middles = (np.arange(count, dtype=np.float32) + 0.5) * CELL
    return _outside(middles, first, end)


def _cell_sources(distances: Floats, first: int, end: int, unit: int) -> Floats:
    """Return the display pixel that each cell takes its colour from.

    It is the mirror image at the photo's edge, but never more than `REACH` inside the photo: its people are not to
    appear a second time, upside down.
    """
    middles = (np.arange(len(distances), dtype=np.float32) + 0.5) * CELL - 0.5
    reach = min(REACH * unit, (end - first) / 2)
    depth = reach * (1 - np.exp(-np.abs(distances) / reach))
    return (middles - distances - np.sign(distances) * depth).astype(np.float32)


def _blend_in(picture: Image, photo: Image, rect: _Rect, around: _Rect, band: int) -> None:
    """Lay a photo that covers `around` on a picture: opaque in `rect`, ever less so in the band around that."""
    left, top = around.left, around.top
    across = _opacity(np.arange(left, around.right), rect.left, rect.right, band)
    down = _opacity(np.arange(top, around.bottom), rect.top, rect.bottom, band)
    picture[rect.slices] = photo[rect.top - top : rect.bottom - top, rect.left - left : rect.right - left]
    for strip in (
        _Rect(left, top, rect.left, around.bottom),
        _Rect(rect.right, top, around.right, around.bottom),
        _Rect(rect.left, top, rect.right, rect.top),
        _Rect(rect.left, rect.bottom, rect.right, around.bottom),
    ):
        if strip.left < strip.right and strip.top < strip.bottom:
            rows, columns = slice(strip.top - top, strip.bottom - top), slice(strip.left - left, strip.right - left)
            opacity = down[rows, None] * across[None, columns]
            picture[strip.slices] = cv2.blendLinear(photo[rows, columns], picture[strip.slices], opacity, 1 - opacity)


def _opacity(pixels: npt.NDArray[np.intp], first: int, end: int, band: int) -> Floats:
    """Return the photo's opacity at display pixels: 1 from first to end − 1, 0 from a band's width outside of them."""
    middles = pixels.astype(np.float32) + 0.5
    return 1 - _smooth(np.abs(_outside(middles, first, end)) / max(band, 1))


def _outside(at: Floats, first: int, end: int) -> Floats:
    """Return how far coordinates are outside of first to end: less than 0 before it, 0 inside, more than 0 after it."""
    return (at - np.clip(at, first, end)).astype(np.float32)


def _smooth(share: npt.NDArray[Any]) -> Floats:
    """Return a share that is limited to 0 to 1 and has no kink at either end."""
    share = np.clip(share, 0, 1).astype(np.float32)
    smooth: Floats = share * share * (3 - 2 * share)
    return smooth
