"""USB cameras, read with OpenCV through Linux's V4L2."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Final

# Seconds that OpenCV waits for a picture, 10 by default. It reads this once, when it opens its first camera. An
# unplugged camera fails at once in any case: this limits how long a camera that hangs delays its own closing.
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "4")

import cv2
import numpy as np

from device.cameras import v4l2, v4l2_controls
from device.cameras.base import Camera, CameraError, Frame, make_frame
from device.cameras.controls import AUTOMATIC, CameraControls, LockTimer
from device.cameras.live import LiveCamera, Shot
from models.pose import Image

FPS: Final = 30
"""Pictures per second that are asked for: nearly every webcam delivers 30."""

BUFFER_COUNT: Final = 2
"""Buffers of the driver: the camera fills one while the other is decoded. With a single one it would drop pictures."""

MAX_FRAME_AGE: Final = 1.0
"""Seconds that a picture can take from its time stamp to its arrival. An older time stamp means a wrong clock."""

log = logging.getLogger(__name__)


def find_cameras() -> list[Path]:
    """Return the video devices that are cameras, without the Pi's own raw sensors."""
    return v4l2.find_cameras()


def open_first(
    size: tuple[int, int], small_shape: tuple[int, int] | None, controls: CameraControls = AUTOMATIC
) -> Camera:
    """Open the first USB camera, whichever socket it is plugged into. Raises CameraError."""
    devices = find_cameras()
    if not devices:
        raise CameraError("No USB camera found under /dev/video*: plug one in.")
    return open_usb(devices[0], size, small_shape, controls)


def open_usb(
    path: Path, size: tuple[int, int], small_shape: tuple[int, int] | None, controls: CameraControls = AUTOMATIC
) -> Camera:
    """Open the camera at `path` at its size nearest to `size` (width, height). Raises CameraError."""
    card = v4l2.require_camera(path).card
    device = UsbDevice(path, size, small_shape, controls)
    log.info("The camera %s, %s, delivers %s.", path, card, device.mode)
    return LiveCamera(device)


class UsbDevice:
    """An open USB camera, streaming. Its pictures are not mirrored. Raises CameraError when OpenCV cannot open it."""

    def __init__(
        self, path: Path, size: tuple[int, int], small_shape: tuple[int, int] | None, controls: CameraControls
    ) -> None:
        self._path = path
        self._controls = controls
        self._lock_timer = LockTimer(controls)
        self._small_shape = small_shape
        self._captured_at = 0.0
        self._capture = cv2.VideoCapture(str(path), cv2.CAP_V4L2)
        if not self._capture.isOpened():
            self._capture.release()
            raise CameraError(
                f"OpenCV cannot open the camera {path}: close other programs that use it, or choose another."
            )
        # Ask for MJPEG before the size: USB 2 is too slow for large uncompressed pictures at 30 per second.
        self._capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
        self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
        self._capture.set(cv2.CAP_PROP_FPS, FPS)
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, BUFFER_COUNT)
        self._set_controls()

    @property
    def name(self) -> str:
        return f"The camera {self._path}"

    @property
    def mode(self) -> str:
        """What the camera delivers: "640×480 MJPG, 30 a second"."""
        width, height, fps = (
            self._capture.get(prop) for prop in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FPS)
        )
        code = int(self._capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little").decode("ascii", "replace")
        return f"{width:.0f}×{height:.0f} {code}, {fps:.0f} a second"

    def grab(self) -> Shot[Image] | None:
        if not self._capture.grab():
            raise CameraError(self._explain_loss())
        arrived = time.monotonic()
        # The driver's time stamp, by the clock of time.monotonic(). Some cameras report none, or nonsense.
        stamp = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        self._captured_at = stamp if max(self._captured_at, arrived - MAX_FRAME_AGE) < stamp <= arrived else arrived
        if self._lock_timer.is_due(arrived):
            self._lock()
        is_intact, image = self._capture.retrieve()
        if not is_intact or image is None:
            return None  # a picture that USB damaged
        return Shot(np.asarray(image, np.uint8), self._captured_at)

    def to_frame(self, shot: Shot[Image]) -> Frame:
        return make_frame(
            np.asarray(cv2.cvtColor(shot.raw, cv2.COLOR_BGR2RGB), np.uint8), self._small_shape, shot.captured_at
        )

    def release(self) -> None:
        self._capture.release()

    def _set_controls(self) -> None:
        """Set focus, exposure and the like. A camera that refuses one still delivers pictures, so only log that."""
        try:
            has = v4l2_controls.read_controls(self._path)
            refused = v4l2_controls.apply(self._path, v4l2_controls.start_settings(self._controls, has), has)
        except OSError as error:
            log.warning("%s cannot be set (%s): it stays as it is.", self.name, error.strerror)
            return
        if missing := v4l2_controls.missing_controls(self._controls, has):
            log.warning("%s has no control for [camera] %s.", self.name, ", ".join(missing))
        if refused:
            log.warning("%s refuses %s.", self.name, ", ".join(refused))

    def _lock(self) -> None:
        """Keep the present exposure and white balance, and log them, so that they can be configured for good."""
        try:
            has = v4l2_controls.read_controls(self._path)
            v4l2_controls.apply(self._path, v4l2_controls.lock_settings(self._controls, has), has)
        except OSError:
            return  # it was unplugged, which the next picture reports
        log.info("%s is locked at %s.", self.name, v4l2_controls.describe_lock(self._controls, has) or "what it had")

    def _explain_loss(self) -> str:
        if not self._path.exists():
            return f"The camera {self._path} was unplugged: plug it in again."
        return f"The camera {self._path} sends no pictures: unplug it and plug it in again."
