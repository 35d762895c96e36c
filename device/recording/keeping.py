"""Keeping GIFs: a thread deletes those that are over, too old, too many or too large together, the oldest first.

It touches only files that this program made. While there is nothing to delete, it writes nothing to the disk.
"""

from __future__ import annotations

import contextlib
import logging
import math
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from device.share.shared_gif import FOLDER_NAME, NAME, lock_to_delete, read_details
from models import files
from models.text import printable

OWN_GIF: Final = re.compile(r"pose-mirror-\d{8}-\d{6}(-\d+)?\.gif")
"""The names of GIFs that are not shared."""

LOW_SPACE_BYTES: Final = 200_000_000
"""Bytes that should be free on the disk. Below that, old GIFs make room, so that the next one can be saved."""

CHECK_SECONDS: Final = 60.0
"""Seconds between two checks: no GIF stays much longer than it should."""

SENDING_SECONDS: Final = 600.0
"""Seconds for which a GIF that is being sent may stay after its end: a slow phone needs a minute."""

SHOWN_SECONDS: Final = 300.0
"""Seconds for which the newest GIF stays: it is made, which takes 180 at most, and then its code is on the display."""

UNFINISHED_SECONDS: Final = 600.0
"""Seconds after which a file without its GIF was left by a process that was killed."""

DAY: Final = 86_400.0

log = logging.getLogger(__name__)


class Limits(NamedTuple):
    """What is kept at most: days, GIFs, and megabytes of them. 0 is no limit."""

    days: float = 0.0
    files: int = 0
    megabytes: int = 0


class KeptGif(NamedTuple):
    """A GIF in a folder and its size in bytes. Times are in seconds since 1970; `expires_at` is infinite for "never".

    A shared GIF also has a file of `details`. A protected one must stay: it is on the display, or being sent.
    """

    file: Path
    size: int
    made_at: float
    expires_at: float = math.inf
    details: Path | None = None
    is_protected: bool = False


def choose_gifs(gifs: Sequence[KeptGif], limits: Limits, now: float, free_bytes: float = math.inf) -> list[KeptGif]:
    """Return which GIFs to delete at the time `now`, the oldest first.

    Those whose time is over go, and then the oldest, until the rest is within the limits and enough of the disk's
    `free_bytes` are free. Protected ones count, but stay.
    """
    oldest = now - limits.days * DAY if limits.days else -math.inf
    count, size = len(gifs), sum(gif.size for gif in gifs)
    enough_free = size - LOW_SPACE_BYTES + free_bytes  # bytes that the GIFs may take then
    most_bytes = min(limits.megabytes * 1e6 if limits.megabytes else math.inf, enough_free)
    most_files = limits.files or math.inf
    ordered = sorted((gif for gif in gifs if not gif.is_protected), key=lambda gif: (gif.made_at, gif.file.name))
    is_over = [gif.expires_at <= now or gif.made_at < oldest for gif in ordered]
    count -= sum(is_over)
    size -= sum(gif.size for gif, over in zip(ordered, is_over, strict=True) if over)
    chosen = []
    for gif, over in zip(ordered, is_over, strict=True):
        if not over:
            if count <= most_files and size <= most_bytes:
                continue
            count, size = count - 1, size - gif.size
        chosen.append(gif)
    return chosen


def list_gifs(folder: Path, now: float) -> list[KeptGif]:
    """Return the GIFs in a folder and in its folder of shared ones; none if they are missing or cannot be read.

    A shared GIF without its details is over, because nobody can fetch it; so are details long without a GIF.
    """
    return [*_list_own(folder), *_list_shared(folder / FOLDER_NAME, now)]


def _list_own(folder: Path) -> Iterator[KeptGif]:
    for file in _files(folder):
        if OWN_GIF.fullmatch(file.name):
            with contextlib.suppress(OSError):
                status = file.stat()
                yield KeptGif(file, status.st_size, status.st_mtime)


def _list_shared(folder: Path, now: float) -> Iterator[KeptGif]:
    found: dict[str, set[str]] = {}
    for file in _files(folder):
        if NAME.fullmatch(file.stem) and file.suffix in (".gif", ".json", ".part"):
            found.setdefault(file.stem, set()).add(file.suffix)
    for name, suffixes in found.items():
        with contextlib.suppress(OSError):
            yield _shared_gif(folder / name, suffixes, now)


def _shared_gif(file: Path, suffixes: set[str], now: float) -> KeptGif:
    """Return a shared GIF from the name and the suffixes of its files. Raises OSError if they have just gone."""
    details = file.with_suffix(".json")
    shared = read_details(file.parent, file.name) if ".json" in suffixes else None
    main = file.with_suffix(next(suffix for suffix in (".gif", ".json", ".part") if suffix in suffixes))
    status = main.stat()
    made_at = shared.made_at if shared else status.st_mtime
    expires_at = shared.expires_at if shared else now if main.suffix == ".gif" else made_at + UNFINISHED_SECONDS
    if main.suffix != ".gif":
        expires_at = min(expires_at, made_at + UNFINISHED_SECONDS)
    if shared is not None and shared.has_expired(now):  # also when the clock was wrong once
        expires_at = min(expires_at, now)
    return KeptGif(main, status.st_size, made_at, expires_at, details)


def _files(folder: Path) -> list[Path]:
    try:
        return [Path(path) for path in folder.iterdir()]
    except OSError:
        return []


class GifKeeper:
    """Keeps the GIFs in a folder within limits, in a thread of its own. A context manager.

    `clock` returns the time in seconds since 1970.
    """

    def __init__(self, folder: Path, limits: Limits, clock: Callable[[], float] = time.time) -> None:
        self._folder, self._limits, self._clock = folder, limits, clock
        self._wake, self._closed = threading.Event(), False
        self._shown: tuple[str, float] = "", -math.inf  # the newest GIF's name, and until when it stays
        self._thread = threading.Thread(target=self._run, name="gif-keeper", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        self._wake.set()  # the thread may hang in a disk, so nobody waits for it

    def protect(self, name: str) -> None:
        """Keep the GIF of this name, which is going to be made, until its code is no longer on the display."""
        self._shown = name, time.monotonic() + SHOWN_SECONDS

    def wake(self) -> None:
        """Check soon: there is a new GIF."""
        self._wake.set()

    def check(self) -> int:
        """Delete what is too much now; return the number of GIFs that were deleted."""
        now, refused, deleted = self._clock(), set[Path](), 0
        gifs = [gif._replace(is_protected=self._is_shown(gif)) for gif in list_gifs(self._folder, now)]
        if not gifs:
            return 0
        free = _free_bytes(self._folder)
        while chosen := choose_gifs(gifs, self._limits, now, free):
            for gif in chosen:
                if delete_gif(gif, now):
                    deleted, free = deleted + 1, free + gif.size
                else:
                    refused.add(gif.file)
            gone = {gif.file for gif in chosen} - refused
            gifs = [
                gif._replace(is_protected=gif.is_protected or gif.file in refused)
                for gif in gifs
                if gif.file not in gone
            ]
        if deleted:
            log.info("deleted %d old GIFs in %s", deleted, printable(self._folder))
        return deleted

    def _is_shown(self, gif: KeptGif) -> bool:
        name, until = self._shown
        return gif.file.stem == name and time.monotonic() < until

    def _run(self) -> None:
        while not self._closed:
            try:
                self.check()
            except Exception:
                log.exception("Old GIFs could not be deleted")
            self._wake.wait(CHECK_SECONDS)
            self._wake.clear()


def delete_gif(gif: KeptGif, now: float) -> bool:
    """Delete a GIF with its details, unless it is being sent; return whether it is gone.

    Long after its end it is deleted in any case: a file that is open remains readable for those who have it.
    """
    with lock_to_delete(gif.file) as is_free:
        if not is_free and now < gif.expires_at + SENDING_SECONDS:
            return False
        try:
            if gif.details is not None:
                gif.details.unlink(missing_ok=True)  # first, so that nobody finds details without their GIF
            gif.file.unlink(missing_ok=True)
        except OSError as error:
            log.debug("%s could not be deleted: %s", gif.file.name, error)
            return False
    return True


def _free_bytes(folder: Path) -> float:
    with contextlib.suppress(OSError):
        free = files.free_bytes(folder)
        return math.inf if free is None else free
    return math.inf
