"""Puts a new library in the old one's place: at no moment, power cuts among them, is there none or half of one."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
from pathlib import Path

from index.errors import LibraryError
from index.library import backup_folder
from index.manifest import ITEMS_FILE, LIBRARY_ENTRY_PATTERN, PICTURE_NAME_PATTERN, PICTURES_FOLDER, listed_files
from models.text import printable


def check_replaceable(out: Path) -> None:
    """Only a library or an empty folder gives way: nobody's photos are lost by a slip in the command.

    A library is what has a manifest, of whatever version, or where that is damaged the rest. Raises LibraryError.
    """
    if not os.path.lexists(out):
        return
    if not out.is_dir():
        raise LibraryError(f"{printable(out)} is a file: name a folder for the library.")
    names, claimed = set(os.listdir(out)), listed_files(out)
    strays = {name for name in names if not LIBRARY_ENTRY_PATTERN.fullmatch(name)} - (claimed or set())
    if (out / PICTURES_FOLDER).is_dir():
        strays |= {
            f"{PICTURES_FOLDER}/{name}"
            for name in os.listdir(out / PICTURES_FOLDER)
            if not PICTURE_NAME_PATTERN.fullmatch(name)
        }
    if (
        names
        and claimed is None
        and (strays or not any(name == ITEMS_FILE or name.endswith(".annoy") for name in names))
    ):
        raise LibraryError(
            f"{printable(out)} holds {printable(min(strays or names))}, so it is no library and is not replaced: "
            "name a new folder."
        )
    if strays:
        raise LibraryError(
            f"{printable(out)} holds {printable(min(strays))} beside a library, which would be lost: move it elsewhere."
        )


def lock_folder(folder: Path) -> int:
    """An empty folder locked for this process, and the descriptor that locks it. Raises LibraryError when it is taken.

    What a build that was killed has left there is removed: its lock went with it.
    """
    folder.mkdir(exist_ok=True)
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for left in folder.iterdir():
            shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
    except BlockingIOError as error:
        os.close(lock)
        raise LibraryError(f"Another build is writing {printable(folder)}: wait for it, or stop it.") from error
    except BaseException:
        os.close(lock)
        raise
    return lock


def sync_to_disk(folder: Path) -> None:
    """Brings all to the disk: everything at once, then each file, which is quick by then and tells of errors."""
    os.sync()
    for place, _, names in os.walk(folder):
        for name in [*names, "."]:
            _fsync(Path(place) / name)


def swap_library(new: Path, out: Path) -> None:
    """Puts the new library in the old one's place by one rename, so that at no moment there is none.

    Linux exchanges two names at once on its own file systems. Where it cannot (FAT, some network file systems) the
    old one is set aside first; a power cut between the two renames leaves it there, where `whereabouts` finds it.
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


def _exchange(one: Path, other: Path) -> bool:
    """Lets two folders change names (renameat2(2) with RENAME_EXCHANGE); False where that is not known."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    at_working_folder, exchange = -100, 2
    if renameat2(at_working_folder, os.fsencode(one), at_working_folder, os.fsencode(other), exchange) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EXDEV):
        return False
    raise OSError(code, os.strerror(code), str(other))


def recover_interrupted_swap(out: Path) -> None:
    """Clears up after a power cut in the midst of a swap by two renames."""
    if backup_folder(out).is_dir():
        if out.exists():
            shutil.rmtree(backup_folder(out), ignore_errors=True)
        else:
            os.rename(backup_folder(out), out)


def _fsync(name: Path) -> None:
    descriptor = os.open(name, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
