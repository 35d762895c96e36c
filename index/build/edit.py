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
from index.build.choice import Shown, left_out
from index.build.duplicates import near
from index.build.report import Examples, write_report
from index.build.writer import NewItem, Writer
from index.library import Item, Library, LibraryError, Removed, removed_at
from index.manifest import Manifest, Progress, shown
from index.pictures import Kept

FEWEST_DIGITS: Final = 6
"""Of a picture's name that name it: of 100,000 pictures, two begin with the same six once in a long while."""

LONGEST_NUMBER: Final = 10
"""Digits of an item's number; Python does not make numbers of thousands of them."""

MOST_NAMED: Final = 4
"""Pictures that a sentence lists."""


@dataclass(frozen=True, slots=True)
class Removal:
    """What was taken down, each picture by the first person in it, and what the library holds since."""

    taken: list[Item]
    left: Manifest


@dataclass(frozen=True, slots=True)
class Merger:
    """What the merged library holds, and how many pictures of each sort were left out of it."""

    whole: Manifest
    left_out: Mapping[str, int]


def remove(folder: Path, wanted: Sequence[str], progress: Progress | None = None) -> Removal:
    """Takes pictures down for good: everybody in them, their files and their credits.

    Each of `wanted` is an item's number, a picture's name or at least 6 digits of its beginning, its source URL, or a
    picture file. What the pictures look like is remembered, so that neither building into that folder again nor
    merging brings them back. The library is written anew beside the old one and takes its place at once; items are
    numbered anew. Pictures that stay are linked and not read, so one that is damaged is not in the way, and can itself
    be taken down. Raises LibraryError, and changes nothing, when one of `wanted` names no picture or several, or none
    would be left; OSError when the disk is full.
    """
    with Library.open(folder) as library:
        names = _Names(library)
        taken = {names.the_one(one) for one in wanted}
        if not taken:
            raise LibraryError(f"No picture of {shown(folder)} was named: nothing was taken down.")
        if len(taken) == library.manifest.pictures:
            raise LibraryError(
                f"No picture would be left in {shown(folder)}: delete the folder, or build other photos into it."
            )
        with Writer(folder) as writer:
            _check_same([library])
            bits = dict(library.fingerprints())
            for one in library.removed():
                writer.remove(*one)
            for name in sorted(taken):
                writer.remove(name, bits[name], names.items[name].title)
            for item in library.items():
                if item.picture is None or item.picture.name not in taken:
                    writer.add(_copy(library, item, bits))
                if progress is not None:
                    progress(item.number + 1, len(library), "Copying")
            models = library.manifest.models
            write_report(writer, library.manifest.pictures - len(taken), 0, models=models)
            left = writer.finish(models, progress)
    return Removal([names.items[name] for name in sorted(taken, key=lambda name: names.items[name].number)], left)


def merge(folders: Sequence[Path], out: Path, progress: Progress | None = None) -> Merger:
    """Writes a library of several to the folder `out`, which may be one of them: items in the libraries' order.

    Of pictures that are the same or nearly so the largest stays, the earliest among equals. What was taken down from
    any of the libraries, or from the one that lies at `out`, is left out and stays taken down. Every picture is
    checked on the way. Raises LibraryError when a library is missing or damaged, named twice, or nothing is left;
    OSError when the disk is full. Whatever stops it leaves all libraries as they were.
    """
    with ExitStack() as stack:
        libraries = [stack.enter_context(Library.open(folder)) for folder in folders]
        _check_each_once(libraries)
        writer = stack.enter_context(Writer(out))
        _check_same(libraries)
        removed = [one for library in libraries for one in library.removed()] + removed_at(out)
        for one in removed:
            writer.remove(*one)
        out_of_each, left_out = _left_out(libraries, removed)
        total, done = sum(map(len, libraries)), 0
        for library, leave in zip(libraries, out_of_each, strict=True):
            bits = dict(library.fingerprints())
            for item in library.items():
                if item.picture is None or item.picture.name not in leave:
                    writer.add(_copy(library, item, bits, check=True))
                done += 1
                if progress is not None:
                    progress(done, total, "Merging")
        if not len(writer):
            raise LibraryError(f"Nothing is left to write to {shown(out)}: every picture was taken down.")
        models = list(dict.fromkeys(model for library in libraries for model in library.manifest.models))
        pictures = sum(library.manifest.pictures for library in libraries)
        kept = pictures - sum(one.count for one in left_out.values())
        if kept:
            write_report(writer, kept, pictures, models=models, sources=folders, skipped=left_out)
        return Merger(writer.finish(models, progress), {kind: one.count for kind, one in left_out.items()})


class _Names:
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

    def the_one(self, wanted: str) -> str:
        """The name of the one picture that is meant. Raises LibraryError when there is none, or more than one."""
        folder = shown(self._library.folder)
        found = self._called(wanted) or (self._like(Path(wanted)) if os.path.exists(wanted) else set())
        if not found:
            raise LibraryError(
                f"{shown(wanted)} names no picture of {folder}: give an item's number, a picture's name or at least "
                f"{FEWEST_DIGITS} digits of it, its source URL, or a picture file."
            )
        if len(found) > 1:
            some = ", ".join(sorted(found)[:MOST_NAMED]) + (", …" if len(found) > MOST_NAMED else "")
            raise LibraryError(f"{shown(wanted)} names {len(found)} pictures of {folder} ({some}): name each of them.")
        return found.pop()

    def _called(self, wanted: str) -> set[str]:
        """The pictures with that number, that name or beginning of it, or from that URL."""
        found = set(self._of_url.get(wanted, ()))
        if wanted.isdecimal() and len(wanted) < LONGEST_NUMBER and int(wanted) < len(self._library):
            picture = self._library.item(int(wanted)).picture
            if picture is None:
                raise LibraryError(f"Item {wanted} of {shown(self._library.folder)} is a pose without a picture.")
            found.add(picture.name)
        if len(wanted) >= FEWEST_DIGITS:
            found |= {name for name in self.items if name.startswith(wanted.lower())}
        return found

    def _like(self, file: Path) -> set[str]:
        """The picture that was made of a file or is that file; else those that look like it. Raises PictureError."""
        seen = pictures.load(file, pictures.LONG_SIDE)
        stored = pictures.stored(seen.image)
        itself = f"{hashlib.sha256(file.read_bytes()).hexdigest()}.jpg"
        for name in (itself, stored.name):
            if name in self.items:
                return {name}
        return {name for name, bits in self._library.fingerprints() if near(bits, stored.fingerprint)}


def _left_out(libraries: Sequence[Library], removed: Sequence[Removed]) -> tuple[list[set[str]], dict[str, Examples]]:
    """The pictures of each library that are not to be in the merged one, and those of each sort."""
    places: list[tuple[int, str]] = []

    def pictures() -> Iterator[Shown]:
        for number, library in enumerate(libraries):
            bits = dict(library.fingerprints())
            for name, items in _by_picture(library).items():
                places.append((number, name))
                people = [_copy(library, item, bits) for item in items]
                assert isinstance(people[0].picture, Kept), "it is a picture's"
                yield Shown(f"{people[0].title or name} in {shown(library.folder)}", people[0].picture, people)

    found = left_out(pictures(), removed)
    out_of_each: list[set[str]] = [set() for _ in libraries]
    kinds: dict[str, Examples] = {}
    for place, skipped in found.items():
        number, name = places[place]
        out_of_each[number].add(name)
        kinds.setdefault(skipped.kind, Examples()).add(skipped)
    return out_of_each, kinds


def _by_picture(library: Library) -> dict[str, list[Item]]:
    """The people of each picture, in the order of the pictures."""
    found: dict[str, list[Item]] = {}
    for item in library.items():
        if item.picture is not None:
            found.setdefault(item.picture.name, []).append(item)
    return found


def _copy(library: Library, item: Item, bits: Mapping[str, bytes], *, check: bool = False) -> NewItem:
    """An item for another library. Raises LibraryError when its picture is not there or, where checked, not whole."""
    picture = None
    if item.picture is not None:
        name = item.picture.name
        picture = Kept(library.picture_file(name, check=check), item.width, item.height, bits[name])
    credit = (item.title, item.author, item.licence, item.licence_url, item.source_url)
    return NewItem(picture, library.keypoints[item.number], *credit, size=(item.width, item.height))


def _check_each_once(libraries: Sequence[Library]) -> None:
    named = Counter(os.path.realpath(library.folder) for library in libraries)
    folder, times = named.most_common(1)[0]
    if times > 1:
        raise LibraryError(f"{shown(folder)} was named {times} times: name each library once.")


def _check_same(libraries: Sequence[Library]) -> None:
    """Now that no other build can write there: whether the libraries are still those that were opened."""
    for library in libraries:
        if library.replaced:
            raise LibraryError(f"{shown(library.folder)} was built anew meanwhile, so nothing was changed: try again.")
