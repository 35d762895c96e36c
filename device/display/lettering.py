"""Words as surfaces: any script that a font of this system has, wrapped to a width, and kept for the next frame."""

from __future__ import annotations

import math
import unicodedata
from functools import lru_cache
from typing import Final, Literal, TypeAlias

import pygame

from device.display.fonts import Fonts, Run, system_fonts

Colour: TypeAlias = tuple[int, int, int]
TextAlign: TypeAlias = Literal["left", "centre", "right"]

WHITE: Final[Colour] = (255, 255, 255)

LEADING: Final = 1.18
"""From line to line, in text sizes."""

JOINERS: Final = "\u200c\u200d"
"""Characters without a look of their own that change their neighbours'."""

MAX_TEXT_LENGTH: Final = 600
"""Characters of a text that are drawn; nobody reads more of a credit or a fault."""

SUPERSAMPLING: Final = 4
SUPERSAMPLE_BELOW: Final = 80
"""Words smaller than this are drawn `SUPERSAMPLING` times as large and shrunk: hinting would set their letters unevenly."""


class TextRenderer:
    """Draws words with pygame's bundled font, and what that lacks with a font of the system. Needs pygame.font."""

    def __init__(self) -> None:
        self._fonts = Fonts(system_fonts())
        self._line = lru_cache(maxsize=128)(self._draw_line)  # all per cents, numerals, the invitation
        self._block = lru_cache(maxsize=12)(self._draw_block)  # what is said now: some take a quarter of a megabyte

    def clear_caches(self) -> None:
        """Let go of all words and fonts that are kept."""
        self._line.cache_clear()
        self._block.cache_clear()
        self._fonts.clear_caches()

    def render_line(self, text: str, size: int, colour: Colour = WHITE, tight: bool = False) -> pygame.Surface:
        """One line, `size` pixels high, or no larger than its ink when `tight`.

        The surface is shared with other callers: don't draw on it.
        """
        return self._line(clean(text), max(size, 1), colour, tight)

    def render_block(
        self, text: str, size: int, width: int, colour: Colour = WHITE, align: TextAlign = "left", max_lines: int = 99
    ) -> pygame.Surface:
        """A paragraph of lines at most `width` pixels wide; what `max_lines` have no room for becomes an ellipsis."""
        return self._block(clean(text), max(size, 1), max(width, 1), colour, align, max_lines)

    def width(self, text: str, size: int) -> int:
        """How wide the words are, in pixels."""
        fine = _supersampling(size)
        wide = sum(
            self._fonts.open(run.path, size * fine, run.script).size(run.text)[0] for run in self._fonts.runs(text)
        )
        return math.ceil(wide / fine)

    def wrap(self, text: str, size: int, width: int, max_lines: int = 99) -> list[str]:
        """The words broken into lines: at spaces, and inside a word only where it is wider than a line."""
        found = [""]
        for word in text.split():
            longer = f"{found[-1]} {word}".lstrip()
            if self.width(longer, size) <= width:
                found[-1] = longer
                continue
            pieces = self._split_word(word, size, width)
            found[-1:] = [found[-1], *pieces] if found[-1] else pieces
        if len(found) > max_lines:
            last = found[max_lines - 1]
            while last and self.width(last + "…", size) > width:
                last = last[:-1].rstrip()
            found[max_lines - 1 :] = [last + "…"]
        return found

    def _split_word(self, word: str, size: int, width: int) -> list[str]:
        pieces = [""]
        for character in word:
            if pieces[-1] and self.width(pieces[-1] + character, size) > width:
                pieces.append("")
            pieces[-1] += character
        return pieces

    def _draw_line(self, text: str, size: int, colour: Colour, tight: bool) -> pygame.Surface:
        fine = _supersampling(size)
        parts = [self._draw_run(run, size * fine, colour) for run in self._fonts.runs(text)]
        ascent = max((up for up, _ in parts), default=0)
        height = max((ascent - up + part.get_height() for up, part in parts), default=1)
        line = pygame.Surface((max(1, sum(part.get_width() for _, part in parts)), height), pygame.SRCALPHA, 32)
        line.fill((*colour, 0))
        x = 0
        for up, part in parts:
            line.blit(part, (x, ascent - up), special_flags=pygame.BLEND_RGBA_MAX)
            x += part.get_width()
        if fine > 1:
            line = pygame.transform.smoothscale(line, (math.ceil(x / fine) or 1, math.ceil(height / fine)))
        return line.subsurface(line.get_bounding_rect()) if tight else line

    def _draw_run(self, run: Run, size: int, colour: Colour) -> tuple[int, pygame.Surface]:
        font = self._fonts.open(run.path, size, run.script)
        return font.get_ascent(), font.render(run.text, True, colour)

    def _draw_block(
        self, text: str, size: int, width: int, colour: Colour, side: TextAlign, most_lines: int
    ) -> pygame.Surface:
        lines = [self._draw_line(words, size, colour, False) for words in self.wrap(text, size, width, most_lines)]
        step, wide = round(size * LEADING), max(line.get_width() for line in lines)
        block = pygame.Surface((wide, step * (len(lines) - 1) + lines[-1].get_height()), pygame.SRCALPHA, 32)
        block.fill((*colour, 0))
        for number, line in enumerate(lines):
            spare = wide - line.get_width()
            left = {"left": 0, "centre": spare // 2, "right": spare}[side]
            block.blit(line, (left, number * step), special_flags=pygame.BLEND_RGBA_MAX)
        return block


def clean(text: str) -> str:
    """The text without what no font can draw: control characters and runs of spaces become one space."""
    whole = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode())
    return " ".join("".join(" " if _is_undrawable(character) else character for character in whole).split())[
        :MAX_TEXT_LENGTH
    ]


def _is_undrawable(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cn", "Co") and character not in JOINERS


def _supersampling(size: int) -> int:
    return SUPERSAMPLING if size < SUPERSAMPLE_BELOW else 1
