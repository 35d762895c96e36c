"""One estimator in a process of its own: what the process does, and the handle by which its parent holds it.

The process is a plain `python -c`, not multiprocessing's: that would import the parent's main module into the child
first, and the screen, the camera and the index with it. Requests and answers go through pipes, frames through shared
memory. A third pipe, the lifeline, is never written to: when its other end closes, because the parent closed it or
was killed, the kernel kills the child, be it stopped or stuck in a driver.
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
Rows = npt.NDArray[np.float64]

ROW_LENGTH: Final = 52
"""Numbers that a pose is told in: x and y of each key point, their scores, the pose's score."""

MAX_REPLY_BYTES: Final = 1 << 20
"""Bytes of an answer; ten people take five thousand."""


class SupportsEstimate(Protocol):
    """What the process needs of an estimator; `models.estimator.estimator.Estimator` is one."""

    @property
    def size(self) -> tuple[int, int]: ...

    @property
    def runtime(self) -> str: ...

    def estimate(self, image: Image) -> list[Pose]: ...


EstimatorFactory = Callable[..., AbstractContextManager[SupportsEstimate]]
"""Called in the child, found there by its name: `make(model, device=…, size=…, threads=…)`."""


class EstimatorSpec(NamedTuple):
    """What the child is to be."""

    factory: EstimatorFactory
    model: Path
    device: Device
    size: tuple[int, int] | None
    threads: int | None


class Ready(NamedTuple):
    """The child's first answer: it has estimated a black picture of `size` (height, width)."""

    size: tuple[int, int]
    runtime: str


class ErrorReport(NamedTuple):
    """The child's last answer: a sentence, and a traceback when the error is not one that sentences are written for."""

    message: str
    traceback: str | None


class ChildError(RuntimeError):
    """The child is of no more use; the message begins a sentence: 'The estimator stopped (SIGKILL)'."""


INVALID_REPLY: Final = "The estimator answered with nonsense"


class ChildReportedError(ChildError):
    """The child itself said why it gives up; the message is its sentence."""

    def __init__(self, report: ErrorReport) -> None:
        super().__init__(report.message)
        self.traceback = report.traceback


class SharedFrame:
    """A frame that parent and child see. The memory has no name: nothing is left of it when they are gone."""

    def __init__(self, fd: int | None = None) -> None:
        self.fd = os.memfd_create("pose-mirror-frame") if fd is None else fd
        self._memory: mmap.mmap | None = None

    def pixels(self, shape: Shape) -> Image:
        """The frame as an H×W×3 image on the shared memory, which grows when it is too small."""
        count = shape[0] * shape[1] * shape[2]
        if self._memory is None or len(self._memory) < count:
            if os.fstat(self.fd).st_size < count:
                os.ftruncate(self.fd, count)
            self._memory = mmap.mmap(self.fd, count)
        return np.frombuffer(self._memory, np.uint8, count).reshape(shape)

    def close(self) -> None:
        """Free the memory, once no view on it is left; a second time does nothing."""
        self._memory = None
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1


class Child:
    """The parent's handle of one estimator process, started at `now`. Nothing here waits longer than it is told to."""

    def __init__(self, spec: EstimatorSpec, frame: SharedFrame, now: float) -> None:
        """Start the process; raises OSError when the system has no room for another."""
        self.started_at = now
        self.ready: Ready | None = None
        self._frame = frame
        self._closing = threading.Lock()  # an end that two threads close at once could be another file's by then
        requests, self._requests = Pipe(duplex=False)
        self._answers, answers = Pipe(duplex=False)
        lifeline, self._lifeline = Pipe(duplex=False)
        with requests, answers, lifeline:
            fds = requests.fileno(), answers.fileno(), lifeline.fileno(), frame.fd
            self._process = spawn_python(f"from models.estimator.child import serve; serve{fds}", pass_fds=fds)
        with suppress(BrokenPipeError):  # it died at once, which the first look at its answers tells
            self._requests.send(spec)

    @property
    def pid(self) -> int:
        return self._process.pid

    def poll_ready(self, now: float, timeout: float) -> bool:
        """Whether it has come up; raises ChildFailed when it died, gave up or was started over `timeout` seconds ago."""
        if self.ready is None:
            answer = self._receive(0)
            if answer is None and now - self.started_at > timeout:
                raise ChildError(f"The estimator did not start within {timeout:g} s")
            if not isinstance(answer, Ready | None):
                raise ChildError(INVALID_REPLY)
            self.ready = answer
        return self.ready is not None

    def estimate(self, image: Image, timeout: float) -> list[Pose]:
        """The poses in `image`; raises ChildFailed, after `timeout` seconds at the latest."""
        np.copyto(self._frame.pixels(image.shape), image)
        try:
            self._requests.send(image.shape)
        except OSError:
            raise ChildError(self._exit_message()) from None
        rows = self._receive(timeout)
        if rows is None:
            raise ChildError(f"The estimator did not answer for {timeout:g} s")
        if not is_rows(rows):
            raise ChildError(INVALID_REPLY)
        return from_rows(rows)

    def _receive(self, timeout: float) -> Any:
        """The next answer, None when there is none in time. An answer is a single write: half of one never comes."""
        try:
            if not self._answers.poll(timeout):
                return None
            message = self._answers.recv_bytes(MAX_REPLY_BYTES)
        except EOFError:
            raise ChildError(self._exit_message()) from None
        except OSError as error:
            # Each of the system's errors has a number: what has none is an answer that is said to be longer than any.
            raise ChildError(INVALID_REPLY if error.errno is None else self._exit_message()) from None
        try:
            answer = pickle.loads(message)
        except Exception as error:  # whatever pickle makes of bytes that it did not write
            raise ChildError(INVALID_REPLY) from error
        if isinstance(answer, ErrorReport):
            raise ChildReportedError(answer)
        return answer

    def _exit_message(self, if_running: str = "The estimator closed its pipe") -> str:
        """How it ended, or what to say of it while it has not."""
        try:
            status = self._process.wait(0.5)  # its pipes close a moment before it can be asked how it ended
        except subprocess.TimeoutExpired:
            return if_running
        if status >= 0:
            return f"The estimator ended by itself (status {status})"
        with suppress(ValueError):
            return f"The estimator stopped ({signal.Signals(-status).name})"
        return f"The estimator stopped (signal {-status})"

    def kill(self) -> None:
        """End it now, without waiting for it to be gone (`has_exited`): in a driver it may take its time even to die."""
        self._process.kill()
        self._close(self._requests, self._answers, self._lifeline)

    def has_exited(self) -> bool:
        """Whether it has ended; it is no zombie then."""
        return self._process.poll() is not None

    def stop(self, timeout: float) -> None:
        """Let it end by itself, closing its device, and kill it when it has not after `timeout` seconds."""
        self._close(self._requests)
        self._wait(timeout)
        self._process.kill()
        self._wait(timeout)  # a call under way in another thread sees the end before its pipe is closed
        self.kill()

    def _close(self, *ends: Connection[Any, Any]) -> None:
        with self._closing:
            for end in ends:
                end.close()

    def _wait(self, timeout: float) -> None:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)


def serve(requests_fd: int, answers_fd: int, lifeline_fd: int, frame_fd: int) -> None:
    """The child's life: become what the first request says, then answer each frame until the requests end."""
    _die_with_parent(lifeline_fd)
    disable_core_dumps()
    raise_oom_score(500)
    requests, answers = Connection(requests_fd, writable=False), Connection(answers_fd, readable=False)
    try:
        job: EstimatorSpec = requests.recv()
        with job.factory(job.model, device=job.device, size=job.size, threads=job.threads) as estimator:
            estimator.estimate(np.zeros((*estimator.size, 3), np.uint8))  # the first is slow, and the riskiest
            answers.send(Ready(estimator.size, estimator.runtime))
            for image in _receive_frames(requests, SharedFrame(frame_fd)):
                answers.send(to_rows(estimator.estimate(image)))
    except Exception as error:
        answers.send(_error_report(error))


def _die_with_parent(lifeline: int) -> None:
    """Have the kernel kill this process when the lifeline's other end closes, and leave stopping to the parent.

    PR_SET_PDEATHSIG would do so too early: when the thread that started this process ends.
    """
    ignore_stop_signals()
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_ASYNC)
    if select.select([lifeline], [], [], 0)[0]:  # it was closed before the kernel knew
        sys.exit(1)


def disable_core_dumps() -> None:
    """No core dump: it would put the visitor's picture on disk, and delay the news of the death.

    A limit of 1 also keeps the kernel from handing the dump to a program, which 0 does not (core(5), and
    fs/coredump.c).
    """
    if resource.getrlimit(resource.RLIMIT_CORE)[1] != 0:
        resource.setrlimit(resource.RLIMIT_CORE, (1, 1))


def _receive_frames(requests: Connection[Any, Any], frame: SharedFrame) -> Iterator[Image]:
    while True:
        try:
            shape: Shape = requests.recv()
        except EOFError:
            return
        yield frame.pixels(shape)


def _error_report(error: Exception) -> ErrorReport:
    if isinstance(
        error, OSError | ValueError
    ):  # models.estimator.estimator and models.estimator.surgery write sentences
        return ErrorReport(str(error), None)
    return ErrorReport(f"{type(error).__name__}: {error}", "".join(traceback.format_exception(error)))


def to_rows(poses: Sequence[Pose]) -> Rows:
    """N×52 for N poses: x and y of each key point, their scores, the pose's score (which is no float32)."""
    rows = [np.concatenate([pose.xy.ravel(), pose.scores, [pose.score]]) for pose in poses]
    return np.array(rows, np.float64).reshape(-1, ROW_LENGTH)


def is_rows(reply: object) -> TypeGuard[Rows]:
    """Whether this is what `to_rows` makes, of numbers that can be drawn."""
    return (
        isinstance(reply, np.ndarray)
        and reply.dtype == np.float64
        and reply.shape[1:] == (ROW_LENGTH,)
        and bool(np.isfinite(reply).all())
    )


def from_rows(rows: Rows) -> list[Pose]:
    """The poses again, bit for bit."""
    points = rows[:, :51].astype(np.float32)
    return [
        Pose(point[:34].reshape(17, 2), point[34:], float(row[51])) for point, row in zip(points, rows, strict=True)
    ]
