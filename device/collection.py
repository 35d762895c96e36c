"""The library that the mirror answers from, and the newer one that takes its place while the mirror runs."""

from __future__ import annotations

import logging
import os
import random
import threading
from concurrent.futures import Future
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from index.library import Item, Library, LibraryError, current_folder
from index.match import Match, Matcher
from models.pose import Floats, Image, Pose

CHECK_INTERVAL: Final = 2.0
"""Seconds between two looks at a library's folder."""

FolderState = tuple[object, ...]
"""What tells one state of a folder from another."""

log = logging.getLogger(__name__)


class Collection:
    """The library in use, for the one thread that asks it; a context manager.

    `wanted_folder` is the folder of the library that is to be in use; where it could not be opened, `library` is another one
    in its stead, and `fault` the sentence that says why. Item numbers hold until `refresh` tells of another library.
    """

    def __init__(self, library: Library, wanted_folder: Path | None = None, fault: str | None = None) -> None:
        self._wanted, self._fault = wanted_folder or library.folder, fault
        self._due, self._said = 0.0, False
        self._opening: Future[Library] | None = None
        folders = {self._wanted, library.folder}
        self._tried = {folder: None if library.is_replaced else _folder_state(folder) for folder in folders}
        self._seen = dict(self._tried)
        self._use(library)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._library.close()
        if self._opening is not None:
            self._opening.add_done_callback(_close_result)

    @property
    def folder(self) -> Path:
        """Where the library in use lies."""
        return self._library.folder

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong with the wanted library now."""
        return (self._fault,) if self._fault else ()

    @property
    def keypoints(self) -> Floats:
        """Of all items, N×17×3: pixels of their pictures, third ≤ 0 where unseen."""
        return self._library.keypoints

    def item(self, number: int) -> Item:
        """What is known about one item."""
        return self._item(number)

    def find(self, pose: Pose, top: int) -> list[Match]:
        """The `top` best matches of a pose, best first, without those whose picture could not be read just now."""
        return [match for match in self._matcher.find(pose, top) if match.item not in self._unreadable]

    def random_match(self) -> Match:
        """An item as chance will have it."""
        return Match(random.randrange(len(self._library)), False, 0.0)

    def pose(self, match: Match) -> Pose:
        """The pose in a photo as it is shown: mirrored when the photo is."""
        pose = self._library.pose(match.item)
        return pose.mirrored(self.item(match.item).width) if match.mirrored else pose

    def picture(self, number: int) -> Image | None:
        """An item's picture; None when it cannot be read, which is said once of a library that is still in its place.

        It may be gone because another library took its folder: that is looked at next.
        """
        try:
            return self._library.picture(number)
        except LibraryError as error:
            if self._library.is_replaced:
                self._due = 0.0
            elif not self._said:
                self._said = True
                log.warning("%s Other pictures like it are left out without a word.", error)
            self._unreadable.add(number)
            return None

    def refresh(self, now: float) -> bool:
        """Whether another library is in use from now on. `now`: seconds of a monotonic clock.

        Every few seconds the folders are looked at. What is new there is opened in a thread of its own, as checking
        every byte of it takes a moment, and is put in use by a later look, when it is whole.
        """
        if self._opening is None:
            if now >= self._due:
                self._due = now + CHECK_INTERVAL
                self._unreadable.clear()
                self._open_if_changed()
            return False
        if not self._opening.done():
            return False
        opening, self._opening = self._opening, None
        try:
            library = opening.result()
        except (LibraryError, OSError) as error:
            self._report_fault(str(error))
            return False
        self._library.close()
        self._use(library)
        if library.folder == self._wanted:
            self._fault = None
        log.info("In use now: %s, %d people in %d pictures.", library.folder, len(library), library.manifest.pictures)
        return True

    def _open_if_changed(self) -> None:
        """Begins to open what is new in the wanted folder, or else in that of the library in use.

        A folder that is being copied changes from look to look and is left alone until it stands still; one that took
        another's place by a rename is whole.
        """
        for folder in dict.fromkeys((self._wanted, self._library.folder)):
            found = _folder_state(folder)
            still, self._seen[folder] = found == self._seen[folder], found
            in_use = folder == self._library.folder
            if found is None:
                self._tried[folder] = None
                if in_use and still:
                    self._report_fault(f"There is no library at {folder} any more: put it back, or build it again.")
            elif found != self._tried[folder] and (still or (in_use and self._library.is_replaced)):
                self._tried[folder] = found
                self._opening = Future()
                threading.Thread(target=_open_into, args=(self._opening, folder), name="library", daemon=True).start()
                return

    def _use(self, library: Library) -> None:
        self._library, self._matcher = library, Matcher(library)
        self._item = lru_cache(maxsize=4096)(library.item)
        self._unreadable: set[int] = set()
        self._said = False

    def _report_fault(self, fault: str) -> None:
        if fault != self._fault:
            log.warning("%s", fault)
        self._fault = fault


def open_library(folder: Path) -> Library:
    """The library in a folder. Raises LibraryError when it cannot be used, or has no pictures to show."""
    library = Library.open(folder)
    if library.manifest.pictures:
        return library
    library.close()
    raise LibraryError(f"The library {folder} holds poses alone, and no pictures to show.")


def _open_into(future: Future[Library], folder: Path) -> None:
    try:
        future.set_result(open_library(folder))
    except Exception as error:
        future.set_exception(error)


def _close_result(opening: Future[Library]) -> None:
    if opening.exception() is None:
        opening.result().close()


def _folder_state(folder: Path) -> FolderState | None:
    """The folder and what lies in it, by what changes when they do; None when there is no folder."""
    try:
        where = current_folder(folder)
        status = where.stat()
        with os.scandir(where) as entries:
            files = sorted((e.name, e.inode(), e.stat().st_size, e.stat().st_mtime_ns) for e in entries)
    except OSError:
        return None
    return status.st_dev, status.st_ino, *files
