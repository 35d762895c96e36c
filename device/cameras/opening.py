"""Opening the camera that the configuration names."""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from typing import Final

import cv2

from device.cameras.base import Camera, CameraError
from device.cameras.controls import AUTOMATIC, CameraControls
from models.text import printable

OPENCV_LOG_LEVEL_ERROR: Final = 2
"""OpenCV's log level that prints errors but no warnings."""

log = logging.getLogger(__name__)


def open_camera(
    source: str,
    *,
    size: tuple[int, int],
    small_shape: tuple[int, int] | None = None,
    controls: CameraControls = AUTOMATIC,
    real_time: bool = True,
    loop: bool = True,
) -> Camera:
    """Open a camera, and return it once it delivers frames.

    `source` is one of:

    - `auto`: the Pi's own camera if there is one, else the first USB camera;
    - `pi` or `usb` (the first one), `pi:N`, `usb:N` or /dev/videoN;
    - `performer`;
    - the path of a video, a picture or a folder of pictures.

    `size` is the wanted (width, height) of `Frame.image`. A device delivers the nearest size it has; drawings and files
    come no larger than the longer side. `small_shape` is the exact (height, width) of `Frame.small`. Both are as the
    camera sees them, before `mirror_frame` turns them. `controls` is for devices; drawings and files have none.

    With `real_time` False, a video, the performer or a folder returns every picture as fast as frames are asked for,
    and `Frame.captured_at` advances by the video's own time. With `loop`, videos and folders start again at their end.
    Raises CameraError.
    """
    # A CameraError tells what OpenCV would warn of on stderr. (OpenCV 5 moved the function.)
    set_log_level = cv2.utils.logging.setLogLevel if hasattr(cv2.utils, "logging") else getattr(cv2, "setLogLevel")  # noqa: B009
    set_log_level(OPENCV_LOG_LEVEL_ERROR)
    # Import only the driver that is used: the libraries of the others may not be installed.
    if source == "auto":
        return _open_auto(size, small_shape, controls)
    kind, _, number = source.partition(":")
    if source == "pi" or (kind == "pi" and number.isdecimal()):
        from device.cameras import pi

        return pi.open_pi(size, small_shape, controls, int(number) if number else None)
    if source == "performer":
        from device.cameras import performer

        return performer.open_performer(size, small_shape, real_time=real_time)
    path = Path(f"/dev/video{number}" if kind == "usb" and number.isdecimal() else source)
    if source == "usb" or _is_device(path):
        from device.cameras import usb

        if source == "usb":
            return usb.open_first(size, small_shape, controls)
        return usb.open_usb(path, size, small_shape, controls)
    if source and _is_there(path):
        from device.cameras import playback

        return playback.open_playback(path, size, small_shape, real_time=real_time, loop=loop)
    raise CameraError(
        f"There is no camera or file '{printable(source)}': use auto, pi, pi:N, usb, usb:N, performer, or the path of "
        "a video or pictures."
    )


def check_file(source: str) -> None:
    """Raise CameraError if a source is neither a camera nor a file that can be played.

    A camera may be plugged in later, and is waited for; a file that somebody has just named is there, or is misspelt.
    """
    kind, _, number = source.partition(":")
    is_camera = kind in ("auto", "performer", "pi", "usb") and (not number or number.isdecimal())
    if not is_camera and not _is_device(Path(source)):
        open_camera(source, size=(64, 64)).close()


def _is_device(path: Path) -> bool:
    """Return whether a path is that of a device, even if it is not plugged in. Programs keep files in /dev/shm, too."""
    return path.is_relative_to("/dev") and not (os.path.isfile(path) or os.path.isdir(path))


def _is_there(path: Path) -> bool:
    """Return whether there is such a file, even if it is in a folder that must not be entered."""
    try:
        os.stat(path)
    except PermissionError:
        return True
    except (OSError, ValueError):  # ValueError: no name has a zero byte
        return False
    return True


def _open_auto(size: tuple[int, int], small_shape: tuple[int, int] | None, controls: CameraControls) -> Camera:
    """Open the Pi's camera if there is one, else the first USB camera. Raises CameraError."""
    from device.cameras import pi, usb

    pi_trouble = ""
    try:
        if pi.find_cameras():
            return pi.open_pi(size, small_shape, controls)
    except pi.PiCameraUnusable as error:
        pi_trouble = f" {error}"
    if usb.find_cameras():
        camera = usb.open_first(size, small_shape, controls)
        if pi_trouble:  # logged after the camera has opened: one that is in use is tried again every ten seconds
            log.warning("The Pi camera is not used:%s", pi_trouble)
        return camera
    raise CameraError(f"No camera found: plug in a USB camera, or connect a Pi camera and restart.{pi_trouble}")


def describe_cameras() -> list[str]:
    """Return a sentence for each camera that is connected: how to name it as `source`, and what can be set of it.

    What can be set of a Pi camera is known only if no other program uses it.
    """
    from device.cameras import pi, usb, v4l2, v4l2_controls

    sentences = []
    with contextlib.suppress(CameraError):
        for camera in pi.find_cameras():
            abilities = ""
            with contextlib.suppress(CameraError):
                abilities = pi.describe_abilities(camera.number)
            sentences.append(_describe(f"pi:{camera.number}", camera.model, abilities))
    for path in usb.find_cameras():
        with contextlib.suppress(OSError):
            abilities = v4l2_controls.describe_abilities(v4l2_controls.read_controls(path))
            sentences.append(_describe(f"usb:{path.name.removeprefix('video')}", v4l2.query(path).card, abilities))
    return sentences


def _describe(source: str, name: str, abilities: str) -> str:
    return f"{source} is {name}, and can be set: {abilities}." if abilities else f"{source} is {name}."
