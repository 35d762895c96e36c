"""Read folders and archives of photos, with the credits of their tables and sidecars."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

from index import archives
from index.archives import ArchiveError
from index.build.photo import Credit, Photo, Skipped, SourceError, is_file, title_from_name
from index.build.scan import complete_credit
from index.build.sidecars import Sidecars, is_ignored_folder
from index.build.table import TABLE_SUFFIXES, Row, read_rows
from index.formats import VIDEO_SUFFIXES
from index.manifest import has_library_manifest
from models.text import printable

CREDITS_FILES: Final = tuple(f"credits{ending}" for ending in TABLE_SUFFIXES)
"""Names of a folder's own table, which has the credits of the photos in it."""

Rows = dict[str, Row]
"""Rows of the tables so far, by the absolute path of their photo."""


def read_folder(folder: Path) -> Iterator[Photo | Skipped]:
    """Yield every file in a folder, its subfolders and its archives as a photo, by name; skip what cannot be one.

    Follows links, visits each folder once, and ignores hidden files, what systems and programs leave in folders, and
    Pose Mirror libraries. A table `credits.csv` (or .tsv, .jsonl) in a folder has the credits of the photos that it
    names; then those in the sidecars count.
    """
    visited: set[tuple[int, int]] = set()
    waiting = [folder]
    rows: Rows = {}
    while waiting:
        current = waiting.pop()
        try:
            status = os.stat(current)
            if (status.st_dev, status.st_ino) in visited:
                continue
            visited.add((status.st_dev, status.st_ino))
            names = sorted(os.listdir(current), key=os.fsencode)
        except OSError as error:
            name = printable(current)
            yield Skipped(name, "cannot be read", f"{name} cannot be read ({error.strerror}).")
            continue
        folders = [name for name in names if os.path.isdir(current / name)]
        inside = frozenset(folders)
        yield from _read_files(current, [name for name in names if name not in inside], rows)
        subfolders = [current / name for name in folders if not is_ignored_folder(name)]
        waiting.extend(reversed([place for place in subfolders if not has_library_manifest(place)]))


def read_archive(archive: Path) -> Iterator[Photo | Skipped]:
    """Yield the files in a zip or tar archive as `read_folder` does. Raises SourceError if nothing can be read."""
    try:
        members, problems = archives.list_members(archive)
    except ArchiveError as error:
        raise SourceError(f"{printable(archive)} {error}.") from error
    rows: Rows = {}
    paths = sorted((tuple(map(os.fsencode, member.name.split("/"))) for member in members), key=lambda path: path[:-1])
    for parents, in_folder in groupby(paths, key=lambda path: path[:-1]):
        folders = [os.fsdecode(name) for name in parents]
        if not any(map(is_ignored_folder, folders)):
            names = sorted(path[-1] for path in in_folder)
            yield from _read_files(archive.joinpath(*folders), [os.fsdecode(name) for name in names], rows)
    for name, problem in problems:
        place = printable(archive / name)
        yield Skipped(place, problem.kind, f"{place} {problem}.")


def _read_files(folder: Path, names: Sequence[str], rows: Rows) -> Iterator[Photo | Skipped]:
    """Yield the photos among the files of one folder, with their credits; skip what cannot be a photo."""
    tables = [name for name in names if name.lower() in CREDITS_FILES]
    for table in tables:
        yield from _collect_credits(folder / table, rows)
    sidecars = Sidecars(folder, [name for name in names if name not in tables])
    for name in sidecars.names:
        file = folder / name
        if archives.is_archive(file) or archives.is_other_archive(file):
            yield from _read_inner_archive(file)
        elif file.suffix.lower() in VIDEO_SUFFIXES:
            yield _skip_video(file)
        else:
            row = rows.pop(os.path.abspath(file), None)
            photo = Photo(file, Credit(title=title_from_name(file)) if row is None else row.credit)
            yield Photo(file, complete_credit(photo, sidecars.credit(name)))


def _read_inner_archive(file: Path) -> Iterator[Photo | Skipped]:
    """Yield what an archive in a folder holds. One in another archive is skipped: unpacking it could take for ever."""
    name = printable(file)
    if archives.split(file) is not None:
        yield Skipped(name, "archive", f"{name} is an archive in an archive: unpack it.")
    elif not archives.is_archive(file):
        yield Skipped(name, "archive", f"{name} is an archive of a kind that is not supported: unpack it.")
    else:
        try:
            yield from read_archive(file)
        except SourceError as error:
            yield Skipped(name, "archive", str(error))


def _skip_video(file: Path) -> Skipped:
    name = printable(file)
    remedy = "name it as a source of its own"
    if archives.split(file) is not None:
        return Skipped(name, "video", f"{name} is a video in an archive: unpack it, and {remedy}.")
    return Skipped(name, "video", f"{name} is a video: {remedy}.")


def _collect_credits(table: Path, rows: Rows) -> Iterator[Skipped]:
    """Put the rows of a folder's table into `rows`; yield those to skip, such as rows of pictures that are missing."""
    try:
        table_rows = read_rows(table)
    except SourceError as error:
        yield Skipped(printable(table), "not a table", str(error))
        return
    for row in table_rows:
        if isinstance(row, Skipped):
            yield row
        elif isinstance(row.picture, str) or not is_file(row.picture):
            name = f"{printable(table)}, line {row.line}"
            problem = (
                f"names {printable(row.picture):.200}, which is not a file: to fetch pictures from URLs, name the "
                "table as a source"
            )
            yield Skipped(name, "cannot be read", f"{name} {problem}.")
        else:
            rows[os.path.abspath(row.picture)] = row
