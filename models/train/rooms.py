"""Room backdrops: walls and what hangs on them, the floor, and what stands on it."""

from __future__ import annotations

from typing import Final

from models.train.palette import Colour, scale_colour
from models.train.place import SHADOW_COLOUR, Ground, Place
from models.train.strokes import Brush

WALLS: Final[tuple[tuple[str, float, float], ...]] = (
    ("plain", 0.5, 0.3), ("plain", 1.0, 0.5), ("plain", 0.3, 0.4), ("brick", 1.2, 0.9), ("brick", 0.6, 0.6),
    ("planks", 0.8, 0.7), ("cloth", 1.0, 0.5), ("carpet", 0.7, 0.3), ("brick", 0.9, 1.2),
)  # fmt: skip
"""Materials of walls, each with its texture scale (the larger, the finer) and the texture's strength."""
FLOORS: Final[tuple[Ground, ...]] = (
    ("planks", "wood", 1.0, 1.0), ("brick", "grey", 1.2, 1.0), ("carpet", "light", 0.8, 0.9),
    ("plain", "grey", 0.7, 0.6),
    ("gravel", "cloth", 1.0, 0.8), ("grain", "wood", 1.0, 0.7), ("plain", "wall", 1.0, 0.5),
    ("planks", "wall", 0.7, 0.8),
)  # fmt: skip
"""The kinds of floors."""


class Room(Place):
    """A living room, a kitchen, an office, a shop or a hall."""

    def compose(self) -> None:
        """Add walls, what hangs on them, the floor, and what stands on it."""
        dice, width, height = self.dice, self.width, self.height
        foot = max(self.horizon + height * dice(0.05, 0.5), height * dice(0.3, 0.9))
        tone = self.tone("wall")
        self.set_material(self.fill(tone, foot + 4), *dice.pick(WALLS))
        left = self.corner(tone, foot) if dice.happens(0.35) else 0.0
        if dice.happens(0.25):
            self.kitchen(foot)
        for _ in range(dice.integer(1, 5)):
            self.wall_item(dice(left, width), dice(-0.15, 0.7) * foot, foot)
        self.ground(dice.pick(FLOORS), foot, dice.pick((0.0, 0.0, 1.57, dice(0, 1.5))))
        if dice.happens(0.6):
            self.strokes.box(
                -9, foot - height * dice(0.01, 0.03), width + 9, foot, Brush(self.tone("light", "wood", "dark"))
            )
        self.strokes.box(-9, foot - 1, width + 9, foot + height * 0.02, Brush(SHADOW_COLOUR, height * 0.015, 0.35))
        if dice.happens(0.3):
            self.rug(foot)
        for depth in sorted(dice() ** 1.3 * 1.1 for _ in range(dice.integer(2, 6))):
            self.furniture(foot, foot + (height - foot) * depth)
        if dice.happens(0.25):
            self.ceiling()

    def corner(self, tone: Colour, foot: float) -> float:
        """Add a wall at the left side, up to a corner of the room, and return the corner's column."""
        dice = self.dice
        left = self.width * dice(0.05, 0.4)
        fall = (foot - self.horizon) / max(self.width * dice(0.4, 0.9) - left, 1)
        spot = (-9, -self.height, left, -9, left, foot, -9, foot + (left + 9) * abs(fall))
        row = self.strokes.quad(spot, Brush(scale_colour(tone, dice(0.6, 1.15)), shade=self.shade(0.5, 0)))
        self.set_material(row, "plain", 0.5, 0.3)
        return left

    def ceiling(self) -> None:
        """Add a strip of ceiling with lights."""
        dice = self.dice
        low = self.height * dice(0.03, 0.15)
        self.fill(scale_colour(self.tone("light"), dice(0.7, 1)), low)
        for _ in range(dice.integer(0, 3)):
            spot = (dice(0, self.width), low * dice(0.2, 0.8), self.size * dice(0.01, 0.06), self.size * 0.012)
            self.strokes.ellipse(spot, Brush((255, 250, 235), 2))

    def rug(self, foot: float) -> None:
        """Add a carpet on the floor."""
        dice, width = self.dice, self.width
        top, x, wide = foot + (self.height - foot) * dice(0.1, 0.5), dice(-0.1, 0.6) * width, width * dice(0.3, 0.8)
        low = top + (self.height - foot) * dice(0.2, 0.6)
        spot = (x + wide * 0.1, top, x + wide * 0.9, top, x + wide, low, x, low)
        self.set_ground_material(
            self.strokes.quad(spot, Brush(self.tone("cloth", "light", "earth"), 0.8)), "carpet", 1.2, dice(0.3, 1), 0
        )

    def wall_item(self, x: float, y: float, foot: float) -> None:
        """Add something on the wall around this place."""
        dice, size, draw = self.dice, self.size, self.dice()
        wide, high = size * dice(0.08, 0.45), size * dice(0.08, 0.4)
        x -= wide * 0.3
        if draw < 0.22:
            self.window(x, y, wide, high)
        elif draw < 0.33:
            self.door(x, foot, size * dice(0.15, 0.3), min(foot * dice(0.7, 1), size * 0.8))
        elif draw < 0.6:
            for k in range(dice.pick((1, 1, 2, 4))):
                self.framed_picture(x + k * wide * 0.75, y + dice(-0.05, 0.05) * high, wide * 0.7, high * 0.8)
        elif draw < 0.78:
            row = self.strokes.box(
                x, y, x + wide * 1.4, min(y + high * 1.7, foot), Brush((135, 130, 125), shade=self.shade(0.5, 0))
            )
            self.set_material(row, "shelves", dice(0.6, 1.6), dice(0.8, 1))
        elif draw < 0.9:
            self.cupboards(x, y, wide * 1.5, high)
        else:
            self.lamp(x, y)

    def kitchen(self, foot: float) -> None:
        """Add tiles, cupboards above and below, and a counter with objects on it."""
        dice, size = self.dice, self.size
        left, right = self.width * dice(-0.3, 0.2), self.width * dice(0.6, 1.3)
        counter = foot - size * dice(0.2, 0.4)
        gap = size * dice(0.15, 0.3)
        row = self.strokes.box(left, counter - gap, right, counter, Brush(self.tone("light", "wall", "grey")))
        self.set_material(row, "brick", dice(0.8, 1.6), 0.8)
        self.cupboards(left, counter - gap - size * 0.4, right - left, size * 0.4)
        self.cupboards(left, counter, right - left, foot - counter)
        for _ in range(dice.integer(2, 7)):
            self.thing(dice(left, right), counter, size * dice(0.02, 0.06))
        self.strokes.box(
            left, counter - 1, right, counter + size * 0.02, Brush(self.tone("grey", "dark", "wood", "light"))
        )

    def window(self, x: float, y: float, wide: float, high: float) -> None:
        """Add a window, sometimes with curtains or blinds."""
        dice, frame = self.dice, self.size * self.dice(0.006, 0.02)
        edge, panes = self.tone("light", "light", "wood", "dark"), dice.integer(1, 4)
        self.strokes.box(x - frame, y - frame, x + wide + frame, y + high + frame, Brush(edge))
        light = scale_colour(self.tone("sky", "light", "light", "leaves", "dark"), dice(0.9, 1.3))
        out = self.strokes.box(x, y, x + wide, y + high, Brush(light, shade=(0, dice(-1, 0.2) / high)))
        self.set_material(out, dice.pick(("leaves", "plain", "facade", "heap")), 0.8, dice(0.1, 1))
        if panes > 1:
            self.bars((x - frame / 2, y, x + wide, y + high), panes, 0.1, edge)
        if dice.happens(0.5):
            self.strokes.box(x, y + high * 0.5 - frame / 2, x + wide, y + high * 0.5 + frame / 2, Brush(edge))
        if dice.happens(0.4):
            tone = self.tone("wall", "light", "cloth")
            for start in (x - wide * 0.2, x + wide * 0.85):
                row = self.strokes.box(start, y - high * 0.1, start + wide * 0.35, y + high * 1.3, Brush(tone))
                self.set_material(row, "curtain", 1.3, 1.0)
        elif dice.happens(0.25):
            self.bars((x, y, x + wide, y + high), dice.integer(8, 20), 0.5, scale_colour(edge, 0.8), across=True)

    def door(self, x: float, foot: float, wide: float, high: float) -> None:
        """Add a door with panels, or a dark doorway."""
        dice, tone = self.dice, self.tone("wood", "light", "wall", "dark")
        self.strokes.box(
            x - wide * 0.08, foot - high * 1.04, x + wide * 1.08, foot, Brush(scale_colour(tone, dice(0.6, 1.2)))
        )
        row = self.strokes.box(x, foot - high, x + wide, foot, Brush(tone, shade=self.shade(0.5, 0)))
        self.set_material(row, dice.pick(("grain", "grain", "heap")), 1, dice(0.1, 0.9))
        for top, low in ((0.08, 0.42), (0.5, 0.92)):
            spot = (x + wide * 0.16, foot - high * (1 - top), x + wide * 0.84, foot - high * (1 - low))
            self.strokes.box(*spot, Brush(scale_colour(tone, 0.7)))
            self.strokes.box(spot[0] + 1, spot[1] + 1, spot[2], spot[3], Brush(scale_colour(tone, dice(0.9, 1.1))))
        knob = 1 + self.size * 0.006
        self.strokes.ellipse((x + wide * 0.9, foot - high * 0.48, knob, knob), Brush(self.tone("grey")))

    def framed_picture(self, x: float, y: float, wide: float, high: float) -> None:
        """Add a picture, a poster, a notice, a screen or a mirror."""
        dice, rim = self.dice, self.size * self.dice(0.003, 0.02)
        self.strokes.box(
            x + rim, y + rim * 2, x + wide + rim * 1.5, y + high + rim * 2, Brush(SHADOW_COLOUR, rim + 1, 0.4)
        )
        self.strokes.box(x, y, x + wide, y + high, Brush(self.tone("dark", "wood", "light")))
        name = dice.pick(("heap", "letters", "plain", "heap", "crowd", "leaves", "cloud"))
        tone = self.tone("light", "wall", "cloth") if name in ("plain", "leaves", "cloud") else (128.0, 128.0, 128.0)
        if dice.happens(0.2):
            tone = self.tone("dark")
        row = self.strokes.box(x + rim, y + rim, x + wide - rim, y + high - rim, Brush(tone, shade=self.shade(1, 0)))
        self.set_material(row, name, dice(0.8, 2.5), dice(0.2, 1))

    def cupboards(self, x: float, y: float, wide: float, high: float) -> None:
        """Add a row of doors, as in kitchens."""
        dice, kind, door_width = (
            self.dice,
            self.dice.pick(("wood", "light", "grey", "wall")),
            self.size * self.dice(0.08, 0.16),
        )
        tone, knob = self.tone(kind), self.tone("grey", "dark", "light")
        self.strokes.box(x, y, x + wide, y + high, Brush(scale_colour(tone, 0.5)))
        for k in range(min(int(wide / door_width) + 1, 12)):
            at = x + k * door_width
            row = self.strokes.box(
                at, y + 1, at + door_width - 1.2, y + high - 1, Brush(scale_colour(tone, dice(0.85, 1.05)))
            )
            self.set_material(row, "grain" if kind == "wood" else "plain", 1, 0.6)
            if k % 2 == 0:
                self.strokes.box(
                    at + door_width * 0.85, y + high * 0.6, at + door_width * 0.9 + 1, y + high * 0.9, Brush(knob)
                )

    def lamp(self, x: float, y: float) -> None:
        """Add a lamp that shines."""
        dice, big = self.dice, self.size * self.dice(0.02, 0.07)
        self.strokes.ellipse((x, y, big * 4, big * 4), Brush((255, 235, 190), big * 3, 0.25))
        spot = (x - big * 0.6, y - big, x + big * 0.6, y - big, x + big, y + big, x - big, y + big)
        self.strokes.quad(spot, Brush((255, 240, 205), 1))
        self.strokes.box(x - 1, y + big, x + 1, y + big * dice(2, 8), Brush(self.tone("dark")))

    def furniture(self, foot: float, below: float) -> None:
        """Add a table, a bed, a sofa, a chest or a counter whose foot is at the row `below`, with objects on it."""
        dice, size, draw = self.dice, self.size, self.dice()
        near = 0.6 + 1.0 * max(below - foot, 0) / self.height
        wide, high = size * dice(0.15, 0.6) * near, size * dice(0.1, 0.4) * near
        x, top = dice(-0.2, 0.9) * self.width, below - high
        tone = self.tone("wood", "wood", "cloth", "grey", "dark", "light")
        self.strokes.box(
            x - 2, below - high * 0.1, x + wide + 4, below + size * 0.02, Brush(SHADOW_COLOUR, size * 0.02, 0.45)
        )
        front = scale_colour(tone, dice(0.5, 0.9))
        if draw < 0.3:
            self.legs(x, top, wide, high, front)
        elif draw < 0.45:
            spot = (x + wide / 2, below - high / 2, wide / 2, high / 2)
            row = self.strokes.ellipse(spot, Brush(front, 1), power=dice.pick((4, 8)), roundness=0.5)
            self.set_material(row, dice.pick(("cloth", "plain", "carpet")), dice(0.8, 1.5), dice(0.2, 0.8))
        else:
            self.chest(x, top, wide, high, front)
        deep = min(high * 0.5, max(1.0, (top - self.horizon) * dice(0.1, 0.4)))
        lean = (self.width / 2 - x - wide / 2) * deep / size
        table_top = (x, top, x + wide, top, x + wide + lean - deep * 0.3, top - deep, x + lean + deep * 0.3, top - deep)
        self.set_material(self.strokes.quad(table_top, Brush(tone)), dice.pick(("grain", "plain", "cloth")), 1, 0.5)
        for _ in range(dice.integer(0, 5)):
            self.thing(x + wide * dice(), top - deep * dice(), size * dice(0.015, 0.06) * near)

    def legs(self, x: float, top: float, wide: float, high: float, tone: Colour) -> None:
        """Add the legs and edge of a table, or the back of a chair."""
        dice, thin = self.dice, max(1.2, high * 0.06)
        for leg in (0.03, 0.3 + dice(0, 0.3), 0.95):
            self.strokes.box(x + wide * leg, top, x + wide * leg + thin, top + high, Brush(tone))
        self.strokes.box(x, top, x + wide, top + thin * 1.5, Brush(tone))
        if dice.happens(0.4):
            self.bars((x, top - high * 0.8, x + wide * 0.5, top), dice.integer(2, 6), dice(0.2, 0.6), tone)
            self.strokes.box(x, top - high * 0.85, x + wide * 0.5, top - high * 0.7, Brush(tone))

    def chest(self, x: float, top: float, wide: float, high: float, tone: Colour) -> None:
        """Add a front with drawers or shelves."""
        dice = self.dice
        row = self.strokes.box(x, top, x + wide, top + high, Brush(tone, shade=self.shade(0.5, 0.5)))
        self.set_material(row, dice.pick(("grain", "plain", "cloth", "shelves", "grain")), dice(0.6, 1.3), dice(0.3, 1))
        if dice.happens(0.6):
            self.bars(
                (x, top + high * dice(0.1, 0.3), x + wide, top + high),
                dice.integer(1, 4),
                0.06,
                scale_colour(tone, 0.5),
                across=True,
            )
