"""Random clothes, faces and light for people, as varied as in photos."""

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
"""Skin colours, RGB 0 to 255; each person's varies around one of them."""
HAIR_COLOURS: Final = np.array(
    [[30, 24, 22], [44, 32, 26], [70, 48, 34], [104, 74, 50], [150, 114, 74], [196, 164, 116], [128, 122, 118],
     [200, 198, 194], [120, 62, 36]], np.float32,
)  # fmt: skip
"""Hair colours, RGB 0 to 255."""
FIRST_FOLD_TEXTURE: Final = 3
"""Number of the first texture (`models.train.light.TEXTURES`) that shows folds of cloth; those before it are grain."""


def sample_appearance(rng: np.random.Generator, people: Sequence[PlacedFigure]) -> Appearance:
    """Return random colours, cloths and faces for one person or more, placed in the camera's axes."""
    palettes, cloths = zip(*(sample_colours(rng, placed.figure) for placed in people), strict=True)
    heads = [sample_face(rng, *pair) for pair in zip(people, palettes, strict=True)]
    return Appearance(np.stack(palettes), np.stack(cloths), np.stack(heads))


def sample_colours(rng: np.random.Generator, figure: Figure) -> tuple[Floats, Floats]:
    """Return a person's palette 16×3 and cloths 16×8 (`models.train.light.CLOTH_COLUMNS`)."""
    colours = _sample_cloth_colours(rng, MATERIALS_PER_PERSON + 2)
    palette, second_colours = (
        colours[:MATERIALS_PER_PERSON],
        colours[MATERIALS_PER_PERSON:].repeat(MATERIALS_PER_PERSON // 2, 0),
    )
    skin = SKIN_COLOURS[int(rng.integers(len(SKIN_COLOURS)))] * rng.normal(1, 0.06) + rng.normal(0, 5, 3)
    for material in (Material.SKIN, Material.NOSE, Material.EARS):
        palette[material] = skin
    palette[Material.EARS] *= (1.0, 0.92, 0.9)
    palette[Material.HAIR] = HAIR_COLOURS[int(rng.integers(len(HAIR_COLOURS)))] * rng.uniform(0.7, 1.25)
    cloths = _sample_cloths(rng)
    cloths[:, light.SECOND : light.SECOND + 3] = second_colours + (palette - second_colours) * rng.uniform(0, 0.8)
    _share_cloths(rng, figure, palette, cloths)
    if figure.look.shoes is None:
        palette[Material.SHOES] = palette[Material.SOLES] = skin
    return palette, cloths


def _sample_cloths(rng: np.random.Generator) -> Floats:
    """Return random cloths, 16×8, without second colours. Most are plain, and few shine."""
    cloths = np.zeros((MATERIALS_PER_PERSON, light.CLOTH_COLUMNS), np.float32)
    cloths[:, light.FOLDS] = rng.uniform(0.1, 0.9)
    cloths[:, light.TEXTURE] = rng.integers(FIRST_FOLD_TEXTURE, len(light.TEXTURES), MATERIALS_PER_PERSON)
    cloths[:, light.SHINE] = np.where(rng.random(MATERIALS_PER_PERSON) < 0.2, 0.15, 0.02)
    surface = slice(light.FOLDS, light.SHINE + 1)
    cloths[[Material.SKIN, Material.NOSE, Material.EARS], surface] = (0.06, 3, 0.10)
    cloths[Material.HAIR, surface] = (float(rng.uniform(0.3, 1.2)), 6, 0.12)
    for material, share, patterns in ((Material.TOP, 0.40, light.PRINT), (Material.BOTTOM, 0.12, light.FLOWERS)):
        if rng.random() < share:
            cloths[material, light.PATTERN] = rng.integers(light.PLAIN + 1, patterns + 1)
            cloths[material, light.PER_METRE] = math.exp(rng.uniform(math.log(7), math.log(32)))
    return cloths


def _share_cloths(rng: np.random.Generator, figure: Figure, palette: Floats, cloths: Floats) -> None:
    """Give materials that usually belong to one garment the same cloth, in place."""
    pairs = [(Material.STRIPES, Material.TOP)]
    if rng.random() < 0.85:
        pairs.append((Material.SLEEVES, Material.TOP))
    if figure.look.legs == "dress" or rng.random() < 0.08:
        pairs.append((Material.BOTTOM, Material.TOP))
    if rng.random() < 0.7:
        pairs.append((Material.BELT, Material.BOTTOM))
    for material, other in pairs:
        palette[material], cloths[material] = palette[other], cloths[other]


def _sample_cloth_colours(rng: np.random.Generator, count: int) -> Floats:
    """Return `count`×3 colours of clothes: many greys, whites, blacks and blues, some earth tones, some vivid."""
    kind, value = rng.random(count), rng.random(count)
    grey = np.interp(value, (0, 0.33, 0.34, 0.66, 0.67, 1), (18, 60, 60, 170, 185, 240))[:, None]
    denim = np.array([56, 74, 108]) * (0.5 + 1.1 * value[:, None])
    earth = np.array([164, 142, 110]) * (0.4 + 0.85 * value[:, None])
    hue = rng.random((count, 1)) * 6
    ramp = np.clip(np.abs((hue + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
    vivid = (60 + 175 * value[:, None]) * (1 - rng.uniform(0.25, 0.9, (count, 1)) * (1 - ramp))
    colours = np.select([kind[:, None] < 0.38, kind[:, None] < 0.56, kind[:, None] < 0.70], [grey, denim, earth], vivid)
    varied: Floats = np.clip(colours + rng.normal(0, 6, (count, 3)), 8, 245).astype(np.float32)
    return varied


def sample_face(rng: np.random.Generator, placed: PlacedFigure, palette: Floats) -> Floats:
    """Return a head's place and random face (`models.train.light.HEAD_COLUMNS`)."""
    head = np.zeros(light.HEAD_COLUMNS, np.float32)
    head[light.CENTRE : light.FRAME] = placed.rotation @ placed.figure.head[0] + placed.translation
    head[light.FRAME : light.HEAD_SCALE] = (placed.figure.head[1:] @ placed.rotation.T).ravel()
    head[light.HEAD_SCALE] = placed.figure.head_scale
    head[light.MOUTH] = max(0.0, rng.normal(0.2, 0.4))
    head[light.LIDS] = rng.uniform(0.4, 1.2)
    draw = rng.random()
    head[light.GLASSES] = 2.0 if draw < 0.07 else 1.0 if draw < 0.17 else 0.0
    head[light.BROW :] = palette[Material.HAIR]
    return head


def sample_lamp(rng: np.random.Generator) -> Lamp:
    """Return random light, mostly from above. The warmer the lamp, the colder the light from all around."""
    direction = np.array([rng.normal(0, 0.8), abs(rng.normal(0.7, 0.5)), rng.normal(0.55, 0.6)])
    warm = rng.normal(0, 0.06)
    tint = np.array([[1 + warm, 1, 1 - warm], [1 - 0.5 * warm, 1, 1 + 0.5 * warm]])
    tint *= math.exp(rng.normal(0, 0.18))
    ambient, soft = float(rng.uniform(0.35, 0.9)), float(rng.uniform(0.1, 0.9))
    return Lamp((direction / np.linalg.norm(direction)).astype(np.float32), ambient, soft, tint.astype(np.float32))
