"""Presence: how sure it is that a pose that the estimator found is a person, and not a coat or the foot of a table.

The estimator's own score for a person is the mean over all key points. So a visitor behind a counter scores little,
while a phantom scores as much: a fragment of a pattern in which a whole small body is read. Two things tell them
apart better. The best key points of a person are surer than any of a phantom, and phantoms are small, because a
pattern rarely looks like a body at any larger scale.

The coefficients are a logistic regression on drawn scenes with and without people, read by PoseNet and by the bundled
model. docs/explanation/answers.md has what it does in photos and films.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from models.pose import Pose
from models.seen import PRESENCE_SCORE

BEST_COUNT: Final = 5
"""Key points that count. A head and shoulders are at least as many, and so are those of somebody seen from behind."""

SCORE_FACTOR: Final = 10.0
"""How much presence, as a logarithm of the odds, grows with the mean score of the best key points …"""
SIZE_FACTOR: Final = 3.75
"""… and with the logarithm of the person's size, as a share of the frame's height …"""
OFFSET: Final = -2.0
"""… and what it is for scores of 0 and a person as large as the frame is high."""

MIN_SIZE: Final = 1e-3
"""Smallest share of the frame's height: a person without a box has a logarithm, too."""


def presence(pose: Pose, frame_height: float) -> float:
    """Return how sure it is that a pose is a person's, 0 to 1, in a frame of this height in pixels.

    It is 0 if a coordinate or a score is not a finite number.
    """
    if not (np.isfinite(pose.xy).all() and np.isfinite(pose.scores).all()):
        return 0.0
    left, top, right, bottom = pose.box(PRESENCE_SCORE) or (0.0, 0.0, 0.0, 0.0)
    size = max(right - left, bottom - top) / frame_height
    best = float(np.sort(pose.scores)[-BEST_COUNT:].mean())
    odds = SCORE_FACTOR * best + SIZE_FACTOR * math.log(max(size, MIN_SIZE)) + OFFSET
    return 1 / (1 + math.exp(-odds))
