"""The Raspberry Pi's own camera, by picamera2 and libcamera.

The Pi's image processor does the work: it flips the picture and scales a second stream of it to the estimator's size.
What is relied on is in https://datasheets.raspberrypi.com/camera/picamera2-manual.pdf and in picamera2's source.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from typing import Any, Final, NamedTuple

import cv2
import numpy as np

from device.cameras.base import Camera, CameraError, Frame, resize
from device.cameras.live import LiveCamera, Shot
from models.pose import Image

BUFFER_COUNT: Final = 4
"""Frame buffers: one being filled, one on its way through the image processor, one being copied, one to spare."""

FRAME_MICROSECONDS: Final = (33_333, 66_667)
"""30 pictures a second; in poor light down to 15, rather than dark."""

MAX_FRAME_AGE: Final = 1.0
"""Seconds by which a picture can lie before its arrival; a time beyond that is by another clock."""

CAPTURE_TIMEOUT: Final = 4.0
"""Seconds without a picture after which the driver is given up."""

NAME: Final = "The Pi camera"

log = logging.getLogger(__name__)
logging.getLogger("picamera2").setLevel(logging.WARNING)  # else it tells of every try to open a camera


class PiCameraUnusable(CameraError):
    """picamera2 is there and does not work; `auto` goes on to other cameras then, and says so."""


class Streams(NamedTuple):
    """One picture as the image processor gave it: RGB, and YUV 4:2:0 with its rows' padding (None: not asked for)."""

    image: Image
    small: Image | None


def find_camera() -> int | None:
    """The number of the first camera on the Pi's own connector; None without one, or without picamera2.

    Raises PiCameraUnusable when picamera2 is there and fails.
    """
    try:
        from picamera2 import Picamera2

        cameras = Picamera2.global_camera_info()
        if not cameras:
            # libcamera is told by udev's socket of a camera that comes, and hears nothing where there is no network.
            with contextlib.suppress(AttributeError):
                Picamera2._cm.reset()
            cameras = Picamera2.global_camera_info()
    except ModuleNotFoundError as error:
        if error.name == "picamera2":
            return None
        raise PiCameraUnusable(f"picamera2 does not work ({error}): install python3-picamera2 with apt.") from error
    except Exception as error:
        # With a NumPy it was not built for it raises ValueError on import, and libcamera has its own ideas.
        raise PiCameraUnusable(f"picamera2 does not work ({error}): see that it runs outside the mirror.") from error
    # libcamera lists USB cameras too; those are the other driver's.
    return next((number for number, camera in enumerate(cameras) if "usb" not in camera["Id"].lower()), None)


def open_pi(size: tuple[int, int], small_shape: tuple[int, int] | None) -> Camera:
    """Open the Pi's camera; `size` is (width, height), `small_shape` (height, width). Raises CameraError."""
    number = find_camera()
    if number is None:
        raise CameraError("No Pi camera found: see that its ribbon cable sits firmly at both ends, and restart.")
    return LiveCamera(PiDevice(number, size, small_shape))


class PiDevice:
    """An opened Pi camera, streaming; mirrored by the image processor where it can."""

    def __init__(self, number: int, size: tuple[int, int], small_shape: tuple[int, int] | None) -> None:
        from picamera2 import Picamera2

        self._small = small_shape
        self._mirrored = False
        # Picamera2.__init__ opens a pipe and, where it fails, leaves it open: held here, it can be closed, for a
        # camera in use is tried again every ten seconds.
        self._camera: Any = Picamera2.__new__(Picamera2)
        try:
            self._camera.__init__(number)
        except Exception as error:
            self._close_pipe()
            raise CameraError(_explain(error)) from error
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
            # libcamera's "Camera frontend has timed out!". The request that waits would keep any picture that comes.
            raise CameraError(
                f"{NAME} has been silent for {CAPTURE_TIMEOUT:.2g} s: see to its ribbon cable."
            ) from error
        try:
            arrived, since_boot = time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME)
            stamp = request.get_metadata().get("SensorTimestamp", 0)
            streams = Streams(request.make_array("main"), request.make_array("lores") if self._lores else None)
        finally:
            request.release()
        return Shot(streams, to_monotonic(stamp / 1e9, arrived, since_boot))

    def to_frame(self, shot: Shot[Streams]) -> Frame:
        image, yuv = shot.raw
        small = image
        if self._lores is not None and yuv is not None:
            small = yuv_to_rgb(yuv, *self._lores)
        if self._small is not None and small.shape[:2] != self._small:
            height, width = self._small
            small = resize(small, width, height)
        return Frame(image, small, shot.captured_at, mirrored=self._mirrored)

    def release(self) -> None:
        # After a hang a request still waits, and close() would wait for it.
        self._camera.cancel_all_and_flush()
        self._camera.close()

    def _start(self, size: tuple[int, int]) -> tuple[int, int] | None:
        """Configure and start; the second stream's width and height, None where there is none."""
        # "BGR888" is what libcamera calls R, G, B in memory.
        streams: dict[str, Any] = {"main": {"size": size, "format": "BGR888"}}
        # Sizes must be even, PoseNet's are odd: one pixel more is asked for, and scaled away in `to_frame`.
        lores = None if self._small is None else even_size((self._small[1] + 1, self._small[0] + 1))
        if lores is not None and lores[0] <= size[0] and lores[1] <= size[1]:
            streams["lores"] = {"size": lores, "format": "YUV420"}  # all that a Pi 4 can
        try:
            self._configure(streams)
        except Exception as error:  # libcamera has no configuration then, and picamera2 falls over it
            if streams.pop("lores", None) is None:
                raise
            log.info("%s gives one picture, not two at once (%s): the smaller one is made here.", NAME, error)
            self._configure(streams)
        self._camera.start()
        given = self._camera.camera_configuration()
        self._mirrored = bool(given["transform"].hflip)
        log.info("%s gives %s.", NAME, ", ".join(f"{given[name]['size']} {given[name]['format']}" for name in streams))
        return given["lores"]["size"] if "lores" in streams else None

    def _configure(self, streams: dict[str, Any]) -> None:
        from libcamera import ColorSpace, Transform

        asked = {"FrameDurationLimits": FRAME_MICROSECONDS}
        configuration = self._camera.create_video_configuration(
            **streams,
            transform=Transform(hflip=1),
            colour_space=ColorSpace.Smpte170m(),  # the YUV that cv2 converts from
            buffer_count=BUFFER_COUNT,
            queue=False,
            controls={name: value for name, value in asked.items() if name in self._camera.camera_controls},
        )
        self._camera.configure(configuration)

    def _close_pipe(self) -> None:
        with contextlib.suppress(AttributeError, OSError):
            self._camera.notifymeread.close()
        with contextlib.suppress(AttributeError, OSError):
            os.close(self._camera.notifyme_w)


def yuv_to_rgb(yuv: Image, width: int, height: int) -> Image:
    """RGB of YUV 4:2:0 as picamera2 hands it out: half as many rows again, and each padded as the hardware likes it."""
    rgb = np.asarray(cv2.cvtColor(yuv, cv2.COLOR_YUV2RGB_I420), np.uint8)
    return np.ascontiguousarray(rgb[:height, :width])


def even_size(size: tuple[int, int]) -> tuple[int, int]:
    return size[0] - size[0] % 2, size[1] - size[1] % 2


def to_monotonic(stamp: float, now: float, since_boot: float) -> float:
    """A sensor's time stamp in seconds of time.monotonic(), where it is `now`, and `since_boot` by CLOCK_BOOTTIME.

    libcamera documents CLOCK_BOOTTIME, the Pi's drivers use CLOCK_MONOTONIC: they differ by the time spent asleep.
    What fits neither is worth nothing, and the picture's arrival counts.
    """
    for taken in (stamp, stamp - since_boot + now):
        if now - MAX_FRAME_AGE < taken <= now:
            return taken
    return now


def _explain(error: Exception) -> str:
    """A sentence for what Picamera2 raises: that its start "did not complete", from what really happened."""
    reasons = [error]
    while isinstance(cause := reasons[-1].__cause__, Exception):
        reasons.append(cause)
    if any("busy" in str(reason) or "acquire" in str(reason) for reason in reasons):
        return f"{NAME} is used by another program."
    return f"{NAME} does not open ({reasons[-1]}): see to its ribbon cable, and restart."
