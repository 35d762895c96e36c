"""Writes a library: beside the old one, on to the disk, then swapped in at once."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
import numpy.typing as npt
from annoy import AnnoyIndex

from index import pictures, swap, vector
from index.library import COLUMNS, LibraryError
from index.manifest import (
    CHECKED,
    INDEXES,
    ITEMS,
    KEYPOINTS,
    MANIFEST,
    METRIC,
    PICTURES,
    SHAPE,
    Manifest,
    checksum,
    shown,
)
from index.pictures import Kept, Stored
from models.pose import Floats, Image, Pose

Progress = Callable[[int, int | None, str], None]
"""Called with how many are done, of how many (None while unknown), and what is being done."""

TREES: Final = 12
"""Of each Annoy index: with fewer the same answers take longer, with more the files grow and nothing else."""

SEED: Final = 20180719
"""Of Annoy's random splits; together with one build job the same items give the same bytes."""

FEWEST_POINTS: Final = 3
"""A person of whom less is seen can be laid on anybody, and is not indexed."""

KNOWN_SHARE: Final = 2 / 3
"""Of a region's points that must be seen for a person to be found by that region."""


@dataclass(frozen=True, slots=True, eq=False)
class NewItem:
    """One person to put into a library.

    `picture` is H×W×3 RGB, a picture file, a picture made ready by `index.pictures.stored`, one Kept by a library, or
    None for a pose alone; `keypoints` 17×3 in its pixels (for a file: upright, at its full size; for Stored and Kept:
    of the stored size), third ≤ 0 where unseen. `size` is (width, height) of the picture that a pose alone was taken
    from, where known.
    """

    picture: Image | Path | Stored | Kept | None
    keypoints: Floats
    title: str | None = None
    author: str | None = None
    licence: str | None = None
    licence_url: str | None = None
    source_url: str | None = None
    size: tuple[int, int] | None = None


def write_library(
    items: Iterable[NewItem],
    out: Path,
    *,
    model: tuple[str, str] | None = None,
    long_side: int = pictures.LONG_SIDE,
    progress: Progress | None = None,
) -> int:
    """Writes a library of `items` to the folder `out` and returns how many there are; an old library gives way at once.

    Until the new one is whole and on the disk the old one stays as it is; whatever stops the writing (an error,
    Ctrl-C) leaves nothing behind. `model` is the name and sha256 of the estimator that found the key points. Raises
    LibraryError when there are no items, or `out` holds something that is no library; PictureError when a picture
    file cannot be read; OSError when the disk is full.
    """
    with Writer(out, long_side=long_side) as writer:
        for item in items:
            writer.add(item)
            if progress is not None:
                progress(len(writer), None, "")
        writer.finish(model, progress)
        return len(writer)


class Writer:
    """A library in the making, in a hidden folder beside `out`; a context manager. What is not finished is removed."""

    def __init__(self, out: Path, *, long_side: int = pictures.LONG_SIDE) -> None:
        """Raises LibraryError when `out` holds something that is no library, or another build is writing it."""
        self.out = Path(os.path.realpath(out))  # a link to a library stays: what it points to is replaced
        self._long_side = long_side
        self._keypoints: list[Floats] = []
        self._stored: set[str] = set()
        swap.check_replaceable(self.out)
        self.out.parent.mkdir(parents=True, exist_ok=True)
        self._folder = self.out.parent / f".{self.out.name}.building"
        self._lock = swap.claim(self._folder)
        try:
            swap.finish(self.out)
            (self._folder / PICTURES).mkdir()
            self._items = sqlite3.connect(self._folder / ITEMS)
            # Nobody reads the file before it is whole, and then `settle` brings it to the disk.
            self._items.execute("PRAGMA journal_mode = OFF")
            self._items.execute("PRAGMA synchronous = OFF")
            self._items.execute(f"CREATE TABLE item (number INTEGER PRIMARY KEY, {', '.join(COLUMNS)})")
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            os.close(self._lock)
            raise

    def __len__(self) -> int:
        return len(self._keypoints)

    def add(self, item: NewItem) -> None:
        """Puts one more person in, with their picture unless it is there. Raises PictureError, OSError, ValueError."""
        keypoints = _clean(item.keypoints)
        stored, size = self._picture(item)
        if stored is not None and not isinstance(item.picture, (Stored, Kept)):
            keypoints = scaled(keypoints, stored.width / size[0], stored.height / size[1])
            size = stored.width, stored.height
        name = None if stored is None else stored.name
        if stored is not None and name is not None and name not in self._stored:
            _put(stored, self._folder / PICTURES / name)
            self._stored.add(name)
        box = Pose.from_keypoints(keypoints).box() or (0.0, 0.0, 0.0, 0.0)
        words = (item.title, item.author, item.licence, item.licence_url, item.source_url)
        row = (len(self._keypoints), name, *size, *box, *(pictures.text(word) for word in words))
        self._items.execute(f"INSERT INTO item VALUES ({', '.join('?' * len(row))})", row)
        self._keypoints.append(keypoints)

    def finish(self, model: tuple[str, str] | None = None, progress: Progress | None = None) -> Manifest:
        """Builds the indexes, brings all to the disk and puts it in the old library's place; what it says of itself.

        Raises LibraryError when nobody was put in of whom enough is seen.
        """
        keypoints = np.array(self._keypoints, np.float32).reshape(-1, 17, 3)
        seen = keypoints[:, :, 2] > 0
        indexed = findable(keypoints[:, :, :2], seen)
        if not indexed.any():
            raise LibraryError(
                f"No library was written to {shown(self.out)}: of {len(keypoints)} people, nobody shows "
                f"{FEWEST_POINTS} key points."
            )
        self._items.commit()
        self._items.close()
        with (self._folder / KEYPOINTS).open("wb") as file:
            np.save(file, keypoints)
        _write_indexes(self._folder, keypoints[:, :, :2], seen, indexed, progress)
        files = {name: checksum(self._folder / name) for name in CHECKED}
        manifest = Manifest(len(keypoints), int(indexed.sum()), len(self._stored), TREES, model, files)
        (self._folder / MANIFEST).write_bytes(manifest.encode())
        swap.settle(self._folder)
        swap.swap(self._folder, self.out)
        return manifest

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._items.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        os.close(self._lock)

    def _picture(self, item: NewItem) -> tuple[Stored | Kept | None, tuple[int, int]]:
        """The picture as it is stored, and the size that the key points are given in."""
        if item.picture is None:
            return None, item.size or _around(item.keypoints)
        if isinstance(item.picture, (Stored, Kept)):
            return item.picture, (item.picture.width, item.picture.height)
        if isinstance(item.picture, Path):
            loaded = pictures.load(item.picture, self._long_side)
            return pictures.stored(loaded.image, self._long_side), (loaded.width, loaded.height)
        height, width = item.picture.shape[:2]
        return pictures.stored(item.picture, self._long_side), (width, height)


def _put(picture: Stored | Kept, file: Path) -> None:
    """Puts a picture's file into the library: linked where the file system can, else copied."""
    if isinstance(picture, Stored):
        file.write_bytes(picture.jpeg)
        return
    try:
        os.link(picture.file, file)
    except OSError:
        shutil.copyfile(picture.file, file)


def findable(points: Floats, seen: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Of N×17×2 poses with N×17 points seen, who can be told from others: enough points, and not all in one place."""
    there = seen[:, :, None]
    high = np.where(there, points, -np.inf).max((1, 2))
    extent = (np.where(there, points, -np.inf).max(1) - np.where(there, points, np.inf).min(1)).max(-1)
    return np.asarray((seen.sum(1) >= FEWEST_POINTS) & np.isfinite(high) & (extent > 0))


def members(seen: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """By which regions each of N people with N×17 points seen can be found, N×regions: at the least by the fullest."""
    share = seen @ vector.MASKS.T / vector.MASKS.sum(1)
    return np.asarray((share >= KNOWN_SHARE) | (share == share.max(1, keepdims=True)))


def _write_indexes(
    folder: Path,
    points: Floats,
    seen: npt.NDArray[np.bool_],
    indexed: npt.NDArray[np.bool_],
    progress: Progress | None,
) -> None:
    shape = vector.fit_shape(points[indexed], seen[indexed])
    with (folder / SHAPE).open("wb") as file:
        np.save(file, np.vstack([shape.mean, shape.covariance]))
    numbers = np.flatnonzero(indexed)
    whole, regions = shape.complete(points[indexed], seen[indexed]), members(seen[indexed])
    for done, (region, name) in enumerate(INDEXES.items()):
        if progress is not None:
            progress(done, len(INDEXES), "Indexing")
        chosen = regions[:, done]
        _write_index(folder / name, numbers[chosen], vector.vectors(whole[chosen], region))
    if progress is not None:
        progress(len(INDEXES), len(INDEXES), "Indexing")


def _write_index(file: Path, numbers: npt.NDArray[np.intp], vectors: Floats) -> None:
    """An Annoy index in which each vector has its item's number; an empty file when there are none."""
    index = AnnoyIndex(vectors.shape[1], METRIC)
    index.set_seed(SEED)
    for number, one in zip(numbers.tolist(), vectors.tolist(), strict=True):
        index.add_item(number, one)
    if len(numbers):
        index.build(TREES, n_jobs=1)
        # Annoy takes names of plain text alone; through the folder's descriptor any folder has one.
        folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            index.save(f"/proc/self/fd/{folder}/{file.name}")
        finally:
            os.close(folder)
    else:
        file.write_bytes(b"")
    index.unload()


def _clean(keypoints: Floats) -> Floats:
    """17×3 with zeros for what is not seen, and at most 1 for what is. Raises ValueError for no numbers."""
    points = np.array(keypoints, np.float32)
    if points.shape != (17, 3):
        raise ValueError(f"key points must be 17×3, not {'×'.join(map(str, points.shape))}")
    unseen = ~(points[:, 2] > 0)
    points[unseen] = 0
    if not (np.abs(points[:, :2]) < 1e6).all():
        raise ValueError("a key point that is seen has a coordinate that is no pixel")
    points[:, 2] = np.minimum(points[:, 2], 1)
    return points


def scaled(keypoints: Floats, x: float, y: float) -> Floats:
    """17×3 key points in their picture resized by `x` across and `y` down."""
    points = np.column_stack([(keypoints[:, :2] + 0.5) * (x, y) - 0.5, keypoints[:, 2]])
    return np.where(keypoints[:, 2:] > 0, points, 0).astype(np.float32)


def _around(keypoints: Floats) -> tuple[int, int]:
    """The smallest picture that the key points seen fit into."""
    seen = keypoints[keypoints[:, 2] > 0, :2]
    right, bottom = seen.max(0) if len(seen) else (0, 0)
    return max(1, int(right) + 1), max(1, int(bottom) + 1)
