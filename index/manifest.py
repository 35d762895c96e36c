"""A library's manifest: what is in the folder, and how each file is told from a damaged or an other one."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from index import vector

FORMAT: Final = "pose-mirror library"
VERSION: Final = 1
"""Of the folder's layout."""

METRIC: Final = "euclidean"

MANIFEST: Final = "manifest.json"
KEYPOINTS: Final = "keypoints.npy"
SHAPE: Final = "shape.npy"
ITEMS: Final = "items.sqlite"
PICTURES: Final = "pictures"
INDEXES: Final = {region: f"{region}.annoy" for region in vector.REGIONS}
"""The file of each region's Annoy index."""

CHECKED: Final = (KEYPOINTS, SHAPE, ITEMS, *INDEXES.values())
"""The files that a manifest vouches for; pictures vouch for themselves by their names."""

LARGEST_MANIFEST = 1_000_000


class LibraryError(ValueError):
    """A library that is missing, damaged or of another version: one sentence with what was found and the remedy."""


@dataclass(frozen=True, slots=True)
class Checksum:
    """How long a file is, and its sha256."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a library says of itself.

    `items` people, of whom `indexed` can be found (the others show too few points), in `pictures` pictures; `model`
    the name and sha256 of the estimator that found the key points, None where people labelled them; `trees` of each
    Annoy index.
    """

    items: int
    indexed: int
    pictures: int
    trees: int
    model: tuple[str, str] | None
    files: Mapping[str, Checksum]

    def encode(self) -> bytes:
        """The manifest file: JSON with the sha256 of all the rest in it."""
        document = {
            "format": FORMAT,
            "version": VERSION,
            "items": self.items,
            "indexed": self.indexed,
            "pictures": self.pictures,
            "vectors": {
                "version": vector.VERSION,
                "metric": METRIC,
                "trees": self.trees,
                "dimensions": {region: 2 * len(points) for region, points in vector.REGIONS.items()},
            },
            "model": None if self.model is None else {"name": self.model[0], "sha256": self.model[1]},
            "files": {name: {"bytes": file.bytes, "sha256": file.sha256} for name, file in self.files.items()},
        }
        return _dump({**document, "sha256": hashlib.sha256(_dump(document)).hexdigest()})


def remedy(folder: Path) -> str:
    """What to do about a library that cannot be used; ends a sentence."""
    return f"build it again with `pose-mirror index build SOURCE... --out {shown(folder)}`"


def shown(name: Path | str) -> str:
    """A file's name for a sentence: what is no text in it (names are bytes) replaced, and all on one line."""
    text = str(name).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "�" for c in text)


def read_manifest(at: Path, folder: Path) -> Manifest:
    """The manifest of the library at `at`, called `folder` in sentences. Raises LibraryError."""
    if not at.is_dir():
        raise LibraryError(f"There is no library at {shown(folder)}: {remedy(folder)}.")
    file = folder / MANIFEST
    found = read_file(at / MANIFEST, file, LARGEST_MANIFEST)
    if found is None:
        raise LibraryError(f"{shown(folder)} holds no library, as it has no {MANIFEST}: {remedy(folder)}.")
    try:
        document = json.loads(found)
    except (ValueError, RecursionError) as error:
        raise LibraryError(f"{shown(file)} is no JSON ({error}): {remedy(folder)}.") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise LibraryError(f"{shown(file)} is not the manifest of a library of poses: {remedy(folder)}.")
    _check_versions(document, file, folder)
    claimed = document.pop("sha256", None)
    if claimed != hashlib.sha256(_dump(document)).hexdigest() or found != _dump({**document, "sha256": claimed}):
        raise LibraryError(f"{shown(file)} has changed since the library was built: {remedy(folder)}.")
    try:
        return _decoded(document)
    except (KeyError, TypeError, ValueError) as error:
        raise LibraryError(f"{shown(file)} is incomplete ({error!r}): {remedy(folder)}.") from error


def calls_itself_library(folder: Path) -> bool:
    """Whether a folder's manifest says that it is a library, of whatever version."""
    try:
        document = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(document, dict) and document.get("format") == FORMAT


def check_files(at: Path, folder: Path, manifest: Manifest) -> None:
    """Reads every file that the manifest vouches for. Raises LibraryError for the first that is not as it was."""
    for name in CHECKED:
        size, wanted = regular_size(at / name, folder / name, folder), manifest.files[name].bytes
        if size != wanted:
            raise LibraryError(f"{shown(folder / name)} has {size:,} bytes, not {wanted:,}: {remedy(folder)}.")
    with ThreadPoolExecutor(max_workers=4) as threads:  # hashing lets go of the interpreter's lock
        for name, found in zip(CHECKED, threads.map(lambda name: sha256_of(at / name), CHECKED), strict=True):
            if found != manifest.files[name].sha256:
                found = f"sha256 {found[:12]}…, not {manifest.files[name].sha256[:12]}…"
                raise LibraryError(f"{shown(folder / name)} is not as it was built ({found}): {remedy(folder)}.")


def regular_size(at: Path, file: Path, folder: Path) -> int:
    """The length of a file of the library, in bytes. Raises LibraryError when it is missing, or no file."""
    try:
        status = at.stat()
    except OSError as error:
        raise LibraryError(f"{shown(file)} cannot be read ({error.strerror}): {remedy(folder)}.") from error
    if not stat.S_ISREG(status.st_mode):
        raise LibraryError(f"{shown(file)} is no plain file: {remedy(folder)}.")
    return status.st_size


def read_file(at: Path, file: Path, largest: int) -> bytes | None:
    """A small file's bytes, None when there is none. Raises LibraryError when it is no plain file or too large."""
    folder = file.parent
    if not at.exists():
        return None
    if regular_size(at, file, folder) > largest:
        raise LibraryError(f"{shown(file)} is larger than a manifest can be: {remedy(folder)}.")
    try:
        return at.read_bytes()
    except OSError as error:
        raise LibraryError(f"{shown(file)} cannot be read ({error.strerror}): {remedy(folder)}.") from error


def sha256_of(file: Path) -> str:
    """A file's sha256, in hexadecimal; empty when it cannot be read to its end."""
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError:
        return ""


def checksum(file: Path) -> Checksum:
    """What a manifest says of a file that was just written."""
    return Checksum(file.stat().st_size, sha256_of(file))


def _check_versions(document: Mapping[str, Any], file: Path, folder: Path) -> None:
    found = document.get("version")
    if found != VERSION:
        raise LibraryError(
            f"{shown(file)} is of format version {found!r}, and this program's is {VERSION}: {remedy(folder)}."
        )
    vectors = document.get("vectors")
    found = vectors.get("version") if isinstance(vectors, dict) else None
    if found != vector.VERSION:
        raise LibraryError(
            f"{shown(file)} is of vector version {found!r}, and this program's is {vector.VERSION}: {remedy(folder)}."
        )


def _decoded(document: Mapping[str, Any]) -> Manifest:
    counts = [document["items"], document["indexed"], document["pictures"], document["vectors"]["trees"]]
    if not all(type(count) is int and count >= 0 for count in counts):
        raise ValueError(f"counts {counts}")
    model = document["model"]
    files = {name: Checksum(document["files"][name]["bytes"], document["files"][name]["sha256"]) for name in CHECKED}
    return Manifest(
        counts[0], counts[1], counts[2], counts[3], None if model is None else (model["name"], model["sha256"]), files
    )


def _dump(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, indent=2, ensure_ascii=True) + "\n").encode()
