"""A very good fit is celebrated: once, briefly, and not again until the visitor has moved on."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

GREAT_SHARE: Final = 0.86
"""How far the ring must be closed for a celebration: nearly all people would call such an answer good."""

OVER_SHARE: Final = 0.72
"""Below this the fit counts as over: a still visitor whose ring trembles is celebrated once, not again and again."""

HELD_SECONDS: Final = 0.4
"""Seconds that a fit must last: a pose that is only passed through is not celebrated."""

CELEBRATION_SECONDS: Final = 1.4
"""Seconds that a celebration takes."""

REST_SECONDS: Final = 6.0
"""Seconds from one celebration to the next at least: what happens all the time is no reward."""


@dataclass(frozen=True, slots=True)
class Celebrating:
    """What is being celebrated: `since` is when the newest celebration began.

    `great_since` is the time from which on the fit has been great, None while it is not. `due` tells whether a great
    fit may still be celebrated, which it may once.
    """

    since: float = -math.inf
    great_since: float | None = None
    due: bool = True


def celebration_share(since: float, now: float) -> float | None:
    """Return how much of a celebration that began at `since` is over, 0 to 1; None when there is none."""
    share = (now - since) / CELEBRATION_SECONDS
    return share if 0 <= share < 1 else None


def celebrate(state: Celebrating, ring: float | None, now: float) -> Celebrating:
    """Return the state at `now` (seconds of a monotonic clock) for a ring closed this far; None without a visitor."""
    if ring is None:
        return Celebrating(state.since)
    if ring < OVER_SHARE:
        return replace(state, great_since=None, due=True)
    if ring < GREAT_SHARE or not state.due:
        return replace(state, great_since=None)
    great_since = now if state.great_since is None else min(state.great_since, now)
    if now - great_since < HELD_SECONDS or now - state.since < REST_SECONDS:
        return replace(state, great_since=great_since)
    return Celebrating(since=now, due=False)
