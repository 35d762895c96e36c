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
from index.build.importers import VIDEOS
from index.build.people import Finder, FinderFactory, prominent, sharp_enough
from index.build.photo import Photo, Skipped
from index.build.writer import NewItem, scaled
from index.manifest import LibraryError, shown
from index.pictures import Kept, PictureError, Stored
from models.estimator.estimator import size_for
from models.pose import Pose
from models.processes import begin, leave_stopping_to_parent

AHEAD: Final = 3
"""Photos at a process at once, the one it looks at among them: enough that it never waits for the next."""

BATCH: Final = 1024
"""Photos that are put in the order of their shapes."""

TRIES: Final = 2
"""So often a photo is looked at when the process ends over it: the memory may have been short just then."""

MOST_ENDS: Final = 6
"""So many ends of processes in a row, without a photo that was looked at: then it is not the photos."""

SAME_SHAPE: Final = 0.02
"""How far a labelled picture's shape may be from the one in the file of labels: thumbnails are rounded."""

Found = list[NewItem] | Skipped
"""What a photo gives: its people, each with the picture. Of a video there may be several pictures."""

Keep = Callable[[Stored], Stored | Kept]
"""What is done with a picture that is to be in the library; has to be picklable."""


def as_it_is(stored: Stored) -> Stored:
    """Leaves a picture in memory."""
    return stored


@dataclass(slots=True, eq=False)
class _Task:
    number: int
    photo: Photo
    tries: int = 0

    @property
    def load(self) -> int:
        """A video takes long: nothing waits behind it."""
        return AHEAD if is_video(self.photo) else 1


@dataclass(slots=True, eq=False)
class _Looker:
    """One process: what it is asked goes in, and comes out answered, in the same order."""

    process: BaseProcess
    connection: Connection[Any, Any]
    tasks: deque[_Task] = field(default_factory=deque)

    @property
    def load(self) -> int:
        return sum(task.load for task in self.tasks)


class Lookers:
    """Processes that look at photos; a context manager. They start as they are needed, each opens its own finder."""

    def __init__(self, finder: FinderFactory | None, workers: int, long_side: int, keep: Keep = as_it_is) -> None:
        """`finder` may be None when all photos are labelled."""
        self._job = finder, long_side, keep
        self._workers = max(1, workers)
        self._lookers: list[_Looker] = []
        self._again: deque[_Task] = deque()
        self._ends = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for looker in self._lookers:
            if kind is not None:
                looker.process.kill()
            looker.connection.close()  # it ends when there is nothing left to be asked
        for looker in self._lookers:
            looker.process.join()
        self._lookers.clear()

    def look(self, photos: Iterable[tuple[int, Photo]]) -> Generator[tuple[int, Found], None, None]:
        """What each photo gives, under the number that it came with, as it comes: in any order.

        A photo over which the process ends (a decoder can crash) is skipped. Raises what the finder raises when it
        cannot be opened, and OSError when a picture cannot be kept.
        """
        tasks = (_Task(number, photo) for number, photo in _by_shape(photos))
        following = next(tasks, None)
        while True:
            while following is not None and (looker := self._with_room(following)) is not None:
                self._ask(looker, following)
                following = self._again.popleft() if self._again else next(tasks, None)
            busy = {looker.connection: looker for looker in self._lookers if looker.tasks}
            if not busy:
                return
            for ready in wait(list(busy)):
                looker = busy[ready]  # type: ignore[index]
                answered = self._answer(looker)
                if answered is not None:
                    yield answered
            if following is None and self._again:
                following = self._again.popleft()

    def _with_room(self, task: _Task) -> _Looker | None:
        """The process that is to be asked next; None while all have enough to do."""
        least = min(self._lookers, key=lambda looker: looker.load, default=None)
        if (least is None or least.tasks) and len(self._lookers) < self._workers:
            self._lookers.append(least := self._started())
        return least if least is not None and least.load + task.load <= AHEAD else None

    def _started(self) -> _Looker:
        context = multiprocessing.get_context("spawn")  # a copy of a process with threads may hang
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, *self._job), daemon=True)
        process.start()
        theirs.close()
        return _Looker(process, ours)

    def _ask(self, looker: _Looker, task: _Task) -> None:
        looker.tasks.append(task)
        with suppress(BrokenPipeError):  # it has ended, which its answers will tell
            looker.connection.send(task.photo)

    def _answer(self, looker: _Looker) -> tuple[int, Found] | None:
        try:
            found = looker.connection.recv()
        except (EOFError, OSError):
            return self._ended(looker)
        task = looker.tasks.popleft()
        if isinstance(found, Exception):
            raise found
        self._ends = 0
        return task.number, found

    def _ended(self, looker: _Looker) -> tuple[int, Found] | None:
        """A process ended over the first of its photos: that one is tried once more, the others are as good as new."""
        self._lookers.remove(looker)
        looker.connection.close()
        looker.process.kill()
        looker.process.join()
        first, *others = looker.tasks
        first.tries += 1
        self._ends += 1
        name = shown(first.photo.file)
        if self._ends >= MOST_ENDS:
            raise LibraryError(
                f"The processes that look at photos end by themselves, the last at {name}: "
                "see that there is memory for them, or use fewer (--workers)."
            )
        self._again.extend(others)
        if first.tries < TRIES:
            self._again.append(first)
            return None
        return first.number, Skipped(name, "damaged", f"{name} ends the process that reads it.")


def look(photo: Photo, finder: Finder | None, long_side: int, keep: Keep = as_it_is) -> Found:
    """The people whom a photo, or a video, shows well, each with the picture as the library keeps it.

    The same for the same file, labels, finder and `long_side`, wherever and whenever.
    """
    name = shown(photo.file)
    if finder is None and photo.people is None:
        raise LibraryError(f"{name} has no labelled people, and no model was given to find them.")
    if is_video(photo):
        assert finder is not None
        assert isinstance(photo.file, Path)
        return video.look(photo.file, photo.credit, finder, long_side, keep)
    try:
        picture = pictures.load(photo.file, long_side)
    except PictureError as error:
        return Skipped(name, error.fault, str(error))
    height, width = picture.image.shape[:2]
    if photo.people is None:
        assert finder is not None
        people = finder.estimate(picture.image)
    else:
        labelled = photo.size or (picture.width, picture.height)
        if abs(labelled[0] * picture.height / (labelled[1] * picture.width) - 1) > SAME_SHAPE:
            said = f"has {picture.width}×{picture.height} pixels and was labelled with {labelled[0]}×{labelled[1]}"
            return Skipped(name, "wrong size", f"{name} {said}.")
        people = [Pose.from_keypoints(scaled(one, width / labelled[0], height / labelled[1])) for one in photo.people]
    shown_well = prominent(people, width, height)
    if not isinstance(shown_well, str):
        shown_well = [one for one in shown_well if sharp_enough(picture.image, one)] or "blurred"
    if isinstance(shown_well, str):
        return Skipped(name, shown_well, f"{name}: {REASONS[shown_well]}.")
    stored = keep(pictures.stored(picture.image, long_side))
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
    return isinstance(photo.file, Path) and photo.people is None and photo.file.suffix.lower() in VIDEOS


def _serve(connection: Connection[Any, Any], finder: FinderFactory | None, long_side: int, keep: Keep) -> None:
    """The life of a process that looks: it answers each photo, until there are no more or its parent is gone."""
    begin()
    leave_stopping_to_parent()
    own: Finder | None = None
    with ExitStack() as opened, suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            photo = connection.recv()
            try:
                if own is None and finder is not None and photo.people is None:
                    own = opened.enter_context(finder())
                found: Found | Exception = look(photo, own, long_side, keep)
            except Exception as error:
                found = _portable(error)
            connection.send(found)


def _portable(error: Exception) -> Exception:
    """An error that can be sent to another process, with where it came from."""
    said = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        error = RuntimeError(f"{type(error).__name__}: {error}")
    error.add_note(said)
    return error


def _by_shape(photos: Iterable[tuple[int, Photo]]) -> Iterator[tuple[int, Photo]]:
    """Puts photos of one shape after each other, a thousand at a time: for another shape the network is laid anew."""
    waiting = iter(photos)
    while batch := list(itertools.islice(waiting, BATCH)):
        yield from sorted(batch, key=lambda one: _shape(one[1]))


def _shape(photo: Photo) -> tuple[int, int]:
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
