"""Archives: read the files in zip and tar archives without unpacking them.

A file in an archive has a path like a file in a folder, `holiday.zip/2019/a.jpg`, which leads to it in all of this
program. Nothing is written to disk, so nothing is left behind, and no name in an archive can lead out of it.
"""

from __future__ import annotations

import atexit
import bz2
import gzip
import io
import lzma
import os
import re
import stat
import tarfile
import threading
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Literal

SUFFIXES: Final = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tbz2", ".tar.xz", ".txz")
"""Endings of the names of archives that are read."""

OTHER_SUFFIXES: Final = (
    ".tar.zst",
    ".tzst",
    ".rar",
    ".7z",
    ".gz",
    ".bz2",
    ".xz",
    ".zst",
    ".lzh",
    ".cab",
    ".iso",
    ".dmg",
)
"""Endings of archives that cannot be read here."""

MAX_MEMBERS = 1_000_000
"""Files in one archive: more would fill the memory with their names."""

MAX_MEMBER_BYTES = 200_000_000
"""Maximum size of one file in bytes, as of other pictures. It also bounds what a wrong archive can fill memory with."""

MAX_EXPANSION, FREE_EXPANSION = 100, 1_000_000_000
"""A compressed tar archive may unpack to this many times its size, and that many bytes more. Pictures hardly shrink."""

MAX_OPEN: Final = 4
"""Archives that are kept open, because finding all the files in one takes time."""

JAPANESE: Final = re.compile("[\u3040-\u30ff\u4e00-\u9fff]{2}")
"""Two Japanese letters in a row: bytes that make them in Shift-JIS by chance seldom make two."""

COPY: Final = "copy it again from the original"
"""The remedy for most damage."""

ErrorKind = Literal["archive", "damaged", "too large", "cannot be read"]

UNPACK_ERRORS: Final = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, NotImplementedError,
    RuntimeError, ValueError, KeyError, IndexError, OverflowError,
)  # fmt: skip
"""What unpacking raises on archives that are damaged or made on purpose to do harm."""


_Stream = IO[bytes] | gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile


class ArchiveError(ValueError):
    """An archive or a file in it that cannot be read: a phrase that says why; `kind` sorts the reasons."""

    def __init__(self, kind: ErrorKind, problem: str) -> None:
        super().__init__(problem)
        self.kind: ErrorKind = kind


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive: its path there with slashes, its size in bytes, and how it is found in the archive."""

    name: str
    size: int
    entry: zipfile.ZipInfo | tarfile.TarInfo


def is_archive(file: Path) -> bool:
    """Return whether a file's name is that of an archive that is read."""
    return file.name.lower().endswith(SUFFIXES)


def is_other_archive(file: Path) -> bool:
    """Return whether a file's name is that of an archive that cannot be read here."""
    return file.name.lower().endswith(OTHER_SUFFIXES) and not is_archive(file)


def split(path: Path) -> tuple[Path, str] | None:
    """Return the archive that a path leads into, and the file's path in it; None for any other path."""
    for parent in path.parents:
        if is_archive(parent) and os.path.isfile(parent):
            return parent, path.relative_to(parent).as_posix()
    return None


def file_on_disk(path: Path) -> Path:
    """Return the archive that a path leads into, or else the path itself."""
    return (split(path) or (path,))[0]


def list_members(archive: Path) -> tuple[list[Member], list[tuple[str, ArchiveError]]]:
    """Return the files in an archive, and what cannot be used in it: names with reasons. Raises ArchiveError.

    Of several files with one name, the last one counts, as when they are unpacked.
    """
    with _lock:
        opened = _open(archive)
        return list(opened.members.values()), opened.problems


def read_member(archive: Path, name: str) -> bytes:
    """Return a file in an archive. Raises ArchiveError."""
    with _lock:
        opened = _open(archive)
        member = opened.members.get(name)
        if member is None:
            raise ArchiveError("cannot be read", "is not in the archive")
        return opened.read(member)


def list_folder(path: Path) -> tuple[list[str], list[str]] | None:
    """Return the names of the files and of the folders in a folder of an archive; None if it is none, or damaged."""
    archive, inside = (path, ".") if is_archive(path) and os.path.isfile(path) else split(path) or (None, "")
    if archive is None:
        return None
    start = [] if inside == "." else inside.split("/")
    files: list[str] = []
    folders: dict[str, None] = {}
    try:
        members, _ = list_members(archive)
    except ArchiveError:
        return None
    for member in members:
        parts = member.name.split("/")
        if parts[: len(start)] == start:
            if len(parts) == len(start) + 1:
                files.append(parts[-1])
            elif len(parts) > len(start):
                folders[parts[len(start)]] = None
    return (files, list(folders)) if files or folders else None


def is_member(path: Path) -> bool:
    """Return whether a path leads to a file in an archive."""
    place = split(path)
    if place is None:
        return False
    try:
        with _lock:
            return place[1] in _open(place[0]).members
    except ArchiveError:
        return False


class _Archive:
    """An open archive."""

    def __init__(self, file: Path) -> None:
        self.members: dict[str, Member] = {}
        self.problems: list[tuple[str, ArchiveError]] = []
        self._stack = ExitStack()
        self._open_member: Callable[[Member], IO[bytes] | None]
        try:
            raw = self._stack.enter_context(file.open("rb"))
            start = raw.read(8)
            if not start:
                raise ArchiveError("damaged", f"is empty: {COPY}")
            # A zip may have a program to unpack it before it. The end of a tar may be that of a zip in it.
            is_zip = start.startswith(b"PK") or (file.suffix.lower() == ".zip" and zipfile.is_zipfile(raw))
            raw.seek(0)
            entries = self._open_zip(raw) if is_zip else self._open_tar(raw, start)
            for member in entries:
                if len(self.members) >= MAX_MEMBERS:
                    raise ArchiveError("too large", f"holds more than {MAX_MEMBERS:,} files")
                self.members[member.name] = member
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._stack.close()

    def read(self, member: Member) -> bytes:
        """Return a file's bytes. Raises ArchiveError."""
        if member.size > MAX_MEMBER_BYTES:
            raise ArchiveError("too large", f"is too large (more than {MAX_MEMBER_BYTES // 1_000_000} MB)")
        try:
            opened = self._open_member(member)
            if opened is None:
                raise ArchiveError("cannot be read", "is not a regular file")
            with opened:
                return opened.read(MAX_MEMBER_BYTES)
        except ArchiveError:
            raise
        except MemoryError as error:
            raise ArchiveError("too large", "is too large for the memory there is") from error
        except NotImplementedError as error:
            raise ArchiveError("archive", "is compressed in a way that is not supported: unpack the archive") from error
        except UNPACK_ERRORS as error:
            raise ArchiveError("damaged", f"is damaged in its archive ({_one_line(error)}): {COPY}") from error

    def _open_zip(self, raw: IO[bytes]) -> Iterator[Member]:
        try:
            opened = self._stack.enter_context(zipfile.ZipFile(raw))
        except UNPACK_ERRORS as error:
            raise ArchiveError("damaged", f"is not a complete zip archive: {COPY}") from error
        self._open_member = lambda member: opened.open(member.entry)  # type: ignore[arg-type]
        for info in opened.infolist():
            name = self._path(_zip_name(info))
            if info.is_dir() or name is None or stat.S_ISLNK(info.external_attr >> 16):
                continue
            if info.flag_bits & 1:
                self.problems.append((name, ArchiveError("archive", "is encrypted: unpack it with its password")))
                continue
            yield Member(name, info.file_size, info)

    def _open_tar(self, raw: IO[bytes], start: bytes) -> Iterator[Member]:
        unpacked, limit = self._uncompress(raw, start)
        try:
            opened = self._stack.enter_context(tarfile.TarFile(fileobj=_Bounded(unpacked, limit)))
        except ArchiveError:
            raise
        except UNPACK_ERRORS as error:
            raise ArchiveError("damaged", f"is neither a zip nor a tar archive: {COPY}") from error
        self._open_member = lambda member: opened.extractfile(member.entry)  # type: ignore[arg-type]
        try:
            while (info := opened.next()) is not None:
                name = self._path(info.name)
                if info.isfile() and name is not None:
                    yield Member(name, info.size, info)
        except ArchiveError:
            raise
        except UNPACK_ERRORS as error:
            reason = f"is cut off or damaged ({_one_line(error)}): {COPY}"
            self.problems.append(("", ArchiveError("damaged", reason)))

    def _uncompress(self, raw: IO[bytes], start: bytes) -> tuple[_Stream, int | None]:
        """Return a tar archive without its compression, and how many bytes it may have."""
        limit = FREE_EXPANSION + MAX_EXPANSION * os.fstat(raw.fileno()).st_size
        if start.startswith(b"\x1f\x8b"):
            return self._stack.enter_context(gzip.GzipFile(fileobj=raw)), limit
        if start.startswith(b"BZh"):
            return self._stack.enter_context(bz2.BZ2File(raw)), limit
        if start.startswith(b"\xfd7zXZ"):
            return self._stack.enter_context(lzma.LZMAFile(raw)), limit
        return raw, None

    def _path(self, name: str) -> str | None:
        """Return a name in an archive as a path in it, and note one that leads out of it."""
        parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
        if ".." in parts:
            self.problems.append((name, ArchiveError("archive", "leads out of the archive")))
            return None
        return "/".join(parts) or None


class _Bounded(io.BufferedIOBase):
    """What is unpacked of a compressed archive, up to a limit; so are the single steps that tarfile reads it in."""

    def __init__(self, unpacked: _Stream, limit: int | None) -> None:
        self._unpacked, self._limit = unpacked, limit

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0 or size > MAX_MEMBER_BYTES:
            raise ArchiveError("too large", f"has a part of more than {MAX_MEMBER_BYTES // 1_000_000} MB")
        return self._unpacked.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if self._limit is not None and offset > self._limit:
            raise ArchiveError("too large", f"unpacks to more than {MAX_EXPANSION} times its size")
        return self._unpacked.seek(offset, whence)

    def tell(self) -> int:
        return self._unpacked.tell()

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True


def _zip_name(info: zipfile.ZipInfo) -> str:
    """Return a name in a zip archive in the encoding that it seems to have: many programs do not say which one."""
    if info.flag_bits & 0x800:  # it says UTF-8
        return info.filename
    try:
        data = info.filename.encode("cp437")
    except UnicodeEncodeError:  # zipfile has found the name in Unicode elsewhere
        return info.filename
    for encoding in ("utf-8", "cp932"):
        try:
            name = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding == "utf-8" or JAPANESE.search(name):
            return name
    return info.filename


_lock = threading.Lock()
_archives: OrderedDict[tuple[str, int, int, int], _Archive] = OrderedDict()


def _open(file: Path) -> _Archive:
    """Return an archive, opened before if it has not changed since. Raises ArchiveError."""
    try:
        status = os.stat(file)
        key = os.path.abspath(file), status.st_ino, status.st_size, status.st_mtime_ns
        if key not in _archives:
            _archives[key] = _Archive(file)
    except OSError as error:
        raise ArchiveError("cannot be read", f"cannot be read ({error.strerror})") from error
    _archives.move_to_end(key)
    while len(_archives) > MAX_OPEN:
        _archives.popitem(last=False)[1].close()
    return _archives[key]


@atexit.register
def close_all() -> None:
    """Close all archives that are kept open."""
    while _archives:
        _archives.popitem()[1].close()


def _one_line(error: BaseException) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())
    return "".join(c if c.isprintable() else "�" for c in text)[:200].rstrip(".") or type(error).__name__
