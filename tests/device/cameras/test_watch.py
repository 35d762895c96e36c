"""A camera that is kept open: how long it is waited for, what is said meanwhile, and that it comes back."""

from __future__ import annotations

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


class Scripted(Camera):
    """A camera that gives frames until it is told what to raise."""

    def __init__(self) -> None:
        self.fails: Exception | None = None
        self.picture = PICTURE
        self.stuck = False
        self.closed = 0

    def latest(self, timeout: float = 2.0) -> Frame:
        if self.fails:
            raise self.fails
        time.sleep(0.01)
        return Frame(self.picture, self.picture, time.monotonic(), False)

    def close(self) -> None:
        self.closed += 1
        if self.stuck:
            raise CameraStuck("The camera hangs.")


class Cupboard:
    """What `open_camera` finds: the cameras handed out, and what is wrong where there is none to be had."""

    def __init__(self) -> None:
        self.wrong: Exception | None = None
        self.cameras: list[Scripted] = []
        self.tries: list[float] = []

    def open(self, choice: str, **_: object) -> Camera:
        self.tries.append(time.monotonic())
        if self.wrong:
            raise self.wrong
        self.cameras.append(Scripted())
        return self.cameras[-1]


@pytest.fixture
def cupboard(monkeypatch: pytest.MonkeyPatch) -> Cupboard:
    cupboard = Cupboard()
    monkeypatch.setattr(watch, "open_camera", cupboard.open)
    monkeypatch.setattr(watch, "FIRST_RETRY_DELAY", 0.02)
    monkeypatch.setattr(watch, "MAX_RETRY_DELAY", 0.08)
    return cupboard


@pytest.fixture(autouse=True)
def _nothing_left_open() -> Iterator[None]:
    before = held_resources()
    yield
    assert held_resources() - before == Counter()


def eventually(happens: Callable[[], object], within: float = 3.0) -> None:
    deadline = time.monotonic() + within
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def gives(camera: Camera) -> bool:
    try:
        camera.latest(timeout=0.05)
    except CameraError:
        return False
    return True


def test_tries_come_after_half_a_second_one_two_four_and_so_on_up_to_ten() -> None:
    waits, back_off = [], Backoff()
    for _ in range(8):
        waits.append(back_off.delay)
        back_off = back_off.after_failure(uptime=0.0)
    assert waits == [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


@given(st.lists(st.floats(0, 100), max_size=3000))
def test_waits_are_never_long_and_start_again_after_a_camera_has_worked(worked: list[float]) -> None:
    back_off = Backoff()
    for seconds in worked:
        before, back_off = back_off, back_off.after_failure(seconds)
        assert 0.5 <= back_off.delay <= 10.0
        if seconds >= watch.STEADY_AFTER:
            assert back_off.delay == 0.5
        else:
            assert back_off.delay >= before.delay, "a camera that only flickers must not be tried ever faster"


def test_frames_pass_through(cupboard: Cupboard) -> None:
    with ReconnectingCamera("any", size=(4, 4)) as camera:
        assert camera.latest().image is PICTURE
    assert cupboard.cameras[0].closed == 1


def test_a_camera_that_is_missing_at_the_start_is_said_at_once_and_found_when_it_comes(cupboard: Cupboard) -> None:
    cupboard.wrong = CameraError("No camera found at /dev/video0: plug one in.")
    with ReconnectingCamera("any", size=(4, 4)) as camera:
        asked = time.monotonic()
        with pytest.raises(CameraError, match=r"^No camera found at /dev/video0: plug one in\.$"):
            camera.latest()
        assert time.monotonic() - asked < 1.0
        cupboard.wrong = None
        assert camera.latest().image is PICTURE


def test_while_there_is_no_camera_the_caller_waits_as_long_as_it_said_and_no_longer(cupboard: Cupboard) -> None:
    cupboard.wrong = CameraError("None.")
    with ReconnectingCamera("any", size=(4, 4)) as camera:
        with pytest.raises(CameraError, match="None"):
            camera.latest()
        asked = time.monotonic()
        with pytest.raises(CameraError, match="None"):
            camera.latest(timeout=0.2)
        assert 0.19 < time.monotonic() - asked < 1.0


def test_a_camera_that_is_lost_is_closed_and_comes_back_by_itself(
    cupboard: Cupboard, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with ReconnectingCamera("any", size=(4, 4)) as camera:
        camera.latest()
        cupboard.wrong = CameraError("No camera found: plug one in.")
        cupboard.cameras[0].fails = CameraError("It was unplugged.")
        with pytest.raises(CameraError, match="It was unplugged"):
            camera.latest()
        with pytest.raises(CameraError, match="No camera found"):
            camera.latest()
        assert cupboard.cameras[0].closed == 1
        time.sleep(0.3)
        cupboard.wrong = None
        assert camera.latest().image is PICTURE
        assert len(cupboard.cameras) == 2
    assert [record.getMessage() for record in caplog.records] == [
        "It was unplugged.",
        "No camera found: plug one in.",
        "The camera is back after 0 s.",
    ], "each sentence once, however many tries"
    assert len(cupboard.tries) >= 4


def test_tries_are_further_and_further_apart(cupboard: Cupboard) -> None:
    cupboard.wrong = CameraError("None.")
    with ReconnectingCamera("any", size=(4, 4)):
        eventually(lambda: len(cupboard.tries) >= 5)
    gaps = np.diff(cupboard.tries[:5])
    assert (gaps > np.array([0.02, 0.04, 0.08, 0.08]) - 0.001).all()


def test_a_short_silence_does_not_close_the_camera_and_a_long_one_does(cupboard: Cupboard) -> None:
    with ReconnectingCamera("any", size=(4, 4)) as camera:
        camera.latest()
        cupboard.cameras[0].fails = CameraSilent("The camera", 0.3)
        with pytest.raises(CameraSilent):
            camera.latest(timeout=0.3)
        time.sleep(0.1)
        assert cupboard.cameras[0].closed == 0
        cupboard.cameras[0].fails = CameraSilent("The camera", 2.1)
        with pytest.raises(CameraSilent, match=r"The camera has sent no picture for 2\.1 s\."):
            camera.latest()
        eventually(lambda: gives(camera))
        assert cupboard.cameras[0].closed == 1


def test_the_end_of_a_film_is_no_fault(cupboard: Cupboard) -> None:
    with ReconnectingCamera("any", size=(4, 4)) as camera:
        camera.latest()
        cupboard.cameras[0].fails = EndOfVideo("The video is over.")
        for _ in range(2):
            with pytest.raises(EndOfVideo):
                camera.latest()
    assert len(cupboard.cameras) == 1


def test_what_a_driver_raises_unforeseen_is_a_sentence_and_tried_again(
    cupboard: Cupboard, caplog: pytest.LogCaptureFixture
) -> None:
    cupboard.wrong = ZeroDivisionError("division by zero")
    with ReconnectingCamera("any", size=(4, 4)) as camera:
        with pytest.raises(CameraError, match=r"^The camera cannot be opened: division by zero\.$"):
            camera.latest()
        eventually(lambda: len(cupboard.tries) >= 4)
        cupboard.wrong = None
        eventually(lambda: gives(camera))
    assert caplog.text.count("Traceback") == 1, "once, however many tries"


@pytest.mark.parametrize(
    "picture",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)],
    ids=["grey", "four channels", "float", "empty"],
)
def test_a_camera_whose_picture_cannot_be_used_is_opened_again(cupboard: Cupboard, picture: Image) -> None:
    with ReconnectingCamera("any", size=(4, 4)) as camera:
        assert gives(camera)
        cupboard.cameras[0].picture = picture
        with pytest.raises(
            CameraError, match=r"^The camera's picture cannot be used: it is .* and not H×W×3 of uint8\.$"
        ):
            camera.latest()
        eventually(lambda: gives(camera))
    assert [one.closed for one in cupboard.cameras] == [1, 1]


def test_what_a_driver_raises_unforeseen_over_a_picture_is_a_sentence_and_the_camera_opened_again(
    cupboard: Cupboard, caplog: pytest.LogCaptureFixture
) -> None:
    with ReconnectingCamera("any", size=(4, 4)) as camera:
        assert gives(camera)
        cupboard.cameras[0].fails = cv2.error("(-215:Assertion failed) scn == 3 in function 'cvtColor'")
        with pytest.raises(CameraError, match=r"^The camera's picture cannot be used: .*scn == 3"):
            camera.latest()
        eventually(lambda: gives(camera))
    assert "Traceback" in caplog.text


def test_a_camera_that_only_a_new_process_can_have_is_not_tried_again(cupboard: Cupboard) -> None:
    with ReconnectingCamera("any", size=(4, 4)) as camera:
        camera.latest()
        cupboard.cameras[0].stuck = True
        cupboard.cameras[0].fails = CameraError("Silent.")
        with pytest.raises(CameraError, match="Silent"):
            camera.latest()
        for _ in range(2):
            with pytest.raises(CameraStuck, match="hangs"):
                camera.latest(timeout=0.1)
    assert len(cupboard.tries) == 1


def test_closing_wakes_whoever_waits_and_ends_the_tries(cupboard: Cupboard) -> None:
    cupboard.wrong = CameraError("None.")
    camera = ReconnectingCamera("any", size=(4, 4))
    assert not gives(camera)
    errors: list[str] = []

    def wait() -> None:
        try:
            camera.latest(timeout=10)
        except CameraError as error:
            errors.append(str(error))

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.05)
    camera.close()
    waiting.join(timeout=1)
    assert errors == ["The camera is closed."]
    tries = len(cupboard.tries)
    time.sleep(0.2)
    assert len(cupboard.tries) == tries


def test_a_usb_camera_that_is_pulled_out_and_plugged_in_again_goes_on_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it together: kernel and OpenCV stood in for, the driver, its thread and its watcher real."""
    hardware, path = CameraHardware(), tmp_path / "video0"
    path.touch()
    monkeypatch.setattr(FakeCapture, "hardware", hardware, raising=False)
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    monkeypatch.setattr(v4l2.fcntl, "ioctl", fake_ioctl({path: pack_capability("uvcvideo")}, hardware))
    monkeypatch.setattr("device.cameras.usb.find_cameras", lambda: v4l2.find_cameras(tmp_path))
    monkeypatch.setattr(watch, "FIRST_RETRY_DELAY", 0.05)
    with ReconnectingCamera("usb", size=(640, 480), small_shape=(353, 481)) as camera:
        camera.latest()
        for _ in range(2):
            hardware.plugged = False
            path.unlink()
            eventually(lambda: not gives(camera))
            with pytest.raises(CameraError, match="plug"):
                camera.latest(timeout=0.5)
            assert hardware.open_count == 0
            path.touch()
            hardware.plugged = True
            eventually(lambda: gives(camera))
    assert hardware.open_count == 0
