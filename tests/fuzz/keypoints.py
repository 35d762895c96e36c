"""Key points and credits: .npz, COCO json and tables of any bytes give what can be written, or an ImportFailed."""

from __future__ import annotations

import io
import json
import random
import sqlite3
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from index.build import importers, sources, writer
from index.build.people import prominent
from index.build.photo import Credit, ImportFailed, Photo, Skipped
from models.pose import Pose
from tests.fuzz import odd
from tests.fuzz.promise import Broken, Mutate, Read, as_file, check_sentence, of_file
from tests.support.sample_poses import people

LONGEST: Final = 16_384

FILES: Final = ("poses.npz", "people.json", "credits.csv", "table.tsv", "credits.jsonl")

WORDS: Final = (
    *FILES, "keypoints", "image_size", "images", "annotations", "licenses", "file_name", "image_id", "iscrowd", "id",
    "width", "height", "picture", *Credit._fields, "license", "{'descr': '<f4', 'fortran_order': False, 'shape': (",
    "'<f8'", "'|O'", "'>i8'", "\\x93NUMPY", "PK", "file:///", "http://", "a.jpg", ";", "\t", '"', '""',
)  # fmt: skip

TABLE: Final = sqlite3.connect(":memory:")


def seeds(folder: Path) -> Iterator[bytes]:
    for content in _npz():
        yield as_file("poses.npz", content)
    beside = [{**_coco(1)["images"][0], "file_name": "a.jpg"}]
    for document in (
        _coco(2),
        {**_coco(1), "images": beside},
        {**_coco(1), "licenses": [{"id": 1, "name": "CC BY", "url": "http://cc.example"}]},
    ):
        yield as_file("people.json", json.dumps(document).encode())
    row = {
        "picture": "a.jpg",
        "title": "Jump",
        "author": "Ann",
        "licence": "CC BY 4.0",
        "source_url": "http://x.example",
    }
    other = {**dict.fromkeys(row, ""), "picture": "file:///b.jpg"}
    for name, separator in (("credits.csv", ","), ("credits.csv", ";"), ("table.tsv", "\t")):
        lines = "\r\n".join(separator.join(cells) for cells in (row, row.values(), other.values()))
        yield as_file(name, lines.encode())
        yield as_file(name, lines.encode("utf-16"))
    yield as_file("credits.csv", b'picture,License URL\n"a\nb.jpg","say ""x"""\n')
    yield as_file("credits.jsonl", "\n".join(json.dumps(one) for one in (row, other)).encode())


def reader(folder: Path) -> Read:
    folder.joinpath("a.jpg").write_bytes(b"")

    def read(data: bytes) -> None:
        name, content = of_file(data)
        if name not in FILES:
            return
        file = folder / name
        file.write_bytes(content)
        try:
            _read(file)
        except ImportFailed as error:
            check_sentence(error, file)
        finally:
            file.unlink()

    return read


def mutated(data: bytes, chance: random.Random, bytewise: Mutate) -> bytes:
    """The content changed within its form, and now and then read as another file."""
    name, content = of_file(data)
    if chance.random() < 0.02:
        name = chance.choice(FILES)
    if name == "poses.npz":
        content = odd.zip_changed(content, chance, bytewise)
    elif name == "people.json" and chance.random() < 0.8:
        content = odd.json_changed(content, chance, bytewise)
    elif name == "credits.jsonl" and chance.random() < 0.7:
        lines = content.split(b"\n")
        at = chance.randrange(len(lines))
        lines[at] = odd.json_changed(lines[at], chance, bytewise)
        content = b"\n".join(lines)
    else:
        content = bytewise(content)
    return as_file(name, content)


def _read(file: Path) -> None:
    """Everything that a build takes from a file, and what `index query` does with key points."""
    for entry in sources.entries([file]):
        _check(entry)
    if file.suffix == ".npz":
        found = importers.keypoints_of(file)
        if found.dtype != np.float32 or found.shape[1:] != (17, 3):
            raise Broken(f"key points of {found.dtype} and shape {found.shape}")
        for person in found:
            Pose.from_keypoints(person)
    elif file.name in importers.CREDITS:
        for one in importers.photos_in(file.parent):
            _check(one)


def _check(entry: sources.Entry) -> None:
    """Whether an entry can be looked at, written and told, as a build does."""
    if isinstance(entry, Skipped):
        check_sentence(entry.reason, entry.name)
    elif isinstance(entry, Photo):
        _can_be_stored(*entry.credit, *(entry.size or ()))
        if entry.people is not None and entry.size is not None:
            prominent([Pose.from_keypoints(one) for one in entry.people], *entry.size)
    else:
        for item in entry.items:
            writer._clean(item.keypoints)
            size = item.size or writer._around(item.keypoints)
            words = (item.title, item.author, item.licence, item.licence_url, item.source_url)
            _can_be_stored(*words, *size)


def _can_be_stored(*values: str | int | None) -> None:
    TABLE.execute(f"SELECT {', '.join('?' * len(values))}", values)


def _npz() -> Iterator[bytes]:
    """Key-point files with and without sizes, compressed or not, of several kinds of number, and of an older form."""
    points = people(2, 1)
    for save in (np.savez, np.savez_compressed):
        for arrays in ({"keypoints": points}, {"keypoints": points[:1], "image_size": np.array([[640, 480]])}):
            made = io.BytesIO()
            save(made, **arrays)
            yield made.getvalue()
    for kind in ("<f8", ">f4", "<f2", "<i4", "<u8", "<g"):
        made = io.BytesIO()
        np.savez(made, keypoints=np.asfortranarray(points[:1].astype(kind)))
        yield made.getvalue()
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as written:
        written.writestr(
            "keypoints.npy",
            b"\x93NUMPY\x01\x00\x46\x00{'descr': '<f4', 'fortran_order': False, 'shape': (0L, 17L, 3L), }",
        )
    yield made.getvalue()
    made = io.BytesIO()
    np.save(made, points)
    yield made.getvalue()


def _coco(count: int) -> dict[str, Any]:
    """A COCO document of so many pictures with one person each."""
    points = people(count, 2).round(1).tolist()
    images = [{"id": n, "file_name": f"{n}.jpg", "width": 640, "height": 480, "license": 1} for n in range(count)]
    annotations = [
        {"id": n, "image_id": n, "iscrowd": 0, "keypoints": [number for point in one for number in point]}
        for n, one in enumerate(points)
    ]
    return {"images": images, "annotations": annotations}
