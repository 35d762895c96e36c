"""Where a photo lies on the display: filling it, never stretched, its person standing where the visitor stands.

All of it is geometry in pixels with centres at whole numbers, so a picture `w` pixels wide reaches from −½ to w − ½.
Sizes are (width, height).
"""

from __future__ import annotations

import math
from typing import TypeAlias

import cv2
import numpy as np

from index.agreement import Similarity, align
from models.pose import Floats, Image, Pose

Size: TypeAlias = tuple[int, int]
"""Width and height in pixels."""

MOST_ZOOM = 3.0
"""A photo is shown at most this many times larger than fills the display: beyond it one sees pixels, not a person."""

SEEN = 0.3
"""A visitor's key point scored below this is a guess, and moves no photo."""

EXACT = 1e-3
"""How finely the scale is found, in pixels at the photo's far edge."""


def cover(picture: Size, display: Size) -> Similarity:
    """The smallest uniform scale at which a picture fills the display, and the shift that centres it there."""
    scale = max(display[0] / picture[0], display[1] / picture[1])
    return Similarity(scale, *((d - 1 - scale * (p - 1)) / 2 for p, d in zip(picture, display, strict=True)))


def moved(pose: Pose, placement: Similarity) -> Pose:
    """The pose after a scale and shift of the picture it is in."""
    xy = pose.xy * np.float32(placement.scale) + np.array([placement.x, placement.y], np.float32)
    return Pose(xy.astype(np.float32), pose.scores, pose.score)


def in_the_mirror(visitor: Pose, camera: Size, display: Size) -> Pose:
    """Where the visitor stands in the mirror, in display pixels: the (mirrored) camera picture laid over the display.

    `visitor` is in the pixels of that camera picture; what of it the display has no room for lies outside the display.
    """
    return moved(visitor, cover(camera, display))


def place(photo: Size, display: Size, pose: Pose, visitor: Pose, most_zoom: float = MOST_ZOOM) -> Similarity:
    """Photo pixels → display pixels, such that the photo's `pose` lies on the `visitor` (in display pixels).

    Of all the placements that fill the display, at most `most_zoom` times larger than needed for that, it is the one
    with the least squared distance between the key points, weighted by both scores. A mirrored photo's pose and size
    are those of its mirror image. Without a key point in common the photo is centred.
    """
    weights = _weights(visitor, pose)
    total = float(weights.sum())
    widest = cover(photo, display)
    if total <= 0:
        return widest
    ideal = align(visitor.xy, weights, pose.xy, pose.scores > 0)
    centre = weights @ pose.xy / total
    spread = float(weights @ ((pose.xy - centre) ** 2).sum(-1)) / total
    axes = [
        _Axis(photo[0], display[0], float(centre[0]), ideal.scale * float(centre[0]) + ideal.x),
        _Axis(photo[1], display[1], float(centre[1]), ideal.scale * float(centre[1]) + ideal.y),
    ]

    def slope(scale: float) -> float:
        return spread * (scale - ideal.scale) + sum(axis.slope(scale) for axis in axes)

    low, high = widest.scale, widest.scale * max(most_zoom, 1.0)
    if slope(low) >= 0:
        high = low
    elif slope(high) <= 0:
        low = high
    while (high - low) * max(photo) > EXACT:
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return Similarity(high, *(axis.shift(high) for axis in axes))


class _Axis:
    """One direction of a placement: `length` photo pixels over `room` display pixels, `source` to lie on `target`."""

    def __init__(self, length: int, room: int, source: float, target: float) -> None:
        self.length, self.room, self.source, self.target = length, room, source, target

    def shift(self, scale: float) -> float:
        """The shift nearest to the wanted one at which the photo still reaches both edges."""
        least, most = self.room - 0.5 - scale * (self.length - 0.5), (scale - 1) / 2
        return min(max(self.target - scale * self.source, least), most)

    def slope(self, scale: float) -> float:
        """How half the squared miss grows with the scale; nothing while the wanted shift is within reach."""
        miss = scale * self.source + self.shift(scale) - self.target
        edge = -0.5 if miss < 0 else self.length - 0.5
        return miss * (self.source - edge)


def _weights(visitor: Pose, pose: Pose) -> Floats:
    sure: Floats = np.where(visitor.scores >= SEEN, visitor.scores, 0).astype(np.float32)
    found: Floats = (sure * pose.scores).astype(np.float32)
    return found


def prepare(photo: Image, placement: Similarity, display: Size, mirrored: bool = False) -> Image:
    """The display-sized picture (H×W×3) that a photo placed by `place` makes, mirrored first when it is shown so.

    Shrinking averages over the pixels that fall together, enlarging interpolates. Heavy enough (some milliseconds) to
    be kept off the thread that draws.
    """
    scale = placement.scale
    left, right = _visible(photo.shape[1], display[0], scale, placement.x)
    top, bottom = _visible(photo.shape[0], display[1], scale, placement.y)
    columns = slice(photo.shape[1] - right, photo.shape[1] - left) if mirrored else slice(left, right)
    part = photo[top:bottom, columns]
    height, width = part.shape[:2]
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        part = cv2.resize(part, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    across, down = scale * width / part.shape[1], scale * height / part.shape[0]
    x = placement.x + scale * left + (across - scale) / 2
    y = placement.y + scale * top + (down - scale) / 2
    if mirrored:
        x, across = x + across * (part.shape[1] - 1), -across
    matrix = np.array([[across, 0, x], [0, down, y]], np.float64)
    laid = cv2.warpAffine(part, matrix, display, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return laid.astype(np.uint8, copy=False)


def _visible(length: int, room: int, scale: float, shift: float) -> tuple[int, int]:
    """The first and past-the-last of a photo's pixels that the display shows in one direction, with some to spare."""
    first, last = math.floor((-0.5 - shift) / scale) - 2, math.ceil((room - 0.5 - shift) / scale) + 3
    first = min(max(first, 0), length - 1)
    return first, min(max(last, first + 1), length)
