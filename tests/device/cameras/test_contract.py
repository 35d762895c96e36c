"""The contract of `device.cameras.base`, tested with every driver; and mirroring, which happens in one place.

A new driver needs an entry in `RIGS`, and one in `DEVICES` if it reads hardware.
"""

from __future__ import annotations

import fcntl
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from device.cameras import live, performer, pi, playback, usb
from device.cameras.base import Camera, CameraError, CameraSilent, CameraStuck, Frame, mirror_frame
from device.cameras.opening import open_camera
from device.cameras.watch import ReconnectingCamera
from models.pose import Image
from tests.support import stand_ins
from tests.support.held import held_resources
from tests.support.stand_ins import (
    CameraHardware,
    FakeCapture,
    camera_picture,
    fake_ioctl,
    fake_pi_modules,
    pack_capability,
)

SIZE = 640, 480
SMALL = 353, 481
SLACK = 0.1
"""Seconds that a busy machine may add to any time that is measured here."""


@dataclass
class Rig:
    """A driver and its camera. `hardware` is the stand-in of a device, to unplug it or let it hang."""

    open: Callable[[], Camera]
    fps: float
    size: tuple[int, int] = SIZE
    hardware: CameraHardware | None = None
    own_scene: bool = False
    """Whether it shows something other than `camera_picture`."""

    @property
    def device(self) -> CameraHardware:
        """The hardware of a driver that has some."""
        assert self.hardware is not None
        return self.hardware


def usb_rig(folder: Path, patch: pytest.MonkeyPatch) -> Rig:
    hardware = CameraHardware()
    path = folder / "video0"
    path.touch()
    patch.setattr(FakeCapture, "hardware", hardware, raising=False)
    patch.setattr(cv2, "VideoCapture", FakeCapture)
    patch.setattr(fcntl, "ioctl", fake_ioctl({path: pack_capability("uvcvideo")}, hardware))
    return Rig(lambda: usb.open_usb(path, SIZE, SMALL), hardware.fps, hardware=hardware)


def pi_rig(folder: Path, patch: pytest.MonkeyPatch) -> Rig:
    hardware = CameraHardware()
    for name, module in fake_pi_modules(hardware).items():
        patch.setitem(sys.modules, name, module)
    patch.setattr(pi, "CAPTURE_TIMEOUT", 0.5)
    return Rig(lambda: pi.open_pi(SIZE, SMALL), hardware.fps, hardware=hardware)


def video_rig(folder: Path, patch: pytest.MonkeyPatch) -> Rig:
    path = folder / "video.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 40, (320, 240))
    for _ in range(60):
        writer.write(cv2.cvtColor(camera_picture(320, 240), cv2.COLOR_RGB2BGR))
    writer.release()
    return Rig(lambda: playback.open_playback(path, SIZE, SMALL, real_time=True, loop=True), 40, (320, 240))


def pictures_rig(folder: Path, patch: pytest.MonkeyPatch) -> Rig:
    for number in range(3):
        Pillow.fromarray(camera_picture(1280, 960)).save(folder / f"{number}.png")
    return Rig(lambda: playback.open_playback(folder, SIZE, SMALL, real_time=True, loop=True), playback.STILL_FPS)


def performer_rig(folder: Path, patch: pytest.MonkeyPatch) -> Rig:
    return Rig(lambda: performer.open_performer(SIZE, SMALL, real_time=True), performer.FPS, own_scene=True)


DEVICES = {"usb": usb_rig, "pi": pi_rig}
RIGS = DEVICES | {"video": video_rig, "pictures": pictures_rig, "performer": performer_rig}


@pytest.fixture(params=RIGS)
def rig(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    return RIGS[request.param](tmp_path, monkeypatch)


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    return DEVICES[request.param](tmp_path, monkeypatch)


@pytest.fixture(autouse=True)
def _nothing_left_open() -> Iterator[None]:
    """Check that a test leaves no thread and no open file behind."""
    before = held_resources()
    yield
    deadline = time.monotonic() + 30
    while held_resources() - before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert held_resources() - before == Counter()


def wait_for_error(camera: Camera, timeout: float = 2.0) -> CameraError:
    """Ask for frames until the camera raises an error, and return it."""
    while True:
        try:
            camera.latest(timeout)
        except CameraError as error:
            return error


def test_frames_are_rgb_bytes_of_the_wanted_sizes(rig: Rig) -> None:
    with rig.open() as camera:
        for _ in range(3):
            frame = camera.latest()
            assert frame.image.shape == (rig.size[1], rig.size[0], 3)
            assert frame.small.shape == (*SMALL, 3)
            for image in (frame.image, frame.small):
                assert image.dtype == np.uint8
                assert image.flags.c_contiguous


def test_colours_and_sides_are_right(rig: Rig) -> None:
    if rig.own_scene:
        return  # the performer has a test of its own
    with rig.open() as camera:
        frame = camera.latest()
    for image in (frame.image, frame.small):
        height, width = image.shape[:2]
        seen = image[:, ::-1] if frame.mirrored else image
        corners = seen[[height // 8, height // 8, -height // 8, -height // 8], [width // 8, -width // 8] * 2]
        expected = [(220, 20, 20), (20, 200, 20), (20, 20, 220), (230, 230, 230)]
        np.testing.assert_allclose(corners, expected, atol=16)
        # Both show the same view to the pixel: its middle is in the middle of each.
        assert abs(int(np.argmax(seen[height // 8, :, 1] > 110)) - width / 2) <= 1
        assert abs(int(np.argmax(seen[:, width // 8, 2] > 110)) - height / 2) <= 1


def test_capture_times_rise_and_are_never_in_the_future(rig: Rig) -> None:
    with rig.open() as camera:
        last = -1.0
        for _ in range(8):
            frame = camera.latest()
            assert last < frame.captured_at <= time.monotonic()
            last = frame.captured_at


def test_returns_no_frame_twice(rig: Rig) -> None:
    with rig.open() as camera:
        before = time.monotonic()
        frames = [camera.latest() for _ in range(6)]
        assert len({frame.captured_at for frame in frames}) == 6
        assert time.monotonic() - before > 4 / rig.fps - SLACK


@pytest.mark.real_machine
@pytest.mark.slow
def test_a_slow_caller_gets_the_newest_frame(rig: Rig) -> None:
    with rig.open() as camera:
        camera.latest()
        for _ in range(2):
            time.sleep(0.3)
            age = time.monotonic() - camera.latest().captured_at
            assert age < 2 / rig.fps + SLACK


@pytest.mark.slow
def test_a_timeout_raises_and_leaves_the_camera_open(rig: Rig) -> None:
    with rig.open() as camera:
        for _ in range(3):
            camera.latest()
            error = wait_for_error(camera, timeout=0.0)
            assert isinstance(error, CameraSilent)
            assert " has sent no picture for " in str(error)
        camera.latest()


def test_a_closed_camera_says_so_and_can_be_closed_again(rig: Rig) -> None:
    camera = rig.open()
    camera.latest()
    camera.close()
    camera.close()
    with pytest.raises(CameraError, match="closed"):
        camera.latest(timeout=0.1)


def test_opens_again_after_closing(rig: Rig) -> None:
    for _ in range(3):
        with rig.open() as camera:
            camera.latest()


@pytest.mark.slow
def test_raises_after_two_seconds_of_silence(device: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeCapture, "select_timeout", 2.5)
    monkeypatch.setattr(pi, "CAPTURE_TIMEOUT", 2.5)
    with device.open() as camera:
        camera.latest()
        device.device.silent = True
        error = wait_for_error(camera)
        assert isinstance(error, CameraSilent)
        assert 1.8 < error.seconds < 20
        assert re.search(r"camera .*has sent no picture for \d+(\.\d)? s\.$", str(error))


def test_raises_after_unplugging_and_releases_the_device(device: Rig) -> None:
    with device.open() as camera:
        camera.latest()
        device.device.plugged = False
        assert re.search("plug|cable", str(wait_for_error(camera, timeout=1.0)))
        with pytest.raises(CameraError, match=r"plug|cable"):
            camera.latest()
    assert device.device.open_count == 0
    device.device.plugged = True
    with device.open() as camera:
        camera.latest()


def test_explains_a_missing_camera_and_leaks_nothing(device: Rig) -> None:
    device.device.plugged = False
    before = held_resources()
    for _ in range(5):
        with pytest.raises(
            CameraError, match=r"^(No Pi camera found|The camera .*): .*\.$|^OpenCV cannot open the camera "
        ):
            device.open()
    assert held_resources() == before


def test_explains_a_camera_in_use_and_leaks_nothing(device: Rig) -> None:
    device.device.busy = True
    before = held_resources()
    for _ in range(5):
        with pytest.raises(CameraError, match=r"^The .*camera.* is used by another program: close that program\.$"):
            device.open()
    assert held_resources() == before


def test_explains_a_camera_that_sends_nothing(device: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    device.device.silent = True
    monkeypatch.setattr(live.LiveCamera.__init__, "__defaults__", (0.2,))
    with pytest.raises(CameraError, match=r"sent no picture within 0\.2 s: check its cable\.$"):
        device.open()
    assert device.device.open_count == 0


def test_closing_ends_a_wait_for_a_frame(device: Rig) -> None:
    camera = device.open()
    device.device.silent = True
    errors: list[CameraError] = []
    waiting = threading.Thread(target=lambda: errors.append(wait_for_error(camera, timeout=10)))
    waiting.start()
    time.sleep(0.15)
    camera.close()
    waiting.join(timeout=60)
    assert str(errors[0]).endswith("is closed.")


def test_a_hanging_driver_does_not_hang_the_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = pi_rig(tmp_path, monkeypatch)
    monkeypatch.setattr(live, "CLOSE_TIMEOUT", 0.3)
    camera = rig.open()
    rig.device.stuck = True
    try:
        with pytest.raises(CameraStuck, match=r"^The Pi camera hangs and cannot be closed: restart the mirror\.$"):
            camera.close()
    finally:
        rig.device.stuck = False


def test_an_unexpected_error_of_a_driver_ends_its_camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = usb_rig(tmp_path, monkeypatch)
    with rig.open() as camera:
        monkeypatch.setattr(FakeCapture, "retrieve", lambda self: 1 / 0)
        assert str(wait_for_error(camera)).endswith("video0 failed: division by zero.")


def test_an_old_frame_does_not_count_as_the_newest(device: Rig) -> None:
    with device.open() as camera:
        camera.latest()
        time.sleep(0.15)
        device.device.silent = True
        box: Any = camera
        with box._arrived:
            box._shot = box._shot._replace(captured_at=time.monotonic() - 5)
        with pytest.raises(CameraSilent, match=r"no picture for 5 s"):
            camera.latest()


def asymmetric_picture() -> Image:
    """Return a picture that looks different in each of the eight ways to turn and mirror it."""
    return np.random.default_rng(1).integers(0, 256, (3, 5, 3), dtype=np.uint8)


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored_by_device", [False, True])
def test_frames_become_upright_and_mirrored_once(rotate: int, mirrored_by_device: bool) -> None:
    upright = asymmetric_picture()
    # A camera that is turned clockwise sees the world turned anticlockwise. Some devices then mirror that.
    seen = np.rot90(upright, rotate // 90)
    seen = np.ascontiguousarray(seen[:, ::-1] if mirrored_by_device else seen)
    frame = mirror_frame(Frame(seen, seen, 1.5, mirrored_by_device), rotate)
    np.testing.assert_array_equal(frame.image, upright[:, ::-1])
    assert frame.image.flags.c_contiguous
    assert frame.small is frame.image
    assert frame.mirrored
    assert frame.captured_at == 1.5
    again = mirror_frame(frame)
    np.testing.assert_array_equal(again.image, frame.image)


@pytest.mark.real_machine
@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
@pytest.mark.parametrize("source", DEVICES)
def test_a_camera_that_flips_already_shows_the_same(
    source: str, rotate: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    DEVICES[source](tmp_path, monkeypatch)
    monkeypatch.setattr(usb, "find_cameras", lambda: [tmp_path / "video0"])
    with ReconnectingCamera(source, size=SIZE) as camera:
        expected = mirror_frame(camera.latest(), rotate).image
    monkeypatch.setattr(
        stand_ins, "camera_picture", lambda width, height: camera_picture(width, height)[:, ::-1].copy()
    )
    with ReconnectingCamera(source, size=SIZE, mirrors_itself=True) as camera:
        np.testing.assert_allclose(mirror_frame(camera.latest(), rotate).image, expected, atol=16)


def test_turns_both_pictures_of_a_frame_alike() -> None:
    image, small = camera_picture(64, 48), camera_picture(32, 24)
    frame = mirror_frame(Frame(image, small, 0.0, False), 90)
    np.testing.assert_array_equal(frame.image[::2, ::2], frame.small)
    assert frame.small.shape == (32, 24, 3)


def test_the_visitors_right_hand_is_on_the_right() -> None:
    """A camera sees a raised right hand on the left; a mirror shows it on the right."""
    seen = np.zeros((100, 100, 3), np.uint8)
    seen[10:30, 10:30] = 255
    hand = np.argwhere(mirror_frame(Frame(seen, seen, 0.0, False)).image[:, :, 0]).mean(0)
    assert hand[1] > 50
    assert hand[0] < 50


@pytest.mark.real_machine
@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("/dev/video97", "No camera found at /dev/video97: plug one in."),
        ("usb:97", "No camera found at /dev/video97: plug one in."),
        ("/dev/null", "/dev/null is not a camera: choose another device."),
        ("usb:x", "There is no camera or file 'usb:x': use auto"),
        ("nothing.mp4", "There is no camera or file 'nothing.mp4': use auto"),
        ("", "There is no camera or file '': use auto"),
    ],
)
def test_explains_an_unknown_source(source: str, sentence: str) -> None:
    with pytest.raises(CameraError) as caught:
        open_camera(source, size=SIZE)
    assert str(caught.value).startswith(sentence)


def test_auto_prefers_the_pi_camera_to_usb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usb_rig(tmp_path, monkeypatch)
    monkeypatch.setattr(usb, "find_cameras", lambda: [tmp_path / "video0"])
    with open_camera("auto", size=SIZE, small_shape=SMALL) as camera:
        assert not camera.latest().mirrored
    pi_rig(tmp_path, monkeypatch)
    with open_camera("auto", size=SIZE, small_shape=SMALL) as camera:
        assert camera.latest().mirrored
    with open_camera("pi", size=SIZE) as camera:
        frame = camera.latest()
        assert frame.small is frame.image
    with open_camera("usb", size=SIZE) as camera:
        assert not camera.latest().mirrored


def test_auto_says_when_there_is_no_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picamera2", None)
    monkeypatch.setattr(usb, "find_cameras", list)
    with pytest.raises(CameraError, match=r"^No camera found: plug in a USB camera"):
        open_camera("auto", size=SIZE)
