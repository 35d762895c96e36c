"""Measure how many photos a second a build scans, compared with the bare model on the same photos.

    python -m benchmarks.build_speed FOLDER MODEL.tflite [--workers N] [--photos N] [--times N]

It needs a folder of photos and a model. With the defaults it takes a few minutes for each number of workers.

The bare model runs in as many processes, with the decoded photos in memory before the clock starts: once the network
alone (`heads`), once with its decoder (`estimate`). The build reads and decodes the files, finds and judges the
people, stores the pictures, indexes them, and writes the report; its clock also covers the start of its processes.
In a large build the start and the end are a small part, so `scanning` is the time from the first photo to the last
scan. Bare model and build take turns, so that other work of the machine affects both. Processor time is printed too,
as it is steadier than the clock.
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
from multiprocessing.queues import SimpleQueue
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
    """Photos a second by the clock, and milliseconds of processor time per photo."""

    rate: float
    cpu: float


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.build_speed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a folder of photos")
    parser.add_argument("model", type=Path, metavar="MODEL.tflite")
    cores = len(os.sched_getaffinity(0))
    parser.add_argument(
        "--workers", type=int, default=cores, metavar="N", help="measure with 1 to N processes (default: %(default)s)"
    )
    parser.add_argument(
        "--photos", type=int, default=1000, metavar="N", help="use N photos at most (default: %(default)s)"
    )
    parser.add_argument("--times", type=int, default=3, metavar="N", help="repeat N times (default: %(default)s)")
    args = parser.parse_args()
    files = [file for file in sorted(args.folder.iterdir()) if is_readable(file)][: args.photos]
    print(f"{len(files)} photos, medians of {args.times} runs: photos a second (ms of processor time per photo)")
    print("workers   bare heads      bare estimate   build           of heads  of estimate  scanning   of heads")
    for workers in range(1, args.workers + 1):
        heads, estimates, builds, scans = [], [], [], []
        for _ in range(args.times):
            network, estimate = measure_bare(files, args.model, workers)
            heads.append(network)
            estimates.append(estimate)
            build_run, scan_run = measure_build(files, args.model, workers)
            builds.append(build_run)
            scans.append(scan_run)
        shown = "   ".join(
            f"{statistics.median(run.rate for run in runs):6.1f} ({statistics.median(run.cpu for run in runs):4.1f})"
            for runs in (heads, estimates, builds)
        )
        of_heads, of_estimate = (rate_ratio(builds, baseline) for baseline in (heads, estimates))
        rate, of_scanning = statistics.median(run.rate for run in scans), rate_ratio(scans, heads)
        print(
            f"{workers:7}   {shown}   {of_heads:8.3f}   {of_estimate:10.3f}   {rate:7.1f}   {of_scanning:8.3f}",
            flush=True,
        )


def rate_ratio(runs: list[Throughput], baseline: list[Throughput]) -> float:
    """Return the median of the ratios between runs that took turns."""
    return statistics.median(run.rate / base.rate for run, base in zip(runs, baseline, strict=True))


def is_readable(file: Path) -> bool:
    try:
        pictures.load_picture(file, pictures.LONG_SIDE)
    except pictures.PictureError:
        return False
    return True


def measure_build(files: list[Path], model: Path, workers: int) -> tuple[Throughput, Throughput]:
    """Time a build from the call to the library on disk, and the part of it that scans photos."""
    scan_times: list[float] = []

    def note_progress(done: int, total: int | None, step: str) -> None:
        if step == "Scanning photos":
            scan_times.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder) / "photos"
        photos.mkdir()
        for file in files:
            (photos / file.name).symlink_to(file.resolve())
        start, cpu_start = time.perf_counter(), cpu_seconds()
        finder = estimator_factory(model)
        library = Path(folder) / "library"
        count = build(
            [photos],
            library,
            ScanSettings(finder, ("m", "0" * 64)),
            BuildOptions(workers=workers),
            progress=note_progress,
        ).scanned
        seconds, cpu = time.perf_counter() - start, (cpu_seconds() - cpu_start) / count * 1000
        return Throughput(count / seconds, cpu), Throughput(count / (scan_times[-1] - scan_times[0]), cpu)


def measure_bare(files: list[Path], model: Path, processes: int) -> tuple[Throughput, Throughput]:
    """Time the network alone and with its decoder, in several processes at once, each with its share of the photos."""
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(processes), context.SimpleQueue()
    workers = [
        context.Process(target=run_worker, args=(files[number::processes], model, barrier, answers))
        for number in range(processes)
    ]
    for process in workers:
        process.start()
    worker_times = [answers.get() for _ in workers]
    for process in workers:
        process.join()
    heads, estimate = ([times[kind] for times in worker_times] for kind in range(2))
    return combine_times(heads, len(files)), combine_times(estimate, len(files))


class Times(NamedTuple):
    """Seconds by the clock, and of processor time, that one process took for its photos."""

    photos: int
    clock: float
    cpu: float


def combine_times(times: list[Times], photos: int) -> Throughput:
    """Return the throughput of processes that ran at the same time."""
    return Throughput(
        sum(worker.photos / worker.clock for worker in times), sum(worker.cpu for worker in times) / photos * 1000
    )


def run_worker(files: list[Path], model: Path, barrier: Barrier, answers: SimpleQueue[list[Times]]) -> None:
    """Load the photos, then time the network alone and with its decoder, and put both `Times` into `answers`."""
    images = [pictures.load_picture(file, pictures.LONG_SIDE).image for file in files]
    with Estimator(model, threads=1) as estimator:
        estimator.estimate(images[0])
        answers.put([time_calls(call, images, barrier) for call in (estimator.heads, estimator.estimate)])


def time_calls(call: Callable[[Image], object], images: list[Image], barrier: Barrier) -> Times:
    """Wait for the other processes, then time a call for each image."""
    barrier.wait()
    start, cpu_start = time.perf_counter(), time.process_time()
    for image in images:
        call(image)
    return Times(len(images), time.perf_counter() - start, time.process_time() - cpu_start)


def cpu_seconds() -> float:
    """Return the processor time of this process and of the children it has waited for."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


if __name__ == "__main__":
    main()
