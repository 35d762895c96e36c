"""What each state of the screen shows, at any size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pygame
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.display import draw, scene, style
from device.display.attract import privacy_message
from device.display.button_mark import Side, draw_button_mark
from device.display.layout import Size
from device.display.lettering import TextRenderer
from device.display.panes import STRIP, Layout, arrange
from device.display.playing import FADE_SECONDS
from device.display.scene import STATE_FADE_SECONDS, Scene
from device.display.screen import Screen
from device.display.views import PreparedPhoto, Recorded, ShownAnswer, View
from device.glow import ButtonState
from device.guidance import HINTS, STEP_BACK
from device.language.message import Message, message
from device.language.translate import Language
from device.language.turns import Languages
from models.pose import Image
from tests.device.display.test_screen import LATER, find_colour, person, plain, shown

SIZE = (640, 360)
PHOTO = PreparedPhoto(plain(SIZE))
CAMERA = plain((64, 48), (40, 120, 40))
VISITOR = person(32, 24, 0.2)
PLAYING = View(answers=(ShownAnswer(PHOTO, VISITOR, 0.0),), camera_image=CAMERA)

STATES: dict[str, View] = {
    "starting": View(starting=message("The mirror is starting …"), started=0.5),
    "nobody": View(idle_photo=PHOTO, pictures=153_045),
    "nobody, in the dark": View(idle_photo=PHOTO, pictures=153_045, hint=HINTS[0]),
    "nobody, without a camera": View(idle_photo=PHOTO, pictures=153_045, trouble=message("One moment, please")),
    "playing": PLAYING,
    "something for the owner": replace(PLAYING, needs_care=True),
    "without a camera": replace(PLAYING, camera_image=None),
    "a credit": replace(PLAYING, answers=(ShownAnswer(PreparedPhoto(PHOTO.picture, "J. Müller, CC BY 4.0"), VISITOR),)),
    "a full ring": replace(PLAYING, answers=(ShownAnswer(PHOTO, VISITOR, 1.0),)),
    "a celebration": replace(PLAYING, answers=(ShownAnswer(PHOTO, VISITOR, 1.0, 0.5),)),
    "others": replace(PLAYING, others=(person(12, 24, 0.2),)),
    "two people": replace(PLAYING, answers=PLAYING.answers * 2),
    "a hint": replace(PLAYING, hint=STEP_BACK),
    "a collection": replace(PLAYING, collection=message("Dance")),
    "collections": replace(PLAYING, holds=True),
    "a countdown": replace(PLAYING, recorded=Recorded(countdown=3), button=ButtonState("countdown")),
    "the start of a recording": replace(PLAYING, recorded=Recorded(progress=0.0), button=ButtonState("recording")),
    "the end of a recording": replace(PLAYING, recorded=Recorded(progress=1.0), button=ButtonState("recording")),
    "a notice": replace(PLAYING, recorded=Recorded(notice=message("Making your GIF …")), button=ButtonState("saving")),
    "a GIF": replace(
        PLAYING, recorded=Recorded(notice=message("Your GIF is ready"), replay=plain((32, 24), (9, 9, 200)))
    ),
}


@pytest.fixture(params=["side", "full"])
def layout(request: pytest.FixtureRequest) -> Layout:
    chosen: Layout = request.param
    return chosen


@pytest.fixture
def screen(layout: Layout) -> Iterator[Screen]:
    with Screen.open("headless", SIZE, make_scene=lambda: Scene(layout)) as opened:
        yield opened


def test_every_state_looks_different(screen: Screen) -> None:
    pictures = {name: shown(screen, state) for name, state in STATES.items()}
    names = list(pictures)
    alike = [
        (a, b)
        for i, a in enumerate(names)
        for b in names[:i]
        if np.abs(pictures[a].astype(int) - pictures[b]).max() < 60
    ]
    assert not alike


def test_the_answer_and_the_visitor_have_equal_panes(layout: Layout) -> None:
    panes = arrange((1920, 1080), layout)
    if layout == "side":
        assert panes.visitor is not None
        assert panes.visitor.size == panes.answers[0].size
        assert panes.visitor.top == panes.answers[0].top
    else:
        assert panes.answers[0].size == (1920, 1080)


@given(
    st.tuples(st.integers(1, 4000), st.integers(1, 4000)),
    st.sampled_from(["side", "full"]),
    st.integers(1, 4),
    st.booleans(),
)
def test_panes_are_on_the_canvas_and_apart(canvas: Size, layout: Layout, answers: int, rtl: bool) -> None:
    panes = arrange(canvas, layout, answers, rtl)
    assert len(panes.answers) == answers
    rects = [*panes.answers, *([panes.visitor] if panes.visitor else []), *([panes.strip] if panes.strip else [])]
    everything = pygame.Rect(0, 0, *canvas)
    assert all(rect.width > 0 and rect.height > 0 and everything.contains(rect) for rect in rects)
    if min(canvas) >= 64:
        assert all(rects[i].collidelist(rects[:i]) < 0 for i in range(len(rects)))


def test_panes_are_mirrored_for_arabic() -> None:
    first, second = (arrange((1920, 1080), "side", rtl=rtl) for rtl in (False, True))
    assert (first.visitor, first.answers) == (second.answers[0], (second.visitor,))


def test_shows_the_photo_unchanged_after_the_fade() -> None:
    with Screen.open("headless", SIZE, make_scene=lambda: Scene("full", "")) as screen:
        photo = np.random.default_rng(1).integers(0, 255, (*SIZE[::-1], 3), np.uint8)
        assert (shown(screen, View(answers=(ShownAnswer(PreparedPhoto(photo)),))) == photo).all()


def test_fades_between_photos_without_a_jump() -> None:
    with Screen.open("headless", SIZE, make_scene=lambda: Scene("full", "")) as screen:
        first, second, third = (
            View(answers=(ShownAnswer(PreparedPhoto(plain(SIZE, (v, v, v)))),)) for v in (40, 200, 120)
        )
        shown(screen, first)

        def level(view: View, after: float) -> int:
            screen.draw(view, LATER + after)
            return int(screen.snapshot()[5, 5, 0])

        assert level(second, 0) == 40
        assert level(second, FADE_SECONDS / 2) == pytest.approx(120, abs=2)
        assert level(second, FADE_SECONDS * 0.75) == pytest.approx(160, abs=2)
        assert level(third, FADE_SECONDS * 0.75) == pytest.approx(160, abs=2)
        assert level(third, FADE_SECONDS * 1.75) == 120


def test_panes_do_not_become_dark_while_people_come_and_go() -> None:
    with Screen.open("headless", SIZE) as screen:
        for people in (1, 2, 3, 2, 1):
            photos = [PreparedPhoto(plain(SIZE, (200, 200, 200))) for _ in range(people)]
            screen.draw(View(answers=tuple(map(ShownAnswer, photos)), camera_image=CAMERA), LATER + people)
            if people > 1:  # from nobody to somebody, the whole screen fades
                pane = arrange(SIZE, "side", people).answers[-1]
                assert (screen.snapshot()[pane.centery, pane.centerx] > 190).all()


def test_one_state_fades_into_the_next() -> None:
    with Screen.open("headless", SIZE, make_scene=lambda: Scene("side", "")) as screen:
        before, changes = shown(screen, STATES["starting"]), []
        for at in (0.0, STATE_FADE_SECONDS / 2, STATE_FADE_SECONDS * 2):
            screen.draw(PLAYING, LATER + 1 + at)
            changes.append(np.abs(screen.snapshot().astype(int) - before).mean())
        after = screen.snapshot()
    assert changes[0] == 0
    assert changes[1] == pytest.approx(changes[2] / 2, rel=0.1)
    assert (after[100] == 90).all(-1).any(), "the photo is there"


def test_the_ring_closes_by_its_share(screen: Screen) -> None:
    areas = []
    for share in (0.1, 0.5, 0.9):
        picture = shown(screen, View(answers=(ShownAnswer(PHOTO, None, share),)))
        areas.append((np.abs(picture.astype(int) - style.COOL) < 12).all(-1).sum())
    assert areas[1] / areas[0] == pytest.approx(5, rel=0.4)
    assert areas[2] / areas[1] == pytest.approx(1.8, rel=0.15)


def test_shows_the_credit_as_long_as_the_photo(screen: Screen) -> None:
    def ink(credit: str) -> int:
        view = View(answers=(ShownAnswer(PreparedPhoto(PHOTO.picture, credit)),))
        return int((shown(screen, view)[150:, 400:] > 200).sum())

    assert ink("Somebody, CC BY 4.0") > ink("") + 100


def test_says_until_the_end_how_the_gif_shows_visitors() -> None:
    """With `[gif] countdown = 0` the recording is all that they see of it."""
    with Screen.open("headless", SIZE) as screen:
        for recorded in (Recorded(countdown=2), Recorded(progress=0.0)):
            without = shown(screen, replace(PLAYING, recorded=recorded))
            told = replace(recorded, portrayal=message("Your picture will be in the GIF"))
            assert (shown(screen, replace(PLAYING, recorded=told)) != without).any()


def test_does_not_deny_a_recording() -> None:
    """While nobody is there, a recording only takes the line on privacy away from the attract loop."""
    with Screen.open("headless", SIZE, make_scene=lambda: Scene("side", "")) as screen:
        idle, saving = (
            shown(screen, replace(STATES["nobody"], recorded=recorded))
            for recorded in (Recorded(), Recorded(notice=message("Making your GIF …")))
        )
        changed = np.flatnonzero((idle != saving).any((1, 2)))
        assert len(changed)
        assert (saving[changed] == style.INK).all()


def test_marks_the_followed_visitor_only_among_others() -> None:
    alone = draw.camera_picture(plain((320, 240)), [person(160, 130, 1)], (320, 240))
    marked = draw.camera_picture(plain((320, 240)), [person(160, 130, 1)], (320, 240), mark=True)
    changed = np.argwhere((alone != marked).any(-1))
    assert len(changed) > 30
    assert abs(changed[:, 1].mean() - 160) < 8
    assert changed[:, 0].max() < 130 - 62, "the mark is above the head"


def test_a_camera_picture_covers_its_pane() -> None:
    picture = plain((640, 480), (0, 0, 0))
    picture[:, 300:340] = (0, 250, 0)
    tall = draw.camera_picture(picture, [], (100, 300))
    assert tall.shape == (300, 100, 4)
    assert find_colour(tall[..., :3], (0, 250, 0))[0] == pytest.approx(49.5, abs=2)


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("side", ["left", "right", "top", "bottom"])
def test_the_button_hides_nobody(monkeypatch: pytest.MonkeyPatch, side: Side, language: str) -> None:
    """With a strip below the panes there is room for it, whatever else the screen says."""
    marks: list[pygame.Rect] = []
    monkeypatch.setattr(scene, "draw_button_mark", lambda *args: marks.append(draw_button_mark(*args)))
    views = [
        replace(view, holds=True, button=ButtonState())
        for view in (PLAYING, STATES["a hint"], STATES["two people"], STATES["a countdown"], STATES["a collection"])
    ]
    with Screen.open(
        "headless", SIZE, make_scene=lambda: Scene("side", side, Languages([Language(language)]))
    ) as screen:
        for view in views:
            shown(screen, view)
            panes = arrange(SIZE, "side", len(view.answers))
            for pane in (*panes.answers, panes.visitor or panes.answers[0]):
                assert not marks[-1].colliderect(pane.inflate(-SIZE[1] // 10, -SIZE[1] // 10))


@pytest.mark.parametrize("side", ["left", "right", "top", "bottom"])
def test_the_button_is_beside_the_answers_head(monkeypatch: pytest.MonkeyPatch, side: Side) -> None:
    marks: list[pygame.Rect] = []
    monkeypatch.setattr(scene, "draw_button_mark", lambda *args: marks.append(draw_button_mark(*args)))
    head = pygame.Rect(0, 0, SIZE[0] // 8, SIZE[1] // 4)
    head.midtop = SIZE[0] // 2, 0
    with Screen.open("headless", SIZE, make_scene=lambda: Scene("full", side)) as screen:
        for name in ("playing", "a hint", "a countdown"):
            shown(screen, STATES[name])
            assert not marks[-1].colliderect(head)


def test_the_countdown_hides_no_face() -> None:
    """In the layout "side" it is between both panes, in the layout "full" in a corner."""
    for layout, middle in (("side", SIZE[0] / 2), ("full", SIZE[0] * 0.92)):
        chosen: Layout = "side" if layout == "side" else "full"
        with Screen.open("headless", SIZE, make_scene=partial(Scene, chosen, "")) as screen:
            without, counting = (
                shown(screen, replace(PLAYING, recorded=recorded)) for recorded in (Recorded(), Recorded(countdown=3))
            )
        above = slice(SIZE[1] * 4 // 5)  # the words on the strip change, too
        changed = np.argwhere((without != counting)[above].any(-1))
        assert changed[:, 1].mean() == pytest.approx(middle, abs=25)
        assert changed[:, 0].max() < SIZE[1] / 3


def test_no_state_shows_a_makers_sentence(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is written on the screen comes from a message, so that it can be translated; but credits do not."""
    said: list[str] = []

    class Loud(Language):
        def say(self, message: Message) -> str:
            said.append(message.text)
            return "§"

    drawn: list[str] = []
    monkeypatch.setattr("device.display.lettering.TextRenderer._draw_single_line", _record(drawn))
    scene = Scene("side", "bottom", Languages([Loud("en")]))
    canvas = pygame.Surface(SIZE, 0, 32)
    for name, view in STATES.items():
        if name != "a credit":
            scene.draw(canvas, view, LATER)
    assert said
    assert set("".join(drawn)) <= set("§0123456789 ")


def _record(drawn: list[str]) -> object:
    def draw_single_line(self: object, text: str, *args: object) -> pygame.Surface:
        drawn.append(text)
        return pygame.Surface((4, 4), pygame.SRCALPHA, 32)

    return draw_single_line


def test_resizing_clears_the_caches() -> None:
    with Screen.open("window", (300, 200), make_scene=lambda: Scene("full")) as screen:
        for tick in range(24):
            view = View(answers=(ShownAnswer(PHOTO, None, tick / 24),), recorded=Recorded(countdown=3))
            screen.draw(view, LATER + tick / 24)
        assert draw.arc.cache_info().currsize > 12
        pygame.display.set_mode((200, 300), pygame.RESIZABLE)
        screen.draw(View(answers=(ShownAnswer(PHOTO, None, 0.5),)), LATER + 1)
        assert draw.arc.cache_info().currsize <= 8


@pytest.mark.slow
@settings(max_examples=40)
@given(
    st.tuples(st.integers(1, 900), st.integers(1, 900)),
    st.sampled_from(["side", "full"]),
    st.sampled_from(["left", "right", "top", "bottom"]),
    st.sampled_from(sorted(STATES)),
    st.text(max_size=60),
    st.tuples(st.integers(1, 500), st.integers(1, 500)),
)
def test_draws_any_view_at_any_size(
    size: Size, layout: Layout, side: Side, state: str, words: str, camera: Size
) -> None:
    with Screen.open("headless", size, make_scene=lambda: Scene(layout, side)) as screen:
        answer = ShownAnswer(PreparedPhoto(plain(size), words), person(camera[0] / 2, camera[1] / 2, 1), 0.7, 0.3)
        view = replace(
            STATES[state],
            answers=(answer,) * len(STATES[state].answers),
            camera_image=plain(camera),
            hint=STEP_BACK,
            trouble=Message(words or "-"),
            needs_care=True,
        )
        picture: Image = shown(screen, view)
        assert picture.shape == (*screen.size[::-1], 3)


@pytest.mark.parametrize("code", ["en", "de", "fr", "es", "ar", "ja", "zh"])
@pytest.mark.parametrize("size", [(1080, 1920), (1280, 720)])
def test_the_line_on_privacy_is_whole_on_the_strip(
    size: tuple[int, int], code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    language, blocks = Language(code), dict[str, tuple[int, int]]()
    render_block = TextRenderer.render_block

    def watch(self: TextRenderer, text: str, *args: Any, **options: Any) -> pygame.Surface:
        block = render_block(self, text, *args, **options)
        if text == language.say(privacy_message(24)):
            blocks[text] = block.get_height(), options.get("max_lines", 99)
        return block

    monkeypatch.setattr(TextRenderer, "render_block", watch)
    with Screen.open("headless", size, make_scene=lambda: Scene("side", "bottom", Languages([language]), 24)) as screen:
        shown(screen, PLAYING)
    ((height, max_lines),) = blocks.values()
    assert height <= STRIP * min(size) * 1.05
    assert max_lines == 99
