"""SQLite's errors as OSError: SQLite has errors of its own for a disk that is full or fails."""

from __future__ import annotations

import contextlib
import errno
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from models.text import printable


@contextlib.contextmanager
def as_os_error(path: Path) -> Iterator[None]:
    """Turn errors of SQLite at `path` into OSError."""
    try:
        yield
    except sqlite3.Error as error:
        raise os_error(error, path) from error


def os_error(error: sqlite3.Error, path: Path) -> OSError:
    """Return the OSError that corresponds to an error of SQLite: a full disk, or an input/output error."""
    is_full = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
    return OSError(errno.ENOSPC if is_full else errno.EIO, str(error), printable(path))
