"""Search in a library's Annoy indexes: one for each region of the body, over each shard of its items.

`index.build.indexes` writes them. An index holds only people who show its region, so each shard has a file that maps
the vectors of its indexes to items.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from annoy import AnnoyIndex

from index import mapping, vector
from index.checksum import Checksum
from index.errors import as_library_error
from index.manifest import METRIC, index_file, members_file


class Shard:
    """The opened indexes of one shard. All files must have been checked before: Annoy crashes on a damaged one."""

    def __init__(self, path: Path, folder: Path, number: int, items: int, files: Mapping[str, Checksum]) -> None:
        """Map the files in `path`, which messages call `folder`, of a library with `items` people.

        Raises LibraryError.
        """
        self._indexes: dict[str, AnnoyIndex] = {}
        try:
            for region, points in vector.REGIONS.items():
                name = index_file(region, number)
                with as_library_error(folder / name, folder):
                    self._indexes[region] = _open_index(path / name, 2 * len(points), files[name].bytes)
            name = members_file(number)
            with as_library_error(folder / name, folder):
                counts = [index.get_n_items() for index in self._indexes.values()]
                members = map_array(path / name, (sum(counts),), np.dtype(np.int32))
                if len(members) and not 0 <= members.min() <= members.max() < items:
                    raise ValueError(f"items {members.min()} to {members.max()} of {items}")
            parts = np.split(members, np.cumsum(counts)[:-1])
            self._members = dict(zip(vector.REGIONS, parts, strict=True))
        except BaseException:
            self.close()
            raise

    def nearest(self, region: str, query: Sequence[float], count: int, search_k: int) -> list[int]:
        """Return the numbers of the `count` items nearest to a vector of a region, nearest first."""
        ids = self._indexes[region].get_nns_by_vector(query, count, search_k)
        return cast(list[int], self._members[region][ids].tolist())

    def nearest_with_distances(
        self, region: str, query: Sequence[float], count: int, search_k: int
    ) -> tuple[list[float], npt.NDArray[np.int32]]:
        """Return the distances and numbers of the items that `nearest` returns."""
        ids, distances = self._indexes[region].get_nns_by_vector(query, count, search_k, include_distances=True)
        return distances, self._members[region][ids]

    def close(self) -> None:
        """Unmap the files."""
        for index in self._indexes.values():
            index.unload()


def nearest(shards: Sequence[Shard], region: str, query: Sequence[float], count: int, search_k: int) -> list[int]:
    """Return the numbers of the `count` items in all shards that are nearest to a vector, nearest first.

    One shard compares about `search_k` vectors; n shards together compare √n times as many.
    """
    if len(shards) == 1:
        return shards[0].nearest(region, query, count, search_k)
    each = search_k_per_shard(search_k, len(shards))
    results = [shard.nearest_with_distances(region, query, count, each) for shard in shards]
    distances, numbers = zip(*results, strict=True)
    order = np.argsort(np.concatenate(distances), kind="stable")[:count]
    return cast(list[int], np.concatenate(numbers)[order].tolist())


def search_k_per_shard(search_k: int, shards: int) -> int:
    """Return how many vectors each shard compares, where a single shard would compare `search_k`.

    A share of 1/n finds less, because the nearest items are not spread evenly over the shards. The full number finds
    more than a single shard would, but takes n times as long. With 1/√n ten shards find what one finds.
    """
    return math.ceil(search_k / math.sqrt(shards))


def map_array(file: Path, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> npt.NDArray[Any]:
    """Map an .npy file read-only, or read it where it cannot be mapped.

    Raises ValueError when it holds anything but an array of this shape and type.
    """
    try:
        array = mapping.load_array(file)
    except Exception as error:  # NumPy parses the header as Python, and a damaged one raises almost anything
        raise ValueError(f"not an array: {error}") from error
    if array.shape != shape or array.dtype != dtype or not array.flags.c_contiguous:
        raise ValueError(f"{array.dtype} numbers of shape {array.shape}, not {dtype} of {shape}")
    return np.asarray(array)  # stays mapped; np.memmap would make each access slow


def _open_index(file: Path, dimensions: int, size: int) -> AnnoyIndex:
    index = AnnoyIndex(dimensions, METRIC)
    if size:  # the file is empty where nobody in the shard shows the region, and Annoy cannot map an empty file
        with mapping.mappable(file) as path:
            index.load(path)
        if index.get_n_items() < 1:
            raise ValueError("it has no vectors")
    return index
