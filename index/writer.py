"""Writes a library: beside the old one, on to the disk, then swapped in at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from models.pose import Floats, Image

Progress = Callable[[int, int | None, str], None]
"""Called with how many are done, of how many (None while unknown), and what is being done."""


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """A picture as a library keeps it: JPEG, RGB, upright, scaled to the display."""

    jpeg: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True, eq=False)
class NewItem:
    """One person to put into a library.

    `picture` is H×W×3 RGB, a picture file, a picture made ready by `index.pictures.stored`, or None for a pose
    alone; `keypoints` 17×3 in its pixels (for a file: upright, at its full size; for a Stored: of the stored size),
    third ≤ 0 where unseen. `size` is (width, height) of the picture that a pose alone was taken from, where known.
    """

    picture: Image | Path | Stored | None
    keypoints: Floats
    title: str | None = None
    author: str | None = None
    licence: str | None = None
    licence_url: str | None = None
    source_url: str | None = None
    size: tuple[int, int] | None = None


def write_library(
    items: Iterable[NewItem],
    out: Path,
    *,
    model: tuple[str, str] | None = None,
    long_side: int = 1920,
    progress: Progress | None = None,
) -> int:
    """Writes a library of `items` to the folder `out` and returns how many there are; an old library gives way at once.

    Until the new one is whole and on the disk the old one stays as it is; whatever stops the writing (an error,
    Ctrl-C) leaves nothing behind. `model` is the name and sha256 of the estimator that found the key points. Raises
    LibraryError when there are no items, or `out` holds something that is no library.
    """
    raise NotImplementedError
