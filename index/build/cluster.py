"""Scan photos with the workers of a Dask cluster.

A worker needs the same version of this program, and the photos under the same paths or URLs. The model is sent to it.
Needs the extra `dask`.
"""

from __future__ import annotations

import hashlib
import logging
import os
import queue
import tempfile
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from pkgutil import resolve_name
from types import TracebackType
from typing import Any, Final, Self

import cv2

import models
from index.archives import file_on_disk
from index.build.people import EstimatorFactory, PoseEstimator
from index.build.photo import Photo, Skipped, is_file
from index.build.scan import ScanResult, ScanSettings, is_video, scan_photo
from index.errors import LibraryError
from models.text import printable

try:
    from distributed import Client, Future, KilledWorker
except ImportError as error:
    raise LibraryError(
        "--dask needs Dask on this machine, too: run `.venv/bin/pip install -e '.[dask]'` in the project's folder."
    ) from error

CHUNK_SIZE: Final = 8
"""Photos in a chunk: scanning them takes seconds, so Dask's overhead of milliseconds hardly counts."""

CHUNKS_PER_THREAD: Final = 2
"""Chunks submitted for each thread of the cluster: enough that none waits, few enough to fit into memory."""

CONNECT_TIMEOUT = 10.0
"""Seconds to wait for the scheduler, and then for its first worker."""

NO_WORKER_TIMEOUT = 30.0
"""Seconds without any worker after which the build stops. A nanny restarts a worker in less."""

MAX_CRASHES: Final = 6
"""Photos in a row that each crash a worker by themselves, after which the photos are not to blame."""

CHECK_INTERVAL: Final = 1.0
"""Seconds between checks that the cluster still has workers."""

Task = tuple[int, Photo]
"""A photo and its number."""


def _hash_program() -> str:
    """Return the sha256 of the modules that decide which people and pictures are found."""
    digest = hashlib.sha256()
    package, below = Path(__file__).parents[1], Path(str(models.__file__)).parent
    for source in sorted([*package.rglob("*.py"), *below.glob("*.py"), *(below / "estimator").glob("*.py")]):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()


PROGRAM: Final = _hash_program()
"""What must be the same on all workers: another program might find other people."""


@dataclass(frozen=True)
class PortableEstimator:
    """An estimator that can be sent to another machine: if it is opened from a file, together with the file's bytes."""

    factory: EstimatorFactory
    model_bytes: bytes | None

    @classmethod
    def from_factory(cls, factory: EstimatorFactory) -> Self:
        """Read the model file of an `index.build.people.estimator_factory`. Other factories must need no file."""
        if isinstance(factory, partial) and factory.args and isinstance(factory.args[0], Path):
            return cls(partial(factory.func, *factory.args[1:], **factory.keywords), factory.args[0].read_bytes())
        return cls(factory, None)

    @property
    def key(self) -> str:
        """What tells this estimator from others, for reusing it once it is open."""
        return f"{self.factory!r} {hashlib.sha256(self.model_bytes or b'').hexdigest()}"

    def open(self) -> AbstractContextManager[PoseEstimator]:
        """Open the estimator in this process."""
        if self.model_bytes is None:
            return self.factory()
        with tempfile.NamedTemporaryFile(prefix="pose-mirror-", suffix=".tflite") as file:
            file.write(self.model_bytes)
            file.flush()
            return self.factory(Path(file.name))  # type: ignore[call-arg]  # it is a partial that lacks just this


class Cluster:
    """Scans photos as `index.build.photo_workers.PhotoWorkers` does, but on a Dask cluster; a context manager."""

    def __init__(self, address: str, settings: ScanSettings) -> None:
        """Prepare to use the cluster whose scheduler has this address."""
        self._address, self._long_side = address, settings.long_side
        factory = settings.open_estimator
        self._estimator = None if factory is None else PortableEstimator.from_factory(factory)
        self._tasks: dict[Future, list[Task]] = {}
        self._done: queue.SimpleQueue[Future] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        """Connect to the cluster. Raises LibraryError if there is no scheduler, or no worker with this program."""
        for name in ("distributed.client", "distributed.core", "distributed.comm"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # one error message is enough
        try:
            try:
                self._client = self._connect()
            except AssertionError:  # rarely, distributed's own thread takes longer than its limit of ten seconds
                self._client = self._connect()
        except (OSError, ValueError) as error:
            raise LibraryError(
                f"There is no Dask scheduler at {printable(self._address)} ({_describe_error(error)}): start one with "
                "`dask scheduler`, and give the address that it prints, such as tcp://192.168.1.20:8786."
            ) from error
        try:
            self._check_workers()
            self._sent_estimator = (
                None if self._estimator is None else self._client.submit(_identity, self._estimator, pure=False)
            )
        except BaseException:
            self._client.close()
            raise
        return self

    def _connect(self) -> Client:
        return Client(self._address, timeout=CONNECT_TIMEOUT, set_as_default=False, name="pose-mirror")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(Exception):  # the connection itself may be broken
            self._client.cancel(list(self._tasks))
        self._tasks.clear()
        self._sent_estimator = None
        with suppress(Exception):
            self._client.close()

    def scan(self, photos: Iterable[Task]) -> Generator[tuple[int, ScanResult], None, None]:
        """Scan numbered photos and yield each number with its result, in any order.

        When a worker stops, the others do its work. Skips a photo that crashes one worker after another. Raises
        LibraryError if the cluster is lost.
        """
        suspects: list[Task] = []
        for tasks, results in self._scan_chunks(_chunks(photos), None):
            if results is None:
                suspects += tasks
            else:
                yield from zip((number for number, _ in tasks), results, strict=True)
        # Any photo that was with a worker when it crashed may be to blame. Scanning them one at a time tells which.
        crashes = 0
        for tasks, results in self._scan_chunks(([suspect] for suspect in suspects), 1):
            number, photo = tasks[0]
            crashes = 0 if results is not None else crashes + 1
            if crashes >= MAX_CRASHES:
                raise LibraryError(
                    f"The workers of the Dask cluster at {printable(self._address)} keep crashing, the last one at "
                    f"{printable(photo.file)}: make sure that there is enough memory, or start fewer of them."
                )
            name = printable(photo.file)
            damaged = Skipped(name, "damaged", f"{name} crashes the process that reads it.")
            yield number, damaged if results is None else results[0]

    def _scan_chunks(
        self, chunks: Iterator[list[Task]], max_chunks: int | None
    ) -> Iterator[tuple[list[Task], list[ScanResult] | None]]:
        """Yield each chunk with its results, or None if one of its photos crashes the workers.

        At most `max_chunks` are submitted at once, or as many as the cluster's threads need.
        """
        while True:
            limit = max_chunks or max(1, CHUNKS_PER_THREAD * self._count_threads())
            while len(self._tasks) < limit and (chunk := next(chunks, None)) is not None:
                self._submit(chunk)
            if not self._tasks:
                return
            future = self._next_done()
            tasks = self._tasks.pop(future)
            yield tasks, self._result(future, tasks)

    def _submit(self, tasks: list[Task]) -> None:
        photos = [replace(photo, file=_absolute(photo.file)) for _, photo in tasks]
        future = self._client.submit(_scan, PROGRAM, photos, self._sent_estimator, self._long_side, pure=False)
        self._tasks[future] = tasks
        future.add_done_callback(self._done.put)

    def _next_done(self) -> Future:
        """Return the next chunk that is done. Raises LibraryError if there are no workers to do it."""
        no_worker_since = None
        while True:
            with suppress(queue.Empty):
                return self._done.get(timeout=CHECK_INTERVAL)
            no_worker_since = self._check_for_workers(no_worker_since)

    def _fetch(self, future: Future) -> list[ScanResult]:
        """Return a chunk's results. If the worker that holds them has stopped, another one scans the chunk again."""
        no_worker_since = None
        while True:
            try:
                results: list[ScanResult] = future.result(timeout=CHECK_INTERVAL)
                return results
            except TimeoutError:
                if future.status == "error":  # the scan itself raised TimeoutError
                    raise
            no_worker_since = self._check_for_workers(no_worker_since)

    def _check_for_workers(self, since: float | None) -> float | None:
        """Return since when there is no worker, or None if there is one.

        Raises LibraryError after `NO_WORKER_TIMEOUT` seconds without one.
        """
        if self._count_threads():
            return None
        now = time.monotonic()
        if since is not None and now - since > NO_WORKER_TIMEOUT:
            raise LibraryError(
                f"No worker is left at the Dask scheduler {printable(self._address)}: start some with "
                f"`dask worker {printable(self._address)}`, and run the same command again to resume."
            )
        return since or now

    def _result(self, future: Future, tasks: Sequence[Task]) -> list[ScanResult] | None:
        """Return a chunk's results, or None if it crashes the workers. Raises LibraryError if the cluster fails."""
        try:
            results = self._fetch(future)
        except KilledWorker:
            return None
        except LibraryError:
            raise
        except Exception as error:
            if future.status != "error":  # the scan did not fail, but fetching its result did
                raise self._lost_error() from error
            raise LibraryError(
                f"A worker of the Dask cluster at {printable(self._address)} failed ({_describe_error(error)}): make "
                "sure that all workers have this version of Pose Mirror."
            ) from error
        for (_, photo), result in zip(tasks, results, strict=True):
            if isinstance(result, Skipped) and result.kind == "cannot be read" and _is_here(photo):
                raise LibraryError(
                    f"{result.reason.rstrip('.')} on a worker of the Dask cluster, and can be read here: put the "
                    "photos where all machines have them under the same path, or name them by URLs in a table."
                )
        return results

    def _count_threads(self) -> int:
        """Return how many photos the cluster scans at once. Raises LibraryError if the scheduler is gone."""
        try:
            return sum(self._client.nthreads().values())
        except Exception as error:  # a connection can be lost in many ways, each with its own error
            raise self._lost_error() from error

    def _lost_error(self) -> LibraryError:
        return LibraryError(
            f"The Dask scheduler at {printable(self._address)} was lost: start it again with its workers, and run the "
            "same command again to resume."
        )

    def _check_workers(self) -> None:
        """Raise LibraryError unless there are workers and all of them have this program."""
        address = printable(self._address)
        try:
            self._client.wait_for_workers(1, timeout=CONNECT_TIMEOUT)
        except TimeoutError as error:
            raise LibraryError(
                f"The Dask scheduler at {address} has no workers: start some with `dask worker {address}`."
            ) from error
        # resolve_name is part of Python, so it works even on a worker without Pose Mirror.
        programs: dict[str, Any] = self._client.run(resolve_name, f"{__name__}:PROGRAM", on_error="return")
        for worker, program in programs.items():
            if program != PROGRAM:
                missing = isinstance(program, Exception)
                problem = "cannot load Pose Mirror" if missing else "has another version of Pose Mirror"
                reason = f" ({_describe_error(program)})" if missing else ""
                raise LibraryError(
                    f"The Dask worker {worker} {problem}{reason}: install the same version on all machines, with the "
                    "extra `dask`, and start the workers again."
                )


def _chunks(photos: Iterable[Task]) -> Iterator[list[Task]]:
    """Yield the photos in chunks. A video is a chunk by itself."""
    chunk: list[Task] = []
    for task in photos:
        if is_video(task[1]):
            yield [task]
            continue
        chunk.append(task)
        if len(chunk) == CHUNK_SIZE:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _absolute(file: Path | str) -> Path | str:
    return file if isinstance(file, str) else Path(os.path.abspath(file))


def _is_here(photo: Photo) -> bool:
    if not isinstance(photo.file, Path):
        return False
    return is_file(photo.file) and os.access(file_on_disk(photo.file), os.R_OK)


def _describe_error(error: BaseException) -> str:
    text = " ".join(str(error).split())[:200].rstrip(".")
    return text or type(error).__name__


# The rest runs on the workers.

_idle: dict[str, deque[PoseEstimator]] = {}
_open_estimators = ExitStack()
_idle_lock = threading.Lock()


def _identity(estimator: PortableEstimator) -> PortableEstimator:
    """Return the estimator as a result, which Dask passes from worker to worker, and makes again if it is lost."""
    return estimator


def _scan(
    program: str, photos: Sequence[Photo], estimator: PortableEstimator | None, long_side: int
) -> list[ScanResult]:
    """Scan a chunk of photos. Raises LibraryError if this worker has another program than the build."""
    if program != PROGRAM:
        raise LibraryError("A worker of the Dask cluster has another version of Pose Mirror: install the same on all.")
    cv2.setNumThreads(1)
    with ExitStack() as stack:
        opened = None
        if estimator is not None and any(photo.people is None for photo in photos):
            opened = stack.enter_context(_borrow_estimator(estimator))
        return [scan_photo(photo, None if photo.people is not None else opened, long_side) for photo in photos]


@contextmanager
def _borrow_estimator(estimator: PortableEstimator) -> Iterator[PoseEstimator]:
    """Yield an estimator that no other thread uses meanwhile; it is opened once and then reused."""
    with _idle_lock:
        idle = _idle.setdefault(estimator.key, deque())
        opened = idle.pop() if idle else _open_estimators.enter_context(estimator.open())
    yield opened
    with _idle_lock:
        idle.append(opened)
