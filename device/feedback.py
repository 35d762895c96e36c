"""What a press does besides a GIF: the button's state, which its light and its drawing show, and sounds."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager

from device.glow import ButtonPhase, ButtonState, glow
from device.gpio import GpioError
from device.lamp import Lamp
from device.recording.recorder import Recorder
from device.sounds import Sounds

log = logging.getLogger(__name__)


class Feedback:
    """Lets the button's light and the sounds follow a recorder."""

    def __init__(self, lamp: Lamp, sounds: Sounds) -> None:
        self._lamp, self._sounds = lamp, sounds
        self._numeral: int | None = None
        self._celebrated_at = -math.inf
        self.state = ButtonState()

    def update(self, recorder: Recorder, held: bool, now: float) -> None:
        """Follow the recorder to the time `now`. `held` tells whether a press is under way. Call it once a frame."""
        before, self.state = self.state, self.state.enter(_phase(recorder, held), now)
        if recorder.countdown not in (self._numeral, None):
            self._sounds.play("tick")
        self._numeral = recorder.countdown
        if before.phase != self.state.phase == "recording":
            self._sounds.play("start")
        if before.phase == "saving" and recorder.phase == "idle" and not recorder.failed:
            self._sounds.play("saved")
        self._lamp.update(glow(self.state, now), now)

    def celebrate(self, began_at: float) -> None:
        """Play what a very good fit sounds like, if this celebration is a new one."""
        if began_at > self._celebrated_at:
            self._celebrated_at = began_at
            self._sounds.play("delight")


@contextmanager
def open_feedback(led: int, volume: float) -> Iterator[Feedback]:
    """Open the light on a pin (BCM number; 0: none) and the sounds, at a volume from 0 to 1.

    What cannot be used is logged, and the mirror does without it.
    """
    try:
        lamp = Lamp(led)
    except GpioError as error:
        log.info("No light: %s.", error)
        lamp = Lamp(0)
    with lamp, Sounds(volume) as sounds:
        yield Feedback(lamp, sounds)


def _phase(recorder: Recorder, held: bool) -> ButtonPhase:
    if recorder.phase != "idle":
        return recorder.phase
    return "held" if held else "failed" if recorder.failed else "idle"
