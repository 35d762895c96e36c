"""The starter library: drawn people in many poses, so that the mirror answers before anybody has added a photo.

Some hundred pictures are drawn before the first start and the others afterwards, some at a time; picture by picture it
is the same library on every machine, however far it has grown.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Final

from index import pictures
from index.build.duplicates import is_near_duplicate
from index.build.writer import LibraryWriter, NewItem
from index.library import Item, Library, RemovedPicture
from index.manifest import PICTURES_FOLDER, LibraryError, sha256_of
from index.pictures import EncodedPicture, StoredPicture
from models import figures
from models.figures import draw_picture
from models.pose import Pose
from models.processes import init_worker
from models.progress import ProgressCallback
from models.text import printable

PICTURE_COUNT: Final = 3000
"""How many pictures there are in the end."""

INITIAL_PICTURE_COUNT: Final = 400
"""How many are drawn before the mirror starts for the first time, which somebody is waiting for."""

PICTURES_PER_STEP: Final = 400
"""How many are added at a time: so many are lost at most when the drawing is stopped."""

DRAWN_BY: Final = "the program that drew them"
"""Who found the key points, as the manifest has it, with the sha256 of the drawing program."""

AUTHOR: Final = "drawn by Pose Mirror"
LICENCE: Final = ("Apache-2.0", "https://www.apache.org/licenses/LICENSE-2.0")
"""The project's own, as the drawings are."""

JPEG_QUALITY: Final = 82
"""Of the JPEGs: all together stay well below 150 MB."""

MIN_KEYPOINTS: Final = 6
"""A person of whom fewer key points are seen is in the picture, but in the library only when nobody shows more."""

CHUNK_SIZE: Final = 4

DrawFunction = Callable[[Iterable[int]], Iterable[list[NewItem]]]
"""The people of each picture of the numbers, in their order."""


def ensure_starter_library(
    folder: Path, progress: ProgressCallback | None = None, *, count: int = INITIAL_PICTURE_COUNT
) -> Path:
    """The folder of the starter library; where there is none of this program, whole, its first pictures are drawn.

    Raises LibraryError when the folder holds something that is no library, or cannot be written to.
    """
    if not count_drawn(folder):
        grow(folder, count, progress)
    return folder


def count_drawn(folder: Path) -> int:
    """How many pictures of a starter library have been drawn; 0 for one of another program, damaged or missing."""
    try:
        with Library.open(folder) as library:
            return _drawn_pictures(library)
    except LibraryError:
        return 0


def grow(
    folder: Path,
    count: int = PICTURE_COUNT,
    progress: ProgressCallback | None = None,
    *,
    step: int = PICTURES_PER_STEP,
    workers: int | None = None,
) -> None:
    """Draws the pictures that a starter library lacks of `count`, `step` at a time, with so many processes.

    After each step there is a whole library, with the pictures of the one before linked. Without `workers` there is
    one for each core; 1 draws in this very process. Raises as `ensure_starter_library`.
    """
    have = count_drawn(folder)
    if have >= count:
        return
    if workers is None:
        workers = min(len(os.sched_getaffinity(0)), count)
    try:
        with _drawing_pool(workers) as draw_all:
            while have < count:
                have = _extend(folder, min(count, have + step), draw_all, count, progress)
    except (OSError, BrokenExecutor) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise LibraryError(
            f"The starter library cannot be drawn in {printable(folder)} ({said}): see that the folder can be written to, "
            "and that there are 500 MB of room and some memory."
        ) from error


@cache
def program_version() -> str:
    """The sha256 of the drawing program: another program draws the library anew."""
    said = hashlib.sha256()
    for source in [Path(__file__), *sorted(Path(figures.__file__).parent.glob("*.py"))]:
        said.update(source.name.encode() + b"\0" + source.read_bytes())
    return said.hexdigest()


def draw_items(number: int) -> list[NewItem]:
    """The people of one drawn picture, as a library takes them: one at the least."""
    made = draw_picture(number)
    stored = pictures.encode_picture(made.image, quality=JPEG_QUALITY)
    fullest = max(made.poses, key=_count_seen)
    return [
        NewItem(stored, pose.keypoints, made.title, AUTHOR, *LICENCE)
        for pose in made.poses
        if pose is fullest or _count_seen(pose) >= MIN_KEYPOINTS
    ]


def _count_seen(pose: Pose) -> float:
    return float(pose.scores.sum())


def _extend(folder: Path, want: int, draw_all: DrawFunction, count: int, progress: ProgressCallback | None) -> int:
    """Puts a library of `want` pictures, or as many as there are, in the place of the old one; says how many."""
    with LibraryWriter(folder) as writer:  # nobody else changes the library from here on
        kept, have, removed = _read_existing(folder)
        for item in kept:
            writer.add(item)
        for number, items in enumerate(draw_all(range(have, want)), have + 1):
            for item in items:
                if not _was_removed(item, removed):
                    writer.add(item)
            if progress is not None:
                progress(number, count, "Drawing the starter library")
        for one in removed:
            writer.add_removed(*one)
        writer.finish([(DRAWN_BY, program_version())])
    return max(have, want)


def _read_existing(folder: Path) -> tuple[list[NewItem], int, list[RemovedPicture]]:
    """What the library at `folder` gives to a longer one: its people, how many were drawn, and what was taken down.

    It gives no people when it is of another program, or one of its pictures is damaged: then all are drawn again.
    """
    try:
        with Library.open(folder) as library:
            bits, removed = dict(library.fingerprints()), library.removed_pictures()
            if any(f"{sha256_of(folder / PICTURES_FOLDER / name)}.jpg" != name for name in bits):
                return [], 0, removed
            have = _drawn_pictures(library)
            return [_reuse_item(library, item, bits) for item in library.items()] if have else [], have, removed
    except LibraryError:
        return [], 0, []


def _reuse_item(library: Library, item: Item, bits: Mapping[str, bytes]) -> NewItem:
    """An item of a library for another one, which links its picture."""
    assert item.picture is not None, "a starter library is of pictures"
    picture = StoredPicture(item.picture, item.width, item.height, bits[item.picture.name])
    words = (item.title, item.author, item.licence, item.licence_url, item.source_url)
    return NewItem(picture, library.keypoints[item.number], *words)


def _was_removed(item: NewItem, removed: Sequence[RemovedPicture]) -> bool:
    return isinstance(item.picture, EncodedPicture) and any(
        is_near_duplicate(item.picture.fingerprint, one.fingerprint) for one in removed
    )


def _drawn_pictures(library: Library) -> int:
    """As `count_drawn`; pictures that were taken down count: their numbers have been drawn."""
    if library.manifest.models != ((DRAWN_BY, program_version()),):
        return 0
    return library.manifest.pictures + len(library.removed_pictures())


@contextmanager
def _drawing_pool(workers: int) -> Iterator[DrawFunction]:
    """What draws pictures, with so many processes at once."""
    if workers == 1:
        yield partial(map, draw_items)
        return
    context = multiprocessing.get_context("spawn")  # a copy of a process with threads may hang
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(workers, context, init_worker) as pool:
        try:
            yield partial(pool.map, draw_items, chunksize=CHUNK_SIZE)
        except BaseException:  # what they are drawing is of no use any more, and would be waited for
            for process in set(multiprocessing.active_children()) - others:
                process.kill()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
