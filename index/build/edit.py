"""Change existing libraries: take pictures down for good, and merge several libraries into one."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from index import pictures
from index.build.choice import find_skipped
from index.build.duplicates import is_near_duplicate
from index.build.foreign_names import FileFinder
from index.build.photo import NewPicture, is_file
from index.build.report import SkipSummary, write_report
from index.build.reuse import reuse_picture, reuse_pose
from index.build.writer import LibraryWriter
from index.errors import LibraryError
from index.library import Item, Library, RemovedPicture, read_removed_pictures
from index.manifest import Manifest
from models.progress import ProgressCallback
from models.text import printable

MIN_NAME_DIGITS: Final = 6
"""Digits of a picture's name that may stand for it. Two of 100,000 pictures seldom begin with the same six."""

NUMBER_DIGITS_LIMIT: Final = 10
"""Digits at which a text is no longer read as an item's number: Python refuses to convert thousands of digits."""

MAX_LISTED: Final = 4
"""Pictures that an error message lists."""


@dataclass(frozen=True, slots=True)
class RemovalResult:
    """The pictures taken down, each by the first person in it, and the manifest of the library that is left."""

    taken_down: list[Item]
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class MergeResult:
    """The manifest of the merged library, and how many pictures were skipped by kind of reason."""

    manifest: Manifest
    skip_counts: Mapping[str, int]


def remove(folder: Path, targets: Sequence[str], progress: ProgressCallback | None = None) -> RemovalResult:
    """Take pictures down for good: the people in them, their files and their credits.

    Each of `targets` is an item's number, a picture's name or at least the first 6 digits of it, its source URL, or a
    picture file. The library remembers the fingerprints of what was taken down, so that neither building into the
    folder again nor merging brings it back. The library is written again next to the old one and swapped in; the items
    get new numbers. Pictures that stay are linked without reading them, so a damaged one is no obstacle and can itself
    be taken down.

    Raises LibraryError, and changes nothing, if a target names no picture or several, or if no picture would be left;
    OSError if the disk is full.
    """
    with Library.open(folder) as library:
        lookup = _PictureLookup(library)
        names = {lookup.find(target) for target in targets}
        if not names:
            raise LibraryError(f"No picture of {printable(folder)} was named: nothing was taken down.")
        if len(names) == library.manifest.pictures:
            raise LibraryError(
                f"No picture would be left in {printable(folder)}: delete the folder, or build other photos into it."
            )
        with LibraryWriter(folder) as writer:
            _check_not_replaced([library])
            fingerprints = dict(library.fingerprints())
            for removed in library.removed_pictures():
                writer.add_removed(removed)
            for name in sorted(names):
                writer.add_removed(RemovedPicture(name, fingerprints[name], lookup.items[name].title))
            for item in library.items():
                if item.picture is None or item.picture.name not in names:
                    _copy_item(writer, library, item, fingerprints)
                if progress is not None:
                    progress(item.number + 1, len(library), "Copying")
            models = library.manifest.models
            write_report(writer, library.manifest.pictures - len(names), 0, models=models)
            manifest = writer.finish(models, progress)
    return RemovalResult(sorted((lookup.items[name] for name in names), key=lambda item: item.number), manifest)


def merge(folders: Sequence[Path], out: Path, progress: ProgressCallback | None = None) -> MergeResult:
    """Merge libraries into one in the folder `out`, which may be one of them. Items keep the order of the libraries.

    Of pictures that are the same or nearly the same, the largest stays, and the earliest of equally large ones. What
    was taken down from any of the libraries, or from an older library at `out`, is skipped and stays taken down. Every
    picture is checked on the way.

    Raises LibraryError if a library is missing, damaged or named twice, or if nothing is left; OSError if the disk is
    full. Whatever stops it leaves all libraries as they were.
    """
    with ExitStack() as stack:
        libraries = [stack.enter_context(Library.open(folder)) for folder in folders]
        _check_distinct(libraries)
        writer = stack.enter_context(LibraryWriter(out))
        _check_not_replaced(libraries)
        removed = [picture for library in libraries for picture in library.removed_pictures()]
        removed += read_removed_pictures(out)
        for picture in removed:
            writer.add_removed(picture)
        skipped_names, skipped = _find_skipped(libraries, removed)
        _copy_libraries(writer, libraries, skipped_names, progress)
        if not len(writer):
            raise LibraryError(f"Nothing is left to write to {printable(out)}: every picture was taken down.")
        models = list(dict.fromkeys(model for library in libraries for model in library.manifest.models))
        total = sum(library.manifest.pictures for library in libraries)
        kept = total - sum(summary.count for summary in skipped.values())
        if kept:
            write_report(writer, kept, total, models=models, sources=folders, skipped=skipped)
        manifest = writer.finish(models, progress)
        return MergeResult(manifest, {kind: summary.count for kind, summary in skipped.items()})


class _PictureLookup:
    """Finds a library's picture by any of the names that `remove` accepts."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self.items: dict[str, Item] = {}
        self._names_by_url: defaultdict[str, set[str]] = defaultdict(set)
        for item in library.items():
            if item.picture is not None:
                self.items.setdefault(item.picture.name, item)
                if item.source_url is not None:
                    self._names_by_url[_comparable(item.source_url)].add(item.picture.name)

    def find(self, target: str) -> str:
        """Return the name of the picture that a target means. Raises LibraryError if it means none or several."""
        folder = printable(self._library.folder)
        matches = self._find_by_name(target)
        if not matches:
            file = Path(target) if _exists(target) else FileFinder().find_there(Path(), target)
            matches = set() if file is None else self._find_by_look(file)
        if not matches:
            raise LibraryError(
                f"{printable(target)} names no picture of {folder}: give an item's number, a picture's name or at "
                f"least {MIN_NAME_DIGITS} digits of it, its source URL, or a picture file."
            )
        if len(matches) > 1:
            listed = ", ".join(sorted(matches)[:MAX_LISTED]) + (", …" if len(matches) > MAX_LISTED else "")
            raise LibraryError(
                f"{printable(target)} names {len(matches)} pictures of {folder} ({listed}): name each of them."
            )
        return matches.pop()

    def _find_by_name(self, target: str) -> set[str]:
        """Return the pictures with this item number, with this name or beginning of a name, or from this URL."""
        matches = set(self._names_by_url.get(_comparable(target), ()))
        if target.isdecimal() and len(target) < NUMBER_DIGITS_LIMIT and int(target) < len(self._library):
            picture = self._library.item(int(target)).picture
            if picture is None:
                raise LibraryError(f"Item {target} of {printable(self._library.folder)} is a pose without a picture.")
            matches.add(picture.name)
        if len(target) >= MIN_NAME_DIGITS:
            matches |= {name for name in self.items if name.startswith(target.lower())}
        return matches

    def _find_by_look(self, file: Path) -> set[str]:
        """Return the picture that is this file or was made from it; otherwise those that look like it.

        Raises PictureError if the file cannot be read as a picture.
        """
        picture = NewPicture.encode(pictures.load_picture(file, pictures.LONG_SIDE).image)
        same_file = f"{hashlib.sha256(pictures.read_bytes(file)).hexdigest()}.jpg"
        for name in (same_file, picture.name):
            if name in self.items:
                return {name}
        return {name for name, bits in self._library.fingerprints() if is_near_duplicate(bits, picture.fingerprint)}


def _comparable(url: str) -> str:
    """Return a URL in a form that is the same with and without percent escapes, as browsers show and copy it."""
    return unicodedata.normalize("NFC", unquote(url.strip()))


def _find_skipped(
    libraries: Sequence[Library], removed: Sequence[RemovedPicture]
) -> tuple[list[set[str]], dict[str, SkipSummary]]:
    """Return for each library the names of its pictures to skip, and a summary by kind of reason."""
    places: list[tuple[int, str]] = []

    def all_pictures() -> Iterator[tuple[str, NewPicture]]:
        for number, library in enumerate(libraries):
            fingerprints = dict(library.fingerprints())
            for name, items in _group_by_picture(library).items():
                places.append((number, name))
                title = f"{items[0].title or name} in {printable(library.folder)}"
                yield title, reuse_picture(library, items, fingerprints)

    skipped_names: list[set[str]] = [set() for _ in libraries]
    summaries: dict[str, SkipSummary] = {}
    for place, skipped in find_skipped(all_pictures(), removed).items():
        number, name = places[place]
        skipped_names[number].add(name)
        summaries.setdefault(skipped.kind, SkipSummary()).add(skipped)
    return skipped_names, summaries


def _group_by_picture(library: Library) -> dict[str, list[Item]]:
    """Return the items of each picture by its name, in the order of the pictures."""
    groups: dict[str, list[Item]] = {}
    for item in library.items():
        if item.picture is not None:
            groups.setdefault(item.picture.name, []).append(item)
    return groups


def _copy_libraries(
    writer: LibraryWriter,
    libraries: Sequence[Library],
    skipped_names: Sequence[set[str]],
    progress: ProgressCallback | None,
) -> None:
    """Copy all items of the libraries but those of the skipped pictures, and check each picture."""
    total, done = sum(map(len, libraries)), 0
    for library, skipped in zip(libraries, skipped_names, strict=True):
        fingerprints = dict(library.fingerprints())
        for item in library.items():
            if item.picture is None or item.picture.name not in skipped:
                _copy_item(writer, library, item, fingerprints, check=True)
            done += 1
            if progress is not None:
                progress(done, total, "Merging")


def _copy_item(
    writer: LibraryWriter, library: Library, item: Item, fingerprints: Mapping[str, bytes], *, check: bool = False
) -> None:
    """Add an item to a new library. Raises LibraryError if its picture is missing or, with `check`, damaged."""
    if item.picture is None:
        writer.add_pose(reuse_pose(library, item))
    else:
        writer.add(reuse_picture(library, [item], fingerprints, check=check))


def _exists(target: str) -> bool:
    return os.path.exists(target) or is_file(Path(target))


def _check_distinct(libraries: Sequence[Library]) -> None:
    counts = Counter(os.path.realpath(library.folder) for library in libraries)
    folder, count = counts.most_common(1)[0]
    if count > 1:
        raise LibraryError(f"{printable(folder)} was named {count} times: name each library once.")


def _check_not_replaced(libraries: Sequence[Library]) -> None:
    """Check, now that the writer locks out other builds, that the libraries are still those that were opened."""
    for library in libraries:
        if library.is_replaced:
            raise LibraryError(
                f"{printable(library.folder)} was built again in the meantime, so nothing was changed: try again."
            )
