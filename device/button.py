"""A real button on a GPIO pin of a Raspberry Pi, wired to ground."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

BOUNCE_TIME: Final = 0.05
"""Seconds that the contact must rest before gpiozero reports a change."""

SETTLE_TIME: Final = 0.2
"""Seconds after a change in which another change is the same press. Worn contacts bounce for longer than
`BOUNCE_TIME`."""


class ButtonError(RuntimeError):
    """The button cannot be used. The message says why and what to do."""


class Button:
    """The button on a GPIO pin (BCM number), open; a context manager. With pin 0 or None it is never pressed.

    A button that is held or stuck is one press. Each press is counted, and `on_press` is called from gpiozero's thread.
    Raises ButtonError if gpiozero, lgpio or GPIO is missing, or the pin does not exist or is in use.
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
        """Release the pin. A second call does nothing."""
        if self._device is not None:
            self._device.close()
            self._device = None

    def pop_presses(self) -> int:
        """Return the number of presses since the last call."""
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
        """Record a change of the contact, and return whether the contact had been at rest before it."""
        now, before = time.monotonic(), self._changed
        self._changed = now
        return now - before >= SETTLE_TIME


def _open_gpio_button(pin: int) -> Any:
    """Return gpiozero's button on a pin."""
    try:
        from gpiozero import Button as GpioButton
        from gpiozero import Device

        # gpiozero's own search would also try a network socket, and print a warning for each library it does not find
        factory = Device.pin_factory or _lgpio_factory()
    except ImportError as error:
        raise ButtonError(
            f"the button on GPIO {pin} needs gpiozero and lgpio, and there is no {error.name or 'such library'}: "
            "run `make setup` again (on a kiosk, systemd/install.sh), or set pin = 0 under [button]"
        ) from error
    except ButtonError:
        raise
    except Exception as error:  # the errors of gpiozero, lgpio and the system have no common base
        if type(error).__name__ == "PinUnknownPi":
            raise ButtonError(f"this machine is not a Raspberry Pi, so it has no pin GPIO {pin}") from error
        raise ButtonError(
            f"the GPIO pins cannot be used ({error}): add your user to the group gpio, or set pin = 0 under [button]"
        ) from error
    try:
        return GpioButton(pin, pull_up=True, bounce_time=BOUNCE_TIME, pin_factory=factory)
    except Exception as error:
        raise ButtonError(
            f"the button's pin GPIO {pin} cannot be used ({error}): end the program that uses it, or set another pin "
            "under [button]"
        ) from error


def _lgpio_factory() -> Any:
    """Return gpiozero's pin factory that uses lgpio, without lgpio's side effects.

    When lgpio is imported, it changes to the folder $LG_WD, stays there, and creates a pipe that it needs only while it
    starts. In a service's read-only folder that fails (gpiozero issue 1106). Elsewhere it would change what relative
    paths mean. So the import runs with a temporary folder, and then the working folder is restored.
    """
    try:
        temporary = tempfile.TemporaryDirectory(prefix="pose-mirror-")
    except OSError as error:
        raise ButtonError(
            f"the button needs a folder for temporary files ({error.strerror}): free space in /tmp, or set TMPDIR to a "
            "folder that this user can write to"
        ) from error
    before = os.environ.get("LG_WD")
    working_folder = os.open(".", os.O_PATH)  # has no path if it was deleted
    with temporary as folder:
        os.environ["LG_WD"] = folder
        try:
            from gpiozero.pins.lgpio import LGPIOFactory
        finally:
            os.fchdir(working_folder)
            os.close(working_folder)
            if before is None:
                del os.environ["LG_WD"]
            else:
                os.environ["LG_WD"] = before
    return LGPIOFactory()
