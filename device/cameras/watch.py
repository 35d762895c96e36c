"""A camera that is kept open: after it is lost, it is opened again at growing intervals until it is back."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np

from device.cameras.base import SILENT_AFTER, Camera, CameraError, CameraSilent, CameraStuck, EndOfVideo, Frame
from device.cameras.controls import AUTOMATIC, CameraControls
from device.cameras.opening import open_camera

FIRST_RETRY_DELAY: Final = 0.5
"""Seconds from the first failure to the next try to open the camera. Each further failure doubles the delay."""

MAX_RETRY_DELAY: Final = 10.0
"""Seconds between two tries at most: a camera that is plugged in again after days should not keep a visitor waiting."""

CLOSE_TIMEOUT: Final = 3.0
"""Seconds that opening or closing a camera may still take when the mirror ends. The kernel closes what takes longer."""

STEADY_AFTER: Final = 10.0
"""Seconds after which an open camera counts as working, so that its next failure starts again at the first delay. A
camera with a loose plug opens and fails every few seconds: it must not be tried more and more often."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before the next try to open a camera, after `failures` failures in a row."""

    failures: int = 0

    @property
    def delay(self) -> float:
        """Seconds from the last failure to the next try; 0 before the first try."""
        if self.failures == 0:
            return 0.0
        return float(min(FIRST_RETRY_DELAY * 2 ** min(self.failures - 1, 32), MAX_RETRY_DELAY))

    def after_failure(self, uptime: float) -> Backoff:
        """Return the back-off after another failure of a camera that was open for `uptime` seconds (0: never)."""
        return Backoff(1 if uptime >= STEADY_AFTER else self.failures + 1)


class ReconnectingCamera(Camera):
    """A `Camera` that `open_camera` opens with these arguments. A thread opens it again whenever it is lost.

    With `mirrors_itself`, the camera or video shows the world mirrored already, whatever its driver does then.

    Creating one returns at once, even when there is no camera. While there is none, `latest` raises CameraError with
    the reason: at once when the reason is new, else after `timeout` seconds, so that a loop around it does not spin.
    """

    def __init__(
        self,
        source: str,
        *,
        size: tuple[int, int],
        small_shape: tuple[int, int] | None = None,
        controls: CameraControls = AUTOMATIC,
        mirrors_itself: bool = False,
    ) -> None:
        self._open = partial(open_camera, source, size=size, small_shape=small_shape, controls=controls)
        self._mirrors_itself = mirrors_itself
        self._changed = threading.Condition()
        self._camera: Camera | None = None
        self._error: CameraError = CameraError("The camera is starting.")
        self._unreported = False
        self._closing = False
        self._keeper = threading.Thread(target=self._keep, name="camera keeper", daemon=True)
        self._keeper.start()

    def latest(self, timeout: float = SILENT_AFTER) -> Frame:
        deadline = time.monotonic() + timeout
        with self._changed:
            self._changed.wait_for(lambda: self._camera is not None or self._unreported or self._closing, timeout)
            camera = self._camera
            if camera is None or self._closing:
                self._unreported = False
                raise _copy_error(self._error)
        try:
            frame = _check_frame(camera.latest(max(deadline - time.monotonic(), 0.0)))
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
            # A picture in an unexpected format. Opening the camera again may restore the right one.
            fault = CameraError(f"The camera's picture cannot be used: {error}.")
            self._drop_camera(camera, fault, error)
            raise fault from error
        # a driver that mirrors, too, has mirrored it back
        return replace(frame, mirrored=frame.mirrored != self._mirrors_itself)

    def close(self) -> None:
        with self._changed:
            if self._closing:
                return
            self._closing = True
            self._error = CameraError("The camera is closed.")
            self._changed.notify_all()
        self._keeper.join(CLOSE_TIMEOUT)
        if self._keeper.is_alive():
            log.error("The camera hangs while it is opened or closed: the kernel closes it when the mirror ends.")

    def _drop_camera(self, camera: Camera, error: CameraError, bug: Exception | None = None) -> None:
        """Have the thread close and reopen the camera. The caller raises `error`, so the next `latest` does not."""
        with self._changed:
            if self._camera is camera:
                self._camera = None
                self._record_error(error, bug, reported=True)
                self._changed.notify_all()

    def _keep(self) -> None:
        """Run the thread: open the camera, keep it until it is lost, wait, and open it again."""
        back_off = Backoff()
        lost_at: float | None = None
        while not self._wait_for_close(back_off.delay):
            try:
                uptime = self._open_once(lost_at)
            except CameraStuck as error:
                self._report_error(error)
                return  # this process cannot open that camera again
            back_off = back_off.after_failure(uptime)
            if uptime or lost_at is None:
                lost_at = time.monotonic()

    def _open_once(self, lost_at: float | None) -> float:
        """Open the camera and keep it until it is lost or closed; return for how many seconds it was open."""
        try:
            camera = self._open()
        except CameraStuck:
            raise
        except CameraError as error:
            self._report_error(error)
            return 0.0
        except Exception as error:
            # A driver may raise anything. The mirror keeps running and tries again.
            self._report_error(CameraError(f"The camera cannot be opened: {error}."), error)
            return 0.0
        opened_at = time.monotonic()
        if lost_at is not None:
            log.info("The camera is back after %.0f s.", opened_at - lost_at)
        with camera, self._changed:
            self._camera = camera
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._camera is None or self._closing)
            self._camera = None
        return time.monotonic() - opened_at

    def _wait_for_close(self, seconds: float) -> bool:
        """Wait; return True when the camera is to be closed."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closing, seconds)

    def _report_error(self, error: CameraError, bug: Exception | None = None) -> None:
        with self._changed:
            self._record_error(error, bug, reported=False)
            self._changed.notify_all()

    def _record_error(self, error: CameraError, bug: Exception | None, *, reported: bool) -> None:
        """Keep the error for `latest`, and log it if its message is new, with the traceback of an unexpected `bug`.

        A message is logged only once in a row, as the camera may be tried for weeks.
        """
        if str(error) != str(self._error):
            log.warning("%s", error, exc_info=bug)
            self._unreported = not reported
        self._error = error


def _check_frame(frame: Frame) -> Frame:
    """Return the frame if both pictures are H×W×3 of uint8, which everything else relies on; else raise ValueError."""
    for image in (frame.image, frame.small):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise ValueError(f"it is {'×'.join(map(str, image.shape))} of {image.dtype} and not H×W×3 of uint8")
    return frame


def _copy_error(error: CameraError) -> CameraError:
    """Return a new error with the same message: an exception raised twice carries its first traceback along."""
    return CameraStuck(str(error)) if isinstance(error, CameraStuck) else CameraError(str(error))
