"""Pictures that are nearly the same as an earlier one: bursts, and copies scaled, saved again, brightened or cut."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from index.agreement import agreement
from index.fingerprint import BYTES
from models.pose import Floats

BITS: Final = 56
"""Pictures whose fingerprints differ in at most so many of the 256 bits may be of one moment: copies differ in up to
53, and of different photos the nearest two in 84 (docs/libraries.md)."""

SAME: Final = 0.65
"""From this agreement on, in the mean over its people, a picture shows the same poses as another. What an estimator
finds in a copy is a little different, so of more than this copies would stay; of less, a video's frames would go."""

PLACE: Final = 0.04
"""How far somebody's middle may be from where it was, in parts of the picture's longer side: copies are cut."""

UNIT: Final = 1000
"""Pixels of a picture's longer side for agreement, which takes people of some pixels at least."""

BAND: Final = 16
BANDS: Final = 6
"""Fingerprints are compared when all but one of the bits of one of these bands agree: of their first, steadiest bits.
Of copies cut by 2 % at each side 99.6 % are found that way, of other copies all."""


def differing(bits: bytes, others: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """How many bits of a fingerprint differ from each of N×32 others."""
    apart = (np.frombuffer(bits, np.uint8) ^ others).view(np.uint16)
    found: npt.NDArray[np.int64] = _ONES[apart].sum(1, dtype=np.int64)
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
        for bucket in _buckets(bits)[:, 0].tolist():
            self._buckets.setdefault(bucket, array("I")).append(place)

    def alike(self, bits: bytes, people: Sequence[Floats], size: tuple[int, int]) -> int | None:
        """The key of the picture that is nearly the same: few bits differ, and the same people hold the same poses.

        The one of the fewest bits, the earliest among equals; None when there is none.
        """
        found = b"".join(self._buckets.get(bucket, b"") for bucket in _buckets(bits).ravel().tolist())
        places = np.frombuffer(found, np.uint32)
        apart = differing(bits, np.frombuffer(self._bits, np.uint8).reshape(-1, BYTES)[places])
        places, first = np.unique(places[apart <= BITS], return_index=True)
        apart = apart[apart <= BITS][first]
        here = _in_place(people, size)
        for i in np.argsort(apart, kind="stable"):
            if _same_people(here, self._people[places[i]]):
                return int(self._keys[places[i]])
        return None


def _buckets(bits: bytes) -> npt.NDArray[np.int64]:
    """Bands×17: the bucket of each band, and those where one of its bits is another."""
    bands = np.frombuffer(bits, f"<u{BAND // 8}")[:BANDS].astype(np.int64)
    found: npt.NDArray[np.int64] = (np.arange(BANDS)[:, None] << BAND) + (bands[:, None] ^ _FLIPS)
    return found


def _in_place(people: Sequence[Floats], size: tuple[int, int]) -> Floats:
    """P×17×3 key points in parts of the picture's longer side, small in memory."""
    points = np.array(people, np.float32).reshape(-1, 17, 3)
    points[:, :, :2] /= max(size)
    return points.astype(np.float16)


def _same_people(some: Floats, others: Floats) -> bool:
    """Whether the people of the picture that has fewer are in the other too, in the same poses and places."""
    if not len(some) or not len(others):
        return False
    fewer, more = (some, others) if len(some) <= len(others) else (others, some)
    more = more.astype(np.float32)
    return float(np.mean([_same(one, more) for one in fewer.astype(np.float32)])) >= SAME


def _same(one: Floats, others: Floats) -> float:
    """How well a person (17×3) agrees with whoever of N×17×3 others is in the same place and agrees best."""
    both = (one[:, 2] > 0) & (others[:, :, 2] > 0)
    moved = ((others[:, :, :2] - one[:, :2]) * both[:, :, None]).sum(1) / np.maximum(both.sum(1), 1)[:, None]
    here = both.any(1) & (np.abs(moved).max(1) <= PLACE)
    if not here.any():
        return 0.0
    points, weights = one[:, :2] * UNIT, (one[:, 2] > 0).astype(np.float32)
    return float(agreement(points, weights, others[here, :, :2] * UNIT, others[here, :, 2] > 0).max())


_ONES: Final = np.array([number.bit_count() for number in range(1 << 16)], np.uint8)

_FLIPS: Final = np.array([0, *(1 << bit for bit in range(BAND))])
