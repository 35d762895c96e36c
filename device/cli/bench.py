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
from device.cameras.base import Frame, mirror_frame
from device.display.layout import camera_to_display, place, prepare
from device.display.scene import PreparedPhoto, View
from device.display.screen import Screen
from index.errors import LibraryError
from index.library import Library
from index.match import Matcher
from models import figures
from models.estimator.estimator import Estimator
from models.estimator.fetch import AUTO, require_model
from models.estimator.posenet import decode
from models.estimator.watched import EstimatorProcess
from models.pose import Image, Pose

RUNS: Final = 60
CAMERA_SIZE: Final = (640, 480)
CANVAS_SIZE: Final = (1280, 720)
LARGE_MODEL_SIZE: Final = (481, 641)
"""A model's size with a grid of 31×41 cells."""


def bench(args: argparse.Namespace) -> int:
    """Prints the median and the 95th percentile of each step, in milliseconds."""
    model = require_model(args.model or AUTO)
    frames = [figures.perform(2.0 * i, *CAMERA_SIZE) for i in range(8)]
    images = [image for image, _ in frames]
    print(f"{'step':<10}{'median ms':>10}{'p95 ms':>8}")
    with Estimator(model, size=args.size) as estimator:
        times = _measure(lambda i: estimator.estimate(images[i % len(images)]))
        of = f"{estimator.runtime} on the {estimator.device}, {CAMERA_SIZE[0]}×{CAMERA_SIZE[1]} at {_format_size(estimator.size)}"
        _print_row("estimate", times, of)
    with EstimatorProcess(model, device="cpu", size=args.size) as process:
        process.wait_until_ready()
        _print_row("process", _measure(lambda: process.estimate(images[0])), "the same, in a process of its own")
    _bench_decoding(model, images)
    frame = Frame(images[0], images[0], 0.0, mirrored=False)
    _print_row("mirror", _measure(lambda: mirror_frame(frame)), f"a camera's {CAMERA_SIZE[0]}×{CAMERA_SIZE[1]}")
    _bench_matching([pose for _, pose in frames if pose.scores.sum() >= 3])
    _bench_drawing(*frames[0])
    return 0


def _bench_decoding(model: Path, images: list[Image]) -> None:
    two = np.hstack([image[:, CAMERA_SIZE[0] // 4 : -CAMERA_SIZE[0] // 4] for image in images[:2]])
    with Estimator(model, size=LARGE_MODEL_SIZE) as estimator:
        heads = estimator.heads(two)
    grid = _format_size(heads.heat_maps.shape[:2])
    _print_row(
        "decode", _measure(lambda: decode(heads)), f"{len(decode(heads))} people at {grid}, as part of an estimate"
    )


def _bench_matching(poses: list[Pose]) -> None:
    try:
        library = Library.open(places.starter_folder())
    except LibraryError as error:
        print(f"match: {error}")
        return
    with library:
        matcher = Matcher(library)
        of = f"among {len(library)} people and their mirror images"
        _print_row("match", _measure(lambda i: matcher.find(poses[i % len(poses)], 64)), of)
        photo, pose = library.picture(0), library.pose(0)
        visitor = camera_to_display(poses[0], CAMERA_SIZE, CANVAS_SIZE)
        _print_row(
            "photo",
            _measure(lambda: _prepare_photo(photo, pose, visitor)),
            f"laid on the visitor, for {_format_size(CANVAS_SIZE)}",
        )


def _bench_drawing(image: Image, pose: Pose) -> None:
    with Screen.open("headless", CANVAS_SIZE) as screen:
        width, height = screen.size
        rng = np.random.default_rng(0)
        photos = [PreparedPhoto(rng.integers(0, 255, (height, width, 3), np.uint8), "A credit line") for _ in range(2)]

        def draw(i: int) -> None:
            screen.draw(View(photos[i // 8 % 2], 0.8, image, pose, visitor_present=True), i / 30)

        _print_row("draw", _measure(draw), f"the screen at {width}×{height}, fading half of the time")


def _prepare_photo(photo: Image, pose: Pose, visitor: Pose) -> Image:
    size = photo.shape[1], photo.shape[0]
    return prepare(photo, place(size, CANVAS_SIZE, pose, visitor), CANVAS_SIZE)


def _measure(step: Callable[..., object]) -> list[float]:
    """Milliseconds of each run, after three to warm up; a step that takes an argument gets the run's number."""
    counted = step.__code__.co_argcount == 1
    times = []
    for i in range(RUNS + 3):
        start = time.perf_counter()
        step(i) if counted else step()
        times.append((time.perf_counter() - start) * 1000)
    return times[3:]


def _print_row(step: str, times: list[float], of: str) -> None:
    print(f"{step:<10}{median(times):>10.2f}{quantiles(times, n=20)[-1]:>8.2f}  {of}", flush=True)


def _format_size(size: tuple[int, ...]) -> str:
    return "×".join(map(str, size))
