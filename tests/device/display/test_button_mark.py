"""The button on the display: it is at its side, covers nothing, and shows what the real one does."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pygame
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pygame import Rect

from device.display import style
from device.display.button_mark import ButtonMark, Side, draw_button_mark, place_mark
from device.display.layout import Size
from device.display.lettering import TextRenderer
from device.glow import BREATH_SECONDS, ButtonPhase, ButtonState
from device.presses import HOLD_SECONDS
from models.pose import Image

SIDES: tuple[Side, ...] = get_args(Side)
SIZES = [(1920, 1080), (1080, 1920), (800, 480), (480, 320)]
GREY = (90, 110, 90)


@pytest.fixture(scope="module")
def text() -> TextRenderer:
    pygame.font.init()
    return TextRenderer()


def drawn(text: TextRenderer, size: Size, mark: ButtonMark, now: float = 0.0) -> tuple[Image, Rect]:
    canvas = pygame.Surface(size, 0, 32)
    canvas.fill(GREY)
    place = draw_button_mark(canvas, text, mark, now)
    return pygame.surfarray.array3d(canvas).swapaxes(0, 1), place


def centre_of(picture: Image, colour: style.Colour) -> tuple[float, float]:
    """The middle of all pixels of about this colour."""
    y, x = np.nonzero((np.abs(picture.astype(int) - colour) < 12).all(-1))
    assert len(x), f"nothing is {colour}"
    return float(x.mean()), float(y.mean())


def mark_for(side: Side, phase: ButtonPhase = "idle", *lines: str) -> ButtonMark:
    return ButtonMark(side, lines, ButtonState(phase))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("side", SIDES)
def test_the_button_is_at_its_side_and_points_there(text: TextRenderer, size: Size, side: Side) -> None:
    picture, place = drawn(text, size, mark_for(side, "idle", "Press for a GIF", "Hold for other pictures"))
    assert Rect(0, 0, *size).contains(place)
    edges = {"left": place.left, "top": place.top, "right": size[0] - place.right, "bottom": size[1] - place.bottom}
    assert min(edges, key=lambda name: edges[name]) == side
    assert edges[side] == 0
    outside = (picture != GREY).any(-1)
    outside[place.top : place.bottom, place.left : place.right] = False
    assert not outside.any()
    button = centre_of(picture, style.RED)
    x, y = (int(value) for value in button)
    beyond = {
        "left": picture[y, place.left : x],
        "right": picture[y, x : place.right],
        "top": picture[place.top : y, x],
        "bottom": picture[y : place.bottom, x],
    }[side]
    arrow = np.flatnonzero((np.abs(beyond.astype(int) - style.MIDDLE) < 12).all(-1))
    distance = min(size) * 0.045
    assert (len(beyond) - arrow.min() if side in ("left", "top") else arrow.max()) > distance, "no arrow at the side"


@pytest.mark.parametrize("side", SIDES)
def test_words_are_on_the_inner_side_or_follow(text: TextRenderer, side: Side) -> None:
    for words, follows in (("Press for a GIF", True), ("اضغط هنا", False)):
        picture, place = drawn(text, (800, 480), mark_for(side, "idle", words))
        button_is_left = centre_of(picture, style.RED)[0] < place.centerx
        assert button_is_left == {"left": True, "right": False}.get(side, follows)


def test_without_words_only_the_button_is_drawn(text: TextRenderer) -> None:
    _, with_words = drawn(text, (800, 480), mark_for("bottom", "idle", "Press for a GIF"))
    _, alone = drawn(text, (800, 480), mark_for("bottom", "recording"))
    assert alone.height == with_words.height
    assert alone.width < alone.height
    assert alone.centerx == pytest.approx(400, abs=1)


def test_long_words_are_broken(text: TextRenderer) -> None:
    words = "Drücken Sie den Knopf für ein bewegtes Bild von Ihnen und von allen anderen"
    for size in SIZES:
        assert drawn(text, size, mark_for("left", "idle", words))[1].width < 0.8 * size[0]


def test_the_ring_breathes_and_closes_during_a_hold(text: TextRenderer) -> None:
    def light(phase: ButtonPhase, now: float) -> float:
        return float(drawn(text, (800, 480), mark_for("bottom", phase), now)[0].mean())

    assert light("idle", 0.0) < light("idle", BREATH_SECONDS / 4) < light("idle", BREATH_SECONDS / 2)
    assert light("held", 0.0) < light("held", HOLD_SECONDS / 2) < light("held", HOLD_SECONDS)
    assert light("saving", 0.0) < light("recording", 0.0)


@given(
    side=st.sampled_from(SIDES),
    canvas=st.sampled_from(SIZES),
    share=st.tuples(st.floats(0.02, 0.5), st.floats(0.02, 0.2)),
    rects=st.lists(st.tuples(*[st.floats(0, 1)] * 4), max_size=4),
)
def test_a_mark_covers_nothing_while_there_is_room(
    side: Side, canvas: Size, share: tuple[float, float], rects: list[tuple[float, ...]]
) -> None:
    size = round(canvas[0] * share[0]), round(canvas[1] * share[1])
    taken = [
        Rect(x * canvas[0], y * canvas[1], 0.4 * width * canvas[0], 0.4 * height * canvas[1])
        for x, y, width, height in rects
    ]
    place = place_mark(side, canvas, size, taken)
    assert place.size == size
    assert Rect(0, 0, *canvas).contains(place)
    free = place_mark(side, canvas, size)
    if place.collidelist(taken) >= 0:
        assert place == free, "where nothing is free, it is in the middle of its side"
    if free.collidelist(taken) < 0:
        assert place == free


def test_moves_along_its_side_before_it_moves_inside() -> None:
    canvas, size = (1000, 500), (200, 50)
    ring = Rect(450, 440, 100, 60)
    place = place_mark("bottom", canvas, size, [ring])
    assert (place.bottom, place.colliderect(ring)) == (500, False)
    above = place_mark("bottom", canvas, size, [Rect(0, 420, 1000, 80)])
    assert above.bottom <= 420
    assert above.centerx == 500
