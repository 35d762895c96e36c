"""What happened by the hour: visitors, presses and GIFs of the last two days. Nobody is counted more exactly."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from device.status.status_file import Hour

HOURS_KEPT: Final = 48

HOUR: Final = 3600.0
"""Seconds."""


def hour_start(now: float) -> int:
    """Return when the hour of `now` began, by the clock of this place. Both are in seconds since 1970."""
    local = time.localtime(now)  # some places are half an hour away from the others
    return int(now) - 60 * local.tm_min - local.tm_sec


class HourlyCounts:
    """Counts what happens in each hour, and keeps the newest ones. Times are in seconds since 1970."""

    def __init__(self, hours: Iterable[Hour] = ()) -> None:
        self._hours: dict[int, Hour] = {}
        for hour in hours:
            self._add(hour)

    def add(self, now: float, *, visitors: int = 0, presses: int = 0, gifs: int = 0) -> None:
        """Count what has just happened."""
        if visitors or presses or gifs:
            self._add(Hour(hour_start(now), visitors, presses, gifs))

    def shift(self, seconds: float) -> None:
        """Move everything by whole hours, because the clock was put forward (or back, if negative) by `seconds`."""
        distance = round(seconds / HOUR) * int(HOUR)
        hours, self._hours = self._hours, {}
        for hour in hours.values():
            self._add(replace(hour, start=hour.start + distance))

    def newest(self, now: float) -> tuple[Hour, ...]:
        """Return the hours of the last two days in which something happened, the oldest first; drop all others."""
        first, last = now - HOURS_KEPT * HOUR, now
        self._hours = {start: hour for start, hour in self._hours.items() if first < start <= last}
        return tuple(self._hours[start] for start in sorted(self._hours))

    def _add(self, hour: Hour) -> None:
        known = self._hours.get(hour.start, Hour(hour.start))
        self._hours[hour.start] = Hour(
            hour.start, known.visitors + hour.visitors, known.presses + hour.presses, known.gifs + hour.gifs
        )
