"""Regression pictures of the screen: `python -m tools.regression` accepts the screen as it looks now.

The tests compare every state with its picture in tests/device/display/looks, with a tolerance that other versions of
the libraries and other processors stay within, and that a change which somebody could see exceeds.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np
from PIL import Image as Pillow

from device.display.layout import Size
from device.display.panes import Layout
from models.pose import Image
from tools.screens import STATES, draw_state

FOLDER: Final = Path(__file__).resolve().parents[1] / "tests/device/display/looks"


class Scope(NamedTuple):
    """A screen that is compared: its size and layout, and the states in which it looks different from the others."""

    size: Size
    layout: Layout
    states: frozenset[str] | None = None


TALL_STATES: Final = (
    "attract", "playing", "hint", "collection", "countdown", "replay", "shared-gif-wifi", "two-people",
    "four-people",
)  # fmt: skip

SCREENS: Final = {
    "wide": Scope((480, 320), "side"),
    "tall": Scope((320, 480), "side", frozenset(TALL_STATES)),
    "full": Scope((512, 340), "full", frozenset({"playing", "celebration", "hint", "collection", "countdown"})),
}
"""The screens that are compared. The states of "wide" are all there are."""

BLOCK: Final = 8
"""Sides in pixels of the squares whose mean colours are compared: half a pixel's move of a letter does not count."""

TOLERANCE: Final = 45.0
"""Levels, 0 to 255, by which a square's red, green or blue may differ. docs/reference/looks.md says why."""

QUALITY: Final = 80
"""WebP's quality of the stored pictures: it changes no square by more than a third of the tolerance.
A palette would take twice the space, or lose small spots of colour such as the owner's mark."""


def compared_states(screen: str) -> tuple[str, ...]:
    """Return the names of the states that are compared on a screen of `SCREENS`."""
    states = SCREENS[screen].states
    return tuple(name for name in STATES if states is None or name in states)


def draw_screen(screen: str, state: str) -> Image:
    """Return the picture (H×W×3) of a state on a screen of `SCREENS`."""
    size, layout, _ = SCREENS[screen]
    return draw_state(state, size, layout)


def picture_file(screen: str, state: str) -> Path:
    """Return the file of a state's regression picture."""
    return FOLDER / f"{screen}-{state}.webp"


def read_picture(file: Path) -> Image:
    """Return a stored picture, H×W×3."""
    with Pillow.open(file) as stored:
        return np.asarray(stored.convert("RGB"))


def write_picture(picture: Image, file: Path) -> None:
    """Store a picture (H×W×3)."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(picture).save(file, quality=QUALITY, method=6)


def difference(first: Image, second: Image) -> float:
    """Return the largest difference between two pictures of one size in any square's mean red, green or blue."""
    size = first.shape[1] // BLOCK, first.shape[0] // BLOCK
    means = [cv2.resize(picture.astype(np.float32), size, interpolation=cv2.INTER_AREA) for picture in (first, second)]
    return float(np.abs(means[0] - means[1]).max())


def is_alike(picture: Image, file: Path) -> bool:
    """Return whether a picture looks like a stored one. It does not if there is none."""
    if not file.is_file():
        return False
    stored = read_picture(file)
    return stored.shape == picture.shape and difference(picture, stored) <= TOLERANCE


def main() -> int:
    """Store the pictures of all states that look different from their stored ones, and delete those of no state."""
    current = set()
    for screen in SCREENS:
        for state in compared_states(screen):
            picture, file = draw_screen(screen, state), picture_file(screen, state)
            current.add(file)
            if not is_alike(picture, file):
                write_picture(picture, file)
                print(f"accepted {file.name}")
    for file in set(FOLDER.glob("*.webp")) - current:
        file.unlink()
        print(f"deleted {file.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
