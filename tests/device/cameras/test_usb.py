"""USB cameras: which video devices are cameras, why one cannot be opened, and what OpenCV is asked for."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from pathlib import Path
from typing import Any

import cv2
import pytest

from device.cameras import usb, v4l2
from device.cameras.base import CameraError
from device.cameras.controls import AUTOMATIC
from tests.support.stand_ins import CameraHardware, FakeCapture, fake_ioctl, pack_capability

METADATA = 0x04A00000
"""Capabilities of a webcam's second node, which captures metadata."""

MEMORY_TO_MEMORY = 0x04008000
"""Capabilities of a decoder."""


@pytest.fixture
def hardware(monkeypatch: pytest.MonkeyPatch) -> CameraHardware:
    hardware = CameraHardware(fps=30)
    monkeypatch.setattr(FakeCapture, "hardware", hardware, raising=False)
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    return hardware


def plug_in(
    folder: Path, monkeypatch: pytest.MonkeyPatch, hardware: CameraHardware, devices: dict[str, bytes]
) -> dict[str, Path]:
    """Create device files in a folder, which answer with these capabilities; return their paths."""
    paths = {name: folder / name for name in devices}
    for path in paths.values():
        path.touch()
    capabilities = {paths[name]: capability for name, capability in devices.items()}
    monkeypatch.setattr(fcntl, "ioctl", fake_ioctl(capabilities, hardware))
    return paths


def test_finds_only_cameras_among_a_pis_video_devices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hardware: CameraHardware
) -> None:
    plug_in(
        tmp_path,
        monkeypatch,
        hardware,
        {
            "video0": pack_capability("unicam", "unicam"),
            "video1": pack_capability("uvcvideo", "C920", node=METADATA),
            "video10": pack_capability("bcm2835-codec", "bcm2835-codec-decode", node=MEMORY_TO_MEMORY),
            "video13": pack_capability("bcm2835-isp", "bcm2835-isp", node=0x04000002),
            "video14": pack_capability("bcm2835-isp", "bcm2835-isp"),
            "video19": pack_capability("rpivid", "rpivid", node=MEMORY_TO_MEMORY),
            "video20": pack_capability("pispbe", "pispbe"),
            "video21": pack_capability("rp1-cfe", "rp1-cfe"),
            "video3": pack_capability("uvcvideo", "second"),
            "video2": pack_capability("uvcvideo", "C920"),
            "video-index0": pack_capability("uvcvideo", "not a number"),
        },
    )
    (tmp_path / "video30").touch()  # does not answer
    assert v4l2.find_cameras(tmp_path) == [tmp_path / "video2", tmp_path / "video3"]


def test_finds_no_cameras_without_devices(tmp_path: Path) -> None:
    assert v4l2.find_cameras(tmp_path) == []
    assert v4l2.find_cameras(tmp_path / "nowhere") == []


def test_reads_a_capability_as_the_kernel_writes_it() -> None:
    """The 104 bytes of a real webcam's struct v4l2_capability, field by field as in linux/videodev2.h."""
    answer = (
        b"uvcvideo".ljust(16, b"\0") + b"HD Pro Webcam C920".ljust(32, b"\0") + b"usb-0000:01:00.0-1.2".ljust(32, b"\0")
    )
    answer += bytes([0x4A, 0x06, 0x06, 0x00, 0x01, 0x00, 0xA0, 0x84, 0x01, 0x00, 0x20, 0x04]) + bytes(12)
    assert len(answer) == 104
    assert v4l2.parse_capability(answer) == v4l2.Device("uvcvideo", "HD Pro Webcam C920", True)


def test_believes_an_old_driver_without_node_capabilities() -> None:
    assert v4l2.parse_capability(pack_capability("gspca", capabilities=0x05000001, node=0)).can_capture
    assert not v4l2.parse_capability(pack_capability("gspca", capabilities=0x00000001, node=0)).can_capture, (
        "it cannot stream"
    )


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOENT, "No camera found at {}: plug one in."),
        (errno.ENODEV, "No camera found at {}: plug one in."),
        (errno.EACCES, "The camera {} may not be opened: add the mirror's user to the group video."),
        (errno.EBUSY, "The camera {} is used by another program: close that program."),
        (errno.ENOTTY, "{} is not a camera: choose another device."),
        (errno.EIO, "The camera {} does not answer (Input/output error): unplug it and plug it in again."),
    ],
)
def test_explains_why_a_camera_cannot_be_opened(
    number: int, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(CameraError) as caught:
        v4l2.require_camera(tmp_path / "video0")
    assert str(caught.value) == sentence.format(tmp_path / "video0")


def test_names_a_decoder_that_is_not_a_camera(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hardware: CameraHardware
) -> None:
    answer = pack_capability("bcm2835-codec", "bcm2835-codec-decode", node=MEMORY_TO_MEMORY)
    paths = plug_in(tmp_path, monkeypatch, hardware, {"video10": answer})
    with pytest.raises(CameraError, match=r"is not a camera but bcm2835-codec-decode: choose another device\.$"):
        usb.open_usb(paths["video10"], (640, 480), None)


def test_asks_for_mjpeg_before_size_and_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hardware: CameraHardware
) -> None:
    paths = plug_in(tmp_path, monkeypatch, hardware, {"video0": pack_capability("uvcvideo")})
    requests: list[int] = []
    set_property = FakeCapture.set

    def record(self: FakeCapture, name: int, value: float) -> bool:
        requests.append(name)
        return set_property(self, name, value)

    monkeypatch.setattr(FakeCapture, "set", record)
    device = usb.UsbDevice(paths["video0"], (1300, 700), None, AUTOMATIC)
    assert device.mode == "1280×720 MJPG, 30 a second"
    device.release()
    assert requests[0] == cv2.CAP_PROP_FOURCC
    assert {cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FPS} < set(requests)


def test_delivers_the_nearest_size_of_the_camera(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hardware: CameraHardware
) -> None:
    paths = plug_in(tmp_path, monkeypatch, hardware, {"video0": pack_capability("uvcvideo")})
    with usb.open_usb(paths["video0"], (600, 400), (200, 201)) as camera:
        frame = camera.latest()
    assert frame.image.shape == (480, 640, 3)
    assert frame.small.shape == (200, 201, 3)


@pytest.mark.parametrize("error", [-3600.0, -5.0, 0.5, 1e9])
def test_uses_the_arrival_time_when_the_clock_is_wrong(
    error: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hardware: CameraHardware
) -> None:
    paths = plug_in(tmp_path, monkeypatch, hardware, {"video0": pack_capability("uvcvideo")})
    monkeypatch.setattr(CameraHardware, "frame_time", lambda self, number: self.started + number / self.fps + error)
    last = 0.0
    with usb.open_usb(paths["video0"], (640, 480), None) as camera:
        for _ in range(5):
            captured_at = camera.latest().captured_at
            assert time.monotonic() - 3 < captured_at <= time.monotonic()
            assert last < captured_at
            last = captured_at


def test_believes_a_camera_whose_clock_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hardware: CameraHardware
) -> None:
    paths = plug_in(tmp_path, monkeypatch, hardware, {"video0": pack_capability("uvcvideo")})
    with usb.open_usb(paths["video0"], (640, 480), None) as camera:
        numbers = [(camera.latest().captured_at - hardware.started) * hardware.fps for _ in range(4)]
    assert numbers == pytest.approx([round(number) for number in numbers], abs=1e-3)


def test_drops_a_damaged_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hardware: CameraHardware) -> None:
    paths = plug_in(tmp_path, monkeypatch, hardware, {"video0": pack_capability("uvcvideo")})
    retrieve = FakeCapture.retrieve
    monkeypatch.setattr(FakeCapture, "retrieve", lambda self: retrieve(self) if self.number % 2 else (False, None))
    with usb.open_usb(paths["video0"], (640, 480), None) as camera:
        numbers = [round((camera.latest().captured_at - hardware.started) * hardware.fps) for _ in range(4)]
    assert all(number % 2 for number in numbers)


def test_tells_a_hanging_camera_from_an_unplugged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hardware: CameraHardware
) -> None:
    path = plug_in(tmp_path, monkeypatch, hardware, {"video0": pack_capability("uvcvideo")})["video0"]
    device = usb.UsbDevice(path, (640, 480), None, AUTOMATIC)
    hardware.plugged = False
    with pytest.raises(CameraError, match="sends no pictures: unplug it and plug it in again"):
        device.grab()
    path.unlink()
    with pytest.raises(CameraError, match="was unplugged: plug it in again"):
        device.grab()
    device.release()
