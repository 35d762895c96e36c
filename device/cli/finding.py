"""What a check of `pose-mirror doctor` finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "note", "bad"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check: `ok`, a harmless `note`, or `bad`; and a sentence, with the remedy if any."""

    state: State
    sentence: str
