"""Open SQLite files that only one process uses, on any disk."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Final
from urllib.parse import quote

from index.sqlite_errors import os_error
from models import files
from models.text import printable

FILE_ERRORS: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_READONLY)
"""Errors of SQLite that another file would not have, while others are those of the disk."""


class UnusableError(Exception):
    """Tables that are damaged, or of another version; the message says why."""


def connect(file: Path) -> sqlite3.Connection:
    """Open or create a SQLite file that this process alone uses: SQLite asks the file system for no lock.

    The caller holds a lock of its own, and many network disks have none. Where a file system cannot sync, SQLite does
    not ask for that either. Raises OSError or sqlite3.Error.
    """
    database = sqlite3.connect(f"file:{quote(os.fsencode(file.absolute()))}?vfs=unix-none", uri=True)
    try:
        database.execute("PRAGMA locking_mode = EXCLUSIVE")  # needs no shared memory, which network disks lack
        with file.open("rb") as opened:
            can_sync = files.sync_file(opened.fileno())
        if not can_sync:
            database.execute("PRAGMA synchronous = OFF")
    except BaseException:
        database.close()
        raise
    return database


def open_tables(file: Path, schema: str, version: int) -> sqlite3.Connection:
    """Open tables that survive a killed process and a power cut, or make them by the statements of `schema`.

    A power cut may cost the last commits, and nothing else. The caller holds a lock, as for `connect`. Raises
    UnusableError, or OSError if the disk is full or fails.
    """
    if file.is_dir():
        raise UnusableError("it is a folder")
    try:
        tables = connect(file)
        try:
            _prepare(tables, schema, version)
        except BaseException:
            tables.close()
            raise
        return tables
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in FILE_ERRORS:
            raise UnusableError(printable(str(error))) from error
        raise os_error(error, file) from error


def _prepare(tables: sqlite3.Connection, schema: str, version: int) -> None:
    """Make the tables if there are none, and check them otherwise. Raises UnusableError or sqlite3.Error."""
    tables.execute("PRAGMA journal_mode = WAL")
    ((synchronous,),) = tables.execute("PRAGMA synchronous").fetchall()
    if synchronous:  # the disk can sync
        tables.execute("PRAGMA synchronous = NORMAL")
    ((found,),) = tables.execute("PRAGMA user_version").fetchall()
    ((count,),) = tables.execute("SELECT count(*) FROM sqlite_master").fetchall()
    if not count:
        tables.executescript(f"BEGIN; {schema} PRAGMA user_version = {version}; COMMIT;")
    elif found != version:
        raise UnusableError(f"it has version {found}, and this program needs {version}")
    elif (problem := tables.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        raise UnusableError(printable(problem))
