"""What every source is read into: photos to look at, with whom to thank for them, and what gave nothing and why."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from index.pictures import clean_text
from models.pose import Floats
from models.text import printable


class SourceError(ValueError):
    """A source that cannot be used at all: one sentence that names it and what was found."""


class Credit(NamedTuple):
    """Whom to thank for a picture, as far as it is known."""

    title: str | None = None
    author: str | None = None
    licence: str | None = None
    licence_url: str | None = None
    source_url: str | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that gave nothing to the library: its name, of which sort the reason is, and the reason's sentence.

    `thumbnail` is a small JPEG of it, where it could be read.
    """

    name: str
    kind: str
    reason: str
    thumbnail: bytes | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A picture to look at, by its file or its URL; where people labelled it, `people` N×17×3.

    They are pixels of a picture of `size` (width, height).
    """

    file: Path | str
    credit: Credit
    people: Floats | None = None
    size: tuple[int, int] | None = None


def title_from_name(file: Path) -> str | None:
    """A title from a file's name."""
    return clean_text(file.stem.replace("_", " "))


def check_regular_file(file: Path) -> None:
    """Raises ImportFailed for what is no plain file: opening a pipe would wait for somebody to write to it."""
    try:
        if not stat.S_ISREG(os.stat(file).st_mode):
            raise SourceError(f"{printable(file)} is no plain file.")
    except OSError as error:
        raise SourceError(f"{printable(file)} cannot be read ({error.strerror}).") from error


def is_file(file: Path) -> bool:
    """Whether there is a file of a name that stands in another file, and so can be as long as anything."""
    try:
        return file.is_file()
    except OSError:
        return False


def describe_error(error: BaseException) -> str:
    """What an error says, as a phrase for a sentence."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())
    if isinstance(error, KeyError):
        return f"it has no `{printable(str(error.args[0]))}`"
    return printable(said)[:200].rstrip(".") or type(error).__name__
