"""Photos → people with their pictures, by as many processes as asked for, in the order that the photos came."""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Self

import numpy as np

from index import pictures
from index.importers import Photo, Skipped
from index.library import LibraryError
from index.manifest import shown
from index.people import Finder, FinderFactory, prominent
from index.pictures import PictureError
from index.writer import NewItem, scaled
from models.pose import Pose

AHEAD = 4
"""Photos under way for each process: enough that none waits, few enough that they fit into memory."""

SAME_SHAPE = 0.02
"""How far a labelled picture's shape may be from the one in the file of labels: thumbnails are rounded."""

MOST_ENDS = 5
"""So many photos in a row end the process that looks at them: then it is not the photos."""

Found = list[NewItem] | Skipped


class Lookers:
    """Processes that look at photos; a context manager. With one worker there are none: this one looks."""

    def __init__(self, finder: FinderFactory | None, workers: int, long_side: int) -> None:
        """`finder` may be None when all photos are labelled."""
        self._finder, self._workers, self._long_side = finder, workers, long_side
        self._pool: ProcessPoolExecutor | None = None
        self._here = ExitStack()
        self._own: Finder | None = None
        self._ends = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        self._here.close()

    def look(self, photos: Iterator[Photo | NewItem | Skipped]) -> Generator[Found, None, None]:
        """What each photo gives, in their order; what is no photo comes through as it is.

        A photo that ends its process (a decoder can crash) is skipped, and the others are looked at again.
        """
        waiting: deque[tuple[Photo, Future[Found]] | Found] = deque()
        for photo in photos:
            if not isinstance(photo, Photo):
                waiting.append(photo if isinstance(photo, Skipped) else [photo])
            elif self._workers == 1:
                waiting.append(look(photo, None if photo.people is not None else self.finder(), self._long_side))
            else:
                waiting.append((photo, self._submit(photo)))
            while waiting and (len(waiting) > AHEAD * self._workers or not isinstance(waiting[0], tuple)):
                yield self._first(waiting)
        while waiting:
            yield self._first(waiting)

    def finder(self) -> Finder | None:
        """This process's own finder, opened when it is first asked for."""
        if self._own is None and self._finder is not None:
            self._own = self._here.enter_context(self._finder())
        return self._own

    def _first(self, waiting: deque[tuple[Photo, Future[Found]] | Found]) -> Found:
        first = waiting.popleft()
        if not isinstance(first, tuple):
            return first
        photo, future = first
        try:
            found = future.result()
        except BrokenProcessPool:
            found = self._alone(photo)
            for i, other in enumerate(waiting):
                if isinstance(other, tuple) and not _has_result(other[1]):
                    waiting[i] = self._alone(other[0])
        return found

    def _alone(self, photo: Photo) -> Found:
        """Looks at a photo in a process with nothing else to do, so that its end tells of this photo."""
        self._stop()
        try:
            found = self._submit(photo, workers=1).result()
            self._ends = 0
        except BrokenProcessPool as error:
            self._ends += 1
            if self._ends >= MOST_ENDS:
                raise LibraryError(
                    f"The processes that look at photos end by themselves, the last at {shown(photo.file)}: "
                    "see that there is memory for them, or use fewer (--workers)."
                ) from error
            found = Skipped(shown(photo.file), "damaged", f"{shown(photo.file)} ends the process that reads it.")
        self._stop()
        return found

    def _submit(self, photo: Photo, workers: int | None = None) -> Future[Found]:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                workers or self._workers,
                mp_context=multiprocessing.get_context("spawn"),  # a copy of a process with threads may hang
                initializer=_start,
                initargs=(self._finder, self._long_side),
            )
        try:
            return self._pool.submit(_look, photo)
        except BrokenProcessPool as error:
            broken: Future[Found] = Future()
            broken.set_exception(error)
            return broken

    def _stop(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


def look(photo: Photo, finder: Finder | None, long_side: int) -> Found:
    """The people whom a photo shows well, each with the picture as the library keeps it."""
    try:
        picture = pictures.load(photo.file, long_side)
    except PictureError as error:
        return Skipped(shown(photo.file), error.fault, str(error))
    height, width = picture.image.shape[:2]
    if photo.people is None:
        if finder is None:
            raise LibraryError(f"{shown(photo.file)} has no labelled people, and no model was given to find them.")
        people = finder.estimate(picture.image)
    else:
        labelled = photo.size or (picture.width, picture.height)
        if abs(labelled[0] * picture.height / (labelled[1] * picture.width) - 1) > SAME_SHAPE:
            said = f"has {picture.width}×{picture.height} pixels and was labelled with {labelled[0]}×{labelled[1]}"
            return Skipped(shown(photo.file), "wrong size", f"{shown(photo.file)} {said}.")
        scale = width / labelled[0], height / labelled[1]
        people = [Pose.from_keypoints(scaled(person, *scale)) for person in photo.people]
    shown_well = prominent(people, width, height)
    if isinstance(shown_well, str):
        return Skipped(shown(photo.file), shown_well, f"{shown(photo.file)}: {REASONS[shown_well]}.")
    stored = pictures.stored(picture.image, long_side)
    credit = photo.credit._replace(author=photo.credit.author or picture.author)
    return [NewItem(stored, np.asarray(person), *credit) for person in shown_well]


REASONS = {
    "no person": "nobody was found in it",
    "too small": "the picture is too small for a display",
    "person too small": "the people in it are too small",
    "crowd": "there are too many people in it to tell one from the others",
    "too few points": "too little of a person is seen",
}
"""What `prominent` says, for a sentence."""


_process: tuple[FinderFactory | None, int] = (None, 0)
_finder: Finder | None = None
_open = ExitStack()


def _start(finder: FinderFactory | None, long_side: int) -> None:
    """Begins a process: Ctrl-C is the parent's to deal with, and the finder opens at the first photo."""
    global _process
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _process = finder, long_side


def _look(photo: Photo) -> Found:
    global _finder
    factory, long_side = _process
    if _finder is None and factory is not None and photo.people is None:
        opened: AbstractContextManager[Finder] = factory()
        _finder = _open.enter_context(opened)
    return look(photo, _finder, long_side)


def _has_result(future: Future[Found]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None
