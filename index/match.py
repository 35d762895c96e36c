"""From a visitor's pose to the photographs that show it best: Annoy's shortlist, then exact agreement over it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from index.agreement import agreement
from index.library import Library
from index.vector import REGIONS_PER_QUERY
from models.pose import MIRROR_ORDER, Floats, Pose
from models.seen import SHORTLIST_SHARE

Indices = npt.NDArray[np.intp]

NEIGHBOURS_PER_QUERY = 60
"""Items on the shortlist, by each region asked, for the pose and for its mirror image."""

SEARCH_K = 250
"""Vectors that Annoy compares for it, about."""

EXHAUSTIVE_LIMIT = 500
"""A library of no more items is searched through: that is as quick, and exact."""

MIN_KEYPOINTS = 3
"""Fewer key points say nothing of a pose: any two can be laid on any two."""

BATCH_SIZE = 4096
"""Items that an exhaustive search looks at together: what they need stays in the processor's cache."""


class Match(NamedTuple):
    """A photograph found: which item, whether to show it mirrored, and how well it agrees (0 to 1)."""

    item: int
    mirrored: bool
    agreement: float


class Matcher:
    """Finds poses in one opened library."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def find(self, pose: Pose, top: int = 32) -> list[Match]:
        """The `top` best photographs for a pose in any pixels, best first; [] when fewer than 3 points are seen.

        Each item is there once, as it is or mirrored, whichever agrees better. A match that is `mirrored` must be
        shown mirrored: its pose then is `library.pose(i).mirrored(item.width)`. Raises ValueError when a coordinate
        or score is no number.
        """
        if len(self._library) <= EXHAUSTIVE_LIMIT:
            return find_exhaustively(self._library, pose, top)
        if not _is_searchable(pose):
            return []
        items, straight = self._shortlist(pose)
        rows = _transposed(self._library.keypoints[items])
        _mirror_in_place(rows[:, :, straight:])
        found = _agreement(pose, rows)
        return _best_matches(items, np.arange(len(items)) >= straight, found, top)

    def _shortlist(self, pose: Pose) -> tuple[Indices, int]:
        """Items near the pose, and after so many of them those near its mirror image; an item can be there again."""
        known = pose.scores >= SHORTLIST_SHARE * pose.scores.max()
        near: list[int] = []
        straight = 0
        for region, mirrored, vector in self._library.shape_model.queries(pose.xy, known):
            near += self._library.nearest(region, vector, NEIGHBOURS_PER_QUERY, SEARCH_K)
            if not mirrored:
                straight = len(near)
        return np.array(near, np.intp), straight


def find_exhaustively(library: Library, pose: Pose, top: int = 32) -> list[Match]:
    """What `Matcher.find` would answer if it looked at every item: slow, and the measure of what a shortlist misses."""
    if not _is_searchable(pose):
        return []
    found = np.zeros((2, len(library)), np.float32)
    for start in range(0, len(library), BATCH_SIZE):
        rows = _transposed(library.keypoints[start : start + BATCH_SIZE])
        for orientation in found:
            orientation[start : start + BATCH_SIZE] = _agreement(pose, rows)
            _mirror_in_place(rows)
    return _best_matches(
        np.tile(np.arange(len(library)), 2), np.repeat([False, True], len(library)), found.ravel(), top
    )


def _is_searchable(pose: Pose) -> bool:
    """Whether enough is seen of somebody to look for. Raises ValueError when a coordinate or score is no number."""
    if not (np.isfinite(pose.xy).all() and np.isfinite(pose.scores).all()):
        raise ValueError("the pose asked for has a coordinate or score that is no number")
    seen = pose.xy[pose.scores > 0]
    return len(seen) >= MIN_KEYPOINTS and bool((seen != seen[0]).any())


def _transposed(keypoints: Floats) -> Floats:
    """A copy of N×17×3 key points as 3×17×N, which is how `agreement` wants them to lie in memory."""
    return np.ascontiguousarray(keypoints.T)


def _mirror_in_place(rows: Floats) -> None:
    """Turns 3×17×N key points into their mirror images, where they are."""
    rows[:] = rows[:, MIRROR_ORDER]
    rows[0] *= -1


def _agreement(pose: Pose, rows: Floats) -> Floats:
    """How well each of 3×17×N key points shows the pose."""
    return agreement(pose.xy, pose.scores, rows[:2].T, rows[2].T > 0)


def _best_matches(items: Indices, mirrored: npt.NDArray[np.bool_], found: Floats, top: int) -> list[Match]:
    """The best of what was found, each item once; equals by their number, so that the answer is always the same."""
    # An item can be there as it is and mirrored, by each region asked: so many times as many are sure to hold `top`.
    most = 2 * REGIONS_PER_QUERY * top
    some = np.arange(len(found))
    if len(found) > most:
        some = np.flatnonzero(found >= np.partition(found, len(found) - most)[len(found) - most])
    some = some[np.lexsort((mirrored[some], items[some], -found[some]))]
    best: dict[int, Match] = {}
    for match in zip(items[some].tolist(), mirrored[some].tolist(), found[some].tolist(), strict=True):
        best.setdefault(match[0], Match(*match))
        if len(best) == top:
            break
    return list(best.values())
