"""Where a line may break: at spaces, and next to Chinese and Japanese characters, which have none between them.

Punctuation and small kana do not begin a line there, and opening brackets do not end one, as in Unicode's line breaking
(https://www.unicode.org/reports/tr14/). uniseg, which the tests compare this with, needs 8 ms for a sentence on a PC,
in the loop that draws. Korean breaks at spaces alone, as in books. Thai, Lao and Khmer would need a dictionary.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from device.display.fonts import NO_BREAK_SPACE, clusters

SMALL_KANA: Final = ("HIRAGANA LETTER SMALL", "KATAKANA LETTER SMALL", "HALFWIDTH KATAKANA LETTER SMALL")
"""How the Unicode names of letters begin that do not begin a line."""

QUOTES: Final = "\"'"
"""Quotation marks that open or close: they stay with both neighbours."""


def break_units(text: str) -> Iterator[str]:
    """Split a text into the pieces between which a line may break, each with the spaces after it."""
    for word in re.findall("[^ ]+ *", text):
        unit, before = "", ""
        for cluster in clusters(word):
            if before and _may_break(before, cluster[0]):
                yield unit
                unit = ""
            unit += cluster
            before = cluster[0]
        yield unit


def _may_break(before: str, after: str) -> bool:
    """Return whether a line may break between two characters without a space between them."""
    if not (_is_east_asian(before) or _is_east_asian(after)):
        return False
    return _may_end_line(before) and _may_begin_line(after)


def _is_east_asian(character: str) -> bool:
    """Return whether lines break at a character: it is as wide as a Chinese one, and not Korean."""
    return unicodedata.east_asian_width(character) in "WF" and not unicodedata.name(character, "").startswith("HANGUL")


def _may_end_line(character: str) -> bool:
    """Return whether a line may end with a character. A number stays with what it counts: 12枚."""
    return not (unicodedata.category(character) in ("Ps", "Pi", "Sc", "Nd") or character in QUOTES + NO_BREAK_SPACE)


def _may_begin_line(character: str) -> bool:
    """Return whether a line may begin with a character: not with punctuation, a mark of repetition or small kana."""
    category = unicodedata.category(character)
    if category in ("Ps", "Pi"):
        return True
    if category[0] in "PZ" or category in ("Lm", "Sk"):
        return False
    return not unicodedata.name(character, "").startswith(SMALL_KANA)
