"""Which of the pictures that were found a library keeps beside each other: none twice, none that was taken down."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from index.build.duplicates import MAX_DIFFERING_BITS, NearDuplicateIndex, hamming_distances
from index.build.photo import Skipped
from index.build.writer import NewItem
from index.fingerprint import FINGERPRINT_BYTES
from index.library import RemovedPicture
from index.pictures import StoredPicture


class Shown(NamedTuple):
    """The people whom one picture shows, and what the picture is called in sentences."""

    name: str
    picture: StoredPicture
    people: Sequence[NewItem]


def group_by_picture(name: str, items: Iterable[NewItem]) -> Iterator[Shown]:
    """The people found in a photo or a video, those of each picture together."""
    for picture, people in groupby(items, lambda item: item.picture):
        assert isinstance(picture, StoredPicture), "the journal has every picture"
        yield Shown(name, picture, list(people))


def find_skipped(pictures: Iterable[Shown], removed: Sequence[RemovedPicture]) -> dict[int, Skipped]:
    """Of the pictures found, by their place in the row, those that are left out, and why.

    Of pictures that are nearly the same the largest stays, of equally large ones the earliest; what is nearly the same
    as one that was `removed` is left out, too.
    """
    out: dict[int, Skipped] = {}
    first: dict[str, str] = {}
    alike = _DuplicateGroups()
    names = {one.picture for one in removed}
    bits = np.frombuffer(b"".join(one.fingerprint for one in removed), np.uint8).reshape(-1, FINGERPRINT_BYTES)
    for place, (name, picture, people) in enumerate(pictures):
        if picture.name in first:
            said = f"{name} is the same picture as {first[picture.name]}."
            out[place] = Skipped(name, "duplicate", said)
            continue
        first[picture.name] = name
        if picture.name in names or (
            removed and hamming_distances(picture.fingerprint, bits).min() <= MAX_DIFFERING_BITS
        ):
            out[place] = Skipped(name, "taken down", f"{name} was taken down from the library.")
            continue
        worse = alike.add(place, name, picture, people)
        if worse is not None:
            out[worse[0]] = worse[1]
    return out


class _DuplicateGroups:
    """Groups of pictures that are nearly the same, and the best of each."""

    def __init__(self) -> None:
        self._near = NearDuplicateIndex()
        self._pixels = array("q")
        self._names: list[str] = []
        self._better: dict[int, int] = {}
        self._of: dict[int, int] = {}

    def add(
        self, place: int, name: str, picture: StoredPicture, people: Sequence[NewItem]
    ) -> tuple[int, Skipped] | None:
        """Takes one more picture; of it and the best that is nearly the same, the place of the one that is left out."""
        number = len(self._names)
        size = picture.width, picture.height
        keypoints = [item.keypoints for item in people]
        self._of[number] = place
        self._names.append(name)
        self._pixels.append(picture.width * picture.height)
        other = self._near.find(picture.fingerprint, keypoints, size)
        while other in self._better:
            other = self._better[other]
        if other is None or self._pixels[number] > self._pixels[other]:
            # Only what is kept: else one picture would stay of people who move slowly enough, each like the one before.
            self._near.add(number, picture.fingerprint, keypoints, size)
        if other is None:
            return None
        better, worse = (number, other) if self._pixels[number] > self._pixels[other] else (other, number)
        self._better[worse] = better
        said = f"{self._names[worse]} is nearly the same picture as {self._names[better]}."
        return self._of[worse], Skipped(self._names[worse], "near-duplicate", said)
