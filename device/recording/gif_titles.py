"""The words of a GIF: the event's text below the panes, and the photos' credits in the last pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import pygame

from device.display.layout import Size
from device.display.lettering import TextAlign, TextRenderer
from device.display.style import COOL, INK, MIDDLE, MIN_TEXT_SIZE, WHITE, Colour
from device.language.message import message, plural_message
from device.language.translate import Language
from device.recording.gif_layout import GifLayout
from device.recording.stills import Words
from models.pose import Image

MARGIN: Final = 0.06
"""Space around the credits, as a share of the GIF's longer side, as are the sizes of letters below."""

HEADLINE: Final = 0.056
TITLE: Final = 0.042
"""Sizes of the event's text in the last picture, and of the title above the credits."""

FOOTER_SIZES: Final = (0.034, 0.03, 0.026, 0.023)
"""Sizes of the event's text below the panes, the largest first: the first is used in which it fits."""

CREDIT_SIZES: Final = (0.032, 0.028, 0.0245, 0.021)
"""Sizes of the credits, the largest first: the first is used in which all credits fit. Smaller ones cannot be read."""

MAX_PAGES: Final = 4
"""Pictures with credits at most: licences require all credits, but nobody watches a GIF for long that stands still."""

CREDIT_LINES: Final = 3
"""Lines of a credit at most: the licence stands at its end."""

GREY: Final[Colour] = (176, 182, 196)
"""The colour of what is less important."""


class Titles(NamedTuple):
    """Pictures of a GIF's size (H×W×3): `backdrop` is what surrounds the panes, `closing` are the last frames."""

    backdrop: Image
    closing: tuple[Image, ...] = ()


class _Line(NamedTuple):
    """A rendered text, and the space above it in pixels."""

    block: pygame.Surface
    above: int


def draw_titles(layout: GifLayout, words: Words, credits: tuple[str, ...]) -> Titles:
    """Draw the words of a GIF in the visitor's language. Needs no display."""
    pygame.font.init()
    renderer = TextRenderer()
    closing = tuple(_draw_closing(renderer, layout.size, words, credits))
    return Titles(_draw_backdrop(renderer, layout, words.text), closing)


def draw_backdrop(layout: GifLayout, words: Words) -> Image:
    """Draw what surrounds the panes, which takes some milliseconds; the credits take longer. Needs no display."""
    pygame.font.init()
    return _draw_backdrop(TextRenderer(), layout, words.text)


def _draw_backdrop(renderer: TextRenderer, layout: GifLayout, text: str) -> Image:
    surface = _plain_surface(layout.size)
    if layout.footer and text:
        (width, height), longer = layout.size, max(layout.size)
        room, sizes = width - 2 * layout.gap, [_pixels(share, longer) for share in FOOTER_SIZES]
        size = next((size for size in sizes if renderer.width(text, size) <= room), sizes[-1])
        line = renderer.render_block(text, size, room, MIDDLE, "centre", max_lines=1)
        middle = height - (layout.footer + layout.gap) / 2
        surface.blit(line, ((width - line.get_width()) // 2, round(middle - line.get_height() / 2)))
    return _to_picture(surface)


def _draw_closing(renderer: TextRenderer, size: Size, words: Words, credits: tuple[str, ...]) -> Iterator[Image]:
    """Draw the event's text and the credits, in the middle of the height: on one picture, or on several."""
    margin = round(MARGIN * max(size))
    room = size[0] - 2 * margin, size[1] - 2 * margin
    for page in range(1, MAX_PAGES + 1):
        lines, count = _closing_lines(renderer, room, words, credits, page == MAX_PAGES)
        surface, top = _plain_surface(size), max((size[1] - _height(lines)) // 2, 0)
        for block, above in lines:
            top += above
            left = size[0] - margin - block.get_width() if words.rtl else margin
            surface.blit(block, (left, top))
            top += block.get_height()
        yield _to_picture(surface)
        credits = credits[count:]
        if not credits:
            break


def _closing_lines(
    renderer: TextRenderer, room: Size, words: Words, credits: tuple[str, ...], is_last: bool
) -> tuple[list[_Line], int]:
    """Return the lines of a picture with as many credits as fit, and their number. The last one counts the others."""
    language, longer, align = Language(words.language), max(room), _alignment(words)
    top = []
    if words.text:
        block = renderer.render_block(words.text, _pixels(HEADLINE, longer), room[0], WHITE, align, max_lines=3)
        top.append(_Line(block, 0))
    if not credits:
        return top, 0
    title = renderer.render_line(language.say(message("Photos")), _pixels(TITLE, longer), COOL)
    top.append(_Line(title, _pixels(TITLE, longer) if top else 0))
    lines: list[_Line] = []
    for share in CREDIT_SIZES:
        size = _pixels(share, longer)
        lines = [
            _Line(renderer.render_block(credit, size, room[0], MIDDLE, align, CREDIT_LINES), round(0.6 * size))
            for credit in credits
        ]
        if _height(top + lines) <= room[1]:
            return top + lines, len(lines)
    if not is_last:  # in the smallest letters
        fitting = [count for count in range(1, len(lines)) if _height(top + lines[:count]) <= room[1]]
        count = max(fitting, default=1)
        return top + lines[:count], count
    shown = len(lines)
    while True:
        shown -= 1
        rest = language.say(plural_message("and one other", "and {count} others", len(credits) - shown))
        last = _Line(renderer.render_line(rest, size, GREY), round(0.6 * size))
        if not shown or _height([*top, *lines[:shown], last]) <= room[1]:
            return [*top, *lines[:shown], last], shown


def _alignment(words: Words) -> TextAlign:
    return "right" if words.rtl else "left"


def _height(lines: list[_Line]) -> int:
    return sum(block.get_height() + above for block, above in lines)


def _pixels(share: float, longer: int) -> int:
    return max(MIN_TEXT_SIZE, round(share * longer))


def _plain_surface(size: Size) -> pygame.Surface:
    surface = pygame.Surface(size, 0, 32)
    surface.fill(INK)
    return surface


def _to_picture(surface: pygame.Surface) -> Image:
    return np.ascontiguousarray(pygame.surfarray.array3d(surface).swapaxes(0, 1))
