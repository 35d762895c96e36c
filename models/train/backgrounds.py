"""Random backgrounds and foregrounds for training scenes: rooms, streets, pitches, studios and clutter.

They need not be beautiful. But a network that learns to find people before them must later find people in photos, so
their brightness, colours and edges resemble those of photos, and many of their shapes resemble heads and limbs.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from numba import njit

from models.train.landscapes import Outdoors, SportsGround
from models.train.material import TextureStock
from models.train.palette import Dice, Floats, scale_colour
from models.train.place import Place
from models.train.rooms import Room
from models.train.stroke_kernel import NO_MASK, paint
from models.train.strokes import Brush, Bytes

MAX_COVERED_SHARE: Final = 0.35
"""Largest share of a picture that objects in front of people cover. More would hide too much to learn from."""
BLUR_REFERENCE_SIDE: Final = 193
"""Blur is given in pixels of a picture whose longer side has this many pixels, and grows with the picture."""


class BackdropPainter:
    """Paints backdrops with a stock of textures, which takes seconds to make."""

    def __init__(self, seed: int) -> None:
        self._stock = TextureStock(np.random.default_rng(seed))

    def paint(self, rng: np.random.Generator, width: int, height: int, horizon: float | None) -> Floats:
        """Return a random backdrop (H×W×3 float32, 0–255).

        `horizon` is the row where the ground meets the sky, or where the floor vanishes. It is in pixels and may be
        outside the picture; None chooses it at random.
        """
        dice = Dice(rng)
        blur = 0.0 if dice.happens(0.5) else dice() ** 2 * 3 * max(width, height) / BLUR_REFERENCE_SIDE
        # A backdrop that will be blurred is painted at half the size, with a quarter of the work.
        small = 2 if blur > 1.2 else 1
        wide, high = -(-width // small), -(-height // small)
        row = high * dice(0.1, 0.75) if horizon is None else horizon / small
        place = _choose_kind(dice())(dice, self._stock, wide, high, row)
        place.compose()
        if dice.happens(0.35):
            place.add_light_patches()
        canvas = np.full((high, wide, 3), 90, np.float32)
        paint(canvas, NO_MASK, NO_MASK, place.strokes.rows(), self._stock.texels)
        if blur > 0.3:
            cv2.GaussianBlur(canvas, (0, 0), max(blur / small, 0.3), dst=canvas)
        _apply_uneven_light(dice, canvas)
        if small == 2:
            return cv2.resize(canvas, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32, copy=False)
        return canvas

    def occlude(self, rng: np.random.Generator, image: Floats, protected: Bytes | None) -> npt.NDArray[np.bool_]:
        """Paint objects in front of the people into `image` (H×W×3, 0–255), in place.

        Nothing is painted where `protected` (H×W) is not 0. Returns which pixels are covered (H×W), 35 % of them at
        most.
        """
        dice = Dice(rng)
        height, width = image.shape[:2]
        for _ in range(3):
            place = Foreground(dice, self._stock, width, height, height * 0.5)
            place.compose()
            cover, work = np.zeros((height, width), np.uint8), image.copy()
            paint(work, cover, NO_MASK if protected is None else protected, place.strokes.rows(), self._stock.texels)
            if cover.mean() <= MAX_COVERED_SHARE:
                image[:] = work
                return cover.view(np.bool_)
        return np.zeros((height, width), np.bool_)


class Studio(Place):
    """A wall of paper or cloth, lit from one side."""

    def compose(self) -> None:
        """Add the cloth, a light on it, and sometimes the floor."""
        dice, size, tone = self.dice, self.size, self.tone("light", "grey", "dark", "wall", "cloth")
        self.set_material(self.fill(tone), dice.pick(("plain", "curtain", "plain")), dice(0.2, 0.6), dice(0, 0.6))
        spot = (dice() * self.width, dice() * self.height, size * 0.5, size * 0.5)
        self.strokes.ellipse(spot, Brush(scale_colour(tone, 1.4), size * 0.3, dice(0, 0.7)))
        if dice.happens(0.5):
            top, floor = self.horizon + size * 0.1, scale_colour(tone, dice(0.6, 1.1))
            self.strokes.box(-9, top, self.width + 9, self.height + 30, Brush(floor, dice(1, 15)))


class Heaps(Place):
    """Objects on top of objects: near and large, or far and many."""

    def compose(self) -> None:
        """Fill the picture with a texture of objects, and add a few objects."""
        dice, name = self.dice, self.dice.pick(("heap", "heap", "heap", "heap", "crowd", "leaves", "shelves", "facade"))
        tone = self.tone("leaves", "grass") if name == "leaves" else scale_colour((128, 128, 128), dice(0.8, 1.3))
        scale = dice(1.3, 3) if name == "crowd" else dice(0.25, 1.0)
        self.set_material(
            self.fill(tone), name, scale, dice(0.6, 1), 0.0 if name == "crowd" else dice.pick((0.0, dice(0, 6)))
        )
        if dice.happens(0.6):
            self.things(dice.integer(1, 8))


class Clutter(Place):
    """Large pieces of cloth, wood and plaster, and many small objects."""

    def compose(self) -> None:
        """Add a background, large pieces, and small objects."""
        dice = self.dice
        name = dice.pick(("plain", "brick", "heap", "cloth", "leaves", "planks"))
        self.set_material(
            self.fill(self.tone("wall", "grey", "dark", "wood", "leaves")), name, dice(0.3, 1.2), dice(0.2, 1)
        )
        for _ in range(dice.integer(3, 8)):
            self.slab(self.size * dice(0.12, 0.6), dice(0.6, 2.5))
        self.things(dice.integer(3, 16))


class Foreground(Place):
    """One object, or a few, that hide parts of people."""

    def compose(self) -> None:
        """Add a table at the bottom most often, else a railing, something near at one side, or a few objects."""
        dice, draw = self.dice, self.dice()
        soft = 0.7 if dice.happens(0.6) else dice(1, 6) * self.size / BLUR_REFERENCE_SIDE
        if draw < 0.45:
            self.table(soft)
        elif draw < 0.55:
            self.railing(soft)
        elif draw < 0.7:
            self.edge(soft)
        else:
            for _ in range(dice.integer(1, 3)):
                self.thing(dice() * self.width, dice(0.2, 1.2) * self.height, self.size * dice(0.04, 0.16), soft)

    def table(self, soft: float) -> None:
        """Add a table or desk at the bottom, with objects on it."""
        dice, width, height = self.dice, self.width, self.height
        top, tilt, inset, bottom = (
            height * dice(0.7, 0.97),
            dice(-0.04, 0.04) * height,
            dice(0, 0.1) * width,
            height + 9,
        )
        left, right = (-9.0, width + 9.0) if dice.happens(0.6) else (dice(-0.2, 0.4) * width, dice(0.6, 1.2) * width)
        spot = (left + inset, top - tilt, right - inset, top + tilt, right, bottom, left, bottom)
        tone = self.tone("wood", "wood", "light", "grey", "dark", "cloth")
        row = self.strokes.quad(spot, Brush(tone, soft, shade=self.shade(0.4, 0.6)))
        name = dice.pick(("grain", "plain", "cloth", "planks", "plain", "heap", "carpet"))
        self.set_material(row, name, dice(0.4, 1), dice(0.1, 0.9), dice.pick((0.0, 1.57)))
        if dice.happens(0.4):
            self.strokes.box(
                left, top + height * 0.04, right, top + height * 0.06, Brush(scale_colour(tone, 0.5), soft)
            )
        for _ in range(dice.integer(0, 5)):
            self.thing(dice(0, 1) * width, dice(top, height), self.size * dice(0.03, 0.12), soft)

    def railing(self, soft: float) -> None:
        """Add a railing, a fence or the back of a chair."""
        dice, top = self.dice, self.height * self.dice(0.4, 0.85)
        tone = self.tone("grey", "dark", "light", "wood")
        self.bars((-5, top, self.width + 5, self.height + 9), dice.integer(3, 12), dice(0.08, 0.3), tone, soft)
        self.strokes.box(
            -9, top, self.width + 9, top + self.size * dice(0.015, 0.05), Brush(scale_colour(tone, 1.1), soft)
        )

    def edge(self, soft: float) -> None:
        """Add something large and near that reaches in from one side: a post, a back, a plant, a door."""
        dice, width, height = self.dice, self.width, self.height
        reach, x = width * dice(0.05, 0.25), 0.0 if dice.happens(0.5) else float(width)
        tone = scale_colour(self.tone("dark", "cloth", "wood", "leaves", "grey"), dice(0.5, 1))
        if dice.happens(0.5):
            corner = x + reach * dice(0.6, 1.3), height + 9
            row = self.strokes.quad(
                (x - reach, -9, x + reach, -9, *corner, x - reach, height + 9),
                Brush(tone, soft, shade=self.shade(0.5, 0)),
            )
        else:
            spot, power = (x, height * dice(0.4, 1.1), reach, height * dice(0.2, 0.5)), dice.pick((2, 4))
            row = self.strokes.ellipse(spot, Brush(tone, soft), power=power, roundness=0.4)
        self.set_material(
            row, dice.pick(("plain", "cloth", "leaves", "grain", "curtain")), dice(0.4, 1), dice(0.1, 0.9)
        )


BACKDROP_KINDS: Final[tuple[tuple[float, type[Place]], ...]] = (
    (0.28, Room), (0.51, Outdoors), (0.64, SportsGround), (0.69, Studio), (0.83, Heaps), (1.0, Clutter),
)  # fmt: skip
"""The kinds of backdrops. Each is chosen when a random draw from 0 to 1 is below its number and not below the one
before."""


def _choose_kind(draw: float) -> type[Place]:
    return next(kind for below, kind in BACKDROP_KINDS if draw < below)


def _apply_uneven_light(dice: Dice, canvas: Floats) -> None:
    """Light the picture unevenly and with a slight tint, and give it about the brightness and contrast of photos."""
    sample = canvas[::5, ::5]
    mean, spread = float(sample.mean()), float(sample.std())
    target_mean = 113 + 58 * (dice() + dice() + dice() - 1.5)
    gain = (max(target_mean, 25) / max(mean, 20)) ** 0.6
    contrast = min(max(((38 + 40 * dice()) / max(spread, 1) / gain) ** 0.6, 0.8), 1.5)
    corners = (
        1 + (dice.array(12) - 0.5) * np.float32(0.12) + np.repeat(dice.array(4) - 0.5, 3) * np.float32(dice(0, 0.7))
    )
    _scale_brightness(canvas, (corners * gain).reshape(4, 3).astype(np.float32), mean, contrast)


@njit(cache=True, nogil=True, fastmath=True)
def _scale_brightness(canvas: Floats, corners: Floats, mean: float, contrast: float) -> None:
    """Stretch colours around their mean, then multiply them by light interpolated between four corners (4×3)."""
    height, width = canvas.shape[0], canvas.shape[1]
    left, step = np.zeros(3, np.float32), np.zeros(3, np.float32)
    zero, full, stretch, offset = (
        np.float32(0),
        np.float32(255),
        np.float32(contrast),
        np.float32((1 - contrast) * mean),
    )
    for y in range(height):
        t = np.float32(y / max(height - 1, 1))
        for c in range(3):
            left[c] = corners[0, c] + t * (corners[2, c] - corners[0, c])
            step[c] = (corners[1, c] + t * (corners[3, c] - corners[1, c]) - left[c]) / max(width - 1, 1)
        for x in range(width):
            for c in range(3):
                light = left[c] + step[c] * np.float32(x)
                canvas[y, x, c] = min(max((offset + stretch * canvas[y, x, c]) * light, zero), full)
