"""A library's manifest: what is in the folder, and how each file is told from a damaged or an other one."""

from __future__ import annotations

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
from index.errors import LibraryError, remedy
from models.progress import ProgressCallback
from models.text import printable

FORMAT: Final = "pose-mirror library"
VERSION: Final = 2
"""Of the folder's layout."""

METRIC: Final = "euclidean"

MANIFEST_FILE: Final = "manifest.json"
KEYPOINTS_FILE: Final = "keypoints.npy"
SHAPE_FILE: Final = "shape.npy"
ITEMS_FILE: Final = "items.sqlite"
PICTURES_FOLDER: Final = "pictures"
CREDITS_FILE: Final = "CREDITS.html"
REPORT_FILE: Final = "report.html"
PAGES: Final = (CREDITS_FILE, REPORT_FILE)
"""For people to read, where they were written: whether they are whole is for `verify` to say, not for the mirror."""

MAX_MANIFEST_BYTES = 1_000_000

LIBRARY_ENTRY_PATTERN: Final = re.compile(
    rf"(?:{'|'.join(map(re.escape, (MANIFEST_FILE, KEYPOINTS_FILE, SHAPE_FILE, ITEMS_FILE, PICTURES_FOLDER, *PAGES)))}"
    rf"|members-\d+\.npy|(?:{'|'.join(vector.REGIONS)})(?:-\d+)?\.annoy)"
)
"""The names in a library's folder, also of one of version 1."""

PICTURE_NAME_PATTERN: Final = re.compile(r"[0-9a-f]{64}\.jpg")
"""The name of a stored picture's file: the sha256 of what is in it."""


def index_file(region: str, shard: int) -> str:
    """The file of a region's Annoy index over one shard."""
    return f"{region}-{shard}.annoy"


def members_file(shard: int) -> str:
    """The file that says whose vectors a shard's indexes hold: int32 item numbers, one region after the other."""
    return f"members-{shard}.npy"


def mapped_files(shards: int) -> tuple[str, ...]:
    """What `Library.open` maps, and so checks; pictures vouch for themselves by their names."""
    of_shards = ((members_file(n), *(index_file(region, n) for region in vector.REGIONS)) for n in range(shards))
    return (KEYPOINTS_FILE, SHAPE_FILE, ITEMS_FILE, *(name for names in of_shards for name in names))


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a library says of itself.

    `items` people, of whom `indexed` can be found (the others show too few points), in `pictures` pictures; `shards`
    sets of Annoy indexes of `trees` trees each; `models` the name and sha256 of each estimator that found key points,
    none where people labelled them all.
    """

    items: int
    indexed: int
    pictures: int
    shards: int
    trees: int
    models: tuple[tuple[str, str], ...]
    files: Mapping[str, Checksum]

    def encode(self) -> bytes:
        """The manifest file: JSON with the sha256 of all the rest in it."""
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


def read_manifest(path: Path, folder: Path) -> Manifest:
    """The manifest of the library at `path`, called `folder` in sentences. Raises LibraryError."""
    if not path.is_dir():
        raise LibraryError(f"There is no library at {printable(folder)}: {remedy(folder)}.")
    file = folder / MANIFEST_FILE
    found = read_file(path / MANIFEST_FILE, file, MAX_MANIFEST_BYTES)
    if found is None:
        raise LibraryError(f"{printable(folder)} holds no library, as it has no {MANIFEST_FILE}: {remedy(folder)}.")
    try:
        document = json.loads(found)
    except (ValueError, RecursionError) as error:
        raise LibraryError(f"{printable(file)} is no JSON ({error}): {remedy(folder)}.") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise LibraryError(f"{printable(file)} is not the manifest of a library of poses: {remedy(folder)}.")
    _check_versions(document, file, folder)
    try:
        claimed = document.pop("sha256", None)
        if claimed != hashlib.sha256(_dump(document)).hexdigest() or found != _dump({**document, "sha256": claimed}):
            raise LibraryError(f"{printable(file)} has changed since the library was built: {remedy(folder)}.")
        return _decode(document)
    except LibraryError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise LibraryError(f"{printable(file)} is incomplete ({error!r:.200}): {remedy(folder)}.") from error


def has_library_manifest(folder: Path) -> bool:
    """Whether a folder's manifest says that it is a library, of whatever version."""
    return listed_files(folder) is not None


def listed_files(folder: Path) -> set[str] | None:
    """The files that a folder's manifest names; None when it does not say that it is a library, of whatever version."""
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
    """Reads every file that is going to be mapped. Raises LibraryError for the first that is not as it was."""
    verify_files(path, folder, {name: manifest.files[name] for name in mapped_files(manifest.shards)}, progress)


def verify_files(
    path: Path, folder: Path, files: Mapping[str, Checksum], progress: ProgressCallback | None = None
) -> None:
    """Reads some files of the library to their ends. Raises LibraryError for the first that is not as it was."""
    for name, wanted in files.items():
        size = regular_file_size(path / name, folder / name, folder)
        if size != wanted.bytes:
            raise LibraryError(
                f"{printable(folder / name)} has {size:,} bytes, not {wanted.bytes:,}: {remedy(folder)}."
            )
    total, done = sum(file.bytes for file in files.values()), 0
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as threads:  # hashing lets go of the interpreter's lock
        try:
            for name, found in zip(files, threads.map(lambda name: sha256_of(path / name), files), strict=True):
                if found != files[name].sha256:
                    found = f"sha256 {found[:12]}…, not {files[name].sha256[:12]}…"
                    raise LibraryError(
                        f"{printable(folder / name)} is not as it was built ({found}): {remedy(folder)}."
                    )
                done += files[name].bytes
                if progress is not None:
                    progress(done, total, "Checking")
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise


def regular_file_size(path: Path, file: Path, folder: Path) -> int:
    """The length of a file of the library, in bytes. Raises LibraryError when it is missing, or no file."""
    try:
        status = path.stat()
    except OSError as error:
        raise LibraryError(f"{printable(file)} cannot be read ({error.strerror}): {remedy(folder)}.") from error
    if not stat.S_ISREG(status.st_mode):
        raise LibraryError(f"{printable(file)} is no plain file: {remedy(folder)}.")
    return status.st_size


def read_file(path: Path, file: Path, max_bytes: int) -> bytes | None:
    """A small file's bytes, None when there is none. Raises LibraryError when it is no plain file or too large."""
    folder = file.parent
    if not path.exists():
        return None
    if regular_file_size(path, file, folder) > max_bytes:
        raise LibraryError(f"{printable(file)} is larger than a manifest can be: {remedy(folder)}.")
    try:
        return path.read_bytes()
    except OSError as error:
        raise LibraryError(f"{printable(file)} cannot be read ({error.strerror}): {remedy(folder)}.") from error


def _check_versions(document: Mapping[str, Any], file: Path, folder: Path) -> None:
    found = document.get("version")
    if found != VERSION:
        raise LibraryError(
            f"{printable(file)} is of format version {found!r:.40}, and this program's is {VERSION}: {remedy(folder)}."
        )
    vectors = document.get("vectors")
    found = vectors.get("version") if isinstance(vectors, dict) else None
    if found != vector.VERSION:
        raise LibraryError(
            f"{printable(file)} is of vector version {found!r:.40}, "
            f"and this program's is {vector.VERSION}: {remedy(folder)}."
        )


def _decode(document: Mapping[str, Any]) -> Manifest:
    counts = [document[name] for name in ("items", "indexed", "pictures", "shards")] + [document["vectors"]["trees"]]
    if not all(type(count) is int and count >= 0 for count in counts):
        raise ValueError(f"counts {counts}")
    files = {name: _decode_checksum(file) for name, file in document["files"].items()}
    if counts[3] > len(files) or not set(mapped_files(counts[3])) <= set(files) <= {*mapped_files(counts[3]), *PAGES}:
        raise ValueError(f"{len(files)} files for {counts[3]} shards")
    models = tuple((str(model["name"]), str(model["sha256"])) for model in document["models"])
    return Manifest(counts[0], counts[1], counts[2], counts[3], counts[4], models, files)


def _decode_checksum(file: Mapping[str, Any]) -> Checksum:
    size, sha256 = file["bytes"], file["sha256"]
    if type(size) is not int or type(sha256) is not str:
        raise ValueError(f"a file of {size!r} bytes and sha256 {sha256!r}")
    return Checksum(size, sha256)


def _dump(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, indent=2, ensure_ascii=True) + "\n").encode()
