"""Place a photo on the display: it fills the display unstretched, and its person stands where the visitor stands.

Pixel centres are at whole numbers, so a picture `w` pixels wide reaches from −½ to w − ½. Sizes are (width, height).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
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
"""How many times larger a photo may be than it must be to fill the display: beyond that, single pixels show."""

MAX_PERSON_SCALE: Final = 1.25
"""How many times larger than the visitor the photo's person may be, so that the photo can reach the visitor's place."""

EDGE_MARGIN: Final = 0.03
"""The share of the display along each edge that the photo's person stays out of, if the photo allows it."""

PIXEL_TOLERANCE: Final = 1e-3
"""Accuracy of the scale, in pixels at the photo's far edge: too little to see."""


def cover(picture: Size, display: Size) -> Alignment:
    """Return the smallest uniform scale at which a picture fills the display, and the shift that centres it."""
    scale = max(display[0] / picture[0], display[1] / picture[1])
    return Alignment(scale, *((d - 1 - scale * (p - 1)) / 2 for p, d in zip(picture, display, strict=True)))


def transform_pose(pose: Pose, placement: Alignment) -> Pose:
    """Return a pose in the coordinates of its picture after a scale and shift."""
    xy = pose.xy * np.float32(placement.scale) + np.array([placement.x, placement.y], np.float32)
    return Pose(xy.astype(np.float32), pose.scores, pose.score)


def camera_to_display(visitor: Pose, camera: Size, display: Size) -> Pose:
    """Return the visitor's pose in display pixels, as if the mirrored camera picture filled the display.

    `visitor` is in pixels of the mirrored camera picture. Key points may be outside the display.
    """
    return transform_pose(visitor, cover(camera, display))


def place(photo: Size, display: Size, pose: Pose, visitor: Pose, max_zoom: float = MAX_ZOOM) -> Alignment:
    """Return the alignment from photo pixels to display pixels that lays the photo's `pose` on the `visitor`.

    `visitor` is in display pixels; the pose of a mirrored photo is that of its mirror image. Among the placements that
    fill the display, at most `max_zoom` times larger than needed, this is the one with the least squared distance
    between the key points seen in both, weighted by both scores. It is then moved to keep these key points of the
    photo's person, and above all the head, on the display as far as the photo allows. With a single key point in common
    the photo is not enlarged, and with none it is centred.
    """
    weights = _weights(visitor, pose)
    total = float(weights.sum())
    smallest = cover(photo, display)
    if total <= 0:
        return smallest
    centre, target = weights @ pose.xy / total, weights @ visitor.xy / total  # the best fit lays centre on target
    crown = _crown(pose)
    outline = np.vstack([pose.xy[weights > 0], crown])
    axes = [_Axis(photo[i], display[i], float(centre[i]), float(target[i]), outline[:, i]) for i in (0, 1)]
    if np.count_nonzero(weights) == 1:
        # A single key point determines no scale: a fit would return rounding errors.
        return _framed(smallest.scale, axes, crown)
    ideal_scale = align(visitor.xy, weights, pose.xy, pose.scores > 0).scale
    spread = float(weights @ ((pose.xy - centre) ** 2).sum(-1)) / total

    def slope(scale: float) -> float:
        """Return the derivative of half the squared distance at a scale. It rises, so its zero is the best scale."""
        return spread * (scale - ideal_scale) + sum(axis.slope(scale) for axis in axes)

    limit = min(smallest.scale * max_zoom, ideal_scale * MAX_PERSON_SCALE, *(axis.max_fitting_scale for axis in axes))
    scale = _bisect(slope, smallest.scale, max(smallest.scale, limit), PIXEL_TOLERANCE / max(photo))
    return _framed(scale, axes, crown)


class _Axis:
    """One direction of a placement: lays `length` photo pixels over `room` display pixels.

    `source` in the photo should be on `target` on the display. `outline` (K) holds the person's points in the photo.
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
        """Return the shift that lays source on target, limited so that the photo still reaches both edges."""
        return self._clamp_shift(scale, self.target - scale * self.source)

    def slope(self, scale: float) -> float:
        """Return the derivative by scale of half the squared miss: 0 while source can lie on target."""
        miss = scale * self.source + self.shift(scale) - self.target
        edge = -0.5 if miss < 0 else self.length - 0.5
        return miss * (self.source - edge)

    def framed_shift(self, scale: float, crown: Floats) -> float:
        """Return `shift(scale)`, moved so that the person is on the display or fills it, and their crown is on it.

        `crown` holds at most one coordinate.
        """
        shift = self.shift(scale)
        # The crown comes last, because it matters most.
        for first, last in [(self.first, self.last), *((at, at) for at in crown.tolist())]:
            low, high = sorted((self.inside[0] - scale * first, self.inside[1] - scale * last))
            shift = min(max(shift, low), high)
        return self._clamp_shift(scale, shift)

    def _clamp_shift(self, scale: float, shift: float) -> float:
        low, high = self.room - 0.5 - scale * (self.length - 0.5), (scale - 1) / 2
        return min(max(shift, low), high)


def _framed(scale: float, axes: Sequence[_Axis], crown: Floats) -> Alignment:
    """Return the alignment of this scale that keeps the person on the display."""
    return Alignment(scale, *(axis.framed_shift(scale, crown[:, i]) for i, axis in enumerate(axes)))


def _bisect(rising: Callable[[float], float], low: float, high: float, tolerance: float) -> float:
    """Return where a rising function crosses zero between two bounds, or the bound nearest to it."""
    if rising(low) >= 0:
        return low
    if rising(high) <= 0:
        return high
    while high - low > tolerance:
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return high


def _weights(visitor: Pose, pose: Pose) -> Floats:
    """Return each key point's weight (17): the product of both scores, 0 if it is not seen in both."""
    seen = (visitor.scores >= LAYOUT_SCORE) & (pose.scores >= LAYOUT_SCORE)
    weights: Floats = np.where(seen, visitor.scores * pose.scores, 0).astype(np.float32)
    return weights


def _crown(pose: Pose) -> Floats:
    """Estimate the top of the head (1×2) from the shoulders and nose or hips; return 0×2 if they are not seen.

    The factors are usual proportions of a body: no key point marks the crown.
    """
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
    """Return how much of each photo's person fits on a display that the photo fills: a share of the area, 0 to 1 (N).

    `people` is N×17×2 in photo pixels, `seen` N×17 tells which key points count, `photo_sizes` is N×2 widths and
    heights. A tall photo on a wide display shows only a strip, which may be no more than a chest.
    """
    low = np.where(seen[..., None], people, np.inf).min(1)
    high = np.where(seen[..., None], people, -np.inf).max(1)
    scale = (np.array(display) / photo_sizes).max(1, keepdims=True)
    needed = np.maximum(scale * (high - low), 1e-6)
    shares: Floats = np.minimum(np.array(display) / needed, 1).prod(1).astype(np.float32)
    return shares


def prepare(photo: Image, placement: Alignment, display: Size, mirrored: bool = False) -> Image:
    """Return the picture of the display's size (H×W×3) that a photo makes with the placement of `place`.

    With `mirrored`, the photo is mirrored first. This takes some milliseconds: keep it off the thread that draws.
    """
    scale = placement.scale
    left, right = _visible_range(photo.shape[1], display[0], scale, placement.x)
    top, bottom = _visible_range(photo.shape[0], display[1], scale, placement.y)
    columns = slice(photo.shape[1] - right, photo.shape[1] - left) if mirrored else slice(left, right)
    part = photo[top:bottom, columns]
    step = max(1, int(1 / scale))
    if mirrored and (cut := part.shape[1] % step):
        part = part[:, cut:]  # after mirroring, the right edge is the left one, where the steps must begin
    part = downscale(part, step)
    scale_y = scale * step
    x = placement.x + scale * left + (scale_y - scale) / 2
    y = placement.y + scale * top + (scale_y - scale) / 2
    scale_x = scale_y
    if mirrored:
        x, scale_x = x + scale_y * (part.shape[1] - 1), -scale_y
    matrix = np.array([[scale_x, 0, x], [0, scale_y, y]], np.float64)
    picture = cv2.warpAffine(part, matrix, display, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return picture.astype(np.uint8, copy=False)


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


def _visible_range(length: int, room: int, scale: float, shift: float) -> tuple[int, int]:
    """Return the range of photo pixels shown in one direction, with a few more for interpolation."""
    first, last = math.floor((-0.5 - shift) / scale) - 2, math.ceil((room - 0.5 - shift) / scale) + 3
    first = min(max(first, 0), length - 1)
    return first, min(max(last, first + 1), length)
