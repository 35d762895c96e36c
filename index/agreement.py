"""How well a photograph's pose shows a visitor's pose: the measure that everything is judged by.

It is COCO's object key-point similarity (https://cocodataset.org/#keypoints-eval) after the best uniform scale and
shift, so it is blind to place, size and who the person is; turning is not forgiven (a headstand is not standing).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.pose import SIGMAS, Floats

BOX_TO_BODY = 0.53
"""The share of its box that a person's body covers, in the mean over COCO."""

SMALLEST_SCALE = 1e-6
"""The fit's scale stays positive: a pose that only fits upside down fits badly, and is not turned over."""


class Similarity(NamedTuple):
    """A uniform scale, then a shift: `scale · c + (x, y)`, in pixels."""

    scale: float
    x: float
    y: float


def agreement(query: Floats, weights: Floats, candidates: Floats, seen: npt.NDArray[np.bool_]) -> Floats:
    """How well each candidate shows the query, 0 to 1.

    `query` is 17×2, `weights` 17 (the estimator's scores; 1 for a label, 0 for unseen), `candidates` N×17×2 and
    `seen` N×17. A point that the query has and a candidate lacks counts as missed. Raises ValueError when the query
    has no weight or is not finite.
    """
    if not (np.isfinite(query).all() and np.isfinite(weights).all()):
        raise ValueError("the pose asked for has a coordinate or weight that is no number")
    total = float(weights.sum())
    if total <= 0:
        raise ValueError("the pose asked for has no key point with a weight")
    shared = seen * weights
    centred_query, centred, scale, _, _ = _fit(query, shared, candidates)
    missed = ((scale[:, None, None] * centred - centred_query) ** 2).sum(-1)
    spread = 2 * _area(query, weights) * (2 * SIGMAS) ** 2
    found: Floats = ((np.exp(-missed / spread) * shared).sum(-1) / total).astype(np.float32)
    return found


def align(query: Floats, weights: Floats, candidate: Floats, seen: npt.NDArray[np.bool_]) -> Similarity:
    """The scale and shift that lay one candidate (17×2) on the query: the fit that `agreement` judges by."""
    _, _, scale, query_mean, mean = _fit(query, seen[None] * weights, candidate[None])
    shift = query_mean[0] - scale[0] * mean[0]
    return Similarity(float(scale[0]), float(shift[0]), float(shift[1]))


def _fit(query: Floats, shared: Floats, candidates: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Weighted least squares over the points that both have: centred query and candidates, N scales, the means."""
    count = np.maximum(shared.sum(-1, keepdims=True), 1e-9)
    mean = np.einsum("nk,nkd->nd", shared, candidates) / count
    query_mean = shared @ query / count
    centred = candidates - mean[:, None]
    centred_query = query[None] - query_mean[:, None]
    spread = np.einsum("nk,nkd,nkd->n", shared, centred, centred)
    scale = np.einsum("nk,nkd,nkd->n", shared, centred, centred_query) / np.maximum(spread, 1e-9)
    return centred_query, centred, np.maximum(scale, SMALLEST_SCALE), query_mean, mean


def _area(query: Floats, weights: Floats) -> float:
    points = query[weights > 0]
    width, height = points.max(0) - points.min(0)
    return BOX_TO_BODY * max(float(width) * float(height), 1.0)
