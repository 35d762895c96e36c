"""What cameras are asked to do besides delivering pictures: focus, exposure, white balance and flicker."""

from __future__ import annotations

import errno
import fcntl
import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest

from device.cameras import controls as controls_module
from device.cameras import opening, pi, pi_controls, usb, v4l2_controls
from device.cameras.base import Camera, CameraError
from device.cameras.controls import AUTOMATIC, LOCK_AFTER, CameraControls, LockTimer
from device.cameras.opening import describe_cameras, open_camera
from device.cameras.v4l2_controls import (
    AUTO_WHITE_BALANCE,
    AUTOGAIN,
    EXPOSURE_ABSOLUTE,
    EXPOSURE_AUTO,
    EXPOSURE_AUTO_PRIORITY,
    FOCUS_ABSOLUTE,
    FOCUS_AUTO,
    GAIN,
    POWER_LINE_FREQUENCY,
    WHITE_BALANCE_TEMPERATURE,
    Control,
)
from tests.support.stand_ins import (
    IMX708,
    CameraHardware,
    FakeCapture,
    FakeControl,
    Picamera2,
    fake_ioctl,
    fake_pi_modules,
    pack_capability,
    pi_controls_of_a_camera,
)

SIZE = 640, 480

Opener = Callable[[CameraControls], Camera]


@pytest.fixture
def hardware() -> CameraHardware:
    return CameraHardware()


@pytest.fixture
def open_pi(hardware: CameraHardware, monkeypatch: pytest.MonkeyPatch) -> Opener:
    for name, module in fake_pi_modules(hardware).items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(pi, "CAPTURE_TIMEOUT", 0.5)
    return lambda controls: open_camera("pi", size=SIZE, controls=controls)


@pytest.fixture
def webcam(tmp_path: Path, hardware: CameraHardware, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "video0"
    path.touch()
    monkeypatch.setattr(FakeCapture, "hardware", hardware, raising=False)
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    monkeypatch.setattr(fcntl, "ioctl", fake_ioctl({path: pack_capability("uvcvideo", "C920")}, hardware))
    monkeypatch.setattr(usb, "find_cameras", lambda: [path])
    return path


def open_webcam(controls: CameraControls) -> Camera:
    return open_camera("usb", size=SIZE, controls=controls)


def values_of(camera: Any) -> dict[str, Any]:
    """Return the controls that picamera2 received."""
    values: dict[str, Any] = dict(camera._device._camera.values)
    values.pop("FrameDurationLimits", None)
    return values


CONTINUOUS = {"AfMode": 2, "AfRange": 0, "AfSpeed": 0}


@pytest.mark.parametrize(
    ("controls", "expected"),
    [
        (AUTOMATIC, CONTINUOUS),
        (CameraControls(focus=2.5), {"AfMode": 0, "LensPosition": 0.4}),
        (CameraControls(focus=0.0), {"AfMode": 0, "LensPosition": 0.0}),
        (CameraControls(focus=0.01), {"AfMode": 0, "LensPosition": 15.0}),
        (CameraControls(exposure=20.0), CONTINUOUS | {"ExposureTime": 20_000}),
        (CameraControls(exposure=20.0, gain=99.0), CONTINUOUS | {"ExposureTime": 20_000, "AnalogueGain": 16.0}),
        (CameraControls(white_balance=4000.0), CONTINUOUS | {"AwbEnable": False, "ColourTemperature": 4000}),
        (CameraControls(mains=50), CONTINUOUS | {"AeFlickerMode": 1, "AeFlickerPeriod": 10_000}),
        (CameraControls(mains=60), CONTINUOUS | {"AeFlickerMode": 1, "AeFlickerPeriod": 8_333}),
        (CameraControls(gain=4.0), CONTINUOUS),
    ],
)
def test_starts_a_pi_camera_with_its_controls(
    controls: CameraControls, expected: dict[str, Any], open_pi: Opener
) -> None:
    with open_pi(controls) as camera:
        assert values_of(camera) == expected


def test_leaves_a_lens_alone_that_does_not_move(
    open_pi: Opener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Picamera2, "lens", False)
    with open_pi(AUTOMATIC) as camera:
        assert values_of(camera) == {}
    assert caplog.messages == []
    with open_pi(CameraControls(focus=2.0)) as camera:
        assert values_of(camera) == {}
    assert caplog.messages == ["The Pi camera has no control for [camera] focus."]


def test_an_old_libcamera_keeps_its_white_balance() -> None:
    """Without ColourTemperature, AwbEnable alone would stop it at values that nobody chose."""
    available = pi_controls_of_a_camera(lens=True)
    del available["ColourTemperature"]
    controls = CameraControls(white_balance=4000.0)
    assert "AwbEnable" not in pi_controls.start_controls(controls, available)
    assert pi_controls.missing_controls(controls, available) == ["white_balance"]


def wait_for(camera: Camera, condition: Callable[[], bool]) -> None:
    """Ask for frames until the condition holds, for a minute at most."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        camera.latest()


def test_locks_a_pi_cameras_light_and_keeps_it(
    open_pi: Opener, hardware: CameraHardware, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(controls_module, "LOCK_AFTER", 0.2)
    caplog.set_level(logging.INFO)
    hardware.light = 2.0
    with open_pi(CameraControls(exposure="locked", white_balance="locked")) as camera:
        assert "AeEnable" not in values_of(camera), "it follows the light until it has settled"
        wait_for(camera, lambda: "AeEnable" in values_of(camera))
        locked = values_of(camera)
        hardware.light = 0.5
        for _ in range(3):
            camera.latest()
        assert values_of(camera) == locked
    assert locked == CONTINUOUS | {
        "AeEnable": False,
        "ExposureTime": 5000,
        "AnalogueGain": 1.0,
        "AwbEnable": False,
        "ColourGains": (3.0, 2.0),
    }
    # as it can be copied into the configuration
    assert "The Pi camera is locked at exposure = 5.0, gain = 1.0, white_balance = 8000." in caplog.messages


def test_locks_once_some_seconds_after_the_first_picture() -> None:
    timer = LockTimer(CameraControls(exposure="locked"))
    assert [timer.is_due(100 + second) for second in (0, LOCK_AFTER - 0.1, LOCK_AFTER, LOCK_AFTER + 1)] == [
        False,
        False,
        True,
        False,
    ]
    assert not LockTimer(AUTOMATIC).is_due(0.0)
    assert not LockTimer(CameraControls(exposure=20.0)).is_due(1e9)


def settings_of(hardware: CameraHardware) -> dict[int, int]:
    return {number: control.value for number, control in hardware.controls.items()}


def test_a_webcam_gets_its_automatics_back(webcam: Path, hardware: CameraHardware) -> None:
    """It remembers what another program, or an earlier configuration, has fixed."""
    with open_webcam(AUTOMATIC):
        settings = settings_of(hardware)
    assert settings[EXPOSURE_AUTO] == 3
    assert settings[AUTO_WHITE_BALANCE] == settings[FOCUS_AUTO] == 1
    assert settings[EXPOSURE_AUTO_PRIORITY] == 0, "in the dark it would fall to 10 pictures a second"
    assert settings[POWER_LINE_FREQUENCY] == 2, "nobody asked for another"


def test_fixes_a_webcams_focus_and_light(webcam: Path, hardware: CameraHardware) -> None:
    controls = CameraControls(focus=0.5, exposure=12.34, gain=40.0, white_balance=9000.0, mains=50)
    for control in (EXPOSURE_AUTO, AUTO_WHITE_BALANCE, FOCUS_AUTO):
        hardware.controls[control].value = 3 if control == EXPOSURE_AUTO else 1
    with open_webcam(controls):
        settings = settings_of(hardware)
    assert (settings[FOCUS_AUTO], settings[FOCUS_ABSOLUTE]) == (0, 50)
    assert (settings[EXPOSURE_AUTO], settings[EXPOSURE_ABSOLUTE], settings[GAIN]) == (1, 123, 40)
    assert (settings[AUTO_WHITE_BALANCE], settings[WHITE_BALANCE_TEMPERATURE]) == (0, 6500)
    assert settings[POWER_LINE_FREQUENCY] == 1


@pytest.mark.parametrize(("metres", "position"), [(0.0, 0), (3.0, 10), (0.2, 125), (0.05, 250)])
def test_focuses_a_webcam_nearer_with_larger_values(
    metres: float, position: int, webcam: Path, hardware: CameraHardware
) -> None:
    with open_webcam(CameraControls(focus=metres)):
        assert settings_of(hardware)[FOCUS_ABSOLUTE] == position


def test_locks_a_webcams_light_and_keeps_it(
    webcam: Path, hardware: CameraHardware, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(controls_module, "LOCK_AFTER", 0.2)
    caplog.set_level(logging.INFO)
    hardware.light = 1.5
    with open_webcam(CameraControls(exposure="locked", white_balance="locked")) as camera:
        assert settings_of(hardware)[EXPOSURE_AUTO] == 3
        wait_for(camera, lambda: settings_of(hardware)[AUTO_WHITE_BALANCE] == 0)
        settings = settings_of(hardware)
    assert (settings[EXPOSURE_AUTO], settings[EXPOSURE_ABSOLUTE], settings[GAIN]) == (1, 249, 96)
    assert settings[WHITE_BALANCE_TEMPERATURE] == 6000
    assert any(text.endswith("exposure = 24.9, gain = 96, white_balance = 6000.") for text in caplog.messages)


def test_a_webcam_without_controls_works(
    webcam: Path, hardware: CameraHardware, caplog: pytest.LogCaptureFixture
) -> None:
    hardware.controls = {}
    with open_webcam(AUTOMATIC) as camera:
        camera.latest()
    assert caplog.messages == []
    with open_webcam(CameraControls(focus=2.0, exposure="locked", mains=50)) as camera:
        camera.latest()
    assert caplog.messages == [f"The camera {webcam} has no control for [camera] focus, exposure, mains."]


def test_a_webcam_that_refuses_a_control_works(
    webcam: Path, hardware: CameraHardware, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ioctl = fcntl.ioctl

    def refuse(device: int, request: int, argument: bytes) -> bytes:
        if request == v4l2_controls.VIDIOC_S_CTRL and argument.startswith(FOCUS_AUTO.to_bytes(4, "little")):
            raise OSError(errno.EIO, "Input/output error")
        return ioctl(device, request, argument)

    monkeypatch.setattr(fcntl, "ioctl", refuse)
    with open_webcam(AUTOMATIC) as camera:
        camera.latest()
    assert settings_of(hardware)[AUTO_WHITE_BALANCE] == 1, "the others are set"
    assert caplog.messages == [f"The camera {webcam} refuses focus_automatic_continuous."]


def test_leaves_alone_what_can_only_be_read(webcam: Path, hardware: CameraHardware) -> None:
    hardware.controls[FOCUS_AUTO].flags = v4l2_controls.FLAG_READ_ONLY
    hardware.controls[EXPOSURE_AUTO_PRIORITY].flags = v4l2_controls.FLAG_DISABLED
    with open_webcam(AUTOMATIC):
        settings = settings_of(hardware)
    assert (settings[FOCUS_AUTO], settings[EXPOSURE_AUTO_PRIORITY]) == (0, 1)


def test_finds_the_automatic_that_a_camera_has(webcam: Path, hardware: CameraHardware) -> None:
    """Most have aperture priority (3) and manual (1); a few have full automatic (0) and shutter priority (2)."""
    hardware.controls[EXPOSURE_AUTO] = FakeControl(0, 3, 2, options=(0, 2))
    hardware.controls[AUTOGAIN] = FakeControl(0, 1, 0)
    with open_webcam(AUTOMATIC):
        assert settings_of(hardware)[EXPOSURE_AUTO] == 0
        assert settings_of(hardware)[AUTOGAIN] == 1


def test_a_controls_value_is_on_its_steps() -> None:
    control = Control(minimum=-10, maximum=11, step=4, value=0)
    assert [control.nearest(value) for value in (-99, -9, 3.9, 8.1, 99)] == [-10, -10, 2, 10, 10]


def test_chooses_one_of_two_pi_cameras(
    open_pi: Opener, hardware: CameraHardware, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = IMX708.replace("i2c@1", "i2c@0")
    monkeypatch.setattr(Picamera2, "models", (IMX708, second))
    numbers: list[int] = []
    open_picamera2 = pi._open_picamera2

    def record_number(number: int) -> Any:
        numbers.append(number)
        return open_picamera2(number)

    monkeypatch.setattr(pi, "_open_picamera2", record_number)
    for source in ("pi", "pi:0", "pi:1"):
        open_camera(source, size=SIZE).close()
    assert numbers == [0, 0, 1]
    with pytest.raises(CameraError) as caught:
        open_camera("pi:2", size=SIZE)
    assert str(caught.value) == (
        "No camera found at pi:2, only pi:0 (imx708), pi:1 (imx708): check its ribbon cable, or choose another."
    )


def test_describes_each_camera_and_what_can_be_set(open_pi: Opener, webcam: Path) -> None:
    assert describe_cameras() == [
        "pi:0 is imx708, and can be set: focus from 7 cm, exposure from 0.026 ms, gain 1.12–16, white_balance, mains.",
        "usb:0 is C920, and can be set: focus, exposure 0.3–204.7 ms, gain 0–255, white_balance 2000–6500 K, mains.",
    ]


def test_describes_a_camera_that_is_in_use(open_pi: Opener, webcam: Path, hardware: CameraHardware) -> None:
    hardware.busy = True
    first, second = describe_cameras()
    assert first == "pi:0 is imx708."
    assert second.startswith("usb:0 is C920, and can be set: ")


def test_describes_no_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picamera2", None)
    monkeypatch.setattr(usb, "find_cameras", list)
    assert opening.describe_cameras() == []
