"""The screen after a recording: the GIF, and the codes with which a visitor's phone finds it.

On a landscape display the codes are next to the GIF, where reading ends; on a portrait one they are below it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import cv2
import numpy as np
import pygame
from pygame import Rect

from device.display import draw, style
from device.display.attract import PRIVACY_COLOUR
from device.display.backdrop import surface_pixels
from device.display.code import Modules, draw_code
from device.display.layout import Size
from device.display.playing import Presentation
from device.display.views import Recorded, ShownPage
from device.language.message import Message, message, plural_message
from models.pose import Image

REPLAY_SHARE: Final = 0.74
"""Width and height of a GIF without codes at most, as a share of the display's."""

CODE: Final = 0.46
"""Side of a code's white tile at most, as a share of the display's short side. A phone reads a code from about ten
times its side. Two below each other have less: 0.31 to 0.34 on wide displays."""

CAPTION, LEAST_CAPTION = 0.12, 0.085
"""Height of the words above a code, and where there is little room, as shares of the display's short side."""

GIF_WORDS: Final = 0.165
"""Height of the words below a GIF with codes, as a share of the display's short side."""

NUMERAL: Final = 0.075
"""Diameter of the disc with a code's number, as a share of the display's short side."""

HEADING: Final = 0.6
"""Height of the words above a code that has a number, as a share of the caption's: a name may stand below them."""

SCAN: Final = message("Scan for your GIF")
JOIN: Final = message("Join the Wi-Fi")
THEN_SCAN: Final = message("Then scan for your GIF")


class Caption(NamedTuple):
    """The words above a code, and the name of a Wi-Fi below them."""

    words: Message
    name: str = ""


class CodePlace(NamedTuple):
    """Where a code's tile is, and the words above it; `pixels` is the side of a module."""

    tile: Rect
    caption: Rect
    pixels: int


class ReplayPlaces(NamedTuple):
    """Where the room for the GIF, its words and the codes are."""

    gif: Rect
    words: Rect
    codes: tuple[CodePlace, ...]


def arrange_replay(size: Size, modules: tuple[int, ...], rtl: bool = False) -> ReplayPlaces:
    """Return the places on a canvas of a size for a GIF with codes of some numbers of modules, one or two."""
    (width, height), unit, number = size, min(size), len(modules)
    margin, least, words = (max(1, round(unit * share)) for share in (style.MARGIN, LEAST_CAPTION, GIF_WORDS))
    is_wide = width >= height
    pixels = max(1, round(unit * CODE / max(modules)))
    if is_wide:
        free = height - (number + 1) * margin
        pixels = max(1, min(pixels, (free - number * least) // sum(modules)))
        caption = min(round(unit * CAPTION), (free - pixels * sum(modules)) // number)
    else:
        pixels = max(1, min(pixels, (width - (number + 1) * margin) // sum(modules)))
        caption = round(unit * CAPTION)
    sides = [pixels * count for count in modules]
    if is_wide:
        column = max(*sides, round(unit * CODE))
        codes = _column(Rect(width - margin - column, 0, column, height), sides, caption, margin)
        gif = Rect(margin, margin, width - column - 3 * margin, height - 2 * margin - words)
    else:
        top = height - margin - max(sides) - caption
        codes = _row(Rect(0, top, width, height - margin - top), sides, caption)
        gif = Rect(margin, margin, width - 2 * margin, top - 2 * margin - words)
    below = Rect(gif.left, gif.bottom, gif.width, words)
    places = ReplayPlaces(gif, below, tuple(CodePlace(tile, caption, pixels) for tile, caption in codes))
    return _mirrored(places, width) if rtl else places


def _column(room: Rect, sides: list[int], caption: int, margin: int) -> list[tuple[Rect, Rect]]:
    """Return tiles with captions, one below the other, in the middle of a room."""
    top = room.centery - (sum(sides) + len(sides) * caption + (len(sides) - 1) * margin) // 2
    places = []
    for side in sides:
        words = Rect(room.left, top, room.width, caption)
        places.append((Rect(room.centerx - side // 2, words.bottom, side, side), words))
        top += caption + side + margin
    return places


def _row(room: Rect, sides: list[int], caption: int) -> list[tuple[Rect, Rect]]:
    """Return tiles with captions, next to each other, each in the middle of its share of a room."""
    share = room.width // len(sides)
    places = []
    for number, side in enumerate(sides):
        words = Rect(room.left + number * share, room.top, share, caption).inflate(-caption // 4, 0)
        places.append((Rect(words.centerx - side // 2, words.bottom, side, side), words))
    return places


def _mirrored(places: ReplayPlaces, width: int) -> ReplayPlaces:
    def flip(rect: Rect) -> Rect:
        return Rect(width - rect.right, rect.top, rect.width, rect.height)

    codes = tuple(CodePlace(flip(code.tile), flip(code.caption), code.pixels) for code in places.codes)
    return ReplayPlaces(flip(places.gif), flip(places.words), codes)


class ReplayScreen:
    """Draws a replay on canvases of one size. What is around the GIF is drawn once."""

    def __init__(self) -> None:
        self._stage: pygame.Surface | None = None
        self._place = Rect(0, 0, 0, 0)
        self._staged: object = None  # what the stage shows besides the GIF
        self._painted: Image | None = None

    def draw(self, canvas: pygame.Surface, recorded: Recorded, presentation: Presentation) -> None:
        """Draw the GIF's present picture, with its words and its codes."""
        picture = recorded.replay
        if picture is None:
            canvas.fill(style.INK)
            return
        shape = picture.shape[1], picture.shape[0]
        staged = canvas.get_size(), shape, recorded.notice, recorded.page, presentation.language.code
        if self._stage is None or staged != self._staged:
            self._stage, self._staged, self._painted = pygame.Surface(canvas.get_size(), 0, 32), staged, None
            self._stage.fill(style.INK)
            drawing = _draw_plain if recorded.page is None else _draw_with_codes
            self._place = drawing(self._stage, recorded, presentation, shape).clip(self._stage.get_rect())
        if picture is not self._painted and self._place.width and self._place.height:
            _paint(self._stage.subsurface(self._place), picture)
            draw.round_corners(self._stage, self._place)
            self._painted = picture
        canvas.blit(self._stage, (0, 0))


def _draw_plain(stage: pygame.Surface, recorded: Recorded, presentation: Presentation, shape: Size) -> Rect:
    """Draw the words below a GIF without codes; return the GIF's place, in the middle."""
    (width, height), unit = stage.get_size(), min(stage.get_size())
    sentence = presentation.language.say(recorded.notice) if recorded.notice else ""
    words = presentation.text.render_line(sentence, style.text_size(unit, style.HEADLINE))
    room = Rect(0, 0, round(width * REPLAY_SHARE), round(height * REPLAY_SHARE - words.get_height() * 0.5))
    room.center = round(width / 2), round((height - words.get_height()) / 2)
    place = _fit_gif(shape, room)
    draw.blit(stage, words, ((width - words.get_width()) / 2, place.bottom + unit * style.MARGIN))
    return place


def _draw_with_codes(stage: pygame.Surface, recorded: Recorded, presentation: Presentation, shape: Size) -> Rect:
    """Draw the codes and all words of a shared GIF; return the GIF's place."""
    page = recorded.page
    assert page is not None
    codes = _codes(page)
    rtl = presentation.language.direction == "rtl"
    places = arrange_replay(stage.get_size(), tuple(code.shape[0] for code, _ in codes), rtl)
    for (code, _), place in zip(codes, places.codes, strict=True):
        stage.blit(draw_code(code, place.pixels), place.tile.topleft)
    _draw_captions(stage, [place.caption for place in places.codes], [caption for _, caption in codes], presentation)
    gif = _fit_gif(shape, places.gif)
    words = places.words.move(0, gif.bottom - places.gif.bottom)
    upper, lower = Rect(words), Rect(words)
    upper.height = round(words.height * 0.6)
    lower.height, lower.bottom = words.height - upper.height, words.bottom
    if recorded.notice is not None:
        _draw_words(stage, upper, recorded.notice, style.HEADLINE, style.WHITE, presentation)
    _draw_words(stage, lower, deleted_after(page.hours), style.BODY, PRIVACY_COLOUR, presentation)
    return gif


def deleted_after(hours: int) -> Message:
    """Return what says when a GIF is deleted."""
    return plural_message("Deleted after one hour", "Deleted after {count} hours", hours)


def _codes(page: ShownPage) -> list[tuple[Modules, Caption]]:
    """Return a page's codes in the order in which they are scanned."""
    if page.wifi_code is None:
        return [(page.code, Caption(SCAN))]
    return [(page.wifi_code, Caption(JOIN, page.wifi_name)), (page.code, Caption(THEN_SCAN))]


def _draw_captions(
    stage: pygame.Surface, rooms: list[Rect], captions: list[Caption], presentation: Presentation
) -> None:
    """Draw the words above codes. Several have numbers, are equally large, and begin at the same place."""
    unit, rtl = min(stage.get_size()), presentation.language.direction == "rtl"
    gap = round(unit * 0.012)
    height = min(room.height for room in rooms) - gap
    disc = min(max(14, round(unit * NUMERAL)), height) if len(rooms) > 1 else 0
    before = disc + gap if disc else 0
    line_width = min(room.width for room in rooms) - before
    heading = round(height * HEADING) if disc else height
    sentences = [presentation.language.say(caption.words) for caption in captions]
    body = style.text_size(unit, style.BODY)
    size = min(_fit_size(sentence, (line_width, heading), body, presentation) for sentence in sentences)
    drawn = [_render_caption(caption, size, (line_width, height - heading), presentation) for caption in captions]
    width = max(block.get_width() for blocks in drawn for block in blocks)
    for number, (room, blocks) in enumerate(zip(rooms, drawn, strict=True), 1):
        words = Rect(0, 0, width, sum(block.get_height() for block in blocks))
        place = Rect(0, 0, before + width, max(words.height, disc))
        place.midbottom = room.centerx, room.bottom - gap
        words.midright = place.midright
        if rtl:
            words.midleft = place.midleft
        if disc:
            _draw_number(stage, place, disc, number, presentation)
        for block in blocks:
            draw.blit(stage, block, (words.right - block.get_width() if rtl else words.left, words.top))
            words.top += block.get_height()


def _render_caption(caption: Caption, size: int, name_room: Size, presentation: Presentation) -> list[pygame.Surface]:
    """Return a caption's words, `size` pixels high, and its name below them."""
    words = presentation.language.say(caption.words)
    blocks = [presentation.text.render_block(words, size, name_room[0], style.WHITE, "centre")]
    if caption.name:
        blocks.append(_fit_words(caption.name, name_room, size, PRIVACY_COLOUR, presentation))
    return blocks


def _draw_number(stage: pygame.Surface, place: Rect, diameter: int, number: int, presentation: Presentation) -> None:
    """Draw a number in a disc where reading the words at a place begins."""
    disc = Rect(place.left, 0, diameter, diameter)
    disc.centery = place.centery
    if presentation.language.direction == "rtl":
        disc.right = place.right
    draw.blit(stage, draw.rounded_rect(disc.size, diameter / 2, style.MIDDLE, 1.0), disc.topleft)
    numeral = presentation.text.render_line(str(number), round(diameter * 0.8), style.INK, tight=True)
    draw.blit(stage, numeral, numeral.get_rect(center=disc.center).topleft)


def _draw_words(
    stage: pygame.Surface,
    room: Rect,
    text: Message,
    share: float,
    colour: style.Colour,
    presentation: Presentation,
) -> None:
    size = style.text_size(min(stage.get_size()), share)
    block = _fit_words(text, room.size, size, colour, presentation)
    draw.blit(stage, block, block.get_rect(center=room.center).topleft)


def _fit_words(
    text: Message | str, room: Size, size: int, colour: style.Colour, presentation: Presentation
) -> pygame.Surface:
    """Render words `size` pixels high, or smaller where they would not fit into the room (width, height)."""
    words = text if isinstance(text, str) else presentation.language.say(text)
    return presentation.text.render_block(words, _fit_size(words, room, size, presentation), room[0], colour, "centre")


def _fit_size(words: str, room: Size, size: int, presentation: Presentation) -> int:
    """Return the size of letters, up to `size`, with which words fit into a room (width, height); never unreadable."""
    size = max(size, style.MIN_TEXT_SIZE)
    while size > style.MIN_TEXT_SIZE:
        if presentation.text.render_block(words, size, room[0], style.WHITE, "centre").get_height() <= room[1]:
            break
        size = max(int(size * 0.94), style.MIN_TEXT_SIZE)
    return size


def _fit_gif(shape: Size, room: Rect) -> Rect:
    """Return the place of a GIF with the width and height of `shape` in a room: as large as possible, in the middle."""
    scale = min(room.width / shape[0], room.height / shape[1])
    place = Rect(0, 0, max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale)))
    place.center = room.center
    return place


def _paint(surface: pygame.Surface, picture: Image) -> None:
    """Paint a picture (H×W×3) over a whole surface."""
    resized = cv2.resize(picture, surface.get_size(), interpolation=cv2.INTER_LINEAR_EXACT)
    np.copyto(surface_pixels(surface), cv2.cvtColor(resized.astype(np.uint8, copy=False), cv2.COLOR_RGB2BGRA))
