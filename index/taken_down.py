"""What was taken down from a library, read before another library replaces it.

A person must not have to ask twice. So the list is read as long as anything of it can be, even if other files of the
library are damaged, or the library is of a version that the program does not open.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from index import manifest as manifests
from index.barred import KINDS, NOTHING_BARRED, Barred, BarredEntry
from index.checksum import Checksum
from index.errors import LibraryError, as_library_error, unreadable, without_remedy
from index.fingerprint import FINGERPRINT_BYTES
from index.manifest import ITEMS_FILE, PICTURE_NAME_PATTERN
from index.places import current_folder, descriptor_path, is_replaced, open_folder
from index.tables import check_structure, open_plain_tables
from models.text import printable

REMOVED_QUERY: Final = "SELECT picture, bits, title FROM removed ORDER BY picture"

BARRED_QUERY: Final = "SELECT kind, text FROM barred ORDER BY kind, text"

REMEDY: Final = "look through the new library, and take them down again with `pose-mirror index remove`"
"""What to do about a list that is lost, as the end of a sentence."""

Decoded = TypeVar("Decoded")

log = logging.getLogger(__name__)


class RemovedPicture(NamedTuple):
    """A picture that was taken down: its file name, its fingerprint and its title."""

    picture: str
    fingerprint: bytes
    title: str | None


class TakenDown(NamedTuple):
    """What stays out of a library: the pictures that were taken down, and what is barred with them."""

    pictures: list[RemovedPicture]
    barred: Barred


def read_taken_down(out: Path) -> TakenDown:
    """Return what was taken down from the library at `out`, before it is replaced; nothing if it cannot be read.

    A warning says so if anything may be missing.
    """
    current = current_folder(out)
    if not os.path.exists(current) or (os.access(current, os.R_OK) and not os.listdir(current)):
        return TakenDown([], NOTHING_BARRED)
    try:
        taken_down, fault = _read_current(out)
    except LibraryError as error:
        log.warning(
            "%s The list of what was taken down from it is lost, so such pictures may come back: %s.",
            without_remedy(error, out),
            REMEDY,
        )
        return TakenDown([], NOTHING_BARRED)
    if fault is not None:
        log.warning(
            "%s What can be read of the list of what was taken down from it is kept, but other such pictures may come "
            "back: %s.",
            without_remedy(fault, out),
            REMEDY,
        )
    return taken_down


def read_removed_pictures(out: Path) -> list[RemovedPicture]:
    """Return the pictures of `read_taken_down`."""
    return read_taken_down(out).pictures


def read_barred(out: Path) -> Barred:
    """Return what `read_taken_down` says is barred."""
    return read_taken_down(out).barred


def _read_current(out: Path) -> tuple[TakenDown, LibraryError | None]:
    """Return the list of the library at `out`, and the fault of its tables if there is one. Raises LibraryError."""
    while True:
        try:
            descriptor = open_folder(out)
        except OSError as error:
            raise unreadable(out, error, out) from error
        try:
            taken_down, fault = _read(descriptor_path(descriptor), out)
            if fault is None or not is_replaced(out, descriptor):
                return taken_down, fault
        except LibraryError:
            if not is_replaced(out, descriptor):
                raise
        finally:
            os.close(descriptor)
        # The library was replaced, and its files were deleted, while they were read: read the new one.


def _read(path: Path, folder: Path) -> tuple[TakenDown, LibraryError | None]:
    """Return the list of the library at `path`, called `folder` in messages, and the fault of its tables.

    Raises LibraryError if nothing can be read.
    """
    file, faults = folder / ITEMS_FILE, list[str]()
    manifests.regular_file_size(path / ITEMS_FILE, file, folder)
    try:
        listed = manifests.read_manifest(path, folder).files[ITEMS_FILE]
    except LibraryError:
        listed = None
    fault = None if listed is None else _compare(path, folder, listed)
    with as_library_error(file, folder), closing(open_plain_tables(path / ITEMS_FILE)) as tables:
        tables.text_factory = lambda text: text.decode(errors="replace")  # a damaged title is no obstacle
        if listed is None or fault is not None:
            check_structure(tables)
        names = {name for (name,) in tables.execute("SELECT name FROM main.sqlite_master")}
        if "item" not in names:
            raise ValueError("no table of items")
        # a library of an earlier version may lack either
        removed = list(_rows(tables, REMOVED_QUERY, _removed, faults)) if "removed" in names else []
        entries = list(_rows(tables, BARRED_QUERY, _barred, faults)) if "barred" in names else []
    if faults and fault is None:
        fault = LibraryError(f"{printable(file)} is damaged ({printable(faults[0]):.200}).")
    return TakenDown(removed, Barred(tuple(entries))), fault


def _compare(path: Path, folder: Path, listed: Checksum) -> LibraryError | None:
    """Return how the file of tables differs from what the manifest says of it; None if it does not."""
    try:
        manifests.verify_files(path, folder, {ITEMS_FILE: listed})
    except LibraryError as error:
        return error
    return None


def _rows(
    tables: sqlite3.Connection, query: str, decode: Callable[..., Decoded], faults: list[str]
) -> Iterator[Decoded]:
    """Yield what the rows of a query say, as far as they can be read, and add to `faults` what cannot be."""
    try:
        for row in tables.execute(query):
            try:
                yield decode(*row)
            except ValueError as error:
                faults.append(str(error))
    except sqlite3.Error as error:
        faults.append(str(error))


def _removed(picture: object, fingerprint: object, title: object) -> RemovedPicture:
    """Return the picture of a row. Raises ValueError if it says nothing."""
    is_name = isinstance(picture, str) and PICTURE_NAME_PATTERN.fullmatch(picture)
    if not is_name or not isinstance(fingerprint, bytes) or len(fingerprint) != FINGERPRINT_BYTES:
        raise ValueError(f"an invalid row: {picture!r:.80}")
    return RemovedPicture(str(picture), fingerprint, title if isinstance(title, str) else None)


def _barred(kind: object, text: object) -> BarredEntry:
    """Return the entry of a row. Raises ValueError if it says nothing."""
    for known in KINDS:
        if kind == known and isinstance(text, str):
            return BarredEntry(known, text)
    raise ValueError(f"an invalid row: {text!r:.80}")
