"""Small libraries for tests and benchmarks: one call per person, or one for a whole library."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from index.build.photo import Credit, NewPicture, NewPose, scale_keypoints
from index.build.writer import LibraryWriter
from index.pictures import LONG_SIDE
from models.pose import Floats, Image
from models.progress import ProgressCallback


@dataclass(frozen=True, slots=True, eq=False)
class NewItem:
    """One person for a library: 17×3 key points in pixels of `picture` (H×W×3 RGB), or a pose without a picture."""

    picture: Image | None
    keypoints: Floats
    title: str | None = None
    author: str | None = None
    licence: str | None = None
    licence_url: str | None = None
    source_url: str | None = None
    size: tuple[int, int] | None = None
    collection: str | None = None


def write_library(
    items: Iterable[NewItem],
    out: Path,
    *,
    models: Sequence[tuple[str, str]] = (),
    long_side: int = LONG_SIDE,
    progress: ProgressCallback | None = None,
) -> int:
    """Write a library of `items` to the folder `out` and return how many there are."""
    with LibraryWriter(out) as writer:
        for item in items:
            add_item(writer, item, long_side)
            if progress is not None:
                progress(len(writer), None, "")
        writer.finish(models, progress)
        return len(writer)


def add_item(writer: LibraryWriter, item: NewItem, long_side: int = LONG_SIDE) -> None:
    """Add one person to a library, with their picture scaled to at most `long_side` pixels on the longer side."""
    credit = Credit(
        item.title, item.author, item.licence, item.licence_url, item.source_url, collection=item.collection
    )
    if item.picture is None:
        writer.add_pose(NewPose(item.keypoints, credit, item.size))
        return
    height, width = item.picture.shape[:2]
    picture = NewPicture.encode(item.picture, long_side=long_side)
    person = scale_keypoints(item.keypoints, picture.width / width, picture.height / height)
    writer.add(replace(picture, people=[person], credit=credit))
