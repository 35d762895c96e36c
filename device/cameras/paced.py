"""A camera whose pictures are drawn or read when they are due: a video, a folder of pictures, the performer."""

from __future__ import annotations

import threading
import time
from typing import Final, NamedTuple, Protocol

from device.cameras.base import SILENT_AFTER, Camera, CameraError, CameraSilent, EndOfVideo, Frame, make_frame
from models.pose import Image

MAX_SKIP_SECONDS: Final = 1.0
"""Seconds of a video that are skipped at most to catch up. After a longer break the video goes on where it stopped."""

MAX_HOLD_SECONDS: Final = 0.25
"""Seconds after which a picture is returned again if the next is not due. A camera that returns none counts as lost,
but an animation may show a picture for minutes."""


class ClipPicture(NamedTuple):
    """A picture of a clip: H×W×3 RGB, and when it is due, in seconds since the start."""

    due: float
    image: Image


class Clip(Protocol):
    """A sequence of pictures, each of which is due at some time: what a driver implements. The first is due at 0."""

    def next_due(self) -> float | None:
        """Return when the picture after the current one is due, later than that; None after the last picture.

        Raises CameraError when it cannot be read.
        """
        ...

    def advance(self, until: float) -> ClipPicture:
        """Move to the next picture, and on to the last one that is due by `until` seconds, which is never before it.

        Is only called if there is a next one. Raises CameraError when it cannot be read.
        """
        ...

    def close(self) -> None:
        """Close the file."""
        ...


def advance_number(number: int, until: float, fps: float) -> int:
    """Return the number of the picture to move to from `number`, of those that are due at a constant rate."""
    return max(number + 1, int(until * fps + 1e-6))


class PacedCamera(Camera):
    """A `Camera` that plays a `Clip`, in real time or as fast as frames are asked for.

    In real time, `latest` returns the picture that is due now, and `captured_at` is when it was due. Otherwise it
    returns every picture once, and `captured_at` advances by the clip's own time, whatever the clock says.
    """

    def __init__(self, clip: Clip, small_shape: tuple[int, int] | None, *, real_time: bool) -> None:
        self._clip = clip
        self._lock = threading.Lock()
        self._closed = False
        self._small_shape = small_shape
        self._real_time = real_time
        self._started_at = time.monotonic()
        self._picture: ClipPicture | None = None  # the current one

    def latest(self, timeout: float = SILENT_AFTER) -> Frame:
        before = time.monotonic()
        with self._lock:
            self._check_open()
            due = self._clip.next_due()
        if due is None:
            raise EndOfVideo("The video is over.")
        reading = time.monotonic() - before
        until = self._wait_until(due, timeout) if self._real_time else due
        if self._picture is None or until >= due:
            self._picture = self._advance(until, reading)
        else:
            self._picture = self._picture._replace(due=until)
        return make_frame(self._picture.image, self._small_shape, self._started_at + self._picture.due)

    def close(self) -> None:
        with self._lock:
            was_closed, self._closed = self._closed, True
        if not was_closed:  # outside the lock, so that a disk that hangs does not block `latest` in another thread
            self._clip.close()

    def _check_open(self) -> None:
        if self._closed:
            raise CameraError("The camera is closed.")

    def _advance(self, until: float, reading: float) -> ClipPicture:
        """Move to the picture that is due; looking for it has taken `reading` seconds so far."""
        last_due = 0.0 if self._picture is None else self._picture.due
        before = time.monotonic()
        with self._lock:
            self._check_open()
            picture = self._clip.advance(until)
        if self._real_time:
            # If pictures take longer to read than to show, play slower. Else the video would fall ever further behind.
            reading += time.monotonic() - before
            self._started_at += max(reading - (picture.due - last_due), 0.0)
        return picture

    def _wait_until(self, due: float, timeout: float) -> float:
        """Wait until the next picture is due, or the current one is returned again; return how far the clip is then."""
        last_due = due if self._picture is None else self._picture.due
        due = min(due, last_due + MAX_HOLD_SECONDS)
        early = self._started_at + due - time.monotonic()
        if early > timeout:
            time.sleep(timeout)
            raise CameraSilent("The video", time.monotonic() - self._started_at - last_due)
        time.sleep(max(early, 0.0))
        late = max(time.monotonic() - self._started_at - due, 0.0)
        self._started_at += max(late - MAX_SKIP_SECONDS, 0.0)
        return due + min(late, MAX_SKIP_SECONDS)
