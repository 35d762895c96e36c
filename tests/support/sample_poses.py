"""Poses of made-up people for tests: a jointed figure whose limbs turn at random, so that no two are alike."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

STANDING_POSE = np.array(
    [(0, -66), (2, -68), (-2, -68), (5, -67), (-5, -67), (16, -50), (-16, -50), (18, -25), (-18, -25), (19, -2),
     (-19, -2), (10, 0), (-10, 0), (11, 40), (-11, 40), (11, 78), (-11, 78)], np.float32,
)  # fmt: skip
"""A person facing the camera, 17×2, with the hips at height 0."""

JOINTS = (
    (5, (7, 9), 2.6), (6, (8, 10), 2.6), (7, (9,), 2.0), (8, (10,), 2.0),
    (11, (13, 15), 1.2), (12, (14, 16), 1.2), (13, (15,), 1.2), (14, (16,), 1.2),
)  # fmt: skip
"""A joint, the points that turn about it, and by how many radians at most."""


def sample_people(count: int, seed: int = 0, unseen_share: float = 0.0) -> Floats:
    """Return N×17×3 people all over pictures of 640×480, with a share of their points unseen."""
    rng = np.random.default_rng(seed)
    points = np.repeat(STANDING_POSE[None], count, 0)
    for joint, below, limit in JOINTS:
        points[:, below] = _rotate(points[:, below], points[:, [joint]], rng.uniform(-limit, limit, count))
    lean = rng.normal(0, 0.4, count)
    points = _rotate(points, np.zeros((count, 1, 2), np.float32), lean)
    size, place = rng.uniform(0.5, 1.5, (count, 1, 1)), rng.uniform((150, 150), (490, 330), (count, 1, 2))
    placed = points * size + place + rng.normal(0, 1, points.shape)
    seen = rng.random((count, 17, 1)) >= unseen_share
    return np.where(seen, np.concatenate([placed, seen], 2), 0).astype(np.float32)


def _rotate(points: Floats, about: Floats, angles: npt.NDArray[np.float64]) -> Floats:
    cos, sin = np.cos(angles), np.sin(angles)
    turns = np.stack([np.stack([cos, -sin], 1), np.stack([sin, cos], 1)], 1).astype(np.float32)
    turned: Floats = (np.einsum("nij,nkj->nki", turns, points - about) + about).astype(np.float32)
    return turned
