"""The Pi's own kind of camera, by real picamera2 on libcamera, and nobody in front of it: nothing is written at all."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.boot.image import DiskImage
from tests.boot.kiosk import QUICK_SETTINGS, Kiosk, Settings, shows_console
from tests.boot.machine import Machine

pytestmark = [pytest.mark.boot, pytest.mark.timeout(1800)]

IDLE = 300.0
"""Seconds."""

PI: Settings = {**QUICK_SETTINGS, "camera": {"source": "pi"}}


@pytest.fixture(scope="module")
def kiosk(image: DiskImage) -> Iterator[Kiosk]:
    with Machine(image, devices=("csi",)) as machine:
        found = Kiosk(machine, "idle")
        found.configure(PI)
        yield found


def test_a_pi_camera_is_seen_by_picamera2(kiosk: Kiosk) -> None:
    kiosk.wait_for_status("fps", 300)
    assert "The Pi camera gives" in kiosk.machine.check_output("journalctl -b -u pose-mirror --no-pager -o cat")
    assert not shows_console(kiosk.screenshot("picamera2"))


def test_nothing_is_written_to_the_disk_while_nobody_is_there(kiosk: Kiosk) -> None:
    machine = kiosk.machine
    machine.check_output("sync")
    time.sleep(20)  # what the start left to be written
    before, at = machine.disk_writes(), kiosk.screenshot("idle-before")
    time.sleep(IDLE)
    after = machine.disk_writes()
    print(f"\nwritten in {IDLE:.0f} s: {after.bytes - before.bytes} bytes")
    assert after.bytes == before.bytes
    assert kiosk.unit_property("NRestarts") == "0"
    assert (kiosk.screenshot("idle-after") != at).any(), "the display stood still"


def test_a_pi_camera_that_is_taken_away_is_said_and_one_that_comes_back_is_used(kiosk: Kiosk) -> None:
    machine = kiosk.machine
    machine.check_output("echo vimc.0 >/sys/bus/platform/drivers/vimc/unbind")
    # libcamera 0.4 aborts when its device goes: the mirror is then started again, and says what is missing
    kiosk.machine.wait_for(lambda: "No Pi camera found" in kiosk.status, 300, "the mirror misses its camera")
    kiosk.wait_for_fault("No Pi camera found", 300, "picamera2-gone")
    pid = kiosk.pid
    machine.check_output("echo vimc.0 >/sys/bus/platform/drivers/vimc/bind")
    took = kiosk.wait_for_status("fps", 300)
    assert kiosk.pid == pid, "for one that comes back nothing is started again"
    print(f"\nback {took:.0f} s after the camera")


@pytest.mark.boot_long
def test_on_a_read_only_root_it_comes_up_saves_a_gif_and_touches_no_disk(image: DiskImage, clip: Path) -> None:
    words = ["ro", "init=/usr/lib/test-devices/overlay-root"]
    with Machine(image, devices=("usb",), clip=clip, kernel_arguments=words) as machine:
        kiosk = Kiosk(machine, "read-only")
        assert machine.check_output("findmnt -n -o FSTYPE /").strip() == "overlay"
        kiosk.configure(QUICK_SETTINGS)
        kiosk.wait_for_status("fps", 300)
        kiosk.make_gif(partial(machine.press, "spc"))
        assert machine.disk_writes().bytes == 0
        assert machine.check_output("systemctl --failed --no-legend --plain") == ""
