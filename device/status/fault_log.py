"""The last faults: what was wrong, when, and how often. Times are in seconds since the machine was started."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from device.status.status_file import PastFault

FAULTS_KEPT: Final = 20

MAX_SENTENCE: Final = 400
"""Characters of a fault's sentence that are kept."""


class FaultLog:
    """Keeps the faults that were seen last. A fault counts again when it comes back."""

    def __init__(self, faults: Iterable[PastFault] = ()) -> None:
        self._faults = {fault.sentence: fault for fault in faults}
        self._present: frozenset[str] = frozenset()
        self._drop_oldest()

    def see(self, sentences: Sequence[str], now: float) -> None:
        """Note all faults of this time."""
        present = frozenset(sentence[:MAX_SENTENCE] for sentence in sentences)
        for sentence in present:
            known = self._faults.get(sentence, PastFault(sentence, now, now, 0))
            came = sentence not in self._present
            self._faults[sentence] = replace(known, last_seen=now, count=known.count + came)
        self._present = present
        self._drop_oldest()

    def newest(self) -> tuple[PastFault, ...]:
        """Return the faults, the one that was seen last first."""
        return tuple(sorted(self._faults.values(), key=lambda fault: (-fault.last_seen, fault.sentence)))

    def _drop_oldest(self) -> None:
        self._faults = {fault.sentence: fault for fault in self.newest()[:FAULTS_KEPT]}
