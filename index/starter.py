"""The starter library: drawn people in many poses, so that the mirror answers before anybody has added a photo."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

import cv2

from index import pictures
from index.library import Library
from index.manifest import LibraryError
from index.writer import NewItem, Progress, write_library
from models import figures
from models.figures import picture

COUNT: Final = 600
"""How many pictures are drawn, unless another number is asked for."""

DRAWN_BY: Final = "the program that drew them"
"""Who found the key points, as the manifest has it, with the sha256 of the drawing program."""

SEEN: Final = 6
"""A person of whom fewer key points are seen is in the picture, but not in the library."""

CHUNK: Final = 4


def starter(folder: Path, progress: Progress | None = None, *, count: int = COUNT) -> Path:
    """Draws the starter library to `folder` where it is not there, whole, and of this version; returns the folder.

    Raises LibraryError when the folder holds something that is no library, OSError when the disk is full.
    """
    version = program_version(count)
    if _is_there(folder, version):
        return folder
    write_library(_items(count, progress), folder, model=(DRAWN_BY, version))
    return folder


def program_version(count: int = COUNT) -> str:
    """The sha256 of the drawing program and of how much it is to draw: another program draws the library anew."""
    said = hashlib.sha256(str(count).encode())
    home = Path(figures.__file__).parent
    for source in sorted(home.glob("*.py")):
        said.update(source.name.encode() + b"\0" + source.read_bytes())
    return said.hexdigest()


def _is_there(folder: Path, version: str) -> bool:
    try:
        with Library.open(folder) as library:
            return library.manifest.model == (DRAWN_BY, version)
    except LibraryError:
        return False


def _items(count: int, progress: Progress | None) -> Iterator[NewItem]:
    workers = min(len(os.sched_getaffinity(0)), count)
    context = multiprocessing.get_context("spawn")  # a copy of a process with threads may hang
    with ProcessPoolExecutor(workers, context, _one_thread) as pool:
        try:
            for number, items in enumerate(pool.map(draw, range(count), chunksize=CHUNK)):
                yield from items
                if progress is not None:
                    progress(number + 1, count, "drawing the starter library")
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def draw(number: int) -> list[NewItem]:
    """The people of one drawn picture, as a library takes them."""
    made = picture(number)
    stored = pictures.stored(made.image)
    return [
        NewItem(stored, pose.keypoints, made.title, "drawn by Pose Mirror")
        for pose in made.poses
        if pose.scores.sum() >= SEEN
    ]


def _one_thread() -> None:
    cv2.setNumThreads(1)
