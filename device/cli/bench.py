"""Time each step between camera and display on this machine."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles
from typing import Final

import numpy as np

from device import folders
from device.cameras.base import Frame, mirror_frame
from device.display.continuation import prepare
from device.display.layout import camera_to_display, place
from device.display.panes import arrange
from device.display.screen import Screen
from device.display.views import PreparedPhoto, ShownAnswer, View
from index.errors import LibraryError
from index.library import Library
from index.match import Matcher
from models import figures
from models.estimator.estimator import Estimator
from models.estimator.model_files import AUTO, require_model
from models.estimator.posenet import decode
from models.estimator.watched import EstimatorOptions, EstimatorProcess
from models.pose import Image, Pose

RUNS: Final = 60
"""Times each step is measured: enough for a 95th percentile, and some seconds a step on a Pi."""

WARM_UP_RUNS: Final = 3
"""Runs that do not count: the first ones fill caches and allocate memory."""

CAMERA_SIZE: Final = (640, 480)
"""Width and height in pixels of the frames: the default of `[camera]`."""

CANVAS_SIZE: Final = (1280, 720)
"""Width and height in pixels that is drawn at."""

TOP_MATCHES: Final = 64
"""Matches that are searched for: as many as the mirror asks for with the default `[choose] remember`."""

LARGE_MODEL_SIZE: Final = (481, 641)
"""Height and width in pixels at which the model's grid has 31×41 cells: decoding takes the longer, the more cells."""


def bench(args: argparse.Namespace) -> int:
    """Print the median and the 95th percentile of each step, in milliseconds."""
    model = require_model(args.model or AUTO)
    frames = [figures.perform(2.0 * i, *CAMERA_SIZE) for i in range(8)]
    images = [image for image, _ in frames]
    print(f"{'step':<10}{'median ms':>10}{'p95 ms':>8}")
    with Estimator(model, size=args.size) as estimator:
        times = _measure(lambda i: estimator.estimate(images[i % len(images)]))
        device, model_size = estimator.device, _format_size(estimator.size)
        note = f"{estimator.runtime} on the {device}, a frame of {_format_size(CAMERA_SIZE)} at {model_size}"
        _print_row("estimate", times, note)
    with EstimatorProcess(model, options=EstimatorOptions(device="cpu", size=args.size)) as process:
        process.wait_until_ready()
        _print_row("process", _measure(lambda: process.estimate(images[0])), "the same in a process of its own")
    _bench_decoding(model, images)
    frame = Frame(images[0], images[0], 0.0, mirrored=False)
    _print_row("mirror", _measure(lambda: mirror_frame(frame)), f"a frame of {_format_size(CAMERA_SIZE)}")
    _bench_matching([pose for _, pose in frames if pose.scores.sum() >= 3])
    _bench_drawing(*frames[0])
    return 0


def _bench_decoding(model: Path, images: list[Image]) -> None:
    quarter = CAMERA_SIZE[0] // 4
    two_people = np.hstack([image[:, quarter:-quarter] for image in images[:2]])
    with Estimator(model, size=LARGE_MODEL_SIZE) as estimator:
        heads = estimator.heads(two_people)
    grid = _format_size(heads.heat_maps.shape[:2])
    _print_row(
        "decode",
        _measure(lambda: decode(heads)),
        f"{len(decode(heads))} people in a grid of {grid}; part of an estimate",
    )


def _bench_matching(poses: list[Pose]) -> None:
    try:
        library = Library.open(folders.starter_folder())
    except LibraryError as error:
        print(f"match: {error}")
        return
    with library:
        matcher = Matcher(library)
        times = _measure(lambda i: matcher.find(poses[i % len(poses)], TOP_MATCHES))
        _print_row("match", times, f"among {len(library)} people and their mirror images")
        photo, pose = library.picture(0), library.pose(0)
        visitor = camera_to_display(poses[0], CAMERA_SIZE, CANVAS_SIZE)
        _print_row(
            "photo",
            _measure(lambda: _prepare_photo(photo, pose, visitor)),
            f"placed on the visitor, on a canvas of {_format_size(CANVAS_SIZE)}",
        )


def _bench_drawing(image: Image, pose: Pose) -> None:
    with Screen.open("headless", CANVAS_SIZE) as screen:
        width, height = screen.size
        rng = np.random.default_rng(0)
        pane = arrange((width, height), "side").answers[0]
        shape = pane.height, pane.width, 3
        photos = [PreparedPhoto(rng.integers(0, 255, shape, np.uint8), "A credit line") for _ in range(2)]

        def draw(i: int) -> None:
            answer = ShownAnswer(photos[i // 8 % 2], pose, 0.8)
            screen.draw(View(answers=(answer,), camera_image=image), i / 30)

        _print_row("draw", _measure(draw), f"a canvas of {width}×{height}, fading half of the time")


def _prepare_photo(photo: Image, pose: Pose, visitor: Pose) -> Image:
    size = photo.shape[1], photo.shape[0]
    return prepare(photo, place(size, CANVAS_SIZE, pose, visitor), CANVAS_SIZE)


def _measure(step: Callable[..., object]) -> list[float]:
    """Return the milliseconds of each run. A step that takes an argument gets the number of the run."""
    takes_number = step.__code__.co_argcount == 1
    times = []
    for i in range(RUNS + WARM_UP_RUNS):
        start = time.perf_counter()
        step(i) if takes_number else step()
        times.append((time.perf_counter() - start) * 1000)
    return times[WARM_UP_RUNS:]


def _print_row(step: str, times: list[float], note: str) -> None:
    print(f"{step:<10}{median(times):>10.2f}{quantiles(times, n=20)[-1]:>8.2f}  {note}", flush=True)


def _format_size(size: tuple[int, ...]) -> str:
    return "×".join(map(str, size))
