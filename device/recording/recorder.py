"""From the press of the button to a GIF: what happens when. Pure over time; encoding and writing are somebody else's.

Idle, a countdown, the recording, and its writing; then idle again, with a sentence about how it went.
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
"""Stills a second."""

MAX_STILLS: Final = 180
"""Of a longer recording fewer a second are kept: each may bring a photo, and all are in memory at once."""

MAX_GAP_SECONDS: Final = 0.5
"""Seconds of the GIF that pass at most while there is nothing to record."""

WAIT_NOTICE_SECONDS: Final = 2.0
SAVED_NOTICE_SECONDS: Final = 5.0
FAILED_NOTICE_SECONDS: Final = 10.0
"""Seconds for which each kind of sentence is shown."""

NOBODY_NOTICE: Final = "Nobody was in the mirror, so there is no GIF: stand in front of it and press again."


class RecordingWriter(Protocol):
    """What makes a GIF of a recording, meanwhile; `device.recording.saving.GifWriter` in the kiosk."""

    def start(self, recording: Recording) -> None:
        """Begin; returns at once."""

    def poll_outcome(self) -> Outcome | None:
        """How it ended, told once; None before."""


class Recorder:
    """Counts down after a press, records what `update` is shown, and has it written. `now` is of any steady clock.

    `countdown` and `seconds` (of recording) say for how long, `pixels` the GIF's longer side at most, and `camera`
    whether the visitor's own picture is recorded.
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
        self._pixels, self._camera = pixels, include_camera
        self._interval = max(1 / STILLS_PER_SECOND, seconds / MAX_STILLS)
        self._phase: Phase = "idle"
        self._since = self._now = -math.inf
        self._film = RecordingBuilder(pixels)
        self._slot = 0
        self._note: tuple[str, float] = "", -math.inf
        self._failed = False

    @property
    def phase(self) -> Phase:
        """What is being done."""
        return self._phase

    @property
    def countdown(self) -> int | None:
        """The numeral to show before the recording begins."""
        if self._phase != "countdown":
            return None
        return max(math.ceil(self._countdown - (self._now - self._since)), 1)

    @property
    def recording_progress(self) -> float | None:
        """The share of the recording done, 0 to 1."""
        if self._phase != "recording":
            return None
        return min((self._now - self._since) / self._seconds, 1.0)

    @property
    def notice(self) -> str | None:
        """A sentence for the visitor, for as long as it is to be shown."""
        sentence, until = self._note
        if self._now < until:
            return sentence
        return "Your GIF is being made …" if self._phase == "saving" else None

    @property
    def failed(self) -> bool:
        """Whether `notice` is of a GIF that could not be made."""
        return self._failed and self._now < self._note[1]

    def press(self, now: float) -> None:
        """The button was pressed: begin, or say to wait."""
        self._now, self._failed = now, False
        match self._phase:
            case "idle":
                self._note = "", -math.inf
                self._enter("countdown", now)
            case "countdown":
                self._note = "Wait: the recording is about to begin.", now + WAIT_NOTICE_SECONDS
            case "recording":
                self._note = "Wait: you are being recorded.", now + WAIT_NOTICE_SECONDS
            case "saving":
                self._note = "Wait: your GIF is still being made.", now + WAIT_NOTICE_SECONDS
            case phase:
                assert_never(phase)

    def update(self, photo: Image | None, visitor: Pose | None, camera_image: Image | None, now: float) -> None:
        """What is on the screen now; to be called once a frame, whatever the phase.

        `photo` (H×W×3) is what fills the canvas, the same object for as long as it is the same photo, `visitor` the
        pose in its pixels, `camera` the mirrored camera picture. None: there is none now.
        """
        self._now = now
        if self._phase == "countdown" and now - self._since >= self._countdown:
            self._film, self._slot = RecordingBuilder(self._pixels), 0
            self._enter("recording", now)
        if self._phase == "recording":
            self._record(photo, visitor, camera_image if self._camera else None, now - self._since)
            if now - self._since >= self._seconds:
                self._finish(now)
        if self._phase == "saving" and (outcome := self._writer.poll_outcome()) is not None:
            self._failed = outcome.path is None
            self._note = outcome.sentence, now + (FAILED_NOTICE_SECONDS if self._failed else SAVED_NOTICE_SECONDS)
            self._enter("idle", now)

    def _record(self, photo: Image | None, visitor: Pose | None, camera: Image | None, at: float) -> None:
        slot = math.floor(at / self._interval + 1e-6)  # a clock's last digit is not to make two stills of one
        if photo is not None and slot >= self._slot and at < self._seconds:
            self._film.add(photo, visitor, camera, at)
            self._slot = slot + 1

    def _finish(self, now: float) -> None:
        film, self._film = self._film, RecordingBuilder(self._pixels)
        if film.has_visitor:
            self._enter("saving", now)
            self._writer.start(film.build(self._seconds))
        else:
            self._note = NOBODY_NOTICE, now + FAILED_NOTICE_SECONDS
            self._enter("idle", now)

    def _enter(self, phase: Phase, now: float) -> None:
        self._phase, self._since = phase, now


class RecordingBuilder:
    """Stills, and each photo that they show once, made small: its longer side `pixels` at most."""

    def __init__(self, pixels: int) -> None:
        self._pixels = pixels
        self._newest: Image | None = None
        self._photos: list[Image] = []
        self._stills: list[Still] = []
        self._last = self._time = 0.0

    @property
    def has_visitor(self) -> bool:
        return any(still.visitor is not None for still in self._stills)

    def add(self, photo: Image, visitor: Pose | None, camera_image: Image | None, at: float) -> None:
        """Another still, `at` seconds; none when the window was given another size meanwhile: a GIF has one."""
        if self._newest is not None and photo.shape != self._newest.shape:
            return
        if photo is not self._newest:
            self._newest = photo
            self._photos.append(_shrink(photo, _fit_size(photo, self._pixels)))
        small = self._photos[-1]
        canvas = small.shape[1], small.shape[0]
        pose = visitor and visitor.scaled(canvas[0] / photo.shape[1], canvas[1] / photo.shape[0])
        self._time += min(at - self._last, MAX_GAP_SECONDS) if self._stills else 0.0
        self._last = at
        own = (
            None
            if camera_image is None
            else _shrink(camera_image, inset_size((camera_image.shape[1], camera_image.shape[0]), canvas))
        )
        self._stills.append(Still(len(self._photos) - 1, pose, own, self._time))

    def build(self, end: float) -> Recording:
        """All of it, where the last still was shown until `end`."""
        seconds = self._time + min(end - self._last, MAX_GAP_SECONDS)
        return Recording(tuple(self._photos), tuple(self._stills), seconds)


def _fit_size(photo: Image, pixels: int) -> tuple[int, int]:
    """A photo's width and height, its longer side made `pixels` where it is more."""
    height, width = photo.shape[:2]
    scale = min(pixels / max(height, width), 1.0)
    return max(round(width * scale), 1), max(round(height * scale), 1)


def _shrink(picture: Image, size: tuple[int, int]) -> Image:
    """A picture of its own, `size` (width, height) large."""
    if size == (picture.shape[1], picture.shape[0]):
        return picture.copy()
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
