"""Hint drawings: each hint has one, and one can tell them apart."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import numpy.typing as npt
import pygame
import pytest

from device.display.hint_drawings import hint_card, hint_drawing
from device.display.lettering import TextRenderer
from device.display.style import AMBER, COOL, WARM
from device.guidance import HINTS
from device.language.translate import Language

DRAWINGS = sorted({hint.drawing for hint in HINTS})


def pixels(name: str, height: int) -> npt.NDArray[np.int16]:
    surface = hint_drawing(name, height)
    return np.array(pygame.surfarray.array3d(surface), np.int16).swapaxes(0, 1)


def share_of(picture: npt.NDArray[np.int16], colour: tuple[int, int, int]) -> float:
    return float((np.abs(picture - np.array(colour)).max(-1) < 40).mean())


@pytest.mark.parametrize("name", DRAWINGS)
@pytest.mark.parametrize("height", [24, 60, 120, 241])
def test_a_drawing_is_a_tile_with_round_corners(name: str, height: int) -> None:
    surface = hint_drawing(name, height)
    assert surface.get_size() == (height, height)
    assert surface.get_bitsize() == 32
    assert surface.get_at((0, 0)).a < 40
    assert surface.get_at((height // 2, height // 2)).a == 255
    assert hint_drawing(name, height) is surface


@pytest.mark.parametrize("height", [60, 240])
def test_no_two_drawings_are_alike(height: int) -> None:
    pictures = {name: pixels(name, height) for name in DRAWINGS}
    for first, second in combinations(DRAWINGS, 2):
        different = np.abs(pictures[first] - pictures[second]).max(-1) > 60
        assert different.mean() > 0.03, (first, second)


@pytest.mark.parametrize("name", ["step-back", "come-closer", "to-the-left", "to-the-right", "show-your-arms"])
def test_arrows_can_be_seen(name: str) -> None:
    assert share_of(pixels(name, 60), AMBER) > 0.01


@pytest.mark.parametrize("name", ["arms-wide", "one-arm-up", "hands-on-hips", "both-arms-up"])
def test_a_pose_shows_a_person_in_the_colours_of_figures(name: str) -> None:
    picture = pixels(name, 120)
    assert share_of(picture, COOL) > 0.01
    assert share_of(picture, WARM) > 0.01
    assert share_of(picture[:, :60], WARM) > share_of(picture[:, :60], COOL), "their left is on the right"


def test_arrows_point_to_the_middle() -> None:
    to_the_right, to_the_left = (
        np.flatnonzero((np.abs(pixels(name, 240) - np.array(AMBER)).max(-1) < 40).any(0))
        for name in ("to-the-right", "to-the-left")
    )
    assert to_the_right.mean() < 120 < to_the_left.mean()


def test_a_name_without_a_drawing_is_an_error() -> None:
    with pytest.raises(KeyError):
        hint_drawing("fly", 60)


@pytest.mark.parametrize("code", ["en", "de", "fr", "es", "ja", "zh", "ar"])
def test_words_of_hints_are_whole(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the strip of a portrait display, which has the least room."""
    pygame.font.init()
    text, lines = TextRenderer(), list[str]()
    render = text.render_block

    def record(words: str, size: int, width: int, max_lines: int) -> pygame.Surface:
        lines.extend(text.wrap(words, size, width, max_lines))
        return render(words, size, width, max_lines=max_lines)

    monkeypatch.setattr(text, "render_block", record)
    for hint in HINTS:
        words = Language(code).say(hint.message)
        card = hint_card(text, words, hint.drawing, (round(0.42 * 480), 53), code == "ar")
        assert card.get_width() <= round(0.42 * 480)
        assert 1 <= len(lines) <= 2
        assert "".join(lines).replace(" ", "") == words.replace(" ", "")
        lines.clear()
