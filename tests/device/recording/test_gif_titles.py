"""The words of a GIF: credits as far as they can be read, the event's text, in the visitor's language."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pygame
import pytest

from device.display.lettering import TextRenderer
from device.display.style import COOL, INK
from device.recording import gif_titles
from device.recording.gif_layout import Crop, GifLayout, arrange
from device.recording.gif_titles import MAX_PAGES, draw_titles
from device.recording.stills import Words
from models.pose import Image

TEXT = "Museum Night 2027"
CREDITS = tuple(f"Photo {number}, Ann Example, CC BY 4.0" for number in range(100))


def layout(text: str = "", *, size: tuple[int, int] = (200, 300), pixels: int = 640) -> GifLayout:
    crop = Crop(0, 0, 2.0 * size[0], 2.0 * size[1])
    return arrange((1920, 1080), (crop, crop), pixels, with_footer=bool(text))


def drawn(picture: Image) -> npt.NDArray[np.bool_]:
    """Return where something is drawn."""
    different: npt.NDArray[np.bool_] = np.asarray((picture != INK).any(-1), np.bool_)
    return different


def closing_texts(monkeypatch: pytest.MonkeyPatch, words: Words, credits: tuple[str, ...]) -> list[str]:
    """Return the texts of the last picture, in order."""
    texts: list[tuple[pygame.Surface, str]] = []
    render_block, render_line = TextRenderer.render_block, TextRenderer.render_line

    def note_block(self: TextRenderer, text: str, *args: int, **options: int) -> pygame.Surface:
        texts.append((render_block(self, text, *args, **options).copy(), text))  # type: ignore[arg-type]
        return texts[-1][0]

    def note_line(self: TextRenderer, text: str, *args: int, **options: int) -> pygame.Surface:
        texts.append((render_line(self, text, *args, **options).copy(), text))  # type: ignore[arg-type]
        return texts[-1][0]

    monkeypatch.setattr(TextRenderer, "render_block", note_block)
    monkeypatch.setattr(TextRenderer, "render_line", note_line)
    pygame.font.init()
    lines, _ = gif_titles._closing_lines(TextRenderer(), (600, 400), words, credits, True)
    return [next(text for block, text in texts if block is line.block) for line in lines]


def test_the_last_picture_names_every_photo(monkeypatch: pytest.MonkeyPatch) -> None:
    assert closing_texts(monkeypatch, Words(), CREDITS[:5]) == ["Photos", *CREDITS[:5]]


def test_many_credits_fill_several_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Licences require them all."""
    drawn_credits: list[str] = []
    closing_lines = gif_titles._closing_lines

    def note(*args: Any) -> Any:
        lines, count = closing_lines(*args)
        drawn_credits.extend(args[3][:count])
        return lines, count

    monkeypatch.setattr(gif_titles, "_closing_lines", note)
    titles = draw_titles(layout(), Words(text=TEXT), CREDITS[:30])
    assert tuple(drawn_credits) == CREDITS[:30]
    assert 1 < len(titles.closing) < MAX_PAGES
    assert len(draw_titles(layout(), Words(), CREDITS).closing) == MAX_PAGES
    assert len(draw_titles(layout(), Words(), ()).closing) == 1


def test_counts_the_credits_that_do_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    title, *shown, rest = closing_texts(monkeypatch, Words(), CREDITS)
    assert title == "Photos"
    assert 10 < len(shown) < 40
    assert tuple(shown) == CREDITS[: len(shown)]
    assert rest == f"and {len(CREDITS) - len(shown)} others"


def test_the_title_is_in_the_visitors_language(monkeypatch: pytest.MonkeyPatch) -> None:
    assert closing_texts(monkeypatch, Words("de", text=TEXT), CREDITS[:1]) == [TEXT, "Fotos", CREDITS[0]]


def test_a_gif_without_credits_has_no_title(monkeypatch: pytest.MonkeyPatch) -> None:
    assert closing_texts(monkeypatch, Words(text=TEXT), ()) == [TEXT]


def test_everything_fits_into_the_last_picture() -> None:
    for count in (1, 8, 20, 100):
        closing = draw_titles(layout(), Words(text=TEXT), CREDITS[:count]).closing[0]
        assert drawn(closing).any()
        for edge in (closing[:8], closing[-8:], closing[:, :8], closing[:, -8:]):
            assert not drawn(edge).any()


def test_a_few_credits_are_larger_than_many() -> None:
    few, many = (draw_titles(layout(), Words(), CREDITS[:count]).closing[0] for count in (3, 25))
    heights = []
    for picture in (few, many):
        rows = (drawn(picture) & (picture != COOL).any(-1)).any(1)
        starts, ends = np.flatnonzero(np.diff(rows.astype(int)) == 1), np.flatnonzero(np.diff(rows.astype(int)) == -1)
        heights.append(np.median(ends - starts))
    assert heights[0] > 1.2 * heights[1]


def test_reads_from_the_right_in_arabic() -> None:
    left, right = (
        np.flatnonzero(drawn(draw_titles(layout(), words, ("Skater",)).closing[0]).any(0)).mean()
        for words in (Words("en"), Words("ar", rtl=True))
    )
    width = layout().size[0]
    assert left < width / 2 < right


@pytest.mark.parametrize(
    "text", [TEXT, "x" * 80, "Ein sehr langer Text für ein Fest, das niemand je vergessen wird 2027"]
)
@pytest.mark.parametrize("size", [(200, 300), (300, 200)])
def test_the_events_text_is_below_the_panes(text: str, size: tuple[int, int]) -> None:
    place = layout(text, size=size)
    rows = np.flatnonzero(drawn(draw_titles(place, Words(text=text), ()).backdrop).any(1))
    assert rows.min() >= place.size[1] - place.footer - place.gap
    assert rows.max() < place.size[1] - 2


def test_there_is_nothing_around_the_panes_without_a_text() -> None:
    assert not drawn(draw_titles(layout(), Words(), CREDITS).backdrop).any()


@pytest.mark.parametrize("pixels", [64, 160])
def test_a_tiny_gif_still_has_titles(pixels: int) -> None:
    place = layout(TEXT, pixels=pixels)
    titles = draw_titles(place, Words(text=TEXT), CREDITS[:30])
    for picture in (titles.backdrop, *titles.closing):
        assert picture.shape == (place.size[1], place.size[0], 3)
        assert drawn(picture).any()
