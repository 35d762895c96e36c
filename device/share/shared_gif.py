"""A shared GIF: what the mirror leaves in the folder of shared GIFs, and what the server of the page finds there.

Each has a random name that nobody can guess, and two files: `NAME.json`, which is there as soon as the recording has
ended, and `NAME.gif`, which follows when it is complete. Whoever sends a GIF holds a shared lock on it.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import re
import secrets
import time
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO, Final

from device.language.message import plural_message
from device.language.translate import Language

FOLDER_NAME: Final = "shared"
"""The folder of shared GIFs, in the folder of GIFs."""

NAME: Final = re.compile(r"[a-z2-7]{26}")
"""The form of a name: 128 random bits in small letters and digits that nobody mistakes for each other."""

MAX_DETAILS_BYTES: Final = 1_000_000
"""Bytes of the file with the details at most; a larger one is not the mirror's.

The most photos that a recording has (`device.recording.recorder`), each with the longest title, author and licence
(`index.credit`), take less than half of it. A library from elsewhere may hold longer ones.
"""

OTHER_BYTES: Final = 1000
"""Bytes of it that are kept free for all but the credits."""


@dataclass(frozen=True, slots=True)
class SharedGif:
    """A GIF that a visitor may fetch, from its name until `expires_at`, in seconds since 1970.

    `credits` are those of its photos, and `language` is what its visitor read on the display.
    """

    name: str
    made_at: float
    expires_at: float
    credits: tuple[str, ...] = ()
    language: str = "en"

    def has_expired(self, now: float | None = None) -> bool:
        """Whether its time is over. With a clock that was wrong once, nobody knows: then it is."""
        now = time.time() if now is None else now
        return not self.made_at - 3600 <= now < self.expires_at


def new_name() -> str:
    """Return a name for a GIF that nobody can guess."""
    return base64.b32encode(secrets.token_bytes(16)).decode().rstrip("=").lower()


def gif_file(folder: Path, name: str) -> Path:
    """Return the file of a shared GIF. Raises ValueError for what is not a name."""
    return folder / f"{_checked(name)}.gif"


def details_file(folder: Path, name: str) -> Path:
    """Return the file with a shared GIF's details. Raises ValueError for what is not a name."""
    return folder / f"{_checked(name)}.json"


def write_details(folder: Path, gif: SharedGif) -> None:
    """Write a GIF's details into the folder, which is created if needed. Raises OSError.

    If the credits do not all fit, a last one says how many others there are.
    """
    gif = replace(gif, credits=_fitting(gif.credits, gif.language))
    folder.mkdir(parents=True, exist_ok=True)
    file = details_file(folder, gif.name)
    partial = file.with_suffix(".part")
    try:
        partial.write_text(_dump(asdict(gif)), encoding="utf-8")
        partial.replace(file)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise


def _fitting(credits: tuple[str, ...], language: str) -> tuple[str, ...]:
    """Return as many credits as the file may hold, and how many others there are."""
    ends = list(accumulate(len(_dump(credit).encode()) + len(", ") for credit in credits))
    count = bisect_right(ends, MAX_DETAILS_BYTES - OTHER_BYTES)
    if count == len(credits):
        return credits
    others = plural_message("and one other", "and {count} others", len(credits) - count)
    return (*credits[:count], Language(language).say(others))


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def read_details(folder: Path, name: str) -> SharedGif | None:
    """Return the details of a GIF; None if there is none of this name, or its file is damaged."""
    try:
        with details_file(folder, name).open("rb") as file:
            values = json.loads(file.read(MAX_DETAILS_BYTES))
        return SharedGif(
            name,
            float(values["made_at"]),
            float(values["expires_at"]),
            tuple(str(credit) for credit in values["credits"]),
            str(values["language"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def open_gif(folder: Path, name: str) -> BinaryIO | None:
    """Open a GIF for sending, with a shared lock that keeps it from being deleted; None if it is not there."""
    try:
        file = gif_file(folder, name).open("rb")
    except OSError:
        return None
    with contextlib.suppress(OSError):  # a disk without locks; deleting an open file does no harm there either
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return file


@contextlib.contextmanager
def lock_to_delete(file: Path) -> Iterator[bool]:
    """Lock a file while it is deleted; yield whether that is possible: not while somebody is sent it."""
    with contextlib.ExitStack() as stack:
        try:
            opened = stack.enter_context(file.open("rb"))
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        except OSError:
            yield True
        else:
            yield True


def _checked(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ValueError(f"{name[:40]!r} is not the name of a shared GIF")
    return name
