"""The mirror's visual language: the colours, sizes and times that everything on the screen and in a GIF shares.

docs/reference/looks.md shows them. All colours are RGB. Cool and warm stay apart for people who see few colours, and
nothing is said by a colour alone: left and right have their places, too, a fault its words, a recording its bar.
"""

from __future__ import annotations

from typing import Final, TypeAlias

Colour: TypeAlias = tuple[int, int, int]

WHITE: Final[Colour] = (255, 255, 255)
INK: Final[Colour] = (16, 18, 24)
"""The colour of outlines, cards and empty panes."""

SLATE: Final[Colour] = (38, 43, 56)
"""The wall behind drawn figures: a little lighter than ink."""

COOL: Final[Colour] = (86, 214, 222)
WARM: Final[Colour] = (255, 150, 104)
MIDDLE: Final[Colour] = (250, 246, 236)
"""A person's own left side, right side, and what lies between. Cool is also the colour of a good fit."""

AMBER: Final[Colour] = (255, 190, 92)
"""The colour of hints, and of the owner's mark."""

RED: Final[Colour] = (236, 72, 72)
"""The colour of the button and of a recording."""

MARGIN: Final = 0.03
"""Space along the display's edges and between panes, as a share of its short side."""

CORNER: Final = 0.07
"""Radius of a corner, as a share of the short side of what it belongs to."""

HEADLINE, BODY, SMALL, CREDIT = 0.085, 0.056, 0.042, 0.025
"""Sizes of letters, as shares of the display's short side. Capitals are half as high: in body text 8 mm on a display
30 cm high, which can be read from 3 m. Credits are for those who come near. docs/reference/looks.md has the figures."""

MIN_TEXT_SIZE: Final = 11
"""Pixels: smaller letters cannot be read."""

MAX_FLASHES: Final = 3.0
"""Times a second that anything may grow bright and dark at most: more can cause seizures (WCAG 2.3.1)."""


def text_size(unit: int, share: float) -> int:
    """Return a text size: a share of the display's short side in pixels, but never too small to read."""
    return max(MIN_TEXT_SIZE, round(unit * share))
