"""Random numbers and colours for backdrops."""

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
    """Random numbers from a generator, drawn many at a time: one by one they would take longer than painting does."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._left: list[float] = []

    def __call__(self, low: float = 0.0, high: float = 1.0) -> float:
        """Return a number between the two."""
        if not self._left:
            self._left = self._rng.random(256).tolist()
        return low + (high - low) * self._left.pop()

    def happens(self, share: float) -> bool:
        """Return True with this probability."""
        return self() < share

    def integer(self, low: int, high: int) -> int:
        """Return a whole number between the two, `high` included."""
        return int(self(low, high + 1))

    def pick(self, things: Sequence[T]) -> T:
        """Return one of the things."""
        return things[int(self() * len(things))]

    def array(self, count: int, low: float = 0.0, high: float = 1.0) -> Floats:
        """Return an array of numbers between the two."""
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
"""Ranges of natural colours, by what has them."""


def sample_colour(dice: Dice, kind: str) -> Colour:
    """Return a random colour (RGB, 0–255) of a kind of thing."""
    ranges = dice.pick(COLOURS[kind])
    hue, saturation, value = dice(ranges[0], ranges[1]), dice(ranges[2], ranges[3]), dice(ranges[4], ranges[5])
    return colorsys.hsv_to_rgb(hue / 360 % 1, saturation, value)


def scale_colour(colour: Colour, light: float) -> Colour:
    """Return the colour in more or less light."""
    return colour[0] * light, colour[1] * light, colour[2] * light
