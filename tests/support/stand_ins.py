"""Stand-ins for cameras: they behave like picamera2, libcamera, OpenCV's V4L2 and the kernel towards a driver.

Written after picamera2 0.3.38's source, linux/videodev2.h and OpenCV's cap_v4l.cpp.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import cv2
import numpy as np

from device.cameras import v4l2, v4l2_controls
from models.pose import Image

IMX708 = "/base/soc/i2c0mux/i2c@1/imx708@1a"
"""libcamera's name for a Pi's own camera."""


def camera_picture(width: int, height: int) -> Image:
    """Return what every camera here sees: red and green above blue and white, so that each turn and mirroring shows."""
    picture = np.zeros((height, width, 3), np.uint8)
    half, middle = height // 2, width // 2
    picture[:half, :middle] = 220, 20, 20
    picture[:half, middle:] = 20, 200, 20
    picture[half:, :middle] = 20, 20, 220
    picture[half:, middle:] = 230, 230, 230
    return picture


@dataclass
class FakeControl:
    """One of a V4L2 device's controls. `options` are a menu's values; a menu refuses others, a number is clipped."""

    minimum: int
    maximum: int
    value: int
    step: int = 1
    options: tuple[int, ...] = ()
    flags: int = 0

    automatic: int | None = None
    """The control that sets this one by itself. Meanwhile it has the value `found`, and cannot be set."""

    found: int = 0


def webcam_controls() -> dict[int, FakeControl]:
    """Return a webcam's controls, those of a Logitech C920, after another program has fixed all of them."""
    c = v4l2_controls
    return {
        c.AUTO_WHITE_BALANCE: FakeControl(0, 1, 0),
        c.GAIN: FakeControl(0, 255, 10, automatic=c.EXPOSURE_AUTO, found=64),
        c.POWER_LINE_FREQUENCY: FakeControl(0, 2, 2, options=(0, 1, 2)),
        c.WHITE_BALANCE_TEMPERATURE: FakeControl(2000, 6500, 2100, automatic=c.AUTO_WHITE_BALANCE, found=4000),
        c.EXPOSURE_AUTO: FakeControl(0, 3, 1, options=(1, 3)),
        c.EXPOSURE_ABSOLUTE: FakeControl(3, 2047, 250, automatic=c.EXPOSURE_AUTO, found=166),
        c.EXPOSURE_AUTO_PRIORITY: FakeControl(0, 1, 1),
        c.FOCUS_ABSOLUTE: FakeControl(0, 250, 90, step=5, automatic=c.FOCUS_AUTO, found=30),
        c.FOCUS_AUTO: FakeControl(0, 1, 0),
    }


@dataclass
class CameraHardware:
    """A camera on its cable, and what can happen to it."""

    fps: float = 40.0
    plugged: bool = True
    busy: bool = False
    silent: bool = False
    stuck: bool = False
    sizes: tuple[tuple[int, int], ...] = ((320, 240), (640, 480), (1280, 720))
    controls: dict[int, FakeControl] = field(default_factory=webcam_controls)
    """V4L2's controls of a webcam."""

    light: float = 1.0
    """How bright the room is, and how warm: what an automatic exposure and white balance follow."""

    open_count: int = 0
    """How many drivers have it open now."""

    started: float = field(default_factory=time.monotonic)

    def frame_number(self) -> int:
        """Return the number of pictures since it was switched on."""
        return int((time.monotonic() - self.started) * self.fps)

    def frame_time(self, number: int) -> float:
        """Return when a picture was taken, in seconds of time.monotonic()."""
        return self.started + number / self.fps


class FakeCapture:
    """cv2.VideoCapture(path, cv2.CAP_V4L2): buffers fill in turn, and when all are full, pictures are lost."""

    hardware: CameraHardware
    select_timeout = 0.4

    def __init__(self, path: str, api: int) -> None:
        assert api == cv2.CAP_V4L2, "a USB camera must be opened by V4L2"
        self.open = self.hardware.plugged and not self.hardware.busy
        self.hardware.open_count += self.open
        self.properties: dict[int, float] = {cv2.CAP_PROP_BUFFERSIZE: 4}
        self.last = self.hardware.frame_number()
        self.full: list[int] = []
        self.number = self.last

    def isOpened(self) -> bool:
        return self.open

    def set(self, name: int, value: float) -> bool:
        self.properties[name] = value
        return True

    def get(self, name: int) -> float:
        if name == cv2.CAP_PROP_POS_MSEC:
            return self.hardware.frame_time(self.number) * 1000
        if name in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT):
            return self.size[name == cv2.CAP_PROP_FRAME_HEIGHT]
        return self.properties.get(name, 0.0)

    @property
    def size(self) -> tuple[int, int]:
        """The camera's size nearest to the wanted one."""
        wanted_width = self.properties.get(cv2.CAP_PROP_FRAME_WIDTH, 640)
        return min(self.hardware.sizes, key=lambda size: abs(size[0] - wanted_width))

    def grab(self) -> bool:
        assert self.open, "OpenCV would crash: the camera is not open"
        deadline = time.monotonic() + self.select_timeout
        while self.hardware.plugged and time.monotonic() < deadline:
            if not self.full and not self.hardware.silent:
                newest = min(self.hardware.frame_number(), self.last + int(self.properties[cv2.CAP_PROP_BUFFERSIZE]))
                self.full = list(range(self.last + 1, newest + 1))
            if self.full:
                self.number = self.full.pop(0)
                self.last = self.number if self.full else self.hardware.frame_number()
                return True
            time.sleep(0.005)
        return False

    def retrieve(self) -> tuple[bool, Any]:
        _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(camera_picture(*self.size), cv2.COLOR_RGB2BGR))
        return True, cv2.imdecode(jpeg, cv2.IMREAD_COLOR)

    def release(self) -> None:
        self.hardware.open_count -= self.open
        self.open = False


def fake_ioctl(devices: dict[Path, bytes], hardware: CameraHardware) -> Callable[[int, int, bytes], bytes]:
    """Return a stand-in for fcntl.ioctl: device files with their capabilities, all of one camera that may be busy."""

    def ioctl(device: int, request: int, argument: bytes) -> bytes:
        path = Path(os.readlink(f"/proc/self/fd/{device}"))
        if path not in devices:
            raise OSError(errno.ENOTTY, "Inappropriate ioctl for device")
        if request == v4l2.VIDIOC_QUERYCAP:
            assert len(argument) == 104
            return devices[path]
        if request == v4l2.VIDIOC_REQBUFS:
            assert len(argument) == 20
            if hardware.busy or hardware.open_count:
                raise OSError(errno.EBUSY, "Device or resource busy")
            return argument
        return control_ioctl(hardware, request, argument)

    return ioctl


def control_ioctl(hardware: CameraHardware, request: int, argument: bytes) -> bytes:
    """Answer an ioctl about a control as the kernel's uvcvideo does."""
    number = int.from_bytes(argument[:4], "little")
    control = hardware.controls.get(number)
    if control is None:
        raise OSError(errno.EINVAL, "Invalid argument")
    switch = None if control.automatic is None else hardware.controls[control.automatic]
    is_automatic = switch is not None and switch.value != (1 if switch.options else 0)
    if request == v4l2_controls.VIDIOC_QUERYCTRL:
        assert len(argument) == 68
        limits = control.minimum, control.maximum, control.step, control.minimum
        return v4l2_controls.QUERY.pack(number, 1, b"a control", *limits, control.flags)
    assert len(argument) == 8
    if request == v4l2_controls.VIDIOC_G_CTRL:
        value = round(control.found * hardware.light) if is_automatic else control.value
        return v4l2_controls.CONTROL.pack(number, value)
    assert request == v4l2_controls.VIDIOC_S_CTRL
    value = v4l2_controls.CONTROL.unpack(argument)[1]
    if is_automatic:
        raise OSError(errno.EACCES, "Permission denied")
    if control.options and value not in control.options:
        raise OSError(errno.EINVAL, "Invalid argument")
    control.value = min(max(value, control.minimum), control.maximum)
    return argument


def pack_capability(
    driver: str, card: str = "a camera", capabilities: int = 0x84200001, node: int = 0x04200001
) -> bytes:
    """Return a struct v4l2_capability, by default that of a webcam's first node."""
    return v4l2.CAPABILITY.pack(driver.encode(), card.encode(), b"usb-1.2", 0x060C00, capabilities, node)


class Job:
    """A request for a picture that is waiting."""

    def __init__(self) -> None:
        self.future: Future[Request] = Future()
        self.future.set_running_or_notify_cancel()


class Request:
    """A CompletedRequest: it holds one of the camera's buffers until it is released."""

    def __init__(self, camera: Picamera2, number: int) -> None:
        self.camera, self.number, self.released = camera, number, False

    def get_metadata(self) -> dict[str, Any]:
        since_boot = time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic() if self.camera.boot_time else 0.0
        stamp = self.camera.hardware.frame_time(self.number) + since_boot
        return {"SensorTimestamp": int(stamp * 1e9)} | self.camera.measure()

    def make_array(self, name: str) -> Image:
        assert not self.released
        stream = self.camera.configuration[name]
        width, height = stream["size"]
        picture = camera_picture(width, height)
        if self.camera.configuration["transform"].hflip:
            picture = picture[:, ::-1]
        if stream["format"] == "BGR888":
            return np.ascontiguousarray(picture)
        return padded_yuv(np.ascontiguousarray(picture), stream["stride"])

    def release(self) -> None:
        if self.released:
            raise RuntimeError("CompletedRequest: lock now has negative ref_count")
        self.released = True
        with self.camera.lock:
            self.camera.free += 1


def padded_yuv(picture: Image, stride: int) -> Image:
    """Convert RGB to 1½·h rows of YUV 4:2:0. The rows of its three planes are padded with rubbish to the stride."""
    height, width = picture.shape[:2]
    flat = cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420).reshape(-1)
    planes, start = [], 0
    for rows, columns, padded in ((height, width, stride), *[(height // 2, width // 2, stride // 2)] * 2):
        plane = np.full((rows, padded), 77, np.uint8)
        plane[:, :columns] = flat[start : start + rows * columns].reshape(rows, columns)
        planes.append(plane.reshape(-1))
        start += rows * columns
    return np.concatenate(planes).reshape(height * 3 // 2, stride)


class Picamera2:
    """picamera2.Picamera2, with its event loop in a thread, its jobs, and its errors."""

    hardware: CameraHardware
    models: tuple[str, ...] = ()
    boot_time = False
    """Whether time stamps are by CLOCK_BOOTTIME instead of CLOCK_MONOTONIC."""

    one_stream = False
    """Whether it has a single stream and no flip, like the cameras for libcamera's own tests."""

    lens = True
    """Whether its lens can be moved, as in a Camera Module 3."""

    _cm: Any = SimpleNamespace(reset=lambda: None)

    @staticmethod
    def global_camera_info() -> list[dict[str, Any]]:
        if not Picamera2.hardware.plugged:
            return []
        return [{"Model": "imx708", "Id": name, "Num": number} for number, name in enumerate(Picamera2.models)]

    def __init__(self, camera_num: int = 0) -> None:
        self.notifyme_r, self.notifyme_w = os.pipe2(os.O_NONBLOCK)
        self.notifymeread = os.fdopen(self.notifyme_r, "rb")
        self.is_open = False
        if camera_num >= len(self.global_camera_info()):
            raise RuntimeError(f"No camera number {camera_num} found")
        try:
            if self.hardware.busy or self.hardware.open_count:
                raise RuntimeError("Failed to acquire camera: Device or resource busy")
        except RuntimeError as error:
            raise RuntimeError("Camera __init__ sequence did not complete.") from error
        self.hardware.open_count += 1
        self.is_open = True
        self.lock = threading.Lock()
        self.jobs: list[Job] = []
        self.configuration: dict[str, Any] = {}
        self.camera_controls = {} if self.one_stream else pi_controls_of_a_camera(self.lens)
        self.values: dict[str, Any] = {}
        self.stopping = threading.Event()
        self.loop: threading.Thread | None = None

    def create_video_configuration(
        self, main: dict[str, Any], lores: dict[str, Any] | None = None, **settings: Any
    ) -> dict[str, Any]:
        defaults: dict[str, Any] = {
            "transform": None,
            "colour_space": None,
            "buffer_count": 6,
            "queue": True,
            "controls": {},
        }
        assert set(settings) <= set(defaults)
        streams = {
            "main": {"format": "XBGR8888", "size": (1280, 720)} | main,
            "lores": None if lores is None else {"format": "YUV420", "size": main["size"]} | lores,
        }
        return streams | defaults | settings

    def set_controls(self, controls: dict[str, Any]) -> None:
        for name, value in controls.items():
            if name not in self.camera_controls:
                raise RuntimeError(f"Control {name} is not advertised by libcamera")
            assert isinstance(value, PI_CONTROL_TYPES.get(name, tuple)), (
                f"libcamera cannot convert {value!r} for {name}"
            )
        self.values |= controls

    def measure(self) -> dict[str, Any]:
        """Return what a picture's metadata say: the fixed value of what is fixed, else one that follows the light."""
        light = self.hardware.light
        measured: dict[str, Any] = {
            "ExposureTime": round(10_000 / light),
            "AnalogueGain": 2.0 / light,
            "LensPosition": 1.0,
        }
        if self.values.get("AwbEnable", True):
            measured |= {"ColourGains": (1.5 * light, 2.0), "ColourTemperature": round(4000 * light)}
        return measured | {name: self.values[name] for name in self.values if name in measured or name == "ColourGains"}

    def configure(self, configuration: dict[str, Any]) -> None:
        self.set_controls(configuration["controls"])
        main, lores = configuration["main"], configuration["lores"]
        for stream in (main, lores or main):
            if stream["size"][0] % 2 or stream["size"][1] % 2:
                raise RuntimeError("width and height should be even")
        if lores is not None and self.one_stream:
            raise AttributeError("'NoneType' object has no attribute 'orientation'")
        if self.one_stream:
            configuration["transform"] = Transform()
        if lores is not None:
            if lores["size"][0] > main["size"][0] or lores["size"][1] > main["size"][1]:
                raise RuntimeError("lores stream dimensions may not exceed main stream")
            if lores["format"] != "YUV420":
                raise RuntimeError("lores stream must be YUV")
            lores["stride"] = -(-lores["size"][0] // 64) * 64
        self.configuration = configuration
        self.free = configuration["buffer_count"]

    def camera_configuration(self) -> dict[str, Any]:
        return self.configuration

    def start(self) -> None:
        assert self.configuration
        self.loop = threading.Thread(target=self.run, daemon=True)
        self.loop.start()

    def run(self) -> None:
        last = self.hardware.frame_number()
        while not self.stopping.wait(0.005):
            number = self.hardware.frame_number()
            with self.lock:
                if number == last or not self.free or self.hardware.silent or not self.hardware.plugged:
                    continue
                last = number
                if self.jobs:  # without a job the picture is dropped, because of queue=False
                    self.free -= 1
                    self.jobs.pop(0).future.set_result(Request(self, number))

    def capture_request(self, wait: float) -> Request:
        """Wait for a picture. As in picamera2, a job that timed out stays in the list and takes the next picture."""
        job = Job()
        with self.lock:
            self.jobs.append(job)
        return job.future.result(timeout=wait)

    def cancel_all_and_flush(self) -> None:
        with self.lock:
            for job in self.jobs:
                job.future.set_exception(CancelledError())
            self.jobs = []

    def close(self) -> None:
        if not self.is_open:
            return
        while self.hardware.stuck:
            time.sleep(0.01)
        self.stopping.set()
        if self.loop is not None:
            self.loop.join()
        if self.configuration:
            assert self.free == self.configuration["buffer_count"], "a request was not released"
        self.is_open = False
        self.hardware.open_count -= 1
        self.notifymeread.close()
        os.close(self.notifyme_w)


def pi_controls_of_a_camera(lens: bool) -> dict[str, tuple[Any, Any, Any]]:
    """Return the controls of a Pi's camera that the mirror may use: smallest, largest and default values."""
    controls = {
        "FrameDurationLimits": (33333, 120000, 33333), "AeEnable": (False, True, True),
        "ExposureTime": (26, 66666, 20000), "AnalogueGain": (1.122807, 16.0, 1.0), "AwbEnable": (False, True, None),
        "ColourGains": (0.0, 32.0, None), "ColourTemperature": (100, 100000, None), "AeFlickerMode": (0, 1, 0),
        "AeFlickerPeriod": (100, 1000000, None),
    }  # fmt: skip
    autofocus = {"AfMode": (0, 2, 0), "AfRange": (0, 2, 0), "AfSpeed": (0, 1, 0), "LensPosition": (0.0, 15.0, 1.0)}
    return controls | autofocus if lens else controls


PI_CONTROL_TYPES = {
    "AeEnable": bool, "ExposureTime": int, "AnalogueGain": float, "AwbEnable": bool, "ColourTemperature": int,
    "AeFlickerMode": int, "AeFlickerPeriod": int, "AfMode": int, "AfRange": int, "AfSpeed": int, "LensPosition": float,
}  # fmt: skip
"""The types that libcamera's Python binding converts; all others here are tuples."""


@dataclass(frozen=True)
class Transform:
    """libcamera.Transform."""

    hflip: int = 0
    vflip: int = 0


def fake_pi_modules(hardware: CameraHardware) -> dict[str, ModuleType]:
    """Return stand-ins for the modules picamera2 and libcamera, for sys.modules."""
    picamera2, libcamera = ModuleType("picamera2"), ModuleType("libcamera")
    Picamera2.hardware, Picamera2.models, Picamera2.boot_time = hardware, (IMX708,), False
    Picamera2.lens = True
    vars(picamera2).update(Picamera2=Picamera2)
    vars(libcamera).update(Transform=Transform, ColorSpace=SimpleNamespace(Smpte170m=lambda: "smpte170m"))
    return {"picamera2": picamera2, "libcamera": libcamera}
