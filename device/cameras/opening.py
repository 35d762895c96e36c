"""Opening the camera that is asked for."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

import cv2

from device.cameras.base import Camera, CameraError

OPENCV_LOG_LEVEL_ERROR: Final = 2
"""OpenCV's level of logging at which it speaks of errors and leaves out warnings."""

log = logging.getLogger(__name__)


def open_camera(
    source: str,
    *,
    size: tuple[int, int],
    small_shape: tuple[int, int] | None = None,
    real_time: bool = True,
    loop: bool = True,
) -> Camera:
    """Open the camera named by `source`, and return it once it can give pictures.

    `source` is `auto` (the Pi's camera where there is one, else the first USB camera), `pi`, `usb` (the first),
    `usb:N` or /dev/videoN, `performer`, a film, a picture or a folder of pictures. `size` is (width, height) wished
    for `Frame.image`: a device gives what it has nearest to that, and what is drawn or read from disk is no longer
    than its longer side. `small_shape` is (height, width) of `Frame.small`, exactly so; both are in the camera's own
    orientation, before `as_in_a_mirror`.

    `real_time` False shows a film, the performer and each picture of a folder frame by frame, as fast as they are
    asked for, `Frame.captured_at` then going by the film's own time; `loop` shows films and folders again and again. Raises
    CameraError.
    """
    # What OpenCV warns of on stderr is told by a CameraError, in a sentence. (OpenCV 5 moved the function.)
    quieten = cv2.utils.logging.setLogLevel if hasattr(cv2.utils, "logging") else getattr(cv2, "setLogLevel")  # noqa: B009
    quieten(OPENCV_LOG_LEVEL_ERROR)
    # Each is imported only when it is the one: what it needs may not be there.
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
        from device.cameras import film

        return film.open_video(path, size, small_shape, real_time=real_time, loop=loop)
    raise CameraError(
        f"There is no camera {source!r}: use auto, pi, usb, usb:N, performer, or a film, picture or folder there is."
    )


def _open_auto(size: tuple[int, int], small_shape: tuple[int, int] | None) -> Camera:
    """The Pi's camera where there is one, else the first USB camera. Raises CameraError saying what was looked for."""
    from device.cameras import pi, usb

    trouble = ""
    try:
        if pi.find_camera() is not None:
            return pi.open_pi(size, small_shape)
    except pi.PiCameraUnusable as error:
        trouble = f" {error}"
    if usb.find_cameras():
        camera = usb.open_first(size, small_shape)
        if trouble:  # only now: one that is in use is tried again every ten seconds
            log.warning("Not the Pi camera:%s", trouble)
        return camera
    raise CameraError(f"No camera found: plug in a USB camera, or connect a Pi camera and restart.{trouble}")
