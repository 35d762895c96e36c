"""The estimator in a process of its own, watched: when it dies or hangs it is replaced, and the mirror goes on.

libedgetpu aborts its whole process when a USB Coral is unplugged, and one that does not match the runtime segfaults;
out here both are an event. `models.estimator.supervision` decides what happens next, `models.estimator.child` is the process.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from models.estimator import supervision
from models.estimator.child import Child, ChildError, ChildReportedError, EstimatorFactory, EstimatorSpec, SharedFrame
from models.estimator.estimator import Estimator, list_edge_tpus
from models.estimator.supervision import Device, DevicePreference, Plan
from models.pose import Image, Pose

logger = logging.getLogger(__name__)

STARTING = "The estimator is being started."
CLOSED = "The estimator is closed."


class EstimatorUnavailable(RuntimeError):
    """No poses for now: the message is a sentence for the visitor's screen, and a later frame may have them."""


class EstimatorProcess:
    """An estimator that outlives its process. For one thread; another may close it, and a call then fails as lost.

    `model` runs on the CPU, with `size` (height, width) and `threads` as `Estimator` takes them; `edgetpu_model` on
    the Edge TPU, at the size it was compiled for. `device` is where to run: "auto" is on an Edge TPU while there is
    one. "edgetpu" does not ask whether one is listed before it tries; it runs on the CPU too rather than not at all.

    A call of `estimate` lasts `timeout` seconds at most; an estimator has `start_timeout` seconds to come up; an Edge
    TPU is looked for every `probe_interval` seconds while there is none. Everything is tended by the calls of `estimate`:
    there is no thread, and what happens between calls is seen at the next. `factory` and `list_attached` make the estimator
    (in the child, so it must be a module's own function or class) and list the Edge TPUs.
    """

    def __init__(
        self,
        model: Path,
        *,
        edgetpu_model: Path | None = None,
        device: DevicePreference = "auto",
        size: tuple[int, int] | None = None,
        threads: int | None = None,
        timeout: float = 5.0,
        start_timeout: float = 60.0,
        probe_interval: float = 60.0,
        factory: EstimatorFactory = Estimator,
        list_attached: Callable[[], Sequence[str]] = list_edge_tpus,
    ) -> None:
        self._specs: dict[Device, EstimatorSpec] = {"cpu": EstimatorSpec(factory, model, "cpu", size, threads)}
        if edgetpu_model is not None:
            self._specs["edgetpu"] = EstimatorSpec(factory, edgetpu_model, "edgetpu", None, threads)
        self._require_listed = device == "auto"
        self._timeout, self._start_timeout = timeout, start_timeout
        self._list_attached = list_attached
        self._frame = SharedFrame()
        self._child: Child | None = None
        self._ready_at = 0.0
        self._probe: Child | None = None
        self._killed: list[Child] = []
        self._failure: ChildError | None = None
        self._closed = False
        now = time.monotonic()
        self._plan = supervision.initial_plan(
            device, now, has_edgetpu_model=edgetpu_model is not None, probe_interval=probe_interval
        )
        if self._plan.note:
            logger.warning(self._plan.note)
        self._update(now)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the processes, within a few seconds, and free the shared memory; a second time does nothing."""
        self._closed = True
        for child in (self._child, self._probe, *self._killed):
            if child is not None:
                child.stop(timeout=1.0)
        self._child, self._probe, self._killed = None, None, []
        self._frame.close()

    @property
    def device(self) -> Device:
        """Where poses are estimated now."""
        return self._plan.device

    @property
    def note(self) -> str | None:
        """A sentence to say once (again when it changes) while poses are not estimated where they were wished."""
        return self._plan.note

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of the model's input; None while no estimator is up."""
        return self._child.ready.size if self._child and self._child.ready else None

    @property
    def runtime(self) -> str | None:
        """What runs the model, with its version; None while no estimator is up."""
        return self._child.ready.runtime if self._child and self._child.ready else None

    @property
    def pid(self) -> int | None:
        """The process that estimates or is to, None between two."""
        return self._child.pid if self._child else None

    def wait_until_ready(self, timeout: float = 90.0) -> None:
        """Wait until the estimator is up; raises EstimatorLost after `timeout` seconds, or when it says why not."""
        until = time.monotonic() + timeout
        while not self._poll_ready(now := time.monotonic()):
            if isinstance(self._failure, ChildReportedError):
                raise EstimatorUnavailable(str(self._failure)) from self._failure
            if now >= until:
                raise EstimatorUnavailable(self._status_message())
            time.sleep(0.01)

    def estimate(self, image: Image) -> list[Pose]:
        """The people in `image` (H×W×3 uint8, RGB), in its pixels, best first.

        Raises EstimatorLost while there is no estimator, and when it fails over this image, after `timeout` seconds
        at the latest; ValueError when `image` is no such picture.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise ValueError(f"a picture is H×W×3 of uint8, not {'×'.join(map(str, image.shape))} of {image.dtype}")
        if not self._poll_ready(time.monotonic()) or (child := self._child) is None:
            raise EstimatorUnavailable(self._status_message())
        try:
            return child.estimate(image, self._timeout)
        except ChildError as failure:
            self._on_failure(failure, time.monotonic())
            raise EstimatorUnavailable(self._status_message()) from failure
        except BaseException:  # Ctrl-C: the answer still to come would be taken for the next picture's
            self._kill(child)
            self._child = None
            raise

    def _poll_ready(self, now: float) -> bool:
        if self._closed:
            raise EstimatorUnavailable(CLOSED)
        self._update(now)
        return self._child is not None and self._child.ready is not None

    def _update(self, now: float) -> None:
        """Do what is due, without waiting for any of it."""
        self._killed = [child for child in self._killed if not child.has_exited()]
        if self._child is None and now >= self._plan.start_at:
            self._start(now)
        elif self._child is not None and self._child.ready is None:
            self._poll_start(self._child, now)
        if self._probe is not None:
            self._poll_probe(self._probe, now)
        elif now >= self._plan.probe_at:
            self._start_probe(now)

    def _start(self, now: float) -> None:
        if self._closed:
            return
        if self._plan.device == "edgetpu" and self._require_listed and not self._list_attached():
            self._set_plan(supervision.without_edgetpu(self._plan, now, supervision.NO_EDGE_TPU))
        try:
            self._child = Child(self._specs[self._plan.device], self._frame, now)
        except OSError as error:
            self._on_failure(ChildError(f"The estimator could not be started ({error.strerror})"), now)

    def _poll_start(self, child: Child, now: float) -> None:
        try:
            if child.poll_ready(now, self._start_timeout):
                self._on_ready(child, now)
        except ChildError as failure:
            self._on_failure(failure, now)

    def _on_ready(self, child: Child, now: float) -> None:
        self._child, self._ready_at, self._failure = child, now, None
        logger.info("estimator up on %s after %.2f s: %s", self.device, now - child.started_at, child.ready)

    def _on_failure(self, failure: ChildError, now: float) -> None:
        """The child failed: see it off, and start the next when that is due at once."""
        child, self._child = self._child, None
        came_up = child is not None and child.ready is not None
        if child is not None:
            self._kill(child)
        if isinstance(failure, ChildReportedError) and not came_up and self.device == "edgetpu":
            self._failure = None
            self._set_plan(supervision.without_edgetpu(self._plan, now, _unusable_note(failure)))
        else:
            self._failure = failure
            self._set_plan(supervision.after_failure(self._plan, now, now - self._ready_at if came_up else 0.0))
            _log_failure(failure)
        if child is not None and now >= self._plan.start_at:
            self._start(now)

    def _start_probe(self, now: float) -> None:
        """Look for an Edge TPU, and try the one there is in a second process: the first goes on meanwhile."""
        self._set_plan(supervision.after_probe(self._plan, now))
        if self._list_attached():
            try:
                self._probe = Child(self._specs["edgetpu"], self._frame, now)
            except OSError as error:
                logger.warning("no second estimator could be started: %s", error)

    def _poll_probe(self, probe: Child, now: float) -> None:
        try:
            if not probe.poll_ready(now, self._start_timeout):
                return
        except ChildError as failure:
            self._probe = None
            self._kill(probe)
            if isinstance(failure, ChildReportedError):
                self._set_plan(supervision.after_probe(self._plan, now, _unusable_note(failure)))
            else:
                self._set_plan(supervision.after_probe(self._plan, now))
                _log_failure(failure)
            return
        self._probe = None
        if self._child is not None:
            self._kill(self._child)
        self._set_plan(supervision.on_edgetpu(self._plan, now))
        self._on_ready(probe, now)

    def _kill(self, child: Child) -> None:
        child.kill()
        self._killed.append(child)

    def _set_plan(self, plan: Plan) -> None:
        if plan.note and plan.note != self._plan.note:
            logger.warning(plan.note)
        self._plan = plan

    def _status_message(self) -> str:
        if self._closed:
            return CLOSED
        if self._failure is None:
            return STARTING
        if isinstance(self._failure, ChildReportedError):
            return f"The estimator is being started again: {self._failure}"
        return f"{self._failure} and is being started again."


def _unusable_note(failure: ChildError) -> str:
    return f"Poses are estimated on the CPU, for the Edge TPU cannot be used: {failure}"


def _log_failure(failure: ChildError) -> None:
    logger.warning("%s", failure)
    if isinstance(failure, ChildReportedError) and failure.traceback:
        logger.warning("%s", failure.traceback)
