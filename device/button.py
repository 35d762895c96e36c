"""A real button on a GPIO pin of a Raspberry Pi, wired to ground."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Any, Final, Self

from device.gpio import open_pin
from device.presses import Presses

BOUNCE_TIME: Final = 0.05
"""Seconds that the contact must rest before gpiozero reports a change."""

SETTLE_TIME: Final = 0.2
"""Seconds after a change in which another change is the same press. Worn contacts bounce for longer than
`BOUNCE_TIME`."""


class Button:
    """The button on a GPIO pin (BCM number), open; a context manager. With pin 0 or None it is never pressed.

    A button that is stuck is one press or, with `holds`, one hold: `device.presses` says which counts when. Raises
    GpioError if gpiozero, lgpio or GPIO is missing, or the pin does not exist or is in use.
    """

    def __init__(self, pin: int | None, *, holds: bool = False) -> None:
        self._lock = threading.Lock()  # the contact changes in gpiozero's thread
        self._presses = Presses(SETTLE_TIME, holds=holds)
        self._device: Any = open_pin("Button", pin, "button", "pin", bounce_time=BOUNCE_TIME) if pin else None
        if self._device is not None:
            self._device.when_pressed = self._handle_press
            self._device.when_released = self._handle_release

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the pin. A second call does nothing."""
        if self._device is not None:
            self._device.close()
            self._device = None

    @property
    def is_held(self) -> bool:
        """Whether a press is under way that is not counted yet."""
        with self._lock:
            return self._presses.is_held(time.monotonic())

    def distinguish_holds(self, wanted: bool) -> None:
        """Tell holds from presses from now on, or don't."""
        with self._lock:
            self._presses.holds = wanted

    def pop_presses(self) -> int:
        """Return the number of presses since the last call."""
        with self._lock:
            return self._presses.pop_presses(time.monotonic())

    def pop_holds(self) -> int:
        """Return the number of holds since the last call."""
        with self._lock:
            return self._presses.pop_holds(time.monotonic())

    def _handle_press(self) -> None:
        with self._lock:
            self._presses.close(time.monotonic())

    def _handle_release(self) -> None:
        with self._lock:
            self._presses.open(time.monotonic())
