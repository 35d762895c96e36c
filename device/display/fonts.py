"""Which font draws which characters: pygame's own, and for scripts it lacks those of the system.

Scripts whose letters join or run from right to left are drawn in runs of their own, as HarfBuzz wants to be told.
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
"""Characters below this one (Latin) are in the bundled font."""

NOT_A_CHARACTER: Final = "\U0010ffff"
"""What no font has: it shows as the font's box for missing characters."""

PROBE_SIZE: Final = 20

SCRIPTS: Final = {
    "ARABIC": "Arab", "HEBREW": "Hebr", "SYRIAC": "Syrc", "THAANA": "Thaa", "NKO": "Nkoo", "DEVANAGARI": "Deva",
    "BENGALI": "Beng", "GURMUKHI": "Guru", "GUJARATI": "Gujr", "ORIYA": "Orya", "TAMIL": "Taml", "TELUGU": "Telu",
    "KANNADA": "Knda", "MALAYALAM": "Mlym", "SINHALA": "Sinh", "THAI": "Thai", "LAO": "Laoo", "TIBETAN": "Tibt",
    "MYANMAR": "Mymr", "KHMER": "Khmr", "ETHIOPIC": "Ethi", "MONGOLIAN": "Mong",
}  # fmt: skip
"""Scripts that need shaping: the first word of their characters' Unicode names, and their ISO 15924 codes."""

RTL_SCRIPTS: Final = frozenset({"Arab", "Hebr", "Syrc", "Thaa", "Nkoo"})

UNWANTED_STYLES: Final = ("Serif", "Mono", "Italic", "Oblique", "Light", "Thin", "Condensed", "Math", "Emoji")
"""Words in a font file's name that speak against it."""


class SystemFont(NamedTuple):
    """A font file of the system, and its characters as ranges: where each begins and ends, ascending."""

    path: str
    starts: list[int]
    ends: list[int]

    def has(self, character: str) -> bool:
        """Whether the font can draw the character."""
        at = bisect_right(self.starts, ord(character)) - 1
        return at >= 0 and ord(character) <= self.ends[at]


class Run(NamedTuple):
    """Consecutive characters drawn with one font (a file, or None for the bundled one) as one script ("": plain)."""

    path: str | None
    script: str
    text: str


class Fonts:
    """The fonts there are, opened as they are needed. Needs pygame.font."""

    def __init__(self, fallbacks: Sequence[SystemFont]) -> None:
        self._fallbacks = fallbacks
        self._open = lru_cache(maxsize=64)(_open_font)
        self._bundled_has = lru_cache(maxsize=4096)(self._probe)

    def open(self, path: str | None, size: int, script: str = "") -> pygame.font.Font:
        """A font, `size` pixels high, for one script. Raises pygame.error or OSError when the file is no font."""
        return self._open(path, size, script)

    def clear_caches(self) -> None:
        """Close all fonts that are open."""
        self._open.cache_clear()

    def runs(self, text: str) -> Iterator[Run]:
        """The text in the order it is read, cut where font or script changes; a symbol that no font has is left out."""
        for script, span in _split_by_script(text):
            path = self._path(span) if script else None
            if script and path != "":
                yield Run(path, script, span)
                continue
            for path, part in self._by_font(span):
                yield Run(path, script, part)

    def _by_font(self, span: str) -> Iterator[tuple[str | None, str]]:
        at: str | None = None
        part = ""
        for character in span:
            joins = part and unicodedata.category(character)[0] in "ZM"
            path = at if joins else self._path(character)
            if path == "":
                if unicodedata.category(character)[0] == "S":
                    continue
                path = None
            if path != at and part:
                yield at, part
                part = ""
            at, part = path, part + character
        if part:
            yield at, part

    def _path(self, characters: str) -> str | None:
        """The first font with all of these characters: None for the bundled one, "" when there is none."""
        if all(self._bundled_has(character) for character in characters):
            return None
        for coverage in self._fallbacks:
            if all(coverage.has(character) for character in characters) and self._opens(coverage.path):
                return coverage.path
        return ""

    def _opens(self, path: str) -> bool:
        with contextlib.suppress(pygame.error, OSError):
            self.open(path, PROBE_SIZE).size("a")  # a damaged file opens, and fails only when it is asked
            return True
        return False

    def _probe(self, character: str) -> bool:
        if ord(character) < BUNDLED_BELOW:
            return True
        font = self.open(None, PROBE_SIZE)
        return _bitmap(font, character) != _bitmap(font, NOT_A_CHARACTER)


@lru_cache(maxsize=1)
def system_fonts() -> tuple[SystemFont, ...]:
    """The system's outline fonts, plain sans-serifs first; none where fontconfig is missing. Takes some 10–100 ms."""
    command = ["fc-list", "--format", "%{file}|%{charset}\n"]
    try:
        found = subprocess.run(command, capture_output=True, timeout=5, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ()
    coverages: dict[str, SystemFont] = {}
    for line in found.decode("utf-8", "replace").splitlines():
        path, _, charset = line.rpartition("|")
        if path.endswith((".ttf", ".otf", ".ttc")) and "ColorEmoji" not in path:
            coverages.setdefault(path, parse_charset(path, charset))
    return tuple(sorted(coverages.values(), key=lambda font: _rank(font.path)))


def parse_charset(path: str, charset: str) -> SystemFont:
    """From fontconfig's way to write a font's characters: hexadecimal numbers and ranges, `20-7e a0 1ab-1b9`."""
    ranges = [part.partition("-") for part in charset.split()]
    found = sorted((int(first, 16), int(last or first, 16)) for first, _, last in ranges)
    return SystemFont(path, [first for first, _ in found], [last for _, last in found])


def _rank(path: str) -> tuple[int, bool, str]:
    name = path.rsplit("/", 1)[-1]
    return sum(word in name for word in UNWANTED_STYLES), "Noto" not in name, name


def _split_by_script(text: str) -> Iterator[tuple[str, str]]:
    """The text cut where the script changes; what stands between two letters of one script belongs to it."""
    scripts = [_script(character) for character in text]
    for at, script in enumerate(scripts):
        if script is None:
            before = scripts[at - 1] if at else ""
            after = next((later for later in scripts[at:] if later is not None), "")
            scripts[at] = before if before == after else ""
    for found, pairs in itertools.groupby(zip(scripts, text, strict=True), key=lambda pair: pair[0]):
        yield found or "", "".join(character for _, character in pairs)


def _script(character: str) -> str | None:
    """A letter's script that needs shaping, "" for other letters, digits and brackets, None for what stands between."""
    script = SCRIPTS.get(unicodedata.name(character, "").split(" ")[0])
    if script:
        return script
    category = unicodedata.category(character)
    return "" if category[0] in "LN" or category in ("Ps", "Pe") else None


def _open_font(path: str | None, size: int, script: str) -> pygame.font.Font:
    font = pygame.font.Font(path, size)
    if script:
        with contextlib.suppress(pygame.error):  # without HarfBuzz letters stand alone, but stand
            font.set_script(script)
            font.set_direction(pygame.DIRECTION_RTL if script in RTL_SCRIPTS else pygame.DIRECTION_LTR)
    return font


def _bitmap(font: pygame.font.Font, character: str) -> bytes:
    return pygame.image.tobytes(font.render(character, False, (255, 255, 255)), "RGBA")
