"""Photographs that a file or folder lists: a table, a COCO file, a folder or an archive, as a build reads them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from index.build.photo import Photo, SourceError
from index.build.scan import complete_credit, is_video
from index.build.sources import read_sources
from index.collect.candidate import Candidate, Download
from index.collect.rules import Rules
from index.pictures import load_credit
from models.progress import ProgressCallback
from models.text import printable


class Listed:
    """A source whose photographs are listed in a file or lie in a folder; see `index.collect.candidate.Source`."""

    def __init__(self, place: Path, images: Path | None = None) -> None:
        """Name the file or folder, and the folder of a COCO file's pictures if they are not where COCO puts them."""
        self._place = _whole(place)
        self._images = None if images is None else _whole(images)
        self.name = _plain(self._place)
        self._photos: list[Photo] = []

    @property
    def photos_place(self) -> str:
        """Where the photographs are, in words."""
        return f"the places that {printable(self._place)} names"

    def downloads(self, rules: Rules, folder: Path | None = None) -> Sequence[Download]:
        """Return nothing: the list is here."""
        return ()

    def prepare(self, folder: Path, rules: Rules, progress: ProgressCallback | None = None) -> None:
        """Read the list. Raises SourceError if it cannot be read, or lists no photographs."""
        entries = read_sources([self._place], self._images)
        photos: dict[str, Photo] = {}
        for entry in entries:
            if isinstance(entry, Photo) and not is_video(entry):
                photos.setdefault(_key(entry), entry)
        allowed = []
        for done, photo in enumerate(photos.values(), 1):
            if _is_allowed(photo, rules):
                allowed.append(photo)
            if progress is not None:
                progress(done, len(photos), "Checking licences")
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
            yield Candidate(_key(photo), photo.file, photo.credit, people=photo.people, size=photo.size)


def _is_allowed(photo: Photo, rules: Rules) -> bool:
    """Return whether the rules allow a photograph, as far as its list and its own metadata tell.

    A file that names no licence is taken for the owner's own.
    """
    credit = photo.credit
    if isinstance(photo.file, Path) and not (credit.licence or credit.licence_url):
        credit = complete_credit(photo, load_credit(photo.file))
        if not (credit.licence or credit.licence_url):
            return rules.allows_title(credit.title)
    return rules.allows(credit)


def _whole(place: Path) -> Path:
    """Return the whole path, which is the same from any working folder: the photographs' keys begin with it."""
    return place.resolve() if ".." in place.parts else place.absolute()


def _key(photo: Photo) -> str:
    return _plain(photo.file)


def _plain(name: Path | str) -> str:
    """Return a name as text that a database takes: a file's name may hold any bytes, and a URL half a character."""
    return str(name).encode("utf-8", "backslashreplace").decode()


def _shuffled(photo: Photo) -> bytes:
    return hashlib.blake2b(_key(photo).encode(), digest_size=8).digest()
