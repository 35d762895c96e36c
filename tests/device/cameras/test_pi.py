"""The Pi's camera: how picamera2 is configured, and how its streams and time stamps are converted."""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.cameras import pi
from device.cameras.base import CameraError
from device.cameras.opening import open_camera
from tests.support.held import held_resources
from tests.support.stand_ins import IMX708, CameraHardware, Picamera2, camera_picture, fake_pi_modules, padded_yuv

SIZE = 640, 480


@pytest.fixture
def hardware(monkeypatch: pytest.MonkeyPatch) -> CameraHardware:
    hardware = CameraHardware(fps=30)
    for name, module in fake_pi_modules(hardware).items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(pi, "CAPTURE_TIMEOUT", 0.4)
    return hardware


def configuration_of(camera: Any) -> dict[str, Any]:
    """Return the configuration that picamera2 received."""
    configuration: dict[str, Any] = camera._device._camera.configuration
    return configuration


def test_image_processor_mirrors_and_scales_a_second_stream(hardware: CameraHardware) -> None:
    with pi.open_pi(SIZE, (353, 481)) as camera:
        configuration = configuration_of(camera)
        frame = camera.latest()
    assert configuration["main"] == {"format": "BGR888", "size": SIZE}
    assert configuration["lores"]["size"] == (482, 354)
    assert configuration["lores"]["format"] == "YUV420"
    assert configuration["transform"].hflip
    assert not configuration["queue"], "a queued frame is an old one"
    assert 3 <= configuration["buffer_count"] <= 4
    assert frame.mirrored
    assert frame.small.shape == (353, 481, 3)


@pytest.mark.parametrize("small", [(256, 256), (200, 322), (354, 482), (480, 640)])
def test_delivers_an_even_size_without_scaling(small: tuple[int, int], hardware: CameraHardware) -> None:
    with pi.open_pi(SIZE, small) as camera:
        assert configuration_of(camera)["lores"]["size"] == small[::-1]
        frame = camera.latest()
    seen = frame.small[:, ::-1].astype(int)
    expected = camera_picture(small[1], small[0])
    # Colour has half the resolution, so it may differ next to an edge, but nowhere else.
    wrong = np.asarray((np.abs(seen - expected) > 12).any(-1))
    height, width = small
    wrong[height // 2 - 2 : height // 2 + 2] = wrong[:, width // 2 - 2 : width // 2 + 2] = False
    assert not wrong.any(), "the rows' padding shows in the picture"


@pytest.mark.parametrize("small", [(481, 641), (721, 481)])
def test_scales_a_size_above_the_first_streams(small: tuple[int, int], hardware: CameraHardware) -> None:
    with pi.open_pi(SIZE, small) as camera:
        assert configuration_of(camera)["lores"] is None
        assert camera.latest().small.shape == (*small, 3)


def test_works_with_one_stream_and_no_flip(hardware: CameraHardware, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Picamera2, "one_stream", True)
    with pi.open_pi(SIZE, (353, 481)) as camera:
        frame = camera.latest()
    assert frame.small.shape == (353, 481, 3)
    assert not frame.mirrored, "the mirror has to mirror it"
    assert np.array_equal(frame.image, camera_picture(*SIZE))


def test_finds_a_camera_that_libcamera_missed(hardware: CameraHardware, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Picamera2, "models", ())
    assert pi.find_cameras() == []

    def search_again() -> None:
        Picamera2.models = (IMX708,)

    monkeypatch.setattr(Picamera2, "_cm", SimpleNamespace(reset=search_again))
    assert [camera.number for camera in pi.find_cameras()] == [0]


def test_makes_an_odd_screen_size_even(hardware: CameraHardware) -> None:
    with pi.open_pi((641, 481), None) as camera:
        frame = camera.latest()
    assert frame.image.shape == (480, 640, 3)
    assert frame.small is frame.image


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 40))
def test_drops_the_padding_of_yuv_rows(half_width: int, half_height: int, padding: int) -> None:
    width, height = 2 * half_width, 2 * half_height
    grey = np.repeat(np.random.default_rng(padding).integers(16, 235, (height, width, 1), np.uint8), 3, axis=2)
    unpacked = pi.yuv_to_rgb(padded_yuv(grey, width + 2 * padding), width, height)
    assert unpacked.shape == grey.shape
    assert np.abs(unpacked.astype(int) - grey).max() <= 3


@pytest.mark.parametrize("boot_time", [False, True])
def test_capture_time_is_right_by_either_clock(
    boot_time: bool, hardware: CameraHardware, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Picamera2, "boot_time", boot_time)
    slept = 3600.0
    clock = time.clock_gettime
    monkeypatch.setattr(time, "clock_gettime", lambda which: clock(time.CLOCK_MONOTONIC) + slept)
    with pi.open_pi(SIZE, None) as camera:
        numbers = [(camera.latest().captured_at - hardware.started) * hardware.fps for _ in range(3)]
    assert numbers == pytest.approx([round(number) for number in numbers], abs=0.05)


@given(st.floats(0, 1e6), st.just(0.0) | st.floats(1, 1e6), st.floats(0, 0.9))
def test_converts_time_stamps_to_the_monotonic_clock(now: float, slept: float, age: float) -> None:
    captured_at = now - age
    assert pi.to_monotonic(captured_at + slept, now, now + slept) == pytest.approx(captured_at, abs=1e-6)
    assert pi.to_monotonic(now + 1, now, now + slept) <= now
    assert pi.to_monotonic(0.0, 100.0, 200.0) == 100.0


def test_ignores_usb_cameras_that_libcamera_lists(hardware: CameraHardware, monkeypatch: pytest.MonkeyPatch) -> None:
    usb = r"\_SB_.PCI0-1.2:1.0-046d:082d/usb"
    monkeypatch.setattr(Picamera2, "models", (usb, IMX708))
    assert [camera.number for camera in pi.find_cameras()] == [1]
    monkeypatch.setattr(Picamera2, "models", (usb,))
    assert pi.find_cameras() == []
    with pytest.raises(CameraError, match=r"^No Pi camera found: push its ribbon cable"):
        pi.open_pi(SIZE, None)


def test_finds_no_camera_without_picamera2(monkeypatch: pytest.MonkeyPatch) -> None:
    finders = sys.meta_path[:]
    monkeypatch.setattr(sys, "meta_path", [_Missing("picamera2"), *finders])
    monkeypatch.delitem(sys.modules, "picamera2", raising=False)
    assert pi.find_cameras() == []


class _Missing:
    """A module finder for which one package is not installed."""

    def __init__(self, name: str) -> None:
        self.name = name

    def find_spec(self, name: str, path: object, target: object = None) -> None:
        if name == self.name:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@pytest.mark.parametrize(
    "error",
    [
        ModuleNotFoundError("No module named 'libcamera'", name="libcamera"),
        ValueError("numpy.dtype size changed, may indicate binary incompatibility"),
    ],
)
def test_tells_a_broken_picamera2_from_a_missing_one(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = ModuleType("picamera2")

    def fail(name: str) -> Any:
        raise error

    vars(broken)["__getattr__"] = fail
    monkeypatch.setitem(sys.modules, "picamera2", broken)
    with pytest.raises(pi.PiCameraUnusable, match="picamera2 does not work"):
        open_camera("pi", size=SIZE)
    monkeypatch.setattr("device.cameras.usb.find_cameras", list)
    with pytest.raises(CameraError, match=r"^No camera found: .* picamera2 does not work"):
        open_camera("auto", size=SIZE)
    monkeypatch.setattr("device.cameras.usb.find_cameras", lambda: [Path("/dev/video0")])
    monkeypatch.setattr("device.cameras.usb.open_first", lambda size, small, controls: None)
    open_camera("auto", size=SIZE)
    assert "picamera2 does not work" in caplog.text, "the log must say why the Pi's camera is not used"


def test_closes_a_camera_that_does_not_start(hardware: CameraHardware, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Picamera2) -> None:
        raise RuntimeError("Failed to start camera: Input/output error")

    monkeypatch.setattr(Picamera2, "start", fail)
    before = held_resources()
    with pytest.raises(CameraError, match=r"does not start \(Failed to start camera: Input/output error\)"):
        pi.open_pi(SIZE, None)
    assert hardware.open_count == 0
    assert held_resources() - before == Counter()


def test_leaves_no_request_waiting_after_a_hang(hardware: CameraHardware) -> None:
    """picamera2's close() would wait for such a request, and each would keep a buffer."""
    with pi.open_pi(SIZE, None) as camera:
        live_camera: Any = camera
        picamera2 = live_camera._device._camera
        hardware.silent = True
        time.sleep(0.5)
        camera.latest()  # the last frame before it hung
        with pytest.raises(CameraError, match=r"no picture for 0\.4 s: check its ribbon cable"):
            camera.latest()
    assert picamera2.jobs == []
    assert hardware.open_count == 0
