"""The page that a maker opens after a build: what is in the library, which poses it has, what was skipped and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from index.library import Item
from index.photo import Skipped
from models.pose import Floats

EXAMPLES = 12
"""Of each kind of reason that many skipped pictures are shown."""

THUMBNAILS = 200
"""Of the library's pictures at most that many are on the contact sheet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFacts:
    """What a build made: `people` in `pictures`, of whom `indexed` can be found, from `looked_at` photos and frames.

    `sources` are names for people to read; `models` (name, sha256) of what found the people, none where all were
    labelled. How long it took is not among them: the page is part of a library that is to be the same each time.
    """

    people: int
    indexed: int
    pictures: int
    looked_at: int
    sources: Sequence[str] = ()
    models: Sequence[tuple[str, str]] = ()


@dataclass(slots=True)
class Examples:
    """How many were skipped for one kind of reason, and the first of them."""

    count: int = 0
    some: list[Skipped] = field(default_factory=list)

    def add(self, skipped: Skipped) -> None:
        """Counts one more, and keeps it while there is room."""
        self.count += 1
        if len(self.some) < EXAMPLES:
            self.some.append(skipped)


@dataclass(frozen=True, slots=True, eq=False)
class Thumbnail:
    """One picture of the contact sheet: a small JPEG, its size, its people (P×17×3 in its pixels) and its title."""

    jpeg: bytes
    width: int
    height: int
    people: Floats
    title: str


def contact_sheet(items: Iterable[Item], keypoints: Floats, pictures: int) -> list[Thumbnail]:
    """Thumbnails of at most `THUMBNAILS` of a library's pictures, evenly over it.

    `items` in the library's order, `keypoints` N×17×3, `pictures` how many different ones there are. A picture that
    cannot be read is left out.
    """
    return []


def page(
    title: str,
    facts: ReportFacts,
    sheet: Sequence[Thumbnail],
    coverage: str,
    skipped: Mapping[str, Examples],
) -> str:
    """The report as one HTML page that needs nothing else.

    `sheet` is `contact_sheet`'s, `coverage` is `index.coverage.drawing`'s, `skipped` by kind.
    """
    return ""
