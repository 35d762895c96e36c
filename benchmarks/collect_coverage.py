"""Print how well chosen photographs answer, against as many by chance: the curve of docs/explanation/collecting.md.

    python -m benchmarks.collect_coverage PEOPLE.npz [--movement MOCAP.npz] [--seeds N]

PEOPLE.npz holds people of COCO: `keypoints` N×17×3, `image_id` and `image_size`. Photographs are taken from it in
random order, three for each one that is kept, as `pose-mirror index collect` looks at them. Answers are measured for
people of other photographs, who take no part in choosing: their greatest likeness to anybody in a kept photograph, on
average. MOCAP.npz adds poses of recorded movement as visitors: `X` N×17×3 with y up. It takes about ten minutes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from index.collect.gain import SampleVisitors, can_be_visitors
from index.collect.selection import Seen, Selection
from models.pose import Floats

COUNTS: Final = (1_000, 3_000, 10_000, 30_000)
"""Photographs to keep."""

CHANCE_COUNTS: Final = (1_000, 2_000, 3_000, 5_000, 7_500, 10_000, 15_000, 20_000, 25_000, 30_000, 40_000)
"""Photographs by chance, for the curve to compare with."""

LOOKED_FOR_EACH: Final = 3
"""Photographs looked at for each one that is kept."""

WAVE: Final = 1_000

VISITORS: Final = 1_500
"""Visitors of each kind for whom answers are measured."""

MIN_HEIGHT: Final = 0.2
"""Height of a visitor at least, as a share of the picture."""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.collect_coverage",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("people", type=Path, metavar="PEOPLE.npz")
    parser.add_argument("--movement", type=Path, metavar="MOCAP.npz")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="repeat with N orders (default: 1)")
    args = parser.parse_args()
    for seed in range(args.seeds):
        _run(args.people, args.movement, np.random.default_rng(seed))


def _run(people: Path, movement: Path | None, rng: np.random.Generator) -> None:
    photos, visitors = _read_people(people, rng)
    kinds = {"COCO": visitors}
    if movement is not None:
        kinds["movement"] = _read_movement(movement, rng)
    measures = {kind: _Measure(visitors) for kind, visitors in kinds.items()}
    print(f"{len(photos):,} photographs; visitors: " + ", ".join(f"{len(v):,} {kind}" for kind, v in kinds.items()))
    curves = {kind: measure.curve(photos, CHANCE_COUNTS) for kind, measure in measures.items()}
    for i, count in enumerate(CHANCE_COUNTS):
        print(f"{count:>7,} by chance  " + "  ".join(f"{kind} {curve[i]:.4f}" for kind, curve in curves.items()))
    for count in COUNTS:
        start = time.perf_counter()
        selection = _select(photos[: LOOKED_FOR_EACH * count], count)
        seconds = time.perf_counter() - start
        figures = []
        for kind, measure in measures.items():
            answered = measure.curve(selection.kept, [len(selection.kept)])[0]
            equal = np.interp(answered, curves[kind], CHANCE_COUNTS)
            figures.append(f"{kind} {answered:.4f}, as {equal:,.0f} by chance")
        looked = min(len(photos), LOOKED_FOR_EACH * count)
        print(
            f"{len(selection.kept):>7,} of {looked:,} chosen  "
            + "; ".join(figures)
            + f"; judges {selection.coverage:.4f}; {1000 * seconds / looked:.1f} ms a photograph",
            flush=True,
        )


def _select(photos: Sequence[Seen], count: int) -> Selection:
    """Keep `count` of the photographs, wave by wave."""
    selection = Selection()
    for start in range(0, len(photos), WAVE):
        wave = photos[start : start + WAVE]
        selection.look(wave, round(count * (start + len(wave)) / len(photos)) - len(selection.kept))
    return selection


class _Measure:
    """How well photographs answer some visitors."""

    def __init__(self, visitors: Floats) -> None:
        self._visitors = visitors

    def curve(self, photos: Sequence[Seen], counts: Sequence[int]) -> list[float]:
        """Return the likeness of the best answer on average among the first `counts` photographs."""
        visitors = SampleVisitors(answers=1)
        visitors.add(self._visitors, np.full(len(self._visitors), -1), np.ones(len(self._visitors), np.float32))
        result, start = [], 0
        for count in counts:
            for first in range(start, count, WAVE):
                batch = photos[first : min(first + WAVE, count)]
                if batch:
                    rows = visitors.likenesses([seen.number for seen in batch], [seen.people for seen in batch])
                    visitors.answer(rows.max(0))
            start = count
            result.append(visitors.coverage)
        return result


def _read_people(file: Path, rng: np.random.Generator) -> tuple[list[Seen], Floats]:
    """Return the photographs in random order, and the visitors, whose photographs are not among them."""
    with np.load(file) as arrays:
        keypoints, pictures, sizes = arrays["keypoints"].astype(np.float32), arrays["image_id"], arrays["image_size"]
    seen = keypoints[:, :, 2] > 0
    keypoints[:, :, 2] = seen
    height = np.where(seen, keypoints[:, :, 1], -np.inf).max(1) - np.where(seen, keypoints[:, :, 1], np.inf).min(1)
    numbers = rng.permutation(np.unique(pictures))
    held_out = np.isin(pictures, numbers[: len(numbers) // 10])
    visitors = np.flatnonzero(held_out & can_be_visitors(keypoints) & (height > MIN_HEIGHT * sizes[:, 1]))
    shown = np.flatnonzero(~held_out & (seen.sum(1) >= 4))
    shown = shown[np.argsort(pictures[shown], kind="stable")]
    firsts = np.flatnonzero(np.diff(pictures[shown], prepend=-1))
    groups = np.split(shown, firsts[1:])
    photos = [Seen(int(pictures[group[0]]), keypoints[group]) for group in groups]
    return [photos[i] for i in rng.permutation(len(photos))], keypoints[rng.permutation(visitors)[:VISITORS]]


def _read_movement(file: Path, rng: np.random.Generator) -> Floats:
    """Return poses of recorded movement, seen from anywhere in front within 60 degrees."""
    with np.load(file) as arrays:
        points = arrays["X"].astype(np.float64)
    points = points[rng.permutation(len(points))[:VISITORS]]
    angle = np.radians(rng.uniform(-60, 60, len(points)))[:, None]
    across = points[:, :, 0] * np.cos(angle) + points[:, :, 2] * np.sin(angle)
    return np.stack([200 * across, -200 * points[:, :, 1], np.ones_like(across)], 2).astype(np.float32)


if __name__ == "__main__":
    main()
