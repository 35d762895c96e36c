"""Words as surfaces: in any script that the system has a font for, wrapped to a width, and cached."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final, Literal, TypeAlias

import pygame

from device.display.bidi import base_level
from device.display.font_files import system_fonts
from device.display.fonts import DIRECTION_MARKS, JOINERS, NO_BREAK_SPACE, Fonts, Run, clusters, is_bold
from device.display.line_breaks import break_units, split_unit
from device.display.style import WHITE, Colour

TextAlign: TypeAlias = Literal["start", "left", "centre", "right"]
"""Where the lines of a paragraph begin; "start": where its language begins to read, on the right in Arabic."""

LEADING: Final = 1.18
"""Distance between two lines, in text sizes."""

MAX_TEXT_LENGTH: Final = 600
"""Characters of a text that are drawn at most: nobody reads more of a credit or a fault."""

EVEN_LINES: Final = 4
"""Lines of a text, at most, that are made about equally long: a sentence, whose last word would look lost alone."""

THICKENING: Final = 0.014
"""How much thicker strokes become where a script has no bold font, in text sizes: Chinese and Japanese letters would
look faint next to the bundled font, which is bold, and could not be read from as far."""

SUPERSAMPLING: Final = 4
SUPERSAMPLE_BELOW: Final = 80
"""Text below this size is drawn `SUPERSAMPLING` times as large and shrunk: hinting would space its letters unevenly."""


class TextRenderer:
    """Draws words in pygame's bundled font, and in the system's fonts what that lacks. Needs pygame.font."""

    def __init__(self) -> None:
        self._fonts = Fonts(system_fonts())
        self._line = lru_cache(maxsize=128)(
            self._draw_single_line
        )  # enough for all percentages, numerals and the invitation
        self._block = lru_cache(maxsize=12)(self._draw_block)  # those on the screen now: some take 250 KB
        self._width = lru_cache(maxsize=1024)(self._measure)  # the pieces of some sentences, while they are wrapped

    def set_language(self, code: str) -> None:
        """Draw what belongs to several languages as the readers of this one expect it, such as Chinese characters."""
        if self._fonts.prefer_japanese(code.startswith("ja")):
            self._line.cache_clear()
            self._block.cache_clear()
            self._width.cache_clear()

    def clear_caches(self) -> None:
        """Forget all cached words, and close the fonts."""
        self._line.cache_clear()
        self._block.cache_clear()
        self._width.cache_clear()
        self._fonts.clear_caches()

    def render_line(self, text: str, size: int, colour: Colour = WHITE, tight: bool = False) -> pygame.Surface:
        """Render one line, `size` pixels high; with `tight`, cropped to its ink.

        The surface is cached and shared: don't draw on it.
        """
        return self._line(clean(text), max(size, 1), colour, tight)

    def render_block(
        self, text: str, size: int, width: int, colour: Colour = WHITE, align: TextAlign = "start", max_lines: int = 99
    ) -> pygame.Surface:
        """Render a paragraph at most `width` pixels wide. After `max_lines` lines an ellipsis replaces the rest."""
        return self._block(clean(text), max(size, 1), max(width, 1), colour, align, max_lines)

    def width(self, text: str, size: int) -> int:
        """Return how wide a line is, in pixels."""
        return self._width(text, size)

    def _measure(self, text: str, size: int) -> int:
        factor = _supersampling(size)
        total = sum(
            self._fonts.open(run.path, size * factor, run.script).size(run.text)[0] for run in self._fonts.runs(text)
        )
        return math.ceil(total / factor)

    def wrap(self, text: str, size: int, width: int, max_lines: int = 99) -> list[str]:
        """Break a text into lines: between words and phrases, and inside one only if it is wider than a line."""
        lines = [""]
        for unit in break_units(text):
            self._add_to_lines(lines, unit, size, width)
        lines = [line.rstrip(" ") for line in lines]
        if len(lines) > max_lines:
            last = lines[max_lines - 1]
            while last and self.width(last + "…", size) > width:
                last = last[:-1].rstrip()
            lines[max_lines - 1 :] = [last + "…"]
        return lines

    def _wrap_evenly(self, text: str, size: int, width: int, max_lines: int) -> list[str]:
        """Break a text into as few lines as `wrap`, but about equally long ones if they are few."""
        lines = self.wrap(text, size, width, max_lines)
        if 1 < len(lines) <= EVEN_LINES:
            widest_unit = max(self.width(unit.rstrip(" "), size) for unit in break_units(text))
            narrow = max(width // len(lines), widest_unit)
            while width - narrow > size // 2:
                middle = (narrow + width) // 2
                if len(narrower := self.wrap(text, size, middle, max_lines + 1)) == len(lines):
                    lines, width = narrower, middle
                else:
                    narrow = middle
        return lines

    def _add_to_lines(self, lines: list[str], unit: str, size: int, width: int) -> None:
        """Add a word or a phrase to the last line, or below it."""

        def fits(line: str) -> bool:
            return self.width(line.rstrip(" "), size) <= width

        if fits(lines[-1] + unit):
            lines[-1] += unit
            return
        if lines[-1]:
            lines.append("")
        pieces = [unit] if fits(unit) else [piece for part in split_unit(unit) for piece in _parts(part, fits)]
        for piece in pieces:
            if lines[-1] and not fits(lines[-1] + piece):
                lines.append("")
            lines[-1] += piece

    def _draw_single_line(self, text: str, size: int, colour: Colour, tight: bool) -> pygame.Surface:
        _, line = self._draw_line(text, size, colour)
        return line.subsurface(line.get_bounding_rect()) if tight else line

    def _draw_line(self, text: str, size: int, colour: Colour, base: int | None = None) -> tuple[float, pygame.Surface]:
        """Render a line; return its ascent in pixels and its surface.

        It is as high as a line of the bundled font, unless it has ink above or below that: the fonts of some scripts
        leave much room for marks, and lines of several scripts should be equally far apart.
        """
        factor = _supersampling(size)
        parts = [self._draw_run(run, size * factor, colour) for run in self._fonts.runs(text, base)]
        usual = self._fonts.open(None, size * factor)
        usual_ascent, usual_height = usual.get_ascent(), usual.get_height()
        ascent = max([usual_ascent, *(part_ascent for part_ascent, _ in parts)])
        height = max([usual_height, *(part.get_height() - part_ascent for part_ascent, part in parts)]) + ascent
        line = pygame.Surface((max(1, sum(part.get_width() for _, part in parts)), height), pygame.SRCALPHA, 32)
        line.fill((*colour, 0))
        x = 0
        for part_ascent, part in parts:
            line.blit(part, (x, ascent - part_ascent), special_flags=pygame.BLEND_RGBA_MAX)
            x += part.get_width()
        ink, top = line.get_bounding_rect(), ascent - usual_ascent
        if ink.height:
            top = min(top, ink.top)
        bottom = max(ascent - usual_ascent + usual_height, ink.bottom)
        line = line.subsurface((0, top, line.get_width(), bottom - top))
        if factor > 1:
            scaled_size = math.ceil(x / factor) or 1, math.ceil((bottom - top) / factor)
            line = pygame.transform.smoothscale(line, scaled_size)
        return (ascent - top) / factor, line

    def _draw_run(self, run: Run, size: int, colour: Colour) -> tuple[int, pygame.Surface]:
        """Render a run; return its ascent, by which runs of different fonts share a baseline, and its surface."""
        font = self._fonts.open(run.path, size, run.script)
        if not font.size(run.text)[0]:  # pygame cannot render what has no width
            return font.get_ascent(), pygame.Surface((0, font.get_height()), pygame.SRCALPHA, 32)
        words = font.render(run.text, True, colour)
        return font.get_ascent(), words if is_bold(run.path) else _thicken(words, round(size * THICKENING))

    def _draw_block(
        self, text: str, size: int, width: int, colour: Colour, align: TextAlign, max_lines: int
    ) -> pygame.Surface:
        base = base_level(text)
        texts = self._wrap_evenly(text, size, width, max_lines)
        lines = [self._draw_line(words, size, colour, base) for words in texts]
        step, block_width = round(size * LEADING), max(line.get_width() for _, line in lines)
        baseline = lines[0][0]
        tops = [max(round(number * step + baseline - ascent), 0) for number, (ascent, _) in enumerate(lines)]
        height = max(top + line.get_height() for top, (_, line) in zip(tops, lines, strict=True))
        block = pygame.Surface((block_width, height), pygame.SRCALPHA, 32)
        block.fill((*colour, 0))
        for top, (_, line) in zip(tops, lines, strict=True):
            spare = block_width - line.get_width()
            left = {"left": 0, "centre": spare // 2, "right": spare, "start": spare if base else 0}[align]
            block.blit(line, (left, top), special_flags=pygame.BLEND_RGBA_MAX)
        return block


def _thicken(words: pygame.Surface, by: int) -> pygame.Surface:
    """Return words with strokes that are thicker by some pixels. They keep their size."""
    thick = words.copy()
    for across, down in ((0, by), (by, 0), (by, by)):
        thick.blit(words, (across, down), special_flags=pygame.BLEND_RGBA_MAX)
    thick.scroll(-(by // 2), -(by // 2))
    return thick


@lru_cache(maxsize=64)  # the words on the screen now: it takes longer than to draw them again
def clean(text: str) -> str:
    """Return a text that can be drawn: control characters and runs of spaces become one space.

    Spaces at which no line may break, as in "153 045" in French, remain so, but all have one width.
    """
    composed = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode())
    drawable = "".join(" " if _is_undrawable(character) else character for character in composed)
    spaced = re.sub(r"[\u202f\u2007]", NO_BREAK_SPACE, drawable)
    return re.sub(rf"[^\S{NO_BREAK_SPACE}]+", " ", spaced).strip(" ")[:MAX_TEXT_LENGTH]


def _is_undrawable(character: str) -> bool:
    """Return whether a character is a control, a format, an unassigned or a private one, and changes no neighbours."""
    has_no_shape = unicodedata.category(character) in ("Cc", "Cf", "Cn", "Co")
    return has_no_shape and character not in JOINERS and character not in DIRECTION_MARKS


def _parts(piece: str, fits: Callable[[str], bool]) -> Iterator[str]:
    """Yield a piece of a word as it is if it fits on a line, else its characters."""
    if fits(piece):
        yield piece
    else:
        yield from clusters(piece)


def _supersampling(size: int) -> int:
    return SUPERSAMPLING if size < SUPERSAMPLE_BELOW else 1
