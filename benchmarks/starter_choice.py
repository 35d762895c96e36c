"""Choose the starter library's pictures, the most useful first, and write their recipes.

    python -m benchmarks.starter_choice PEOPLE.npz MOCAP.npz [MOCAP.npz ...] [--count N]

PEOPLE.npz holds people of COCO: `keypoints` N×17×3, and `is_val`; only those who are not held out are asked with.
MOCAP.npz holds poses in 3-D: `X` N×17×3, y up. Others who ask stand as people stand before a mirror; they are from
recipes that no library uses. Each next picture is the one that raises the mean of the best likenesses most, so the
first few hundred answer most visitors and later ones answer rare poses. It takes about ten minutes on two cores, and
needs 2 GB of memory.

Choose again when `models.figures` changes what a recipe gives. Otherwise the pictures are still right, but in an order
that is no better than chance.
"""

from __future__ import annotations

import argparse
import heapq
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.matching import classify_people
from index.build.starter import PICTURE_COUNT
from index.likeness import compare, make_query, part_table
from models import figures
from models.figures.starter_pictures import RECIPE_COUNT, REPERTOIRE, is_seat, plan_recipe
from models.figures.view import is_upright
from models.pose import Floats

Bytes = npt.NDArray[np.uint8]

RECIPES: Final = Path(figures.__file__).with_name("recipes.txt")

QUERY_COUNTS: Final = {"whole": 7000, "upper": 1200, "partial": 1800}
"""People of COCO of each kind that are asked with, …"""
MOCAP_COUNT: Final = 1500
"""… poses of motion capture, …"""
VISITOR_COUNT: Final = 1500
"""… and people as they stand before a mirror."""

FIRST_VISITOR: Final = 2_000_000
"""The first recipe of these, far from those of the library and of the pictures that benchmarks draw."""
MAX_VISITOR_AZIMUTH: Final = 40.0
"""Degrees by which they turn aside at most."""

MOCAP_AZIMUTH: Final = 35.0
"""Degrees (standard deviation) by which people in motion capture are turned from the camera."""

SEATED_THIGH: Final = 55.0
"""Degrees from hanging from which both thighs are a seated person's, …"""
SEATED_WEIGHT: Final = 0.5
"""… who counts this much, as few visitors sit."""
SEATED_GAIN: Final = 0.6
"""What a picture of a seated person gains, relative to others, so that few of the first pictures have one."""

WAIST_BONUS: Final = 0.02
"""Likeness that a picture down to the waist gains for a visitor whose legs are not seen: it shows them larger."""

MIN_LIKENESS: Final = 0.5
"""Smaller likenesses count as this one: no visitor would recognise the pose."""

SEED: Final = 11


class Candidates(NamedTuple):
    """The pictures to choose from: parts as of `part_table` and mirrored, titles, who sits, and crops at the waist."""

    table: Floats
    titles: list[str]
    seated: npt.NDArray[np.bool_]
    waist: npt.NDArray[np.bool_]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.starter_choice",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("people", type=Path, metavar="PEOPLE.npz", help="people of COCO")
    parser.add_argument("mocap", type=Path, nargs="+", metavar="MOCAP.npz", help="motion capture")
    parser.add_argument("--count", type=int, default=PICTURE_COUNT, metavar="N", help="recipes (default: %(default)s)")
    args = parser.parse_args()
    rng = np.random.default_rng(SEED)
    queries = np.concatenate([sample_people(args.people, rng), sample_mocap(args.mocap, rng), sample_visitors()])
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        candidates = make_candidates(list(pool.map(describe_recipe, range(RECIPE_COUNT), chunksize=500)))
        rows = pool.map(partial(likeness_row, candidates=candidates), queries, chunksize=500)
        matrix = np.array(list(rows)).T.copy()
    chosen = choose(matrix, query_weights(queries), candidates, args.count)
    RECIPES.write_text("\n".join(map(str, chosen)) + "\n", "ascii")


def sample_people(file: Path, rng: np.random.Generator) -> Floats:
    """Return people of COCO who are not held out, N×17×3."""
    with np.load(file) as people:
        keypoints, held_out = people["keypoints"].astype(np.float32), people["is_val"].astype(bool)
    kinds = classify_people(keypoints, keypoints[:, :, 2] > 0)
    chosen = [rng.permutation(np.flatnonzero(kinds[kind] & ~held_out))[:count] for kind, count in QUERY_COUNTS.items()]
    return np.asarray(keypoints[np.concatenate(chosen)])


def sample_mocap(files: Sequence[Path], rng: np.random.Generator) -> Floats:
    """Return poses of motion capture as a camera in front of them sees them, N×17×3."""
    poses = np.concatenate([np.load(file)["X"].astype(np.float64) for file in files])
    poses = poses[rng.permutation(len(poses))[:MOCAP_COUNT]]
    left = poses[:, 5] - poses[:, 6] + poses[:, 11] - poses[:, 12]
    turn = np.arctan2(left[:, 2], left[:, 0]) + np.radians(rng.normal(0, MOCAP_AZIMUTH, len(poses)))
    c, s = np.cos(turn)[:, None], np.sin(turn)[:, None]
    x, y, z = poses[:, :, 0] * c + poses[:, :, 2] * s, poses[:, :, 1], poses[:, :, 2] * c - poses[:, :, 0] * s
    scale = 400 / (rng.uniform(3.5, 6, (len(poses), 1)) - z)
    return np.stack([x * scale, -y * scale, np.ones_like(x)], axis=2).astype(np.float32)


def sample_visitors() -> Floats:
    """Return people as they stand before a mirror, N×17×3: every second one is seen down to the waist."""
    visitors: list[Floats] = []
    for recipe in range(FIRST_VISITOR, FIRST_VISITOR + 10 * VISITOR_COUNT):
        plan = plan_recipe(recipe)
        aside = (plan.view.azimuth + 180) % 360 - 180
        if abs(aside) > MAX_VISITOR_AZIMUTH or plan.person.props or not is_upright(plan.person.skeleton):
            continue
        points = plan.shot.camera.project(plan.person.skeleton.keypoints())
        visitor = np.column_stack([points, np.ones(17)]).astype(np.float32)
        visitor[13 if len(visitors) % 2 else 17 :, 2] = 0
        visitors.append(visitor)
        if len(visitors) == VISITOR_COUNT:
            break
    return np.array(visitors)


def query_weights(queries: Floats) -> Floats:
    """Return how much each query counts."""
    thighs = queries[:, [13, 14], :2] - queries[:, [11, 12], :2]
    known = (queries[:, [11, 12, 13, 14], 2] > 0).all(1)
    from_hanging = np.degrees(np.arctan2(np.abs(thighs[..., 0]), thighs[..., 1]))
    return np.where((from_hanging > SEATED_THIGH).all(1) & known, SEATED_WEIGHT, 1).astype(np.float32)


def describe_recipe(recipe: int) -> tuple[Floats, str, bool, bool]:
    """Return a recipe's key points (17×3), its title, whether the person sits, and whether the waist is the edge."""
    plan = plan_recipe(recipe)
    camera, width, height = plan.shot
    points = camera.project(plan.person.skeleton.keypoints())
    inside = np.all((points >= 0) & (points < (width, height)), axis=1)
    keypoints = np.column_stack([points, inside]).astype(np.float32)
    waist = plan.view.crop == "waist" and not keypoints[13:, 2].any()
    return keypoints, plan.movement.title, any(map(is_seat, plan.person.props)), waist


def make_candidates(recipes: Sequence[tuple[Floats, str, bool, bool]]) -> Candidates:
    """Return the recipes as candidates."""
    keypoints, titles, seated, waist = zip(*recipes, strict=True)
    people = np.array(keypoints)
    table = part_table(people[:, :, :2], (people[:, :, 2] > 0).astype(np.float32))[0]
    return Candidates(table, list(titles), np.array(seated), np.array(waist))


def likeness_row(query: Floats, candidates: Candidates) -> Bytes:
    """Return the likeness of a query to each candidate, mirrored or not, from `MIN_LIKENESS` (0) to 1 (255)."""
    asked = make_query(query[:, :2], (query[:, 2] > 0).astype(np.float32))
    none, every = (np.full(len(candidates.table), flag) for flag in (False, True))
    best = np.maximum(compare(asked, candidates.table, none), compare(asked, candidates.table, every))
    if not query[13:, 2].any():
        best = best + WAIST_BONUS * candidates.waist
    return np.clip((best - MIN_LIKENESS) / (1 - MIN_LIKENESS) * 255, 0, 255).astype(np.uint8)


def choose(matrix: Bytes, weights: Floats, candidates: Candidates, count: int) -> list[int]:
    """Return the numbers of the candidates to take, in the order in which each helps most.

    `matrix` has a row for each candidate and a column for each query. A candidate's gain only falls as others are
    taken, so it is computed again only when it comes first. The last ones show the named poses that are still missing.
    """
    factors = np.where(candidates.seated, SEATED_GAIN, 1.0)
    best = np.zeros(matrix.shape[1], np.uint8)

    def gain(number: int) -> float:
        row = matrix[number]
        return float(np.dot(np.where(row > best, row - best, 0), weights)) * float(factors[number])

    heap = [(-gain(number), number) for number in range(len(matrix))]
    heapq.heapify(heap)
    missing = {movement.title for movement in REPERTOIRE}
    chosen: list[int] = []
    while len(chosen) + len(missing) < count:
        _, number = heapq.heappop(heap)
        current = -gain(number)
        if current > heap[0][0]:
            heapq.heappush(heap, (current, number))
            continue
        chosen.append(number)
        missing.discard(candidates.titles[number])
        np.maximum(best, matrix[number], out=best)
    first = {title: number for number, title in reversed(list(enumerate(candidates.titles)))}
    return chosen + sorted(first[title] for title in missing)


if __name__ == "__main__":
    main()
