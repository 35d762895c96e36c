"""USB cameras: which of the video devices are cameras, why one cannot be used, and what is asked of OpenCV."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from typing import Any

import cv2
import pytest

from device.cameras import usb, v4l2
from device.cameras.base import CameraError
from tests.support.stand_ins import CameraHardware, FakeCapture, fake_ioctl, pack_capability

METADATA = 0x04A00000
"""What the second node of a webcam can do: capture metadata."""
MEMORY_TO_MEMORY = 0x04008000


@pytest.fixture
def hardware(monkeypatch: pytest.MonkeyPatch) -> CameraHardware:
    hardware = CameraHardware(fps=30)
    monkeypatch.setattr(FakeCapture, "hardware", hardware, raising=False)
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    return hardware


def plugged(
    folder: Path, monkeypatch: pytest.MonkeyPatch, hardware: CameraHardware, devices: dict[str, bytes]
) -> dict[str, Path]:
    paths = {name: folder / name for name in devices}
    for path in paths.values():
        path.touch()
    answers = {paths[name]: answer for name, answer in devices.items()}
    monkeypatch.setattr(v4l2.fcntl, "ioctl", fake_ioctl(answers, hardware))
    return paths


def test_of_a_pis_many_video_devices_only_cameras_are_found_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hardware: CameraHardware
) -> None:
    plugged(
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
    (tmp_path / "video30").touch()  # answers no ioctl
    assert v4l2.find_cameras(tmp_path) == [tmp_path / "video2", tmp_path / "video3"]


def test_a_folder_without_devices_has_no_cameras(tmp_path: Path) -> None:
    assert v4l2.find_cameras(tmp_path) == []
    assert v4l2.find_cameras(tmp_path / "nowhere") == []


def test_a_capability_is_read_as_the_kernel_writes_it() -> None:
    """The 104 bytes of a real webcam's struct v4l2_capability, field by field as in linux/videodev2.h."""
    answer = (
        b"uvcvideo".ljust(16, b"\0") + b"HD Pro Webcam C920".ljust(32, b"\0") + b"usb-0000:01:00.0-1.2".ljust(32, b"\0")
    )
    answer += bytes([0x4A, 0x06, 0x06, 0x00, 0x01, 0x00, 0xA0, 0x84, 0x01, 0x00, 0x20, 0x04]) + bytes(12)
    assert len(answer) == 104
    assert v4l2.parse_capability(answer) == v4l2.Device("uvcvideo", "HD Pro Webcam C920", True)


def test_an_old_driver_that_does_not_tell_its_nodes_apart_is_taken_at_its_word() -> None:
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
def test_why_a_camera_cannot_be_opened_is_a_sentence(
    number: int, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(v4l2.os, "open", refused)
    with pytest.raises(CameraError) as caught:
        v4l2.require_camera(tmp_path / "video0")
    assert str(caught.value) == sentence.format(tmp_path / "video0")


def test_a_decoder_is_named_as_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hardware: CameraHardware
) -> None:
    answer = pack_capability("bcm2835-codec", "bcm2835-codec-decode", node=MEMORY_TO_MEMORY)
    paths = plugged(tmp_path, monkeypatch, hardware, {"video10": answer})
    with pytest.raises(CameraError, match=r"is not a camera but bcm2835-codec-decode: choose another device\.$"):
        usb.open_usb(paths["video10"], (640, 480), None)


def test_mjpeg_is_asked_for_before_the_size_and_the_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hardware: CameraHardware
) -> None:
    paths = plugged(tmp_path, monkeypatch, hardware, {"video0": pack_capability("uvcvideo")})
    asked: list[int] = []
    plainly = FakeCapture.set
    monkeypatch.setattr(FakeCapture, "set", lambda self, name, value: asked.append(name) or plainly(self, name, value))
    source = usb.UsbDevice(paths["video0"], (1300, 700), None)
    assert source.mode == "1280×720 MJPG, 30 a second"
    source.release()
    assert asked[0] == cv2.CAP_PROP_FOURCC
    assert {cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FPS} < set(asked)


def test_the_camera_gives_the_size_it_has_when_it_has_not_the_one_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hardware: CameraHardware
) -> None:
    paths = plugged(tmp_path, monkeypatch, hardware, {"video0": pack_capability("uvcvideo")})
    with usb.open_usb(paths["video0"], (600, 400), (200, 201)) as camera:
        frame = camera.latest()
    assert frame.image.shape == (480, 640, 3)
    assert frame.small.shape == (200, 201, 3)


@pytest.mark.parametrize("error", [-3600.0, -5.0, 0.5, 1e9])
def test_a_camera_whose_clock_is_wrong_gives_pictures_taken_when_they_came(
    error: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hardware: CameraHardware
) -> None:
    paths = plugged(tmp_path, monkeypatch, hardware, {"video0": pack_capability("uvcvideo")})
    monkeypatch.setattr(CameraHardware, "frame_time", lambda self, number: self.started + number / self.fps + error)
    last = 0.0
    with usb.open_usb(paths["video0"], (640, 480), None) as camera:
        for _ in range(5):
            taken = camera.latest().captured_at
            assert time.monotonic() - 0.5 < taken <= time.monotonic()
            assert last < taken
            last = taken


def test_a_camera_whose_clock_is_right_is_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hardware: CameraHardware
) -> None:
    paths = plugged(tmp_path, monkeypatch, hardware, {"video0": pack_capability("uvcvideo")})
    with usb.open_usb(paths["video0"], (640, 480), None) as camera:
        numbers = [(camera.latest().captured_at - hardware.started) * hardware.fps for _ in range(4)]
    assert numbers == pytest.approx([round(number) for number in numbers], abs=1e-3)


def test_a_picture_damaged_on_its_way_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hardware: CameraHardware
) -> None:
    paths = plugged(tmp_path, monkeypatch, hardware, {"video0": pack_capability("uvcvideo")})
    whole = FakeCapture.retrieve
    monkeypatch.setattr(FakeCapture, "retrieve", lambda self: whole(self) if self.number % 2 else (False, None))
    with usb.open_usb(paths["video0"], (640, 480), None) as camera:
        numbers = [round((camera.latest().captured_at - hardware.started) * hardware.fps) for _ in range(4)]
    assert all(number % 2 for number in numbers)


def test_a_camera_that_stops_though_it_is_there_is_told_from_one_that_was_pulled_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hardware: CameraHardware
) -> None:
    path = plugged(tmp_path, monkeypatch, hardware, {"video0": pack_capability("uvcvideo")})["video0"]
    source = usb.UsbDevice(path, (640, 480), None)
    hardware.plugged = False
    with pytest.raises(CameraError, match="sends no pictures: unplug it and plug it in again"):
        source.grab()
    path.unlink()
    with pytest.raises(CameraError, match="was unplugged: plug it in again"):
        source.grab()
    source.release()
