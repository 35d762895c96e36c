"""The test machine itself: it boots in order, and programs find its devices as on a Pi."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests.boot.clip import performer_clip
from tests.boot.image import DiskImage
from tests.boot.machine import HEIGHT, WIDTH, Machine

pytestmark = [pytest.mark.boot, pytest.mark.timeout(600)]

PYTHON = "/opt/pose-mirror/current/bin/python"

PRESSES = """
import os, tempfile, time
os.chdir(tempfile.mkdtemp())
from gpiozero import Button
with Button(17, pull_up=True, bounce_time=0.05) as button:
    print("waiting", flush=True)
    pressed = button.wait_for_press(60)
    print("pressed" if pressed else "nothing", flush=True)
"""

PHOTO = """
from picamera2 import Picamera2
print([camera["Id"] for camera in Picamera2.global_camera_info()])
with Picamera2() as camera:
    camera.configure(camera.create_video_configuration({"size": (640, 480), "format": "BGR888"}, buffer_count=4))
    camera.start()
    picture = camera.capture_array("main")
    camera.stop()
print(picture.shape, picture.std() > 10)
"""

DRAW = """
import pygame, time
pygame.display.init()
screen = pygame.display.set_mode((0, 0), pygame.FULLSCREEN)
assert pygame.display.get_driver() == "KMSDRM", pygame.display.get_driver()
width, height = screen.get_size()
screen.fill((0, 0, 0))
screen.fill((255, 0, 0), (0, 0, width // 2, height // 2))
screen.fill((0, 255, 0), (width // 2, 0, width, height // 2))
screen.fill((0, 0, 255), (0, height // 2, width // 2, height))
for _ in range(3):
    pygame.display.flip()
print(width, height, flush=True)
time.sleep(120)
"""


@pytest.fixture(scope="module")
def machine(image: DiskImage) -> Iterator[Machine]:
    """A machine with every device plugged in, and without the mirror, which would hold them all."""
    arguments = ["systemd.mask=pose-mirror.service"]
    with Machine(image, devices=("button", "csi", "usb"), clip=performer_clip(), kernel_arguments=arguments) as machine:
        machine.check_output("systemctl is-system-running --wait || true", 300)
        yield machine


def test_boots_in_order(machine: Machine) -> None:
    assert machine.check_output("systemctl is-active multi-user.target").strip() == "active"
    assert machine.check_output("systemctl --failed --no-legend --plain") == ""
    assert "ordering cycle" not in machine.check_output("journalctl -b --no-pager")
    # The login prompt waits for all other jobs, so it comes after the target.
    machine.wait_for(lambda: "login:" in machine.serial, 30, "the serial line shows a login prompt")


def test_transfers_files_and_results_unchanged(machine: Machine) -> None:
    data = bytes(range(256)) * 5000
    machine.write("/var/tmp/some folder/file", data)
    assert machine.read("/var/tmp/some folder/file") == data
    assert machine.run("echo out; echo err >&2; exit 3") == (3, "out\n", "err\n")
    assert machine.run("sleep 30", timeout=1).status == 124


def test_a_usb_camera_shows_a_clip(machine: Machine) -> None:
    # The mirror's own driver reads it.
    output = machine.check_output(
        f"cd /; {PYTHON} -c 'from device.cameras import controls, usb; from pathlib import Path; "
        'source = usb.UsbDevice(Path("/dev/video20"), (640, 480), None, controls.AUTOMATIC); '
        "print(source.mode, all(source.grab() for _ in range(3)))'"
    )
    assert output.strip() == "320×240 MJPG, 30 a second True"
    assert "/dev/video20" in machine.check_output(
        f"cd /; {PYTHON} -c 'from device.cameras import usb; print(usb.find_cameras())'"
    )


def test_picamera2_takes_pictures(machine: Machine) -> None:
    machine.write("/root/photo.py", PHOTO)
    cameras, photo = machine.check_output(f"{PYTHON} /root/photo.py", 120).splitlines()[-2:]
    assert "vimc" in cameras
    assert photo == "(480, 640, 3) True"


def test_gpiozero_sees_a_press(machine: Machine) -> None:
    machine.write("/root/presses.py", PRESSES)
    machine.check_output(
        f"systemd-run --unit presses --property StandardOutput=file:/run/presses {PYTHON} /root/presses.py"
    )
    machine.wait_for("grep -q waiting /run/presses", 60, "gpiozero waits for the button")
    machine.check_output("/usr/lib/test-devices/button press")
    machine.wait_for("grep -q pressed /run/presses", 30, "gpiozero sees the button")


def test_sdl_draws_on_the_display_without_a_desktop(machine: Machine) -> None:
    machine.write("/root/draw.py", DRAW)
    machine.check_output("systemctl stop getty@tty1")
    machine.check_output(f"systemd-run --unit draw --setenv SDL_VIDEODRIVER=kmsdrm {PYTHON} /root/draw.py")
    machine.wait_for(f"journalctl -u draw -o cat | grep -qx '{WIDTH} {HEIGHT}'", 60, "the program draws")
    expected = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    expected[: HEIGHT // 2, : WIDTH // 2, 0] = 255
    expected[: HEIGHT // 2, WIDTH // 2 :, 1] = 255
    expected[HEIGHT // 2 :, : WIDTH // 2, 2] = 255
    machine.wait_for(lambda: np.array_equal(machine.screendump(), expected), 20, "the display shows what is drawn")
    machine.check_output("systemctl kill --signal KILL draw")


def test_counts_writes_and_shuts_down(machine: Machine) -> None:
    before = machine.disk_writes()
    machine.check_output("dd if=/dev/urandom of=/var/tmp/kept bs=1M count=8 conv=fsync")
    assert machine.disk_writes().bytes - before.bytes >= 8 << 20
    assert machine.disk_writes().flushes > before.flushes
    machine.shutdown()
    assert not machine.is_running
