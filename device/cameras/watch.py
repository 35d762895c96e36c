"""A camera that is kept open: lost, it is opened again and again, at growing intervals, until it is back."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from device.cameras.base import SILENT_AFTER, Camera, CameraError, CameraSilent, CameraStuck, EndOfVideo, Frame
from device.cameras.opening import open_camera

FIRST_RETRY_DELAY: Final = 0.5
MAX_RETRY_DELAY: Final = 10.0
"""Seconds between two tries to open a camera: after the first failure, doubled with each further one, and at most."""

CLOSE_TIMEOUT: Final = 3.0
"""Seconds that opening or closing a camera may take when the mirror ends, before it is left to the kernel."""

STEADY_AFTER: Final = 10.0
"""Seconds after which a camera that was opened counts as working, and its next failure as a first one."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before the next try; time comes in as an argument."""

    failures: int = 0

    @property
    def delay(self) -> float:
        """Seconds from the last failure to the next try; none before the first."""
        if self.failures == 0:
            return 0.0
        return float(min(FIRST_RETRY_DELAY * 2 ** min(self.failures - 1, 32), MAX_RETRY_DELAY))

    def after_failure(self, uptime: float) -> Backoff:
        """After one more failure, of a camera that had worked for `uptime` seconds (0: it did not open at all)."""
        return Backoff(1 if uptime >= STEADY_AFTER else self.failures + 1)


class ReconnectingCamera(Camera):
    """The camera `open_camera` opens for these arguments, opened again by a thread of its own whenever it is lost.

    Making one returns at once, whether there is a camera or not. While there is none, `latest` raises CameraError with
    the reason: at once where it is new, else after waiting for `timeout` seconds, so that a loop around it is at rest.
    """

    def __init__(
        self,
        source: str,
        *,
        size: tuple[int, int],
        small_shape: tuple[int, int] | None = None,
        real_time: bool = True,
        loop: bool = True,
    ) -> None:
        self._open = partial(open_camera, source, size=size, small_shape=small_shape, real_time=real_time, loop=loop)
        self._changed = threading.Condition()
        self._camera: Camera | None = None
        self._trouble: CameraError = CameraError("The camera is being opened.")
        self._unreported = False
        self._closing = False
        self._keeper = threading.Thread(target=self._keep, name="camera keeper", daemon=True)
        self._keeper.start()

    def latest(self, timeout: float = SILENT_AFTER) -> Frame:
        until = time.monotonic() + timeout
        with self._changed:
            self._changed.wait_for(lambda: self._camera is not None or self._unreported or self._closing, timeout)
            camera = self._camera
            if camera is None or self._closing:
                self._unreported = False
                raise _copy_error(self._trouble)
        try:
            return _check_frame(camera.latest(max(until - time.monotonic(), 0.0)))
        except CameraSilent as error:
            if error.seconds >= SILENT_AFTER:
                self._drop_camera(camera, error)
            raise
        except CameraError as error:
            self._drop_camera(camera, error)
            raise
        except EndOfVideo:
            raise
        except Exception as error:
            # A picture that nothing can be made of: the camera may come to itself when it is opened again.
            fault = CameraError(f"The camera's picture cannot be used: {error}.")
            self._drop_camera(camera, fault, error)
            raise fault from error

    def close(self) -> None:
        with self._changed:
            if self._closing:
                return
            self._closing = True
            self._trouble = CameraError("The camera is closed.")
            self._changed.notify_all()
        self._keeper.join(CLOSE_TIMEOUT)
        if self._keeper.is_alive():
            log.error("The camera hangs while it is opened or closed, and is left to itself.")

    def _drop_camera(self, camera: Camera, error: CameraError, bug: Exception | None = None) -> None:
        """Have the keeper close the camera and open it again; the caller is told by the error it was called with."""
        with self._changed:
            if self._camera is camera:
                self._camera = None
                self._record_error(error, bug, reported=True)
                self._changed.notify_all()

    def _keep(self) -> None:
        """The thread: open, wait until it is lost, close, wait; and so on."""
        back_off = Backoff()
        lost_at: float | None = None
        while not self._wait_for_close(back_off.delay):
            try:
                worked = self._keep_one(lost_at)
            except CameraStuck as error:
                self._report_error(error)
                return  # no try in this process can succeed
            back_off = back_off.after_failure(worked)
            if worked or lost_at is None:
                lost_at = time.monotonic()

    def _keep_one(self, lost_at: float | None) -> float:
        """Open the camera and keep it until it is lost or the mirror closes; for how many seconds it was open."""
        try:
            camera = self._open()
        except CameraStuck:
            raise
        except CameraError as error:
            self._report_error(error)
            return 0.0
        except Exception as error:
            # Whatever a driver comes up with, the mirror goes on and tries again.
            self._report_error(CameraError(f"The camera cannot be opened: {error}."), error)
            return 0.0
        opened = time.monotonic()
        if lost_at is not None:
            log.info("The camera is back after %.0f s.", opened - lost_at)
        with camera, self._changed:
            self._camera = camera
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._camera is None or self._closing)
            self._camera = None
        return time.monotonic() - opened

    def _wait_for_close(self, seconds: float) -> bool:
        """Waits; True when the mirror closes."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closing, seconds)

    def _report_error(self, error: CameraError, bug: Exception | None = None) -> None:
        with self._changed:
            self._record_error(error, bug, reported=False)
            self._changed.notify_all()

    def _record_error(self, error: CameraError, bug: Exception | None, *, reported: bool) -> None:
        """Keep the sentence for `latest`, and write it down, with what nobody foresaw, where it is another than before.

        It may be tried again for weeks.
        """
        if str(error) != str(self._trouble):
            log.warning("%s", error, exc_info=bug)
            self._unreported = not reported
        self._trouble = error


def _check_frame(frame: Frame) -> Frame:
    """The frame, when all after it can work with its pictures; raises ValueError."""
    for image in (frame.image, frame.small):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise ValueError(f"it is {'×'.join(map(str, image.shape))} of {image.dtype} and not H×W×3 of uint8")
    return frame


def _copy_error(error: CameraError) -> CameraError:
    """The same error to be raised once more: an exception that is raised twice drags its first history along."""
    return CameraStuck(str(error)) if isinstance(error, CameraStuck) else CameraError(str(error))
