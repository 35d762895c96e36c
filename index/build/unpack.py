"""Unpack a library that `index.build.pack` packed, from this machine or from a web server.

Nothing in the file is trusted except the search indexes, which only Annoy can read: a harmful one can crash the mirror.
Only what a library's manifest lists is written, each file once, into a hidden folder next to the library. It takes the
library's place when every checksum fits.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from index.build import edit, swap
from index.build.choice import TAKEN_DOWN, LookAlikes
from index.build.pack import SUFFIX, SUM_SUFFIX, megabytes
from index.build.reuse import credit_of
from index.build.untar import REMEDY, Entry, Tar
from index.build.untar import PackedLibraryError as PackedLibraryError
from index.build.writer import building_folder
from index.downloads import DownloadError, download
from index.errors import LibraryError, as_library_error, without_remedy
from index.library import Library, TakenDown, read_taken_down
from index.manifest import (
    ITEMS_FILE,
    MANIFEST_FILE,
    MAX_MANIFEST_BYTES,
    PICTURE_NAME_PATTERN,
    PICTURES_FOLDER,
    Manifest,
    read_manifest,
)
from index.tables import check_structure, open_plain_tables
from index.web import FetchError, TemporaryError, fetch
from models import files
from models.progress import ProgressCallback
from models.signals import hold_stop_signals
from models.text import printable

SUM_LINE: Final = re.compile(rb"\\?([0-9a-fA-F]{64})\b")
"""The beginning of a line of sha256sum(1)."""

UPDATE_ENTRIES: Final = 100
"""Files that are unpacked between two reports of progress."""


@dataclass(frozen=True, slots=True)
class UnpackResult:
    """The manifest of the unpacked library, and how many pictures of the file were left out as taken down."""

    manifest: Manifest
    left_out: int = 0


def unpack(file: Path, out: Path, progress: ProgressCallback | None = None) -> UnpackResult:
    """Unpack the library in `file` into the folder `out`, and check every file.

    What was taken down from an older library at `out` stays down: if the packed library does not know of all that, such
    pictures are left out of it, and it is written again. Otherwise the library is the packed one byte by byte. Whatever
    stops it leaves the older library as it was. `progress` counts files.

    Raises PackedLibraryError if `file` is not a packed library, or a damaged one; LibraryError if `out` holds something
    else, or has no room.
    """
    return _unpack(file, printable(file), out, progress)


def fetch_library(
    url: str, out: Path, sha256: str | None = None, progress: ProgressCallback | None = None
) -> UnpackResult:
    """Download a packed library and unpack it into the folder `out`, as `unpack` does.

    `sha256` is the file's, in hexadecimal; without it, the file next to it on the server says so, as `pack` writes it.
    What has arrived is kept in a hidden file next to `out` until the library is unpacked, so that a download that was
    stopped goes on there. Raises DownloadError, and what `unpack` raises.
    """
    out = Path(os.path.realpath(out))
    if not re.match("https?://", url, re.IGNORECASE):
        raise DownloadError(
            f"{printable(url)} is not an address on the web: unpack a file of this machine with "
            "`pose-mirror index unpack`."
        )
    swap.check_replaceable(out)
    file = out.with_name(f".{out.name}{SUFFIX}")
    download(url, file, sha256 or _fetch_sum(url), progress, copies=2)
    try:
        result = _unpack(file, printable(url), out, progress)
    except PackedLibraryError:
        file.unlink(missing_ok=True)  # it is what its owner packed, and another try would bring the same
        raise
    file.unlink(missing_ok=True)  # another process may have unpacked it, too
    return result


def _fetch_sum(url: str) -> str:
    """Return the sha256 that the server has next to a file. Raises DownloadError."""
    place = url + SUM_SUFFIX
    try:
        parts = urlsplit(url)
        place = urlunsplit(parts._replace(path=parts.path + SUM_SUFFIX))
        line = SUM_LINE.match(fetch(place))
    except TemporaryError as error:
        raise DownloadError(f"{printable(place)} cannot be fetched ({error}): try again later.") from error
    except (FetchError, ValueError) as error:
        raise DownloadError(
            f"{printable(place)} cannot be fetched ({printable(str(error))}): put there what `pose-mirror index pack` "
            "wrote next to the library, or give its sum with --sha256."
        ) from error
    if line is None:
        raise DownloadError(
            f"{printable(place)} does not hold a sha256: put there what `pose-mirror index pack` wrote next to the "
            "library, or give its sum with --sha256."
        )
    return line[1].decode().lower()


def _unpack(file: Path, name: str, out: Path, progress: ProgressCallback | None) -> UnpackResult:
    """Unpack a file, which messages call `name`."""
    out = Path(os.path.realpath(out))  # a link to a library stays: what it points to is replaced
    swap.check_replaceable(out)
    try:
        with Tar(file, name) as tar, _locked_folder(_unpacking_folder(out)) as folder:
            swap.empty_folder(folder)
            _check_room(file, name, out)
            manifest = _unpack_files(tar, folder, out, progress)
            return _put(folder, out, manifest, name, progress)
    except LibraryError:
        raise
    except OSError as error:
        reason = files.explain(error, out) or error.strerror
        raise LibraryError(f"{printable(out)} cannot be written ({reason}).") from error


def _unpack_files(tar: Tar, folder: Path, out: Path, progress: ProgressCallback | None) -> Manifest:
    """Unpack all files into an empty folder, and compare each with its checksum. Raises PackedLibraryError."""
    first = tar.next_entry()
    if first is None or first.name != MANIFEST_FILE or first.size > MAX_MANIFEST_BYTES:
        raise PackedLibraryError(f"{tar.name} is not a library that `pose-mirror index pack` packed.")
    tar.copy(first, folder / MANIFEST_FILE)
    with _as_packed_error(tar.name, folder):
        manifest = read_manifest(folder, folder)
    swap.check_picture_count(out, manifest.pictures)
    (folder / PICTURES_FOLDER).mkdir()
    missing, pictures = set(manifest.files), 0
    while (entry := tar.next_entry()) is not None:
        if entry.name in missing:
            missing.remove(entry.name)
            listed = manifest.files[entry.name]
            if entry.size != listed.bytes:
                raise tar.error(f"{entry.name} has {entry.size:,} bytes, not {listed.bytes:,}")
            expected = listed.sha256
        else:
            expected = _picture_sha256(tar, entry)
            if pictures == manifest.pictures:
                raise tar.error(f"it holds more than the {manifest.pictures:,} pictures that its manifest lists")
            pictures += 1
        try:
            sha256 = tar.copy(entry, folder / entry.name)
        except FileExistsError as error:
            raise tar.error(f"{printable(entry.name)} is in it twice") from error
        if sha256 != expected:
            raise tar.error(f"{printable(entry.name)} has another sha256")
        if progress is not None and pictures % UPDATE_ENTRIES == 0:
            progress(pictures, manifest.pictures, "Unpacking pictures")
    if missing or pictures < manifest.pictures:
        raise tar.error(f"{printable(min(missing, default='a picture'))} is missing")
    return manifest


def _picture_sha256(tar: Tar, entry: Entry) -> str:
    """Return the sha256 of a picture, which its name says. Raises PackedLibraryError for any other file."""
    folder, _, name = entry.name.rpartition("/")
    if folder != PICTURES_FOLDER or not PICTURE_NAME_PATTERN.fullmatch(name):
        raise tar.error(f"{printable(entry.name) or 'a file without a name'} does not belong to a library")
    return Path(name).stem


def _put(folder: Path, out: Path, manifest: Manifest, name: str, progress: ProgressCallback | None) -> UnpackResult:
    """Put the library in `folder` in the place of the one at `out`, without what was taken down from that one."""
    with ExitStack() as stack:
        with _as_packed_error(name, folder):
            _check_tables(folder)
            library = stack.enter_context(Library.open(folder, progress))
            if set(library.picture_names()) != set(os.listdir(folder / PICTURES_FOLDER)):
                raise LibraryError("its tables name other pictures than it holds.")
        stack.enter_context(_locked_folder(building_folder(out)))
        swap.recover_interrupted_swap(out)
        before = read_taken_down(out)
        with _as_packed_error(name, folder):
            is_usable_as_it_is = _keeps_down(library, before)
        library.close()
        if is_usable_as_it_is:
            swap.sync_to_disk(folder)
            swap.swap_library(folder, out)
            return UnpackResult(manifest)
    merged = edit.merge([folder], out, progress, names=[name])
    return UnpackResult(merged.manifest, merged.skip_counts.get(TAKEN_DOWN, 0))


def _check_tables(folder: Path) -> None:
    """Check the structure of a library's tables, which a checksum does not vouch for here. Raises LibraryError."""
    file = folder / ITEMS_FILE
    with as_library_error(file, folder), closing(open_plain_tables(file)) as tables:
        check_structure(tables)


def _keeps_down(library: Library, before: TakenDown) -> bool:
    """Return whether a library lists all that was taken down before, and holds nothing of it.

    What only the library itself lists is compared by name alone: it may keep a video's frame that looks like one which
    was taken down.
    """
    own = TakenDown(library.removed_pictures(), library.barred())
    listed = {(picture.picture, picture.fingerprint) for picture in own.pictures}
    if not {(picture.picture, picture.fingerprint) for picture in before.pictures} <= listed:
        return False
    if own.barred.joined_with(before.barred.entries) != own.barred:
        return False
    names, look_alikes = {picture.picture for picture in own.pictures}, LookAlikes(before.pictures)
    if any(picture in names or look_alikes.has(picture, bits) for picture, bits in library.fingerprints()):
        return False
    return not own.barred.entries or not any(
        item.picture is not None and own.barred.bars(credit_of(item)) for item in library.items()
    )


def _unpacking_folder(out: Path) -> Path:
    return out.parent / f".{out.name}.unpacking{files.own_name(out)}"


@contextmanager
def _locked_folder(folder: Path) -> Iterator[Path]:
    """Lock a folder for this process, and remove it at the end. Raises LibraryBusyError."""
    with ExitStack() as stack:
        with hold_stop_signals():  # none comes between the folder and what removes it
            stack.callback(os.close, swap.lock_folder(folder))
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        yield folder


def _check_room(file: Path, name: str, out: Path) -> None:
    size, free = file.stat().st_size, files.free_bytes(out.parent)
    if free is not None and size > free:
        raise LibraryError(
            f"{name} needs {megabytes(size)}, and the disk of {printable(out)} has {free // 100_000 / 10:,.1f} MB "
            "left: free some, or name a folder on another disk."
        )


@contextmanager
def _as_packed_error(name: str, folder: Path) -> Iterator[None]:
    """Turn an error of the library in a hidden folder into one of the file that it came from."""
    try:
        yield
    except LibraryError as error:
        reason = without_remedy(error, folder).replace(f"{printable(folder)}/", "").rstrip(".")
        raise PackedLibraryError(f"{name} cannot be used ({reason}): {REMEDY}.") from error
