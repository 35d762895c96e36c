"""The people of the starter library: builds, skin and hair colours, and outfits to choose from at random."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from models.figures.look import Colour, HairStyle, Look
from models.figures.movement import Kind
from models.figures.skeleton import Build

SKIN_COLOURS: Final[tuple[Colour, ...]] = (
    (250, 214, 188), (240, 194, 160), (228, 174, 138), (208, 150, 112), (184, 124, 88), (152, 98, 68), (120, 76,
    54), (92, 60, 46),
)  # fmt: skip
HAIR_COLOURS: Final[tuple[Colour, ...]] = (
    (38, 30, 30), (58, 40, 32), (92, 60, 40), (134, 86, 50), (196, 146, 82), (222, 184, 120), (170, 78, 42), (120,
    116, 116), (206, 204, 202),
)  # fmt: skip
BUILDS: Final[dict[str, Build]] = {
    "man": Build(height=1.78, head=1.04, shoulders=0.176, hips=0.090),
    "lean man": Build(height=1.82, head=1.02, shoulders=0.168, hips=0.086, chest=0.94, belly=0.86, seat=0.9,
    limbs=0.86, arms=1.02),
    "strong man": Build(height=1.80, head=1.0, shoulders=0.188, hips=0.090, chest=1.08, belly=0.98, limbs=1.18),
    "heavy man": Build(height=1.75, head=1.04, shoulders=0.178, hips=0.096, chest=1.10, belly=1.36, seat=1.16,
    limbs=1.16),
    "woman": Build(height=1.66, head=1.08, shoulders=0.157, hips=0.094, bust=0.95, chest=0.95, belly=0.88,
    limbs=0.90, arms=0.98),
    "lean woman": Build(height=1.70, head=1.05, shoulders=0.153, hips=0.090, bust=0.72, chest=0.92, belly=0.80,
    seat=0.9, limbs=0.80, legs=1.02),
    "strong woman": Build(height=1.69, head=1.06, shoulders=0.164, hips=0.096, bust=0.9, chest=0.98, belly=0.9,
    limbs=1.02),
    "heavy woman": Build(height=1.63, head=1.08, shoulders=0.160, hips=0.100, bust=1.15, chest=1.06, belly=1.24,
    seat=1.2, limbs=1.12),
    "youth": Build(height=1.56, head=1.12, shoulders=0.152, hips=0.086, chest=0.90, belly=0.84, seat=0.88,
    limbs=0.82),
    "child": Build(height=1.28, head=1.36, shoulders=0.150, hips=0.088, chest=0.96, belly=1.0, seat=0.94,
    limbs=0.92, legs=0.93, arms=0.94),
}  # fmt: skip
"""`shoulders` and `hips` are in metres for a person of average height; they grow with the height."""
SHORT_HAIR_STYLES: Final[tuple[HairStyle, ...]] = ("short", "side", "cropped", "curls", "bald", "cap", "beanie", "afro")
LONG_HAIR_STYLES: Final[tuple[HairStyle, ...]] = (
    "bob",
    "long",
    "tail",
    "bun",
    "knot",
    "curls",
    "scarf",
    "afro",
    "short",
)

VIVID_COLOURS: Final[tuple[Colour, ...]] = (
    (216, 74, 62), (236, 128, 58), (242, 182, 60), (104, 168, 84), (42, 150, 140), (48, 128, 190), (70, 92, 168),
    (132, 84, 168),
    (206, 84, 138), (232, 226, 214), (60, 64, 76), (150, 196, 214), (246, 158, 150), (168, 204, 150),
)  # fmt: skip
QUIET_COLOURS: Final[tuple[Colour, ...]] = (
    (52, 72, 112), (44, 48, 60), (92, 98, 110), (124, 104, 82), (176, 158, 130), (70, 90, 84), (104, 62, 66), (222,
    216, 204), (34, 60, 78),
)  # fmt: skip
SHOE_COLOURS: Final[tuple[Colour, ...]] = (
    (240, 240, 236), (50, 46, 48), (120, 80, 52), (196, 60, 56), (44, 96, 160), (232, 176, 60), (90, 90, 98),
)  # fmt: skip


def choose_look(rng: np.random.Generator, kind: Kind = "everyday") -> Look:
    """Return a random person, dressed for a kind of movement."""
    name = str(rng.choice(list(BUILDS)))
    child, woman = name in ("child", "youth"), "woman" in name or (name in ("child", "youth") and rng.random() < 0.5)
    build = BUILDS[name]
    build = replace(
        build,
        height=build.height * float(rng.uniform(0.96, 1.04)),
        limbs=build.limbs * float(rng.uniform(0.94, 1.06)),
    )
    tone = int(rng.integers(len(SKIN_COLOURS)))
    hair = HAIR_COLOURS[
        int(rng.integers(3 if tone > 4 and rng.random() < 0.8 else len(HAIR_COLOURS) - (2 if child else 0)))
    ]
    styles = LONG_HAIR_STYLES if woman else SHORT_HAIR_STYLES
    style: HairStyle = styles[int(rng.integers(len(styles)))]
    if style == "bald" and (child or woman):
        style = "short"
    look = Look(
        build=build,
        skin=SKIN_COLOURS[tone],
        hair=hair,
        hair_style=style,
        hat=_pick(rng, VIVID_COLOURS),
        beard=not woman and not child and bool(rng.random() < 0.25),
        glasses=bool(rng.random() < 0.14),
    )
    return choose_outfit(rng, look, kind, woman)


def choose_outfit(rng: np.random.Generator, look: Look, kind: Kind, woman: bool) -> Look:
    """Return the person in a random outfit for a kind of movement."""
    top, bottom = _pick(rng, VIVID_COLOURS), _pick(rng, QUIET_COLOURS)
    if np.abs(np.subtract(top, bottom)).sum() < 60:
        top = (236, 128, 58)
    stripes = _pick(rng, ((246, 242, 232), (44, 48, 60), (250, 214, 120))) if rng.random() < 0.22 else None
    look = replace(
        look, top=top, bottom=bottom, shoes=_pick(rng, SHOE_COLOURS), stripes=stripes if stripes != top else None
    )
    draw = rng.random()
    if kind == "sport":
        if woman and draw < 0.25:
            return replace(look, legs="skirt", hem=0.52, loose=0.5, sleeves=0.0, socks=0.16)
        if draw < 0.65:
            return replace(
                look,
                legs="shorts",
                hem=float(rng.uniform(0.55, 0.8)),
                sleeves=float(rng.choice([0.0, 0.45])),
                loose=0.7,
                socks=float(rng.choice([0.12, 0.2, 0.75])),
                bottom=_pick(rng, QUIET_COLOURS + VIVID_COLOURS),
            )
        return replace(
            look,
            legs="leggings",
            hem=float(rng.choice([0.85, 1.5, 1.92])),
            sleeves=float(rng.choice([0, 0.4, 1.9])),
            fit=0.1,
        )
    if kind == "yoga":
        return replace(
            look,
            legs="leggings",
            hem=float(rng.choice([1.45, 1.9])),
            sleeves=float(rng.choice([0.0, 0.0, 0.35, 1.8])),
            fit=0.05,
            shoes=None,
        )
    if kind == "dance":
        if draw < 0.35:
            return replace(
                look,
                legs="leggings",
                hem=1.94,
                sleeves=float(rng.choice([0.0, 1.85])),
                fit=0.0,
                bottom=top if draw < 0.2 else bottom,
                shoes=_pick(rng, ((244, 196, 180), (50, 46, 48), (240, 240, 236))),
                stripes=None,
            )
        if woman and draw < 0.8:
            return replace(
                look,
                legs="dress",
                hem=float(rng.uniform(0.6, 1.1)),
                loose=1.0,
                sleeves=float(rng.choice([0.0, 0.3])),
            )
    if kind == "fight" and draw < 0.6:
        white = _pick(rng, ((240, 238, 230), (240, 238, 230), (40, 44, 58), (46, 70, 130)))
        belt = _pick(rng, ((30, 30, 34), (130, 70, 40), (190, 50, 50), (52, 100, 170), (240, 190, 60), (60, 140, 80)))
        return replace(
            look,
            legs="trousers",
            top=white,
            bottom=white,
            belt=belt,
            sleeves=1.6,
            hem=1.75,
            loose=0.9,
            fit=1.0,
            shoes=None,
            stripes=None,
        )
    return _choose_everyday_outfit(rng, look, woman)


def _choose_everyday_outfit(rng: np.random.Generator, look: Look, woman: bool) -> Look:
    draw = rng.random()
    if woman and draw < 0.3:
        return replace(
            look,
            legs="dress",
            hem=float(rng.uniform(0.7, 1.45)),
            loose=float(rng.uniform(0.3, 0.9)),
            sleeves=float(rng.choice([0.0, 0.35, 1.2])),
        )
    if woman and draw < 0.45:
        return replace(
            look,
            legs="skirt",
            hem=float(rng.uniform(0.6, 1.4)),
            loose=float(rng.uniform(0.3, 0.9)),
            sleeves=float(rng.choice([0.4, 1.0, 1.9])),
        )
    sleeves = float(rng.choice([0.5, 0.55, 0.9, 1.9, 1.9]))
    if draw < 0.65:
        return replace(
            look,
            legs="shorts",
            hem=float(rng.uniform(0.7, 1.0)),
            sleeves=0.55,
            loose=0.6,
            socks=float(rng.choice([0, 0.15])),
        )
    return replace(
        look,
        legs="trousers",
        hem=1.96,
        sleeves=sleeves,
        loose=float(rng.uniform(0.1, 0.6)),
        fit=float(rng.uniform(0.2, 0.9)),
        belt=(60, 44, 36) if rng.random() < 0.3 else None,
    )


def _pick(rng: np.random.Generator, colours: tuple[Colour, ...]) -> Colour:
    return colours[int(rng.integers(len(colours)))]
