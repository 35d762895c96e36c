"""What people would call an answer, expected from its likeness: wrong, passable or good.

Likeness alone means nothing to a visitor. 184 answers to real people were rated by eye, each twice: 0 wrong ("that
isn't me"), 1 passable (one limb clearly off), 2 good. The figures here are of a curve through those ratings;
docs/explanation/answers.md has them. What a visitor sees of an answer's fit goes by them alone.
"""

from __future__ import annotations

from typing import Final

import numpy as np

LIKENESS_KNOTS: Final = (0.45, 0.62, 0.89, 1.0)
"""Likenesses at which an answer is nearly always wrong, wrong as often as not, good as often as not, and perfect."""

RING_KNOTS: Final = (0.0, 1 / 3, 2 / 3, 1.0)
"""How far the ring is closed at each of these: its top third means that most people would call the answer good."""

MIN_BELIEVABLE: Final = LIKENESS_KNOTS[1]
"""Likeness below which most people would call an answer wrong: the mirror shows it with a hint, and does not pretend.
"""


MIN_GOOD: Final = LIKENESS_KNOTS[2]
"""Likeness from which most people would call an answer good."""


def ring_share(likeness: float) -> float:
    """Return how far the ring closes for a likeness, both from 0 to 1."""
    return float(np.interp(likeness, LIKENESS_KNOTS, RING_KNOTS))
