"""Random textures that backdrops are painted with: stone, leaves, cloth, crowds, shelves…"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np

from models.train.palette import Dice, Floats, sample_colour, scale_colour
from models.train.stroke_kernel import paint
from models.train.strokes import (
    ALPHA,
    BASE,
    BYTES_PER_TEXTURE,
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

NO_MASK: Final = np.zeros((0, 0), np.uint8)
"""Stands for a mask that is not used."""
GREY: Final = (128.0, 128.0, 128.0)


class TextureStock:
    """Textures by what they show: `by_name["brick"]` lists the numbers of those of brick.

    `texels` holds all of them for `stroke_kernel.paint`. Textures of a material have a mean of 128, so that they
    take any colour; textures of objects have colours of their own.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.by_name: dict[str, list[int]] = {}
        self.texels: Bytes = np.zeros(0, np.uint8)
        dice = Dice(rng)
        pyramids: list[Bytes] = []
        for name, (count, make) in MATERIALS.items():
            for _ in range(count):
                self.by_name.setdefault(name, []).append(len(pyramids))
                pyramids.append(_pyramid(make(rng, dice)))
        plain = np.concatenate(pyramids)
        for name, (count, kinds) in HEAP_MATERIALS.items():
            for _ in range(count):
                self.by_name.setdefault(name, []).append(len(pyramids))
                pyramids.append(_pyramid(_heap(dice, plain, [n for kind in kinds for n in self.by_name[kind]])))
        self.texels = np.concatenate(pyramids)


def _pyramid(picture: Floats) -> Bytes:
    """Return a texture and its halvings, one after another."""
    level = np.clip(picture, 0, 255).astype(np.uint8)
    levels = [level.ravel()]
    for _ in range(6):
        level = cv2.resize(level, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA).astype(np.uint8)
        levels.append(level.ravel())
    pyramid: Bytes = np.concatenate(levels)
    assert len(pyramid) == BYTES_PER_TEXTURE
    return pyramid


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


def _tinted(rng: np.random.Generator, value: Floats, contrast: float, tint: float) -> Floats:
    """Return brightness (mean 0, standard deviation about 1) as a texture around 128 whose colours vary a little."""
    warm, green = (
        cv2.resize(noise(rng, 1.4, side=TEXTURE_SIDE // 4), (TEXTURE_SIDE, TEXTURE_SIDE)) * tint * share
        for share in (1, 0.5)
    )
    grey = (value - value.mean()) * contrast + 128
    texture: Floats = np.stack([grey + warm, grey + green, grey - warm], axis=-1).astype(np.float32)
    return texture


def _plain(rng: np.random.Generator, dice: Dice) -> Floats:
    return _tinted(rng, noise(rng, dice(0.9, 1.6)), dice(18, 36), dice(1, 5))


def _cloud(rng: np.random.Generator, dice: Dice) -> Floats:
    thick = noise(rng, dice(1.5, 1.9), 1.0, dice(1, 2)) + dice(-0.6, 0.6)
    white = np.clip(thick, 0, 1.6)[..., None] / 1.6
    # Multiplied with a sky's blue, this gives white.
    cloud = np.array([205, 178, 150], np.float32) * (1 + 0.07 * noise(rng, 1.6))[..., None]
    texture: Floats = (118 * (1 - white) + cloud * white).astype(np.float32)
    return texture


def _grass(rng: np.random.Generator, dice: Dice) -> Floats:
    blades = noise(rng, dice(0.3, 0.7), 1.0, dice(0.4, 1.0)) + 0.6 * noise(rng, 1.5)
    return _tinted(rng, blades, dice(16, 30), dice(5, 12))


def _gravel(rng: np.random.Generator, dice: Dice) -> Floats:
    return _tinted(rng, noise(rng, dice(0.1, 0.7)) + 0.5 * noise(rng, 1.7), dice(12, 24), dice(1, 4))


def _water(rng: np.random.Generator, dice: Dice) -> Floats:
    waves = noise(rng, dice(1.0, 1.6), dice(2.5, 6))
    return _tinted(rng, waves + 0.5 * np.clip(waves - 1, 0, 2) ** 2, dice(18, 30), 4)


def _grain(rng: np.random.Generator, dice: Dice) -> Floats:
    return _tinted(rng, _wood_grain(rng, dice), dice(10, 22), 4)


def _wood_grain(rng: np.random.Generator, dice: Dice) -> Floats:
    rings = np.sin(
        np.arange(TEXTURE_SIDE, dtype=np.float32)[None] * dice(0.1, 0.3) + dice(2, 5) * noise(rng, 1.8, 1, 8)
    )
    out: Floats = (rings + noise(rng, 0.6, 1, 12)).astype(np.float32)
    return out


def _planks(rng: np.random.Generator, dice: Dice) -> Floats:
    wide = dice.pick((16, 32, 64))
    value = 0.6 * _wood_grain(rng, dice) + np.repeat(rng.standard_normal(TEXTURE_SIDE // wide), wide)[None]
    value[:, ::wide] -= 2.5
    for plank in range(TEXTURE_SIDE // wide):
        value[dice.integer(0, TEXTURE_SIDE - 3) :, plank * wide : (plank + 1) * wide] += dice(-1, 1)
    return _tinted(rng, value.astype(np.float32), dice(10, 22), 3)


def _bricks(rng: np.random.Generator, dice: Dice) -> Floats:
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
    return _tinted(rng, value.astype(np.float32), dice(10, 20), 3)


def _cloth(rng: np.random.Generator, dice: Dice) -> Floats:
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
    line = noise(rng, 1.2)[0]
    out: Floats = (np.sin(np.arange(TEXTURE_SIDE) * dice(0.1, 0.25) + 4 * line) + line)[None] + 0.3 * noise(
        rng, 1.5, 1, 6
    )
    return out.astype(np.float32)


def _curtain(rng: np.random.Generator, dice: Dice) -> Floats:
    return _tinted(rng, _folds(rng, dice), dice(18, 36), 3)


def _carpet(rng: np.random.Generator, dice: Dice) -> Floats:
    quarter = noise(rng, 1.2)[: TEXTURE_SIDE // 4, : TEXTURE_SIDE // 4]
    half = np.concatenate([quarter, quarter[::-1]])
    pattern = np.tile(np.concatenate([half, half[:, ::-1]], axis=1), (2, 2))
    tones = np.array([sample_colour(dice, dice.pick(("cloth", "wood", "earth"))) for _ in range(4)], np.float32)
    out: Floats = tones[np.digitize(pattern, (-0.7, 0, 0.8))] * 0.6 + 40 + 8 * noise(rng, 0.3)[..., None]
    return out.astype(np.float32)


def _facade(rng: np.random.Generator, dice: Dice) -> Floats:
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


def _shelves(rng: np.random.Generator, dice: Dice) -> Floats:
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


def _crowd(rng: np.random.Generator, dice: Dice) -> Floats:
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


def _letters(rng: np.random.Generator, dice: Dice) -> Floats:
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
    canvas = np.ascontiguousarray(ground, np.float32)
    paint(canvas, NO_MASK, NO_MASK, strokes.rows(), np.zeros(1, np.uint8))
    return canvas


def _leaves(rng: np.random.Generator, dice: Dice) -> Floats:
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


def _heap(dice: Dice, texels: Bytes, textures: list[int]) -> Floats:
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


TextureMaker = Callable[[np.random.Generator, Dice], Floats]
MATERIALS: Final[dict[str, tuple[int, TextureMaker]]] = {
    "plain": (8, _plain), "cloud": (5, _cloud), "grass": (3, _grass), "gravel": (3, _gravel), "water": (3, _water),
    "grain": (2, _grain), "planks": (4, _planks), "brick": (5, _bricks), "cloth": (5, _cloth), "curtain": (2, _curtain),
    "carpet": (3, _carpet), "facade": (5, _facade), "shelves": (4, _shelves), "crowd": (4, _crowd),
    "letters": (4, _letters), "leaves": (5, _leaves),
}  # fmt: skip
"""How many textures of each material there are, and how each is made."""
HEAP_MATERIALS: Final[dict[str, tuple[int, tuple[str, ...]]]] = {
    "heap": (8, ("plain", "plain", "grain", "cloth", "gravel", "leaves", "brick")),
}
"""How many textures of heaps there are, and which materials their objects have."""
