"""The visual language: colours that everybody tells apart, on their backgrounds, and letters of a known height."""

from __future__ import annotations

from itertools import product
from typing import get_args

import numpy as np
import pygame
import pytest

from device.display.attract import PRIVACY_COLOUR
from device.display.lettering import TextRenderer
from device.display.style import AMBER, COOL, INK, MIDDLE, RED, SLATE, WARM, Colour
from index.build.report import STYLE
from tools.colour_vision import Vision, contrast, distance, simulate
from tools.drawings import INK as DRAWN_INK
from tools.drawings import PAPER

VISIONS: tuple[Vision, ...] = get_args(Vision)

PAIRS = {
    "left and right": (COOL, WARM, 45),
    "a good fit and a hint": (COOL, AMBER, 60),
    "a good fit and a recording": (COOL, RED, 45),
    "a hint and a recording": (AMBER, RED, 25),
    "the left side and the trunk": (COOL, MIDDLE, 20),
    "the right side and the trunk": (WARM, MIDDLE, 40),
}
"""Colours that mean different things, and the least distance (CIE 1976 ΔE) that anybody should see between them."""


@pytest.mark.parametrize(("pair", "vision"), list(product(PAIRS, VISIONS)))
def test_everybody_tells_colours_apart(pair: str, vision: Vision) -> None:
    first, second, least = PAIRS[pair]
    assert distance(first, second, vision) >= least


def test_the_simulation_confuses_what_people_confuse() -> None:
    red, olive = (205, 70, 60), (126, 114, 56)
    assert distance(red, olive) > 50
    assert distance(red, olive, "deuteranopia") < 12
    assert distance((0, 150, 255), (0, 170, 170)) > 50
    assert distance((0, 150, 255), (0, 170, 170), "tritanopia") < 25


@pytest.mark.parametrize("vision", VISIONS)
def test_the_simulation_keeps_greys(vision: Vision) -> None:
    greys = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, 1)
    assert np.abs(simulate(greys, vision).astype(int) - greys).max() <= 1


@pytest.mark.parametrize("colour", [COOL, WARM, MIDDLE, AMBER, PRIVACY_COLOUR])
@pytest.mark.parametrize("ground", [INK, SLATE])
def test_letters_stand_out_from_their_ground(colour: Colour, ground: Colour) -> None:
    assert contrast(colour, ground) >= 4.5


def test_the_button_stands_out_from_its_ground() -> None:
    assert contrast(RED, INK) >= 4.5
    assert contrast((255, 255, 255), (0, 0, 0)) == pytest.approx(21)


def test_capitals_are_half_as_high_as_their_size() -> None:
    """docs/reference/looks.md computes with it from how far words can be read."""
    pygame.font.init()
    for size in (50, 100, 200):
        assert TextRenderer().render_line("H", size, tight=True).get_height() == pytest.approx(size / 2, abs=2)


def test_the_report_has_the_same_colours() -> None:
    screen = [f"#{bytes(colour).hex()}" for colour in (COOL, MIDDLE, INK, SLATE, PRIVACY_COLOUR)]
    assert all(colour in STYLE for colour in [*screen, PAPER, DRAWN_INK])
