"""Videos, pictures and folders of pictures as cameras: to try the mirror without one, and to repeat what it saw."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Final

# FFmpeg's AV_LOG_QUIET: a CameraError tells what FFmpeg would print about a damaged video.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

import cv2
import numpy as np
import PIL.Image

from device.cameras.base import Camera, CameraError, fit_within
from device.cameras.paced import Clip, PacedCamera
from index.pictures import PictureError, load_picture
from models.pose import Image

SECONDS_PER_PICTURE: Final = 2.0
"""Seconds for which each picture of a folder is shown."""

STILL_FPS: Final = 30.0
"""Frames per second of a picture: as many as a webcam delivers."""

MIN_FPS, MAX_FPS, DEFAULT_FPS = 1.0, 240.0, 30.0
"""Frames per second: a video that claims fewer or more than these is damaged, and plays at the default."""

log = logging.getLogger(__name__)


def open_video(
    path: Path, size: tuple[int, int], small_shape: tuple[int, int] | None, *, real_time: bool, loop: bool
) -> Camera:
    """Open a video, a picture, or a folder of pictures in the order of their names. Raises CameraError.

    The pictures are no larger than the longer side of `size` (width, height).
    """
    max_side = max(size)
    clip: Clip
    if path.is_dir():
        pictures = sorted(entry for entry in path.iterdir() if entry.is_file() and not entry.name.startswith("."))
        clip = Slideshow(path, pictures, max_side, real_time=real_time, loop=loop)
    elif _is_picture(path):
        clip = Slideshow(path, [path], max_side, real_time=real_time, loop=loop)
    else:
        clip = Video(path, max_side, loop=loop)
    return PacedCamera(clip, small_shape, real_time=real_time)


class Video:
    """A video that FFmpeg reads, turned upright as its file says; no side is longer than `max_side` pixels."""

    def __init__(self, path: Path, max_side: int, *, loop: bool) -> None:
        self._path = path
        self._max_side = max_side
        self._loop = loop
        self._grabbed = False  # whether the next frame is already grabbed
        self._capture = self._open()
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps: float = fps if MIN_FPS <= fps <= MAX_FPS else DEFAULT_FPS

    def advance(self, count: int) -> Image | None:
        for _ in range(count):
            if not self._next():
                return None
        is_intact, image = self._capture.retrieve()
        if not is_intact:
            raise CameraError(f"The video {self._path} is damaged: choose another.")
        image = fit_within(np.asarray(image, np.uint8), self._max_side)
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)

    def close(self) -> None:
        self._capture.release()

    def _next(self) -> bool:
        """Grab the next frame; after the last, the first again if the video loops. Return whether there was one."""
        if self._grabbed:
            self._grabbed = False
            return True
        if self._capture.grab():
            return True
        if not self._loop:
            return False
        # Open the file again: not every format can be rewound.
        self._capture.release()
        self._capture = self._open()
        self._grabbed = False
        return True

    def _open(self) -> cv2.VideoCapture:
        """Open the video and grab its first frame, which shows whether it can be read. Raises CameraError."""
        if not self._path.is_file():
            raise CameraError(f"The video {self._path} is gone: put it back.")
        capture = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG)
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        if not capture.grab():
            capture.release()
            raise CameraError(f"{self._path} is neither a video nor a picture that can be read: choose another.")
        self._grabbed = True
        return capture


class Slideshow:
    """Picture files in a row, each shown for two seconds, or for one frame when not in real time.

    No side is longer than `max_side` pixels.
    """

    def __init__(self, path: Path, pictures: list[Path], max_side: int, *, real_time: bool, loop: bool) -> None:
        self.fps = STILL_FPS if real_time else 1 / SECONDS_PER_PICTURE
        self._repeats = round(SECONDS_PER_PICTURE * self.fps)
        self._path = path
        self._pictures = pictures
        self._max_side = max_side
        self._loop = loop
        self._index = 0
        self._image = self._next()
        self._left = self._repeats

    def advance(self, count: int) -> Image | None:
        self._left -= count
        while self._left < 0 and self._image is not None:
            self._image = self._next()
            self._left += self._repeats
        return self._image

    def close(self) -> None:
        self._image = None

    def _next(self) -> Image | None:
        """Return the next readable picture, or None at the end; skip damaged files.

        Raises CameraError when no file can be read.
        """
        while self._pictures:
            if self._index == len(self._pictures):
                if not self._loop:
                    return None
                self._index = 0
            try:
                image = load_image(self._pictures[self._index], self._max_side)
            except PictureError as error:
                self._pictures.pop(self._index)
                log.warning("%s It is skipped.", error)
                continue
            self._index += 1
            return image
        raise CameraError(f"{self._path} holds no picture that can be read: choose another.")


def load_image(path: Path, max_side: int) -> Image:
    """Return a picture file (H×W×3), upright, no side longer than `max_side` pixels. Raises PictureError."""
    return load_picture(path, max_side).image


def _is_picture(path: Path) -> bool:
    """Return whether Pillow can read the file. An animated GIF is a video."""
    try:
        with PIL.Image.open(path) as picture:
            return not (picture.format == "GIF" and getattr(picture, "is_animated", False))
    except Exception:  # Pillow's decoders raise almost anything on a damaged file
        return False
