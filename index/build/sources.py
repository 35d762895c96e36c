"""Read the sources of a build: what each one holds, in order."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from index import archives, pictures
from index.build.coco import COCO_SUFFIXES, read_coco
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
    """Return what folders, archives, pictures, videos, tables, COCO json files and key-point files hold.

    `images` is the folder of a COCO file's pictures. With `licences`, pictures under any other licence are skipped.
    With `use_folders`, a picture without a collection belongs to that of its folder (see `_folder_collection`).
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

    Many archives hold a single folder with everything. It says nothing, so the folders inside it count.
    """
    photos = [Path(os.path.abspath(e.file)) for e in entries if isinstance(e, Photo) and isinstance(e.file, Path)]
    folders = []
    for source in map(Path, map(os.path.abspath, sources)):
        if source.is_dir():
            folders.append(source)
        elif archives.is_archive(source) and (inside := [photo for photo in photos if source in photo.parents]):
            folders.append(Path(os.path.commonpath([photo.parent for photo in inside])))
    return [_in_collection(entry, folders) if isinstance(entry, Photo) else entry for entry in entries]


def _in_collection(photo: Photo, folders: Sequence[Path]) -> Photo:
    """Return the photo in the collection that the first of the folders gives it, if it is in none yet."""
    if photo.credit.collection or isinstance(photo.file, str):
        return photo
    names = (_folder_collection(photo.file, folder) for folder in folders)
    name = next(filter(None, names), None)
    return photo if name is None else replace(photo, credit=photo.credit._replace(collection=name))


def _folder_collection(file: Path, folder: Path) -> str | None:
    """Return the name of the first folder or archive on the way from `folder` to a file, as a collection's name.

    None for a file that is directly in the folder, or not in it.
    """
    try:
        first, *rest = Path(os.path.abspath(file)).relative_to(folder).parts
    except ValueError:
        return None
    if not rest:
        return None
    ending = next(filter(first.lower().endswith, archives.SUFFIXES), "")
    return pictures.clean_text(first[: len(first) - len(ending)].replace("_", " "))


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
