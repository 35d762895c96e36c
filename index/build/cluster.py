"""Photos and videos → people with their pictures, by the workers of a Dask cluster.

A worker needs this program and the photos: the same version, and the same paths or URLs. The model comes with the work.
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
from index.build.people import EstimatorFactory, PoseEstimator
from index.build.photo import Photo, Skipped, is_file
from index.build.photo_workers import ScanResult, is_video, scan_photo
from index.manifest import LibraryError
from models.text import printable

try:
    from distributed import Client, Future, KilledWorker
except ImportError as error:
    raise LibraryError("A Dask cluster needs Dask here too: pip install 'pose-mirror[dask]'.") from error

CHUNK_SIZE: Final = 8
"""Photos in one piece of work: seconds of it, beside which Dask's own milliseconds count for little."""

CHUNKS_PER_THREAD: Final = 2
"""Pieces of work under way for each thread of the cluster: enough that none waits, few enough to fit into memory."""

CONNECT_TIMEOUT = 10.0
"""Seconds that a scheduler, and then its first worker, may take to answer."""

NO_WORKER_TIMEOUT = 30.0
"""Seconds without any worker: a nanny starts one anew in less."""

MAX_CRASHES: Final = 6
"""So many photos in a row, each by itself, end the workers that look at them: then it is not the photos."""

CHECK_INTERVAL: Final = 1.0
"""Seconds between two looks at whether the cluster is still there."""

Task = tuple[int, Photo]


def _hash_program() -> str:
    """The sha256 of what decides about people and pictures."""
    said = hashlib.sha256()
    package, below = Path(__file__).parents[1], Path(str(models.__file__)).parent
    for source in sorted([*package.rglob("*.py"), *below.glob("*.py"), *(below / "estimator").glob("*.py")]):
        said.update(source.name.encode() + b"\0" + source.read_bytes())
    return said.hexdigest()


PROGRAM: Final = _hash_program()


@dataclass(frozen=True)
class PortableEstimator:
    """A finder of people that can travel: where it is opened from a file, the file's bytes go with it."""

    factory: EstimatorFactory
    model_bytes: bytes | None

    @classmethod
    def from_factory(cls, factory: EstimatorFactory) -> Self:
        """Reads the file that `index.build.people.estimator_factory` opens; any other finder has to open by itself."""
        if isinstance(factory, partial) and factory.args and isinstance(factory.args[0], Path):
            return cls(partial(factory.func, *factory.args[1:], **factory.keywords), factory.args[0].read_bytes())
        return cls(factory, None)

    @property
    def key(self) -> str:
        return f"{self.factory!r} {hashlib.sha256(self.model_bytes or b'').hexdigest()}"

    def open(self) -> AbstractContextManager[PoseEstimator]:
        """The finder, in this process."""
        if self.model_bytes is None:
            return self.factory()
        with tempfile.NamedTemporaryFile(prefix="pose-mirror-", suffix=".tflite") as file:
            file.write(self.model_bytes)
            file.flush()
            return self.factory(Path(file.name))  # type: ignore[call-arg]  # it is a partial that lacks just this


class Cluster:
    """Looks at photos as `index.build.photo_workers.PhotoWorkers` does, by a Dask cluster; a context manager."""

    def __init__(self, address: str, open_estimator: EstimatorFactory | None, long_side: int) -> None:
        """`address` is the scheduler's; `finder` may be None when all photos are labelled."""
        self._address, self._long_side = address, long_side
        self._model = None if open_estimator is None else PortableEstimator.from_factory(open_estimator)
        self._under_way: dict[Future, list[Task]] = {}
        self._done: queue.SimpleQueue[Future] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        """Raises LibraryError when there is no scheduler, or no worker that could help."""
        for name in ("distributed.client", "distributed.core", "distributed.comm"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # what goes wrong is said once, in a sentence
        try:
            try:
                self._client = self._connect()
            except AssertionError:  # seldom, distributed's own thread does not come up within its ten seconds
                self._client = self._connect()
        except (OSError, ValueError) as error:
            raise LibraryError(
                f"There is no Dask scheduler at {printable(self._address)} ({_describe_error(error)}): start one with "
                "`dask scheduler`, and name the address that it shows, such as tcp://192.168.1.20:8786."
            ) from error
        try:
            self._check_workers()
            self._carried = None if self._model is None else self._client.submit(_identity, self._model, pure=False)
        except BaseException:
            self._client.close()
            raise
        return self

    def _connect(self) -> Client:
        return Client(self._address, timeout=CONNECT_TIMEOUT, set_as_default=False, name="pose-mirror")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(Exception):  # it may be this that went wrong
            self._client.cancel(list(self._under_way))
        self._under_way.clear()
        self._carried = None
        with suppress(Exception):
            self._client.close()

    def scan(self, photos: Iterable[Task]) -> Generator[tuple[int, ScanResult], None, None]:
        """What each photo gives, under the number that it came with, as it comes: in any order.

        What a worker that ended had to do is done by others. A photo that ends one worker after the other is skipped.
        Raises LibraryError when the cluster is lost.
        """
        suspects: list[Task] = []
        for tasks, found in self._scan_chunks(_chunks(photos), None):
            if found is None:
                suspects += tasks
            else:
                yield from zip((number for number, _ in tasks), found, strict=True)
        # All that was at hand when a worker ended is suspected. Each by itself, it is known which one it was.
        ends = 0
        for tasks, found in self._scan_chunks(([suspect] for suspect in suspects), 1):
            number, photo = tasks[0]
            ends = 0 if found is not None else ends + 1
            if ends >= MAX_CRASHES:
                raise LibraryError(
                    f"The workers of the Dask cluster at {printable(self._address)} end by themselves, the last at "
                    f"{printable(photo.file)}: see that there is memory for them, or start fewer."
                )
            name = printable(photo.file)
            damaged = Skipped(name, "damaged", f"{name} ends the process that reads it.")
            yield number, damaged if found is None else found[0]

    def _scan_chunks(
        self, chunks: Iterator[list[Task]], max_chunks: int | None
    ) -> Iterator[tuple[list[Task], list[ScanResult] | None]]:
        """Each chunk with what its photos give; None when one of them ends the workers. At `max_chunks` so many at once."""
        while True:
            room = max_chunks or max(1, CHUNKS_PER_THREAD * self._count_threads())
            while len(self._under_way) < room and (chunk := next(chunks, None)) is not None:
                self._submit(chunk)
            if not self._under_way:
                return
            future = self._next_done()
            tasks = self._under_way.pop(future)
            yield tasks, self._result(future, tasks)

    def _submit(self, tasks: list[Task]) -> None:
        photos = [replace(photo, file=_absolute(photo.file)) for _, photo in tasks]
        future = self._client.submit(_scan, PROGRAM, photos, self._carried, self._long_side, pure=False)
        self._under_way[future] = tasks
        future.add_done_callback(self._done.put)

    def _next_done(self) -> Future:
        """The next piece of work that is done. Raises LibraryError when nobody is there to do it."""
        alone_since = None
        while True:
            with suppress(queue.Empty):
                return self._done.get(timeout=CHECK_INTERVAL)
            alone_since = self._no_worker_since(alone_since)

    def _fetch(self, future: Future) -> list[ScanResult]:
        """What came of a piece of work; where the worker that has it ended since, another does it again."""
        alone_since = None
        while True:
            try:
                found: list[ScanResult] = future.result(timeout=CHECK_INTERVAL)
                return found
            except TimeoutError:
                if future.status == "error":  # it is the work's own
                    raise
            alone_since = self._no_worker_since(alone_since)

    def _no_worker_since(self, since: float | None) -> float | None:
        """Since when there is no worker, None while there is one. Raises LibraryError after `NO_WORKER_TIMEOUT` seconds."""
        if self._count_threads():
            return None
        now = time.monotonic()
        if since is not None and now - since > NO_WORKER_TIMEOUT:
            raise LibraryError(
                f"No worker is left at the Dask scheduler {printable(self._address)}: start some with "
                f"`dask worker {printable(self._address)}`, and give the same command again to go on."
            )
        return since or now

    def _result(self, future: Future, tasks: Sequence[Task]) -> list[ScanResult] | None:
        try:
            found = self._fetch(future)
        except KilledWorker:
            return None
        except LibraryError:
            raise
        except Exception as error:
            if future.status != "error":  # then it is not the work that failed, but getting what came of it
                raise self._lost_error() from error
            raise LibraryError(
                f"A worker of the Dask cluster at {printable(self._address)} fails: {_describe_error(error)}; see that all of them "
                "have this version of Pose Mirror."
            ) from error
        for (_, photo), one in zip(tasks, found, strict=True):
            if isinstance(one, Skipped) and one.kind == "cannot be read" and _is_here(photo):
                raise LibraryError(
                    f"{one.reason.rstrip('.')} on a worker of the Dask cluster, and can be read here: the photos have "
                    "to be in a place that all machines have under the same path, or be named by URLs in a table."
                )
        return found

    def _count_threads(self) -> int:
        """How many photos the cluster looks at at once. Raises LibraryError when the scheduler is gone."""
        try:
            return sum(self._client.nthreads().values())
        except Exception as error:  # of many sorts, as the connection may be lost in many ways
            raise self._lost_error() from error

    def _lost_error(self) -> LibraryError:
        return LibraryError(
            f"The Dask scheduler at {printable(self._address)} was lost on the way: start it again with its workers, and "
            "give the same command again to go on."
        )

    def _check_workers(self) -> None:
        """Raises LibraryError unless there are workers, and all of them run this very program."""
        address = printable(self._address)
        try:
            self._client.wait_for_workers(1, timeout=CONNECT_TIMEOUT)
        except TimeoutError as error:
            raise LibraryError(
                f"The Dask scheduler at {address} has no workers: start some with `dask worker {address}`."
            ) from error
        # resolve_name is Python's own: it can be asked for where nothing of ours is
        programs: dict[str, Any] = self._client.run(resolve_name, f"{__name__}:PROGRAM", on_error="return")
        for worker, program in programs.items():
            if program != PROGRAM:
                lacks = isinstance(program, Exception)
                found = "cannot load Pose Mirror" if lacks else "has another version of Pose Mirror"
                why = f" ({_describe_error(program)})" if lacks else ""
                raise LibraryError(
                    f"The Dask worker {worker} {found}{why}: install the same everywhere, with the extra "
                    "`dask`, and start the workers again."
                )


def _chunks(photos: Iterable[Task]) -> Iterator[list[Task]]:
    """Pieces of work; a video is one by itself."""
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
    return isinstance(photo.file, Path) and is_file(photo.file) and os.access(photo.file, os.R_OK)


def _describe_error(error: BaseException) -> str:
    said = " ".join(str(error).split())[:200].rstrip(".")
    return said or type(error).__name__


# What follows runs on the workers.

_idle: dict[str, deque[PoseEstimator]] = {}
_open_estimators = ExitStack()
_idle_lock = threading.Lock()


def _identity(model: PortableEstimator) -> PortableEstimator:
    """The model, as a result that Dask hands from worker to worker, and makes again where it was lost."""
    return model


def _scan(program: str, photos: Sequence[Photo], model: PortableEstimator | None, long_side: int) -> list[ScanResult]:
    """What some photos give."""
    if program != PROGRAM:
        raise LibraryError("A worker of the Dask cluster has another version of Pose Mirror: install the same on all.")
    cv2.setNumThreads(1)
    with ExitStack() as stack:
        finder = None
        if model is not None and any(photo.people is None for photo in photos):
            finder = stack.enter_context(_borrow_estimator(model))
        return [scan_photo(photo, None if photo.people is not None else finder, long_side) for photo in photos]


@contextmanager
def _borrow_estimator(model: PortableEstimator) -> Iterator[PoseEstimator]:
    """A finder for this thread alone, opened once and used again."""
    with _idle_lock:
        idle = _idle.setdefault(model.key, deque())
        finder = idle.pop() if idle else _open_estimators.enter_context(model.open())
    yield finder
    with _idle_lock:
        idle.append(finder)
