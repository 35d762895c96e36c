"""Opening the camera that the configuration names."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

import cv2

from device.cameras.base import Camera, CameraError

OPENCV_LOG_LEVEL_ERROR: Final = 2
"""OpenCV's log level that prints errors but no warnings."""

log = logging.getLogger(__name__)


def open_camera(
    source: str,
    *,
    size: tuple[int, int],
    small_shape: tuple[int, int] | None = None,
    real_time: bool = True,
    loop: bool = True,
) -> Camera:
    """Open a camera, and return it once it delivers frames.

    `source` is one of:

    - `auto`: the Pi's own camera if there is one, else the first USB camera;
    - `pi`, `usb` (the first one), `usb:N` or /dev/videoN;
    - `performer`;
    - the path of a video, a picture or a folder of pictures.

    `size` is the wanted (width, height) of `Frame.image`. A device delivers the nearest size it has; drawings and files
    come no larger than the longer side. `small_shape` is the exact (height, width) of `Frame.small`. Both are as the
    camera sees them, before `mirror_frame` turns them.

    With `real_time` False, a video, the performer or a folder returns every picture as fast as frames are asked for,
    and `Frame.captured_at` advances by the video's own time. With `loop`, videos and folders start again at their end.
    Raises CameraError.
    """
    # A CameraError tells what OpenCV would warn of on stderr. (OpenCV 5 moved the function.)
    set_log_level = cv2.utils.logging.setLogLevel if hasattr(cv2.utils, "logging") else getattr(cv2, "setLogLevel")  # noqa: B009
    set_log_level(OPENCV_LOG_LEVEL_ERROR)
    # Import only the driver that is used: the libraries of the others may not be installed.
    if source == "auto":
        return _open_auto(size, small_shape)
    if source == "pi":
        from device.cameras import pi

        return pi.open_pi(size, small_shape)
    if source == "performer":
        from device.cameras import performer

        return performer.open_performer(size, small_shape, real_time=real_time)
    kind, _, number = source.partition(":")
    path = Path(f"/dev/video{number}" if kind == "usb" and number.isdecimal() else source)
    if source == "usb" or path.is_relative_to("/dev"):
        from device.cameras import usb

        return usb.open_first(size, small_shape) if source == "usb" else usb.open_usb(path, size, small_shape)
    if source and path.exists():
        from device.cameras import playback

        return playback.open_video(path, size, small_shape, real_time=real_time, loop=loop)
    raise CameraError(
        f"There is no camera {source!r}: use auto, pi, usb, usb:N, performer, or the path of a video or pictures."
    )


def _open_auto(size: tuple[int, int], small_shape: tuple[int, int] | None) -> Camera:
    """Open the Pi's camera if there is one, else the first USB camera. Raises CameraError."""
    from device.cameras import pi, usb

    pi_trouble = ""
    try:
        if pi.find_camera() is not None:
            return pi.open_pi(size, small_shape)
    except pi.PiCameraUnusable as error:
        pi_trouble = f" {error}"
    if usb.find_cameras():
        camera = usb.open_first(size, small_shape)
        if pi_trouble:  # logged after the camera has opened: one that is in use is tried again every ten seconds
            log.warning("The Pi camera is not used:%s", pi_trouble)
        return camera
    raise CameraError(f"No camera found: plug in a USB camera, or connect a Pi camera and restart.{pi_trouble}")
