"""Likeness: how alike the poses of a visitor and of a photo's person look. Every ranking and the ring go by it.

People compare poses part by part: is the arm up, is it bent, which way does the face look? So likeness compares ten
parts of the body, each as a vector from one joint to the next: the eight limbs, the trunk and the face. A part counts
by its direction, and less strictly by its length: an arm that points at the camera looks short. Lengths are relative to
the person's own size, so children, tall people and drawn figures are compared alike. Place and size do not count;
rotation does.

docs/explanation/finding-the-photo.md has the ratings by eye that chose this measure over key points laid on each other
(`index.agreement`), and over directions or vectors alone.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from models.pose import LEFT_SHOULDER, RIGHT_SHOULDER, Floats

Flags = npt.NDArray[np.bool_]

LEFT_UPPER_ARM, RIGHT_UPPER_ARM, LEFT_FOREARM, RIGHT_FOREARM = range(4)
LEFT_THIGH, RIGHT_THIGH, LEFT_SHIN, RIGHT_SHIN, TRUNK, FACE = range(4, 10)
"""The parts of the body, in the order of all arrays here."""

PART_COUNT: Final = 10

MIRRORED_PARTS: Final = np.array([1, 0, 3, 2, 5, 4, 7, 6, 8, 9])
"""The order of the parts in a mirror image, where left becomes right."""

_STARTS: Final = ((5,), (6,), (7,), (8,), (11,), (12,), (13,), (14,), (5, 6), (3, 4))
_ENDS: Final = ((7,), (8,), (9,), (10,), (13,), (14,), (15,), (16,), (11, 12), (0,))
"""The key points that each part leads from and to. Two stand for the point in the middle between them: neck, pelvis,
and the centre of the head."""

USUAL_LENGTHS: Final = np.array([.186, .186, .146, .146, .245, .245, .246, .246, .288, .1], np.float32)  # fmt: skip
"""The length of each part as a share of a person's height (Drillis and Contini, 1966; the face is an estimate)."""

PART_WEIGHTS: Final = np.array([1.5, 1.5, 2, 2, 1, 1, 1, 1, 1, .5], np.float32)  # fmt: skip
"""How much each part counts: arms say most of what a pose means, and forearms move most."""

_NEEDED: Final = np.array([[*(2 * a)[:2], *(2 * b)[:2]] for a, b in zip(_STARTS, _ENDS, strict=True)])
"""10×4: the key points that each part needs; a single one stands twice."""

SHARPNESS: Final = 3.4
"""How fast likeness falls with the angle between two parts: to 63 % at 30°, 37 % at 45° and 3 % at 90°.

A sharper measure finds nothing better for true poses, and follows the estimator's errors."""

STRETCH_COST: Final = 0.5
"""How fast likeness falls with the logarithm of two parts' ratio of lengths: to 79 % at 1 : 2. Bodies differ by a fifth
in the proportions of their parts, and foreshortening by far more."""

SHORT_PART: Final = 0.3
"""Length, in usual lengths, around which a part is too foreshortened for its direction to say much."""

MIN_LENGTH: Final = 1e-2
"""Smallest length of a part that counts, in pixels of a person's height: rounding makes shorter ones."""

MISSING: Final = 30.0
"""The logarithm that a missing part has for its length: so it is alike to nothing, without a mask."""

EPSILON: Final = 1e-9
"""Smallest divisor."""

SEATED_DROP: Final = 0.45, 0.65
"""A thigh that descends by less than the first share of its usual length is a seated person's, by more than the second
a standing person's."""

SURE_THIGH: Final = 0.6, 0.8
"""A thigh that is seen less well than the first tells nothing of whether somebody sits, one seen better than the second
tells surely. A guessed thigh mostly looks short."""

UNSEEN_THIGH: Final = 0.4, 0.6
"""A thigh that is seen less well than the first is out of sight, one that is seen better than the second is not."""

STANCE_COST: Final = 0.05
"""What it costs a person with a lifted or bent leg to answer a visitor whose legs are not seen: such a visitor most
likely just stands."""

STANDING_DROP: Final = 0.5, 0.8
"""A thigh or shin of a person who just stands descends by more than the second share of its usual length, one that
descends by less than the first is lifted or bent."""

BACK_COST: Final = 0.08
"""What it costs a person seen from behind to answer a visitor seen from the front, and the other way round. PoseNet
tells the two apart in nine of ten visitors."""

FULL_WIDTH: Final = 0.12
"""Shoulder width, as a share of a person's height, from which they surely face the camera or turn their back to it:
half of the usual width."""

SEATED_TRUNK: Final = 0.5
"""The share of its usual length by which a seated person's trunk descends at least: a lying person's does not."""

SEATED_COST: Final = 0.15
"""What it costs a seated person to answer a visitor who is not known to sit, because chairs and wheelchairs stand out …
"""
STANDING_COST: Final = 0.1
"""… and a standing person to answer somebody who sits or squats. Raters gave seated visitors' seated answers 1.3 of 2,
standing ones 0.8."""

MAX_COORDINATE: Final = 1e7
"""Largest coordinate of a pose, in pixels. No picture is larger, and squares of larger numbers lose precision in
32 bits."""


COLUMNS: Final = 4 * PART_COUNT + 3
"""Numbers in the row of one person: see `part_table`."""


def _build_projection() -> npt.NDArray[np.float64]:
    """Return the 34×20 matrix from key points (x and y in turn) to the x and then the y of all parts."""
    projection = np.zeros((17, 2, 2, PART_COUNT))
    for part, (starts, ends) in enumerate(zip(_STARTS, _ENDS, strict=True)):
        for axis in (0, 1):
            projection[list(starts), axis, axis, part] -= 1 / len(starts) / USUAL_LENGTHS[part]
            projection[list(ends), axis, axis, part] += 1 / len(ends) / USUAL_LENGTHS[part]
    return projection.reshape(34, 2 * PART_COUNT)


_PROJECTION: Final = _build_projection()
_PROJECTION_32: Final = _PROJECTION.astype(np.float32)
_X, _Y, _LENGTH, _LOG_LENGTH = (slice(i * PART_COUNT, (i + 1) * PART_COUNT) for i in range(4))
_SEATED, _FACING, _STANCE = range(4 * PART_COUNT, COLUMNS)
_MIRRORED_COLUMNS: Final = np.concatenate(
    [*(MIRRORED_PARTS + i * PART_COUNT for i in range(4)), [_SEATED, _FACING, _STANCE]]
)


class Query(NamedTuple):
    """A pose to compare with others, as it is and mirrored.

    `rows` is 2×43 as of `part_table`; `weights` is 2×10, how much each part counts; `legs_unseen` is how surely no
    thigh is seen, 0 to 1.
    """

    rows: Floats
    weights: Floats
    legs_unseen: float


def likeness(query: Floats, visibility: Floats, candidates: Floats, seen: Flags) -> Floats:
    """Return how alike each of N candidates looks to the query, 0 to 1.

    `query` is 17×2; `visibility` is 17, how well each key point is seen (see `Pose.visibility`); `candidates` is
    N×17×2 and `seen` N×17. A part that the query shows and a candidate lacks counts as missed. It is 0 for a query that
    shows no part. Raises ValueError when the query is not finite, or exceeds `MAX_COORDINATE`.
    """
    table = part_table(candidates, seen.astype(np.float32))[0]
    return compare(make_query(query, visibility), table, np.zeros(len(table), np.bool_))


def part_table(points: Floats, visibility: Floats) -> tuple[Floats, Floats]:
    """Return the parts of N people as N×43, and how well each part is seen, N×10.

    `points` is N×17×2, `visibility` N×17, 0 where a key point is not seen. A row holds x and y of the ten parts in
    usual lengths, their lengths, the logarithms of these plus `SHORT_PART`, how surely the person sits, how surely they
    face the camera, and how calmly they stand. A library stores these rows. A part is as visible as the geometric mean
    of its two ends.
    """
    factors = visibility[:, _NEEDED]
    weights = np.sqrt(np.sqrt(factors[..., 0] * factors[..., 1] * factors[..., 2] * factors[..., 3]))
    vectors = points.reshape(-1, 34) @ _PROJECTION_32
    x, y = vectors[:, _X], vectors[:, _Y]
    lengths = np.sqrt(x * x + y * y)
    seen = (weights > 0) & (lengths > MIN_LENGTH)
    weights *= seen
    size = _person_size(lengths, weights)
    scale = seen / size
    table = np.empty((len(points), COLUMNS), np.float32)
    table[:, _X], table[:, _Y], table[:, _LENGTH] = x * scale, y * scale, lengths * scale
    table[:, _LOG_LENGTH] = np.where(seen, np.log(table[:, _LENGTH] + np.float32(SHORT_PART)), np.float32(MISSING))
    table[:, _SEATED] = _seatedness(table[:, _Y], weights)
    table[:, _FACING] = _facing(points, visibility, size[:, 0])
    table[:, _STANCE] = _stance(table[:, _Y], seen)
    return table, weights


def make_query(points: Floats, visibility: Floats) -> Query:
    """Return a pose (17×2, and 17 as of `Pose.visibility`) as a query.

    Raises ValueError as `likeness` does.
    """
    return make_queries(points[None], visibility[None])[0]


def make_queries(points: Floats, visibility: Floats) -> list[Query]:
    """Return N poses (N×17×2, and N×17 as of `Pose.visibility`) as queries: all in little more than the time of one.

    Raises ValueError as `likeness` does.
    """
    if not (np.abs(points).max(initial=0) < MAX_COORDINATE and np.isfinite(visibility).all()):
        raise ValueError("the query pose has a coordinate or weight that is too large or not a finite number")
    table, weights = part_table(points.astype(np.float32), visibility.astype(np.float32))
    legs_unseen = 1 - _ramp(weights[:, LEFT_THIGH : RIGHT_THIGH + 1].max(1), UNSEEN_THIGH)
    weights *= PART_WEIGHTS
    mirrored = table[:, _MIRRORED_COLUMNS]
    mirrored[:, _X] *= -1
    rows = np.stack([table, mirrored], 1)
    both_weights = np.stack([weights, weights[:, MIRRORED_PARTS]], 1)
    return [Query(*query) for query in zip(rows, both_weights, legs_unseen.tolist(), strict=True)]


def compare(query: Query, table: Floats, mirrored: Flags) -> Floats:
    """Return the likeness of the query to N people (N×43 as of `part_table`), each as they are or `mirrored` (N).

    A pose is as like a person in a mirror as the mirrored pose is like the person.
    """
    ways = mirrored.astype(np.intp)
    # One person to a column: each step below then runs along memory.
    people, queries = np.ascontiguousarray(table.T), np.ascontiguousarray(query.rows[ways].T)
    both = queries[_LENGTH] * people[_LENGTH]
    difference = both - queries[_X] * people[_X]
    difference -= queries[_Y] * people[_Y]
    difference *= np.float32(SHARPNESS)
    both += np.float32(SHORT_PART**2)
    difference /= both
    stretch = np.subtract(queries[_LOG_LENGTH], people[_LOG_LENGTH], out=both)
    stretch *= stretch
    stretch *= np.float32(STRETCH_COST)
    difference += stretch
    similarity = np.exp(np.negative(difference, out=difference), out=difference)
    similarity *= query.weights.T[:, ways]
    result: Floats = similarity.sum(0)
    result /= max(float(query.weights[0].sum()), EPSILON)
    excess = people[_SEATED] - query.rows[0, _SEATED]
    result *= 1 - np.maximum(np.float32(SEATED_COST) * excess, np.float32(-STANDING_COST) * excess)
    result *= 1 - np.float32(STANCE_COST * query.legs_unseen) * (1 - people[_STANCE])
    result *= 1 - np.float32(BACK_COST) * np.maximum(-query.rows[0, _FACING] * people[_FACING], 0)
    return result


def seen_parts(seen: Flags) -> Flags:
    """Return which parts of N people (N×17 `seen`, or 17 for one) are seen: N×10, or 10."""
    return np.asarray(seen[..., _NEEDED].all(-1))


def part_projection() -> npt.NDArray[np.float64]:
    """Return the 34×20 matrix from key points (x and y in turn) to x and then y of the parts, in usual lengths."""
    return _PROJECTION


def _person_size(lengths: Floats, weights: Floats) -> Floats:
    """Return each person's height (N×1), as their limbs and trunk suggest it.

    The cubic mean lets long parts count more, because a part that points at the camera looks short. Squared weights
    keep a wild guess of the estimator, which is long, from counting.
    """
    limbs, shares = lengths[:, :FACE], weights[:, :FACE] ** 2
    total, known = (shares * limbs * limbs * limbs).sum(1, keepdims=True), shares.sum(1, keepdims=True)
    size: Floats = np.cbrt(total / np.maximum(known, EPSILON))
    return np.where(size > 0, size, 1)


def _seatedness(down: Floats, weights: Floats) -> Floats:
    """Return how surely each of N people sits or squats, 0 to 1, by how far their parts descend (N×10), and how well
    these are seen (N×10); 0 if no thigh is seen.

    Both thighs of a seated person are nearly level or point at the camera, and the trunk is upright.
    """
    thighs, seen = slice(LEFT_THIGH, RIGHT_THIGH + 1), weights > 0
    drop = np.where(seen[:, thighs], down[:, thighs], -1).max(1)
    upright = ~seen[:, TRUNK] | (down[:, TRUNK] > SEATED_TRUNK)
    return np.asarray(
        (1 - _ramp(drop, SEATED_DROP)) * upright * _ramp(weights[:, thighs].max(1), SURE_THIGH), np.float32
    )


def _stance(down: Floats, seen: Flags) -> Floats:
    """Return how calmly each of N people stands, by how far their parts descend (N×10): 1 on two straight legs, or if
    no leg is seen."""
    legs = slice(LEFT_THIGH, RIGHT_SHIN + 1)
    standing = np.where(seen[:, legs], _ramp(down[:, legs], STANDING_DROP), 1)
    return np.asarray(standing.mean(1), np.float32)


def _ramp(values: Floats, bounds: tuple[float, float]) -> Floats:
    """Return 0 for values below the first bound, 1 above the second, and shares in between."""
    return np.asarray(np.clip((values - bounds[0]) / (bounds[1] - bounds[0]), 0, 1), np.float32)


def _facing(points: Floats, visibility: Floats, size: Floats) -> Floats:
    """Return how surely each of N people (N×17×2, seen as N×17, of N sizes) faces the camera: −1 for a back, 1 for a
    front, 0 for a profile. It is the same in a mirror."""
    width = (points[:, LEFT_SHOULDER, 0] - points[:, RIGHT_SHOULDER, 0]) / (size * FULL_WIDTH)
    known = visibility[:, LEFT_SHOULDER] * visibility[:, RIGHT_SHOULDER]
    return np.asarray(np.clip(width, -1, 1) * known, np.float32)
