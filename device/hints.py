"""Hints: poses to try, for a visitor whom no photo answers believably."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from device.rating import MIN_BELIEVABLE

HINTS: Final = (
    "Try: arms wide",
    "Try: one arm up",
    "Try: hands on your hips",
    "Try: both arms up",
    "Try: one step back, so that your arms fit in",
)
"""What to try, one after another. The starter library has many pictures of each."""

PATIENCE: Final = 1.5
"""Seconds without a believable answer before a hint: in between, people only move from pose to pose."""

HINT_SECONDS: Final = 5.0
"""Seconds after which another hint follows, while the answers are still not believable."""

MIN_HINT_SECONDS: Final = 2.0
"""Seconds that a hint stays at least, even when an answer is believable again: time to read it."""


@dataclass(frozen=True, slots=True)
class Hinting:
    """The hint that is shown, if one is.

    `shown` is its number in `HINTS`, `since` the time at which it came. `unbelievable_since` is the time from which on
    no answer was believable, None while one is. `next` is the number of the next hint.
    """

    shown: int | None = None
    since: float = 0.0
    unbelievable_since: float | None = None
    next: int = 0

    @property
    def hint(self) -> str | None:
        """The sentence to show."""
        return None if self.shown is None else HINTS[self.shown]


def update_hint(state: Hinting, likeness: float | None, now: float) -> Hinting:
    """Return the state at `now` (seconds of a monotonic clock), for an answer of this likeness.

    `likeness` is None while there is no visitor.
    """
    if likeness is None:
        return Hinting(next=state.next)
    if likeness >= MIN_BELIEVABLE:
        state = replace(state, unbelievable_since=None)
    elif state.unbelievable_since is None:
        state = replace(state, unbelievable_since=now)
    if state.shown is not None and now - state.since < MIN_HINT_SECONDS:
        return state
    if state.unbelievable_since is None:
        return replace(state, shown=None)
    waited = now - (state.unbelievable_since if state.shown is None else state.since)
    if waited < (PATIENCE if state.shown is None else HINT_SECONDS):
        return state
    return replace(state, shown=state.next, since=now, next=(state.next + 1) % len(HINTS))
