"""Photos and videos → people with their pictures, by as many processes as asked for."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import pickle
import stat
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from PIL import Image as Pillow

from index import pictures
from index.build import video
from index.build.importers import VIDEO_SUFFIXES
from index.build.people import EstimatorFactory, PoseEstimator, is_sharp, select_prominent
from index.build.photo import Photo, Skipped
from index.build.writer import NewItem, scale_keypoints
from index.manifest import LibraryError
from index.pictures import EncodedPicture, PictureError, StoredPicture
from models.estimator.estimator import size_for
from models.pose import Pose
from models.processes import ignore_stop_signals, init_worker
from models.text import printable

PHOTOS_PER_WORKER: Final = 3
"""Photos at a process at once, the one it looks at among them: enough that it never waits for the next."""

SORT_BATCH_SIZE: Final = 1024
"""Photos that are put in the order of their shapes."""

MAX_ATTEMPTS: Final = 2
"""So often a photo is looked at when the process ends over it: the memory may have been short just then."""

MAX_CRASHES: Final = 6
"""So many ends of processes in a row, without a photo that was looked at: then it is not the photos."""

ASPECT_RATIO_TOLERANCE: Final = 0.02
"""How far a labelled picture's shape may be from the one in the file of labels: thumbnails are rounded."""

ScanResult = list[NewItem] | Skipped
"""What a photo gives: its people, each with the picture. Of a video there may be several pictures."""

PictureSaver = Callable[[EncodedPicture], EncodedPicture | StoredPicture]
"""What is done with a picture that is to be in the library; has to be picklable."""


def keep_in_memory(stored: EncodedPicture) -> EncodedPicture:
    """Leaves a picture in memory."""
    return stored


@dataclass(slots=True, eq=False)
class _Task:
    number: int
    photo: Photo
    attempts: int = 0

    @property
    def load(self) -> int:
        """A video takes long: nothing waits behind it."""
        return PHOTOS_PER_WORKER if is_video(self.photo) else 1


@dataclass(slots=True, eq=False)
class _PhotoWorker:
    """One process: what it is asked goes in, and comes out answered, in the same order."""

    process: BaseProcess
    connection: Connection[Any, Any]
    tasks: deque[_Task] = field(default_factory=deque)

    @property
    def load(self) -> int:
        return sum(task.load for task in self.tasks)


class PhotoWorkers:
    """Processes that look at photos; a context manager. They start as they are needed, each opens its own finder."""

    def __init__(
        self,
        open_estimator: EstimatorFactory | None,
        workers: int,
        long_side: int,
        save_picture: PictureSaver = keep_in_memory,
    ) -> None:
        """`finder` may be None when all photos are labelled."""
        self._job = open_estimator, long_side, save_picture
        self._max_workers = max(1, workers)
        self._running: list[_PhotoWorker] = []
        self._requeued: deque[_Task] = deque()
        self._crashes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for looker in self._running:
            if kind is not None:
                looker.process.kill()
            looker.connection.close()  # it ends when there is nothing left to be asked
        for looker in self._running:
            looker.process.join()
        self._running.clear()

    def scan(self, photos: Iterable[tuple[int, Photo]]) -> Generator[tuple[int, ScanResult], None, None]:
        """What each photo gives, under the number that it came with, as it comes: in any order.

        A photo over which the process ends (a decoder can crash) is skipped. Raises what the finder raises when it
        cannot be opened, and OSError when a picture cannot be kept.
        """
        tasks = (_Task(number, photo) for number, photo in _sort_by_shape(photos))
        following = next(tasks, None)
        while True:
            while following is not None and (looker := self._pick_worker(following)) is not None:
                self._send(looker, following)
                following = self._requeued.popleft() if self._requeued else next(tasks, None)
            busy = {looker.connection: looker for looker in self._running if looker.tasks}
            if not busy:
                return
            for ready in wait(list(busy)):
                looker = busy[ready]  # type: ignore[index]
                answered = self._receive(looker)
                if answered is not None:
                    yield answered
            if following is None and self._requeued:
                following = self._requeued.popleft()

    def _pick_worker(self, task: _Task) -> _PhotoWorker | None:
        """The process that is to be asked next; None while all have enough to do."""
        least = min(self._running, key=lambda looker: looker.load, default=None)
        if (least is None or least.tasks) and len(self._running) < self._max_workers:
            self._running.append(least := self._start_worker())
        return least if least is not None and least.load + task.load <= PHOTOS_PER_WORKER else None

    def _start_worker(self) -> _PhotoWorker:
        context = multiprocessing.get_context("spawn")  # a copy of a process with threads may hang
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, *self._job), daemon=True)
        process.start()
        theirs.close()
        return _PhotoWorker(process, ours)

    def _send(self, worker: _PhotoWorker, task: _Task) -> None:
        worker.tasks.append(task)
        with suppress(BrokenPipeError):  # it has ended, which its answers will tell
            worker.connection.send(task.photo)

    def _receive(self, worker: _PhotoWorker) -> tuple[int, ScanResult] | None:
        try:
            found = worker.connection.recv()
        except (EOFError, OSError):
            return self._handle_crash(worker)
        task = worker.tasks.popleft()
        if isinstance(found, Exception):
            raise found
        self._crashes = 0
        return task.number, found

    def _handle_crash(self, worker: _PhotoWorker) -> tuple[int, ScanResult] | None:
        """A process ended over the first of its photos: that one is tried once more, the others are as good as new."""
        self._running.remove(worker)
        worker.connection.close()
        worker.process.kill()
        worker.process.join()
        first, *others = worker.tasks
        first.attempts += 1
        self._crashes += 1
        name = printable(first.photo.file)
        if self._crashes >= MAX_CRASHES:
            raise LibraryError(
                f"The processes that look at photos end by themselves, the last at {name}: "
                "see that there is memory for them, or use fewer (--workers)."
            )
        self._requeued.extend(others)
        if first.attempts < MAX_ATTEMPTS:
            self._requeued.append(first)
            return None
        return first.number, Skipped(name, "damaged", f"{name} ends the process that reads it.")


def scan_photo(
    photo: Photo, estimator: PoseEstimator | None, long_side: int, save_picture: PictureSaver = keep_in_memory
) -> ScanResult:
    """The people whom a photo, or a video, shows well, each with the picture as the library keeps it.

    The same for the same file, labels, finder and `long_side`, wherever and whenever.
    """
    name = printable(photo.file)
    if estimator is None and photo.people is None:
        raise LibraryError(f"{name} has no labelled people, and no model was given to find them.")
    if is_video(photo):
        assert estimator is not None
        assert isinstance(photo.file, Path)
        return video.scan(photo.file, photo.credit, estimator, long_side, save_picture)
    try:
        picture = pictures.load_picture(photo.file, long_side)
    except PictureError as error:
        return Skipped(name, error.kind, str(error))
    height, width = picture.image.shape[:2]
    if photo.people is None:
        assert estimator is not None
        people = estimator.estimate(picture.image)
    else:
        labelled = photo.size or (picture.width, picture.height)
        if abs(labelled[0] * picture.height / (labelled[1] * picture.width) - 1) > ASPECT_RATIO_TOLERANCE:
            said = f"has {picture.width}×{picture.height} pixels and was labelled with {labelled[0]}×{labelled[1]}"
            return Skipped(name, "wrong size", f"{name} {said}.")
        people = [
            Pose.from_keypoints(scale_keypoints(one, width / labelled[0], height / labelled[1])) for one in photo.people
        ]
    shown_well = select_prominent(people, width, height)
    if not isinstance(shown_well, str):
        shown_well = [one for one in shown_well if is_sharp(picture.image, one)] or "blurred"
    if isinstance(shown_well, str):
        return Skipped(name, shown_well, f"{name}: {REASONS[shown_well]}.")
    stored = save_picture(pictures.encode_picture(picture.image, long_side))
    credit = photo.credit._replace(author=photo.credit.author or picture.author)
    return [NewItem(stored, np.asarray(person), *credit) for person in shown_well]


REASONS: Final = {
    "no person": "nobody was found in it",
    "too small": "the picture is too small for a display",
    "person too small": "the people in it are too small",
    "crowd": "there are too many people in it to tell one from the others",
    "too few points": "too little of a person is seen",
    "blurred": "whoever it shows is blurred",
}
"""Why nobody is shown well, for a sentence."""


def is_video(photo: Photo) -> bool:
    """Whether it is a video, by its name; what people labelled is a picture."""
    return isinstance(photo.file, Path) and photo.people is None and photo.file.suffix.lower() in VIDEO_SUFFIXES


def _serve(
    connection: Connection[Any, Any],
    open_estimator: EstimatorFactory | None,
    long_side: int,
    save_picture: PictureSaver,
) -> None:
    """The life of a process that looks: it answers each photo, until there are no more or its parent is gone."""
    init_worker()
    ignore_stop_signals()
    own: PoseEstimator | None = None
    with ExitStack() as opened, suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            photo = connection.recv()
            try:
                if own is None and open_estimator is not None and photo.people is None:
                    own = opened.enter_context(open_estimator())
                found: ScanResult | Exception = scan_photo(photo, own, long_side, save_picture)
            except Exception as error:
                found = _to_picklable(error)
            connection.send(found)


def _to_picklable(error: Exception) -> Exception:
    """An error that can be sent to another process, with where it came from."""
    said = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        error = RuntimeError(f"{type(error).__name__}: {error}")
    error.add_note(said)
    return error


def _sort_by_shape(photos: Iterable[tuple[int, Photo]]) -> Iterator[tuple[int, Photo]]:
    """Puts photos of one shape after each other, a thousand at a time: for another shape the network is laid anew."""
    waiting = iter(photos)
    while batch := list(itertools.islice(waiting, SORT_BATCH_SIZE)):
        yield from sorted(batch, key=lambda one: _input_size(one[1]))


def _input_size(photo: Photo) -> tuple[int, int]:
    """The size that a photo has in the network, as far as its file's first bytes tell; of no use, (0, 0)."""
    if photo.people is not None or not isinstance(photo.file, Path):
        return 0, 0
    try:
        if not stat.S_ISREG(os.stat(photo.file).st_mode):
            return 0, 0
        with warnings.catch_warnings(), Pillow.open(photo.file, formats=("JPEG", "PNG")) as opened:
            warnings.simplefilter("ignore")
            return size_for(*opened.size)
    except Exception:  # looking at it will tell
        return 0, 0
