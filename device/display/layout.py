"""Place a photo on the display: its person is whole, and stands where the visitor stands.

The photo fills the display if its person fits then. Otherwise it is smaller, and `continuation` fills the rest.

Pixel centres are at whole numbers, so a picture `w` pixels wide reaches from −½ to w − ½. Sizes are (width, height).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from device.display.outline import Boxes, needed_points, outline
from index.agreement import Alignment, align
from models.pose import LEFT_ANKLE, RIGHT_ANKLE, Floats, Pose
from models.seen import FRAMING_SCORE, LAYOUT_SCORE

Size: TypeAlias = tuple[int, int]
"""Width and height in pixels."""

MAX_ZOOM: Final = 3.0
"""How many times larger a photo may be than it must be to fill the display: beyond that, little of its scene is
left."""

MAX_ENLARGEMENT: Final = 2.5
"""Display pixels that one photo pixel may become, across and down. Beyond that, a photo looks blurred on a large
display."""

MAX_PERSON_SCALE: Final = 1.25
"""How many times larger than the visitor the photo's person may be, so that the photo can reach the visitor's place."""

EDGE_MARGIN: Final = 0.03
"""The share of the display along each edge that the photo's person stays out of, if the photo allows it."""

CONTINUATION_COST: Final = 0.1
"""What a photo would lose in `display_fit` that left all of the display to its continuation."""

SMALLNESS_COST: Final = 0.05
"""What a photo would lose in `display_fit` whose person were a single point."""

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


def place(photo: Size, display: Size, pose: Pose, visitor: Pose | None = None) -> Alignment:
    """Return the alignment from photo pixels to display pixels that lays the photo's `pose` on the `visitor`.

    `visitor` is in display pixels; the pose of a mirrored photo is that of its mirror image. The person's outline
    (`device.display.outline`) is on the display, as far as it is in the photo. Among the placements that keep it there
    and fill the display, this is the one with the least squared distance between the key points seen in both, weighted
    by both scores. If none of them fills the display, the photo is as large as the outline and `MAX_ENLARGEMENT` allow,
    and stays whole in the direction in which it is smaller than the display. Without a visitor, or without a key point
    in common, the photo is centred.
    """
    everything = np.ones(17, bool)
    needed = everything if visitor is None else needed_points(visitor.scores >= FRAMING_SCORE)
    box = outline(pose.xy[None], pose.scores[None] >= LAYOUT_SCORE, np.array([photo]), needed)
    largest = float(_largest_scales(box, np.array([photo]), display)[0])
    smallest = min(cover(photo, display).scale, largest)
    weights = None if visitor is None else _weights(visitor, pose)
    if visitor is None or weights is None or not weights.any():
        middles = [((np.array(size, np.float32) - 1) / 2).astype(np.float32) for size in (photo, display)]
        return _alignment(smallest, _axes(photo, display, pose, box, middles))
    total = float(weights.sum())
    centre, target = weights @ pose.xy / total, weights @ visitor.xy / total  # the best fit lays centre on target
    axes = _axes(photo, display, pose, box, (centre, target))
    if np.count_nonzero(weights) == 1:
        # A single key point determines no scale: a fit would return rounding errors.
        return _alignment(smallest, axes)
    ideal_scale = align(visitor.xy, weights, pose.xy, pose.scores > 0).scale
    spread = float(weights @ ((pose.xy - centre) ** 2).sum(-1)) / total

    def slope(scale: float) -> float:
        """Return the derivative of half the squared distance at a scale. It rises, so its zero is the best scale."""
        return spread * (scale - ideal_scale) + sum(axis.slope(scale) for axis in axes)

    limit = min(smallest * MAX_ZOOM, ideal_scale * MAX_PERSON_SCALE, largest)
    scale = _bisect(slope, smallest, max(smallest, limit), PIXEL_TOLERANCE / max(photo))
    return _alignment(scale, axes)


def display_fit(keypoints: Floats, sizes: npt.NDArray[np.intp], display: Size, visitor: Pose) -> Floats:
    """Return how well each of N photos can be shown on a display, 0 to 1: a factor for how well it matches.

    `keypoints` is N×17×3 in photo pixels, `sizes` N×2 the photos' widths and heights, and `visitor` in display pixels.
    A photo that fills the display, with a person as large as the visitor, has 1. A tall photo on a wide display has
    less, because much of the display shows its continuation only. So has one whose person is small however much it is
    enlarged. The factor is mild, because the right pose counts more than the right shape.
    """
    needed = needed_points(visitor.scores >= FRAMING_SCORE)
    # the visitor is one more person, as two calls would take twice as long
    everybody = outline(
        np.concatenate([keypoints[..., :2], visitor.xy[None]]),
        np.concatenate([keypoints[..., 2] >= LAYOUT_SCORE, visitor.scores[None] >= FRAMING_SCORE]),
        np.concatenate([sizes, [display]]),
        needed,
    )
    box, wanted = (Boxes(everybody.low[rows], everybody.high[rows]) for rows in (slice(-1), slice(-1, None)))
    largest = _largest_scales(box, sizes, display)
    scales = np.minimum(largest, (np.array(display) / sizes).max(1))
    filled = np.minimum(scales[:, None] * sizes / np.array(display), 1).prod(1)
    size = np.minimum(largest * _diagonals(box) / _diagonals(wanted), 1)
    fits: Floats = (1 - CONTINUATION_COST * (1 - filled) - SMALLNESS_COST * (1 - size)).astype(np.float32)
    return fits


def _diagonals(box: Boxes) -> Floats:
    """Return the lengths of the boxes' diagonals in pixels (N), at least 1."""
    lengths: Floats = np.maximum(np.hypot(*(box.high - box.low).T), 1).astype(np.float32)
    return lengths


def _largest_scales(box: Boxes, sizes: npt.NDArray[np.intp], display: Size) -> Floats:
    """Return the largest scale of each photo (N) at which its person's box is on the display and no pixel too large.

    There is a margin around the box, where the photo has pixels for it.
    """
    room, inside = np.array(display), np.maximum(box.high - box.low, 1e-6)
    margin, before, after = EDGE_MARGIN * room, box.low + 0.5, sizes - 0.5 - box.high
    # What must be shown is inside · scale + min(margin, before · scale) + min(margin, after · scale). That is the least
    # of four sums, so the scale is the largest of the four that they allow.
    fitting = np.maximum.reduce(
        [
            (room - 2 * margin) / inside,
            (room - margin) / (inside + before),
            (room - margin) / (inside + after),
            room / sizes,
        ]
    )
    scales: Floats = np.minimum(fitting.min(1), MAX_ENLARGEMENT)
    return scales


@dataclass(frozen=True, slots=True)
class _Axis:
    """One direction of a placement: lays `length` photo pixels over `room` display pixels.

    `laid` is a coordinate in the photo and the one on the display that it should be on. `outline` is the first and last
    of the photo's coordinates that must be on the display. With `stands_on_edge`, a photo that is smaller than the
    display ends at the display's end.
    """

    length: int
    room: int
    laid: tuple[float, float]
    outline: tuple[float, float]
    stands_on_edge: bool

    def shift(self, scale: float) -> float:
        """Return the shift that lays source on target, as far as the photo's edges and then the outline allow."""
        shift = self._ideal_shift(scale)
        if self.stands_on_edge and scale * self.length < self.room:
            shift = self._flush_shifts(scale)[1]
        margin, (first, last) = EDGE_MARGIN * self.room, self.outline
        # The margin ends where the photo ends.
        low = min(margin, scale * (first + 0.5)) - 0.5 - scale * first
        high = self.room - 0.5 - min(margin, scale * (self.length - 0.5 - last)) - scale * last
        return self._clamp_to_photo(scale, min(max(shift, low), high))

    def slope(self, scale: float) -> float:
        """Return the derivative by scale of half the squared miss: 0 while source can lie on target."""
        source, target = self.laid
        miss = scale * source + self._ideal_shift(scale) - target
        # One of the photo's edges is on the display's, and stays there at other scales. If the photo just fills the
        # display, that is both edges, but only one at larger scales.
        fills = scale * self.length >= self.room * (1 - 1e-6)
        fixed_edge = -0.5 if (miss < 0) == fills else self.length - 0.5
        return miss * (source - fixed_edge)

    def _ideal_shift(self, scale: float) -> float:
        source, target = self.laid
        return self._clamp_to_photo(scale, target - scale * source)

    def _clamp_to_photo(self, scale: float, shift: float) -> float:
        """Limit a shift so that the photo fills this direction, or, if it is too small for that, is whole in it."""
        low, high = sorted(self._flush_shifts(scale))
        return min(max(shift, low), high)

    def _flush_shifts(self, scale: float) -> tuple[float, float]:
        """Return the shifts at which the photo's first edge, and its last one, are on the display's."""
        return (scale - 1) / 2, self.room - 0.5 - scale * (self.length - 0.5)


def _axes(photo: Size, display: Size, pose: Pose, box: Boxes, laid: Sequence[Floats]) -> list[_Axis]:
    """Return both axes of a placement; `laid` is a point in the photo, and the point on the display to lay it on.

    Somebody without visible feet is usually cut off by the photo's lower edge. That must be the display's lower edge
    too, or a person without legs would float.
    """
    legless = not (pose.scores[[LEFT_ANKLE, RIGHT_ANKLE]] >= LAYOUT_SCORE).any()
    (source, target), (low, high) = laid, box
    return [
        _Axis(
            photo[i],
            display[i],
            (float(source[i]), float(target[i])),
            (float(low[0, i]), float(high[0, i])),
            legless and i == 1,
        )
        for i in (0, 1)
    ]


def _alignment(scale: float, axes: Sequence[_Axis]) -> Alignment:
    return Alignment(scale, *(axis.shift(scale) for axis in axes))


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
