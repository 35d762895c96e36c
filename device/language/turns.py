"""Which of the configured languages the mirror speaks now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from device.language.translate import Language

TURN_SECONDS: Final = 10.0
"""Seconds for which each language is spoken while nobody is there: passers-by read one sentence, and walk on."""

VISITOR_TURN_SECONDS: Final = 20.0
"""The same while somebody is there. A sentence that changes while it is read is a nuisance, but the mirror does not
know which language a visitor reads, so it must not keep one for ever."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The number of the language that is spoken, and the time when its turn began."""

    number: int = 0
    since: float = 0.0


def next_turn(turn: Turn, languages: int, now: float, *, present: bool = False, busy: bool = False) -> Turn:
    """Return whose turn it is at a time (seconds of any steady clock), of this number of languages.

    `present` tells whether a visitor is there. No turn ends while the mirror is `busy`, from a press until its GIF was
    shown: those sentences belong together.
    """
    length = VISITOR_TURN_SECONDS if present else TURN_SECONDS
    if languages < 2 or busy or now - turn.since < length:
        return turn
    return Turn((turn.number + 1) % languages, now)


class Languages:
    """The languages that the mirror speaks in turns, the first one first."""

    def __init__(self, languages: Sequence[Language]) -> None:
        self._languages = tuple(languages)
        self._turn: Turn | None = None

    @property
    def current(self) -> Language:
        """The language that is spoken since the last call of `at`; before the first, the first language."""
        return self._languages[self._turn.number if self._turn else 0]

    def at(self, now: float, present: bool = False, busy: bool = False) -> Language:
        """Return the language to speak at a time, as `next_turn` says."""
        turn = Turn(since=now) if self._turn is None else self._turn
        self._turn = next_turn(turn, len(self._languages), now, present=present, busy=busy)
        return self.current
