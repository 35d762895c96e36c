"""Changes to libraries that are there: pictures taken down for good, several libraries merged into one."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from index import pictures
from index.build.choice import Shown, find_skipped
from index.build.duplicates import is_near_duplicate
from index.build.report import SkipSummary, write_report
from index.build.writer import LibraryWriter, NewItem
from index.library import Item, Library, LibraryError, RemovedPicture, read_removed_pictures
from index.manifest import Manifest
from index.pictures import StoredPicture
from models.progress import ProgressCallback
from models.text import printable

MIN_NAME_DIGITS: Final = 6
"""Of a picture's name that name it: of 100,000 pictures, two begin with the same six once in a long while."""

NUMBER_DIGITS_LIMIT: Final = 10
"""Digits of an item's number; Python does not make numbers of thousands of them."""

MAX_LISTED: Final = 4
"""Pictures that a sentence lists."""


@dataclass(frozen=True, slots=True)
class RemovalResult:
    """What was taken down, each picture by the first person in it, and what the library holds since."""

    taken_down: list[Item]
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class MergeResult:
    """What the merged library holds, and how many pictures of each sort were left out of it."""

    manifest: Manifest
    skip_counts: Mapping[str, int]


def remove(folder: Path, targets: Sequence[str], progress: ProgressCallback | None = None) -> RemovalResult:
    """Takes pictures down for good: everybody in them, their files and their credits.

    Each of `targets` is an item's number, a picture's name or at least 6 digits of its beginning, its source URL, or a
    picture file. What the pictures look like is remembered, so that neither building into that folder again nor
    merging brings them back. The library is written anew beside the old one and takes its place at once; items are
    numbered anew. Pictures that stay are linked and not read, so one that is damaged is not in the way, and can itself
    be taken down. Raises LibraryError, and changes nothing, when one of `targets` names no picture or several, or none
    would be left; OSError when the disk is full.
    """
    with Library.open(folder) as library:
        names = _PictureLookup(library)
        taken = {names.find(one) for one in targets}
        if not taken:
            raise LibraryError(f"No picture of {printable(folder)} was named: nothing was taken down.")
        if len(taken) == library.manifest.pictures:
            raise LibraryError(
                f"No picture would be left in {printable(folder)}: delete the folder, or build other photos into it."
            )
        with LibraryWriter(folder) as writer:
            _check_not_replaced([library])
            bits = dict(library.fingerprints())
            for one in library.removed_pictures():
                writer.add_removed(*one)
            for name in sorted(taken):
                writer.add_removed(name, bits[name], names.items[name].title)
            for item in library.items():
                if item.picture is None or item.picture.name not in taken:
                    writer.add(_copy_item(library, item, bits))
                if progress is not None:
                    progress(item.number + 1, len(library), "Copying")
            models = library.manifest.models
            write_report(writer, library.manifest.pictures - len(taken), 0, models=models)
            left = writer.finish(models, progress)
    return RemovalResult([names.items[name] for name in sorted(taken, key=lambda name: names.items[name].number)], left)


def merge(folders: Sequence[Path], out: Path, progress: ProgressCallback | None = None) -> MergeResult:
    """Writes a library of several to the folder `out`, which may be one of them: items in the libraries' order.

    Of pictures that are the same or nearly so the largest stays, the earliest among equals. What was taken down from
    any of the libraries, or from the one that lies at `out`, is left out and stays taken down. Every picture is
    checked on the way. Raises LibraryError when a library is missing or damaged, named twice, or nothing is left;
    OSError when the disk is full. Whatever stops it leaves all libraries as they were.
    """
    with ExitStack() as stack:
        libraries = [stack.enter_context(Library.open(folder)) for folder in folders]
        _check_distinct(libraries)
        writer = stack.enter_context(LibraryWriter(out))
        _check_not_replaced(libraries)
        removed = [one for library in libraries for one in library.removed_pictures()] + read_removed_pictures(out)
        for one in removed:
            writer.add_removed(*one)
        out_of_each, left_out = _find_skipped(libraries, removed)
        total, done = sum(map(len, libraries)), 0
        for library, leave in zip(libraries, out_of_each, strict=True):
            bits = dict(library.fingerprints())
            for item in library.items():
                if item.picture is None or item.picture.name not in leave:
                    writer.add(_copy_item(library, item, bits, check=True))
                done += 1
                if progress is not None:
                    progress(done, total, "Merging")
        if not len(writer):
            raise LibraryError(f"Nothing is left to write to {printable(out)}: every picture was taken down.")
        models = list(dict.fromkeys(model for library in libraries for model in library.manifest.models))
        pictures = sum(library.manifest.pictures for library in libraries)
        kept = pictures - sum(one.count for one in left_out.values())
        if kept:
            write_report(writer, kept, pictures, models=models, sources=folders, skipped=left_out)
        return MergeResult(writer.finish(models, progress), {kind: one.count for kind, one in left_out.items()})


class _PictureLookup:
    """What a library's pictures can be called by."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self.items: dict[str, Item] = {}
        self._of_url: defaultdict[str, set[str]] = defaultdict(set)
        for item in library.items():
            if item.picture is not None:
                self.items.setdefault(item.picture.name, item)
                if item.source_url is not None:
                    self._of_url[item.source_url].add(item.picture.name)

    def find(self, wanted: str) -> str:
        """The name of the one picture that is meant. Raises LibraryError when there is none, or more than one."""
        folder = printable(self._library.folder)
        found = self._find_by_name(wanted) or (self._find_by_look(Path(wanted)) if os.path.exists(wanted) else set())
        if not found:
            raise LibraryError(
                f"{printable(wanted)} names no picture of {folder}: give an item's number, a picture's name or at least "
                f"{MIN_NAME_DIGITS} digits of it, its source URL, or a picture file."
            )
        if len(found) > 1:
            some = ", ".join(sorted(found)[:MAX_LISTED]) + (", …" if len(found) > MAX_LISTED else "")
            raise LibraryError(
                f"{printable(wanted)} names {len(found)} pictures of {folder} ({some}): name each of them."
            )
        return found.pop()

    def _find_by_name(self, wanted: str) -> set[str]:
        """The pictures with that number, that name or beginning of it, or from that URL."""
        found = set(self._of_url.get(wanted, ()))
        if wanted.isdecimal() and len(wanted) < NUMBER_DIGITS_LIMIT and int(wanted) < len(self._library):
            picture = self._library.item(int(wanted)).picture
            if picture is None:
                raise LibraryError(f"Item {wanted} of {printable(self._library.folder)} is a pose without a picture.")
            found.add(picture.name)
        if len(wanted) >= MIN_NAME_DIGITS:
            found |= {name for name in self.items if name.startswith(wanted.lower())}
        return found

    def _find_by_look(self, file: Path) -> set[str]:
        """The picture that was made of a file or is that file; else those that look like it. Raises PictureError."""
        seen = pictures.load_picture(file, pictures.LONG_SIDE)
        stored = pictures.encode_picture(seen.image)
        itself = f"{hashlib.sha256(file.read_bytes()).hexdigest()}.jpg"
        for name in (itself, stored.name):
            if name in self.items:
                return {name}
        return {name for name, bits in self._library.fingerprints() if is_near_duplicate(bits, stored.fingerprint)}


def _find_skipped(
    libraries: Sequence[Library], removed: Sequence[RemovedPicture]
) -> tuple[list[set[str]], dict[str, SkipSummary]]:
    """The pictures of each library that are not to be in the merged one, and those of each sort."""
    places: list[tuple[int, str]] = []

    def pictures() -> Iterator[Shown]:
        for number, library in enumerate(libraries):
            bits = dict(library.fingerprints())
            for name, items in _group_by_picture(library).items():
                places.append((number, name))
                people = [_copy_item(library, item, bits) for item in items]
                assert isinstance(people[0].picture, StoredPicture), "it is a picture's"
                yield Shown(f"{people[0].title or name} in {printable(library.folder)}", people[0].picture, people)

    found = find_skipped(pictures(), removed)
    out_of_each: list[set[str]] = [set() for _ in libraries]
    kinds: dict[str, SkipSummary] = {}
    for place, skipped in found.items():
        number, name = places[place]
        out_of_each[number].add(name)
        kinds.setdefault(skipped.kind, SkipSummary()).add(skipped)
    return out_of_each, kinds


def _group_by_picture(library: Library) -> dict[str, list[Item]]:
    """The people of each picture, in the order of the pictures."""
    found: dict[str, list[Item]] = {}
    for item in library.items():
        if item.picture is not None:
            found.setdefault(item.picture.name, []).append(item)
    return found


def _copy_item(library: Library, item: Item, bits: Mapping[str, bytes], *, check: bool = False) -> NewItem:
    """An item for another library. Raises LibraryError when its picture is not there or, where checked, not whole."""
    picture = None
    if item.picture is not None:
        name = item.picture.name
        picture = StoredPicture(library.picture_file(name, check=check), item.width, item.height, bits[name])
    credit = (item.title, item.author, item.licence, item.licence_url, item.source_url)
    return NewItem(picture, library.keypoints[item.number], *credit, size=(item.width, item.height))


def _check_distinct(libraries: Sequence[Library]) -> None:
    named = Counter(os.path.realpath(library.folder) for library in libraries)
    folder, times = named.most_common(1)[0]
    if times > 1:
        raise LibraryError(f"{printable(folder)} was named {times} times: name each library once.")


def _check_not_replaced(libraries: Sequence[Library]) -> None:
    """Now that no other build can write there: whether the libraries are still those that were opened."""
    for library in libraries:
        if library.is_replaced:
            raise LibraryError(
                f"{printable(library.folder)} was built anew meanwhile, so nothing was changed: try again."
            )
