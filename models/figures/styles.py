"""Styles of illustration: how light becomes colour, whether there are contours, and how the background changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from models.figures.look import Colour, Look
from models.pose import Image

Numbers = npt.NDArray[np.float64]
ByteTable = Image
"""256 bytes, one for each value of a byte."""


@dataclass(frozen=True, slots=True, eq=False)
class Style:
    """How a picture is illustrated.

    `light` is the direction of the light (3, of unit length, in the camera's axes). `tone` is a surface's brightness by
    the cosine between its normal and the light (-1 to 1 in 256 steps); `steps` maps that brightness, once surroundings
    have darkened it, to the final one. `shade` is the share of a colour that is left in full shade; `rims` is the light
    added along the outlines, on the light's side and on the other.

    `line_colour` is the colour of contours (None: no contours), and `line_width` their width in thousandths of a
    person's height. `layer_gap` is the distance between layers of cut paper, as a share of a person's height. `shadow`
    is the darkness of shadows on the floor; in a `crisp` style they have sharp edges.
    """

    light: tuple[float, float, float]
    tone: ByteTable
    steps: ByteTable
    shade: tuple[float, float, float] = (0.60, 0.56, 0.68)
    rims: tuple[Colour, Colour] = ((40, 40, 40), (0, 0, 0))
    line_colour: Colour | None = None
    line_width: float = 0.0
    layer_gap: float = 0.0
    shadow: float = 0.45
    crisp: bool = False


def _table(values: Numbers) -> ByteTable:
    """Convert 256 shares from 0 to 1 to bytes."""
    return (np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)


def _smooth(low: float, high: float) -> ByteTable:
    """Return a brightness that rises smoothly between two cosines."""
    share = np.clip((np.linspace(-1, 1, 256) - low) / (high - low), 0, 1)
    return _table(share * share * (3 - 2 * share))


def _stepped(*edges: float) -> ByteTable:
    """Return a brightness in equal steps, which begin at the given shares of the light."""
    steps = [np.clip((np.linspace(0, 1, 256) - edge) * 40 + 0.5, 0, 1) for edge in edges]
    return _table(np.sum(steps, axis=0) / len(edges))


_AS_IS: Final = np.arange(256, dtype=np.uint8)
_LEFT: Final = (-0.42, 0.55, 0.722)
"""The direction to the upper left, in front of the figure."""

SOFT: Final = Style(light=_LEFT, tone=_smooth(-0.20, 0.60), steps=_AS_IS)
"""Light and shade as on clay."""
POSTER: Final = Style(
    light=(-0.62, 0.52, 0.587), tone=_smooth(-0.8, 0.9), steps=_stepped(0.22, 0.46, 0.86), shade=(0.44, 0.38, 0.52),
    rims=((0, 0, 0), (0, 0, 0)), shadow=0.40, crisp=True,
)  # fmt: skip
"""Flat colours in light and shade, as if printed with few inks."""
INK: Final = Style(
    light=_LEFT, tone=_smooth(-0.5, 0.7), steps=_AS_IS, shade=(0.50, 0.47, 0.60), rims=((30, 30, 30), (0, 0, 0)),
    line_colour=(44, 38, 46), line_width=2.0, shadow=0.28,
)  # fmt: skip
"""Pen and wash on paper."""
PAPER: Final = Style(
    light=_LEFT, tone=_smooth(-0.5, 0.8), steps=_table(0.1 + 0.9 * _stepped(0.15, 0.35, 0.6, 0.85) / 255),
    shade=(0.52, 0.48, 0.58), rims=((50, 50, 46), (0, 0, 0)), layer_gap=0.012, shadow=0.34, crisp=True,
)  # fmt: skip
"""Layers of coloured paper, each with a shadow on the next."""
NIGHT: Final = Style(
    light=(-0.80, 0.45, 0.397), tone=_smooth(-0.5, 0.9), steps=_AS_IS, shade=(0.34, 0.34, 0.52),
    rims=((120, 74, 40), (18, 76, 150)), shadow=0.5,
)  # fmt: skip
"""Night, with warm light from one side and cold light from the other."""

PAPER_WHITE: Final[Colour] = (250, 245, 234)

MIN_CONTRAST: Final = 80
"""Least difference of a top's colour from the skin's, over red, green and blue: less looks like an arm in two colours.
"""

Palette = tuple[Colour, ...]
"""Four colours from dark to light, then two that contrast with them."""

PALETTES: Final[tuple[Palette, ...]] = (
    ((31, 42, 68), (72, 104, 138), (168, 196, 200), (245, 232, 208), (232, 106, 74), (244, 178, 80)),
    ((58, 36, 60), (146, 74, 94), (236, 150, 122), (252, 226, 190), (42, 128, 132), (246, 196, 92)),
    ((24, 62, 66), (52, 122, 112), (150, 194, 156), (240, 238, 210), (226, 92, 78), (250, 190, 84)),
    ((60, 46, 40), (150, 104, 70), (222, 180, 126), (250, 238, 214), (40, 98, 128), (204, 72, 56)),
    ((40, 36, 78), (98, 88, 158), (184, 170, 214), (246, 232, 236), (246, 140, 96), (70, 168, 168)),
    ((36, 48, 54), (98, 122, 122), (190, 200, 186), (246, 240, 226), (214, 70, 84), (240, 168, 62)),
    ((20, 56, 92), (44, 122, 172), (140, 202, 222), (244, 244, 230), (250, 188, 64), (230, 88, 84)),
    ((72, 32, 42), (174, 70, 64), (240, 152, 100), (254, 232, 196), (34, 92, 104), (128, 170, 120)),
)  # fmt: skip


def recolour_clothes(look: Look, palette: Palette, rng: np.random.Generator, style: Style) -> Look:
    """Return the look in a picture's colours: mostly contrasting ones above, quiet ones below.

    A crisp style gives the quiet colours to the background, so nothing above has one there.
    """
    dark, middle, pale, light, first, second = palette
    tops = [first, second, light, pale, middle]
    number = int(rng.choice(5, p=(0.55, 0.45, 0, 0, 0) if style.crisp else (0.34, 0.26, 0.18, 0.10, 0.12)))
    top = tops[number] if _differ(tops[number], look.skin) else tops[1 - number % 2]
    bottoms = [colour for colour in (dark, middle, pale, light) if colour != top]
    bottom = bottoms[int(rng.choice(3, p=(0.6, 0.25, 0.15)))]
    stripes = light if look.stripes and top != light else second if look.stripes else None
    look = replace(look, prop_colours=((first, light), (second, dark), (middle, light))[int(rng.integers(3))])
    belted = look.belt is not None and look.top == look.bottom
    if belted:  # a suit keeps its white
        return replace(look, belt=first)
    return replace(look, top=top, bottom=bottom, stripes=stripes, hat=second if top != second else first)


def _differ(first: Colour, second: Colour) -> bool:
    """Return whether a sleeve of one colour has a visible edge on an arm of the other."""
    return sum(abs(a - b) for a, b in zip(first, second, strict=True)) >= MIN_CONTRAST


def style_background(style: Style, picture: Image, palette: Palette, rng: np.random.Generator) -> Image:
    """Return the background in a style, H×W×3."""
    if style is POSTER:
        return _map_to_palette(picture, palette[:4], sharp=True)
    if style is PAPER:
        return _mix_images(_map_to_palette(picture, palette[:4], sharp=True), picture, 0.45)
    if style is NIGHT:
        night = tuple((round(r * 0.30), round(g * 0.30), round(b * 0.42 + 8)) for r, g, b in palette[:4])
        return _mix_images(_map_to_palette(picture, (*night[:3], palette[1]), sharp=False), picture, 0.16)
    if style is INK:
        return _apply_wash(picture, rng)
    return picture


def _map_to_palette(picture: Image, colours: Palette, sharp: bool) -> Image:
    """Map the picture's brightness to colours from dark to light, evenly or (`sharp`) in steps."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    at = np.linspace(-0.35, len(colours) - 0.75, 256)
    if sharp:
        steps = np.linspace(0, len(colours) - 1, 2 * len(colours) - 1)
        at = steps[np.abs(at[:, None] - steps).argmin(1)]
    table = np.stack([np.interp(at, range(len(colours)), [c[i] for c in colours]) for i in range(3)], axis=1)
    return np.asarray(cv2.LUT(cv2.merge([grey] * 3), (table + 0.5).astype(np.uint8)[None]), np.uint8)


def _mix_images(first: Image, second: Image, share: float) -> Image:
    return np.asarray(cv2.addWeighted(first, 1 - share, second, share, 0), np.uint8)


def _apply_wash(picture: Image, rng: np.random.Generator) -> Image:
    """Return the picture as a pale wash that leaves the paper bare at its edges."""
    height, width = picture.shape[:2]
    small = (width // 4, height // 4)
    rough = cv2.resize(rng.random((9, 13)).astype(np.float32), small, interpolation=cv2.INTER_CUBIC)
    finer = cv2.resize(rng.random((23, 31)).astype(np.float32), small, interpolation=cv2.INTER_CUBIC)
    rough = np.asarray(cv2.addWeighted(rough, 1, finer, 0.4, 0), np.float32)
    x, y = np.linspace(-1, 1, small[0], dtype=np.float32), np.linspace(-1, 1, small[1], dtype=np.float32)[:, None]
    border = np.maximum(np.abs(x), np.abs(y)) ** 4
    amount = np.clip((1.25 - border * 1.15 - rough * 0.42) * 5, 0, 1) * (0.66 - 0.16 * rough)
    share = cv2.resize(amount, (width, height), interpolation=cv2.INTER_LINEAR)[..., None]
    paper = np.array(PAPER_WHITE, np.float32)
    return np.asarray(paper + (picture - paper) * share + np.float32(0.5)).astype(np.uint8)
