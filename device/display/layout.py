"""Where a photo lies on the display: filling it, never stretched, its person standing where the visitor stands.

All of it is geometry in pixels with centres at whole numbers, so a picture `w` pixels wide reaches from −½ to w − ½.
Sizes are (width, height).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from index.agreement import Alignment, align
from models.pose import LEFT_HIP, LEFT_SHOULDER, NOSE, RIGHT_HIP, RIGHT_SHOULDER, Floats, Image, Pose
from models.seen import LAYOUT_SCORE

Size: TypeAlias = tuple[int, int]
"""Width and height in pixels."""

MAX_ZOOM: Final = 3.0
"""A photo is shown at most this many times larger than fills the display: beyond it one sees pixels, not a person."""

MAX_PERSON_SCALE: Final = 1.25
"""The photo's person may become this many times larger than the visitor so that they stand in the visitor's place."""

EDGE_MARGIN: Final = 0.03
"""The share of the display, along each edge, that the photo's person is kept out of where the photo allows it."""

PIXEL_TOLERANCE: Final = 1e-3
"""How finely the scale is found, in pixels at the photo's far edge."""


def cover(picture: Size, display: Size) -> Alignment:
    """The smallest uniform scale at which a picture fills the display, and the shift that centres it there."""
    scale = max(display[0] / picture[0], display[1] / picture[1])
    return Alignment(scale, *((d - 1 - scale * (p - 1)) / 2 for p, d in zip(picture, display, strict=True)))


def transform_pose(pose: Pose, placement: Alignment) -> Pose:
    """The pose after a scale and shift of the picture it is in."""
    xy = pose.xy * np.float32(placement.scale) + np.array([placement.x, placement.y], np.float32)
    return Pose(xy.astype(np.float32), pose.scores, pose.score)


def camera_to_display(visitor: Pose, camera: Size, display: Size) -> Pose:
    """Where the visitor stands in the mirror, in display pixels: the (mirrored) camera picture laid over the display.

    `visitor` is in the pixels of that camera picture; what of it the display has no room for lies outside the display.
    """
    return transform_pose(visitor, cover(camera, display))


def place(photo: Size, display: Size, pose: Pose, visitor: Pose, max_zoom: float = MAX_ZOOM) -> Alignment:
    """Photo pixels → display pixels, such that the photo's `pose` lies on the `visitor` (in display pixels).

    Of the placements that fill the display, enlarged at most `max_zoom` times beyond that, it is the one with the
    least squared distance between the key points that both have, weighted by both scores. What those points show of
    the photo's person is kept on the display as far as the photo allows, and before all else the head. A mirrored
    photo's pose is that of its mirror image. Without a key point in common the photo is centred.
    """
    weights = _weights(visitor, pose)
    total = float(weights.sum())
    widest = cover(photo, display)
    if total <= 0:
        return widest
    ideal = align(visitor.xy, weights, pose.xy, pose.scores > 0)
    centre = weights @ pose.xy / total
    spread = float(weights @ ((pose.xy - centre) ** 2).sum(-1)) / total
    crown = _crown(pose)
    outline = np.vstack([pose.xy[weights > 0], crown])
    axes = [
        _Axis(photo[i], display[i], float(centre[i]), ideal.scale * float(centre[i]) + ideal[1 + i], outline[:, i])
        for i in (0, 1)
    ]

    def slope(scale: float) -> float:
        return spread * (scale - ideal.scale) + sum(axis.slope(scale) for axis in axes)

    most = min(widest.scale * max_zoom, ideal.scale * MAX_PERSON_SCALE, *(axis.max_fitting_scale for axis in axes))
    scale = _bisect(slope, widest.scale, max(widest.scale, most), PIXEL_TOLERANCE / max(photo))
    return Alignment(scale, *(axis.framed_shift(scale, crown[:, i]) for i, axis in enumerate(axes)))


class _Axis:
    """One direction of a placement: `length` photo pixels over `room` display pixels, `source` to lie on `target`.

    `outline` (K) is where the person's points lie in the photo.
    """

    def __init__(self, length: int, room: int, source: float, target: float, outline: Floats) -> None:
        self.length, self.room, self.source, self.target = length, room, source, target
        self.first, self.last = float(outline.min()), float(outline.max())
        self.inside = EDGE_MARGIN * room, (1 - EDGE_MARGIN) * room - 1

    @property
    def max_fitting_scale(self) -> float:
        """The largest scale at which the person fits the display."""
        return max(self.inside[1] - self.inside[0], 0.0) / max(self.last - self.first, 1e-6)

    def shift(self, scale: float) -> float:
        """The shift nearest to the wanted one at which the photo still reaches both edges."""
        return self._clamp_shift(scale, self.target - scale * self.source)

    def slope(self, scale: float) -> float:
        """How half the squared miss grows with the scale; nothing while the wanted shift is within reach."""
        miss = scale * self.source + self.shift(scale) - self.target
        edge = -0.5 if miss < 0 else self.length - 0.5
        return miss * (self.source - edge)

    def framed_shift(self, scale: float, crown: Floats) -> float:
        """That shift, moved on to where the person is whole on the display, or fills it, with their crown (0 or 1)."""
        shift = self.shift(scale)
        for first, last in [(self.first, self.last), *((at, at) for at in crown.tolist())]:
            least, most = sorted((self.inside[0] - scale * first, self.inside[1] - scale * last))
            shift = min(max(shift, least), most)
        return self._clamp_shift(scale, shift)

    def _clamp_shift(self, scale: float, shift: float) -> float:
        least, most = self.room - 0.5 - scale * (self.length - 0.5), (scale - 1) / 2
        return min(max(shift, least), most)


def _bisect(rising: Callable[[float], float], low: float, high: float, tolerance: float) -> float:
    """Where a rising function passes zero between two bounds, or the bound that is nearest to it."""
    if rising(low) >= 0:
        return low
    if rising(high) <= 0:
        return high
    while high - low > tolerance:
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return high


def _weights(visitor: Pose, pose: Pose) -> Floats:
    sure = (visitor.scores >= LAYOUT_SCORE) & (pose.scores >= LAYOUT_SCORE)
    found: Floats = np.where(sure, visitor.scores * pose.scores, 0).astype(np.float32)
    return found


def _crown(pose: Pose) -> Floats:
    """About where the top of the head is, 1×2: as far from the shoulders as nose or hips let expect; or 0×2."""
    seen = pose.scores >= LAYOUT_SCORE
    shoulders, hips = [LEFT_SHOULDER, RIGHT_SHOULDER], [LEFT_HIP, RIGHT_HIP]
    crown: Floats = np.empty((0, 2), np.float32)
    if seen[shoulders].all():
        neck = pose.xy[shoulders].mean(0)
        if seen[NOSE]:
            crown = (neck + 1.8 * (pose.xy[NOSE] - neck))[None]
        elif seen[hips].all():
            crown = (neck + 0.7 * (neck - pose.xy[hips].mean(0)))[None]
    return crown.astype(np.float32, copy=False)


def visible_share(
    people: Floats, seen: npt.NDArray[np.bool_], photo_sizes: npt.NDArray[np.intp], display: Size
) -> Floats:
    """How much of each photo's person a display that the photo fills has room for, as a share of them, 0 to 1.

    `people` is N×17×2 in pixels of the photos, `seen` N×17 (the points that count), `photo_sizes` N×2 widths and heights. A
    tall photo fills a wide display by a strip across it, which may be no more than a chest.
    """
    low = np.where(seen[..., None], people, np.inf).min(1)
    high = np.where(seen[..., None], people, -np.inf).max(1)
    scale = (np.array(display) / photo_sizes).max(1, keepdims=True)
    needed = np.maximum(scale * (high - low), 1e-6)
    found: Floats = np.minimum(np.array(display) / needed, 1).prod(1).astype(np.float32)
    return found


def prepare(photo: Image, placement: Alignment, display: Size, mirrored: bool = False) -> Image:
    """The display-sized picture (H×W×3) that a photo placed by `place` makes, mirrored first when it is shown so.

    Heavy enough (some milliseconds) to be kept off the thread that draws.
    """
    scale = placement.scale
    left, right = _visible_range(photo.shape[1], display[0], scale, placement.x)
    top, bottom = _visible_range(photo.shape[0], display[1], scale, placement.y)
    columns = slice(photo.shape[1] - right, photo.shape[1] - left) if mirrored else slice(left, right)
    part = photo[top:bottom, columns]
    step = max(1, int(1 / scale))
    if mirrored and (cut := part.shape[1] % step):
        part = part[:, cut:]  # its right edge is the shown picture's left one, and the whole steps begin there
    part = downscale(part, step)
    bigger = scale * step
    x = placement.x + scale * left + (bigger - scale) / 2
    y = placement.y + scale * top + (bigger - scale) / 2
    across = bigger
    if mirrored:
        x, across = x + bigger * (part.shape[1] - 1), -bigger
    matrix = np.array([[across, 0, x], [0, bigger, y]], np.float64)
    laid = cv2.warpAffine(part, matrix, display, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return laid.astype(np.uint8, copy=False)


def downscale(picture: Image, factor: int) -> Image:
    """The picture with each `factor`×`factor` pixels averaged into one; a rest at its right and lower edge is left out.

    By whole steps this takes a tenth of the time of any other averaging; what is left to do is less than a halving,
    which interpolation does without missing a pixel.
    """
    if factor == 1:
        return picture
    width, height = max(picture.shape[1] // factor, 1), max(picture.shape[0] // factor, 1)
    whole = picture[: height * factor, : width * factor]
    return cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _visible_range(length: int, room: int, scale: float, shift: float) -> tuple[int, int]:
    """The first and past-the-last of a photo's pixels that the display shows in one direction, with some to spare."""
    first, last = math.floor((-0.5 - shift) / scale) - 2, math.ceil((room - 0.5 - shift) / scale) + 3
    first = min(max(first, 0), length - 1)
    return first, min(max(last, first + 1), length)
