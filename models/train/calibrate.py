"""The pictures that the export is calibrated with: such as the network was trained on, as large as it is to read."""

from __future__ import annotations

from typing import Final

import numpy as np

from models.figures.starter_pictures import picture
from models.pose import Image
from models.train.bank import Bank
from models.train.camera_effects import expose
from models.train.gallery import FIRST
from models.train.measure import fitted
from models.train.studio import Studio
from models.train.variety import lights

SIDE: Final = 417
"""Pixels of a scene's side: a square of about as many as 353×481."""
PEOPLE: Final = 200
"""Of whom scenes are made."""


def pictures(seed: int, count: int) -> list[Image]:
    """Half of them scenes, half of the starter library's kind, in many lights; sides of 16 n + 1 pixels."""
    chance = np.random.default_rng([seed, 0, 0, 2])  # training's have three numbers, those that measure end in 1
    studio = Studio(Bank(chance, PEOPLE), None, int(chance.integers(1 << 31)))
    return [_relit(chance, studio.scene(SIDE).image if number % 2 == 0 else _whole(chance)) for number in range(count)]


def _whole(chance: np.random.Generator) -> Image:
    """A starter picture: as it is, or photographed."""
    image = fitted(picture(FIRST + int(chance.integers(1 << 30))).image)
    return expose(chance, image.astype(np.float32)) if chance.random() < 0.5 else image


def _relit(chance: np.random.Generator, image: Image) -> Image:
    """Darker or brighter, and tinted a little, as much as in training."""
    (gain,), (offset,) = lights(chance, 1)
    lit = (image.astype(np.float32) - 128) * gain + (128 + 128 * offset)
    return np.asarray(np.clip(lit, 0, 255), np.uint8)
