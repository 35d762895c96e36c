"""`CameraControls` as V4L2's controls, for webcams and capture devices.

OpenCV has properties for some of them, but what its values mean differs from camera to camera. The kernel's own are
documented: https://docs.kernel.org/userspace-api/media/v4l/ext-ctrls-camera.html and linux/v4l2-controls.h.

A webcam keeps its controls until it is unplugged, even when another program set them. So what should be automatic is
switched to automatic, too.
"""

from __future__ import annotations

import contextlib
import fcntl
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from device.cameras.controls import CameraControls, clip
from device.cameras.v4l2 import open_device

VIDIOC_QUERYCTRL: Final = 0xC0445624
QUERY: Final = struct.Struct("II32siiiiI8x")
"""struct v4l2_queryctrl: id, type, name, minimum, maximum, step, default, flags."""

VIDIOC_G_CTRL: Final = 0xC008561B
VIDIOC_S_CTRL: Final = 0xC008561C
CONTROL: Final = struct.Struct("Ii")
"""struct v4l2_control: id, value."""

FLAG_DISABLED: Final = 0x0001
FLAG_READ_ONLY: Final = 0x0004

AUTO_WHITE_BALANCE: Final = 0x0098090C
AUTOGAIN: Final = 0x00980912
GAIN: Final = 0x00980913
POWER_LINE_FREQUENCY: Final = 0x00980918
WHITE_BALANCE_TEMPERATURE: Final = 0x0098091A
EXPOSURE_AUTO: Final = 0x009A0901
EXPOSURE_ABSOLUTE: Final = 0x009A0902
EXPOSURE_AUTO_PRIORITY: Final = 0x009A0903
FOCUS_ABSOLUTE: Final = 0x009A090A
FOCUS_AUTO: Final = 0x009A090C

NAMES: Final = {
    FOCUS_AUTO: "focus_automatic_continuous", FOCUS_ABSOLUTE: "focus_absolute",
    EXPOSURE_AUTO: "auto_exposure", EXPOSURE_ABSOLUTE: "exposure_time_absolute",
    EXPOSURE_AUTO_PRIORITY: "exposure_dynamic_framerate", AUTOGAIN: "gain_automatic", GAIN: "gain",
    AUTO_WHITE_BALANCE: "white_balance_automatic", WHITE_BALANCE_TEMPERATURE: "white_balance_temperature",
    POWER_LINE_FREQUENCY: "power_line_frequency",
}  # fmt: skip
"""The controls that the mirror uses, by the names that v4l2-ctl prints."""

EXPOSURE_AUTOMATIC: Final = (3, 0)
"""Values of EXPOSURE_AUTO by which a camera chooses the exposure: aperture priority in most webcams, else automatic."""

EXPOSURE_FIXED: Final = (1, 2)
"""Values of EXPOSURE_AUTO by which a program sets the exposure: manual, or shutter priority."""

MAINS: Final = {50: 1, 60: 2}
"""Values of POWER_LINE_FREQUENCY."""

TICKS_PER_MS: Final = 10
"""EXPOSURE_ABSOLUTE counts tenths of a millisecond."""

NEAREST_DIOPTRES: Final = 10.0
"""What FOCUS_ABSOLUTE's maximum is assumed to be. V4L2 gives it no unit, only that larger is closer; webcams that focus
come as near as 10 cm. At a mirror's distances the scale hardly matters: all beyond 1.5 m is near infinity."""


class Control(NamedTuple):
    """A control of a device: its limits, and its value now."""

    minimum: int
    maximum: int
    step: int
    value: int

    def nearest(self, value: float) -> int:
        """Return the value that the control can have and that is nearest to `value`."""
        steps = round((clip(value, self.minimum, self.maximum) - self.minimum) / max(self.step, 1))
        return min(self.minimum + steps * max(self.step, 1), self.maximum)


def read_controls(path: Path) -> dict[int, Control]:
    """Return the controls of a device that the mirror uses, and that can be set. Raises OSError without the device."""
    found = {}
    with open_device(path) as device:
        for number in NAMES:
            try:
                query = QUERY.unpack(fcntl.ioctl(device, VIDIOC_QUERYCTRL, QUERY.pack(number, 0, b"", 0, 0, 0, 0, 0)))
                value = CONTROL.unpack(fcntl.ioctl(device, VIDIOC_G_CTRL, CONTROL.pack(number, 0)))[1]
            except OSError:
                continue  # it has no such control, or it does not answer
            if not query[7] & (FLAG_DISABLED | FLAG_READ_ONLY):
                found[number] = Control(query[3], query[4], query[5], value)
    return found


class Setting(NamedTuple):
    """A control, and values for it: the first that the device accepts is used."""

    control: int
    values: tuple[float, ...]


def start_settings(controls: CameraControls, has: Mapping[int, Control]) -> list[Setting]:
    """Return what to set when a camera is opened, in this order: a value counts only once its automatic is off."""
    settings = [Setting(EXPOSURE_AUTO_PRIORITY, (0,))]  # else webcams in the dark fall to 5 or 10 pictures a second
    settings += [Setting(FOCUS_AUTO, (float(controls.focus == "auto"),))]
    if controls.focus != "auto" and FOCUS_ABSOLUTE in has:
        far, near = has[FOCUS_ABSOLUTE].minimum, has[FOCUS_ABSOLUTE].maximum
        settings += [Setting(FOCUS_ABSOLUTE, (far + (near - far) * controls.dioptres / NEAREST_DIOPTRES,))]
    if isinstance(controls.exposure, float):
        settings += _fixed_exposure(controls.exposure * TICKS_PER_MS, controls.gain or None)
    else:
        settings += [Setting(EXPOSURE_AUTO, EXPOSURE_AUTOMATIC), Setting(AUTOGAIN, (1,))]
    if isinstance(controls.white_balance, float):
        settings += [Setting(AUTO_WHITE_BALANCE, (0,)), Setting(WHITE_BALANCE_TEMPERATURE, (controls.white_balance,))]
    else:
        settings += [Setting(AUTO_WHITE_BALANCE, (1,))]
    if controls.mains:
        settings += [Setting(POWER_LINE_FREQUENCY, (MAINS[controls.mains],))]
    return [setting for setting in settings if setting.control in has]


def lock_settings(controls: CameraControls, has: Mapping[int, Control]) -> list[Setting]:
    """Return what keeps the present values, read just now, of what should be locked.

    Most webcams report what their automatic has found. One that does not goes to its last fixed value once, and stays.
    """
    settings: list[Setting] = []
    if controls.exposure == "locked" and EXPOSURE_ABSOLUTE in has:
        settings += _fixed_exposure(has[EXPOSURE_ABSOLUTE].value, has[GAIN].value if GAIN in has else None)
    if controls.white_balance == "locked":
        settings += [Setting(AUTO_WHITE_BALANCE, (0,))]
        if WHITE_BALANCE_TEMPERATURE in has:
            settings += [Setting(WHITE_BALANCE_TEMPERATURE, (has[WHITE_BALANCE_TEMPERATURE].value,))]
    return [setting for setting in settings if setting.control in has]


def apply(path: Path, settings: Iterable[Setting], has: Mapping[int, Control]) -> list[str]:
    """Set a device's controls; return the names of those that it refuses. Raises OSError without the device."""
    refused = []
    with open_device(path) as device:
        for control, values in settings:
            for value in values:
                with contextlib.suppress(OSError):
                    fcntl.ioctl(device, VIDIOC_S_CTRL, CONTROL.pack(control, has[control].nearest(value)))
                    break
            else:
                refused.append(NAMES[control])
    return refused


def missing_controls(controls: CameraControls, has: Mapping[int, Control]) -> list[str]:
    """Return the settings that were changed although a camera has no control for them."""
    needs = {
        "focus": (controls.focus != "auto", FOCUS_ABSOLUTE),
        "exposure": (controls.exposure != "auto", EXPOSURE_ABSOLUTE),
        "gain": (isinstance(controls.exposure, float) and controls.gain > 0, GAIN),
        "white_balance": (
            controls.white_balance != "auto",
            AUTO_WHITE_BALANCE if controls.white_balance == "locked" else WHITE_BALANCE_TEMPERATURE,
        ),
        "mains": (controls.mains > 0, POWER_LINE_FREQUENCY),
    }
    return [setting for setting, (changed, control) in needs.items() if changed and control not in has]


def describe_lock(controls: CameraControls, has: Mapping[int, Control]) -> str:
    """Return what `lock_settings` keeps, in the words of the configuration."""
    parts = []
    if controls.exposure == "locked" and EXPOSURE_ABSOLUTE in has:
        parts.append(f"exposure = {has[EXPOSURE_ABSOLUTE].value / TICKS_PER_MS:.1f}")
        if GAIN in has:
            parts.append(f"gain = {has[GAIN].value}")
    if controls.white_balance == "locked" and WHITE_BALANCE_TEMPERATURE in has:
        parts.append(f"white_balance = {has[WHITE_BALANCE_TEMPERATURE].value}")
    return ", ".join(parts)


def describe_abilities(has: Mapping[int, Control]) -> str:
    """Return what can be set of a camera, with its limits: "focus, exposure 0.3–204.7 ms, gain 0–255"."""
    parts = ["focus"] if FOCUS_ABSOLUTE in has else []
    if EXPOSURE_ABSOLUTE in has:
        low, high = has[EXPOSURE_ABSOLUTE][:2]
        parts.append(f"exposure {low / TICKS_PER_MS:.1f}–{high / TICKS_PER_MS:.1f} ms")
    if GAIN in has:
        parts.append(f"gain {has[GAIN].minimum}–{has[GAIN].maximum}")
    if WHITE_BALANCE_TEMPERATURE in has:
        low, high = has[WHITE_BALANCE_TEMPERATURE][:2]
        parts.append(f"white_balance {low}–{high} K")
    elif AUTO_WHITE_BALANCE in has:
        parts.append('white_balance = "locked"')
    if POWER_LINE_FREQUENCY in has:
        parts.append("mains")
    return ", ".join(parts)


def _fixed_exposure(ticks: float, gain: float | None) -> list[Setting]:
    settings = [Setting(EXPOSURE_AUTO, EXPOSURE_FIXED), Setting(EXPOSURE_ABSOLUTE, (ticks,))]
    return settings if gain is None else [*settings, Setting(AUTOGAIN, (0,)), Setting(GAIN, (gain,))]
