"""COCO's key-point files: people whom people labelled, with their pictures or without."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from index.build.photo import (
    Credit,
    Photo,
    Skipped,
    SourceError,
    check_regular_file,
    describe_error,
    is_file,
    title_from_name,
)
from index.build.writer import NewItem
from index.pictures import clean_text
from models.pose import Floats
from models.text import printable

JsonObject = Mapping[str, Any]

MAX_COORDINATE: Final = 1_000_000
"""Pixels: no coordinate in a picture is as large."""


def read_coco(file: Path, images: Path | None = None) -> tuple[int, Iterator[Photo | NewItem | Skipped]]:
    """How many pictures a COCO key-point file (`images`, `annotations`, `licenses`) has, and each with its people.

    The pictures are looked for in `images`, or where COCO's own archives put them; when they are not there the people
    come as poses alone. Raises ImportFailed.
    """
    document = _load_json(file)
    try:
        pictures = {one["id"]: one for one in document["images"]}
        people = _people_by_picture(document["annotations"])
        licences = {one["id"]: one for one in document.get("licenses", ())}
        wanted = [pictures[number] for number in sorted(people, key=str) if number in pictures]
        named = [str(one["file_name"]) for one in wanted]
        credits = [_coco_credit(one, licences) for one in wanted]
        sizes = [_size(one) for one in wanted]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise SourceError(f"{printable(file)} is no COCO key-point file: {describe_error(error)}.") from error
    folder = _find_picture_folder(file, images, named)

    def each() -> Iterator[Photo | NewItem | Skipped]:
        for one, name, credit, size in zip(wanted, named, credits, sizes, strict=True):
            keypoints = np.stack(people[one["id"]])
            if folder is None:
                yield from (NewItem(None, person, *credit, size=size) for person in keypoints)
            else:
                yield Photo(folder / name, credit, keypoints, size)

    return len(wanted), each()


def _load_json(file: Path) -> dict[str, Any]:
    check_regular_file(file)
    try:
        document = json.loads(file.read_bytes())
    except OSError as error:
        raise SourceError(f"{printable(file)} cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise SourceError(f"{printable(file)} is no JSON: {describe_error(error)}.") from error
    if not isinstance(document, dict):
        raise SourceError(f"{printable(file)} is no COCO key-point file: it has no `images` and `annotations`.")
    return document


def _people_by_picture(annotations: list[JsonObject]) -> dict[Any, list[Floats]]:
    """17×3 key points of every labelled person, by their picture's id; people drawn as one crowd are left out."""
    people: dict[Any, list[Floats]] = {}
    for one in annotations:
        if one.get("iscrowd") or "keypoints" not in one:
            continue
        points = np.array(one["keypoints"], np.float32).reshape(17, 3)
        seen = points[points[:, 2] > 0, :2]
        if len(seen) and np.isfinite(points).all() and np.abs(seen).max() < MAX_COORDINATE:
            people.setdefault(one["image_id"], []).append(points)
    return people


def _size(picture: JsonObject) -> tuple[int, int] | None:
    """Width and height; None where they are none of a picture."""
    width, height = int(picture["width"]), int(picture["height"])
    return (width, height) if 1 <= min(width, height) <= max(width, height) < MAX_COORDINATE else None


def _coco_credit(picture: JsonObject, licences: Mapping[Any, JsonObject]) -> Credit:
    licence = licences.get(picture.get("license"), {})
    return Credit(
        title_from_name(Path(str(picture["file_name"]))),
        None,
        clean_text(licence.get("name")),
        clean_text(licence.get("url")),
        clean_text(picture.get("flickr_url") or picture.get("coco_url")),
    )


def _find_picture_folder(file: Path, images: Path | None, named: list[str]) -> Path | None:
    """Where the pictures are: named, beside the file, or as COCO's archives unpack (annotations/, val2017/)."""
    split = file.stem.removeprefix("person_keypoints_")
    beside, above = file.parent, file.parent.parent
    places = [beside, beside / "images", beside / split, above / split, above / "images", above / "images" / split]
    for place in [images] if images is not None else places:
        if any(is_file(place / name) for name in named[:20]):
            return place
    if images is not None:
        raise SourceError(f"{printable(images)} has none of the pictures that {printable(file)} names.")
    return None
