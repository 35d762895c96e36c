"""Which poses a library is rich in and which are thin: how many of its people agree with each of many named poses."""

from __future__ import annotations

from dataclasses import dataclass

from models.pose import Floats

AGREES = 0.7
"""From this agreement on somebody is seen to be in the pose."""


@dataclass(frozen=True, slots=True)
class Covered:
    """One reference pose: its name and kind of movement, how many people agree by `AGREES` or more, and the best."""

    title: str
    kind: str
    people: int
    best: float


@dataclass(frozen=True, slots=True)
class Coverage:
    """How a library's people spread over the reference poses, and over how much of them is seen."""

    people: int
    poses: tuple[Covered, ...]
    whole: int
    upper: int


def coverage(keypoints: Floats) -> Coverage:
    """What N×17×3 key points (third ≤ 0 where unseen; may be mapped from a file) cover."""
    return Coverage(len(keypoints), (), 0, 0)


def drawing(coverage: Coverage) -> str:
    """The coverage as a piece of HTML: a small figure in each reference pose, coloured by how many people agree."""
    return ""
