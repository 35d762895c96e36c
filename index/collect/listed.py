"""Photographs that a file or folder lists: a table, a COCO file, a folder or an archive, as a build reads them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from index.build.photo import Photo, SourceError
from index.build.scan import is_video
from index.build.sources import read_sources
from index.collect.candidate import Candidate, Download
from index.collect.rules import Rules
from models.progress import ProgressCallback
from models.text import printable

COCO_LICENCES: Final = ("CC BY", "CC BY-SA", "No known copyright restrictions", "United States Government Work")
"""The licences of COCO's photographs that anybody may show and adapt: numbers 4, 5, 7 and 8 in its files."""


class Listed:
    """A source whose photographs are listed in a file or lie in a folder; see `index.collect.candidate.Source`."""

    def __init__(self, place: Path, images: Path | None = None) -> None:
        """Name the file or folder, and the folder of a COCO file's pictures if they are not where COCO puts them."""
        self.name = str(place.absolute())
        self._place, self._images = place, images
        self._photos: list[Photo] = []

    def downloads(self) -> Sequence[Download]:
        """Return nothing: the list is here."""
        return ()

    def prepare(self, folder: Path, rules: Rules, progress: ProgressCallback | None = None) -> None:
        """Read the list. Raises SourceError if it cannot be read, or lists no photographs."""
        entries = read_sources([self._place], self._images, rules.licences)
        photos = [entry for entry in entries if isinstance(entry, Photo) and not is_video(entry)]
        allowed = [photo for photo in photos if rules.allows(photo.credit)]
        if not allowed:
            raise SourceError(
                f"{printable(self._place)} lists no photographs that the rules allow: look at their licences and "
                "titles, and at `pose-mirror index collect --print-rules`."
            )
        self._photos = sorted(allowed, key=_shuffled)

    def __len__(self) -> int:
        """Return how many photographs there are."""
        return len(self._photos)

    def candidates(self, start: int = 0) -> Iterator[Candidate]:
        """Yield the photographs from number `start` on, in an order that is mixed and always the same."""
        for photo in self._photos[start:]:
            yield Candidate(str(photo.file), photo.file, photo.credit, people=photo.people, size=photo.size)


def _shuffled(photo: Photo) -> bytes:
    return hashlib.blake2b(str(photo.file).encode("utf-8", "backslashreplace"), digest_size=8).digest()
