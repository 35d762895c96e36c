"""Outdoor backdrops: sky, horizon, ground and objects on it; and sports grounds."""

from __future__ import annotations

from typing import Final

from models.train.palette import Colour, scale_colour
from models.train.place import Ground, Place
from models.train.strokes import TEXTURE_SIDE, Brush, set_texture, upright_matrix

GROUNDS: Final[tuple[Ground, ...]] = (
    ("grass", "grass", 1.0, 1.0), ("grass", "grass", 0.5, 1.2), ("gravel", "grey", 1.0, 0.7),
    ("plain", "grey", 1.0, 0.7),
    ("gravel", "earth", 0.8, 0.9), ("plain", "light", 0.7, 0.25), ("water", "water", 0.7, 1.1),
    ("brick", "grey", 1.0, 0.7),
    ("plain", "earth", 0.6, 0.6), ("leaves", "earth", 0.7, 0.8), ("leaves", "grass", 1.0, 0.8),
)  # fmt: skip
"""The kinds of ground outdoors."""
PITCHES: Final[tuple[Ground, ...]] = (
    ("grass", "grass", 1.0, 0.8), ("grass", "grass", 0.6, 1.0), ("gravel", "earth", 1.0, 0.7),
    ("plain", "water", 1.0, 0.3),
    ("planks", "wood", 0.7, 0.6), ("plain", "grass", 0.7, 0.4), ("plain", "cloth", 1.0, 0.3),
    ("plain", "light", 0.6, 0.25),
    ("water", "water", 1.0, 1.1),
)  # fmt: skip
"""The kinds of ground where sports are played."""


class Outdoors(Place):
    """A street, a park, a beach, a garden, snow, a field…"""

    def compose(self) -> None:
        """Add the sky, objects along the horizon, the ground, and objects on it."""
        dice, size = self.dice, self.size
        self.sky()
        for _ in range(dice.integer(1, 3)):
            dice.pick((self.trees, self.trees, self.buildings, self.buildings, self.hills))()
        ground = dice.pick(GROUNDS)
        self.ground(ground, self.horizon, 0.0 if ground[0] == "water" else dice(0, 3))
        top = self.horizon - 1
        self.strokes.box(-9, top, self.width + 9, top + size * 0.01, Brush((25, 28, 25), size * 0.01, dice(0, 0.6)))
        if dice.happens(0.4):
            self.path()
        if dice.happens(0.5):
            self.shadows()
        for _ in range(dice.integer(1, 6)):
            kinds = (
                self.fence,
                self.car,
                self.pole,
                self.tree,
                self.bush,
                self.bush,
                self.sign,
                self.trunk,
                self.bench,
            )
            dice.pick(kinds)()

    def sky(self) -> None:
        """Add a sky down to the horizon, brighter towards it."""
        dice, tone = self.dice, scale_colour(self.tone("sky"), 1.1)
        light = (0, dice(0, 0.6) / self.height)
        row = self.strokes.box(-9, -9, self.width + 9, self.horizon + 2, Brush(tone, shade=light))
        self.set_material(row, dice.pick(("cloud", "cloud", "plain")), dice(0.3, 0.8), dice() ** 1.5)

    def hills(self) -> None:
        """Add hills, woods or mountains far away."""
        dice, size, tone = self.dice, self.size, scale_colour(self.tone("leaves", "earth", "sky"), self.dice(0.6, 1.1))
        for _ in range(dice.integer(1, 4)):
            spot = (dice(0, self.width), self.horizon + size * 0.05, size * dice(0.3, 0.9), size * dice(0.08, 0.25))
            row = self.strokes.ellipse(spot, Brush(tone, 1))
            self.set_material(row, dice.pick(("leaves", "plain")), 2, dice(0.2, 0.9))

    def trees(self) -> None:
        """Add a line of trees along the horizon."""
        dice, count = self.dice, self.dice.integer(6, 18)
        tone, high = self.tone("leaves"), self.size * dice(0.05, 0.6)
        texture, scale = dice.pick(self.stock.by_name["leaves"]), dice(0.8, 2.2) * TEXTURE_SIDE / self.size
        matrix = upright_matrix(-dice(0, TEXTURE_SIDE), -dice(0, TEXTURE_SIDE), scale)
        start, stop = sorted((dice(-0.2, 0.6), dice(0.4, 1.2)))
        for k in range(count):
            tall, x = high * dice(0.4, 1), self.width * (start + (stop - start) * (k + dice()) / count)
            spot = (x, self.horizon - tall * 0.5, tall * dice(0.25, 0.6), tall * 0.6)
            row = self.strokes.ellipse(
                spot, Brush(scale_colour(tone, dice(0.5, 1.25)), dice(1, 4)), roundness=dice(0.1, 0.6)
            )
            set_texture(row, texture, matrix, 1.0)

    def buildings(self) -> None:
        """Add houses side by side."""
        dice, size = self.dice, self.size
        x, stop = self.width * dice(-0.3, 0.4), self.width * dice(0.4, 1.3)
        while x < stop:
            wide, high = size * dice(0.15, 0.7), size * dice(0.15, 1.1)
            self.house(x, self.horizon - high, wide, dice(-0.25, 0.25) * high if dice.happens(0.4) else 0.0)
            x += wide * dice(0.9, 1.3)

    def house(self, x: float, top: float, wide: float, tilt: float) -> None:
        """Add a house with windows, and sometimes a shop on the ground floor."""
        dice, size = self.dice, self.size
        tone = scale_colour(self.tone("wall", "grey", "earth", "light"), dice(0.7, 1.1))
        name = dice.pick(("facade", "facade", "facade", "brick", "plain", "planks"))
        spot = (x, top + tilt, x + wide, top - tilt, x + wide, self.horizon + 2, x, self.horizon + 2)
        row = self.strokes.quad(spot, Brush(tone, shade=self.shade(0.6, 0)))
        set_texture(
            row,
            dice.pick(self.stock.by_name[name]),
            upright_matrix(x, top, dice(0.5, 2.2) * TEXTURE_SIDE / size),
            dice(0.6, 1.1),
        )
        if dice.happens(0.4):
            low = self.horizon - size * dice(0.05, 0.2)
            shop = self.strokes.box(x, low, x + wide, self.horizon + 1, Brush(self.tone("dark", "grey", "wall")))
            self.set_material(shop, dice.pick(("heap", "shelves", "facade")), 2, 0.8)
            row = self.strokes.box(x, low - size * 0.03, x + wide, low, Brush(self.tone("vivid", "light", "cloth")))
            self.set_material(row, "letters", 4, dice(0, 0.9))

    def path(self) -> None:
        """Add a road or path towards the horizon, or a strip of other ground across."""
        dice, width = self.dice, self.width
        if dice.happens(0.5):
            far, near, wide = dice(0, 1) * width, dice(-0.5, 1.5) * width, width * dice(0.2, 1.2)
            top, low = self.horizon, self.height + 9.0
            spot = (far - wide * 0.02, top, far + wide * 0.02, top, near + wide, low, near - wide, low)
        else:
            (a, _), (b, _), tilt = self.ground_point(), self.ground_point(), dice(-0.1, 0.1) * width
            top, low = min(a, b), max(a, b) + 4
            spot = (-9.0, top - tilt, width + 9.0, top + tilt, width + 9.0, low + tilt, -9.0, low - tilt)
        row = self.strokes.quad(spot, Brush(self.tone("grey", "grey", "earth", "grass", "light"), 1))
        self.set_ground_material(row, dice.pick(("plain", "gravel", "brick")), 1, 0.6, 0)
        if dice.happens(0.5):
            edge = (spot[6], spot[7], spot[6] + width * 0.04, spot[7], spot[0] + 1, spot[1], spot[0], spot[1])
            self.strokes.quad(edge, Brush(self.tone("light"), 0.8, dice(0.5, 1)))

    def shadows(self) -> None:
        """Add shadows on the ground."""
        dice, size = self.dice, self.size
        for _ in range(dice.integer(1, 5)):
            y, near = self.ground_point()
            wide, high = size * dice(0.1, 0.5) * (near + 0.2), size * dice(0.02, 0.1) * (near + 0.1)
            self.strokes.ellipse(
                (dice(0, self.width), y, wide, high), Brush((20, 24, 30), 2 + 6 * near, dice(0.3, 0.7))
            )

    def fence(self) -> None:
        """Add a fence, a railing or a hedge across."""
        dice = self.dice
        y, near = self.ground_point()
        high, tone = self.size * (0.05 + 0.4 * near) * dice(0.6, 1.2), self.tone("wood", "light", "dark", "grey")
        left, right = (-5.0, self.width + 5.0)
        if dice.happens(0.4):
            left, right = sorted((dice(0, self.width), dice(0, self.width)))
        self.bars((left, y - high, right, y), dice.integer(6, 40), dice(0.1, 0.7), tone)
        for at in (0.1, 0.9, dice()):
            self.strokes.box(
                left, y - high * (at + 0.04), right, y - high * (at - 0.04), Brush(scale_colour(tone, 0.9))
            )

    def car(self) -> None:
        """Add a car, seen from its side."""
        dice, strokes = self.dice, self.strokes
        y, near = self.ground_point()
        long = self.size * (0.12 + 0.6 * near) * dice(0.7, 1.4)
        x, high, tone = (
            dice(-0.1, 1.1) * self.width,
            long * dice(0.14, 0.2),
            self.tone("cloth", "grey", "light", "dark", "vivid"),
        )
        strokes.ellipse((x, y, long * 0.55, high * 0.25), Brush((12, 12, 14), 2, 0.6))
        strokes.ellipse(
            (x, y - high * 1.6, long * dice(0.25, 0.4), high * 0.9), Brush(scale_colour(tone, 0.9), 0.8), power=4
        )
        row = strokes.ellipse(
            (x, y - high * 1.7, long * 0.27, high * 0.55), Brush(self.tone("dark", "grey"), 0.8), power=4
        )
        self.set_material(row, "heap", 2, 0.5)
        strokes.ellipse((x, y - high * 0.8, long * 0.5, high * 0.75), Brush(tone, 0.8), power=4, roundness=0.4)
        strokes.box(x - 0.5, y - high * 2.1, x + 1, y - high * 0.3, Brush(scale_colour(tone, 0.6)))
        for at in (-0.32, 0.32):
            strokes.ellipse((x + long * at, y - high * 0.2, high * 0.45, high * 0.45), Brush((22, 22, 24)))
            strokes.ellipse((x + long * at, y - high * 0.2, high * 0.2, high * 0.2), Brush((130, 130, 132)))
        strokes.ellipse((x - long * 0.46, y - high * 0.9, high * 0.14, high * 0.12), Brush((245, 240, 220)))

    def bench(self) -> None:
        """Add a bench, a table or a stand."""
        dice, (y, near) = self.dice, self.ground_point()
        wide, high = self.size * (0.1 + 0.5 * near) * dice(0.5, 1), self.size * (0.04 + 0.2 * near) * dice(0.6, 1.2)
        x, tone = dice(-0.1, 0.9) * self.width, self.tone("wood", "grey", "dark", "vivid")
        self.bars((x, y - high, x + wide, y), dice.integer(2, 4), 0.1, scale_colour(tone, 0.6))
        self.bars((x, y - high * dice(1.2, 2), x + wide, y - high * 0.4), dice.integer(2, 5), 0.6, tone, across=True)
        for _ in range(dice.integer(0, 3)):
            self.thing(x + wide * dice(), y - high, high * dice(0.1, 0.4))

    def pole(self) -> None:
        """Add a post, a lamp or a signpost."""
        dice, (y, near) = self.dice, self.ground_point()
        x, high, thick = (
            dice(0, self.width),
            self.size * dice(0.2, 1),
            0.6 + self.size * (0.003 + 0.02 * near) * dice(0.3, 1),
        )
        top, tone = (x + dice(-0.03, 0.03) * high, y - high), self.tone("grey", "dark", "wood", "light")
        self.strokes.capsule((x, y), top, (thick, thick * 0.8), Brush(tone))
        if dice.happens(0.4):
            arm = (top[0] + high * dice(-0.3, 0.3), y - high * dice(0.9, 1.1))
            self.strokes.capsule(top, arm, (thick, thick * 0.6), Brush(tone))
        elif dice.happens(0.5):
            wide = self.size * dice(0.03, 0.1)
            row = self.strokes.box(
                x - wide, top[1], x + wide, top[1] + wide * dice(0.5, 2), Brush(self.tone("vivid", "light"))
            )
            self.set_material(row, "letters", 3, dice(0, 1))

    def trunk(self) -> None:
        """Add a tree so near that only its trunk is visible."""
        dice, size, (y, near) = self.dice, self.size, self.ground_point()
        x, thick = dice(0, self.width), size * (0.02 + 0.12 * near) * dice(0.5, 1)
        spot, tone = (
            (x - thick * 0.8, -9, x + thick * 0.8, -9, x + thick, y, x - thick, y),
            scale_colour(self.tone("wood"), dice(0.4, 0.9)),
        )
        self.set_material(
            self.strokes.quad(spot, Brush(tone, 1, shade=(dice(-0.3, 0.3) / thick, 0))), "gravel", 1.5, 1.2
        )
        for _ in range(dice.integer(0, 3)):
            at = dice() * y
            end = (x + size * dice(-0.5, 0.5), at - size * dice(0, 0.3))
            self.strokes.capsule((x, at), end, (thick * 0.3, thick * 0.1), Brush(scale_colour(tone, 0.7), 1))

    def tree(self) -> None:
        """Add a tree."""
        dice, (y, near), tone = self.dice, self.ground_point(), self.tone("leaves")
        x, big = dice(0, self.width), self.size * (0.1 + 0.5 * near) * dice(0.5, 1)
        top = (x + big * dice(-0.1, 0.1), y - big * 1.5)
        self.strokes.capsule((x, y), top, (big * 0.07, big * 0.05), Brush(scale_colour(self.tone("wood"), 0.5)))
        for _ in range(dice.integer(3, 8)):
            spot = (x + big * dice(-0.5, 0.5), y - big * dice(1, 2), big * dice(0.2, 0.5), big * dice(0.2, 0.45))
            self.set_material(
                self.strokes.ellipse(spot, Brush(scale_colour(tone, dice(0.6, 1.3)), dice(1, 4)), roundness=0.4),
                "leaves",
                1.4,
                1.0,
            )

    def bush(self) -> None:
        """Add bushes, or a hedge."""
        dice, (y, near), tone = self.dice, self.ground_point(), self.tone("leaves")
        big, x = self.size * (0.05 + 0.3 * near) * dice(0.5, 1), dice(0, self.width)
        for _ in range(dice.integer(2, 6)):
            spot = (x + big * dice(-1, 1), y - big * dice(0.1, 0.5), big * dice(0.3, 0.7), big * dice(0.3, 0.6))
            self.set_material(
                self.strokes.ellipse(spot, Brush(scale_colour(tone, dice(0.6, 1.2)), dice(1, 3)), roundness=0.5),
                "leaves",
                1.3,
                1.0,
            )

    def sign(self) -> None:
        """Add a sign or an advertisement."""
        dice, size = self.dice, self.size
        x, y, wide, high = (
            dice(0, self.width),
            dice(0, self.height * 0.8),
            size * dice(0.04, 0.3),
            size * dice(0.03, 0.15),
        )
        self.strokes.box(x - 1, y - 1, x + wide + 1, y + high + 1, Brush(self.tone("dark", "light")))
        self.set_material(
            self.strokes.box(x, y, x + wide, y + high, Brush((128, 128, 128))), "letters", dice(1.5, 4), 1
        )


class SportsGround(Outdoors):
    """A pitch, a court, a hall or a pool, with lines, hoardings and stands."""

    def compose(self) -> None:
        """Add what is behind the ground, then the ground with its lines."""
        dice, size, width, horizon = self.dice, self.size, self.width, self.horizon
        if dice.happens(0.6):
            self.sky()
            self.trees()
        else:
            self.set_material(
                self.fill(self.tone("grey", "wall", "dark"), horizon + 2), dice.pick(("plain", "brick")), 1, 0.6
            )
        if dice.happens(0.6):
            self.grandstand(horizon - size * dice(0.15, 0.8))
        for _ in range(dice.integer(0, 2)):
            left, top = -9 if dice.happens(0.7) else width * dice(), horizon - size * dice(0.03, 0.14)
            row = self.strokes.box(
                left, top, width + 9, horizon + 2, Brush(self.tone("dark", "grass", "vivid", "cloth", "water"))
            )
            self.set_material(row, "letters", dice(1.5, 4), dice(0, 0.8))
        ground = dice.pick(PITCHES)
        self.ground(ground, horizon, 0.0 if ground[0] == "water" else dice(0, 3))
        light, wide = self.tone("light"), dice(0.01, 0.05)
        for _ in range(0 if ground[0] == "water" else dice.integer(1, 5)):
            self.line(light, wide)
        if dice.happens(0.3):
            self.net()
        for _ in range(dice.integer(0, 3)):
            dice.pick((self.pole, self.bench, self.fence, self.sign))()

    def grandstand(self, top: float) -> None:
        """Add spectators on a stand, far away."""
        dice, right = self.dice, self.width + 9
        tilt, low = dice(-0.2, 0.2) * (self.horizon - top), self.horizon + 2
        row = self.strokes.quad(
            (-9, top + tilt, right, top, right, low, -9, low), Brush(scale_colour((128, 128, 128), dice(0.6, 1.3)))
        )
        self.set_material(row, "crowd", dice(1.3, 4), dice(0.6, 1))
        if dice.happens(0.4):
            self.bars((-9, top, right, low), dice.integer(3, 9), 0.1, self.tone("grey", "light"), across=True)

    def line(self, light: Colour, wide: float) -> None:
        """Add a line on the ground, towards the horizon or across; the nearer it is, the wider."""
        dice, width = self.dice, self.width
        if dice.happens(0.5):
            far, near, half = dice() * width, dice(-0.7, 1.7) * width, wide * width
            low = self.height + 9.0
            spot = (far, self.horizon, far + 0.5, self.horizon, near + half, low, near - half, low)
        else:
            y, close = self.ground_point()
            left, right, down = -9.0, width + 9.0, dice(-0.3, 0.3) * width * close
            thick = max(0.5, wide * 0.4 * self.size * close)
            spot = (left, y - thick - down, right, y - thick + down, right, y + thick + down, left, y + thick - down)
        self.strokes.quad(spot, Brush(light, 0.6, dice(0.6, 1)))

    def net(self) -> None:
        """Add a net across."""
        dice, (y, near) = self.dice, self.ground_point()
        high, light = self.size * (0.05 + 0.35 * near), self.tone("light")
        self.bars((-9, y - high, self.width + 9, y), dice.integer(30, 60), 0.2, self.tone("dark", "grey"))
        self.bars((-9, y - high, self.width + 9, y), dice.integer(5, 10), 0.2, self.tone("dark", "grey"), across=True)
        self.strokes.box(-9, y - high - 1, self.width + 9, y - high * 0.92, Brush(light))
