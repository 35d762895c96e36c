"""LibraryError, and how other errors become one."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from models.text import printable


class LibraryError(ValueError):
    """A library that is missing, damaged or of another version: one sentence with what was found and the remedy."""


def remedy(folder: Path) -> str:
    """What to do about a library that cannot be used; ends a sentence."""
    return f"build it again with `pose-mirror index build SOURCE... --out {printable(folder)}`"


@contextlib.contextmanager
def as_library_error(file: Path, folder: Path) -> Iterator[None]:
    """Whatever a library that lies makes of a file becomes one sentence."""
    try:
        yield
    except LibraryError:
        raise
    except (OSError, ValueError, TypeError, EOFError, SyntaxError, sqlite3.Error) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())
        raise LibraryError(f"{printable(file)} cannot be used ({printable(said):.200}): {remedy(folder)}.") from error
