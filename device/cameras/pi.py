"""The Raspberry Pi's own camera, read with picamera2 and libcamera.

The Pi's image processor does the work: it mirrors the picture, and scales a second stream to the estimator's size.
Sources: https://datasheets.raspberrypi.com/camera/picamera2-manual.pdf and picamera2's source code.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from typing import Any, Final, NamedTuple

import cv2
import numpy as np

from device.cameras import pi_controls
from device.cameras.base import Camera, CameraError, Frame, resize
from device.cameras.controls import AUTOMATIC, CameraControls, LockTimer
from device.cameras.live import LiveCamera, Shot
from models.pose import Image

BUFFER_COUNT: Final = 4
"""Frame buffers: one is being filled, one is in the image processor, one is being copied, one is spare."""

MAX_FRAME_AGE: Final = 1.0
"""Seconds that a picture can take from its time stamp to its arrival. An older time stamp is from another clock."""

CAPTURE_TIMEOUT: Final = 4.0
"""Seconds to wait for a picture before the camera counts as lost."""

NAME: Final = "The Pi camera"

log = logging.getLogger(__name__)
logging.getLogger("picamera2").setLevel(logging.WARNING)  # it logs every try to open a camera as info


class PiCameraUnusable(CameraError):
    """picamera2 is installed but does not work. `auto` then uses another camera, and logs the reason."""


class Streams(NamedTuple):
    """A picture from the image processor: `image` is RGB; `small` is YUV 4:2:0 with padded rows, or None."""

    image: Image
    small: Image | None


class PiCamera(NamedTuple):
    """A camera on a Pi's own connector: its number for `pi:N` and for rpicam-hello, and its sensor's name."""

    number: int
    model: str


def find_cameras() -> list[PiCamera]:
    """Return the cameras on the Pi's own connectors; none without picamera2.

    Raises PiCameraUnusable when picamera2 is installed but fails.
    """
    try:
        from picamera2 import Picamera2

        cameras = Picamera2.global_camera_info()
        if not cameras:
            # libcamera learns of a new camera by udev's network socket. A service without a network hears nothing
            # there, so have libcamera search again.
            with contextlib.suppress(AttributeError):
                Picamera2._cm.reset()
            cameras = Picamera2.global_camera_info()
    except ModuleNotFoundError as error:
        if error.name == "picamera2":
            return []
        raise PiCameraUnusable(f"picamera2 does not work ({error}): install python3-picamera2 with apt.") from error
    except Exception as error:
        # On import, a picamera2 that was built for another NumPy raises ValueError. libcamera may raise anything.
        raise PiCameraUnusable(f"picamera2 does not work ({error}): check that it runs outside the mirror.") from error
    # libcamera also lists USB cameras, which `usb` reads.
    return [
        PiCamera(number, str(camera.get("Model", "")))
        for number, camera in enumerate(cameras)
        if "usb" not in camera["Id"].lower()
    ]


def open_pi(
    size: tuple[int, int],
    small_shape: tuple[int, int] | None,
    controls: CameraControls = AUTOMATIC,
    number: int | None = None,
) -> Camera:
    """Open a camera on the Pi's own connectors: that with a number, or else the first.

    `size` is (width, height), `small_shape` (height, width). Raises CameraError.
    """
    cameras = find_cameras()
    if not cameras:
        raise CameraError("No Pi camera found: push its ribbon cable in firmly at both ends, then restart.")
    if number is None:
        number = cameras[0].number
    elif number not in [camera.number for camera in cameras]:
        others = ", ".join(f"pi:{camera.number} ({camera.model})" for camera in cameras)
        raise CameraError(f"No camera found at pi:{number}, only {others}: check its ribbon cable, or choose another.")
    return LiveCamera(PiDevice(number, size, small_shape, controls))


def describe_abilities(number: int) -> str:
    """Return which settings of a Pi's camera can be fixed, and within which limits. Raises CameraError."""
    camera = _open_picamera2(number)
    try:
        return pi_controls.describe_abilities(camera.camera_controls)
    finally:
        camera.close()


class PiDevice:
    """An open Pi camera, streaming. The image processor mirrors its pictures if it can. Raises CameraError."""

    def __init__(
        self, number: int, size: tuple[int, int], small_shape: tuple[int, int] | None, controls: CameraControls
    ) -> None:
        self._small_shape = small_shape
        self._mirrored = False
        self._controls = controls
        self._lock_timer = LockTimer(controls)
        self._camera = _open_picamera2(number)
        try:
            self._lores = self._start(even_size(size))
        except Exception as error:
            with contextlib.suppress(Exception):
                self.release()
            raise CameraError(f"{NAME} does not start ({error}): restart the Pi.") from error

    @property
    def name(self) -> str:
        return NAME

    def grab(self) -> Shot[Streams] | None:
        try:
            request = self._camera.capture_request(wait=CAPTURE_TIMEOUT)
        except TimeoutError as error:
            # libcamera's "Camera frontend has timed out!". The camera must be closed: the waiting request would keep
            # the next picture.
            raise CameraError(
                f"{NAME} has sent no picture for {CAPTURE_TIMEOUT:.2g} s: check its ribbon cable."
            ) from error
        try:
            now, since_boot = time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME)
            metadata = request.get_metadata()
            stamp = metadata.get("SensorTimestamp", 0)
            if self._lock_timer.is_due(now):
                self._lock(metadata)
            streams = Streams(request.make_array("main"), request.make_array("lores") if self._lores else None)
        finally:
            request.release()
        return Shot(streams, to_monotonic(stamp / 1e9, now, since_boot))

    def to_frame(self, shot: Shot[Streams]) -> Frame:
        image, yuv = shot.raw
        small = image
        if self._lores is not None and yuv is not None:
            small = yuv_to_rgb(yuv, *self._lores)
        if self._small_shape is not None and small.shape[:2] != self._small_shape:
            height, width = self._small_shape
            small = resize(small, width, height)
        return Frame(image, small, shot.captured_at, mirrored=self._mirrored)

    def release(self) -> None:
        # After a hang a request is still waiting, and close() would wait for it.
        self._camera.cancel_all_and_flush()
        self._camera.close()

    def _start(self, size: tuple[int, int]) -> tuple[int, int] | None:
        """Configure and start the camera; return the second stream's width and height, or None without one."""
        # libcamera's name for R, G, B in memory is "BGR888".
        streams: dict[str, Any] = {"main": {"size": size, "format": "BGR888"}}
        # Sizes must be even, but PoseNet's are odd: ask for one pixel more, which `to_frame` scales away.
        lores = None if self._small_shape is None else even_size((self._small_shape[1] + 1, self._small_shape[0] + 1))
        if lores is not None and lores[0] <= size[0] and lores[1] <= size[1]:
            streams["lores"] = {"size": lores, "format": "YUV420"}  # the only format a Pi 4 has for it
        try:
            self._configure(streams)
        except Exception as error:  # picamera2 fails for a camera that has only one stream
            if streams.pop("lores", None) is None:
                raise
            log.info("%s delivers one picture size, not two (%s): the mirror scales the second.", NAME, error)
            self._configure(streams)
        self._camera.start()
        actual = self._camera.camera_configuration()
        self._mirrored = bool(actual["transform"].hflip)
        formats = ", ".join(f"{actual[name]['size']} {actual[name]['format']}" for name in streams)
        log.info("%s delivers %s.", NAME, formats)
        if missing := pi_controls.missing_controls(self._controls, self._camera.camera_controls):
            log.warning("%s has no control for [camera] %s.", NAME, ", ".join(missing))
        return actual["lores"]["size"] if "lores" in streams else None

    def _configure(self, streams: dict[str, Any]) -> None:
        from libcamera import ColorSpace, Transform

        configuration = self._camera.create_video_configuration(
            **streams,
            transform=Transform(hflip=1),
            colour_space=ColorSpace.Smpte170m(),  # the kind of YUV that cv2.cvtColor expects
            buffer_count=BUFFER_COUNT,
            queue=False,  # a queued picture would be an old one
            controls=pi_controls.start_controls(self._controls, self._camera.camera_controls),
        )
        self._camera.configure(configuration)

    def _lock(self, metadata: dict[str, Any]) -> None:
        """Keep a picture's exposure and white balance, and log them, so that they can be configured for good."""
        self._camera.set_controls(pi_controls.lock_controls(self._controls, metadata, self._camera.camera_controls))
        log.info("%s is locked at %s.", NAME, pi_controls.describe_lock(self._controls, metadata) or "what it had")


def _open_picamera2(number: int) -> Any:
    """Open a Picamera2. Raises CameraError."""
    from picamera2 import Picamera2

    # When Picamera2.__init__ fails, it leaves a pipe open. Create the object first, so that the pipe can be closed:
    # a camera in use is tried again every ten seconds.
    camera: Any = Picamera2.__new__(Picamera2)
    try:
        camera.__init__(number)
    except Exception as error:
        with contextlib.suppress(AttributeError, OSError):
            camera.notifymeread.close()
        with contextlib.suppress(AttributeError, OSError):
            os.close(camera.notifyme_w)
        raise CameraError(_explain(error)) from error
    return camera


def yuv_to_rgb(yuv: Image, width: int, height: int) -> Image:
    """Convert YUV 4:2:0 from picamera2 to RGB, height×width×3.

    `yuv` has 1½ times as many rows, and each row is padded to the hardware's stride.
    """
    rgb = np.asarray(cv2.cvtColor(yuv, cv2.COLOR_YUV2RGB_I420), np.uint8)
    return np.ascontiguousarray(rgb[:height, :width])


def even_size(size: tuple[int, int]) -> tuple[int, int]:
    """Round width and height down to even numbers, as libcamera requires."""
    return size[0] - size[0] % 2, size[1] - size[1] % 2


def to_monotonic(stamp: float, now: float, since_boot: float) -> float:
    """Convert a sensor's time stamp to seconds of time.monotonic(); return `now`, the arrival, if it fits no clock.

    `now` is the present time by time.monotonic(), `since_boot` the same moment by CLOCK_BOOTTIME. libcamera documents
    CLOCK_BOOTTIME, but the Pi's drivers use CLOCK_MONOTONIC; they differ by the time spent asleep.
    """
    for captured_at in (stamp, stamp - since_boot + now):
        if now - MAX_FRAME_AGE < captured_at <= now:
            return captured_at
    return now


def _explain(error: Exception) -> str:
    """Return a sentence for an error of Picamera2, whose own message hides the cause ("did not complete")."""
    reasons = [error]
    while isinstance(cause := reasons[-1].__cause__, Exception):
        reasons.append(cause)
    if any("busy" in str(reason) or "acquire" in str(reason) for reason in reasons):
        return f"{NAME} is used by another program: close that program."
    return f"{NAME} does not open ({reasons[-1]}): check its ribbon cable, then restart."
