"""USB cameras, by OpenCV and V4L2."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Final

# How long OpenCV waits for a picture, ten seconds unless told; it looks once, at its first camera. A camera that was
# unplugged fails at once all the same: this is for one that hangs, and how long closing it then takes.
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "4")

import cv2
import numpy as np

from device.cameras import v4l2
from device.cameras.base import Camera, CameraError, Frame, make_frame
from device.cameras.live import LiveCamera, Shot
from models.pose import Image

FPS: Final = 30

BUFFER_COUNT: Final = 2
"""While one picture is decoded the camera fills the other; with a single one it would often miss the next."""

MAX_FRAME_AGE: Final = 1.0
"""Seconds by which a camera's own time for a picture can lie before its arrival; beyond that its clock is wrong."""

log = logging.getLogger(__name__)


def find_cameras() -> list[Path]:
    """The video devices that are cameras; raw Pi sensors are not among them."""
    return v4l2.find_cameras()


def open_first(size: tuple[int, int], small_shape: tuple[int, int] | None) -> Camera:
    """Open the first USB camera there is, wherever it was plugged in. Raises CameraError."""
    devices = find_cameras()
    if not devices:
        raise CameraError("No USB camera found under /dev/video*: plug one in.")
    return open_usb(devices[0], size, small_shape)


def open_usb(path: Path, size: tuple[int, int], small_shape: tuple[int, int] | None) -> Camera:
    """Open the camera at `path`, at the size it has nearest to `size` (width, height). Raises CameraError."""
    device = v4l2.require_camera(path)
    source = UsbDevice(path, size, small_shape)
    log.info("The camera %s, %s, gives %s.", path, device.card, source.mode)
    return LiveCamera(source)


class UsbDevice:
    """An opened USB camera, streaming; not mirrored."""

    def __init__(self, path: Path, size: tuple[int, int], small_shape: tuple[int, int] | None) -> None:
        self._path = path
        self._small = small_shape
        self._taken = 0.0
        self._capture = cv2.VideoCapture(str(path), cv2.CAP_V4L2)
        if not self._capture.isOpened():
            self._capture.release()
            raise CameraError(f"The camera {path} has no format that OpenCV reads, or another program took it first.")
        # MJPEG first: uncompressed, USB 2 has room for few large pictures a second, or none.
        self._capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
        self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
        self._capture.set(cv2.CAP_PROP_FPS, FPS)
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, BUFFER_COUNT)

    @property
    def name(self) -> str:
        return f"The camera {self._path}"

    @property
    def mode(self) -> str:
        """What the camera gives: "640×480 MJPG, 30 a second"."""
        width, height, fps = (
            self._capture.get(prop) for prop in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FPS)
        )
        code = int(self._capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little").decode("ascii", "replace")
        return f"{width:.0f}×{height:.0f} {code}, {fps:.0f} a second"

    def grab(self) -> Shot[Image] | None:
        if not self._capture.grab():
            raise CameraError(self._explain_loss())
        arrived = time.monotonic()
        # When the driver saw it, by the clock that time.monotonic() reads; some cameras give nothing, or nonsense.
        stamp = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        self._taken = stamp if max(self._taken, arrived - MAX_FRAME_AGE) < stamp <= arrived else arrived
        whole, image = self._capture.retrieve()
        if not whole or image is None:
            return None  # a picture damaged on its way
        return Shot(np.asarray(image, np.uint8), self._taken)

    def to_frame(self, shot: Shot[Image]) -> Frame:
        return make_frame(
            np.asarray(cv2.cvtColor(shot.raw, cv2.COLOR_BGR2RGB), np.uint8), self._small, shot.captured_at
        )

    def release(self) -> None:
        self._capture.release()

    def _explain_loss(self) -> str:
        if not self._path.exists():
            return f"The camera {self._path} was unplugged: plug it in again."
        return f"The camera {self._path} gives no pictures: pull it out and plug it in again."
