"""Matching: find the photos that match a visitor's pose best, by Annoy's shortlist and then exact agreement."""

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
"""Items on the shortlist for each region (see `index.vector`), and again for its mirror image."""

SEARCH_K = 250
"""About how many vectors Annoy compares for each region."""

EXHAUSTIVE_LIMIT = 500
"""Number of items up to which all are compared: below this, comparing all is as quick as a shortlist, and exact."""

MIN_KEYPOINTS_TO_SEARCH = 3
"""Minimum number of seen key points of a pose to search for. Two would be meaningless: after alignment, any two points
fit any other two exactly."""

BATCH_SIZE = 4096
"""Items compared at a time in an exhaustive search. Their data fits into the processor's cache."""


class Match(NamedTuple):
    """One candidate: the item's number, whether to show it mirrored, and its agreement (0 to 1)."""

    item: int
    mirrored: bool
    agreement: float

    def is_same_candidate(self, other: Match) -> bool:
        """Return whether both are the same item shown the same way round, whatever their agreement."""
        return (self.item, self.mirrored) == (other.item, other.mirrored)


class Matcher:
    """Finds the best matches for poses in one opened library."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def find(self, pose: Pose, top: int = 32) -> list[Match]:
        """Return the `top` best matches for a pose, best first.

        There are none when fewer than 3 key points are seen, or when all of them are in one place.

        The pose may be in pixels of any picture. Each item occurs once, as it is or mirrored, whichever agrees better.
        A `mirrored` match must be shown mirrored: its pose is then `library.pose(i).mirrored(item.width)`. Raises
        ValueError when a coordinate or score is not finite.
        """
        if len(self._library) <= EXHAUSTIVE_LIMIT:
            return find_exhaustively(self._library, pose, top)
        if not _is_searchable(pose):
            return []
        items, straight_count = self._shortlist(pose)
        rows = _transposed(self._library.keypoints[items])
        _mirror_in_place(rows[:, :, straight_count:])
        return _best_matches(items, np.arange(len(items)) >= straight_count, _agreement(pose, rows), top)

    def _shortlist(self, pose: Pose) -> tuple[Indices, int]:
        """Return items near the pose, followed by items near its mirror image, and how many come from the pose itself.

        An item can occur several times.
        """
        seen = pose.scores >= SHORTLIST_SHARE * pose.scores.max()
        items: list[int] = []
        straight_count = 0
        # `queries` yields the pose's own regions first, then those of its mirror image
        for region, mirrored, vector in self._library.shape_model.queries(pose.xy, seen):
            items += self._library.nearest(region, vector, NEIGHBOURS_PER_QUERY, SEARCH_K)
            if not mirrored:
                straight_count = len(items)
        return np.array(items, np.intp), straight_count


def find_exhaustively(library: Library, pose: Pose, top: int = 32) -> list[Match]:
    """Return what `Matcher.find` would if it compared every item. Slow; it measures what the shortlist misses."""
    if not _is_searchable(pose):
        return []
    agreements = np.zeros((2, len(library)), np.float32)
    for start in range(0, len(library), BATCH_SIZE):
        rows = _transposed(library.keypoints[start : start + BATCH_SIZE])
        for orientation in agreements:
            orientation[start : start + BATCH_SIZE] = _agreement(pose, rows)
            _mirror_in_place(rows)
    items, mirrored = np.tile(np.arange(len(library)), 2), np.repeat([False, True], len(library))
    return _best_matches(items, mirrored, agreements.ravel(), top)


def _is_searchable(pose: Pose) -> bool:
    """Return whether enough of a person is seen to search. Raises ValueError when a number is not finite."""
    if not (np.isfinite(pose.xy).all() and np.isfinite(pose.scores).all()):
        raise ValueError("the query pose has a coordinate or score that is not a finite number")
    seen = pose.xy[pose.scores > 0]
    return len(seen) >= MIN_KEYPOINTS_TO_SEARCH and bool((seen != seen[0]).any())


def _transposed(keypoints: Floats) -> Floats:
    """Return a copy of N×17×3 key points as 3×17×N, the order in memory that `agreement` is fastest with."""
    return np.ascontiguousarray(keypoints.T)


def _mirror_in_place(rows: Floats) -> None:
    rows[:] = rows[:, MIRROR_ORDER]
    rows[0] *= -1


def _agreement(pose: Pose, rows: Floats) -> Floats:
    """Return the agreement of the pose with each of 3×17×N key points."""
    return agreement(pose.xy, pose.scores, rows[:2].T, rows[2].T > 0)


def _best_matches(items: Indices, mirrored: npt.NDArray[np.bool_], agreements: Floats, top: int) -> list[Match]:
    """Return the best candidates, each item once. Equal ones are in the order of their numbers, so results repeat."""
    # An item can occur straight and mirrored for each region searched, so this many candidates hold `top` items.
    enough = 2 * REGIONS_PER_QUERY * top
    candidates = np.arange(len(agreements))
    if len(agreements) > enough:
        threshold = np.partition(agreements, len(agreements) - enough)[len(agreements) - enough]
        candidates = np.flatnonzero(agreements >= threshold)
    candidates = candidates[np.lexsort((mirrored[candidates], items[candidates], -agreements[candidates]))]
    best: dict[int, Match] = {}
    rows = (items[candidates].tolist(), mirrored[candidates].tolist(), agreements[candidates].tolist())
    for match in map(Match, *rows):
        best.setdefault(match.item, match)
        if len(best) == top:
            break
    return list(best.values())
