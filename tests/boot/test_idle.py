"""A Pi camera through real picamera2 and libcamera, with nobody in front of it: the disk stays untouched."""

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

IDLE_SECONDS = 180.0
"""Three times as long as the longest time between two looks at the disk: old GIFs are looked for once a minute."""

PI_SETTINGS: Settings = {**QUICK_SETTINGS, "camera": {"source": "pi"}}


@pytest.fixture(scope="module")
def kiosk(image: DiskImage) -> Iterator[Kiosk]:
    with Machine(image, devices=("csi",)) as machine:
        kiosk = Kiosk(machine, "idle")
        kiosk.configure(PI_SETTINGS)
        yield kiosk


def test_picamera2_finds_a_pi_camera(kiosk: Kiosk) -> None:
    kiosk.wait_for_status("fps", 300)
    assert "The Pi camera delivers" in kiosk.machine.check_output("journalctl -b -u pose-mirror --no-pager -o cat")
    assert not shows_console(kiosk.screenshot("picamera2"))


def test_writes_nothing_while_nobody_is_there(kiosk: Kiosk) -> None:
    machine = kiosk.machine
    machine.check_output("sync")
    time.sleep(20)  # the kernel finishes writing what the start left
    before, first = machine.disk_writes(), kiosk.screenshot("idle-before")
    time.sleep(IDLE_SECONDS)
    after = machine.disk_writes()
    print(f"\nwritten in {IDLE_SECONDS:.0f} s: {after.bytes - before.bytes} bytes")
    assert after.bytes == before.bytes
    assert kiosk.unit_property("NRestarts") == "0"
    assert (kiosk.screenshot("idle-after") != first).any(), "the display did not change"


def test_reports_a_lost_pi_camera_and_uses_it_again(kiosk: Kiosk) -> None:
    machine = kiosk.machine
    machine.check_output("echo vimc.0 >/sys/bus/platform/drivers/vimc/unbind")
    # libcamera 0.4 aborts when its device disappears. systemd restarts the mirror, which then reports the camera.
    kiosk.machine.wait_for(
        lambda: "No Pi camera found" in kiosk.status, 300, "the mirror reports that the camera is missing"
    )
    kiosk.wait_for_fault("No Pi camera found", 300, "picamera2-gone")
    pid = kiosk.pid
    machine.check_output("echo vimc.0 >/sys/bus/platform/drivers/vimc/bind")
    took = kiosk.wait_for_status("fps", 300)
    assert kiosk.pid == pid, "the mirror restarted when the camera came back"
    print(f"\nback {took:.0f} s after the camera")


@pytest.mark.boot_long
def test_works_on_a_read_only_root(image: DiskImage, clip: Path) -> None:
    arguments = ["ro", "init=/usr/lib/test-devices/overlay-root"]
    with Machine(image, devices=("usb",), clip=clip, kernel_arguments=arguments) as machine:
        kiosk = Kiosk(machine, "read-only")
        assert machine.check_output("findmnt -n -o FSTYPE /").strip() == "overlay"
        kiosk.configure(QUICK_SETTINGS)
        kiosk.wait_for_status("fps", 300)
        kiosk.make_gif(partial(machine.press, "spc"))
        assert machine.disk_writes().bytes == 0
        assert machine.check_output("systemctl --failed --no-legend --plain") == ""
