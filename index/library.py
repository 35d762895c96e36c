"""Libraries: reading a folder of pictures, poses, credits and Annoy indexes.

Annoy maps its files and trusts them: a damaged file would crash the program at some later query. So every file is
checked against its sha256 before it is mapped.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from index import manifest as manifests
from index import shards, vector
from index.barred import Barred, BarredEntry
from index.checksum import sha256_of
from index.collection import group_members
from index.errors import LibraryError, as_library_error, remedy, unreadable
from index.formats import open_picture
from index.likeness import COLUMNS
from index.manifest import ITEMS_FILE, KEYPOINTS_FILE, PARTS_FILE, PICTURES_FOLDER, SHAPE_FILE, Manifest
from index.places import backup_folder as backup_folder
from index.places import current_folder as current_folder
from index.places import descriptor_path, is_replaced, open_folder
from index.shards import Shard, map_array
from index.tables import ITEM_COLUMNS, open_tables
from index.taken_down import RemovedPicture as RemovedPicture
from index.taken_down import TakenDown as TakenDown
from index.taken_down import read_barred as read_barred
from index.taken_down import read_removed_pictures as read_removed_pictures
from index.taken_down import read_taken_down as read_taken_down
from models.pose import Image, Pose
from models.progress import ProgressCallback
from models.text import printable

PICTURES_PER_UPDATE: Final = 100
"""Pictures that are checked between two reports of progress."""


@dataclass(frozen=True, slots=True)
class Item:
    """One person in a library, with the credit of their picture.

    `number` is the row in `Library.keypoints`; `picture` is the stored JPEG (None for a pose without a picture);
    `width` and `height` are the picture's, in pixels; `box` is left, top, right, bottom around the key points.
    """

    number: int
    picture: Path | None
    width: int
    height: int
    box: tuple[float, float, float, float]
    title: str | None
    author: str | None
    licence: str | None
    licence_url: str | None
    source_url: str | None
    date: str | None = None
    collection: str | None = None

    @property
    def credit(self) -> str:
        """Title, author and licence in one line for the screen, as far as they are known.

        An author whom the licence names, as in “© 2020 Ann Example”, is not named twice.
        """
        is_notice = re.search(r"©|\(c\)|copyright", self.licence or "", re.IGNORECASE)
        author = None if is_notice and self.author and self.author in is_notice.string else self.author
        return ", ".join(part for part in (self.title, author, self.licence) if part)


class Library:
    """An opened library; a context manager. Create it with `Library.open`.

    `keypoints` is N×17×3 float32, mapped from disk and read-only: x and y in pixels of the stored picture, then a
    score, which is ≤ 0 where unseen. `parts` is N×43 (`index.likeness.part_table`), mapped too.
    """

    def __init__(self, folder: Path, descriptor: int, manifest: Manifest) -> None:
        """Map the files of the folder opened as `descriptor`. All must have been checked before."""
        self.folder = folder
        self.manifest = manifest
        self._descriptor = descriptor
        inside = descriptor_path(descriptor)
        self.shards: list[Shard] = []
        with as_library_error(folder / KEYPOINTS_FILE, folder):
            self.keypoints = map_array(inside / KEYPOINTS_FILE, (manifest.items, 17, 3), np.dtype(np.float32))
        with as_library_error(folder / PARTS_FILE, folder):
            self.parts = map_array(inside / PARTS_FILE, (manifest.items, COLUMNS), np.dtype(np.float32))
        with as_library_error(folder / SHAPE_FILE, folder):
            shape = map_array(inside / SHAPE_FILE, (35, 34), np.dtype(np.float64))
            self.shape_model = vector.ShapeModel(np.array(shape[0]), np.array(shape[1:]))
        try:
            for number in range(manifest.shards):
                self.shards.append(Shard(inside, folder, number, manifest.items, manifest.files))
            with as_library_error(folder / ITEMS_FILE, folder):
                self._items = open_tables(inside / ITEMS_FILE, manifest.items)
        except BaseException:
            for shard in self.shards:
                shard.close()
            raise

    @classmethod
    def open(cls, folder: Path, progress: ProgressCallback | None = None) -> Self:
        """Open a library after checking every file that is going to be mapped against its sha256.

        `progress` counts the bytes checked. Raises LibraryError when it is missing, damaged or of another version.
        """
        while True:
            # The descriptor keeps this folder accessible, even when a new library is swapped in meanwhile.
            try:
                descriptor = open_folder(folder)
            except PermissionError as error:
                raise unreadable(folder, error, folder) from error
            except OSError as error:
                raise LibraryError(
                    f"There is no library at {printable(folder)} ({error.strerror}): {remedy(folder)}."
                ) from error
            try:
                manifest = manifests.read_manifest(descriptor_path(descriptor), folder)
                manifests.verify_mapped_files(descriptor_path(descriptor), folder, manifest, progress)
                return cls(folder, descriptor, manifest)
            except BaseException as error:
                replaced = isinstance(error, LibraryError) and is_replaced(folder, descriptor)
                os.close(descriptor)
                if not replaced:
                    raise
            # The library was replaced, and its files were deleted, while they were read: open the new one.

    def __len__(self) -> int:
        return len(self.keypoints)

    def pose(self, number: int) -> Pose:
        """Return a person's pose in pixels of the stored picture."""
        return Pose.from_keypoints(self.keypoints[number])

    def item(self, number: int) -> Item:
        """Return one item. Raises IndexError when no item has this number."""
        return item_from_row(self.folder, (number, *self._row(number)))

    def items(self) -> Iterator[Item]:
        """Yield all items in the order of their numbers."""
        for row in self._rows(f"SELECT number, {', '.join(ITEM_COLUMNS)} FROM item ORDER BY number"):
            yield item_from_row(self.folder, row)

    def nearest(self, region: str, query: Sequence[float], count: int, search_k: int) -> list[int]:
        """Return the numbers of the `count` items nearest to a vector of a region, nearest first.

        Annoy compares about `search_k` vectors, and more in a library of several shards: see
        `index.shards.search_k_per_shard`.
        """
        return shards.nearest(self.shards, region, query, count, search_k)

    def picture(self, number: int) -> Image:
        """Return an item's picture, checked against its file name (its sha256) and decoded.

        Raises LibraryError when it is missing or damaged, or the item has no picture.
        """
        name = self._row(number)[0]
        if name is None:
            raise LibraryError(f"Item {number} of {printable(self.folder)} is a pose without a picture.")
        with as_library_error(self.folder / PICTURES_FOLDER / name, self.folder):
            file = descriptor_path(self._descriptor) / PICTURES_FOLDER / name
            manifests.regular_file_size(file, self.folder / PICTURES_FOLDER / name, self.folder)
            jpeg = file.read_bytes()
            if f"{hashlib.sha256(jpeg).hexdigest()}.jpg" != name:
                raise ValueError("its sha256 is not its name")
            with open_picture(io.BytesIO(jpeg), ["JPEG"]) as opened:
                return np.asarray(opened.convert("RGB"))

    def picture_file(self, name: str, *, check: bool) -> Path:
        """Return the path to a stored picture, which holds while the library is open.

        With `check` the file is compared with its name. Raises LibraryError when it is missing or, if checked, damaged.
        """
        inside, file = descriptor_path(self._descriptor) / PICTURES_FOLDER / name, self.folder / PICTURES_FOLDER / name
        manifests.regular_file_size(inside, file, self.folder)
        if check and f"{sha256_of(inside)}.jpg" != name:
            raise LibraryError(f"{printable(file)} is damaged, as its sha256 is not its name: {remedy(self.folder)}.")
        return inside

    @property
    def collections(self) -> tuple[str, ...]:
        """The names of the collections, the largest first; empty if the library has none."""
        return tuple(self._members)

    def members(self, name: str) -> npt.NDArray[np.intp]:
        """Return the numbers of the items in a collection, in order. Raises KeyError if there is no such collection."""
        return self._members[name]

    @cached_property
    def _members(self) -> dict[str, npt.NDArray[np.intp]]:
        return group_members(self._rows("SELECT number, collection FROM item WHERE collection <> ''"))

    def picture_names(self) -> Iterator[str]:
        """Yield the file names of all stored pictures, each once."""
        for name, _ in self.fingerprints():
            yield name

    def fingerprints(self) -> Iterator[tuple[str, bytes]]:
        """Yield the file name and fingerprint (`index.fingerprint`) of each stored picture, ordered by name."""
        yield from self._rows("SELECT picture, bits FROM fingerprint ORDER BY picture")

    def removed_pictures(self) -> list[RemovedPicture]:
        """Return the pictures taken down from this library and from those it was built from, ordered by name."""
        return [RemovedPicture(*row) for row in self._rows("SELECT picture, bits, title FROM removed ORDER BY picture")]

    def barred(self) -> Barred:
        """Return the authors and URLs that were barred from this library and from those it was built from."""
        return Barred(
            tuple(BarredEntry(*row) for row in self._rows("SELECT kind, text FROM barred ORDER BY kind, text"))
        )

    @property
    def is_replaced(self) -> bool:
        """Whether another library has replaced this one on disk; False while the folder is missing."""
        return is_replaced(self.folder, self._descriptor)

    def close(self) -> None:
        """Unmap and close the files; safe to call twice."""
        if self._descriptor >= 0:
            for shard in self.shards:
                shard.close()
            self._items.close()
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _rows(self, query: str) -> Iterator[Any]:
        with as_library_error(self.folder / ITEMS_FILE, self.folder):
            yield from self._items.execute(query)

    def _row(self, number: int) -> tuple[Any, ...]:
        with as_library_error(self.folder / ITEMS_FILE, self.folder):
            row: tuple[Any, ...] | None = self._items.execute(
                f"SELECT {', '.join(ITEM_COLUMNS)} FROM item WHERE number = ?", (number,)
            ).fetchone()
        if row is None:
            raise IndexError(f"{printable(self.folder)} has no item {number}: its {len(self)} items start from 0")
        return row


def item_from_row(folder: Path, row: Sequence[Any]) -> Item:
    """Return the item of a row (its number, then `ITEM_COLUMNS`) of the library in `folder`."""
    picture = None if row[1] is None else folder / PICTURES_FOLDER / row[1]
    return Item(row[0], picture, row[2], row[3], (row[4], row[5], row[6], row[7]), *row[8:])


def verify_library(folder: Path, progress: ProgressCallback | None = None) -> Manifest:
    """Check every file of a library, including pages and pictures, and return its manifest.

    Raises LibraryError for the first fault. A file that does not belong to the library is a fault too.
    """
    with Library.open(folder, progress) as library:
        path, manifest = descriptor_path(library._descriptor), library.manifest
        pages = {name: file for name, file in manifest.files.items() if name in manifests.PAGES}
        manifests.verify_files(path, folder, pages)
        names = list(library.picture_names())
        if len(names) != manifest.pictures:
            raise LibraryError(
                f"{printable(folder / ITEMS_FILE)} names {len(names)} pictures, not {manifest.pictures}: "
                f"{remedy(folder)}."
            )
        with as_library_error(folder, folder):
            _check_strays(path, folder, {manifests.MANIFEST_FILE, PICTURES_FOLDER, *manifest.files})
        with as_library_error(folder / PICTURES_FOLDER, folder):
            _check_strays(path / PICTURES_FOLDER, folder / PICTURES_FOLDER, set(names))
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as threads:
            for start in range(0, len(names), PICTURES_PER_UPDATE):
                batch = names[start : start + PICTURES_PER_UPDATE]
                list(threads.map(partial(library.picture_file, check=True), batch))
                if progress is not None:
                    progress(start + len(batch), len(names), "Checking pictures")
        return manifest


def _check_strays(path: Path, folder: Path, names: set[str]) -> None:
    """Raise LibraryError if the folder at `path`, called `folder` in messages, contains anything not in `names`."""
    strays = set(os.listdir(path)) - names
    if strays:
        raise LibraryError(f"{printable(folder / min(strays))} does not belong to the library: move it elsewhere.")


def load_manifest(folder: Path) -> Manifest:
    """Return a library's manifest without reading its other files. Raises LibraryError."""
    return manifests.read_manifest(current_folder(folder), folder)
