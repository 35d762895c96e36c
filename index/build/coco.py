"""Read COCO key-point files: people labelled by hand, with their pictures or without.

Whatever is wrong with one picture or label, only that one is skipped, with a reason in the report.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

import numpy as np

from index import web
from index.build.foreign_names import FileFinder, base_name
from index.build.labels import MAX_COORDINATE, Categories, Identifier, LabelError, identifier, read_points
from index.build.orientation import Labels, find_frame
from index.build.photo import (
    Credit,
    NewPose,
    Photo,
    Skipped,
    SourceError,
    check_regular_file,
    describe_error,
    title_from_name,
)
from index.build.report import MAX_EXAMPLES
from index.pictures import clean_text
from models.pose import Floats
from models.text import printable

JsonObject = Mapping[str, Any]

COCO_SUFFIXES: Final = (".json", ".json.gz")
"""Endings of file names that are read as COCO files."""

GZIP_MAGIC: Final = b"\x1f\x8b"
"""The first bytes of a gzip file."""

SAMPLE_SIZE: Final = 100
"""Pictures that are looked for in each folder that may hold them, to choose the folder."""

USED_KEYS: Final = frozenset((
    "images", "annotations", "categories", "licenses", "id", "name", "url", "file_name", "coco_url", "flickr_url",
    "width", "height", "license", "image_id", "category_id", "iscrowd", "keypoints", "supercategory",
))  # fmt: skip
"""Keys of a COCO file that are read. Everything else, such as outlines, is dropped while the file is read: it takes ten
times as much memory."""


class _LabelledPicture(NamedTuple):
    """A picture of a COCO file: its path or URL, and the key points of the people in it."""

    name: str
    credit: Credit
    people: Floats
    size: tuple[int, int] | None


class _Skips:
    """What is skipped in a file: the first of each kind of reason as examples, the rest as a count."""

    def __init__(self, file: Path) -> None:
        self._file = printable(file)
        self._examples: list[Skipped] = []
        self._counts: dict[str, int] = {}

    def add(self, kind: str, place: str, problem: str) -> None:
        """Count an entry, such as `annotations[3]`, that has a problem of a kind."""
        self._counts[kind] = count = self._counts.get(kind, 0) + 1
        if count <= MAX_EXAMPLES:
            name = f"{self._file}, {place}"
            self._examples.append(Skipped(name, kind, f"{name} {problem}."))

    def __iter__(self) -> Iterator[Skipped]:
        """Yield the examples, and for each kind one that stands for all others."""
        yield from self._examples
        for kind, count in self._counts.items():
            if count > MAX_EXAMPLES:
                yield Skipped(self._file, kind, f"{self._file} has more of them.", count=count - MAX_EXAMPLES)


def read_coco(file: Path, images: Path | None = None) -> Iterator[Photo | NewPose | Skipped]:
    """Return the labelled pictures of a COCO key-point file (`images`, `annotations`, `categories`, `licenses`).

    The pictures are looked for in `images`, or where COCO's own archives put them. If they are not there, each person
    comes as a pose. Raises SourceError if the file has no labels that can be used, or `images` none of the pictures.
    """
    document = _load_json(file)
    for key in ("images", "annotations"):
        if not isinstance(document.get(key), list):
            raise SourceError(f"{printable(file)} is not a COCO key-point file: it has no list `{key}`.")
    skips = _Skips(file)
    pictures = _labelled_pictures(document, skips)
    document.clear()
    finder = FileFinder()
    names = [_local_name(picture.name) for picture in pictures]
    folder = _find_picture_folder(file, images, names, finder)
    places = [None] * len(names) if folder is None else finder.find_all(folder, names)
    if images is not None and folder is None and not any(web.is_url(picture.name) for picture in pictures):
        raise SourceError(f"{printable(images)} has none of the pictures that {printable(file)} names.")
    found = [
        (place, Labels(picture.people, picture.size))
        for picture, place in zip(pictures, places, strict=True)
        if place is not None
    ]
    frame = find_frame(found)

    def entries() -> Iterator[Photo | NewPose | Skipped]:
        yield from skips
        for picture, place in zip(pictures, places, strict=True):
            credit = picture.credit._replace(title=picture.credit.title if place is None else title_from_name(place))
            if place is not None:
                yield Photo(place, credit, picture.people, picture.size, frame)
            elif web.is_url(picture.name):
                yield Photo(picture.name, credit, picture.people, picture.size, frame)
            elif folder is not None:  # its scan reports that it is missing
                yield Photo(folder / picture.name, credit, picture.people, picture.size, frame)
            else:
                yield from (NewPose(person, credit, picture.size) for person in picture.people)

    return entries()


def _load_json(file: Path) -> dict[str, Any]:
    """Return a file's JSON with the keys that are used; it may be compressed, and in UTF-16. Raises SourceError."""
    check_regular_file(file)
    try:
        data = file.read_bytes()
        if data.startswith(GZIP_MAGIC):
            data = gzip.decompress(data)
        encoding = json.detect_encoding(data)
        # names of files may hold bytes that are not UTF-8
        text = data.decode(encoding, "surrogateescape" if encoding.startswith("utf-8") else "strict")
        del data
        document = json.loads(text, object_pairs_hook=_keep_used)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise SourceError(
            f"{printable(file)} is a damaged gzip file ({describe_error(error)}): copy it again."
        ) from error
    except OSError as error:
        raise SourceError(f"{printable(file)} cannot be read ({error.strerror}).") from error
    except MemoryError as error:
        raise SourceError(f"{printable(file)} is too large for this computer's memory.") from error
    except (ValueError, RecursionError) as error:
        raise SourceError(
            f"{printable(file)} is not valid JSON ({describe_error(error)}): copy or export it again."
        ) from error
    if not isinstance(document, dict):
        raise SourceError(f"{printable(file)} is not a COCO key-point file: it has no `images` and `annotations`.")
    return document


def _keep_used(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object with the keys that are used, and an annotation's numbers in little memory."""
    kept = {key: value for key, value in pairs if key in USED_KEYS}
    if "image_id" in kept and kept.get("keypoints"):
        try:
            points = read_points(kept["keypoints"])
        except LabelError:  # it is reported when the annotation's turn comes
            return kept
        kept["keypoints"] = points if points[:, 2].any() else None
    return kept


def _labelled_pictures(document: JsonObject, skips: _Skips) -> list[_LabelledPicture]:
    """Return the pictures in which people are labelled, sorted by their ids."""
    entries, repeated = _pictures_by_id(document["images"], skips)
    people = _people_by_picture(document, entries, repeated, skips)
    licences = _licences_by_id(document.get("licenses"))
    pictures = []
    for number in sorted(people, key=str):
        place, entry = entries[number]
        name = _picture_name(entry)
        if name is None:
            skips.add("no picture", f"images[{place}]", "has no file name and no URL")
            continue
        credit = _credit(entry, name, licences)
        pictures.append(_LabelledPicture(name, credit, np.stack(people[number]), _size(entry)))
    return pictures


def _pictures_by_id(
    images: Sequence[object], skips: _Skips
) -> tuple[dict[Identifier, tuple[int, JsonObject]], set[Identifier]]:
    """Return each picture and its place by its id, and the ids that several pictures have."""
    pictures: dict[Identifier, tuple[int, JsonObject]] = {}
    repeated = set()
    for place, entry in enumerate(images):
        number = identifier(entry.get("id")) if isinstance(entry, dict) else None
        if not isinstance(entry, dict) or number is None:
            skips.add("no picture", f"images[{place}]", "is not a picture with an id")
        elif number not in pictures:
            pictures[number] = place, entry
        elif _picture_name(entry) != _picture_name(pictures[number][1]):
            repeated.add(number)
    return pictures, repeated


def _people_by_picture(
    document: JsonObject, pictures: Mapping[Identifier, object], repeated: set[Identifier], skips: _Skips
) -> dict[Identifier, list[Floats]]:
    """Return 17×3 key points of every labelled person, by picture id."""
    categories = Categories(document.get("categories"))
    people: dict[Identifier, list[Floats]] = {}
    for place, annotation in enumerate(document["annotations"]):
        try:
            number, person = _read_annotation(annotation, categories)
            if number not in pictures:
                raise LabelError(
                    "no picture", f"is for picture {printable(str(number))[:80]}, which is not in the file"
                )
            if number in repeated:
                raise LabelError("no picture", f"is for picture {printable(str(number))[:80]}, and two have this id")
            there = people.setdefault(number, [])
            if any(np.array_equal(person, other) for other in there):
                raise LabelError("repeated label", "labels the same person as another one")
            there.append(person)
        except LabelError as error:
            skips.add(error.kind, f"annotations[{place}]", str(error))
    return people


def _read_annotation(annotation: object, categories: Categories) -> tuple[Identifier, Floats]:
    """Return an annotation's picture id and 17×3 key points. Raises LabelError."""
    if not isinstance(annotation, dict):
        raise LabelError("not a label", "is not an object")
    number = identifier(annotation.get("image_id"))
    if number is None:
        raise LabelError("no picture", "names no picture")
    return number, categories.keypoints(annotation)


def _picture_name(entry: JsonObject) -> str | None:
    """Return a picture's path, or its URL if it has no path."""
    names = (entry.get(key) for key in ("file_name", "coco_url", "flickr_url"))
    return next((name for name in names if isinstance(name, str) and name.strip()), None)


def _local_name(name: str) -> str:
    """Return the path by which a picture is looked for: of a URL on the web, the name at its end."""
    is_remote = web.is_url(name) and not name.lower().startswith("file:")
    return base_name(unquote(re.split(r"[?#]", name)[0])) if is_remote else name


def _size(picture: JsonObject) -> tuple[int, int] | None:
    """Return width and height, or None if they are missing or no picture can have them."""
    try:
        width, height = int(float(picture["width"])), int(float(picture["height"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return (width, height) if 1 <= min(width, height) <= max(width, height) < MAX_COORDINATE else None


def _licences_by_id(licences: object) -> dict[Identifier, JsonObject]:
    entries = [entry for entry in licences if isinstance(entry, dict)] if isinstance(licences, list) else []
    numbered = ((identifier(entry.get("id")), entry) for entry in entries)
    return {number: entry for number, entry in numbered if number is not None}


def _credit(picture: JsonObject, name: str, licences: Mapping[Identifier, JsonObject]) -> Credit:
    number = identifier(picture.get("license"))
    licence = {} if number is None else licences.get(number, {})
    return Credit(
        title_from_name(Path(base_name(_local_name(name)))),
        None,
        _text(licence.get("name")),
        _text(licence.get("url")),
        _text(picture.get("flickr_url")) or _text(picture.get("coco_url")),
    )


def _text(value: object) -> str | None:
    return clean_text(value) if isinstance(value, str) else None


def _find_picture_folder(file: Path, images: Path | None, names: Sequence[str], finder: FileFinder) -> Path | None:
    """Return the folder with most of the pictures, or None if none has any.

    It is `images`, or where COCO's archives unpack them (annotations/, val2017/).
    """
    split = re.sub(r"(\.json)?(\.gz)?$", "", file.name, flags=re.IGNORECASE).removeprefix("person_keypoints_")
    here, above = file.parent, file.parent.parent
    usual = [here, here / "images", here / split, above / split, above / "images", above / "images" / split]
    places = [finder.find_folder(folder) for folder in ([images] if images is not None else usual)]
    folders = list(dict.fromkeys(place for place in places if place is not None))
    step = max(1, len(names) // SAMPLE_SIZE)
    for sample in [names[::step], names] if step > 1 else [names]:  # of a large file, only some pictures may be here
        counts = [sum(place is not None for place in finder.find_all(folder, sample)) for folder in folders]
        if any(counts):
            return folders[counts.index(max(counts))]
    return None
