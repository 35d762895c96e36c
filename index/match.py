"""From a visitor's pose to the photographs that show it best: Annoy's shortlist, then exact agreement over it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from index.agreement import agreement
from index.library import Library
from index.vector import regions_for, vectors
from models.pose import SWAP, Floats, Pose

Numbers = npt.NDArray[np.intp]

NEAREST = 100
"""Items on the shortlist, by each region asked, for the pose and for its mirror image."""

SEARCHED = 400
"""Vectors that Annoy compares for it, about."""

SMALL = 500
"""A library of no more items is searched through: that is as quick, and exact."""

FEWEST_POINTS = 3
"""Fewer key points say nothing of a pose: any two can be laid on any two."""

KNOWN = 0.15
"""A point scored less, in parts of the pose's best, is guessed for the shortlist: the estimator was guessing too."""

AT_ONCE = 4096
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
        if len(self._library) <= SMALL:
            return exhaustive(self._library, pose, top)
        if not _tells_something(pose):
            return []
        items, mirrored, found = [], [], []
        for flipped, asked, near in self._shortlists(pose):
            keypoints = self._library.keypoints[near]
            found.append(agreement(asked.xy, asked.scores, keypoints[:, :, :2], keypoints[:, :, 2] > 0))
            mirrored.append(np.full(len(near), flipped))
            items.append(near)
        return _best(np.concatenate(items), np.concatenate(mirrored), np.concatenate(found), top)

    def _shortlists(self, pose: Pose) -> Iterator[tuple[bool, Pose, Numbers]]:
        """Items near the pose and near its mirror image, by the regions of the body that it covers best."""
        known = pose.scores >= KNOWN * pose.scores.max()
        whole = replace(pose, xy=self._library.shape.complete(pose.xy[None], known[None])[0])
        yield False, pose, self._shortlist(whole.xy, known)
        yield True, pose.mirrored(1), self._shortlist(whole.mirrored(1).xy, known[SWAP])

    def _shortlist(self, whole: Floats, known: npt.NDArray[np.bool_]) -> Numbers:
        near: set[int] = set()
        for region in regions_for(known):
            vector = vectors(whole[None], region)[0].tolist()
            near.update(self._library.nearest(region, vector, NEAREST, SEARCHED))
        return np.fromiter(sorted(near), np.intp, len(near))


def exhaustive(library: Library, pose: Pose, top: int = 32) -> list[Match]:
    """What `Matcher.find` would answer if it looked at every item: slow, and the measure of what a shortlist misses."""
    if not _tells_something(pose):
        return []
    mirror = pose.mirrored(1)
    found = np.zeros((2, len(library)), np.float32)
    for start in range(0, len(library), AT_ONCE):
        some = library.keypoints[start : start + AT_ONCE]
        points, seen = some[:, :, :2], some[:, :, 2] > 0
        for row, asked in zip(found, (pose, mirror), strict=True):
            row[start : start + AT_ONCE] = agreement(asked.xy, asked.scores, points, seen)
    return _best(np.tile(np.arange(len(library)), 2), np.repeat([False, True], len(library)), found.ravel(), top)


def _tells_something(pose: Pose) -> bool:
    """Whether enough is seen of somebody to look for. Raises ValueError when a coordinate or score is no number."""
    if not (np.isfinite(pose.xy).all() and np.isfinite(pose.scores).all()):
        raise ValueError("the pose asked for has a coordinate or score that is no number")
    seen = pose.xy[pose.scores > 0]
    return len(seen) >= FEWEST_POINTS and bool((seen != seen[0]).any())


def _best(items: Numbers, mirrored: npt.NDArray[np.bool_], found: Floats, top: int) -> list[Match]:
    """The best of what was found, each item once; equals by their number, so that the answer is always the same."""
    # An item can be there twice, as it is and mirrored: then twice as many are sure to hold `top` of them.
    some = np.argpartition(-found, 2 * top - 1)[: 2 * top] if len(found) > 2 * top else np.arange(len(found))
    best: dict[int, Match] = {}
    for i in sorted(some.tolist(), key=lambda i: (-found[i], items[i], mirrored[i])):
        best.setdefault(int(items[i]), Match(int(items[i]), bool(mirrored[i]), float(found[i])))
    return list(best.values())[:top]
