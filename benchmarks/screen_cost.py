"""Print what the screen costs: a picture of it against a bare cross-fade, and the attract loop's share of a core.

    python -m benchmarks.screen_cost [--seconds N]

A cross-fade of two surfaces as large as the display is the least that a mirror with soft changes can do, so it is the
yardstick: SDL's, which draws one surface and another one over it, and OpenCV's, which takes less. They are timed in
turn with `Scene.draw`, as other programs may slow them down; their ratios are of the processor's time, which differs
less. In the layout "side" the answer covers less than half of the display, and the visitor as much. It needs the shared
data, and takes a minute and a half. `benchmarks.mirror_delays` prints how late the screen is.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

import cv2
import numpy as np
import pygame

from device.answer import ATTRACT_STEP
from device.display.attract import attract_panes
from device.display.backdrop import BGRX_MASKS, Pixels
from device.display.continuation import prepare
from device.display.layout import Size, cover
from device.display.panes import Layout, arrange
from device.display.scene import Scene
from device.display.screen import Screen
from device.display.views import PreparedPhoto, Recorded, ShownAnswer, View
from device.glow import ButtonState
from device.guidance import STEP_BACK
from device.language.message import message
from models.figures import perform
from models.pose import Image, Pose
from tests.support.coco_photos import load_photos
from tests.support.paths import SHARED

DISPLAY: Final[Size] = (1920, 1080)
FPS: Final = 30
CAMERA: Final[Size] = (640, 480)

FRAMES: Final = 240
"""Pictures of each state that are timed …"""
WARM_UP: Final = 130
"""… after so many that are not: the first ones draw letters and rings that are kept."""

PHOTO_FRAMES: Final = 45
"""Frames for which a photo stays: visitors see a new one every one or two seconds."""

CREDIT: Final = "Photo by somebody with a long name, CC BY 2.0, commons.wikimedia.org"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.screen_cost",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=30.0, help="seconds of the attract loop (default: 30)")
    args = parser.parse_args()
    pygame.font.init()
    print(f"Load average at the start: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    print_pictures()
    print_attract(args.seconds)
    print(f"\nLoad average at the end: {os.getloadavg()[0]:.1f}")


def print_pictures() -> None:
    """Print the times of a cross-fade and of `Scene.draw` with everything on the screen."""
    jobs: dict[str, Callable[[int], None]] = {
        "cross-fade by OpenCV": opencv_fade(),
        "cross-fade by SDL": sdl_fade(),
    }
    layouts: tuple[Layout, ...] = "side", "full"
    for layout in layouts:
        jobs[f"{layout}, everything"] = scene_job(layout, everything_views(layout, PHOTO_FRAMES))
        jobs[f"{layout}, everything, photos always fade"] = scene_job(layout, everything_views(layout, 2))
        jobs[f"{layout}, a photo, a visitor and the button"] = scene_job(layout, plain_views(layout))
    wall: dict[str, list[float]] = {name: [] for name in jobs}
    cpu: dict[str, list[float]] = {name: [] for name in jobs}
    for number in range(WARM_UP + FRAMES):
        for name, job in jobs.items():
            started, used = time.perf_counter(), time.process_time()
            job(number)
            if number >= WARM_UP:
                wall[name].append(1000 * (time.perf_counter() - started))
                cpu[name].append(1000 * (time.process_time() - used))
    print(f"| {DISPLAY[0]}×{DISPLAY[1]} | CPU, median | of SDL's | of OpenCV's | p99 of SDL's | median ms | p99 ms |")
    print("|---|---|---|---|---|---|---|")
    sdl, opencv = cpu["cross-fade by SDL"], cpu["cross-fade by OpenCV"]
    for name in jobs:
        median, p99 = np.median(cpu[name]), np.quantile(cpu[name], 0.99)
        ratios = median / np.median(sdl), median / np.median(opencv), p99 / np.quantile(sdl, 0.99)
        cells = median, *ratios, np.median(wall[name]), np.quantile(wall[name], 0.99)
        print(f"| {name} | {' | '.join(f'{cell:.2f}' for cell in cells)} |", flush=True)


def opencv_fade() -> Callable[[int], None]:
    """Return a job that cross-fades two pictures as `device.display.backdrop` does."""
    old, new = (random_pixels(seed) for seed in (0, 1))
    canvas = np.empty_like(old)

    def fade(number: int) -> None:
        share = (number % 20 + 0.5) / 20
        cv2.addWeighted(old, 1 - share, new, share, 0, dst=canvas)

    return fade


def sdl_fade() -> Callable[[int], None]:
    """Return a job that lays a picture over another one, with an opacity."""
    old, new = (
        pygame.image.frombuffer(random_pixels(seed).tobytes(), DISPLAY, "BGRA").convert(32, 0) for seed in (0, 1)
    )
    canvas = pygame.Surface(DISPLAY, 0, 32, BGRX_MASKS)

    def fade(number: int) -> None:
        canvas.blit(old, (0, 0))
        new.set_alpha(round(255 * (number % 20 + 0.5) / 20))
        canvas.blit(new, (0, 0))

    return fade


def random_pixels(seed: int) -> Pixels:
    """Return a picture of noise."""
    return np.random.default_rng(seed).integers(0, 256, (DISPLAY[1], DISPLAY[0], 4), np.uint8)


def scene_job(layout: Layout, views: Iterator[View]) -> Callable[[int], None]:
    """Return a job that draws the next view at the mirror's rate."""
    canvas, scene = pygame.Surface(DISPLAY, 0, 32, BGRX_MASKS), Scene(layout)

    def draw(number: int) -> None:
        scene.draw(canvas, next(views), number / FPS)

    return draw


def everything_views(layout: Layout, photo_frames: int) -> Iterator[View]:
    """Yield views with all that can be on the screen at once; another photo comes every so many frames."""
    for number, view in enumerate(plain_views(layout, photo_frames)):
        answer = replace(view.answers[0], celebration=number / FPS % 1)
        yield replace(
            view,
            answers=(answer,),
            others=tuple(answer.visitor for answer in view.answers if answer.visitor is not None),
            hint=STEP_BACK,
            trouble=message("One moment, please"),
            needs_care=True,
            recorded=Recorded(countdown=3 - number // FPS % 3, portrayal=message("The camera's picture is kept")),
            button=ButtonState("countdown", number // FPS),
            holds=True,
        )


def plain_views(layout: Layout, photo_frames: int = PHOTO_FRAMES) -> Iterator[View]:
    """Yield views of a visitor who moves, with the answer; another photo comes every so many frames."""
    pane = arrange(DISPLAY, layout).answers[0].size
    photos = [placed_photo(photo.image, pane) for photo in load_photos(SHARED, 8)]
    seen = [mirrored_performer(number / FPS) for number in range(60)]
    for number in itertools.count():
        image, visitor = seen[number % len(seen)]
        photo = photos[number // photo_frames % len(photos)]
        yield View(answers=(ShownAnswer(photo, visitor, 0.5 + 0.5 * math.sin(number / 20)),), camera_image=image)


def placed_photo(photo: Image, pane: Size) -> PreparedPhoto:
    """Return a photo that fills a pane, as it would be prepared in the sense thread."""
    return PreparedPhoto(prepare(photo, cover((photo.shape[1], photo.shape[0]), pane), pane), CREDIT)


def mirrored_performer(seconds: float) -> tuple[Image, Pose]:
    """Return the performer as the mirror sees them, and their pose."""
    image, pose = perform(seconds, *CAMERA)
    return np.ascontiguousarray(image[:, ::-1]), pose.mirrored(CAMERA[0])


def print_attract(seconds: float) -> None:
    """Print the share of a core that the attract loop's main thread takes."""
    photo = next(iter(load_photos(SHARED, 1))).image
    photos = [placed_photo(photo, attract_panes(DISPLAY)[1].size) for _ in range(2)]
    with Screen.open("headless", DISPLAY) as screen:
        used: list[float] = []
        start = time.monotonic()
        cpu = time.thread_time()
        process = time.process_time()
        while (now := time.monotonic()) - start < seconds:
            screen.poll_events(now)
            before = time.thread_time()
            answer = photos[int(now / ATTRACT_STEP) % len(photos)]
            screen.draw(View(idle_photo=answer, pictures=153_045, holds=True), now)
            used.append(1000 * (time.thread_time() - before))
            time.sleep(max(0.0, 1 / FPS - (time.monotonic() - now)))
        elapsed = time.monotonic() - start
        thread, everything = time.thread_time() - cpu, time.process_time() - process
    print("\n| the attract loop | |\n|---|---|")
    print(f"| pictures a second | {len(used) / elapsed:.1f} |")
    print(f"| CPU of a picture, median | {np.median(used):.2f} ms |")
    print(f"| share of a core, main thread | {100 * thread / elapsed:.1f} % |")
    print(f"| share of a core, all threads | {100 * everything / elapsed:.1f} % |")


if __name__ == "__main__":
    main()
