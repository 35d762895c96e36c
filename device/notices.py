"""Notices: sentences that the screen shows for some seconds, and then no more."""

from __future__ import annotations

import math
from typing import Final

NOTICE_SECONDS: Final = 8.0
"""Seconds that a notice stays on the screen: time to read two lines without hurry."""


class Notices:
    """Choose the notice to show: an opening one, and later each new note of the estimator.

    `first_note` is the estimator's note at the start. It is not shown, because the log already has it: visitors need
    to read only what changes while they watch.
    """

    def __init__(self, opening: str | None, first_note: str | None) -> None:
        self._notice, self._since = opening, math.inf
        self._last_note = first_note

    def update(self, note: str | None, now: float) -> str | None:
        """Return the notice to show at `now` (seconds of a monotonic clock), given the estimator's present note."""
        if note != self._last_note:
            self._notice = self._last_note = note
            self._since = now
        self._since = min(self._since, now)  # the opening notice's time begins with the first frame
        return self._notice if now - self._since < NOTICE_SECONDS else None
