"""A camera that goes on by itself, read by a thread of its own, which keeps its newest picture in a box for one."""

from __future__ import annotations

import logging
import threading
import time
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from device.cameras.base import SILENT_AFTER, Camera, CameraError, CameraSilent, CameraStuck, Frame

START_TIMEOUT: Final = 5.0
"""Seconds that a camera may take to its first picture: some webcams need two or three."""

CLOSE_TIMEOUT: Final = 6.0
"""Seconds that a driver may take to let its device go; more than it takes to give up waiting for a picture."""

Raw = TypeVar("Raw")

log = logging.getLogger(__name__)


class Shot(NamedTuple, Generic[Raw]):
    """What a device gave, in its own form, and when it was captured in seconds of time.monotonic()."""

    raw: Raw
    captured_at: float


class CaptureDevice(Protocol[Raw]):
    """An open device. `grab` and `release` are only ever called by the thread of its `LiveCamera`."""

    @property
    def name(self) -> str:
        """What a sentence about it begins with: "The camera /dev/video0"."""
        ...

    def grab(self) -> Shot[Raw] | None:
        """The next picture; None when there was none worth having. Blocks for a few seconds at most.

        Raises CameraError when there will be no more.
        """
        ...

    def to_frame(self, shot: Shot[Raw]) -> Frame:
        """The frame made of a shot: what costs time is done here, for those frames alone that somebody takes."""
        ...

    def release(self) -> None:
        """Let the device go."""
        ...


class LiveCamera(Camera, Generic[Raw]):
    """A source being read. Making one waits for its first picture; raises CameraError when none comes."""

    def __init__(self, device: CaptureDevice[Raw], start_timeout: float = START_TIMEOUT) -> None:
        self._device = device
        self._arrived = threading.Condition()
        self._shot: Shot[Raw] | None = None
        self._end: str | None = None
        self._heard = time.monotonic()
        self._closing = threading.Event()
        self._reader = threading.Thread(target=self._read, name="camera", daemon=True)
        self._reader.start()
        if not self._wait(start_timeout) or self._shot is None:
            sentence = self._end or f"{device.name} gave no picture within {start_timeout:.2g} s."
            self.close()
            raise CameraError(sentence)

    def latest(self, timeout: float = SILENT_AFTER) -> Frame:
        self._wait(timeout)
        with self._arrived:
            shot, self._shot = self._shot, None
            end, heard = self._end, self._heard
        now = time.monotonic()
        if shot is None and end is not None:
            raise CameraError(end)
        if shot is None:
            raise CameraSilent(self._device.name, now - heard)
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
        with self._arrived:
            return self._arrived.wait_for(lambda: self._shot is not None or self._end is not None, timeout)

    def _read(self) -> None:
        """The thread: every picture into the box, over the one before, until there are no more."""
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
            self._heard = time.monotonic()
            self._arrived.notify_all()

    def _finish(self, sentence: str) -> None:
        """No more pictures will come; the first reason for it stays."""
        with self._arrived:
            self._end = self._end or sentence
            self._arrived.notify_all()

    def _release(self) -> None:
        try:
            self._device.release()
        except Exception:
            # The device is given up here whatever its driver says; whether it is free shows when it is opened again.
            log.exception("%s could not be closed in good order", self._device.name)
