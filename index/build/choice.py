"""Choose among the pictures found: drop duplicates, smaller copies, and pictures that were taken down."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from index.barred import NOTHING_BARRED, Barred
from index.build.duplicates import MAX_DIFFERING_BITS, NearDuplicateIndex, hamming_distances
from index.build.photo import NewPicture, Skipped
from index.fingerprint import FINGERPRINT_BYTES
from index.library import RemovedPicture

TAKEN_DOWN: Final = "taken down"
"""The kind of reason of what was taken down before."""


class LookAlikes:
    """Tells the pictures that were taken down, and what looks like them, from all others."""

    def __init__(self, removed: Sequence[RemovedPicture]) -> None:
        self._names = {picture.picture for picture in removed}
        bits = np.frombuffer(b"".join(picture.fingerprint for picture in removed), np.uint8)
        self._bits = bits.reshape(-1, FINGERPRINT_BYTES)

    def has(self, name: str, fingerprint: bytes) -> bool:
        """Return whether a picture with this name and fingerprint is one of them."""
        return name in self._names or (
            len(self._bits) > 0 and bool(hamming_distances(fingerprint, self._bits).min() <= MAX_DIFFERING_BITS)
        )


def find_skipped(
    pictures: Iterable[tuple[str, NewPicture]], removed: Sequence[RemovedPicture], barred: Barred = NOTHING_BARRED
) -> dict[int, Skipped]:
    """Return which pictures to skip, by their place in the row, and why.

    Each picture comes with what to call it in a sentence. Of nearly the same pictures the largest stays, and the
    earliest of equally large ones. Anything nearly the same as a `removed` picture is skipped, too, and so is what is
    `barred`.
    """
    skipped: dict[int, Skipped] = {}
    first_names: dict[str, str] = {}
    groups = _DuplicateGroups()
    look_alikes = LookAlikes(removed)
    for place, (name, picture) in enumerate(pictures):
        if picture.name in first_names:
            reason = f"{name} is the same picture as {first_names[picture.name]}."
            skipped[place] = Skipped(name, "duplicate", reason)
            continue
        first_names[picture.name] = name
        if look_alikes.has(picture.name, picture.fingerprint):
            skipped[place] = Skipped(name, TAKEN_DOWN, f"{name} was taken down from the library.")
            continue
        if barred.bars(picture.credit):
            skipped[place] = skip_barred(name)
            continue
        worse = groups.add(place, name, picture)
        if worse is not None:
            skipped[worse[0]] = worse[1]
    return skipped


def skip_barred(name: str) -> Skipped:
    """Return a picture that is barred as a skipped one."""
    return Skipped(name, TAKEN_DOWN, f"{name} is by an author, or from a URL, that was taken down from the library.")


class _DuplicateGroups:
    """Groups of nearly the same pictures, and the best picture of each."""

    def __init__(self) -> None:
        self._near = NearDuplicateIndex()
        self._pixels = array("q")
        self._names: list[str] = []
        self._better: dict[int, int] = {}
        self._places: dict[int, int] = {}

    def add(self, place: int, name: str, picture: NewPicture) -> tuple[int, Skipped] | None:
        """Add a picture. If it is nearly the same as an earlier one, return the worse of the two, by its place."""
        number = len(self._names)
        size = picture.width, picture.height
        self._places[number] = place
        self._names.append(name)
        self._pixels.append(picture.width * picture.height)
        match = self._near.find(picture.fingerprint, picture.people, size)
        while match in self._better:
            match = self._better[match]
        if match is None or self._pixels[number] > self._pixels[match]:
            # Only what is kept: otherwise one picture would stand for people who move slowly from frame to frame.
            self._near.add(number, picture.fingerprint, picture.people, size)
        if match is None:
            return None
        better, worse = (number, match) if self._pixels[number] > self._pixels[match] else (match, number)
        self._better[worse] = better
        reason = f"{self._names[worse]} is nearly the same picture as {self._names[better]}."
        return self._places[worse], Skipped(self._names[worse], "near-duplicate", reason)
