"""The starter library: drawn people in many poses, so that the mirror has answers before anybody adds a photo.

The first few hundred pictures are drawn before the mirror first starts, the rest later, a few hundred at a time. Every
machine draws the same people in the same order, however many it has so far (`models.figures.starter_pictures`).
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Final

from index.build.duplicates import is_near_duplicate
from index.build.photo import Credit, NewPicture
from index.build.reuse import reuse_picture
from index.build.writer import LibraryWriter
from index.checksum import sha256_of
from index.errors import LibraryError
from index.library import Library, RemovedPicture
from index.manifest import PICTURES_FOLDER
from models import figures
from models.figures import draw_picture
from models.pose import Pose
from models.processes import init_worker, starting_workers
from models.progress import ProgressCallback
from models.text import printable

PICTURE_COUNT: Final = 6000
"""Pictures of a complete starter library: with more, the best answer hardly improves."""

INITIAL_PICTURE_COUNT: Final = 400
"""Pictures drawn before the mirror first starts: few, because somebody is waiting for it."""

PICTURES_PER_STEP: Final = 400
"""Pictures added at a time, which is also how many are lost at most if drawing is stopped."""

DRAWN_BY: Final = "the program that drew them"
"""What the manifest names instead of a model, with the sha256 of the drawing program."""

AUTHOR: Final = "drawn by Pose Mirror"
LICENCE: Final = ("Apache-2.0", "https://www.apache.org/licenses/LICENSE-2.0")
"""Name and URL of the pictures' licence, which is the project's own."""

JPEG_QUALITY: Final = 80
"""JPEG quality of the pictures: a complete library stays below 250 MB."""

MIN_KEYPOINTS_OF_ITEM: Final = 6
"""Seen key points that make a drawn person an item. The fullest person in a picture is always one."""

CHUNK_SIZE: Final = 4
"""Pictures sent to a drawing process at a time."""

DrawFunction = Callable[[Iterable[int]], Iterable[NewPicture]]
"""Draws the pictures of these numbers, in their order."""


def ensure_starter_library(
    folder: Path, progress: ProgressCallback | None = None, *, count: int = INITIAL_PICTURE_COUNT
) -> Path:
    """Return the folder of the starter library, after drawing its first pictures if it has none of this program.

    Raises LibraryError if the folder holds something other than a library, or cannot be written to.
    """
    if not count_drawn(folder):
        grow(folder, count, progress)
    return folder


def count_drawn(folder: Path) -> int:
    """Return how many pictures of a starter library are drawn; 0 if it is missing, damaged or of another program."""
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
    """Draw the pictures that a starter library lacks of `count`, `step` at a time, in `workers` processes.

    After each step there is a complete library, which links the pictures of the one before. Without `workers`, each
    core has a process; 1 draws in this process. Raises LibraryError as `ensure_starter_library` does.
    """
    drawn = count_drawn(folder)
    if drawn >= count:
        return
    if workers is None:
        workers = min(len(os.sched_getaffinity(0)), count)
    try:
        with _drawing_pool(workers) as draw_all:
            while drawn < count:
                drawn = _extend(folder, min(count, drawn + step), draw_all, count, progress)
    except (OSError, BrokenExecutor) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise LibraryError(
            f"The starter library cannot be drawn in {printable(folder)} ({reason}): make sure that the folder can be "
            "written to, and that there are 700 MB of disk space and some memory."
        ) from error


@cache
def program_version() -> str:
    """Return the sha256 of the drawing program: when it changes, the library is drawn again."""
    digest = hashlib.sha256()
    folder = Path(figures.__file__).parent
    for source in [Path(__file__), *sorted([*folder.glob("*.py"), *folder.glob("*.txt")])]:
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()


def draw_new_picture(number: int) -> NewPicture:
    """Return a drawn picture with the people in it who become items, at least one."""
    drawing = draw_picture(number)
    fullest = max(drawing.poses, key=_count_seen)
    people = [pose.keypoints for pose in drawing.poses if pose is fullest or _count_seen(pose) >= MIN_KEYPOINTS_OF_ITEM]
    picture = NewPicture.encode(drawing.image, quality=JPEG_QUALITY)
    return replace(picture, people=people, credit=Credit(drawing.title, AUTHOR, *LICENCE))


def _count_seen(pose: Pose) -> float:
    return float(pose.scores.sum())


def _extend(folder: Path, target: int, draw_all: DrawFunction, count: int, progress: ProgressCallback | None) -> int:
    """Replace the library by one of `target` pictures, unless it has more already; return how many are drawn."""
    with LibraryWriter(folder) as writer:  # locks the library, so that no other process changes it
        drawn, removed = _copy_drawn(folder, writer)
        for number, picture in enumerate(draw_all(range(drawn, target)), drawn + 1):
            if not _was_removed(picture, removed):
                writer.add(picture)
            if progress is not None:
                progress(number, count, "Drawing the starter library")
        for removed_picture in removed:
            writer.add_removed(removed_picture)
        writer.finish([(DRAWN_BY, program_version())])
    return max(drawn, target)


def _copy_drawn(folder: Path, writer: LibraryWriter) -> tuple[int, list[RemovedPicture]]:
    """Copy the old library's items; return how many of its pictures are drawn and which were taken down.

    Copies nothing if another program drew the library or one of its pictures is damaged: then all are drawn again.
    """
    try:
        with Library.open(folder) as library:
            fingerprints, removed = dict(library.fingerprints()), library.removed_pictures()
            if any(f"{sha256_of(folder / PICTURES_FOLDER / name)}.jpg" != name for name in fingerprints):
                return 0, removed
            drawn = _drawn_pictures(library)
            if drawn:
                for picture in [reuse_picture(library, [item], fingerprints) for item in library.items()]:
                    writer.add(picture)
            return drawn, removed
    except LibraryError:
        return 0, []


def _was_removed(picture: NewPicture, removed: Sequence[RemovedPicture]) -> bool:
    return any(is_near_duplicate(picture.fingerprint, other.fingerprint) for other in removed)


def _drawn_pictures(library: Library) -> int:
    """Return how many pictures are drawn, including those taken down, whose numbers are not drawn again."""
    if library.manifest.models != ((DRAWN_BY, program_version()),):
        return 0
    return library.manifest.pictures + len(library.removed_pictures())


@contextmanager
def _drawing_pool(workers: int) -> Iterator[DrawFunction]:
    """Yield a function that draws pictures in this many processes."""
    if workers == 1:
        yield partial(map, draw_new_picture)
        return
    context = multiprocessing.get_context("spawn")  # a forked copy of a process with threads may hang
    other_children = set(multiprocessing.active_children())
    with ProcessPoolExecutor(workers, context, init_worker) as pool:
        try:
            yield partial(_draw_in_pool, pool)
        except BaseException:  # nobody needs these pictures now, so do not wait for them
            for process in set(multiprocessing.active_children()) - other_children:
                process.kill()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _draw_in_pool(pool: ProcessPoolExecutor, numbers: Iterable[int]) -> Iterable[NewPicture]:
    with starting_workers():  # the first call starts all processes
        return pool.map(draw_new_picture, numbers, chunksize=CHUNK_SIZE)
