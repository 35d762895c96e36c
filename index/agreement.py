"""How well a photograph's pose shows a visitor's pose: the measure that everything is judged by.

It is COCO's object key-point similarity (https://cocodataset.org/#keypoints-eval) after the best uniform scale and
shift, so it is blind to place, size and who the person is; turning is not forgiven (a headstand is not standing).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.pose import BODY_TO_BOX_RATIO, SIGMAS, Floats

MIN_SCALE = 1e-6
"""The fit's scale stays positive: a pose that only fits upside down fits badly, and is not turned over."""

EPSILON = 1e-9
"""Instead of nothing where a sum is divided by: what shares no point, or lies in one place, fits nothing."""

MAX_COORDINATE = 1e7
"""Pixels; what lies farther out than this is no pose, and its squares would not fit into 32 bits."""


_FALLOFF = -1 / (2 * (2 * SIGMAS) ** 2)
"""How fast the worth of a key point falls, by the square of how far it is missed in parts of the body's size."""


class Alignment(NamedTuple):
    """A uniform scale, then a shift: `scale · c + (x, y)`, in pixels."""

    scale: float
    x: float
    y: float


class _Fit(NamedTuple):
    """What both poses weigh (key points by candidates, 17×N) and both about their means by it (2×17×N), and scales."""

    weights: Floats
    query: Floats
    candidates: Floats
    scale: Floats


def agreement(query: Floats, weights: Floats, candidates: Floats, seen: npt.NDArray[np.bool_]) -> Floats:
    """How well each candidate shows the query, 0 to 1.

    `query` is 17×2, `weights` 17 (the estimator's scores; 1 for a label, 0 for unseen), `candidates` N×17×2 and
    `seen` N×17. A point that the query has and a candidate lacks counts as missed. Raises ValueError when the query
    has no weight or is not finite.
    """
    if not (np.abs(query).max() < MAX_COORDINATE and np.isfinite(weights).all()):
        raise ValueError("the pose asked for has a coordinate or weight that is no number")
    total = float(weights.sum())
    if total <= 0:
        raise ValueError("the pose asked for has no key point with a weight")
    fit = _fit(query, weights, candidates, seen)
    missed = fit.candidates
    missed *= fit.scale
    missed -= fit.query
    missed *= missed
    worth = np.add(missed[0], missed[1], out=missed[0])
    worth *= (_FALLOFF / _area(query, weights))[:, None]
    np.exp(worth, out=worth)
    found: Floats = (np.einsum("kn,kn->n", worth, fit.weights) / total).astype(np.float32)
    return found


def align(query: Floats, weights: Floats, candidate: Floats, seen: npt.NDArray[np.bool_]) -> Alignment:
    """The scale and shift that lay one candidate (17×2) on the query: the fit that `agreement` judges by."""
    fit = _fit(query, weights, candidate[None], seen[None])
    scale = float(fit.scale[0])
    # Any point tells the shift, as each is known both as given and about its mean.
    x, y = query[0] - fit.query[:, 0, 0] - scale * (candidate[0] - fit.candidates[:, 0, 0])
    return Alignment(scale, float(x), float(y))


def _fit(query: Floats, weights: Floats, candidates: Floats, seen: npt.NDArray[np.bool_]) -> _Fit:
    """Weighted least squares over the points that both have.

    One row a key point: sums over key points then run along memory, several times as fast as one row a candidate.
    """
    weights, query = weights.astype(np.float32), query.T.astype(np.float32)
    both = seen.T.astype(np.float32, order="C")
    points = np.array(candidates.transpose(2, 1, 0), np.float32, order="C")
    # No products of matrices: in the last bits they would depend on the BLAS at hand, and on who else is judged.
    total = np.maximum(np.einsum("k,kn->n", weights, both), EPSILON)
    about_mean = query[:, :, None] - (np.einsum("ck,kn->cn", weights * query, both) / total)[:, None]
    both *= weights[:, None]
    points -= (np.einsum("kn,ckn->cn", both, points) / total)[:, None]
    weighed = both * points
    spread = np.einsum("ckn,ckn->n", weighed, points)
    fitting = np.einsum("ck,ckn->n", query, weighed)
    scale = np.maximum(fitting / np.maximum(spread, EPSILON), MIN_SCALE)
    return _Fit(both, about_mean, points, scale)


def _area(query: Floats, weights: Floats) -> float:
    points = query[weights > 0]
    width, height = points.max(0) - points.min(0)
    return BODY_TO_BOX_RATIO * max(float(width) * float(height), 1.0)
