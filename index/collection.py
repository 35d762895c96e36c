"""Collections: groups of a library's pictures, such as sport or dance, each with a name.

A picture is in one collection or in none. People spell names in several ways, so `Yoga` in a table and a folder `yoga`
are one collection, as are `martial_arts` and `Martial arts`.
"""

from __future__ import annotations

import re
from array import array
from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt


def collection_key(name: str) -> str:
    """Return what all spellings of a collection's name have in common."""
    return re.sub(r"[\s_-]+", " ", name.casefold()).strip()


def group_members(rows: Iterable[tuple[int, str]]) -> dict[str, npt.NDArray[np.intp]]:
    """Return the items of each collection in the order of their numbers, by its name; the largest collection first.

    `rows` are items' numbers, each with a spelling of its collection. The most frequent one is the collection's name.
    """
    by_spelling: defaultdict[str, array[int]] = defaultdict(lambda: array("q"))  # a list would need five times as much
    for number, spelling in rows:
        by_spelling[spelling].append(number)
    by_key: defaultdict[str, list[str]] = defaultdict(list)
    for spelling in sorted(by_spelling, key=lambda spelling: (-len(by_spelling[spelling]), spelling)):
        by_key[collection_key(spelling)].append(spelling)
    members = {
        spellings[0]: np.sort(np.concatenate([np.asarray(by_spelling[spelling], np.intp) for spelling in spellings]))
        for spellings in by_key.values()
    }
    return dict(sorted(members.items(), key=lambda collection: -len(collection[1])))
