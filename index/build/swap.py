"""Swapping libraries: a new library replaces the old one in one step, so a power cut leaves one of them whole."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
from pathlib import Path
from typing import Final

from index.errors import LibraryError
from index.library import backup_folder
from index.manifest import ITEMS_FILE, LIBRARY_ENTRY_PATTERN, PICTURE_NAME_PATTERN, PICTURES_FOLDER, listed_files
from models.text import printable

AT_FDCWD: Final = -100
"""Stands for the working folder, to which paths are relative (fcntl.h)."""

RENAME_EXCHANGE: Final = 2
"""The flag of renameat2(2) that exchanges two names."""


def check_replaceable(out: Path) -> None:
    """Check that `out` is missing, empty or a library, so that a mistyped command deletes no photos.

    A folder is a library if it has a library's manifest, of any version, or without one only a library's other files.
    Raises LibraryError.
    """
    if not os.path.lexists(out):
        return
    if not out.is_dir():
        raise LibraryError(f"{printable(out)} is a file: name a folder for the library.")
    names, listed = set(os.listdir(out)), listed_files(out)
    strays = {name for name in names if not LIBRARY_ENTRY_PATTERN.fullmatch(name)} - (listed or set())
    if (out / PICTURES_FOLDER).is_dir():
        strays |= {
            f"{PICTURES_FOLDER}/{name}"
            for name in os.listdir(out / PICTURES_FOLDER)
            if not PICTURE_NAME_PATTERN.fullmatch(name)
        }
    # Files such as manifest.json or report.html alone prove nothing: other programs use these names too.
    has_library_files = any(name == ITEMS_FILE or name.endswith(".annoy") for name in names)
    if names and listed is None and (strays or not has_library_files):
        raise LibraryError(
            f"{printable(out)} holds {printable(min(strays or names))}, so it is not a library and is not replaced: "
            "name a new folder."
        )
    if strays:
        raise LibraryError(
            f"{printable(out)} is a library but also holds {printable(min(strays))}, which would be lost: "
            "move it elsewhere."
        )


def lock_folder(folder: Path) -> int:
    """Create or empty a folder and lock it for this process. Returns the descriptor that holds the lock.

    A killed build leaves files behind but no lock, so its files are removed. Raises LibraryError when another process
    holds the lock.
    """
    folder.mkdir(exist_ok=True)
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for entry in folder.iterdir():
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    except BlockingIOError as error:
        os.close(lock)
        raise LibraryError(f"Another build is writing {printable(folder)}: wait for it or stop it.") from error
    except BaseException:
        os.close(lock)
        raise
    return lock


def sync_to_disk(folder: Path) -> None:
    """Write all files of a folder to the disk. Raises OSError when the disk fails."""
    os.sync()  # writes everything at once; then fsync is quick, and reports errors
    for directory, _, names in os.walk(folder):
        for name in [*names, "."]:
            _fsync(Path(directory) / name)


def swap_library(new: Path, out: Path) -> None:
    """Replace the library at `out` by the new one in one step.

    Linux can exchange two names at once on its own file systems. On others (FAT, some network file systems) the old
    library is renamed first. A power cut between the two renames leaves it there, where `current_folder` finds it.
    """
    old = new
    if not os.path.lexists(out):
        os.rename(new, out)
    elif not _exchange(new, out):
        old = backup_folder(out)
        os.rename(out, old)
        os.rename(new, out)
    _fsync(out.parent)
    shutil.rmtree(old, ignore_errors=True)


def _exchange(first: Path, second: Path) -> bool:
    """Exchange the names of two folders (renameat2(2) with RENAME_EXCHANGE); False where that is not supported."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    if renameat2(AT_FDCWD, os.fsencode(first), AT_FDCWD, os.fsencode(second), RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EXDEV):
        return False
    raise OSError(code, os.strerror(code), str(second))


def recover_interrupted_swap(out: Path) -> None:
    """Complete or undo a swap by two renames that a power cut interrupted."""
    if backup_folder(out).is_dir():
        if out.exists():
            shutil.rmtree(backup_folder(out), ignore_errors=True)
        else:
            os.rename(backup_folder(out), out)


def _fsync(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
