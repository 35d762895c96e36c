"""The journal: results of scans so far, next to the library being built, so that a stopped build can resume.

It is a hidden folder with a SQLite table of results and the pictures that belong to them. SQLite's write-ahead log
survives a killed build and a power cut at any moment. Nothing else waits for the disk: each result names its pictures
by checksum, and a photo is scanned again if its result or one of its pictures is damaged.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import sqlite3
import time
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np

from index import archives, fingerprint, mojibake, picture_credit, pictures, videos, xmp
from index.build import database, orientation, people, scan, video_scan
from index.build import photo as photo_module
from index.build.photo import Credit, NewPicture, Photo, Skipped
from index.build.scan import ScanResult, ScanSettings, complete_credit
from index.checksum import sha256_of
from index.errors import LibraryError
from index.manifest import PICTURES_FOLDER
from index.sqlite_errors import as_os_error
from models import files
from models.estimator import estimator, posenet
from models.text import printable

VERSION: Final = 1
"""Version of the table. A journal of another version is not used."""

DATABASE: Final = "looked.sqlite"
"""The database's file name. Files and columns keep the names they had when a scan was called a look, so that this
version also finds and clears old journals."""

SCHEMA: Final = """
CREATE TABLE looked (key BLOB PRIMARY KEY, said TEXT, keypoints BLOB, digest BLOB);
CREATE TABLE work (seconds REAL);
INSERT INTO work VALUES (0);
"""

MIN_WORK_SECONDS: Final = 60.0
"""Seconds of scanning that are worth keeping: a build that is stopped with less leaves no journal behind."""

SCANNING_MODULES: Final = (
    *(estimator, posenet, fingerprint, people, photo_module, pictures, videos, video_scan, scan),
    *(orientation, picture_credit, mojibake, xmp),
)
"""Modules that decide what a scan finds. If one of them changes, the same photo may give another result."""

log = logging.getLogger(__name__)

Row = tuple[str, bytes]
"""A result in the table: JSON, and the people's key points as N×17×3 little-endian float32."""


class Journal:
    """Results of scans by photo, for one process at a time; a context manager.

    On leaving, it removes itself if the build is `done` or if less than a minute of scanning is in it. Otherwise it
    stays for the next build.
    """

    def __init__(self, out: Path, settings: ScanSettings, *, fresh: bool = False) -> None:
        """Open the journal of the library `out`; start an empty one if it is damaged or if `fresh`.

        Raises LibraryError if another build is using it, OSError if the disk is full.
        """
        self.out = Path(os.path.realpath(out))
        self.folder = self.out.parent / f".{self.out.name}.looked{files.own_name(self.out)}"
        self.picture_folder = self.folder / PICTURES_FOLDER
        self.resumed = 0
        self.done = False
        self._settings = _settings_digest(settings)
        self._verified: set[bytes] = set()
        self._lock = _lock_folder(self.folder)
        is_new = not (self.folder / DATABASE).exists()
        try:
            if fresh:
                _clear(self.folder)
            self._table = _open_database(self.folder)
            self.picture_folder.mkdir(exist_ok=True)
            ((self.seconds,),) = self._table.execute("SELECT seconds FROM work")
        except BaseException:
            if is_new:
                with contextlib.suppress(OSError):
                    _clear(self.folder)
                    os.rmdir(self.folder)
            os.close(self._lock)
            raise
        self._last_time = time.monotonic()

    def key(self, photo: Photo) -> bytes:
        """Return the key of a photo's result: it changes with the file, the labels and the settings."""
        source: object = photo.file
        if isinstance(photo.file, Path):
            try:
                status = os.stat(archives.file_on_disk(photo.file))
                source = os.fsencode(os.path.abspath(photo.file)), status.st_size, status.st_mtime_ns
            except (OSError, ValueError):  # ValueError: a table can name a file with a zero byte
                source = str(photo.file)
        labels = None if photo.people is None else (photo.people.shape, photo.people.astype("<f4").tobytes())
        description = repr((source, labels, photo.size, photo.frame, photo.rotation))
        return hashlib.sha256(self._settings + description.encode("utf-8", "backslashreplace")).digest()

    def has(self, key: bytes) -> bool:
        """Return whether a photo's result is there and undamaged; one of an earlier build counts as `resumed`."""
        self._last_time = time.monotonic()
        if key in self._verified:
            return True
        row = self._read_row(key)
        if row is None or not all(
            f"{sha256_of(self.picture_folder / name)}.jpg" == name for name in _picture_names(row)
        ):
            return False
        self._verified.add(key)
        self.resumed += 1
        return True

    def add(self, key: bytes, result: ScanResult) -> None:
        """Record a photo's result, which from now on outlives this process. Raises OSError."""
        row = _encode_row(result, self.picture_folder)
        now = time.monotonic()
        self.seconds, self._last_time = self.seconds + now - self._last_time, now
        with as_os_error(self.folder):
            self._table.execute("INSERT OR REPLACE INTO looked VALUES (?, ?, ?, ?)", (key, *row, _digest(key, row)))
            self._table.execute("UPDATE work SET seconds = ?", (self.seconds,))
            self._table.commit()
        self._verified.add(key)

    def get(self, key: bytes, photo: Photo) -> ScanResult | None:
        """Return a photo's result, with its pictures in the journal; None unless `has` or `add` came first."""
        row = self._read_row(key) if key in self._verified else None
        return None if row is None else _decode_row(row, photo, self.picture_folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self.done or self.seconds < MIN_WORK_SECONDS:
                self._table.close()
                _clear(self.folder)
                os.rmdir(self.folder)
            else:
                with as_os_error(self.folder):
                    ((count,),) = self._table.execute("SELECT count(*) FROM looked")
                self._table.close()
                log.warning(
                    "The scans so far (%s photos) are kept in %s: run the same command again to resume, or add --fresh "
                    "to start over.",
                    f"{count:,}",
                    printable(self.folder),
                )
        except OSError as problem:
            log.warning("%s could not be removed (%s).", printable(self.folder), problem.strerror)
        finally:
            os.close(self._lock)

    def _read_row(self, key: bytes) -> Row | None:
        with as_os_error(self.folder):
            row = self._table.execute("SELECT said, keypoints, digest FROM looked WHERE key = ?", (key,)).fetchone()
        if row is None or not isinstance(row[0], str) or not isinstance(row[1], bytes):
            return None
        return row[:2] if row[2] == _digest(key, row[:2]) else None


def save_picture(folder: Path, picture: NewPicture) -> NewPicture:
    """Write a picture's JPEG to a folder, completely or not at all, and return the picture in its file. Raises OSError.

    It overwrites a file of that name, which a power cut may have left damaged.
    """
    if isinstance(picture.content, Path):
        return picture
    file, part = folder / picture.name, folder / f"{os.getpid()}.part"
    part.write_bytes(picture.content)
    files.replace(part, file)
    return replace(picture, content=file)


def _settings_digest(settings: ScanSettings) -> bytes:
    """Return a checksum of the settings and of the program that scans with them."""
    digest = hashlib.sha256(repr((VERSION, settings)).encode())
    for module in SCANNING_MODULES:
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.digest()


def _encode_row(result: ScanResult, folder: Path) -> Row:
    """Return a result as the table keeps it, its pictures saved to the folder."""
    if isinstance(result, Skipped):
        return json.dumps({"skipped": [result.name, result.kind, result.reason]}), b""
    pictures_by_name: dict[str, list[int | str]] = {}
    for picture in result:
        if picture.name not in pictures_by_name:
            save_picture(folder, picture)
            pictures_by_name[picture.name] = [picture.width, picture.height, picture.fingerprint.hex()]
    names = [picture.name for picture in result for _ in picture.people]
    assumptions = {picture.name: picture.assumption for picture in result if picture.assumption}
    credit = result[0].credit._replace(collection=None)  # that is what the source says at the time of the build
    document = {"credit": credit, "pictures": pictures_by_name, "of": names, "assumed": assumptions}
    keypoints = np.stack([person for picture in result for person in picture.people])
    return json.dumps(document), keypoints.astype("<f4").tobytes()


def _decode_row(row: Row, photo: Photo, folder: Path) -> ScanResult:
    document: dict[str, Any] = json.loads(row[0])
    if "skipped" in document:
        return Skipped(*document["skipped"])
    credit = complete_credit(photo, Credit(*document["credit"]))
    keypoints = np.frombuffer(row[1], "<f4").reshape(-1, 17, 3).astype(np.float32)
    result = []
    for name, group in groupby(zip(document["of"], keypoints, strict=True), lambda pair: str(pair[0])):
        width, height, bits = document["pictures"][name]
        picture = NewPicture(name, width, height, bytes.fromhex(bits), folder / name)
        assumption = document["assumed"].get(name, "")
        result.append(replace(picture, people=[person for _, person in group], credit=credit, assumption=assumption))
    return result


def _picture_names(row: Row) -> list[str]:
    return list(json.loads(row[0]).get("pictures", ()))


def _digest(key: bytes, row: Row) -> bytes:
    """Return the checksum of a result, because SQLite does not notice a bit that has flipped."""
    return hashlib.blake2b(b"\0".join((key, row[0].encode(), row[1])), digest_size=16).digest()


def _lock_folder(folder: Path) -> int:
    """Lock the folder for this process, making it if needed, and return the descriptor that holds the lock."""
    try:
        return files.lock_folder(folder)
    except BlockingIOError as error:
        raise LibraryError(f"Another build is using {printable(folder)}: wait for it, or stop it.") from error


def _open_database(folder: Path) -> sqlite3.Connection:
    """Open the table in a folder, or an empty one if it is missing or damaged. Raises OSError."""
    file = folder / DATABASE
    try:
        return _open_checked(file)
    except database.UnusableError as error:
        log.warning("%s cannot be used (%s): the build starts over.", printable(file), error)
    _clear(folder)
    return database.open_tables(file, SCHEMA, VERSION)


def _open_checked(file: Path) -> sqlite3.Connection:
    """Open the table. Raises OSError, or UnusableError also if it does not say how much work is in it."""
    table = database.open_tables(file, SCHEMA, VERSION)
    with contextlib.suppress(sqlite3.Error):
        if table.execute("SELECT typeof(seconds) FROM work").fetchall() == [("real",)]:
            return table
    table.close()
    raise database.UnusableError("it does not say how much work is in it")


def _clear(folder: Path) -> None:
    """Remove the journal's own files from its folder, and nothing else."""
    for name in (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", f"{DATABASE}-journal", PICTURES_FOLDER):
        place = folder / name
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
