"""From the press of the button to a GIF: what happens when. Pure over time; the encoding is somebody else's."""

from __future__ import annotations

from typing import Literal, Protocol

from device.gif import Recording
from device.saving import Outcome
from models.pose import Image, Pose

Phase = Literal["idle", "countdown", "recording", "saving"]


class Writer(Protocol):
    """Who makes a GIF of a recording, meanwhile; `device.saving.GifWriter`, or a test's."""

    def start(self, recording: Recording) -> None:
        """Begin; returns at once."""

    def outcome(self) -> Outcome | None:
        """How it ended, told once; None before."""


class Recorder:
    """The button's press, in seconds of any steady clock: counts down, records what `see` is shown, has it written."""

    def __init__(
        self, writer: Writer, *, countdown: int = 3, seconds: float = 5.0, pixels: int = 640, camera: bool = False
    ) -> None: ...

    def press(self, now: float) -> None:
        """Begin, or say 'Wait: …' while one is under way."""

    def see(self, photo: Image | None, visitor: Pose | None, camera: Image | None, now: float) -> None:
        """Call once a frame. `photo` is what fills the canvas (the same object while it is the same photo), `visitor`
        in its pixels; `camera` the mirrored camera picture, kept only when the recorder was made with `camera`."""

    @property
    def phase(self) -> Phase: ...

    @property
    def countdown(self) -> int | None:
        """The numeral to show."""

    @property
    def recording(self) -> float | None:
        """The share of the recording done, 0 to 1."""

    @property
    def notice(self) -> str | None:
        """A sentence to show for now."""
