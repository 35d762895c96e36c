"""Draw the pictures of docs/reference/looks.md and the README's first one: `python -m tools.looks_page`.

They go to docs/images. The letters of Japanese and Arabic come from the fonts of the machine.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final, get_args

import cv2
import numpy as np
import pygame
from PIL import Image as Pillow

from device.display import style
from device.display.attract import PRIVACY_COLOUR
from device.display.draw import blit, border, rounded_rect
from device.display.layout import Size
from device.display.lettering import TextRenderer
from device.display.panes import Layout
from device.display.style import Colour
from models.pose import Image
from tools.colour_vision import Vision, simulate
from tools.screens import contact_sheet, draw_states

IMAGES: Final = Path(__file__).resolve().parents[1] / "docs" / "images"
FOLDER: Final = IMAGES / "looks"

QUALITY: Final = 85
"""JPEG's quality of the pictures of states."""

PALETTE: Final[dict[str, Colour]] = {
    "cool": style.COOL, "warm": style.WARM, "middle": style.MIDDLE, "amber": style.AMBER, "red": style.RED,
    "quiet": PRIVACY_COLOUR, "slate": style.SLATE, "ink": style.INK,
}  # fmt: skip
"""The colours by the names that the page gives them."""

SWATCH: Final[Size] = (150, 96)
"""Width and height in pixels of a colour's patch."""

DRAWN: Final[Size] = (1280, 720)
SHOWN_WIDTH: Final = 640
"""The size at which states are drawn, and the width to which they are shrunk: sizes are those of a large display."""

OTHER_SCREENS: Final[tuple[tuple[Size, Layout], ...]] = (((1080, 1920), "side"), ((1080, 1920), "full"))
ON_OTHER_SCREENS: Final = ("attract", "playing", "hint", "countdown", "replay", "four-people")
"""The screens and states of the picture of other screens."""

LANGUAGES: Final = ("de", "ja", "ar")
IN_LANGUAGES: Final = ("attract", "hint", "countdown")
"""The languages and states of the picture of languages."""


def write_states() -> None:
    """Write a picture of every state, and the README's first picture."""
    for name, picture in draw_states(DRAWN, "side"):
        _save(contact_sheet([picture], 1, SHOWN_WIDTH, gap=0), f"{name}.jpg")
        if name == "playing":
            Pillow.fromarray(picture).save(IMAGES / "mirror.png", optimize=True)


def write_other_screens() -> None:
    """Write a sheet of portrait displays in both layouts."""
    pictures = [
        picture
        for size, layout in OTHER_SCREENS
        for name, picture in draw_states(size, layout)
        if name in ON_OTHER_SCREENS
    ]
    _save(contact_sheet(pictures, len(ON_OTHER_SCREENS), 200), "other-screens.jpg")


def write_languages() -> None:
    """Write a sheet of some states in other languages."""
    pictures = [
        picture
        for language in LANGUAGES
        for name, picture in draw_states(DRAWN, "side", language)
        if name in IN_LANGUAGES
    ]
    _save(contact_sheet(pictures, len(IN_LANGUAGES), 400), "languages.jpg")


def draw_palette() -> Image:
    """Return the colours as people with each kind of vision see them, with their names and numbers."""
    pygame.font.init()
    text = TextRenderer()
    visions: tuple[Vision, ...] = get_args(Vision)
    (width, height), label, top = SWATCH, 170, 56
    canvas = pygame.Surface((label + len(PALETTE) * width, top + len(visions) * height), 0, 32)
    canvas.fill(style.INK)
    for column, (name, colour) in enumerate(PALETTE.items()):
        words = text.render_line(f"{name}  #{bytes(colour).hex()}", 22)
        blit(canvas, words, (label + column * width + 4, 20))
        for row, vision in enumerate(visions):
            red, green, blue = (int(level) for level in simulate(colour, vision))
            patch = rounded_rect((width - 8, height - 8), 12, (red, green, blue), 1.0)
            edge = border((width - 8, height - 8), 12, 1.0, alpha=0.3)
            for piece in (patch, edge):
                blit(canvas, piece, (label + column * width + 4, top + row * height + 4))
    for row, vision in enumerate(visions):
        blit(canvas, text.render_line(vision, 24), (14, top + row * height + height / 2 - 8))
    return np.ascontiguousarray(pygame.surfarray.array3d(canvas).swapaxes(0, 1))


def draw_visions() -> Image:
    """Return the screen as people with each kind of vision see it."""
    picture = next(picture for name, picture in draw_states(DRAWN, "side") if name == "hint")
    small = cv2.resize(picture, (SHOWN_WIDTH, SHOWN_WIDTH * 9 // 16), interpolation=cv2.INTER_AREA)
    return contact_sheet([simulate(small, vision) for vision in get_args(Vision)], 2, SHOWN_WIDTH // 2)


def _save(picture: Image, name: str) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(picture).save(FOLDER / name, quality=QUALITY, optimize=True)


def main() -> int:
    """Write all pictures."""
    write_states()
    write_other_screens()
    write_languages()
    _save(draw_palette(), "palette.png")
    _save(draw_visions(), "visions.jpg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
