"""The folder on disk that holds the photographs' poses, their credits and the Annoy indexes over them.

Annoy maps its files and believes them: a damaged one ends the program by a signal at some later query. So nothing is
mapped before it has been read whole and is, to the bit, what was built.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import sqlite3
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import numpy as np
from PIL import Image as Pillow

from index import manifest as manifests
from index import shards, vector
from index.checksum import sha256_of
from index.errors import LibraryError, as_library_error, remedy
from index.fingerprint import FINGERPRINT_BYTES
from index.manifest import ITEMS_FILE, KEYPOINTS_FILE, PICTURES_FOLDER, SHAPE_FILE, Manifest
from index.shards import Shard, map_array
from models.pose import Image, Pose
from models.progress import ProgressCallback
from models.text import printable

PICTURES_PER_UPDATE: Final = 100
"""Pictures that are checked between two words about it."""

log = logging.getLogger(__name__)

ITEM_COLUMNS: Final = (
    "picture", "width", "height", "left", "top", "right", "bottom",
    "title", "author", "licence", "licence_url", "source_url",
)  # fmt: skip
"""Of the table `item` after its `number`; `picture` is the file's name in the folder of pictures."""

INVALID_ITEM_QUERY: Final = f"""
    SELECT number FROM item WHERE typeof(width) <> 'integer' OR typeof(height) <> 'integer'
    OR {" OR ".join(f"typeof({side}) <> 'real'" for side in ITEM_COLUMNS[3:7])}
    OR {" OR ".join(f"typeof({word}) NOT IN ('text', 'null')" for word in ITEM_COLUMNS[7:])}
    OR (picture IS NOT NULL AND picture NOT IN (SELECT picture FROM fingerprint)) LIMIT 1
"""
"""Finds a row that is none of an item: of such a one nothing could be told or shown."""

INVALID_PICTURE_QUERY: Final = f"""
    SELECT picture FROM {{table}} WHERE typeof(bits) <> 'blob' OR length(bits) <> {FINGERPRINT_BYTES}
    OR typeof(picture) <> 'text' OR length(picture) <> 68 OR instr(picture, '/') LIMIT 1
"""
"""Finds a row that is none of a picture, stored or taken down, whose name is 64 digits and .jpg."""


@dataclass(frozen=True, slots=True)
class Item:
    """One person in one picture, and whom to thank for it.

    `number` is the row in `Library.keypoints`; `picture` the stored JPEG (None in a library of poses alone), `width`
    and `height` its pixels, `box` left, top, right, bottom around the person's key points.
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

    @property
    def credit(self) -> str:
        """A line for the screen: title, author and licence, as far as they are known."""
        return ", ".join(part for part in (self.title, self.author, self.licence) if part)


class RemovedPicture(NamedTuple):
    """A picture that was taken down: its file's name, its fingerprint, and the title it had."""

    picture: str
    fingerprint: bytes
    title: str | None


class Library:
    """An opened library; a context manager. `Library.open` is the way in.

    `keypoints` is N×17×3 float32, mapped from disk and read-only: pixels of the stored picture, third ≤ 0 where unseen.
    """

    def __init__(self, folder: Path, descriptor: int, manifest: Manifest) -> None:
        """Maps the files of the folder opened as `descriptor`, all checked before."""
        self.folder = folder
        self.manifest = manifest
        self._descriptor = descriptor
        inside = _descriptor_path(descriptor)
        self.shards: list[Shard] = []
        with as_library_error(folder / KEYPOINTS_FILE, folder):
            self.keypoints = map_array(inside / KEYPOINTS_FILE, (manifest.items, 17, 3), np.dtype(np.float32))
        with as_library_error(folder / SHAPE_FILE, folder):
            shape = map_array(inside / SHAPE_FILE, (35, 34), np.dtype(np.float64))
            self.shape_model = vector.ShapeModel(np.array(shape[0]), np.array(shape[1:]))
        try:
            for number in range(manifest.shards):
                self.shards.append(Shard(inside, folder, number, manifest.items, manifest.files))
            with as_library_error(folder / ITEMS_FILE, folder):
                self._items = _open_items(inside / ITEMS_FILE, manifest.items)
        except BaseException:
            for shard in self.shards:
                shard.close()
            raise

    @classmethod
    def open(cls, folder: Path, progress: ProgressCallback | None = None) -> Self:
        """Opens a library after checking every file that is going to be mapped against its sha256.

        `progress` is told of the bytes checked. Raises LibraryError when it is missing, damaged or of another version.
        """
        # The folder's descriptor holds on to this very folder, also when a new library is swapped in meanwhile.
        found = current_folder(folder)
        try:
            at = os.open(found, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise LibraryError(
                f"There is no library at {printable(folder)} ({error.strerror}): {remedy(folder)}."
            ) from error
        try:
            manifest = manifests.read_manifest(_descriptor_path(at), folder)
            manifests.verify_mapped_files(_descriptor_path(at), folder, manifest, progress)
            return cls(folder, at, manifest)
        except BaseException:
            os.close(at)
            raise

    def __len__(self) -> int:
        return len(self.keypoints)

    def pose(self, number: int) -> Pose:
        """The person's pose in pixels of the stored picture."""
        return Pose.from_keypoints(self.keypoints[number])

    def item(self, number: int) -> Item:
        """What is known about one item. Raises IndexError when there is none of that number."""
        return item_from_row(self.folder, (number, *self._row(number)))

    def items(self) -> Iterator[Item]:
        """All items, by their numbers."""
        for row in self._rows(f"SELECT number, {', '.join(ITEM_COLUMNS)} FROM item ORDER BY number"):
            yield item_from_row(self.folder, row)

    def nearest(self, region: str, query: Sequence[float], count: int, search_k: int) -> list[int]:
        """The numbers of the `count` items nearest to a vector of a region, nearest first.

        About `search_k` vectors are compared for it where there is one shard: see `index.shards.search_k_per_shard`.
        """
        return shards.nearest(self.shards, region, query, count, search_k)

    def picture(self, number: int) -> Image:
        """The stored picture, checked against its name (its sha256) and decoded.

        Raises LibraryError when it is missing or damaged, or the library holds poses alone.
        """
        name = self._row(number)[0]
        if name is None:
            raise LibraryError(f"{printable(self.folder)} holds poses alone, so there is no picture of item {number}.")
        with as_library_error(self.folder / PICTURES_FOLDER / name, self.folder):
            file = _descriptor_path(self._descriptor) / PICTURES_FOLDER / name
            manifests.regular_file_size(file, self.folder / PICTURES_FOLDER / name, self.folder)
            jpeg = file.read_bytes()
            if f"{hashlib.sha256(jpeg).hexdigest()}.jpg" != name:
                raise ValueError("its sha256 is not its name")
            with Pillow.open(io.BytesIO(jpeg), formats=["JPEG"]) as opened:
                return np.asarray(opened.convert("RGB"))

    def picture_file(self, name: str, *, check: bool) -> Path:
        """Where a stored picture's file is while the library is open; checked against its name if asked for.

        Raises LibraryError when it is missing or, where checked, damaged.
        """
        inside, file = _descriptor_path(self._descriptor) / PICTURES_FOLDER / name, self.folder / PICTURES_FOLDER / name
        manifests.regular_file_size(inside, file, self.folder)
        if check and f"{sha256_of(inside)}.jpg" != name:
            raise LibraryError(f"{printable(file)} is not the picture it was: {remedy(self.folder)}.")
        return inside

    def picture_names(self) -> Iterator[str]:
        """The names of all stored pictures' files, each once."""
        for name, _ in self.fingerprints():
            yield name

    def fingerprints(self) -> Iterator[tuple[str, bytes]]:
        """The name of each stored picture's file, and its fingerprint (`index.fingerprint`), by name."""
        yield from self._rows("SELECT picture, bits FROM fingerprint ORDER BY picture")

    def removed_pictures(self) -> list[RemovedPicture]:
        """The pictures that were taken down from this library and those that it was made from, by name."""
        return [RemovedPicture(*row) for row in self._rows("SELECT picture, bits, title FROM removed ORDER BY picture")]

    @property
    def is_replaced(self) -> bool:
        """Whether another library lies under this one's name by now; False while there is none."""
        try:
            there, here = os.stat(current_folder(self.folder)), os.fstat(self._descriptor)
        except OSError:
            return False
        return (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino)

    def close(self) -> None:
        """Lets the files go; safe to call twice."""
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
            raise IndexError(f"there is no item {number} in {printable(self.folder)}, which holds {len(self)}")
        return row


def item_from_row(folder: Path, row: Sequence[Any]) -> Item:
    """An item as the table of a library in `folder` has it: its number, then what `ITEM_COLUMNS` name."""
    picture = None if row[1] is None else folder / PICTURES_FOLDER / row[1]
    return Item(row[0], picture, row[2], row[3], (row[4], row[5], row[6], row[7]), *row[8:])


def verify_library(folder: Path, progress: ProgressCallback | None = None) -> Manifest:
    """Reads every file of a library, pages and pictures too, and says what it holds.

    Raises LibraryError for the first fault, which also is a file that does not belong there.
    """
    with Library.open(folder, progress) as library:
        at, manifest = _descriptor_path(library._descriptor), library.manifest
        manifests.verify_files(
            at, folder, {name: file for name, file in manifest.files.items() if name in manifests.PAGES}
        )
        names = list(library.picture_names())
        if len(names) != manifest.pictures:
            raise LibraryError(
                f"{printable(folder / ITEMS_FILE)} names {len(names)} pictures, not {manifest.pictures}: {remedy(folder)}."
            )
        with as_library_error(folder, folder):
            _check_strays(at, folder, {manifests.MANIFEST_FILE, PICTURES_FOLDER, *manifest.files})
            _check_strays(at / PICTURES_FOLDER, folder / PICTURES_FOLDER, set(names))
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as threads:
            for start in range(0, len(names), PICTURES_PER_UPDATE):
                some = names[start : start + PICTURES_PER_UPDATE]
                list(threads.map(partial(library.picture_file, check=True), some))
                if progress is not None:
                    progress(start + len(some), len(names), "Checking pictures")
        return manifest


def _check_strays(at: Path, folder: Path, names: set[str]) -> None:
    strays = set(os.listdir(at)) - names
    if strays:
        raise LibraryError(f"{printable(folder / min(strays))} does not belong to the library: move it elsewhere.")


def read_removed_pictures(out: Path) -> list[RemovedPicture]:
    """What was taken down from the library that is going to be replaced at `out`, as far as it can be read."""
    if not current_folder(out).exists():
        return []
    try:
        with Library.open(out) as library:
            return library.removed_pictures()
    except LibraryError as error:
        log.warning("%s Pictures that were taken down from it may come back.", error)
        return []


def load_manifest(folder: Path) -> Manifest:
    """What a library says of itself, without reading the rest of it. Raises LibraryError."""
    return manifests.read_manifest(current_folder(folder), folder)


def current_folder(folder: Path) -> Path:
    """Where a library is: its folder; or beside it, when the power went between the two renames of a swap."""
    return folder if folder.exists() or not backup_folder(folder).is_dir() else backup_folder(folder)


def backup_folder(folder: Path) -> Path:
    """Where the old library waits for the moment that the new one takes its place."""
    return folder.parent / f".{folder.name}.old"


def _descriptor_path(descriptor: int) -> Path:
    """The folder with this descriptor, as a path of plain ASCII, which is all that Annoy takes."""
    return Path(f"/proc/self/fd/{descriptor}")


def _open_items(file: Path, count: int) -> sqlite3.Connection:
    """The tables of a library of so many items, read-only. Raises ValueError and sqlite3.Error when they are not."""
    opened = sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True, check_same_thread=False)
    try:
        found = opened.execute("SELECT count(*), min(number), max(number) FROM item").fetchone()
        if found != (count, 0, count - 1):
            raise ValueError(f"{found[0]} items, not {count}, with numbers from {found[1]} to {found[2]}")
        for query in (
            INVALID_ITEM_QUERY,
            *(INVALID_PICTURE_QUERY.format(table=table) for table in ("fingerprint", "removed")),
        ):
            wrong = opened.execute(query).fetchone()
            if wrong is not None:
                raise ValueError(f"a row that is wrong: {wrong[0]!r:.80}")
    except BaseException:
        opened.close()
        raise
    return opened
