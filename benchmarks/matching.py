"""Print tables of docs/explanation/finding-the-photo.md: how good and how fast the matcher is on real people.

    python -m benchmarks.matching PEOPLE.npz [--library all] [--queries N] [--vptree | --members] [--photos FOLDER]

It compares what the matcher finds with the greatest likeness in the library; the old measure, agreement, is a column.
PEOPLE.npz holds people of COCO: `keypoints` N×17×3, `image_id`, and `is_val`, which marks the queries; the rest are the
library. `--vptree` also asks
Move Mirror's tree, in turns with the matcher (it needs Node, and `npm install` in benchmarks/vptree). `--members`
searches among some of the people instead, at random or all like a few of them, as in a collection. `--photos`
asks for the people that PoseNet finds in a folder of COCO's photos, instead of for labelled ones. It takes about
four minutes.
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
from index.likeness import likeness
from index.match import Match, Matcher, find_exhaustively
from index.vector import soft_parts
from models.estimator.catalogue import DEFAULT_MODEL
from models.estimator.estimator import Estimator, size_for
from models.estimator.model_files import find_model
from models.pose import Floats, Pose
from models.seen import LIBRARY_SCORE
from tests.support.libraries import NewItem, write_library

MIN_BOX_SIZE = 60.0
"""Pixels, as the root of the area of the key points' box. The key points of smaller people are labelled too roughly.
"""

MIN_POSE_SCORE = 0.25
"""The score from which PoseNet has found a person, as in the mirror."""

QUERIES_PER_TURN = 100
"""Queries that the matcher or the tree answers before it is the other's turn."""

MEMBER_COUNTS = (500, 2_000, 10_000, 40_000, 100_000, 140_000)
"""How many people are searched, of those in the library."""

SEEDS = 5
"""People around whom a collection is made: its members are the most like one of them."""

WANTED = 64
"""Matches of one search, as many as the mirror asks for."""


class Queries(NamedTuple):
    """The queries of one kind: the poses, and the greatest likeness in the library for each."""

    kind: str
    poses: list[Pose]
    best: Floats


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.matching", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("people", type=Path, metavar="PEOPLE.npz", help="people of COCO")
    parser.add_argument(
        "--library",
        choices=("complete", "all"),
        default="complete",
        help="people in the library (default: %(default)s)",
    )
    parser.add_argument(
        "--queries", type=int, default=10_000, metavar="N", help="most queries of each kind (default: %(default)s)"
    )
    parser.add_argument(
        "--rounds", type=int, default=3, metavar="N", help="ask all queries N times (default: %(default)s)"
    )
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--vptree", action="store_true", help="ask Move Mirror's tree as well")
    instead.add_argument("--members", action="store_true", help="search among some of the people")
    parser.add_argument(
        "--photos", type=Path, metavar="FOLDER", help="ask for the people PoseNet finds in these photos"
    )
    args = parser.parse_args()
    with np.load(args.people) as people:
        keypoints, held_out = people["keypoints"].astype(np.float32), people["is_val"].astype(bool)
        images = people["image_id"]
    seen = keypoints[:, :, 2] > 0
    in_library = ~held_out & (seen[:, 5:].all(1) if args.library == "complete" else seen.any(1))
    if args.photos:
        poses = estimate_queries(args.photos, set(images[in_library].tolist()))
    else:
        poses = {
            kind: [Pose.from_keypoints(person) for person in keypoints[held_out & is_kind]]
            for kind, is_kind in classify_people(keypoints, seen).items()
        }
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        size = write_library((NewItem(None, person) for person in keypoints[in_library]), Path(folder) / "library")
        built = time.perf_counter()
        with Library.open(Path(folder) / "library") as library:
            megabytes = sum(file.bytes for file in library.manifest.files.values()) / 1e6
            print(f"{size} people: built in {built - start:.1f} s, {megabytes:.0f} MB, ", end="")
            print(f"opened in {time.perf_counter() - built:.2f} s\n", flush=True)
            if args.members:
                print_members(library, [pose for some in poses.values() for pose in some[: args.queries]])
                return
            queries = [make_queries(library, kind, some[: args.queries]) for kind, some in poses.items()]
            if args.vptree:
                print_comparison(library, keypoints[in_library], queries, args.rounds)
            else:
                print_report(library, queries, args.rounds)


def make_queries(library: Library, kind: str, poses: Sequence[Pose]) -> Queries:
    """Return the poses that show enough to be searched for, with the greatest likeness for each."""
    best = [(pose, match.likeness) for pose in poses for match in find_exhaustively(library, pose, 1)]
    return Queries(kind, [pose for pose, _ in best], np.array([greatest for _, greatest in best], np.float32))


def classify_people(keypoints: np.ndarray, seen: np.ndarray) -> dict[str, np.ndarray]:
    """Return which people are whole, which are visible down to the waist, and which in part."""
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
    """Return the people that PoseNet finds in a folder's photos, by kind, without photos of people in the library."""
    poses: list[Pose] = []
    with Estimator(find_model(DEFAULT_MODEL)) as estimator:
        for file in sorted(folder.glob("*.jpg")):
            if int(file.stem) not in known:
                image = np.asarray(pillow.open(file).convert("RGB"))
                estimator.resize(size_for(image.shape[1], image.shape[0]))
                poses += [pose for pose in estimator.estimate(image) if pose.score >= MIN_POSE_SCORE]
    keypoints = np.array([pose.keypoints for pose in poses])
    of_kind = classify_people(keypoints, keypoints[:, :, 2] >= LIBRARY_SCORE)
    return {kind: [poses[i] for i in np.flatnonzero(is_kind)] for kind, is_kind in of_kind.items()}


def print_report(library: Library, queries: Sequence[Queries], rounds: int) -> None:
    """Ask all queries, and print how good and how fast the answers are."""
    print("| | queries | found | best | found ÷ best | agreement | median, ms | p95, ms |")
    print("|---|---|---|---|---|---|---|---|")
    for kind, poses, best in queries:
        times, found = zip(*(run_matcher(library, poses) for _ in range(rounds)), strict=True)
        agreements = mean_agreement(library, poses)
        median, late = percentiles(times)
        print(
            f"| {kind} | {len(poses)} | {found[0].mean():.4f} | {best.mean():.4f} | "
            f"{found[0].mean() / best.mean():.4f} | {agreements:.4f} | {median:.2f} | {late:.2f} |",
            flush=True,
        )


def print_comparison(library: Library, people: Floats, queries: Sequence[Queries], rounds: int) -> None:
    """Ask the matcher and Move Mirror's tree the same in turns, and print how fast both are and what they find."""
    vectors = pose_vectors(np.concatenate([people, mirrored(people)]))
    poses = [pose for some in queries for pose in some.poses]
    best = np.concatenate([some.best for some in queries])
    query_vectors = pose_vectors(np.array([pose.keypoints for pose in poses]))
    with Tree(vectors, query_vectors) as tree:
        print(f"vptree: {len(vectors)} poses, built in {tree.built:.1f} s\n", flush=True)
        our_times, their_times = [np.empty((rounds, len(poses))) for _ in range(2)]
        found, nearest = np.empty(len(poses)), np.empty(len(poses), np.intp)
        for i in range(rounds):
            for start in range(0, len(poses), QUERIES_PER_TURN):
                turn = slice(start, min(start + QUERIES_PER_TURN, len(poses)))
                our_times[i, turn], found[turn] = run_matcher(library, poses[turn])
                their_times[i, turn], nearest[turn] = tree.ask(turn.start, turn.stop)
    weighted = [
        nearest_weighted(vector, pose.scores.astype(np.float64), vectors)
        for vector, pose in zip(query_vectors, poses, strict=True)
    ]
    likenesses = found, likenesses_of(people, poses, nearest), likenesses_of(people, poses, weighted)
    print(
        "| | queries | median, ms | p95, ms | vptree's median | p95 | of it, median | p95 |"
        " found ÷ best | vptree's, cosine | weighted |\n|---|---|---|---|---|---|---|---|---|---|---|"
    )
    ends = np.cumsum([0, *(len(some.poses) for some in queries)]).tolist()
    parts = [(some.kind, slice(*ends[i : i + 2])) for i, some in enumerate(queries)]
    for kind, part in [*parts, ("all", slice(None))]:
        median, late = percentiles(our_times[:, part])
        their_median, their_late = percentiles(their_times[:, part])
        shares = " | ".join(f"{found[part].mean() / best[part].mean():.4f}" for found in likenesses)
        print(
            f"| {kind} | {len(best[part])} | {median:.2f} | {late:.2f} | {their_median:.2f} | {their_late:.2f} | "
            f"{median / their_median:.3f} | {late / their_late:.3f} | {shares} |"
        )


def print_members(library: Library, poses: Sequence[Pose]) -> None:
    """Search among members at random, and among people who are all like one of `SEEDS`; print how good and how fast
    the answers are, for one pose and for four at once."""
    rng = np.random.default_rng(1)
    print("| members | | found ÷ best | best found | median, ms | for four poses |\n|---|---|---|---|---|---|")
    for count in (size for size in MEMBER_COUNTS if size < len(library)):
        vectors = soft_parts(library.parts).reshape(len(library), -1)
        alike = (vectors @ vectors[rng.integers(0, len(library), SEEDS)].T).max(1)
        for label, order in (("random", rng.permutation(len(library))), ("alike", np.argsort(-alike))):
            members = np.sort(order[:count])
            matcher = Matcher(library, members)
            best = [find_exhaustively(library, pose, 1, members) for pose in poses]
            asked = [pose for pose, matches in zip(poses, best, strict=True) if matches]
            firsts = [matches[0] for matches in best if matches]
            ones, found = zip(*(time_find(matcher, [pose]) for pose in asked), strict=True)
            fours = [time_find(matcher, asked[i : i + 4])[0] for i in range(0, len(asked) - 3, 4)]
            likeness = sum(match.likeness for match in found) / sum(match.likeness for match in firsts)
            same = np.mean([a.is_same_candidate(b) for a, b in zip(found, firsts, strict=True)])
            print(
                f"| {count} | {label} | {likeness:.4f} | {same:.2f} | {np.median(ones):.2f} | {np.median(fours):.2f} |",
                flush=True,
            )


def time_find(matcher: Matcher, poses: Sequence[Pose]) -> tuple[float, Match]:
    """Return how many milliseconds of the processor a search takes, and the first pose's best match."""
    start = time.process_time()
    found = matcher.find_all(poses, WANTED)
    return (time.process_time() - start) * 1000, found[0][0]


def run_matcher(library: Library, poses: Sequence[Pose]) -> tuple[np.ndarray, np.ndarray]:
    """Return how many milliseconds the matcher takes for each query, and the likeness of what it finds."""
    matcher, milliseconds, found = Matcher(library), [], []
    for pose in poses:
        start = time.perf_counter()
        found.append(best_likeness(matcher.find(pose, 1)))
        milliseconds.append((time.perf_counter() - start) * 1000)
    return np.array(milliseconds), np.array(found)


def best_likeness(matches: Sequence[Match]) -> float:
    """Return the likeness of the first match; 0 for a pose that shows too little to be searched for."""
    return matches[0].likeness if matches else 0.0


def mean_agreement(library: Library, poses: Sequence[Pose]) -> float:
    """Return the mean agreement (`index.agreement`) of the queries with what the matcher finds."""
    matcher, agreements = Matcher(library), []
    for pose in poses:
        match = matcher.find(pose, 1)[0]
        person = library.pose(match.item)
        person = person.mirrored(0) if match.mirrored else person
        agreements.append(agreement(pose.xy, pose.scores, person.xy[None], person.scores[None] > 0)[0])
    return float(np.mean(agreements))


def likenesses_of(people: Floats, poses: Sequence[Pose], numbers: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return the likeness of each query to a pose of the library; numbers beyond the people are their mirror images."""
    likenesses = []
    for pose, number in zip(poses, numbers, strict=True):
        person = people[number % len(people)][None]
        person = mirrored(person) if number >= len(people) else person
        likenesses.append(likeness(pose.xy, pose.visibility, person[:, :, :2], person[:, :, 2] > 0)[0])
    return np.array(likenesses)


def percentiles(rounds: Sequence[np.ndarray] | np.ndarray) -> tuple[float, float]:
    """Return the median and the 95th percentile of each round's times, as the medians over all rounds."""
    median, late = np.median([np.percentile(times, (50, 95)) for times in rounds], axis=0)
    return float(median), float(late)


if __name__ == "__main__":
    main()
