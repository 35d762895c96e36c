"""From a pose to the vectors that Annoy compares.

Two poses agree when their points do after the best scale and shift, and only the points that the query has count. A
vector has to have all its numbers, so there is an index for each of several regions of the body; a query asks those it
covers best, and the few points that it lacks there are guessed from the others, by how the library's people hold
themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from itertools import accumulate, pairwise
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from models.pose import MIRROR_ORDER, SIGMAS, Floats

Doubles = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

VERSION: Final = 1
"""Of all that decides a vector: a library whose vectors are of another version is built again."""

REGIONS: Final[dict[str, tuple[int, ...]]] = {
    "whole": (0, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16),
    "arms": (0, 5, 6, 7, 8, 9, 10),
    "legs": (5, 6, 11, 12, 13, 14, 15, 16),
    "face": (0, 1, 2, 3, 4, 5, 6, 7, 8),
    "left": (0, 5, 6, 7, 9, 11, 12),
    "right": (0, 5, 6, 8, 10, 11, 12),
}
"""The key points of each index. Of 21 regions tried on COCO's people, these six together miss the least."""

REGION_MASKS: Final = np.array([[float(point in points) for point in range(17)] for points in REGIONS.values()])
"""Regions×17, 1 for the points that each has, in the order of `REGIONS`."""

REGIONS_PER_QUERY: Final = 2
"""How many regions a query asks: one finds up to 0.01 less of the best agreement, three up to 0.002 more."""

GUESSED_POINT_COST = 2.0
"""What a guessed point costs when regions are chosen, in points that are seen."""

NEW_POINT_BONUS = 0.5
"""What a point that no region chosen before has is worth more."""

MAX_SAMPLE = 20_000
"""Poses that the shape is fitted to: the covariance of 34 numbers needs no more."""

PRIOR_POSES = 20.0
"""As how many poses the standing figure counts: it alone decides in a library of a few pictures."""

PRIOR_VARIANCE = 0.05
"""How far its points vary, squared, where the unit is the root mean square of its points from their mean."""

NOISE_VARIANCE = 1e-3
"""How far a key point is off by chance, squared, in the same unit; it keeps the regression well-behaved."""

STANDING: Final = np.array(
    [
        (0.0, -3.2), (0.1, -3.3), (-0.1, -3.3), (0.25, -3.25), (-0.25, -3.25),
        (0.6, -2.5), (-0.6, -2.5), (0.8, -1.5), (-0.8, -1.5), (0.8, -0.7), (-0.8, -0.7),
        (0.4, -0.5), (-0.4, -0.5), (0.4, 1.1), (-0.4, 1.1), (0.4, 2.6), (-0.4, 2.6),
    ]
)  # fmt: skip
"""A person who stands facing the camera, 17×2, x to the right and y down: what is guessed while nothing is known."""


MAX_CACHED_PATTERNS: Final = 100
"""Sets of points seen of which is kept what they need (13 kB): a visitor shows the same ones for many frames. To find
it out again takes a sixth of a millisecond."""

EPSILON = 1e-9
"""Sizes and lengths of less are none."""


class RegionQuery(NamedTuple):
    """One vector to look for the nearest of: in which region's index, and whether it is of the pose's mirror image."""

    region: str
    mirrored: bool
    vector: list[float]


class _QueryPlan(NamedTuple):
    """From the points that a pose has to all its vectors at once, before they are made 1 long.

    `matrix` is 34×D (0 for points not seen) and takes what lies about its mean point and is 1 large, `offset` D;
    `ends` says where one vector ends and the next begins, `parts` by which region each is and whether mirrored.
    """

    parts: tuple[tuple[str, bool], ...]
    matrix: Floats
    offset: Floats
    ends: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class ShapeModel:
    """How people hold themselves: mean (34) and covariance (34×34) of x and y of all key points.

    Poses are laid on the mean by their mean point and size over the points seen.
    """

    mean: Doubles
    covariance: Doubles

    @cached_property
    def _regressions(self) -> dict[bytes, Doubles]:
        return {}

    @cached_property
    def _query_plans(self) -> dict[bytes, _QueryPlan]:
        return {}

    def complete(self, points: Floats, seen: Flags) -> Floats:
        """N×17×2 poses with the points they lack (N×17 `seen` false) guessed from those they have.

        A pose with no point or all its points in one place gets the mean's.
        """
        whole = np.array(points, np.float64)
        for rows, pattern in _group_by_pattern(seen):
            if not pattern.all():
                laid, at, size = _align_to_mean(whole[rows], pattern, self.mean)
                there = np.repeat(pattern, 2)
                guess = self.mean[~there] + (laid - self.mean[there]) @ self._regression(pattern)
                guessed = guess.reshape(len(rows), -1, 2) * size[:, None, None] + at[:, None]
                whole[np.ix_(rows, ~pattern)] = guessed
        return whole.astype(np.float32)

    def queries(self, points: Floats, seen: Flags) -> list[RegionQuery]:
        """What to look for to find a pose (17×2, of which 17 points are `seen`) and its mirror image.

        They are the `region_vectors`, by each of `choose_regions`, of the pose as `complete` makes it whole: linear in the points
        seen once these lie about their mean point and are 1 large, so one product of matrices gives them all.
        """
        parts, matrix, offset, ends = self._query_plan(seen)
        apart = points - seen @ points / max(int(seen.sum()), 1)
        size = max(float(seen @ np.einsum("kc,kc->k", apart, apart)) ** 0.5, EPSILON)
        flat = apart.ravel() @ matrix / size + offset
        lengths = np.maximum(np.sqrt(np.add.reduceat(flat * flat, ends[:-1])), EPSILON).tolist()
        numbers = flat.tolist()
        return [
            RegionQuery(region, mirrored, [number / length for number in numbers[start:end]])
            for (region, mirrored), length, (start, end) in zip(parts, lengths, pairwise(ends), strict=True)
        ]

    def _query_plan(self, seen: Flags) -> _QueryPlan:
        key = seen.tobytes()
        if key not in self._query_plans:
            if len(self._query_plans) >= MAX_CACHED_PATTERNS:
                self._query_plans.clear()
            self._query_plans[key] = self._make_query_plan(seen)
        return self._query_plans[key]

    def _make_query_plan(self, seen: Flags) -> _QueryPlan:
        parts = tuple((region, False) for region in choose_regions(seen))
        parts += tuple((region, True) for region in choose_regions(seen[MIRROR_ORDER]))
        there, regression = np.repeat(seen, 2), self._regression(seen)
        projection, ends = _stack_projections(parts)
        known = projection[there] + regression @ projection[~there]
        guessed = (self.mean[~there] - self.mean[there] @ regression) @ projection[~there]
        mean = self.mean[there].reshape(-1, 2)
        middle = mean.mean(0) if len(mean) else np.zeros(2)
        matrix = np.zeros(projection.shape)
        matrix[there] = known * np.sqrt(((mean - middle) ** 2).sum())
        offset = guessed + np.tile(middle, len(mean)) @ known
        return _QueryPlan(parts, matrix.astype(np.float32), offset.astype(np.float32), ends)

    def _regression(self, pattern: Flags) -> Doubles:
        """Seen×unseen coefficients, kept: a visitor lacks the same points for many frames."""
        key = pattern.tobytes()
        if key not in self._regressions:
            if len(self._regressions) >= MAX_CACHED_PATTERNS:
                self._regressions.clear()
            there = np.repeat(pattern, 2)
            known = self.covariance[there][:, there] + NOISE_VARIANCE * np.eye(int(there.sum()))
            self._regressions[key] = np.asarray(np.linalg.solve(known, self.covariance[there][:, ~there]), np.float64)
        return self._regressions[key]


def fit_shape_model(points: Floats, seen: Flags) -> ShapeModel:
    """The shape of N×17×2 poses of which N×17 points are seen, and of their mirror images.

    Expectation and maximisation in turns: guess what is missing, then take mean and covariance of all, the standing
    figure among them.
    """
    step = max(1, len(points) // MAX_SAMPLE)
    points, seen = points[::step], seen[::step]
    mean = _normalise(STANDING)
    shape = ShapeModel(mean, PRIOR_VARIANCE * np.eye(34))
    for _ in range(5):
        every, size = np.ones(17, np.bool_), len(points) + PRIOR_POSES
        laid = _align_to_mean(shape.complete(points, seen).astype(np.float64), every, shape.mean)[0]
        centre = _normalise((PRIOR_POSES * mean + laid.sum(0)) / size)
        apart = np.concatenate([laid - centre, np.sqrt(PRIOR_POSES) * (mean - centre)[None]])
        covariance = (apart.T @ apart + PRIOR_POSES * PRIOR_VARIANCE * np.eye(34)) / size
        shape = _symmetrise(ShapeModel(centre, covariance))
    return shape


def region_vectors(points: Floats, region: str) -> Floats:
    """N×17×2 poses, whole, as N×(2 × the region's points) vectors of length 1, blind to place and size.

    The points count by 1 ÷ COCO's σ each, in the mean as in the distance: what people agree on tells most. All
    points in one place give zeros.
    """
    flat = points.reshape(len(points), 34) @ _PROJECTIONS[region]
    length = np.sqrt(np.einsum("nd,nd->n", flat, flat))[:, None]
    unit: Floats = np.divide(flat, length, out=np.zeros_like(flat), where=length > 0)
    return unit


def choose_regions(seen: Flags) -> tuple[str, ...]:
    """The regions to ask for a pose with these 17 points, best first: many points seen, few guessed, all covered."""
    return _choose_regions(seen.tobytes())


@lru_cache(maxsize=MAX_CACHED_PATTERNS)
def _choose_regions(flags: bytes) -> tuple[str, ...]:
    seen = np.frombuffer(flags, np.bool_)
    names, asked = list(REGIONS), list[str]()
    worth = REGION_MASKS @ seen - GUESSED_POINT_COST * (REGION_MASKS @ ~seen)
    left = seen.astype(np.float64)
    while len(asked) < REGIONS_PER_QUERY:
        best = int(np.argmax(worth + NEW_POINT_BONUS * (REGION_MASKS @ left)))
        asked.append(names[best])
        worth[best] = -np.inf
        left *= 1 - REGION_MASKS[best]
    return tuple(asked)


def _group_by_pattern(seen: Flags) -> Iterator[tuple[npt.NDArray[np.intp], Flags]]:
    """The rows that have the same points seen, and which those are."""
    if len(seen) == 1:
        yield np.zeros(1, np.intp), seen[0]
        return
    numbers = seen @ (1 << np.arange(17))
    order = np.argsort(numbers, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1):
        if len(rows):
            yield rows, seen[rows[0]]


def _align_to_mean(points: Doubles, pattern: Flags, mean: Doubles) -> tuple[Doubles, Doubles, Doubles]:
    """N×(2 × seen) points moved and scaled on to the mean's, and what takes them back: N×2 shifts, N sizes."""
    there = mean.reshape(17, 2)[pattern]
    kept = points[:, pattern]
    if not len(there):
        return kept.reshape(len(points), 0), points.mean(1), np.ones(len(points))
    middle, at = there.mean(0), kept.mean(1)
    spread = np.sqrt(((kept - at[:, None]) ** 2).sum((1, 2)))
    size = spread / max(float(np.sqrt(((there - middle) ** 2).sum())), 1e-9)
    size = np.where(size > 0, size, 1.0)
    laid = (kept - at[:, None]) / size[:, None, None] + middle
    return laid.reshape(len(points), -1), at - size[:, None] * middle, size


def _normalise(shape: Doubles) -> Doubles:
    """A shape about its mean point, with points 1 away from it in the root mean square; 34."""
    points = shape.reshape(17, 2)
    points = points - points.mean(0)
    unit: Doubles = points / np.sqrt((points**2).sum(1).mean())
    return unit.ravel()


def _symmetrise(shape: ShapeModel) -> ShapeModel:
    """The shape of the same people and their mirror images: either side is as likely."""
    swap = np.stack([2 * MIRROR_ORDER, 2 * MIRROR_ORDER + 1], 1).ravel()
    flip = np.tile([-1.0, 1.0], 17)
    mean = (shape.mean + flip * shape.mean[swap]) / 2
    other = shape.covariance[np.ix_(swap, swap)] * np.outer(flip, flip)
    apart = shape.mean - mean
    return ShapeModel(mean, (shape.covariance + other) / 2 + np.outer(apart, apart))


def _projection(points: tuple[int, ...]) -> Floats:
    """34×(2 × points): takes the weighted mean off the points and weights them."""
    weights = 1 / SIGMAS[list(points)].astype(np.float64)
    weights /= weights.sum()
    chosen = np.zeros((17, len(points)))
    chosen[list(points), range(len(points))] = 1
    about_mean = (chosen - (chosen @ weights)[:, None]) * np.sqrt(weights)
    return np.kron(about_mean, np.eye(2)).astype(np.float32)


_PROJECTIONS: Final = {region: _projection(points) for region, points in REGIONS.items()}


@cache
def _stack_projections(parts: tuple[tuple[str, bool], ...]) -> tuple[Doubles, tuple[int, ...]]:
    """The projections by some regions, of a pose or of its mirror image, as one of 34×D, and where each ends."""
    swap = np.stack([2 * MIRROR_ORDER, 2 * MIRROR_ORDER + 1], 1).ravel()
    flip = np.tile([-1.0, 1.0], 17)[:, None]
    blocks = [(flip * _PROJECTIONS[region])[swap] if mirrored else _PROJECTIONS[region] for region, mirrored in parts]
    return np.hstack(blocks).astype(np.float64), tuple(accumulate((block.shape[1] for block in blocks), initial=0))
