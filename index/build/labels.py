"""The labels of people in COCO files: each annotation gives 17 key points in our order, or a reason why it does not."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from models.pose import KEYPOINT_NAMES, LEFT_SHOULDER, Floats
from models.text import printable

MAX_COORDINATE: Final = 1_000_000
"""Pixels: no coordinate in a picture is this large."""

BODY_FIRST: Final = (17, 26, 133, 136)
"""Numbers of key points in sets whose first 17 are COCO's: COCO itself, Halpe (26, 136) and COCO-WholeBody (133)."""

ANIMALS: Final = frozenset(
    ("animal", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe")
)
"""COCO's categories of animals. Labels of other animals differ from people's by the names or number of their points."""

PEOPLE: Final = frozenset(("person", "persons", "people", "human", "humans", "pedestrian"))
"""Words in the names of categories of people."""

Identifier = int | str
"""What names a picture or category. Programs write the same number as 7, 7.0 or "7"."""


class LabelError(ValueError):
    """An annotation without a usable person: a phrase that says why; `kind` sorts the reasons for the report."""

    def __init__(self, kind: str, problem: str) -> None:
        super().__init__(problem)
        self.kind = kind


class Category(NamedTuple):
    """A category of annotations.

    `order` has for each of our 17 key points its place among the category's `point_count`, −1 where the category has
    none. It is None if the category does not name its points. `is_person` is None if its name does not tell.
    """

    name: str
    is_person: bool | None
    order: tuple[int, ...] | None = None
    point_count: int = 0


class Categories:
    """The categories of a COCO file: which of them are people, and in which order their key points are."""

    def __init__(self, document: object) -> None:
        """Read a file's `categories`, of which anything may be missing or of another type."""
        entries = [entry for entry in document if isinstance(entry, dict)] if isinstance(document, list) else []
        self._by_id: dict[Identifier | None, Category] = {
            identifier(entry.get("id")): _read_category(entry) for entry in entries
        }
        self._names_people = any(category.is_person for category in self._by_id.values())

    def keypoints(self, annotation: Mapping[str, Any]) -> Floats:
        """Return the 17×3 key points of the person in an annotation. Raises LabelError."""
        if annotation.get("iscrowd") not in (None, 0, False, "0"):
            raise LabelError("no key points", "labels a crowd")
        points = read_points(annotation.get("keypoints"))
        if not len(points):
            raise LabelError("no key points", "has no key points")
        person = self._select(points, self._by_id.get(identifier(annotation.get("category_id"))))
        person[~np.isfinite(person).all(1) | (person[:, 2] <= 0)] = 0
        seen = person[person[:, 2] > 0, :2]
        if not len(seen):
            raise LabelError("no key points", "has no key point that is labelled")
        if np.abs(seen).max() >= MAX_COORDINATE:
            raise LabelError("not a label", "has coordinates that no picture has")
        return person

    def _select(self, points: Floats, category: Category | None) -> Floats:
        """Return the 17 of a category's points that are ours. Raises LabelError."""
        if category is not None and category.order is not None:
            if len(points) != category.point_count:
                problem = f"has {len(points)} key points, but its category names {category.point_count}"
                raise LabelError("other key points", problem)
            person = points[list(category.order)]
            person[np.array(category.order) < 0] = 0
            return person
        if category is not None and (category.is_person is False or (self._names_people and not category.is_person)):
            name = printable(category.name)[:80] or "without a name"
            raise LabelError("other key points", f"is of the category {name}, which has other key points than a person")
        if len(points) not in BODY_FIRST:
            raise LabelError("other key points", f"has {len(points)} key points, not {len(KEYPOINT_NAMES)}")
        return points[: len(KEYPOINT_NAMES)].copy()


def read_points(value: object) -> Floats:
    """Return a label's key points as N×3 (x, y, above 0 if labelled), NaN where a number is missing.

    Raises LabelError if they are not numbers.
    """
    if isinstance(value, np.ndarray):
        return value
    if not value and not isinstance(value, bool):
        return np.zeros((0, 3), np.float32)
    try:
        with np.errstate(over="ignore"):
            points = np.array(value, np.float32)
    except (ValueError, TypeError, OverflowError) as error:
        raise LabelError("not a label", "has key points that are not numbers") from error
    if points.size % 3 or points.ndim not in (1, 2) or (points.ndim == 2 and points.shape[1] != 3):
        raise LabelError("not a label", f"has {points.size} numbers for its key points, not three for each")
    return points.reshape(-1, 3)


def identifier(value: object) -> Identifier | None:
    """Return the number or text by which a COCO file names something; None if it is neither."""
    if isinstance(value, str):
        text = value.strip()
        short = text.isascii() and text.isdecimal() and len(text) < 19
        return int(text) if short and str(int(text)) == text else text or None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _read_category(entry: Mapping[str, Any]) -> Category:
    """Return a category by its name and the names of its key points."""
    name = str(entry.get("name") or "")
    words = set(_words(name)) | set(_words(str(entry.get("supercategory") or "")))
    is_person = True if words & PEOPLE else False if words & ANIMALS else None
    names = entry.get("keypoints")
    points = [_point_name(each) for each in names] if isinstance(names, list) else []
    places = {point: place for place, point in reversed([*enumerate(points)]) if point}
    if not places and is_person is not False:  # names such as 1, 2, 3 say nothing
        return Category(name, is_person)
    order = tuple(places.get(point, -1) for point in KEYPOINT_NAMES)
    # Limbs down to the wrists and ankles make a person; animals have paws. Sets without ears or eyes do.
    if is_person is False or -1 in order[LEFT_SHOULDER:]:
        return Category(name, False)
    return Category(name, True, order, len(points))


_PARTS: Final = frozenset(point.split("_")[-1] for point in KEYPOINT_NAMES)
"""Parts of the body that have key points, without their sides."""


def _point_name(name: object) -> str | None:
    """Return our name of a key point that another program calls `LShoulder`, `left-shoulder` or `shoulder_l`."""
    words = _words(str(name))
    if len(words) == 1 and words[0] not in _PARTS:
        glued = re.fullmatch(r"(left|right|l|r)(.+)", words[0])
        words = [] if glued is None else [glued[1], glued[2]]
    if words == ["nose"]:
        return "nose"
    sides = [side for word in words if (side := {"l": "left", "r": "right"}.get(word, word)) in ("left", "right")]
    parts = [word for word in words if word in _PARTS]
    return f"{sides[0]}_{parts[0]}" if len(words) == 2 and len(sides) == len(parts) == 1 else None


def _words(name: str) -> Sequence[str]:
    """Return the words of a name that is written as left_eye, Left-Eye, leftEye or LEye."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return re.findall(r"[a-z0-9]+", spaced.casefold())
