"""Agreement: how well a photo's pose matches a visitor's pose. Every ranking and percentage uses it.

Agreement is COCO's object key-point similarity (https://cocodataset.org/#keypoints-eval) after the best uniform scale
and shift. So a person's place and size do not count. Rotation does: a headstand does not match standing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.pose import BODY_TO_BOX_RATIO, SIGMAS, Floats

MIN_SCALE = 1e-6
"""Smallest scale of an alignment. It is positive: a pose that would fit best upside down is not turned over, but fits
badly."""

EPSILON = 1e-9
"""Smallest divisor. It gives poses that share no key point, or have all of them in one place, an agreement of 0."""

MAX_COORDINATE = 1e7
"""Largest coordinate of a pose, in pixels. No picture is larger, and squares of larger numbers lose precision in
32 bits."""


_FALLOFF = -1 / (2 * (2 * SIGMAS) ** 2)
"""For each key point, the factor of the squared error (as a share of the body's area) in the exponent."""


class Alignment(NamedTuple):
    """A uniform scale, then a shift: `scale · point + (x, y)`, in pixels."""

    scale: float
    x: float
    y: float


class _Fit(NamedTuple):
    """The least-squares fit of N candidates to a query.

    `weights` (17×N) are 0 where a candidate lacks the key point; `query` and `candidates` (2×17×N) are relative to
    their weighted means; `scale` is N.
    """

    weights: Floats
    query: Floats
    candidates: Floats
    scale: Floats


def agreement(query: Floats, weights: Floats, candidates: Floats, seen: npt.NDArray[np.bool_]) -> Floats:
    """Return how well each of N candidates matches the query, 0 to 1.

    `query` is 17×2; `weights` is 17 (an estimator's scores; for a labelled pose 1 where seen and 0 elsewhere);
    `candidates` is N×17×2 and `seen` N×17. A key point that the query has and a candidate lacks counts as missed.
    Raises ValueError when the query has no weight, is not finite, or exceeds `MAX_COORDINATE`.
    """
    if not (np.abs(query).max() < MAX_COORDINATE and np.isfinite(weights).all()):
        raise ValueError("the query pose has a coordinate or weight that is too large or not a finite number")
    total = float(weights.sum())
    if total <= 0:
        raise ValueError("the query pose has no key point with a weight")
    fit = _fit(query, weights, candidates, seen)
    errors = fit.candidates
    errors *= fit.scale
    errors -= fit.query
    errors *= errors
    similarity = np.add(errors[0], errors[1], out=errors[0])
    similarity *= (_FALLOFF / _area(query, weights))[:, None]
    np.exp(similarity, out=similarity)
    agreements: Floats = (np.einsum("kn,kn->n", similarity, fit.weights) / total).astype(np.float32)
    return agreements


def align(query: Floats, weights: Floats, candidate: Floats, seen: npt.NDArray[np.bool_]) -> Alignment:
    """Return the scale and shift that lay one candidate (17×2) on the query: the alignment that `agreement` uses."""
    fit = _fit(query, weights, candidate[None], seen[None])
    scale = float(fit.scale[0])
    # Any key point gives the shift, as the fit has each relative to the mean; the first one will do.
    x, y = query[0] - fit.query[:, 0, 0] - scale * (candidate[0] - fit.candidates[:, 0, 0])
    return Alignment(scale, float(x), float(y))


def _fit(query: Floats, weights: Floats, candidates: Floats, seen: npt.NDArray[np.bool_]) -> _Fit:
    """Fit the candidates to the query by weighted least squares over the key points that both have.

    Each row holds one key point of all candidates. Sums over key points then run along memory, which is several times
    as fast as a row for each candidate.
    """
    weights, query = weights.astype(np.float32), query.T.astype(np.float32)
    both = seen.T.astype(np.float32, order="C")
    points = np.array(candidates.transpose(2, 1, 0), np.float32, order="C")
    # No matrix products: their last bits depend on the installed BLAS and on how many candidates are compared at once.
    total = np.maximum(np.einsum("k,kn->n", weights, both), EPSILON)
    centred_query = query[:, :, None] - (np.einsum("ck,kn->cn", weights * query, both) / total)[:, None]
    both *= weights[:, None]
    points -= (np.einsum("kn,ckn->cn", both, points) / total)[:, None]
    weighted = both * points
    spread = np.einsum("ckn,ckn->n", weighted, points)
    covariance = np.einsum("ck,ckn->n", query, weighted)
    scale = np.maximum(covariance / np.maximum(spread, EPSILON), MIN_SCALE)
    return _Fit(both, centred_query, points, scale)


def _area(query: Floats, weights: Floats) -> float:
    """Return the area of the query's body in square pixels, at least 0.53: a share of the box around its key points."""
    points = query[weights > 0]
    width, height = points.max(0) - points.min(0)
    return BODY_TO_BOX_RATIO * max(float(width) * float(height), 1.0)
