"""The light (LED) in the button, on a GPIO pin, dimmed by switching it on and off quickly."""

from __future__ import annotations

import math
from types import TracebackType
from typing import Any, Final, Self

from device.gpio import open_pin

GAMMA: Final = 2.2
"""Exponent from how bright the light looks to how long it is switched on: eyes see half of the light as much more."""

LEVELS: Final = 100
"""Steps of lgpio from dark to bright. A change by less is not worth a call."""

INTERVAL: Final = 0.03
"""Seconds from one change of the brightness to the next at least."""


class Lamp:
    """The light on a GPIO pin (BCM number), dark at first; a context manager that puts it out. Pin 0: no light.

    Raises GpioError if gpiozero, lgpio or GPIO is missing, or the pin does not exist or is in use.
    """

    def __init__(self, pin: int) -> None:
        self._device: Any = open_pin("PWMLED", pin, "light", "led") if pin else None
        self._level, self._changed_at = 0, -math.inf

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Put the light out, and release the pin. A second call does nothing."""
        if self._device is not None:
            self._device.close()
            self._device = None

    def update(self, brightness: float, now: float) -> None:
        """Make the light look this bright, 0 to 1. Call it as often as you like."""
        level = round(LEVELS * min(max(brightness, 0.0), 1.0) ** GAMMA)
        if self._device is None or level == self._level or now - self._changed_at < INTERVAL:
            return
        self._device.value = level / LEVELS
        self._level, self._changed_at = level, now
