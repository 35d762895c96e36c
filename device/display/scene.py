"""Composing the screen: where each piece is, and what glides or fades for how long."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import pygame

from device.display import draw, style
from device.display.backdrop import Backdrop, surface_pixels
from device.display.invitation import draw_invitation, wander_offset
from device.display.layout import Size
from device.display.lettering import TextRenderer
from device.display.style import WHITE, Colour
from models.pose import Image, Pose

FADE_SECONDS: Final = 0.05
"""Seconds of the cross-fade from photo to photo while a visitor is there: one or two pictures of the display. It
takes the edge off the cut. A longer fade shows double exposures whenever somebody moves."""

SLOW_FADE_SECONDS: Final = 1.5
"""Seconds of the cross-fade while nobody is there."""

DIM_BRIGHTNESS: Final = 0.4
"""Brightness of the photos behind the invitation, as a share."""

MARGIN: Final = 0.03
"""Space along the display's edges, as a share of its short side."""

INSET_AREA: Final = 0.06
"""Area of the inset, as a share of a landscape display's area …"""
PORTRAIT_INSET_AREA: Final = 0.035
"""… and of a portrait one's, where it would hide the feet of the answer's person."""

RING_STEPS: Final = 24
"""Steps per second in which the countdown's ring empties. Each is cached and takes up to a megabyte."""

MIN_TEXT_SIZE: Final = 11
"""Pixels: smaller letters cannot be read."""

SNAP_DISTANCE: Final = 0.004
"""A smoothed value this close to its target jumps to it: one level of 255 can hardly be seen."""


@dataclass(frozen=True, slots=True, eq=False)
class PreparedPhoto:
    """A photo ready for the screen: `picture` is H×W×3 of the canvas's size (see `layout.prepare`), and its credit.

    A different `picture` object counts as a different photo, and the screen fades to it.
    """

    picture: Image
    credit: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """Everything that the screen shows at one moment.

    `ring` tells how far the ring closes, 0 to 1 (`device.rating`). `camera_image` is the mirrored camera
    picture (H×W×3), and `visitor` the pose in its pixels. `visitor_present` decides between answering and inviting.
    `faults` are sentences that stay as long as they are true. `notice` is a sentence for some seconds, and `failed`
    whether it is about a failure. `countdown` is the numeral to show, `recording_progress` the share that is recorded,
    0 to 1.
    """

    photo: PreparedPhoto | None = None
    ring: float | None = None
    camera_image: Image | None = None
    visitor: Pose | None = None
    visitor_present: bool = False
    faults: tuple[str, ...] = ()
    notice: str | None = None
    failed: bool = False
    countdown: int | None = None
    recording_progress: float | None = None


class Scene:
    """Draws views on a canvas, and remembers fades and movements between them. Needs pygame.font."""

    def __init__(self) -> None:
        self._backdrop = Backdrop((1, 1))
        self._lettering = TextRenderer()
        self._cards = lru_cache(maxsize=4)(self._render_cards)  # half a megabyte each; no more are ever shown
        self._presence = SmoothedValue(0.0, 0.2)
        self._ring = SmoothedValue(0.0, 0.12)
        self._numeral, self._numeral_since = 0, -math.inf

    def draw(self, canvas: pygame.Surface, view: View, now: float) -> None:
        """Draw a view at the time `now`, in seconds of any steady clock."""
        if self._backdrop.size != canvas.get_size():
            self._reset(canvas.get_size())
        presence = self._presence.update(1.0 if view.visitor_present else 0.0, now)
        self._backdrop.fade_to(
            view.photo.picture if view.photo else None, now, FADE_SECONDS if view.visitor_present else SLOW_FADE_SECONDS
        )
        self._backdrop.paint(surface_pixels(canvas), now, DIM_BRIGHTNESS + (1 - DIM_BRIGHTNESS) * presence)
        if view.photo and view.photo.credit:
            self._draw_credit(canvas, view.photo.credit)
        if presence > 0:
            self._draw_visitor(canvas, view, now, presence)
        if not view.faults and presence < 1:
            draw_invitation(canvas, self._lettering, now, 1 - presence)
        if view.countdown is not None:
            self._draw_countdown(canvas, view.countdown, now)
        self._draw_messages(canvas, view, now)

    def _reset(self, size: Size) -> None:
        """Start anew for a canvas of another size: cached pieces of the old size would only take up memory."""
        self._backdrop = Backdrop(size)
        self._lettering.clear_caches()
        self._cards.cache_clear()
        draw.clear_caches()

    def _draw_credit(self, canvas: pygame.Surface, credit: str) -> None:
        """Draw the photo's credit in the lower right corner, on a strip that darkens downwards.

        Licences require it for as long as the photo is shown.
        """
        (width, height), unit = canvas.get_size(), min(canvas.get_size())
        margin = unit * MARGIN
        words = self._lettering.render_block(
            credit,
            _text_size(unit, 0.025),
            round((0.45 if width > height else 0.36) * width),
            align="right",
            max_lines=4,
        )
        strip = draw.gradient((width, min(height, round(words.get_height() * 1.5 + unit * 0.12))), 0.75)
        draw.blit(canvas, strip, (0, height - strip.get_height()))
        draw.blit(canvas, words, (width - margin - words.get_width(), height - margin * 0.8 - words.get_height()), 0.95)

    def _draw_visitor(self, canvas: pygame.Surface, view: View, now: float, presence: float) -> None:
        """Draw the visitor's inset and the ring in the lower left corner, with the opacity `presence`."""
        (width, height), unit = canvas.get_size(), min(canvas.get_size())
        x, bottom = unit * MARGIN, height - unit * MARGIN
        if view.camera_image is not None:
            size = inset_size(view.camera_image, (width, height))
            picture = draw.camera_picture(view.camera_image, [view.visitor] if view.visitor else [], size)
            draw.blit(canvas, draw.inset(picture), (x, bottom - size[1]), presence)
            x += size[0] + unit * MARGIN * 0.7
        if view.ring is not None and view.photo:
            diameter = max(26, round(unit * 0.1))
            share = self._ring.update(min(max(view.ring, 0.0), 1.0), now)
            self._draw_ring(canvas, share, diameter, (x, bottom - diameter), presence)

    def _draw_ring(
        self, canvas: pygame.Surface, share: float, diameter: int, at: tuple[float, float], opacity: float
    ) -> None:
        """Draw a ring that closes the better the answer fits. A number would promise what nobody knows."""
        thickness = max(3, diameter * 0.13)
        percent = round(100 * share)  # whole percents, so that few arcs are cached
        draw.blit(canvas, draw.rounded_rect((diameter, diameter), diameter / 2, alpha=0.6), at, opacity)
        inner, inset = round(diameter * 0.88), diameter * 0.06
        within = at[0] + inset, at[1] + inset
        draw.blit(canvas, draw.arc(inner, thickness, 1.0, WHITE, 0.22), within, opacity)
        draw.blit(canvas, draw.arc(inner, thickness, percent / 100, style.COOL), within, opacity)

    def _draw_countdown(self, canvas: pygame.Surface, numeral: int, now: float) -> None:
        """Draw the numeral, big and in the middle, in a ring that empties within a second."""
        if numeral != self._numeral:
            self._numeral, self._numeral_since = numeral, now
        (width, height), unit = canvas.get_size(), min(canvas.get_size())
        centre, diameter = (width / 2, height / 2), max(8, round(unit * 0.5))
        share = max(1, round(RING_STEPS * (1 - max(now - self._numeral_since, 0.0)))) / RING_STEPS
        for piece in (
            draw.rounded_rect((diameter, diameter), diameter / 2, alpha=0.55),
            draw.arc(round(diameter * 0.92), diameter * 0.035, share, WHITE, 0.9),
            self._lettering.render_line(str(numeral), round(diameter * 0.9), tight=True),
        ):
            draw.blit(canvas, piece, _top_left(piece, centre))

    def _draw_recording(self, canvas: pygame.Surface, share: float, now: float) -> float:
        """Draw a pulsing red dot and a bar that fills, at the top; return their lower edge."""
        (width, _), unit = canvas.get_size(), min(canvas.get_size())
        pill_height, pill_width = max(16, round(unit * 0.06)), max(64, round(unit * 0.42))
        x, y = (width - pill_width) / 2, unit * MARGIN
        dot, bar = round(pill_height * 0.44), max(3, round(pill_height * 0.2))
        pad = (pill_height - dot) / 2
        track = round(pill_width - dot - 3.2 * pad)
        draw.blit(canvas, draw.rounded_rect((pill_width, pill_height), pill_height / 2, alpha=0.7), (x, y))
        pulse = 0.7 + 0.3 * math.cos(2 * math.pi * now)
        draw.blit(canvas, draw.rounded_rect((dot, dot), dot / 2, style.RED, 1.0), (x + pad * 1.2, y + pad), pulse)
        at = x + dot + 2 * pad, y + (pill_height - bar) / 2
        draw.blit(canvas, draw.rounded_rect((track, bar), bar / 2, WHITE, 0.25), at)
        done = max(bar, round(track * min(max(share, 0.0), 1.0)))
        draw.blit(canvas, draw.rounded_rect((done, bar), bar / 2, WHITE, 0.95), at)
        return y + pill_height

    def _draw_messages(self, canvas: pygame.Surface, view: View, now: float) -> None:
        """Draw the sentences as cards, one below the other: the notice, then the faults.

        While nobody is there, the faults replace the invitation in the middle, and wander like it.
        """
        (width, height), gap = canvas.get_size(), min(canvas.get_size()) * MARGIN / 2
        top = 2 * gap
        if view.recording_progress is not None:
            top = self._draw_recording(canvas, view.recording_progress, now) + gap
        if view.notice:
            colour = style.AMBER if view.failed else style.COOL
            top = _stack_cards(canvas, self._cards((view.notice,), colour, (width, height)), width / 2, top, gap)
        faults = self._cards(view.faults, style.AMBER, (width, height))
        middle = width / 2
        if faults and not view.visitor_present:
            across, down = wander_offset(now)
            spare = width - max(card.get_width() for card in faults)
            total_height = sum(card.get_height() + gap for card in faults) - gap
            middle += 0.3 * across * spare
            top = max(top, (height - total_height) / 2 + 0.3 * down * max(height - total_height, 0))
        _stack_cards(canvas, faults, middle, top, gap)

    def _render_cards(self, sentences: tuple[str, ...], accent: Colour, size: Size) -> list[pygame.Surface]:
        """Render sentences as cards, in smaller letters if they would not fit otherwise."""
        unit, cards = min(size), []
        for share in (0.044, 0.036, 0.03, 0.024):
            text_size = _text_size(unit, share)
            padding = round(text_size * 0.75)
            room = min(round(size[0] - 2 * unit * MARGIN) - 4 * padding, text_size * 24)
            blocks = [self._lettering.render_block(sentence, text_size, room) for sentence in sentences]
            cards = [draw.card(block, padding, accent) for block in blocks]
            if sum(card.get_height() for card in cards) < 0.75 * size[1]:
                break
        return cards


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


def _stack_cards(canvas: pygame.Surface, cards: list[pygame.Surface], middle: float, top: float, gap: float) -> float:
    """Draw cards one below the other, centred on `middle`; return where the next card would start."""
    for card in cards:
        draw.blit(canvas, card, (middle - card.get_width() / 2, top))
        top += card.get_height() + gap
    return top


def _top_left(piece: pygame.Surface, centre: tuple[float, float]) -> tuple[float, float]:
    return centre[0] - piece.get_width() / 2, centre[1] - piece.get_height() / 2


def _text_size(unit: int, share: float) -> int:
    """Return a text size: a share of the display's short side, but never too small to read."""
    return max(MIN_TEXT_SIZE, round(unit * share))


def inset_size(camera_image: Image, display: Size) -> Size:
    """Return the inset's size: a share of the display's area, with the camera picture's aspect ratio."""
    height, width = camera_image.shape[:2]
    area = INSET_AREA if display[0] >= display[1] else PORTRAIT_INSET_AREA
    scale = math.sqrt(area * display[0] * display[1] / (width * height))
    scale = min(scale, 0.42 * display[0] / width, 0.42 * display[1] / height)
    return max(2, round(width * scale)), max(2, round(height * scale))
