"""How a person looks: build, skin, hair and clothes, and the numbers of the materials that are drawn.

Colours are RGB, 0 to 255.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from models.figures.skeleton import Build

Colour = tuple[int, int, int]
HairStyle = Literal[
    "bald", "cropped", "short", "side", "bob", "long", "tail", "bun", "knot", "afro", "curls", "scarf", "cap", "beanie"
]
LegWear = Literal["trousers", "shorts", "leggings", "skirt", "dress"]


class Material(IntEnum):
    """The material of a solid: an index into a look's palette."""

    NOTHING = 0
    SKIN = 1
    HAIR = 2
    TOP = 3
    SLEEVES = 4
    BOTTOM = 5
    SHOES = 6
    SOLES = 7
    SOCKS = 8
    BELT = 9
    HAT = 10
    NOSE = 11
    PROP = 12
    PROP_ACCENT = 13
    EARS = 14
    STRIPES = 15


MATERIALS_PER_PERSON: Final = 16
"""The number of materials of a person; the second person's materials start here."""


@dataclass(frozen=True, slots=True)
class Look:
    """How one person looks.

    `sleeves` is how far down the arm they reach (0 none, 1 elbow, 2 wrist), and `hem` the same for the leg (1 knee, 2
    ankle). `loose` is how wide trousers and skirts are (0 tights, 1 wide), `fit` the same for tops; `socks` is how far
    they reach up from the ankle (0 to 1).
    """

    build: Build = field(default_factory=Build)
    skin: Colour = (226, 172, 138)
    hair: Colour = (62, 42, 32)
    top: Colour = (214, 84, 68)
    sleeve_colour: Colour | None = None
    bottom: Colour = (52, 72, 112)
    shoes: Colour | None = (240, 240, 236)
    soles: Colour = (250, 250, 248)
    sock_colour: Colour = (245, 245, 245)
    belt: Colour | None = None
    hat: Colour = (40, 90, 120)
    stripes: Colour | None = None
    hair_style: HairStyle = "short"
    legs: LegWear = "trousers"
    sleeves: float = 0.55
    hem: float = 1.92
    loose: float = 0.4
    fit: float = 0.35
    socks: float = 0.0
    beard: bool = False
    glasses: bool = False
    prop_colours: tuple[Colour, Colour] = ((180, 60, 50), (235, 235, 225))

    def palette(self) -> npt.NDArray[np.float32]:
        """Return each material's colour, `MATERIALS_PER_PERSON`×3."""
        colours: dict[Material, Colour] = {
            Material.SKIN: self.skin,
            Material.HAIR: self.hair,
            Material.TOP: self.top,
            Material.SLEEVES: self.sleeve_colour or self.top,
            Material.BOTTOM: self.top if self.legs == "dress" else self.bottom,
            Material.SHOES: self.shoes or self.skin,
            Material.SOLES: self.soles if self.shoes else self.skin,
            Material.SOCKS: self.sock_colour,
            Material.BELT: self.belt or self.bottom,
            Material.HAT: self.hat,
            Material.NOSE: self.skin,
            Material.EARS: self.skin,
            Material.STRIPES: self.stripes or self.top,
            Material.PROP: self.prop_colours[0],
            Material.PROP_ACCENT: self.prop_colours[1],
        }
        palette = np.zeros((MATERIALS_PER_PERSON, 3), np.float32)
        for material, colour in colours.items():
            palette[material] = colour
        return palette
