"""Writing Annoy indexes: one for each region of the body, over each shard of a library's items.

Shards bound the memory that building needs, and the indexes are built in parallel. Each depends on nothing but its
items, so the bytes are the same for any number of processes. An index holds only the vectors of people who show its
region; each shard has a file that maps the vectors of its indexes to items. `index.shards` reads all of them.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import multiprocessing
import os
import signal
import sys
from collections.abc import Generator, Iterator, Sequence
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from annoy import AnnoyIndex

from index import mapping, vector
from index.likeness import COLUMNS, part_table, seen_parts
from index.manifest import KEYPOINTS_FILE, METRIC, PARTS_FILE, SHAPE_FILE, index_file, members_file
from models.pose import Floats
from models.processes import init_worker, starting_workers
from models.progress import ProgressCallback
from models.text import printable

Flags = npt.NDArray[np.bool_]

SHARD_SIZE: Final = 1_000_000
"""Maximum number of items in a shard. Larger shards need more memory to build; smaller ones make more indexes to
search."""

TREES_PER_INDEX: Final = 12
"""Trees in each Annoy index. Fewer make the same results take longer; more only make the files larger."""

SEED: Final = 20180719
"""Seed of Annoy's random splits. With it and a single build job, the same items give the same bytes."""

MIN_KEYPOINTS_TO_INDEX: Final = 3
"""Minimum number of seen key points of a person who is indexed: fewer fit anybody."""

MIN_SEEN_SHARE: Final = 2 / 3
"""Minimum share of a region's parts that a person must show to be in its index."""

BATCH_SIZE: Final = 16_384
"""Items whose vectors are computed together. The bytes depend on it; the memory hardly does."""

MAX_SERIAL_ITEMS: Final = 20_000
"""Maximum number of items that are indexed without further processes: up to there these take longer to start."""


class IndexJob(NamedTuple):
    """One index to write: of `region` over shard number `shard`, with rows `start` to `stop` of its members."""

    shard: int
    region: str
    start: int
    stop: int


def findable(keypoints: Floats) -> Flags:
    """Return which of N×17×3 people can be found: they show enough key points, and not all in one place."""
    points, seen = keypoints[:, :, :2], keypoints[:, :, 2:] > 0
    extent = (np.where(seen, points, -np.inf).max(1) - np.where(seen, points, np.inf).min(1)).max(-1)
    return np.asarray((seen.sum((1, 2)) >= MIN_KEYPOINTS_TO_INDEX) & (extent > 0))


def count_findable(keypoints: Floats) -> int:
    """Return how many of N×17×3 people can be found. Works in batches, as the key points may be mapped from a file."""
    starts = range(0, len(keypoints), BATCH_SIZE)
    return sum(int(findable(keypoints[start : start + BATCH_SIZE]).sum()) for start in starts)


def region_membership(seen: Flags) -> Flags:
    """Return in which regions' indexes each of N people (N×17 `seen`) belongs, N×regions: always in the best one."""
    share = seen_parts(seen) @ vector.REGION_MASKS.T / vector.REGION_MASKS.sum(1)
    return np.asarray((share >= MIN_SEEN_SHARE) | (share == share.max(1, keepdims=True)))


def write_indexes(
    folder: Path,
    count: int,
    *,
    shard_size: int = SHARD_SIZE,
    processes: int | None = None,
    progress: ProgressCallback | None = None,
) -> tuple[int, int]:
    """Write the shape model and the indexes of a library's `count` people, whose key points are in its folder.

    Returns how many shards there are, and how many people can be found; when nobody can, nothing is written. The bytes
    are the same for any number of `processes` (None: one for each core, if there are enough items to be worth it).
    Raises OSError when the disk is full, ChildProcessError when a process was ended.
    """
    batches = (findable(batch) for batch in _read_keypoints(folder, 0, count))
    indexed = np.concatenate([np.zeros(0, np.bool_), *batches])
    if not indexed.any():
        return 0, 0
    _write_parts(folder, count)
    _write_shape_model(folder, indexed)
    jobs: list[IndexJob] = []
    starts = range(0, count, shard_size)
    for shard, start in enumerate(starts):
        jobs += _write_members(folder, shard, start, indexed[start : start + shard_size])
    if processes is None:
        processes = 1 if count <= MAX_SERIAL_ITEMS else os.cpu_count() or 1
    runs = _run_in_processes(folder, jobs, processes) if processes > 1 else _run_serially(folder, jobs)
    with contextlib.closing(runs):
        for done, _ in enumerate(runs, 1):
            if progress is not None:
                progress(done, len(jobs), "Indexing")
    return len(starts), int(indexed.sum())


def write_index(folder: Path, job: IndexJob, *, on_disk: bool = False) -> None:
    """Write one Annoy index; an empty file when it has no members. With `on_disk` it is built in the file itself.

    Annoy maps a file that it builds on disk, so a full disk raises SIGBUS: use it only in a process of its own.
    """
    file = folder / index_file(job.region, job.shard)
    if job.start == job.stop:
        file.write_bytes(b"")
        return
    members = mapping.load_array(folder / members_file(job.shard))[job.start : job.stop]
    mean_and_covariance = np.load(folder / SHAPE_FILE)
    shape = vector.ShapeModel(mean_and_covariance[0], mean_and_covariance[1:])
    index = AnnoyIndex(2 * len(vector.REGIONS[job.region]), METRIC)
    index.set_seed(SEED)
    with mapping.mappable_for_writing(file) as name:
        if on_disk:
            index.on_disk_build(name)
        for start in range(0, len(members), BATCH_SIZE):
            numbers = members[start : start + BATCH_SIZE]
            batch = np.concatenate(list(_read_keypoints(folder, numbers[0], numbers[-1] + 1)))[numbers - numbers[0]]
            completed = shape.complete(batch[:, :, :2], batch[:, :, 2] > 0)
            for i, row in enumerate(vector.region_vectors(completed, job.region).tolist(), start):
                index.add_item(i, row)
        index.build(TREES_PER_INDEX, n_jobs=1)
        if not on_disk:
            index.save(name)
    index.unload()


def _read_keypoints(folder: Path, start: int, stop: int) -> Iterator[Floats]:
    """Yield key points of items `start` to `stop` in batches. They are read, not mapped, so their memory is freed."""
    file = folder / KEYPOINTS_FILE
    with file.open("rb") as opened:
        np.lib.format.read_magic(opened)
        np.lib.format.read_array_header_1_0(opened)
        header_bytes = opened.tell()
    item_bytes = 17 * 3 * np.dtype(np.float32).itemsize
    for first in range(start, stop, BATCH_SIZE):
        count = min(BATCH_SIZE, stop - first)
        yield np.fromfile(file, np.float32, 51 * count, offset=header_bytes + first * item_bytes).reshape(count, 17, 3)


def _write_parts(folder: Path, count: int) -> None:
    """Write what likeness compares of all people (`index.likeness.part_table`), in batches to save memory."""
    with (folder / PARTS_FILE).open("wb") as opened:
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.float32)), "fortran_order": False}
        np.lib.format.write_array_header_1_0(opened, {**header, "shape": (count, COLUMNS)})
        for batch in _read_keypoints(folder, 0, count):
            opened.write(part_table(batch[:, :, :2], (batch[:, :, 2] > 0).astype(np.float32))[0].tobytes())


def _write_shape_model(folder: Path, indexed: Flags) -> None:
    """Fit and write the shape model of the indexed people, or of an even sample of them if they are many."""
    chosen = np.zeros(len(indexed), np.bool_)
    chosen[np.flatnonzero(indexed)[:: max(1, int(indexed.sum()) // vector.MAX_SAMPLE)]] = True
    batches = enumerate(_read_keypoints(folder, 0, len(indexed)))
    sample = np.concatenate([batch[chosen[i * BATCH_SIZE :][: len(batch)]] for i, batch in batches])
    shape = vector.fit_shape_model(sample[:, :, :2], sample[:, :, 2] > 0)
    with (folder / SHAPE_FILE).open("wb") as opened:
        np.save(opened, np.vstack([shape.mean, shape.covariance]))


def _write_members(folder: Path, shard: int, start: int, indexed: Flags) -> list[IndexJob]:
    """Write the members file of a shard whose first item is `start`, and return the indexes to write."""
    batches = _read_keypoints(folder, start, start + len(indexed))
    membership = np.concatenate([region_membership(batch[:, :, 2] > 0) for batch in batches]) & indexed[:, None]
    members = [start + np.flatnonzero(in_region) for in_region in membership.T]
    with (folder / members_file(shard)).open("wb") as opened:
        np.save(opened, np.concatenate(members).astype(np.int32))
    ends = np.cumsum([0, *map(len, members)]).tolist()
    bounds = zip(vector.REGIONS, itertools.pairwise(ends), strict=True)
    return [IndexJob(shard, region, first, last) for region, (first, last) in bounds]


def _run_serially(folder: Path, jobs: Sequence[IndexJob]) -> Generator[None, None, None]:
    for job in jobs:
        write_index(folder, job)
        yield


def _run_in_processes(folder: Path, jobs: Sequence[IndexJob], processes: int) -> Generator[None, None, None]:
    """Write indexes in up to `processes` processes, the largest first; yields after each."""
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
    waiting = sorted(jobs, key=lambda job: job.stop - job.start)
    running: dict[Any, BaseProcess] = {}
    try:
        while waiting or running:
            while waiting and len(running) < processes:
                process = context.Process(target=_worker_main, args=(folder, waiting.pop()), daemon=True)
                with starting_workers():
                    process.start()
                    running[process.sentinel] = process
            for sentinel in connection.wait(list(running)):
                ended = running.pop(sentinel)
                ended.join()
                _check_exit_status(ended.exitcode or 0, folder)
                yield
    finally:
        for unfinished in running.values():
            unfinished.kill()
            unfinished.join()


def _worker_main(folder: Path, job: IndexJob) -> None:
    """Write one index in a process of its own, which reports an error by its exit status."""
    init_worker()
    try:
        write_index(folder, job, on_disk=True)
    except OSError as error:
        sys.exit(error.errno or errno.EIO)
    except MemoryError:
        sys.exit(errno.ENOMEM)


def _check_exit_status(status: int, folder: Path) -> None:
    """Raises OSError or ChildProcessError for a process that failed."""
    if status == -signal.SIGBUS:  # a full disk, for a mapped file
        status = errno.ENOSPC
    if status > 1:
        raise OSError(status, os.strerror(status), printable(folder))
    if status:
        cause = f"signal {-status}: check that there is enough memory" if status < 0 else "an error of its own"
        raise ChildProcessError(f"A process that wrote an index in {printable(folder)} was ended by {cause}.")
