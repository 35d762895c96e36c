"""Where the visitor's and the answers' panes are on a canvas. All functions are pure.

In the layout "full" the answer fills the canvas, and the visitor is a small inset on it. In the layout "side" both have
a pane of the same size, next to each other or one above the other, over a strip for the ring and the button.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple, TypeAlias

from pygame import Rect

from device.display.layout import Size
from device.display.style import MARGIN

Layout: TypeAlias = Literal["side", "full"]

STRIP: Final = 0.12
"""Height of the strip below the panes of the layout "side", as a share of the display's short side."""


SMALLEST: Final = 64
"""Pixels: a canvas with a shorter side is too small for several panes. Only a window can be so small."""


class Panes(NamedTuple):
    """The visitor's pane (None: an inset instead), the pane of each answer, and the strip below them (None: none)."""

    visitor: Rect | None
    answers: tuple[Rect, ...]
    strip: Rect | None


def arrange(canvas: Size, layout: Layout, answers: int = 1, rtl: bool = False) -> Panes:
    """Return the panes for one to four answers on a canvas of this (width, height).

    With `rtl` the first pane is the right one, as for everything that is read from right to left. Several answers share
    the canvas in either layout, each next to the other.
    """
    everything = Rect(0, 0, *canvas)
    if min(canvas) < SMALLEST:
        return Panes(None, (everything,) * max(answers, 1), None)
    if layout == "full" and answers <= 1:
        return Panes(None, (everything,), None)
    gap = max(2, round(min(canvas) * MARGIN / 2))
    strip_height = round(min(canvas) * STRIP)
    above = Rect(gap, gap, canvas[0] - 2 * gap, canvas[1] - 2 * gap - strip_height)
    strip = Rect(gap, above.bottom, above.width, canvas[1] - above.bottom)
    if answers <= 1:
        visitor, answer = split(above, 2, gap, rtl)
        return Panes(visitor, (answer,), strip)
    return Panes(None, split(above, answers, gap, rtl), strip)


def around(canvas: Rect, painted: Iterable[Rect]) -> list[Rect]:
    """Return rectangles that together cover what is left of a canvas without the painted rectangles."""
    left = [canvas]
    for hole in painted:
        left = [piece for rect in left for piece in _without(rect, hole)]
    return left


def _without(rect: Rect, hole: Rect) -> list[Rect]:
    """Return a rectangle without a hole, as up to four rectangles: above and below it, and on its left and right."""
    hole = rect.clip(hole)
    pieces = [
        Rect(rect.left, rect.top, rect.width, hole.top - rect.top),
        Rect(rect.left, hole.bottom, rect.width, rect.bottom - hole.bottom),
        Rect(rect.left, hole.top, hole.left - rect.left, hole.height),
        Rect(hole.right, hole.top, rect.right - hole.right, hole.height),
    ]
    return [piece for piece in pieces if piece.width and piece.height] if hole.width and hole.height else [rect]


def split(area: Rect, count: int, gap: int, rtl: bool = False) -> tuple[Rect, ...]:
    """Return `count` equal rectangles in an area, `gap` pixels apart: along its longer side, as people are high.

    In a high area, four are two rows of two.
    """
    wide = area.width >= area.height
    columns = count if wide else 2 if count == 4 else 1
    rows = count // columns
    size = (area.width - (columns - 1) * gap) // columns, (area.height - (rows - 1) * gap) // rows
    return tuple(
        Rect(area.left + column * (size[0] + gap), area.top + row * (size[1] + gap), *size)
        for row in range(rows)
        for column in (reversed(range(columns)) if rtl else range(columns))
    )
