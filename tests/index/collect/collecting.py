"""A collection in its own process, for tests that kill it: `python -m tests.index.collect.collecting URL OUT COUNT`.

The server at URL has photographs `0.jpg` to `99.jpg`. Prints each photograph that was looked at.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from index.build.scan import ScanSettings
from index.collect.candidate import Candidate, Download
from index.collect.collector import CollectOptions, fill
from index.collect.ledger import Ledger
from index.collect.publish import publish
from index.collect.rules import Rules
from index.credit import Credit
from models.progress import ProgressCallback
from tests.support.finders import LoggingFinder, MarkFinder, marked_scene

COUNT: Final = 100
"""Photographs on the server."""

SETTINGS: Final = ScanSettings(MarkFinder, ("marks", "ab12"))


def make_photos(count: int = COUNT) -> dict[str, bytes]:
    """Return photographs by name. In each is one person, another one than in the others."""
    photos = {}
    for number in range(count):
        file = io.BytesIO()
        left, top = 30 + 4 * (number % 10), 10 + 2 * (number // 10)
        marked_scene(number % 15, box=(left, top, left + 50 + number // 3, top + 115)).save(file, "JPEG", quality=95)
        photos[f"{number}.jpg"] = file.getvalue()
    return photos


class Listing:
    """Photographs of a server by their paths, as a source."""

    name = "test"

    def __init__(self, url: str, paths: Sequence[str], author: str = "Ann", licence: str = "CC BY 2.0") -> None:
        self._url, self._paths, self._author, self._licence = url, paths, author, licence

    @property
    def photos_place(self) -> str:
        return self._url

    def downloads(self, rules: Rules, folder: Path | None = None) -> Sequence[Download]:
        return ()

    def prepare(self, folder: Path, rules: Rules, progress: ProgressCallback | None = None) -> None: ...

    def __len__(self) -> int:
        return len(self._paths)

    def candidates(self, start: int = 0) -> Iterator[Candidate]:
        for path in self._paths[start:]:
            credit = Credit(f"Photo {path}", self._author, self._licence, None, f"https://photos.example/{path}")
            yield Candidate(path, f"{self._url}/{path}", credit, "https://photos.example/people/ann")


def main(url: str, out: str, count: str) -> None:
    settings = ScanSettings(LoggingFinder, ("marks", "ab12"))
    source = Listing(url, [f"{number}.jpg" for number in range(COUNT)])
    with Ledger(Path(out), source.name) as ledger:
        collected = fill(ledger, source, settings, CollectOptions(count=int(count), workers=2), _print_progress)
        publish(ledger, Path(out), int(count))
    print("done", collected.looked, collected.kept, flush=True)


def _print_progress(done: int, total: int | None, step: str) -> None:
    print(step, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
