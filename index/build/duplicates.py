"""Pictures that are nearly the same as an earlier one: bursts, and copies scaled, saved again, brightened or cut."""

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
"""Pictures whose fingerprints differ in at most so many of the 256 bits may be of one moment: copies differ in up to
53, and of different photos the nearest two in 84 (docs/libraries.md)."""

MIN_AGREEMENT: Final = 0.65
"""From this agreement on, in the mean over its people, a picture shows the same poses as another. What an estimator
finds in a copy is a little different, so of more than this copies would stay; of less, a video's frames would go."""

MAX_SHIFT: Final = 0.04
"""How far somebody's middle may be from where it was, in parts of the picture's longer side: copies are cut."""

AGREEMENT_LONG_SIDE: Final = 1000
"""Pixels of a picture's longer side for agreement, which takes people of some pixels at least."""

BAND_BITS: Final = 16
BAND_COUNT: Final = 6
"""Fingerprints are compared when all but one of the bits of one of these bands agree: of their first, steadiest bits.
Of copies cut by 2 % at each side 99.6 % are found that way, of other copies all."""


def hamming_distances(fingerprint: bytes, others: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """How many bits of a fingerprint differ from each of N×32 others."""
    apart = (np.frombuffer(fingerprint, np.uint8) ^ others).view(np.uint16)
    found: npt.NDArray[np.int64] = _POPCOUNTS[apart].sum(1, dtype=np.int64)
    return found


def is_near_duplicate(fingerprint: bytes, other: bytes) -> bool:
    """Whether two pictures are nearly the same, as far as their fingerprints tell."""
    return int(hamming_distances(fingerprint, np.frombuffer(other, np.uint8)[None])[0]) <= MAX_DIFFERING_BITS


class NearDuplicateIndex:
    """Remembers pictures and finds, of those remembered, one that is nearly the same as another; quick for millions."""

    def __init__(self) -> None:
        self._keys = array("q")
        self._bits = bytearray()
        self._people: list[Floats] = []
        self._buckets: dict[int, array[int]] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: int, fingerprint: bytes, people: Sequence[Floats], size: tuple[int, int]) -> None:
        """Remembers a picture of `size` (width, height) by a key: its fingerprint, and each person's key points."""
        place = len(self._keys)
        self._keys.append(key)
        self._bits += fingerprint
        self._people.append(_relative_keypoints(people, size))
        for bucket in _buckets(fingerprint)[:, 0].tolist():
            self._buckets.setdefault(bucket, array("I")).append(place)

    def find(self, fingerprint: bytes, people: Sequence[Floats], size: tuple[int, int]) -> int | None:
        """The key of the picture that is nearly the same: few bits differ, and the same people hold the same poses.

        The one of the fewest bits, the earliest among equals; None when there is none.
        """
        found = b"".join(self._buckets.get(bucket, b"") for bucket in _buckets(fingerprint).ravel().tolist())
        places = np.frombuffer(found, np.uint32)
        apart = hamming_distances(
            fingerprint, np.frombuffer(self._bits, np.uint8).reshape(-1, FINGERPRINT_BYTES)[places]
        )
        places, first = np.unique(places[apart <= MAX_DIFFERING_BITS], return_index=True)
        apart = apart[apart <= MAX_DIFFERING_BITS][first]
        here = _relative_keypoints(people, size)
        for i in np.argsort(apart, kind="stable"):
            if _are_same_people(here, self._people[places[i]]):
                return int(self._keys[places[i]])
        return None


def _buckets(bits: bytes) -> npt.NDArray[np.int64]:
    """Bands×17: the bucket of each band, and those where one of its bits is another."""
    bands = np.frombuffer(bits, f"<u{BAND_BITS // 8}")[:BAND_COUNT].astype(np.int64)
    found: npt.NDArray[np.int64] = (np.arange(BAND_COUNT)[:, None] << BAND_BITS) + (bands[:, None] ^ _BIT_FLIPS)
    return found


def _relative_keypoints(people: Sequence[Floats], size: tuple[int, int]) -> Floats:
    """P×17×3 key points in parts of the picture's longer side, small in memory."""
    points = np.array(people, np.float32).reshape(-1, 17, 3)
    points[:, :, :2] /= max(size)
    return points.astype(np.float16)


def _are_same_people(some: Floats, others: Floats) -> bool:
    """Whether the people of the picture that has fewer are in the other too, in the same poses and places."""
    if not len(some) or not len(others):
        return False
    fewer, more = (some, others) if len(some) <= len(others) else (others, some)
    more = more.astype(np.float32)
    return float(np.mean([_best_agreement(one, more) for one in fewer.astype(np.float32)])) >= MIN_AGREEMENT


def _best_agreement(one: Floats, others: Floats) -> float:
    """How well a person (17×3) agrees with whoever of N×17×3 others is in the same place and agrees best."""
    both = (one[:, 2] > 0) & (others[:, :, 2] > 0)
    moved = ((others[:, :, :2] - one[:, :2]) * both[:, :, None]).sum(1) / np.maximum(both.sum(1), 1)[:, None]
    here = both.any(1) & (np.abs(moved).max(1) <= MAX_SHIFT)
    if not here.any():
        return 0.0
    points, weights = one[:, :2] * AGREEMENT_LONG_SIDE, (one[:, 2] > 0).astype(np.float32)
    return float(agreement(points, weights, others[here, :, :2] * AGREEMENT_LONG_SIDE, others[here, :, 2] > 0).max())


_POPCOUNTS: Final = np.array([number.bit_count() for number in range(1 << 16)], np.uint8)

_BIT_FLIPS: Final = np.array([0, *(1 << bit for bit in range(BAND_BITS))])
