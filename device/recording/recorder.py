"""The phases of a recording: idle, countdown, recording, saving; then idle again, while the GIF is replayed.

A GIF that is shared is replayed with its code while it is being saved, too.

The time is always an argument, so this module needs no clock. A `RecordingWriter` encodes and writes the GIF.
"""

from __future__ import annotations

import math
from typing import Final, Literal, Protocol, assert_never

from device.display.views import ShownPage
from device.language.message import Message, message
from device.language.translate import Language
from device.recording.replay import CODE_SECONDS, REPLAY_SECONDS, TWO_CODES_SECONDS, Replay
from device.recording.saving import Outcome
from device.recording.stills import Recording, RecordingBuilder, Snapshot, Words
from models.pose import Image

Phase = Literal["idle", "countdown", "recording", "saving"]

STILLS_PER_SECOND: Final = 12.0
"""Stills per second: more would make the GIF larger."""

MAX_STILLS: Final = 180
"""Stills of a recording at most: each may bring a photo, and all are in memory. A long recording has fewer a second."""

WAIT_SECONDS: Final = 2.0
FAILED_SECONDS: Final = 6.0
"""Seconds for which a notice is shown: a word to wait, and why there is no GIF."""

MAKING: Final = message("Making your GIF …")
READY: Final = message("Your GIF is ready")
FAILED: Final = message("The GIF could not be saved")
NOBODY: Final = message("Nobody was there, so there is no GIF")
WAIT: Final = message("One moment, please")
WITH_CAMERA: Final = message("Your picture will be in the GIF")
AS_FIGURE: Final = message("You will be a drawn figure")


class RecordingWriter(Protocol):
    """Makes a GIF of a recording in the background: `device.recording.saving.GifWriter`, or a stand-in in a test."""

    def start(self, recording: Recording) -> None:
        """Start making a GIF, and return at once."""

    def poll_page(self) -> ShownPage | None:
        """Return the page of the GIF under way, in the first call after it is there; None in every other call."""

    def poll_outcome(self) -> Outcome | None:
        """Return how the GIF ended, in the first call after its end; None in every other call."""


class Recorder:
    """Counts down after a press, collects what `update` receives, has the writer make a GIF of it, and replays that.

    `countdown` and `seconds` are how long the countdown and the recording take. `pixels` is the GIF's longer side at
    most. With `include_camera` the GIF shows the camera's picture instead of a drawn figure. `text` is the event's.
    `now` is in seconds of any steady clock.
    """

    def __init__(
        self,
        writer: RecordingWriter,
        *,
        countdown: int = 3,
        seconds: float = 5.0,
        pixels: int = 640,
        include_camera: bool = False,
        text: str = "",
    ) -> None:
        self._writer = writer
        self._countdown, self._seconds = countdown, seconds
        self._pixels, self._include_camera = pixels, include_camera
        self._words = Words(text=text)
        self._interval = max(1 / STILLS_PER_SECOND, seconds / MAX_STILLS)
        self._phase: Phase = "idle"
        self._since = self._now = -math.inf
        self._builder = self._new_builder()
        self._slot = 0  # the next interval that needs a still
        self._recording: Recording | None = None
        self._replay: Replay | None = None
        self._page: ShownPage | None = None
        self._notice: tuple[Message | None, float] = None, -math.inf  # and the time until which it is shown
        self._failure = ""
        self.presses_total = self.gifs_total = 0
        """How many presses there were, and how many GIFs were saved, since the mirror started."""

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
    def portrayal(self) -> Message:
        """How the GIF will show the visitor, to be read during the countdown."""
        return WITH_CAMERA if self._include_camera else AS_FIGURE

    @property
    def recording_progress(self) -> float | None:
        """The share that is recorded, 0 to 1; None in every other phase."""
        if self._phase != "recording":
            return None
        return min((self._now - self._since) / self._seconds, 1.0)

    @property
    def notice(self) -> Message | None:
        """What to say to the visitor now."""
        notice, until = self._notice
        if self._now < until:
            return notice
        return MAKING if self._phase == "saving" else None

    @property
    def failed(self) -> bool:
        """Whether `notice` is about a GIF that could not be made."""
        return self._now < self._notice[1] and self._notice[0] in (FAILED, NOBODY)

    @property
    def failure(self) -> str:
        """Why the last GIF could not be saved or shared, for makers; empty if it was."""
        return self._failure

    @property
    def replay(self) -> Image | None:
        """The frame (H×W×3) of the GIF to show now; the same object for as long as it is the same frame."""
        return None if self._replay is None else self._replay.frame(self._now)

    @property
    def page(self) -> ShownPage | None:
        """Where a phone finds the GIF that is replayed; None if it is not shared."""
        return self._page

    def press(self, now: float, language: Language | None = None) -> None:
        """Handle a press: start the countdown, or ask to wait. The GIF will be in the visitor's language.

        A press ends the replay of a finished GIF. While it is being made nothing can start, so its visitor keeps the
        code, which nobody could show again.
        """
        self._now = now
        self.presses_total += 1
        match self._phase:
            case "idle":
                spoken = language or Language()
                self._words = self._words._replace(language=spoken.code, rtl=spoken.direction == "rtl")
                self._notice = None, -math.inf
                self._end_replay()
                self._enter("countdown", now)
            case "countdown" | "recording" | "saving":
                self._notice = WAIT, now + WAIT_SECONDS
            case phase:
                assert_never(phase)

    def update(self, snapshot: Snapshot | None, now: float) -> None:
        """Receive what the screen shows now; None unless there is a visitor with an answer.

        Call it once a frame in every phase.
        """
        self._now = now
        if self._phase == "countdown" and now - self._since >= self._countdown:
            self._builder, self._slot = self._new_builder(), 0
            self._enter("recording", now)
        if self._phase == "recording":
            self._record(snapshot, now - self._since)
            if now - self._since >= self._seconds:
                self._finish(now)
        if self._phase == "saving":
            if self._recording is not None and (page := self._writer.poll_page()) is not None:
                self._page, self._replay = page, Replay(self._recording, None, now)
            if (outcome := self._writer.poll_outcome()) is not None:
                self._conclude(outcome, now)
        elif now >= self._notice[1]:
            self._end_replay()

    def _record(self, snapshot: Snapshot | None, at: float) -> None:
        """Add a still at the time `at`, unless this interval has one already."""
        slot = math.floor(at / self._interval + 1e-6)  # a rounding error of the clock must not add a second still
        if snapshot is not None and slot >= self._slot and at < self._seconds:
            self._builder.add(snapshot, at, self._include_camera)
            self._slot = slot + 1

    def _finish(self, now: float) -> None:
        builder, self._builder = self._builder, self._new_builder()
        if builder.is_empty:
            self._notice = NOBODY, now + FAILED_SECONDS
            self._enter("idle", now)
            return
        self._enter("saving", now)
        self._recording = builder.build(self._seconds, self._words)
        self._writer.start(self._recording)

    def _conclude(self, outcome: Outcome, now: float) -> None:
        """Show how the GIF ended: the GIF itself, or that there is none."""
        recording, self._recording = self._recording, None
        self._failure = outcome.failure
        self.gifs_total += outcome.path is not None
        if recording is not None and outcome.titles is not None:
            draft = self._replay
            self._replay = draft.finished(outcome.titles, now) if draft else Replay(recording, outcome.titles, now)
            self._notice = READY, now + self._replay_seconds()
        else:
            self._end_replay()
            self._notice = FAILED, now + FAILED_SECONDS
        self._enter("idle", now)

    def _replay_seconds(self) -> float:
        if self._page is None:
            return REPLAY_SECONDS
        return CODE_SECONDS if self._page.wifi_code is None else TWO_CODES_SECONDS

    def _end_replay(self) -> None:
        self._replay = self._page = None  # which frees the recording's memory

    def _new_builder(self) -> RecordingBuilder:
        return RecordingBuilder(math.ceil(self._seconds / self._interval), self._pixels)

    def _enter(self, phase: Phase, now: float) -> None:
        self._phase, self._since = phase, now
