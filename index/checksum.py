"""Checksums of files: their length and sha256."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Checksum:
    """A file's length and its sha256 in hexadecimal."""

    bytes: int
    sha256: str


def sha256_of(file: Path) -> str:
    """Return a file's sha256 in hexadecimal; empty when it cannot be read to its end."""
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError:
        return ""


def checksums(folder: Path, names: Iterable[str]) -> dict[str, Checksum]:
    """Return the checksums of files in a folder, by name."""
    files = [folder / name for name in sorted(names)]
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as threads:  # hashing releases the interpreter's lock
        results = threads.map(lambda file: Checksum(file.stat().st_size, sha256_of(file)), files)
        return {file.name: checksum for file, checksum in zip(files, results, strict=True)}
