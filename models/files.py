"""Files on every kind of disk: what the program asks of a file system, and what it does where one cannot do it.

Network file systems (NFS, SMB, sshfs) and a stick's FAT or exFAT lack locks, hard links, syncing, modes, or renames
that replace. Decision 45 lists what the program does without each. Times of files are compared with each other only:
the clock of a server may be years away.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import hashlib
import itertools
import os
import re
import shutil
import socket
from pathlib import Path
from typing import Final

from models.text import printable

CANNOT_SYNC: Final = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF)
"""Errors of fsync(2) that say that a file system cannot do it. All others may mean that data are lost."""

AT_FDCWD: Final = -100
"""Stands for the working folder, to which paths are relative (fcntl.h)."""

RENAME_NOREPLACE: Final = 1
"""The flag of renameat2(2) that refuses a name which is taken."""

RENAME_EXCHANGE: Final = 2
"""The flag of renameat2(2) that exchanges two names."""

LOCK_ATTEMPTS: Final = 20
"""How often a folder may have gone when it is locked: another process has just removed it, hardly ever twice."""

REPLACE_ATTEMPTS: Final = 4
"""How often to try to replace a file: another process may be about to replace it, too."""

NUMBERED_NAMES: Final = 10_000
"""Names to try for one file: with so many taken, something else is wrong."""

MOUNTS: Final = Path("/proc/self/mountinfo")
"""The kernel's list of mounted disks (proc_pid_mountinfo(5))."""

FAT_NAMES: Final = re.compile(r'[\x00-\x1f:?*"<>|\\]|[. ]$|^(?:con|nul|aux|prn|com\d|lpt\d)(?:\.|$)', re.IGNORECASE)
"""Finds what FAT, exFAT and Windows do not take as a name, although Linux's own file systems do."""


def sync_file(descriptor: int) -> bool:
    """Write an open file to the disk; return False where the file system cannot. Raises OSError if it fails."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in CANNOT_SYNC:
            raise
        return False
    return True


def sync_folder(folder: Path) -> None:
    """Write a folder's names to the disk, so that they survive a power cut.

    Many file systems cannot, and the files are complete anyway, so an error is ignored.
    """
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sync_disk(folder: Path) -> None:
    """Write everything on a folder's disk at once; then `sync_file` is quick. sync(2) would wait for all disks."""
    with contextlib.suppress(OSError, AttributeError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            ctypes.CDLL(None).syncfs(descriptor)
        finally:
            os.close(descriptor)


def try_lock(descriptor: int) -> bool:
    """Lock an open file for this process until it is closed; return False where the file system has no locks.

    NFS locks only what is open for writing. Raises BlockingIOError if another process holds the lock.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return False
    return True


def lock_folder(folder: Path) -> int:
    """Create a folder if needed and lock it for this process; return the descriptor that holds the lock.

    Where there are no locks, a socket named after the folder takes their place. Either excludes this machine's other
    processes only, so folders on network disks have names of their own for each machine: see `own_name`. Raises
    BlockingIOError if another process holds the lock.
    """
    for _ in range(LOCK_ATTEMPTS):
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, descriptor)
            if not try_lock(descriptor):
                return _lock_by_socket(folder)
            if is_open_as(folder, descriptor):
                stack.pop_all()
                return descriptor
        # the process that held the lock has just removed this folder
    return _lock_by_socket(folder)  # such a file system numbers its folders anew each time


def open_locked(file: Path) -> int:
    """Open or create a file and lock it for this process; return the descriptor, which holds the lock.

    Where there are no locks, nothing excludes a second process. Raises BlockingIOError if another process holds the
    lock.
    """
    for attempts_left in reversed(range(LOCK_ATTEMPTS)):
        with contextlib.ExitStack() as stack:
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            stack.callback(os.close, descriptor)
            # such a file system may also number its files anew each time
            if not try_lock(descriptor) or not attempts_left or is_open_as(file, descriptor):
                stack.pop_all()
                return descriptor
        # the process that held the lock has just renamed or removed this file
    raise AssertionError


def is_open_as(path: Path, descriptor: int) -> bool:
    """Return whether a descriptor is that of the file or folder of this name."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def own_name(folder: Path) -> str:
    """Return what to add to the name of a folder next to `folder` that only this machine may use.

    Nothing on a disk of this machine, which has a device number. On a network disk, a number for the machine, because
    two mirrors may have their homes there, and locks of folders do not reach other machines.
    """
    existing = next(parent for parent in folder.parents if parent.exists())
    if os.major(existing.stat().st_dev):
        return ""
    cards = sorted(card for card in Path("/sys/class/net").glob("*/address") if (card.parent / "device").exists())
    addresses = b"".join(card.read_bytes() for card in cards)
    return f"-{hashlib.sha256(socket.gethostname().encode() + addresses).hexdigest()[:8]}"


def rename(file: Path, target: Path) -> None:
    """Rename a file or folder to a name that is free. Raises OSError.

    A network disk may report an error after it has renamed, because its first answer was lost.
    """
    before = os.stat(file)
    try:
        os.rename(file, target)
    except OSError:
        if not _has_moved(file, target, before):
            raise


def replace(file: Path, target: Path) -> None:
    """Rename a file to a name that may be taken, also where renaming cannot replace. Raises OSError.

    There the old file is renamed first, and gets its name back if the new one cannot have it.
    """
    before, aside = os.stat(file), target.with_name(f"{file.name}.old")
    for attempts_left in reversed(range(REPLACE_ATTEMPTS)):
        try:
            os.replace(file, target)
            break
        except OSError:
            if _has_moved(file, target, before):
                break
            if not attempts_left:
                if os.path.lexists(aside):
                    aside.unlink() if os.path.lexists(target) else rename(aside, target)
                raise
        with contextlib.suppress(OSError):
            rename(target, aside)
    with contextlib.suppress(OSError):
        aside.unlink()


def exchange(first: Path, second: Path) -> bool:
    """Exchange the names of two folders in one step; return False where that is not possible."""
    with contextlib.suppress(OSError):
        _renameat2(first, second, RENAME_EXCHANGE)
        return True
    return False


def rename_to_free_name(file: Path, wanted: Path) -> Path:
    """Give a complete file the wanted name, or if that is taken, the name with the first free number; return it.

    Several processes and machines may do so at once, and no name is ever that of an incomplete file. Linux refuses a
    taken name in one step on its own file systems; NFS can link; where neither works, a hidden file that is created
    exclusively reserves the name. Raises OSError.
    """
    names = (wanted.with_stem(f"{wanted.stem}-{number}") for number in range(2, NUMBERED_NAMES))
    for path in itertools.chain([wanted], names):
        if not os.path.lexists(path) and _rename_if_free(file, path):
            return path
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(wanted))


def free_bytes(folder: Path) -> int | None:
    """Return how many bytes are free on a folder's disk; None if its file system does not know."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EOPNOTSUPP):
            return None
        raise
    return usage.free if usage.total else None


def is_fat(folder: Path) -> bool:
    """Return whether a folder is on a disk with FAT, whose folders and files may not grow as large as others."""
    device = folder.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    with contextlib.suppress(OSError):
        for line in MOUNTS.read_text(errors="surrogateescape").splitlines():
            mount, _, disk = line.partition(" - ")
            if mount.split()[2] == number:
                return disk.split()[0] in ("vfat", "msdos")
    return False


def explain(error: OSError, path: Path) -> str | None:
    """Return why a file or folder cannot be written, and perhaps the remedy; None if the error itself says it best."""
    match error.errno:
        case errno.EFBIG:
            return "a file would become too large for its disk (FAT: 4 GB): use a disk with exFAT or ext4"
        case errno.EINVAL | errno.EILSEQ | errno.ENOENT if any(map(_is_odd, path.parts)):
            return (
                'its disk does not take this name: give it one in UTF-8, without : ? * " < > | \\ or a dot at its end'
            )
        case errno.EEXIST | errno.ENOTDIR if (file := _file_above(path)) is not None:
            return f"{printable(file)} is a file, not a folder"
        case errno.ESTALE | errno.ENOTCONN | errno.ETIMEDOUT | errno.EHOSTDOWN | errno.EHOSTUNREACH:
            return f"its network disk does not answer ({error.strerror}): check the network, or mount it again"
        case _:
            return None


def _file_above(path: Path) -> Path | None:
    """Return what stands in the place of a folder above a path; None if nothing does."""
    return next((above for above in path.parents if os.path.lexists(above) and not os.path.isdir(above)), None)


def _is_odd(name: str) -> bool:
    """Return whether some disks do not take a name: FAT's rules, and text that is not UTF-8."""
    return bool(FAT_NAMES.search(name)) or not name.isprintable()


def _has_moved(file: Path, target: Path, before: os.stat_result) -> bool:
    """Return whether a file, whose status was `before`, is at `target` now, whatever an error says."""
    return not os.path.lexists(file) and target.exists() and os.path.samestat(before, os.stat(target))


def _lock_by_socket(folder: Path) -> int:
    """Lock a folder's name for this process by a socket that no file system has; return its descriptor.

    Its name is free again as soon as the process ends. Where even sockets are forbidden, nothing excludes a second
    process. Raises BlockingIOError if another process has the name.
    """
    name = hashlib.sha256(os.fsencode(os.path.realpath(folder))).hexdigest()
    try:
        with contextlib.ExitStack() as stack:
            lock = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC))
            lock.bind(f"\0pose-mirror-{name}")
            stack.pop_all()
            descriptor = lock.detach()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN), str(folder)) from error
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    folder.mkdir(exist_ok=True)  # the process that held the lock may have just removed it
    return descriptor


def _rename_if_free(file: Path, path: Path) -> bool:
    """Rename a file unless the name is taken, by the first means that works; return whether it was free."""
    for move in (_move_without_replacing, _move_by_link, _move_by_reservation):
        try:
            move(file, path)
            return True
        except OSError as error:
            if os.path.lexists(path):
                return not os.path.lexists(file)  # if it is gone, an answer of the network was lost
            if move is _move_by_reservation:
                if error.errno == errno.EEXIST:
                    return False  # another process is about to take this name
                raise
    return False


def _move_without_replacing(file: Path, path: Path) -> None:
    _renameat2(file, path, RENAME_NOREPLACE)


def _move_by_link(file: Path, path: Path) -> None:
    try:
        os.link(file, path)
    except FileExistsError:
        if not os.path.samefile(file, path):  # NFS may have linked it, and lost its first answer
            raise
    with contextlib.suppress(OSError):
        os.unlink(file)


def _move_by_reservation(file: Path, path: Path) -> None:
    """Rename a file while a hidden file, created exclusively and locked if possible, reserves the name."""
    reservation = file.with_name(f".{path.stem}{file.suffix}")
    with reservation.open("xb") as opened:
        try:
            try_lock(opened.fileno())
            if os.path.lexists(path):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
            rename(file, path)
        finally:
            with contextlib.suppress(OSError):
                reservation.unlink()


def _renameat2(first: Path, second: Path, flag: int) -> None:
    """Call renameat2(2), which Python lacks. Raises OSError."""
    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if function(AT_FDCWD, os.fsencode(first), AT_FDCWD, os.fsencode(second), flag):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(second))
