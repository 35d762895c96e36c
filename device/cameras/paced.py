"""A camera made of pictures that are drawn or read when they are due: a film, a folder, the performer."""

from __future__ import annotations

import threading
import time
from typing import Final, Protocol

from device.cameras.base import SILENT_AFTER, Camera, CameraError, CameraSilent, EndOfVideo, Frame, make_frame
from models.pose import Image

MAX_SKIP_SECONDS: Final = 1.0
"""Seconds of a film that are skipped at most to catch up: whoever looks away for longer finds it where it was."""


class Clip(Protocol):
    """Pictures in a row, `fps` of them a second."""

    @property
    def fps(self) -> float: ...

    def advance(self, count: int) -> Image | None:
        """The `count`-th picture from here on (1: the very next); None after the last. Raises CameraError."""
        ...

    def close(self) -> None: ...


class PacedCamera(Camera):
    """A film, shown in real time, or a picture whenever one is asked for.

    In real time the picture returned is the one due now, and was `taken` when it fell due. Else every picture is
    returned, and `taken` goes on by the film's own time, whatever the clock says.
    """

    def __init__(self, clip: Clip, small_shape: tuple[int, int] | None, *, real_time: bool) -> None:
        self._film = clip
        self._fps = clip.fps
        self._showing = threading.Lock()
        self._closed = False
        self._small = small_shape
        self._real_time = real_time
        self._began = time.monotonic()
        self._number = -1

    def latest(self, timeout: float = SILENT_AFTER) -> Frame:
        count = self._wait_until_due(timeout) if self._real_time else 1
        asked = time.monotonic()
        with self._showing:
            if self._closed:
                raise CameraError("The camera is closed.")
            image = self._film.advance(count)
        if image is None:
            raise EndOfVideo("The film is over.")
        self._number += count
        if self._real_time:
            # Pictures that take longer to make than they last slow the film down, lest it fall ever further behind.
            self._began += max(time.monotonic() - asked - count / self._fps, 0.0)
        return make_frame(image, self._small, self._began + self._number / self._fps)

    def close(self) -> None:
        with self._showing:
            was_closed, self._closed = self._closed, True
        if not was_closed:  # outside the lock: whoever asks for a picture meanwhile does not wait for a hanging disk
            self._film.close()

    def _wait_until_due(self, timeout: float) -> int:
        """Waits until the next picture is due; how many pictures on from the last the one due then is."""
        fps = self._fps
        early = self._began + (self._number + 1) / fps - time.monotonic()
        if early > timeout:
            time.sleep(timeout)
            raise CameraSilent("The film", 1 / fps - early + timeout)
        time.sleep(max(early, 0.0))
        count = max(int((time.monotonic() - self._began) * fps) - self._number, 1)
        most = max(int(MAX_SKIP_SECONDS * fps), 1)
        self._began += max(count - most, 0) / fps
        return min(count, most)
