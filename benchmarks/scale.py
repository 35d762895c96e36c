"""Print and draw how finding and building scale from 80,000 poses to 10 million.

    python -m benchmarks.scale PEOPLE.npz FOLDER [--poses N,N...] [--plot FILE.svg]

It gives the curve of docs/explanation/finding-the-photo.md. PEOPLE.npz is as for benchmarks/matching.py. A person
and their mirror image are two poses. The first 40,055 people are COCO's; the rest are copies of these with each key
point moved a little at random. Every size is built in FOLDER, queried and removed (`--keep` leaves it). The figures
go to FOLDER/scale.jsonl, one line for each size. A size that has a line is not measured again, so the same command
resumes a stopped run. The plot shows all lines, and needs matplotlib (the extra `bench`). The default sizes take
hours, and gigabytes of memory and disk.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.matching import best_likeness, classify_people, percentiles, run_matcher
from index.build.photo import NewPose
from index.build.writer import LibraryWriter
from index.library import Library
from index.match import find_exhaustively
from models.pose import Floats, Pose

DEFAULT_SIZES = "80110,200000,500000,1000000,2000000,5000000,10000000"

JITTER = 0.03
"""How far a copy's key points move in each direction, as a share of the person's size: a wrist's width or two."""

SEED = 20180719
"""Seeds the copies, so that all runs build the same libraries."""

BATCH_SIZE = 10_000
"""Copies that are made at once."""

ROUNDS = 3
"""Rounds in which all queries are asked, after one round that loads what they need into memory."""

INK = "#7d8590"
"""Colour of axes and text …"""
BLUE, ORANGE, GREEN = "#2f81f7", "#db6d28", "#2da44e"
"""… and of lines, all readable on white and on black."""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("people", type=Path, metavar="PEOPLE.npz", help="people of COCO")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a folder for libraries and figures")
    parser.add_argument(
        "--poses", default=DEFAULT_SIZES, metavar="N,N...", help="sizes to measure (default: %(default)s)"
    )
    parser.add_argument(
        "--queries", type=int, default=100, metavar="N", help="queries of each kind (default: %(default)s)"
    )
    parser.add_argument(
        "--judged",
        type=int,
        default=20,
        metavar="N",
        help="queries of each kind that are compared with the best (default: %(default)s)",
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw all figures measured so far")
    parser.add_argument("--keep", action="store_true", help="leave the libraries in the folder")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    results = args.folder / "scale.jsonl"
    with np.load(args.people) as people:
        keypoints, held_out = people["keypoints"].astype(np.float32), people["is_val"].astype(bool)
    seen = keypoints[:, :, 2] > 0
    library = keypoints[~held_out & seen[:, 5:].all(1)]
    queries = [keypoints[held_out & is_kind][: args.queries] for is_kind in classify_people(keypoints, seen).values()]
    for poses in sorted({int(size) for size in args.poses.split(",")}):
        if poses not in read_results(results):
            folder = args.folder / f"{poses}-poses"
            line = {
                "poses": poses,
                **measure_build(library, poses // 2, folder),
                **measure_queries(folder, queries, args.judged),
            }
            with results.open("a") as file:
                print(json.dumps(line), file=file)
            if not args.keep:
                shutil.rmtree(folder)
    print_table(list(read_results(results).values()))
    if args.plot:
        plot(list(read_results(results).values()), args.plot)


def read_results(results: Path) -> dict[int, dict[str, Any]]:
    """Return the figures measured so far by the number of poses, the latest ones for each number."""
    lines = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    return {line["poses"]: line for line in sorted(lines, key=lambda line: line["poses"])}


def jittered_copies(people: Floats, count: int) -> Iterator[Floats]:
    """Yield `count` people, 17×3 each: the given ones, then copies of them with their key points moved a little."""
    rng = np.random.default_rng(SEED)
    yield from people[:count]
    seen = people[:, :, 2] > 0
    points = np.where(seen[:, :, None], people[:, :, :2], np.nan)
    size = np.sqrt(np.prod(np.nanmax(points, 1) - np.nanmin(points, 1), 1))
    for start in range(len(people), count, BATCH_SIZE):
        numbers = np.arange(start, min(start + BATCH_SIZE, count)) % len(people)
        copies = people[numbers].copy()
        moves = rng.normal(0, JITTER, (len(copies), 17, 2)) * size[numbers, None, None]
        copies[:, :, :2] += np.where(seen[numbers, :, None], moves, 0).astype(np.float32)
        yield from copies


def measure_build(people: Floats, count: int, folder: Path) -> dict[str, Any]:
    """Build a library in a process of its own, and return how long that took and how much memory it needed."""
    start = time.perf_counter()
    process = multiprocessing.get_context("fork").Process(target=_build_library, args=(people, count, folder))
    process.start()
    with MemoryWatch(process.pid or 0) as memory:
        process.join()
    if process.exitcode:
        sys.exit(f"The build of {count:,} people ended with status {process.exitcode}: see its message above.")
    return {
        "people": count,
        "build_s": round(time.perf_counter() - start, 1),
        "build_own_bytes": memory.own,
        "build_resident_bytes": memory.resident,
    }


def _build_library(people: Floats, count: int, folder: Path) -> None:
    def progress(done: int, total: int | None, step: str) -> None:
        print(f"\r{count:,} people: {step} {done:,} of {total:,}" if total else "", end="", file=sys.stderr, flush=True)

    with LibraryWriter(folder) as writer:
        for number, person in enumerate(jittered_copies(people, count)):
            writer.add_pose(NewPose(person))
            if number % 100_000 == 0:
                progress(number, count, "Writing")
        writer.finish(progress=progress)
    print(file=sys.stderr)


class MemoryWatch:
    """Watches the most memory that a process and its descendants need, in bytes, while it is entered."""

    def __init__(self, process: int) -> None:
        self.own = self.resident = 0
        self._process, self._over = process, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> MemoryWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.2):
            uses = [_memory_use(process) for process in _process_tree(self._process)]
            self.own = max(self.own, sum(own for own, _ in uses))
            self.resident = max(self.resident, sum(own + mapped for own, mapped in uses))


def _process_tree(process: int) -> list[int]:
    """Return a process and all its descendants."""
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return []
    return [process, *(descendant for child in children for descendant in _process_tree(int(child)))]


def _memory_use(process: int) -> tuple[int, int]:
    """Return the bytes of a process's own, and those of mapped files, which the system can take back."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0, 0
    sizes = {
        name: 1024 * int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines) if "Rss" in name
    }
    return sizes.get("RssAnon", 0), sizes.get("RssFile", 0) + sizes.get("RssShmem", 0)


def measure_queries(folder: Path, queries: list[Floats], judged: int) -> dict[str, Any]:
    """Ask a library all queries, and some of them by an exhaustive search as well."""
    start = time.perf_counter()
    with Library.open(folder) as library:
        opened = time.perf_counter() - start
        size = sum(file.bytes for file in library.manifest.files.values())
        poses = [Pose.from_keypoints(query) for kind in queries for query in kind]
        first, *times = [run_matcher(library, poses)[0] for _ in range(1 + ROUNDS)]
        median, late = percentiles(times)
        found, best, exhaustive_ms = [], [], []
        for pose in (Pose.from_keypoints(query) for kind in queries for query in kind[:judged]):
            found.append(run_matcher(library, [pose])[1][0])
            start = time.perf_counter()
            best.append(best_likeness(find_exhaustively(library, pose, 1)))
            exhaustive_ms.append((time.perf_counter() - start) * 1000)
            print(f"\r{len(library):,} people: {len(best)} queries judged", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        return {
            "shards": library.manifest.shards,
            "bytes": size,
            "open_s": round(opened, 2),
            "queries": len(poses),
            "first_ms": round(float(np.median(first)), 3),
            "median_ms": round(median, 3),
            "p95_ms": round(late, 3),
            "judged": len(best),
            "found": round(float(np.mean(found)), 4),
            "best": round(float(np.mean(best)), 4),
            "exhaustive_ms": round(float(np.median(exhaustive_ms)), 1),
            "load": round(os.getloadavg()[0], 1),
        }


def print_table(lines: list[dict[str, Any]]) -> None:
    """Print a row for each size."""
    print(
        "| poses | shards | built in | disk | memory, own | with mapped files | opened in | median, ms | p95, ms |"
        " found ÷ best |\n|---|---|---|---|---|---|---|---|---|---|"
    )
    for line in lines:
        gigabytes = [line[name] / 1e9 for name in ("bytes", "build_own_bytes", "build_resident_bytes")]
        print(
            f"| {line['poses']:,} | {line['shards']} | {line['build_s']:,.0f} s | {gigabytes[0]:.2f} GB | "
            f"{gigabytes[1]:.2f} GB | {gigabytes[2]:.2f} GB | {line['open_s']:.1f} s | {line['median_ms']:.2f} | "
            f"{line['p95_ms']:.2f} | {line['found'] / line['best']:.4f} |"
        )


def plot(lines: list[dict[str, Any]], file: Path) -> None:
    """Draw time, quality and the needs of a build over the number of poses."""
    import matplotlib
    from matplotlib import pyplot

    matplotlib.use("Agg")
    matplotlib.rcParams.update(
        {"svg.hashsalt": "pose-mirror", "font.size": 10, "axes.spines.top": False, "axes.spines.right": False}
    )
    for name in ("text.color", "axes.edgecolor", "axes.labelcolor", "axes.titlecolor", "xtick.color", "ytick.color"):
        matplotlib.rcParams[name] = INK
    poses = [line["poses"] for line in lines]
    figure, (times, shares, needs) = pyplot.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
    series = (
        (times, "exhaustive_ms", "exhaustive search", ORANGE, 1.0, "s:"),
        (times, "p95_ms", "p95", BLUE, 1.0, "o--"),
        (times, "median_ms", "median", BLUE, 1.0, "o-"),
        (needs, "build_s", "build, minutes", GREEN, 60, "^-"),
        (needs, "bytes", "on disk, GB", BLUE, 1e9, "o-"),
        (needs, "build_own_bytes", "memory to build, GB", ORANGE, 1e9, "s-"),
    )
    for axes, name, label, colour, unit, style in series:
        axes.plot(poses, [line[name] / unit for line in lines], style, color=colour, label=label, markersize=4)
    shares.plot(poses, [line["found"] / line["best"] for line in lines], "o-", color=BLUE, markersize=4)
    shares.set(title="likeness found ÷ best", ylim=(0.95, 1.0))
    times.set(title="milliseconds a query", yscale="log")
    needs.set(title="to build", yscale="log")
    for axes in (times, shares, needs):
        axes.set(xlabel="poses", xscale="log")
        axes.grid(color=INK, alpha=0.3, linewidth=0.5)
        for axis in (axes.xaxis, axes.yaxis) if axes is not shares else (axes.xaxis,):
            axis.set_major_formatter(lambda value, _: format_number(value))
    times.legend(frameon=False, fontsize=9, loc="center right")
    needs.legend(frameon=False, fontsize=9)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, transparent=True, metadata={"Date": None} if file.suffix == ".svg" else None)


def format_number(value: float) -> str:
    """Return a number for an axis: 0.1, 1, 10, 100 k, 10 M."""
    for unit, name in ((1e6, " M"), (1e3, " k")):
        if value >= unit:
            return f"{value / unit:g}{name}"
    return f"{value:g}"


if __name__ == "__main__":
    main()
