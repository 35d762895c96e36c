"""Matching: find the photos that match a visitor's pose best, by Annoy's shortlist and then exact likeness."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from index.library import Library
from index.likeness import Flags, Query, compare, make_query
from index.vector import REGIONS_PER_QUERY
from models.pose import Floats, Pose
from models.seen import SHORTLIST_SHARE

Indices = npt.NDArray[np.intp]

MIN_NEIGHBOURS = 24
"""Items on the shortlist for each region (see `index.vector`), and again for its mirror image, at least: as many as
matches are wanted, if these are more."""

SEARCH_K = 100
"""About how many vectors Annoy compares for each region."""

EXHAUSTIVE_LIMIT = 500
"""Number of items up to which all are compared: below this, comparing all is as quick as a shortlist, and exact."""

MIN_PARTS_TO_SEARCH = 2
"""Minimum number of seen parts of the body of a pose to search for. A single part would be found in nearly anybody."""

BATCH_SIZE = 4096
"""Items compared at a time in an exhaustive search. Their data fits into the processor's cache."""


class Match(NamedTuple):
    """One candidate: the item's number, whether to show it mirrored, and its likeness (0 to 1)."""

    item: int
    mirrored: bool
    likeness: float

    def is_same_candidate(self, other: Match) -> bool:
        """Return whether both are the same item shown the same way round, whatever their likeness."""
        return (self.item, self.mirrored) == (other.item, other.mirrored)


class Matcher:
    """Finds the best matches for poses in one opened library."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def find(self, pose: Pose, top: int = 32) -> list[Match]:
        """Return the `top` best matches for a pose, best first.

        There are none when fewer than two parts of the body are seen, or when all key points are in one place.

        The pose may be in pixels of any picture. Each item occurs once, as it is or mirrored, whichever is more alike.
        A `mirrored` match must be shown mirrored: its pose is then `library.pose(i).mirrored(item.width)`. Raises
        ValueError when a coordinate or score is not finite.
        """
        if len(self._library) <= EXHAUSTIVE_LIMIT:
            return find_exhaustively(self._library, pose, top)
        query = _searchable_query(pose)
        if query is None:
            return []
        items, straight_count = self._shortlist(pose, max(top, MIN_NEIGHBOURS))
        mirrored = np.arange(len(items)) >= straight_count
        return _best_matches(items, mirrored, compare(query, self._library.parts[items], mirrored), top)

    def likeness(self, match: Match, pose: Pose) -> float:
        """Return how alike a pose and the person of a match look. Raises ValueError as `index.likeness` does."""
        query = make_query(pose.xy, pose.visibility)
        return float(compare(query, self._library.parts[[match.item]], np.array([match.mirrored]))[0])

    def _shortlist(self, pose: Pose, count: int) -> tuple[Indices, int]:
        """Return items near the pose, followed by items near its mirror image, and how many come from the pose itself.

        There are `count` for each region and way round.
        An item can occur several times.
        """
        seen = pose.scores >= SHORTLIST_SHARE * pose.scores.max()
        items: list[int] = []
        straight_count = 0
        # `queries` yields the pose's own regions first, then those of its mirror image
        for region, mirrored, vector in self._library.shape_model.queries(pose.xy, seen):
            items += self._library.nearest(region, vector, count, max(SEARCH_K, 2 * count))
            if not mirrored:
                straight_count = len(items)
        return np.array(items, np.intp), straight_count


def find_exhaustively(library: Library, pose: Pose, top: int = 32) -> list[Match]:
    """Return what `Matcher.find` would if it compared every item. Slow; it measures what the shortlist misses."""
    query = _searchable_query(pose)
    if query is None:
        return []
    likenesses = np.zeros((2, len(library)), np.float32)
    for start in range(0, len(library), BATCH_SIZE):
        batch = library.parts[start : start + BATCH_SIZE]
        for way, row in enumerate(likenesses):
            row[start : start + BATCH_SIZE] = compare(query, batch, np.full(len(batch), way == 1))
    items, mirrored = np.tile(np.arange(len(library)), 2), np.repeat([False, True], len(library))
    return _best_matches(items, mirrored, likenesses.ravel(), top)


def _searchable_query(pose: Pose) -> Query | None:
    """Return a pose as a query, or None if too little of it is seen. Raises ValueError as `Matcher.find` does."""
    query = make_query(pose.xy, pose.visibility)
    return query if np.count_nonzero(query.weights[0]) >= MIN_PARTS_TO_SEARCH else None


def _best_matches(items: Indices, mirrored: Flags, likenesses: Floats, top: int) -> list[Match]:
    """Return the best candidates, each item once. Equal ones are in the order of their numbers, so results repeat."""
    # An item can occur straight and mirrored for each region searched, so this many candidates hold `top` items.
    enough = 2 * REGIONS_PER_QUERY * top
    candidates = np.arange(len(likenesses))
    if len(likenesses) > enough:
        threshold = np.partition(likenesses, len(likenesses) - enough)[len(likenesses) - enough]
        candidates = np.flatnonzero(likenesses >= threshold)
    candidates = candidates[np.lexsort((mirrored[candidates], items[candidates], -likenesses[candidates]))]
    best: dict[int, Match] = {}
    rows = (items[candidates].tolist(), mirrored[candidates].tolist(), likenesses[candidates].tolist())
    for match in map(Match, *rows):
        best.setdefault(match.item, match)
        if len(best) == top:
            break
    return list(best.values())
