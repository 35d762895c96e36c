"""Write a library next to the old one, sync it to the disk, then swap it in."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np

from index import mapping, pictures
from index.barred import Barred
from index.build import credits, database, indexes, swap
from index.build.photo import Credit, NewPicture, NewPose
from index.checksum import checksums
from index.errors import LibraryError
from index.library import Item, RemovedPicture, item_from_row
from index.manifest import (
    CREDITS_FILE,
    ITEMS_FILE,
    KEYPOINTS_FILE,
    MANIFEST_FILE,
    PAGES,
    PICTURES_FOLDER,
    Manifest,
    mapped_files,
)
from index.sqlite_errors import as_os_error
from index.tables import ITEM_COLUMNS, TABLES
from models import files
from models.pose import Floats
from models.progress import ProgressCallback
from models.signals import hold_stop_signals
from models.text import printable

BATCH_SIZE: Final = 4096
"""Items that are written together: enough to be quick, and few enough to need little memory."""


class LibraryWriter:
    """A library in the making, in a hidden folder next to `out`; a context manager that removes an unfinished library.

    Until `finish` the old library at `out` stays as it is. Items go to the disk in batches, so that a library may be
    larger than the memory.
    """

    def __init__(self, out: Path, *, shard_size: int = indexes.SHARD_SIZE) -> None:
        """Start a library in which every `shard_size` items share a set of indexes.

        Raises LibraryError if `out` holds something other than a library, or if another build is writing it.
        """
        self.out = Path(os.path.realpath(out))  # a link to a library stays: what it points to is replaced
        self._shard_size = shard_size
        self._keypoints: list[Floats] = []
        self._rows: list[tuple[Any, ...]] = []
        self._flushed = 0
        self._picture_names: set[str] = set()
        self._pages: set[str] = set()
        swap.check_replaceable(self.out)
        self._folder = building_folder(self.out)
        with contextlib.ExitStack() as stack:
            with hold_stop_signals():  # none comes between the folder and what removes it
                stack.callback(os.close, swap.lock_folder(self._folder))
                stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
            swap.empty_folder(self._folder)
            swap.recover_interrupted_swap(self.out)
            (self._folder / PICTURES_FOLDER).mkdir()
            self._keypoints_file = stack.enter_context((self._folder / KEYPOINTS_FILE).open("wb"))
            self._keypoints_file.write(_npy_header(0))
            self._tables = stack.enter_context(contextlib.closing(_create_tables(self._folder / ITEMS_FILE)))
            self._open = stack.pop_all()

    def __len__(self) -> int:
        return self._flushed + len(self._keypoints)

    @property
    def picture_count(self) -> int:
        """How many pictures have been added."""
        return len(self._picture_names)

    def add(self, picture: NewPicture) -> None:
        """Add a picture with the people in it, each as an item. Raises OSError, or ValueError for invalid key points.

        A picture may be added again with other people; its file is stored once.
        """
        people = [_clean_keypoints(person) for person in picture.people]
        if picture.name not in self._picture_names:
            _write_picture(picture.content, self._folder / PICTURES_FOLDER / picture.name)
            with as_os_error(self._folder / ITEMS_FILE):
                self._tables.execute("INSERT INTO fingerprint VALUES (?, ?)", (picture.name, picture.fingerprint))
            self._picture_names.add(picture.name)
        for person in people:
            self._add_item(person, picture.name, (picture.width, picture.height), picture.credit)

    def add_pose(self, pose: NewPose) -> None:
        """Add a person without a picture. Raises OSError, or ValueError for invalid key points."""
        keypoints = _clean_keypoints(pose.keypoints)
        self._add_item(keypoints, None, pose.size or _fitting_size(keypoints), pose.credit)

    def add_removed(self, removed: RemovedPicture) -> None:
        """Record a picture that was taken down, so that no later build brings it back."""
        with as_os_error(self._folder / ITEMS_FILE):
            self._tables.execute("INSERT OR REPLACE INTO removed VALUES (?, ?, ?)", removed)

    def add_barred(self, barred: Barred) -> None:
        """Record authors and URLs whose pictures stay out of the library."""
        with as_os_error(self._folder / ITEMS_FILE):
            self._tables.executemany("INSERT OR REPLACE INTO barred VALUES (?, ?)", barred.entries)

    def keypoints(self) -> Floats:
        """Return the key points of all items so far, N×17×3, mapped from the disk."""
        self._flush()
        if not self._flushed:
            return np.zeros((0, 17, 3), np.float32)
        return mapping.load_rows(self._folder / KEYPOINTS_FILE, len(_npy_header(0)), (self._flushed, 17, 3))

    def items(self) -> Iterator[Item]:
        """Yield all items so far, in their order. Add none while it yields."""
        self._flush()
        for row in self._tables.execute(f"SELECT number, {', '.join(ITEM_COLUMNS)} FROM item ORDER BY number"):
            yield item_from_row(self._folder, row)

    def write_page(self, name: str, html: str) -> None:
        """Add a page for people to read, under one of the names in `PAGES`."""
        if name not in PAGES:
            raise ValueError(f"{name!r} is not one of {', '.join(PAGES)}")
        self._pages.add(name)
        (self._folder / name).write_text(html, encoding="utf-8")

    def finish(self, models: Sequence[tuple[str, str]] = (), progress: ProgressCallback | None = None) -> Manifest:
        """Build the indexes, sync all files to the disk, swap the library in, and return its manifest.

        `models` are the name and sha256 of each model that found key points. Raises LibraryError if no item shows
        enough key points, OSError if the disk is full.
        """
        if self._picture_names:
            self._write_credits()
        self._close_tables()
        shard_count, indexed = indexes.write_indexes(
            self._folder, len(self), shard_size=self._shard_size, progress=progress
        )
        if not indexed:
            raise LibraryError(f"No library was written to {printable(self.out)}: {self._explain_unindexed()}.")
        files = checksums(self._folder, [*mapped_files(shard_count), *self._pages])
        picture_count, trees = len(self._picture_names), indexes.TREES_PER_INDEX
        manifest = Manifest(len(self), indexed, picture_count, shard_count, trees, tuple(models), files)
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

    def _add_item(self, keypoints: Floats, picture: str | None, size: tuple[int, int], credit: Credit) -> None:
        texts = (None if text is None else pictures.clean_text(text) for text in credit)
        self._rows.append((picture, *size, *texts))
        self._keypoints.append(keypoints)
        if len(self._keypoints) >= BATCH_SIZE:
            self._flush()

    def _flush(self) -> None:
        """Write the items that are still in memory."""
        if not self._keypoints:
            return
        keypoints = np.stack(self._keypoints)
        self._keypoints_file.write(keypoints.tobytes())
        self._keypoints_file.flush()
        boxes, start = _boxes(keypoints).tolist(), self._flushed
        rows = [
            (start + i, *row[:3], *box, *row[3:]) for i, (row, box) in enumerate(zip(self._rows, boxes, strict=True))
        ]
        with as_os_error(self._folder / ITEMS_FILE):
            self._tables.executemany(f"INSERT INTO item VALUES (?{', ?' * len(ITEM_COLUMNS)})", rows)
        self._flushed += len(keypoints)
        self._keypoints.clear()
        self._rows.clear()

    def _explain_unindexed(self) -> str:
        """Return why no item is in an index, as the end of a sentence."""
        if len(self) == 1:
            return f"its only person does not show at least {indexes.MIN_KEYPOINTS_TO_INDEX} key points"
        return f"none of the {len(self):,} people shows at least {indexes.MIN_KEYPOINTS_TO_INDEX} key points"

    def _write_credits(self) -> None:
        self._pages.add(CREDITS_FILE)
        with (self._folder / CREDITS_FILE).open("w", encoding="utf-8") as page:
            page.writelines(credits.render_credits(self.items()))

    def _close_tables(self) -> None:
        """Complete the files of key points and items."""
        self._flush()
        self._keypoints_file.close()
        with (self._folder / KEYPOINTS_FILE).open("r+b") as file:
            file.write(_npy_header(self._flushed))
        with as_os_error(self._folder / ITEMS_FILE):
            self._tables.commit()
            self._tables.close()


def count_unfinished(out: Path) -> int:
    """Return how many pictures are in the library that a process of this machine is writing for `out`."""
    try:
        return len(os.listdir(building_folder(Path(os.path.realpath(out))) / PICTURES_FOLDER))
    except OSError:
        return 0


def building_folder(out: Path) -> Path:
    """Return the hidden folder in which the library for `out` is written, and whose lock keeps out other builds."""
    return out.parent / f".{out.name}.building{files.own_name(out)}"


def _write_picture(content: bytes | Path, file: Path) -> None:
    """Write a JPEG, or link it to the file that holds it; copy that file where the file system cannot link."""
    if isinstance(content, bytes):
        file.write_bytes(content)
        return
    try:
        os.link(content, file)
    except OSError:
        if not file.exists():  # NFS may have linked it, and lost its first answer
            shutil.copyfile(content, file)


def _create_tables(file: Path) -> sqlite3.Connection:
    """Create the empty tables of a new library."""
    with as_os_error(file):
        tables = database.connect(file)
        # Nobody reads the file before it is complete, and then `sync_to_disk` takes care of it.
        tables.execute("PRAGMA journal_mode = OFF")
        tables.execute("PRAGMA synchronous = OFF")
        for table in TABLES:
            tables.execute(f"CREATE TABLE {table}")
    return tables


def _npy_header(count: int) -> bytes:
    """Return the header of an .npy file of `count` people's key points. Its length is always the same."""
    header = io.BytesIO()
    layout = {"descr": "<f4", "fortran_order": False, "shape": (count, 17, 3)}
    np.lib.format.write_array_header_1_0(header, layout)
    return header.getvalue()


def _boxes(points: Floats) -> Floats:
    """Return left, top, right, bottom around each person's seen points, N×17×3 → N×4; zeros where none is seen."""
    seen, xy = points[:, :, 2:] > 0, points[:, :, :2]
    boxes = np.hstack([np.where(seen, xy, np.inf).min(1), np.where(seen, xy, -np.inf).max(1)])
    return np.where(seen.any(1), boxes, 0).astype(np.float32)


def _clean_keypoints(keypoints: Floats) -> Floats:
    """Return 17×3 key points with zeros where unseen and scores of at most 1.

    Raises ValueError for another shape, or for a seen point whose coordinates cannot be pixels.
    """
    points = np.array(keypoints, np.float32)
    if points.shape != (17, 3):
        raise ValueError(f"key points must be 17×3, not {'×'.join(map(str, points.shape))}")
    unseen = ~(points[:, 2] > 0)
    points[unseen] = 0
    if not (np.abs(points[:, :2]) < 1e6).all():
        raise ValueError("a key point that is seen has a coordinate that cannot be a pixel")
    points[:, 2] = np.minimum(points[:, 2], 1)
    return points


def _fitting_size(keypoints: Floats) -> tuple[int, int]:
    """Return width and height of the smallest picture that the seen key points fit into."""
    seen = keypoints[keypoints[:, 2] > 0, :2]
    right, bottom = seen.max(0) if len(seen) else (0, 0)
    return max(1, int(right) + 1), max(1, int(bottom) + 1)
