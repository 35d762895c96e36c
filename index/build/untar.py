"""Read a tar that may hold anything, and raise an error that names it for whatever no packed library has."""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from index.build.pack import COPY_BYTES
from index.errors import LibraryError
from models.text import printable

REMEDY: Final = "get it again, or ask who packed it"
"""What to do about a file that cannot be used, as the end of a sentence."""


class PackedLibraryError(LibraryError):
    """A file is not a packed library, or a damaged one."""


class Entry(NamedTuple):
    """A file in a tar: its name and its size in bytes."""

    name: str
    size: int


class Tar:
    """A tar file that may hold anything; a context manager.

    tarfile would read links, sparse files and extended headers of any size, none of which a packed library has.
    """

    def __init__(self, file: Path, name: str) -> None:
        """Open a file, which messages call `name`. Raises PackedLibraryError if it is not a regular file."""
        self.name = name
        with self._as_reading_error():
            if not file.is_file():
                raise PackedLibraryError(f"{name} is not a file: name one that `pose-mirror index pack` wrote.")
            self._opened = file.open("rb")
        self._left = os.fstat(self._opened.fileno()).st_size

    def next_entry(self) -> Entry | None:
        """Return the next file; None at the end. Raises PackedLibraryError for anything else."""
        block = self._read(tarfile.BLOCKSIZE)
        if not any(block):
            if self._left > tarfile.RECORDSIZE or any(self._read(self._left)):
                raise self.error("something follows its end")
            return None
        try:
            header = tarfile.TarInfo.frombuf(block, "ascii", "strict")
        except (tarfile.HeaderError, UnicodeError, ValueError) as error:
            raise self.error("it is not a tar, or a damaged one") from error
        if header.type != tarfile.REGTYPE:
            raise self.error(f"{printable(header.name)} is not a regular file")
        if not 0 <= header.size <= self._left:
            raise self.error("it ends too early")
        return Entry(header.name, header.size)

    def copy(self, entry: Entry, target: Path) -> str:
        """Copy the content of the entry that was read last to a new file, and return its sha256 in hexadecimal."""
        digest, left = hashlib.sha256(), entry.size
        with target.open("xb") as output:
            while left:
                block = self._read(min(left, COPY_BYTES))
                digest.update(block)
                output.write(block)
                left -= len(block)
        self._read(-entry.size % tarfile.BLOCKSIZE)
        return digest.hexdigest()

    def error(self, reason: str) -> PackedLibraryError:
        """Return the error of a file that is wrong for this reason."""
        return PackedLibraryError(f"{self.name} cannot be used ({reason}): {REMEDY}.")

    def close(self) -> None:
        """Close the file."""
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, size: int) -> bytes:
        with self._as_reading_error():
            data = self._opened.read(size)
        if len(data) < size:
            raise self.error("it ends too early")
        self._left -= size
        return data

    @contextmanager
    def _as_reading_error(self) -> Iterator[None]:
        """Turn an error of the disk into one that names this file: whatever else fails, it is on the other side."""
        try:
            yield
        except OSError as error:
            raise LibraryError(f"{self.name} cannot be read ({error.strerror}).") from error
