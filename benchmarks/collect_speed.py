"""Measure how many photographs a second a collection looks at, compared with the bare model on the same photographs.

    python -m benchmarks.collect_speed FOLDER MODEL.tflite [--workers N] [--photos N] [--times N]

A server in a process of its own has the photographs of FOLDER. The collection downloads, scans and chooses a third of
those that show somebody; the bare model (`estimate`) runs in as many processes with the decoded photographs in memory.
Both take turns, so that other work of the machine affects both. It takes a few minutes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.build_speed import is_readable, measure_bare
from index.build.people import estimator_factory
from index.build.scan import ScanSettings
from index.collect.collector import CollectOptions, fill
from index.collect.ledger import Ledger
from tests.index.collect.collecting import Listing
from tests.index.collect.photo_server import serve_photos


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.collect_speed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a folder of photographs")
    parser.add_argument("model", type=Path, metavar="MODEL.tflite")
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--workers", type=int, default=cores, metavar="N", help="photo workers (default: %(default)s)")
    parser.add_argument("--photos", type=int, default=1000, metavar="N", help="use N at most (default: %(default)s)")
    parser.add_argument("--times", type=int, default=3, metavar="N", help="repeat N times (default: %(default)s)")
    args = parser.parse_args()
    files = [file for file in sorted(args.folder.iterdir()) if is_readable(file)][: args.photos]
    ratios = []
    for _ in range(args.times):
        bare = measure_bare(files, args.model, args.workers)[1].rate
        rate, kept = measure_collection(files, args.model, args.workers)
        ratios.append(rate / bare)
        print(
            f"{len(files)} photographs, {args.workers} workers: collection {rate:.1f} a second ({kept} kept), bare "
            f"model {bare:.1f}: ratio {ratios[-1]:.2f}",
            flush=True,
        )
    print(f"median ratio {statistics.median(ratios):.2f}")


def measure_collection(files: Sequence[Path], model: Path, workers: int) -> tuple[float, int]:
    """Return how many photographs a second a collection looks at, from the first to the last, and how many it keeps."""
    times: list[float] = []
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=_serve, args=(theirs, files), daemon=True)
    server.start()
    source = Listing(ours.recv(), [file.name for file in files])
    options = CollectOptions(count=len(files) // 3, tries=3, workers=workers)
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder, "library"), source.name) as ledger:
        settings = ScanSettings(estimator_factory(model), ("m", "0" * 64))
        collected = fill(ledger, source, settings, options, lambda *_: times.append(time.perf_counter()))
    ours.send(None)
    server.join()
    return (collected.looked - 1) / (times[-1] - times[0]), collected.kept


def _serve(connection: Connection[Any, Any], files: Sequence[Path]) -> None:
    with serve_photos({file.name: file.read_bytes() for file in files}) as server:
        connection.send(server.url)
        connection.recv()


if __name__ == "__main__":
    main()
