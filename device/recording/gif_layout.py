"""Where a GIF shows the visitor and the answer: two panes of one size, which show the same part of the canvas.

The part is the same for the whole recording, so nothing jumps, and both people have the same size and place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from device.display.layout import Size, cover, transform_pose
from device.display.outline import Bools, needed_points, outline
from index.agreement import Alignment, align
from models.pose import Floats, Pose
from models.seen import FRAMING_SCORE, LAYOUT_SCORE

SPARE_PERCENT: Final = 2.0
"""Percent of the stills on each side in which somebody may reach out of the panes: a single wrong key point must not
make everybody small."""

SHOWN_SHARE: Final = 0.1
"""A visitor's key point counts if it is seen in this share of the stills."""

PADDING: Final = 0.03
"""Space around everybody, as a share of the longer side of the box around them."""

MIN_CROP: Final = 0.5
"""Sides of the part shown at least, as a share of the canvas's short side: a smaller part would look blurred."""

MAX_ASPECT: Final = 2.0
"""The longer side of a pane by its shorter one, at most: two such panes make a square."""

GOOD_ASPECT: Final = 1.4
"""The longer side of a pane by its shorter one, at least, if the canvas has room: two squares make a long strip. The
people in the panes are as large either way."""

UNDECIDED: Final = 1.25
"""Up to this ratio of its sides, a part is high on a landscape display and wide on an upright one, so that the GIF has
the display's shape: its replay then fills the display, and looks like what the visitor saw."""

GAP: Final = 0.014
"""Space around and between the panes, as a share of the GIF's longest possible side."""

FOOTER: Final = 0.062
"""Height of the line with the event's text below the panes, as a share of the same."""


MAX_SCALE: Final = 2.5
"""How many times larger or smaller the visitor becomes, at most, to be as large as the answers' persons."""


class Crop(NamedTuple):
    """A part of the canvas: its left and upper edge, its width and height, in pixels."""

    left: float
    top: float
    width: float
    height: float


class GifLayout(NamedTuple):
    """How a GIF is laid out, in its own pixels, but for `canvas` and the two crops.

    `answer_crop` is what the answer's pane shows of the photo, `visitor_crop` what the visitor's pane shows of the
    camera's picture, both in pixels of the canvas. `size` is the GIF's (width, height), `pane` that of each pane.
    `visitor` and `answer` are the panes' upper left
    corners. `gap` is the space around and between them, and `footer` the height of the line below.
    """

    canvas: Size
    answer_crop: Crop
    visitor_crop: Crop
    size: Size
    pane: Size
    visitor: tuple[int, int]
    answer: tuple[int, int]
    gap: int
    footer: int

    def to_pane(self, pose: Pose) -> Pose:
        """Return a visitor's pose in pixels of the canvas in pixels of the visitor's pane."""
        corner = np.array(self.visitor_crop[:2], np.float32)
        scale = np.array(self.pane, np.float32) / np.array(self.visitor_crop[2:], np.float32)
        return Pose(((pose.xy + 0.5 - corner) * scale - 0.5).astype(np.float32), pose.scores, pose.score)

    def scaled(self, scale: float) -> GifLayout:
        """Return the same layout, smaller: lengths are multiplied by `scale`, up to 1."""
        if scale == 1:
            return self
        crops = self.answer_crop, self.visitor_crop
        return arrange(
            self.canvas,
            crops,
            round(max(self.size) * scale),
            landscape=self.visitor[1] == self.answer[1],
            rtl=self.visitor > self.answer,
            with_footer=self.footer > 0,
        )


def choose_crops(
    visitors: Sequence[Pose], persons: Sequence[Pose], canvas: Size, camera: Size, *, landscape: bool = True
) -> tuple[Crop, Crop]:
    """Return the parts of the photos and of the camera's pictures to show: around everybody, in nearly all stills.

    `visitors` and `persons` are poses in pixels of the canvas, one of each for every still; a camera picture of the
    size `camera` covers the canvas. `landscape` says whether the display is wider than high. What a visitor does not
    show, such as the legs, may be cut off the answers too.

    The parts differ in size and place if the visitor and the persons do, so that they are alike in the panes: a distant
    visitor comes nearer, and one who reaches beyond the canvas is whole.
    """
    shown = needed_points(np.mean([pose.scores >= FRAMING_SCORE for pose in visitors], axis=0) >= SHOWN_SHARE)
    placement = cover(camera, canvas)
    to_camera = Alignment(1 / placement.scale, -placement.x / placement.scale, -placement.y / placement.scale)
    box = _usual_box([transform_pose(pose, to_camera) for pose in visitors], camera, shown)
    visitor = box * placement.scale + (placement.x, placement.y)
    person = _usual_box(persons, canvas, shown)
    scale, shift = _usual_alignment(visitors, persons)
    moved_scale, moved_shift = _move_inside(visitor * scale + shift, canvas)
    scale, shift = scale * moved_scale, shift * moved_scale + moved_shift
    both = np.stack([person, visitor * scale + shift]) + 0.5
    crop = _complete(both[:, 0].min(0), both[:, 1].max(0), canvas, landscape)
    left, top = (np.array(crop[:2]) - 0.5 - shift) / scale + 0.5
    return crop, Crop(float(left), float(top), crop.width / scale, crop.height / scale)


def _usual_alignment(visitors: Sequence[Pose], persons: Sequence[Pose]) -> tuple[float, Floats]:
    """Return the scale and the shift that usually lay the visitor on the persons best."""
    weights = [visitor.scores * person.scores for visitor, person in zip(visitors, persons, strict=True)]
    pairs = [pair for pair in zip(visitors, persons, weights, strict=True) if np.count_nonzero(pair[2]) > 1]
    if not pairs:
        return 1.0, np.zeros(2, np.float32)
    scales = [align(person.xy, weight, visitor.xy, weight > 0).scale for visitor, person, weight in pairs]
    scale = float(np.clip(np.median(scales), 1 / MAX_SCALE, MAX_SCALE))
    shifts = [weight @ (person.xy - scale * visitor.xy) / weight.sum() for visitor, person, weight in pairs]
    return scale, np.median(shifts, axis=0).astype(np.float32)


def _usual_box(poses: Sequence[Pose], picture: Size, needed: Bools) -> Floats:
    """Return the lower and upper corner (2×2) of the box that people are usually in, in pixels of their picture."""
    xy, scores = np.stack([pose.xy for pose in poses]), np.stack([pose.scores for pose in poses])
    boxes = outline(xy, scores >= LAYOUT_SCORE, np.tile(picture, (len(poses), 1)), needed)
    corners = [
        np.percentile(boxes.low, SPARE_PERCENT, axis=0),
        np.percentile(boxes.high, 100 - SPARE_PERCENT, axis=0),
    ]
    return np.array(corners, np.float32)


def _move_inside(box: Floats, canvas: Size) -> tuple[float, Floats]:
    """Return the scale, 1 at most, and the shift that bring a box (2×2) into the canvas."""
    room = np.array(canvas, np.float32)
    scale = min(float((room / np.maximum(box[1] - box[0], 1)).min()), 1.0)
    low, high = box.mean(0) + (box - box.mean(0)) * scale
    inside = low + np.clip(0, -0.5 - low, np.maximum(room - 0.5 - high, -0.5 - low))
    return scale, (inside - box[0] * scale).astype(np.float32)


def _complete(low: Floats, high: Floats, canvas: Size, landscape: bool) -> Crop:
    """Return the part of the canvas around a box: with some space, and of a shape that suits a pane."""
    room = np.array(canvas, np.float32)
    sides = high - low + 2 * PADDING * (high - low).max()
    sides = np.minimum(np.maximum(sides, MIN_CROP * room.min()), room)
    long = 1 if _is_high(sides[0], sides[1], landscape) else 0
    short = 1 - long
    sides[short] = min(max(sides[short], sides[long] / MAX_ASPECT), room[short])
    sides[long] = min(max(sides[long], sides[short] * GOOD_ASPECT), room[long])
    corner = np.clip((low + high - sides) / 2, 0, room - sides)
    return Crop(float(corner[0]), float(corner[1]), float(sides[0]), float(sides[1]))


def _is_high(width: float, height: float, landscape: bool) -> bool:
    """Return whether a part of this size is for high panes."""
    return landscape if max(width, height) < UNDECIDED * min(width, height) else width <= height


def arrange(
    canvas: Size,
    crops: tuple[Crop, Crop],
    pixels: int,
    *,
    landscape: bool = True,
    rtl: bool = False,
    with_footer: bool = False,
) -> GifLayout:
    """Lay out a GIF that shows these parts of the photos and of the camera's pictures, in `pixels` at most.

    High panes are side by side, the visitor where reading begins (on the right with `rtl`); wide ones are above each
    other. Nearly square ones are side by side if the display is `landscape`. They are never larger than the part of the
    canvas.
    """
    crop = crops[0]
    columns, rows = (2, 1) if _is_high(crop.width, crop.height, landscape) else (1, 2)
    gap, footer = max(round(GAP * pixels), 1), round(FOOTER * pixels) if with_footer else 0
    scale = min(
        (pixels - (columns + 1) * gap) / (columns * crop.width),
        (pixels - (rows + 1) * gap - footer) / (rows * crop.height),
        1.0,
    )
    width, height = max(int(crop.width * scale), 1), max(int(crop.height * scale), 1)
    size = columns * width + (columns + 1) * gap, rows * height + (rows + 1) * gap + footer
    first, second = (gap, gap), ((2 * gap + width, gap) if columns == 2 else (gap, 2 * gap + height))
    visitor, answer = (second, first) if rtl and columns == 2 else (first, second)
    return GifLayout(canvas, *crops, size, (width, height), visitor, answer, gap, footer)
