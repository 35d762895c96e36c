"""LibraryError, the error of a library that cannot be used, and how other errors become one."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from models.text import printable


class LibraryError(ValueError):
    """A library is missing, damaged or of another version: one sentence that says what was found, and the remedy."""


class LibraryBusyError(LibraryError):
    """Another process is writing the library, and will be done with it."""


def remedy(folder: Path) -> str:
    """Return what to do about a library that cannot be used, as the end of a sentence."""
    return f"build it again with `pose-mirror index build SOURCE... --out {printable(folder)}`"


@contextlib.contextmanager
def as_library_error(file: Path, folder: Path) -> Iterator[None]:
    """Turn errors while `file` of the library in `folder` is read into a LibraryError.

    A manifest can vouch for a damaged file, and then NumPy, SQLite and Pillow raise errors of many kinds.
    """
    try:
        yield
    except LibraryError:
        raise
    except (OSError, ValueError, TypeError, EOFError, SyntaxError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())
        raise LibraryError(f"{printable(file)} cannot be used ({printable(reason):.200}): {remedy(folder)}.") from error
