"""A cache of build results: each entry is named by a hash of everything it was built from."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

SCRATCH_PREFIX: Final = "half-"
"""The prefix of folders in which something is being built. Once the lock is free, such a folder is a leftover."""


class Entry(NamedTuple):
    """Something that can be built: a file or folder of a kind, identified by its key. The newest `keep` are kept."""

    kind: str
    key: str
    build: Callable[[Path, Path], None]
    """Called with the path to build the entry at, and a folder for temporary files."""
    suffix: str = ""
    keep: int = 2

    @property
    def name(self) -> str:
        """The name of its file or folder."""
        return f"{self.kind}-{self.key}{self.suffix}"


def cache_folder() -> Path:
    """The cache's folder: $POSE_MIRROR_BOOT_CACHE, or one in the user's cache folder."""
    if named := os.environ.get("POSE_MIRROR_BOOT_CACHE"):
        return Path(named).expanduser().resolve()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().resolve() / "pose-mirror-boot"


class Cache:
    """A folder of entries. Hold its `lock`, a context manager, while you get entries from it."""

    def __init__(self, where: Path | None = None) -> None:
        self.folder = where or cache_folder()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Let one process build at a time; others wait, and then find what it built."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print_progress("another process is building; waiting for it")
                fcntl.flock(lock, fcntl.LOCK_EX)
            for leftover in self.folder.glob(f"{SCRATCH_PREFIX}*"):  # of a build that was killed
                shutil.rmtree(leftover)
            yield

    def get(self, entry: Entry) -> Path:
        """Return the entry's path, building it first if necessary, and remove the oldest of its kind."""
        path = self.folder / entry.name
        if not path.exists():
            self._build(entry, path)
        os.utime(path)
        self._prune(entry)
        return path

    def _build(self, entry: Entry, path: Path) -> None:
        start = time.monotonic()
        print_progress(f"building {entry.kind} …")
        scratch = Path(tempfile.mkdtemp(prefix=f"{SCRATCH_PREFIX}{entry.kind}-", dir=self.folder))
        scratch.chmod(0o755)  # a root folder may be inside, which other users must reach
        try:
            result = scratch / f"result{entry.suffix}"
            entry.build(result, scratch)
            result.rename(path)
            print_progress(f"building {entry.kind} took {time.monotonic() - start:.0f} s")
        finally:
            shutil.rmtree(scratch)

    def _prune(self, entry: Entry) -> None:
        newest_first = sorted(self.folder.glob(f"{entry.kind}-*"), key=lambda path: path.stat().st_mtime, reverse=True)
        for old in newest_first[entry.keep :]:
            if old.is_dir():
                shutil.rmtree(old)
            else:
                old.unlink()


def content_key(*parts: str | Path) -> str:
    """A hash of all parts: texts, files, and folders with their contents."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            digest.update(b"text\0" + part.encode() + b"\0")
            continue
        files = sorted(path for path in part.rglob("*") if is_content(path)) if part.is_dir() else [part]
        for file in files:
            digest.update(f"{file.relative_to(part)}\0{os.access(file, os.X_OK)}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def is_content(path: Path) -> bool:
    """Whether a path is a file of the project, and not one that Python compiled."""
    return path.is_file() and "__pycache__" not in path.parts


def print_progress(message: str) -> None:
    """Print a line of progress: building takes minutes."""
    print(f"boot image: {message}", flush=True)
