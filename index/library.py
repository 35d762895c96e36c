"""The folder on disk that holds the photographs' poses, their credits and the Annoy indexes over them.

Annoy maps its files and believes them: a damaged one ends the program by a signal at some later query. So nothing is
mapped before it has been read whole and is, to the bit, what was built.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from annoy import AnnoyIndex
from PIL import Image as Pillow

from index import manifest as manifests
from index import vector
from index.manifest import INDEXES, ITEMS, KEYPOINTS, METRIC, PICTURES, SHAPE, Manifest, remedy, shown
from index.manifest import LibraryError as LibraryError
from models.pose import Floats, Image, Pose

COLUMNS: Final = (
    "picture", "width", "height", "left", "top", "right", "bottom",
    "title", "author", "licence", "licence_url", "source_url",
)  # fmt: skip
"""Of the table `item` after its `number`; `picture` is the file's name in the folder of pictures."""


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


class Library:
    """An opened library; a context manager. `Library.open` is the way in.

    `keypoints` is N×17×3 float32, mapped from disk and read-only: pixels of the stored picture, third ≤ 0 where unseen.
    """

    def __init__(self, folder: Path, at: int, manifest: Manifest) -> None:
        """Maps the files of the folder opened as `at`, all checked before."""
        self.folder = folder
        self.manifest = manifest
        self._at = at
        inside = _inside(at)
        with _as_library_error(folder / KEYPOINTS, folder):
            self.keypoints = _array(inside / KEYPOINTS, (manifest.items, 17, 3), np.dtype(np.float32))
        with _as_library_error(folder / SHAPE, folder):
            shape = _array(inside / SHAPE, (35, 34), np.dtype(np.float64))
            self.shape = vector.Shape(np.array(shape[0]), np.array(shape[1:]))
        self.indexes = {region: self._index(region) for region in INDEXES}
        with _as_library_error(folder / ITEMS, folder):
            self._items = sqlite3.connect(
                f"file:{inside / ITEMS}?mode=ro&immutable=1", uri=True, check_same_thread=False
            )
            try:
                (count,) = self._items.execute("SELECT count(*) FROM item").fetchone()
                if count != manifest.items:
                    raise ValueError(f"{count} items, not {manifest.items}")
            except BaseException:
                self._items.close()
                raise

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Opens a library after checking every file that is going to be mapped against its sha256.

        Raises LibraryError when it is missing, damaged or of another version.
        """
        # The folder's descriptor holds on to this very folder, also when a new library is swapped in meanwhile.
        found = whereabouts(folder)
        try:
            at = os.open(found, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise LibraryError(
                f"There is no library at {shown(folder)} ({error.strerror}): {remedy(folder)}."
            ) from error
        try:
            manifest = manifests.read_manifest(_inside(at), folder)
            manifests.check_files(_inside(at), folder, manifest)
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
        row = self._row(number)
        picture = None if row[0] is None else self.folder / PICTURES / row[0]
        return Item(number, picture, row[1], row[2], (row[3], row[4], row[5], row[6]), *row[7:])

    def picture(self, number: int) -> Image:
        """The stored picture, checked against its name (its sha256) and decoded.

        Raises LibraryError when it is missing or damaged, or the library holds poses alone.
        """
        name = self._row(number)[0]
        if name is None:
            raise LibraryError(f"{shown(self.folder)} holds poses alone, so there is no picture of item {number}.")
        with _as_library_error(self.folder / PICTURES / name, self.folder):
            file = _inside(self._at) / PICTURES / name
            manifests.regular_size(file, self.folder / PICTURES / name, self.folder)
            jpeg = file.read_bytes()
            if f"{hashlib.sha256(jpeg).hexdigest()}.jpg" != name:
                raise ValueError("its sha256 is not its name")
            with Pillow.open(io.BytesIO(jpeg), formats=["JPEG"]) as opened:
                return np.asarray(opened.convert("RGB"))

    def pictures(self) -> Iterator[str]:
        """The names of all stored pictures' files, each once."""
        with _as_library_error(self.folder / ITEMS, self.folder):
            for (name,) in self._items.execute(
                "SELECT DISTINCT picture FROM item WHERE picture IS NOT NULL ORDER BY 1"
            ):
                yield name

    def close(self) -> None:
        """Lets the files go; safe to call twice."""
        if self._at >= 0:
            for index in self.indexes.values():
                index.unload()
            self._items.close()
            os.close(self._at)
            self._at = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _index(self, region: str) -> AnnoyIndex:
        file, dimension = INDEXES[region], 2 * len(vector.REGIONS[region])
        index = AnnoyIndex(dimension, METRIC)
        if not self.manifest.files[file].bytes:  # nobody in the library shows this region; Annoy cannot map nothing
            return index
        with _as_library_error(self.folder / file, self.folder):
            index.load(str(_inside(self._at) / file))
            if not 0 < index.get_n_items() <= self.manifest.items:
                raise ValueError(f"{index.get_n_items()} vectors for {self.manifest.items} items")
        return index

    def _row(self, number: int) -> tuple[Any, ...]:
        with _as_library_error(self.folder / ITEMS, self.folder):
            row: tuple[Any, ...] | None = self._items.execute(
                f"SELECT {', '.join(COLUMNS)} FROM item WHERE number = ?", (number,)
            ).fetchone()
        if row is None:
            raise IndexError(f"there is no item {number} in {shown(self.folder)}, which holds {len(self)}")
        return row


def verify(folder: Path) -> Manifest:
    """Reads every file of a library, pictures too, and says what it holds. Raises LibraryError for the first fault."""
    with Library.open(folder) as library:
        names, wanted = list(library.pictures()), library.manifest.pictures
        if len(names) != wanted:
            raise LibraryError(f"{shown(folder / ITEMS)} names {len(names)} pictures, not {wanted}: {remedy(folder)}.")
        for name in names:
            inside, file = _inside(library._at) / PICTURES / name, folder / PICTURES / name
            manifests.regular_size(inside, file, folder)
            if f"{manifests.sha256_of(inside)}.jpg" != name:
                raise LibraryError(f"{shown(file)} is not the picture it was: {remedy(folder)}.")
        return library.manifest


def info(folder: Path) -> Manifest:
    """What a library says of itself, without reading the rest of it. Raises LibraryError."""
    return manifests.read_manifest(whereabouts(folder), folder)


def whereabouts(folder: Path) -> Path:
    """Where a library is: its folder; or beside it, when the power went between the two renames of a swap."""
    return folder if folder.exists() or not aside(folder).is_dir() else aside(folder)


def aside(folder: Path) -> Path:
    """Where the old library waits for the moment that the new one takes its place."""
    return folder.parent / f".{folder.name}.old"


def _inside(at: int) -> Path:
    """The folder with this descriptor, as a path of plain ASCII, which is all that Annoy takes."""
    return Path(f"/proc/self/fd/{at}")


def _array(file: Path, shape: tuple[int, ...], kind: np.dtype[np.generic]) -> Floats:
    try:
        found = np.load(file, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a header is parsed as Python: there is little that it cannot make go wrong
        raise ValueError(f"no array: {error}") from error
    if found.shape != shape or found.dtype != kind or not found.flags.c_contiguous:
        raise ValueError(f"{found.dtype} numbers of shape {found.shape}, not {kind} of {shape}")
    return np.asarray(found)  # the memory stays mapped; NumPy's class for that makes each access slow


@contextlib.contextmanager
def _as_library_error(file: Path, folder: Path) -> Iterator[None]:
    """Whatever a library that lies makes of a file becomes one sentence."""
    try:
        yield
    except LibraryError:
        raise
    except (OSError, ValueError, TypeError, EOFError, SyntaxError, sqlite3.Error) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())
        raise LibraryError(f"{shown(file)} cannot be used ({said}): {remedy(folder)}.") from error
