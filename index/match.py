"""Matching: find the photos that match a visitor's pose best, by a shortlist and then exact likeness.

The shortlist comes from Annoy, or from `index.members` for a search among some of a library's items.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from index.library import Library
from index.likeness import Flags, Query, compare, make_queries, make_query
from index.members import MAX_VECTORS, Indices, Members, Shortlist
from index.vector import REGIONS_PER_QUERY
from models.pose import Floats, Pose
from models.seen import SHORTLIST_SHARE

MIN_NEIGHBOURS = 24
"""Items on the shortlist for each region (see `index.vector`), and again for its mirror image, at least: as many as
matches are wanted, if these are more."""

MAX_NEIGHBOURS: Final = 1000
"""The same at most, for a search among some of a library's items: as many more are asked for as others are among them.
"""

MIN_MEMBERS: Final = 200
"""Members on the shortlist of a search among some of a library's items at least …"""
MEMBERS_PER_MATCH: Final = 4
"""… and for each match that is wanted. Half as many miss twice as much, and are hardly quicker."""

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
    """Finds the best matches for poses in one opened library, or among some of its items."""

    def __init__(self, library: Library, members: Indices | None = None) -> None:
        """Search among the items with these numbers (sorted, each once); by default, among all."""
        self._library = library
        self._numbers = np.arange(len(library)) if members is None else members
        self._members: Members | None = None
        self._is_member: Flags | None = None
        if members is not None and EXHAUSTIVE_LIMIT < len(members) < len(library):
            self._members = Members(library.parts, members)
            if len(members) > MAX_VECTORS:
                self._is_member = np.zeros(len(library), np.bool_)
                self._is_member[members] = True

    def find(self, pose: Pose, top: int = 32) -> list[Match]:
        """Return the `top` best matches for a pose, best first.

        There are none when fewer than two parts of the body are seen, or when all key points are in one place.

        The pose may be in pixels of any picture. Each item occurs once, as it is or mirrored, whichever is more alike.
        A `mirrored` match must be shown mirrored: its pose is then `library.pose(i).mirrored(item.width)`. Raises
        ValueError when a coordinate or score is not finite.
        """
        return self.find_all([pose], top)[0]

    def find_all(self, poses: Sequence[Pose], top: int = 32) -> list[list[Match]]:
        """Return what `find` returns for each of several poses, in less time. Raises ValueError as `find` does."""
        if not poses:
            return []
        queries = make_queries(np.stack([pose.xy for pose in poses]), np.stack([pose.visibility for pose in poses]))
        found: list[list[Match]] = [[] for _ in poses]
        searchable = [i for i, query in enumerate(queries) if _is_searchable(query)]
        shortlists = self._shortlists([poses[i] for i in searchable], [queries[i] for i in searchable], top)
        for i, (items, mirrored) in zip(searchable, shortlists, strict=True):
            found[i] = _best_matches(items, mirrored, compare(queries[i], self._library.parts[items], mirrored), top)
        return found

    def likeness(self, match: Match, pose: Pose) -> float:
        """Return how alike a pose and the person of a match look. Raises ValueError as `index.likeness` does."""
        query = make_query(pose.xy, pose.visibility)
        return float(compare(query, self._library.parts[[match.item]], np.array([match.mirrored]))[0])

    def _shortlists(self, poses: Sequence[Pose], queries: Sequence[Query], top: int) -> list[Shortlist]:
        """Return what to compare with each pose, of which `queries` are the same."""
        if not queries:
            return []
        if len(self._numbers) <= EXHAUSTIVE_LIMIT:
            everybody = Shortlist(np.tile(self._numbers, 2), np.repeat([False, True], len(self._numbers)))
            return [everybody] * len(queries)
        if self._members is None:
            return [self._ask_annoy(pose, max(top, MIN_NEIGHBOURS)) for pose in poses]
        shortlists = self._members.nearest(queries, max(MEMBERS_PER_MATCH * top, MIN_MEMBERS))
        if self._is_member is None:
            return shortlists
        share = len(self._numbers) / len(self._library)
        count = min(math.ceil(max(top, MIN_NEIGHBOURS) / share), max(top, MAX_NEIGHBOURS))
        near = [self._ask_annoy(pose, count) for pose in poses]
        return [_join(shortlist, some, self._is_member) for shortlist, some in zip(shortlists, near, strict=True)]

    def _ask_annoy(self, pose: Pose, count: int) -> Shortlist:
        """Return items near the pose and near its mirror image: `count` for each region and way round."""
        seen = pose.scores >= SHORTLIST_SHARE * pose.scores.max()
        items: list[int] = []
        straight_count = 0
        # `queries` yields the pose's own regions first, then those of its mirror image
        for region, mirrored, vector in self._library.shape_model.queries(pose.xy, seen):
            items += self._library.nearest(region, vector, count, max(SEARCH_K, 2 * count))
            if not mirrored:
                straight_count = len(items)
        return Shortlist(np.array(items, np.intp), np.arange(len(items)) >= straight_count)


def find_exhaustively(library: Library, pose: Pose, top: int = 32, members: Indices | None = None) -> list[Match]:
    """Return what `Matcher.find` would if it compared every member. Slow; it measures what a shortlist misses."""
    query = make_query(pose.xy, pose.visibility)
    if not _is_searchable(query):
        return []
    numbers = np.arange(len(library)) if members is None else members
    likenesses = np.zeros((2, len(numbers)), np.float32)
    for start in range(0, len(numbers), BATCH_SIZE):
        batch = library.parts[numbers[start : start + BATCH_SIZE]]
        for way, row in enumerate(likenesses):
            row[start : start + BATCH_SIZE] = compare(query, batch, np.full(len(batch), way == 1))
    items, mirrored = np.tile(numbers, 2), np.repeat([False, True], len(numbers))
    return _best_matches(items, mirrored, likenesses.ravel(), top)


def _is_searchable(query: Query) -> bool:
    """Return whether enough of a pose is seen to search for it."""
    return bool(np.count_nonzero(query.weights[0]) >= MIN_PARTS_TO_SEARCH)


def _join(shortlist: Shortlist, near: Shortlist, is_member: Flags) -> Shortlist:
    """Return a shortlist, followed by those of another that are members."""
    kept = is_member[near.items]
    return Shortlist(
        np.concatenate([shortlist.items, near.items[kept]]), np.concatenate([shortlist.mirrored, near.mirrored[kept]])
    )


def _best_matches(items: Indices, mirrored: Flags, likenesses: Floats, top: int) -> list[Match]:
    """Return the best candidates, each item once. Equal ones are in the order of their numbers, so results repeat."""
    # An item can occur straight and mirrored for each region searched, and once more each way as a member, so this many
    # candidates hold `top` items.
    enough = 2 * (REGIONS_PER_QUERY + 1) * top
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
