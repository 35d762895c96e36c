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
from models.estimator.child import Child, ChildFailed, ChildRefused, Job, MakeEstimator, SharedFrame
from models.estimator.estimator import Estimator, edge_tpus
from models.estimator.supervision import Device, Plan, Wish
from models.pose import Image, Pose

logger = logging.getLogger(__name__)

STARTING = "The estimator is being started."
CLOSED = "The estimator is closed."


class EstimatorLost(RuntimeError):
    """No poses for now: the message is a sentence for the visitor's screen, and a later frame may have them."""


class EstimatorProcess:
    """An estimator that outlives its process. For one thread; another may close it, and a call then fails as lost.

    `model` runs on the CPU, with `size` (height, width) and `threads` as `Estimator` takes them; `edgetpu_model` on
    the Edge TPU, at the size it was compiled for. `device` is where to run: "auto" is on an Edge TPU while there is
    one. "edgetpu" does not ask whether one is listed before it tries; it runs on the CPU too rather than not at all.

    A call of `estimate` lasts `patience` seconds at most; an estimator has `start_limit` seconds to come up; an Edge
    TPU is looked for every `look_every` seconds while there is none. Everything is tended by the calls of `estimate`:
    there is no thread, and what happens between calls is seen at the next. `make` and `attached` make the estimator
    (in the child, so it must be a module's own function or class) and list the Edge TPUs.
    """

    def __init__(
        self,
        model: Path,
        *,
        edgetpu_model: Path | None = None,
        device: Wish = "auto",
        size: tuple[int, int] | None = None,
        threads: int | None = None,
        patience: float = 5.0,
        start_limit: float = 60.0,
        look_every: float = 60.0,
        make: MakeEstimator = Estimator,
        attached: Callable[[], Sequence[str]] = edge_tpus,
    ) -> None:
        self._jobs: dict[Device, Job] = {"cpu": Job(make, model, "cpu", size, threads)}
        if edgetpu_model is not None:
            self._jobs["edgetpu"] = Job(make, edgetpu_model, "edgetpu", None, threads)
        self._listed_only = device == "auto"
        self._patience, self._start_limit = patience, start_limit
        self._attached = attached
        self._frame = SharedFrame()
        self._child: Child | None = None
        self._came_up = 0.0
        self._probe: Child | None = None
        self._killed: list[Child] = []
        self._failure: ChildFailed | None = None
        self._closed = False
        now = time.monotonic()
        self._plan = supervision.first_plan(
            device, now, has_edgetpu_model=edgetpu_model is not None, look_every=look_every
        )
        if self._plan.note:
            logger.warning(self._plan.note)
        self._tend(now)

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
                child.leave(grace=1.0)
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

    def warm(self, timeout: float = 90.0) -> None:
        """Wait until the estimator is up; raises EstimatorLost after `timeout` seconds, or when it says why not."""
        until = time.monotonic() + timeout
        while not self._up(now := time.monotonic()):
            if isinstance(self._failure, ChildRefused):
                raise EstimatorLost(str(self._failure)) from self._failure
            if now >= until:
                raise EstimatorLost(self._sentence())
            time.sleep(0.01)

    def estimate(self, image: Image) -> list[Pose]:
        """The people in `image` (H×W×3 uint8, RGB), in its pixels, best first.

        Raises EstimatorLost while there is no estimator, and when it fails over this image, after `patience` seconds
        at the latest; ValueError when `image` is no such picture.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise ValueError(f"a picture is H×W×3 of uint8, not {'×'.join(map(str, image.shape))} of {image.dtype}")
        if not self._up(time.monotonic()) or (child := self._child) is None:
            raise EstimatorLost(self._sentence())
        try:
            return child.estimate(image, self._patience)
        except ChildFailed as failure:
            self._lose(failure, time.monotonic())
            raise EstimatorLost(self._sentence()) from failure
        except BaseException:  # Ctrl-C: the answer still to come would be taken for the next picture's
            self._kill(child)
            self._child = None
            raise

    def _up(self, now: float) -> bool:
        if self._closed:
            raise EstimatorLost(CLOSED)
        self._tend(now)
        return self._child is not None and self._child.ready is not None

    def _tend(self, now: float) -> None:
        """Do what is due, without waiting for any of it."""
        self._killed = [child for child in self._killed if not child.gone()]
        if self._child is None and now >= self._plan.start_at:
            self._start(now)
        elif self._child is not None and self._child.ready is None:
            self._meet(self._child, now)
        if self._probe is not None:
            self._try(self._probe, now)
        elif now >= self._plan.look_at:
            self._look(now)

    def _start(self, now: float) -> None:
        if self._closed:
            return
        if self._plan.device == "edgetpu" and self._listed_only and not self._attached():
            self._adopt(supervision.without_edgetpu(self._plan, now, supervision.NO_EDGE_TPU))
        try:
            self._child = Child(self._jobs[self._plan.device], self._frame, now)
        except OSError as error:
            self._lose(ChildFailed(f"The estimator could not be started ({error.strerror})"), now)

    def _meet(self, child: Child, now: float) -> None:
        try:
            if child.up(now, self._start_limit):
                self._welcome(child, now)
        except ChildFailed as failure:
            self._lose(failure, now)

    def _welcome(self, child: Child, now: float) -> None:
        self._child, self._came_up, self._failure = child, now, None
        logger.info("estimator up on %s after %.2f s: %s", self.device, now - child.started, child.ready)

    def _lose(self, failure: ChildFailed, now: float) -> None:
        """The child failed: see it off, and start the next when that is due at once."""
        child, self._child = self._child, None
        came_up = child is not None and child.ready is not None
        if child is not None:
            self._kill(child)
        if isinstance(failure, ChildRefused) and not came_up and self.device == "edgetpu":
            self._failure = None
            self._adopt(supervision.without_edgetpu(self._plan, now, _unusable(failure)))
        else:
            self._failure = failure
            self._adopt(supervision.after_failure(self._plan, now, now - self._came_up if came_up else 0.0))
            _log(failure)
        if child is not None and now >= self._plan.start_at:
            self._start(now)

    def _look(self, now: float) -> None:
        """Look for an Edge TPU, and try the one there is in a second process: the first goes on meanwhile."""
        self._adopt(supervision.after_look(self._plan, now))
        if self._attached():
            try:
                self._probe = Child(self._jobs["edgetpu"], self._frame, now)
            except OSError as error:
                logger.warning("no second estimator could be started: %s", error)

    def _try(self, probe: Child, now: float) -> None:
        try:
            if not probe.up(now, self._start_limit):
                return
        except ChildFailed as failure:
            self._probe = None
            self._kill(probe)
            if isinstance(failure, ChildRefused):
                self._adopt(supervision.after_look(self._plan, now, _unusable(failure)))
            else:
                self._adopt(supervision.after_look(self._plan, now))
                _log(failure)
            return
        self._probe = None
        if self._child is not None:
            self._kill(self._child)
        self._adopt(supervision.on_edgetpu(self._plan, now))
        self._welcome(probe, now)

    def _kill(self, child: Child) -> None:
        child.kill()
        self._killed.append(child)

    def _adopt(self, plan: Plan) -> None:
        if plan.note and plan.note != self._plan.note:
            logger.warning(plan.note)
        self._plan = plan

    def _sentence(self) -> str:
        if self._closed:
            return CLOSED
        if self._failure is None:
            return STARTING
        if isinstance(self._failure, ChildRefused):
            return f"The estimator is being started again: {self._failure}"
        return f"{self._failure} and is being started again."


def _unusable(failure: ChildFailed) -> str:
    return f"Poses are estimated on the CPU, for the Edge TPU cannot be used: {failure}"


def _log(failure: ChildFailed) -> None:
    logger.warning("%s", failure)
    if isinstance(failure, ChildRefused) and failure.traceback:
        logger.warning("%s", failure.traceback)
