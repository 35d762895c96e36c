"""When a key point counts as seen: one threshold for each use, with its reason.

An estimator scores each key point from 0 to 1. How sure it must be depends on what a wrong point would cost.
"""

from __future__ import annotations

from typing import Final

FRAMING_SCORE: Final = 0.2
"""A visitor's key points from this score on must have their like on the display: feet, if the visitor's feet are seen.
In matching, no score is too low: each point counts by `Pose.visibility`, because two thirds of the limbs that score
from 0.02 to 0.2 are right."""

CROP_SCORE: Final = 0.1
"""Key points above this score must be in a crop around a person. It is low, because a crop that cuts off a limb that
was hardly seen never shows it better."""

PRESENCE_SCORE: Final = 0.2
"""Key points above this score make the box that tells how large a person is, and so how surely it is one."""

TRACKING_SCORE: Final = 0.25
"""Key points below this score do not tell tracks apart: strays jump, and would break a track."""

LAYOUT_SCORE: Final = 0.3
"""Key points below this score are not drawn and do not move a photo: a visitor would see every stray."""

LIBRARY_SCORE: Final = 0.3
"""Key points below this score are stored as unseen: a library keeps them for years, so it stores no guesses."""

SHORTLIST_SHARE: Final = 0.15
"""Key points below this share of the pose's best score are filled in from the other key points before Annoy is asked.
It is relative, because a pose without confident points still needs a shortlist."""

PRINTED_SCORE: Final = 0.5
"""`pose-mirror poses` prints key points from this score on: its readers want only those that are certain."""
