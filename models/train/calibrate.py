"""The pictures that calibrate the export: like those the network was trained on, at the size it will read."""

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
"""Side of a scene in pixels: a square with about as many pixels as 353×481."""
BANK_SIZE: Final = 200
"""Number of people that scenes are made of. A few hundred are varied enough for a few dozen scenes."""


def calibration_pictures(seed: int, count: int) -> list[Image]:
    """Return scenes and starter pictures by turns, in varied light, with sides of 16 n + 1 pixels."""
    # No other generator starts from the same numbers: training's have three, and those of the measures end in 1.
    rng = np.random.default_rng([seed, 0, 0, 2])
    studio = SceneGenerator(Bank(rng, BANK_SIZE), None, int(rng.integers(1 << 31)))
    return [
        _vary_light(rng, studio.generate(SCENE_SIDE).image if number % 2 == 0 else _starter_picture(rng))
        for number in range(count)
    ]


def _starter_picture(rng: np.random.Generator) -> Image:
    """Return a starter picture, half of the time as a camera would take it."""
    image = resize_for_estimator(draw_picture(FIRST_NUMBER + int(rng.integers(1 << 30))).image)
    return expose(rng, image.astype(np.float32)) if rng.random() < 0.5 else image


def _vary_light(rng: np.random.Generator, image: Image) -> Image:
    """Return the picture darker or brighter and slightly tinted, as much as in training."""
    (gain,), (offset,) = sample_lights(rng, 1)
    lit = (image.astype(np.float32) - 128) * gain + (128 + 128 * offset)
    return np.asarray(np.clip(lit, 0, 255), np.uint8)
