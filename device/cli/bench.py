"""Times each step of a frame's way on this machine: what it costs, and what that leaves of a second."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles
from typing import Final

import numpy as np

from device import folders as places
from device.cameras.base import Frame, as_in_a_mirror
from device.display.layout import in_the_mirror, place, prepare
from device.display.screen import Screen, Shown, View
from index.library import Library, LibraryError
from index.match import Matcher
from models import figures
from models.estimator.estimator import Estimator
from models.estimator.fetch import AUTO, taken
from models.estimator.posenet import decode
from models.estimator.watched import EstimatorProcess
from models.pose import Image, Pose

RUNS: Final = 60
CAMERA: Final = (640, 480)
CANVAS: Final = (1280, 720)
LARGE: Final = (481, 641)
"""A model's size with a grid of 31×41 cells."""


def bench(asked: argparse.Namespace) -> int:
    """Prints the median and the 95th percentile of each step, in milliseconds."""
    model = taken(asked.model or AUTO)
    frames = [figures.perform(2.0 * i, *CAMERA) for i in range(8)]
    images = [image for image, _ in frames]
    print(f"{'step':<10}{'median ms':>10}{'p95 ms':>8}")
    with Estimator(model, size=asked.size) as estimator:
        times = _timed(lambda i: estimator.estimate(images[i % len(images)]))
        of = f"{estimator.runtime} on the {estimator.device}, {CAMERA[0]}×{CAMERA[1]} at {_by(estimator.size)}"
        _tell("estimate", times, of)
    with EstimatorProcess(model, device="cpu", size=asked.size) as process:
        process.warm()
        _tell("process", _timed(lambda: process.estimate(images[0])), "the same, in a process of its own")
    _decoding(model, images)
    frame = Frame(images[0], images[0], 0.0, mirrored=False)
    _tell("mirror", _timed(lambda: as_in_a_mirror(frame)), f"a camera's {CAMERA[0]}×{CAMERA[1]}")
    _matching([pose for _, pose in frames if pose.scores.sum() >= 3])
    _drawing(*frames[0])
    return 0


def _decoding(model: Path, images: list[Image]) -> None:
    two = np.hstack([image[:, CAMERA[0] // 4 : -CAMERA[0] // 4] for image in images[:2]])
    with Estimator(model, size=LARGE) as estimator:
        heads = estimator.heads(two)
    grid = _by(heads.heat_maps.shape[:2])
    _tell("decode", _timed(lambda: decode(heads)), f"{len(decode(heads))} people at {grid}, as part of an estimate")


def _matching(poses: list[Pose]) -> None:
    try:
        library = Library.open(places.starter())
    except LibraryError as error:
        print(f"match: {error}")
        return
    with library:
        matcher = Matcher(library)
        of = f"among {len(library)} people and their mirror images"
        _tell("match", _timed(lambda i: matcher.find(poses[i % len(poses)], 64)), of)
        photo, pose = library.picture(0), library.pose(0)
        visitor = in_the_mirror(poses[0], CAMERA, CANVAS)
        _tell("photo", _timed(lambda: _laid(photo, pose, visitor)), f"laid on the visitor, for {_by(CANVAS)}")


def _drawing(image: Image, pose: Pose) -> None:
    with Screen.open("headless", CANVAS) as screen:
        width, height = screen.size
        rng = np.random.default_rng(0)
        photos = [Shown(rng.integers(0, 255, (height, width, 3), np.uint8), "A credit line") for _ in range(2)]

        def draw(i: int) -> None:
            screen.draw(View(photos[i // 8 % 2], 0.8, image, pose, somebody=True), i / 30)

        _tell("draw", _timed(draw), f"the screen at {width}×{height}, fading half of the time")


def _laid(photo: Image, pose: Pose, visitor: Pose) -> Image:
    size = photo.shape[1], photo.shape[0]
    return prepare(photo, place(size, CANVAS, pose, visitor), CANVAS)


def _timed(step: Callable[..., object]) -> list[float]:
    """Milliseconds of each run, after three to warm up; a step that takes an argument gets the run's number."""
    counted = step.__code__.co_argcount == 1
    times = []
    for i in range(RUNS + 3):
        start = time.perf_counter()
        step(i) if counted else step()
        times.append((time.perf_counter() - start) * 1000)
    return times[3:]


def _tell(step: str, times: list[float], of: str) -> None:
    print(f"{step:<10}{median(times):>10.2f}{quantiles(times, n=20)[-1]:>8.2f}  {of}", flush=True)


def _by(size: tuple[int, ...]) -> str:
    return "×".join(map(str, size))
