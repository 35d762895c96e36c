"""Photo workers: processes on this machine that scan photos."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import pickle
import stat
import traceback
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from index.build.people import PoseEstimator
from index.build.photo import Photo, Skipped, VideoProgress
from index.build.scan import PictureSaver, ScanResult, ScanSettings, is_video, keep_in_memory, scan_photo
from index.errors import LibraryError
from index.formats import open_picture
from models.estimator.estimator import size_for
from models.processes import ignore_stop_signals, init_worker, starting_workers
from models.text import printable

PHOTOS_PER_WORKER: Final = 3
"""Photos sent to a worker at once, including the one it is scanning: enough that it never waits for the next."""

SORT_BATCH_SIZE: Final = 1024
"""Photos that are sorted by their shape at a time, so that a build of millions need not open all files first."""

MAX_ATTEMPTS: Final = 2
"""Times a photo is tried before it is blamed for crashing its worker: the first crash may just be a lack of memory."""

MAX_CRASHES: Final = 6
"""Crashes in a row, without a photo scanned between them, after which something other than the photos must be wrong."""


@dataclass(slots=True, eq=False)
class _Task:
    number: int
    photo: Photo
    attempts: int = 0

    @property
    def load(self) -> int:
        """How much of `PHOTOS_PER_WORKER` it takes: a video takes long, so nothing should wait behind it."""
        return PHOTOS_PER_WORKER if is_video(self.photo) else 1


@dataclass(slots=True, eq=False)
class _PhotoWorker:
    """One process. It answers the photos sent to it in their order."""

    process: BaseProcess
    connection: Connection[Any, Any]
    tasks: deque[_Task] = field(default_factory=deque)

    @property
    def load(self) -> int:
        return sum(task.load for task in self.tasks)


class PhotoWorkers:
    """A pool of photo workers; a context manager. Each starts when it is needed and opens an estimator of its own."""

    def __init__(self, settings: ScanSettings, max_workers: int, save_picture: PictureSaver = keep_in_memory) -> None:
        """Prepare at most `max_workers` workers, each of which calls `save_picture` for every picture it finds."""
        self._job = settings, save_picture
        self._max_workers = max(1, max_workers)
        self._running: list[_PhotoWorker] = []
        self._requeued: deque[_Task] = deque()
        self._crashes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._running:
            if kind is not None:  # its results are no longer wanted, and a photo may take long
                worker.process.kill()
            worker.connection.close()  # an idle worker then closes its estimator and ends
        for worker in self._running:
            worker.process.join()
        self._running.clear()

    def scan(
        self, photos: Iterable[tuple[int, Photo]]
    ) -> Generator[tuple[int, ScanResult | VideoProgress], None, None]:
        """Scan numbered photos and yield each number with its result, in any order; of videos the progress before.

        Skips a photo that crashes the worker twice (a damaged file can crash its decoder). Raises what the estimator
        raises if it cannot be opened, LibraryError if workers crash whatever the photo, and OSError if a picture cannot
        be saved.
        """
        tasks = (_Task(number, photo) for number, photo in _sort_by_shape(photos))
        next_task = next(tasks, None)
        while True:
            # Send photos until no worker has room. `next_task` then waits for a free worker; None when none is left.
            # Photos that a crash put back go first, so that they are not kept until the end.
            while next_task is not None and (worker := self._pick_worker(next_task)) is not None:
                self._send(worker, next_task)
                next_task = self._requeued.popleft() if self._requeued else next(tasks, None)
            busy = {worker.connection: worker for worker in self._running if worker.tasks}
            if not busy:
                return
            for connection in wait(list(busy)):
                answer = self._receive(busy[connection])  # type: ignore[index]
                if answer is not None:
                    yield answer
            if next_task is None and self._requeued:  # the last photos were sent, but a crash put some back
                next_task = self._requeued.popleft()

    def _pick_worker(self, task: _Task) -> _PhotoWorker | None:
        """Return the worker that should scan a photo next; None while all have enough to do."""
        idlest = min(self._running, key=lambda worker: worker.load, default=None)
        if (idlest is None or idlest.tasks) and len(self._running) < self._max_workers:
            with starting_workers():
                self._running.append(idlest := self._start_worker())
        return idlest if idlest is not None and idlest.load + task.load <= PHOTOS_PER_WORKER else None

    def _start_worker(self) -> _PhotoWorker:
        context = multiprocessing.get_context("spawn")  # a forked copy of a process with threads may hang
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, *self._job), daemon=True)
        process.start()
        theirs.close()
        return _PhotoWorker(process, ours)

    def _send(self, worker: _PhotoWorker, task: _Task) -> None:
        worker.tasks.append(task)
        with suppress(BrokenPipeError):  # it has crashed, which receiving will notice
            worker.connection.send(task.photo)

    def _receive(self, worker: _PhotoWorker) -> tuple[int, ScanResult | VideoProgress] | None:
        """Return a worker's next answer with its number; None if it crashed and the photo will be scanned again."""
        try:
            result = worker.connection.recv()
        except (EOFError, OSError):
            return self._handle_crash(worker)
        if isinstance(result, VideoProgress):
            return worker.tasks[0].number, result
        task = worker.tasks.popleft()
        if isinstance(result, Exception):
            raise result
        self._crashes = 0
        return task.number, result

    def _handle_crash(self, worker: _PhotoWorker) -> tuple[int, ScanResult] | None:
        """Queue a crashed worker's photos again. The first of them crashed it: it is retried until `MAX_ATTEMPTS`."""
        self._running.remove(worker)
        worker.connection.close()
        worker.process.kill()
        worker.process.join()
        first, *waiting = worker.tasks
        first.attempts += 1
        self._crashes += 1
        name = printable(first.photo.file)
        if self._crashes >= MAX_CRASHES:
            raise LibraryError(
                f"The photo workers keep crashing, the last one at {name}: "
                "make sure that there is enough memory, or use fewer of them (--workers)."
            )
        self._requeued.extend(waiting)
        if first.attempts < MAX_ATTEMPTS:
            self._requeued.append(first)
            return None
        return first.number, Skipped(name, "damaged", f"{name} crashes the process that reads it.")


def _serve(connection: Connection[Any, Any], settings: ScanSettings, save_picture: PictureSaver) -> None:
    """Run a photo worker: answer each photo with its result or an error, until the parent closes the connection."""
    ignore_stop_signals()
    init_worker()
    estimator: PoseEstimator | None = None
    with ExitStack() as stack, suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            photo = connection.recv()
            try:
                if estimator is None and settings.open_estimator is not None and photo.people is None:
                    estimator = stack.enter_context(settings.open_estimator())
                result: ScanResult | Exception = scan_photo(
                    photo, estimator, settings.long_side, save_picture, connection.send
                )
            except Exception as error:
                result = _to_picklable(error)
            connection.send(result)


def _to_picklable(error: Exception) -> Exception:
    """Return an error that can be sent to another process, with its traceback as a note."""
    trace = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        error = RuntimeError(f"{type(error).__name__}: {error}")
    error.add_note(trace)
    return error


def _sort_by_shape(photos: Iterable[tuple[int, Photo]]) -> Iterator[tuple[int, Photo]]:
    """Group photos of the same shape, because PoseNet takes a moment to change its input's shape."""
    waiting = iter(photos)
    while batch := list(itertools.islice(waiting, SORT_BATCH_SIZE)):
        yield from sorted(batch, key=lambda task: _input_size(task[1]))


def _input_size(photo: Photo) -> tuple[int, int]:
    """Return the size of PoseNet's input for a photo, read from the file's first bytes; (0, 0) if they do not tell."""
    if photo.people is not None or not isinstance(photo.file, Path):
        return 0, 0
    try:
        if not stat.S_ISREG(os.stat(photo.file).st_mode):
            return 0, 0
        with open_picture(photo.file, ["JPEG", "PNG"]) as opened:
            return size_for(*opened.size)
    except Exception:  # scanning the photo will report it
        return 0, 0
