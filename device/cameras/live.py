"""A camera that delivers frames at its own pace, read by a thread that keeps only the newest one."""

from __future__ import annotations

import logging
import threading
import time
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from device.cameras.base import SILENT_AFTER, Camera, CameraError, CameraSilent, CameraStuck, Frame

START_TIMEOUT: Final = 5.0
"""Seconds that a camera may take to its first frame: some webcams need two or three."""

CLOSE_TIMEOUT: Final = 6.0
"""Seconds that a driver may take to release its device. More than a driver waits for a frame (4 s), because the thread
notices that it should stop only after that wait."""

Raw = TypeVar("Raw")
"""A picture in the device's own format."""

log = logging.getLogger(__name__)


class Shot(NamedTuple, Generic[Raw]):
    """A picture in the device's own format, and the time of its capture in seconds of time.monotonic()."""

    raw: Raw
    captured_at: float


class CaptureDevice(Protocol[Raw]):
    """An open device: what a driver implements. Only the thread of its `LiveCamera` calls `grab` and `release`."""

    @property
    def name(self) -> str:
        """The words that a sentence about the device starts with: "The camera /dev/video0"."""
        ...

    def grab(self) -> Shot[Raw] | None:
        """Wait a few seconds at most for the next picture, and return it; return None for one that is damaged.

        Raises CameraError when no more pictures will come.
        """
        ...

    def to_frame(self, shot: Shot[Raw]) -> Frame:
        """Convert a shot. Slow work belongs here, not in `grab`: only frames that are asked for are converted."""
        ...

    def release(self) -> None:
        """Close the device."""
        ...


class LiveCamera(Camera, Generic[Raw]):
    """A `Camera` that reads a `CaptureDevice`. Creating one waits for the first frame.

    Raises CameraError when no frame comes within `start_timeout` seconds.
    """

    def __init__(self, device: CaptureDevice[Raw], start_timeout: float = START_TIMEOUT) -> None:
        self._device = device
        self._arrived = threading.Condition()
        self._shot: Shot[Raw] | None = None  # the newest, until `latest` takes it
        self._end: str | None = None  # why no more will come
        self._arrived_at = time.monotonic()
        self._closing = threading.Event()
        self._reader = threading.Thread(target=self._read, name="camera", daemon=True)
        self._reader.start()
        if not self._wait(start_timeout) or self._shot is None:
            message = self._end or f"{device.name} sent no picture within {start_timeout:.2g} s: check its cable."
            self.close()
            raise CameraError(message)

    def latest(self, timeout: float = SILENT_AFTER) -> Frame:
        self._wait(timeout)
        with self._arrived:
            shot, self._shot = self._shot, None
            end, arrived_at = self._end, self._arrived_at
        now = time.monotonic()
        if shot is None and end is not None:
            raise CameraError(end)
        if shot is None:
            raise CameraSilent(self._device.name, now - arrived_at)
        # The caller may have been away for long. The newest shot of a camera that hung meanwhile is not new any more.
        if now - shot.captured_at > SILENT_AFTER:
            raise CameraSilent(self._device.name, now - shot.captured_at)
        return self._device.to_frame(shot)

    def close(self) -> None:
        self._closing.set()
        self._finish(f"{self._device.name} is closed.")
        with self._arrived:
            self._shot = None
        self._reader.join(CLOSE_TIMEOUT)
        if self._reader.is_alive():
            raise CameraStuck(f"{self._device.name} hangs and cannot be closed: restart the mirror.")

    def _wait(self, timeout: float) -> bool:
        """Wait for a shot or the end; return whether there is one."""
        with self._arrived:
            return self._arrived.wait_for(lambda: self._shot is not None or self._end is not None, timeout)

    def _read(self) -> None:
        """Run the thread: keep the newest shot until the camera is closed or fails."""
        try:
            while not self._closing.is_set():
                shot = self._device.grab()
                if shot is not None:
                    self._put(shot)
        except CameraError as error:
            self._finish(str(error))
        except Exception as error:
            log.exception("%s failed", self._device.name)
            self._finish(f"{self._device.name} failed: {error}.")
        finally:
            self._release()

    def _put(self, shot: Shot[Raw]) -> None:
        with self._arrived:
            if self._closing.is_set():
                return
            self._shot = shot
            self._arrived_at = time.monotonic()
            self._arrived.notify_all()

    def _finish(self, message: str) -> None:
        """Record why no more frames will come. The first reason counts: the later ones follow from it."""
        with self._arrived:
            self._end = self._end or message
            self._arrived.notify_all()

    def _release(self) -> None:
        try:
            self._device.release()
        except Exception:
            # The thread ends here whatever the driver says. Whether the device is free shows at the next opening.
            log.exception("%s could not be closed cleanly", self._device.name)
