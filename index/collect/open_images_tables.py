"""The tables of Open Images V7: where they are, how they look, and what is kept of each row.

Their formats are described at https://storage.googleapis.com/openimages/web/download_v7.html. Rotations are in degrees
anticlockwise, for the picture and its boxes; of photos that were deleted at Flickr they are not known.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final, NamedTuple, TypeVar

from index import web
from index.build.photo import SourceError
from index.collect.open_images_store import Store, StoredPhoto, image_number
from index.collect.people_boxes import BOX_BYTES, DEPICTION, GROUP, INSIDE, PEOPLE, TRUNCATED, pack
from index.collect.rows import START, Cells, Form, Position, read_blocks
from models.progress import ProgressCallback
from models.text import printable

MAX_CHANGES: Final = 3
"""How often a table may change at its server while it is read, before we give up."""

PRESENT: Final = frozenset(("1", "1.0"))
"""Confidences of a label that people found to be right."""

log = logging.getLogger(__name__)

T = TypeVar("T")


class Content(Enum):
    """What a table has in its rows; the value is its name in the report of the progress."""

    NAMES = "names"
    BOXES = "boxes"
    LABELS = "labels"
    RELATIONS = "relations"
    PHOTOS = "photos"


class Table(NamedTuple):
    """A table of a part of Open Images, or of all if `split` is empty: its path at any place, and its size in 2026."""

    content: Content
    split: str
    path: str
    bytes: int

    @property
    def step(self) -> str:
        """What reading it is called in the report of the progress."""
        return f"Reading {self.content.value}" + (f" ({self.split})" if self.split else "")


FORMS: Final[Mapping[Content, Form]] = {
    Content.NAMES: Form("LabelName,DisplayName", "LabelName,DisplayName", has_header=False),
    Content.BOXES: Form(
        "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside",
        "ImageID,LabelName,XMin,YMin,XMax,YMax,IsTruncated,IsGroupOf,IsDepiction,IsInside",
        ("LabelName", PEOPLE),
    ),
    Content.LABELS: Form("ImageID,Source,LabelName,Confidence", "ImageID,LabelName,Confidence"),
    Content.RELATIONS: Form(
        "ImageID,LabelName1,LabelName2,XMin1,XMax1,YMin1,YMax1,XMin2,XMax2,YMin2,YMax2,RelationshipLabel",
        "ImageID,LabelName1,LabelName2,RelationshipLabel",
    ),
    Content.PHOTOS: Form(
        "ImageID,Subset,OriginalURL,OriginalLandingURL,License,AuthorProfileURL,Author,Title,OriginalSize,OriginalMD5,"
        "Thumbnail300KURL,Rotation",
        "ImageID,Title,Author,AuthorProfileURL,License,OriginalLandingURL,Rotation",
    ),
}
"""What the tables look like. Those of photos and boxes may have further columns."""

NAMES: Final = (
    Table(Content.NAMES, "", "v7/oidv7-class-descriptions.csv", 501_178),
    Table(Content.NAMES, "", "v6/oidv6-attributes-description.csv", 254),
)

TABLES: Final[Mapping[str, tuple[Table, ...]]] = {
    "train": (
        Table(Content.BOXES, "train", "v6/oidv6-train-annotations-bbox.csv", 2_258_447_590),
        Table(Content.LABELS, "train", "v7/oidv7-train-annotations-human-imagelabels.csv", 2_740_000_000),
        Table(Content.RELATIONS, "train", "v6/oidv6-train-annotations-vrd.csv", 356_502_626),
        Table(Content.PHOTOS, "train", "2018_04/train/train-images-boxable-with-rotation.csv", 638_407_721),
    ),
    "validation": (
        Table(Content.BOXES, "validation", "v5/validation-annotations-bbox.csv", 25_105_048),
        Table(Content.LABELS, "validation", "v7/oidv7-val-annotations-human-imagelabels.csv", 28_400_000),
        Table(Content.RELATIONS, "validation", "v6/oidv6-validation-annotations-vrd.csv", 3_065_339),
        Table(Content.PHOTOS, "validation", "2018_04/validation/validation-images-with-rotation.csv", 15_245_485),
    ),
    "test": (
        Table(Content.BOXES, "test", "v5/test-annotations-bbox.csv", 77_484_237),
        Table(Content.LABELS, "test", "v7/oidv7-test-annotations-human-imagelabels.csv", 91_000_000),
        Table(Content.RELATIONS, "test", "v6/oidv6-test-annotations-vrd.csv", 9_308_608),
        Table(Content.PHOTOS, "test", "2018_04/test/test-images-with-rotation.csv", 45_227_339),
    ),
}
"""The tables of each part, in the order in which they are read: those after the boxes only for images with people."""


@dataclass
class _Reading:
    """A table being read: where its rows go, and what is known of labels before it."""

    store: Store
    table: Table
    source: int
    labels: dict[str, int] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)


def read_table(store: Store, table: Table, place: str, progress: ProgressCallback | None = None) -> None:
    """Read a table at a URL or path from where the last reading stopped, and keep what is of use.

    Raises SourceError if it cannot be read, OSError if the disk is full.
    """
    start = store.position(table.path)
    if start is None:
        return
    source = store.start(table.path)
    form = FORMS[table.content]
    if table.content not in (Content.NAMES, Content.BOXES):
        boxes = TABLES[table.split][0]
        form = replace(form, only=("ImageID", store.images(store.start(boxes.path))))
    for _ in range(MAX_CHANGES):
        reading = _Reading(store, table, source, store.labels(), dict(store.names()))
        try:
            _read_rows(reading, place, form, start, progress)
            return
        except web.ChangedError:
            log.warning("%s has changed since its first part was read: it is read again.", printable(place))
            store.forget(source)
            start = START
        except BaseException:
            store.roll_back()
            raise
    raise SourceError(f"{printable(place)} changes while it is read: try again later.")


def _read_rows(reading: _Reading, place: str, form: Form, start: Position, progress: ProgressCallback | None) -> None:
    after, count, bad = start, 0, 0
    keep = _KEEPERS[reading.table.content]
    with closing(read_blocks(place, form, start)) as blocks:
        for block in blocks:
            bad += block.bad + keep(reading, block.rows)
            after, count = block.after, count + block.read
            reading.store.commit(reading.source, after)
            if progress is not None:
                progress(after.offset, block.total, reading.table.step)
    reading.store.commit(reading.source, after, is_done=True)
    if bad:
        log.warning("%s: %s of %s rows cannot be read, and are left out.", printable(place), f"{bad:,}", f"{count:,}")


def _keep_names(reading: _Reading, rows: Sequence[Cells]) -> int:
    reading.store.add_names(reading.source, ((label, name) for label, name in rows if label and name.strip()))
    return 0


def _keep_boxes(reading: _Reading, rows: Sequence[Cells]) -> int:
    """Add the boxes of a block; return how many are not such rows."""
    if not rows:
        return 0
    try:
        boxes = list(_by_image([row[0] for row in rows], _pack_rows(rows)))
    except ValueError:
        good = [row for row in rows if _is_box(row)]
        return len(rows) - len(good) + _keep_boxes(reading, good)
    reading.store.add_people(reading.source, boxes)
    return 0


def _pack_rows(rows: Sequence[Cells]) -> bytes:
    """Return the boxes of rows as they are stored. Raises ValueError if one of them is not such a row."""
    _, labels, *corners, truncated, group, depiction, inside = zip(*rows, strict=True)
    flags = [_FLAGS[cells] for cells in zip(truncated, group, depiction, inside, strict=True)]
    return pack([PEOPLE[label] for label in labels], flags, [map(float, values) for values in corners])


def _is_box(row: Cells) -> bool:
    try:
        image_number(row[0])
        _pack_rows([row])
    except ValueError:
        return False
    return True


def _by_image(images: Sequence[str], boxes: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the boxes of each image, as long as they stand together. Raises ValueError for what is no image's name."""
    start = 0
    for end, image in enumerate(images[1:], 1):
        if image != images[start]:
            yield image_number(images[start]), boxes[start * BOX_BYTES : end * BOX_BYTES]
            start = end
    yield image_number(images[start]), boxes[start * BOX_BYTES :]


class _Flags(dict[tuple[str, ...], int]):
    """The flags by their cells, each of which is 1 for yes, 0 for no, or -1 if it is not known."""

    def __missing__(self, cells: tuple[str, ...]) -> int:
        flags = (TRUNCATED, GROUP, DEPICTION, INSIDE)
        self[cells] = sum(flag for flag, cell in zip(flags, cells, strict=True) if cell == "1")
        return self[cells]


_FLAGS: Final = _Flags()


def _keep_labels(reading: _Reading, rows: Sequence[Cells]) -> int:
    by_image: defaultdict[str, list[int]] = defaultdict(list)
    for image, label, confidence in rows:
        if confidence in PRESENT and label in reading.labels:
            by_image[image].append(reading.labels[label])
    marks, bad = _by_number(by_image.items())
    reading.store.add_marks(reading.source, marks)
    return bad


def _keep_relations(reading: _Reading, rows: Sequence[Cells]) -> int:
    """Add what people do: `is` leads to a label, as "Man is Sitting", and other words to something, as "at Table"."""
    new: dict[str, str] = {}
    found: defaultdict[str, list[str]] = defaultdict(list)
    for image, person, label, word in rows:
        if person not in PEOPLE:
            continue
        mark = label if word == "is" else f"{word} {label}"
        if mark not in reading.labels and word != "is":
            number = reading.labels.get(label)
            new[mark] = f"{word} {label if number is None else reading.names[number]}"
        found[image].append(mark)
    if new:
        reading.store.add_names(reading.source, new.items())
        reading.labels = reading.store.labels()
    numbers = (
        (image, [reading.labels[mark] for mark in marks if mark in reading.labels]) for image, marks in found.items()
    )
    marks, bad = _by_number(numbers)
    reading.store.add_marks(reading.source, marks)
    return bad


def _keep_photos(reading: _Reading, rows: Sequence[Cells]) -> int:
    photos, bad = [], 0
    for image, title, author, author_url, licence, page, rotation in rows:
        try:
            number = image_number(image)
        except ValueError:
            bad += 1
            continue
        texts = title, author, author_url, licence, page
        photos.append(StoredPhoto(number, reading.table.split, *texts, _parse_rotation(rotation)))
    reading.store.add_photos(reading.source, photos)
    return bad


_KEEPERS: Final[Mapping[Content, Callable[[_Reading, Sequence[Cells]], int]]] = {
    Content.NAMES: _keep_names,
    Content.BOXES: _keep_boxes,
    Content.LABELS: _keep_labels,
    Content.RELATIONS: _keep_relations,
    Content.PHOTOS: _keep_photos,
}
"""What keeps the rows of a block; each returns how many rows are none of its table."""


def _by_number(by_name: Iterable[tuple[str, T]]) -> tuple[dict[int, T], int]:
    """Return values by the images' numbers, and how many names are none of images."""
    numbers: dict[int, T] = {}
    bad = 0
    for name, value in by_name:
        try:
            numbers[image_number(name)] = value
        except ValueError:
            bad += 1
    return numbers, bad


def _parse_rotation(text: str) -> int:
    """Return a rotation in degrees anticlockwise; 0 for one that is empty, nan or not a multiple of 90."""
    try:
        degrees = float(text or 0)
    except ValueError:
        return 0
    return int(degrees) % 360 if degrees in (0.0, 90.0, 180.0, 270.0) else 0
