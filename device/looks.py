"""Which part of a frame the estimator looks at: all of it, or a crop around the visitors. All functions are pure.

A person is read better in a crop, which also has fewer pixels. So the mirror looks at the whole frame only as often as
newcomers must be noticed. Several visitors share one crop, so that each of them is read in every frame, in the time of
one. docs/explanation/following-and-choosing.md has the measurements.
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

MARGINS: Final = 1.3, 1.5, 1.75
"""Side of a crop, as multiples of the longer side of the box around the person's key points: the second at first. The
crop stays where it was while it is within the first and the third, because an estimate trembles less if the picture
does not move under it."""

GROUP_MARGINS: Final = 1.15, 1.3, 1.5
"""The same for each of several people who share a crop. With less room they are larger in it."""

MOST_OF_FRAME: Final = 0.9
"""The share of a frame that a crop must cover, to count as a look at the whole frame."""

MAX_AHEAD: Final = 0.2
"""Seconds for which a crop allows for motion at most."""

GROWTH_WHILE_LOST: Final = 1.0
"""Growth of a crop, as a share of its side, for each second since the person was last found."""

MIN_MODEL_SIDE, MAX_MODEL_SIDE = 65, 2049
"""Pixels; the shortest and the longest side of a model's input."""


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
    - `numbers`: the tracks that a crop is around, ascending; none for the whole frame.
    - `crop`: the box of this crop; for the whole frame, that of the crop before it, of the tracks `cropped`.
    - `size`: the (height, width) of the model's input; None for the estimator's own choice.
    - `is_candidate_due`: whether no candidate has been looked at since the newest look at a whole frame.
    """

    whole_at: float
    numbers: tuple[int, ...] = ()
    crop: Box | None = None
    cropped: tuple[int, ...] = ()
    size: tuple[int, int] | None = None
    is_candidate_due: bool = True

    @property
    def is_whole(self) -> bool:
        return not self.numbers

    @property
    def number(self) -> int | None:
        """The track that a crop is around; None for the whole frame, and for several tracks."""
        return self.numbers[0] if len(self.numbers) == 1 else None

    @property
    def is_glance(self) -> bool:
        """Whether this is a quick look at the whole frame, for other people, before a crop around the visitor."""
        return self.is_whole and self.size is not None

    def picture(self, frame: Frame) -> Image:
        """Return what the estimator is to see. A crop is cut out of the frame's larger picture."""
        if self.is_whole or self.crop is None:
            return frame.small
        return frame.image[self.crop.top : self.crop.bottom, self.crop.left : self.crop.right]

    def to_frame(self, poses: Sequence[Pose], frame: Frame) -> list[Pose]:
        """Return the poses found in the picture in pixels of `frame.image`."""
        if self.is_whole or self.crop is None:
            x = frame.image.shape[1] / frame.small.shape[1]
            y = frame.image.shape[0] / frame.small.shape[0]
            return [pose.scaled(x, y) for pose in poses]
        corner = np.array([self.crop.left, self.crop.top], np.float32)
        return [Pose(pose.xy + corner, pose.scores, pose.score) for pose in poses]

    def shows(self, track: Track) -> bool:
        """Return whether the whole person is in the picture: a person at its edge is read wrongly."""
        if self.is_whole or self.crop is None or track.number in self.numbers:
            return True
        left, top, right, bottom = _box(track.pose)
        return (
            self.crop.left < left
            and self.crop.top < top
            and right < self.crop.right - 1
            and bottom < self.crop.bottom - 1
        )

    def shows_newcomer(self, person: Pose, frame: tuple[int, int]) -> bool:
        """Return whether a person found in a frame of this (width, height) may be somebody new.

        At a crop's edge it may be part of somebody known, and so it may be in a crop around one person.
        """
        if self.is_whole or self.crop is None:
            return True
        left, top, right, bottom = _box(person)
        return (
            len(self.numbers) > 1
            and (self.crop.left < left or self.crop.left == 0)
            and (self.crop.top < top or self.crop.top == 0)
            and (right < self.crop.right - 1 or self.crop.right == frame[0])
            and (bottom < self.crop.bottom - 1 or self.crop.bottom == frame[1])
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

    `previous` is the look before, and `state` the one after it. Each frame has a crop around the visitors. Before it
    comes a glance at the whole frame when that is due, or a crop around a newcomer who could be a visitor. When a crop
    has lost all visitors, they are looked for in the whole frame and in crops in turn, and so are candidates without a
    visitor.
    """
    if previous is None:
        return [Look(shot.time)]
    whole = replace(previous, whole_at=shot.time, numbers=(), size=None, is_candidate_due=True)
    visitors = [track for track in state.tracks if track.number in state.visitor_numbers]
    candidates = [track for track in state.tracks if track.number == state.candidate_number]
    if all(track.missed_seconds > 0 for track in visitors):
        tracks = visitors or candidates
        return [_close_look(previous, tracks, state, shot) if tracks and previous.is_whole else whole]
    if _is_whole_due(previous, visitors, shot.time):
        glance = replace(whole, size=_glance_size(shot))
        close = _close_look(glance, visitors, state, shot)
        return [close] if _covers(close, shot) else [glance, close]
    close = _close_look(replace(previous, is_candidate_due=False), visitors, state, shot)
    if not candidates or not previous.is_candidate_due:
        return [close]
    return [_close_look(previous, candidates, state, shot), close]


def _is_whole_due(previous: Look, visitors: Sequence[Track], now: float) -> bool:
    # others near several visitors are in their crop
    in_crowd = len(visitors) == 1 and visitors[0].before_crowd is not None
    return not 0 <= now - previous.whole_at < (CROWD_WHOLE_EVERY if in_crowd else WHOLE_EVERY)


def _covers(look: Look, shot: Shot) -> bool:
    """Return whether a crop around several people shows nearly the whole frame."""
    if look.crop is None or len(look.numbers) < 2:
        return False
    return look.crop.width * look.crop.height >= MOST_OF_FRAME * shot.frame[0] * shot.frame[1]


def _glance_size(shot: Shot) -> tuple[int, int]:
    """Return the (height, width) of the model's input for a glance: the frame's shape, with fewer pixels."""
    width, height = shot.frame
    factor = GLANCE_SCALE * min(shot.crop_size) / math.sqrt(width * height)
    return _model_size(width * factor, height * factor)


def _close_look(previous: Look, tracks: Sequence[Track], state: FollowState, shot: Shot) -> Look:
    """Return a look at a crop around one track, or several."""
    numbers = tuple(sorted(track.number for track in tracks))
    before = previous.crop if previous.cropped == numbers else None
    ahead = 0.0 if state.time is None else min(max(shot.time - state.time, 0.0), MAX_AHEAD)
    crop = _place_crop(tracks, before, ahead, shot)
    if len(tracks) == 1:
        scale = min(shot.crop_size[0] / crop.height, shot.crop_size[1] / crop.width)
    else:  # as many pixels as for one person: more read several people hardly better, and take longer
        scale = math.sqrt(shot.crop_size[0] * shot.crop_size[1] / (crop.width * crop.height))
    size = _model_size(crop.width * scale, crop.height * scale)
    return replace(previous, numbers=numbers, crop=crop, cropped=numbers, size=size)


def _model_size(width: float, height: float) -> tuple[int, int]:
    """Return the (height, width) that a model can have next to these: a broken camera may send frames of one line."""
    tall, wide = (min(max(round(side), MIN_MODEL_SIDE), MAX_MODEL_SIDE) for side in (height, width))
    return tall, wide


def _place_crop(tracks: Sequence[Track], before: Box | None, ahead: float, shot: Shot) -> Box:
    """Return the box of a crop around people `ahead` seconds later; `before`, if that still suits."""
    margins = MARGINS if len(tracks) == 1 else GROUP_MARGINS
    smallest, usual, largest = (
        _join([_place_around(track, margin, ahead, shot) for track in tracks]) for margin in margins
    )
    if (
        before is not None
        and _contains(before, smallest)
        and before.width <= largest.width
        and before.height <= largest.height
    ):
        return before
    return usual


def _place_around(track: Track, margin: float, ahead: float, shot: Shot) -> Box:
    """Return the box around a person `ahead` seconds later, `margin` times as large as needed."""
    left, top, right, bottom = _bounds(track, ahead)
    aspect = shot.crop_size[1] / shot.crop_size[0]
    needed = max(bottom - top, (right - left) / aspect, 1.0) * (1 + GROWTH_WHILE_LOST * track.missed_seconds)
    return _place(((left + right) / 2, (top + bottom) / 2), margin * needed, aspect, shot.frame)


def _box(pose: Pose) -> tuple[float, float, float, float]:
    """Return left, top, right, bottom of a person's key points, as far as they are seen."""
    return pose.box(CROP_SCORE) or pose.box(-1.0) or (0.0, 0.0, 0.0, 0.0)


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


def _join(boxes: Sequence[Box]) -> Box:
    """Return the smallest box that contains all boxes."""
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return Box(min(lefts), min(tops), max(rights), max(bottoms))


def _contains(outer: Box, inner: Box) -> bool:
    return (
        outer.left <= inner.left
        and outer.top <= inner.top
        and inner.right <= outer.right
        and inner.bottom <= outer.bottom
    )
