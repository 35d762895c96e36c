"""Writes the Annoy indexes of a library: one for each region of the body, over each shard of its items.

A shard bounds the memory that building needs, and shards and regions are built side by side: each index depends on
nothing but its items, so the bytes are the same for any number of processes. An index holds the vectors of those alone
who show its region; a file beside it says which item each is of.
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

from index import vector
from index.manifest import KEYPOINTS_FILE, METRIC, SHAPE_FILE, index_file, members_file
from models.pose import Floats
from models.processes import init_worker
from models.progress import ProgressCallback
from models.text import printable

Flags = npt.NDArray[np.bool_]

SHARD_SIZE: Final = 1_000_000
"""Items at most. More need more memory to build, fewer make more indexes to ask."""

TREES_PER_INDEX: Final = 12
"""Of each Annoy index: with fewer the same answers take longer, with more the files grow and nothing else."""

SEED: Final = 20180719
"""Of Annoy's random splits; together with one build job the same items give the same bytes."""

MIN_KEYPOINTS: Final = 3
"""A person of whom less is seen can be laid on anybody, and is not indexed."""

MIN_SEEN_SHARE: Final = 2 / 3
"""Of a region's points that must be seen for a person to be found by that region."""

BATCH_SIZE: Final = 16_384
"""Items whose vectors are made together: the bytes depend on it, the memory a little."""

MAX_SERIAL_ITEMS: Final = 20_000
"""Items that are indexed sooner than other processes start."""


class IndexJob(NamedTuple):
    """One index to write: of `region` over `shard_size`, whose members are `start` to `stop` in the shard's file of them."""

    shard: int
    region: str
    start: int
    stop: int


def findable(keypoints: Floats) -> Flags:
    """Of N×17×3 people, who can be told from others: enough points are seen, and not all in one place."""
    points, there = keypoints[:, :, :2], keypoints[:, :, 2:] > 0
    extent = (np.where(there, points, -np.inf).max(1) - np.where(there, points, np.inf).min(1)).max(-1)
    return np.asarray((there.sum((1, 2)) >= MIN_KEYPOINTS) & (extent > 0))


def count_findable(keypoints: Floats) -> int:
    """Return how many of N×17×3 people can be found, a batch at a time: the key points may be mapped from a file."""
    starts = range(0, len(keypoints), BATCH_SIZE)
    return sum(int(findable(keypoints[start : start + BATCH_SIZE]).sum()) for start in starts)


def region_membership(seen: Flags) -> Flags:
    """By which regions each of N people with N×17 points seen can be found, N×regions: at the least by the fullest."""
    share = seen @ vector.REGION_MASKS.T / vector.REGION_MASKS.sum(1)
    return np.asarray((share >= MIN_SEEN_SHARE) | (share == share.max(1, keepdims=True)))


def write_indexes(
    folder: Path,
    count: int,
    *,
    shard_size: int = SHARD_SIZE,
    processes: int | None = None,
    progress: ProgressCallback | None = None,
) -> tuple[int, int]:
    """Writes the shape and the indexes of a library's `count` people to its folder, which holds their key points.

    Returns how many shards there are, and how many people can be found; when none can, nothing is written. The bytes
    are the same for any number of `processes` (None: one for each core, where that is worth their start). Raises
    OSError when the disk is full, ChildProcessError when a process was ended.
    """
    indexed = np.concatenate([np.zeros(0, np.bool_), *(findable(some) for some in _read_keypoints(folder, 0, count))])
    if not indexed.any():
        return 0, 0
    _write_shape_model(folder, indexed)
    starts = range(0, count, shard_size)
    jobs = [
        job for n, start in enumerate(starts) for job in _write_members(folder, n, start, indexed[start:][:shard_size])
    ]
    if processes is None:
        processes = 1 if count <= MAX_SERIAL_ITEMS else os.cpu_count() or 1
    with contextlib.closing(
        _run_in_processes(folder, jobs, processes) if processes > 1 else _run_serially(folder, jobs)
    ) as written:
        for done, _ in enumerate(written, 1):
            if progress is not None:
                progress(done, len(jobs), "Indexing")
    return len(starts), int(indexed.sum())


def write_index(folder: Path, job: IndexJob, *, on_disk: bool = False) -> None:
    """One Annoy index; an empty file when it has no members. With `on_disk` its pages are the file's own.

    Annoy maps a file that it builds on disk, and a full disk then is a signal (SIGBUS): only for a process of its own.
    """
    file = folder / index_file(job.region, job.shard)
    if job.start == job.stop:
        file.write_bytes(b"")
        return
    numbers = np.load(folder / members_file(job.shard), "r")[job.start : job.stop]
    shape = np.load(folder / SHAPE_FILE)
    fitted = vector.ShapeModel(shape[0], shape[1:])
    index = AnnoyIndex(2 * len(vector.REGIONS[job.region]), METRIC)
    index.set_seed(SEED)
    with _ascii_path(file) as name:
        if on_disk:
            index.on_disk_build(name)
        for start in range(0, len(numbers), BATCH_SIZE):
            chosen = numbers[start : start + BATCH_SIZE]
            some = np.concatenate(list(_read_keypoints(folder, chosen[0], chosen[-1] + 1)))[chosen - chosen[0]]
            whole = fitted.complete(some[:, :, :2], some[:, :, 2] > 0)
            for i, one in enumerate(vector.region_vectors(whole, job.region).tolist(), start):
                index.add_item(i, one)
        index.build(TREES_PER_INDEX, n_jobs=1)
        if not on_disk:
            index.save(name)
    index.unload()


def _read_keypoints(folder: Path, start: int, stop: int) -> Iterator[Floats]:
    """Key points of some of a library's people, in parts: read and not mapped, so that they are soon forgotten."""
    file = folder / KEYPOINTS_FILE
    with file.open("rb") as opened:
        np.lib.format.read_magic(opened)
        np.lib.format.read_array_header_1_0(opened)
        first = opened.tell()
    one = 17 * 3 * np.dtype(np.float32).itemsize
    for at in range(start, stop, BATCH_SIZE):
        count = min(BATCH_SIZE, stop - at)
        yield np.fromfile(file, np.float32, 51 * count, offset=first + at * one).reshape(count, 17, 3)


def _write_shape_model(folder: Path, indexed: Flags) -> None:
    """The shape of the people indexed; of many, of every so-manieth."""
    chosen = np.zeros(len(indexed), np.bool_)
    chosen[np.flatnonzero(indexed)[:: max(1, int(indexed.sum()) // vector.MAX_SAMPLE)]] = True
    parts = enumerate(_read_keypoints(folder, 0, len(indexed)))
    sample = np.concatenate([some[chosen[i * BATCH_SIZE :][: len(some)]] for i, some in parts])
    shape = vector.fit_shape_model(sample[:, :, :2], sample[:, :, 2] > 0)
    with (folder / SHAPE_FILE).open("wb") as opened:
        np.save(opened, np.vstack([shape.mean, shape.covariance]))


def _write_members(folder: Path, shard: int, start: int, indexed: Flags) -> list[IndexJob]:
    """Writes whom each index of a shard is to hold, and says what there is to do. The shard's first item is `start`."""
    parts = [region_membership(some[:, :, 2] > 0) for some in _read_keypoints(folder, start, start + len(indexed))]
    chosen = np.concatenate(parts) & indexed[:, None]
    numbers = [start + np.flatnonzero(one) for one in chosen.T]
    with (folder / members_file(shard)).open("wb") as opened:
        np.save(opened, np.concatenate(numbers).astype(np.int32))
    ends = np.cumsum([0, *map(len, numbers)]).tolist()
    return [
        IndexJob(shard, region, *pair) for region, pair in zip(vector.REGIONS, itertools.pairwise(ends), strict=True)
    ]


def _run_serially(folder: Path, jobs: Sequence[IndexJob]) -> Generator[None, None, None]:
    for job in jobs:
        write_index(folder, job)
        yield


def _run_in_processes(folder: Path, jobs: Sequence[IndexJob], processes: int) -> Generator[None, None, None]:
    """Writes indexes in so many processes, the largest first; yields as each is written."""
    context = multiprocessing.get_context("spawn")  # a copy of a process with threads may hang
    waiting = sorted(jobs, key=lambda job: job.stop - job.start)
    running: dict[Any, BaseProcess] = {}
    try:
        while waiting or running:
            while waiting and len(running) < processes:
                process = context.Process(target=_worker_main, args=(folder, waiting.pop()), daemon=True)
                process.start()
                running[process.sentinel] = process
            for ended in connection.wait(list(running)):
                done = running.pop(ended)
                done.join()
                _check_exit_status(done.exitcode or 0, folder)
                yield
    finally:
        for left in running.values():
            left.kill()
            left.join()


def _worker_main(folder: Path, job: IndexJob) -> None:
    """The life of a process that writes an index: it tells its parent of an error by its exit status."""
    init_worker()
    try:
        write_index(folder, job, on_disk=True)
    except OSError as error:
        sys.exit(error.errno or errno.EIO)
    except MemoryError:
        sys.exit(errno.ENOMEM)


def _check_exit_status(status: int, folder: Path) -> None:
    """Raises OSError for a process that ended otherwise than well."""
    if status == -signal.SIGBUS:  # what a mapped file makes of a disk that is full
        status = errno.ENOSPC
    if status > 1:
        raise OSError(status, os.strerror(status), printable(folder))
    if status:
        said = f"signal {-status}: see that there is memory for it" if status < 0 else "an error of its own"
        raise ChildProcessError(f"A process that wrote an index in {printable(folder)} was ended by {said}.")


@contextlib.contextmanager
def _ascii_path(file: Path) -> Iterator[str]:
    """A name that Annoy takes, which is plain text alone: through its folder's descriptor every file has one."""
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{file.name}"
    finally:
        os.close(folder)
