"""From a contact that closes and opens to presses and holds. A key, a mouse button or a finger is a contact, too.

The time is always an argument, in seconds of any steady clock.
"""

from __future__ import annotations

import math
from typing import Final

HOLD_SECONDS: Final = 1.2
"""Seconds for which the contact must be closed for a hold. People press a button for 0.1 to 0.5 s without thinking."""


class Presses:
    """Counts the presses and holds of one contact.

    Without `holds`, a press counts when the contact closes, however long it then stays closed. With `holds`, a contact
    that stays closed for HOLD_SECONDS is one hold, which counts at that moment, and a shorter press counts when it
    ends. `settle` is for how many seconds after a change another change is a bounce of the contact.
    """

    def __init__(self, settle: float = 0.0, *, holds: bool = False) -> None:
        self.holds = holds
        self._settle = settle
        self._closed = False
        self._changed_at = -math.inf
        self._pressed_at: float | None = None  # when a press began that is not counted yet
        self._press_count = self._hold_count = 0

    def close(self, now: float) -> None:
        """Receive that the contact closed. A second call without `open` is a new press: the opening was missed."""
        self._count(now)
        if now - self._changed_at >= self._settle:
            self._pressed_at = now
        self._change(now, closed=True)

    def open(self, now: float) -> None:
        """Receive that the contact opened."""
        self._count(now)
        self._change(now, closed=False)

    def is_held(self, now: float) -> bool:
        """Return whether a press is under way that is not counted yet."""
        self._count(now)
        return self._pressed_at is not None

    def pop_presses(self, now: float) -> int:
        """Return the number of presses since the last call."""
        self._count(now)
        presses, self._press_count = self._press_count, 0
        return presses

    def pop_holds(self, now: float) -> int:
        """Return the number of holds since the last call."""
        self._count(now)
        holds, self._hold_count = self._hold_count, 0
        return holds

    def _change(self, now: float, *, closed: bool) -> None:
        self._closed, self._changed_at = closed, now
        self._count(now)

    def _count(self, now: float) -> None:
        """Count the press that is under way, once it is known what it is."""
        if self._pressed_at is None:
            return
        if self.holds and self._closed:
            if now - self._pressed_at < HOLD_SECONDS:
                return
            self._hold_count += 1
        elif self.holds and now - self._changed_at < self._settle:
            return  # the contact may close again, as it bounces
        else:
            self._press_count += 1
        self._pressed_at = None
