"""Videos, pictures and folders of pictures as cameras: to try the mirror without one, and to repeat what it saw."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Final

from device.cameras.base import Camera, CameraError
from device.cameras.paced import Clip, ClipPicture, PacedCamera, advance_number
from index.formats import is_still
from index.pictures import PictureError, load_picture
from index.videos import Video, VideoError, VideoFrameAt, open_video
from models.pose import Image
from models.text import printable

SECONDS_PER_PICTURE: Final = 2.0
"""Seconds for which each picture of a folder is shown."""

STILL_FPS: Final = 30.0
"""Frames per second of a picture: as many as a webcam delivers."""

MAX_THREADS: Final = 4
"""Threads that decode a video, as many as a Raspberry Pi has cores. Each keeps a frame in memory."""

MIN_ROUND_SECONDS: Final = 0.25
"""Seconds that a video takes at least before it begins again. Opening a file takes longer than one frame is shown, so
a video of one or two frames would never catch up."""

log = logging.getLogger(__name__)


def open_playback(
    path: Path, size: tuple[int, int], small_shape: tuple[int, int] | None, *, real_time: bool, loop: bool
) -> Camera:
    """Open a video, a picture, or a folder of pictures in the order of their names. Raises CameraError.

    The pictures are no larger than the longer side of `size` (width, height).
    """
    max_side = max(size)
    clip: Clip
    if path.is_dir():
        clip = Slideshow(path, _list_pictures(path), max_side, real_time=real_time, loop=loop)
    elif is_still(path):
        clip = Slideshow(path, [path], max_side, real_time=real_time, loop=loop)
    else:
        clip = VideoClip(path, max_side, loop=loop)
    return PacedCamera(clip, small_shape, real_time=real_time)


class VideoClip:
    """A video, at its own speed; no side is longer than `max_side` pixels."""

    def __init__(self, path: Path, max_side: int, *, loop: bool) -> None:
        self._path = path
        self._max_side = max_side
        self._loop = loop
        self._start = self._end = 0.0  # of this round through the video, in seconds since the start of the first
        self._next: VideoFrameAt | None = None
        self._open()

    def next_due(self) -> float | None:
        """Return when the next frame is due; None at the end of a video that plays once. Raises CameraError."""
        if self._next is None:
            self._next = next(self._frames, None)
        if self._next is None and self._loop:
            # Open the file again: not every format can be rewound.
            self._video.close()
            self._start = max(self._end, self._start + MIN_ROUND_SECONDS)
            self._open()
            self._next = next(self._frames)
        return None if self._next is None else self._start + self._next.time

    def advance(self, until: float) -> ClipPicture:
        """Move to the last frame that is due. Only this one's picture is made. Raises CameraError."""
        due = self.next_due()
        while True:
            assert due is not None
            assert self._next is not None
            frame, self._next = self._next, None
            self._end = due + frame.seconds
            if due == until or (following := self.next_due()) is None or following > until:
                return ClipPicture(due, frame.make_image(self._max_side))
            due = following

    def close(self) -> None:
        self._video.close()

    def _open(self) -> None:
        if not os.path.lexists(self._path):
            raise CameraError(f"The video {printable(self._path)} is gone: put it back.")
        try:
            self._video: Video = open_video(self._path, threads=min(os.cpu_count() or 1, MAX_THREADS))
        except VideoError as error:
            raise CameraError(str(error)) from error
        self._frames = self._video.frames()


class Slideshow:
    """Picture files in a row, each shown for two seconds, or for one frame when not in real time.

    No side is longer than `max_side` pixels.
    """

    def __init__(self, path: Path, pictures: list[Path], max_side: int, *, real_time: bool, loop: bool) -> None:
        self._fps = STILL_FPS if real_time else 1 / SECONDS_PER_PICTURE
        self._frames_per_picture = round(SECONDS_PER_PICTURE * self._fps)
        self._path = path
        self._pictures = pictures
        self._max_side = max_side
        self._loop = loop
        self._index = 0
        self._number = -1
        self._end = 0  # the number of the frame from which on the next picture is shown
        self._image: Image
        self._load_next()

    def next_due(self) -> float | None:
        """Return when the next frame is due; None after the last picture. Raises CameraError."""
        number = self._number + 1
        return number / self._fps if number < self._end or self._load_next() else None

    def advance(self, until: float) -> ClipPicture:
        """Move to the frame that is due, of the same picture or a later one. Raises CameraError."""
        number = advance_number(self._number, until, self._fps)
        while number >= self._end and self._load_next():
            pass
        self._number = min(number, self._end - 1)
        return ClipPicture(self._number / self._fps, self._image)

    def close(self) -> None:
        self._pictures = []

    def _load_next(self) -> bool:
        """Read the next readable picture, and return whether there was one; skip damaged files.

        Raises CameraError when no file can be read.
        """
        while self._pictures:
            if self._index == len(self._pictures):
                if not self._loop:
                    return False
                self._index = 0
            try:
                self._image = load_picture(self._pictures[self._index], self._max_side).image
            except PictureError as error:
                self._pictures.pop(self._index)
                log.warning("%s It is skipped.", error)
                continue
            self._index += 1
            self._end += self._frames_per_picture
            return True
        raise CameraError(f"{printable(self._path)} holds no picture that can be read: choose another.")


def _list_pictures(folder: Path) -> list[Path]:
    """Return the files of a folder that are not hidden, by name. Raises CameraError."""
    try:
        return sorted(entry for entry in folder.iterdir() if entry.is_file() and not entry.name.startswith("."))
    except OSError as error:
        raise CameraError(
            f"The folder {printable(folder)} cannot be read ({error.strerror}): let the mirror's user read it."
        ) from error
