"""What a library is made of: folders of photos, with whom to thank for them, and files of key points alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from index.build.photo import (
    Credit,
    Photo,
    Skipped,
    SourceError,
    check_regular_file,
    describe_error,
    is_file,
    title_from_name,
)
from index.build.table import TABLE_SUFFIXES, Row, read_rows
from index.build.writer import NewItem
from index.manifest import has_library_manifest
from models.pose import Floats
from models.text import printable

VIDEO_SUFFIXES: Final = frozenset(
    (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".3gp", ".ogv", ".wmv", ".mts", ".m2ts")
)

CREDITS_FILES: Final = tuple(f"credits{ending}" for ending in TABLE_SUFFIXES)
"""A folder's own table: whom to thank for the photos beside it."""


def read_folder(folder: Path) -> Iterator[Photo | Skipped]:
    """Every file in a folder and the folders in it, by name; what can be no photo is said to be skipped.

    Links are followed, each folder is visited once; hidden files are left alone, and so are libraries of ours. Where a
    folder has a table `credits.csv` (or .tsv, .jsonl), it says whom to thank for the photos that it names.
    """
    visited: set[tuple[int, int]] = set()
    waiting = [folder]
    credits: dict[Path | str, Row] = {}
    while waiting:
        place = waiting.pop()
        try:
            status = os.stat(place)
            if (status.st_dev, status.st_ino) in visited:
                continue
            visited.add((status.st_dev, status.st_ino))
            entries = sorted(os.scandir(place), key=lambda entry: os.fsencode(entry.name))
        except OSError as error:
            yield Skipped(printable(place), "cannot be read", f"{printable(place)} cannot be read ({error.strerror}).")
            continue
        for table in (place / entry.name for entry in entries if entry.name.lower() in CREDITS_FILES):
            yield from _collect_credits(table, credits)
        inner = []
        for entry in entries:
            file = place / entry.name
            if entry.name.startswith(".") or entry.name.lower() in CREDITS_FILES:
                continue
            if file.is_dir():
                if not has_library_manifest(file):
                    inner.append(file)
            elif file.suffix.lower() in VIDEO_SUFFIXES:
                yield Skipped(
                    printable(file), "video", f"{printable(file)} is a video: name it as a source of its own."
                )
            else:
                row = credits.pop(file, None)
                yield Photo(file, Credit(title=title_from_name(file)) if row is None else row.credit)
        waiting.extend(reversed(inner))


def _collect_credits(table: Path, credits: dict[Path | str, Row]) -> Iterator[Skipped]:
    """Puts a folder's own table's rows into `credits`; what it says of pictures that are not there is skipped."""
    try:
        rows = read_rows(table)
    except SourceError as error:
        yield Skipped(printable(table), "not a table", str(error))
        return
    for row in rows:
        if isinstance(row, Skipped):
            yield row
        elif isinstance(row.picture, str) or not is_file(row.picture):
            name = f"{printable(table)}, line {row.line}"
            said = (
                f"names {printable(row.picture):.200}, which is no file: to fetch pictures, name the table as a source"
            )
            yield Skipped(name, "cannot be read", f"{name} {said}.")
        else:
            credits[row.picture] = row


def read_keypoints(file: Path) -> Floats:
    """`keypoints` of an .npz file, N×17×3 (x, y in pixels, third ≤ 0 where unseen). Raises ImportFailed."""
    return _load_arrays(file)[0]


def read_poses(file: Path) -> tuple[int, Iterator[NewItem]]:
    """How many people a key-point file has, and each of them, nobody left out: an item's number is its row's.

    A row that holds no numbers becomes a person of whom nothing is seen. Raises ImportFailed.
    """
    keypoints, sizes = _load_arrays(file)
    no_pixels = ~(np.abs(keypoints[:, :, :2]) < 1e6).all(2) & (keypoints[:, :, 2] > 0)
    keypoints[np.asarray(no_pixels).any(1)] = 0
    title = title_from_name(file)

    def items() -> Iterator[NewItem]:
        for row, one in enumerate(keypoints):
            size = None if sizes is None else (int(sizes[row, 0]), int(sizes[row, 1]))
            yield NewItem(None, one, title, size=size)

    return len(keypoints), items()


def _load_arrays(file: Path) -> tuple[Floats, npt.NDArray[np.float64] | None]:
    """The key points, and N×2 widths and heights of their pictures where `image_size` has them."""
    check_regular_file(file)
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
            if "keypoints" not in arrays.files:
                found = printable(", ".join(arrays.files))[:200] or "nothing"
                raise SourceError(f"{printable(file)} has no `keypoints`, but {found}.")
            keypoints = arrays["keypoints"]
            sizes = arrays["image_size"] if "image_size" in arrays.files else None
            if not isinstance(keypoints, np.ndarray):
                raise ValueError("`keypoints` is no array")
    except SourceError:
        raise
    except (OSError, ValueError, EOFError, KeyError, SyntaxError, TypeError, MemoryError) as error:
        raise SourceError(f"{printable(file)} is no key-point file (.npz): {describe_error(error)}.") from error
    except Exception as error:  # each way to compress has errors of its own, and heads are parsed as Python
        raise SourceError(f"{printable(file)} is a damaged .npz: {describe_error(error)}.") from error
    if keypoints.ndim != 3 or keypoints.shape[1:] != (17, 3) or keypoints.dtype.kind not in "fiu":
        found, kind = "×".join(map(str, keypoints.shape)), printable(str(keypoints.dtype))[:80]
        raise SourceError(f"{printable(file)}: `keypoints` must be N×17×3 numbers, not {found} of {kind}.")
    if not isinstance(sizes, np.ndarray) or sizes.shape != (len(keypoints), 2) or sizes.dtype.kind not in "fiu":
        sizes = None
    with np.errstate(over="ignore", invalid="ignore"):
        return keypoints.astype(np.float32), None if sizes is None else _valid_sizes(sizes)


def _valid_sizes(sizes: npt.NDArray[Any]) -> npt.NDArray[np.float64] | None:
    widths_and_heights = sizes.astype(np.float64)
    good = np.isfinite(widths_and_heights) & (widths_and_heights >= 1) & (widths_and_heights < 1e6)
    return widths_and_heights if good.all() else None
