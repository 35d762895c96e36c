"""The button on the display: where the real one is, and what it does.

A red button points with an arrow to the display's side where the real button is, and has words next to it. Its ring
glows as the light in the real button does.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, Literal, NamedTuple, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
import pygame
from pygame import Rect

from device.display import draw, style
from device.display.bidi import base_level
from device.display.draw import SUBPIXEL_BITS
from device.display.layout import Size
from device.display.lettering import TextRenderer
from device.glow import ButtonState, glow
from device.presses import HOLD_SECONDS

Side: TypeAlias = Literal["left", "right", "top", "bottom"]

BUTTON: Final = 0.07
"""Diameter of the button, as a share of the display's short side, like the lengths that follow."""

PADDING: Final = 0.011
"""Space around the button, and between it and its words."""

ARROW: Final = 0.024
"""How far the arrow reaches from the plate to the display's side."""

LINE_GAP: Final = 0.004
"""Space between two lines of words."""

LABEL_WIDTH: Final = 0.58
"""Width of the words at most, of the display's width: longer ones are broken."""

RING_STEPS: Final = 24
"""Steps in which the ring closes during a hold. Each is cached."""

PLACES: Final = 24
"""Places from the middle of a side to its end, and from there to the opposite side, that are tried."""


class ButtonMark(NamedTuple):
    """The button to draw: the side where the real one is, its state, and lines of translated words.

    The first line says what a press does, and is larger than the others. Without lines only the button is drawn.
    """

    side: Side
    lines: tuple[str, ...]
    state: ButtonState


class _Parts(NamedTuple):
    """Where the parts of a mark are, from its own upper left corner."""

    size: Size
    plate: Rect
    button: Rect
    words: tuple[int, int]
    arrow: Rect


def draw_button_mark(
    canvas: pygame.Surface, text: TextRenderer, mark: ButtonMark, now: float, taken: Sequence[Rect] = ()
) -> Rect:
    """Draw the button near the middle of its side, but not over what is `taken`; return the place that it takes."""
    unit, rtl = min(canvas.get_size()), bool(mark.lines) and bool(base_level(mark.lines[0]))
    blocks = _render_lines(text, mark.lines, canvas.get_size(), rtl)
    parts = _arrange(mark.side, blocks, unit, rtl)
    place = place_mark(mark.side, canvas.get_size(), parts.size, taken)
    plate = parts.plate.move(place.topleft)
    draw.blit(canvas, draw.rounded_rect(plate.size, min(plate.size) / 2, alpha=0.72), plate.topleft)
    draw.blit(canvas, _arrow(parts.arrow.size, mark.side), parts.arrow.move(place.topleft).topleft)
    _draw_button(canvas, parts.button.move(place.topleft), mark.state, now)
    x, y = place.left + parts.words[0], place.top + parts.words[1]
    width = max((block.get_width() for block in blocks), default=0)
    for block in blocks:
        draw.blit(canvas, block, (x + (width - block.get_width() if rtl else 0), y))
        y += block.get_height() + _line_gap(unit)
    return place


def place_mark(side: Side, canvas: Size, size: Size, taken: Sequence[Rect] = ()) -> Rect:
    """Return where a mark of `size` is on a canvas: at the middle of its side, or the nearest place that is free.

    Where the whole side is taken, the place is further inside. If nothing is free, it is the middle of the side.
    """
    return Rect(_find_place(side, canvas, size, tuple(tuple(rect) for rect in taken)))


@lru_cache(maxsize=32)
def _find_place(side: Side, canvas: Size, size: Size, taken: tuple[tuple[int, ...], ...]) -> tuple[int, int, int, int]:
    """Return the left, top, width and height of what `place_mark` returns. Trying a thousand places takes too long for
    every frame, and what is taken rarely changes."""
    rects = [Rect(rect) for rect in taken]
    for place in _places(side, canvas, size):
        if place.collidelist(rects) < 0:
            break
    else:
        place = next(_places(side, canvas, size))
    return place.left, place.top, place.width, place.height


def _places(side: Side, canvas: Size, size: Size) -> Iterator[Rect]:
    """Yield places for a mark, the best first: along its side from the middle outwards, then further inside."""
    along = 0 if side in ("top", "bottom") else 1
    margin = round(min(canvas) * style.MARGIN)
    for inwards, step in itertools.product(range(PLACES), range(2 * PLACES + 1)):
        shift = (step + 1) // 2 * (-1 if step % 2 else 1)  # 0, -1, 1, -2, 2, …
        room = max(canvas[along] - size[along] - 2 * margin, 0)
        at = [0, 0]
        at[along] = round((canvas[along] - size[along]) / 2 + shift * room / (2 * PLACES))
        depth = inwards * max(canvas[1 - along] - size[1 - along], 0) / (PLACES - 1)
        at[1 - along] = round(depth if side in ("left", "top") else canvas[1 - along] - size[1 - along] - depth)
        yield Rect(at, size)


def _render_lines(text: TextRenderer, lines: Sequence[str], canvas: Size, rtl: bool) -> list[pygame.Surface]:
    """Render the words, the first line larger than the others."""
    width, unit = round(canvas[0] * LABEL_WIDTH), min(canvas)
    sizes = itertools.chain([style.BODY], itertools.repeat(style.SMALL))
    return [
        text.render_block(line, style.text_size(unit, size), width, align="right" if rtl else "left", max_lines=2)
        for line, size in zip(lines, sizes, strict=False)
    ]


def _arrange(side: Side, blocks: Sequence[pygame.Surface], unit: int, rtl: bool) -> _Parts:
    """Arrange the parts: the button is at the side, or where reading starts, and the words are next to it."""
    padding, diameter, reach = (max(1, round(unit * share)) for share in (PADDING, BUTTON, ARROW))
    words = (
        max((block.get_width() for block in blocks), default=0),
        sum(block.get_height() for block in blocks) + _line_gap(unit) * max(len(blocks) - 1, 0),
    )
    height = max(diameter, words[1]) + 2 * padding
    width = height if not blocks else height + words[0] + 2 * padding + height // 4
    plate = Rect(0, 0, width, height)
    inset = (height - diameter) // 2
    button = Rect(inset, inset, diameter, diameter)
    button_last = side == "right" or (side != "left" and rtl)
    if button_last:
        button.right = width - inset
    left = height // 4 + padding if button_last else height + padding // 2
    arrow = Rect(0, 0, reach, 2 * reach) if side in ("left", "right") else Rect(0, 0, 2 * reach, reach)
    arrow.center = button.center
    gap = padding // 2
    match side:
        case "bottom":
            arrow.top = plate.bottom + gap
        case "right":
            arrow.left = plate.right + gap
        case "top":
            plate.top = button.top = reach + 2 * gap
            button.top += inset
            arrow.top = gap
        case "left":
            plate.left = reach + 2 * gap
            button.left += plate.left
            left += plate.left
            arrow.left = gap
    whole = plate.union(arrow)
    size = max(whole.right, plate.right) + gap * (side == "right"), whole.bottom + gap * (side == "bottom")
    return _Parts(size, plate, button, (left, plate.top + (height - words[1]) // 2), arrow)


def _line_gap(unit: int) -> int:
    return max(1, round(unit * LINE_GAP))


def _draw_button(canvas: pygame.Surface, place: Rect, state: ButtonState, now: float) -> None:
    """Draw the red button with a ring around it that glows."""
    brightness, diameter = glow(state, now), place.width
    thickness = max(2.0, diameter * 0.09)
    inner = round(diameter - 2 * thickness - max(2.0, diameter * 0.08))
    within = place.left + (diameter - inner) / 2, place.top + (diameter - inner) / 2
    busy = state.phase in ("saving", "failed")
    draw.blit(canvas, draw.rounded_rect((inner, inner), inner / 2, style.RED, 1.0), within, 0.55 if busy else 1.0)
    colour = style.AMBER if state.phase == "failed" else style.MIDDLE
    draw.blit(canvas, draw.arc(diameter, thickness, 1.0, colour), place.topleft, brightness * _ring_share(state))
    if state.phase == "held":
        share = min(max(now - state.since, 0.0) / HOLD_SECONDS, 1.0)
        draw.blit(canvas, draw.arc(diameter, thickness, round(share * RING_STEPS) / RING_STEPS, colour), place.topleft)


def _ring_share(state: ButtonState) -> float:
    """Return how much of the glow the whole ring has: little during a hold, which the ring shows by closing."""
    return 0.3 if state.phase == "held" else 1.0


@lru_cache(maxsize=4)
def _arrow(size: Size, side: Side) -> pygame.Surface:
    """Return a triangle that points to a side, with a dark outline, so that it shows on any photo."""
    width, height = size
    corners = {
        "bottom": [(0, 0), (width, 0), (width / 2, height)],
        "top": [(0, height), (width, height), (width / 2, 0)],
        "left": [(width, 0), (width, height), (0, height / 2)],
        "right": [(0, 0), (0, height), (width, height / 2)],
    }[side]
    inner = np.array(corners) * 0.8 + np.array([width, height]) * 0.1
    surface = draw.tint_mask(_polygon(np.array(corners), size), style.INK, 0.8).copy()
    surface.blit(draw.tint_mask(_polygon(inner, size), style.MIDDLE), (0, 0))
    return surface


def _polygon(corners: npt.NDArray[np.float64], size: Size) -> npt.NDArray[np.uint8]:
    """Return a mask (H×W, 0 to 255) of a polygon with these corners (N×2)."""
    mask = np.zeros((size[1], size[0]), np.uint8)
    points = np.round((corners - 0.5) * (1 << SUBPIXEL_BITS)).astype(np.int32)
    cv2.fillPoly(mask, [points], 255, cv2.LINE_AA, SUBPIXEL_BITS)
    return mask
