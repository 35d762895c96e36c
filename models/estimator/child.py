"""One estimator in a process of its own: the program of the process (`serve`), and its parent's handle (`Child`).

The process is a plain `python -c`. One of multiprocessing's would first import the parent's main module, and with it
the screen, the camera and the index. Requests and answers go through pipes, frames through shared memory. Nobody writes
to a third pipe, the lifeline: when its other end closes, because the parent closed it or was killed, the kernel kills
the child, even a child that is stopped or stuck in a driver.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import pickle
import resource
import select
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol, TypeGuard

import numpy as np
import numpy.typing as npt

from models.estimator.supervision import Device
from models.pose import Image, Pose
from models.processes import ignore_stop_signals, raise_oom_score, spawn_python

Shape = tuple[int, int, int]
"""Height, width, 3."""
Size = tuple[int, int]
"""Height, width."""
Rows = npt.NDArray[np.float64]

ROW_LENGTH: Final = 52
"""Numbers in the row of one pose: x and y of each key point, then their scores, then the pose's score."""

MAX_REPLY_BYTES: Final = 1 << 20
"""Bytes of an answer at most. Ten people take 5,000; a longer answer means that the pipe carries garbage."""


class SupportsEstimate(Protocol):
    """The methods of `models.estimator.estimator.Estimator` that the process uses."""

    @property
    def size(self) -> tuple[int, int]: ...

    @property
    def runtime(self) -> str: ...

    def estimate(self, image: Image, size: Size | None = None) -> list[Pose]: ...


EstimatorFactory = Callable[..., AbstractContextManager[SupportsEstimate]]
"""Called in the child as `factory(model, device=…, size=…, threads=…)`, and pickled by its name."""


class EstimatorSpec(NamedTuple):
    """The estimator that the child creates: the first request."""

    factory: EstimatorFactory
    model: Path
    device: Device
    size: Size | None
    threads: int | None


class Ready(NamedTuple):
    """The child's first answer, after it has estimated a black picture of `size` (height, width)."""

    size: tuple[int, int]
    runtime: str


class ErrorReport(NamedTuple):
    """The child's last answer: a sentence, and a traceback if the error is an unexpected one."""

    message: str
    traceback: str | None


class ChildError(RuntimeError):
    """The child is of no more use; the message is the start of a sentence: "The estimator stopped (SIGKILL)"."""


INVALID_REPLY: Final = "The estimator sent an invalid answer"


class ChildReportedError(ChildError):
    """The child reported an error of its own; the message is the child's sentence."""

    def __init__(self, report: ErrorReport) -> None:
        super().__init__(report.message)
        self.traceback = report.traceback


class SharedFrame:
    """A frame in memory that parent and child share. It has no name, so the kernel frees it when both have ended."""

    def __init__(self, fd: int | None = None) -> None:
        self.fd = os.memfd_create("pose-mirror-frame") if fd is None else fd
        self._memory: mmap.mmap | None = None

    def pixels(self, shape: Shape) -> Image:
        """Return the frame as an H×W×3 view of the shared memory, which grows if it is too small."""
        count = shape[0] * shape[1] * shape[2]
        if self._memory is None or len(self._memory) < count:
            if os.fstat(self.fd).st_size < count:
                os.ftruncate(self.fd, count)
            self._memory = mmap.mmap(self.fd, count)
        return np.frombuffer(self._memory, np.uint8, count).reshape(shape)

    def close(self) -> None:
        """Free the memory, as soon as nothing views it; do nothing the second time."""
        self._memory = None
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1


class Child:
    """The parent's handle on one estimator process, started at `now`. Every method that waits has a time limit."""

    def __init__(self, spec: EstimatorSpec, frame: SharedFrame, now: float) -> None:
        """Start the process. Raises OSError if the system cannot start another process."""
        self.started_at = now
        self.ready: Ready | None = None
        self._frame = frame
        self._closing = threading.Lock()  # two threads that close one descriptor could close another file's by mistake
        requests, self._requests = Pipe(duplex=False)
        self._answers, answers = Pipe(duplex=False)
        lifeline, self._lifeline = Pipe(duplex=False)
        with requests, answers, lifeline:
            fds = requests.fileno(), answers.fileno(), lifeline.fileno(), frame.fd
            self._process = spawn_python(f"from models.estimator.child import serve; serve{fds}", pass_fds=fds)
        with suppress(BrokenPipeError):  # it died at once; reading its first answer reports that
            self._requests.send(spec)

    @property
    def pid(self) -> int:
        return self._process.pid

    def poll_ready(self, now: float, timeout: float) -> bool:
        """Return whether the child is ready, without waiting.

        Raises ChildError if it died or failed, or started more than `timeout` seconds ago and still is not ready.
        """
        if self.ready is None:
            answer = self._receive(0)
            if answer is None and now - self.started_at > timeout:
                raise ChildError(f"The estimator did not start within {timeout:g} s")
            if not isinstance(answer, Ready | None):
                raise ChildError(INVALID_REPLY)
            self.ready = answer
        return self.ready is not None

    def estimate(self, image: Image, size: Size | None, timeout: float) -> list[Pose]:
        """Return the poses in `image`, seen at `size`; raises ChildError after `timeout` seconds at most."""
        np.copyto(self._frame.pixels(image.shape), image)
        try:
            self._requests.send((image.shape, size))
        except OSError:
            raise ChildError(self._exit_message()) from None
        rows = self._receive(timeout)
        if rows is None:
            raise ChildError(f"The estimator did not answer for {timeout:g} s")
        if not is_rows(rows):
            raise ChildError(INVALID_REPLY)
        return from_rows(rows)

    def _receive(self, timeout: float) -> Any:
        """Return the next answer, or None if none comes in time. Each is a single write, so it never comes in part."""
        try:
            if not self._answers.poll(timeout):
                return None
            message = self._answers.recv_bytes(MAX_REPLY_BYTES)
        except EOFError:
            raise ChildError(self._exit_message()) from None
        except OSError as error:
            # An error of the system has a number. The only one without is an answer longer than MAX_REPLY_BYTES.
            raise ChildError(INVALID_REPLY if error.errno is None else self._exit_message()) from None
        try:
            answer = pickle.loads(message)
        except Exception as error:  # pickle may raise any exception for bytes that it did not write
            raise ChildError(INVALID_REPLY) from error
        if isinstance(answer, ErrorReport):
            raise ChildReportedError(answer)
        return answer

    def _exit_message(self, if_running: str = "The estimator closed its pipe") -> str:
        """Return how the child ended, or `if_running` if it has not."""
        try:
            status = self._process.wait(0.5)  # its pipes close a moment before its status is known
        except subprocess.TimeoutExpired:
            return if_running
        if status >= 0:
            return f"The estimator ended by itself (status {status})"
        with suppress(ValueError):
            return f"The estimator stopped ({signal.Signals(-status).name})"
        return f"The estimator stopped (signal {-status})"

    def kill(self) -> None:
        """Kill the child without waiting for its end (see `has_exited`): inside a driver it may take a while to die."""
        self._process.kill()
        self._close(self._requests, self._answers, self._lifeline)

    def has_exited(self) -> bool:
        """Return whether the child has ended; an ended child is also reaped, so that it leaves no zombie."""
        return self._process.poll() is not None

    def stop(self, timeout: float) -> None:
        """Let the child close its device and end; kill it if it has not ended after `timeout` seconds."""
        self._close(self._requests)
        self._wait(timeout)
        self._process.kill()
        self._wait(timeout)  # so that a call in another thread sees this end before its pipe is closed
        self.kill()

    def _close(self, *ends: Connection[Any, Any]) -> None:
        with self._closing:
            for end in ends:
                end.close()

    def _wait(self, timeout: float) -> None:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)


def serve(requests_fd: int, answers_fd: int, lifeline_fd: int, frame_fd: int) -> None:
    """Run in the child: create the estimator of the first request, then answer frames until the requests end."""
    _die_with_parent(lifeline_fd)
    disable_core_dumps()
    raise_oom_score(500)
    requests, answers = Connection(requests_fd, writable=False), Connection(answers_fd, readable=False)
    try:
        spec: EstimatorSpec = requests.recv()
        with spec.factory(spec.model, device=spec.device, size=spec.size, threads=spec.threads) as estimator:
            estimator.estimate(
                np.zeros((*estimator.size, 3), np.uint8)
            )  # the first is slow, and the likeliest to crash
            answers.send(Ready(estimator.size, estimator.runtime))
            for image, size in _receive_frames(requests, SharedFrame(frame_fd)):
                answers.send(to_rows(estimator.estimate(image, size)))
    except Exception as error:
        answers.send(_error_report(error))


def _die_with_parent(lifeline: int) -> None:
    """Have the kernel kill this process when the lifeline's other end closes; ignore all requests to stop.

    PR_SET_PDEATHSIG would kill it too early: when the thread that started it ends.
    """
    ignore_stop_signals()
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_ASYNC)
    if select.select([lifeline], [], [], 0)[0]:  # it closed before the kernel watched it
        sys.exit(1)


def disable_core_dumps() -> None:
    """Prevent core dumps: one would write the visitor's picture to the disk, and delay the report of the crash.

    A limit of 1 byte also keeps the kernel from passing the dump to a program; a limit of 0 does not (core(5), and
    fs/coredump.c).
    """
    if resource.getrlimit(resource.RLIMIT_CORE)[1] != 0:
        resource.setrlimit(resource.RLIMIT_CORE, (1, 1))


def _receive_frames(requests: Connection[Any, Any], frame: SharedFrame) -> Iterator[tuple[Image, Size | None]]:
    while True:
        try:
            shape, size = requests.recv()
        except EOFError:
            return
        yield frame.pixels(shape), size


def _error_report(error: Exception) -> ErrorReport:
    if isinstance(error, OSError | ValueError):  # those of `estimator` and `surgery` are sentences for a person
        return ErrorReport(str(error), None)
    return ErrorReport(f"{type(error).__name__}: {error}", "".join(traceback.format_exception(error)))


def to_rows(poses: Sequence[Pose]) -> Rows:
    """Return N poses as N×52 numbers. They are float64, because a pose's score is a Python float."""
    rows = [np.concatenate([pose.xy.ravel(), pose.scores, [pose.score]]) for pose in poses]
    return np.array(rows, np.float64).reshape(-1, ROW_LENGTH)


def is_rows(reply: object) -> TypeGuard[Rows]:
    """Return whether this is an array as `to_rows` makes it, of finite numbers."""
    return (
        isinstance(reply, np.ndarray)
        and reply.dtype == np.float64
        and reply.shape[1:] == (ROW_LENGTH,)
        and bool(np.isfinite(reply).all())
    )


def from_rows(rows: Rows) -> list[Pose]:
    """Return the poses that `to_rows` was given, bit for bit."""
    points = rows[:, :51].astype(np.float32)
    return [
        Pose(point[:34].reshape(17, 2), point[34:], float(row[51])) for point, row in zip(points, rows, strict=True)
    ]
