"""Vectors for Annoy: from a pose to the numbers that are compared.

Two poses are alike when the parts of their bodies are (`index.likeness`), and only the parts that the query shows
count. But a vector needs all its numbers. So each of several regions of the body has an index of its own. A query
searches the regions it covers best. The few key points that it lacks there are guessed from the rest, by how the people
in the library hold themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from index.likeness import (
    FACE,
    LEFT_FOREARM,
    LEFT_SHIN,
    LEFT_THIGH,
    LEFT_UPPER_ARM,
    MIRRORED_PARTS,
    PART_COUNT,
    PART_WEIGHTS,
    RIGHT_FOREARM,
    RIGHT_SHIN,
    RIGHT_THIGH,
    RIGHT_UPPER_ARM,
    SHORT_PART,
    TRUNK,
    Flags,
    part_projection,
    part_table,
    seen_parts,
)
from models.pose import MIRROR_ORDER, Floats

Doubles = npt.NDArray[np.float64]

VERSION: Final = 2
"""Version of everything that decides a vector. A library with vectors of another version must be built again."""

ARMS: Final = (LEFT_UPPER_ARM, RIGHT_UPPER_ARM, LEFT_FOREARM, RIGHT_FOREARM)
LEGS: Final = (LEFT_THIGH, RIGHT_THIGH, LEFT_SHIN, RIGHT_SHIN)

REGIONS: Final[dict[str, tuple[int, ...]]] = {
    "whole": (*ARMS, *LEGS, TRUNK, FACE),
    "upper": (*ARMS, TRUNK, FACE),
    "arms": (*ARMS, FACE),
    "legs": (*LEGS, TRUNK),
    "left": (LEFT_UPPER_ARM, LEFT_FOREARM, LEFT_THIGH, LEFT_SHIN, TRUNK),
    "right": (RIGHT_UPPER_ARM, RIGHT_FOREARM, RIGHT_THIGH, RIGHT_SHIN, TRUNK),
}
"""The parts of the body in each region."""

REGION_MASKS: Final = np.array([[float(part in parts) for part in range(PART_COUNT)] for parts in REGIONS.values()])
"""Regions×10, 1 for the parts of each region, in the order of `REGIONS`."""

REGIONS_PER_QUERY: Final = 2
"""Maximum number of regions that a query searches. A second one takes half as long again. It finds 1 % more for a pose
that lacks parts, and 0.1 % more for a pose that the first region covers exactly, which is why that one searches no
second."""

GUESSED_PART_COST = 2.0
"""What a guessed part costs when regions are chosen, in seen parts."""

NEW_PART_BONUS = 0.5
"""Extra worth of a part that no region chosen so far has, in seen parts."""

MAX_SAMPLE = 20_000
"""Maximum number of poses that the shape model is fitted to: the covariance of 34 numbers needs no more."""

PRIOR_POSES = 20.0
"""Number of poses that the standing figure counts as: in a library of a few pictures it decides nearly alone."""

PRIOR_VARIANCE = 0.05
"""Variance of the standing figure's key points. The unit is the root mean square of their distances from their mean."""

NOISE_VARIANCE = 1e-3
"""Variance of the noise in a key point, in the same unit. It keeps the regression well-conditioned."""

STANDING: Final = np.array(
    [
        (0.0, -3.2), (0.1, -3.3), (-0.1, -3.3), (0.25, -3.25), (-0.25, -3.25),
        (0.6, -2.5), (-0.6, -2.5), (0.8, -1.5), (-0.8, -1.5), (0.8, -0.7), (-0.8, -0.7),
        (0.4, -0.5), (-0.4, -0.5), (0.4, 1.1), (-0.4, 1.1), (0.4, 2.6), (-0.4, 2.6),
    ]
)  # fmt: skip
"""A person who stands facing the camera, 17×2, x to the right and y down: the first guess of the shape model."""


MAX_CACHED_PATTERNS: Final = 100
"""Maximum number of patterns of seen key points whose results are kept (13 kB each). A visitor shows the same pattern
for many frames, and computing its results takes a sixth of a millisecond."""

EPSILON = 1e-9
"""Smallest size and length to divide by."""


class RegionQuery(NamedTuple):
    """One vector to find the nearest items of: its region, and whether it belongs to the pose's mirror image."""

    region: str
    mirrored: bool
    vector: list[float]


class _QueryPlan(NamedTuple):
    """The regions to search for one pattern of seen key points, and one linear map from these to all ten parts.

    `parts` holds each region and whether it is searched for the mirror image. `matrix` is 34×20 (0 for unseen key
    points) and expects key points relative to their mean and of size 1; `offset` is 20.
    """

    parts: tuple[tuple[str, bool], ...]
    matrix: Floats
    offset: Floats


@dataclass(frozen=True, eq=False)
class ShapeModel:
    """How people hold themselves: mean (34) and covariance (34×34) of x and y of all key points.

    Poses are aligned to the mean by the mean point and size of their seen key points.
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
        """Return N×17×2 poses with their unseen key points (N×17 `seen` false) guessed from the seen ones.

        A pose without key points, or with all of them in one place, gets the mean's key points.
        """
        completed = np.array(points, np.float64)
        for rows, pattern in _group_by_pattern(seen):
            if not pattern.all():
                aligned, shift, size = _align_to_mean(completed[rows], pattern, self.mean)
                known = np.repeat(pattern, 2)
                guess = self.mean[~known] + (aligned - self.mean[known]) @ self._regression(pattern)
                guessed = guess.reshape(len(rows), -1, 2) * size[:, None, None] + shift[:, None]
                completed[np.ix_(rows, ~pattern)] = guessed
        return completed.astype(np.float32)

    def queries(self, points: Floats, seen: Flags) -> list[RegionQuery]:
        """Return the vectors to search for a pose (17×2, with 17 flags `seen`) and its mirror image.

        They are the `region_vectors` of the completed pose for the regions that `choose_regions` returns. The parts
        are linear in the seen key points once those are relative to their mean and of size 1, so one matrix product
        gives all of them.
        """
        regions, matrix, offset = self._query_plan(seen)
        centred = points - seen @ points / max(int(seen.sum()), 1)
        size = max(float(seen @ np.einsum("kc,kc->k", centred, centred)) ** 0.5, EPSILON)
        vectors = (centred.ravel() @ matrix / size + offset).reshape(2, PART_COUNT)
        straight = _soften(vectors)
        mirrored = straight[:, MIRRORED_PARTS] * _FLIP
        queries = []
        for region, is_mirrored in regions:
            numbers = (mirrored if is_mirrored else straight)[:, _REGION_PARTS[region]].ravel()
            length = max(float(numbers @ numbers) ** 0.5, EPSILON)
            queries.append(RegionQuery(region, is_mirrored, (numbers / length).tolist()))
        return queries

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
        known, regression = np.repeat(seen, 2), self._regression(seen)
        projection = part_projection()
        # The guessed key points are linear in the known ones, so one matrix for the known key points does for both.
        combined = projection[known] + regression @ projection[~known]
        guessed = (self.mean[~known] - self.mean[known] @ regression) @ projection[~known]
        mean = self.mean[known].reshape(-1, 2)
        centre = mean.mean(0) if len(mean) else np.zeros(2)
        matrix = np.zeros(projection.shape)
        matrix[known] = combined * np.sqrt(((mean - centre) ** 2).sum())
        offset = guessed + np.tile(centre, len(mean)) @ combined
        return _QueryPlan(parts, matrix.astype(np.float32), offset.astype(np.float32))

    def _regression(self, pattern: Flags) -> Doubles:
        """Return the seen×unseen coefficients of the guess. They are cached: see `MAX_CACHED_PATTERNS`."""
        key = pattern.tobytes()
        if key not in self._regressions:
            if len(self._regressions) >= MAX_CACHED_PATTERNS:
                self._regressions.clear()
            known = np.repeat(pattern, 2)
            among_known = self.covariance[known][:, known] + NOISE_VARIANCE * np.eye(int(known.sum()))
            coefficients = np.linalg.solve(among_known, self.covariance[known][:, ~known])
            self._regressions[key] = np.asarray(coefficients, np.float64)
        return self._regressions[key]


def fit_shape_model(points: Floats, seen: Flags) -> ShapeModel:
    """Fit a shape model to N×17×2 poses (N×17 `seen`) and their mirror images.

    This is expectation maximisation: guess the unseen key points, then take mean and covariance of all poses, with the
    standing figure as prior.
    """
    step = max(1, len(points) // MAX_SAMPLE)
    points, seen = points[::step], seen[::step]
    standing = _normalise(STANDING)
    shape = ShapeModel(standing, PRIOR_VARIANCE * np.eye(34))
    all_points, total = np.ones(17, np.bool_), len(points) + PRIOR_POSES
    for _ in range(5):  # the guesses have settled by then
        aligned = _align_to_mean(shape.complete(points, seen).astype(np.float64), all_points, shape.mean)[0]
        mean = _normalise((PRIOR_POSES * standing + aligned.sum(0)) / total)
        deviations = np.concatenate([aligned - mean, np.sqrt(PRIOR_POSES) * (standing - mean)[None]])
        covariance = (deviations.T @ deviations + PRIOR_POSES * PRIOR_VARIANCE * np.eye(34)) / total
        shape = _symmetrise(ShapeModel(mean, covariance))
    return shape


def region_vectors(points: Floats, region: str) -> Floats:
    """Return N×(2 × the region's parts) vectors of length 1 for N×17×2 completed poses.

    Each part is a vector in its direction, nearly as long for a long part as for one of usual length, and weighted as
    likeness weights it. A pose with all its key points in one place gives zeros.
    """
    softened = soft_parts(part_table(points, np.ones((len(points), 17), np.float32))[0])
    flat = softened[:, :, _REGION_PARTS[region]].reshape(len(points), -1)
    length = np.sqrt(np.einsum("nd,nd->n", flat, flat))[:, None]
    unit: Floats = np.divide(flat, length, out=np.zeros_like(flat), where=length > 0)
    return unit


def soft_parts(table: Floats) -> Floats:
    """Return the vectors of all parts, N×2×10, of N people (N×43 as of `index.likeness.part_table`).

    They are those of `region_vectors` before these get length 1. A part that is not seen is 0.
    """
    vectors = table[:, : 2 * PART_COUNT].reshape(-1, 2, PART_COUNT)
    lengths = table[:, None, 2 * PART_COUNT : 3 * PART_COUNT]
    softened: Floats = vectors * (_ROOT_WEIGHTS / (lengths + np.float32(SHORT_PART)))
    return softened


def choose_regions(seen: Flags) -> tuple[str, ...]:
    """Return the regions to search for a pose with these 17 flags, best first.

    Good regions have many seen and few unseen parts, and together cover all that are seen.
    """
    return _choose_regions(seen_parts(seen).tobytes())


@lru_cache(maxsize=MAX_CACHED_PATTERNS)
def _choose_regions(flags: bytes) -> tuple[str, ...]:
    seen = np.frombuffer(flags, np.bool_)
    names, chosen = list(REGIONS), list[str]()
    worth = REGION_MASKS @ seen - GUESSED_PART_COST * (REGION_MASKS @ ~seen)
    uncovered = seen.astype(np.float64)
    for _ in range(REGIONS_PER_QUERY):
        best = int(np.argmax(worth + NEW_PART_BONUS * (REGION_MASKS @ uncovered)))
        chosen.append(names[best])
        differing = (REGION_MASKS[best] > 0) != seen
        if not differing[:FACE].any() and (REGION_MASKS[best, FACE] or not seen[FACE]):
            break  # it covers what is seen and guesses the face at most, which counts little
        worth[best] = -np.inf
        uncovered *= 1 - REGION_MASKS[best]
    return tuple(chosen)


def _group_by_pattern(seen: Flags) -> Iterator[tuple[npt.NDArray[np.intp], Flags]]:
    """Yield the rows that have the same key points seen, with those 17 flags."""
    if len(seen) == 1:
        yield np.zeros(1, np.intp), seen[0]
        return
    patterns = seen @ (1 << np.arange(17))
    order = np.argsort(patterns, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(patterns[order])) + 1):
        if len(rows):
            yield rows, seen[rows[0]]


def _align_to_mean(points: Doubles, pattern: Flags, mean: Doubles) -> tuple[Doubles, Doubles, Doubles]:
    """Align the seen key points of N poses to the mean's.

    Returns N×(2 × seen) aligned coordinates, and the N×2 shifts and N sizes that undo the alignment.
    """
    target = mean.reshape(17, 2)[pattern]
    kept = points[:, pattern]
    if not len(target):
        return kept.reshape(len(points), 0), points.mean(1), np.ones(len(points))
    target_centre, centres = target.mean(0), kept.mean(1)
    spread = np.sqrt(((kept - centres[:, None]) ** 2).sum((1, 2)))
    size = spread / max(float(np.sqrt(((target - target_centre) ** 2).sum())), EPSILON)
    size = np.where(size > 0, size, 1.0)
    aligned = (kept - centres[:, None]) / size[:, None, None] + target_centre
    return aligned.reshape(len(points), -1), centres - size[:, None] * target_centre, size


def _normalise(shape: Doubles) -> Doubles:
    """Return a shape (34) relative to its mean point, with a root mean square distance of 1 from it."""
    points = shape.reshape(17, 2)
    points = points - points.mean(0)
    unit: Doubles = points / np.sqrt((points**2).sum(1).mean())
    return unit.ravel()


def _symmetrise(shape: ShapeModel) -> ShapeModel:
    """Return the shape model of the same people and their mirror images: either side is equally likely."""
    swap = np.stack([2 * MIRROR_ORDER, 2 * MIRROR_ORDER + 1], 1).ravel()
    flip = np.tile([-1.0, 1.0], 17)
    mean = (shape.mean + flip * shape.mean[swap]) / 2
    mirrored = shape.covariance[np.ix_(swap, swap)] * np.outer(flip, flip)
    deviation = shape.mean - mean
    return ShapeModel(mean, (shape.covariance + mirrored) / 2 + np.outer(deviation, deviation))


def _soften(vectors: Floats) -> Floats:
    """Return one person's parts (x and y, 2×10) as `region_vectors` has them, before they have length 1."""
    lengths = np.sqrt(vectors[0] * vectors[0] + vectors[1] * vectors[1])
    limbs = lengths[:FACE]
    size = float((limbs @ (limbs * limbs)) / FACE) ** (1 / 3)
    softened: Floats = vectors * (_ROOT_WEIGHTS / (lengths + max(SHORT_PART * size, EPSILON)))
    return softened


_ROOT_WEIGHTS: Final = np.sqrt(PART_WEIGHTS)
_FLIP: Final = np.array([[-1], [1]], np.float32)
_REGION_PARTS: Final = {region: list(parts) for region, parts in REGIONS.items()}
