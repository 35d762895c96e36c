"""Print how late the mirror is: from motion to the screen, to the first answer, and with four visitors.

    python -m benchmarks.mirror_delays [--model NAME] [--seconds N]

The whole mirror runs, without a display, in front of a scripted camera: nobody, the performer, nobody, … The first
table says how long after its capture a frame with a visitor is drawn, how long the estimator takes meanwhile, and how
long after a visitor's first frame the first answer is drawn. The second table compares the processor's time of a frame,
from the camera to the placed photos, for one and for four visitors with `[follow] people = "all"`. It needs the shared
data, and takes a minute and a half.
"""

from __future__ import annotations

import argparse
import itertools
import os
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Final, Self
from unittest import mock

import numpy as np
import numpy.typing as npt

from benchmarks.answer_mirror import Clock, RepeatingCamera
from benchmarks.following import ONE, crowd_video
from benchmarks.gif_cost import photos_of_people
from benchmarks.screen_cost import DISPLAY, mirrored_performer
from device.button import Button
from device.cameras.base import SILENT_AFTER, Frame
from device.current_library import CurrentLibrary
from device.display.screen import Screen
from device.feedback import open_feedback
from device.follow import FollowSettings
from device.mirror import MirrorParts, run_mirror
from device.moment import Moment
from device.recording.recorder import Recorder
from device.recording.saving import GifWriter
from device.sensing import FramePipeline, PipelineSettings, Sense
from index.library import Library
from models.estimator.catalogue import DEFAULT_MODEL
from models.estimator.estimator import Estimator
from models.estimator.model_files import find_model
from models.estimator.watched import EstimatorOptions, EstimatorProcess
from models.pose import Image, Pose
from tests.support.libraries import write_library
from tests.support.passers_by import read_video
from tests.support.paths import SHARED

CAMERA_FPS: Final = 30
SCREEN_FPS: Final = 30

AWAY_SECONDS: Final = 2.0
"""Seconds without anybody between two visits …"""
VISIT_SECONDS: Final = 3.0
"""… and those of a visit."""

CROWD_FRAMES: Final = 150
"""Frames for which visitors are compared, at the camera's rate …"""
CROWD_START: Final = 30
"""… after so many in which they become visitors."""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.mirror_delays",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", default=DEFAULT_MODEL, help=f"the estimator's model (default: {DEFAULT_MODEL})")
    parser.add_argument("--seconds", type=float, default=40.0, help="seconds for which the mirror runs (default: 40)")
    args = parser.parse_args()
    model = find_model(args.model)
    print(f"Load average at the start: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    with tempfile.TemporaryDirectory() as scratch:
        write_library(photos_of_people(), Path(scratch) / "library")
        with CurrentLibrary(Library.open(Path(scratch) / "library")) as library:
            print_delays(model, library, Path(scratch), args.seconds)
        with Estimator(model) as estimator:
            print_visitors(estimator, Path(scratch) / "library")
    print(f"\nLoad average at the end: {os.getloadavg()[0]:.1f}")


class ScriptedCamera:
    """Shows nobody and the performer in turn, already mirrored, at a steady rate; late frames are dropped."""

    def __init__(self) -> None:
        self._pictures = [
            mirrored_performer(number / CAMERA_FPS)[0] for number in range(round(VISIT_SECONDS * CAMERA_FPS))
        ]
        self._empty = np.full_like(self._pictures[0], 110)
        self._start, self.number = time.monotonic(), -1
        self.arrivals: list[float] = []

    def latest(self, timeout: float = SILENT_AFTER) -> Frame:
        due = int((time.monotonic() - self._start) * CAMERA_FPS)
        self.number = max(self.number + 1, due)
        captured_at = self._start + self.number / CAMERA_FPS
        time.sleep(max(0.0, captured_at - time.monotonic()))
        seconds = self.number / CAMERA_FPS % (AWAY_SECONDS + VISIT_SECONDS) - AWAY_SECONDS
        if seconds < 0:
            return Frame(self._empty, self._empty, captured_at, mirrored=True)
        image = self._pictures[int(seconds * CAMERA_FPS) % len(self._pictures)]
        visit = captured_at - seconds
        if not self.arrivals or visit - self.arrivals[-1] > 1:
            self.arrivals.append(visit)
        return Frame(image, image, captured_at, mirrored=True)

    def close(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class TimedEstimator:
    """An estimator that is timed for each frame of a camera: the mirror may look at a frame twice."""

    note = None
    device = "cpu"

    def __init__(self, estimator: EstimatorProcess, camera: ScriptedCamera) -> None:
        self._estimator, self._camera = estimator, camera
        self.milliseconds: dict[int, float] = {}

    @property
    def crop_size(self) -> tuple[int, int]:
        return self._estimator.crop_size

    def estimate(self, image: Image, size: tuple[int, int] | None = None) -> list[Pose]:
        start = time.perf_counter()
        people = self._estimator.estimate(image, size)
        elapsed = 1000 * (time.perf_counter() - start)
        self.milliseconds[self._camera.number] = self.milliseconds.get(self._camera.number, 0.0) + elapsed
        return people


class Watcher:
    """Notes how late each frame with a visitor is on the screen, and when each visit's first answer is."""

    def __init__(self, camera: ScriptedCamera) -> None:
        self._camera = camera
        self._frame: Frame | None = None
        self.delays: list[float] = []
        self.first_answers: list[float] = []
        self.drawn: list[float] = []

    def on_drawn(self, moment: Moment, now: float) -> None:
        self.drawn.append(now)
        if moment.frame is None or moment.frame is self._frame:
            return
        self._frame = moment.frame
        if moment.visitor is None:
            return
        self.delays.append(1000 * (now - moment.frame.captured_at))
        if len(self.first_answers) < len(self._camera.arrivals) and moment.photo is not None:
            self.first_answers.append(now - self._camera.arrivals[-1])


def print_delays(model: Path, library: CurrentLibrary, scratch: Path, seconds: float) -> None:
    """Run the mirror, and print how late it is."""
    with ExitStack() as stack:
        screen = stack.enter_context(Screen.open("headless", DISPLAY))
        process = stack.enter_context(EstimatorProcess(model, None, EstimatorOptions(device="cpu")))
        process.wait_until_ready()
        camera = ScriptedCamera()
        estimator = TimedEstimator(process, camera)
        feedback = stack.enter_context(open_feedback(0, 0.0))
        button = stack.enter_context(Button(0))
        writer = stack.enter_context(GifWriter(scratch / "gifs"))
        sense = stack.enter_context(Sense(FramePipeline(camera, estimator, library), DISPLAY))
        watcher = Watcher(camera)
        parts = MirrorParts(screen, sense, Recorder(writer), button, feedback)
        run_mirror(parts, fps=SCREEN_FPS, seconds=seconds, callbacks=[watcher.on_drawn])
    inference, display = np.array(list(estimator.milliseconds.values())), 1000 * np.diff(watcher.drawn)
    camera_interval, middle = 1000 / CAMERA_FPS, float(np.median(inference))
    allowed = camera_interval + middle + float(np.median(display))
    print(f"| {model.stem}, {DISPLAY[0]}×{DISPLAY[1]} | median | p95 |\n|---|---|---|")
    print(f"| estimator, for a frame | {quantiles(inference)} |")
    print(f"| from one picture on the screen to the next | {quantiles(display)} |")
    print(f"| capture to screen, {len(watcher.delays)} frames with a visitor | {quantiles(watcher.delays)} |")
    print(f"| one camera interval + estimator + one display interval | {allowed:.0f} ms | |")
    firsts = [1000 * first for first in watcher.first_answers]
    print(f"| first frame with a visitor to the first answer, {len(firsts)} visits | {quantiles(firsts)} |", flush=True)


def quantiles(milliseconds: npt.ArrayLike) -> str:
    """Return the cells with the median and the 95th percentile; dashes if there is nothing."""
    values = np.asarray(milliseconds)
    return " | ".join(f"{np.quantile(values, share):.0f} ms" if values.size else "–" for share in (0.5, 0.95))


def print_visitors(estimator: Estimator, folder: Path) -> None:
    """Print the processor's time of a frame with one and with four visitors, which take turns."""
    _, film = read_video(SHARED / "videos" / ONE)
    counts = 1, 4
    settings = PipelineSettings(follow=FollowSettings(people="all"))
    used: dict[int, list[float]] = {count: [] for count in counts}
    seen: dict[int, int] = {}
    with ExitStack() as stack:
        clocks = {count: Clock() for count in counts}
        pipelines, moments = {}, dict.fromkeys(counts, Moment(DISPLAY))
        for count in counts:
            video = itertools.islice(itertools.cycle(list(crowd_video(film, count))), CROWD_FRAMES + CROWD_START)
            camera = RepeatingCamera(list(video), clocks[count], CAMERA_FPS)
            library = stack.enter_context(CurrentLibrary(Library.open(folder)))
            pipelines[count] = FramePipeline(camera, estimator, library, settings)
        for number in range(CROWD_FRAMES + CROWD_START - 1):
            for count in counts:
                with mock.patch("device.sensing.time", SimpleNamespace(monotonic=clocks[count].monotonic)):
                    start = time.process_time()
                    moments[count] = pipelines[count].next_moment(moments[count], DISPLAY)
                    milliseconds = 1000 * (time.process_time() - start)
                if number >= CROWD_START:
                    used[count].append(milliseconds)
                    seen[count] = max(seen.get(count, 0), len(moments[count].answered))
    print("\n| visitors | CPU of a frame, median | mean |\n|---|---|---|")
    for count in counts:
        print(f"| {seen[count]} | {np.median(used[count]):.1f} ms | {np.mean(used[count]):.1f} ms |")
    one, four = used[1], used[4]
    print(f"| four, of one | {np.median(four) / np.median(one):.2f} | {np.mean(four) / np.mean(one):.2f} |")


if __name__ == "__main__":
    main()
