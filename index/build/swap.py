"""Swapping libraries: a new library replaces the old one in one step, so a power cut leaves one of them whole."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import time
from pathlib import Path
from typing import Final

from index.errors import LibraryBusyError, LibraryError
from index.library import backup_folder
from index.manifest import ITEMS_FILE, LIBRARY_ENTRY_PATTERN, PICTURE_NAME_PATTERN, PICTURES_FOLDER, listed_files
from models import files
from models.text import printable

FAT_PICTURES: Final = 9_362
"""Pictures that a folder on FAT may hold: it has 65,536 entries, and a name of 68 characters takes seven."""


def check_replaceable(out: Path) -> None:
    """Check that `out` is missing, empty or a library, so that a mistyped command deletes no photos.

    A folder is a library if it has a library's manifest, of any version, or without one only a library's other files.
    Raises LibraryError.
    """
    if not os.path.lexists(out):
        return
    if not out.is_dir():
        raise LibraryError(f"{printable(out)} is a file: name a folder for the library.")
    if os.path.ismount(out):
        raise LibraryError(
            f"{printable(out)} is a whole disk, which no library can replace: name a folder on it, such as "
            f"{printable(out / 'library')}."
        )
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


def check_picture_count(out: Path, count: int) -> None:
    """Check that the disk of a library can hold `count` pictures in one folder. Raises LibraryError."""
    existing = next(folder for folder in out.absolute().parents if folder.exists())
    if count > FAT_PICTURES and files.is_fat(existing):
        raise LibraryError(
            f"{printable(out)} is on a disk with FAT, which holds {FAT_PICTURES:,} pictures at most, and there are "
            f"{count:,}: name a folder on a disk with exFAT or ext4."
        )


def lock_folder(folder: Path) -> int:
    """Create a folder if needed and lock it for this process. Returns the descriptor that holds the lock.

    Raises LibraryBusyError when another process holds the lock.
    """
    try:
        return files.lock_folder(folder)
    except BlockingIOError as error:
        raise LibraryBusyError(f"Another build is writing {printable(folder)}: wait for it or stop it.") from error


def empty_folder(folder: Path) -> None:
    """Remove what is in a folder, such as the files of a build that was killed. Raises OSError."""
    for entry in folder.iterdir():
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()


def sync_to_disk(folder: Path) -> None:
    """Write all files of a folder to the disk. Raises OSError when the disk fails."""
    files.sync_disk(folder)
    for directory, _, names in os.walk(folder):
        for name in names:
            descriptor = os.open(Path(directory) / name, os.O_RDONLY)
            try:
                files.sync_file(descriptor)
            finally:
                os.close(descriptor)
        files.sync_folder(Path(directory))


def swap_library(new: Path, out: Path) -> None:
    """Replace the library at `out` by the new one in one step.

    Linux can exchange two names at once on its own file systems. On others (FAT, network file systems) the old library
    is renamed first. A power cut between the two renames leaves it there, where `current_folder` finds it. Raises
    OSError, and then the old library is where it was.
    """
    old = new
    if not os.path.lexists(out):
        files.rename(new, out)
    elif not files.exchange(new, out):
        old = backup_folder(out)
        files.rename(out, old)
        try:
            files.rename(new, out)
        except OSError:
            with contextlib.suppress(OSError):
                files.rename(old, out)
            raise
    files.sync_folder(out.parent)
    if old == new:
        shutil.rmtree(old, ignore_errors=True)
    else:
        _discard(old)


def recover_interrupted_swap(out: Path) -> None:
    """Complete or undo a swap by two renames that a power cut interrupted.

    A network disk keeps the files of an old library that a mirror has open, and so its folder. It is removed here, by
    the next build.
    """
    backup = backup_folder(out)
    for former in out.parent.glob(f"{glob.escape(backup.name)}-*"):
        shutil.rmtree(former, ignore_errors=True)
    if not backup.is_dir():
        return
    if not out.exists():
        files.rename(backup, out)
        return
    _discard(backup)


def _discard(backup: Path) -> None:
    """Remove a backup that is no longer needed, under a name that nobody takes for a library while it is incomplete."""
    rubbish = backup.with_name(f"{backup.name}-{time.time_ns()}")
    with contextlib.suppress(OSError):
        files.rename(backup, rubbish)
        backup = rubbish
    shutil.rmtree(backup, ignore_errors=True)
