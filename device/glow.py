"""How brightly the button glows: the same for the light in the real button and for the button on the display.

All functions are pure. Nothing here grows bright and dark more often than `device.display.style.MAX_FLASHES` allows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

ButtonPhase: TypeAlias = Literal["idle", "held", "countdown", "recording", "saving", "failed"]
"""What the button is used for: the phases of `device.recording.recorder`, and two that are short."""

BREATH_SECONDS: Final = 4.0
"""Seconds of a breath while the button waits: as slow as somebody who sleeps."""

BREATH: Final = 0.2, 0.8
"""The least and the most brightness of a breath."""

PULSES: Final = 0.55, 0.75, 0.95
"""How bright each second of the countdown begins; the last one is also for all that follow."""

PULSE_END: Final = 0.12
"""How bright each second of the countdown ends."""

BEATS: Final = 0.4, 0.9
"""Seconds at which the light beats while a GIF is made, twice in each BEATS_EVERY: that does not look like a breath."""

BEATS_EVERY: Final = 2.4
BEAT_WIDTH: Final = 0.13
"""Standard deviation of a beat in seconds."""

FAILED_SECONDS: Final = 1.5
"""Seconds in which the light fades out after a failure. Then it breathes again, as the button can be pressed again."""


@dataclass(frozen=True, slots=True)
class ButtonState:
    """A phase, and the time at which it began, in seconds of any steady clock."""

    phase: ButtonPhase = "idle"
    since: float = 0.0

    def enter(self, phase: ButtonPhase, now: float) -> ButtonState:
        """Return the state for a phase at the time `now`: this one if it is the same phase."""
        return self if phase == self.phase else ButtonState(phase, now)


def glow(state: ButtonState, now: float) -> float:
    """Return how bright the button looks at the time `now`, 0 to 1."""
    seconds = max(now - state.since, 0.0)
    match state.phase:
        case "held" | "recording":
            return 1.0
        case "countdown":
            peak = PULSES[min(int(seconds), len(PULSES) - 1)]
            return PULSE_END + (peak - PULSE_END) * (1 - seconds % 1) ** 2
        case "saving":
            beats = (math.exp(-(((seconds % BEATS_EVERY) - at) ** 2) / (2 * BEAT_WIDTH**2)) for at in BEATS)
            return 0.15 + 0.6 * max(beats)
        case "failed":
            return 1 - seconds / FAILED_SECONDS if seconds < FAILED_SECONDS else _breath(seconds - FAILED_SECONDS)
        case "idle":
            return _breath(seconds)


def _breath(seconds: float) -> float:
    low, high = BREATH
    return low + (high - low) * (0.5 - 0.5 * math.cos(2 * math.pi * seconds / BREATH_SECONDS))
