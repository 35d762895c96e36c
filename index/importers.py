"""What a library is made of: folders of photos, COCO's key-point files, files of key points alone."""

from __future__ import annotations

import json
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from index.manifest import calls_itself_library, shown
from index.pictures import text
from index.writer import NewItem
from models.pose import Floats

VIDEOS: Final = frozenset(
    (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".3gp", ".ogv", ".wmv", ".mts", ".m2ts")
)

Names = Mapping[str, Any]


class ImportFailed(ValueError):
    """A source that cannot be used at all: one sentence that names it and what was found."""


class Credit(NamedTuple):
    """Whom to thank for a picture, as far as it is known."""

    title: str | None = None
    author: str | None = None
    licence: str | None = None
    licence_url: str | None = None
    source_url: str | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that gave nothing to the library: its name, of which sort the reason is, and the reason's sentence.

    `thumbnail` is a small JPEG of it, where it could be read.
    """

    name: str
    kind: str
    reason: str
    thumbnail: bytes | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A picture to look at, by its file or its URL; where people labelled it, `people` N×17×3.

    They are pixels of a picture of `size` (width, height).
    """

    file: Path | str
    credit: Credit
    people: Floats | None = None
    size: tuple[int, int] | None = None


def photos_in(folder: Path) -> Iterator[Photo | Skipped]:
    """Every file in a folder and the folders in it, by name; what can be no photo is said to be skipped.

    Links are followed, each folder is visited once; hidden files are left alone, and so are libraries of ours.
    """
    visited: set[tuple[int, int]] = set()
    waiting = [folder]
    while waiting:
        place = waiting.pop()
        try:
            status = os.stat(place)
            if (status.st_dev, status.st_ino) in visited:
                continue
            visited.add((status.st_dev, status.st_ino))
            entries = sorted(os.scandir(place), key=lambda entry: os.fsencode(entry.name))
        except OSError as error:
            yield Skipped(shown(place), "cannot be read", f"{shown(place)} cannot be read ({error.strerror}).")
            continue
        inner = []
        for entry in entries:
            file = place / entry.name
            if entry.name.startswith("."):
                continue
            if file.is_dir():
                if not calls_itself_library(file):
                    inner.append(file)
            elif file.suffix.lower() in VIDEOS:
                yield Skipped(shown(file), "video", f"{shown(file)} is a video: name it as a source of its own.")
            else:
                yield Photo(file, Credit(title=title_of(file)))
        waiting.extend(reversed(inner))


def title_of(file: Path) -> str | None:
    """A title from a file's name."""
    return text(file.stem.replace("_", " "))


def keypoints_of(file: Path) -> Floats:
    """`keypoints` of an .npz file, N×17×3 (x, y in pixels, third ≤ 0 where unseen). Raises ImportFailed."""
    return _arrays(file)[0]


def poses_in(file: Path) -> tuple[int, Iterator[NewItem]]:
    """How many people a key-point file has, and each of them, nobody left out: an item's number is its row's.

    A row that holds no numbers becomes a person of whom nothing is seen. Raises ImportFailed.
    """
    keypoints, sizes = _arrays(file)
    no_pixels = ~(np.abs(keypoints[:, :, :2]) < 1e6).all(2) & (keypoints[:, :, 2] > 0)
    keypoints[np.asarray(no_pixels).any(1)] = 0
    title = title_of(file)

    def items() -> Iterator[NewItem]:
        for row, one in enumerate(keypoints):
            size = None if sizes is None else (int(sizes[row, 0]), int(sizes[row, 1]))
            yield NewItem(None, one, title, size=size)

    return len(keypoints), items()


def photos_of_coco(file: Path, images: Path | None = None) -> tuple[int, Iterator[Photo | NewItem | Skipped]]:
    """How many pictures a COCO key-point file (`images`, `annotations`, `licenses`) has, and each with its people.

    The pictures are looked for in `images`, or where COCO's own archives put them; when they are not there the people
    come as poses alone. Raises ImportFailed.
    """
    document = _json(file)
    try:
        pictures = {one["id"]: one for one in document["images"]}
        people = _people_by_picture(document["annotations"])
        licences = {one["id"]: one for one in document.get("licenses", ())}
        wanted = [pictures[number] for number in sorted(people, key=str) if number in pictures]
        named = [str(one["file_name"]) for one in wanted]
        credits = [_coco_credit(one, licences) for one in wanted]
        sizes = [(int(one["width"]), int(one["height"])) for one in wanted]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ImportFailed(f"{shown(file)} is no COCO key-point file: {_why(error)}.") from error
    folder = _folder_of(file, images, named)

    def each() -> Iterator[Photo | NewItem | Skipped]:
        for one, name, credit, size in zip(wanted, named, credits, sizes, strict=True):
            keypoints = np.stack(people[one["id"]])
            if folder is None:
                yield from (NewItem(None, person, *credit, size=size) for person in keypoints)
            else:
                yield Photo(folder / name, credit, keypoints, size)

    return len(wanted), each()


def _arrays(file: Path) -> tuple[Floats, npt.NDArray[np.float64] | None]:
    """The key points, and N×2 widths and heights of their pictures where `image_size` has them."""
    _check_plain(file)
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
            if "keypoints" not in arrays.files:
                raise ImportFailed(f"{shown(file)} has no `keypoints`, but {', '.join(arrays.files) or 'nothing'}.")
            keypoints = arrays["keypoints"]
            sizes = arrays["image_size"] if "image_size" in arrays.files else None
    except ImportFailed:
        raise
    except (OSError, ValueError, EOFError, KeyError, SyntaxError, TypeError, MemoryError) as error:
        raise ImportFailed(f"{shown(file)} is no key-point file (.npz): {_why(error)}.") from error
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise ImportFailed(f"{shown(file)} is a damaged .npz: {_why(error)}.") from error
    if keypoints.ndim != 3 or keypoints.shape[1:] != (17, 3) or keypoints.dtype.kind not in "fiu":
        found = "×".join(map(str, keypoints.shape))
        raise ImportFailed(f"{shown(file)}: `keypoints` must be N×17×3 numbers, not {found} of {keypoints.dtype}.")
    if sizes is not None and (sizes.shape != (len(keypoints), 2) or sizes.dtype.kind not in "fiu"):
        sizes = None
    with np.errstate(over="ignore"):
        return keypoints.astype(np.float32), None if sizes is None else _sensible(sizes)


def _sensible(sizes: npt.NDArray[Any]) -> npt.NDArray[np.float64] | None:
    widths_and_heights = sizes.astype(np.float64)
    good = np.isfinite(widths_and_heights) & (widths_and_heights >= 1) & (widths_and_heights < 1e6)
    return widths_and_heights if good.all() else None


def _check_plain(file: Path) -> None:
    try:
        if not stat.S_ISREG(os.stat(file).st_mode):
            raise ImportFailed(f"{shown(file)} is no plain file.")
    except OSError as error:
        raise ImportFailed(f"{shown(file)} cannot be read ({error.strerror}).") from error


def _json(file: Path) -> dict[str, Any]:
    _check_plain(file)
    try:
        document = json.loads(file.read_bytes())
    except OSError as error:
        raise ImportFailed(f"{shown(file)} cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise ImportFailed(f"{shown(file)} is no JSON: {_why(error)}.") from error
    if not isinstance(document, dict):
        raise ImportFailed(f"{shown(file)} is no COCO key-point file: it has no `images` and `annotations`.")
    return document


def _people_by_picture(annotations: list[Names]) -> dict[Any, list[Floats]]:
    """17×3 key points of every labelled person, by their picture's id; people drawn as one crowd are left out."""
    people: dict[Any, list[Floats]] = {}
    for one in annotations:
        if one.get("iscrowd") or "keypoints" not in one:
            continue
        points = np.array(one["keypoints"], np.float32).reshape(17, 3)
        if (points[:, 2] > 0).any() and np.isfinite(points).all():
            people.setdefault(one["image_id"], []).append(points)
    return people


def _coco_credit(picture: Names, licences: Mapping[Any, Names]) -> Credit:
    licence = licences.get(picture.get("license"), {})
    return Credit(
        title_of(Path(str(picture["file_name"]))),
        None,
        text(licence.get("name")),
        text(licence.get("url")),
        text(picture.get("flickr_url") or picture.get("coco_url")),
    )


def _folder_of(file: Path, images: Path | None, named: list[str]) -> Path | None:
    """Where the pictures are: named, beside the file, or as COCO's archives unpack (annotations/, val2017/)."""
    split = file.stem.removeprefix("person_keypoints_")
    beside, above = file.parent, file.parent.parent
    places = [beside, beside / "images", beside / split, above / split, above / "images", above / "images" / split]
    for place in [images] if images is not None else places:
        if any((place / name).is_file() for name in named[:20]):
            return place
    if images is not None:
        raise ImportFailed(f"{shown(images)} has none of the pictures that {shown(file)} names.")
    return None


def _why(error: BaseException) -> str:
    said = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())
    if isinstance(error, KeyError):
        return f"it has no `{error.args[0]}`"
    return said[:200].rstrip(".") or type(error).__name__
