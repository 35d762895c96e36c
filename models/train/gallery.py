"""Pictures of the starter library's kind, of other numbers than its own, cut out anew each time they are used."""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np

from models.figures.starter_pictures import picture
from models.pose import Floats, Image
from models.train.variety import Way, moved, similarity

FIRST: Final = 10_000_000
"""Pictures are numbered from here: the starter library's own, and those that measure, are never trained on."""
SIDE: Final = 360
"""Pixels that a kept picture is wide or high at most."""


SCALES: Final = 0.75, 2.0
"""How large a picture is in a cut of it: 1 where its longer side fits."""


class Gallery:
    """Up to `most` pictures; `grow` adds some, and then puts others in their places."""

    def __init__(self, chance: np.random.Generator, most: int) -> None:
        self._chance, self._most = chance, most
        self._next = FIRST + int(chance.integers(1 << 30))
        self.kept: list[tuple[Image, Floats]] = []
        self.grow(2)

    def grow(self, count: int) -> None:
        """Draws `count` more."""
        for _ in range(count):
            made = _reduced(self._next)
            self._next += 1
            if len(self.kept) < self._most:
                self.kept.append(made)
            else:
                self.kept[int(self._chance.integers(self._most))] = made

    def cut(self, chance: np.random.Generator, size: int) -> tuple[Floats, Floats]:
        """Part of a picture, `size`×`size`×3 of 0 to 255, and the people in it (see `models.train.studio.Scene`)."""
        image, people = self.kept[int(chance.integers(len(self.kept)))]
        cut, placed = moved(image, people, _way(chance, image, people, size), size)
        return cut.astype(np.float32), placed


def _way(chance: np.random.Generator, image: Image, people: Floats, size: int) -> Way:
    """From a picture's pixels to those of a cut by chance: the first person is about in its middle."""
    height, width = image.shape[:2]
    low, high = SCALES
    scale = size / max(height, width) * math.exp(chance.uniform(math.log(low), math.log(high)))
    turn = math.radians(float(chance.normal(0, 4)))
    seen = people[0, people[0, :, 2] > 0, :2]
    middle = seen.mean(0) if len(seen) else np.array([width / 2, height / 2])
    return similarity(scale, turn, middle, size / 2 + chance.normal(0, 0.12, 2) * size)


def _reduced(number: int) -> tuple[Image, Floats]:
    """A picture as it is kept, and the people in it, P×17×3."""
    made = picture(number)
    height, width = made.image.shape[:2]
    wide, high = (round(side * SIDE / max(height, width)) for side in (width, height))
    image = cv2.resize(made.image, (wide, high), interpolation=cv2.INTER_AREA)
    poses = [pose.scaled(wide / width, high / height) for pose in made.poses]
    people = np.stack([np.column_stack([pose.xy, np.where(pose.scores > 0, 2, 0)]) for pose in poses])
    return np.asarray(image, np.uint8), people.astype(np.float32)
