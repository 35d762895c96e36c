"""A sample library for tests, and ways to damage it."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from index.manifest import (
    MANIFEST_FILE,
    mapped_files,
)
from models.pose import Image
from tests.support.libraries import NewItem
from tests.support.sample_poses import sample_people

CHECKED = mapped_files(1)
"""The files that opening a library checks."""

COUNT = 600
"""More than `EXHAUSTIVE_LIMIT`, so that searches use Annoy's indexes."""


def picture(number: int) -> Image:
    return np.random.default_rng(number).integers(0, 255, (3, 4, 3), np.uint8).repeat(32, 0).repeat(32, 1)


def items(count: int) -> list[NewItem]:
    """Items of a library; only the first five have pictures."""
    return [
        NewItem(
            picture(i) if i < 5 else None, person, f"Item {i}", "Ann", "CC BY 4.0", "https://cc.example", f"https://{i}"
        )
        for i, person in enumerate(sample_people(count))
    ]


def flip_first(file: Path) -> None:
    flip(file, 0)


def flip_middle(file: Path) -> None:
    flip(file, file.stat().st_size // 2)


def flip_last(file: Path) -> None:
    flip(file, file.stat().st_size - 1)


def flip(file: Path, place: int) -> None:
    data = bytearray(file.read_bytes())
    data[place] ^= 4
    file.write_bytes(data)


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size * 2 // 3)


def empty(file: Path) -> None:
    os.truncate(file, 0)


def lengthen(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\0")


def remove(file: Path) -> None:
    file.unlink()


def make_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def make_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def make_loop(file: Path) -> None:
    file.unlink()
    file.symlink_to(file.name)


DAMAGES = (flip_first, flip_middle, flip_last, cut, empty, lengthen, remove, make_folder, make_pipe, make_loop)


def sign_again(folder: Path) -> None:
    """Make the manifest match the files as they are now, so that no checksum reveals their damage."""
    document = json.loads((folder / MANIFEST_FILE).read_bytes())
    for name in document["files"]:
        data = (folder / name).read_bytes()
        document["files"][name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    write_manifest(folder, document)


def write_manifest(folder: Path, document: dict[str, Any]) -> None:
    """Write a manifest with the right checksum of itself."""
    document.pop("sha256", None)
    text = json.dumps(document, indent=2) + "\n"
    document["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    (folder / MANIFEST_FILE).write_text(json.dumps(document, indent=2) + "\n")
