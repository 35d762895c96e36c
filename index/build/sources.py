"""What the sources of a library hold, in their order."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from index.build.coco import read_coco
from index.build.importers import VIDEO_SUFFIXES, read_folder, read_poses
from index.build.licences import matches_licence
from index.build.photo import Credit, Photo, Skipped, SourceError, title_from_name
from index.build.table import TABLE_SUFFIXES, read_table
from index.build.writer import NewItem
from models.text import printable


@dataclass(slots=True)
class Poses:
    """Key points without pictures, of a file that holds nothing else; to be gone through once."""

    items: Iterator[NewItem]


Entry = Photo | Skipped | Poses


def read_sources(
    sources: Sequence[Path], images: Path | None = None, licences: Sequence[str] = (), *, has_estimator: bool = True
) -> list[Entry]:
    """What folders, pictures, videos, tables, COCO json and key-point files hold.

    `images` is where a COCO file's pictures are. What has not one of the `licences`, if there are any, is skipped.
    Raises ImportFailed for a source that is missing or unreadable, or that has pictures without labels where nothing
    can look at them.
    """
    found: list[Entry] = []
    for source in sources:
        for entry in _read_source(source, images):
            if isinstance(entry, Photo) and entry.people is None and not has_estimator:
                raise SourceError(
                    f"{printable(source)} holds pictures, and no model was given to find the people in them."
                )
            found.append(_filter_by_licence(entry, licences) if licences else entry)
    return found


def _read_source(source: Path, images: Path | None) -> Iterator[Entry]:
    suffix = source.suffix.lower()
    if source.is_dir():
        yield from read_folder(source)
    elif suffix not in VIDEO_SUFFIXES and not source.exists():
        raise SourceError(
            f"{printable(source)} does not exist: name a folder, a picture, a video, a .csv, .tsv or .jsonl, a .json or an "
            ".npz."
        )
    elif suffix == ".npz":
        yield Poses(read_poses(source)[1])
    elif suffix == ".json":
        stream = read_coco(source, images)[1]
        first = next(stream, None)
        if isinstance(first, NewItem):  # no pictures there: then none of them has
            rest = (one for one in stream if isinstance(one, NewItem))
            yield Poses(itertools.chain([first], rest))
        elif first is not None:
            yield first
            yield from (one for one in stream if not isinstance(one, NewItem))
    elif suffix in TABLE_SUFFIXES:
        yield from read_table(source)[1]
    else:
        yield Photo(source, Credit(title=title_from_name(source)))


def _filter_by_licence(entry: Entry, licences: Sequence[str]) -> Entry:
    """The entry, or why it is left out."""
    if isinstance(entry, Poses):
        return Poses(one for one in entry.items if matches_licence(one.licence, licences, one.licence_url))
    if isinstance(entry, Skipped) or matches_licence(entry.credit.licence, licences, entry.credit.licence_url):
        return entry
    name, licence = printable(entry.file), entry.credit.licence or entry.credit.licence_url
    said = f"is under {printable(licence)}" if licence else "is under a licence that is not known"
    return Skipped(name, "other licence", f"{name} {said}.")
