"""A gallery of pictures like the starter library's, with other numbers than its own, cropped anew for each use."""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np

from models.figures.starter_pictures import draw_picture
from models.pose import Floats, Image
from models.train.variety import Transform, similarity_transform, warp

FIRST_NUMBER: Final = 10_000_000
"""Number of the first picture. It is above the starter library's and above those that measure, so neither is trained
on."""
MAX_SIDE: Final = 360
"""Longest side of a stored picture in pixels. Scenes have 321 pixels a side at most, so more would only take memory.
"""
SCALE_RANGE: Final = 0.75, 2.0
"""Smallest and largest scale of a picture in a crop; at 1 its longer side just fits."""


class Gallery:
    """Up to `max_pictures` pictures; once it is full, `grow` replaces random ones."""

    def __init__(self, rng: np.random.Generator, max_pictures: int) -> None:
        self._rng, self._max_pictures = rng, max_pictures
        self._next = FIRST_NUMBER + int(rng.integers(1 << 30))
        self.pictures: list[tuple[Image, Floats]] = []
        self.grow(2)

    def grow(self, count: int) -> None:
        """Draw `count` more pictures."""
        for _ in range(count):
            picture = _draw_reduced(self._next)
            self._next += 1
            if len(self.pictures) < self._max_pictures:
                self.pictures.append(picture)
            else:
                self.pictures[int(self._rng.integers(self._max_pictures))] = picture

    def crop(self, rng: np.random.Generator, size: int) -> tuple[Floats, Floats]:
        """Return part of a picture (`size`×`size`×3, 0 to 255) and the people in it (see
        `models.train.studio.Scene`)."""
        image, people = self.pictures[int(rng.integers(len(self.pictures)))]
        cropped, placed = warp(image, people, _sample_transform(rng, image, people, size), size)
        return cropped.astype(np.float32), placed


def _sample_transform(rng: np.random.Generator, image: Image, people: Floats, size: int) -> Transform:
    """Return a random way from a picture's pixels to a crop's that puts the first person near the middle."""
    height, width = image.shape[:2]
    low, high = SCALE_RANGE
    scale = size / max(height, width) * math.exp(rng.uniform(math.log(low), math.log(high)))
    turn = math.radians(float(rng.normal(0, 4)))
    seen = people[0, people[0, :, 2] > 0, :2]
    middle = seen.mean(0) if len(seen) else np.array([width / 2, height / 2])
    return similarity_transform(scale, turn, middle, size / 2 + rng.normal(0, 0.12, 2) * size)


def _draw_reduced(number: int) -> tuple[Image, Floats]:
    """Return a picture at its stored size, and the people in it, P×17×3."""
    picture = draw_picture(number)
    height, width = picture.image.shape[:2]
    wide, high = (round(side * MAX_SIDE / max(height, width)) for side in (width, height))
    image = cv2.resize(picture.image, (wide, high), interpolation=cv2.INTER_AREA)
    poses = [pose.scaled(wide / width, high / height) for pose in picture.poses]
    people = np.stack([np.column_stack([pose.xy, np.where(pose.scores > 0, 2, 0)]) for pose in poses])
    return np.asarray(image, np.uint8), people.astype(np.float32)
