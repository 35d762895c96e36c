"""Where a line may break: at spaces, and between the phrases of Japanese, Chinese and Thai, which have no spaces.

BudouX finds the phrases, so that 写真も is not parted. A phrase that is wider than a line breaks between any two of its
characters that may be parted: as in Unicode's line breaking (https://www.unicode.org/reports/tr14/), punctuation and
small kana do not begin a line, and opening brackets do not end one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

import budoux

from device.display.fonts import NO_BREAK_SPACE, clusters

JAPANESE, CHINESE, THAI = "ja", "zh-hans", "th"

KANA: Final = re.compile("[\u3040-\u30ff]")
HAN: Final = re.compile("[\u3400-\u9fff]")
THAI_LETTERS: Final = re.compile("[\u0e00-\u0e7f]")

SMALL_KANA: Final = ("HIRAGANA LETTER SMALL", "KATAKANA LETTER SMALL", "HALFWIDTH KATAKANA LETTER SMALL")
"""How the Unicode names of letters begin that do not begin a line."""

QUOTES: Final = "\"'"
"""Quotation marks that open or close: they stay with both neighbours."""


def break_units(text: str) -> Iterator[str]:
    """Split a text into words and phrases, between which a line should break, each with the spaces after it."""
    for word in re.findall("[^ ]+ *", text):
        phrases = _phrase_starts(word)
        place, unit = 0, ""
        for piece in split_unit(word):
            if unit and (phrases is None or place in phrases):
                yield unit
                unit = ""
            unit += piece
            place += len(piece)
        yield unit


def split_unit(unit: str) -> Iterator[str]:
    """Split a word or a phrase into the pieces between which a line may break. Korean has no such places in a word."""
    piece, before = "", ""
    for cluster in clusters(unit):
        if before and _may_break(before, cluster[0]):
            yield piece
            piece = ""
        piece += cluster
        before = cluster[0]
    if piece:
        yield piece


def _phrase_starts(word: str) -> frozenset[int] | None:
    """Return where the phrases of a text without spaces begin; None if its script has no phrases to find."""
    for language, letters in ((JAPANESE, KANA), (CHINESE, HAN), (THAI, THAI_LETTERS)):
        if letters.search(word):
            starts, place = set(), 0
            for phrase in _parser(language).parse(word):
                starts.add(place)
                place += len(phrase)
            return frozenset(starts)
    return None


@lru_cache(maxsize=3)
def _parser(language: str) -> budoux.Parser:
    """Return what finds the phrases of a language. Reading its model takes 4 ms on a PC."""
    loaders = {
        JAPANESE: budoux.load_default_japanese_parser,
        CHINESE: budoux.load_default_simplified_chinese_parser,
        THAI: budoux.load_default_thai_parser,
    }
    return loaders[language]()


def _may_break(before: str, after: str) -> bool:
    """Return whether a line may break between two characters without a space between them."""
    if THAI_LETTERS.match(before) and THAI_LETTERS.match(after):
        return True  # where BudouX finds a phrase; inside one, clusters stay whole
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
