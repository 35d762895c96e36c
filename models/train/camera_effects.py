"""What a camera does to a picture: lens, light, colours, grain and JPEG, all at random and mostly mild."""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

import cv2
import numpy as np
from numba import njit

from models.train.palette import Dice, Floats
from models.train.strokes import Bytes

NOISE_TABLE_SIZE: Final = 1 << 18
"""Numbers in the table that noise is read from. A power of two, so that an index wraps around with `&`."""
CURVE_STEPS: Final = 1024
"""Steps of a tone curve over 0–255. The curve has as many again above, where highlights are lost."""


class Film(NamedTuple):
    """How one photo is developed: its colours, its tones, and its noise."""

    colours: Floats
    """The 3×3 matrix that colours are multiplied by."""
    curve: Floats
    """The tone curve, from `_tone_curve`."""
    flare: Floats
    """Five numbers: the vignette's centre (x and y, shares of the picture) and depth, and by how much the light changes
    across the picture and down it."""
    noise: float
    """The noise's strength, 0.8 to 14.8."""
    tint: float
    """How much of the noise each colour has of its own, 0 to 1."""
    is_coarse: int
    """1 where a grain of noise is two pixels wide and high, else 0."""


def expose(rng: np.random.Generator, image: Floats) -> Bytes:
    """Return a photo (uint8) of a picture (H×W×3, 0–255, RGB), with random camera settings."""
    dice = Dice(rng)
    blurred = np.ascontiguousarray(_apply_lens(dice, image), np.float32)
    photo = np.empty(image.shape, np.uint8)
    film = _sample_film(dice)
    _develop(blurred, film, _noise_table(), dice.integer(0, NOISE_TABLE_SIZE - 1), photo)
    return _compress(dice, photo)


def _sample_film(dice: Dice) -> Film:
    flare = (
        dice(0.0, 1.0),
        dice(0.0, 1.0),
        dice() ** 3 * 0.6,
        (dice() - 0.5) * dice(0, 0.7),
        (dice() - 0.5) * dice(0, 0.7),
    )
    noise = dice() ** 3 * 14 + 0.8
    is_coarse = 0 if dice.happens(0.75) else 1
    colours, curve = _colour_matrix(dice), _tone_curve(dice)
    return Film(colours, curve, np.array(flare, np.float32), noise, dice(0.2, 0.8), is_coarse)


def _apply_lens(dice: Dice, image: Floats) -> Floats:
    """Return the picture blurred by the lens or by motion, or with fewer pixels. Most pictures stay as they are."""
    draw, height, width = dice(), image.shape[0], image.shape[1]
    scale = max(height, width) / 193
    if draw < 0.6:
        return image
    if draw < 0.76:
        return cv2.GaussianBlur(image, (0, 0), 0.35 + scale * dice() ** 3 * 2.2).astype(np.float32, copy=False)
    if draw < 0.84:
        return _blur_by_motion(dice, image, scale)
    share = dice(0.4, 0.95)
    smaller = (max(8, int(width * share)), max(8, int(height * share)))
    reduced = cv2.resize(image, smaller, interpolation=cv2.INTER_AREA if dice.happens(0.7) else cv2.INTER_LINEAR)
    interpolation = cv2.INTER_LINEAR if dice.happens(0.6) else cv2.INTER_CUBIC
    return cv2.resize(reduced, (width, height), interpolation=interpolation).astype(np.float32, copy=False)


def _blur_by_motion(dice: Dice, image: Floats, scale: float) -> Floats:
    """Return the picture blurred along a line a few pixels long."""
    length, angle = scale * (1.5 + dice() ** 2 * 6), dice(0, np.pi)
    side = int(length) // 2 * 2 + 3
    kernel = np.zeros((side, side), np.float32)
    middle = side // 2
    for step in np.linspace(-length / 2, length / 2, side * 2):
        kernel[round(middle + step * np.sin(angle)), round(middle + step * np.cos(angle))] += 1
    return cv2.filter2D(image, -1, kernel / kernel.sum()).astype(np.float32, copy=False)


def _colour_matrix(dice: Dice) -> Floats:
    """Return a random 3×3 colour matrix: warm or cold light, exposure, saturation."""
    warm = (dice() + dice() - 1) * (0.2 if dice.happens(0.85) else 0.4)
    green = (dice() + dice() - 1) * 0.06
    light = 2.0 ** ((dice() + dice() + dice() - 1.5) * 0.6)
    saturation = 0.0 if dice.happens(0.06) else 1 + (dice() + dice() - 1) * 0.45
    grey = np.array([0.299, 0.587, 0.114], np.float32) * (1 - saturation)
    gains = np.array([1 + warm * 0.8, 1 + green, 1 - warm], np.float32)
    if saturation == 0 and dice.happens(0.7):
        gains[:] = 1
    matrix = np.tile(grey, (3, 1)) + np.eye(3, dtype=np.float32) * np.float32(saturation)
    balance: Floats = (matrix * gains[:, None] * np.float32(light)).astype(np.float32)
    return balance


def _tone_curve(dice: Dice) -> Floats:
    """Return a random tone curve from 0–510 to 0–255: gamma, contrast around the middle, lifted blacks, and highlights
    that fade out or are cut off."""
    value = np.linspace(0, 2, 2 * CURVE_STEPS, dtype=np.float32) ** np.float32(2.0 ** ((dice() - 0.5) * 0.9))
    if dice.happens(0.5):
        # Highlights fade out instead of being cut off.
        value = np.where(value < 0.7, value, 1 - 0.3 * np.exp((0.7 - value) / 0.3))
    value = np.minimum(value, 1)
    value += np.float32((dice() - 0.25) * 1.3) * value * (1 - value) * (2 * value - 1)
    black = dice(0, 0.12) if dice.happens(0.25) else 0.0
    white = dice(0.9, 1.0) if dice.happens(0.3) else 1.0
    curve: Floats = (255 * (black + (white - black) * value)).astype(np.float32)
    return curve


@cache
def _noise_table() -> Floats:
    """Return random numbers with a standard deviation of 1, always the same ones."""
    grains: Floats = np.random.default_rng(17).standard_normal(NOISE_TABLE_SIZE, np.float32)
    return grains


@njit(cache=True, nogil=True, fastmath=True)
def _develop(image: Floats, film: Film, grains: Floats, first: int, photo: Bytes) -> None:
    """Write a picture with light, colours, tones and noise to `photo`, in one pass.

    The noise is read from `grains` (a power of two of them), from number `first` on.
    """
    balance, curve, flare, noise, grain = film.colours, film.curve, film.flare, film.noise, film.is_coarse
    height, width = image.shape[0], image.shape[1]
    mask, last = len(grains) - 1, len(curve) - 1
    middle_x, middle_y = np.float32((0.3 + 0.4 * flare[0]) * width), np.float32((0.3 + 0.4 * flare[1]) * height)
    deep, across = np.float32(flare[2] / (0.36 * (width * width + height * height))), np.float32(flare[3] / width)
    rr, rg, rb, gr, gg, gb = balance[0, 0], balance[0, 1], balance[0, 2], balance[1, 0], balance[1, 1], balance[1, 2]
    br, bg, bb = balance[2, 0], balance[2, 1], balance[2, 2]
    # Shot noise grows with the light, but after the tone curve it is strongest in the middle tones.
    least, most, slope = np.float32(0.5 * noise), np.float32(255), np.float32(0.004 * noise)
    alone, half, scale = np.float32(film.tint), np.float32(0.5), np.float32((CURVE_STEPS - 1) / 255)
    for y in range(height):
        down = np.float32(1 + flare[4] * (y / height - 0.5)) - across * np.float32(0.5 * width)
        far_y = (np.float32(y) - middle_y) ** 2
        at = first + ((y >> 1) * (width + 13) if grain == 1 else y * (3 * width + 7))
        for x in range(width):
            far = far_y + (np.float32(x) - middle_x) ** 2
            light = scale * max(np.float32(0.05), (down + across * np.float32(x)) * (np.float32(1) - deep * far))
            r, g, b = image[y, x, 0] * light, image[y, x, 1] * light, image[y, x, 2] * light
            k = at + (x >> 1 if grain == 1 else 3 * x)
            rough, other, third = grains[k & mask], grains[(k + 1) & mask], grains[(k + 2) & mask]
            red = curve[min(max(int(rr * r + rg * g + rb * b), 0), last)]
            green = curve[min(max(int(gr * r + gg * g + gb * b), 0), last)]
            blue = curve[min(max(int(br * r + bg * g + bb * b), 0), last)]
            much = least + slope * min(green, most - green)
            red += much * rough + half
            green += much * (rough + alone * (other - rough)) + half
            blue += much * (rough + alone * (third - rough)) + half
            photo[y, x, 0] = np.uint8(min(max(red, half), most))
            photo[y, x, 1] = np.uint8(min(max(green, half), most))
            photo[y, x, 2] = np.uint8(min(max(blue, half), most))


def _compress(dice: Dice, photo: Bytes) -> Bytes:
    """Return the photo, sometimes sharpened by the camera, and often stored as JPEG."""
    if dice.happens(0.25):
        smooth = cv2.GaussianBlur(photo, (3, 3), 0.9)
        photo = cv2.addWeighted(photo, 1 + (amount := dice(0.2, 1.2)), smooth, -amount, 0).astype(np.uint8)
    if dice.happens(0.45):
        quality = int(95 - 65 * dice() ** 1.7)
        ok, jpeg = cv2.imencode(".jpg", photo, (cv2.IMWRITE_JPEG_QUALITY, quality))
        decoded = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
        if not ok or decoded is None:
            raise RuntimeError("OpenCV cannot write JPEG: install opencv-python-headless.")
        return decoded.astype(np.uint8, copy=False)
    return photo
