"""Times each step of a frame's way on this machine: what it costs, and what that leaves of a second."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median, quantiles
from typing import Final

import numpy as np
from rich.console import Console
from rich.table import Table

from device import places
from device.camera import Frame, as_in_a_mirror
from device.layout import in_the_mirror, place, prepare
from device.screen import Screen, Shown, View
from index.library import Library, LibraryError
from index.match import Matcher
from models import figures
from models.estimator import Estimator
from models.fetch import DEFAULT, find
from models.pose import Image, Pose
from models.posenet import decode
from models.worker import EstimatorProcess

RUNS: Final = 60
CAMERA: Final = (640, 480)
CANVAS: Final = (1280, 720)


def bench(asked: argparse.Namespace) -> int:
    """Prints the median and the 95th percentile of each step, in milliseconds."""
    model = find(asked.model or DEFAULT)
    frames = [figures.perform(2.0 * i, *CAMERA) for i in range(8)]
    table = Table("step", "median ms", "p95 ms", "of what", box=None)
    with Estimator(model, size=asked.size) as estimator:
        size = estimator.size
        for name, times, of in _estimating(estimator, [image for image, _ in frames]):
            _row(table, name, times, of)
    with EstimatorProcess(model, device="cpu", size=asked.size) as process:
        process.warm()
        image = frames[0][0]
        of = "there and back through shared memory, with the estimate"
        _row(table, "process", _timed(lambda: process.estimate(image)), of)
    image = frames[0][0]
    frame = Frame(image, image, 0.0, mirrored=False)
    _row(table, "mirror", _timed(lambda: as_in_a_mirror(frame)), f"a camera's {CAMERA[0]}×{CAMERA[1]}")
    with _library() as library:
        if library is not None:
            matcher = Matcher(library)
            poses = [pose for _, pose in frames if pose.scores.sum() >= 3]
            of = f"among {len(library)} people and their mirror images"
            _row(table, "match", _timed(lambda i: matcher.find(poses[i % len(poses)], 64)), of)
            photo, pose = library.picture(0), library.pose(0)
            visitor = in_the_mirror(frames[0][1], CAMERA, CANVAS)
            _row(table, "photo", _timed(lambda: _laid(photo, pose, visitor)), "laid on the visitor, for 1280×720")
    for name, times, of in _drawing(frames[0][0], frames[0][1]):
        _row(table, name, times, of)
    Console().print(table)
    print(f"The model's input is {size[0]}×{size[1]} pixels.")
    return 0


def _estimating(estimator: Estimator, images: list[Image]) -> Iterator[tuple[str, list[float], str]]:
    of = f"{estimator.runtime} on the {estimator.device}, from {CAMERA[0]}×{CAMERA[1]}"
    yield "estimate", _timed(lambda i: estimator.estimate(images[i % len(images)])), of
    two = np.hstack([images[0][:, ::2], images[1][:, ::2]])
    heads = estimator.heads(two)
    people = len(decode(heads))
    of = f"{people} people at {heads.heat_maps.shape[0]}×{heads.heat_maps.shape[1]}, within the estimate"
    yield "decode", _timed(lambda: decode(heads)), of


def _drawing(image: Image, pose: Pose) -> Iterator[tuple[str, list[float], str]]:
    with Screen.open("headless", CANVAS) as screen:
        width, height = screen.size
        rng = np.random.default_rng(0)
        photos = [Shown(rng.integers(0, 255, (height, width, 3), np.uint8), "A credit line") for _ in range(2)]

        def draw(i: int) -> None:
            view = View(photos[i // 8 % 2], 0.8, image, pose, somebody=True)
            screen.draw(view, i / 30)

        yield "draw", _timed(draw), f"the screen at {width}×{height}, fading half of the time"


def _laid(photo: Image, pose: Pose, visitor: Pose) -> Image:
    size = photo.shape[1], photo.shape[0]
    return prepare(photo, place(size, CANVAS, pose, visitor), CANVAS)


@contextmanager
def _library() -> Iterator[Library | None]:
    """The starter library, where it has been drawn."""
    try:
        library = Library.open(places.starter())
    except LibraryError:
        yield None
        return
    with library:
        yield library


def _timed(step: Callable[..., object]) -> list[float]:
    """Milliseconds of each run, after three to warm up; a step that takes an argument gets the run's number."""
    counted = step.__code__.co_argcount == 1
    times = []
    for i in range(RUNS + 3):
        start = time.perf_counter()
        step(i) if counted else step()
        times.append((time.perf_counter() - start) * 1000)
    return times[3:]


def _row(table: Table, name: str, times: list[float], of: str) -> None:
    table.add_row(name, f"{median(times):.2f}", f"{quantiles(times, n=20)[-1]:.2f}", of)
