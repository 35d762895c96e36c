"""The invitation, shown while no visitor is there: a figure that strikes poses, and words.

Both wander slowly, so that a display that shows them all day does not burn in.
"""

from __future__ import annotations

import math
from typing import Final, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
import pygame

from device.display.draw import SUBPIXEL_BITS, blit, tint_mask
from device.display.lettering import TextRenderer
from device.display.style import WHITE

Points: TypeAlias = npt.NDArray[np.float64]
"""N×2: x and y."""

HEADLINE: Final = "Strike a pose"
SUBHEADLINE: Final = "Step in front of the mirror"

POSES: Final = (
    (14, 8, 14, 8, 7, 4, 7, 4),
    (138, 156, 138, 156, 14, 10, 14, 10),
    (92, 92, 92, 92, 26, 22, 26, 22),
    (48, -38, 142, 150, 10, 8, 24, 6),
    (152, 200, 152, 200, 4, 2, 66, -46),
    (142, 150, 48, -38, 24, 6, 10, 8),
)
"""Angles in degrees, outwards from hanging down: upper arm and forearm (left, then right), thigh and shin (same)."""

HOLD_SECONDS: Final = 1.5
MOVE_SECONDS: Final = 0.8
"""Seconds for which the figure holds a pose, and that it takes to move to the next."""

LIMB_LENGTHS: Final = (1.3, 1.2, 1.75, 1.7)
"""Lengths of upper arm, forearm, thigh and shin, in units of about a head."""

SHOULDER: Final = (0.72, 0.0)
HIP: Final = (0.42, 2.15)
HEAD: Final = (0.0, -1.02)
HEAD_RADIUS: Final = 0.56
GROUND: Final = 5.75
"""The figure's joints (x outwards, y down), head and ground, from the middle of its shoulders, in the same units."""

FIGURE_HEIGHT, FIGURE_WIDTH = 8.9, 7.4
"""The room that the figure needs in any pose, in the same units."""

SHOULDER_Y: Final = 2.85
"""How far the shoulders are below the upper edge of that room, in the same units."""


def draw_invitation(canvas: pygame.Surface, text_renderer: TextRenderer, now: float, opacity: float) -> None:
    """Draw the invitation at the time `now` in seconds, with `opacity` from 0 to 1."""
    width, height = canvas.get_size()
    short = min(width, height)
    headline = _fit_line(text_renderer, HEADLINE, round(short * 0.1), 0.86 * width)
    subheadline = _fit_line(text_renderer, SUBHEADLINE, round(short * 0.047), 0.86 * width)
    person = figure(now, max(4, round(short * 0.4)))
    gap = short * 0.035
    pieces = (person, headline, subheadline)
    total_height = sum(piece.get_height() for piece in pieces) + 1.6 * gap
    across, down = wander_offset(now)
    x, y = width * (0.5 + 0.06 * across), (height - total_height) / 2 + height * 0.06 * down
    for piece, space in zip(pieces, (gap, gap * 0.6, 0), strict=True):
        blit(canvas, piece, (x - piece.get_width() / 2, y), opacity)
        y += piece.get_height() + space


def wander_offset(now: float) -> tuple[float, float]:
    """Return how far things that stay long on the screen have wandered at the time `now`: −1 to 1 across and down.

    The two periods (149 s and 97 s) are prime numbers, so that the path rarely repeats.
    """
    return math.sin(2 * math.pi * now / 149), math.sin(2 * math.pi * now / 97)


def figure(now: float, height: int) -> pygame.Surface:
    """Draw a pictogram of a person, `height` pixels high, in its pose at the time `now` in seconds."""
    number, seconds = divmod(now, HOLD_SECONDS + MOVE_SECONDS)
    first, second = (np.array(POSES[int(number + step) % len(POSES)], np.float64) for step in (0, 1))
    share = min(max((seconds - HOLD_SECONDS) / MOVE_SECONDS, 0.0), 1.0)
    angles = np.radians(first + (second - first) * share * share * (3 - 2 * share))  # eases in and out
    limbs = [
        _limb(SHOULDER, -1, angles[0:2], LIMB_LENGTHS[0:2]),
        _limb(SHOULDER, 1, angles[2:4], LIMB_LENGTHS[0:2]),
        _limb(HIP, -1, angles[4:6], LIMB_LENGTHS[2:4]),
        _limb(HIP, 1, angles[6:8], LIMB_LENGTHS[2:4]),
    ]
    return tint_mask(_silhouette(limbs, height), WHITE, 0.95)


def _limb(root: tuple[float, float], side: int, angles: Points, lengths: tuple[float, ...]) -> Points:
    """Return a limb's root, middle joint and end (3×2); `side` is −1 or 1."""
    steps = np.stack([side * np.sin(angles), np.cos(angles)], axis=1) * np.array(lengths)[:, None]
    points: Points = np.vstack([[0, 0], np.cumsum(steps, axis=0)]) + np.array([side * root[0], root[1]])
    return points


def _silhouette(limbs: list[Points], height: int) -> npt.NDArray[np.uint8]:
    """Draw the figure as a mask, H×W uint8, with its lower foot on the ground."""
    unit = height / FIGURE_HEIGHT
    sink = GROUND - max(float(limb[-1, 1]) for limb in limbs[2:])
    mask = np.zeros((height, max(1, round(FIGURE_WIDTH * unit))), np.uint8)

    def to_fixed_point(points: Points) -> npt.NDArray[np.int32]:
        placed = (points + np.array([FIGURE_WIDTH / 2, SHOULDER_Y + sink])) * unit - 0.5
        rounded: npt.NDArray[np.int32] = np.round(placed * (1 << SUBPIXEL_BITS)).astype(np.int32)
        return rounded

    def stroke(points: Points, thickness: float) -> None:
        cv2.polylines(
            mask, [to_fixed_point(points)], False, 255, max(1, round(thickness * unit)), cv2.LINE_AA, SUBPIXEL_BITS
        )

    for limb, thickness in zip(limbs, (0.5, 0.5, 0.6, 0.6), strict=True):
        stroke(limb, thickness)
    torso = np.array([limbs[0][0], limbs[1][0], limbs[3][0], limbs[2][0], limbs[0][0]])
    cv2.fillPoly(mask, [to_fixed_point(torso)], 255, cv2.LINE_AA, SUBPIXEL_BITS)
    stroke(torso, 0.55)
    head = to_fixed_point(np.array(HEAD))
    radius = round(HEAD_RADIUS * unit * (1 << SUBPIXEL_BITS))
    cv2.circle(mask, (int(head[0]), int(head[1])), radius, 255, cv2.FILLED, cv2.LINE_AA, SUBPIXEL_BITS)
    return mask


def _fit_line(text_renderer: TextRenderer, text: str, size: int, room: float) -> pygame.Surface:
    """Render a line `size` pixels high, or smaller if it would be wider than `room` pixels."""
    width = text_renderer.width(text, max(size, 1))
    return text_renderer.render_line(text, size if width <= room else int(size * room / width))
