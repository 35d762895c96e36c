"""Draws scenes in batches, in processes of its own. Each batch is used several times, mirrored and in another light."""

from __future__ import annotations

import math
import multiprocessing as mp
import os
import queue
from collections.abc import Sequence
from multiprocessing.queues import Queue
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from models.pose import Floats
from models.processes import init_worker
from models.train.variety import similarity_transform, warp

BANK_SIZE: Final = 10_000
"""People in each process's bank, once it is full."""
RENEWED_PER_BATCH: Final = 6
"""People of a full bank that are replaced with each batch."""
GALLERY_SIZE: Final = 1_200
"""Pictures in each process's gallery."""
ADDED_PER_BATCH: Final = 40
"""People that join the bank with each batch until it is full, so that training need not wait for all of them."""
MAX_QUEUED: Final = 8
"""Most batches that wait for training in the queue."""
USES_PER_BATCH: Final = 4
"""How often training uses a batch."""
POOL_LIMITS: Final = (40, 160)
"""The least and the most batches in the pool that training picks from, so that no batch is used twice in a row."""
NICENESS: Final = 19
"""Drawing runs at the lowest priority: training's threads wait for each other, so a delay of one delays them all."""


class Batch(NamedTuple):
    """Scenes: `images` is B×S×S×3, `people` B×P×17×3 (see `models.train.studio.Scene`; all 0 where there is no
    person)."""

    images: npt.NDArray[np.uint8]
    people: Floats

    def augmented(self, rng: np.random.Generator) -> Batch:
        """Return the same scenes, half of them mirrored, each slightly scaled, turned and moved."""
        size = self.images.shape[1]
        images, people = np.empty_like(self.images), np.empty_like(self.people)
        middle = np.full(2, (size - 1) / 2)
        for number in range(len(images)):
            mirror = bool(rng.random() < 0.5)
            scale, turn = math.exp(rng.normal(0, 0.14)), float(rng.normal(0, 0.12))
            transform = similarity_transform(scale, turn, middle, middle + rng.normal(0, 0.04, 2) * size, mirror)
            images[number], people[number] = warp(self.images[number], self.people[number], transform, size)
        return Batch(images, people)


class Supply:
    """Supplies batches of `batch_size` scenes that `processes` draw. A context manager.

    `size` may change at any time.
    """

    def __init__(
        self, seed: Sequence[int], batch_size: int, size: int, mocap_files: Sequence[Path], processes: int
    ) -> None:
        context = mp.get_context("spawn")
        self._size: Synchronized[int] = context.Value("i", size)
        self._filled: Queue[Batch] = context.Queue(MAX_QUEUED)
        self._used: list[tuple[Batch, int]] = []
        self._rng = np.random.default_rng([*seed, 9])
        self._processes = [
            context.Process(
                target=_draw_batches,
                args=(self._filled, self._size, [*seed, n], batch_size, list(mocap_files)),
                daemon=True,
            )
            for n in range(processes)
        ]

    def __enter__(self) -> Self:
        for process in self._processes:
            process.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.kill()
            process.join()
        self._filled.cancel_join_thread()

    @property
    def size(self) -> int:
        return int(self._size.value)

    @size.setter
    def size(self, size: int) -> None:
        """Side of a scene in pixels."""
        self._size.value = size

    def next_batch(self) -> Batch:
        """Return a new batch if one is ready, else a used one, varied; each is used `USES_PER_BATCH` times.

        Raises RuntimeError when a process that draws has ended.
        """
        try:
            new = self._filled.get_nowait() if len(self._used) >= POOL_LIMITS[0] else self._wait_for_batch()
        except queue.Empty:
            batch, uses = self._used.pop(int(self._rng.integers(len(self._used))))
            if uses > 1:
                self._used.append((batch, uses - 1))
            return batch.augmented(self._rng)
        if len(self._used) >= POOL_LIMITS[1]:  # drawing is faster than training
            self._used.pop(int(self._rng.integers(len(self._used))))
        self._used.append((new, USES_PER_BATCH - 1))
        return new

    def _wait_for_batch(self) -> Batch:
        while True:
            try:
                return self._filled.get(timeout=5)
            except queue.Empty:
                statuses = [process.exitcode for process in self._processes if process.exitcode is not None]
                if statuses:
                    raise RuntimeError(
                        f"A process that draws scenes ended with status {statuses[0]}: see its error above."
                    ) from None


def _draw_batches(filled: Queue[Batch], size: Any, seed: list[int], count: int, mocap_files: list[Path]) -> None:
    """Draw batches until the process is killed."""
    init_worker()
    os.nice(NICENESS)
    from models.train.bank import Bank
    from models.train.gallery import Gallery
    from models.train.mocap import load_poses
    from models.train.studio import MAX_PEOPLE, SceneGenerator

    rng = np.random.default_rng(seed)
    bank = Bank(rng, 400, load_poses(mocap_files) if mocap_files else None)
    gallery = Gallery(rng, GALLERY_SIZE)
    studio = SceneGenerator(bank, gallery, int(rng.integers(1 << 31)))
    while True:
        side = int(size.value)
        images = np.empty((count, side, side, 3), np.uint8)
        people = np.zeros((count, MAX_PEOPLE, 17, 3), np.float32)
        for number in range(count):
            scene = studio.generate(side)
            images[number] = scene.image
            people[number, : len(scene.people)] = scene.people
        if rng.random() < (1.0 if len(gallery.pictures) < GALLERY_SIZE // 2 else 0.5):
            gallery.grow(1)
        filled.put(Batch(images, people))
        if len(bank.people) < BANK_SIZE:
            bank.grow(ADDED_PER_BATCH)
        else:
            bank.renew(RENEWED_PER_BATCH)
