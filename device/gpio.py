"""The GPIO pins of a Raspberry Pi, through gpiozero and lgpio."""

from __future__ import annotations

import os
import tempfile
from typing import Any, Literal


class GpioError(RuntimeError):
    """A pin cannot be used. The message says why and what to do."""


def open_pin(kind: Literal["Button", "PWMLED"], pin: int, part: str, key: str, **options: object) -> Any:
    """Return gpiozero's device of a kind on a pin (BCM number), open.

    `part` and `key` say in error messages what is on the pin, and which key under [button] is its number. Raises
    GpioError if gpiozero, lgpio or GPIO is missing, or the pin does not exist or is in use.
    """
    try:
        import gpiozero

        # gpiozero's own search would also try a network socket, and print a warning for each library it does not find
        factory = gpiozero.Device.pin_factory or _lgpio_factory()
    except ImportError as error:
        raise GpioError(
            f"the {part} on GPIO {pin} needs gpiozero and lgpio, and there is no {error.name or 'such library'}: "
            f"run `make setup` again (on a kiosk, systemd/install.sh), or set {key} = 0 under [button]"
        ) from error
    except GpioError:
        raise
    except Exception as error:  # the errors of gpiozero, lgpio and the system have no common base
        if type(error).__name__ == "PinUnknownPi":
            raise GpioError(f"this machine is not a Raspberry Pi, so it has no pin GPIO {pin}") from error
        raise GpioError(
            f"the GPIO pins cannot be used ({error}): add your user to the group gpio, or set {key} = 0 under [button]"
        ) from error
    try:
        return getattr(gpiozero, kind)(pin, pin_factory=factory, **options)
    except Exception as error:
        raise GpioError(
            f"the {part}'s pin GPIO {pin} cannot be used ({error}): end the program that uses it, or set another {key} "
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
        raise GpioError(
            f"the GPIO pins need a folder for temporary files ({error.strerror}): free space in /tmp, or set TMPDIR to "
            "a folder that this user can write to"
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
