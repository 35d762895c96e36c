"""What is kept of Open Images' tables: a SQLite file of the photos with people in them, whatever the rules are.

What is kept of a block of a table is committed together with the position after it. So a killed program loses one block
at most, and keeps nothing twice. Images are named by 64 bits, which are kept as an integer.
"""

from __future__ import annotations

import logging
import os
import re
import sqlite3
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from index.build import database
from index.build.photo import SourceError
from index.collect.rows import START, Position
from index.sqlite_errors import as_os_error
from models import files
from models.text import printable

VERSION: Final = 1
"""Version of the tables. A file of another version is not used."""

DATABASE: Final = "open-images.sqlite"
"""The database's file name."""

IMAGE_NAME: Final = re.compile(r"[0-9a-f]{16}")
"""What names an image: `int` takes more, such as a sign, with which the number would not fit into SQLite."""

ID_OFFSET: Final = 1 << 63
"""Subtracted from an image's number, as SQLite's integers have a sign."""

CACHE_KIB: Final = 65_536
"""Memory for SQLite's pages, in which the boxes and labels of each photo are looked up."""

SCHEMA: Final = """
CREATE TABLE progress (
    source INTEGER PRIMARY KEY, name TEXT UNIQUE, offset INTEGER, width INTEGER, validator TEXT, done INTEGER
);
CREATE TABLE names (number INTEGER PRIMARY KEY, label TEXT UNIQUE, name TEXT, source INTEGER);
CREATE TABLE people (image INTEGER, boxes BLOB, source INTEGER);
CREATE TABLE marks (image INTEGER, numbers BLOB, source INTEGER);
CREATE TABLE photos (
    number INTEGER PRIMARY KEY, image INTEGER, split TEXT, title TEXT, author TEXT, author_url TEXT, licence TEXT,
    page TEXT, rotation INTEGER, source INTEGER
);
CREATE TABLE chosen (number INTEGER PRIMARY KEY, photo INTEGER, collection TEXT);
CREATE TABLE choice (rules TEXT);
"""
"""The tables. `marks` has the numbers of labels, and of relations such as "at Table"; `photos` has what to credit."""

log = logging.getLogger(__name__)


class StoredPhoto(NamedTuple):
    """A photo as the tables have it. `image` is its number, and `page` the URL where it was published."""

    image: int
    split: str
    title: str
    author: str
    author_url: str
    licence: str
    page: str
    rotation: int

    @property
    def name(self) -> str:
        """The image's name in Open Images: sixteen hexadecimal digits."""
        return image_name(self.image)


class Store:
    """The kept part of the tables, for one process at a time; a context manager."""

    def __init__(self, folder: Path) -> None:
        """Open the store in a folder, which is made if needed; start an empty one if it is damaged.

        Raises SourceError if another process is using it, OSError if the disk is full.
        """
        self.file = folder / DATABASE
        try:
            self._lock = files.lock_folder(folder)
        except BlockingIOError as error:
            raise SourceError(f"Another command is using {printable(folder)}: wait for it, or stop it.") from error
        try:
            self._database = _open(self.file)
            self._database.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        except BaseException:
            os.close(self._lock)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with as_os_error(self.file):
                self._database.close()
        finally:
            os.close(self._lock)

    def position(self, table: str) -> Position | None:
        """Return where to go on in a table; None if all of it was read."""
        with as_os_error(self.file):
            row = self._database.execute(
                "SELECT offset, width, validator, done FROM progress WHERE name = ?", (table,)
            ).fetchone()
        if row is None:
            return START
        return None if row[3] else Position(*row[:3])

    def start(self, table: str) -> int:
        """Return the number of a table whose rows will be added."""
        with as_os_error(self.file):
            self._database.execute("INSERT OR IGNORE INTO progress VALUES (NULL, ?, 0, 0, NULL, 0)", (table,))
            ((source,),) = self._database.execute("SELECT source FROM progress WHERE name = ?", (table,))
        return int(source)

    def add_names(self, source: int, names: Iterable[tuple[str, str]]) -> None:
        """Add labels with their display names; the first name of a label counts."""
        self._add("INSERT OR IGNORE INTO names VALUES (NULL, ?, ?, ?)", ((*row, source) for row in names))

    def add_people(self, source: int, boxes: Iterable[tuple[int, bytes]]) -> None:
        """Add images with packed boxes of people; an image may come again with others."""
        self._add("INSERT INTO people VALUES (?, ?, ?)", ((image, data, source) for image, data in boxes))

    def add_marks(self, source: int, marks: Mapping[int, Sequence[int]]) -> None:
        """Add numbers of labels and relations by image."""
        packed = ((image, array("I", numbers).tobytes(), source) for image, numbers in marks.items())
        self._add("INSERT INTO marks VALUES (?, ?, ?)", packed)

    def add_photos(self, source: int, photos: Iterable[StoredPhoto]) -> None:
        """Add what to credit."""
        self._add("INSERT INTO photos VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)", ((*photo, source) for photo in photos))

    def commit(self, source: int, after: Position, *, is_done: bool = False) -> None:
        """Keep what was added, together with the position after it."""
        query = "UPDATE progress SET offset = ?, width = ?, validator = ?, done = ? WHERE source = ?"
        with as_os_error(self.file):
            self._database.execute(query, (*after, is_done, source))
            self._database.commit()

    def roll_back(self) -> None:
        """Forget what was added since the last commit."""
        with as_os_error(self.file):
            self._database.rollback()

    def forget(self, source: int) -> None:
        """Remove what came from a table, to read it from its beginning."""
        self.roll_back()
        with as_os_error(self.file):
            for table in ("names", "people", "marks", "photos"):
                self._database.execute(f"DELETE FROM {table} WHERE source = ?", (source,))
        self.commit(source, START)

    def labels(self) -> dict[str, int]:
        """Return the numbers of all labels and relations."""
        with as_os_error(self.file):
            return dict(self._database.execute("SELECT label, number FROM names"))

    def names(self) -> list[tuple[int, str]]:
        """Return the numbers and display names of all labels and relations."""
        with as_os_error(self.file):
            return self._database.execute("SELECT number, name FROM names ORDER BY number").fetchall()

    def images(self, source: int) -> set[str]:
        """Return the names of the images with people, of one table of boxes."""
        with as_os_error(self.file):
            rows = self._database.execute("SELECT image FROM people WHERE source = ?", (source,))
            return {image_name(image) for (image,) in rows}

    def count_photos(self) -> int:
        """Return how many photos there are."""
        with as_os_error(self.file):
            ((count,),) = self._database.execute("SELECT count(*) FROM photos")
        return int(count)

    def photos(self) -> Iterator[tuple[int, StoredPhoto, bytes, array[int]]]:
        """Yield each photo: its number, what to credit, its people's packed boxes, and its marks."""
        with as_os_error(self.file):
            for table in ("people", "marks"):
                self._database.execute(f"CREATE INDEX IF NOT EXISTS {table}_of_image ON {table} (image)")
            self._database.commit()
            photos = self._database.execute(
                f"SELECT number, {', '.join(StoredPhoto._fields)} FROM photos ORDER BY number"
            )
            for number, *values in photos:
                photo = StoredPhoto(*values)
                boxes = self._blobs("SELECT boxes FROM people WHERE image = ?", photo.image)
                yield (
                    number,
                    photo,
                    boxes,
                    array("I", self._blobs("SELECT numbers FROM marks WHERE image = ?", photo.image)),
                )

    def chosen_by(self) -> str | None:
        """Return what the present choice was made by; None if there is none."""
        with as_os_error(self.file):
            row = self._database.execute("SELECT rules FROM choice").fetchone()
        return None if row is None else str(row[0])

    def choose(self, rules: str, photos: Iterable[tuple[int, str | None]]) -> None:
        """Replace the choice: numbers of photos in their order, with their collections; `rules` says what made it."""
        with as_os_error(self.file):
            self._database.execute("DELETE FROM chosen")
            self._database.execute("DELETE FROM choice")
            self._database.executemany(
                "INSERT INTO chosen VALUES (?, ?, ?)", ((n, *row) for n, row in enumerate(photos))
            )
            self._database.execute("INSERT INTO choice VALUES (?)", (rules,))
            self._database.commit()

    def count_chosen(self) -> int:
        """Return how many photos were chosen."""
        with as_os_error(self.file):
            ((count,),) = self._database.execute("SELECT count(*) FROM chosen")
        return int(count)

    def chosen(self, start: int, count: int) -> list[tuple[StoredPhoto, str | None]]:
        """Return some chosen photos from number `start` on, in their order, with their collections."""
        columns = ", ".join(f"photos.{name}" for name in StoredPhoto._fields)
        query = (
            f"SELECT {columns}, chosen.collection FROM chosen JOIN photos ON photos.number = chosen.photo "
            "WHERE chosen.number BETWEEN ? AND ? ORDER BY chosen.number"
        )
        with as_os_error(self.file):
            rows = self._database.execute(query, (start, start + count - 1))
            return [(StoredPhoto(*values), collection) for *values, collection in rows]

    def _add(self, query: str, rows: Iterable[Sequence[object]]) -> None:
        with as_os_error(self.file):
            self._database.executemany(query, rows)

    def _blobs(self, query: str, image: int) -> bytes:
        return b"".join(blob for (blob,) in self._database.execute(query, (image,)))


def image_number(name: str) -> int:
    """Return the number of an image from its name. Raises ValueError for a text that is not such a name."""
    if IMAGE_NAME.fullmatch(name) is None:
        raise ValueError(f"not the name of an image: {name:.20}")
    return int(name, 16) - ID_OFFSET


def image_name(number: int) -> str:
    """Return the name of an image from its number."""
    return f"{number + ID_OFFSET:016x}"


def _open(file: Path) -> sqlite3.Connection:
    """Open the file, or an empty one if it is missing or damaged. Raises OSError."""
    try:
        return database.open_tables(file, SCHEMA, VERSION)
    except database.UnusableError as error:
        log.warning("%s cannot be used (%s): the tables are read again.", printable(file), error)
    for name in (file, *(file.with_name(f"{file.name}{suffix}") for suffix in ("-wal", "-shm", "-journal"))):
        name.unlink(missing_ok=True)
    return database.open_tables(file, SCHEMA, VERSION)
