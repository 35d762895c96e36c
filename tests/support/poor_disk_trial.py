"""Save GIFs, libraries, a journal and a model on a poor disk: `python -m tests.support.poor_disk_trial FOLDER`.

Reads a JSON list of faults (see `tests.support.poor_disk`) from standard input. For each it prints a JSON object of
what came out: the sentences of what failed, and what is not complete or does not belong there.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from device.recording.saving import SaveError, write_atomically
from index.build.journal import Journal
from index.build.photo import Credit, NewPicture, Photo
from index.build.scan import ScanSettings
from index.errors import LibraryError
from index.library import verify_library
from models import files
from tests.support.libraries import write_library
from tests.support.poor_disk import describe
from tests.support.sample_library import items, picture
from tests.support.sample_poses import sample_people

GIFS = 4
"""GIFs of one second, saved at once."""


def main(folder: Path) -> None:
    logging.disable()
    for number, faults in enumerate(json.load(sys.stdin)):
        place = folder / str(number)
        place.mkdir()
        os.environ["POOR_DISK"] = describe(faults)
        failures: list[str] = []
        problems = [
            *(f"gifs: {problem}" for problem in save_gifs(place / "gifs", failures)),
            *(f"library: {problem}" for problem in build_twice(place / "made" / "library", failures)),
            *(f"journal: {problem}" for problem in keep_journal(place / "scans" / "library", failures)),
            *(f"model: {problem}" for problem in replace_file(place / "models", failures)),
        ]
        os.environ["POOR_DISK"] = ""
        print(json.dumps({"faults": faults, "failures": failures, "problems": problems}), flush=True)


def attempt(function: Callable[[], object], failures: list[str]) -> bool:
    """Return whether a function succeeds; note the sentence of its error if it does not."""
    try:
        function()
    except (OSError, LibraryError) as error:
        failures.append(f"{type(error).__name__}: {error}")
        return False
    return True


def save_gifs(folder: Path, failures: list[str]) -> list[str]:
    """Save GIFs of one second from several threads, and return what is wrong with the folder then."""

    def save(number: int) -> Path | None:
        try:
            return write_atomically(bytes([number]) * 5000, folder, "pose-mirror-20261122-153045.gif")
        except SaveError as error:
            failures.append(f"SaveError: {error}")
            return None

    with ThreadPoolExecutor(GIFS) as threads:
        paths = list(threads.map(save, range(GIFS)))
    saved = {path: bytes([number]) * 5000 for number, path in enumerate(paths) if path is not None}
    contents = {path: path.read_bytes() for path in folder.iterdir()}
    return [] if contents == saved else [f"{sorted(contents)} instead of {sorted(saved)}"]


def build_twice(out: Path, failures: list[str]) -> list[str]:
    """Build a library and replace it by another; return what is wrong with it then."""
    sizes = [size for size in (7, 9) if attempt(lambda size=size: write_library(items(size), out), failures)]  # type: ignore[misc]
    os.environ["POOR_DISK"], faults = "", os.environ["POOR_DISK"]
    names = os.listdir(out.parent)
    if names != (["library"] if sizes else []):
        return [f"{names} after {len(sizes)} builds"]
    os.environ["POOR_DISK"] = faults
    if sizes and (count := verify_library(out).items) != sizes[-1]:
        return [f"{count} people, not {sizes[-1]}"]
    return []


def keep_journal(out: Path, failures: list[str]) -> list[str]:
    """Keep a result in a journal, and return what is wrong when the next build looks for it."""
    photo, settings = Photo("https://example.org/photo.jpg", Credit()), ScanSettings()
    result = [replace(NewPicture.encode(picture(1)), people=list(sample_people(1)))]

    def keep() -> None:
        with Journal(out, settings) as journal:
            journal.seconds = 100
            journal.add(journal.key(photo), result)

    if not attempt(keep, failures):
        return []
    with Journal(out, settings) as journal:
        known = journal.has(journal.key(photo))
        journal.done = True
    names = os.listdir(out.parent)
    return ([] if known else ["the result is lost"]) + [f"{name} is left" for name in names]


def replace_file(folder: Path, failures: list[str]) -> list[str]:
    """Replace a file, and return what is wrong with the folder then."""
    folder.mkdir()
    for name in ("model", "part"):
        (folder / name).write_text(name)
    replaced = attempt(lambda: files.replace(folder / "part", folder / "model"), failures)
    contents = {file.name: file.read_text() for file in folder.iterdir()}
    expected = {"model": "part"} if replaced else {"model": "model", "part": "part"}
    return [] if contents == expected else [str(contents)]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
