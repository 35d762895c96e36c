"""The attract loop: two equal panes, the number of pictures, slow wandering, and no flashes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pygame
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pygame import Rect

from device.display import style
from device.display.attract import FADE_SECONDS, Attract, attract_panes
from device.display.drawn_visitor import HOLD_SECONDS, MOVE_SECONDS
from device.display.layout import Size
from device.display.lettering import TextRenderer
from device.display.playing import Presentation
from device.display.views import PreparedPhoto, View
from device.language.translate import Language
from models.pose import Image

SIZES = [(1920, 1080), (1080, 1920), (800, 480), (480, 320)]
SMALL = (320, 200)
CANVASES = st.tuples(st.integers(160, 4000), st.integers(160, 4000))


@pytest.fixture
def presentation() -> Presentation:
    pygame.font.init()
    return Presentation(TextRenderer(), Language(), "side")


def photo(size: Size, brightness: int, rtl: bool = False) -> PreparedPhoto:
    """A photo of one grey that fits the answer's pane."""
    pane = attract_panes(size, rtl)[1]
    return PreparedPhoto(np.full((pane.height, pane.width, 3), brightness, np.uint8))


def drawn(
    attract: Attract, size: Size, shown: PreparedPhoto | None, presentation: Presentation, now: float, count: int = 9
) -> Image:
    canvas = pygame.Surface(size, 0, 32)
    attract.draw(canvas, View(idle_photo=shown, pictures=count), presentation, now)
    return pygame.surfarray.array3d(canvas).swapaxes(0, 1)


@given(CANVASES, st.booleans())
def test_both_panes_are_equal_and_aligned(canvas: Size, rtl: bool) -> None:
    visitor, answer = attract_panes(canvas, rtl)
    assert visitor.size == answer.size
    assert not visitor.colliderect(answer)
    assert all(Rect(0, 0, *canvas).contains(pane) for pane in (visitor, answer))
    if visitor.top == answer.top:
        assert canvas[0] > 0.6 * canvas[1]
        assert (visitor.left > answer.left) == rtl
    else:
        assert canvas[1] > canvas[0]
        assert visitor.left == answer.left
        assert visitor.bottom < answer.top


@given(CANVASES)
def test_the_panes_take_a_fair_share_of_the_canvas(canvas: Size) -> None:
    visitor, answer = attract_panes(canvas)
    if max(canvas) < 2 * min(canvas):
        assert visitor.width * visitor.height + answer.width * answer.height > 0.3 * canvas[0] * canvas[1]


@pytest.mark.parametrize("size", SIZES)
def test_leaves_room_for_the_button_below(presentation: Presentation, size: Size) -> None:
    attract = Attract(size)
    drawn(attract, size, photo(size, 90), presentation, 5.0)
    lowest = max(place.bottom for place in attract.taken)
    assert size[1] - lowest > 0.1 * min(size)


@pytest.mark.parametrize("size", SIZES)
def test_everything_stays_where_it_says(presentation: Presentation, size: Size) -> None:
    """While everything wanders, nothing but the plain background is drawn outside of `taken`."""
    attract, shown = Attract(size), photo(size, 90)
    for now in (0.0, 24.0, 37.0, 73.0, 112.0):
        picture = drawn(attract, size, shown, presentation, now)
        for place in attract.taken:
            picture[place.top : place.bottom, place.left : place.right] = style.INK
        panes = attract.taken[0].union(attract.taken[1])
        picture[panes.top : panes.bottom, panes.left : panes.right] = style.INK
        assert (picture == style.INK).all()


def test_everything_wanders(presentation: Presentation) -> None:
    """No pixel of the panes' edges is at the same place for minutes, so that a display does not burn in."""
    size = (800, 480)
    attract, shown = Attract(size), photo(size, 200)
    edges = set()
    for now in np.arange(0, 150, 10.0):
        picture = drawn(attract, size, shown, presentation, float(now))
        edges.add(int(np.flatnonzero((picture[200] != style.INK).any(-1)).min()))
    assert len(edges) >= 6


def test_says_how_many_pictures_there_are(presentation: Presentation, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    render = TextRenderer.render_block

    def record(self: TextRenderer, text: str, size: int, width: int, *args: object) -> pygame.Surface:
        said.append(text)
        return render(self, text, size, width)

    monkeypatch.setattr(TextRenderer, "render_block", record)
    attract = Attract(SMALL)
    for count, headline in (
        (153045, "You move, and 153,045 pictures move with you"),
        (1, "You move, and one picture moves with you"),
    ):
        said.clear()
        drawn(attract, SMALL, None, presentation, 1.0, count)
        assert headline in said
        assert "Step in front of the mirror" in said
        assert "Nothing is recorded until you press" in said
    said.clear()
    drawn(attract, SMALL, None, presentation, 1.0, 0)
    assert set(said) == {"Step in front of the mirror", "Nothing is recorded until you press"}


def test_shows_the_visitor_and_the_answer(presentation: Presentation) -> None:
    size = (800, 480)
    attract, shown = Attract(size), photo(size, 200)
    drawn(attract, size, shown, presentation, 5.0)
    picture = drawn(attract, size, shown, presentation, 5.0 + FADE_SECONDS)
    visitor, answer = attract_panes(size)
    mirror = picture[visitor.top : visitor.bottom, visitor.left : visitor.right]
    for colour in (style.COOL, style.WARM, style.MIDDLE):
        assert (mirror == colour).all(-1).mean() > 0.01
    assert picture[answer.centery, answer.centerx].tolist() == [200, 200, 200]


def test_fades_from_answer_to_answer(presentation: Presentation) -> None:
    attract, answers = Attract(SMALL), [photo(SMALL, 40), photo(SMALL, 200)]
    _, pane = attract_panes(SMALL)
    drawn(attract, SMALL, answers[0], presentation, 0.0)
    drawn(attract, SMALL, answers[0], presentation, 1.0)
    levels = [
        int(drawn(attract, SMALL, answers[1], presentation, 1.0 + share * FADE_SECONDS)[pane.centery, pane.centerx, 0])
        for share in (0, 0.25, 0.5, 0.75, 1)
    ]
    assert levels == sorted(levels)
    assert levels[0] == 40
    assert 90 < levels[2] < 150
    assert levels[-1] == 200


def test_shows_an_answer_fully_after_a_pause(presentation: Presentation) -> None:
    """A busy machine may draw nothing between the middle of a fade and long after its end."""
    attract, shown = Attract(SMALL), photo(SMALL, 200)
    _, pane = attract_panes(SMALL)
    drawn(attract, SMALL, shown, presentation, 0.0)
    drawn(attract, SMALL, shown, presentation, 0.1)
    assert drawn(attract, SMALL, shown, presentation, 9.0)[pane.centery, pane.centerx].tolist() == [200, 200, 200]


def test_a_pane_is_the_same_however_it_came_about(presentation: Presentation) -> None:
    """What is kept from drawing to drawing must not pile up, such as the soft edges of corners."""
    attract, shown = Attract(SMALL), photo(SMALL, 200)
    for step in range(90):
        kept = drawn(attract, SMALL, shown, presentation, step / 30)
    anew = Attract(SMALL)
    drawn(anew, SMALL, shown, presentation, 0.0)
    np.testing.assert_allclose(kept.astype(int), drawn(anew, SMALL, shown, presentation, 89 / 30), atol=3)


def test_nothing_flashes(presentation: Presentation) -> None:
    """Even if the darkest and the brightest answer take turns, a change of 10 % and back takes a third of a second."""
    attract, answers = Attract(SMALL), [photo(SMALL, 0), photo(SMALL, 255)]
    levels = []
    for step in range(30 * 20):
        now = step / 30
        shown = answers[int(now / (HOLD_SECONDS + MOVE_SECONDS)) % 2]
        levels.append(drawn(attract, SMALL, shown, presentation, now).mean() / 255)
    turns = [0.0]
    extreme, rising = levels[0], True
    for step, level in enumerate(levels):
        if (level > extreme) == rising:
            extreme = level
        elif abs(level - extreme) > 0.1:
            turns.append(step / 30)
            extreme, rising = level, not rising
    assert len(turns) > 3, "the answers change, so brightness does, too"
    assert min(after - before for before, after in pairwise(turns)) > 1 / style.MAX_FLASHES
