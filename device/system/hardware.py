"""What a machine reports about its power and heat.

A Raspberry Pi's firmware knows most: `vcgencmd get_throttled` has eight flags, but needs /dev/vcio, which the mirror's
sandbox does not open. The kernel's driver `rpi_volt` asks the firmware every two seconds whether the voltage has been
too low since it asked last, and anybody may read its answer. Older kernels of Raspberry Pi OS also have all flags in a
file, `soc:firmware/get_throttled`. It is not read: the first reader makes the kernel log a warning with a stack trace,
and newer kernels are without it (https://github.com/raspberrypi/linux/pull/6697).
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

MIN_FREE_BYTES: Final = 200_000_000
"""Bytes that should be free on the disk for GIFs: room for 66 GIFs of 3 MB, the largest size."""

THROTTLE_CELSIUS: Final = 80.0
"""°C at which a Pi starts to slow itself down."""

THROTTLE_FLAGS: Final = {
    0: "under-voltage",
    1: "frequency capped",
    2: "throttled",
    3: "soft temperature limit reached",
}
"""The low bits of the firmware's `get_throttled`. The same bits 16 places up mean that it happened since power-on."""

UNDER_VOLTAGE, TOO_HOT = THROTTLE_FLAGS[0], THROTTLE_FLAGS[3]
"""The flags whose cause is certain. The firmware raises the other two for either cause."""

COOL: Final = "cool the machine"
BETTER_SUPPLY: Final = "use the power supply made for this machine"
"""The remedies for heat and for under-voltage."""

COMMAND_TIMEOUT: Final = 5.0
"""Seconds to wait for `vcgencmd`, which answers at once unless the firmware hangs."""

THERMAL_ZONE: Final = Path("/sys/class/thermal/thermal_zone0/temp")

VOLTAGE_DRIVER: Final = "rpi_volt"
"""The name of the driver that reports under-voltage, in hwmon."""


def read_temperature(zone: Path = THERMAL_ZONE) -> float | None:
    """Return the processor's temperature in °C; None on a machine that does not report it."""
    try:
        return int(zone.read_text()) / 1000
    except (OSError, ValueError):
        return None


def read_under_voltage(hwmon: Path = Path("/sys/class/hwmon")) -> bool | None:
    """Return whether the voltage was too low within the last two seconds; None where the kernel does not know."""
    try:
        for folder in hwmon.iterdir():
            if (folder / "name").read_text().strip() == VOLTAGE_DRIVER:
                return (folder / "in0_lcrit_alarm").read_text().strip() == "1"
    except OSError:
        pass
    return None


def read_throttle_bits() -> int | None:
    """Return the bits of `vcgencmd get_throttled`; None on a machine without that firmware."""
    try:
        result = subprocess.run(
            ["vcgencmd", "get_throttled"], capture_output=True, text=True, timeout=COMMAND_TIMEOUT, check=True
        )
        return int(result.stdout.strip().partition("=")[2], 16)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def describe_throttling(bits: int) -> list[str]:
    """Return what a Pi's firmware reports about its power and heat: first what is so now, then what was "(earlier)"."""
    now = [text for bit, text in THROTTLE_FLAGS.items() if bits >> bit & 1]
    earlier = [
        f"{text} (earlier)" for bit, text in THROTTLE_FLAGS.items() if bits >> (bit + 16) & 1 and not bits >> bit & 1
    ]
    return now + earlier


def throttling_remedy(problems: Sequence[str], degrees: float) -> str:
    """Return what to do about what `describe_throttling` reports at a temperature in °C."""
    text = ", ".join(problems)
    weak_supply = UNDER_VOLTAGE in text
    remedies = []
    if degrees >= THROTTLE_CELSIUS or TOO_HOT in text or not weak_supply:  # what else but heat, without under-voltage?
        remedies.append(COOL)
    if weak_supply:
        remedies.append(BETTER_SUPPLY)
    return ", and ".join(remedies)
