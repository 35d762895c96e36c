"""The screen while somebody is there: the answers, the visitor, the ring, and what would help."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import pygame
from pygame import Rect

from device.display import draw, style
from device.display.backdrop import Backdrop, surface_pixels
from device.display.layout import Size
from device.display.lettering import TextRenderer
from device.display.panes import Layout, Panes, around, arrange
from device.display.views import PreparedPhoto, ShownAnswer, View
from device.language.translate import Language
from models.pose import Image

FADE_SECONDS: Final = 0.05
"""Seconds of the cross-fade from photo to photo while a visitor is there: one or two pictures of the display. It
takes the edge off the cut. A longer fade shows double exposures whenever somebody moves."""

INSET_AREA: Final = 0.06
"""Area of the inset, as a share of a landscape display's area …"""
PORTRAIT_INSET_AREA: Final = 0.035
"""… and of a portrait one's, where it would hide the feet of the answer's person."""

RING: Final = 0.12
"""Diameter of the ring, as a share of the display's short side."""

GLOW: Final = 0.012
"""Width of the frame of light around an answer that is celebrated, as a share of the display's short side."""


class Presentation(NamedTuple):
    """How everything is drawn: with these letters, in this language and layout.

    `shared_hours` is for how long GIFs are shared, 0 if they are not.
    """

    text: TextRenderer
    language: Language
    layout: Layout
    shared_hours: int = 0


HEAD: Final = (0.42, 0.16, 0.3)
"""Where the head of an answer over the whole display usually is: its left edge, its width, and its height from the top,
as shares of the display's sides."""

EDGE: Final = 0.2
"""How far a mark may reach over a pane's edge, as a share of the strip's height: nobody is there."""


class Playing:
    """Draws the answers and the visitors, and remembers fades between photos."""

    def __init__(self) -> None:
        self._backdrops: list[Backdrop] = []
        self._rings = [SmoothedValue(0.0, 0.12) for _ in range(4)]

    def draw(self, canvas: pygame.Surface, view: View, presentation: Presentation, now: float) -> list[Rect]:
        """Draw a view with at least one answer at the time `now`, in seconds of any steady clock.

        Return the places that nothing else should cover: the inset, the rings, the credits, and the people.
        """
        answers = view.answers or (ShownAnswer(),)
        rtl = presentation.language.direction == "rtl"
        panes = arrange(canvas.get_size(), presentation.layout, len(answers), rtl)
        painted = [*panes.answers, *([panes.visitor] if panes.visitor and view.camera_image is not None else [])]
        for rect in around(canvas.get_rect(), painted):
            canvas.fill(style.INK, rect)
        self._match_backdrops(panes.answers)
        credits = [
            self._draw_answer(canvas, pane, number, answer, presentation, now)
            for number, (answer, pane) in enumerate(zip(answers, panes.answers, strict=True))
        ]
        inset = self._draw_camera(canvas, view, panes, presentation)
        rings = [_ring_place(canvas.get_size(), panes, number, inset, rtl) for number in range(len(answers))]
        for number, (answer, place) in enumerate(zip(answers, rings, strict=True)):
            if answer.ring is not None and answer.photo is not None:
                share = self._rings[number].update(min(max(answer.ring, 0.0), 1.0), now)
                draw_ring(canvas, place, share, answer.celebration)
        return [place for place in (inset, *rings, *credits, *_places_of_people(panes)) if place.width]

    def _match_backdrops(self, panes: tuple[Rect, ...]) -> None:
        """Have one backdrop of the right size for each pane."""
        sizes = [pane.size for pane in panes]
        if [backdrop.size for backdrop in self._backdrops] != sizes:
            self._backdrops = [Backdrop(size) for size in sizes]

    def _draw_answer(
        self,
        canvas: pygame.Surface,
        pane: Rect,
        number: int,
        answer: ShownAnswer,
        presentation: Presentation,
        now: float,
    ) -> Rect:
        """Draw an answer's photo into its pane, and return the place of its credit."""
        backdrop = self._backdrops[number]
        backdrop.fade_to(answer.photo.picture if answer.photo else None, now, FADE_SECONDS)
        surface = canvas.subsurface(pane)
        backdrop.paint(surface_pixels(surface), now)
        credit = Rect(0, 0, 0, 0)
        if answer.photo and answer.photo.credit:
            credit = draw_credit(surface, answer.photo, presentation).move(pane.topleft)
        if answer.celebration is not None:
            glow = max(2.0, min(canvas.get_size()) * GLOW)
            draw.draw_frame_of_light(surface, glow, bell(answer.celebration))
        if pane.size != canvas.get_size():
            draw.round_corners(canvas, pane)
        return credit

    def _draw_camera(self, canvas: pygame.Surface, view: View, panes: Panes, presentation: Presentation) -> Rect:
        """Draw the camera's picture into the visitor's pane, or as an inset in the corner where reading starts.

        Return the place of the inset, or of what would be one.
        """
        image, size = view.camera_image, canvas.get_size()
        visitors = [answer.visitor for answer in view.answers if answer.visitor is not None]
        if image is not None and panes.visitor is not None:
            pixels = surface_pixels(canvas.subsurface(panes.visitor))
            draw.camera_picture(image, visitors, panes.visitor.size, bool(view.others), pixels)
            del pixels  # it locks the surface
            draw.round_corners(canvas, panes.visitor)
        margin = round(min(size) * style.MARGIN)
        place = Rect((0, 0), (0, 0) if image is None or panes.visitor is not None else inset_size(image, size))
        place.bottomleft = margin, size[1] - margin
        if place.width and panes.strip is not None:
            place.size = round(0.94 * panes.strip.height * place.width / place.height), round(0.94 * panes.strip.height)
            place.bottomleft = panes.strip.left, size[1] - round(0.03 * panes.strip.height)
        if presentation.language.direction == "rtl":
            place.right = size[0] - place.left
        if image is not None and place.width:
            inset = draw.inset(draw.camera_picture(image, visitors, place.size, bool(view.others)))
            draw.blit(canvas, inset, place.topleft)
        return place


def _places_of_people(panes: Panes) -> list[Rect]:
    """Return where people are: all over panes with a strip below them, else where the answer's head usually is."""
    pane = panes.answers[0]
    if panes.strip is None and pane.width < pane.height:
        return []  # it is below the top
    if panes.strip is None:
        left, width, height = (round(share * side) for share, side in zip(HEAD, (pane.width, *pane.size), strict=True))
        return [Rect(left, pane.top, width, height)]
    spare = -2 * round(EDGE * panes.strip.height)
    people = [*panes.answers, *([panes.visitor] if panes.visitor else [])]
    return [pane.inflate(spare, spare) for pane in people]


def draw_credit(surface: pygame.Surface, photo: PreparedPhoto, presentation: Presentation) -> Rect:
    """Draw a photo's credit in the corner where reading ends, on a strip that darkens downwards; return its place.

    Licences require it for as long as the photo is shown.
    """
    (width, height), unit = surface.get_size(), min(surface.get_size())
    rtl = presentation.language.direction == "rtl"
    margin = unit * style.MARGIN
    words = presentation.text.render_block(
        photo.credit,
        style.text_size(unit, style.CREDIT),
        round((0.45 if width > height else 0.6) * width),
        align="left" if rtl else "right",
        max_lines=4,
    )
    strip = draw.gradient((width, min(height, round(words.get_height() * 1.5 + unit * 0.12))), 0.75)
    draw.blit(surface, strip, (0, height - strip.get_height()))
    left = margin if rtl else width - margin - words.get_width()
    place = words.get_rect(left=round(left), bottom=round(height - margin * 0.8))
    draw.blit(surface, words, place.topleft, 0.95)
    return place


def draw_ring(canvas: pygame.Surface, place: Rect, share: float, celebration: float | None = None) -> None:
    """Draw a ring that closes the better the answer fits, around an equals sign: the attract loop has taught it.

    A number would promise what nobody knows. A star takes the sign's place for a celebration.
    """
    diameter = place.width
    thickness = max(3, diameter * 0.13)
    percent = round(100 * share)  # whole percents, so that few arcs are cached
    draw.blit(canvas, draw.rounded_rect(place.size, diameter / 2, alpha=0.8), place.topleft)
    inner, inset = round(diameter * 0.88), diameter * 0.06
    within = place.left + inset, place.top + inset
    draw.blit(canvas, draw.arc(inner, thickness, 1.0, style.WHITE, 0.22), within)
    draw.blit(canvas, draw.arc(inner, thickness, percent / 100, style.COOL), within)
    strength = 0.0 if celebration is None else bell(celebration)
    draw.draw_equals(canvas, Rect(place).inflate(-0.3 * diameter, -0.3 * diameter), 1 - strength)
    draw.blit(canvas, draw.star(round(diameter * 0.5)), _inside(place, 0.5), strength)


def bell(share: float) -> float:
    """Return a strength that rises from 0 to 1 and falls to 0 again while `share` goes from 0 to 1."""
    return math.sin(math.pi * min(max(share, 0.0), 1.0)) ** 2


def _inside(place: Rect, share: float) -> tuple[float, float]:
    """Return the upper left corner of something centred in a square place, `share` of its size."""
    inset = place.width * (1 - share) / 2
    return place.left + inset, place.top + inset


def _ring_place(canvas: Size, panes: Panes, number: int, inset: Rect, rtl: bool) -> Rect:
    """Return the square of an answer's ring: between both panes, on the answer's own pane, or next to the inset."""
    unit = min(canvas)
    margin, diameter = round(unit * style.MARGIN), max(26, round(unit * RING))
    strip = panes.strip
    if strip is None:
        place = Rect(0, 0, diameter, diameter)
        place.bottomleft = inset.right + margin * bool(inset.width), inset.bottom
        if rtl:
            place.right = inset.left - margin * bool(inset.width)
    elif panes.visitor is not None:
        place = Rect(0, 0, diameter, diameter)
        place.center = panes.visitor.union(panes.answers[0]).center
    else:
        place = Rect(0, 0, *(round(diameter * 0.75),) * 2)
        pane, inside = panes.answers[number], margin // 2
        place.topleft = (pane.right - place.width - inside if rtl else pane.left + inside), pane.top + inside
    return place


def inset_size(camera_image: Image, display: Size) -> Size:
    """Return the inset's size: a share of the display's area, with the camera picture's aspect ratio."""
    height, width = camera_image.shape[:2]
    area = INSET_AREA if display[0] >= display[1] else PORTRAIT_INSET_AREA
    scale = math.sqrt(area * display[0] * display[1] / (width * height))
    scale = min(scale, 0.42 * display[0] / width, 0.42 * display[1] / height)
    return max(2, round(width * scale)), max(2, round(height * scale))


class SmoothedValue:
    """A number that follows a target smoothly, and reaches it after about three times `time_constant` seconds."""

    def __init__(self, value: float, time_constant: float) -> None:
        self._value, self._time_constant, self._updated_at = value, time_constant, -math.inf

    def update(self, target: float, now: float) -> float:
        """Move towards the target, and return the value at the time `now`. After a long gap it is the target itself."""
        elapsed = max(now - self._updated_at, 0.0)
        self._updated_at = now
        self._value += (target - self._value) * (1 - math.exp(-elapsed / self._time_constant))
        if abs(target - self._value) < SNAP_DISTANCE:
            self._value = target
        return self._value


SNAP_DISTANCE: Final = 0.004
"""A smoothed value this close to its target jumps to it: one level of 255 can hardly be seen."""
