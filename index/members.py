"""Search among some of a library's items, such as a collection, which Annoy cannot do.

One matrix product compares a pose with every member: with each part of the body as a vector, the sum of the parts'
products is nearly likeness. It is quicker than to ask Annoy for so many neighbours that enough of them are members, and
misses less, because the people of a collection resemble one another. The exact comparison follows, as after Annoy.

docs/decisions/0055-several-visitors.md has the measurements.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from index.likeness import PART_COUNT, PART_WEIGHTS, Flags, Query
from index.vector import soft_parts
from models.pose import Floats

Indices = npt.NDArray[np.intp]

MAX_VECTORS: Final = 100_000
"""Members whose vectors are kept in memory at most: 8 MB, and some 2 ms a search. Of more, every second or third
is kept, and so on, and Annoy adds those near the pose."""

ROWS: Final = 1024
"""Vectors multiplied at a time. OpenBLAS starts threads for more, which takes longer than the product."""


class Shortlist(NamedTuple):
    """The items to compare exactly with a pose, and which of them mirrored. An item can occur several times."""

    items: Indices
    mirrored: Flags


class Members:
    """The vectors of some items of a library."""

    def __init__(self, parts: Floats, numbers: Indices) -> None:
        """Read the vectors of items `numbers` (sorted) from a library's `parts`."""
        self._numbers = numbers[:: max(1, math.ceil(len(numbers) / MAX_VECTORS))]
        vectors = np.empty((len(self._numbers), 2 * PART_COUNT), np.float32)
        for start in range(0, len(vectors), ROWS):
            rows = soft_parts(parts[self._numbers[start : start + ROWS]])
            vectors[start : start + ROWS] = rows.reshape(len(rows), -1)
        self._vectors = vectors

    def nearest(self, queries: Sequence[Query], count: int) -> list[Shortlist]:
        """Return the `count` members most like each query, as they are or mirrored, in no order."""
        directions = np.stack([_query_vectors(query) for query in queries]).reshape(-1, 2 * PART_COUNT)
        products = np.empty((len(directions), len(self._vectors)), np.float32)
        for start in range(0, len(self._vectors), ROWS):
            products[:, start : start + ROWS] = directions @ self._vectors[start : start + ROWS].T
        return [self._best(both_ways, count) for both_ways in products.reshape(len(queries), -1)]

    def _best(self, products: Floats, count: int) -> Shortlist:
        """Return the members with the greatest products: those of all members, then those of their mirror images."""
        best = np.arange(len(products))
        if len(best) > count:
            best = np.argpartition(products, len(products) - count)[-count:]
        mirrored = best >= len(self._numbers)
        return Shortlist(self._numbers[best - len(self._numbers) * mirrored], mirrored)


def _query_vectors(query: Query) -> Floats:
    """Return the vectors (2×20) of a pose and its mirror image, where each part counts as much as it is seen."""
    seen = query.weights / PART_WEIGHTS
    return np.asarray((soft_parts(query.rows) * seen[:, None]).reshape(2, -1), np.float32)
