"""How much of the best agreement the matcher finds, and how fast, on real people.

    python benchmarks/match.py PEOPLE.npz [--library complete|all] [--queries N]

PEOPLE.npz holds people of COCO: `keypoints` N×17×3, and `is_val`, who are asked for; the others are the library.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from index.library import Library
from index.match import Matcher, exhaustive
from index.writer import NewItem, write_library
from models.pose import Pose

SMALLEST = 60.0
"""Pixels, the root of the points' box: the points of smaller people are labelled too roughly to compare."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("people", type=Path)
    arguments.add_argument("--library", choices=("complete", "all"), default="complete")
    arguments.add_argument("--queries", type=int, default=10_000, help="of each kind, at most")
    asked = arguments.parse_args()
    with np.load(asked.people) as people:
        keypoints, held_out = people["keypoints"].astype(np.float32), people["is_val"].astype(bool)
    seen = keypoints[:, :, 2] > 0
    wanted = seen[:, 5:].all(1) if asked.library == "complete" else seen.any(1)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        size = write_library((NewItem(None, one) for one in keypoints[~held_out & wanted]), Path(folder) / "library")
        built = time.perf_counter()
        with Library.open(Path(folder) / "library") as library:
            megabytes = sum(file.bytes for file in library.manifest.files.values()) / 1e6
            print(f"{size} people: built in {built - start:.1f} s, {megabytes:.0f} MB, ", end="")
            print(f"opened in {time.perf_counter() - built:.2f} s")
            for kind, of_this_kind in kinds(keypoints, seen).items():
                report(kind, library, keypoints[held_out & of_this_kind][: asked.queries])


def kinds(keypoints: np.ndarray, seen: np.ndarray) -> dict[str, np.ndarray]:
    """Which people are whole, shown to the waist, and shown in parts."""
    points = np.where(seen[:, :, None], keypoints[:, :, :2], np.nan)
    points[~seen.any(1)] = 0
    large = np.sqrt(np.prod(np.nanmax(points, 1) - np.nanmin(points, 1), 1)) > SMALLEST
    count = seen.sum(1)
    return {
        "whole": large & seen[:, 5:].all(1),
        "upper": large & seen[:, 5:9].all(1) & ~seen[:, 13:].any(1),
        "partial": large & (count >= 8) & (count <= 13) & seen[:, 5:7].any(1) & seen[:, 11:].any(1),
    }


def report(kind: str, library: Library, queries: np.ndarray) -> None:
    """Asks all queries of a kind, and prints how well and how fast."""
    matcher = Matcher(library)
    found, milliseconds = [], []
    poses = [Pose.from_keypoints(query) for query in queries]
    for pose in poses:
        start = time.perf_counter()
        found.append(matcher.find(pose, 1)[0].agreement)
        milliseconds.append((time.perf_counter() - start) * 1000)
    best = [exhaustive(library, pose, 1)[0].agreement for pose in poses]
    median, late = np.percentile(milliseconds, (50, 95))
    print(
        f"{kind:8} {len(queries):4} queries: found {np.mean(found):.4f}, best {np.mean(best):.4f}, "
        f"share {np.mean(found) / np.mean(best):.4f}, median {median:.2f} ms, p95 {late:.2f} ms"
    )
    sys.stdout.flush()


if __name__ == "__main__":
    main()
