"""Backgrounds and foregrounds for training scenes, painted by chance: rooms, streets, pitches, studios and clutter.

They need not be beautiful, but a network that learns before them has to find people before the real things: their
brightness, colours and edges are those of photos, and so is that there is much in them that is nearly a limb.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from models.train.material import NOBODY, Stock
from models.train.strokes import (
    ALPHA,
    BASE,
    GEOMETRY,
    QUAD,
    SHADE,
    SIDE,
    SOFT,
    TEXTURE,
    Bytes,
    Colour,
    Dice,
    Floats,
    Strokes,
    colour,
    lying,
    paint,
    textured,
    times,
    upright,
)

KINDS: Final = ("room", "outdoors", "sport", "studio", "heaps", "clutter")
SHARES: Final = (0.27, 0.50, 0.63, 0.69, 0.82, 1.0)
"""Up to where in [0, 1) each kind is chosen."""
MOST_COVERED: Final = 0.35
"""Share of a picture that things before the people cover at most."""


class Backdrops:
    """Paints backdrops with a stock of textures that is made once (seconds)."""

    def __init__(self, seed: int) -> None:
        self._stock = Stock(np.random.default_rng(seed))

    def paint(self, chance: np.random.Generator, width: int, height: int, horizon: float | None) -> Floats:
        """A backdrop (H×W×3 float32, 0–255) whose ground meets the sky, or floor its vanishing line, at the row
        `horizon` (pixels, outside the picture too); None leaves it to chance."""
        dice = Dice(chance)
        blur = 0.0 if dice.one_in(0.5) else dice() ** 1.5 * 3 * max(width, height) / 193
        # what is blurred anyway is painted smaller: a quarter of the work
        small = 2 if blur > 1.2 else 1
        wide, high = -(-width // small), -(-height // small)
        row = high * dice(0.1, 0.75) if horizon is None else horizon / small
        scene = _Scene(dice, self._stock, wide, high, row)
        scene.compose()
        canvas = np.full((high, wide, 3), 90, np.float32)
        paint(canvas, NOBODY, NOBODY, scene.strokes.rows(), self._stock.texels)
        if blur > 0.3:
            cv2.GaussianBlur(canvas, (0, 0), max(blur / small, 0.3), dst=canvas)
        canvas = _lit(dice, canvas)
        if small == 2:
            return cv2.resize(canvas, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32, copy=False)
        return canvas

    def occlude(self, chance: np.random.Generator, image: Floats, kept: Bytes | None) -> npt.NDArray[np.bool_]:
        """Paint things before the people into `image` (H×W×3, 0–255, changed in place), nothing where `kept` (H×W) is
        not 0. Returns which pixels are covered (H×W): at most 35 % of them."""
        dice = Dice(chance)
        height, width = image.shape[:2]
        keep = NOBODY if kept is None else kept
        for _ in range(3):
            scene = _Scene(dice, self._stock, width, height, height * 0.5)
            scene.foreground()
            cover, work = np.zeros((height, width), np.uint8), image.copy()
            paint(work, cover, keep, scene.strokes.rows(), self._stock.texels)
            if cover.mean() <= MOST_COVERED:
                image[:] = work
                return cover.view(np.bool_)
        return np.zeros((height, width), np.bool_)


def _lit(dice: Dice, canvas: Floats) -> Floats:
    """The picture in light that is uneven, a little coloured, and about as bright as photos are."""
    mean = float(canvas.mean())
    wanted = 108 + 62 * (dice() + dice() + dice() - 1.5)
    light = np.float32((max(wanted, 25) / max(mean, 20)) ** 0.6)
    patch = 1 + (dice.many(12).reshape(2, 2, 3) - 0.5) * np.float32(0.12)
    patch += (dice.many(4).reshape(2, 2, 1) - 0.5) * np.float32(dice(0, 0.8))
    light_map = cv2.resize(patch * light, (canvas.shape[1], canvas.shape[0]), interpolation=cv2.INTER_LINEAR)
    cv2.multiply(canvas, light_map, canvas)
    bounded: Floats = np.minimum(canvas, 255, out=canvas)
    return bounded


class _Scene:
    """One backdrop being composed: its size, where its horizon is, and the strokes so far."""

    def __init__(self, dice: Dice, stock: Stock, width: int, height: int, horizon: float) -> None:
        self.dice, self.stock, self.strokes = dice, stock, Strokes()
        self.width, self.height, self.horizon = width, height, horizon
        self.size = float(max(width, height))

    def compose(self) -> None:
        """Paint a scene of some kind."""
        draw = self.dice()
        kind = KINDS[next(k for k, share in enumerate(SHARES) if draw < share)]
        getattr(self, kind)()
        if kind not in ("studio", "clutter") and self.dice.one_in(0.3):
            self.things(self.dice.whole(1, 4))

    # what everything is made of

    def surface(self, row: Floats, name: str, scale: float = 1.0, strength: float = 1.0, turn: float = 0.0) -> None:
        """Make a stroke of some material, upright; scale 1 shows 512 pixels of texture per picture's side."""
        textured(
            row,
            self.dice.pick(self.stock.of[name]),
            upright(self.dice, -self.dice(0, SIDE), -self.dice(0, SIDE), scale * SIDE / self.size, turn),
            strength,
        )

    def plane(self, row: Floats, name: str, scale: float, strength: float, turn: float) -> None:
        """Make a stroke lie on the ground."""
        near = max(self.height - self.horizon, self.height * 0.3)
        matrix = lying(self.dice, self.width / 2, self.horizon, near, scale * SIDE / self.size, turn)
        textured(row, self.dice.pick(self.stock.of[name]), matrix, strength)

    def ground(
        self, name: str, kind: str, scale: float, strength: float, turn: float = 0.0, top: float | None = None
    ) -> Colour:
        """The ground from the horizon (or from `top`) downwards. Returns its colour."""
        tone, dice = colour(self.dice, kind), self.dice
        start = self.horizon if top is None else top
        row = self.strokes.box(
            -9, start, self.width + 9, self.height + 9, tone, shade=(0, dice(-0.3, 0.2) / self.height)
        )
        self.plane(row, name, scale, strength, turn)
        return tone

    # rooms

    def room(self) -> None:
        """A wall, the floor, perhaps a wall to the side, and what stands and hangs there."""
        dice, width, height = self.dice, self.width, self.height
        foot = max(self.horizon + height * dice(0.05, 0.5), height * dice(0.25, 0.9))
        left, right = (width * dice(0.02, 0.4) if dice.one_in(0.35) else -9.0, width + 9.0)
        tone = colour(dice, "wall")
        wall = self.strokes.box(
            -9,
            -9,
            width + 9,
            max(foot, self.horizon) + 4,
            tone,
            shade=(dice(-0.5, 0.5) / width, dice(-0.3, 0.3) / height),
        )
        self.surface(
            wall,
            *dice.pick(
                (
                    ("plain", 0.5, 0.2),
                    ("plain", 1.0, 0.35),
                    ("brick", 1.2, 0.6),
                    ("planks", 0.8, 0.5),
                    ("cloth", 1.0, 0.3),
                    ("brick", 0.6, 0.4),
                    ("plain", 0.3, 0.3),
                )
            ),
        )
        if left > 0:
            vanish = (width * dice(0.4, 0.8), self.horizon)
            side = self.strokes.quad(
                self.corner(left, foot, vanish), times(tone, dice(0.65, 1.1)), shade=(dice(-0.5, 0.5) / width, 0)
            )
            self.surface(side, "plain", 0.5, 0.25)
        self.hangings(left, right, foot)
        material, kind, scale, strength = dice.pick(
            (
                ("planks", "wood", 1.0, 0.9),
                ("brick", "grey", 1.2, 0.8),
                ("carpet", "light", 0.8, 1.0),
                ("plain", "grey", 0.7, 0.5),
                ("gravel", "cloth", 1.0, 0.6),
                ("grain", "wood", 1.0, 0.6),
                ("plain", "wall", 1.0, 0.4),
            )
        )
        start = max(foot, self.horizon + 2)
        self.ground(material, kind, scale, strength, dice.pick((0.0, 0.0, 1.57, dice(0, 1.5))), start)
        if left > 0:
            vanish_x = width * 0.6
            self.strokes.quad(
                (-9, start - 1, left, start - 1, -9, start + (left + 9) * 0.5, -10, start), times(tone, 0.7)
            )
            del vanish_x
        if dice.one_in(0.6):
            self.strokes.box(
                left,
                start - height * dice(0.01, 0.03),
                right,
                start,
                colour(dice, dice.pick(("light", "wood", "dark"))),
            )
        self.strokes.box(-9, start - 1, width + 9, start + height * 0.02, (10, 8, 6), height * 0.015, 0.35)
        for _ in range(dice.whole(1, 5)):
            self.furniture(start)
        if dice.one_in(0.2):
            self.ceiling(tone)

    def corner(self, left: float, foot: float, vanish: tuple[float, float]) -> tuple[float, ...]:
        """The side wall from the picture's left edge to a corner of the room."""
        rise = (foot - vanish[1]) / max(vanish[0] - left, 1)
        return (-9, -self.height, left, -9, left, foot, -9, foot + (left + 9) * abs(rise))

    def ceiling(self, tone: Colour) -> None:
        dice = self.dice
        low = self.height * dice(0.03, 0.15)
        self.strokes.box(
            -9, -9, self.width + 9, low, times(colour(dice, "light"), dice(0.7, 1)), shade=(0, -0.3 / self.height)
        )
        for _ in range(dice.whole(0, 3)):
            x = dice(0, self.width)
            self.strokes.ellipse(
                x, low * dice(0.2, 0.8), self.size * dice(0.01, 0.06), self.size * 0.012, (255, 250, 235), 2
            )

    def hangings(self, left: float, right: float, foot: float) -> None:
        """Windows, doors, pictures, shelves, cupboards, curtains and lamps on the wall."""
        dice, size = self.dice, self.size
        for _ in range(dice.whole(0, 4)):
            wide, high = size * dice(0.08, 0.45), size * dice(0.08, 0.4)
            x = dice(max(left, 0), self.width) - wide * 0.3
            y = dice(-0.1, 0.75) * foot
            what = dice()
            if what < 0.25:
                self.window(x, y, wide, high)
            elif what < 0.38:
                self.door(x, foot, size * dice(0.15, 0.3), min(foot * dice(0.7, 1), size * 0.8))
            elif what < 0.62:
                self.framed(x, y, wide * 0.7, high * 0.8)
            elif what < 0.75:
                self.surface(
                    self.strokes.box(
                        x, y, x + wide, min(y + high * 1.5, foot), (128, 128, 128), shade=(dice(-0.3, 0.3) / wide, 0)
                    ),
                    "shelves",
                    dice(0.6, 1.6),
                    dice(0.7, 1),
                )
            elif what < 0.88:
                self.cupboards(x, y, wide * 1.5, high)
            else:
                self.lamp(x, y)

    def window(self, x: float, y: float, wide: float, high: float) -> None:
        dice = self.dice
        frame = self.size * dice(0.006, 0.02)
        edge = colour(dice, dice.pick(("light", "light", "wood", "dark")))
        self.strokes.box(x - frame, y - frame, x + wide + frame, y + high + frame, edge)
        out = self.strokes.box(
            x,
            y,
            x + wide,
            y + high,
            times(colour(dice, dice.pick(("sky", "light", "leaves", "dark"))), dice(0.8, 1.2)),
            shade=(0, dice(-1, 0.2) / high),
        )
        self.surface(out, dice.pick(("leaves", "plain", "facade", "cloud")), 0.7, dice(0.1, 0.8))
        for k in range(1, panes := dice.whole(1, 4)):
            at = x + wide * k / panes
            self.strokes.box(at - frame / 2, y, at + frame / 2, y + high, edge)
        if dice.one_in(0.5):
            self.strokes.box(x, y + high * 0.5 - frame / 2, x + wide, y + high * 0.5 + frame / 2, edge)
        if dice.one_in(0.4):
            tone = colour(dice, dice.pick(("wall", "light", "cloth")))
            for start in (x - wide * 0.2, x + wide * 0.85):
                row = self.strokes.box(start, y - high * 0.1, start + wide * 0.35, y + high * 1.3, tone)
                self.surface(row, "curtain", 1.3, 0.9)
        elif dice.one_in(0.25):
            self.bars(x, y, x + wide, y + high, dice.whole(8, 20), 0.35, times(edge, 0.8), False)

    def door(self, x: float, foot: float, wide: float, high: float) -> None:
        dice = self.dice
        tone = colour(dice, dice.pick(("wood", "light", "wall", "dark")))
        self.strokes.box(x - wide * 0.08, foot - high * 1.04, x + wide * 1.08, foot, times(tone, dice(0.6, 1.2)))
        row = self.strokes.box(x, foot - high, x + wide, foot, tone, shade=(dice(-0.5, 0.5) / self.width, 0))
        self.surface(row, "grain", 1, dice(0.1, 0.7))
        for top, low in ((0.08, 0.42), (0.5, 0.92)):
            spot = (x + wide * 0.16, foot - high * (1 - top), x + wide * 0.84, foot - high * (1 - low))
            self.strokes.box(*spot, times(tone, 0.75))
            self.strokes.box(spot[0] + 1, spot[1] + 1, spot[2], spot[3], times(tone, dice(0.9, 1.1)))
        self.strokes.ellipse(
            x + wide * 0.9, foot - high * 0.48, 1 + self.size * 0.006, 1 + self.size * 0.006, colour(dice, "grey")
        )

    def framed(self, x: float, y: float, wide: float, high: float) -> None:
        """A picture, a poster, a notice, a screen or a mirror."""
        dice = self.dice
        rim = self.size * dice(0.003, 0.02)
        self.strokes.box(x + rim, y + rim * 2, x + wide + rim * 1.5, y + high + rim * 2, (15, 12, 10), rim + 1, 0.4)
        self.strokes.box(x, y, x + wide, y + high, colour(dice, dice.pick(("dark", "wood", "light"))))
        spot = (x + rim, y + rim, x + wide - rim, y + high - rim)
        name = dice.pick(("heap", "letters", "plain", "heap", "crowd", "leaves", "cloud"))
        tone = (
            colour(dice, dice.pick(("light", "wall", "cloth")))
            if name in ("plain", "leaves")
            else (128.0, 128.0, 128.0)
        )
        row = self.strokes.box(
            *spot, colour(dice, "dark") if dice.one_in(0.25) else tone, shade=(dice(-1, 1) / self.size, 0)
        )
        self.surface(row, name, dice(0.8, 2.5), dice(0.2, 0.9))

    def cupboards(self, x: float, y: float, wide: float, high: float) -> None:
        """A row of doors, as in kitchens."""
        dice = self.dice
        tone = colour(dice, dice_kind := dice.pick(("wood", "light", "grey", "wall")))
        material = "grain" if dice_kind == "wood" else "plain"
        each = self.size * dice(0.08, 0.16)
        for k in range(int(wide / each) + 1):
            at = x + k * each
            row = self.strokes.box(at, y, at + each - 1, y + high, times(tone, dice(0.88, 1.05)))
            self.surface(row, material, 1, 0.5)
            if k % 2 == 0:
                self.strokes.box(
                    at + each * 0.85, y + high * 0.6, at + each * 0.9 + 1, y + high * 0.9, colour(dice, "grey")
                )

    def lamp(self, x: float, y: float) -> None:
        dice = self.dice
        big = self.size * dice(0.02, 0.07)
        self.strokes.ellipse(x, y, big * 4, big * 4, (255, 235, 190), big * 3, 0.25)
        self.strokes.quad(
            (x - big * 0.6, y - big, x + big * 0.6, y - big, x + big, y + big, x - big, y + big), (255, 240, 205), 1
        )
        self.strokes.box(x - 1, y + big, x + 1, y + big * dice(2, 8), colour(dice, "dark"))

    def furniture(self, foot: float) -> None:
        """A box with a top: table, bed, sofa, chest, counter; or a chair."""
        dice, size = self.dice, self.size
        below = foot + (self.height - foot) * dice() ** 1.5 * 1.1
        near = 0.4 + 0.9 * (below - self.horizon) / self.height
        wide, high = size * dice(0.15, 0.6) * near, size * dice(0.08, 0.4) * near
        x, tone = (
            dice(-0.2, 1.0) * self.width,
            colour(dice, dice.pick(("wood", "wood", "cloth", "grey", "dark", "light"))),
        )
        top = min(high * 0.5, max(1.0, (below - high - self.horizon) * dice(0.1, 0.4)))
        lean = (self.width / 2 - x - wide / 2) * top / self.size
        self.strokes.box(x - 2, below - high * 0.1, x + wide + 4, below + size * 0.02, (10, 8, 6), size * 0.02, 0.45)
        light = dice(0.5, 0.9)
        what, thin = dice(), max(1.2, high * 0.06)
        if what < 0.3:
            for leg in (0.03, 0.3 + dice(0, 0.3), 0.95):
                self.strokes.box(x + wide * leg, below - high, x + wide * leg + thin, below, times(tone, light))
            self.strokes.box(x, below - high, x + wide, below - high + thin * 1.5, times(tone, light))
        elif what < 0.45:
            self.strokes.ellipse(
                x + wide / 2, below - high / 2, wide / 2, high / 2, times(tone, light), 1, power=dice(3, 8), round_=0.4
            )
        else:
            front = self.strokes.box(
                x, below - high, x + wide, below, times(tone, light), shade=(dice(-0.4, 0.4) / size, -0.4 / size)
            )
            self.surface(
                front, dice.pick(("grain", "plain", "cloth", "plain", "shelves")), dice(0.6, 1.3), dice(0.2, 0.7)
            )
            for k in range(1, dice.whole(1, 4)):
                at = below - high * k / 4 * dice(0.9, 1.1)
                self.strokes.box(x, at, x + wide, at + 1.2, times(tone, light * 0.6))
        lid = self.strokes.quad(
            (
                x,
                below - high,
                x + wide,
                below - high,
                x + wide + lean - top * 0.3,
                below - high - top,
                x + lean + top * 0.3,
                below - high - top,
            ),
            tone,
        )
        self.surface(lid, dice.pick(("grain", "plain", "cloth")), 1, 0.4)
        for _ in range(dice.whole(0, 4)):
            self.thing(x + wide * dice(), below - high - top * dice(), size * dice(0.015, 0.06) * near)

    def bars(
        self,
        left: float,
        top: float,
        right: float,
        bottom: float,
        count: int,
        thick: float,
        tone: Colour,
        upright_: bool = True,
        soft: float = 0.6,
    ) -> None:
        """Many bars side by side, `thick` of their distance each."""
        rows = self.strokes.room(count)
        rows[:, 0], rows[:, SOFT], rows[:, ALPHA], rows[:, TEXTURE] = QUAD, soft, 1, -1
        rows[:, BASE:SHADE] = tone
        span = (right - left if upright_ else bottom - top) / count
        start = (left if upright_ else top) + np.arange(count, dtype=np.float32) * span
        stop, across = start + max(span * thick, 0.8), (top, bottom) if upright_ else (left, right)
        first = GEOMETRY if upright_ else GEOMETRY + 1
        other = GEOMETRY + 1 if upright_ else GEOMETRY
        rows[:, first], rows[:, first + 2], rows[:, first + 4], rows[:, first + 6] = start, stop, stop, start
        rows[:, other], rows[:, other + 2], rows[:, other + 4], rows[:, other + 6] = (
            across[0],
            across[0],
            across[1],
            across[1],
        )
        if not upright_:
            rows[:, GEOMETRY : GEOMETRY + 8] = rows[:, [2, 1, 4, 3, 6, 5, 8, 7]][:, [1, 0, 3, 2, 5, 4, 7, 6]]

    # outdoors

    def sky(self) -> None:
        dice = self.dice
        row = self.strokes.box(
            -9,
            -9,
            self.width + 9,
            self.horizon + 2,
            times(colour(dice, "sky"), 1.1),
            shade=(0, dice(0, 0.6) / self.height),
        )
        self.surface(row, dice.pick(("cloud", "cloud", "plain")), dice(0.3, 0.8), dice() ** 2)

    def outdoors(self) -> None:
        """Sky, what stands along the horizon, the ground, and what stands on it."""
        dice, size = self.dice, self.size
        self.sky()
        for _ in range(dice.whole(1, 3)):
            dice.pick((self.trees, self.trees, self.buildings, self.buildings, self.hills))()
        material, kind, scale, strength = dice.pick(
            (
                ("grass", "grass", 1.0, 0.8),
                ("grass", "grass", 0.5, 1.0),
                ("gravel", "grey", 1.0, 0.5),
                ("plain", "grey", 1.0, 0.5),
                ("gravel", "earth", 0.8, 0.7),
                ("plain", "light", 0.7, 0.2),
                ("water", "water", 0.7, 1.0),
                ("brick", "grey", 1.0, 0.5),
                ("plain", "earth", 0.6, 0.4),
                ("leaves", "earth", 0.7, 0.6),
            )
        )
        self.ground(material, kind, scale, strength, dice(0, 3) if material != "water" else 0.0)
        self.strokes.box(
            -9, self.horizon - 1, self.width + 9, self.horizon + size * 0.01, (25, 28, 25), size * 0.01, dice(0, 0.6)
        )
        if dice.one_in(0.4):
            self.path()
        if dice.one_in(0.35):
            self.shadows()
        for _ in range(dice.whole(0, 4)):
            dice.pick((self.fence, self.car, self.pole, self.pole, self.tree, self.bush, self.sign, self.trunk))()

    def hills(self) -> None:
        dice = self.dice
        tone = times(colour(dice, dice.pick(("leaves", "earth", "sky"))), dice(0.6, 1.1))
        for _ in range(dice.whole(1, 4)):
            row = self.strokes.ellipse(
                dice(0, self.width),
                self.horizon + self.size * 0.05,
                self.size * dice(0.3, 0.9),
                self.size * dice(0.08, 0.25),
                tone,
                1,
            )
            self.surface(row, dice.pick(("leaves", "plain")), 2, dice(0.1, 0.6))

    def trees(self) -> None:
        """A line of trees along the horizon."""
        dice = self.dice
        count = dice.whole(5, 16)
        tone, high = colour(dice, "leaves"), self.size * dice(0.05, 0.5)
        texture, matrix = (
            dice.pick(self.stock.of["leaves"]),
            upright(dice, -dice(0, SIDE), -dice(0, SIDE), dice(0.6, 1.8) * SIDE / self.size),
        )
        start, stop = sorted((dice(-0.2, 0.6), dice(0.4, 1.2)))
        for k in range(count):
            tall = high * dice(0.4, 1)
            x = self.width * (start + (stop - start) * (k + dice()) / count)
            row = self.strokes.ellipse(
                x,
                self.horizon - tall * 0.5,
                tall * dice(0.3, 0.7),
                tall * 0.6,
                times(tone, dice(0.6, 1.2)),
                1.5,
                power=2.3,
                round_=dice(0.1, 0.6),
            )
            textured(row, texture, matrix, 0.9)

    def buildings(self) -> None:
        dice, size = self.dice, self.size
        x, stop = self.width * dice(-0.3, 0.4), self.width * dice(0.4, 1.3)
        while x < stop:
            wide, high = size * dice(0.15, 0.7), size * dice(0.15, 1.1)
            tilt = dice(-0.25, 0.25) * high if dice.one_in(0.4) else 0.0
            tone = times(colour(dice, dice.pick(("wall", "grey", "earth", "light", "dark"))), dice(0.7, 1.1))
            top, scale, texture = (
                self.horizon - high,
                dice(0.5, 2.2) * SIDE / size,
                dice.pick(self.stock.of[dice.pick(("facade", "facade", "facade", "brick", "plain", "planks"))]),
            )
            row = self.strokes.quad(
                (x, top + tilt, x + wide, top - tilt, x + wide, self.horizon + 2, x, self.horizon + 2),
                tone,
                shade=(dice(-0.6, 0.6) / size, 0),
            )
            textured(row, texture, upright(dice, x, top, scale), dice(0.5, 1))
            if dice.one_in(0.4):
                low = self.horizon - size * dice(0.05, 0.15)
                shop = self.strokes.box(x, low, x + wide, self.horizon + 1, colour(dice, "dark"))
                self.surface(shop, "heap", 2, 0.7)
                self.strokes.box(
                    x, low - size * 0.03, x + wide, low, colour(dice, dice.pick(("vivid", "light", "cloth")))
                )
            x += wide * dice(0.9, 1.3)

    def on_ground(self, least: float = 0.02) -> tuple[float, float]:
        """Somewhere on the ground: its row, and how large things are there (picture sides per two metres or so)."""
        room = max(self.height - self.horizon, self.height * 0.1)
        below = room * (least + self.dice() ** 2 * 0.9)
        return self.horizon + below, below / room

    def path(self) -> None:
        """A road, a pavement or a path towards the horizon, or a strip of other ground across."""
        dice, width = self.dice, self.width
        tone = colour(dice, dice.pick(("grey", "grey", "earth", "grass", "light")))
        if dice.one_in(0.5):
            far, near = dice(0, 1) * width, dice(-0.5, 1.5) * width
            wide = width * dice(0.2, 1.2)
            corners: Sequence[float] = (
                far - wide * 0.02,
                self.horizon,
                far + wide * 0.02,
                self.horizon,
                near + wide,
                self.height + 9,
                near - wide,
                self.height + 9,
            )
        else:
            (a, _), (b, _) = self.on_ground(), self.on_ground()
            tilt = dice(-0.1, 0.1) * width
            corners = (
                -9,
                min(a, b) - tilt,
                width + 9,
                min(a, b) + tilt,
                width + 9,
                max(a, b) + 4 + tilt,
                -9,
                max(a, b) + 4 - tilt,
            )
        row = self.strokes.quad(corners, tone, 1)
        self.plane(row, dice.pick(("plain", "gravel", "brick")), 1, 0.4, 0)
        if dice.one_in(0.5):
            light = colour(dice, "light")
            x0, y0, x1, y1 = corners[6], corners[7], corners[0], corners[1]
            self.strokes.quad((x0, y0, x0 + width * 0.04, y0, x1 + 1, y1, x1, y1), light, 0.8, dice(0.5, 1))

    def shadows(self) -> None:
        dice = self.dice
        for _ in range(dice.whole(1, 5)):
            y, near = self.on_ground()
            self.strokes.ellipse(
                dice(0, self.width),
                y,
                self.size * dice(0.1, 0.5) * (near + 0.2),
                self.size * dice(0.02, 0.1) * (near + 0.1),
                (20, 24, 30),
                2 + 6 * near,
                dice(0.2, 0.6),
            )

    def fence(self) -> None:
        dice = self.dice
        y, near = self.on_ground()
        high, tone = (
            self.size * (0.05 + 0.4 * near) * dice(0.6, 1.2),
            colour(dice, dice.pick(("wood", "light", "dark", "grey"))),
        )
        left, right = (
            (-5.0, self.width + 5.0) if dice.one_in(0.6) else sorted((dice(0, self.width), dice(0, self.width)))
        )
        self.bars(left, y - high, right, y, dice.whole(6, 40), dice(0.1, 0.7), tone)
        for at in (0.1, 0.9, dice()):
            self.strokes.box(left, y - high * at - high * 0.04, right, y - high * at + high * 0.04, times(tone, 0.9))

    def car(self) -> None:
        dice = self.dice
        y, near = self.on_ground()
        long = self.size * (0.12 + 0.6 * near) * dice(0.7, 1.4)
        x, high, tone = (
            dice(-0.1, 1.1) * self.width,
            long * dice(0.14, 0.2),
            colour(dice, dice.pick(("cloth", "grey", "light", "dark", "vivid"))),
        )
        self.strokes.ellipse(x, y, long * 0.55, high * 0.25, (12, 12, 14), 2, 0.6)
        self.strokes.ellipse(x, y - high * 1.6, long * dice(0.25, 0.4), high * 0.9, times(tone, 0.9), 0.8, power=3.5)
        self.strokes.ellipse(x, y - high * 1.7, long * 0.27, high * 0.55, colour(dice, "dark"), 0.8, power=4)
        self.strokes.ellipse(x, y - high * 0.8, long * 0.5, high * 0.75, tone, 0.8, power=4, round_=0.4)
        for at in (-0.32, 0.32):
            self.strokes.ellipse(x + long * at, y - high * 0.2, high * 0.45, high * 0.45, (22, 22, 24))
            self.strokes.ellipse(x + long * at, y - high * 0.2, high * 0.2, high * 0.2, (130, 130, 132))
        self.strokes.ellipse(x - long * 0.46, y - high * 0.9, high * 0.14, high * 0.12, (245, 240, 220))

    def pole(self) -> None:
        dice = self.dice
        y, near = self.on_ground()
        x, high, thick = (
            dice(0, self.width),
            self.size * dice(0.2, 1),
            0.6 + self.size * (0.003 + 0.02 * near) * dice(0.3, 1),
        )
        lean = dice(-0.03, 0.03) * high
        self.strokes.capsule(
            (x, y),
            (x + lean, y - high),
            (thick, thick * 0.8),
            colour(dice, dice.pick(("grey", "dark", "wood", "light"))),
        )
        if dice.one_in(0.4):
            self.strokes.capsule(
                (x + lean, y - high),
                (x + lean + high * dice(-0.3, 0.3), y - high * dice(0.9, 1.1)),
                (thick, thick * 0.6),
                colour(dice, "grey"),
            )

    def trunk(self) -> None:
        dice = self.dice
        y, near = self.on_ground()
        x, thick = dice(0, self.width), self.size * (0.02 + 0.12 * near) * dice(0.5, 1)
        row = self.strokes.quad(
            (x - thick * 0.8, -9, x + thick * 0.8, -9, x + thick, y, x - thick, y),
            times(colour(dice, "wood"), dice(0.4, 0.9)),
            1,
            shade=(dice(-0.3, 0.3) / thick, 0),
        )
        self.surface(row, "gravel", 1.5, 0.9)
        for _ in range(dice.whole(0, 3)):
            at = dice() * y
            self.strokes.capsule(
                (x, at),
                (x + self.size * dice(-0.5, 0.5), at - self.size * dice(0, 0.3)),
                (thick * 0.3, thick * 0.1),
                times(colour(dice, "wood"), 0.5),
                1,
            )

    def tree(self) -> None:
        dice = self.dice
        y, near = self.on_ground()
        x, big = dice(0, self.width), self.size * (0.1 + 0.5 * near) * dice(0.5, 1)
        self.strokes.capsule(
            (x, y),
            (x + big * dice(-0.1, 0.1), y - big * 1.5),
            (big * 0.07, big * 0.05),
            times(colour(dice, "wood"), 0.5),
        )
        tone = colour(dice, "leaves")
        for _ in range(dice.whole(3, 7)):
            row = self.strokes.ellipse(
                x + big * dice(-0.5, 0.5),
                y - big * dice(1, 2),
                big * dice(0.3, 0.5),
                big * dice(0.25, 0.45),
                times(tone, dice(0.6, 1.3)),
                2,
                round_=0.4,
            )
            self.surface(row, "leaves", 1.2, 0.9)

    def bush(self) -> None:
        dice = self.dice
        y, near = self.on_ground()
        big, tone = self.size * (0.05 + 0.3 * near) * dice(0.5, 1), colour(dice, "leaves")
        x = dice(0, self.width)
        for _ in range(dice.whole(2, 6)):
            row = self.strokes.ellipse(
                x + big * dice(-1, 1),
                y - big * dice(0.1, 0.5),
                big * dice(0.3, 0.7),
                big * dice(0.3, 0.6),
                times(tone, dice(0.6, 1.2)),
                1.5,
                round_=0.5,
            )
            self.surface(row, "leaves", 1.2, 0.9)

    def sign(self) -> None:
        dice, size = self.dice, self.size
        x, y, wide, high = (
            dice(0, self.width),
            dice(0, self.height * 0.8),
            size * dice(0.04, 0.3),
            size * dice(0.03, 0.15),
        )
        row = self.strokes.box(x, y, x + wide, y + high, (128, 128, 128))
        self.surface(row, "letters", dice(1.5, 4), 1)

    # sports

    def sport(self) -> None:
        """A pitch, a court or a hall, with lines, hoardings and stands."""
        dice, size = self.dice, self.size
        outside = dice.one_in(0.6)
        if outside:
            self.sky()
            self.trees()
        else:
            self.surface(
                self.strokes.box(
                    -9, -9, self.width + 9, self.horizon + 2, colour(dice, dice.pick(("grey", "wall", "dark")))
                ),
                "plain",
                1,
                0.4,
            )
        if dice.one_in(0.6):
            high = size * dice(0.15, 0.8)
            top = self.horizon - high
            row = self.strokes.quad(
                (
                    -9,
                    top + dice(-0.2, 0.2) * high,
                    self.width + 9,
                    top,
                    self.width + 9,
                    self.horizon + 2,
                    -9,
                    self.horizon + 2,
                ),
                times((128, 128, 128), dice(0.5, 1.1)),
            )
            self.surface(row, "crowd", dice(0.7, 2.5), dice(0.4, 1), 0)
        for _ in range(dice.whole(0, 2)):
            high = size * dice(0.03, 0.14)
            row = self.strokes.box(
                -9 if dice.one_in(0.7) else self.width * dice(),
                self.horizon - high,
                self.width + 9,
                self.horizon + 2,
                colour(dice, dice.pick(("dark", "grass", "vivid", "cloth", "water"))),
            )
            self.surface(row, "letters", dice(1.5, 4), dice(0, 0.8))
        material, kind, scale, strength = dice.pick(
            (
                ("grass", "grass", 1.0, 0.6),
                ("grass", "grass", 0.6, 0.8),
                ("gravel", "earth", 1.0, 0.5),
                ("plain", "water", 1.0, 0.25),
                ("planks", "wood", 0.7, 0.5),
                ("plain", "grass", 0.7, 0.3),
                ("plain", "cloth", 1.0, 0.25),
                ("plain", "light", 0.6, 0.25),
                ("water", "water", 1, 0.9),
            )
        )
        self.ground(material, kind, scale, strength, dice(0, 3))
        if material != "water":
            light, wide = colour(dice, "light"), dice(0.01, 0.05)
            for _ in range(dice.whole(1, 5)):
                self.line(light, wide)
        if dice.one_in(0.3):
            self.net()

    def line(self, light: Colour, wide: float) -> None:
        """A line on the ground, towards the horizon or across, as wide as it is far or near."""
        dice, width = self.dice, self.width
        if dice.one_in(0.5):
            far, near, wide = dice() * width, dice(-0.7, 1.7) * width, wide * width
            self.strokes.quad(
                (far, self.horizon, far + 0.5, self.horizon, near + wide, self.height, near - wide, self.height),
                light,
                0.6,
                dice(0.6, 1),
            )
        else:
            (y, near), tilt = self.on_ground(), dice(-0.3, 0.3)
            thick = max(0.5, wide * 0.4 * self.size * near)
            down = tilt * width * near
            self.strokes.quad(
                (-9, y - thick - down, width + 9, y - thick + down, width + 9, y + thick + down, -9, y + thick - down),
                light,
                0.6,
                dice(0.6, 1),
            )

    def net(self) -> None:
        dice = self.dice
        y, near = self.on_ground()
        high, tone = self.size * (0.05 + 0.35 * near), colour(dice, dice.pick(("dark", "light")))
        row = self.strokes.box(-9, y - high, self.width + 9, y, tone, 0.6, dice(0.2, 0.5))
        self.surface(row, "brick", 2, 0.5)
        self.strokes.box(-9, y - high - 1, self.width + 9, y - high + 1 + high * 0.06, colour(dice, "light"))

    # without a place

    def studio(self) -> None:
        """Paper or cloth that is lit from somewhere."""
        dice = self.dice
        tone = colour(dice, dice.pick(("light", "grey", "dark", "wall", "cloth")))
        self.surface(
            self.strokes.box(
                -9,
                -9,
                self.width + 9,
                self.height + 9,
                tone,
                shade=(dice(-0.4, 0.4) / self.size, dice(-0.4, 0.4) / self.size),
            ),
            dice.pick(("plain", "curtain", "plain")),
            dice(0.2, 0.6),
            dice(0, 0.4),
        )
        self.strokes.ellipse(
            dice() * self.width,
            dice() * self.height,
            self.size * 0.5,
            self.size * 0.5,
            times(tone, 1.3),
            self.size * 0.3,
            dice(0, 0.6),
        )
        if dice.one_in(0.5):
            self.strokes.box(
                -9,
                self.horizon + self.size * 0.1,
                self.width + 9,
                self.height + 9,
                times(tone, dice(0.6, 1.1)),
                dice(1, 15),
                1,
            )

    def heaps(self) -> None:
        """Things over things, near and large or far and many."""
        dice = self.dice
        row = self.strokes.box(-9, -9, self.width + 9, self.height + 9, times((128, 128, 128), dice(0.8, 1.3)))
        self.surface(
            row,
            dice.pick(("heap", "heap", "heap", "crowd", "leaves", "shelves")),
            dice(0.25, 1.4),
            dice(0.5, 1),
            dice.pick((0.0, dice(0, 6))),
        )
        if dice.one_in(0.5):
            self.things(dice.whole(1, 8))

    def clutter(self) -> None:
        """Large shapes of cloth, wood and plaster, and many smaller ones."""
        dice = self.dice
        row = self.strokes.box(
            -9,
            -9,
            self.width + 9,
            self.height + 9,
            colour(dice, dice.pick(("wall", "grey", "dark", "wood", "leaves"))),
            shade=(dice(-0.4, 0.4) / self.size, 0),
        )
        self.surface(
            row, dice.pick(("plain", "brick", "heap", "cloth", "leaves", "planks")), dice(0.3, 1.2), dice(0, 0.8)
        )
        for _ in range(dice.whole(2, 6)):
            self.slab(self.size * dice(0.15, 0.7), dice(0.6, 2.5))
        self.things(dice.whole(2, 14))

    def slab(self, size: float, soft: float) -> None:
        """A large piece of something, lying anyhow."""
        dice = self.dice
        x, y, turn = dice() * self.width, dice() * self.height, dice(0, 3.1) if dice.one_in(0.6) else 0.0
        a, b = (
            size * np.array((np.cos(turn), np.sin(turn))),
            size * dice(0.2, 1) * np.array((-np.sin(turn), np.cos(turn))),
        )
        tone = colour(dice, dice.pick(("cloth", "wood", "grey", "light", "dark", "wall", "leaves")))
        if dice.one_in(0.6):
            corners = [
                v
                for p, q in ((-1, -1), (1, -1), (1, 1), (-1, 1))
                for v in (x + p * a[0] + q * b[0] * dice(0.7, 1.1), y + p * a[1] + q * b[1] * dice(0.7, 1.1))
            ]
            row = self.strokes.quad(corners, tone, soft, 1, (dice(-0.4, 0.4) / size, dice(-0.4, 0.4) / size))
        else:
            row = self.strokes.ellipse(x, y, size, size * dice(0.3, 1), tone, soft, 1, turn, dice(2, 4), dice(0, 0.6))
        self.surface(
            row,
            dice.pick(("plain", "grain", "cloth", "brick", "curtain", "heap", "letters", "leaves")),
            dice(0.5, 1.5),
            dice(0, 0.9),
            turn,
        )

    def things(self, count: int) -> None:
        """Small things anywhere, such as might be taken for heads and limbs."""
        dice = self.dice
        for _ in range(count):
            self.thing(dice() * self.width, dice() * self.height, self.size * dice(0.02, 0.14))

    def thing(self, x: float, y: float, big: float, soft: float = 0.7) -> None:
        """A ball, bottle, rod, limb-like thing, box or sheet of writing that stands at x, y."""
        dice = self.dice
        what = dice()
        tone = times(
            colour(dice, dice.pick(("cloth", "cloth", "dark", "light", "wood", "vivid", "grey"))), dice(0.6, 1.05)
        )
        if what < 0.2:
            self.strokes.ellipse(x, y - big, big * dice(0.5, 1), big, tone, soft, power=dice(2, 3), round_=dice(0, 0.7))
        elif what < 0.35:
            self.strokes.box(
                x - big * 0.3, y - big * 1.4, x + big * 0.3, y, tone, soft, shade=(dice(-0.5, 0.5) / big, 0)
            )
            self.strokes.box(x - big * 0.12, y - big * 1.9, x + big * 0.12, y - big * 1.3, tone, soft)
        elif what < 0.6:
            angle, long = dice(0, 6.3), big * dice(1, 4)
            elbow = (x + long * np.cos(angle), y + long * np.sin(angle))
            skin = times(colour(dice, "skin"), dice(0.6, 1)) if dice.one_in(0.5) else tone
            thick = big * dice(0.08, 0.4)
            self.strokes.capsule((x, y), elbow, (thick, thick * dice(0.6, 1)), skin, soft)
            if dice.one_in(0.4):
                angle += dice(-1.5, 1.5)
                self.strokes.capsule(
                    elbow,
                    (elbow[0] + long * np.cos(angle), elbow[1] + long * np.sin(angle)),
                    (thick * 0.8, thick * 0.6),
                    skin,
                    soft,
                )
        elif what < 0.85:
            turn = dice(-0.4, 0.4)
            c, s, w, h = np.cos(turn), np.sin(turn), big * dice(0.4, 1.2), big * dice(0.3, 1)
            row = self.strokes.quad(
                (
                    x - w * c,
                    y - w * s,
                    x + w * c,
                    y + w * s,
                    x + w * c + h * s,
                    y + w * s - h * c,
                    x - w * c + h * s,
                    y - w * s - h * c,
                ),
                tone,
                soft,
                1,
                (0, dice(-0.5, 0.5) / big),
            )
            if dice.one_in(0.4):
                self.surface(row, dice.pick(("letters", "cloth", "heap")), dice(2, 4), dice(0.3, 1))
        else:
            for _ in range(4):
                row = self.strokes.ellipse(
                    x + big * dice(-0.7, 0.7),
                    y - big * dice(0, 1.5),
                    big * dice(0.2, 0.5),
                    big * dice(0.2, 0.5),
                    times(colour(dice, "leaves"), dice(0.6, 1.3)),
                    soft,
                )
                self.surface(row, "leaves", 1.5, 0.9)

    # before the people

    def foreground(self) -> None:
        """One thing, or two, that hide parts of people."""
        dice = self.dice
        soft = 0.7 if dice.one_in(0.6) else dice(1, 6) * self.size / 193
        what = dice()
        if what < 0.45:
            self.table(soft)
        elif what < 0.55:
            self.railing(soft)
        elif what < 0.7:
            self.edge(soft)
        else:
            for _ in range(dice.whole(1, 3)):
                self.thing(dice() * self.width, dice(0.2, 1.2) * self.height, self.size * dice(0.04, 0.16), soft)

    def table(self, soft: float) -> None:
        """A table or desk from below, with things on it."""
        dice, width, height = self.dice, self.width, self.height
        top, tilt = height * dice(0.7, 0.97), dice(-0.04, 0.04) * height
        tone = colour(dice, dice.pick(("wood", "wood", "light", "grey", "dark", "cloth")))
        left, right = (-9.0, width + 9.0) if dice.one_in(0.6) else (dice(-0.2, 0.4) * width, dice(0.6, 1.2) * width)
        row = self.strokes.quad(
            (
                left + dice(0, 0.1) * width,
                top - tilt,
                right - dice(0, 0.1) * width,
                top + tilt,
                right,
                height + 9,
                left,
                height + 9,
            ),
            tone,
            soft,
            shade=(dice(-0.4, 0.4) / width, dice(-0.6, 0.6) / height),
        )
        self.surface(
            row,
            dice.pick(("grain", "plain", "cloth", "planks", "plain", "heap")),
            dice(0.4, 1),
            dice(0, 0.7),
            dice.pick((0.0, 1.57)),
        )
        for _ in range(dice.whole(0, 4)):
            self.thing(dice(0, 1) * width, dice(top, height), self.size * dice(0.03, 0.12), soft)

    def railing(self, soft: float) -> None:
        dice = self.dice
        tone, top, bottom = (
            colour(dice, dice.pick(("grey", "dark", "light", "wood"))),
            self.height * dice(0.4, 0.85),
            self.height + 9,
        )
        self.bars(-5, top, self.width + 5, bottom, dice.whole(3, 12), dice(0.08, 0.3), tone, True, soft)
        self.strokes.box(-9, top, self.width + 9, top + self.size * dice(0.015, 0.05), times(tone, 1.1), soft)

    def edge(self, soft: float) -> None:
        """Something large and near that reaches in from a side: a post, a back, a plant, a door."""
        dice, width, height = self.dice, self.width, self.height
        reach, tone = (
            width * dice(0.05, 0.25),
            times(colour(dice, dice.pick(("dark", "cloth", "wood", "leaves", "grey"))), dice(0.5, 1)),
        )
        x = 0.0 if dice.one_in(0.5) else float(width)
        if dice.one_in(0.5):
            row = self.strokes.quad(
                (x - reach, -9, x + reach, -9, x + reach * dice(0.6, 1.3), height + 9, x - reach, height + 9),
                tone,
                soft,
                shade=(dice(-0.5, 0.5) / width, 0),
            )
        else:
            row = self.strokes.ellipse(
                x, height * dice(0.4, 1.1), reach, height * dice(0.2, 0.5), tone, soft, power=dice(2, 4), round_=0.4
            )
        self.surface(row, dice.pick(("plain", "cloth", "leaves", "grain", "curtain")), dice(0.4, 1), dice(0.1, 0.9))
