"""Find pictures that are nearly the same: bursts, and copies that were scaled, saved again, brightened or cropped."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from index.agreement import agreement
from index.fingerprint import FINGERPRINT_BYTES
from models.pose import Floats

MAX_DIFFERING_BITS: Final = 56
"""Up to how many of the 256 bits the fingerprints of nearly the same pictures differ. Copies differ in up to 53, and
the two most similar of different photos in 84 (docs/explanation/libraries.md)."""

MIN_AGREEMENT: Final = 0.65
"""From which mean agreement of its people a picture shows the same poses as another. An estimator finds slightly other
key points in a copy, so a higher limit would let copies stay; a lower one would drop a video's frames."""

MAX_SHIFT: Final = 0.04
"""How far a person may be from their place in the other picture, in parts of its longer side: a copy may be cropped."""

AGREEMENT_LONG_SIDE: Final = 1000
"""Pixels of a picture's longer side for computing agreement, which has a minimum size for people."""

BAND_BITS: Final = 16
BAND_COUNT: Final = 6
"""Two fingerprints are compared only if they agree in one of these bands in all bits but one. The bands are the first
bits, which copying changes least. This finds 99.6 % of copies with 2 % cropped from each side, and all other copies."""


def hamming_distances(fingerprint: bytes, fingerprints: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Return in how many bits a fingerprint differs from each of N×32 bytes of fingerprints."""
    differing = (np.frombuffer(fingerprint, np.uint8) ^ fingerprints).view(np.uint16)
    distances: npt.NDArray[np.int64] = _POPCOUNTS[differing].sum(1, dtype=np.int64)
    return distances


def is_near_duplicate(fingerprint: bytes, other: bytes) -> bool:
    """Return whether two pictures are nearly the same by their fingerprints alone."""
    return int(hamming_distances(fingerprint, np.frombuffer(other, np.uint8)[None])[0]) <= MAX_DIFFERING_BITS


class NearDuplicateIndex:
    """Remembers pictures and finds one that is nearly the same as a new one; fast for millions of pictures."""

    def __init__(self) -> None:
        self._keys = array("q")
        self._bits = bytearray()
        self._people: list[Floats] = []
        self._buckets: dict[int, array[int]] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: int, fingerprint: bytes, people: Sequence[Floats], size: tuple[int, int]) -> None:
        """Remember a picture of `size` (width, height) under a key, with the key points (17×3) of its people."""
        place = len(self._keys)
        self._keys.append(key)
        self._bits += fingerprint
        self._people.append(_relative_keypoints(people, size))
        for bucket in _buckets(fingerprint)[:, 0].tolist():
            self._buckets.setdefault(bucket, array("I")).append(place)

    def find(self, fingerprint: bytes, people: Sequence[Floats], size: tuple[int, int]) -> int | None:
        """Return the key of a picture with a similar fingerprint in which the same people hold the same poses.

        Of several, the one with the fewest differing bits, then the earliest; None if there is none.
        """
        candidates = b"".join(self._buckets.get(bucket, b"") for bucket in _buckets(fingerprint).ravel().tolist())
        places = np.frombuffer(candidates, np.uint32)
        bits = np.frombuffer(self._bits, np.uint8).reshape(-1, FINGERPRINT_BYTES)
        distances = hamming_distances(fingerprint, bits[places])
        near = distances <= MAX_DIFFERING_BITS
        places, first = np.unique(places[near], return_index=True)
        distances = distances[near][first]
        relative = _relative_keypoints(people, size)
        for i in np.argsort(distances, kind="stable"):
            if _are_same_people(relative, self._people[places[i]]):
                return int(self._keys[places[i]])
        return None


def _buckets(bits: bytes) -> npt.NDArray[np.int64]:
    """Return bands×17 buckets: that of each band as it is, and those with one of its 16 bits flipped."""
    bands = np.frombuffer(bits, f"<u{BAND_BITS // 8}")[:BAND_COUNT].astype(np.int64)
    buckets: npt.NDArray[np.int64] = (np.arange(BAND_COUNT)[:, None] << BAND_BITS) + (bands[:, None] ^ _BIT_FLIPS)
    return buckets


def _relative_keypoints(people: Sequence[Floats], size: tuple[int, int]) -> Floats:
    """Return P×17×3 key points in parts of the picture's longer side, as float16 to save memory."""
    points = np.array(people, np.float32).reshape(-1, 17, 3)
    points[:, :, :2] /= max(size)
    return points.astype(np.float16)


def _are_same_people(some: Floats, others: Floats) -> bool:
    """Return whether all people of the picture with fewer are in the other one, in the same poses and places."""
    if not len(some) or not len(others):
        return False
    fewer, more = (some, others) if len(some) <= len(others) else (others, some)
    more = more.astype(np.float32)
    agreements = [_best_agreement(person, more) for person in fewer.astype(np.float32)]
    return float(np.mean(agreements)) >= MIN_AGREEMENT


def _best_agreement(person: Floats, others: Floats) -> float:
    """Return the best agreement of a person (17×3) with those of N×17×3 others who are in the same place, or 0."""
    both = (person[:, 2] > 0) & (others[:, :, 2] > 0)
    shift = ((others[:, :, :2] - person[:, :2]) * both[:, :, None]).sum(1) / np.maximum(both.sum(1), 1)[:, None]
    same_place = both.any(1) & (np.abs(shift).max(1) <= MAX_SHIFT)
    if not same_place.any():
        return 0.0
    points, weights = person[:, :2] * AGREEMENT_LONG_SIDE, (person[:, 2] > 0).astype(np.float32)
    others = others[same_place]
    return float(agreement(points, weights, others[:, :, :2] * AGREEMENT_LONG_SIDE, others[:, :, 2] > 0).max())


_POPCOUNTS: Final = np.array([number.bit_count() for number in range(1 << 16)], np.uint8)

_BIT_FLIPS: Final = np.array([0, *(1 << bit for bit in range(BAND_BITS))])
