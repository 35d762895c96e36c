"""Random textures of objects: windows, shelves, crowds, letters, leaves and heaps, painted with strokes."""

from __future__ import annotations

from typing import Final

import numpy as np

from models.train.palette import Dice, Floats, sample_colour, scale_colour
from models.train.stroke_kernel import NO_MASK, paint
from models.train.strokes import (
    ALPHA,
    BASE,
    ELLIPSE,
    SHADE,
    SOFT,
    STROKE_COLUMNS,
    TEXTURE,
    TEXTURE_SIDE,
    Brush,
    Bytes,
    Strokes,
    set_texture,
    upright_matrix,
)
from models.train.surface_textures import noise

GREY: Final = (128.0, 128.0, 128.0)
"""The mean of a texture."""


def facade(rng: np.random.Generator, dice: Dice) -> Floats:
    """Return a house front with windows."""
    wall = 128 + 8 * noise(rng, 1.2)[..., None] + np.zeros(3, np.float32)
    strokes = Strokes()
    wide, high = dice.pick((32, 43, 64)), dice.pick((43, 51, 64, 85))
    narrow, low, frame = wide * dice(0.15, 0.32), high * dice(0.12, 0.3), dice(1, 3)
    light, pane = scale_colour(GREY, dice(0.6, 1.7)), dice(0, 0.8)
    for x in range(0, TEXTURE_SIDE, wide):
        for y in range(0, TEXTURE_SIDE, high):
            spot = (x + narrow, y + low, x + wide - narrow, y + high - low)
            strokes.box(spot[0] - frame, spot[1] - frame, spot[2] + frame, spot[3] + frame, Brush(light))
            glass = sample_colour(dice, dice.pick(("light", "grey", "sky", "dark", "dark", "dark")))
            strokes.box(*spot, Brush(scale_colour(glass, dice(0.4, 1.0) + pane), shade=(0, dice(-0.02, 0.01))))
            if dice.happens(0.4):
                strokes.box(
                    spot[0],
                    spot[1],
                    spot[2],
                    spot[1] + (spot[3] - spot[1]) * dice(0.1, 0.6),
                    Brush(scale_colour(light, 0.8)),
                )
        if wide == 64 and dice.happens(0.3):
            strokes.box(x - 2, 0, x + 2, TEXTURE_SIDE, Brush(scale_colour(GREY, 0.7)))
    for y in range(0, TEXTURE_SIDE, high):
        strokes.box(0, y - 2, TEXTURE_SIDE, y + 2, Brush(scale_colour(GREY, dice(0.7, 1.3)), alpha=0.7))
    return _paint_strokes(strokes, wall)


def shelves(rng: np.random.Generator, dice: Dice) -> Floats:
    """Return shelves with books or other objects."""
    back = np.zeros((TEXTURE_SIDE, TEXTURE_SIDE, 3), np.float32) + np.array(
        scale_colour(sample_colour(dice, "wood"), 0.35), np.float32
    )
    strokes = Strokes()
    board, high = sample_colour(dice, dice.pick(("wood", "light", "dark"))), dice.pick((64, 85, 128))
    books = dice.happens(0.6)
    for y in range(0, TEXTURE_SIDE, high):
        x = 0.0
        while x < TEXTURE_SIDE:
            wide = dice(4, 13) if books else dice(8, 45)
            tall, tone = high * dice(0.5, 0.85), scale_colour(sample_colour(dice, "cloth"), dice(0.5, 1.0))
            if books or dice.happens(0.6):
                strokes.box(x, y + high - tall, x + wide - 0.5, y + high - 3, Brush(tone, shade=(dice(-0.04, 0.04), 0)))
                strokes.box(
                    x + 1,
                    y + high - tall * 0.8,
                    x + wide - 2,
                    y + high - tall * 0.6,
                    Brush(sample_colour(dice, "light"), alpha=0.5),
                )
            else:
                strokes.ellipse(
                    (x + wide / 2, y + high - tall / 2, wide / 2, tall / 2),
                    Brush(tone),
                    power=dice.pick((2, 4, 8)),
                    roundness=0.4,
                )
            x += wide if dice.happens(0.93) else wide + dice(5, 40)
        strokes.box(0, y + high - 4, TEXTURE_SIDE, y + high + 3, Brush(board))
    return _paint_strokes(strokes, back)


def crowd(rng: np.random.Generator, dice: Dice) -> Floats:
    """Return rows of people."""
    ground = np.zeros((TEXTURE_SIDE, TEXTURE_SIDE, 3), np.float32) + 60 + 15 * noise(rng, 1.2)[..., None]
    strokes = Strokes()
    step, rows = dice(14, 22), dice(24, 40)
    share = dice(0.5, 0.95)
    for y in np.arange(-10, TEXTURE_SIDE + rows, rows):
        for x in np.arange(0, TEXTURE_SIDE, step):
            if not dice.happens(share):
                continue
            mid, head = float(x) + dice(-5, 5), float(y) + dice(-6, 6)
            strokes.ellipse(
                (mid, head + rows * 0.7, step * dice(0.4, 0.6), rows * 0.5),
                Brush(scale_colour(sample_colour(dice, "cloth"), dice(0.5, 1)), 1.5),
                power=4,
            )
            strokes.ellipse(
                (mid, head, step * 0.24, step * 0.32), Brush(scale_colour(sample_colour(dice, "skin"), dice(0.6, 1)), 1)
            )
            strokes.ellipse(
                (mid, head - step * 0.15, step * 0.26, step * 0.22),
                Brush(scale_colour(sample_colour(dice, "wood"), dice(0.1, 0.9)), 1),
            )
    return _paint_strokes(strokes, ground)


def letters(rng: np.random.Generator, dice: Dice) -> Floats:
    """Return lines of something like writing."""
    tones = [
        sample_colour(dice, dice.pick(kinds))
        for kinds in (("light", "light", "wall", "vivid", "cloth"), ("dark", "dark", "cloth"))
    ]
    strokes = Strokes()
    y = 0.0
    while y < TEXTURE_SIDE:
        high, x = dice(10, 60), dice(0, 60)
        while x < TEXTURE_SIDE - 20:
            wide = high * dice(0.3, 0.8)
            middle, thick, ink = y + high / 2, high * dice(0.04, 0.08), tones[1]
            for _ in range(dice.integer(1, 3)):
                if dice.happens(0.5):
                    at = x + dice(0, wide * 0.8)
                    strokes.box(at, y, at + thick * 2, y + high, Brush(ink))
                else:
                    at = dice.pick((y, middle - thick, y + high - 2 * thick))
                    strokes.box(x, at, x + wide * 0.85, at + thick * 2, Brush(ink))
            x += wide + high * (0.15 if dice.happens(0.85) else 0.8)
        y += high * dice(1.2, 2.2)
    return _paint_strokes(
        strokes, np.zeros((TEXTURE_SIDE, TEXTURE_SIDE, 3), np.float32) + np.array(tones[0], np.float32)
    )


def _paint_strokes(strokes: Strokes, ground: Floats) -> Floats:
    """Return strokes painted on a ground."""
    canvas = np.ascontiguousarray(ground, np.float32)
    paint(canvas, NO_MASK, NO_MASK, strokes.rows(), np.zeros(1, np.uint8))
    return canvas


def leaves(rng: np.random.Generator, dice: Dice) -> Floats:
    """Return layers of leaves in clumps; the upper layers get more light."""
    size = dice(3, 8)
    count = int(70000 / size**1.3)
    rows = np.zeros((count, STROKE_COLUMNS), np.float32)
    rows[:, 0], rows[:, 7] = ELLIPSE, 2
    rows[:, 1], rows[:, 2], turn = (
        dice.array(count, 0, TEXTURE_SIDE),
        dice.array(count, 0, TEXTURE_SIDE),
        dice.array(count, 0, 3.14),
    )
    length = size * (0.5 + dice.array(count) ** 2)
    rows[:, 8] = length * dice.array(count, 0.25, 0.7)
    rows[:, 3:7] = np.stack([np.cos(turn), np.sin(turn)] * 2, axis=1)
    rows[:, 3:5] /= length[:, None]
    rows[:, 5:7] /= rows[:, 8:9]
    rows[:, SOFT], rows[:, ALPHA], rows[:, TEXTURE] = 0.7, 1, -1
    clumps = noise(rng, 1.5)[rows[:, 2].astype(int) % TEXTURE_SIDE, rows[:, 1].astype(int) % TEXTURE_SIDE]
    light = np.linspace(0.45, 1.05, count) * np.exp(0.35 * clumps + 0.22 * rng.standard_normal(count))
    tones = np.array([scale_colour(GREY, 1), (150, 128, 96), (112, 134, 128), (140, 134, 110)], np.float32)
    rows[:, BASE:SHADE] = tones[(dice.array(count) ** 2 * 4).astype(int)] * light[:, None]
    canvas = np.zeros((TEXTURE_SIDE, TEXTURE_SIDE, 3), np.float32) + 40
    paint(canvas, NO_MASK, NO_MASK, rows, np.zeros(1, np.uint8))
    bright: Floats = canvas * (128 / canvas.mean())
    return bright


def heap(dice: Dice, texels: Bytes, textures: list[int]) -> Floats:
    """Return textured objects of all sizes on top of each other, in few colours.

    Such "dead leaves" have the statistics of photos (Lee, Mumford and Huang, 2001).
    """
    strokes = Strokes()
    kinds = [dice.pick(("wood", "grey", "leaves", "earth", "dark", "light", "cloth", "wall")) for _ in range(3)]
    tones = [sample_colour(dice, dice.pick(kinds)) for _ in range(7)]
    for k in range(900):
        size = min(5 / max(dice(), 1e-3) ** 0.65, 190) if k > 8 else 250
        x, y, angle, tone = (
            dice(0, TEXTURE_SIDE),
            dice(0, TEXTURE_SIDE),
            dice(0, 3.1),
            scale_colour(dice.pick(tones), dice(0.5, 1.25)),
        )
        shape, soft, slim = dice(), dice(0.6, 1.5), dice(0.25, 1)
        if shape < 0.4:
            row = strokes.ellipse(
                (x, y, size, size * slim),
                Brush(tone, soft),
                angle=angle,
                power=dice.pick((2, 4)),
                roundness=dice(0, 0.6),
            )
        elif shape < 0.55:
            end = (x + 2 * size * np.cos(angle), y + 2 * size * np.sin(angle))
            row = strokes.capsule((x, y), end, (size * 0.3 * slim, size * 0.3 * slim), Brush(tone, soft))
        else:
            turn, shade = angle if dice.happens(0.4) else 0.0, (dice(-0.5, 0.5) / size, dice(-0.5, 0.5) / size)
            row = strokes.rotated_box((x, y, size, size * slim), turn, Brush(tone, soft, shade=shade))
        if dice.happens(0.75):
            set_texture(
                row,
                dice.pick(textures),
                upright_matrix(-dice(0, TEXTURE_SIDE), -dice(0, TEXTURE_SIDE), dice(0.8, 3), angle),
                dice(0.4, 1.2),
            )
    canvas = np.zeros((TEXTURE_SIDE, TEXTURE_SIDE, 3), np.float32) + 80
    paint(canvas, NO_MASK, NO_MASK, strokes.rows(), texels)
    return canvas
