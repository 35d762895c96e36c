"""Translating messages: a language, and its catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from device.language.message import Message


@dataclass(frozen=True, slots=True)
class Language:
    """A language that the mirror speaks.

    `code` is "en", "de", … `direction` tells whether it is read from left to right or from right to left.
    """

    code: str = "en"
    direction: Literal["ltr", "rtl"] = "ltr"

    def say(self, message: Message) -> str:
        """Return a message in this language, with its values filled in."""
        text = message.text if not message.plural or message.count == 1 else message.plural
        return text.format_map(dict(message.values))
