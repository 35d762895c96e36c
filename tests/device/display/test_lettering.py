"""Words on the screen: broken into lines that fit, in any script, without errors."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pygame
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.display.font_files import FontFile, system_fonts
from device.display.fonts import BUNDLED, MAX_MARKS, Fonts, Run
from device.display.lettering import TextRenderer, clean
from device.display.style import WHITE

SENTENCE = "The library in /var/lib/pose-mirror/library cannot be opened: build it with pose-mirror index build."


@pytest.fixture(scope="module")
def lettering() -> Iterator[TextRenderer]:
    pygame.font.init()
    yield TextRenderer()
    pygame.font.quit()


def ink(surface: pygame.Surface) -> int:
    return int((pygame.surfarray.array_alpha(surface) > 100).sum())


@settings(max_examples=60)
@given(st.text(max_size=80), st.integers(1, 60), st.integers(20, 400))
def test_lines_are_never_too_wide(lettering: TextRenderer, text: str, size: int, width: int) -> None:
    text = clean(text)
    lines = lettering.wrap(text, size, width)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(len(line) == 1 or lettering.width(line, size) <= width for line in lines)
    widest = max((lettering.width(character, size) for character in text), default=0)  # one may be a whole phrase
    assert lettering.render_block(text, size, width).get_width() <= max(width, size * 3, widest + size) + 1


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


class ClaimedFont(FontFile):
    """A font that claims to have these characters; its file is pygame's own under another name."""

    def __init__(self, path: Path, characters: str) -> None:
        super().__init__(str(path))
        self.characters = characters

    def has(self, character: str) -> bool:
        return character in self.characters


@pytest.fixture
def claim(tmp_path: Path) -> Callable[[str, str], ClaimedFont]:
    """Return a function that makes a font with a name and characters."""
    pygame.font.init()

    def claim_font(name: str, characters: str) -> ClaimedFont:
        path = tmp_path / name
        shutil.copy(BUNDLED, path)
        return ClaimedFont(path, characters)

    return claim_font


Claim = Callable[[str, str], ClaimedFont]


def parts_of(fonts: Fonts, text: str) -> list[tuple[str, str, str]]:
    """Return the runs of a text, with the names of their fonts."""
    return [(Path(run.path).name if run.path else "", run.script, run.text) for run in fonts.runs(text)]


def test_draws_other_scripts_with_a_system_font(claim: Claim) -> None:
    fonts = Fonts([claim("Georgian.ttf", "ქარ "), claim("Other.ttf", "ქარ ")])
    assert parts_of(fonts, "Ab ქარ xyz") == [("", "", "Ab "), ("Georgian.ttf", "", "ქარ "), ("", "", "xyz")]


def test_a_line_is_read_from_right_to_left(claim: Claim) -> None:
    """The first word of an Arabic line is on its right, and its numbers and Latin words run from left to right."""
    arabic = claim("Arabic.ttf", "مرحبا بالعالم")
    hebrew = claim("Hebrew.ttf", "עברית ()")
    assert parts_of(Fonts([arabic, hebrew]), "مرحبا بالعالم (עברית) Flickr 12") == [
        ("", "", "Flickr 12"),
        ("Hebrew.ttf", "Hebr", "עברית) "),
        ("", "Arab", "("),  # the Arabic font has no bracket, and it is mirrored nevertheless
        ("Arabic.ttf", "Arab", "مرحبا بالعالم "),
    ]
    assert parts_of(Fonts([arabic]), "Photo: مرحبا (2019)") == [
        ("", "", "Photo: "),
        ("", "Arab", ")"),
        ("", "", "2019"),
        ("", "Arab", "("),
        ("Arabic.ttf", "Arab", "مرحبا "),
    ]


def test_a_line_is_read_in_its_paragraphs_direction(claim: Claim, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later line of an English paragraph may begin with a Hebrew word."""
    hebrew = claim("Hebrew.ttf", "דנהצילום")
    monkeypatch.setattr("device.display.lettering.system_fonts", lambda: (hebrew,))
    renderer = TextRenderer()
    line = renderer.render_line("דנה, Flickr", 90)
    drawn = []
    for word in ("A photo", "צילוםצילום"):
        assert renderer.wrap(f"{word} דנה, Flickr", 90, line.get_width()) == [word, "דנה, Flickr"]
        block = renderer.render_block(f"{word} דנה, Flickr", 90, line.get_width())
        drawn.append(pygame.surfarray.array_alpha(block)[: line.get_width(), -line.get_height() :])
    assert np.array_equal(drawn[1], pygame.surfarray.array_alpha(line))
    assert not np.array_equal(drawn[0], drawn[1])
    assert [run.text for run in Fonts([hebrew]).runs("דנה, Flickr", base=0)] == ["דנה", ", Flickr"]
    assert [run.text for run in Fonts([hebrew]).runs("דנה, Flickr", base=1)] == ["Flickr", ", ", "דנה"]


def test_words_of_one_script_have_one_font_in_a_line(claim: Claim) -> None:
    """pygame's font has most letters of Vietnamese, but not all: a word of two fonts looks like a mistake."""
    assert parts_of(Fonts([claim("Latin.ttf", "Người Việt")]), "Người Việt") == [("Latin.ttf", "", "Người Việt")]


def test_chinese_characters_have_the_shapes_of_their_line(claim: Claim) -> None:
    fonts = Fonts([claim("Chinese.ttf", "直角の"), claim("VL-Gothic.ttf", "直角の")])
    assert parts_of(fonts, "直角") == [("Chinese.ttf", "", "直角")]
    assert parts_of(fonts, "直角の") == [("VL-Gothic.ttf", "", "直角の")]


def test_drops_unknown_symbols_but_not_letters() -> None:
    fonts = Fonts([])
    assert "".join(run.text for run in fonts.runs("beach 🏖 day 1️⃣ 👨\u200d👩 🇩🇪!")) == "beach  day 1  !"
    assert "".join(run.text for run in fonts.runs("漢字")) == "漢字"


def test_drops_marks_that_the_letters_font_lacks(claim: Claim) -> None:
    assert parts_of(Fonts([]), "Z\u0351\u036b") == [("", "", "Z")]
    both = claim("Marks.ttf", "aZ\u0351\u036b")
    assert parts_of(Fonts([both]), "ქaZ\u0351") != []
    tower = "\u0351" * 30
    assert max(len(run.text) for run in Fonts([both]).runs("\u0351" + tower)) <= 2 + MAX_MARKS


def test_says_once_which_package_has_a_scripts_letters(caplog: pytest.LogCaptureFixture) -> None:
    pygame.font.init()
    fonts = Fonts([])
    for text in ("日本語の写真", "ภาพถ่าย", "한국어", "日本語の写真", "ภาพ", "🏖 Ünïcode"):
        fonts.runs(text)
    assert caplog.messages == [
        "The screen shows boxes for Chinese letters: install fonts-wqy-microhei with apt.",
        "The screen shows boxes for Japanese letters: install fonts-wqy-microhei with apt.",
        "The screen shows boxes for Thai letters: install fonts-noto-core with apt.",
        "The screen shows boxes for Korean letters: install fonts-wqy-microhei with apt.",
    ]
    assert fonts.missing("aé—日ह😀 ") == {"Chinese": "fonts-wqy-microhei", "Devanagari": "fonts-noto-core"}


def test_skips_a_damaged_font_file(tmp_path: Path) -> None:
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"not a font")
    pygame.font.init()
    fonts = Fonts([FontFile(str(broken)), FontFile(str(tmp_path / "gone.ttf")), ClaimedFont(broken, "ქ")])
    assert fonts.runs("ქ") == [Run(None, "", "ქ")]


def test_letters_of_all_fonts_are_as_large(claim: Claim) -> None:
    """pygame makes its own font smaller than asked for."""
    fonts = Fonts([claim("Copy.ttf", "Hello")])
    copy = fonts._fonts[1].path
    assert fonts.open(copy, 64).size("Hello") == fonts.open(None, 64).size("Hello")


def test_lines_of_all_scripts_are_equally_far_apart(lettering: TextRenderer) -> None:
    """Arabic fonts leave much room above and below their letters."""
    if not any(font.has("ب") for font in system_fonts()):
        pytest.skip("no font on this machine has Arabic letters")
    latin, mixed = (lettering.render_block(text, 30, 90) for text in ("Hhxp Hhxp Hhxp", "Hhxp باب Hhxp"))
    rows = [np.flatnonzero(pygame.surfarray.array_alpha(block).any(0)) for block in (latin, mixed)]
    assert abs(rows[0].max() - rows[1].max()) <= 1
    assert abs(latin.get_height() - mixed.get_height()) <= 1


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


def test_a_paragraph_begins_where_its_language_does(claim: Claim, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hebrew on the right, English on the left, also if a paragraph begins with a foreign word and a mark says so."""
    monkeypatch.setattr("device.display.lettering.system_fonts", lambda: (claim("Hebrew.ttf", "דנהצילום"),))
    renderer = TextRenderer()
    for text, is_rtl in (
        ("דנהצילוםדנה ד", True), ("Hhhhhhhhhh h", False), ("\u200fHhhhhhhhhh h", True), ("\u200eדנהצילוםדנה ד", False),
    ):  # fmt: skip
        block = renderer.render_block(text, 90, renderer.width(text.split()[0], 90))
        last_line = np.flatnonzero(pygame.surfarray.array_alpha(block)[:, -60:].any(1))
        assert (last_line.min() > block.get_width() / 2) == is_rtl
        assert (last_line.max() < block.get_width() / 2) != is_rtl


def test_marks_of_direction_are_not_drawn(lettering: TextRenderer) -> None:
    assert lettering.width("\u200fGIF", 90) == lettering.width("GIF", 90)
    assert [run.text for run in Fonts(system_fonts()).runs("\u200fGIF!")] == ["!", "GIF"]


def test_lines_of_a_sentence_are_about_equally_long(lettering: TextRenderer) -> None:
    sentence = "Press the button for a GIF"
    room = lettering.width("Press the button for a", 90)
    assert lettering.wrap(sentence, 90, room) == ["Press the button for a", "GIF"]
    assert lettering.render_block(sentence, 90, room).get_width() <= lettering.width("Press the button", 90)


def test_numbers_are_not_parted(lettering: TextRenderer) -> None:
    """French writes a narrow no-break space between thousands, which few fonts have."""
    text = clean("153\u202f045 images")
    assert lettering.wrap(text, 90, lettering.width("153 045", 90)) == ["153\u00a0045", "images"]
    assert lettering.width(text, 90) == lettering.width("153 045 images", 90)


def test_chinese_characters_have_the_shapes_of_the_language(claim: Claim) -> None:
    fonts = Fonts([claim("Chinese.ttf", "直角の"), claim("VL-Gothic.ttf", "直角の")])
    assert fonts.prefer_japanese(True)
    assert not fonts.prefer_japanese(True)
    assert parts_of(fonts, "直角") == [("VL-Gothic.ttf", "", "直角")]
    assert fonts.prefer_japanese(False)
    assert parts_of(fonts, "直角") == [("Chinese.ttf", "", "直角")]


def test_thickens_letters_without_a_bold_font(claim: Claim, monkeypatch: pytest.MonkeyPatch) -> None:
    """The drawn letters of both fonts are the same here, as their files are."""
    inks = []
    for name in ("Chinese-Bold.ttf", "Chinese.ttf"):
        monkeypatch.setattr("device.display.lettering.system_fonts", lambda name=name: (claim(name, "漢字"),))
        inks.append(TextRenderer().render_line("漢字", 100))
    assert inks[0].get_size() == inks[1].get_size()
    assert ink(inks[0]) < ink(inks[1]) < 1.8 * ink(inks[0])
