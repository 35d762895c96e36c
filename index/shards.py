"""The Annoy indexes of a library: one for each region of the body, over each shard of so many items.

A shard bounds the memory that building needs, and shards and regions are built side by side: each index depends on
nothing but its items, so the bytes are the same for any number of processes. An index holds the vectors of those alone
who show its region; a file beside it says which item each is of.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from annoy import AnnoyIndex

from index import vector
from index.checksum import Checksum
from index.errors import as_library_error
from index.manifest import METRIC, index_file, members_file

Flags = npt.NDArray[np.bool_]


class Shard:
    """The opened indexes of one shard, all files checked before."""

    def __init__(self, path: Path, folder: Path, number: int, items: int, files: Mapping[str, Checksum]) -> None:
        """Maps the files in `path`, which sentences call `folder`, of a library of `items`. Raises LibraryError."""
        self._indexes: dict[str, AnnoyIndex] = {}
        try:
            for region, points in vector.REGIONS.items():
                name = index_file(region, number)
                with as_library_error(folder / name, folder):
                    self._indexes[region] = _open_index(path / name, 2 * len(points), files[name].bytes)
            name = members_file(number)
            with as_library_error(folder / name, folder):
                counts = [index.get_n_items() for index in self._indexes.values()]
                numbers = map_array(path / name, (sum(counts),), np.dtype(np.int32))
                if len(numbers) and not 0 <= numbers.min() <= numbers.max() < items:
                    raise ValueError(f"items {numbers.min()} to {numbers.max()} of {items}")
            parts = np.split(numbers, np.cumsum(counts)[:-1])
            self._members = dict(zip(vector.REGIONS, parts, strict=True))
        except BaseException:
            self.close()
            raise

    def nearest(self, region: str, query: Sequence[float], count: int, search_k: int) -> list[int]:
        """The numbers of the `count` items nearest to a vector of a region, nearest first."""
        ids = self._indexes[region].get_nns_by_vector(query, count, search_k)
        return cast(list[int], self._members[region][ids].tolist())

    def nearest_with_distances(
        self, region: str, query: Sequence[float], count: int, search_k: int
    ) -> tuple[list[float], npt.NDArray[np.int32]]:
        """The same with how far away each is: distances, numbers."""
        ids, distances = self._indexes[region].get_nns_by_vector(query, count, search_k, include_distances=True)
        return distances, self._members[region][ids]

    def close(self) -> None:
        """Lets the files go."""
        for index in self._indexes.values():
            index.unload()


def nearest(shards: Sequence[Shard], region: str, query: Sequence[float], count: int, search_k: int) -> list[int]:
    """The numbers of the `count` items of all shards that are nearest to a vector, nearest first.

    About `search_k` vectors are compared where there is one shard, √n times as many where there are n.
    """
    if len(shards) == 1:
        return shards[0].nearest(region, query, count, search_k)
    each = search_k_per_shard(search_k, len(shards))
    distances, numbers = zip(*(one.nearest_with_distances(region, query, count, each) for one in shards), strict=True)
    order = np.argsort(np.concatenate(distances), kind="stable")[:count]
    return cast(list[int], np.concatenate(numbers)[order].tolist())


def search_k_per_shard(search_k: int, shards: int) -> int:
    """How many vectors each of several shards compares, where one compares `search_k`.

    A share of 1/n finds less, as the nearest items are not spread evenly; all for each finds more than one shard would,
    and takes as many times as long. With 1/√n ten shards find what one finds.
    """
    return math.ceil(search_k / math.sqrt(shards))


def _open_index(file: Path, dimensions: int, size: int) -> AnnoyIndex:
    index = AnnoyIndex(dimensions, METRIC)
    if size:  # nobody in the shard shows this region; Annoy cannot map nothing
        index.load(str(file))
        if index.get_n_items() < 1:
            raise ValueError("it has no vectors")
    return index


def map_array(file: Path, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> npt.NDArray[Any]:
    """A mapped .npy file, read-only. Raises ValueError when it holds anything else than such an array."""
    try:
        found = np.load(file, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a header is parsed as Python: there is little that it cannot make go wrong
        raise ValueError(f"no array: {error}") from error
    if not isinstance(found, np.ndarray):
        raise ValueError("a zip file, and no array")
    if found.shape != shape or found.dtype != dtype or not found.flags.c_contiguous:
        raise ValueError(f"{found.dtype} numbers of shape {found.shape}, not {dtype} of {shape}")
    return np.asarray(found)  # the memory stays mapped; NumPy's class for that makes each access slow
