"""Measure how fast the tables of Open Images are read, compared with Python's `csv` alone on the same file.

    python -m benchmarks.open_images_tables [--rows N] [--times N]

It makes a table of boxes as Open Images has it, and has no other tables to read. `csv` alone parses the rows and drops
them. `prepare` finds the people in them, and keeps their boxes in SQLite. Both take turns, so that other work of the
machine affects both. Each pass of `prepare` is a process of its own, whose peak of memory is printed, too.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Final, NamedTuple

from index.collect.open_images_store import Store
from index.collect.open_images_tables import TABLES, read_table

HEADER: Final = (
    "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside,"
    "XClick1X,XClick2X,XClick3X,XClick4X,XClick1Y,XClick2Y,XClick3Y,XClick4Y\n"
)

PEOPLE: Final = ("/m/01g317", "/m/04yx4", "/m/03bt1vf", "/m/01bl7v", "/m/05r655")

PEOPLE_SHARE: Final = 0.23
"""Share of people's boxes: of 14.6 million, Man has 1.4, Person 1.0, Woman 0.8, Girl 0.1 and Boy 0.08 million."""

BOXES_PER_IMAGE: Final = 8


Reading = Callable[[Path, Path], None]
"""Reads a table, with a folder for what it keeps."""


class Pass(NamedTuple):
    """One reading of the table: seconds by the clock and of the processor, and the peak of memory in MB."""

    seconds: float
    cpu: float
    megabytes: float


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.open_images_tables",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--rows", type=int, default=500_000, metavar="N", help="rows of the table (default: %(default)s)"
    )
    parser.add_argument("--times", type=int, default=5, metavar="N", help="repeat N times (default: %(default)s)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        table = Path(name) / "boxes.csv"
        with table.open("w", encoding="utf-8") as opened:
            opened.writelines(make_rows(args.rows))
        print(f"{args.rows:,} rows, {table.stat().st_size / 1e6:,.0f} MB, medians of {args.times} passes")
        alone, prepared = [], []
        for number in range(args.times):
            alone.append(measure(read_alone, table, Path(name)))
            prepared.append(measure(prepare, table, Path(name) / f"store-{number}"))
        for what, passes in (("csv alone", alone), ("prepare", prepared)):
            seconds, cpu, peak = (statistics.median(values) for values in zip(*passes, strict=True))
            print(f"{what:<10} {args.rows / seconds:9,.0f} rows/s   {cpu:5.2f} s of processor   {peak:4.0f} MB at most")
        ratios = [first.seconds / second.seconds for first, second in zip(alone, prepared, strict=True)]
        cpu_ratios = [first.cpu / second.cpu for first, second in zip(alone, prepared, strict=True)]
        print(
            f"prepare reads {statistics.median(ratios):.2f} as fast ({statistics.median(cpu_ratios):.2f} by processor)"
        )
        store = Path(name) / "store-0" / "open-images.sqlite"
        print(f"the store has {store.stat().st_size / 1e6:.1f} MB")


def make_rows(count: int) -> Iterator[str]:
    """Yield the lines of a table of boxes, with the images in the order of their names as the real one has them."""
    chance = random.Random(1)
    others = [f"/m/0{number:x}" for number in range(10_000, 10_596)]
    yield HEADER
    image = 0
    for number in range(count):
        if number % BOXES_PER_IMAGE == 0:
            image += chance.randrange(1, (1 << 63) // count)
        label = chance.choice(PEOPLE if chance.random() < PEOPLE_SHARE else others)
        numbers = [f"{chance.random():.6f}" for _ in range(12)]
        corners, clicks = ",".join(numbers[:4]), ",".join(numbers[4:])
        flags = f"{chance.randrange(2)},{chance.randrange(2)},0,0,0"
        yield f"{image:016x},xclick,{label},1,{corners},{flags},{clicks}\n"


def measure(read: Reading, table: Path, folder: Path) -> Pass:
    """Run a reading in a process of its own."""
    context = multiprocessing.get_context("spawn")
    answers: SimpleQueue[Pass] = context.SimpleQueue()
    process = context.Process(target=run, args=(read, table, folder, answers))
    process.start()
    answer = answers.get()
    process.join()
    return answer


def run(read: Reading, table: Path, folder: Path, answers: SimpleQueue[Pass]) -> None:
    """Time a reading, and put the `Pass` into `answers`."""
    start, cpu_start = time.perf_counter(), time.process_time()
    read(table, folder)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    answers.put(Pass(seconds, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000))


def read_alone(table: Path, folder: Path) -> None:
    """Parse the table and drop its rows."""
    with table.open(encoding="utf-8", newline="") as opened:
        for _ in csv.reader(opened):
            pass


def prepare(table: Path, folder: Path) -> None:
    """Read the table as `pose-mirror index collect` does."""
    with Store(folder) as store:
        read_table(store, TABLES["train"][0], str(table))


if __name__ == "__main__":
    main()
