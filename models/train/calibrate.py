"""The pictures that the export is calibrated with: such as the network was trained on, as large as it is to read."""

from __future__ import annotations

from typing import Final

import numpy as np

from models.figures.starter_pictures import draw_picture
from models.pose import Image
from models.train.bank import Bank
from models.train.camera_effects import expose
from models.train.gallery import FIRST_NUMBER
from models.train.measure import resize_for_estimator
from models.train.studio import SceneGenerator
from models.train.variety import sample_lights

SCENE_SIDE: Final = 417
"""Pixels of a scene's side: a square of about as many as 353×481."""
BANK_SIZE: Final = 200
"""Of whom scenes are made."""


def calibration_pictures(seed: int, count: int) -> list[Image]:
    """Half of them scenes, half of the starter library's kind, in many lights; sides of 16 n + 1 pixels."""
    rng = np.random.default_rng([seed, 0, 0, 2])  # training's have three numbers, those that measure end in 1
    studio = SceneGenerator(Bank(rng, BANK_SIZE), None, int(rng.integers(1 << 31)))
    return [
        _vary_light(rng, studio.generate(SCENE_SIDE).image if number % 2 == 0 else _starter_picture(rng))
        for number in range(count)
    ]


def _starter_picture(rng: np.random.Generator) -> Image:
    """A starter picture: as it is, or photographed."""
    image = resize_for_estimator(draw_picture(FIRST_NUMBER + int(rng.integers(1 << 30))).image)
    return expose(rng, image.astype(np.float32)) if rng.random() < 0.5 else image


def _vary_light(rng: np.random.Generator, image: Image) -> Image:
    """Darker or brighter, and tinted a little, as much as in training."""
    (gain,), (offset,) = sample_lights(rng, 1)
    lit = (image.astype(np.float32) - 128) * gain + (128 + 128 * offset)
    return np.asarray(np.clip(lit, 0, 255), np.uint8)
