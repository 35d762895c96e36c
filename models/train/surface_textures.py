"""Random textures of surfaces: plaster, clouds, grass, gravel, water, wood, brick, cloth and carpet."""

from __future__ import annotations

import cv2
import numpy as np

from models.train.palette import Dice, Floats, sample_colour
from models.train.strokes import TEXTURE_SIDE


def noise(
    rng: np.random.Generator, fall: float, across: float = 1.0, down: float = 1.0, side: int = TEXTURE_SIDE
) -> Floats:
    """Return noise (side×side, mean 0, standard deviation 1) whose amplitude falls as 1/frequency^fall.

    Photos have a fall of about 1.2. `across` and `down` stretch the noise in that direction.
    """
    y, x = (
        np.fft.fftfreq(side).astype(np.float32)[:, None] * down,
        np.fft.rfftfreq(side).astype(np.float32)[None] * across,
    )
    square = x * x + y * y
    square[0, 0] = 1
    square **= np.float32(-fall / 2)
    square[0, 0] = 0
    phases = rng.standard_normal((*square.shape, 2), np.float32).view(np.complex64)[..., 0]
    field = np.fft.irfft2(phases * square, (side, side)).astype(np.float32)
    scaled: Floats = (field - field.mean()) / field.std()
    return scaled


def tinted(rng: np.random.Generator, value: Floats, contrast: float, tint: float) -> Floats:
    """Return brightness (mean 0, standard deviation about 1) as a texture around 128 whose colours vary a little."""
    warm, green = (
        cv2.resize(noise(rng, 1.4, side=TEXTURE_SIDE // 4), (TEXTURE_SIDE, TEXTURE_SIDE)) * tint * share
        for share in (1, 0.5)
    )
    grey = (value - value.mean()) * contrast + 128
    texture: Floats = np.stack([grey + warm, grey + green, grey - warm], axis=-1).astype(np.float32)
    return texture


def plain(rng: np.random.Generator, dice: Dice) -> Floats:
    """Return plaster, paper or metal with slight stains."""
    return tinted(rng, noise(rng, dice(0.9, 1.6)), dice(18, 36), dice(1, 5))


def cloud(rng: np.random.Generator, dice: Dice) -> Floats:
    """Return clouds, which are multiplied with a sky's colour."""
    thick = noise(rng, dice(1.5, 1.9), 1.0, dice(1, 2)) + dice(-0.6, 0.6)
    white = np.clip(thick, 0, 1.6)[..., None] / 1.6
    # Multiplied with a sky's blue, this gives white.
    cloud = np.array([205, 178, 150], np.float32) * (1 + 0.07 * noise(rng, 1.6))[..., None]
    texture: Floats = (118 * (1 - white) + cloud * white).astype(np.float32)
    return texture


def grass(rng: np.random.Generator, dice: Dice) -> Floats:
    """Return blades of grass."""
    blades = noise(rng, dice(0.3, 0.7), 1.0, dice(0.4, 1.0)) + 0.6 * noise(rng, 1.5)
    return tinted(rng, blades, dice(16, 30), dice(5, 12))


def gravel(rng: np.random.Generator, dice: Dice) -> Floats:
    """Return gravel or asphalt."""
    return tinted(rng, noise(rng, dice(0.1, 0.7)) + 0.5 * noise(rng, 1.7), dice(12, 24), dice(1, 4))


def water(rng: np.random.Generator, dice: Dice) -> Floats:
    """Return waves."""
    waves = noise(rng, dice(1.0, 1.6), dice(2.5, 6))
    return tinted(rng, waves + 0.5 * np.clip(waves - 1, 0, 2) ** 2, dice(18, 30), 4)


def grain(rng: np.random.Generator, dice: Dice) -> Floats:
    """Return the grain of wood."""
    return tinted(rng, _wood_grain(rng, dice), dice(10, 22), 4)


def _wood_grain(rng: np.random.Generator, dice: Dice) -> Floats:
    """Return the brightness of wood."""
    rings = np.sin(
        np.arange(TEXTURE_SIDE, dtype=np.float32)[None] * dice(0.1, 0.3) + dice(2, 5) * noise(rng, 1.8, 1, 8)
    )
    out: Floats = (rings + noise(rng, 0.6, 1, 12)).astype(np.float32)
    return out


def planks(rng: np.random.Generator, dice: Dice) -> Floats:
    """Return planks side by side."""
    wide = dice.pick((16, 32, 64))
    value = 0.6 * _wood_grain(rng, dice) + np.repeat(rng.standard_normal(TEXTURE_SIDE // wide), wide)[None]
    value[:, ::wide] -= 2.5
    for plank in range(TEXTURE_SIDE // wide):
        value[dice.integer(0, TEXTURE_SIDE - 3) :, plank * wide : (plank + 1) * wide] += dice(-1, 1)
    return tinted(rng, value.astype(np.float32), dice(10, 22), 3)


def bricks(rng: np.random.Generator, dice: Dice) -> Floats:
    """Return bricks or tiles with joints."""
    high, wide = dice.pick(((16, 32), (16, 64), (32, 64), (32, 32), (64, 64), (64, 128)))
    rows, columns = TEXTURE_SIDE // high, TEXTURE_SIDE // wide
    value = np.repeat(np.repeat(rng.standard_normal((rows, columns)) * dice(0.2, 1), high, 0), wide, 1)
    joint = np.zeros((TEXTURE_SIDE, TEXTURE_SIDE), np.float32)
    joint[::high], joint[1::high] = 1, 0.7
    joint[:, ::wide], joint[:, 1::wide] = 1, 0.7
    if high != wide:
        for k in range(1, rows, 2):
            band = slice(k * high, (k + 1) * high)
            value[band], joint[band] = np.roll(value[band], wide // 2, 1), np.roll(joint[band], wide // 2, 1)
    value = value + 0.5 * noise(rng, 1.0)
    value += joint * dice(-3, 2.5)
    return tinted(rng, value.astype(np.float32), dice(10, 20), 3)


def cloth(rng: np.random.Generator, dice: Dice) -> Floats:
    """Return cloth, often striped or checked."""
    stripes = np.repeat(rng.standard_normal((3, TEXTURE_SIDE // 8)).astype(np.float32), 8, axis=1)
    stripes = np.tile(stripes[:, : (period := dice.pick((4, 8, 16))) * 2], (1, TEXTURE_SIDE // 8 * 8 // (period * 2)))[
        :, :TEXTURE_SIDE
    ]
    stripes = stripes * 0.3 + stripes[:1] * 0.7
    down = np.tile(stripes[:, :, None], (1, 1, TEXTURE_SIDE)) * dice.pick((0, 1))
    picture = 128 + dice(8, 26) * ((stripes[:, None, :] - stripes.mean()) * dice.pick((0, 1, 1)) + down - down.mean())
    folds = _folds(rng, dice)[None] * 14 + noise(rng, 0.4)[None] * dice(4, 10)
    out: Floats = np.moveaxis(picture + folds, 0, -1).astype(np.float32)
    return out


def _folds(rng: np.random.Generator, dice: Dice) -> Floats:
    """Return the brightness of folds."""
    line = noise(rng, 1.2)[0]
    out: Floats = (np.sin(np.arange(TEXTURE_SIDE) * dice(0.1, 0.25) + 4 * line) + line)[None] + 0.3 * noise(
        rng, 1.5, 1, 6
    )
    return out.astype(np.float32)


def curtain(rng: np.random.Generator, dice: Dice) -> Floats:
    """Return a curtain's folds."""
    return tinted(rng, _folds(rng, dice), dice(18, 36), 3)


def carpet(rng: np.random.Generator, dice: Dice) -> Floats:
    """Return a carpet with a symmetric pattern."""
    quarter = noise(rng, 1.2)[: TEXTURE_SIDE // 4, : TEXTURE_SIDE // 4]
    half = np.concatenate([quarter, quarter[::-1]])
    pattern = np.tile(np.concatenate([half, half[:, ::-1]], axis=1), (2, 2))
    tones = np.array([sample_colour(dice, dice.pick(("cloth", "wood", "earth"))) for _ in range(4)], np.float32)
    out: Floats = tones[np.digitize(pattern, (-0.7, 0, 0.8))] * 0.6 + 40 + 8 * noise(rng, 0.3)[..., None]
    return out.astype(np.float32)
