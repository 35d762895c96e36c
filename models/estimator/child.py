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
from models.processes import give_way, leave_stopping_to_parent, python

Shape = tuple[int, int, int]
"""Height, width, 3."""
Rows = npt.NDArray[np.float64]

ROW: Final = 52
"""Numbers that a pose is told in: x and y of each key point, their scores, the pose's score."""

LONGEST: Final = 1 << 20
"""Bytes of an answer; ten people take five thousand."""


class SupportsEstimate(Protocol):
    """What the process needs of an estimator; `models.estimator.estimator.Estimator` is one."""

    @property
    def size(self) -> tuple[int, int]: ...

    @property
    def runtime(self) -> str: ...

    def estimate(self, image: Image) -> list[Pose]: ...


MakeEstimator = Callable[..., AbstractContextManager[SupportsEstimate]]
"""Called in the child, found there by its name: `make(model, device=…, size=…, threads=…)`."""


class Job(NamedTuple):
    """What the child is to be."""

    make: MakeEstimator
    model: Path
    device: Device
    size: tuple[int, int] | None
    threads: int | None


class Ready(NamedTuple):
    """The child's first answer: it has estimated a black picture of `size` (height, width)."""

    size: tuple[int, int]
    runtime: str


class Refusal(NamedTuple):
    """The child's last answer: a sentence, and a traceback when the error is not one that sentences are written for."""

    sentence: str
    traceback: str | None


class ChildFailed(RuntimeError):
    """The child is of no more use; the message begins a sentence: 'The estimator stopped (SIGKILL)'."""


NONSENSE: Final = "The estimator answered with nonsense"


class ChildRefused(ChildFailed):
    """The child itself said why it gives up; the message is its sentence."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.sentence)
        self.traceback = refusal.traceback


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

    def __init__(self, job: Job, frame: SharedFrame, now: float) -> None:
        """Start the process; raises OSError when the system has no room for another."""
        self.started = now
        self.ready: Ready | None = None
        self._frame = frame
        self._closing = threading.Lock()  # an end that two threads close at once could be another file's by then
        requests, self._requests = Pipe(duplex=False)
        self._answers, answers = Pipe(duplex=False)
        lifeline, self._lifeline = Pipe(duplex=False)
        with requests, answers, lifeline:
            fds = requests.fileno(), answers.fileno(), lifeline.fileno(), frame.fd
            self._process = python(f"from models.estimator.child import serve; serve{fds}", pass_fds=fds)
        with suppress(BrokenPipeError):  # it died at once, which the first look at its answers tells
            self._requests.send(job)

    @property
    def pid(self) -> int:
        return self._process.pid

    def up(self, now: float, limit: float) -> bool:
        """Whether it has come up; raises ChildFailed when it died, gave up or was started over `limit` seconds ago."""
        if self.ready is None:
            answer = self._answer(0)
            if answer is None and now - self.started > limit:
                raise ChildFailed(f"The estimator did not start within {limit:g} s")
            if not isinstance(answer, Ready | None):
                raise ChildFailed(NONSENSE)
            self.ready = answer
        return self.ready is not None

    def estimate(self, image: Image, patience: float) -> list[Pose]:
        """The poses in `image`; raises ChildFailed, after `patience` seconds at the latest."""
        np.copyto(self._frame.pixels(image.shape), image)
        try:
            self._requests.send(image.shape)
        except OSError:
            raise ChildFailed(self._epitaph()) from None
        rows = self._answer(patience)
        if rows is None:
            raise ChildFailed(f"The estimator did not answer for {patience:g} s")
        if not are_rows(rows):
            raise ChildFailed(NONSENSE)
        return from_rows(rows)

    def _answer(self, timeout: float) -> Any:
        """The next answer, None when there is none in time. An answer is a single write: half of one never comes."""
        try:
            if not self._answers.poll(timeout):
                return None
            message = self._answers.recv_bytes(LONGEST)
        except EOFError:
            raise ChildFailed(self._epitaph()) from None
        except OSError as error:
            # Each of the system's errors has a number: what has none is an answer that is said to be longer than any.
            raise ChildFailed(NONSENSE if error.errno is None else self._epitaph()) from None
        try:
            answer = pickle.loads(message)
        except Exception as error:  # whatever pickle makes of bytes that it did not write
            raise ChildFailed(NONSENSE) from error
        if isinstance(answer, Refusal):
            raise ChildRefused(answer)
        return answer

    def _epitaph(self, alive: str = "The estimator closed its pipe") -> str:
        """How it ended, or what to say of it while it has not."""
        try:
            status = self._process.wait(0.5)  # its pipes close a moment before it can be asked how it ended
        except subprocess.TimeoutExpired:
            return alive
        if status >= 0:
            return f"The estimator ended by itself (status {status})"
        with suppress(ValueError):
            return f"The estimator stopped ({signal.Signals(-status).name})"
        return f"The estimator stopped (signal {-status})"

    def kill(self) -> None:
        """End it now, without waiting for it to be gone (`gone`): in a driver it may take its time even to die."""
        self._process.kill()
        self._close(self._requests, self._answers, self._lifeline)

    def gone(self) -> bool:
        """Whether it has ended; it is no zombie then."""
        return self._process.poll() is not None

    def leave(self, grace: float) -> None:
        """Let it end by itself, closing its device, and kill it when it has not after `grace` seconds."""
        self._close(self._requests)
        self._wait(grace)
        self._process.kill()
        self._wait(grace)  # a call under way in another thread sees the end before its pipe is closed
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
    leave_no_core()
    give_way(500)
    requests, answers = Connection(requests_fd, writable=False), Connection(answers_fd, readable=False)
    try:
        job: Job = requests.recv()
        with job.make(job.model, device=job.device, size=job.size, threads=job.threads) as estimator:
            estimator.estimate(np.zeros((*estimator.size, 3), np.uint8))  # the first is slow, and the riskiest
            answers.send(Ready(estimator.size, estimator.runtime))
            for image in _frames(requests, SharedFrame(frame_fd)):
                answers.send(to_rows(estimator.estimate(image)))
    except Exception as error:
        answers.send(_refusal(error))


def _die_with_parent(lifeline: int) -> None:
    """Have the kernel kill this process when the lifeline's other end closes, and leave stopping to the parent.

    PR_SET_PDEATHSIG would do so too early: when the thread that started this process ends.
    """
    leave_stopping_to_parent()
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_ASYNC)
    if select.select([lifeline], [], [], 0)[0]:  # it was closed before the kernel knew
        sys.exit(1)


def leave_no_core() -> None:
    """No core dump: it would put the visitor's picture on disk, and delay the news of the death.

    A limit of 1 also keeps the kernel from handing the dump to a program, which 0 does not (core(5), and
    fs/coredump.c).
    """
    if resource.getrlimit(resource.RLIMIT_CORE)[1] != 0:
        resource.setrlimit(resource.RLIMIT_CORE, (1, 1))


def _frames(requests: Connection[Any, Any], frame: SharedFrame) -> Iterator[Image]:
    while True:
        try:
            shape: Shape = requests.recv()
        except EOFError:
            return
        yield frame.pixels(shape)


def _refusal(error: Exception) -> Refusal:
    if isinstance(
        error, OSError | ValueError
    ):  # models.estimator.estimator and models.estimator.surgery write sentences
        return Refusal(str(error), None)
    return Refusal(f"{type(error).__name__}: {error}", "".join(traceback.format_exception(error)))


def to_rows(poses: Sequence[Pose]) -> Rows:
    """N×52 for N poses: x and y of each key point, their scores, the pose's score (which is no float32)."""
    rows = [np.concatenate([pose.xy.ravel(), pose.scores, [pose.score]]) for pose in poses]
    return np.array(rows, np.float64).reshape(-1, ROW)


def are_rows(answer: object) -> TypeGuard[Rows]:
    """Whether this is what `to_rows` makes, of numbers that can be drawn."""
    return (
        isinstance(answer, np.ndarray)
        and answer.dtype == np.float64
        and answer.shape[1:] == (ROW,)
        and bool(np.isfinite(answer).all())
    )


def from_rows(rows: Rows) -> list[Pose]:
    """The poses again, bit for bit."""
    points = rows[:, :51].astype(np.float32)
    return [
        Pose(point[:34].reshape(17, 2), point[34:], float(row[51])) for point, row in zip(points, rows, strict=True)
    ]
