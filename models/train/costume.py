"""What people wear, how they look and in which light, by chance, as photos have it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from models.figures.look import MATERIALS_PER_PERSON, Material
from models.pose import Floats
from models.train import light
from models.train.bank import Figure, PlacedFigure
from models.train.light import Appearance, Lamp

SKIN_COLOURS: Final = np.array(
    [[244, 208, 184], [236, 190, 160], [224, 172, 138], [206, 152, 118], [184, 126, 92], [150, 100, 70], [116, 76, 54],
     [86, 56, 42], [230, 180, 156], [214, 164, 134]], np.float32,
)  # fmt: skip
HAIR_COLOURS: Final = np.array(
    [[30, 24, 22], [44, 32, 26], [70, 48, 34], [104, 74, 50], [150, 114, 74], [196, 164, 116], [128, 122, 118],
     [200, 198, 194], [120, 62, 36]], np.float32,
)  # fmt: skip


FIRST_FOLD_TEXTURE: Final = 3
"""Textures from this one on are folds of cloth; those before it are grains."""


def sample_appearance(rng: np.random.Generator, people: Sequence[PlacedFigure]) -> Appearance:
    """Colours, cloths and faces by chance of people in the camera's axes, of one at least."""
    palettes, cloths = zip(*(sample_colours(rng, somebody.figure) for somebody in people), strict=True)
    heads = [sample_face(rng, *each) for each in zip(people, palettes, strict=True)]
    return Appearance(np.stack(palettes), np.stack(cloths), np.stack(heads))


def sample_colours(rng: np.random.Generator, one: Figure) -> tuple[Floats, Floats]:
    """A person's palette 16×3 and cloths 16×8 (`models.train.light.CLOTH_COLUMNS`)."""
    chosen = _sample_cloth_colours(rng, MATERIALS_PER_PERSON + 2)
    palette, seconds = chosen[:MATERIALS_PER_PERSON], chosen[MATERIALS_PER_PERSON:].repeat(MATERIALS_PER_PERSON // 2, 0)
    skin = SKIN_COLOURS[int(rng.integers(len(SKIN_COLOURS)))] * rng.normal(1, 0.06) + rng.normal(0, 5, 3)
    for material in (Material.SKIN, Material.NOSE, Material.EARS):
        palette[material] = skin
    palette[Material.EARS] *= (1.0, 0.92, 0.9)
    palette[Material.HAIR] = HAIR_COLOURS[int(rng.integers(len(HAIR_COLOURS)))] * rng.uniform(0.7, 1.25)
    cloths = _sample_cloths(rng)
    cloths[:, light.SECOND : light.SECOND + 3] = seconds + (palette - seconds) * rng.uniform(0, 0.8)
    _share_cloths(rng, one, palette, cloths)
    if one.look.shoes is None:
        palette[Material.SHOES] = palette[Material.SOLES] = skin
    return palette, cloths


def _sample_cloths(rng: np.random.Generator) -> Floats:
    """16×8 by chance, without second colours: much is plain, little shines."""
    made = np.zeros((MATERIALS_PER_PERSON, light.CLOTH_COLUMNS), np.float32)
    made[:, light.FOLDS] = rng.uniform(0.1, 0.9)
    made[:, light.TEXTURE] = rng.integers(FIRST_FOLD_TEXTURE, len(light.TEXTURES), MATERIALS_PER_PERSON)
    made[:, light.SHINE] = np.where(rng.random(MATERIALS_PER_PERSON) < 0.2, 0.15, 0.02)
    surface = slice(light.FOLDS, light.SHINE + 1)
    made[[Material.SKIN, Material.NOSE, Material.EARS], surface] = (0.06, 3, 0.10)
    made[Material.HAIR, surface] = (float(rng.uniform(0.3, 1.2)), 6, 0.12)
    for material, share, patterns in ((Material.TOP, 0.40, light.PRINT), (Material.BOTTOM, 0.12, light.FLOWERS)):
        if rng.random() < share:
            made[material, light.PATTERN] = rng.integers(light.PLAIN + 1, patterns + 1)
            made[material, light.PER_METRE] = math.exp(rng.uniform(math.log(7), math.log(32)))
    return made


def _share_cloths(rng: np.random.Generator, one: Figure, palette: Floats, cloths: Floats) -> None:
    """What mostly is of one cloth, in place."""
    pairs = [(Material.STRIPES, Material.TOP)]
    if rng.random() < 0.85:
        pairs.append((Material.SLEEVES, Material.TOP))
    if one.look.legs == "dress" or rng.random() < 0.08:
        pairs.append((Material.BOTTOM, Material.TOP))
    if rng.random() < 0.7:
        pairs.append((Material.BELT, Material.BOTTOM))
    for material, like in pairs:
        palette[material], cloths[material] = palette[like], cloths[like]


def _sample_cloth_colours(rng: np.random.Generator, count: int) -> Floats:
    """`count`×3, as clothes are coloured: many greys, whites, blacks and blues, some earthen, some vivid."""
    kind, value = rng.random(count), rng.random(count)
    grey = np.interp(value, (0, 0.33, 0.34, 0.66, 0.67, 1), (18, 60, 60, 170, 185, 240))[:, None]
    denim = np.array([56, 74, 108]) * (0.5 + 1.1 * value[:, None])
    earth = np.array([164, 142, 110]) * (0.4 + 0.85 * value[:, None])
    hue = rng.random((count, 1)) * 6
    ramp = np.clip(np.abs((hue + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
    vivid = (60 + 175 * value[:, None]) * (1 - rng.uniform(0.25, 0.9, (count, 1)) * (1 - ramp))
    chosen = np.select([kind[:, None] < 0.38, kind[:, None] < 0.56, kind[:, None] < 0.70], [grey, denim, earth], vivid)
    coloured: Floats = np.clip(chosen + rng.normal(0, 6, (count, 3)), 8, 245).astype(np.float32)
    return coloured


def sample_face(rng: np.random.Generator, somebody: PlacedFigure, palette: Floats) -> Floats:
    """Where a head is, and its face by chance (`models.train.light.HEAD_COLUMNS`)."""
    made = np.zeros(light.HEAD_COLUMNS, np.float32)
    made[light.CENTRE : light.FRAME] = somebody.rotation @ somebody.figure.head[0] + somebody.translation
    made[light.FRAME : light.HEAD_SCALE] = (somebody.figure.head[1:] @ somebody.rotation.T).ravel()
    made[light.HEAD_SCALE] = somebody.figure.head_scale
    made[light.MOUTH] = max(0.0, rng.normal(0.2, 0.4))
    made[light.LIDS] = rng.uniform(0.4, 1.2)
    draw = rng.random()
    made[light.GLASSES] = 2.0 if draw < 0.07 else 1.0 if draw < 0.17 else 0.0
    made[light.BROW :] = palette[Material.HAIR]
    return made


def sample_lamp(rng: np.random.Generator) -> Lamp:
    """Light by chance, from above mostly; what is warm in the lamp's colour is cold in that from all around."""
    way = np.array([rng.normal(0, 0.8), abs(rng.normal(0.7, 0.5)), rng.normal(0.55, 0.6)])
    warm = rng.normal(0, 0.06)
    tint = np.array([[1 + warm, 1, 1 - warm], [1 - 0.5 * warm, 1, 1 + 0.5 * warm]])
    tint *= math.exp(rng.normal(0, 0.18))
    ambient, soft = float(rng.uniform(0.35, 0.9)), float(rng.uniform(0.1, 0.9))
    return Lamp((way / np.linalg.norm(way)).astype(np.float32), ambient, soft, tint.astype(np.float32))
