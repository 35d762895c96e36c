"""Drawings of hints: what to do, understood without a word.

Each is a tile like a small mirror with a person in it. What moves or shines is amber, as hints are; the person has the
colours of every drawn figure. Where somebody has to step back or come closer they are seen from the side, in front of
the mirror, because a person who only grows or shrinks tells nothing of the direction.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
import pygame

from device.display.draw import SUBPIXEL_BITS, border, rounded_rect
from device.display.figure import draw_figure
from device.display.layout import Size
from device.display.lettering import TextRenderer
from device.display.line_breaks import break_units
from device.display.style import AMBER, CORNER, INK, MIDDLE, MIN_TEXT_SIZE, SLATE, WHITE, Colour
from models.pose import Image, Pose

Points: TypeAlias = npt.NDArray[np.float64]

SIDE: Final = 480
"""Pixels of the square on which all is drawn before it is shrunk, so that edges are smooth."""

LETTERS: Final = 0.46
"""Size of a hint's letters, as a share of its card's height: two lines fit. Longer words are smaller."""

ARM_LENGTHS: Final = (0.175, 0.15)
LEG_LENGTHS: Final = (0.24, 0.235)
"""Lengths of upper and lower arms and legs in body heights."""

HANGING: Final = (14, 8)
STANDING: Final = (5, 2)
"""Degrees, outwards from hanging down: an arm's or a leg's upper and lower bone."""

STROKE: Final = 0.045
"""Width of arrows and rays, as a share of the tile's side."""

FROM_THE_SIDE: Final = np.array(
    [(-.075, .075), (-.06, .055), (-.062, .055), (.005, .07), (.0, .07), (.005, .2), (-.005, .2), (.03, .355),
     (-.05, .36), (-.01, .48), (-.12, .46), (.01, .49), (-.01, .49), (.045, .7), (-.07, .715), (.12, .93), (-.08, .95)],
)  # fmt: skip
"""Somebody who walks to the left, in body heights from the top of the head."""


def hint_card(text: TextRenderer, words: str, drawing: str, size: Size, rtl: bool) -> pygame.Surface:
    """Render a hint as a card of this height, and of this width at most: its drawing, and then its words."""
    width, height = size
    padding = max(2, round(height * 0.08))
    picture = hint_drawing(drawing, max(height - 2 * padding, 8))
    room = max(width - picture.get_width() - 4 * padding, 2 * padding)
    letters = max(round(height * LETTERS), MIN_TEXT_SIZE)
    while letters > MIN_TEXT_SIZE and not _fits(text, words, letters, room):
        letters = max(int(letters * 0.92), MIN_TEXT_SIZE)
    block = text.render_block(words, letters, room, max_lines=2)
    card = rounded_rect((picture.get_width() + block.get_width() + 4 * padding, height), padding, alpha=0.8).copy()
    card.blit(picture, (card.get_width() - picture.get_width() - padding if rtl else padding, padding))
    left = 2 * padding if rtl else picture.get_width() + 2 * padding
    card.blit(block, (left, (height - block.get_height()) // 2))
    return card


def _fits(text: TextRenderer, words: str, letters: int, room: int) -> bool:
    """Return whether words fit into two lines, `room` pixels wide, without a break inside a word."""
    widest = max((text.width(unit.rstrip(" "), letters) for unit in break_units(words)), default=0)
    return widest <= room and len(text.wrap(words, letters, room)) <= 2


@lru_cache(maxsize=32)
def hint_drawing(name: str, height: int) -> pygame.Surface:
    """Return the drawing of a hint (`device.guidance.Hint.drawing`) as a square tile with round corners.

    `height` is its side in pixels. Cached: don't draw on it. Raises KeyError for a name without a drawing.
    """
    picture = np.empty((SIDE, SIDE, 3), np.uint8)
    picture[:] = SLATE
    DRAWINGS[name](picture)
    small = cv2.resize(picture, (height, height), interpolation=cv2.INTER_AREA)
    tile = rounded_rect((height, height), 2 * CORNER * height, WHITE, 1.0).copy()
    mask = pygame.surfarray.array_alpha(tile)
    surface = pygame.image.frombuffer(np.dstack([small[..., ::-1], mask.T]).tobytes(), (height, height), "BGRA")
    surface.blit(border((height, height), 2 * CORNER * height, max(1.0, height / 60), alpha=0.3), (0, 0))
    return surface


def _pose(xy: Points, height: float, x: float, top: float) -> Pose:
    """Return a pose of a `height`, with the top of its head at (x, top); all as shares of the tile's side."""
    placed = (xy * height + (x, top)) * SIDE
    return Pose(placed.astype(np.float32), np.ones(17, np.float32), 1.0)


def _from_the_front(
    left_arm: Sequence[float] = HANGING, right_arm: Sequence[float] = HANGING, leg: Sequence[float] = STANDING
) -> Points:
    """Return somebody who faces the mirror, in body heights from the top of the head; their left is on the right."""
    xy = np.zeros((17, 2))
    xy[:5] = (0, 0.08), (0.02, 0.065), (-0.02, 0.065), (0.045, 0.075), (-0.045, 0.075)
    for number, (side, arm) in enumerate(((1, left_arm), (-1, right_arm))):
        xy[5 + number] = 0.105 * side, 0.195
        xy[11 + number] = 0.058 * side, 0.48
        for start, angles, lengths in ((5, arm, ARM_LENGTHS), (11, leg, LEG_LENGTHS)):
            for bone, (angle, length) in enumerate(zip(angles, lengths, strict=True)):
                turned = math.radians(angle)
                step = np.array([side * math.sin(turned), math.cos(turned)]) * length
                xy[start + number + 2 * bone + 2] = xy[start + number + 2 * bone] + step
    return xy


def _draw_pose(left_arm: Sequence[float], right_arm: Sequence[float]) -> Callable[[Image], None]:
    def draw(picture: Image) -> None:
        draw_figure(picture, _pose(_from_the_front(left_arm, right_arm), 0.74, 0.5, 0.17))

    return draw


def _draw_too_dark(picture: Image) -> None:
    """A person who can hardly be seen, and a lamp to switch on."""
    picture[:] = INK
    draw_figure(picture, _pose(_from_the_front(), 0.8, 0.68, 0.15))
    _mix(picture, INK, 0.62)
    bulb = 0.29, 0.36
    _fill(picture, [(0.235, 0.44), (0.345, 0.44), (0.325, 0.53), (0.255, 0.53)], AMBER)
    for below in (0.56, 0.595):
        _draw_line(picture, [(0.265, below), (0.315, below)], MIDDLE, 0.024)
    _draw_disc(picture, bulb, 0.115, AMBER)
    _draw_rays(picture, bulb, (0.165, 0.225), (150, 195, 240, 300, 345, 30))


def _draw_light_behind(picture: Image) -> None:
    """A person before a large sun is only a dark shape."""
    _draw_disc(picture, (0.5, 0.42), 0.27, AMBER)
    _draw_rays(picture, (0.5, 0.42), (0.32, 0.39), range(15, 375, 30))
    shape = picture.copy()
    draw_figure(shape, _pose(_from_the_front(), 0.8, 0.5, 0.15))
    picture[(shape != picture).any(-1)] = INK


def _draw_from_the_side(picture: Image, person: float, arrow: tuple[float, float]) -> None:
    """The mirror on the left, the person at `person` in front of it, and an arrow that says which way to step."""
    _fill(picture, [(0.07, 0.09), (0.15, 0.15), (0.15, 0.83), (0.07, 0.92)], MIDDLE)
    draw_figure(picture, _pose(FROM_THE_SIDE, 0.76, person, 0.13))
    _draw_arrow(picture, (arrow[0], 0.5), (arrow[1], 0.5))


def _draw_half_out(picture: Image, side: float) -> None:
    """A person who is half out of the picture at `side` (0: left, 1: right), and where they would be in full."""
    inwards = 1 - 2 * side
    draw_figure(picture, _pose(_from_the_front(), 0.78, side + 0.6 * inwards, 0.13))
    _mix(picture, SLATE, 0.7)
    draw_figure(picture, _pose(_from_the_front(), 0.78, side, 0.13))
    _draw_arrow(picture, (side + 0.2 * inwards, 0.45), (side + 0.48 * inwards, 0.45))


def _draw_show_your_arms(picture: Image) -> None:
    """Arms that come out to the sides, with arrows along their way."""
    draw_figure(picture, _pose(_from_the_front((55, 150), (55, 150)), 0.78, 0.5, 0.17))
    for side in (-1, 1):
        _draw_arrow(picture, (0.5 + side * 0.2, 0.72), (0.5 + side * 0.4, 0.52))


def _mix(picture: Image, colour: Colour, share: float) -> None:
    """Let everything fade into a colour by a share."""
    picture[:] = picture * (1 - share) + np.array(colour) * share


def _draw_arrow(picture: Image, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw an arrow, places as shares of the tile's side."""
    a, b = np.array(start), np.array(end)
    along = (b - a) / np.hypot(*(b - a))
    across = np.array([-along[1], along[0]])
    neck = b - along * 0.11
    for colour, more in ((INK, 0.016), (AMBER, 0.0)):
        _draw_line(picture, [a, neck], colour, STROKE + 2 * more)
        tip, back = b + along * 1.6 * more, neck - along * more
        _fill(picture, [tip, back + across * (0.095 + 1.4 * more), back - across * (0.095 + 1.4 * more)], colour)


def _draw_rays(
    picture: Image, centre: tuple[float, float], radii: tuple[float, float], angles: Sequence[float] | range
) -> None:
    """Draw rays from one radius to another, at angles in degrees clockwise from the right."""
    for angle in np.radians(np.array(angles)):
        direction = np.array([math.cos(angle), math.sin(angle)])
        _draw_line(picture, [np.array(centre) + direction * radius for radius in radii], AMBER, STROKE * 0.8)


def _draw_line(picture: Image, ends: Sequence[npt.ArrayLike], colour: Colour, width: float) -> None:
    first, second = (_fixed(end) for end in ends)
    cv2.line(picture, first, second, colour, round(width * SIDE), cv2.LINE_AA, SUBPIXEL_BITS)


def _draw_disc(picture: Image, centre: npt.ArrayLike, radius: float, colour: Colour) -> None:
    fixed_radius = round(radius * SIDE * (1 << SUBPIXEL_BITS))
    cv2.circle(picture, _fixed(centre), fixed_radius, colour, cv2.FILLED, cv2.LINE_AA, SUBPIXEL_BITS)


def _fill(picture: Image, corners: Sequence[npt.ArrayLike], colour: Colour) -> None:
    places = np.array([_fixed(corner) for corner in corners], np.int32)
    cv2.fillPoly(picture, [places], colour, cv2.LINE_AA, SUBPIXEL_BITS)


def _fixed(place: npt.ArrayLike) -> tuple[int, int]:
    """Return a place, as shares of the tile's side, in the fixed-point pixels that OpenCV draws with."""
    x, y = np.round(np.asarray(place) * SIDE * (1 << SUBPIXEL_BITS)).astype(int).tolist()
    return x, y


DRAWINGS: Final[dict[str, Callable[[Image], None]]] = {
    "too-dark": _draw_too_dark,
    "light-behind": _draw_light_behind,
    "step-back": lambda picture: _draw_from_the_side(picture, 0.38, (0.6, 0.93)),
    "to-the-right": lambda picture: _draw_half_out(picture, 0),
    "to-the-left": lambda picture: _draw_half_out(picture, 1),
    "come-closer": lambda picture: _draw_from_the_side(picture, 0.8, (0.57, 0.24)),
    "show-your-arms": _draw_show_your_arms,
    "arms-wide": _draw_pose((92, 92), (92, 92)),
    "one-arm-up": _draw_pose((172, 176), HANGING),
    "hands-on-hips": _draw_pose((48, -50), (48, -50)),
    "both-arms-up": _draw_pose((150, 158), (150, 158)),
}
