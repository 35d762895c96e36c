"""How many photos a second a build looks at, beside the bare model in as many processes, on the same photos.

    python -m benchmarks.build_speed FOLDER MODEL.tflite [--workers N] [--photos N] [--times N]

The bare model has the decoded pictures in memory before the clock starts: once the network alone (`heads`), once with
its decoder (`estimate`). The build reads and decodes the files, finds and judges the people, stores the pictures,
indexes, and writes the report; its clock also covers the start of its processes. Of a large build the start and the end
are a small part: `looking` is the time from the first photo asked for to the last one looked at. Bare and build take
turns, so that whatever else the machine does falls on both; processor time is printed too, as it is steadier than the
clock.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import NamedTuple

from index import pictures
from index.build.people import estimator_factory
from index.build.pipeline import BuildOptions, build
from index.build.scan import ScanSettings
from models.estimator.estimator import Estimator
from models.pose import Image


class Throughput(NamedTuple):
    """Photos a second by the clock, and milliseconds of processor time a photo."""

    rate: float
    cpu: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)), help="from 1 up to so many")
    parser.add_argument("--photos", type=int, default=1000, help="at most")
    parser.add_argument("--times", type=int, default=3, help="how often each is measured")
    asked = parser.parse_args()
    files = [file for file in sorted(asked.folder.iterdir()) if is_readable(file)][: asked.photos]
    print(f"{len(files)} photos; {asked.times} times, medians; photos a second (ms of processor time a photo)")
    print("workers   bare heads      bare estimate   build           of heads  of estimate   looking   of heads")
    for workers in range(1, asked.workers + 1):
        heads, estimates, builds, looking = [], [], [], []
        for _ in range(asked.times):
            network, whole = measure_bare(files, asked.model, workers)
            heads.append(network)
            estimates.append(whole)
            whole_build, while_looking = measure_build(files, asked.model, workers)
            builds.append(whole_build)
            looking.append(while_looking)
        shown = "   ".join(
            f"{statistics.median(run.rate for run in runs):6.1f} ({statistics.median(run.cpu for run in runs):4.1f})"
            for runs in (heads, estimates, builds)
        )
        of_heads, of_estimate = (rate_ratio(builds, others) for others in (heads, estimates))
        rate, of_looking = statistics.median(run.rate for run in looking), rate_ratio(looking, heads)
        print(
            f"{workers:7}   {shown}   {of_heads:8.3f}   {of_estimate:10.3f}   {rate:7.1f}   {of_looking:8.3f}",
            flush=True,
        )


def rate_ratio(some: list[Throughput], others: list[Throughput]) -> float:
    return statistics.median(one.rate / other.rate for one, other in zip(some, others, strict=True))


def is_readable(file: Path) -> bool:
    try:
        pictures.load_picture(file, pictures.LONG_SIDE)
    except pictures.PictureError:
        return False
    return True


def measure_build(files: list[Path], model: Path, workers: int) -> tuple[Throughput, Throughput]:
    """A build of the photos, from the call to the library on the disk; and the part of it in which it looks at them."""
    looking: list[float] = []

    def told(done: int, total: int | None, what: str) -> None:
        if what == "Scanning photos":
            looking.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder) / "photos"
        photos.mkdir()
        for file in files:
            (photos / file.name).symlink_to(file.resolve())
        start, used = time.perf_counter(), cpu_seconds()
        finder = estimator_factory(model)
        library = Path(folder) / "library"
        count = build(
            [photos], library, ScanSettings(finder, ("m", "0" * 64)), BuildOptions(workers=workers), progress=told
        ).scanned
        seconds, cpu = time.perf_counter() - start, (cpu_seconds() - used) / count * 1000
        return Throughput(count / seconds, cpu), Throughput(count / (looking[-1] - looking[0]), cpu)


def measure_bare(files: list[Path], model: Path, processes: int) -> tuple[Throughput, Throughput]:
    """The network alone and with its decoder, in so many processes at once, each with its share of the photos."""
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(processes), context.SimpleQueue()
    started = [
        context.Process(target=run_worker, args=(files[number::processes], model, barrier, answers))
        for number in range(processes)
    ]
    for process in started:
        process.start()
    told = [answers.get() for _ in started]
    for process in started:
        process.join()
    heads, estimate = ([times[kind] for times in told] for kind in range(2))
    return combine_times(heads, len(files)), combine_times(estimate, len(files))


class Times(NamedTuple):
    """Seconds by the clock and of processor time that one process took for its photos."""

    photos: int
    clock: float
    cpu: float


def combine_times(times: list[Times], photos: int) -> Throughput:
    return Throughput(sum(one.photos / one.clock for one in times), sum(one.cpu for one in times) / photos * 1000)


def run_worker(files: list[Path], model: Path, barrier: Barrier, answers: multiprocessing.SimpleQueue) -> None:
    images = [pictures.load_picture(file, pictures.LONG_SIDE).image for file in files]
    with Estimator(model, threads=1) as estimator:
        estimator.estimate(images[0])
        answers.put([time_calls(call, images, barrier) for call in (estimator.heads, estimator.estimate)])


def time_calls(call: Callable[[Image], object], images: list[Image], barrier: Barrier) -> Times:
    barrier.wait()
    start, used = time.perf_counter(), time.process_time()
    for image in images:
        call(image)
    return Times(len(images), time.perf_counter() - start, time.process_time() - used)


def cpu_seconds() -> float:
    """Of this process and of those that it has waited for."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


if __name__ == "__main__":
    main()
