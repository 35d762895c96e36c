"""Print tables of docs/explanation/finding-the-photo.md: how much of the best agreement is found, and how fast.

    python -m benchmarks.matching PEOPLE.npz [--library complete|all] [--queries N] [--vptree] [--photos FOLDER]

PEOPLE.npz holds people of COCO: `keypoints` N×17×3, `image_id`, and `is_val`, who are asked for; the others are the
library. `--vptree` asks Move Mirror's tree the same in turns with ours (Node, and `npm install` in benchmarks/vptree).
`--photos` asks for the people whom PoseNet finds in a folder of COCO's photos, instead of for labelled ones.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image as pillow

from benchmarks.vptree.move_mirror import Tree, mirrored, nearest_weighted, pose_vectors
from index.agreement import agreement
from index.library import Library
from index.match import Matcher, find_exhaustively
from models.estimator.catalogue import DEFAULT_MODEL
from models.estimator.estimator import Estimator, size_for
from models.estimator.model_files import find_model
from models.pose import Floats, Pose
from models.seen import LIBRARY_SCORE
from tests.support.libraries import NewItem, write_library

MIN_BOX_SIZE = 60.0
"""Pixels, the root of the points' box: the points of smaller people are labelled too roughly to compare."""

MIN_POSE_SCORE = 0.25
"""The score from which PoseNet found somebody, as the mirror has it."""

QUERIES_PER_TURN = 100
"""Queries that one asks before it is the other's turn."""


class Queries(NamedTuple):
    """Of one kind: the poses, and the best agreement that there is for each."""

    kind: str
    poses: list[Pose]
    best: Floats


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("people", type=Path)
    arguments.add_argument("--library", choices=("complete", "all"), default="complete")
    arguments.add_argument("--queries", type=int, default=10_000, help="of each kind, at most")
    arguments.add_argument("--rounds", type=int, default=3, help="in which all queries are asked")
    arguments.add_argument("--vptree", action="store_true", help="ask Move Mirror's tree as well")
    arguments.add_argument("--photos", type=Path, metavar="FOLDER", help="ask for whom PoseNet finds in these photos")
    asked = arguments.parse_args()
    with np.load(asked.people) as people:
        keypoints, held_out = people["keypoints"].astype(np.float32), people["is_val"].astype(bool)
        images = people["image_id"]
    seen = keypoints[:, :, 2] > 0
    chosen = ~held_out & (seen[:, 5:].all(1) if asked.library == "complete" else seen.any(1))
    if asked.photos:
        poses = estimate_queries(asked.photos, set(images[chosen].tolist()))
    else:
        poses = {
            kind: [Pose.from_keypoints(one) for one in keypoints[held_out & those]]
            for kind, those in classify_people(keypoints, seen).items()
        }
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        size = write_library((NewItem(None, one) for one in keypoints[chosen]), Path(folder) / "library")
        built = time.perf_counter()
        with Library.open(Path(folder) / "library") as library:
            megabytes = sum(file.bytes for file in library.manifest.files.values()) / 1e6
            print(f"{size} people: built in {built - start:.1f} s, {megabytes:.0f} MB, ", end="")
            print(f"opened in {time.perf_counter() - built:.2f} s\n", flush=True)
            queries = [
                Queries(kind, some, np.array([find_exhaustively(library, pose, 1)[0].agreement for pose in some]))
                for kind, some in ((kind, every[: asked.queries]) for kind, every in poses.items())
            ]
            if asked.vptree:
                print_comparison(library, keypoints[chosen], queries, asked.rounds)
            else:
                print_report(library, queries, asked.rounds)


def classify_people(keypoints: np.ndarray, seen: np.ndarray) -> dict[str, np.ndarray]:
    """Which people are whole, shown to the waist, and shown in parts."""
    points = np.where(seen[:, :, None], keypoints[:, :, :2], np.nan)
    points[~seen.any(1)] = 0
    large = np.sqrt(np.prod(np.nanmax(points, 1) - np.nanmin(points, 1), 1)) > MIN_BOX_SIZE
    count = seen.sum(1)
    return {
        "whole": large & seen[:, 5:].all(1),
        "upper": large & seen[:, 5:9].all(1) & ~seen[:, 13:].any(1),
        "partial": large & (count >= 8) & (count <= 13) & seen[:, 5:7].any(1) & seen[:, 11:].any(1),
    }


def estimate_queries(folder: Path, known: set[int]) -> dict[str, list[Pose]]:
    """Whom PoseNet finds in the photos of a folder, by kind; those that are of somebody in the library are left out."""
    found: list[Pose] = []
    with Estimator(find_model(DEFAULT_MODEL)) as estimator:
        for file in sorted(folder.glob("*.jpg")):
            if int(file.stem) not in known:
                image = np.asarray(pillow.open(file).convert("RGB"))
                estimator.resize(size_for(image.shape[1], image.shape[0]))
                found += [pose for pose in estimator.estimate(image) if pose.score >= MIN_POSE_SCORE]
    keypoints = np.array([pose.keypoints for pose in found])
    of_kind = classify_people(keypoints, keypoints[:, :, 2] >= LIBRARY_SCORE)
    return {kind: [found[i] for i in np.flatnonzero(those)] for kind, those in of_kind.items()}


def print_report(library: Library, queries: Sequence[Queries], rounds: int) -> None:
    """Asks all queries, and prints how well and how fast."""
    print("| | queries | found | best | found ÷ best | median, ms | p95, ms |\n|---|---|---|---|---|---|---|")
    for kind, poses, best in queries:
        times, found = zip(*(run_matcher(library, poses) for _ in range(rounds)), strict=True)
        median, late = percentiles(times)
        print(
            f"| {kind} | {len(poses)} | {found[0].mean():.4f} | {best.mean():.4f} | "
            f"{found[0].mean() / best.mean():.4f} | {median:.2f} | {late:.2f} |",
            flush=True,
        )


def print_comparison(library: Library, people: Floats, queries: Sequence[Queries], rounds: int) -> None:
    """Asks ours and Move Mirror's tree the same in turns, and prints how fast both are and what they find."""
    theirs = pose_vectors(np.concatenate([people, mirrored(people)]))
    poses = [pose for some in queries for pose in some.poses]
    best = np.concatenate([some.best for some in queries])
    asked = pose_vectors(np.array([pose.keypoints for pose in poses]))
    with Tree(theirs, asked) as tree:
        print(f"vptree: {len(theirs)} poses, built in {tree.built:.1f} s\n", flush=True)
        our_times, their_times = [np.empty((rounds, len(poses))) for _ in range(2)]
        found, nearest = np.empty(len(poses)), np.empty(len(poses), np.intp)
        for i in range(rounds):
            for start in range(0, len(poses), QUERIES_PER_TURN):
                turn = slice(start, min(start + QUERIES_PER_TURN, len(poses)))
                our_times[i, turn], found[turn] = run_matcher(library, poses[turn])
                their_times[i, turn], nearest[turn] = tree.ask(turn.start, turn.stop)
    weighted = [
        nearest_weighted(vector, pose.scores.astype(np.float64), theirs)
        for vector, pose in zip(asked, poses, strict=True)
    ]
    agreed = found, agreements_of(people, poses, nearest), agreements_of(people, poses, weighted)
    print(
        "| | queries | median, ms | p95, ms | vptree's median | p95 | of it, median | p95 |"
        " found ÷ best | vptree's, cosine | weighted |\n|---|---|---|---|---|---|---|---|---|---|---|"
    )
    ends = np.cumsum([0, *(len(some.poses) for some in queries)]).tolist()
    parts = [(some.kind, slice(*ends[i : i + 2])) for i, some in enumerate(queries)]
    for kind, part in [*parts, ("all", slice(None))]:
        median, late = percentiles(our_times[:, part])
        their_median, their_late = percentiles(their_times[:, part])
        shares = " | ".join(f"{one[part].mean() / best[part].mean():.4f}" for one in agreed)
        print(
            f"| {kind} | {len(best[part])} | {median:.2f} | {late:.2f} | {their_median:.2f} | {their_late:.2f} | "
            f"{median / their_median:.3f} | {late / their_late:.3f} | {shares} |"
        )


def run_matcher(library: Library, poses: Sequence[Pose]) -> tuple[np.ndarray, np.ndarray]:
    """How many milliseconds the matcher takes for each query, and how well what it finds agrees."""
    matcher, milliseconds, found = Matcher(library), [], []
    for pose in poses:
        start = time.perf_counter()
        found.append(matcher.find(pose, 1)[0].agreement)
        milliseconds.append((time.perf_counter() - start) * 1000)
    return np.array(milliseconds), np.array(found)


def agreements_of(people: Floats, poses: Sequence[Pose], numbers: Sequence[int] | np.ndarray) -> np.ndarray:
    """How well each query's pose of the library agrees; after all people come their mirror images."""
    found = []
    for pose, number in zip(poses, numbers, strict=True):
        one = people[number % len(people)][None]
        one = mirrored(one) if number >= len(people) else one
        found.append(agreement(pose.xy, pose.scores, one[:, :, :2], one[:, :, 2] > 0)[0])
    return np.array(found)


def percentiles(rounds: Sequence[np.ndarray] | np.ndarray) -> tuple[float, float]:
    """Of each round's times the median and the 95th percentile, of which each the median of all rounds."""
    median, late = np.median([np.percentile(times, (50, 95)) for times in rounds], axis=0)
    return float(median), float(late)


if __name__ == "__main__":
    main()
