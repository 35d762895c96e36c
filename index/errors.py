"""LibraryError, the error of a library that cannot be used, and how other errors become one."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from models.home import home
from models.permissions import explain_refusal
from models.text import printable, shell_word


class LibraryError(ValueError):
    """A library is missing, damaged or of another version: one sentence that says what was found, and the remedy."""


class LibraryBusyError(LibraryError):
    """Another process is writing the library, and will be done with it."""


def remedy(folder: Path) -> str:
    """Return what to do about a library that cannot be used, as the end of a sentence.

    `index build` refuses to replace whatever is not a library, so there the remedy is another one.
    """
    # here, because what decides that imports this module
    from index.build.swap import check_replaceable
    from index.manifest import has_library_manifest

    command = "`pose-mirror index build {} --out {}`"
    name = shell_word(folder)
    try:
        check_replaceable(folder)
    except LibraryError as refusal:
        if not folder.is_dir():
            return "name a folder that `pose-mirror index build` made"
        if has_library_manifest(folder):
            return f"{str(refusal).rstrip('.')}, and build it again with {command.format('SOURCE...', name)}"
        other = shell_word(_place_beside(folder))
        return f"build a library from what is in it with {command.format(name, other)}"
    except OSError:  # a folder that may not be read
        return f"build it again with {command.format('SOURCE...', name)}"
    again = " again" if os.path.lexists(folder) and os.listdir(folder) else ""
    return f"build it{again} with {command.format('SOURCE...', name)}"


def _place_beside(folder: Path) -> Path:
    """Return where to build a library from the photos in a folder: next to it, or at home where that is not allowed."""
    whole = folder.absolute()
    is_allowed = os.access(whole.parent, os.W_OK) and not os.path.ismount(whole)
    return ((whole.parent if is_allowed else home()) or Path("/var/tmp")) / f"{whole.name or 'photo'}-library"


def without_remedy(error: LibraryError, folder: Path) -> str:
    """Return the sentence of an error about the library in `folder` without the advice, where another one follows."""
    return str(error).replace(f": {remedy(folder)}.", ".")


def unreadable(file: Path, error: OSError, folder: Path) -> LibraryError:
    """Return the error about a file or folder of the library in `folder` that the system does not let us read."""
    refusal = explain_refusal(file, folder) if error.errno in (errno.EACCES, errno.EPERM) else None
    if refusal is not None:
        return LibraryError(f"{printable(file)} {refusal}.")
    return LibraryError(f"{printable(file)} cannot be read ({error.strerror}): {remedy(folder)}.")


@contextlib.contextmanager
def as_library_error(file: Path, folder: Path) -> Iterator[None]:
    """Turn errors while `file` of the library in `folder` is read into a LibraryError.

    A manifest can vouch for a damaged file, and then NumPy, SQLite and Pillow raise errors of many kinds.
    """
    try:
        yield
    except LibraryError:
        raise
    except PermissionError as error:
        raise unreadable(file, error, folder) from error
    except (OSError, ValueError, TypeError, EOFError, SyntaxError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())
        raise LibraryError(f"{printable(file)} cannot be used ({printable(reason):.200}): {remedy(folder)}.") from error
