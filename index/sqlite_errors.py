"""SQLite's errors as OSError."""

from __future__ import annotations

import contextlib
import errno
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from models.text import printable


@contextlib.contextmanager
def as_os_error(place: Path) -> Iterator[None]:
    """SQLite has errors of its own for a disk that is full or fails, which become OSError."""
    try:
        yield
    except sqlite3.Error as error:
        raise os_error(error, place) from error


def os_error(error: sqlite3.Error, place: Path) -> OSError:
    """What the system would have said where SQLite says `error`."""
    full = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
    return OSError(errno.ENOSPC if full else errno.EIO, str(error), printable(place))
