"""What a recording keeps: snapshots of the screen become stills, and each photo is kept once.

Nobody knows before the end which part of the canvas everybody was in. So photos are kept whole, and cut at the end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import cv2
import numpy as np

from device.display.layout import Size
from device.recording.gif_layout import GifLayout, arrange, choose_crops
from device.recording.smoothing import smooth
from models.pose import Image, Pose

MAX_GAP_SECONDS: Final = 0.5
"""Maximum seconds between two stills of the GIF: where nothing was recorded, it should not stand still for long."""

MAX_PHOTO_PIXELS: Final = 45e6
MAX_CAMERA_PIXELS: Final = 20e6
"""Pixels of all photos and of all camera pictures that a recording keeps if every still brings a new one: 135 and
60 MB. A recording of five seconds keeps photos of a full HD display at 960×540 then."""


class Snapshot(NamedTuple):
    """What the screen shows at one moment, in pixels of the canvas.

    `photo` (H×W×3) is the answer laid on the canvas, the same object for as long as it is the same photo. `person` is
    the pose of the person in it, `credit` its credit. `visitor` is the visitor's pose, and `camera_image` the mirrored
    camera picture, which covers the canvas as `device.display.layout.cover` says. `display` is the whole screen's size.
    """

    photo: Image
    person: Pose
    credit: str
    visitor: Pose
    camera_image: Image
    display: Size


class Words(NamedTuple):
    """What a GIF says, and how: the visitor's language, whether it is read from right to left, and the event's text."""

    language: str = "en"
    rtl: bool = False
    text: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Still:
    """One moment of a recording.

    `photo_index` is the photo's index in the recording, `visitor` the visitor's pose in pixels of the canvas.
    `camera_image` (H×W×3) is the mirrored camera picture, or None. `at` is in seconds since the recording started.
    """

    photo_index: int
    visitor: Pose
    camera_image: Image | None
    at: float


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """What becomes a GIF.

    `photos` (H×W×3, all of one size) have the canvas's shape, but may be smaller. `credits` are theirs, each once.
    `layout` says which part of the canvas is shown, and where. `seconds` is how long the stills last together.
    """

    photos: tuple[Image, ...]
    credits: tuple[str, ...]
    stills: tuple[Still, ...]
    seconds: float
    layout: GifLayout
    words: Words


class RecordingBuilder:
    """Collects snapshots, `count` at most. The GIF's longer side will be `pixels` at most."""

    def __init__(self, count: int, pixels: int) -> None:
        self._count, self._pixels = count, pixels
        self._newest: Image | None = None
        self._photos: list[Image] = []
        self._persons: list[Pose] = []
        self._credits: list[str] = []
        self._stills: list[Still] = []
        self._camera: Size = 1, 1  # the size of its picture
        self._landscape = True  # whether the display is wider than high
        self._last_at = self._time = 0.0  # of the last still: in the recording, and in the GIF

    @property
    def is_empty(self) -> bool:
        """Whether nothing was recorded."""
        return not self._stills

    def add(self, snapshot: Snapshot, at: float, with_camera: bool) -> None:
        """Add a still at `at` seconds. Ignore it if the window was resized meanwhile: a GIF has a single size."""
        photo = snapshot.photo
        if self._newest is not None and photo.shape != self._newest.shape:
            return
        if photo is not self._newest:
            self._newest = photo
            self._landscape = snapshot.display[0] >= snapshot.display[1]
            self._camera = snapshot.camera_image.shape[1], snapshot.camera_image.shape[0]
            self._photos.append(_shrink(photo, MAX_PHOTO_PIXELS / self._count))
            self._persons.append(snapshot.person)
            self._credits.append(snapshot.credit)
        camera_image = _shrink(snapshot.camera_image, MAX_CAMERA_PIXELS / self._count) if with_camera else None
        self._time += min(at - self._last_at, MAX_GAP_SECONDS) if self._stills else 0.0
        self._last_at = at
        self._stills.append(Still(len(self._photos) - 1, snapshot.visitor, camera_image, self._time))

    def build(self, end: float, words: Words) -> Recording:
        """Return the recording, whose last still is shown until `end` seconds. There must be a still."""
        assert self._newest is not None
        canvas = self._newest.shape[1], self._newest.shape[0]
        visitors = smooth([still.visitor for still in self._stills], [still.at for still in self._stills])
        persons = [self._persons[still.photo_index] for still in self._stills]
        crops = choose_crops(visitors, persons, canvas, self._camera, landscape=self._landscape)
        return Recording(
            tuple(self._photos),
            tuple(dict.fromkeys(filter(None, self._credits))),
            tuple(replace(still, visitor=visitor) for still, visitor in zip(self._stills, visitors, strict=True)),
            self._time + min(end - self._last_at, MAX_GAP_SECONDS),
            arrange(
                canvas,
                crops,
                self._pixels,
                landscape=self._landscape,
                rtl=words.rtl,
                with_footer=bool(words.text),
            ),
            words,
        )


def _shrink(picture: Image, pixels: float) -> Image:
    """Return a copy of a picture with at most so many pixels: the screen's memory is reused for the next frame.

    Sides are divided by a whole number, which takes a fortieth of the time of other ratios.
    """
    height, width = picture.shape[:2]
    factor = math.ceil((width * height / pixels) ** 0.5)
    if factor <= 1:
        return picture.copy()
    size: Size = max(width // factor, 1), max(height // factor, 1)
    whole = picture[: size[1] * factor, : size[0] * factor]
    return cv2.resize(whole, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
