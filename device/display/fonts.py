"""Which font draws which characters: the one bundled with pygame, and the system's fonts for what that lacks.

A line may mix scripts. Each script has one font in a line, as words of two fonts look like a mistake. Scripts whose
letters join, or run from right to left, are split into runs of their own: HarfBuzz shapes one script at a time, and
must know which.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import pygame

from device.display.bidi import base_level, levels, visual_order
from device.display.font_files import FontFile, system_fonts

BUNDLED: Final = str(Path(pygame.font.__file__).with_name(pygame.font.get_default_font()))
"""The font that comes with pygame: bold, with Latin, Greek and Cyrillic letters, but not all of them."""

BUNDLED_SCALE: Final = 0.6875
"""How much smaller than asked for pygame draws the bundled font. The others are drawn as small, to look alike."""

SIMPLE_BELOW: Final = "\u0250"
"""Characters before this one (Latin) run from left to right and need no shaping."""

SCRIPTS: Final = {
    "ARABIC": "Arab", "HEBREW": "Hebr", "SYRIAC": "Syrc", "THAANA": "Thaa", "NKO": "Nkoo", "DEVANAGARI": "Deva",
    "BENGALI": "Beng", "GURMUKHI": "Guru", "GUJARATI": "Gujr", "ORIYA": "Orya", "TAMIL": "Taml", "TELUGU": "Telu",
    "KANNADA": "Knda", "MALAYALAM": "Mlym", "SINHALA": "Sinh", "THAI": "Thai", "LAO": "Laoo", "TIBETAN": "Tibt",
    "MYANMAR": "Mymr", "KHMER": "Khmr", "ETHIOPIC": "Ethi", "MONGOLIAN": "Mong",
}  # fmt: skip
"""Scripts that need shaping: from the first word of their characters' Unicode names to their ISO 15924 codes."""

RTL_SCRIPTS: Final = frozenset({"Arab", "Hebr", "Syrc", "Thaa", "Nkoo"})
"""Scripts that are written from right to left."""

EUROPEAN: Final = "European"
EAST_ASIAN: Final = "East Asian"
FAMILIES: Final = {
    "LATIN": EUROPEAN, "GREEK": EUROPEAN, "CYRILLIC": EUROPEAN, "DIGIT": EUROPEAN, "CJK": EAST_ASIAN,
    "HIRAGANA": EAST_ASIAN, "KATAKANA": EAST_ASIAN, "HANGUL": EAST_ASIAN, "BOPOMOFO": EAST_ASIAN,
    "IDEOGRAPHIC": EAST_ASIAN, "FULLWIDTH": EAST_ASIAN, "HALFWIDTH": EAST_ASIAN,
}  # fmt: skip
"""Scripts that share a font in a line, by the first word of their characters' Unicode names."""

KANA: Final = ("HIRAGANA", "KATAKANA")

JAPANESE_FONTS: Final = ("VL-", "CJK", "JP", "ipa", "IPA", "Takao", "mplus", "Motoya")
"""Words in the names of fonts whose Chinese characters have their Japanese shapes. A line with kana prefers them, and
one without prefers others."""

LANGUAGES: Final = {"CJK": "Chinese", "HIRAGANA": "Japanese", "KATAKANA": "Japanese", "HANGUL": "Korean"}
"""What messages call a script, where its Unicode name is not what people say."""

PACKAGES: Final = {EAST_ASIAN: "fonts-wqy-microhei"}
OTHER_PACKAGE: Final = "fonts-noto-core"
"""Debian's packages with a font for a family, and for all other scripts."""

MAX_MARKS: Final = 4
"""Marks of a letter that are drawn at most: real words have fewer, and a tower of marks would move the line."""

log = logging.getLogger(__name__)


class Run(NamedTuple):
    """Consecutive characters of one font (`path`; None: the bundled one) and one script ("": needs no shaping)."""

    path: str | None
    script: str
    text: str


class Fonts:
    """The bundled font and `fallbacks`, best first, opened when they are needed. Needs pygame.font."""

    def __init__(self, fallbacks: Sequence[FontFile]) -> None:
        self._fonts = (FontFile(BUNDLED), *fallbacks)
        japanese = {font.path for font in fallbacks if _is_japanese(font.path)}
        self._japanese_first = sorted(self._fonts, key=lambda font: font.path not in japanese)
        self._japanese_last = sorted(self._fonts, key=lambda font: font.path in japanese)
        self._open = lru_cache(maxsize=64)(_open_font)
        self._first = lru_cache(maxsize=4096)(self._find)
        self._opens = lru_cache(maxsize=None)(self._try_to_open)
        self._missing: set[str] = set()
        self._prefers_japanese = False

    def prefer_japanese(self, prefers: bool) -> bool:
        """Give Chinese characters their Japanese shapes also in lines without kana. Return whether that is new."""
        is_new = prefers != self._prefers_japanese
        self._prefers_japanese = prefers
        if is_new:
            self._first.cache_clear()
        return is_new

    def open(self, path: str | None, size: int, script: str = "") -> pygame.font.Font:
        """Open a font for a size in pixels and a script. Raises pygame.error or OSError for a damaged file."""
        return self._open(path, size, script)

    def clear_caches(self) -> None:
        """Close all open fonts."""
        self._open.cache_clear()

    def runs(self, text: str, base: int | None = None) -> list[Run]:
        """Split a line where its font or script changes, from left to right.

        `base` is the level of the paragraph that it is of (`bidi.base_level`); None: it is a paragraph of its own.
        Symbols and marks that no font has are dropped. Letters that no font has remain, and are drawn as boxes.
        """
        text = text.replace(NO_BREAK_SPACE, " ")  # which fewer fonts have
        if all(character < SIMPLE_BELOW and self._fonts[0].has(character) for character in text):
            return [Run(None, "", text)] if text else []
        chosen = {family: self._find(*characters) for family, characters in _by_family(text).items()}
        runs, run_levels = [], []
        for level, script, span in _split(text, base_level(text) if base is None else base):
            for font, part in self._split_by_font(span, chosen):
                runs.append(Run(None if font.path == BUNDLED else font.path, script, part))
                run_levels.append(level)
        return visual_order(runs, run_levels)

    def missing(self, characters: Iterable[str]) -> dict[str, str]:
        """Return the scripts among these characters whose letters no font has, and the Debian package for each."""
        scripts = {}
        for character in characters:
            if unicodedata.category(character)[0] == "L" and self._first(character) is None:
                word = _first_word(character)
                scripts[LANGUAGES.get(word, word.title())] = PACKAGES.get(FAMILIES.get(word, ""), OTHER_PACKAGE)
        return scripts

    def _split_by_font(self, span: str, chosen: dict[str, FontFile | None]) -> Iterator[tuple[FontFile, str]]:
        """Split a span of one script into fonts and texts. Marks stay with the character before them."""
        current, part = self._fonts[0], ""
        for cluster in clusters(span):
            base = cluster[0]
            if base in DIRECTION_MARKS:
                continue
            font = chosen.get(_family(base)) or None
            if font is None or not font.has(base):
                # spaces and punctuation stay in the font of the words around them, if it has them
                font = current if part and current.has(base) else self._first(base)
            if font is None:
                if unicodedata.category(base)[0] not in "LN":
                    continue
                self._report_missing(base)
                font = self._fonts[0]
            if font is not current and part:
                yield current, part
                part = ""
            current = font
            part += base + "".join(mark for mark in cluster[1:] if font.has(mark))[:MAX_MARKS]
        if part:
            yield current, part

    def _find(self, *characters: str) -> FontFile | None:
        """Return the first font with all these characters, which may have marks; None if there is none."""
        needed = "".join(dict.fromkeys("".join(characters)))
        fonts: Iterable[FontFile] = self._fonts
        if any(FAMILIES.get(_first_word(character)) == EAST_ASIAN for character in characters):
            is_japanese = self._prefers_japanese or any(_first_word(character) in KANA for character in characters)
            fonts = self._japanese_first if is_japanese else self._japanese_last
        return next((font for font in fonts if all(map(font.has, needed)) and self._opens(font.path)), None)

    def _try_to_open(self, path: str) -> bool:
        with contextlib.suppress(pygame.error, OSError):
            self.open(path, 20).size("a")  # a damaged file may open, and fail only when it is used
            return True
        return False

    def _report_missing(self, character: str) -> None:
        """Log which package has a script's letters, once."""
        for script, package in self.missing(character).items():
            if script not in self._missing:
                self._missing.add(script)
                log.warning("The screen shows boxes for %s letters: install %s with apt.", script, package)


def missing_scripts(characters: Iterable[str]) -> dict[str, str]:
    """Return `Fonts.missing` for the fonts of this system."""
    pygame.font.init()
    return Fonts(system_fonts()).missing(characters)


def has_japanese_font() -> bool:
    """Return whether a font of this system has Chinese characters in their Japanese shapes."""
    return any(_is_japanese(font.path) and font.has("直") for font in system_fonts())


def clusters(text: str) -> Iterator[str]:
    """Split a text into characters, each with the marks and joiners that belong to it."""
    cluster = ""
    for character in text:
        if cluster and not (unicodedata.category(character)[0] == "M" or character in JOINERS):
            yield cluster
            cluster = ""
        cluster += character
    if cluster:
        yield cluster


JOINERS: Final = "\u200c\u200d"
"""Invisible characters that change how their neighbours look."""

NO_BREAK_SPACE: Final = "\u00a0"

DIRECTION_MARKS: Final = "\u200e\u200f\u061c"
"""Invisible characters that count as a letter of a direction: where one begins a line, the line has its direction."""


def _by_family(text: str) -> dict[str, list[str]]:
    """Return the letters of each family in a text."""
    families: dict[str, list[str]] = {}
    for cluster in clusters(text):
        if family := _family(cluster[0]):
            families.setdefault(family, []).append(cluster[0])
    return families


def _family(character: str) -> str:
    """Return which letters a letter shares a font with in a line; "" for spaces, punctuation and symbols."""
    word = _first_word(character)
    if unicodedata.category(character)[0] not in "LN" and FAMILIES.get(word) != EAST_ASIAN:
        return ""
    return FAMILIES.get(word, word)


def _first_word(character: str) -> str:
    return unicodedata.name(character, "").partition(" ")[0].partition("-")[0]


def _is_japanese(path: str) -> bool:
    return any(word in Path(path).name for word in JAPANESE_FONTS)


def is_bold(path: str | None) -> bool:
    """Return whether a font's strokes are as thick as those of the bundled font, as its file's name says."""
    return path is None or "Bold" in Path(path).name or "Black" in Path(path).name


def _split(text: str, base: int) -> Iterator[tuple[int, str, str]]:
    """Split a text where its direction or its script changes; yield level, script and span in reading order.

    What is between two letters of one script belongs to that script.
    """
    text_levels = levels(text, base)
    scripts = [_script(character) for character in text]
    rtl_script = next((script for script in scripts if script in RTL_SCRIPTS), "")
    for index, script in enumerate(scripts):
        if script is None:
            before = scripts[index - 1] if index else ""
            after = next((later for later in scripts[index:] if later is not None), "")
            scripts[index] = before if before == after else ""
        if text_levels[index] % 2:
            # a bracket there is mirrored, which only happens in a run from right to left
            rtl_script = scripts[index] = script if script in RTL_SCRIPTS else rtl_script
        elif scripts[index] in RTL_SCRIPTS:
            scripts[index] = ""
    for (level, script), group in itertools.groupby(
        zip(text_levels, scripts, text, strict=True), key=lambda item: (item[0], item[1] or "")
    ):
        yield level, script, "".join(character for _, _, character in group)


def _script(character: str) -> str | None:
    """Return a letter's script if it needs shaping, "" for other letters, digits and brackets, None for the rest."""
    script = SCRIPTS.get(unicodedata.name(character, "").split(" ")[0])
    if script:
        return script
    category = unicodedata.category(character)
    return "" if category[0] in "LN" or category in ("Ps", "Pe") else None


def _open_font(path: str | None, size: int, script: str) -> pygame.font.Font:
    font = pygame.font.Font(None, size) if path in (None, BUNDLED) else pygame.font.Font(path, _scaled(size))
    if script:
        with contextlib.suppress(pygame.error):  # without HarfBuzz the letters are drawn, but do not join
            font.set_script(script)
            font.set_direction(pygame.DIRECTION_RTL if script in RTL_SCRIPTS else pygame.DIRECTION_LTR)
    return font


def _scaled(size: int) -> int:
    return max(round(size * BUNDLED_SCALE), 1)
