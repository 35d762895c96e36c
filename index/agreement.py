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


LARGEST_COORDINATE = 1e7
"""Pixels; what lies farther out than this is no pose, and its squares would not fit into 32 bits."""


class Similarity(NamedTuple):
    """A uniform scale, then a shift: `scale · c + (x, y)`, in pixels."""

    scale: float
    x: float
    y: float


class _Fit(NamedTuple):
    """Key points by candidates, 17×N: both poses about their means over the points that both have, and the scale."""

    shared: Floats
    query_x: Floats
    query_y: Floats
    x: Floats
    y: Floats
    scale: Floats


def agreement(query: Floats, weights: Floats, candidates: Floats, seen: npt.NDArray[np.bool_]) -> Floats:
    """How well each candidate shows the query, 0 to 1.

    `query` is 17×2, `weights` 17 (the estimator's scores; 1 for a label, 0 for unseen), `candidates` N×17×2 and
    `seen` N×17. A point that the query has and a candidate lacks counts as missed. Raises ValueError when the query
    has no weight or is not finite.
    """
    if not (np.abs(query).max() < LARGEST_COORDINATE and np.isfinite(weights).all()):
        raise ValueError("the pose asked for has a coordinate or weight that is no number")
    total = float(weights.sum())
    if total <= 0:
        raise ValueError("the pose asked for has no key point with a weight")
    fit = _fit(query, weights, candidates, seen)
    missed = _distances(fit)
    missed *= (-1 / (2 * _area(query, weights) * (2 * SIGMAS) ** 2))[:, None]
    np.exp(missed, out=missed)
    missed *= fit.shared
    found: Floats = (missed.sum(0) / total).astype(np.float32)
    return found


def align(query: Floats, weights: Floats, candidate: Floats, seen: npt.NDArray[np.bool_]) -> Similarity:
    """The scale and shift that lay one candidate (17×2) on the query: the fit that `agreement` judges by."""
    fit = _fit(query, weights, candidate[None], seen[None])
    scale = float(fit.scale[0])
    # Any point tells the shift, as each is known both as given and about its mean.
    x, y = query[0] - (fit.query_x[0, 0], fit.query_y[0, 0]) - scale * (candidate[0] - (fit.x[0, 0], fit.y[0, 0]))
    return Similarity(scale, float(x), float(y))


def _fit(query: Floats, weights: Floats, candidates: Floats, seen: npt.NDArray[np.bool_]) -> _Fit:
    """Weighted least squares over the points that both have.

    One row a key point: the sums then run along memory, several times as fast as one row a candidate.
    """
    shared = (seen.T * weights[:, None]).astype(np.float32)
    x = np.array(candidates[:, :, 0].T, np.float32, order="C")
    y = np.array(candidates[:, :, 1].T, np.float32, order="C")
    share = shared / np.maximum(shared.sum(0), 1e-9)
    x -= (share * x).sum(0)
    y -= (share * y).sum(0)
    query_x = query[:, :1] - (share * query[:, :1]).sum(0)
    query_y = query[:, 1:] - (share * query[:, 1:]).sum(0)
    fitting = (shared * (x * query_x + y * query_y)).sum(0)
    spread = (shared * (x * x + y * y)).sum(0)
    scale = np.maximum(fitting / np.maximum(spread, 1e-9), SMALLEST_SCALE)
    return _Fit(shared, query_x, query_y, x, y, scale)


def _distances(fit: _Fit) -> Floats:
    """How far each key point is missed by, squared, in the query's pixels."""
    across = fit.scale * fit.x
    across -= fit.query_x
    across *= across
    down = fit.scale * fit.y
    down -= fit.query_y
    down *= down
    across += down
    return across


def _area(query: Floats, weights: Floats) -> float:
    points = query[weights > 0]
    width, height = points.max(0) - points.min(0)
    return BOX_TO_BODY * max(float(width) * float(height), 1.0)
