"""A camera whose pictures are drawn or read when they are due: a video, a folder of pictures, the performer."""

from __future__ import annotations

import threading
import time
from typing import Final, Protocol

from device.cameras.base import SILENT_AFTER, Camera, CameraError, CameraSilent, EndOfVideo, Frame, make_frame
from models.pose import Image

MAX_SKIP_SECONDS: Final = 1.0
"""Seconds of a video that are skipped at most to catch up. After a longer break the video goes on where it stopped."""


class Clip(Protocol):
    """A sequence of pictures: what a driver implements."""

    @property
    def fps(self) -> float:
        """Pictures per second."""
        ...

    def advance(self, count: int) -> Image | None:
        """Move `count` pictures on (1: to the very next) and return that one (H×W×3, RGB); None after the last.

        Raises CameraError when it cannot be read.
        """
        ...

    def close(self) -> None:
        """Close the file."""
        ...


class PacedCamera(Camera):
    """A `Camera` that plays a `Clip`, in real time or as fast as frames are asked for.

    In real time, `latest` returns the picture that is due now, and `captured_at` is when it was due. Otherwise it
    returns every picture, and `captured_at` advances by the clip's own time, whatever the clock says.
    """

    def __init__(self, clip: Clip, small_shape: tuple[int, int] | None, *, real_time: bool) -> None:
        self._clip = clip
        self._fps = clip.fps
        self._lock = threading.Lock()
        self._closed = False
        self._small_shape = small_shape
        self._real_time = real_time
        self._started_at = time.monotonic()
        self._number = -1

    def latest(self, timeout: float = SILENT_AFTER) -> Frame:
        count = self._wait_until_due(timeout) if self._real_time else 1
        before = time.monotonic()
        with self._lock:
            if self._closed:
                raise CameraError("The camera is closed.")
            image = self._clip.advance(count)
        if image is None:
            raise EndOfVideo("The video is over.")
        self._number += count
        if self._real_time:
            # If pictures take longer to read than to show, play slower. Else the video would fall ever further behind.
            self._started_at += max(time.monotonic() - before - count / self._fps, 0.0)
        return make_frame(image, self._small_shape, self._started_at + self._number / self._fps)

    def close(self) -> None:
        with self._lock:
            was_closed, self._closed = self._closed, True
        if not was_closed:  # outside the lock, so that a disk that hangs does not block `latest` in another thread
            self._clip.close()

    def _wait_until_due(self, timeout: float) -> int:
        """Wait until the next picture is due; return how many pictures to advance to the one that is due then."""
        fps = self._fps
        early = self._started_at + (self._number + 1) / fps - time.monotonic()
        if early > timeout:
            time.sleep(timeout)
            raise CameraSilent("The video", 1 / fps - early + timeout)
        time.sleep(max(early, 0.0))
        count = max(int((time.monotonic() - self._started_at) * fps) - self._number, 1)
        max_count = max(int(MAX_SKIP_SECONDS * fps), 1)
        self._started_at += max(count - max_count, 0) / fps
        return min(count, max_count)
