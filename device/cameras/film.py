"""Films, pictures and folders of pictures as cameras: to try the mirror without one, and to see the same twice."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Final

# FFmpeg's AV_LOG_QUIET: what it would print of a damaged film is said by a CameraError, in a sentence.
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
"""How many times a second a picture is filmed."""

MIN_FPS, MAX_FPS, DEFAULT_FPS = 1.0, 240.0, 30.0
"""Pictures a second that are believed of a film, and what one has that claims anything else."""

log = logging.getLogger(__name__)


def open_video(
    path: Path, size: tuple[int, int], small_shape: tuple[int, int] | None, *, real_time: bool, loop: bool
) -> Camera:
    """Open a film, a picture, or a folder of pictures in the order of their names. Raises CameraError."""
    longest = max(size)
    film: Clip
    if path.is_dir():
        pictures = sorted(entry for entry in path.iterdir() if entry.is_file() and not entry.name.startswith("."))
        film = Slideshow(path, pictures, longest, real_time=real_time, loop=loop)
    elif _is_picture(path):
        film = Slideshow(path, [path], longest, real_time=real_time, loop=loop)
    else:
        film = Video(path, longest, loop=loop)
    return PacedCamera(film, small_shape, real_time=real_time)


class Video:
    """A film read by FFmpeg, turned upright where its file says so; no side longer than `max_side` pixels."""

    def __init__(self, path: Path, max_side: int, *, loop: bool) -> None:
        self._path = path
        self._longest = max_side
        self._loop = loop
        self._unseen = False
        self._capture = self._open()
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps: float = fps if MIN_FPS <= fps <= MAX_FPS else DEFAULT_FPS

    def advance(self, count: int) -> Image | None:
        for _ in range(count):
            if not self._next():
                return None
        whole, image = self._capture.retrieve()
        if not whole:
            raise CameraError(f"The film {self._path} is damaged: give another.")
        image = fit_within(np.asarray(image, np.uint8), self._longest)
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)

    def close(self) -> None:
        self._capture.release()

    def _next(self) -> bool:
        """Go on to the next picture, from the last to the first where the film is shown again and again."""
        if self._unseen:
            self._unseen = False
            return True
        if self._capture.grab():
            return True
        if not self._loop:
            return False
        # Opened again, as winding back is not to be had from every kind of file.
        self._capture.release()
        self._capture = self._open()
        self._unseen = False
        return True

    def _open(self) -> cv2.VideoCapture:
        """The film opened, its first picture grabbed and not yet seen. Raises CameraError."""
        if not self._path.is_file():
            raise CameraError(f"The film {self._path} is gone: put it back.")
        capture = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG)
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        if not capture.grab():
            capture.release()
            raise CameraError(f"{self._path} is neither a film nor a picture that can be read: give another.")
        self._unseen = True
        return capture


class Slideshow:
    """Pictures from files, each for some seconds, or one after the other; no side longer than `max_side` pixels."""

    def __init__(self, path: Path, pictures: list[Path], max_side: int, *, real_time: bool, loop: bool) -> None:
        self.fps = STILL_FPS if real_time else 1 / SECONDS_PER_PICTURE
        self._times = round(SECONDS_PER_PICTURE * self.fps)
        self._name = path
        self._pictures = pictures
        self._longest = max_side
        self._loop = loop
        self._at = 0
        self._image = self._next()
        self._left = self._times

    def advance(self, count: int) -> Image | None:
        self._left -= count
        while self._left < 0 and self._image is not None:
            self._image = self._next()
            self._left += self._times
        return self._image

    def close(self) -> None:
        self._image = None

    def _next(self) -> Image | None:
        """The next picture that can be read; the others are dropped. Raises CameraError when there is none."""
        while self._pictures:
            if self._at == len(self._pictures):
                if not self._loop:
                    return None
                self._at = 0
            try:
                image = load_image(self._pictures[self._at], self._longest)
            except PictureError as error:
                self._pictures.pop(self._at)
                log.warning("%s It is skipped.", error)
                continue
            self._at += 1
            return image
        raise CameraError(f"{self._name} holds no picture that can be read: give another.")


def load_image(path: Path, max_side: int) -> Image:
    """A picture, upright, no side longer than `max_side` pixels. Raises PictureError."""
    return load_picture(path, max_side).image


def _is_picture(path: Path) -> bool:
    try:
        with PIL.Image.open(path) as picture:
            return not (picture.format == "GIF" and getattr(picture, "is_animated", False))
    except Exception:  # Pillow's decoders raise almost anything on damaged files
        return False
