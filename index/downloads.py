"""Download large files, so that a download that stops for whatever reason goes on where it stopped.

What has arrived of `FILE` is in `FILE.part`, and which file it is a part of in `FILE.part.json`. Both are gone when the
file is complete.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import os
import random
import time
from pathlib import Path
from typing import Final, Self

from index import connections
from index.web import ChangedError, FetchError, TemporaryError, open_stream
from models import files
from models.progress import ProgressCallback
from models.text import printable

TRIES: Final = 6
"""Tries one after the other that bring nothing: then the network or the server is down for longer."""

MAX_RESTARTS: Final = 2
"""How often to start over because another file is there: some servers say so each time."""

MAX_DELAY_SECONDS: Final = 30.0
"""Seconds between two tries at most."""

BLOCK_SIZE: Final = 1 << 20
"""Bytes of a part that are read at a time to compute its checksum."""

MEGABYTE: Final = 1_000_000


class DownloadError(OSError):
    """A file cannot be downloaded: one sentence that says why, and what to do."""


def download(
    url: str,
    file: Path,
    sha256: str | None = None,
    progress: ProgressCallback | None = None,
    *,
    copies: int = 1,
) -> None:
    """Download what is at a URL, or the part of it that is still missing, and give it the name `file` once complete.

    With `sha256`, in hexadecimal, a file that is there already and has it is not downloaded again; and a download that
    has another is deleted. The disk must have room for so many `copies` of the file, before a byte is downloaded.
    `progress` counts megabytes. A server that fails is tried again as long as something arrives.

    Raises DownloadError, and keeps what has arrived for the next call; OSError if the disk fails.
    """
    report = _Progress(progress)
    if sha256 is not None and file.exists() and _sha256_of(file, report) == sha256:
        return
    try:
        with _Part(url, file, is_checked=sha256 is not None) as part:
            part.resume(report)
            _receive(url, part, copies, report)
            if sha256 is not None and part.sha256 != sha256:
                found = part.sha256
                part.clear()
                raise DownloadError(
                    f"{printable(url)} has the sha256 {found[:12]}…, not {sha256[:12]}…, so what arrived was deleted: "
                    "try again, or ask its owner for the right sum."
                )
            part.finish()
    except BlockingIOError as error:
        raise DownloadError(f"Another process is downloading {printable(file)}: wait for it or stop it.") from error
    except FetchError as error:
        is_temporary = isinstance(error, TemporaryError | ChangedError)
        remedy = "run the same command again, and it goes on there" if is_temporary else "check the address"
        raise DownloadError(f"{printable(url)} cannot be downloaded ({error}): {remedy}.") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _no_room(file, None) from error
        if (reason := files.explain(error, file)) is not None:
            raise DownloadError(f"{printable(file)} cannot be written ({reason}).") from error
        raise


class _Part:
    """What has arrived of a file; a context manager that keeps it for the next call, unless it is complete."""

    def __init__(self, url: str, file: Path, *, is_checked: bool) -> None:
        """Open the part of `file` that is there, or an empty one. Without `is_checked`, no sum tells whether it fits.

        Raises BlockingIOError if another process is downloading it.
        """
        self.file = file
        self._url = url
        self._is_checked = is_checked
        self._path = file.with_name(f"{file.name}.part")
        self._note = file.with_name(f"{file.name}.part.json")
        self.size = 0
        self.validator: str | None = None
        self.total: int | None = None
        self._is_finished = False
        self._digest = hashlib.sha256()
        file.parent.mkdir(parents=True, exist_ok=True)
        self._opened = os.fdopen(files.open_locked(self._path), "r+b")

    @property
    def sha256(self) -> str:
        """The checksum of what has arrived."""
        return self._digest.hexdigest()

    @property
    def can_resume(self) -> bool:
        """Whether it is certain to notice that the rest is that of another file."""
        return self._is_checked or self.validator is not None

    def resume(self, report: _Progress) -> None:
        """Go on after what an earlier call left, if that is a part of the same file; otherwise start over."""
        note: object = None
        with contextlib.suppress(OSError, ValueError, RecursionError):
            note = json.loads(self._note.read_bytes())
        total = os.fstat(self._opened.fileno()).st_size
        if not total or not isinstance(note, dict) or note.get("url") != self._url:
            self.clear()
            return
        validator, whole = note.get("validator"), note.get("total")
        self.validator = validator if isinstance(validator, str) else None
        self.total = whole if type(whole) is int else None
        if not self.can_resume:
            self.clear()
            return
        while block := self._opened.read(BLOCK_SIZE):
            self._digest.update(block)
            self.size += len(block)
            report(self.size, total, "Checking what is there, in MB")

    def begin(self, validator: str | None, total: int | None) -> None:
        """Note which file the first bytes are of, and its size, before there are any."""
        self.validator, self.total = validator, total
        draft = self._note.with_name(f"{self._note.name}.new")
        draft.write_text(json.dumps({"url": self._url, "validator": validator, "total": total}), encoding="utf-8")
        files.replace(draft, self._note)

    def write(self, chunk: bytes) -> None:
        """Add what has arrived."""
        self._opened.write(chunk)
        self._digest.update(chunk)
        self.size += len(chunk)

    def clear(self) -> None:
        """Start over."""
        self._opened.seek(0)
        self._opened.truncate()
        self.size, self.validator, self.total, self._digest = 0, None, None, hashlib.sha256()

    def finish(self) -> None:
        """Give the complete file its name."""
        self._opened.flush()
        files.sync_file(self._opened.fileno())
        files.replace(self._path, self.file)
        self._is_finished = True
        self._note.unlink(missing_ok=True)
        files.sync_folder(self.file.parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._opened, contextlib.suppress(OSError):
            if not self._is_finished and not self.size:
                self._path.unlink()
                self._note.unlink(missing_ok=True)


class _Progress:
    """Reports bytes as megabytes, and only when that number has changed."""

    def __init__(self, progress: ProgressCallback | None) -> None:
        self._progress = progress
        self._last: tuple[int, str] | None = None

    def __call__(self, done: int, total: int | None, what: str) -> None:
        if self._progress is not None and self._last != (done // MEGABYTE, what):
            self._last = done // MEGABYTE, what
            self._progress(done // MEGABYTE, None if total is None else -(-total // MEGABYTE), what)


def _receive(url: str, part: _Part, copies: int, report: _Progress) -> None:
    """Add the rest of the file to a part. Raises FetchError if the server or the network fails for long."""
    restarts = failures = 0
    while True:
        before = part.size
        try:
            with open_stream(url, part.size, part.validator, part.total) as stream:
                if not part.size:
                    part.begin(stream.validator, stream.total)
                if stream.total is not None:
                    _check_room(part, stream.total, copies)
                for chunk in stream.chunks:
                    part.write(chunk)
                    report(part.size, stream.total, "Downloading, in MB")
                return
        except ChangedError:
            part.clear()
            restarts += 1
            if restarts > MAX_RESTARTS:
                raise
        except TemporaryError:
            failures = failures + 1 if part.size <= before else 1
            if failures == TRIES:
                raise
            if not part.can_resume:
                part.clear()
            time.sleep(_delay(failures))


def _delay(failures: int) -> float:
    """Return the seconds to wait before the next try: longer each time, and by chance, so that clients spread out."""
    return min(connections.RETRY_DELAY_SECONDS * 2.0**failures, MAX_DELAY_SECONDS) * random.uniform(0.5, 1)


def _check_room(part: _Part, total: int, copies: int) -> None:
    """Raise DownloadError unless the disk has room for what is missing of the file, and for its further copies."""
    free = files.free_bytes(part.file.parent)
    if free is not None and total * copies - part.size > free:
        raise _no_room(part.file, total * copies - part.size - free)


def _no_room(file: Path, missing: int | None) -> DownloadError:
    if missing is None:
        amount = "some space"
    elif missing >= 1e9:
        amount = f"{math.ceil(missing / 1e8) / 10:.1f} GB"
    else:
        amount = f"{math.ceil(missing / 1e6)} MB"
    return DownloadError(
        f"There is no room on the disk of {printable(file.parent)}: free {amount}, and run the same command again."
    )


def _sha256_of(file: Path, report: _Progress) -> str:
    """Return a file's checksum in hexadecimal."""
    total, digest, done = file.stat().st_size, hashlib.sha256(), 0
    with file.open("rb") as opened:
        while block := opened.read(BLOCK_SIZE):
            digest.update(block)
            done += len(block)
            report(done, total, "Checking what is there, in MB")
    return digest.hexdigest()
