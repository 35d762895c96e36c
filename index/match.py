"""From a visitor's pose to the photographs that show it best: Annoy's shortlist, then exact agreement over it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from index.agreement import agreement
from index.library import Library
from models.pose import Pose


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

        A match that is `mirrored` must be shown mirrored: its pose then is `library.pose(i).mirrored(item.width)`.
        Raises ValueError when a coordinate or score is no number.
        """
        return exhaustive(self._library, pose, top)


def exhaustive(library: Library, pose: Pose, top: int = 32) -> list[Match]:
    """What `Matcher.find` would answer if it looked at every item: slow, and the measure of what a shortlist misses."""
    points, seen = library.keypoints[:, :, :2], library.keypoints[:, :, 2] > 0
    mirror = pose.mirrored(1)
    found = np.stack([agreement(p.xy, p.scores, points, seen) for p in (pose, mirror)], 1)
    best = np.argsort(-found.ravel(), kind="stable")[:top]
    return [Match(int(i // 2), bool(i % 2), float(found.flat[i])) for i in best]
