"""Pictures of the starter library's kind, of other numbers than its own, cut out anew each time they are used."""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np

from models.figures.starter_pictures import draw_picture
from models.pose import Floats, Image
from models.train.variety import Transform, similarity_transform, warp

FIRST_NUMBER: Final = 10_000_000
"""Pictures are numbered from here: the starter library's own, and those that measure, are never trained on."""
MAX_SIDE: Final = 360
"""Pixels that a kept picture is wide or high at most."""


SCALE_RANGE: Final = 0.75, 2.0
"""How large a picture is in a cut of it: 1 where its longer side fits."""


class Gallery:
    """Up to `max_pictures` pictures; `grow` adds some, and then puts others in their places."""

    def __init__(self, rng: np.random.Generator, max_pictures: int) -> None:
        self._rng, self._max_pictures = rng, max_pictures
        self._next = FIRST_NUMBER + int(rng.integers(1 << 30))
        self.pictures: list[tuple[Image, Floats]] = []
        self.grow(2)

    def grow(self, count: int) -> None:
        """Draws `count` more."""
        for _ in range(count):
            made = _draw_reduced(self._next)
            self._next += 1
            if len(self.pictures) < self._max_pictures:
                self.pictures.append(made)
            else:
                self.pictures[int(self._rng.integers(self._max_pictures))] = made

    def crop(self, rng: np.random.Generator, size: int) -> tuple[Floats, Floats]:
        """Part of a picture, `size`×`size`×3 of 0 to 255, and the people in it (see `models.train.studio.Scene`)."""
        image, people = self.pictures[int(rng.integers(len(self.pictures)))]
        cut, placed = warp(image, people, _sample_transform(rng, image, people, size), size)
        return cut.astype(np.float32), placed


def _sample_transform(rng: np.random.Generator, image: Image, people: Floats, size: int) -> Transform:
    """From a picture's pixels to those of a cut by chance: the first person is about in its middle."""
    height, width = image.shape[:2]
    low, high = SCALE_RANGE
    scale = size / max(height, width) * math.exp(rng.uniform(math.log(low), math.log(high)))
    turn = math.radians(float(rng.normal(0, 4)))
    seen = people[0, people[0, :, 2] > 0, :2]
    middle = seen.mean(0) if len(seen) else np.array([width / 2, height / 2])
    return similarity_transform(scale, turn, middle, size / 2 + rng.normal(0, 0.12, 2) * size)


def _draw_reduced(number: int) -> tuple[Image, Floats]:
    """A picture as it is kept, and the people in it, P×17×3."""
    made = draw_picture(number)
    height, width = made.image.shape[:2]
    wide, high = (round(side * MAX_SIDE / max(height, width)) for side in (width, height))
    image = cv2.resize(made.image, (wide, high), interpolation=cv2.INTER_AREA)
    poses = [pose.scaled(wide / width, high / height) for pose in made.poses]
    people = np.stack([np.column_stack([pose.xy, np.where(pose.scores > 0, 2, 0)]) for pose in poses])
    return np.asarray(image, np.uint8), people.astype(np.float32)
