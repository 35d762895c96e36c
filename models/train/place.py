"""The base of all backdrops: size and horizon, materials of surfaces, and objects that may be anywhere."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from models.train.material import TextureStock
from models.train.palette import Colour, Dice, Floats, sample_colour, scale_colour
from models.train.strokes import (
    ALPHA,
    BASE,
    GEOMETRY,
    QUAD,
    SHADE,
    SOFT,
    TEXTURE,
    TEXTURE_SIDE,
    Brush,
    Point,
    Strokes,
    ground_matrix,
    set_texture,
    upright_matrix,
)  # fmt: skip

SHADOW_COLOUR: Final[Colour] = (12.0, 11.0, 12.0)
"""Nearly black, as shadows get light from all around."""
Ground = tuple[str, str, float, float]
"""A ground's material, kind of colour, texture scale (the larger, the finer), and strength of the texture."""


class Place:
    """A backdrop being composed: its size in pixels, the row of its horizon, and its strokes so far."""

    def __init__(self, dice: Dice, stock: TextureStock, width: int, height: int, horizon: float) -> None:
        self.dice, self.stock, self.strokes = dice, stock, Strokes()
        self.width, self.height, self.horizon = width, height, horizon
        self.size = float(max(width, height))

    def compose(self) -> None:
        """Fill the picture."""
        raise NotImplementedError

    def tone(self, *kinds: str) -> Colour:
        """Return a random colour of one of these kinds."""
        return sample_colour(self.dice, self.dice.pick(kinds))

    def shade(self, across: float, down: float) -> Point:
        """Return random shading that changes by up to this much across the picture and down it."""
        return self.dice(-across, across) / self.size, self.dice(-down, down) / self.size

    def fill(self, tone: Colour, low: float | None = None) -> Floats:
        """Add a stroke over the whole picture, or down to the row `low`."""
        bottom = self.height + 9 if low is None else low
        return self.strokes.box(-9, -9, self.width + 9, bottom, Brush(tone, shade=self.shade(0.5, 0.4)))

    def set_material(
        self, row: Floats, name: str, scale: float = 1.0, strength: float = 1.0, turn: float = 0.0
    ) -> None:
        """Give a stroke an upright texture of a material; at scale 1 the longer side shows 512 pixels of it."""
        dice = self.dice
        matrix = upright_matrix(-dice(0, TEXTURE_SIDE), -dice(0, TEXTURE_SIDE), scale * TEXTURE_SIDE / self.size, turn)
        set_texture(row, dice.pick(self.stock.by_name[name]), matrix, strength)

    def set_ground_material(self, row: Floats, name: str, scale: float, strength: float, turn: float) -> None:
        """Give a stroke a texture of a material that lies on the ground."""
        near = max(self.height - self.horizon, self.height * 0.3)
        matrix = ground_matrix(self.dice, self.width / 2, self.horizon, near, scale * TEXTURE_SIDE / self.size, turn)
        set_texture(row, self.dice.pick(self.stock.by_name[name]), matrix, strength)

    def ground(self, ground: Ground, top: float, turn: float) -> None:
        """Add the ground from a row downwards."""
        name, kind, scale, strength = ground
        light = (0.0, self.dice(-0.4, 0.25) / self.height)
        row = self.strokes.box(
            -9, top, self.width + 9, self.height + 9, Brush(sample_colour(self.dice, kind), shade=light)
        )
        self.set_ground_material(row, name, scale * self.dice(0.8, 1.5), strength * self.dice(0.7, 1.4), turn)

    def ground_point(self) -> Point:
        """Return a random row on the ground, and how near it is, from 0 at the horizon to 1 in front."""
        room = max(self.height - self.horizon, self.height * 0.1)
        near = 0.02 + self.dice() ** 2 * 0.9
        return self.horizon + room * near, near

    def add_light_patches(self) -> None:
        """Add patches of sun or shade."""
        dice = self.dice
        for _ in range(dice.integer(1, 3)):
            tone, alpha = (
                ((255.0, 250.0, 235.0), dice(0.1, 0.4)) if dice.happens(0.35) else (SHADOW_COLOUR, dice(0.25, 0.65))
            )
            x, y, soft = dice() * self.width, dice() * self.height, dice(0.01, 0.15) * self.size
            wide, high, turn = self.size * dice(0.1, 0.7), self.size * dice(0.05, 0.4), dice(-0.6, 0.6)
            row = self.strokes.rotated_box((x, y, wide, high), turn, Brush(tone, soft))
            row[ALPHA] = alpha

    def bars(
        self,
        spot: tuple[float, float, float, float],
        count: int,
        thick: float,
        tone: Colour,
        soft: float = 0.6,
        across: bool = False,
    ) -> None:
        """Add bars side by side, or one above another if `across`, in a box given as left, top, right and bottom.

        `thick` is the thickness of a bar as a share of the distance between two.
        """
        rows = self.strokes.reserve(count)
        rows[:, 0], rows[:, SOFT], rows[:, ALPHA], rows[:, TEXTURE], rows[:, BASE:SHADE] = QUAD, soft, 1, -1, tone
        along = spot[1::2] if across else spot[::2]
        ends = spot[::2] if across else spot[1::2]
        distance = (along[1] - along[0]) / count
        start = along[0] + np.arange(count, dtype=np.float32) * distance
        corners = rows[:, GEOMETRY : GEOMETRY + 8].reshape(count, 4, 2)
        corners[:, :, int(across)] = start[:, None]
        corners[:, 1:3, int(across)] += max(distance * thick, 0.8)
        corners[:, :, 1 - int(across)] = (ends[0], ends[0], ends[1], ends[1])
        rows[:, GEOMETRY : GEOMETRY + 8] = corners.reshape(count, 8)

    def slab(self, size: float, soft: float) -> None:
        """Add a large piece of something at any angle."""
        dice = self.dice
        x, y, turn = dice() * self.width, dice() * self.height, dice(0, 3.1) if dice.happens(0.6) else 0.0
        tone = self.tone("cloth", "wood", "grey", "light", "dark", "wall", "leaves")
        if dice.happens(0.6):
            shade = (dice(-0.4, 0.4) / size, dice(-0.4, 0.4) / size)
            row = self.strokes.rotated_box((x, y, size, size * dice(0.2, 1)), turn, Brush(tone, soft, shade=shade))
        else:
            power = dice.pick((2, 4))
            row = self.strokes.ellipse(
                (x, y, size, size * dice(0.3, 1)), Brush(tone, soft), angle=turn, power=power, roundness=dice(0, 0.6)
            )
        name = dice.pick(("plain", "grain", "cloth", "brick", "curtain", "heap", "letters", "leaves"))
        self.set_material(row, name, dice(0.5, 1.5), dice(0.1, 1.0), turn)

    def things(self, count: int) -> None:
        """Add small objects anywhere, such as may be mistaken for heads and limbs."""
        dice = self.dice
        for _ in range(count):
            self.thing(dice() * self.width, dice() * self.height, self.size * dice(0.02, 0.14))

    def thing(self, x: float, y: float, big: float, soft: float = 0.7) -> None:
        """Add an object that stands at x, y and is about twice as high as `big`."""
        dice = self.dice
        tone = scale_colour(self.tone("cloth", "cloth", "dark", "light", "wood", "vivid", "grey"), dice(0.6, 1.05))
        draw = dice.pick(
            (self.ball, self.bottle, self.limb, self.limb, self.sheet, self.sheet, self.plant, self.gadget)
        )
        draw(x, y, big, tone, soft)

    def ball(self, x: float, y: float, big: float, tone: Colour, soft: float) -> None:
        """Add a ball, a bowl, a vase or something like a head."""
        dice = self.dice
        wide = big * dice(0.5, 1)
        row = self.strokes.ellipse(
            (x, y - big, wide, big), Brush(tone, soft), power=dice.pick((2, 2, 4)), roundness=dice(0, 0.7)
        )
        if dice.happens(0.3):
            self.set_material(row, dice.pick(("cloth", "plain", "heap")), dice(2, 4), dice(0.3, 1))
        if dice.happens(0.3):
            self.strokes.ellipse(
                (x - wide * 0.3, y - big * 1.3, wide * 0.25, big * 0.2), Brush((255, 250, 240), big * 0.15, 0.6)
            )

    def bottle(self, x: float, y: float, big: float, tone: Colour, soft: float) -> None:
        """Add a bottle, a jug or a lamp."""
        dice, wide = self.dice, big * self.dice(0.2, 0.45)
        shade = (dice(-0.5, 0.5) / big, 0.0)
        self.strokes.box(x - wide, y - big * 1.4, x + wide, y, Brush(tone, soft, shade=shade))
        self.strokes.box(x - wide * 0.4, y - big * 1.9, x + wide * 0.4, y - big * 1.3, Brush(tone, soft, shade=shade))
        if dice.happens(0.6):
            self.strokes.box(x - wide, y - big * 1.0, x + wide, y - big * 0.4, Brush(self.tone("light", "vivid"), soft))

    def limb(self, x: float, y: float, big: float, tone: Colour, soft: float) -> None:
        """Add a rod, a branch, a pipe or something like an arm."""
        dice, angle, length = self.dice, self.dice(0, 6.3), big * self.dice(1, 4)
        if dice.happens(0.4):
            tone = scale_colour(self.tone("skin"), dice(0.6, 1))
        end = (x + length * math.cos(angle), y + length * math.sin(angle))
        thick = big * dice(0.06, 0.4)
        self.strokes.capsule((x, y), end, (thick, thick * dice(0.6, 1)), Brush(tone, soft))
        if dice.happens(0.4):
            angle += dice(-1.5, 1.5)
            tip = (end[0] + length * math.cos(angle), end[1] + length * math.sin(angle))
            self.strokes.capsule(end, tip, (thick * 0.8, thick * 0.6), Brush(tone, soft))

    def sheet(self, x: float, y: float, big: float, tone: Colour, soft: float) -> None:
        """Add a box, a book, a cloth or a written page."""
        dice = self.dice
        wide, high, turn = big * dice(0.4, 1.2), big * dice(0.3, 1), dice(-0.4, 0.4)
        row = self.strokes.rotated_box(
            (x, y - high, wide, high), turn, Brush(tone, soft, shade=(0, dice(-0.5, 0.5) / big))
        )
        if dice.happens(0.6):
            self.set_material(row, dice.pick(("letters", "cloth", "heap", "grain")), dice(1.5, 4), dice(0.3, 1), turn)

    def plant(self, x: float, y: float, big: float, tone: Colour, soft: float) -> None:
        """Add leaves, sometimes in a pot."""
        dice, green = self.dice, self.tone("leaves")
        if dice.happens(0.5):
            self.strokes.box(x - big * 0.35, y - big * 0.6, x + big * 0.35, y, Brush(tone, soft))
            y -= big * 0.5
        for _ in range(4):
            spot = (x + big * dice(-0.7, 0.7), y - big * dice(0, 1.5), big * dice(0.2, 0.5), big * dice(0.2, 0.5))
            row = self.strokes.ellipse(spot, Brush(scale_colour(green, dice(0.6, 1.3)), soft))
            self.set_material(row, "leaves", 1.5, 0.9)

    def gadget(self, x: float, y: float, big: float, tone: Colour, soft: float) -> None:
        """Add a box with a darker screen, knobs or shelves in it."""
        dice = self.dice
        wide, high = big * dice(0.5, 1.5), big * dice(0.6, 1.6)
        self.strokes.box(x - wide, y - high, x + wide, y, Brush(tone, soft, shade=(0, dice(-0.5, 0.2) / big)))
        spot = (x - wide * 0.85, y - high * 0.9, x + wide * dice(0.4, 0.85), y - high * dice(0.1, 0.4))
        row = self.strokes.box(*spot, Brush(self.tone("dark", "dark", "sky", "grey"), soft))
        self.set_material(row, dice.pick(("heap", "plain", "letters")), dice(1, 3), dice(0, 0.8))
        if dice.happens(0.4):
            self.bars(
                (x - wide, y - high * 0.9, x + wide, y),
                dice.integer(2, 6),
                0.25,
                scale_colour(tone, 0.6),
                soft,
                dice.happens(0.5),
            )
