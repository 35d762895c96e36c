"""Random textures that backdrops are painted with: stone, leaves, cloth, crowds, shelves…"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np

from models.train import object_textures, surface_textures
from models.train.palette import Dice, Floats
from models.train.strokes import BYTES_PER_TEXTURE, Bytes


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
                pyramids.append(
                    _pyramid(object_textures.heap(dice, plain, [n for kind in kinds for n in self.by_name[kind]]))
                )
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


TextureMaker = Callable[[np.random.Generator, Dice], Floats]
MATERIALS: Final[dict[str, tuple[int, TextureMaker]]] = {
    "plain": (8, surface_textures.plain),
    "cloud": (5, surface_textures.cloud),
    "grass": (3, surface_textures.grass),
    "gravel": (3, surface_textures.gravel),
    "water": (3, surface_textures.water),
    "grain": (2, surface_textures.grain),
    "planks": (4, surface_textures.planks),
    "brick": (5, surface_textures.bricks),
    "cloth": (5, surface_textures.cloth),
    "curtain": (2, surface_textures.curtain),
    "carpet": (3, surface_textures.carpet),
    "facade": (5, object_textures.facade),
    "shelves": (4, object_textures.shelves),
    "crowd": (4, object_textures.crowd),
    "letters": (4, object_textures.letters),
    "leaves": (5, object_textures.leaves),
}
"""How many textures of each material there are, and how each is made."""
HEAP_MATERIALS: Final[dict[str, tuple[int, tuple[str, ...]]]] = {
    "heap": (8, ("plain", "plain", "grain", "cloth", "gravel", "leaves", "brick")),
}
"""How many textures of heaps there are, and which materials their objects have."""
