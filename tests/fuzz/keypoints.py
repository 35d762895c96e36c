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
from index.build.people import select_prominent
from index.build.photo import Credit, Photo, Skipped, SourceError
from models.pose import Pose
from tests.fuzz import odd
from tests.fuzz.promise import BrokenPromise, Mutator, Reader, check_sentence, pack_input, unpack_input
from tests.support.sample_poses import sample_people

MAX_BYTES: Final = 16_384

FILE_NAMES: Final = ("poses.npz", "people.json", "credits.csv", "table.tsv", "credits.jsonl")

DICTIONARY: Final = (
    *FILE_NAMES, "keypoints", "image_size", "images", "annotations", "licenses", "file_name", "image_id", "iscrowd", "id",
    "width", "height", "picture", *Credit._fields, "license", "{'descr': '<f4', 'fortran_order': False, 'shape': (",
    "'<f8'", "'|O'", "'>i8'", "\\x93NUMPY", "PK", "file:///", "http://", "a.jpg", ";", "\t", '"', '""',
)  # fmt: skip

TABLE: Final = sqlite3.connect(":memory:")


def seeds(folder: Path) -> Iterator[bytes]:
    for content in _npz_files():
        yield pack_input("poses.npz", content)
    beside = [{**_coco_document(1)["images"][0], "file_name": "a.jpg"}]
    for document in (
        _coco_document(2),
        {**_coco_document(1), "images": beside},
        {**_coco_document(1), "licenses": [{"id": 1, "name": "CC BY", "url": "http://cc.example"}]},
    ):
        yield pack_input("people.json", json.dumps(document).encode())
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
        yield pack_input(name, lines.encode())
        yield pack_input(name, lines.encode("utf-16"))
    yield pack_input("credits.csv", b'picture,License URL\n"a\nb.jpg","say ""x"""\n')
    yield pack_input("credits.jsonl", "\n".join(json.dumps(one) for one in (row, other)).encode())


def make_reader(folder: Path) -> Reader:
    folder.joinpath("a.jpg").write_bytes(b"")

    def read(data: bytes) -> None:
        name, content = unpack_input(data)
        if name not in FILE_NAMES:
            return
        file = folder / name
        file.write_bytes(content)
        try:
            _read_file(file)
        except SourceError as error:
            check_sentence(error, file)
        finally:
            file.unlink()

    return read


def mutate(data: bytes, rng: random.Random, bytewise: Mutator) -> bytes:
    """The content changed within its form, and now and then read as another file."""
    name, content = unpack_input(data)
    if rng.random() < 0.02:
        name = rng.choice(FILE_NAMES)
    if name == "poses.npz":
        content = odd.mutate_zip(content, rng, bytewise)
    elif name == "people.json" and rng.random() < 0.8:
        content = odd.mutate_json(content, rng, bytewise)
    elif name == "credits.jsonl" and rng.random() < 0.7:
        lines = content.split(b"\n")
        at = rng.randrange(len(lines))
        lines[at] = odd.mutate_json(lines[at], rng, bytewise)
        content = b"\n".join(lines)
    else:
        content = bytewise(content)
    return pack_input(name, content)


def _read_file(file: Path) -> None:
    """Everything that a build takes from a file, and what `index query` does with key points."""
    for entry in sources.read_sources([file]):
        _check(entry)
    if file.suffix == ".npz":
        found = importers.read_keypoints(file)
        if found.dtype != np.float32 or found.shape[1:] != (17, 3):
            raise BrokenPromise(f"key points of {found.dtype} and shape {found.shape}")
        for person in found:
            Pose.from_keypoints(person)
    elif file.name in importers.CREDITS_FILES:
        for one in importers.read_folder(file.parent):
            _check(one)


def _check(entry: sources.Entry) -> None:
    """Whether an entry can be looked at, written and told, as a build does."""
    if isinstance(entry, Skipped):
        check_sentence(entry.reason, entry.name)
    elif isinstance(entry, Photo):
        _check_storable(*entry.credit, *(entry.size or ()))
        if entry.people is not None and entry.size is not None:
            select_prominent([Pose.from_keypoints(one) for one in entry.people], *entry.size)
    else:
        for item in entry.items:
            writer._clean_keypoints(item.keypoints)
            size = item.size or writer._fitting_size(item.keypoints)
            words = (item.title, item.author, item.licence, item.licence_url, item.source_url)
            _check_storable(*words, *size)


def _check_storable(*values: str | int | None) -> None:
    TABLE.execute(f"SELECT {', '.join('?' * len(values))}", values)


def _npz_files() -> Iterator[bytes]:
    """Key-point files with and without sizes, compressed or not, of several kinds of number, and of an older form."""
    points = sample_people(2, 1)
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


def _coco_document(count: int) -> dict[str, Any]:
    """A COCO document of so many pictures with one person each."""
    points = sample_people(count, 2).round(1).tolist()
    images = [{"id": n, "file_name": f"{n}.jpg", "width": 640, "height": 480, "license": 1} for n in range(count)]
    annotations = [
        {"id": n, "image_id": n, "iscrowd": 0, "keypoints": [number for point in one for number in point]}
        for n, one in enumerate(points)
    ]
    return {"images": images, "annotations": annotations}
