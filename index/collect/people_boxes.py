"""The boxes that people drew around people: how many a photo shows, and whether wholly."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from typing import Final, NamedTuple

import numpy as np

from index.collect.rules import Rules

PEOPLE: Final = {"/m/01g317": 0, "/m/04yx4": 1, "/m/03bt1vf": 2, "/m/01bl7v": 3, "/m/05r655": 4}
"""Labels of people in Open Images, numbered: Person, Man, Woman, Boy, Girl."""

MINORS: Final = frozenset((PEOPLE["/m/01bl7v"], PEOPLE["/m/05r655"]))

SAME_PERSON: Final = 0.7
"""Intersection over union from which two boxes are of one person: some were drawn again for another label."""

LOWER_EDGE: Final = 0.995
"""Share of the picture's height at which a box touches its lower edge: then legs or feet are mostly cut off."""

PACKED: Final = np.dtype([("labels", "u1"), ("flags", "u1"), ("corners", "<u2", 4)])
"""A box as it is stored: label, flags, and left, top, right and bottom in 65,535ths of the picture."""

BOX_BYTES: Final = PACKED.itemsize
"""Bytes of a stored box."""

UNPACK: Final = struct.Struct("<BB4H")
"""The same, to read a few boxes."""

SCALE: Final = 65_535

TRUNCATED: Final = 1
"""The flag of a person whom the picture's edge cuts off. The values of flags are those of bits."""

GROUP: Final = 2
"""The flag of a box around more than five people."""

DEPICTION: Final = 4
"""The flag of a drawing or a statue."""

INSIDE: Final = 8
"""The flag of a box that is seen from its inside."""


class Kind(Enum):
    """What a photo shows of people, which limits how many like it are collected."""

    WHOLE = "whole body"
    SEATED = "seated"
    HEAD_AND_SHOULDERS = "head and shoulders"


class Box(NamedTuple):
    """A box around a person, in shares of the picture's width and height, from its left upper corner."""

    labels: frozenset[int]
    flags: int
    left: float
    top: float
    right: float
    bottom: float

    @property
    def height(self) -> float:
        """The height as a share of the picture's."""
        return self.bottom - self.top

    @property
    def is_cut(self) -> bool:
        """Whether an edge of the picture cuts the person off."""
        return bool(self.flags & TRUNCATED) or self.bottom >= LOWER_EDGE


def pack(labels: Sequence[int], flags: Sequence[int], corners: Sequence[Iterable[float]]) -> bytes:
    """Return boxes as they are stored, one after the other, given their lefts, tops, rights and bottoms.

    Coordinates outside the picture are put on its edge. Raises ValueError if one is not a finite number.
    """
    shares = np.array([np.fromiter(values, np.float64, len(labels)) for values in corners])
    if not np.isfinite(shares).all():
        raise ValueError("a coordinate is not a finite number")
    boxes = np.empty(len(labels), PACKED)
    boxes["labels"], boxes["flags"] = labels, flags
    boxes["corners"] = np.rint(np.clip(shares, 0, 1) * SCALE).T
    return boxes.tobytes()


def unpack(data: bytes) -> Iterator[Box]:
    """Yield the stored boxes."""
    for label, flags, left, top, right, bottom in UNPACK.iter_unpack(data):
        yield Box(frozenset((label,)), flags, left / SCALE, top / SCALE, right / SCALE, bottom / SCALE)


def turn(box: Box, rotation: int) -> Box:
    """Return a box of a picture that is turned by degrees anticlockwise, a multiple of 90."""
    for _ in range(rotation // 90 % 4):
        box = box._replace(left=box.top, top=1 - box.right, right=box.bottom, bottom=1 - box.left)
    return box


def merge_duplicates(boxes: Iterable[Box]) -> list[Box]:
    """Return one box for each person, largest first: the largest drawn, with the labels and flags of all of them."""
    merged: list[Box] = []
    for box in sorted(boxes, key=lambda box: (-_area(box), box[2:])):
        for number, other in enumerate(merged):
            if _overlap(box, other) >= SAME_PERSON:
                merged[number] = other._replace(labels=other.labels | box.labels, flags=other.flags | box.flags)
                break
        else:
            merged.append(box)
    return merged


def judge(boxes: Sequence[Box], is_seated: bool, rules: Rules) -> Kind | None:
    """Return what an upright photo shows, given one box for each person; None if the rules leave it out."""
    if any(box.flags & (GROUP | DEPICTION | INSIDE) for box in boxes):
        return None
    if rules.minors == "avoid" and any(box.labels & MINORS for box in boxes):
        return None
    people = [box for box in boxes if box.height >= rules.min_height]
    if not 1 <= len(people) <= rules.max_people or len(boxes) - len(people) > rules.max_background:
        return None
    if any(box.is_cut for box in people):
        return Kind.HEAD_AND_SHOULDERS
    return Kind.SEATED if is_seated else Kind.WHOLE


def _area(box: Box) -> float:
    return max(0.0, box.right - box.left) * max(0.0, box.bottom - box.top)


def _overlap(first: Box, second: Box) -> float:
    """Return the intersection over union of two boxes."""
    width = min(first.right, second.right) - max(first.left, second.left)
    height = min(first.bottom, second.bottom) - max(first.top, second.top)
    common = max(0.0, width) * max(0.0, height)
    whole = _area(first) + _area(second) - common
    return common / whole if whole else float(first[2:] == second[2:])
