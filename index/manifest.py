"""A library's manifest: what the folder holds, and the checksums that tell its files from damaged or foreign ones."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from index import vector
from index.checksum import Checksum, sha256_of
from index.errors import LibraryError, remedy, unreadable
from models.progress import ProgressCallback
from models.text import format_people, format_pictures, printable

FORMAT: Final = "pose-mirror library"
VERSION: Final = 3
"""Version of the folder's layout."""

METRIC: Final = "euclidean"

MANIFEST_FILE: Final = "manifest.json"
KEYPOINTS_FILE: Final = "keypoints.npy"
PARTS_FILE: Final = "parts.npy"
SHAPE_FILE: Final = "shape.npy"
ITEMS_FILE: Final = "items.sqlite"
PICTURES_FOLDER: Final = "pictures"
CREDITS_FILE: Final = "CREDITS.html"
REPORT_FILE: Final = "report.html"
PAGES: Final = (CREDITS_FILE, REPORT_FILE)
"""Pages for people to read, if written. Only `verify` checks them: a damaged page does not stop the mirror."""

MAX_MANIFEST_BYTES = 1_000_000
"""Maximum size of a manifest in bytes. A larger file is something else, and reading it could exhaust the memory."""

_FIXED_NAMES: Final = (MANIFEST_FILE, KEYPOINTS_FILE, PARTS_FILE, SHAPE_FILE, ITEMS_FILE, PICTURES_FOLDER, *PAGES)

LIBRARY_ENTRY_PATTERN: Final = re.compile(
    rf"(?:{'|'.join(map(re.escape, _FIXED_NAMES))}"
    rf"|members-\d+\.npy|(?:{'|'.join((*vector.REGIONS, 'face'))})(?:-\d+)?\.annoy)"
)
"""The names in a library's folder, including those of earlier versions: the region "face", and indexes without a
number."""

PICTURE_NAME_PATTERN: Final = re.compile(r"[0-9a-f]{64}\.jpg")
"""The name of a stored picture's file: the sha256 of its content."""


def index_file(region: str, shard: int) -> str:
    """Return the name of the Annoy index of a region over one shard."""
    return f"{region}-{shard}.annoy"


def members_file(shard: int) -> str:
    """Return the name of the file that maps a shard's vectors to items: int32 item numbers, region by region."""
    return f"members-{shard}.npy"


def mapped_files(shards: int) -> tuple[str, ...]:
    """Return the names of the files that `Library.open` maps and so checks. Pictures are checked by their own names."""
    shard_files = ((members_file(n), *(index_file(region, n) for region in vector.REGIONS)) for n in range(shards))
    return (KEYPOINTS_FILE, PARTS_FILE, SHAPE_FILE, ITEMS_FILE, *(name for names in shard_files for name in names))


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of a manifest.

    `items` counts the people; `indexed` those of them who can be found (the rest show too few key points); `pictures`
    the pictures; `shards` the sets of Annoy indexes of `trees` trees each. `models` are the name and sha256 of each
    estimator that found key points, empty where people labelled them all.
    """

    items: int
    indexed: int
    pictures: int
    shards: int
    trees: int
    models: tuple[tuple[str, str], ...]
    files: Mapping[str, Checksum]

    def encode(self) -> bytes:
        """Return the manifest file: JSON, with the sha256 of everything else in it."""
        document = {
            "format": FORMAT,
            "version": VERSION,
            "items": self.items,
            "indexed": self.indexed,
            "pictures": self.pictures,
            "shards": self.shards,
            "vectors": {
                "version": vector.VERSION,
                "metric": METRIC,
                "trees": self.trees,
                "dimensions": {region: 2 * len(points) for region, points in vector.REGIONS.items()},
            },
            "models": [{"name": name, "sha256": sha256} for name, sha256 in self.models],
            "files": {name: {"bytes": file.bytes, "sha256": file.sha256} for name, file in self.files.items()},
        }
        return _dump({**document, "sha256": hashlib.sha256(_dump(document)).hexdigest()})


def describe_people(items: int, indexed: int, pictures: int) -> str:
    """Return in sentences how many people a library has, and how many of them are indexed, so that they can match."""
    count = f"{format_people(items)} in {format_pictures(pictures)}."
    if indexed == items:
        return count
    rest = "the other shows" if items - indexed == 1 else "the others show"
    return f"{count} The mirror can match {indexed:,} of the people; {rest} too few key points."


def read_manifest(path: Path, folder: Path) -> Manifest:
    """Read the manifest of the library at `path`; error messages name `folder`. Raises LibraryError."""
    try:
        is_folder = path.is_dir()
    except PermissionError as error:
        raise unreadable(folder, error, folder) from error
    if not is_folder:
        raise LibraryError(f"There is no library at {printable(folder)}: {remedy(folder)}.")
    file = folder / MANIFEST_FILE
    content = _read_content(path / MANIFEST_FILE, file)
    if content is None:
        raise LibraryError(f"{printable(folder)} is not a library, as it has no {MANIFEST_FILE}: {remedy(folder)}.")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise LibraryError(f"{printable(file)} is not valid JSON ({error}): {remedy(folder)}.") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise LibraryError(f"{printable(file)} is not the manifest of a library of poses: {remedy(folder)}.")
    _check_versions(document, file, folder)
    try:
        claimed = document.pop("sha256", None)
        if claimed != hashlib.sha256(_dump(document)).hexdigest() or content != _dump({**document, "sha256": claimed}):
            raise LibraryError(f"{printable(file)} has changed since the library was built: {remedy(folder)}.")
        return _decode(document)
    except LibraryError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise LibraryError(f"{printable(file)} is incomplete ({error!r:.200}): {remedy(folder)}.") from error


def has_library_manifest(folder: Path) -> bool:
    """Return whether a folder's manifest says that it is a library, of any version."""
    return listed_files(folder) is not None


def listed_files(folder: Path) -> set[str] | None:
    """Return the files that a folder's manifest lists; None if it has no library's manifest (of any version)."""
    file = folder / MANIFEST_FILE
    try:
        document = json.loads(file.read_bytes()) if file.is_file() else None
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        return None
    files = document.get("files")
    return set(files) if isinstance(files, dict) else set()


def verify_mapped_files(path: Path, folder: Path, manifest: Manifest, progress: ProgressCallback | None = None) -> None:
    """Check every file that will be mapped. Raises LibraryError for the first that has changed."""
    verify_files(path, folder, {name: manifest.files[name] for name in mapped_files(manifest.shards)}, progress)


def verify_files(
    path: Path, folder: Path, files: Mapping[str, Checksum], progress: ProgressCallback | None = None
) -> None:
    """Check files of the library at `path` against their checksums; error messages name `folder`.

    `progress` counts bytes. Raises LibraryError for the first file that has changed.
    """
    for name, expected in files.items():
        size = regular_file_size(path / name, folder / name, folder)
        if size != expected.bytes:
            raise LibraryError(
                f"{printable(folder / name)} has {size:,} bytes, not {expected.bytes:,}: {remedy(folder)}."
            )
    total, done = sum(file.bytes for file in files.values()), 0
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as threads:  # hashing releases the interpreter's lock
        try:
            for name, sha256 in zip(files, threads.map(lambda name: sha256_of(path / name), files), strict=True):
                if not sha256:
                    raise unreadable(folder / name, _reading_error(path / name), folder)
                if sha256 != files[name].sha256:
                    difference = f"sha256 {sha256[:12]}…, not {files[name].sha256[:12]}…"
                    raise LibraryError(
                        f"{printable(folder / name)} is not as it was built ({difference}): {remedy(folder)}."
                    )
                done += files[name].bytes
                if progress is not None:
                    progress(done, total, "Checking")
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise


def _reading_error(file: Path) -> OSError:
    """Return the error with which a file cannot be read."""
    try:
        with file.open("rb") as opened:
            while opened.read(1 << 20):
                pass
    except OSError as error:
        return error
    return OSError(errno.EIO, os.strerror(errno.EIO))  # the next attempt succeeded: the disk has bad moments


def regular_file_size(path: Path, file: Path, folder: Path) -> int:
    """Return the length in bytes of a file of the library, at `path` and called `file` in error messages.

    Raises LibraryError when it is missing or not a regular file.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise unreadable(file, error, folder) from error
    if not stat.S_ISREG(status.st_mode):
        raise LibraryError(f"{printable(file)} is not a regular file: {remedy(folder)}.")
    return status.st_size


def _read_content(path: Path, file: Path) -> bytes | None:
    """Return the content of a manifest, None when it is missing. Raises LibraryError when the file cannot be one."""
    folder = file.parent
    try:
        if not path.exists():
            return None
    except PermissionError as error:
        raise unreadable(file, error, folder) from error
    if regular_file_size(path, file, folder) > MAX_MANIFEST_BYTES:
        raise LibraryError(f"{printable(file)} is larger than a manifest can be: {remedy(folder)}.")
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(file, error, folder) from error


def _check_versions(document: Mapping[str, Any], file: Path, folder: Path) -> None:
    version = document.get("version")
    if version != VERSION:
        raise LibraryError(
            f"{printable(file)} has format version {version!r:.40}, but this program reads {VERSION}: {remedy(folder)}."
        )
    vectors = document.get("vectors")
    version = vectors.get("version") if isinstance(vectors, dict) else None
    if version != vector.VERSION:
        raise LibraryError(
            f"{printable(file)} has vector version {version!r:.40}, but this program reads {vector.VERSION}: "
            f"{remedy(folder)}."
        )


def _decode(document: Mapping[str, Any]) -> Manifest:
    """Return the manifest in a document. Raises ValueError, AttributeError, KeyError or TypeError for another shape."""
    counts = [document[name] for name in ("items", "indexed", "pictures", "shards")] + [document["vectors"]["trees"]]
    if not all(type(count) is int and count >= 0 for count in counts):
        raise ValueError(f"counts {counts}")
    items, indexed, pictures, shards, trees = counts
    files = {name: _decode_checksum(file) for name, file in document["files"].items()}
    # The first comparison keeps a huge number of shards from being listed.
    if shards > len(files) or not set(mapped_files(shards)) <= set(files) <= {*mapped_files(shards), *PAGES}:
        raise ValueError(f"{len(files)} files for {shards} shards")
    models = tuple((str(model["name"]), str(model["sha256"])) for model in document["models"])
    return Manifest(items, indexed, pictures, shards, trees, models, files)


def _decode_checksum(file: Mapping[str, Any]) -> Checksum:
    size, sha256 = file["bytes"], file["sha256"]
    if type(size) is not int or type(sha256) is not str:
        raise ValueError(f"a file of {size!r} bytes and sha256 {sha256!r}")
    return Checksum(size, sha256)


def _dump(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, indent=2, ensure_ascii=True) + "\n").encode()
