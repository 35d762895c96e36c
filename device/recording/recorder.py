"""The phases of a recording: idle, countdown, recording, saving; then idle again, with a notice of how it went.

The time is always an argument, so this module needs no clock. A `RecordingWriter` encodes and writes the GIF.
"""

from __future__ import annotations

import math
from typing import Final, Literal, Protocol, assert_never

import cv2
import numpy as np

from device.recording.gif import Recording, Still, inset_size
from device.recording.saving import Outcome
from models.pose import Image, Pose

Phase = Literal["idle", "countdown", "recording", "saving"]

STILLS_PER_SECOND: Final = 12.0
"""Stills per second: more would make the GIF larger."""

MAX_STILLS: Final = 180
"""Stills of a recording at most: each may bring a photo, and all are in memory. A long recording has fewer a second."""

MAX_GAP_SECONDS: Final = 0.5
"""Maximum seconds between two stills of the GIF: where nothing was recorded, it should not stand still for long."""

WAIT_NOTICE_SECONDS: Final = 2.0
SAVED_NOTICE_SECONDS: Final = 5.0
FAILED_NOTICE_SECONDS: Final = 10.0
"""Seconds for which each kind of notice is shown. A failure needs the longest reading."""

NOBODY_NOTICE: Final = "Nobody was in front of the mirror, so there is no GIF: step in front of it and press again."


class RecordingWriter(Protocol):
    """Makes a GIF of a recording in the background: `device.recording.saving.GifWriter`, or a stand-in in a test."""

    def start(self, recording: Recording) -> None:
        """Start making a GIF, and return at once."""

    def poll_outcome(self) -> Outcome | None:
        """Return how the GIF ended, in the first call after its end; None in every other call."""


class Recorder:
    """Counts down after a press, collects what `update` receives, and has the writer make a GIF of it.

    `countdown` and `seconds` are how long the countdown and the recording take. `pixels` is the GIF's longer side at
    most. `include_camera` adds the visitor's own picture. `now` is in seconds of any steady clock.
    """

    def __init__(
        self,
        writer: RecordingWriter,
        *,
        countdown: int = 3,
        seconds: float = 5.0,
        pixels: int = 640,
        include_camera: bool = False,
    ) -> None:
        self._writer = writer
        self._countdown, self._seconds = countdown, seconds
        self._pixels, self._include_camera = pixels, include_camera
        self._interval = max(1 / STILLS_PER_SECOND, seconds / MAX_STILLS)
        self._phase: Phase = "idle"
        self._since = self._now = -math.inf
        self._builder = RecordingBuilder(pixels)
        self._slot = 0  # the next interval that needs a still
        self._notice: tuple[str, float] = "", -math.inf  # the sentence, and the time until which it is shown
        self._failed = False

    @property
    def phase(self) -> Phase:
        """What the recorder is doing."""
        return self._phase

    @property
    def countdown(self) -> int | None:
        """The numeral to show before the recording starts; None in every other phase."""
        if self._phase != "countdown":
            return None
        return max(math.ceil(self._countdown - (self._now - self._since)), 1)

    @property
    def recording_progress(self) -> float | None:
        """The share that is recorded, 0 to 1; None in every other phase."""
        if self._phase != "recording":
            return None
        return min((self._now - self._since) / self._seconds, 1.0)

    @property
    def notice(self) -> str | None:
        """The sentence to show to the visitor now."""
        sentence, until = self._notice
        if self._now < until:
            return sentence
        return "Making your GIF …" if self._phase == "saving" else None

    @property
    def failed(self) -> bool:
        """Whether `notice` is about a GIF that could not be made."""
        return self._failed and self._now < self._notice[1]

    def press(self, now: float) -> None:
        """Handle a press: start the countdown, or show a notice to wait."""
        self._now, self._failed = now, False
        match self._phase:
            case "idle":
                self._notice = "", -math.inf
                self._enter("countdown", now)
            case "countdown":
                self._notice = "Please wait: the recording is about to start.", now + WAIT_NOTICE_SECONDS
            case "recording":
                self._notice = "Please wait: you are being recorded.", now + WAIT_NOTICE_SECONDS
            case "saving":
                self._notice = "Please wait: your GIF is still being made.", now + WAIT_NOTICE_SECONDS
            case phase:
                assert_never(phase)

    def update(self, photo: Image | None, visitor: Pose | None, camera_image: Image | None, now: float) -> None:
        """Receive what the screen shows now. Call it once a frame in every phase.

        `photo` (H×W×3) fills the canvas, and is the same object for as long as it is the same photo. `visitor` is the
        pose in its pixels, `camera_image` the mirrored camera picture. Each is None while there is none.
        """
        self._now = now
        if self._phase == "countdown" and now - self._since >= self._countdown:
            self._builder, self._slot = RecordingBuilder(self._pixels), 0
            self._enter("recording", now)
        if self._phase == "recording":
            self._record(photo, visitor, camera_image if self._include_camera else None, now - self._since)
            if now - self._since >= self._seconds:
                self._finish(now)
        if self._phase == "saving" and (outcome := self._writer.poll_outcome()) is not None:
            self._failed = outcome.path is None
            self._notice = outcome.sentence, now + (FAILED_NOTICE_SECONDS if self._failed else SAVED_NOTICE_SECONDS)
            self._enter("idle", now)

    def _record(self, photo: Image | None, visitor: Pose | None, camera_image: Image | None, at: float) -> None:
        """Add a still at the time `at`, unless this interval has one already."""
        slot = math.floor(at / self._interval + 1e-6)  # a rounding error of the clock must not add a second still
        if photo is not None and slot >= self._slot and at < self._seconds:
            self._builder.add(photo, visitor, camera_image, at)
            self._slot = slot + 1

    def _finish(self, now: float) -> None:
        builder, self._builder = self._builder, RecordingBuilder(self._pixels)
        if builder.has_visitor:
            self._enter("saving", now)
            self._writer.start(builder.build(self._seconds))
        else:
            self._notice = NOBODY_NOTICE, now + FAILED_NOTICE_SECONDS
            self._enter("idle", now)

    def _enter(self, phase: Phase, now: float) -> None:
        self._phase, self._since = phase, now


class RecordingBuilder:
    """Collects stills and the photos that they show, each photo once, its longer side `pixels` at most."""

    def __init__(self, pixels: int) -> None:
        self._pixels = pixels
        self._newest: Image | None = None
        self._photos: list[Image] = []
        self._stills: list[Still] = []
        self._last_at = self._time = 0.0  # of the last still: in the recording, and in the GIF

    @property
    def has_visitor(self) -> bool:
        """Whether any still shows a visitor."""
        return any(still.visitor is not None for still in self._stills)

    def add(self, photo: Image, visitor: Pose | None, camera_image: Image | None, at: float) -> None:
        """Add a still at `at` seconds. Ignore it if the window was resized meanwhile: a GIF has a single size."""
        if self._newest is not None and photo.shape != self._newest.shape:
            return
        if photo is not self._newest:
            self._newest = photo
            self._photos.append(_shrink(photo, _fit_size(photo, self._pixels)))
        small = self._photos[-1]
        canvas = small.shape[1], small.shape[0]
        pose = visitor and visitor.scaled(canvas[0] / photo.shape[1], canvas[1] / photo.shape[0])
        self._time += min(at - self._last_at, MAX_GAP_SECONDS) if self._stills else 0.0
        self._last_at = at
        inset = (
            None
            if camera_image is None
            else _shrink(camera_image, inset_size((camera_image.shape[1], camera_image.shape[0]), canvas))
        )
        self._stills.append(Still(len(self._photos) - 1, pose, inset, self._time))

    def build(self, end: float) -> Recording:
        """Return the recording, whose last still is shown until `end` seconds."""
        seconds = self._time + min(end - self._last_at, MAX_GAP_SECONDS)
        return Recording(tuple(self._photos), tuple(self._stills), seconds)


def _fit_size(photo: Image, pixels: int) -> tuple[int, int]:
    """Return a photo's (width, height) with a longer side of at most `pixels`."""
    height, width = photo.shape[:2]
    scale = min(pixels / max(height, width), 1.0)
    return max(round(width * scale), 1), max(round(height * scale), 1)


def _shrink(picture: Image, size: tuple[int, int]) -> Image:
    """Return a copy of a picture at `size` (width, height): the screen's memory is reused for the next frame."""
    if size == (picture.shape[1], picture.shape[0]):
        return picture.copy()
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
