"""Read the sources of a build: what each one holds, in order."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from index import archives, pictures
from index.build.coco import COCO_SUFFIXES, read_coco
from index.build.commons import is_commons, read_commons
from index.build.importers import read_poses
from index.build.licences import matches_licence
from index.build.photo import Credit, NewPose, Photo, Skipped, SourceError, title_from_name
from index.build.scan import complete_credit
from index.build.table import TABLE_SUFFIXES, read_table
from index.build.tree import read_archive, read_folder
from index.formats import VIDEO_SUFFIXES
from models.text import printable

SPREADSHEET_SUFFIXES: Final = (".xlsx", ".xlsm", ".xls", ".ods", ".numbers")
"""Endings of tables that cannot be read until a program has saved them as CSV."""


@dataclass(slots=True)
class Poses:
    """The poses of a file without pictures. They can be iterated once."""

    items: Iterator[NewPose]


Entry = Photo | Skipped | Poses


def read_sources(
    sources: Sequence[Path],
    images: Path | None = None,
    licences: Sequence[str] = (),
    *,
    has_estimator: bool = True,
    use_folders: bool = False,
) -> list[Entry]:
    """Return what folders, archives, pictures, videos, tables, JSON and key-point files hold.

    `images` is the folder of a COCO file's pictures. With `licences`, pictures under any other licence are skipped.
    With `use_folders`, a picture without a collection belongs to that of its folder (see `_in_collection`).
    Raises SourceError if a source other than a video is missing or cannot be read, or if it has pictures without
    labels and there is no estimator to find the people.
    """
    entries: list[Entry] = []
    for source in sources:
        for entry in _read_source(source, images):
            if isinstance(entry, Photo) and entry.people is None and not has_estimator:
                raise SourceError(
                    f"{printable(source)} holds pictures, and no model was given to find the people in them."
                )
            entries.append(_filter_by_licence(entry, licences) if licences else entry)
    return _collect_by_folder(entries, sources) if use_folders else entries


def _read_source(source: Path, images: Path | None) -> Iterator[Entry]:
    suffix = source.suffix.lower()
    if source.is_dir():
        yield from read_folder(source)
    # A missing video is one photo less, and its scan reports it. Any other missing source may be a whole folder.
    elif suffix not in VIDEO_SUFFIXES and not source.exists():
        raise SourceError(
            f"{printable(source)} does not exist: name a folder, a picture, a video, an archive, a .csv, .tsv or "
            ".jsonl, a .json or an .npz."
        )
    elif suffix == ".npz":
        yield Poses(read_poses(source))
    elif suffix == ".json" and is_commons(source):
        yield from read_commons(source)
    elif source.name.lower().endswith(COCO_SUFFIXES):
        yield from _read_coco(source, images)
    elif suffix in TABLE_SUFFIXES:
        yield from read_table(source)
    elif suffix in SPREADSHEET_SUFFIXES:
        raise SourceError(f"{printable(source)} is a spreadsheet: save it as “CSV UTF-8”, and name that file.")
    elif archives.is_archive(source):
        yield from read_archive(source)
    elif archives.is_other_archive(source):
        raise SourceError(f"{printable(source)} is an archive of a kind that is not supported: unpack it.")
    else:
        yield Photo(source, Credit(title=title_from_name(source)))


def _read_coco(source: Path, images: Path | None) -> Iterator[Entry]:
    """Yield a COCO file's pictures, and what is skipped; then the poses of those that came without, as one entry."""
    poses: list[NewPose] = []
    for entry in read_coco(source, images):
        if isinstance(entry, NewPose):
            poses.append(entry)
        else:
            yield entry
    if poses:
        yield Poses(iter(poses))


def _collect_by_folder(entries: Sequence[Entry], sources: Sequence[Path]) -> list[Entry]:
    """Put each photo that is in a source, and in no collection yet, into the collection of its folder.

    The collections of one folder are the folders in it; of several folders, each is a collection. Many archives
    hold a single folder with everything. It says nothing, so the folders inside it count.
    """
    photos = [Path(os.path.abspath(e.file)) for e in entries if isinstance(e, Photo) and isinstance(e.file, Path)]
    places = [Path(os.path.abspath(source)) for source in sources]
    folders = [place for place in places if place.is_dir()]
    names = {folder: folder.name if len(folders) > 1 else "" for folder in folders}
    for place in places:
        inside = [photo.parent for photo in photos if place in photo.parents] if archives.is_archive(place) else []
        if inside and place not in names:
            names[Path(os.path.commonpath(inside))] = ""
    return [_in_collection(entry, names) if isinstance(entry, Photo) else entry for entry in entries]


def _in_collection(photo: Photo, names: Mapping[Path, str]) -> Photo:
    """Return the photo in the collection of the first folder that holds it, if it is in none yet.

    `names` has the collection of everything in a folder. Where it is empty, the next folder or archive on the way to
    the photo is the collection, and a photo directly in the folder is in none.
    """
    if photo.credit.collection or isinstance(photo.file, str):
        return photo
    file = Path(os.path.abspath(photo.file))
    folder = next((folder for folder in names if folder in file.parents), None)
    if folder is None:
        return photo
    first, *rest = file.relative_to(folder).parts
    name = names[folder] or (_without_ending(first) if rest else "")
    return replace(photo, credit=photo.credit._replace(collection=pictures.clean_text(name.replace("_", " "))))


def _without_ending(name: str) -> str:
    """Return a folder's name, or an archive's without its ending."""
    ending = next(filter(name.lower().endswith, archives.SUFFIXES), "")
    return name[: len(name) - len(ending)]


def _filter_by_licence(entry: Entry, licences: Sequence[str]) -> Entry:
    """Return the entry, or skip it if its licence matches none of `licences`.

    A photo whose source names no licence may have one in its own metadata. Poses without pictures are dropped one by
    one, and the report does not count them as skipped.
    """
    if isinstance(entry, Poses):
        return Poses(pose for pose in entry.items if _matches(pose.credit, licences))
    if isinstance(entry, Skipped):
        return entry
    if isinstance(entry.file, Path) and not (entry.credit.licence or entry.credit.licence_url):
        entry = replace(entry, credit=complete_credit(entry, pictures.load_credit(entry.file)))
    if _matches(entry.credit, licences):
        return entry
    name, licence = printable(entry.file), entry.credit.licence or entry.credit.licence_url
    problem = f"is under {printable(licence)}" if licence else "has no known licence"
    return Skipped(name, "other licence", f"{name} {problem}.")


def _matches(credit: Credit, licences: Sequence[str]) -> bool:
    return matches_licence(credit.licence, licences, credit.licence_url)
