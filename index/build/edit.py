"""Change existing libraries: take pictures down for good, and merge several libraries into one."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from index.build.choice import find_skipped
from index.build.photo import NewPicture
from index.build.picture_lookup import PictureLookup
from index.build.report import SkipSummary, write_report
from index.build.reuse import reuse_picture, reuse_pose
from index.build.writer import LibraryWriter
from index.errors import LibraryError
from index.library import Item, Library, RemovedPicture, TakenDown, read_taken_down
from index.manifest import Manifest
from models.progress import ProgressCallback
from models.text import printable


@dataclass(frozen=True, slots=True)
class RemovalResult:
    """The pictures taken down, each by the first person in it, and the manifest of the library that is left.

    `without_picture` are the URLs and authors that are barred although there was no picture of them, and
    `taken_down_before` counts the named pictures that were gone already.
    """

    taken_down: list[Item]
    manifest: Manifest
    without_picture: Sequence[str] = ()
    taken_down_before: int = 0


@dataclass(frozen=True, slots=True)
class MergeResult:
    """The manifest of the merged library, and how many pictures were skipped by kind of reason."""

    manifest: Manifest
    skip_counts: Mapping[str, int]


def remove(
    folder: Path, targets: Sequence[str], progress: ProgressCallback | None = None, *, authors: Sequence[str] = ()
) -> RemovalResult:
    """Take pictures down for good: the people in them, their files and their credits.

    Each of `targets` is an item's number, a picture's name or at least the first 6 digits of it, its source URL, or a
    picture file; a picture that is gone already may be named again in full. Each of `authors` is an author's name, or
    the URL of an author's page, which the URLs of the author's pictures begin with.

    The library remembers the fingerprints of what was taken down, and bars the URLs and authors (`index.barred`), so
    that neither building into the folder again nor merging brings them back. The library is written again next to the
    old one and swapped in; the items get new numbers. Pictures that stay are linked without reading them, so a damaged
    one is no obstacle and can itself be taken down.

    Raises LibraryError, and changes nothing, if a target that is not a URL names no picture, if a target names several,
    or if no picture would be left; OSError if the disk is full.
    """
    with Library.open(folder) as library:
        if not targets and not authors:
            raise LibraryError(f"No picture of {printable(folder)} was named: nothing was taken down.")
        lookup = PictureLookup(library)
        found = lookup.find_all(targets, authors)
        if found.names and len(found.names) == library.manifest.pictures:
            raise LibraryError(
                f"No picture would be left in {printable(folder)}: delete the folder, or build other photos into it."
            )
        taken_down = sorted((lookup.items[name] for name in found.names), key=lambda item: item.number)
        barred = library.barred().joined_with(found.barred)
        manifest = library.manifest
        if taken_down or barred != library.barred():
            removed = library.removed_pictures() + _as_removed(library, taken_down)
            manifest = _write_without(library, found.names, TakenDown(removed, barred), progress)
    return RemovalResult(taken_down, manifest, found.without_picture, len(found.taken_down_before))


def _as_removed(library: Library, items: Sequence[Item]) -> list[RemovedPicture]:
    """Return the pictures of these items as a library remembers them."""
    fingerprints = dict(library.fingerprints())
    pictures = ((item.picture.name, item.title) for item in items if item.picture is not None)
    return [RemovedPicture(name, fingerprints[name], title) for name, title in pictures]


def _write_without(
    library: Library, names: set[str], taken_down: TakenDown, progress: ProgressCallback | None
) -> Manifest:
    """Write the library again without some of its pictures, and swap it in."""
    with LibraryWriter(library.folder) as writer:
        _check_not_replaced([library])
        fingerprints = dict(library.fingerprints())
        for removed in taken_down.pictures:
            writer.add_removed(removed)
        writer.add_barred(taken_down.barred)
        for item in library.items():
            if item.picture is None or item.picture.name not in names:
                _copy_item(writer, library, item, fingerprints)
            if progress is not None:
                progress(item.number + 1, len(library), "Copying")
        models = library.manifest.models
        write_report(writer, 0, models=models)
        return writer.finish(models, progress)


def merge(
    folders: Sequence[Path], out: Path, progress: ProgressCallback | None = None, *, names: Sequence[str] = ()
) -> MergeResult:
    """Merge libraries into one in the folder `out`, which may be one of them. Items keep the order of the libraries.

    Of pictures that are the same or nearly the same, the largest stays, and the earliest of equally large ones. What
    was taken down from any of the libraries, or from an older library at `out`, is skipped and stays taken down, as is
    what any of them bars. Every picture is checked on the way. The report calls the libraries by `names`, or by their
    folders.

    Raises LibraryError if a library is missing, damaged or named twice, or if nothing is left; OSError if the disk is
    full. Whatever stops it leaves all libraries as they were.
    """
    with ExitStack() as stack:
        libraries = [stack.enter_context(Library.open(folder)) for folder in folders]
        _check_distinct(libraries)
        writer = stack.enter_context(LibraryWriter(out))
        _check_not_replaced(libraries)
        taken_down = _join_taken_down(libraries, read_taken_down(out))
        for picture in taken_down.pictures:
            writer.add_removed(picture)
        writer.add_barred(taken_down.barred)
        names = names or [printable(folder) for folder in folders]
        skipped_names, skipped = _find_skipped(libraries, names, taken_down)
        _copy_libraries(writer, libraries, skipped_names, progress)
        if not len(writer):
            raise LibraryError(f"Nothing is left to write to {printable(out)}: every picture was taken down.")
        models = list(dict.fromkeys(model for library in libraries for model in library.manifest.models))
        total = sum(library.manifest.pictures for library in libraries)
        kept = total - sum(summary.count for summary in skipped.values())
        if kept:
            write_report(writer, total, models=models, sources=names, skipped=skipped)
        manifest = writer.finish(models, progress)
        return MergeResult(manifest, {kind: summary.count for kind, summary in skipped.items()})


def _join_taken_down(libraries: Sequence[Library], before: TakenDown) -> TakenDown:
    """Return what was taken down from any of the libraries, or before from the one that is replaced.

    The writer keeps the last of two with the same name, and a stranger's library may lie about the fingerprint.
    """
    removed, barred = list[RemovedPicture](), before.barred
    for library in libraries:
        removed, barred = removed + library.removed_pictures(), barred.joined_with(library.barred().entries)
    return TakenDown(removed + before.pictures, barred)


def _find_skipped(
    libraries: Sequence[Library], library_names: Sequence[str], taken_down: TakenDown
) -> tuple[list[set[str]], dict[str, SkipSummary]]:
    """Return for each library the names of its pictures to skip, and a summary by kind of reason."""
    places: list[tuple[int, str]] = []

    def all_pictures() -> Iterator[tuple[str, NewPicture]]:
        for number, library in enumerate(libraries):
            fingerprints = dict(library.fingerprints())
            for name, items in _group_by_picture(library).items():
                places.append((number, name))
                title = f"{items[0].title or name} in {library_names[number]}"
                yield title, reuse_picture(library, items, fingerprints)

    skipped_names: list[set[str]] = [set() for _ in libraries]
    summaries: dict[str, SkipSummary] = {}
    for place, skipped in find_skipped(all_pictures(), *taken_down).items():
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
