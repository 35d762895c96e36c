"""`EstimatorProcess`: an estimator in a process that is replaced when it dies or hangs, so that the mirror goes on.

libedgetpu aborts its whole process when a USB Coral is unplugged, and segfaults if it does not match the runtime. In a
separate process, such a crash costs the mirror only the poses of a moment. `models.estimator.supervision` decides what
happens next; `models.estimator.child` is the process.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from models.estimator import supervision
from models.estimator.child import Child, ChildError, ChildReportedError, EstimatorFactory, EstimatorSpec, SharedFrame
from models.estimator.estimator import DEFAULT_SIZE, Estimator, check_image, crop_size_for, list_edge_tpus
from models.estimator.supervision import Device, DevicePreference, Plan
from models.pose import Image, Pose

logger = logging.getLogger(__name__)

STARTING = "The estimator is starting."
CLOSED = "The estimator is closed."


class EstimatorUnavailable(RuntimeError):
    """There are no poses for this frame, but there may be for a later one; the message is a sentence for the screen."""


@dataclass(frozen=True, slots=True)
class EstimatorOptions:
    """Where and how an `EstimatorProcess` runs.

    `device` "auto" uses an Edge TPU while one is attached. "edgetpu" also tries to open one that the system does not
    list. Both use the CPU while there is no Edge TPU. "cpu" never searches for one.

    `size` (height, width) and `threads` are those of `Estimator`, for the model on the CPU. A call of `estimate` may
    take `timeout` seconds and a start `start_timeout`; after that the process counts as hung. While there is no Edge
    TPU, `probe_interval` seconds pass between two searches for one.
    """

    device: DevicePreference = "auto"
    size: tuple[int, int] | None = None
    threads: int | None = None
    timeout: float = 5.0
    start_timeout: float = 60.0
    probe_interval: float = 60.0


class EstimatorProcess:
    """An estimator that outlives its process.

    Only one thread may use it, but another may close it: a call that is under way then raises EstimatorUnavailable.

    `model` runs on the CPU, `edgetpu_model` on the Edge TPU at the size it was compiled for. No thread watches the
    processes: each call of `estimate` first does what has become due since the last call.

    `factory` creates the estimator in the child, so it must be a function or class of a module; `list_attached` returns
    the Edge TPUs that are plugged in.
    """

    def __init__(
        self,
        model: Path,
        edgetpu_model: Path | None = None,
        options: EstimatorOptions = EstimatorOptions(),
        *,
        factory: EstimatorFactory = Estimator,
        list_attached: Callable[[], Sequence[str]] = list_edge_tpus,
    ) -> None:
        size, threads = options.size, options.threads
        self._specs: dict[Device, EstimatorSpec] = {"cpu": EstimatorSpec(factory, model, "cpu", size, threads)}
        if edgetpu_model is not None:
            self._specs["edgetpu"] = EstimatorSpec(factory, edgetpu_model, "edgetpu", None, threads)
        self._options = options
        self._list_attached = list_attached
        self._frame = SharedFrame()
        self._child: Child | None = None
        self._ready_at = 0.0
        self._probe: Child | None = None
        self._killed: list[Child] = []
        self._failure: ChildError | None = None
        self._raises_report = False
        self._closed = False
        now = time.monotonic()
        self._plan = supervision.initial_plan(
            options.device,
            now,
            has_edgetpu_model=edgetpu_model is not None,
            probe_interval=options.probe_interval,
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
        """End the processes within a few seconds, and free the shared memory; do nothing the second time."""
        self._closed = True
        for child in (self._child, self._probe, *self._killed):
            if child is not None:
                child.stop(timeout=1.0)
        self._child, self._probe, self._killed = None, None, []
        self._frame.close()

    @property
    def device(self) -> Device:
        """The device that poses are estimated on now."""
        return self._plan.device

    @property
    def note(self) -> str | None:
        """A sentence while the preferred device is not in use, to show once, and again when it changes."""
        return self._plan.note

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of the model's input; None while no estimator is ready."""
        return self._child.ready.size if self._child and self._child.ready else None

    @property
    def runtime(self) -> str | None:
        """The runtime and its version; None while no estimator is ready."""
        return self._child.ready.runtime if self._child and self._child.ready else None

    @property
    def pid(self) -> int | None:
        """The id of the process that estimates, or starts to; None between two processes."""
        return self._child.pid if self._child else None

    def wait_until_ready(self, timeout: float = 90.0) -> None:
        """Wait until poses can be estimated.

        Raises EstimatorUnavailable after `timeout` seconds, or as soon as the estimator reports an error.
        """
        deadline = time.monotonic() + timeout
        self._raises_report = True
        try:
            while not self._poll_ready(now := time.monotonic()):
                if isinstance(self._failure, ChildReportedError):
                    raise EstimatorUnavailable(str(self._failure)) from self._failure
                if now >= deadline:
                    raise EstimatorUnavailable(self._status_message())
                time.sleep(0.01)
        finally:
            self._raises_report = False

    @property
    def crop_size(self) -> tuple[int, int]:
        """Height and width at which a crop around one person is read best on the present device."""
        if self.device == "edgetpu" and self.size is not None:
            return self.size
        cpu = self._specs["cpu"]
        return crop_size_for(cpu.model, cpu.size or DEFAULT_SIZE)

    def estimate(self, image: Image, size: tuple[int, int] | None = None) -> list[Pose]:
        """Return the people in `image` (H×W×3 uint8, RGB) in its pixels, best first.

        `size` (height, width) is that of the model's input for this picture; an Edge TPU has a fixed one.
        Raises EstimatorUnavailable while no estimator is ready, and if it fails over this image or takes longer than
        the options' `timeout`; ValueError if `image` is not such a picture.
        """
        check_image(image)
        if not self._poll_ready(time.monotonic()) or (child := self._child) is None:
            raise EstimatorUnavailable(self._status_message())
        try:
            return child.estimate(image, size, self._options.timeout)
        except ChildError as failure:
            self._on_failure(failure, time.monotonic())
            raise EstimatorUnavailable(self._status_message()) from failure
        except BaseException:  # Ctrl-C: the answer that is still to come would be read as the next picture's
            self._kill(child)
            self._child = None
            raise

    def _poll_ready(self, now: float) -> bool:
        if self._closed:
            raise EstimatorUnavailable(CLOSED)
        self._update(now)
        return self._child is not None and self._child.ready is not None

    def _update(self, now: float) -> None:
        """Do what has become due, without waiting."""
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
        if self._plan.device == "edgetpu" and self._options.device == "auto" and not self._list_attached():
            self._set_plan(supervision.without_edgetpu(self._plan, now, supervision.NO_EDGE_TPU))
        try:
            self._child = Child(self._specs[self._plan.device], self._frame, now)
        except OSError as error:
            self._on_failure(ChildError(f"The estimator could not be started ({error.strerror})"), now)

    def _poll_start(self, child: Child, now: float) -> None:
        try:
            if child.poll_ready(now, self._options.start_timeout):
                self._on_ready(child, now)
        except ChildError as failure:
            self._on_failure(failure, now)

    def _on_ready(self, child: Child, now: float) -> None:
        self._child, self._ready_at, self._failure = child, now, None
        assert child.ready is not None
        (height, width), runtime = child.ready
        logger.info(
            "The estimator is ready on %s after %.1f s: it sees %d×%d pixels, with %s.",
            "the Edge TPU" if self.device == "edgetpu" else "the CPU",
            now - child.started_at,
            width,
            height,
            runtime,
        )

    def _on_failure(self, failure: ChildError, now: float) -> None:
        """Replace the failed child: at once, or when the plan says so."""
        child, self._child = self._child, None
        was_ready = child is not None and child.ready is not None
        if child is not None:
            self._kill(child)
        if isinstance(failure, ChildReportedError) and not was_ready and self.device == "edgetpu":
            self._failure = None
            self._set_plan(supervision.without_edgetpu(self._plan, now, _unusable_note(failure)))
        else:
            self._failure = failure
            self._set_plan(supervision.after_failure(self._plan, now, now - self._ready_at if was_ready else 0.0))
            _log_failure(failure, is_raised=self._raises_report)
        # Without a child, the start itself has just failed. The next call tries again.
        if child is not None and now >= self._plan.start_at:
            self._start(now)

    def _start_probe(self, now: float) -> None:
        """Search for an Edge TPU, and try it in a second process while the first goes on estimating."""
        self._set_plan(supervision.after_probe(self._plan, now))
        if self._list_attached():
            try:
                self._probe = Child(self._specs["edgetpu"], self._frame, now)
            except OSError as error:
                logger.warning("the process that tries the Edge TPU could not be started: %s", error)

    def _poll_probe(self, probe: Child, now: float) -> None:
        try:
            if not probe.poll_ready(now, self._options.start_timeout):
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
            return f"The estimator is restarting: {self._failure}"
        return f"{self._failure} and is restarting."


def _unusable_note(failure: ChildError) -> str:
    return f"Poses are estimated on the CPU, because the Edge TPU cannot be used: {failure}"


def _log_failure(failure: ChildError, *, is_raised: bool = False) -> None:
    """Log a failure. Its sentence is left out if it is also raised, because the caller then prints it."""
    if not (is_raised and isinstance(failure, ChildReportedError)):
        logger.warning("%s", failure)
    if isinstance(failure, ChildReportedError) and failure.traceback:
        logger.warning("%s", failure.traceback)
