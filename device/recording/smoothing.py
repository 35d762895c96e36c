"""A visitor's poses over a whole recording, made calmer: when all of it is known, less has to be guessed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from models.pose import (
    LEFT_ANKLE,
    LEFT_ELBOW,
    LEFT_HIP,
    LEFT_KNEE,
    LEFT_SHOULDER,
    LEFT_WRIST,
    RIGHT_ANKLE,
    RIGHT_ELBOW,
    RIGHT_HIP,
    RIGHT_KNEE,
    RIGHT_SHOULDER,
    RIGHT_WRIST,
    Floats,
    Pose,
)
from models.seen import LAYOUT_SCORE

WEIGHTS: Final = 0.25, 0.5, 0.25
"""Weights of the still before, a still and the still after: they take the trembling out of a figure."""

MAX_GAP_SECONDS: Final = 0.4
"""Seconds between two stills from which on they are not mixed: they may show different visitors."""

FILLED: Final = (
    (LEFT_HIP, LEFT_KNEE, 3.0),
    (RIGHT_HIP, RIGHT_KNEE, 3.0),
    (LEFT_KNEE, LEFT_ANKLE, 3.0),
    (RIGHT_KNEE, RIGHT_ANKLE, 3.0),
    (LEFT_SHOULDER, LEFT_ELBOW, 0.5),
    (RIGHT_SHOULDER, RIGHT_ELBOW, 0.5),
    (LEFT_ELBOW, LEFT_WRIST, 0.5),
    (RIGHT_ELBOW, RIGHT_WRIST, 0.5),
)
"""Limbs, from the body outwards, and for how many seconds before and after it is seen a limb's end may be filled in.
Legs mostly stand, and a figure whose shins come and go looks hurt; where an arm is, nobody can guess for long."""


def smooth(poses: Sequence[Pose], times: Sequence[float]) -> list[Pose]:
    """Return poses with less trembling and fewer missing limbs. `times` are theirs, in seconds."""
    xy, scores = np.stack([pose.xy for pose in poses]), np.stack([pose.scores for pose in poses])
    at = np.array(times)
    _fill_in(xy, scores, at)
    xy = _average(xy, scores, at)
    return [Pose(xy[k], scores[k], pose.score) for k, pose in enumerate(poses)]


def _fill_in(xy: Floats, scores: Floats, at: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    """Give the ends of limbs that are not seen the direction that they have in the nearest still where they are."""
    for start, end, seconds in FILLED:
        seen = scores >= LAYOUT_SCORE
        known = np.flatnonzero(seen[:, start] & seen[:, end])
        missing = np.flatnonzero(seen[:, start] & ~seen[:, end])
        if not len(known) or not len(missing):
            continue
        away = np.abs(at[missing, None] - at[known])
        nearest = known[away.argmin(1)]
        near = away.min(1) <= seconds
        missing, nearest = missing[near], nearest[near]
        xy[missing, end] = xy[missing, start] + xy[nearest, end] - xy[nearest, start]
        scores[missing, end] = LAYOUT_SCORE


def _average(xy: Floats, scores: Floats, at: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Floats:
    """Return the key points (N×17×2), averaged over three stills as far as they are seen and near in time."""
    apart = np.diff(at, prepend=-math.inf, append=math.inf) > MAX_GAP_SECONDS
    count = np.arange(len(at))
    before, after = np.where(apart[:-1], count, count - 1), np.where(apart[1:], count, count + 1)
    total, weight = np.zeros_like(xy), np.zeros((*scores.shape, 1), np.float32)
    for share, index in zip(WEIGHTS, (before, count, after), strict=True):
        # where a point is never seen, its average is not drawn, but must be finite
        part = share * np.where(scores[index] >= LAYOUT_SCORE, 1, 1e-6)[..., None].astype(np.float32)
        total += part * xy[index]
        weight += part
    averaged: Floats = (total / weight).astype(np.float32)
    return averaged
