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

from device.cameras import v4l2
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
class CameraHardware:
    """A camera on its cable, and what can happen to it."""

    fps: float = 40.0
    plugged: bool = True
    busy: bool = False
    silent: bool = False
    stuck: bool = False
    sizes: tuple[tuple[int, int], ...] = ((320, 240), (640, 480), (1280, 720))
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
        assert request == v4l2.VIDIOC_REQBUFS
        assert len(argument) == 20
        if hardware.busy or hardware.open_count:
            raise OSError(errno.EBUSY, "Device or resource busy")
        return argument

    return ioctl


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
        return {"SensorTimestamp": int(stamp * 1e9), "ExposureTime": 10_000}

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
        self.camera_controls = {} if self.one_stream else {"FrameDurationLimits": (33333, 120000, 33333)}
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

    def configure(self, configuration: dict[str, Any]) -> None:
        for name in configuration["controls"]:
            if name not in self.camera_controls:
                raise RuntimeError(f"Control {name} is not advertised by libcamera")
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


@dataclass(frozen=True)
class Transform:
    """libcamera.Transform."""

    hflip: int = 0
    vflip: int = 0


def fake_pi_modules(hardware: CameraHardware) -> dict[str, ModuleType]:
    """Return stand-ins for the modules picamera2 and libcamera, for sys.modules."""
    picamera2, libcamera = ModuleType("picamera2"), ModuleType("libcamera")
    Picamera2.hardware, Picamera2.models, Picamera2.boot_time = hardware, (IMX708,), False
    vars(picamera2).update(Picamera2=Picamera2)
    vars(libcamera).update(Transform=Transform, ColorSpace=SimpleNamespace(Smpte170m=lambda: "smpte170m"))
    return {"picamera2": picamera2, "libcamera": libcamera}
