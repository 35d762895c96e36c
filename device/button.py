"""A real button on a GPIO pin of the Raspberry Pi, wired to ground."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

BOUNCE_TIME: Final = 0.05
"""Seconds for which the contact must rest before a change counts."""

SETTLE_TIME: Final = 0.2
"""A press so many seconds after the last change is the same press, by a contact that bounces longer than `BOUNCE_TIME`."""


class ButtonError(RuntimeError):
    """There is no such button; the sentence says why, and what to do."""


class Button:
    """The button on a GPIO pin (BCM number); a context manager. 0 or None: there is none, and it is never pressed.

    However long it is held, or stuck, it is one press. `on_press` is called from another thread as well as the press
    being counted. Raises ButtonError when there is no gpiozero or lgpio, no GPIO, or no free pin of that number.
    """

    def __init__(self, pin: int | None, on_press: Callable[[], None] | None = None) -> None:
        self._on_press = on_press
        self._lock = threading.Lock()
        self._presses = 0
        self._changed = -SETTLE_TIME
        self._device = _open_gpio_button(pin) if pin else None
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
        """Give the pin back; a second time does nothing."""
        if self._device is not None:
            self._device.close()
            self._device = None

    def pop_presses(self) -> int:
        """How often it was pressed since the last call."""
        with self._lock:
            presses, self._presses = self._presses, 0
        return presses

    def _handle_press(self) -> None:
        if self._record_change():
            with self._lock:
                self._presses += 1
            if self._on_press is not None:
                self._on_press()

    def _handle_release(self) -> None:
        self._record_change()

    def _record_change(self) -> bool:
        """Whether the contact had come to rest before this change of it."""
        now, before = time.monotonic(), self._changed
        self._changed = now
        return now - before >= SETTLE_TIME


def _open_gpio_button(pin: int) -> Any:
    """gpiozero's button on a pin."""
    try:
        from gpiozero import Button as GpioButton
        from gpiozero import Device

        factory = (
            Device.pin_factory or _lgpio_factory()
        )  # gpiozero's own search would try a network socket, and warn of each
    except ImportError as error:
        raise ButtonError(
            f"the button on GPIO {pin} needs gpiozero and lgpio, and there is no {error.name or 'such library'}: "
            "install Debian's python3-lgpio and make the virtual environment anew, or set pin = 0 under [button]"
        ) from error
    except Exception as error:  # gpiozero's, lgpio's own and the system's, which have nothing in common
        raise ButtonError(
            f"the button on GPIO {pin} cannot be reached, as there is no GPIO to use here ({error}): set pin = 0 under "
            "[button] unless this is a Raspberry Pi, and there add this user to the group gpio"
        ) from error
    try:
        return GpioButton(pin, pull_up=True, bounce_time=BOUNCE_TIME, pin_factory=factory)
    except Exception as error:
        raise ButtonError(
            f"the button's pin GPIO {pin} cannot be used ({error}): end the program that has it, or name another pin "
            "under [button]"
        ) from error


def _lgpio_factory() -> Any:
    """gpiozero's pins by lgpio, and no trace of a habit of lgpio's.

    On import it goes to the folder $LG_WD, stays there, and makes a pipe that it needs only to open: in a service's
    folder, which is read-only, it fails (gpiozero's issue 1106), and elsewhere relative paths would mean other files.
    """
    here, before = os.getcwd(), os.environ.get("LG_WD")
    with tempfile.TemporaryDirectory(prefix="pose-mirror-") as folder:
        os.environ["LG_WD"] = folder
        try:
            from gpiozero.pins.lgpio import LGPIOFactory
        finally:
            os.chdir(here)
            if before is None:
                del os.environ["LG_WD"]
            else:
                os.environ["LG_WD"] = before
    return LGPIOFactory()
