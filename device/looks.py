"""Which part of a frame the estimator looks at: all of it, or a crop around one person. All functions are pure.

A person is read better in a crop, which also has fewer pixels. So the mirror looks at the whole frame only as often as
newcomers must be noticed. docs/explanation/following-and-choosing.md has the measurements.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from device.track import Track
from models.pose import Image, Pose
from models.seen import CROP_SCORE

if TYPE_CHECKING:
    from device.cameras.base import Frame
    from device.follow import FollowState

WHOLE_EVERY: Final = 0.45
"""Seconds from one look at the whole frame to the next, while a visitor is followed. It is below `track.MAX_GAP`, so
that other people's tracks know their speed."""

CROWD_WHOLE_EVERY: Final = 0.12
"""The same while other people are so near that they could be mistaken for the visitor."""

GLANCE_SCALE: Final = 0.85
"""Side of a square with as many pixels as a glance at the whole frame has, as a share of a crop's side. People who
could take over from the visitor are near, and large enough to be noticed in a small picture."""

MARGIN: Final = 1.5
"""Side of a crop, as a multiple of the longer side of the box around the person's key points."""

MIN_MARGIN, MAX_MARGIN = 1.3, 1.75
"""The crop stays where it was while it is within these multiples of the box: an estimate trembles less if the picture
does not move under it."""

MAX_AHEAD: Final = 0.2
"""Seconds for which a crop allows for motion at most."""

GROWTH_WHILE_LOST: Final = 1.0
"""Growth of a crop, as a share of its side, for each second since the person was last found."""

MIN_MODEL_SIDE: Final = 65
"""Pixels; the shortest side of a model's input."""


class Box(NamedTuple):
    """A rectangle of a frame's pixels; `right` and `bottom` are the first column and row outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a frame.

    - `whole_at`: the time of the newest look at a whole frame, which may be this one.
    - `number`: the track that a crop is around; None for the whole frame.
    - `crop`: the box of this crop; for the whole frame, that of the crop before it, of track `cropped`.
    - `size`: the (height, width) of the model's input; None for the estimator's own choice.
    - `is_candidate_due`: whether no candidate has been looked at since the newest look at a whole frame.
    """

    whole_at: float
    number: int | None = None
    crop: Box | None = None
    cropped: int | None = None
    size: tuple[int, int] | None = None
    is_candidate_due: bool = True

    @property
    def is_whole(self) -> bool:
        return self.number is None

    @property
    def is_glance(self) -> bool:
        """Whether this is a quick look at the whole frame, for other people, before a crop around the visitor."""
        return self.number is None and self.size is not None

    def picture(self, frame: Frame) -> Image:
        """Return what the estimator is to see. A crop is cut out of the frame's larger picture."""
        if self.number is None or self.crop is None:
            return frame.small
        return frame.image[self.crop.top : self.crop.bottom, self.crop.left : self.crop.right]

    def to_frame(self, poses: Sequence[Pose], frame: Frame) -> list[Pose]:
        """Return the poses found in the picture in pixels of `frame.image`."""
        if self.number is None or self.crop is None:
            x = frame.image.shape[1] / frame.small.shape[1]
            y = frame.image.shape[0] / frame.small.shape[0]
            return [pose.scaled(x, y) for pose in poses]
        corner = np.array([self.crop.left, self.crop.top], np.float32)
        return [Pose(pose.xy + corner, pose.scores, pose.score) for pose in poses]

    def shows(self, track: Track) -> bool:
        """Return whether the whole person is in the picture: a person at its edge is read wrongly."""
        if self.number is None or self.crop is None or self.number == track.number:
            return True
        left, top, right, bottom = track.pose.box(CROP_SCORE) or track.pose.box(-1.0) or (0.0, 0.0, 0.0, 0.0)
        return (
            self.crop.left < left
            and self.crop.top < top
            and right < self.crop.right - 1
            and bottom < self.crop.bottom - 1
        )


class Shot(NamedTuple):
    """What is known about the next frame before it is looked at.

    `frame` is its (width, height) in pixels, `time` when it was captured, and `crop_size` the (height, width) at which
    the model reads a crop best.
    """

    frame: tuple[int, int]
    time: float
    crop_size: tuple[int, int]


def choose_looks(previous: Look | None, state: FollowState, shot: Shot) -> list[Look]:
    """Return how to look at the next frame: once, or twice in a row.

    `previous` is the look before, and `state` the one after it. Each frame has a crop around the visitor. Before it
    comes a glance at the whole frame when that is due, or a crop around a newcomer who could take over. A visitor whom
    a crop has lost is looked for in the whole frame and in crops in turn, and so are candidates without a visitor.
    """
    if previous is None:
        return [Look(shot.time)]
    whole = replace(previous, whole_at=shot.time, number=None, size=None, is_candidate_due=True)
    visitor, candidate = (_find(state, number) for number in (state.visitor_number, state.candidate_number))
    if visitor is None or visitor.missed_seconds > 0:
        track = visitor or candidate
        return [whole if track is None or not previous.is_whole else _close_look(previous, track, state, shot)]
    if _is_whole_due(previous, visitor, shot.time):
        glance = replace(whole, size=_glance_size(shot))
        return [glance, _close_look(glance, visitor, state, shot)]
    close = _close_look(replace(previous, is_candidate_due=False), visitor, state, shot)
    if candidate is None or not previous.is_candidate_due:
        return [close]
    return [_close_look(previous, candidate, state, shot), close]


def _find(state: FollowState, number: int | None) -> Track | None:
    return next((track for track in state.tracks if track.number == number), None)


def _is_whole_due(previous: Look, visitor: Track, now: float) -> bool:
    interval = WHOLE_EVERY if visitor.before_crowd is None else CROWD_WHOLE_EVERY
    return not 0 <= now - previous.whole_at < interval


def _glance_size(shot: Shot) -> tuple[int, int]:
    """Return the (height, width) of the model's input for a glance: the frame's shape, with fewer pixels."""
    width, height = shot.frame
    factor = GLANCE_SCALE * min(shot.crop_size) / math.sqrt(width * height)
    return max(round(height * factor), MIN_MODEL_SIDE), max(round(width * factor), MIN_MODEL_SIDE)


def _close_look(previous: Look, track: Track, state: FollowState, shot: Shot) -> Look:
    """Return a look at a crop around a track."""
    before = previous.crop if previous.cropped == track.number else None
    ahead = 0.0 if state.time is None else shot.time - state.time
    crop = _place_crop(track, before, ahead, shot)
    scale = min(shot.crop_size[0] / crop.height, shot.crop_size[1] / crop.width)
    size = max(round(crop.height * scale), MIN_MODEL_SIDE), max(round(crop.width * scale), MIN_MODEL_SIDE)
    return replace(previous, number=track.number, crop=crop, cropped=track.number, size=size)


def _place_crop(track: Track, before: Box | None, ahead: float, shot: Shot) -> Box:
    """Return the box of a crop around a person `ahead` seconds later; `before`, if that still suits."""
    left, top, right, bottom = _bounds(track, min(max(ahead, 0.0), MAX_AHEAD))
    aspect = shot.crop_size[1] / shot.crop_size[0]
    needed = max(bottom - top, (right - left) / aspect, 1.0) * (1 + GROWTH_WHILE_LOST * track.missed_seconds)
    middle = (left + right) / 2, (top + bottom) / 2
    smallest = _place(middle, MIN_MARGIN * needed, aspect, shot.frame)
    if before is not None and _contains(before, smallest):
        largest = _place(middle, MAX_MARGIN * needed, aspect, shot.frame)
        if before.width <= largest.width and before.height <= largest.height:
            return before
    return _place(middle, MARGIN * needed, aspect, shot.frame)


def _bounds(track: Track, ahead: float) -> tuple[float, float, float, float]:
    """Return left, top, right, bottom of a person's key points, now and where they will be `ahead` seconds later."""
    seen = track.pose.scores > CROP_SCORE
    if not seen.any():
        seen = np.ones(17, np.bool_)
    now = track.pose.xy[seen]
    points = np.concatenate([now, now + track.velocity[seen] * np.float32(ahead)])
    (left, top), (right, bottom) = points.min(0).tolist(), points.max(0).tolist()
    return left, top, right, bottom


def _place(middle: tuple[float, float], height: float, aspect: float, frame: tuple[int, int]) -> Box:
    """Return a box around `middle`, moved into the frame, and cut where it is larger than that."""
    wide, high = (min(round(side), limit) for side, limit in zip((height * aspect, height), frame, strict=True))
    wide, high = max(wide, 1), max(high, 1)
    left = min(max(round(middle[0] - wide / 2), 0), frame[0] - wide)
    top = min(max(round(middle[1] - high / 2), 0), frame[1] - high)
    return Box(left, top, left + wide, top + high)


def _contains(outer: Box, inner: Box) -> bool:
    return (
        outer.left <= inner.left
        and outer.top <= inner.top
        and inner.right <= outer.right
        and inner.bottom <= outer.bottom
    )
