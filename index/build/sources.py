"""What the sources of a library hold, in their order."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from index.build.coco import photos_of_coco
from index.build.importers import VIDEOS, photos_in, poses_in
from index.build.licences import matches_licence
from index.build.photo import Credit, ImportFailed, Photo, Skipped, title_of
from index.build.table import TABLES, photos_of_table
from index.build.writer import NewItem
from index.manifest import shown


@dataclass(slots=True)
class Poses:
    """Key points without pictures, of a file that holds nothing else; to be gone through once."""

    items: Iterator[NewItem]


Entry = Photo | Skipped | Poses


def entries(
    sources: Sequence[Path], images: Path | None = None, licences: Sequence[str] = (), *, can_look: bool = True
) -> list[Entry]:
    """What folders, pictures, videos, tables, COCO json and key-point files hold.

    `images` is where a COCO file's pictures are. What has not one of the `licences`, if there are any, is skipped.
    Raises ImportFailed for a source that is missing or unreadable, or that has pictures without labels where nothing
    can look at them.
    """
    found: list[Entry] = []
    for source in sources:
        for entry in _entries(source, images):
            if isinstance(entry, Photo) and entry.people is None and not can_look:
                raise ImportFailed(
                    f"{shown(source)} holds pictures, and no model was given to find the people in them."
                )
            found.append(_licensed(entry, licences) if licences else entry)
    return found


def _entries(source: Path, images: Path | None) -> Iterator[Entry]:
    suffix = source.suffix.lower()
    if source.is_dir():
        yield from photos_in(source)
    elif suffix not in VIDEOS and not source.exists():
        raise ImportFailed(
            f"{shown(source)} does not exist: name a folder, a picture, a video, a .csv, .tsv or .jsonl, a .json or an "
            ".npz."
        )
    elif suffix == ".npz":
        yield Poses(poses_in(source)[1])
    elif suffix == ".json":
        stream = photos_of_coco(source, images)[1]
        first = next(stream, None)
        if isinstance(first, NewItem):  # no pictures there: then none of them has
            rest = (one for one in stream if isinstance(one, NewItem))
            yield Poses(itertools.chain([first], rest))
        elif first is not None:
            yield first
            yield from (one for one in stream if not isinstance(one, NewItem))
    elif suffix in TABLES:
        yield from photos_of_table(source)[1]
    else:
        yield Photo(source, Credit(title=title_of(source)))


def _licensed(entry: Entry, licences: Sequence[str]) -> Entry:
    """The entry, or why it is left out."""
    if isinstance(entry, Poses):
        return Poses(one for one in entry.items if matches_licence(one.licence, licences, one.licence_url))
    if isinstance(entry, Skipped) or matches_licence(entry.credit.licence, licences, entry.credit.licence_url):
        return entry
    name, licence = shown(entry.file), entry.credit.licence or entry.credit.licence_url
    said = f"is under {shown(licence)}" if licence else "is under a licence that is not known"
    return Skipped(name, "other licence", f"{name} {said}.")
