"""Writes a library: beside the old one, on to the disk, then swapped in at once."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np

from index import pictures, shards
from index.build import credits, swap
from index.library import ITEM_COLUMNS, Item, LibraryError, item_from_row
from index.manifest import (
    CREDITS_FILE,
    ITEMS_FILE,
    KEYPOINTS_FILE,
    MANIFEST_FILE,
    PAGES,
    PICTURES_FOLDER,
    Manifest,
    as_os_error,
    checksums,
    mapped_files,
)
from index.pictures import EncodedPicture, StoredPicture
from index.shards import SHARD_SIZE
from models.pose import Floats, Image
from models.progress import ProgressCallback
from models.text import printable

BATCH_SIZE: Final = 4096
"""Items that are brought to the disk together: quick, and little memory."""


@dataclass(frozen=True, slots=True, eq=False)
class NewItem:
    """One person to put into a library.

    `picture` is H×W×3 RGB, a picture file, a picture made ready by `index.pictures.encode_picture`, one Kept by a library, or
    None for a pose alone; `keypoints` 17×3 in its pixels (for a file: upright, at its full size; for Stored and Kept:
    of the stored size), third ≤ 0 where unseen. `size` is (width, height) of the picture that a pose alone was taken
    from, where known.
    """

    picture: Image | Path | EncodedPicture | StoredPicture | None
    keypoints: Floats
    title: str | None = None
    author: str | None = None
    licence: str | None = None
    licence_url: str | None = None
    source_url: str | None = None
    size: tuple[int, int] | None = None


def write_library(
    items: Iterable[NewItem],
    out: Path,
    *,
    models: Sequence[tuple[str, str]] = (),
    long_side: int = pictures.LONG_SIDE,
    progress: ProgressCallback | None = None,
) -> int:
    """Writes a library of `items` to the folder `out` and returns how many there are; an old library gives way at once.

    Until the new one is whole and on the disk the old one stays as it is; whatever stops the writing (an error,
    Ctrl-C) leaves nothing behind. `models` are the name and sha256 of each estimator that found key points. Raises
    LibraryError when there are no items, or `out` holds something that is no library; PictureError when a picture
    file cannot be read; OSError when the disk is full.
    """
    with LibraryWriter(out, long_side=long_side) as writer:
        for item in items:
            writer.add(item)
            if progress is not None:
                progress(len(writer), None, "")
        writer.finish(models, progress)
        return len(writer)


class LibraryWriter:
    """A library in the making, in a hidden folder beside `out`; a context manager. What is not finished is removed.

    What is put in goes to the disk in batches, so that a library may be larger than the memory.
    """

    def __init__(self, out: Path, *, long_side: int = pictures.LONG_SIDE, shard_size: int = SHARD_SIZE) -> None:
        """Raises LibraryError when `out` holds something that is no library, or another build is writing it.

        `shard_size` is how many items have a set of indexes together.
        """
        self.out = Path(os.path.realpath(out))  # a link to a library stays: what it points to is replaced
        self._long_side = long_side
        self._shard = shard_size
        self._points: list[Floats] = []
        self._rows: list[tuple[Any, ...]] = []
        self._flushed = 0
        self._stored: set[str] = set()
        self._pages: set[str] = set()
        swap.check_replaceable(self.out)
        self.out.parent.mkdir(parents=True, exist_ok=True)
        self._folder = self.out.parent / f".{self.out.name}.building"
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, swap.lock_folder(self._folder))
            stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
            swap.recover_interrupted_swap(self.out)
            (self._folder / PICTURES_FOLDER).mkdir()
            self._keypoints = stack.enter_context((self._folder / KEYPOINTS_FILE).open("wb"))
            self._keypoints.write(_npy_header(0))
            self._items = stack.enter_context(contextlib.closing(_create_tables(self._folder / ITEMS_FILE)))
            self._open = stack.pop_all()

    def __len__(self) -> int:
        return self._flushed + len(self._points)

    def add(self, item: NewItem) -> None:
        """Puts one more person in, with their picture unless it is there. Raises PictureError, OSError, ValueError."""
        keypoints = _clean_keypoints(item.keypoints)
        stored, size = self._prepare_picture(item)
        if stored is not None and not isinstance(item.picture, (EncodedPicture, StoredPicture)):
            keypoints = scale_keypoints(keypoints, stored.width / size[0], stored.height / size[1])
            size = stored.width, stored.height
        name = None if stored is None else stored.name
        if stored is not None and name is not None and name not in self._stored:
            _write_picture(stored, self._folder / PICTURES_FOLDER / name)
            with as_os_error(self._folder / ITEMS_FILE):
                self._items.execute("INSERT INTO fingerprint VALUES (?, ?)", (name, stored.fingerprint))
            self._stored.add(name)
        words = (item.title, item.author, item.licence, item.licence_url, item.source_url)
        self._rows.append((name, *size, *(None if word is None else pictures.clean_text(word) for word in words)))
        self._points.append(keypoints)
        if len(self._points) >= BATCH_SIZE:
            self._flush()

    def add_removed(self, picture: str, bits: bytes, title: str | None) -> None:
        """Remembers a picture as taken down, by its file's name, fingerprint and title: it is not to come back."""
        with as_os_error(self._folder / ITEMS_FILE):
            self._items.execute("INSERT OR REPLACE INTO removed VALUES (?, ?, ?)", (picture, bits, title))

    def keypoints(self) -> Floats:
        """What was put in so far, N×17×3, mapped from the disk."""
        self._flush()
        if not self._flushed:
            return np.zeros((0, 17, 3), np.float32)
        file, start = self._folder / KEYPOINTS_FILE, len(_npy_header(0))
        return np.asarray(np.memmap(file, np.float32, "r", start, (self._flushed, 17, 3)))

    def items(self) -> Iterator[Item]:
        """What was put in so far, in its order; put no more in on the way."""
        self._flush()
        for row in self._items.execute(f"SELECT number, {', '.join(ITEM_COLUMNS)} FROM item ORDER BY number"):
            yield item_from_row(self._folder, row)

    def write_page(self, name: str, html: str) -> None:
        """Puts a page for people to read into the library, under one of the names in `PAGES`."""
        if name not in PAGES:
            raise ValueError(f"{name!r} is none of {', '.join(PAGES)}")
        self._pages.add(name)
        (self._folder / name).write_text(html, encoding="utf-8")

    def finish(self, models: Sequence[tuple[str, str]] = (), progress: ProgressCallback | None = None) -> Manifest:
        """Builds the indexes, brings all to the disk and puts it in the old library's place; what it says of itself.

        Raises LibraryError when nobody was put in of whom enough is seen, OSError when the disk is full.
        """
        if self._stored:
            self._write_credits()
        self._close_tables()
        count, indexed = shards.write_indexes(self._folder, len(self), shard_size=self._shard, progress=progress)
        if not indexed:
            raise LibraryError(
                f"No library was written to {printable(self.out)}: of {len(self)} people, nobody shows "
                f"{shards.MIN_KEYPOINTS} key points."
            )
        files = checksums(self._folder, [*mapped_files(count), *self._pages])
        manifest = Manifest(len(self), indexed, len(self._stored), count, shards.TREES_PER_INDEX, tuple(models), files)
        (self._folder / MANIFEST_FILE).write_bytes(manifest.encode())
        swap.sync_to_disk(self._folder)
        swap.swap_library(self._folder, self.out)
        return manifest

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def _flush(self) -> None:
        """Brings what was put in to the disk."""
        if not self._points:
            return
        points = np.stack(self._points)
        self._keypoints.write(points.tobytes())
        self._keypoints.flush()
        boxes, start = _boxes(points).tolist(), self._flushed
        rows = [
            (start + i, *row[:3], *box, *row[3:]) for i, (row, box) in enumerate(zip(self._rows, boxes, strict=True))
        ]
        with as_os_error(self._folder / ITEMS_FILE):
            self._items.executemany(f"INSERT INTO item VALUES (?{', ?' * len(ITEM_COLUMNS)})", rows)
        self._flushed += len(points)
        self._points.clear()
        self._rows.clear()

    def _write_credits(self) -> None:
        self._pages.add(CREDITS_FILE)
        with (self._folder / CREDITS_FILE).open("w", encoding="utf-8") as page:
            page.writelines(credits.render_credits(self.items()))

    def _close_tables(self) -> None:
        """Makes the files of key points and items such as are read."""
        self._flush()
        self._keypoints.close()
        with (self._folder / KEYPOINTS_FILE).open("r+b") as file:
            file.write(_npy_header(self._flushed))
        with as_os_error(self._folder / ITEMS_FILE):
            self._items.commit()
            self._items.close()

    def _prepare_picture(self, item: NewItem) -> tuple[EncodedPicture | StoredPicture | None, tuple[int, int]]:
        """The picture as it is stored, and the size that the key points are given in."""
        if item.picture is None:
            return None, item.size or _fitting_size(item.keypoints)
        if isinstance(item.picture, (EncodedPicture, StoredPicture)):
            return item.picture, (item.picture.width, item.picture.height)
        if isinstance(item.picture, Path):
            loaded = pictures.load_picture(item.picture, self._long_side)
            return pictures.encode_picture(loaded.image, self._long_side), (loaded.width, loaded.height)
        height, width = item.picture.shape[:2]
        return pictures.encode_picture(item.picture, self._long_side), (width, height)


def _write_picture(picture: EncodedPicture | StoredPicture, file: Path) -> None:
    """Puts a picture's file into the library: linked where the file system can, else copied."""
    if isinstance(picture, EncodedPicture):
        file.write_bytes(picture.jpeg)
        return
    try:
        os.link(picture.file, file)
    except OSError:
        shutil.copyfile(picture.file, file)


def _create_tables(file: Path) -> sqlite3.Connection:
    """The tables of a new library, empty."""
    with as_os_error(file):
        tables = sqlite3.connect(file)
        # Nobody reads the file before it is whole, and then `settle` brings it to the disk.
        tables.execute("PRAGMA journal_mode = OFF")
        tables.execute("PRAGMA synchronous = OFF")
        tables.execute(f"CREATE TABLE item (number INTEGER PRIMARY KEY, {', '.join(ITEM_COLUMNS)})")
        tables.execute("CREATE TABLE fingerprint (picture TEXT PRIMARY KEY, bits BLOB NOT NULL) WITHOUT ROWID")
        tables.execute("CREATE TABLE removed (picture TEXT PRIMARY KEY, bits BLOB NOT NULL, title) WITHOUT ROWID")
    return tables


def _npy_header(count: int) -> bytes:
    """The head of an .npy file of `count` people's key points, always equally long."""
    head = io.BytesIO()
    layout = {"descr": "<f4", "fortran_order": False, "shape": (count, 17, 3)}
    np.lib.format.write_array_header_1_0(head, layout)
    return head.getvalue()


def _boxes(points: Floats) -> Floats:
    """Left, top, right, bottom around the points seen of N×17×3; zeros where none is."""
    there, xy = points[:, :, 2:] > 0, points[:, :, :2]
    boxes = np.hstack([np.where(there, xy, np.inf).min(1), np.where(there, xy, -np.inf).max(1)])
    return np.where(there.any(1), boxes, 0).astype(np.float32)


def _clean_keypoints(keypoints: Floats) -> Floats:
    """17×3 with zeros for what is not seen, and at most 1 for what is. Raises ValueError for no numbers."""
    points = np.array(keypoints, np.float32)
    if points.shape != (17, 3):
        raise ValueError(f"key points must be 17×3, not {'×'.join(map(str, points.shape))}")
    unseen = ~(points[:, 2] > 0)
    points[unseen] = 0
    if not (np.abs(points[:, :2]) < 1e6).all():
        raise ValueError("a key point that is seen has a coordinate that is no pixel")
    points[:, 2] = np.minimum(points[:, 2], 1)
    return points


def scale_keypoints(keypoints: Floats, x: float, y: float) -> Floats:
    """17×3 key points in their picture resized by `x` across and `y` down."""
    points = np.column_stack([(keypoints[:, :2] + 0.5) * (x, y) - 0.5, keypoints[:, 2]])
    return np.where(keypoints[:, 2:] > 0, points, 0).astype(np.float32)


def _fitting_size(keypoints: Floats) -> tuple[int, int]:
    """The smallest picture that the key points seen fit into."""
    seen = keypoints[keypoints[:, 2] > 0, :2]
    right, bottom = seen.max(0) if len(seen) else (0, 0)
    return max(1, int(right) + 1), max(1, int(bottom) + 1)
