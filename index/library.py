"""The folder on disk that holds the photographs' poses, their credits and the Annoy indexes over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from models.pose import Floats, Image, Pose


class LibraryError(ValueError):
    """A library that is missing, damaged or of another version: one sentence with what was found and the remedy."""


@dataclass(frozen=True, slots=True)
class Item:
    """One person in one picture, and whom to thank for it.

    `number` is the row in `Library.keypoints`; `picture` the stored JPEG (None in a library of poses alone), `width`
    and `height` its pixels, `box` left, top, right, bottom around the person's key points.
    """

    number: int
    picture: Path | None
    width: int
    height: int
    box: tuple[float, float, float, float]
    title: str | None
    author: str | None
    licence: str | None
    licence_url: str | None
    source_url: str | None

    @property
    def credit(self) -> str:
        """A line for the screen: title, author and licence, as far as they are known."""
        return ", ".join(part for part in (self.title, self.author, self.licence) if part)


class Library:
    """An opened library; a context manager. `Library.open` is the way in."""

    folder: Path
    manifest: Mapping[str, Any]
    keypoints: Floats
    """N×17×3 float32, pixels of the stored picture; third ≤ 0 means unseen. Mapped from disk, read-only."""

    @classmethod
    def open(cls, folder: Path) -> Library:
        """Opens a library after checking every file that is going to be mapped against its sha256.

        Raises LibraryError when it is missing, damaged or of another version.
        """
        raise LibraryError(f"{folder} is no library")

    def __len__(self) -> int:
        return len(self.keypoints)

    def pose(self, number: int) -> Pose:
        """The person's pose in pixels of the stored picture."""
        return Pose.from_keypoints(self.keypoints[number])

    def item(self, number: int) -> Item:
        """What is known about one item. Raises IndexError when there is none of that number."""
        raise IndexError(number)

    def picture(self, number: int) -> Image:
        """The stored picture, checked against its name (its sha256) and decoded.

        Raises LibraryError when it is missing or damaged, or the library holds poses alone.
        """
        raise LibraryError(f"{self.folder} holds no picture for item {number}")

    def close(self) -> None:
        """Lets the files go; safe to call twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
