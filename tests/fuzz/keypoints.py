"""Key points and credits: .npz, COCO and table files of any bytes give valid entries or a SourceError."""

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

from index.build import importers, sources, tree, writer
from index.build.people import select_prominent
from index.build.photo import Credit, Photo, Skipped, SourceError
from models.pose import KEYPOINT_NAMES, Pose
from tests.fuzz import odd
from tests.fuzz.promise import BrokenPromise, Mutator, Reader, check_sentence, pack_input, unpack_input
from tests.support.sample_poses import sample_people

MAX_BYTES: Final = 16_384

FILE_NAMES: Final = ("poses.npz", "people.json", "credits.csv", "table.tsv", "credits.jsonl")

DICTIONARY: Final = (
    *FILE_NAMES, "keypoints", "image_size", "images", "annotations", "licenses", "file_name", "image_id", "iscrowd",
    "id", "categories", "category_id", "coco_url", "sep=;",
    "width", "height", "picture", *Credit._fields, "license", "{'descr': '<f4', 'fortran_order': False, 'shape': (",
    "'<f8'", "'|O'", "'>i8'", "\\x93NUMPY", "PK", "file:///", "http://", "a.jpg", ";", "\t", '"', '""',
)  # fmt: skip

TABLE: Final = sqlite3.connect(":memory:")


def seeds(folder: Path) -> Iterator[bytes]:
    for content in _npz_files():
        yield pack_input("poses.npz", content)
    local_image = [{**_coco_document(1)["images"][0], "file_name": "a.jpg"}]
    for document in (
        _coco_document(2),
        {**_coco_document(1), "images": local_image},
        {**_coco_document(1), "licenses": [{"id": 1, "name": "CC BY", "url": "http://cc.example"}]},
        {**_coco_document(1), "categories": [{"id": 1, "name": "person", "keypoints": [*KEYPOINT_NAMES]}]},
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
    yield pack_input("credits.csv", b"sep=;\r\n\xe2\x80\x9cpicture\xe2\x80\x9d;author\r\nC:\\A.JPG;Ann\r\n%61.jpg;\r\n")
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
    """Change the content within its format; now and then read it as another kind of file."""
    name, content = unpack_input(data)
    if rng.random() < 0.02:
        name = rng.choice(FILE_NAMES)
    if name == "poses.npz":
        content = odd.mutate_zip(content, rng, bytewise)
    elif name == "people.json" and rng.random() < 0.8:
        content = odd.mutate_json(content, rng, bytewise)
    elif name == "credits.jsonl" and rng.random() < 0.7:
        lines = content.split(b"\n")
        number = rng.randrange(len(lines))
        lines[number] = odd.mutate_json(lines[number], rng, bytewise)
        content = b"\n".join(lines)
    else:
        content = bytewise(content)
    return pack_input(name, content)


def _read_file(file: Path) -> None:
    """Read everything that a build takes from a file, and the key points as `index query` does."""
    for entry in sources.read_sources([file]):
        _check(entry)
    if file.suffix == ".npz":
        keypoints = importers.read_keypoints(file)
        if keypoints.dtype != np.float32 or keypoints.shape[1:] != (17, 3):
            raise BrokenPromise(f"key points of {keypoints.dtype} and shape {keypoints.shape}")
        for person in keypoints:
            Pose.from_keypoints(person)
    elif file.name in tree.CREDITS_FILES:
        for entry in tree.read_folder(file.parent):
            _check(entry)


def _check(entry: sources.Entry) -> None:
    """Check that a build can scan, store and report an entry."""
    if isinstance(entry, Skipped):
        check_sentence(entry.reason, entry.name)
    elif isinstance(entry, Photo):
        _check_storable(*entry.credit, *(entry.size or ()))
        if entry.people is not None and entry.size is not None:
            select_prominent([Pose.from_keypoints(person) for person in entry.people], *entry.size)
    else:
        for pose in entry.items:
            writer._clean_keypoints(pose.keypoints)
            size = pose.size or writer._fitting_size(pose.keypoints)
            _check_storable(*pose.credit, *size)


def _check_storable(*values: str | int | None) -> None:
    TABLE.execute(f"SELECT {', '.join('?' * len(values))}", values)


def _npz_files() -> Iterator[bytes]:
    """Key-point files with and without sizes, compressed or not, of several number types, and of an older format."""
    points = sample_people(2, 1)
    for save in (np.savez, np.savez_compressed):
        for arrays in ({"keypoints": points}, {"keypoints": points[:1], "image_size": np.array([[640, 480]])}):
            file = io.BytesIO()
            save(file, **arrays)
            yield file.getvalue()
    for kind in ("<f8", ">f4", "<f2", "<i4", "<u8", "<g"):
        file = io.BytesIO()
        np.savez(file, keypoints=np.asfortranarray(points[:1].astype(kind)))
        yield file.getvalue()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(
            "keypoints.npy",
            b"\x93NUMPY\x01\x00\x46\x00{'descr': '<f4', 'fortran_order': False, 'shape': (0L, 17L, 3L), }",
        )
    yield file.getvalue()
    file = io.BytesIO()
    np.save(file, points)
    yield file.getvalue()


def _coco_document(count: int) -> dict[str, Any]:
    """A COCO document of `count` pictures with one person each."""
    points = sample_people(count, 2).round(1).tolist()
    images = [{"id": n, "file_name": f"{n}.jpg", "width": 640, "height": 480, "license": 1} for n in range(count)]
    annotations = [
        {
            "id": n,
            "image_id": n,
            "category_id": 1,
            "iscrowd": 0,
            "keypoints": [number for point in person for number in point],
        }
        for n, person in enumerate(points)
    ]
    return {"images": images, "annotations": annotations}
