"""Words on the screen: broken into lines that fit, in any script, without errors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pygame
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.display.fonts import Fonts, Run, SystemFont, parse_charset, system_fonts
from device.display.lettering import WHITE, TextRenderer, clean

SENTENCE = "The library in /var/lib/pose-mirror/library cannot be opened: build it with pose-mirror index build."


@pytest.fixture(scope="module")
def lettering() -> Iterator[TextRenderer]:
    pygame.font.init()
    yield TextRenderer()
    pygame.font.quit()


def ink(surface: pygame.Surface) -> int:
    return int((pygame.surfarray.array_alpha(surface) > 100).sum())


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80), st.integers(1, 60), st.integers(20, 400))
def test_lines_are_never_too_wide(lettering: TextRenderer, text: str, size: int, width: int) -> None:
    text = clean(text)
    lines = lettering.wrap(text, size, width)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(len(line) == 1 or lettering.width(line, size) <= width for line in lines)
    assert lettering.render_block(text, size, width).get_width() <= max(width, size * 3) + 1


@pytest.mark.parametrize("text", ["\U000e0100", "I \U000e0100", "\ufe0f", "\u0301", "a \u200d"])
def test_draws_characters_without_width(lettering: TextRenderer, text: str) -> None:
    assert lettering.render_block(text, 10, 20).get_height() > 0


def test_breaks_at_spaces_and_inside_long_words(lettering: TextRenderer) -> None:
    lines = lettering.wrap(SENTENCE, 20, 330)
    assert " ".join(lines) == SENTENCE
    assert len(lines) == 2
    assert len(lettering.wrap("x" * 100, 20, 200)) == 5


def test_replaces_what_does_not_fit_by_an_ellipsis(lettering: TextRenderer) -> None:
    lines = lettering.wrap(SENTENCE, 20, 300, max_lines=2)
    assert len(lines) == 2
    assert lines[1].endswith("…")
    assert lettering.width(lines[1], 20) <= 300
    assert lettering.wrap("short", 20, 300, max_lines=2) == ["short"]


def test_small_letters_are_spaced_like_large_ones(lettering: TextRenderer) -> None:
    small, large = (lettering.render_line(SENTENCE, size).get_width() / size for size in (11, 200))
    assert small == pytest.approx(large, rel=0.03)


def test_tight_words_have_no_margin(lettering: TextRenderer) -> None:
    alpha = pygame.surfarray.array_alpha(lettering.render_line("3", 100, tight=True))
    assert all(edge.any() for edge in (alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]))


def test_does_not_draw_the_same_words_twice(lettering: TextRenderer) -> None:
    assert lettering.render_line("again", 20) is lettering.render_line("again", 20)
    assert lettering.render_line("again", 20) is not lettering.render_line("again", 21)


def test_removes_what_cannot_be_drawn() -> None:
    assert clean(" a\tb\nc\0d\ud800\u202ee ") == "a b c d? e"
    assert clean("e\u0301") == "é"
    assert len(clean("x" * 5000)) == 600


@pytest.mark.parametrize("text", ["", " ", "\0", "\ud800", "😀", "\u0301", "\U0010ffff", "مرحبا", "漢字"])
def test_any_text_makes_a_surface(lettering: TextRenderer, text: str) -> None:
    assert lettering.render_line(text, 20).get_width() >= 1
    assert lettering.render_block(text, 20, 100).get_height() >= 1


def test_reads_a_charset_as_fontconfig_writes_it() -> None:
    font = parse_charset("a.ttf", "20-7e a0 1ab-1b9 1f600")
    assert [font.has(c) for c in (" ", "~", "\x7f", "\xa0", "\u01b0", "😀")] == [True, True, False, True, True, True]
    assert not SystemFont("none", [], []).has("a")


def fonts_with(*charsets: str) -> Fonts:
    """Return fonts that claim to have these characters, all of them pygame's own file."""
    pygame.font.init()
    path = str(Path(pygame.font.__file__).parent / pygame.font.get_default_font())
    return Fonts([parse_charset(path, charset) for charset in charsets])


def test_draws_other_scripts_with_a_system_font() -> None:
    fonts = fonts_with("10a0-10ff", "530-58f")
    path = fonts._fallbacks[0].path
    assert list(fonts.runs("Ab ქარ xyz")) == [Run(None, "", "Ab "), Run(path, "", "ქარ "), Run(None, "", "xyz")]


def test_letters_that_join_are_one_run() -> None:
    fonts = fonts_with("20 590-5ff 600-6ff")
    path = fonts._fallbacks[0].path
    assert list(fonts.runs("مرحبا بالعالم (עברית) 12")) == [
        Run(path, "Arab", "مرحبا بالعالم"),
        Run(None, "", " ("),
        Run(path, "Hebr", "עברית"),
        Run(None, "", ") 12"),
    ]


def test_drops_unknown_symbols_but_not_letters() -> None:
    fonts = fonts_with()
    assert "".join(run.text for run in fonts.runs("beach 🏖 day")) == "beach  day"
    assert "".join(run.text for run in fonts.runs("漢字")) == "漢字"


def test_skips_a_damaged_font_file(tmp_path: Path) -> None:
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"not a font")
    pygame.font.init()
    fonts = Fonts([parse_charset(str(broken), "10a0-10ff"), parse_charset(str(tmp_path / "gone.ttf"), "10a0-10ff")])
    assert list(fonts.runs("ქ")) == [Run(None, "", "ქ")]


def test_finds_no_system_fonts_without_fontconfig(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert system_fonts.__wrapped__() == ()


def test_arabic_letters_join(lettering: TextRenderer) -> None:
    """Joined letters need less room than single ones."""
    if not any(font.has("م") for font in system_fonts()):
        pytest.skip("no font on this machine has Arabic letters")
    word = "بالعالم"
    assert lettering.width(word, 60) < 0.9 * sum(lettering.width(letter, 60) for letter in word)


def test_keeps_colours(lettering: TextRenderer) -> None:
    for size in (20, 120):
        line = lettering.render_line("colour", size, (255, 0, 0))
        seen = pygame.surfarray.array3d(line)[pygame.surfarray.array_alpha(line) > 250]
        assert np.abs(seen.astype(int) - (255, 0, 0)).max() <= 2
        assert ink(line) == ink(lettering.render_line("colour", size, WHITE))
