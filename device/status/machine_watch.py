"""The machine that a mirror runs on, as its status reports it: heat, power, and the disk for GIFs."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Final

from device.share.shared_gif import FOLDER_NAME
from device.status.status_file import DiskStatus, Hardware
from device.system.hardware import (
    BETTER_SUPPLY,
    COOL,
    MIN_FREE_BYTES,
    THROTTLE_CELSIUS,
    read_temperature,
    read_under_voltage,
)
from models import files
from models.home import existing_parent

DISK_INTERVAL: Final = 60.0
"""Seconds between two looks at the disk: GIFs are listed for it, which may be thousands."""

WEAK_SUPPLY: Final = f"The voltage is too low: {BETTER_SUPPLY}."
HEAT: Final = f"The machine has {THROTTLE_CELSIUS:.0f} °C or more, so it slows itself down: {COOL}."
FULL_DISK: Final = f"Less than {MIN_FREE_BYTES / 1e6:.0f} MB are free for GIFs: delete what you can spare."


class MachineWatch:
    """Looks at the machine, and remembers what was wrong earlier. `hardware` is what was known before."""

    def __init__(self, gif_folder: Path, hardware: Hardware | None = None) -> None:
        self._gif_folder = gif_folder
        self._looked_at, self._gifs_total = -DISK_INTERVAL, 0
        self.hardware = hardware or Hardware()
        self.disk = DiskStatus()

    def look(self) -> None:
        """Look at heat and power. The kernel knows of a low voltage for two seconds, so look that often."""
        before, degrees, low = self.hardware, read_temperature(), read_under_voltage()
        hot = None if degrees is None else degrees >= THROTTLE_CELSIUS
        self.hardware = Hardware(
            degrees, hot, before.too_hot_earlier or bool(hot), low, before.under_voltage_earlier or bool(low)
        )

    def look_at_disk(self, now: float, gifs_total: int) -> None:
        """Look at the disk if there are new GIFs, or now and then. `now` is in seconds of a steady clock."""
        if now - self._looked_at < DISK_INTERVAL and gifs_total == self._gifs_total:
            return
        self._looked_at, self._gifs_total = now, gifs_total
        free = None
        with contextlib.suppress(OSError):
            free = files.free_bytes(existing_parent(self._gif_folder))
        gifs = sum(_count_gifs(folder) for folder in (self._gif_folder, self._gif_folder / FOLDER_NAME))
        self.disk = replace(self.disk, free_bytes=free, gifs=gifs)

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong now, a sentence each."""
        free = self.disk.free_bytes
        is_full = free is not None and free < MIN_FREE_BYTES
        found = ((self.hardware.under_voltage, WEAK_SUPPLY), (self.hardware.too_hot, HEAT), (is_full, FULL_DISK))
        return tuple(sentence for is_wrong, sentence in found if is_wrong)


def _count_gifs(folder: Path) -> int:
    try:
        with os.scandir(folder) as entries:
            return sum(entry.name.endswith(".gif") for entry in entries)
    except OSError:
        return 0
