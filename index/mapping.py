"""Mapping a library's files, and reading them into memory where a file system cannot map.

Some network disks (9p, sshfs or SMB without a cache) refuse mmap(2). Annoy does not notice, and crashes.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


def load_array(file: Path) -> npt.NDArray[Any]:
    """Return the array in an .npy file, read-only: mapped, or where that is not possible, in memory.

    Raises whatever NumPy does for another file.
    """
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except OSError:
        array = np.load(file, allow_pickle=False)
    if not isinstance(array, np.ndarray):
        array.close()  # NumPy returns a zip file open
        raise ValueError("a zip file, not an array")
    array.flags.writeable = False
    return array


def load_rows(file: Path, offset: int, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Return float32 numbers of a file that begin at `offset`, read-only: mapped, or in memory. Raises OSError."""
    try:
        rows: npt.NDArray[np.float32] = np.memmap(file, np.float32, "r", offset, shape)
    except OSError:
        rows = np.fromfile(file, np.float32, int(np.prod(shape)), offset=offset).reshape(shape)
        rows.flags.writeable = False
    return np.asarray(rows)


@contextlib.contextmanager
def mappable(file: Path) -> Iterator[str]:
    """Yield a path to a file's content that Annoy can map: the file's own, or that of a copy in memory.

    Raises OSError if there is not enough memory either.
    """
    with file.open("rb") as opened:
        if _can_map(opened.fileno(), mmap.PROT_READ):
            yield str(file)
            return
        with _memory_file() as memory:
            with open(_path_of(memory), "wb") as copy:
                shutil.copyfileobj(opened, copy, 1 << 20)
            mmap.mmap(memory, 0, mmap.MAP_SHARED, mmap.PROT_READ).close()  # raises what Annoy would not notice
            yield _path_of(memory)


@contextlib.contextmanager
def mappable_for_writing(file: Path) -> Iterator[str]:
    """Yield an ASCII path at which Annoy can write a file that it maps: in the file's folder, or in memory.

    What is written in memory is copied to the file at the end. Raises OSError.
    """
    file.write_bytes(bytes(mmap.PAGESIZE))  # Annoy would create it for this user only
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with file.open("r+b") as opened:
            can_map = _can_map(opened.fileno(), mmap.PROT_READ | mmap.PROT_WRITE)
        if can_map:
            yield f"{_path_of(folder)}/{file.name}"
            return
        with _memory_file() as memory:
            yield _path_of(memory)
            with open(_path_of(memory), "rb") as content, file.open("wb") as opened:
                shutil.copyfileobj(content, opened, 1 << 20)
    finally:
        os.close(folder)


def _can_map(descriptor: int, protection: int) -> bool:
    try:
        if protection & mmap.PROT_WRITE:
            os.ftruncate(descriptor, 2 * mmap.PAGESIZE)  # Annoy lets the file grow
        mmap.mmap(descriptor, 0, mmap.MAP_SHARED, protection).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def _memory_file() -> Iterator[int]:
    """Yield the descriptor of an empty file in memory."""
    descriptor = os.memfd_create("index")
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _path_of(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"
