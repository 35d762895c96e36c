"""What a camera is asked to do by itself and what is fixed: focus, exposure, white balance and flicker.

`device.cameras.pi_controls` and `device.cameras.v4l2_controls` translate it for libcamera and V4L2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Focus: TypeAlias = Literal["auto"] | float
"""`auto`: the camera focuses by itself; else the distance in metres that is sharp, with 0 for infinity."""

Exposure: TypeAlias = Literal["auto", "locked"] | float
"""`auto`: the camera follows the light; `locked`: it keeps what it has found `LOCK_AFTER`; else milliseconds."""

WhiteBalance: TypeAlias = Literal["auto", "locked"] | float
"""`auto`: the camera follows the light's colour; `locked`: as for `Exposure`; else the light's colour in kelvin."""

Mains: TypeAlias = Literal[0, 50, 60]
"""The frequency of the mains in hertz, whose lamps would flicker in the picture; 0: whatever the camera does."""

LOCK_AFTER: Final = 5.0
"""Seconds from a camera's first picture until its exposure and white balance are locked. Cameras need one or two to
settle; somebody may still stand in front of the mirror whom they have just switched on."""


@dataclass(frozen=True, slots=True)
class CameraControls:
    """What is asked of a camera. What it has no control for, it does by itself, and the log says so."""

    focus: Focus = "auto"
    exposure: Exposure = "auto"
    gain: float = 0.0
    """Amplification with a fixed exposure: a factor for a Pi camera, a webcam's own units; 0: automatic."""
    white_balance: WhiteBalance = "auto"
    mains: Mains = 0

    @property
    def locks(self) -> bool:
        """Whether something is locked `LOCK_AFTER` the first picture."""
        return "locked" in (self.exposure, self.white_balance)

    @property
    def dioptres(self) -> float:
        """The distance of a fixed focus as lenses measure it: 1 / metres; 0 for infinity, and with `auto`."""
        return 1 / self.focus if isinstance(self.focus, float) and self.focus else 0.0


AUTOMATIC: Final = CameraControls()
"""Everything by itself: the defaults."""


class LockTimer:
    """Says when to lock what `controls` wants locked: once, `LOCK_AFTER` the first picture."""

    def __init__(self, controls: CameraControls) -> None:
        self._waiting = controls.locks
        self._due_at: float | None = None

    def is_due(self, now: float) -> bool:
        """Return whether to lock now; ask with every picture. `now` is in seconds of any steady clock."""
        if not self._waiting:
            return False
        if self._due_at is None:
            self._due_at = now + LOCK_AFTER
        self._waiting = now < self._due_at
        return not self._waiting


def clip(value: float, low: float, high: float) -> float:
    """Return the value, or the nearer limit if it is outside them."""
    return min(max(value, low), high)
