"""Composing the screen: which state it shows, what lies over it, and the cross-fades between states."""

from __future__ import annotations

import math
from functools import lru_cache, partial
from typing import Final, Literal, TypeAlias

import pygame
from pygame import Rect

from device.display import draw, style
from device.display.attract import PRIVACY_COLOUR, PRIVACY_SIZE, Attract, privacy_message
from device.display.button_mark import ButtonMark, Side, draw_button_mark
from device.display.hint_drawings import hint_card
from device.display.layout import Size
from device.display.lettering import LEADING, TextRenderer
from device.display.panes import SMALLEST, STRIP, Layout
from device.display.playing import Playing, Presentation
from device.display.replay_screen import ReplayScreen
from device.display.views import Recorded, View
from device.language.message import Message, message
from device.language.translate import Language
from device.language.turns import Languages

State: TypeAlias = Literal["starting", "attract", "playing", "replay"]

STATE_FADE_SECONDS: Final = 0.3
"""Seconds of the cross-fade between two states of the screen."""

OWNERS_MARK: Final = 0.022
"""Diameter of the owner's mark, as a share of the display's short side: visitors hardly notice it."""

RING_STEPS: Final = 24
"""Steps per second in which the countdown's ring empties. Each is cached and takes up to a megabyte."""

COUNTDOWN: Final = 0.26
"""Diameter of the countdown, as a share of the display's short side: it must not hide the answer."""

PRESS: Final = message("Press for a GIF")
HOLD: Final = message("Hold for another collection")
LARGE_HINT: Final = 0.16
"""Height of a hint where there is no strip for it, as a share of the display's short side."""

STRIP_HINT, TALL_STRIP_HINT, WIDEST_HINT = 0.31, 0.42, 0.55
"""Width of a hint at most, as a share of the display's: on the strip of a landscape and of a portrait display, where
the button is next to it, and elsewhere."""

GET_READY: Final = message("Get ready")
RECORDING: Final = message("Recording")


class Scene:
    """Draws views on a canvas, and remembers fades and movements between them. Needs pygame.font.

    `side` is the side of the display where the real button is; it is not drawn if that is empty. `shared_hours` is for
    how long GIFs are shared, 0 if they are not.
    """

    def __init__(
        self,
        layout: Layout = "side",
        side: Side | Literal[""] = "bottom",
        languages: Languages | None = None,
        shared_hours: int = 0,
    ) -> None:
        self._shared_hours = shared_hours
        self._layout, self._side, self._languages = layout, side, languages or Languages([Language()])
        self.language = self._languages.current
        self._size: Size = (0, 0)
        self._text = TextRenderer()
        self._cards = lru_cache(maxsize=4)(self._render_card)
        self._hints = lru_cache(maxsize=4)(partial(hint_card, self._text))
        self._privacy_size = lru_cache(maxsize=4)(self._fit_privacy)
        self._attract = Attract(self._size)
        self._playing, self._replay = Playing(), ReplayScreen()
        self._state: State = "starting"
        self._before: pygame.Surface | None = None  # what was shown before the present state
        self._since = -math.inf
        self._numeral, self._numeral_since = 0, -math.inf

    def draw(self, canvas: pygame.Surface, view: View, now: float) -> None:
        """Draw a view at the time `now`, in seconds of any steady clock."""
        if self._size != canvas.get_size():
            self._reset(canvas.get_size())
        state = _state_of(view)
        if state != self._state:
            self._state, self._before, self._since = state, canvas.copy(), now
        language = self._languages.at(now, bool(view.answers), view.recorded.is_busy)
        self.language = language
        self._text.set_language(language.code)
        presentation = Presentation(self._text, language, self._layout, self._shared_hours)
        taken = self._draw_state(canvas, view, presentation, now)
        self._draw_messages(canvas, view, presentation, taken, now)
        self._fade_state(canvas, now)

    def _reset(self, size: Size) -> None:
        """Start anew for a canvas of another size: cached pieces of the old size would only take up memory."""
        self._size, self._before = size, None
        self._playing, self._attract, self._replay = Playing(), Attract(size), ReplayScreen()
        self._text.clear_caches()
        self._cards.cache_clear()
        self._hints.cache_clear()
        self._privacy_size.cache_clear()
        draw.clear_caches()

    def _draw_state(self, canvas: pygame.Surface, view: View, presentation: Presentation, now: float) -> list[Rect]:
        """Draw the present state, and return the places that nothing should cover."""
        match self._state:
            case "starting":
                self._draw_starting(canvas, view, presentation)
            case "attract" if min(self._size) >= SMALLEST:
                self._attract.draw(canvas, view, presentation, now)
                return list(self._attract.taken)
            case "replay":
                self._replay.draw(canvas, view.recorded, presentation)
            case "playing":
                return self._playing.draw(canvas, view, presentation, now)
            case _:  # a window of a few pixels
                canvas.fill(style.INK)
        return []

    def _fade_state(self, canvas: pygame.Surface, now: float) -> None:
        """Lay what was shown before the present state over it, fainter and fainter."""
        if self._before is None:
            return
        share = (now - self._since) / STATE_FADE_SECONDS
        if 0 <= share < 1:
            draw.blit(canvas, self._before, (0, 0), 1 - share)
        else:
            self._before = None

    def _draw_starting(self, canvas: pygame.Surface, view: View, presentation: Presentation) -> None:
        (width, height), unit = canvas.get_size(), min(canvas.get_size())
        canvas.fill(style.INK)
        if view.starting is None:
            return
        words = self._text.render_block(
            presentation.language.say(view.starting),
            style.text_size(unit, style.BODY),
            round(0.8 * width),
            align="centre",
        )
        draw.blit(canvas, words, ((width - words.get_width()) / 2, height * 0.46 - words.get_height()))
        if view.started is not None:
            size = round(0.4 * width), max(4, round(unit * 0.012))
            self._draw_bar(canvas, ((width - size[0]) / 2, height * 0.52), size, view.started)

    def _draw_bar(self, canvas: pygame.Surface, at: tuple[float, float], size: Size, share: float) -> None:
        """Draw a bar that fills from 0 to 1."""
        width, height = size
        draw.blit(canvas, draw.rounded_rect(size, height / 2, style.WHITE, 0.25), at)
        done = max(height, round(width * min(max(share, 0.0), 1.0)))
        draw.blit(canvas, draw.rounded_rect((done, height), height / 2, style.WHITE, 0.95), at)

    def _draw_messages(
        self, canvas: pygame.Surface, view: View, presentation: Presentation, taken: list[Rect], now: float
    ) -> None:
        """Draw what lies over the present state: the recording, the button, hints, troubles and the owner's mark."""
        recorded = view.recorded
        if recorded.countdown is not None:
            taken.append(self._draw_countdown(canvas, recorded.countdown, now))
        elif recorded.progress is not None:
            taken.append(self._draw_recording(canvas, recorded.progress, now))
        elif view.collection is not None:
            taken.append(self._draw_collection(canvas, presentation.language.say(view.collection)))
        elif view.hint is not None:
            self._draw_hint(canvas, view, presentation, taken)
        at_start = self._side == (
            "left" if presentation.language.direction == "rtl" else "right"
        )  # the button is at the end
        is_start_taken = view.hint is not None or len(view.answers) > 1
        has_room = not (at_start and is_start_taken) and (self._size[0] > self._size[1] or view.hint is None)
        if self._state == "playing" and self._layout == "side" and has_room and not recorded.is_busy:
            taken.append(self._draw_privacy(canvas, presentation, at_start))
        if view.trouble is not None:
            card = self._cards(presentation.language.say(view.trouble), style.AMBER, canvas.get_size())
            corner = self._edge_place(canvas.get_size(), card.get_size(), presentation)
            draw.blit(canvas, card, corner)
            taken.append(card.get_rect(topleft=(round(corner[0]), round(corner[1]))))
        if self._side and self._state in ("attract", "playing"):
            draw_button_mark(canvas, self._text, self._button_mark(view, presentation), now, taken)
        if view.needs_care:
            draw_owners_mark(canvas, presentation)

    def _button_mark(self, view: View, presentation: Presentation) -> ButtonMark:
        """Return the button with its words: what it does, or what the recording has to say."""
        status = status_message(view.recorded)
        lines = [status or PRESS]
        if status is None and view.holds:
            lines.append(HOLD)
        elif view.recorded.portrayal is not None and (view.recorded.countdown or view.recorded.progress) is not None:
            lines.append(view.recorded.portrayal)
        return ButtonMark(self._side or "bottom", tuple(presentation.language.say(line) for line in lines), view.button)

    def _draw_hint(self, canvas: pygame.Surface, view: View, presentation: Presentation, taken: list[Rect]) -> None:
        """Draw what would help the visitor, as a drawing with a few words: on the strip, or above the inset."""
        size, unit = canvas.get_size(), min(canvas.get_size())
        on_strip = self._state == "playing" and self._layout == "side"
        height = max(12, round(unit * (STRIP if on_strip else LARGE_HINT) * 0.92))
        hint = view.hint
        if hint is None:
            return
        share = STRIP_HINT if size[0] > size[1] else TALL_STRIP_HINT
        width = round(size[0] * (share if on_strip and len(view.answers) == 1 else WIDEST_HINT))
        rtl = presentation.language.direction == "rtl"
        card = self._hints(presentation.language.say(hint.message), hint.drawing, (width, height), rtl)
        place = card.get_rect(left=round(unit * style.MARGIN / 2), bottom=size[1] - round(unit * 0.006))
        if self._state == "playing" and (self._layout == "full" or len(view.answers) > 1):
            bottom = taken[0].top if taken else size[1]
            place.bottomleft = round(unit * style.MARGIN), bottom - round(unit * style.MARGIN)
        if rtl:
            place.right = size[0] - place.left
        draw.blit(canvas, card, place.topleft)
        taken.append(place)

    def _draw_privacy(self, canvas: pygame.Surface, presentation: Presentation, at_start: bool) -> Rect:
        """Draw the line on privacy on the strip, where reading ends or starts; return its place."""
        (width, height), unit = canvas.get_size(), min(canvas.get_size())
        words = presentation.language.say(privacy_message(presentation.shared_hours))
        room = round(width * 0.26), round(unit * STRIP)
        block = self._text.render_block(words, self._privacy_size(words, room, unit), room[0], PRIVACY_COLOUR)
        margin = round(unit * style.MARGIN)
        place = block.get_rect(right=width - margin, centery=height - round(unit * STRIP / 2))
        if (presentation.language.direction == "rtl") != at_start:
            place.left = margin
        draw.blit(canvas, block, place.topleft)
        return place

    def _fit_privacy(self, words: str, room: Size, unit: int) -> int:
        """Return the largest size at which the line on privacy is on the strip as a whole."""
        size = style.text_size(unit, PRIVACY_SIZE)
        while size > style.MIN_TEXT_SIZE and len(self._text.wrap(words, size, room[0])) * size * LEADING > room[1]:
            size -= 1
        return size

    def _edge_place(self, canvas: Size, piece: Size, presentation: Presentation) -> tuple[float, float]:
        """Return the upper left corner of a piece in the corner of the display where reading starts."""
        margin = min(canvas) * style.MARGIN
        return (canvas[0] - margin - piece[0] if presentation.language.direction == "rtl" else margin), margin

    def _draw_collection(self, canvas: pygame.Surface, name: str) -> Rect:
        """Draw the name of the collection that was chosen, at the top; return its place."""
        unit = min(canvas.get_size())
        words = self._text.render_line(name, style.text_size(unit, style.HEADLINE))
        size = words.get_width() + round(unit * 0.1), round(words.get_height() * 1.3)
        place = Rect((0, 0), size)
        place.midtop = round(canvas.get_width() / 2), round(unit * style.MARGIN)
        draw.blit(canvas, draw.rounded_rect(size, size[1] / 2, alpha=0.72), place.topleft)
        draw.blit(canvas, words, words.get_rect(center=place.center).topleft)
        return place

    def _draw_countdown(self, canvas: pygame.Surface, numeral: int, now: float) -> Rect:
        """Draw the numeral in a ring that empties within a second, where it hides nobody's face; return its place.

        That is at the top, between the two panes; without two panes next to each other it is in a corner.
        """
        if numeral != self._numeral:
            self._numeral, self._numeral_since = numeral, now
        width, unit = canvas.get_width(), min(canvas.get_size())
        diameter = max(8, round(unit * COUNTDOWN))
        away = unit * style.MARGIN + diameter / 2
        between = self._layout == "side" and width >= canvas.get_height()
        centre = width / 2 if between else width - away, away
        share = max(1, round(RING_STEPS * (1 - max(now - self._numeral_since, 0.0)))) / RING_STEPS
        for piece in (
            draw.rounded_rect((diameter, diameter), diameter / 2, alpha=0.7),
            draw.arc(round(diameter * 0.92), diameter * 0.05, share, style.RED, 0.95),
            self._text.render_line(str(numeral), round(diameter * 0.9), tight=True),
        ):
            draw.blit(canvas, piece, _top_left(piece, centre))
        return Rect(round(centre[0] - diameter / 2), round(centre[1] - diameter / 2), diameter, diameter)

    def _draw_recording(self, canvas: pygame.Surface, share: float, now: float) -> Rect:
        """Draw a pulsing red dot and a bar that fills, at the top; return its place."""
        width, unit = canvas.get_width(), min(canvas.get_size())
        pill_height, pill_width = max(16, round(unit * 0.06)), max(64, round(unit * 0.42))
        x, y = (width - pill_width) / 2, unit * style.MARGIN
        dot, bar = round(pill_height * 0.44), max(3, round(pill_height * 0.2))
        pad = (pill_height - dot) / 2
        track = round(pill_width - dot - 3.2 * pad)
        draw.blit(canvas, draw.rounded_rect((pill_width, pill_height), pill_height / 2, alpha=0.7), (x, y))
        pulse = 0.7 + 0.3 * math.cos(2 * math.pi * now)
        draw.blit(canvas, draw.rounded_rect((dot, dot), dot / 2, style.RED, 1.0), (x + pad * 1.2, y + pad), pulse)
        self._draw_bar(canvas, (x + dot + 2 * pad, y + (pill_height - bar) / 2), (track, bar), share)
        return Rect(round(x), round(y), pill_width, pill_height)

    def _render_card(self, sentence: str, accent: style.Colour, size: Size) -> pygame.Surface:
        """Render a sentence as a card."""
        unit = min(size)
        letters = style.text_size(unit, style.SMALL)
        padding = round(letters * 0.75)
        room = min(round(size[0] - 2 * unit * style.MARGIN) - 4 * padding, letters * 24)
        return draw.card(self._text.render_block(sentence, letters, room, max_lines=3), padding, accent)


def _state_of(view: View) -> State:
    if view.recorded.replay is not None:
        return "replay"
    if view.answers:
        return "playing"
    return "starting" if view.starting is not None else "attract"


def draw_owners_mark(canvas: pygame.Surface, presentation: Presentation) -> None:
    """Draw a small amber dot in a corner: owners know that it means "look at `pose-mirror doctor`"."""
    unit = min(canvas.get_size())
    diameter = max(8, round(unit * OWNERS_MARK))
    margin = round(unit * 0.012)
    left = margin if presentation.language.direction == "rtl" else canvas.get_width() - margin - diameter
    draw.blit(canvas, draw.rounded_rect((diameter, diameter), diameter / 2, style.INK, 0.9), (left, margin))
    inner = round(diameter * 0.6)
    inset = (diameter - inner) / 2
    draw.blit(canvas, draw.rounded_rect((inner, inner), inner / 2, style.AMBER, 1.0), (left + inset, margin + inset))


def _top_left(piece: pygame.Surface, centre: tuple[float, float]) -> tuple[float, float]:
    return centre[0] - piece.get_width() / 2, centre[1] - piece.get_height() / 2


def status_message(recorded: Recorded) -> Message | None:
    """Return what the recording has to say now; None while there is none."""
    if recorded.notice is not None:
        return recorded.notice
    if recorded.countdown is not None:
        return GET_READY
    return RECORDING if recorded.progress is not None else None
