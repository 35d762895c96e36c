"""The pictures that a GIF is made of, and that its replay on the display shows: two panes in a frame.

The visitor's pane has a drawn figure, or the camera's picture. The answer's pane has the photo.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
import pygame

from device.display.draw import rounded_rect
from device.display.figure import draw_figure
from device.display.layout import Size, cover
from device.display.style import CORNER, INK, SLATE, Colour
from device.recording.gif_layout import Crop, GifLayout
from device.recording.gif_titles import Titles, draw_titles
from device.recording.stills import Recording, Still
from models.pose import LEFT_ANKLE, RIGHT_ANKLE, Image
from models.seen import LAYOUT_SCORE

FLOOR: Final[Colour] = (47, 53, 68)
"""The floor below a drawn figure: a little lighter than the wall."""

FLOOR_RISE: Final = 0.05
"""How far the floor rises above the lowest ankles, as a share of the pane's height: the feet stand on it."""


class Composer:
    """Draws the frames of a recording's GIF at `scale` times its size. Titles that are drawn already can be given."""

    def __init__(self, recording: Recording, scale: float = 1.0, titles: Titles | None = None) -> None:
        self.recording = recording
        self.layout = recording.layout.scaled(scale)
        self.titles = titles or draw_titles(self.layout, recording.words, recording.credits)
        self.answer = cache(self._draw_answer)
        self._corners = _corner_masks(self.layout)
        self.empty_pane = self._draw_empty_pane()

    def visitor(self, still: Still) -> Image:
        """Return the visitor's pane: the camera's picture if the still has one, else a figure."""
        if still.camera_image is not None:
            pane = cut(still.camera_image, self.layout.canvas, self.layout.visitor_crop, self.layout.pane)
        else:
            pane = self.empty_pane.copy()
            draw_figure(pane, self.layout.to_pane(still.visitor))
        return _round_corners(pane, self._corners[0])

    def frame(self, still: Still) -> Image:
        """Return a whole frame, H×W×3."""
        picture = self.titles.backdrop.copy()
        picture[pane_slices(self.layout.visitor, self.layout.pane)] = self.visitor(still)
        picture[pane_slices(self.layout.answer, self.layout.pane)] = self.answer(still.photo_index)
        return picture

    def _draw_answer(self, photo_index: int) -> Image:
        """Draw the answer's pane. Through `self.answer` it is cut out once for each photo."""
        layout, photo = self.layout, self.recording.photos[photo_index]
        return _round_corners(cut(photo, layout.canvas, layout.answer_crop, layout.pane), self._corners[1])

    def _draw_empty_pane(self) -> Image:
        """Draw the room that the figure is in: a wall, and a floor if the visitor's feet are seen."""
        width, height = self.layout.pane
        pane = np.full((height, width, 3), SLATE, np.uint8)
        floor = _floor_height(self.recording.stills, self.layout)
        if floor is not None:
            pane[max(round(floor - FLOOR_RISE * height), 0) :] = FLOOR
        return _round_corners(pane, self._corners[0])


def pane_slices(corner: tuple[int, int], size: Size) -> tuple[slice, slice]:
    """Return the rows and columns of a pane, from its upper left corner and its size."""
    return slice(corner[1], corner[1] + size[1]), slice(corner[0], corner[0] + size[0])


def cut(picture: Image, canvas: Size, crop: Crop, pane: Size) -> Image:
    """Return what a pane shows of a picture that covers the canvas. Beyond the picture's edges there is a wall."""
    size = np.array((picture.shape[1], picture.shape[0]))
    scale = cover((picture.shape[1], picture.shape[0]), canvas).scale
    low = (np.array(crop[:2]) - np.array(canvas) / 2) / scale + size / 2
    first = np.round(low).astype(int)
    last = np.maximum(np.round(low + np.array(crop[2:]) / scale).astype(int), first + 1)
    (left, top), (right, bottom) = np.maximum(-first, 0), np.maximum(last - size, 0)
    part = picture[max(first[1], 0) : last[1], max(first[0], 0) : last[0]]
    if max(left, top, right, bottom) > 0:
        bordered = cv2.copyMakeBorder(part, top, bottom, left, right, cv2.BORDER_CONSTANT, value=SLATE)
        part = bordered.astype(np.uint8, copy=False)
    # as in device.cameras.base.resize, not INTER_LINEAR
    method = cv2.INTER_AREA if pane[0] <= part.shape[1] else cv2.INTER_LINEAR_EXACT
    return cv2.resize(part, pane, interpolation=method).astype(np.uint8, copy=False)


def _floor_height(stills: Sequence[Still], layout: GifLayout) -> float | None:
    """Return where the visitor usually stands, in pixels from the pane's upper edge; None if no foot is seen there."""
    poses = [layout.to_pane(still.visitor) for still in stills]
    feet = [pose.xy[k, 1] for pose in poses for k in (LEFT_ANKLE, RIGHT_ANKLE) if pose.scores[k] >= LAYOUT_SCORE]
    if len(feet) < len(poses):
        return None
    floor = float(np.percentile(feet, 75))
    return floor if floor < layout.pane[1] else None


class _Corners:
    """How much of each pixel near a pane's corners belongs to the pane: `where` as rows and columns, `share` 0 to 1."""

    def __init__(self, mask: npt.NDArray[np.uint8]) -> None:
        self.where = np.nonzero(mask < 255)
        self.share = (mask[self.where] / np.float32(255))[:, None]


def _corner_masks(layout: GifLayout) -> tuple[_Corners, _Corners]:
    """Return the corners of the visitor's and of the answer's pane. Together they look like one card, cut in two."""
    (width, height), gap = layout.pane, layout.gap
    card = layout.size[0] - 2 * gap, layout.size[1] - 2 * gap - layout.footer
    mask = pygame.surfarray.array_alpha(rounded_rect(card, CORNER * min(width, height), INK, 1.0)).T
    visitor, answer = (
        _Corners(mask[pane_slices((corner[0] - gap, corner[1] - gap), layout.pane)])
        for corner in (layout.visitor, layout.answer)
    )
    return visitor, answer


def _round_corners(pane: Image, corners: _Corners) -> Image:
    """Paint the ink behind a pane over its corners, and return the pane."""
    pane[corners.where] = np.round(pane[corners.where] * corners.share + np.array(INK) * (1 - corners.share))
    return pane
