"""The library that the mirror answers from. A newer library takes its place while the mirror runs."""

from __future__ import annotations

import logging
import os
import random
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from device.collection_names import explain_unknown, find_collection
from index.errors import LibraryError
from index.library import Item, Library, current_folder
from index.match import Match, Matcher
from models.pose import Floats, Image, Pose

CHECK_INTERVAL: Final = 2.0
"""Seconds between two checks of a library's folder. A check lists one folder, so it costs next to nothing."""

MIN_PEOPLE: Final = 20
"""People that a collection needs to be one of those that visitors go through: with fewer, hardly a pose is answered.
The configuration may name a smaller one."""

ITEM_CACHE_SIZE: Final = 4096
"""Items kept from the library's database: a visitor's matches are mostly those of the frames before."""

FolderState = tuple[object, ...]
"""What differs between two states of a folder: its inode, and the names, sizes and times of its files.

FAT and many network disks number a file anew whenever they look it up, so the inodes of files say nothing.
"""

log = logging.getLogger(__name__)


class CurrentLibrary:
    """The library in use, or one collection of it; a context manager. Only one thread may use it.

    `wanted_folder` is the folder of the library that should be in use. If it could not be opened, `library` is another
    library that stands in for it, and `fault` is the sentence that says why. `collection` names the collection to use,
    if it is not empty. Item numbers are valid until `refresh` returns True.
    """

    def __init__(
        self, library: Library, wanted_folder: Path | None = None, fault: str | None = None, collection: str = ""
    ) -> None:
        self._wanted, self._fault = wanted_folder or library.folder, fault
        self._next_check, self._warned = 0.0, False
        self._opening: Future[Library] | None = None
        folders = {self._wanted, library.folder}
        self._tried = {folder: None if library.is_replaced else _folder_state(folder) for folder in folders}
        self._seen = dict(self._tried)
        self._wanted_collection, self._unknown = collection, ""
        self._steps_asked = self._steps_taken = 0
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
        """The folder of the library in use."""
        return self._library.folder

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong with the wanted library now, as sentences."""
        return (self._fault,) if self._fault else ()

    @property
    def collections(self) -> tuple[str, ...]:
        """The names of the collections that visitors go through, the largest first."""
        return self._collections

    @property
    def collection(self) -> str | None:
        """The name of the collection in use; None if everything is."""
        return self._collection

    def choose(self, name: str | None) -> None:
        """Use one collection from now on, or with None everything.

        The name may be in any spelling. A library that has no such collection is used whole, and the log says so; the
        collection is used as soon as a library that has it is in use.
        """
        self._wanted_collection = name or ""
        self._use_collection()

    def next_collection(self) -> None:
        """Use the next collection from the next `refresh` on; after the last one, everything. Any thread may call.

        Collections of fewer than `MIN_PEOPLE` are passed over.
        """
        self._steps_asked += 1  # only the main thread counts up, and only `refresh` compares, so no lock is needed

    @property
    def picture_count(self) -> int:
        """How many pictures there are to answer with. A picture of several people counts once, as it is shown once,
        except in a collection, which counts its people."""
        pictures = self._library.manifest.pictures
        return pictures if self._members is None else min(len(self._members), pictures)

    @property
    def people_count(self) -> int:
        """How many people there are to answer with."""
        return len(self._library) if self._members is None else len(self._members)

    @property
    def keypoints(self) -> Floats:
        """The key points of all items, N×17×3, in pixels of their pictures. The third is ≤ 0 for an unseen one."""
        return self._library.keypoints

    def item(self, number: int) -> Item:
        """Return what the library knows about an item."""
        return self._item(number)

    def find(self, pose: Pose, top: int) -> list[Match]:
        """Return the `top` best matches of a pose, best first, without those whose picture could not be read."""
        return self.find_all([pose], top)[0]

    def find_all(self, poses: Sequence[Pose], top: int) -> list[list[Match]]:
        """Return the same for each of several poses, found in one search."""
        return [
            [match for match in matches if match.item not in self._unreadable]
            for matches in self._matcher.find_all(poses, top)
        ]

    def likeness(self, match: Match, pose: Pose) -> float:
        """Return how alike a pose and a match's person look now, whatever the match says."""
        return self._matcher.likeness(match, pose)

    def random_match(self) -> Match:
        """Return a random item, as a match."""
        number = random.randrange(len(self._library)) if self._members is None else int(random.choice(self._members))
        return Match(number, False, 0.0)

    def pose(self, match: Match) -> Pose:
        """Return the pose in a photo as it is shown: mirrored if the photo is."""
        pose = self._library.pose(match.item)
        return pose.mirrored(self.item(match.item).width) if match.mirrored else pose

    def picture(self, number: int) -> Image | None:
        """Return an item's picture, or None if it cannot be read.

        If another library has taken the folder, the picture may be gone with the old one: the folder is then checked at
        the next `refresh`. Otherwise one warning is logged for each library.
        """
        try:
            return self._library.picture(number)
        except LibraryError as error:
            if self._library.is_replaced:
                self._next_check = 0.0
            elif not self._warned:
                self._warned = True
                log.warning("%s Other unreadable pictures of this library are skipped without a warning.", error)
            self._unreadable.add(number)
            return None

    def refresh(self, now: float) -> bool:
        """Return whether another library or collection is in use from now on. `now` is in seconds, monotonic.

        Every few seconds the folders are checked. A new library is opened in a thread of its own, because checking
        every byte of it takes a while; a later call puts it in use.
        """
        stepped = self._take_steps()
        return self._refresh_library(now) or stepped

    def _take_steps(self) -> bool:
        """Go on by as many collections as were asked for; return whether another one is in use."""
        steps, before = self._steps_asked - self._steps_taken, self._collection
        self._steps_taken += steps
        if steps:
            circle: list[str | None] = [None, *self._collections]
            place = circle.index(before) if before in circle else -1
            self.choose(circle[(place + steps) % len(circle)])
        return self._collection != before

    def _refresh_library(self, now: float) -> bool:
        if self._opening is None:
            if now >= self._next_check:
                self._next_check = now + CHECK_INTERVAL
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
        log.info(
            "The library in use is now %s, with %d people in %d pictures.",
            library.folder,
            len(library),
            library.manifest.pictures,
        )
        return True

    def _open_if_changed(self) -> None:
        """Start to open what is new in the wanted folder, or else in the folder of the library in use.

        A folder that is being copied changes from check to check, and is left alone until two checks agree. A folder
        that took another's place by a rename is complete at once.
        """
        for folder in dict.fromkeys((self._wanted, self._library.folder)):
            state = _folder_state(folder)
            unchanged, self._seen[folder] = state == self._seen[folder], state
            in_use = folder == self._library.folder
            if state is None:
                self._tried[folder] = None
                if in_use and unchanged:
                    self._report_fault(f"There is no library at {folder} any more: put it back, or build it again.")
            elif state != self._tried[folder] and (unchanged or (in_use and self._library.is_replaced)):
                self._tried[folder] = state
                self._opening = Future()
                threading.Thread(target=_open_into, args=(self._opening, folder), name="library", daemon=True).start()
                return

    def _use(self, library: Library) -> None:
        self._library = library
        self._collections = tuple(name for name in library.collections if len(library.members(name)) >= MIN_PEOPLE)
        self._use_collection()
        self._item = lru_cache(maxsize=ITEM_CACHE_SIZE)(library.item)
        self._unreadable: set[int] = set()
        self._warned = False

    def _use_collection(self) -> None:
        """Use the wanted collection, or everything if the library does not have it."""
        name = find_collection(self._wanted_collection, self._library.collections)
        self._collection, self._members = name, None if name is None else self._library.members(name)
        self._matcher = Matcher(self._library, self._members)
        unknown = (
            explain_unknown(self._wanted_collection, self._library) if self._wanted_collection and not name else ""
        )
        if unknown and unknown != self._unknown:
            log.warning("%s", unknown)
        self._unknown = unknown

    def _report_fault(self, fault: str) -> None:
        if fault != self._fault:
            log.warning("%s", fault)
        self._fault = fault


def open_library(folder: Path) -> Library:
    """Open the library in a folder. Raises LibraryError if it cannot be used or has no pictures to show."""
    library = Library.open(folder)
    if library.manifest.pictures:
        return library
    library.close()
    raise LibraryError(f"The library {folder} holds poses alone, and no pictures to show.")


def _open_into(future: Future[Library], folder: Path) -> None:
    try:
        library = open_library(folder)
        _ = library.collections  # found here, as that reads the whole table, and kept by the library
        future.set_result(library)
    except Exception as error:
        future.set_exception(error)


def _close_result(opening: Future[Library]) -> None:
    if opening.exception() is None:
        opening.result().close()


def _folder_state(folder: Path) -> FolderState | None:
    """Return the state of a folder, or None if there is no folder."""
    try:
        current = current_folder(folder)
        status = current.stat()
        with os.scandir(current) as entries:
            statuses = sorted((entry.name, entry.stat()) for entry in entries)
    except OSError:
        return None
    files = ((name, file.st_size, file.st_mtime_ns, file.st_ctime_ns) for name, file in statuses)
    return status.st_dev, status.st_ino, *files
