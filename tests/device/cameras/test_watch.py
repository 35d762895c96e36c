"""A camera that is kept open: how often it is tried, what is reported meanwhile, and that it comes back."""

from __future__ import annotations

import fcntl
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.cameras import v4l2, watch
from device.cameras.base import Camera, CameraError, CameraSilent, CameraStuck, EndOfVideo, Frame
from device.cameras.watch import Backoff, ReconnectingCamera
from models.pose import Image
from tests.support.held import held_resources
from tests.support.stand_ins import CameraHardware, FakeCapture, fake_ioctl, pack_capability

PICTURE = np.zeros((4, 4, 3), np.uint8)


class ScriptedCamera(Camera):
    """A camera that delivers frames until `error` is set, which it then raises."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.picture = PICTURE
        self.stuck = False
        self.mirrored = False
        self.close_count = 0

    def latest(self, timeout: float = 2.0) -> Frame:
        if self.error:
            raise self.error
        time.sleep(0.01)
        return Frame(self.picture, self.picture, time.monotonic(), self.mirrored)

    def close(self) -> None:
        self.close_count += 1
        if self.stuck:
            raise CameraStuck("The camera hangs.")


class Opener:
    """A stand-in for `open_camera`: opens scripted cameras, or raises `error` when it is set."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.cameras: list[ScriptedCamera] = []
        self.tries: list[float] = []

    def open(self, source: str, **_: object) -> Camera:
        self.tries.append(time.monotonic())
        if self.error:
            raise self.error
        self.cameras.append(ScriptedCamera())
        return self.cameras[-1]


@pytest.fixture
def opener(monkeypatch: pytest.MonkeyPatch) -> Opener:
    opener = Opener()
    monkeypatch.setattr(watch, "open_camera", opener.open)
    monkeypatch.setattr(watch, "FIRST_RETRY_DELAY", 0.02)
    monkeypatch.setattr(watch, "MAX_RETRY_DELAY", 0.08)
    return opener


@pytest.fixture(autouse=True)
def _nothing_left_open() -> Iterator[None]:
    before = held_resources()
    yield
    assert held_resources() - before == Counter()


def wait_until(condition: Callable[[], object], timeout: float = 60.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def delivers(camera: Camera) -> bool:
    try:
        camera.latest(timeout=0.05)
    except CameraError:
        return False
    return True


def test_delays_double_from_half_a_second_to_ten() -> None:
    delays, back_off = [], Backoff()
    for _ in range(8):
        delays.append(back_off.delay)
        back_off = back_off.after_failure(uptime=0.0)
    assert delays == [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


@given(st.lists(st.floats(0, 100), max_size=3000))
def test_delays_are_short_again_after_a_camera_worked(uptimes: list[float]) -> None:
    back_off = Backoff()
    for uptime in uptimes:
        before, back_off = back_off, back_off.after_failure(uptime)
        assert 0.5 <= back_off.delay <= 10.0
        if uptime >= watch.STEADY_AFTER:
            assert back_off.delay == 0.5
        else:
            assert back_off.delay >= before.delay, "a camera with a loose plug must not be tried more and more often"


def test_passes_frames_through(opener: Opener) -> None:
    with ReconnectingCamera("any", size=(4, 4)) as camera:
        assert camera.latest().image is PICTURE
    assert opener.cameras[0].close_count == 1


@pytest.mark.parametrize("driver_mirrors", [False, True])
def test_a_camera_that_mirrors_itself_says_so(driver_mirrors: bool, opener: Opener) -> None:
    """A driver that mirrors as well undoes what the camera did."""
    with ReconnectingCamera("any", size=(4, 4), mirrors_itself=True) as camera:
        camera.latest()
        opener.cameras[0].mirrored = driver_mirrors
        assert camera.latest().mirrored is not driver_mirrors


def test_reports_a_missing_camera_and_finds_it_later(opener: Opener) -> None:
    opener.error = CameraError("No camera found at /dev/video0: plug one in.")
    with ReconnectingCamera("any", size=(4, 4)) as camera:
        before = time.monotonic()
        with pytest.raises(CameraError, match=r"^No camera found at /dev/video0: plug one in\.$"):
            camera.latest()
        assert time.monotonic() - before < 4.0
        opener.error = None
        assert camera.latest().image is PICTURE


def test_waits_for_the_timeout_while_there_is_no_camera(opener: Opener) -> None:
    opener.error = CameraError("No camera.")
    with ReconnectingCamera("any", size=(4, 4)) as camera:
        with pytest.raises(CameraError, match="No camera"):
            camera.latest()
        before = time.monotonic()
        with pytest.raises(CameraError, match="No camera"):
            camera.latest(timeout=0.2)
        assert 0.19 < time.monotonic() - before < 4.0


def test_reopens_a_lost_camera(opener: Opener, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with ReconnectingCamera("any", size=(4, 4)) as camera:
        camera.latest()
        opener.error = CameraError("No camera found: plug one in.")
        opener.cameras[0].error = CameraError("It was unplugged.")
        with pytest.raises(CameraError, match="It was unplugged"):
            camera.latest()
        with pytest.raises(CameraError, match="No camera found"):
            camera.latest()
        assert opener.cameras[0].close_count == 1
        time.sleep(0.3)
        opener.error = None
        assert camera.latest().image is PICTURE
        assert len(opener.cameras) == 2
    assert [record.getMessage() for record in caplog.records] == [
        "It was unplugged.",
        "No camera found: plug one in.",
        "The camera is back after 0 s.",
    ], "each message once, however many tries"
    assert len(opener.tries) >= 4


def test_tries_grow_further_apart(opener: Opener) -> None:
    opener.error = CameraError("No camera.")
    with ReconnectingCamera("any", size=(4, 4)):
        wait_until(lambda: len(opener.tries) >= 5)
    gaps = np.diff(opener.tries[:5])
    assert (gaps > np.array([0.02, 0.04, 0.08, 0.08]) - 0.001).all()


def test_only_a_long_silence_closes_the_camera(opener: Opener) -> None:
    with ReconnectingCamera("any", size=(4, 4)) as camera:
        camera.latest()
        opener.cameras[0].error = CameraSilent("The camera", 0.3)
        with pytest.raises(CameraSilent):
            camera.latest(timeout=0.3)
        time.sleep(0.1)
        assert opener.cameras[0].close_count == 0
        opener.cameras[0].error = CameraSilent("The camera", 2.1)
        with pytest.raises(CameraSilent, match=r"The camera has sent no picture for 2\.1 s\."):
            camera.latest()
        wait_until(lambda: delivers(camera))
        assert opener.cameras[0].close_count == 1


def test_the_end_of_a_video_is_not_a_fault(opener: Opener) -> None:
    with ReconnectingCamera("any", size=(4, 4)) as camera:
        camera.latest()
        opener.cameras[0].error = EndOfVideo("The video is over.")
        for _ in range(2):
            with pytest.raises(EndOfVideo):
                camera.latest()
    assert len(opener.cameras) == 1


def test_retries_after_an_unexpected_error(opener: Opener, caplog: pytest.LogCaptureFixture) -> None:
    opener.error = ZeroDivisionError("division by zero")
    with ReconnectingCamera("any", size=(4, 4)) as camera:
        with pytest.raises(CameraError, match=r"^The camera cannot be opened: division by zero\.$"):
            camera.latest()
        wait_until(lambda: len(opener.tries) >= 4)
        opener.error = None
        wait_until(lambda: delivers(camera))
    assert caplog.text.count("Traceback") == 1, "once, however many tries"


@pytest.mark.parametrize(
    "picture",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)],
    ids=["grey", "four channels", "float", "empty"],
)
def test_reopens_a_camera_with_unusable_pictures(opener: Opener, picture: Image) -> None:
    with ReconnectingCamera("any", size=(4, 4)) as camera:
        assert delivers(camera)
        opener.cameras[0].picture = picture
        with pytest.raises(
            CameraError, match=r"^The camera's picture cannot be used: it is .* and not H×W×3 of uint8\.$"
        ):
            camera.latest()
        wait_until(lambda: delivers(camera))
    assert [camera.close_count for camera in opener.cameras] == [1, 1]


def test_reopens_after_an_unexpected_error_in_a_picture(opener: Opener, caplog: pytest.LogCaptureFixture) -> None:
    with ReconnectingCamera("any", size=(4, 4)) as camera:
        assert delivers(camera)
        opener.cameras[0].error = cv2.error("(-215:Assertion failed) scn == 3 in function 'cvtColor'")
        with pytest.raises(CameraError, match=r"^The camera's picture cannot be used: .*scn == 3"):
            camera.latest()
        wait_until(lambda: delivers(camera))
    assert "Traceback" in caplog.text


def test_does_not_retry_a_stuck_camera(opener: Opener) -> None:
    with ReconnectingCamera("any", size=(4, 4)) as camera:
        camera.latest()
        opener.cameras[0].stuck = True
        opener.cameras[0].error = CameraError("Silent.")
        with pytest.raises(CameraError, match="Silent"):
            camera.latest()
        for _ in range(2):
            with pytest.raises(CameraStuck, match="hangs"):
                camera.latest(timeout=0.1)
    assert len(opener.tries) == 1


def test_closing_ends_waits_and_tries(opener: Opener) -> None:
    opener.error = CameraError("No camera.")
    camera = ReconnectingCamera("any", size=(4, 4))
    assert not delivers(camera)
    errors: list[str] = []

    def wait() -> None:
        try:
            camera.latest(timeout=10)
        except CameraError as error:
            errors.append(str(error))

    waiter = threading.Thread(target=wait)
    waiter.start()
    time.sleep(0.05)
    camera.close()
    waiter.join(timeout=60)
    assert errors == ["The camera is closed."]
    tries = len(opener.tries)
    time.sleep(0.2)
    assert len(opener.tries) == tries


@pytest.mark.real_machine
def test_reconnects_a_usb_camera_after_unplugging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All parts together: only the kernel and OpenCV are stand-ins."""
    hardware, path = CameraHardware(), tmp_path / "video0"
    path.touch()
    monkeypatch.setattr(FakeCapture, "hardware", hardware, raising=False)
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    monkeypatch.setattr(fcntl, "ioctl", fake_ioctl({path: pack_capability("uvcvideo")}, hardware))
    monkeypatch.setattr("device.cameras.usb.find_cameras", lambda: v4l2.find_cameras(tmp_path))
    monkeypatch.setattr(watch, "FIRST_RETRY_DELAY", 0.05)
    with ReconnectingCamera("usb", size=(640, 480), small_shape=(353, 481)) as camera:
        camera.latest()
        for _ in range(2):
            hardware.plugged = False
            path.unlink()
            wait_until(lambda: not delivers(camera))
            with pytest.raises(CameraError, match="plug"):
                camera.latest(timeout=0.5)
            assert hardware.open_count == 0
            path.touch()
            hardware.plugged = True
            wait_until(lambda: delivers(camera))
    assert hardware.open_count == 0
