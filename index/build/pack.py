"""Pack a library into one file, to carry it to another machine or to put it on a web server.

The file is an uncompressed POSIX tar, because pictures are compressed already: the manifest first, then the other files
by name. The same library always gives the same bytes.
"""

from __future__ import annotations

import hashlib
import math
import os
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from index.checksum import Checksum
from index.errors import LibraryError, as_library_error, remedy
from index.library import Library, current_folder
from index.manifest import MANIFEST_FILE, PICTURES_FOLDER, regular_file_size
from models import files
from models.progress import ProgressCallback
from models.text import printable

SUFFIX: Final = ".tar"
"""The end of a packed library's name."""

SUM_SUFFIX: Final = ".sha256"
"""What the name of the file with a packed library's checksum ends with, after the packed library's own."""

COPY_BYTES: Final = 1 << 20
"""Bytes to copy at a time."""


def pack(folder: Path, file: Path, progress: ProgressCallback | None = None) -> Checksum:
    """Pack the library in `folder` into `file`; write its sha256 next to it, as sha256sum(1) would; return both.

    Every file is compared with its checksum on the way. `progress` counts files. Whatever stops it leaves an older
    `file` as it was. Raises LibraryError if the library is missing or damaged, or if `file` cannot be written or is
    something else.
    """
    _check_target(folder, file)
    with Library.open(folder, progress) as library:
        try:
            with _open_draft(file) as (draft, path):
                output = _HashedOutput(draft)
                _write(library, output, file, progress)
                draft.flush()
                files.sync_file(draft.fileno())
                _publish(path, file, output.checksum.sha256)
                return output.checksum
        except LibraryError as error:
            if library.is_replaced:
                raise LibraryError(
                    f"{printable(folder)} was built again in the meantime, so nothing was packed: try again."
                ) from error
            raise
        except OSError as error:
            raise LibraryError(
                f"{printable(file)} cannot be written ({files.explain(error, file) or error.strerror})."
            ) from error


def is_packed_library(file: Path) -> bool:
    """Return whether a file begins as a packed library does. Raises OSError."""
    with file.open("rb") as opened:
        try:
            return tarfile.TarInfo.frombuf(opened.read(tarfile.BLOCKSIZE), "ascii", "strict").name == MANIFEST_FILE
        except (tarfile.HeaderError, UnicodeError):
            return False


def _check_target(folder: Path, file: Path) -> None:
    """Check that a file may be written or replaced, so that a mistyped command deletes nothing. Raises LibraryError."""
    if file.suffix.lower() != SUFFIX:
        raise LibraryError(
            f"{printable(file)} does not end in {SUFFIX}: name a file such as {printable(file)}{SUFFIX}."
        )
    if Path(os.path.realpath(folder)) in Path(os.path.realpath(file)).parents:
        raise LibraryError(f"{printable(file)} is inside the library: name a file next to it.")
    if file.is_dir():
        raise LibraryError(f"{printable(file)} is a folder: name a file.")
    if os.path.lexists(file) and not (file.is_file() and is_packed_library(file)):
        raise LibraryError(f"{printable(file)} is not a packed library, and is not replaced: name another file.")


@contextmanager
def _open_draft(file: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """Open the hidden file next to `file` that is to take its place; remove it if it does not.

    Raises LibraryError if another process is writing it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    path = file.with_name(f".{file.name}.part")
    try:
        descriptor = files.open_locked(path)
    except BlockingIOError as error:
        raise LibraryError(f"Another process is writing {printable(file)}: wait for it or stop it.") from error
    with os.fdopen(descriptor, "wb") as draft:
        try:
            draft.truncate()
            yield draft, path
        except BaseException:
            if files.is_open_as(path, descriptor):  # and is not that of another process yet
                path.unlink(missing_ok=True)
            raise


def _publish(path: Path, file: Path, sha256: str) -> None:
    """Give a complete draft its name. A sum that is there belongs to the file, or there is none."""
    sums = file.with_name(file.name + SUM_SUFFIX)
    sums.unlink(missing_ok=True)
    files.replace(path, file)
    draft = sums.with_name(f".{sums.name}.part")
    draft.write_bytes(_sum_line(sha256, file.name))
    files.replace(draft, sums)
    files.sync_folder(file.parent)


def _sum_line(sha256: str, name: str) -> bytes:
    """Return a line as sha256sum(1) writes it; it marks names that it has to escape."""
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    mark = "" if escaped == name else "\\"
    return os.fsencode(f"{mark}{sha256}  {escaped}\n")


def _write(library: Library, output: _HashedOutput, file: Path, progress: ProgressCallback | None) -> None:
    """Write all files of a library as a tar. Raises LibraryError if one is damaged, or if there is no room."""
    folder = current_folder(library.folder)
    content = (folder / MANIFEST_FILE).read_bytes()
    if library.is_replaced:
        raise LibraryError("the manifest is that of another library")  # `pack` says so
    entries = list(_entries(library, folder))
    _check_room(file, sum(entry.size + tarfile.BLOCKSIZE for entry in entries))
    _write_entry(output, MANIFEST_FILE, len(content), [content])
    for number, entry in enumerate(entries, 1):
        sha256 = _write_entry(output, entry.name, entry.size, _read_blocks(entry, library.folder))
        if sha256 != entry.sha256:
            damaged = printable(library.folder / entry.name)
            raise LibraryError(f"{damaged} is damaged, as its sha256 is another one: {remedy(library.folder)}.")
        if progress is not None:
            progress(number, len(entries), "Packing")
    end = output.size + 2 * tarfile.BLOCKSIZE
    output.write(bytes(2 * tarfile.BLOCKSIZE + -end % tarfile.RECORDSIZE))


def _write_entry(output: _HashedOutput, name: str, size: int, blocks: Iterable[bytes]) -> str:
    """Write a file of `size` bytes into a tar, and return its sha256. Raises LibraryError if it is too large."""
    header = tarfile.TarInfo(name)  # its time and owner are 0: nothing of this machine, its users and its clock
    header.size, header.mode = size, 0o644
    try:
        output.write(header.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict"))
    except ValueError as error:
        raise LibraryError(f"{name} has {size / 1e9:.1f} GB, and a tar holds files of less than 8.6 GB.") from error
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block)
        output.write(block)
    output.write(bytes(-size % tarfile.BLOCKSIZE))
    return digest.hexdigest()  # another one for a file that has become shorter


class _Entry(NamedTuple):
    """A file to pack: its name in the library, where it is, its size in bytes and the sha256 that it should have."""

    name: str
    path: Path
    size: int
    sha256: str


def _entries(library: Library, folder: Path) -> Iterator[_Entry]:
    """Yield the files of the library in `folder` but the manifest, always in the same order. Raises LibraryError."""
    for name, checksum in sorted(library.manifest.files.items()):
        size = regular_file_size(folder / name, library.folder / name, library.folder)
        yield _Entry(name, folder / name, size, checksum.sha256)
    for picture in library.picture_names():
        path, name = library.picture_file(picture, check=False), f"{PICTURES_FOLDER}/{picture}"
        yield _Entry(name, path, path.stat().st_size, Path(picture).stem)


def _read_blocks(entry: _Entry, folder: Path) -> Iterator[bytes]:
    """Yield the content of a file of the library in `folder`, no more than its size. Raises LibraryError."""
    left = entry.size
    with as_library_error(folder / entry.name, folder), entry.path.open("rb") as opened:
        while block := opened.read(min(left, COPY_BYTES)):
            yield block
            left -= len(block)


def _check_room(file: Path, size: int) -> None:
    free = files.free_bytes(file.parent)
    if free is not None and size > free:
        raise LibraryError(
            f"{printable(file)} takes {megabytes(size)}, and its disk has {free // 100_000 / 10:,.1f} MB left: free "
            "some, or name a file on another disk."
        )


def megabytes(size: int) -> str:
    """Return a size as text, rounded up, so that it is never too small for what it is of."""
    return f"{math.ceil(size / 1e5) / 10:,.1f} MB"


class _HashedOutput:
    """A file to write to, with the size and checksum of what was written."""

    def __init__(self, opened: BinaryIO) -> None:
        self._opened = opened
        self._digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> None:
        """Write bytes."""
        self._digest.update(data)
        self._opened.write(data)
        self.size += len(data)

    @property
    def checksum(self) -> Checksum:
        """The size and the sha256 so far."""
        return Checksum(self.size, self._digest.hexdigest())
