"""The starter library: drawn people in many poses, so that the mirror has answers before anybody adds a photo.

The first few hundred pictures are drawn before the mirror first starts, the rest later, a few hundred at a time. Every
machine draws the same people in the same order, however many it has so far (`models.figures.starter_pictures`).
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

from index.build.drawing_workers import DrawAll, drawing_workers
from index.build.duplicates import is_near_duplicate
from index.build.photo import Credit, NewPicture
from index.build.reuse import reuse_picture
from index.build.writer import LibraryWriter, count_unfinished
from index.checksum import sha256_of
from index.errors import LibraryBusyError, LibraryError
from index.library import Library, RemovedPicture
from index.manifest import PICTURES_FOLDER
from models import figures
from models.figures import draw_picture
from models.figures.movement import Kind
from models.pose import Pose
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

COLLECTIONS: Final[dict[Kind, str]] = {
    "sport": "sport",
    "dance": "dance",
    "yoga": "yoga",
    "fight": "martial arts",
    "acting": "everyday",
    "everyday": "everyday",
}
"""The collection of each kind of movement."""

JPEG_QUALITY: Final = 80
"""JPEG quality of the pictures: a complete library stays below 250 MB."""

MIN_KEYPOINTS_OF_ITEM: Final = 6
"""Seen key points that make a drawn person an item. The fullest person in a picture is always one."""

WAIT_SECONDS: Final = 0.5
"""Seconds between two attempts while another process draws. The display answers Esc no later."""


def ensure_starter_library(
    folder: Path, progress: ProgressCallback | None = None, *, count: int = INITIAL_PICTURE_COUNT
) -> Path:
    """Return the folder of the starter library, after drawing its first pictures if it has none of this program.

    If another process is drawing it, such as a second mirror, this one waits, and continues if the other is killed.
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
    core has a process; 1 draws in this process. Waits while another process draws, and raises LibraryError, as
    `ensure_starter_library` does.
    """
    drawn = count_drawn(folder)
    if drawn >= count:
        return
    if workers is None:
        workers = min(len(os.sched_getaffinity(0)), count)
    try:
        with drawing_workers(draw_new_picture, workers) as draw_all:
            while drawn < count:
                try:
                    drawn = _extend(folder, min(count, drawn + step), draw_all, count, progress)
                except LibraryBusyError:
                    _wait(folder, count, progress)
                    drawn = count_drawn(folder)
    except OSError as error:
        reason = error.strerror or error
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
    credit = Credit(drawing.title, AUTHOR, *LICENCE, collection=COLLECTIONS[drawing.kind])
    return replace(picture, people=people, credit=credit)


def _count_seen(pose: Pose) -> float:
    return float(pose.scores.sum())


def _extend(folder: Path, target: int, draw_all: DrawAll, count: int, progress: ProgressCallback | None) -> int:
    """Replace the library by one of `target` pictures, unless it has as many already; return how many are drawn.

    Raises LibraryBusyError while another process changes the library.
    """
    with LibraryWriter(folder) as writer:  # locks the library, so that no other process changes it
        already_drawn = count_drawn(folder)
        if already_drawn >= target:  # by another process
            return already_drawn
        drawn, removed = _copy_drawn(folder, writer)
        for number, picture in enumerate(draw_all(range(drawn, target)), drawn + 1):
            if not _was_removed(picture, removed):
                writer.add(picture)
            if progress is not None:
                progress(number, count, "Drawing the starter library")
        for removed_picture in removed:
            writer.add_removed(removed_picture)
        writer.finish([(DRAWN_BY, program_version())])
    return target


def _wait(folder: Path, count: int, progress: ProgressCallback | None) -> None:
    """Wait a moment for the process that is drawing the library, and report how far it is."""
    if progress is not None:
        progress(count_unfinished(folder), count, "Another program draws the starter library")
    time.sleep(WAIT_SECONDS)


def _copy_drawn(folder: Path, writer: LibraryWriter) -> tuple[int, list[RemovedPicture]]:
    """Copy the old library's items; return how many of its pictures are drawn and which were taken down.

    Copies nothing if another program drew the library or one of its pictures is damaged: then all are drawn again.
    """
    try:
        with Library.open(folder) as library:
            writer.add_barred(library.barred())
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
