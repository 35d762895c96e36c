"""Chance and colours: numbers drawn many at a time, and colours as things have them."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Colour = tuple[float, float, float]
T = TypeVar("T")


class Dice:
    """Numbers from a generator, drawn many at a time: one by one they take longer than what is painted with them."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._left: list[float] = []

    def __call__(self, low: float = 0.0, high: float = 1.0) -> float:
        """A number between the two."""
        if not self._left:
            self._left = self._rng.random(256).tolist()
        return low + (high - low) * self._left.pop()

    def happens(self, share: float) -> bool:
        """Whether something happens that happens in this share of cases."""
        return self() < share

    def integer(self, low: int, high: int) -> int:
        """A whole number, `high` included."""
        return int(self(low, high + 1))

    def pick(self, things: Sequence[T]) -> T:
        """One of the things."""
        return things[int(self() * len(things))]

    def array(self, count: int, low: float = 0.0, high: float = 1.0) -> Floats:
        """An array of numbers between the two."""
        return self._rng.random(count, np.float32) * np.float32(high - low) + np.float32(low)


COLOURS: Final[dict[str, tuple[tuple[float, ...], ...]]] = {
    # hue from, to (of 360); saturation from, to; value from, to (of 255)
    "wall": ((25, 55, 0.03, 0.3, 130, 225), (0, 360, 0.0, 0.08, 120, 235), (190, 225, 0.05, 0.3, 110, 200),
             (60, 140, 0.05, 0.25, 110, 190), (15, 45, 0.3, 0.6, 90, 190)),
    "wood": ((15, 38, 0.3, 0.65, 50, 190), (20, 40, 0.15, 0.4, 110, 210)),
    "grey": ((20, 50, 0.0, 0.15, 60, 190), (190, 230, 0.0, 0.15, 50, 180)),
    "dark": ((0, 360, 0.0, 0.4, 10, 60), (210, 240, 0.1, 0.5, 20, 70)),
    "light": ((20, 60, 0.0, 0.15, 190, 250), (200, 230, 0.0, 0.1, 190, 250)),
    "grass": ((65, 105, 0.3, 0.65, 80, 165), (45, 75, 0.25, 0.55, 90, 170)),
    "leaves": ((70, 130, 0.2, 0.6, 40, 120), (45, 85, 0.25, 0.6, 60, 140), (20, 50, 0.3, 0.6, 60, 140)),
    "earth": ((20, 42, 0.15, 0.5, 80, 200), (30, 45, 0.1, 0.3, 130, 220)),
    "sky": ((200, 222, 0.15, 0.6, 150, 235), (200, 230, 0.0, 0.15, 170, 245), (205, 225, 0.05, 0.3, 180, 240)),
    "water": ((180, 225, 0.15, 0.6, 70, 180), (150, 190, 0.1, 0.35, 70, 160)),
    "cloth": ((0, 360, 0.0, 0.2, 20, 230), (200, 240, 0.2, 0.7, 30, 170), (340, 380, 0.4, 0.85, 80, 210),
              (0, 360, 0.2, 0.8, 50, 210), (15, 45, 0.15, 0.5, 60, 200)),
    "vivid": ((345, 375, 0.6, 0.95, 120, 230), (205, 240, 0.55, 0.95, 90, 220), (40, 56, 0.6, 0.95, 170, 240),
              (90, 160, 0.5, 0.85, 80, 180)),
    "skin": ((12, 28, 0.25, 0.6, 90, 240),),
}  # fmt: skip
"""Ranges that natural colours are drawn from, by what has them."""


def sample_colour(dice: Dice, kind: str) -> Colour:
    """A colour (RGB, 0–255) such as things of this kind have."""
    hues = dice.pick(COLOURS[kind])
    hue, saturation, value = dice(hues[0], hues[1]), dice(hues[2], hues[3]), dice(hues[4], hues[5])
    return colorsys.hsv_to_rgb(hue / 360 % 1, saturation, value)


def scale_colour(one: Colour, light: float) -> Colour:
    """The colour in more or less light."""
    return one[0] * light, one[1] * light, one[2] * light
