"""Write tables in the form of Open Images' own, with the oddities of the real ones."""

from __future__ import annotations

import csv
import hashlib
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PATHS: Final = {
    "train": (
        "v6/oidv6-train-annotations-bbox.csv",
        "v7/oidv7-train-annotations-human-imagelabels.csv",
        "v6/oidv6-train-annotations-vrd.csv",
        "2018_04/train/train-images-boxable-with-rotation.csv",
    ),
    "validation": (
        "v5/validation-annotations-bbox.csv",
        "v7/oidv7-val-annotations-human-imagelabels.csv",
        "v6/oidv6-validation-annotations-vrd.csv",
        "2018_04/validation/validation-images-with-rotation.csv",
    ),
    "test": (
        "v5/test-annotations-bbox.csv",
        "v7/oidv7-test-annotations-human-imagelabels.csv",
        "v6/oidv6-test-annotations-vrd.csv",
        "2018_04/test/test-images-with-rotation.csv",
    ),
}
"""Where the tables of boxes, labels, relations and photos are, by part."""

LABELS: Final = {
    "Person": "/m/01g317",
    "Man": "/m/04yx4",
    "Woman": "/m/03bt1vf",
    "Boy": "/m/01bl7v",
    "Girl": "/m/05r655",
    "Table": "/m/04bcr3",
    "Sitting": "/m/015c4z",
    "Smile": "/m/019nj4",
    "Dance": "/m/026bk",
    "Yoga": "/m/01k6s3",
    "Guitar": "/m/0342h",
    "Rifle": "/m/06c54",
    "Child": "/m/0ytgt",
    "Ankara, a label with a comma": "/m/0xx",
}
"""Some names of classes, and their labels."""

ATTRIBUTES: Final = (("/m/02gy9n", "Transparent"), ("/m/01lhf", "Lay"), ("/m/015c4z", "Sit"))

BOX_COLUMNS: Final = (
    "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside"
)
CLICK_COLUMNS: Final = "XClick1X,XClick2X,XClick3X,XClick4X,XClick1Y,XClick2Y,XClick3Y,XClick4Y"
LABEL_COLUMNS: Final = "ImageID,Source,LabelName,Confidence"
RELATION_COLUMNS: Final = (
    "ImageID,LabelName1,LabelName2,XMin1,XMax1,YMin1,YMax1,XMin2,XMax2,YMin2,YMax2,RelationshipLabel"
)
PHOTO_COLUMNS: Final = (
    "ImageID,Subset,OriginalURL,OriginalLandingURL,License,AuthorProfileURL,Author,Title,OriginalSize,OriginalMD5,"
    "Thumbnail300KURL,Rotation"
)

TITLES: Final = (
    "Three people on a hill",
    'She said "higher", twice',
    "Line one\nline two, and so on",
    "...die FNF-Kerze",
    "DSC_0042.JPG",
    "",
    "飛ぶ\u2028跳ぶ",
    "'quoted' & <b>bold</b>",
)


@dataclass
class Sample:
    """A photo as the tables tell of it; `boxes` are label, left, right, top, bottom and flags as in a row."""

    boxes: Sequence[tuple[str, float, float, float, float, str]] = (("Man", 0.2, 0.6, 0.1, 0.9, "0,0,0,0,0"),)
    labels: Sequence[str] = ()
    absent: Sequence[str] = ()
    relations: Sequence[tuple[str, str, str]] = ()
    title: str = "Three people on a hill"
    author: str = "Ann"
    author_url: str = "https://www.flickr.com/people/ann/"
    licence: str = "https://creativecommons.org/licenses/by/2.0/"
    rotation: str = "0.0"
    split: str = "train"


class TableMaker:
    """Collects samples, and writes them as Open Images' tables below a folder."""

    def __init__(self) -> None:
        self.samples: dict[str, Sample] = {}

    def add(self, sample: Sample) -> str:
        """Add a photo and return the key that its candidate has."""
        name = hashlib.sha256(f"image {len(self.samples)}".encode()).hexdigest()[:16]
        self.samples[name] = sample
        return f"{sample.split}/{name}"

    def write(self, folder: Path, *, names: Iterable[tuple[str, str]] = ()) -> Path:
        """Write all tables, each with its header, the names of classes with Windows' line ends as they are."""
        classes = [(label, name) for name, label in LABELS.items()] + list(names)
        _write(folder / "v7/oidv7-class-descriptions.csv", "LabelName,DisplayName", classes, "\r\n")
        _write(folder / "v6/oidv6-attributes-description.csv", "", ATTRIBUTES)
        for split, (boxes, labels, relations, photos) in PATHS.items():
            clicks = f",{CLICK_COLUMNS}" if split == "train" else ""
            of_split = sorted((name, sample) for name, sample in self.samples.items() if sample.split == split)
            _write(folder / boxes, BOX_COLUMNS + clicks, _box_rows(of_split, bool(clicks)))
            _write(folder / labels, LABEL_COLUMNS, _label_rows(of_split))
            _write(folder / relations, RELATION_COLUMNS, _relation_rows(of_split))
            # the photos of the real tables are in no order
            mixed = sorted(of_split, key=lambda pair: hashlib.sha256(pair[0].encode()).digest())
            _write(folder / photos, PHOTO_COLUMNS, _photo_rows(mixed))
        return folder


def make_samples(count: int, seed: int = 1) -> TableMaker:
    """Return many photos of all kinds, and some that the rules leave out."""
    chance = random.Random(seed)
    maker = TableMaker()
    for _ in range(count):
        people = chance.choice(("Person", "Man", "Woman")), chance.random() * 0.3, 0.6, chance.random() * 0.5, 0.95
        flags = chance.choices(("0,0,0,0,0", "-1,-1,-1,-1,-1", "1,1,0,0,0", "0,0,1,0,0", "0,0,0,1,0"), (8, 1, 2, 1, 1))[
            0
        ]
        maker.add(
            Sample(
                boxes=[(*people, flags)] * chance.choice((1, 1, 2)),
                labels=[name for name in ("Dance", "Yoga", "Guitar", "Rifle", "Smile") if chance.random() < 0.15],
                absent=["Table"],
                relations=[("Man", "at", "Table")] if chance.random() < 0.2 else [("Woman", "is", "Smile")],
                title=chance.choice(TITLES),
                author=chance.choice(("Ann", "Bob, Jr.", "")),
                rotation=chance.choice(("0.0", "", "nan", "90.0")),
                split=chance.choices(("train", "validation", "test"), (8, 1, 1))[0],
            )
        )
    return maker


Named = Sequence[tuple[str, Sample]]


def _box_rows(samples: Named, has_clicks: bool) -> Iterable[Sequence[str]]:
    clicks = ["-1.000000"] * 8 if has_clicks else []
    for name, sample in samples:
        yield [name, "xclick", "/m/0k4j", "1", "0.1", "0.2", "0.1", "0.2", "0", "0", "0", "0", "0", *clicks]  # a car
        for label, left, right, top, bottom, flags in sample.boxes:
            corners = [f"{value:.6f}" for value in (left, right, top, bottom)]
            yield [name, "xclick", LABELS[label], "1", *corners, *flags.split(","), *clicks]


def _label_rows(samples: Named) -> Iterable[Sequence[str]]:
    for name, sample in samples:
        yield [name, "verification", "/m/unknown", "1"]
        for label in sample.labels:
            yield [name, "verification", LABELS[label], "1" if len(label) % 2 else "1.0"]
        for label in sample.absent:
            yield [name, "crowdsource-verification", LABELS[label], "0"]


def _relation_rows(samples: Named) -> Iterable[Sequence[str]]:
    corners = ["0.049375", "0.560625", "0.08427", "0.999064"] * 2
    for name, sample in samples:
        for first, word, second in sample.relations:
            yield [name, LABELS[first], LABELS[second], *corners, word]


def _photo_rows(samples: Named) -> Iterable[Sequence[str]]:
    for name, sample in samples:
        page = f"https://www.flickr.com/photos/ann/{int(name, 16) % 10**10}"
        yield [
            *(name, sample.split, "https://farm3.staticflickr.com/1/2_o.jpg", page, sample.licence, sample.author_url),
            *(sample.author, sample.title, "4405052", "KFukvivpCM5QXl5SqKe41g==", "", sample.rotation),
        ]


def _write(file: Path, header: str, rows: Iterable[Sequence[str]], end: str = "\n") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8", newline="") as opened:
        if header:
            opened.write(header + end)
        csv.writer(opened, lineterminator=end).writerows(rows)
