"""The Pi's camera: what is asked of picamera2, and what is made of its streams and times."""

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


def configured(camera: Any) -> dict[str, Any]:
    """What picamera2 was configured with."""
    given: dict[str, Any] = camera._device._camera.configuration
    return given


def test_the_image_processor_flips_and_scales_a_second_stream_to_the_next_even_size(hardware: CameraHardware) -> None:
    with pi.open_pi(SIZE, (353, 481)) as camera:
        given = configured(camera)
        frame = camera.latest()
    assert given["main"] == {"format": "BGR888", "size": SIZE}
    assert given["lores"]["size"] == (482, 354)
    assert given["lores"]["format"] == "YUV420"
    assert given["transform"].hflip
    assert not given["queue"], "a queued frame is a stale one"
    assert 3 <= given["buffer_count"] <= 4
    assert frame.mirrored
    assert frame.small.shape == (353, 481, 3)


@pytest.mark.parametrize("small", [(256, 256), (200, 322), (354, 482), (480, 640)])
def test_an_even_size_is_the_second_streams_own(small: tuple[int, int], hardware: CameraHardware) -> None:
    with pi.open_pi(SIZE, small) as camera:
        assert configured(camera)["lores"]["size"] == small[::-1]
        frame = camera.latest()
    seen = frame.small[:, ::-1].astype(int)
    expected = camera_picture(small[1], small[0])
    # Chroma is at half the resolution: only next to an edge may it differ.
    wrong = (np.abs(seen - expected) > 12).any(-1)
    height, width = small
    wrong[height // 2 - 2 : height // 2 + 2] = wrong[:, width // 2 - 2 : width // 2 + 2] = False
    assert not wrong.any(), "rubbish from the rows' padding is in the picture"


@pytest.mark.parametrize("small", [(481, 641), (721, 481)])
def test_a_size_above_the_first_streams_is_made_from_the_first(
    small: tuple[int, int], hardware: CameraHardware
) -> None:
    with pi.open_pi(SIZE, small) as camera:
        assert configured(camera)["lores"] is None
        assert camera.latest().small.shape == (*small, 3)


def test_a_camera_of_one_stream_without_a_flip_serves_too(
    hardware: CameraHardware, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Picamera2, "one_stream", True)
    with pi.open_pi(SIZE, (353, 481)) as camera:
        frame = camera.latest()
    assert frame.small.shape == (353, 481, 3)
    assert not frame.mirrored, "it is still to be flipped"
    assert np.array_equal(frame.image, camera_picture(*SIZE))


def test_a_camera_that_came_while_nobody_told_libcamera_is_found(
    hardware: CameraHardware, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Picamera2, "models", ())
    assert pi.find_camera() is None

    def look_again() -> None:
        Picamera2.models = (IMX708,)

    monkeypatch.setattr(Picamera2, "_cm", SimpleNamespace(reset=look_again))
    assert pi.find_camera() == 0


def test_an_odd_size_for_the_screen_is_made_even(hardware: CameraHardware) -> None:
    with pi.open_pi((641, 481), None) as camera:
        frame = camera.latest()
    assert frame.image.shape == (480, 640, 3)
    assert frame.small is frame.image


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 40))
def test_padding_of_any_width_is_left_out_of_a_yuv_picture(half_width: int, half_height: int, padding: int) -> None:
    width, height = 2 * half_width, 2 * half_height
    grey = np.repeat(np.random.default_rng(padding).integers(16, 235, (height, width, 1), np.uint8), 3, axis=2)
    unpacked = pi.yuv_to_rgb(padded_yuv(grey, width + 2 * padding), width, height)
    assert unpacked.shape == grey.shape
    assert np.abs(unpacked.astype(int) - grey).max() <= 3


@pytest.mark.parametrize("boot_time", [False, True])
def test_a_frames_time_is_its_exposures_whichever_clock_the_driver_reads(
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
def test_a_time_stamp_is_turned_into_the_mirrors_clock(now: float, slept: float, age: float) -> None:
    taken = now - age
    assert pi.to_monotonic(taken + slept, now, now + slept) == pytest.approx(taken, abs=1e-6)
    assert pi.to_monotonic(now + 1, now, now + slept) <= now
    assert pi.to_monotonic(0.0, 100.0, 200.0) == 100.0


def test_no_camera_on_the_connector_is_none_even_where_libcamera_lists_a_usb_one(
    hardware: CameraHardware, monkeypatch: pytest.MonkeyPatch
) -> None:
    usb = r"\_SB_.PCI0-1.2:1.0-046d:082d/usb"
    monkeypatch.setattr(Picamera2, "models", (usb, IMX708))
    assert pi.find_camera() == 1
    monkeypatch.setattr(Picamera2, "models", (usb,))
    assert pi.find_camera() is None
    with pytest.raises(CameraError, match=r"^No Pi camera found: push its ribbon cable"):
        pi.open_pi(SIZE, None)


def test_without_picamera2_there_is_no_pi_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    real = sys.meta_path[:]
    monkeypatch.setattr(sys, "meta_path", [_Missing("picamera2"), *real])
    monkeypatch.delitem(sys.modules, "picamera2", raising=False)
    assert pi.find_camera() is None


class _Missing:
    """An import system in which one package is not installed."""

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
def test_a_broken_picamera2_is_said_and_not_taken_for_a_missing_one(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = ModuleType("picamera2")

    def fail(name: str) -> Any:
        raise error

    broken.__getattr__ = fail  # type: ignore[method-assign]
    monkeypatch.setitem(sys.modules, "picamera2", broken)
    with pytest.raises(pi.PiCameraUnusable, match="picamera2 does not work"):
        open_camera("pi", size=SIZE)
    monkeypatch.setattr("device.cameras.usb.find_cameras", list)
    with pytest.raises(CameraError, match=r"^No camera found: .* picamera2 does not work"):
        open_camera("auto", size=SIZE)
    monkeypatch.setattr("device.cameras.usb.find_cameras", lambda: [Path("/dev/video0")])
    monkeypatch.setattr("device.cameras.usb.open_first", lambda size, small: None)
    open_camera("auto", size=SIZE)
    assert "picamera2 does not work" in caplog.text, "else nobody would know why it is not the Pi's own"


def test_a_camera_that_does_not_start_is_closed_again(
    hardware: CameraHardware, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Picamera2) -> None:
        raise RuntimeError("Failed to start camera: Input/output error")

    monkeypatch.setattr(Picamera2, "start", fail)
    before = held_resources()
    with pytest.raises(CameraError, match=r"does not start \(Failed to start camera: Input/output error\)"):
        pi.open_pi(SIZE, None)
    assert hardware.open_count == 0
    assert held_resources() - before == Counter()


def test_after_a_hang_no_request_is_left_waiting(hardware: CameraHardware) -> None:
    """picamera2's close() would wait behind it; and each would keep a buffer."""
    with pi.open_pi(SIZE, None) as camera:
        picamera2 = camera._device._camera  # type: ignore[attr-defined]
        hardware.silent = True
        time.sleep(0.5)
        camera.latest()  # the last before it hung
        with pytest.raises(CameraError, match=r"no picture for 0\.4 s: check its ribbon cable"):
            camera.latest()
    assert picamera2.jobs == []
    assert hardware.open_count == 0
