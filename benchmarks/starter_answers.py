"""Measure how well the starter library answers real people's poses, and what drawing it costs.

    python -m benchmarks.starter_answers [--people PEOPLE.npz] [--count N] [--workers N] [--sheet SHEET.jpg]

PEOPLE.npz holds people of COCO: `keypoints` N×17×3, and `is_val`. The held-out people who are large enough are the
queries. Each is answered by the drawn person most alike, mirrored or not. Drawing all pictures takes a few minutes.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from benchmarks.answer_visitors import limbs_shown
from benchmarks.matching import classify_people
from index.build.photo import NewPicture
from index.build.starter import PICTURE_COUNT, draw_new_picture
from index.build.writer import LibraryWriter
from index.likeness import compare, make_query, part_table
from models.figures import draw_picture
from models.pose import Floats, Pose

REPORT_COUNTS = (400, 1500, 3000, 6000)
"""Numbers of pictures after which the answers are judged."""
MAX_PEOPLE = 700
"""Most people of each kind who ask."""
SHEET_COLUMNS, SHEET_ROWS = 8, 5
"""Pictures across and down a contact sheet …"""
TILE_SIZE = 200, 200
"""… and the width and height of each, in pixels."""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.starter_answers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--people", type=Path, metavar="PEOPLE.npz", help="people of COCO, to ask for their poses")
    parser.add_argument(
        "--count", type=int, default=PICTURE_COUNT, metavar="N", help="pictures to draw (default: %(default)s)"
    )
    parser.add_argument(
        "--workers", type=int, default=2, metavar="N", help="processes that draw (default: %(default)s)"
    )
    parser.add_argument("--sheet", type=Path, metavar="SHEET.jpg", help="also write a contact sheet here, as JPEG")
    args = parser.parse_args()
    if args.sheet:
        write_contact_sheet(args.sheet)
    people: list[Floats] = []
    numbers: list[int] = []
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "library"
        with LibraryWriter(library) as writer:
            for number, picture in enumerate(draw_in_processes(args.count, args.workers)):
                writer.add(picture)
                people += picture.people
                numbers += [number] * len(picture.people)
            writer.finish()
        seconds = time.perf_counter() - start
        size = sum(file.stat().st_size for file in library.rglob("*") if file.is_file())
    cpu_seconds = sum(
        usage.ru_utime + usage.ru_stime
        for usage in (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )
    print(f"{args.count} pictures, {len(people)} people: {seconds:.0f} s with {args.workers} processes, ", end="")
    print(f"{cpu_seconds / args.count * 1000:.0f} ms of a core and {size / args.count / 1000:.1f} kB each, ", end="")
    print(f"{size / 1e6:.0f} MB in all")
    if args.people:
        print_coverage(args.people, np.array(people, np.float32), np.array(numbers))


def draw_in_processes(count: int, workers: int) -> Iterator[NewPicture]:
    """Draw pictures in several processes; adds the people to `items`, and the numbers of their pictures to
    `numbers`."""
    with ProcessPoolExecutor(workers, get_context("spawn"), cv2.setNumThreads, (1,)) as pool:
        yield from pool.map(draw_new_picture, range(count), chunksize=8)


def print_coverage(file: Path, drawn_people: np.ndarray, numbers: np.ndarray) -> None:
    """Print how well the most alike of the first pictures answer people of each kind, by the true poses of both."""
    with np.load(file) as loaded:
        keypoints, held_out = loaded["keypoints"].astype(np.float32), loaded["is_val"].astype(bool)
    table = part_table(drawn_people[:, :, :2], (drawn_people[:, :, 2] > 0).astype(np.float32))[0]
    drawn = [Pose.from_keypoints(person) for person in drawn_people]
    counts = [count for count in REPORT_COUNTS if count <= numbers[-1] + 1]
    for kind, is_kind in classify_people(keypoints, keypoints[:, :, 2] > 0).items():
        people = [Pose.from_keypoints(person) for person in keypoints[held_out & is_kind][:MAX_PEOPLE]]
        answers = np.array([answer(person, table, drawn, np.searchsorted(numbers, counts)) for person in people])
        for count, (likeness, limbs) in zip(counts, np.nanmean(answers, axis=0), strict=True):
            print(f"{kind:8} {count:5} pictures: likeness {likeness:.3f}, limbs {limbs:.3f} of {len(people)} people")


def answer(person: Pose, table: np.ndarray, drawn: list[Pose], ends: npt.NDArray[np.intp]) -> list[tuple[float, float]]:
    """Return the likeness of the most alike among the first people, and the limbs it shows, for each end."""
    query = make_query(person.xy, person.visibility)
    ways = [compare(query, table, np.full(len(table), mirrored)) for mirrored in (False, True)]
    found = []
    for end in ends.tolist():
        mirrored = bool(ways[1][:end].max() > ways[0][:end].max())
        best = int(ways[mirrored][:end].argmax())
        shown = drawn[best].mirrored(0) if mirrored else drawn[best]
        found.append((float(ways[mirrored][best]), limbs_shown(person, shown)))
    return found


def write_contact_sheet(file: Path) -> None:
    """Write the first pictures side by side, each in a tile of the same shape."""
    rows = []
    for row in range(SHEET_ROWS):
        rows.append(
            np.hstack([_make_tile(draw_picture(row * SHEET_COLUMNS + column).image) for column in range(SHEET_COLUMNS)])
        )
    Pillow.fromarray(np.vstack(rows)).save(file, "JPEG", quality=84, optimize=True)


def _make_tile(image: np.ndarray) -> np.ndarray:
    """Return the whole picture in a tile, on a blurred enlargement of itself."""
    width, height = TILE_SIZE
    ground = cv2.GaussianBlur(cv2.resize(image, TILE_SIZE, interpolation=cv2.INTER_AREA), (0, 0), 12)
    scale = min(width / image.shape[1], height / image.shape[0])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)[:height, :width]
    left, top = (width - small.shape[1]) // 2, (height - small.shape[0]) // 2
    ground[top : top + small.shape[0], left : left + small.shape[1]] = small
    return np.asarray(ground)


if __name__ == "__main__":
    main()
