"""The attract loop, shown while nobody is there: a drawn visitor moves in a mirror, and the answer changes next to it.

Everything wanders slowly, so that a display that shows it all day does not burn in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
import pygame
from pygame import Rect

from device.display import draw, style
from device.display.backdrop import Backdrop, surface_pixels
from device.display.drawn_visitor import FLOOR, is_still, pose_at
from device.display.figure import draw_figure
from device.display.layout import Size
from device.display.playing import Presentation, draw_credit
from device.display.views import PreparedPhoto, View
from device.language.message import Message, message, plural_message
from models.pose import Image

STEP_IN_FRONT: Final = message("Step in front of the mirror")
PRIVACY: Final = message("Nothing is recorded until you press")
PRIVACY_SIZE: Final = 0.029
"""Size of its letters, as a share of the display's short side: it is quiet."""
PRIVACY_COLOUR: Final[style.Colour] = (158, 160, 166)

FADE_SECONDS: Final = 0.4
"""Seconds of the cross-fade from answer to answer."""

PICTURES_PER_SECOND, STILL_PICTURES_PER_SECOND = 20, 10
"""How often the drawn visitor is drawn, while moving and while holding a pose: enough for slow movements, and less than
half the work of the mirror's rate."""

SIDES: Final = 0.09
"""Space left and right of the panes, as a share of the display's short side: the button may be shown there."""

TOP, BOTTOM = 0.045, 0.125
"""Space above and below everything, as shares of the display's short side; the button may be shown below."""

HEADLINE_HEIGHT, TALL_HEADLINE_HEIGHT = 0.105, 0.205
"""Height of the headline in one line and in two, as shares of the display's short side."""

ONE_LINE_RATIO: Final = 1.25
"""Displays that are wider than this, relative to their height, have the headline in one line."""

INVITATION_HEIGHT, PRIVACY_HEIGHT = 0.055, 0.04
WORDS_GAP: Final = 0.018
"""Heights of the smaller lines, and the space above each, as shares of the display's short side."""

WIDEST, NARROWEST = 1.35, 0.72
"""Width of a pane relative to its height, at most and at least: a person with room for the arms."""

WANDER: Final = 0.012
"""How far everything wanders to each side, as a share of the display's short side."""

FRAME: Final = 0.01
"""Thickness of the mirror's frame, as a share of its pane's short side."""

EQUALS: Final = 0.085
"""Diameter of the sign between the panes, as a share of the display's short side."""


def attract_panes(canvas: Size, rtl: bool = False) -> tuple[Rect, Rect]:
    """Return the panes of the drawn visitor and of the answer, of the same size.

    They are next to each other, or one above the other where that makes them larger, as on a portrait canvas (width,
    height). With `rtl` the visitor is on the right.
    """
    beside, below = _panes(canvas, 2, 1), _panes(canvas, 1, 2)
    first, second = max(beside, below, key=lambda panes: panes[0].width * panes[0].height)
    return (second, first) if rtl and first.top == second.top else (first, second)


def _panes(canvas: Size, across: int, down: int) -> tuple[Rect, Rect]:
    """Return two equal panes, the upper left one first, in a grid of `across` × `down`."""
    (width, height), unit = canvas, min(canvas)
    gap = max(2, round(unit * style.MARGIN))
    words = sum(_line_heights(canvas)) + 2 * WORDS_GAP * unit
    room = width - 2 * unit * SIDES, height - unit * (TOP + BOTTOM) - words - gap
    pane_width = (room[0] - (across - 1) * gap) / across
    pane_height = (room[1] - (down - 1) * gap) / down
    pane_width = max(1, int(min(pane_width, pane_height * WIDEST)))
    pane_height = max(1, int(min(pane_height, pane_width / NARROWEST)))
    left = round((width - across * pane_width - (across - 1) * gap) / 2)
    top = round(unit * TOP + (room[1] - down * pane_height - (down - 1) * gap) / 2)
    first = Rect(left, top, pane_width, pane_height)
    return first, first.move((across - 1) * (pane_width + gap), (down - 1) * (pane_height + gap))


def _line_heights(canvas: Size) -> tuple[float, float, float]:
    """Return the heights in pixels of the headline, the invitation and the line on privacy."""
    unit = min(canvas)
    headline = HEADLINE_HEIGHT if canvas[0] > ONE_LINE_RATIO * canvas[1] else TALL_HEADLINE_HEIGHT
    return unit * headline, unit * INVITATION_HEIGHT, unit * PRIVACY_HEIGHT


def wander_offset(now: float) -> tuple[float, float]:
    """Return how far things that stay long on the screen have wandered at the time `now`: −1 to 1 across and down.

    The two periods (149 s and 97 s) are prime numbers, so that the path rarely repeats.
    """
    return math.sin(2 * math.pi * now / 149), math.sin(2 * math.pi * now / 97)


class Attract:
    """Draws the attract loop on canvases of one size. What does not change is drawn once."""

    def __init__(self, size: Size) -> None:
        self._size = size
        self._stage = pygame.Surface(size, 0, 32)
        self._staged: object = None  # what the stage shows besides the panes
        self._mirror: Image | None = None
        self._drawn_at = -math.inf
        self._backdrop: Backdrop | None = None
        self._answer: PreparedPhoto | None = None
        self._answered_at = -math.inf
        self._settled = False  # whether the stage shows the answer without any fade
        self.taken: tuple[Rect, ...] = ()
        """Where the panes and the words are on the canvas, wherever they wander: the button's place is elsewhere."""

    def draw(self, canvas: pygame.Surface, view: View, presentation: Presentation, now: float) -> None:
        """Draw the view's attract loop at the time `now` in seconds, of any steady clock."""
        photo = view.idle_photo
        offset = self._wander(now)
        panes = attract_panes(self._size, presentation.language.direction == "rtl")
        staged = view.pictures, presentation.language.code, offset, view.recorded.is_busy
        if staged != self._staged:
            self._stage.fill(style.INK)
            taken = [*panes, *_draw_words(self._stage, panes, view, presentation, offset)]
            reach = 2 * math.ceil(min(self._size) * WANDER)
            self.taken = tuple(rect.inflate(reach, reach) for rect in taken)
            self._staged, self._drawn_at, self._settled = staged, -math.inf, False
        visitor_pane, answer_pane = (pane.move(offset) for pane in panes)
        self._draw_visitor(visitor_pane, view.idle_poses, now)
        self._draw_answer(answer_pane, photo, presentation, now)
        canvas.blit(self._stage, (0, 0))
        if photo is not None:
            _draw_equals(canvas, visitor_pane.union(answer_pane).center)

    def _wander(self, now: float) -> tuple[int, int]:
        across, down = wander_offset(now)
        reach = min(self._size) * WANDER
        return round(across * reach), round(down * reach)

    def _draw_visitor(self, pane: Rect, poses: Sequence[int], now: float) -> None:
        """Draw the mirror and the drawn visitor on the stage, unless they were drawn a moment ago."""
        rate = STILL_PICTURES_PER_SECOND if is_still(now, poses) else PICTURES_PER_SECOND
        at = math.floor(now * rate) / rate
        if at == self._drawn_at:
            return
        self._drawn_at = at
        if self._mirror is None or self._mirror.shape[1::-1] != pane.size:
            self._mirror = paint_mirror(pane.size)
        picture = self._mirror.copy()
        draw_figure(picture, pose_at(at, pane.size, poses))
        cv2.cvtColor(picture, cv2.COLOR_RGB2BGRA, dst=surface_pixels(self._stage.subsurface(pane)))
        draw.round_corners(self._stage, pane)

    def _draw_answer(self, pane: Rect, photo: PreparedPhoto | None, presentation: Presentation, now: float) -> None:
        """Draw the answer's present state on the stage, unless it stands still."""
        if self._backdrop is None or self._backdrop.size != pane.size:
            self._backdrop = Backdrop(pane.size)
        if photo is not self._answer:
            self._answer, self._answered_at, self._settled = photo, now, False
        if self._settled:
            return
        self._backdrop.fade_to(photo.picture if photo else None, now, FADE_SECONDS)
        surface = self._stage.subsurface(pane)
        self._backdrop.paint(surface_pixels(surface), now)
        if photo is not None and photo.credit:
            draw_credit(surface, photo, presentation)
        draw.round_corners(self._stage, pane)
        self._settled = now - self._answered_at >= FADE_SECONDS


def _draw_words(
    canvas: pygame.Surface, panes: tuple[Rect, Rect], view: View, presentation: Presentation, offset: tuple[int, int]
) -> list[Rect]:
    """Draw the headline, and smaller lines below it, centred below the panes; return their places without offset."""
    (width, height), unit = canvas.get_size(), min(canvas.get_size())
    room = round(width - 1.4 * unit * SIDES)
    heights = _line_heights((width, height))
    lines = [
        (_headline(view.pictures), style.HEADLINE, heights[0], style.MIDDLE),
        (STEP_IN_FRONT, style.BODY, heights[1], style.COOL),
        (privacy_message(presentation.shared_hours), PRIVACY_SIZE, heights[2], PRIVACY_COLOUR),
    ]
    if not view.pictures:
        del lines[1]
    blocks = [
        _fit(presentation, text, round(unit * size), (room, round(line_height)), colour)
        for text, size, line_height, colour in lines
    ]
    gap = unit * WORDS_GAP
    top = max(pane.bottom for pane in panes)
    spare = height - unit * BOTTOM - top - sum(block.get_height() for block in blocks) - gap * (len(blocks) - 1)
    y, places = top + spare * 0.5, []
    for block in blocks:
        places.append(block.get_rect(midtop=(width // 2, round(y))))
        if block is not blocks[-1] or not view.recorded.is_busy:  # else something is recorded
            draw.blit(canvas, block, places[-1].move(offset).topleft)
        y += block.get_height() + gap
    return places


def _headline(count: int) -> Message:
    if not count:
        return STEP_IN_FRONT
    return plural_message(
        "You move, and one picture moves with you", "You move, and {count} pictures move with you", count
    )


def privacy_message(shared_hours: int) -> Message:
    """Return the line on privacy; `shared_hours` is for how long GIFs are shared, 0 if they are not."""
    if not shared_hours:
        return PRIVACY
    return plural_message(
        "Nothing is recorded until you press. Your GIF stays here for one hour, for your phone",
        "Nothing is recorded until you press. Your GIF stays here for {count} hours, for your phone",
        shared_hours,
    )


def _fit(presentation: Presentation, text: Message, size: int, room: Size, colour: style.Colour) -> pygame.Surface:
    """Render words `size` pixels high, or smaller where they would not fit into the room (width, height)."""
    words = presentation.language.say(text)
    while True:
        size = max(size, style.MIN_TEXT_SIZE)
        block = presentation.text.render_block(words, size, room[0], colour, "centre")
        if block.get_height() <= room[1] or size == style.MIN_TEXT_SIZE:
            return block
        size = int(size * 0.94)


def paint_mirror(size: Size) -> Image:
    """Paint an empty mirror, H×W×3: a wall, a floor with a soft shadow, two reflections and a frame."""
    width, height = size
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    across = np.linspace(0, 1, width, dtype=np.float32)[None, :, None]
    picture = np.array(style.SLATE, np.float32) * (1.5 - 0.45 * down)
    picture = np.broadcast_to(picture, (height, width, 3)).copy()
    floor = np.clip((down - (FLOOR - 0.1)) * height, 0, 1)
    picture += floor * (np.array(style.SLATE, np.float32) * 0.8 - picture)
    shadow = np.hypot((across - 0.5) * width / (0.25 * height), (down - FLOOR - 0.012) / 0.045)
    picture *= 1 - 0.45 * np.clip(1.2 - shadow, 0, 1) * np.ones(3, np.float32)
    slant = (across * width + down * height * 0.55) / height
    for start, thickness in ((0.22, 0.11), (0.37, 0.035)):
        band = np.clip((thickness / 2 - np.abs(slant - start)) * height, 0, 1) * np.clip(1 - down / 0.55, 0, 1)
        picture += 12 * band
    picture += np.random.default_rng(0).random((height, width, 1), dtype=np.float32)  # hides the bands of a gradient
    pixels = cv2.cvtColor(np.clip(picture, 0, 255).astype(np.uint8), cv2.COLOR_RGB2BGRA)
    surface = pygame.image.frombuffer(pixels.data, size, "BGRA")
    frame = max(1.5, min(size) * FRAME)
    surface.blit(draw.border(size, min(size) * style.CORNER / 2, frame, style.MIDDLE, 0.3), (0, 0))
    painted: Image = cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGB).astype(np.uint8, copy=False)
    return painted


def _draw_equals(canvas: pygame.Surface, centre: tuple[int, int]) -> None:
    """Draw a sign between the panes: they show the same."""
    diameter = max(16, round(min(canvas.get_size()) * EQUALS))
    place = Rect(0, 0, diameter, diameter)
    place.center = centre
    draw.blit(canvas, draw.rounded_rect(place.size, diameter / 2, style.INK, 1.0), place.topleft)
    draw.draw_equals(canvas, place)
