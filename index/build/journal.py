"""What a build has looked at so far, beside the library that it is making: a build that was stopped goes on from there.

A hidden folder with a SQLite table of results and the pictures that go with them. SQLite writes ahead, so that a build
may be killed, or the power go, at any moment. Nothing else is waited for to reach the disk: a result says by checksums
what belongs to it, and what is not whole is looked at again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import shutil
import sqlite3
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import numpy as np

from index import fingerprint, pictures
from index.build import people, video
from index.build import photo_workers as workers
from index.build.people import EstimatorFactory
from index.build.photo import Photo, Skipped
from index.build.photo_workers import ScanResult
from index.build.writer import NewItem
from index.manifest import PICTURES_FOLDER, LibraryError, as_os_error, os_error, sha256_of
from index.pictures import EncodedPicture, StoredPicture
from models.estimator import estimator, posenet
from models.text import printable

VERSION: Final = 1
"""Of the table."""

DATABASE: Final = "looked.sqlite"

MIN_WORK_SECONDS: Final = 60.0
"""Seconds of work: a build that is stopped with less than this leaves nothing behind."""

log = logging.getLogger(__name__)

Row = tuple[str, bytes]
"""What is said of a photo, as JSON, and its people's key points: N×17×3 float32, little-endian."""


class ScanSettings(NamedTuple):
    """What a result depends on, besides the photo."""

    open_estimator: EstimatorFactory | None
    model: tuple[str, str] | None
    long_side: int

    def checksum(self) -> bytes:
        """Of these, and of the program that looks: another one may see other people, or draw the line elsewhere."""
        said = hashlib.sha256(repr((VERSION, *self)).encode())
        for module in (estimator, posenet, fingerprint, people, pictures, video, workers):
            said.update(Path(str(module.__file__)).read_bytes())
        return said.digest()


class Journal:
    """Results by photo, for one process at a time; a context manager.

    When it is left it vanishes if the build is `done`, or if there is less than a minute's work in it; else it stays.
    """

    def __init__(self, out: Path, settings: ScanSettings, *, fresh: bool = False) -> None:
        """The journal of the library `out`; begun anew when it is damaged, or when `fresh`.

        Raises LibraryError when another build has it, OSError when the disk is full.
        """
        self.out = Path(os.path.realpath(out))
        self.folder = self.out.parent / f".{self.out.name}.looked"
        self.picture_folder = self.folder / PICTURES_FOLDER
        self.resumed = 0
        self.done = False
        self._settings = settings.checksum()
        self._whole: set[bytes] = set()
        self._lock = _lock_folder(self.folder)
        try:
            if fresh:
                _clear(self.folder)
            self._table = _open_database(self.folder)
            self.picture_folder.mkdir(exist_ok=True)
            ((self.seconds,),) = self._table.execute("SELECT seconds FROM work")
        except BaseException:
            os.close(self._lock)
            raise
        self._last = time.monotonic()

    def key(self, photo: Photo) -> bytes:
        """What tells a photo as it is now, with its labels and under these settings, from others."""
        named: object = photo.file
        if isinstance(photo.file, Path):
            try:
                status = os.stat(photo.file)
                named = os.fsencode(os.path.abspath(photo.file)), status.st_size, status.st_mtime_ns
            except (OSError, ValueError):  # ValueError: a name with a zero byte, from somebody's list of files
                named = str(photo.file)
        labels = None if photo.people is None else (photo.people.shape, photo.people.astype("<f4").tobytes())
        # who made a picture is taken from its file where the source does not say it
        said = repr((named, labels, photo.size, photo.credit.author is None))
        return hashlib.sha256(self._settings + said.encode("utf-8", "backslashreplace")).digest()

    def has(self, key: bytes) -> bool:
        """Whether a photo's result is there and whole; one of an earlier build counts as `resumed`."""
        self._last = time.monotonic()
        if key in self._whole:
            return True
        row = self._read_row(key)
        if row is None or not all(
            f"{sha256_of(self.picture_folder / name)}.jpg" == name for name in _picture_names(row)
        ):
            return False
        self._whole.add(key)
        self.resumed += 1
        return True

    def add(self, key: bytes, found: ScanResult) -> None:
        """Writes down what a photo gave: from here on it outlives this process. Raises OSError."""
        row = _encode_row(found, self.picture_folder)
        now = time.monotonic()
        self.seconds, self._last = self.seconds + now - self._last, now
        with as_os_error(self.folder):
            self._table.execute("INSERT OR REPLACE INTO looked VALUES (?, ?, ?, ?)", (key, *row, _digest(key, row)))
            self._table.execute("UPDATE work SET seconds = ?", (self.seconds,))
            self._table.commit()
        self._whole.add(key)

    def get(self, key: bytes, photo: Photo) -> ScanResult | None:
        """What a photo gave, its pictures lying in the journal; None when nothing is known of it."""
        row = self._read_row(key) if key in self._whole else None
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
                    "What was looked at so far (%s photos) is kept in %s: the same command goes on from there, and "
                    "with --fresh it begins anew.",
                    f"{count:,}",
                    printable(self.folder),
                )
        except OSError as left:
            log.warning("%s is left behind (%s).", printable(self.folder), left.strerror)
        finally:
            os.close(self._lock)

    def _read_row(self, key: bytes) -> Row | None:
        with as_os_error(self.folder):
            row = self._table.execute("SELECT said, keypoints, digest FROM looked WHERE key = ?", (key,)).fetchone()
        if row is None or not isinstance(row[0], str) or not isinstance(row[1], bytes):
            return None
        return row[:2] if row[2] == _digest(key, row[:2]) else None


def save_picture(folder: Path, stored: EncodedPicture) -> StoredPicture:
    """Puts a picture's file into a folder under its name, whole or not at all. Raises OSError.

    Also where there is one of that name: it may be what a power cut has left.
    """
    file, part = folder / stored.name, folder / f"{os.getpid()}.part"
    part.write_bytes(stored.jpeg)
    os.replace(part, file)
    return StoredPicture(file, stored.width, stored.height, stored.fingerprint)


def _encode_row(found: ScanResult, folder: Path) -> Row:
    if isinstance(found, Skipped):
        return json.dumps({"skipped": [found.name, found.kind, found.reason]}), b""
    of, names = [], {}
    for item in found:
        assert isinstance(item.picture, (EncodedPicture, StoredPicture)), "what was looked at has its picture ready"
        if item.picture.name not in names:
            one = save_picture(folder, item.picture) if isinstance(item.picture, EncodedPicture) else item.picture
            names[one.name] = [one.width, one.height, one.fingerprint.hex()]
        of.append(item.picture.name)
    said = {"author": found[0].author, "pictures": names, "of": of}
    return json.dumps(said), np.stack([item.keypoints for item in found]).astype("<f4").tobytes()


def _decode_row(row: Row, photo: Photo, folder: Path) -> ScanResult:
    said: dict[str, Any] = json.loads(row[0])
    if "skipped" in said:
        return Skipped(*said["skipped"])
    pictures = {
        name: StoredPicture(folder / name, width, height, bytes.fromhex(bits))
        for name, (width, height, bits) in said["pictures"].items()
    }
    credit = photo.credit._replace(author=photo.credit.author or said["author"])
    keypoints = np.frombuffer(row[1], "<f4").reshape(-1, 17, 3).astype(np.float32)
    return [NewItem(pictures[name], one, *credit) for name, one in zip(said["of"], keypoints, strict=True)]


def _picture_names(row: Row) -> list[str]:
    return list(json.loads(row[0]).get("pictures", ()))


def _digest(key: bytes, row: Row) -> bytes:
    """Of a result: SQLite does not notice a bit that has changed."""
    return hashlib.blake2b(b"\0".join((key, row[0].encode(), row[1])), digest_size=16).digest()


def _lock_folder(folder: Path) -> int:
    """Makes the folder where there is none, and locks it for this process: the descriptor that does."""
    while True:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(exist_ok=True)
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(lock)
            raise LibraryError(f"Another build is using {printable(folder)}: wait for it, or stop it.") from error
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock), os.stat(folder)):
                return lock
        os.close(lock)  # the build that had it has just removed it


def _open_database(folder: Path) -> sqlite3.Connection:
    """The table in a folder, empty where there was none or a damaged one. Raises OSError."""
    try:
        return _connect(folder / DATABASE)
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            raise os_error(error, folder) from error
        log.warning("%s cannot be used (%s): the build begins anew.", printable(folder / DATABASE), error)
    _clear(folder)
    with as_os_error(folder):
        return _connect(folder / DATABASE)


def _connect(file: Path) -> sqlite3.Connection:
    """Raises sqlite3.Error when a file that is there is no whole table of ours."""
    table = sqlite3.connect(file)
    try:
        table.execute("PRAGMA locking_mode = EXCLUSIVE")  # spares the shared memory, which network disks have not
        table.execute("PRAGMA journal_mode = WAL")
        table.execute("PRAGMA synchronous = NORMAL")
        (version,) = table.execute("PRAGMA user_version").fetchone()
        (tables,) = table.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if not tables:
            table.execute("CREATE TABLE looked (key BLOB PRIMARY KEY, said TEXT, keypoints BLOB, digest BLOB)")
            table.execute("CREATE TABLE work (seconds REAL)")
            table.execute("INSERT INTO work VALUES (0)")
            table.execute(f"PRAGMA user_version = {VERSION}")
            table.commit()
        elif version != VERSION:
            raise sqlite3.DatabaseError(f"it is of version {version}, and this program's is {VERSION}")
        elif (said := table.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(said)
        elif table.execute("SELECT typeof(seconds) FROM work").fetchall() != [("real",)]:
            raise sqlite3.DatabaseError("it does not say how much work is in it")
        return table
    except BaseException:
        table.close()
        raise


def _clear(folder: Path) -> None:
    """Removes what a journal consists of, and nothing else."""
    for name in (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", f"{DATABASE}-journal", PICTURES_FOLDER):
        place = folder / name
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
