"""What a source of photographs offers: the candidates, in the order in which to look at them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from index.collect.rules import Rules
from index.credit import Credit
from models.pose import Floats
from models.progress import ProgressCallback


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A photograph that a source offers.

    `key` is the source's name for it, which stays the same: of Open Images, `train/000ac95750ac7399`. `picture` is its
    file or URL. `credit` has its collection, too. `author_url` is the author's page, if the source names one.

    The stored picture is turned by `rotation` degrees anticlockwise to be upright. `people` are labelled key points
    (N×17×3) in pixels of a picture of `size` (width, height); None if the estimator is to find the people.
    """

    key: str
    picture: Path | str
    credit: Credit
    author_url: str | None = None
    rotation: int = 0
    people: Floats | None = None
    size: tuple[int, int] | None = None


class Download(NamedTuple):
    """A table that a source reads first: its URL or file, and its size in bytes if that is known."""

    place: str
    bytes: int | None


class Source(Protocol):
    """Where photographs come from: Open Images, COCO, Wikimedia Commons, a table or a folder.

    A source keeps what it reads in a folder of its own, so that a stopped run resumes there.
    """

    name: str

    @property
    def photos_place(self) -> str:
        """Where the photographs are: the pattern of their URLs, or words."""
        ...

    def downloads(self, rules: Rules, folder: Path | None = None) -> Sequence[Download]:
        """Return the tables that `prepare` would still read with this folder, or with a new one. Asks no server."""
        ...

    def prepare(self, folder: Path, rules: Rules, progress: ProgressCallback | None = None) -> None:
        """Read the tables and keep the candidates that the rules allow in `folder`; what is there is not read again.

        Raises SourceError if a table cannot be read, with one sentence that names it and the remedy; OSError if the
        disk is full.
        """
        ...

    def __len__(self) -> int:
        """Return how many candidates there are, after `prepare`."""
        ...

    def candidates(self, start: int = 0) -> Iterator[Candidate]:
        """Yield the candidates from number `start` on, always in the same order, after `prepare`."""
        ...
