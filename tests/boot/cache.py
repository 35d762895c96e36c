"""What was built once and is found again: each entry is named by a hash of all that went into it."""

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
"""How the names of folders begin in which something is being built; nobody's, once the lock is free."""


class Entry(NamedTuple):
    """Something that can be built: a file or folder of a kind, told apart by its key, and how many are kept."""

    kind: str
    key: str
    build: Callable[[Path, Path], None]
    """Makes the entry at its first argument; its second is a folder for everything on the way there."""
    suffix: str = ""
    keep: int = 2

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.key}{self.suffix}"


def cache_folder() -> Path:
    """The cache's folder: $POSE_MIRROR_BOOT_CACHE, or one in the user's cache."""
    if named := os.environ.get("POSE_MIRROR_BOOT_CACHE"):
        return Path(named).expanduser().resolve()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().resolve() / "pose-mirror-boot"


class Cache:
    """A folder of entries. Whoever builds holds its lock: `lock` is a context manager around all of it."""

    def __init__(self, where: Path | None = None) -> None:
        self.folder = where or cache_folder()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """One process builds at a time; the others wait, and then find what it built."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print_progress("another process is building; waiting for it")
                fcntl.flock(lock, fcntl.LOCK_EX)
            for left in self.folder.glob(f"{SCRATCH_PREFIX}*"):  # of one that was killed
                shutil.rmtree(left)
            yield

    def get(self, entry: Entry) -> Path:
        """Where the entry is, after building it if need be; the oldest of its kind then give way."""
        path = self.folder / entry.name
        if not path.exists():
            self._build(entry, path)
        os.utime(path)
        self._prune(entry)
        return path

    def _build(self, entry: Entry, path: Path) -> None:
        begun = time.monotonic()
        print_progress(f"building {entry.kind} …")
        scratch = Path(tempfile.mkdtemp(prefix=f"{SCRATCH_PREFIX}{entry.kind}-", dir=self.folder))
        scratch.chmod(0o755)  # it may become a root folder's parent, which other users go through
        try:
            whole = scratch / f"whole{entry.suffix}"
            entry.build(whole, scratch)
            whole.rename(path)
            print_progress(f"building {entry.kind} took {time.monotonic() - begun:.0f} s")
        finally:
            shutil.rmtree(scratch)

    def _prune(self, entry: Entry) -> None:
        kept = sorted(self.folder.glob(f"{entry.kind}-*"), key=lambda path: path.stat().st_mtime, reverse=True)
        for old in kept[entry.keep :]:
            if old.is_dir():
                shutil.rmtree(old)
            else:
                old.unlink()


def content_key(*parts: str | Path) -> str:
    """A name for all the parts together: texts, and files or whole folders with their contents."""
    said = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            said.update(b"text\0" + part.encode() + b"\0")
            continue
        files = sorted(path for path in part.rglob("*") if is_content(path)) if part.is_dir() else [part]
        for file in files:
            said.update(f"{file.relative_to(part)}\0{os.access(file, os.X_OK)}\0".encode() + file.read_bytes())
    return said.hexdigest()[:16]


def is_content(path: Path) -> bool:
    """Whether a path of a folder is one of its files, rather than what Python left there."""
    return path.is_file() and "__pycache__" not in path.parts


def print_progress(what: str) -> None:
    """Progress, for whoever waits."""
    print(f"boot image: {what}", flush=True)
