"""Pictures that are nearly the same as an earlier one: bursts, and copies scaled, saved again, brightened or cut."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from index.fingerprint import BYTES
from models.pose import SIGMAS, Floats

BITS: Final = 40
"""Pictures whose fingerprints differ in at most so many of the 256 bits may be of one moment."""

SAME: Final = 0.7
"""From this agreement in place on, somebody holds the same pose in two pictures."""

BANDS: Final = BYTES // 2
"""Fingerprints are compared when they have one of these bands of 16 bits in common."""


def differing(bits: bytes, others: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """How many bits of a fingerprint differ from each of N×32 others."""
    found: npt.NDArray[np.int64] = _ONES[np.frombuffer(bits, np.uint8) ^ others].sum(1, dtype=np.int64)
    return found


def near(bits: bytes, other: bytes) -> bool:
    """Whether two pictures are nearly the same, as far as their fingerprints tell."""
    return int(differing(bits, np.frombuffer(other, np.uint8)[None])[0]) <= BITS


class NearDuplicates:
    """Remembers pictures and finds, of those remembered, one that is nearly the same as another; quick for millions."""

    def __init__(self) -> None:
        self._keys = array("q")
        self._bits = bytearray()
        self._people: list[Floats] = []
        self._buckets: dict[int, array[int]] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: int, bits: bytes, people: Sequence[Floats], size: tuple[int, int]) -> None:
        """Remembers a picture of `size` (width, height) by a key: its fingerprint, and each person's key points."""
        place = len(self._keys)
        self._keys.append(key)
        self._bits += bits
        self._people.append(_in_place(people, size))
        for bucket in _buckets(bits):
            self._buckets.setdefault(bucket, array("I")).append(place)

    def alike(self, bits: bytes, people: Sequence[Floats], size: tuple[int, int]) -> int | None:
        """The key of the picture that is nearly the same: few bits differ, and the same people hold the same poses.

        The one of the fewest bits, the earliest among equals; None when there is none.
        """
        found = [self._buckets[bucket] for bucket in _buckets(bits) if bucket in self._buckets]
        if not found:
            return None
        places = np.unique(np.concatenate([np.frombuffer(one, np.uint32) for one in found]))
        apart = differing(bits, np.frombuffer(self._bits, np.uint8).reshape(-1, BYTES)[places])
        here = _in_place(people, size)
        for i in np.argsort(apart, kind="stable"):
            if apart[i] > BITS:
                break
            if _same_people(here, self._people[places[i]]):
                return int(self._keys[places[i]])
        return None


def _buckets(bits: bytes) -> list[int]:
    return [band << 16 | int(part) for band, part in enumerate(np.frombuffer(bits, "<u2"))]


def _in_place(people: Sequence[Floats], size: tuple[int, int]) -> Floats:
    """P×17×3 key points in parts of the picture's longer side, small in memory."""
    points = np.array(people, np.float32).reshape(-1, 17, 3)
    points[:, :, :2] /= max(size)
    return points.astype(np.float16)


def _same_people(some: Floats, others: Floats) -> bool:
    """Whether each person of the picture that has fewer is in the other too, in the same pose and place."""
    if not len(some) or not len(others):
        return False
    fewer, more = (some, others) if len(some) <= len(others) else (others, some)
    return all(_agreement_in_place(one, more.astype(np.float32)).max() >= SAME for one in fewer.astype(np.float32))


def _agreement_in_place(one: Floats, others: Floats) -> Floats:
    """COCO's object key-point similarity of a person (17×3) and others (N×17×3), without scale or shift."""
    seen = one[:, 2] > 0
    if not seen.any():
        return np.zeros(len(others), np.float32)
    both = seen & (others[:, :, 2] > 0)
    width, height = np.ptp(one[seen, :2], axis=0)
    area = max(0.53 * float(width) * float(height), 1e-6)
    missed = ((others[:, :, :2] - one[:, :2]) ** 2).sum(2) / (2 * area * (2 * SIGMAS) ** 2)
    found: Floats = (np.exp(-missed) * both).sum(1) / seen.sum()
    return found


_ONES: Final = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(1).astype(np.uint8)
