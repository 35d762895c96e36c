"""Which font draws which characters: the one bundled with pygame, and the system's fonts for what that lacks.

Scripts whose letters join, or run from right to left, are split into runs of their own: HarfBuzz shapes one script at a
time, and must know which.
"""

from __future__ import annotations

import contextlib
import itertools
import subprocess
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import pygame

BUNDLED_BELOW: Final = 0x250
"""Characters below this code point (Latin) are in the bundled font, so they need no check."""

NOT_A_CHARACTER: Final = "\U0010ffff"
"""A character that no font has: rendering it shows the font's box for missing characters."""

PROBE_SIZE: Final = 20
"""Pixels high that text is rendered to check a font: any readable size will do."""

SCRIPTS: Final = {
    "ARABIC": "Arab", "HEBREW": "Hebr", "SYRIAC": "Syrc", "THAANA": "Thaa", "NKO": "Nkoo", "DEVANAGARI": "Deva",
    "BENGALI": "Beng", "GURMUKHI": "Guru", "GUJARATI": "Gujr", "ORIYA": "Orya", "TAMIL": "Taml", "TELUGU": "Telu",
    "KANNADA": "Knda", "MALAYALAM": "Mlym", "SINHALA": "Sinh", "THAI": "Thai", "LAO": "Laoo", "TIBETAN": "Tibt",
    "MYANMAR": "Mymr", "KHMER": "Khmr", "ETHIOPIC": "Ethi", "MONGOLIAN": "Mong",
}  # fmt: skip
"""Scripts that need shaping: from the first word of their characters' Unicode names to their ISO 15924 codes."""

RTL_SCRIPTS: Final = frozenset({"Arab", "Hebr", "Syrc", "Thaa", "Nkoo"})
"""Scripts that are written from right to left."""

UNWANTED_STYLES: Final = ("Serif", "Mono", "Italic", "Oblique", "Light", "Thin", "Condensed", "Math", "Emoji")
"""Words in a font file's name that move it down the list: a plain sans-serif looks best next to the bundled font."""


class SystemFont(NamedTuple):
    """A font file of the system, and the ranges of its characters: first and last code points, ascending."""

    path: str
    starts: list[int]
    ends: list[int]

    def has(self, character: str) -> bool:
        """Whether the font can draw the character."""
        index = bisect_right(self.starts, ord(character)) - 1
        return index >= 0 and ord(character) <= self.ends[index]


class Run(NamedTuple):
    """Consecutive characters of one font (`path`; None: the bundled one) and one script ("": needs no shaping)."""

    path: str | None
    script: str
    text: str


class Fonts:
    """The bundled font and `fallbacks`, best first, opened when they are needed. Needs pygame.font."""

    def __init__(self, fallbacks: Sequence[SystemFont]) -> None:
        self._fallbacks = fallbacks
        self._open = lru_cache(maxsize=64)(_open_font)
        self._bundled_has = lru_cache(maxsize=4096)(self._probe)

    def open(self, path: str | None, size: int, script: str = "") -> pygame.font.Font:
        """Open a font, `size` pixels high, for one script. Raises pygame.error or OSError for a damaged file."""
        return self._open(path, size, script)

    def clear_caches(self) -> None:
        """Close all open fonts."""
        self._open.cache_clear()

    def runs(self, text: str) -> Iterator[Run]:
        """Split a text where its font or script changes, in reading order. Symbols that no font has are dropped."""
        for script, span in _split_by_script(text):
            path = self._path(span) if script else None
            if script and path != "":
                yield Run(path, script, span)
                continue
            for path, part in self._by_font(span):
                yield Run(path, script, part)

    def _by_font(self, span: str) -> Iterator[tuple[str | None, str]]:
        """Split a span of one script into fonts and texts. Spaces and marks stay with the character before them."""
        part_path: str | None = None
        part = ""
        for character in span:
            joins = part and unicodedata.category(character)[0] in "ZM"
            path = part_path if joins else self._path(character)
            if path == "":
                if unicodedata.category(character)[0] == "S":
                    continue
                path = None
            if path != part_path and part:
                yield part_path, part
                part = ""
            part_path, part = path, part + character
        if part:
            yield part_path, part

    def _path(self, characters: str) -> str | None:
        """Return the first font with all these characters: None for the bundled one, "" if no font has them."""
        if all(self._bundled_has(character) for character in characters):
            return None
        for font in self._fallbacks:
            if all(font.has(character) for character in characters) and self._opens(font.path):
                return font.path
        return ""

    def _opens(self, path: str) -> bool:
        with contextlib.suppress(pygame.error, OSError):
            self.open(path, PROBE_SIZE).size("a")  # a damaged file may open, and fail only when it is used
            return True
        return False

    def _probe(self, character: str) -> bool:
        """Return whether the bundled font has a character: whether it renders another picture than the missing box."""
        if ord(character) < BUNDLED_BELOW:
            return True
        font = self.open(None, PROBE_SIZE)
        return _bitmap(font, character) != _bitmap(font, NOT_A_CHARACTER)


@lru_cache(maxsize=1)
def system_fonts() -> tuple[SystemFont, ...]:
    """Return the system's outline fonts, plain sans-serifs first; none without fontconfig. Takes 10–100 ms."""
    command = ["fc-list", "--format", "%{file}|%{charset}\n"]
    try:
        output = subprocess.run(command, capture_output=True, timeout=5, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ()
    fonts: dict[str, SystemFont] = {}
    for line in output.decode("utf-8", "replace").splitlines():
        path, _, charset = line.rpartition("|")
        if path.endswith((".ttf", ".otf", ".ttc")) and "ColorEmoji" not in path:
            fonts.setdefault(path, parse_charset(path, charset))
    return tuple(sorted(fonts.values(), key=lambda font: _rank(font.path)))


def parse_charset(path: str, charset: str) -> SystemFont:
    """Read a font's characters as fontconfig writes them: hexadecimal numbers and ranges, `20-7e a0 1ab-1b9`."""
    parts = [part.partition("-") for part in charset.split()]
    ranges = sorted((int(first, 16), int(last or first, 16)) for first, _, last in parts)
    return SystemFont(path, [first for first, _ in ranges], [last for _, last in ranges])


def _rank(path: str) -> tuple[int, bool, str]:
    """Return a sort key: fonts without unwanted styles first, then Noto, which covers most scripts in one look."""
    name = path.rsplit("/", 1)[-1]
    return sum(word in name for word in UNWANTED_STYLES), "Noto" not in name, name


def _split_by_script(text: str) -> Iterator[tuple[str, str]]:
    """Split a text where its script changes; what is between two letters of one script belongs to that script."""
    scripts = [_script(character) for character in text]
    for index, script in enumerate(scripts):
        if script is None:
            before = scripts[index - 1] if index else ""
            after = next((later for later in scripts[index:] if later is not None), "")
            scripts[index] = before if before == after else ""
    for script, pairs in itertools.groupby(zip(scripts, text, strict=True), key=lambda pair: pair[0]):
        yield script or "", "".join(character for _, character in pairs)


def _script(character: str) -> str | None:
    """Return a letter's script if it needs shaping, "" for other letters, digits and brackets, None for the rest."""
    script = SCRIPTS.get(unicodedata.name(character, "").split(" ")[0])
    if script:
        return script
    category = unicodedata.category(character)
    return "" if category[0] in "LN" or category in ("Ps", "Pe") else None


def _open_font(path: str | None, size: int, script: str) -> pygame.font.Font:
    font = pygame.font.Font(path, size)
    if script:
        with contextlib.suppress(pygame.error):  # without HarfBuzz the letters are drawn, but do not join
            font.set_script(script)
            font.set_direction(pygame.DIRECTION_RTL if script in RTL_SCRIPTS else pygame.DIRECTION_LTR)
    return font


def _bitmap(font: pygame.font.Font, character: str) -> bytes:
    if not font.size(character)[0]:
        return b""  # pygame cannot render what has no width, such as a variation selector alone
    return pygame.image.tobytes(font.render(character, False, (255, 255, 255)), "RGBA")
