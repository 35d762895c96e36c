"""Read COCO key-point files: people labelled by hand, with their pictures or without."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from index.build.photo import (
    Credit,
    NewPose,
    Photo,
    SourceError,
    check_regular_file,
    describe_error,
    is_file,
    title_from_name,
)
from index.pictures import clean_text
from models.pose import Floats
from models.text import printable

JsonObject = Mapping[str, Any]

MAX_COORDINATE: Final = 1_000_000
"""Pixels: no coordinate in a picture is this large."""


def read_coco(file: Path, images: Path | None = None) -> Iterator[Photo | NewPose]:
    """Return the labelled pictures of a COCO key-point file (`images`, `annotations`, `licenses`).

    The pictures are looked for in `images`, or where COCO's own archives put them. If they are not there, each person
    comes as a pose. Raises SourceError.
    """
    document = _load_json(file)
    try:
        all_pictures = {picture["id"]: picture for picture in document["images"]}
        people = _people_by_picture(document["annotations"])
        licences = {licence["id"]: licence for licence in document.get("licenses", ())}
        pictures = [all_pictures[number] for number in sorted(people, key=str) if number in all_pictures]
        names = [str(picture["file_name"]) for picture in pictures]
        credits = [_coco_credit(picture, licences) for picture in pictures]
        sizes = [_size(picture) for picture in pictures]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise SourceError(f"{printable(file)} is not a COCO key-point file: {describe_error(error)}.") from error
    folder = _find_picture_folder(file, images, names)

    def entries() -> Iterator[Photo | NewPose]:
        for picture, name, credit, size in zip(pictures, names, credits, sizes, strict=True):
            keypoints = np.stack(people[picture["id"]])
            if folder is None:
                yield from (NewPose(person, credit, size) for person in keypoints)
            else:
                yield Photo(folder / name, credit, keypoints, size)

    return entries()


def _load_json(file: Path) -> dict[str, Any]:
    check_regular_file(file)
    try:
        document = json.loads(file.read_bytes())
    except OSError as error:
        raise SourceError(f"{printable(file)} cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise SourceError(f"{printable(file)} is not valid JSON: {describe_error(error)}.") from error
    if not isinstance(document, dict):
        raise SourceError(f"{printable(file)} is not a COCO key-point file: it has no `images` and `annotations`.")
    return document


def _people_by_picture(annotations: list[JsonObject]) -> dict[Any, list[Floats]]:
    """Return 17×3 key points of every labelled person, by picture id. Crowds labelled as one are left out."""
    people: dict[Any, list[Floats]] = {}
    for annotation in annotations:
        if annotation.get("iscrowd") or "keypoints" not in annotation:
            continue
        points = np.array(annotation["keypoints"], np.float32).reshape(17, 3)
        seen = points[points[:, 2] > 0, :2]
        if len(seen) and np.isfinite(points).all() and np.abs(seen).max() < MAX_COORDINATE:
            people.setdefault(annotation["image_id"], []).append(points)
    return people


def _size(picture: JsonObject) -> tuple[int, int] | None:
    """Return width and height, or None if no picture can have them."""
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


def _find_picture_folder(file: Path, images: Path | None, names: list[str]) -> Path | None:
    """Return the folder of the pictures: `images`, or where COCO's archives unpack them (annotations/, val2017/)."""
    split = file.stem.removeprefix("person_keypoints_")
    here, above = file.parent, file.parent.parent
    usual = [here, here / "images", here / split, above / split, above / "images", above / "images" / split]
    for folder in [images] if images is not None else usual:
        if any(is_file(folder / name) for name in names[:20]):
            return folder
    if images is not None:
        raise SourceError(f"{printable(images)} has none of the pictures that {printable(file)} names.")
    return None
