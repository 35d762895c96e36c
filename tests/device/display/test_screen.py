"""The screen: from the camera to the display's pixels, at any rotation and size, and what each state shows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pygame
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.cameras.base import make_frame, mirror_frame
from device.display import draw, style
from device.display.continuation import prepare
from device.display.layout import Size, camera_to_display, cover, place, transform_pose
from device.display.panel import ScreenError
from device.display.scene import FADE_SECONDS, MARGIN, SLOW_FADE_SECONDS, PreparedPhoto, View, inset_size
from device.display.screen import Event, Rotation, Screen
from index.likeness import part_table
from index.match import Matcher
from models.pose import LEFT_WRIST, RIGHT_WRIST, Floats, Image, Pose

LATER = 100.0
"""Seconds after which every fade and movement is over."""

RED, BLUE, GREEN = (220, 20, 20), (20, 20, 220), (20, 220, 20)

STANDING = np.array(
    [
        [0, -62], [3, -65], [-3, -65], [7, -63], [-7, -63], [18, -40], [-18, -40], [34, -64], [-26, -15],
        [42, -90], [-30, 8], [11, 10], [-11, 10], [13, 50], [-13, 50], [14, 88], [-14, 88],
    ],
    np.float32,
)  # fmt: skip
"""A person who faces the camera and raises the left hand, which is on the right of the picture (17×2)."""

SENTENCE = "The camera is not answering: is it unplugged? Plug it in again; the mirror goes on by itself."


@pytest.fixture
def screen() -> Iterator[Screen]:
    with Screen.open("headless", (640, 360)) as opened:
        yield opened


def person(x: float, y: float, scale: float) -> Pose:
    return Pose(STANDING * np.float32(scale) + np.array([x, y], np.float32), np.ones(17, np.float32), 1.0)


def plain(size: Size, colour: tuple[int, int, int] = (90, 90, 90)) -> Image:
    return np.full((size[1], size[0], 3), colour, np.uint8)


def quarters(size: Size) -> Image:
    """Return a picture that looks different in each of the eight ways to turn and mirror it."""
    picture = plain(size)
    width, height = size
    for (x, y), colour in zip([(0, 0), (1, 0), (0, 1)], [RED, GREEN, BLUE], strict=True):
        picture[y * height // 2 : (y + 1) * height // 2, x * width // 2 : (x + 1) * width // 2] = colour
    return picture


def shown(screen: Screen, view: View, now: float = LATER) -> Image:
    """Return the canvas after all fades and movements are over."""
    screen.draw(view, now - LATER)
    screen.draw(view, now)
    return screen.snapshot()


def find_colour(picture: Image, colour: tuple[int, int, int], tolerance: int = 60) -> Floats:
    """Return the centre (x, y) of all pixels of about this colour."""
    y, x = np.nonzero((np.abs(picture.astype(int) - colour) < tolerance).all(-1))
    assert len(x), f"no pixel of the picture has the colour {colour}"
    return np.array([x.mean(), y.mean()], np.float32)


class OnePhoto:
    """A stand-in for a library with a single item."""

    def __init__(self, pose: Pose) -> None:
        self.parts = part_table(pose.xy[None], pose.scores[None])[0]

    def __len__(self) -> int:
        return 1


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
@pytest.mark.parametrize("raised", ["left", "right"])
def test_a_raised_left_hand_is_on_the_left_of_the_screen(raised: str, rotate: Rotation) -> None:
    """The visitor's left hand is on the left of the screen, and so is the raised hand of the photo's person.

    A photo of a person who raises the left hand shows it on the right, so the photo must be mirrored. With the right
    hand raised, it is on the left already.
    """
    unmirrored = person(320, 260, 2)
    camera_picture = plain((640, 480))
    _dot(camera_picture, unmirrored.xy[LEFT_WRIST], GREEN)
    frame = mirror_frame(make_frame(camera_picture, None, 0.0))
    visitor = unmirrored.mirrored(640)  # what an estimator finds in the mirrored frame
    assert find_colour(frame.image, GREEN)[0] < 320

    photo, answer = plain((800, 600)), person(380, 290, 2.4)
    answer = answer if raised == "left" else answer.mirrored(800)
    up, down = (LEFT_WRIST, RIGHT_WRIST) if raised == "left" else (RIGHT_WRIST, LEFT_WRIST)
    _dot(photo, answer.xy[up], RED)
    _dot(photo, answer.xy[down], BLUE)
    library: Any = OnePhoto(answer)
    (match,) = Matcher(library).find(visitor)
    assert match.mirrored == (raised == "left")
    assert match.likeness > 0.99

    with Screen.open("headless", (640, 360), rotate) as screen:
        width, height = screen.size
        pose = answer.mirrored(800) if match.mirrored else answer
        reflection = camera_to_display(visitor, (640, 480), screen.size)
        placement = place((800, 600), screen.size, pose, reflection)
        prepared = prepare(photo, placement, screen.size, match.mirrored)
        picture = shown(screen, View(PreparedPhoto(prepared), 1.0, frame.image, visitor, visitor_present=True))
    wrist = transform_pose(pose, placement).xy[RIGHT_WRIST]
    assert find_colour(picture, RED) == pytest.approx(wrist, abs=3)
    assert find_colour(picture, RED)[0] < min(find_colour(picture, BLUE)[0], width / 2)
    inset_width, inset_height = inset_size(frame.image, (width, height))
    left, bottom = round(MARGIN * min(width, height)), height - round(MARGIN * min(width, height))
    assert find_colour(picture[bottom - inset_height : bottom, left : left + inset_width], GREEN)[0] < inset_width / 2


def _dot(picture: Image, at: Floats, colour: tuple[int, int, int], radius: int = 22) -> None:
    y, x = np.ogrid[: picture.shape[0], : picture.shape[1]]
    picture[(x - at[0]) ** 2 + (y - at[1]) ** 2 < radius**2] = colour


def test_shows_the_photo_unchanged_after_the_fade(screen: Screen) -> None:
    photo = quarters(screen.size)
    assert (shown(screen, View(PreparedPhoto(photo), visitor_present=True)) == photo).all()


def test_fades_between_photos_without_a_jump(screen: Screen) -> None:
    first, second, third = (
        View(PreparedPhoto(plain(screen.size, (v, v, v))), visitor_present=True) for v in (40, 200, 120)
    )
    shown(screen, first)

    def level(view: View, after: float) -> int:
        screen.draw(view, LATER + after)
        return int(screen.snapshot()[5, 5, 0])

    assert level(second, 0) == 40
    middle = level(second, FADE_SECONDS / 2)
    assert middle == pytest.approx(120, abs=2)
    assert level(second, FADE_SECONDS * 0.75) == pytest.approx(160, abs=2)
    assert level(third, FADE_SECONDS * 0.75) == pytest.approx(160, abs=2)
    assert level(third, FADE_SECONDS * 1.75) == 120


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
def test_turns_the_picture_clockwise_on_the_display(rotate: Rotation) -> None:
    with Screen.open("headless", (200, 100), rotate) as screen:
        assert screen.size == ((200, 100) if rotate % 180 == 0 else (100, 200))
        photo = quarters(screen.size)
        assert (shown(screen, View(PreparedPhoto(photo), visitor_present=True)) == photo).all()
        surface = pygame.display.get_surface()
        assert surface is not None
        display = pygame.surfarray.array3d(surface).swapaxes(0, 1)
    assert (display == np.rot90(photo, -rotate // 90)).all()


def test_an_old_photo_fills_a_resized_window() -> None:
    with Screen.open("window", (300, 200)) as screen:
        view = View(PreparedPhoto(plain(screen.size, (10, 200, 30))), visitor_present=True)
        shown(screen, view)
        pygame.display.set_mode((500, 700), pygame.RESIZABLE)
        assert screen.size == (500, 700)
        assert (shown(screen, view) == (10, 200, 30)).all()


def test_resizing_clears_the_caches() -> None:
    with Screen.open("window", (300, 200)) as screen:
        view = View(PreparedPhoto(plain((300, 200))), 0.5, faults=(SENTENCE,), visitor_present=True, countdown=3)
        for tick in range(24):
            screen.draw(view, LATER + tick / 24)
        assert draw.arc.cache_info().currsize > 12
        pygame.display.set_mode((200, 300), pygame.RESIZABLE)
        screen.draw(view, LATER + 1)
        assert draw.arc.cache_info().currsize <= 3


def test_invites_with_words_that_wander(screen: Screen) -> None:
    view = View(PreparedPhoto(plain(screen.size)))
    first, later = shown(screen, view, LATER), shown(screen, view, LATER + 40)
    assert (first[0, 0] < 60).all(), "the photo is dimmed"
    bright = [(picture > 200).all(-1) for picture in (first, later)]
    assert all(0.005 < lit.mean() < 0.2 for lit in bright)
    assert (bright[0] & bright[1]).sum() < 0.6 * bright[0].sum()
    assert not (shown(screen, replace(view, visitor_present=True)) > 200).any()


def test_photos_fade_slowly_while_nobody_is_there(screen: Screen) -> None:
    shown(screen, View(PreparedPhoto(plain(screen.size, (50, 50, 50)))))
    other = View(PreparedPhoto(plain(screen.size, (250, 250, 250))))
    screen.draw(other, LATER)
    screen.draw(other, LATER + FADE_SECONDS)
    early = screen.snapshot()[0, 0, 0]
    screen.draw(other, LATER + SLOW_FADE_SECONDS)
    assert early < 45 < screen.snapshot()[0, 0, 0]


STATES: dict[str, View] = {
    "a fault": View(faults=(SENTENCE,)),
    "two faults": View(faults=(SENTENCE, "The disk is full: free some space.")),
    "a notice": View(notice="Saved."),
    "a countdown": View(countdown=3),
    "the start of a recording": View(recording_progress=0.0),
    "the end of a recording": View(recording_progress=1.0),
    "a ring": View(ring=0.5),
    "a full ring": View(ring=1.0),
    "the camera": View(camera_image=plain((64, 48))),
    "the visitor": View(camera_image=plain((64, 48)), visitor=person(32, 24, 0.2)),
    "a credit": View(photo=PreparedPhoto(plain((640, 360)), "“Titel” · J. Müller · CC BY 4.0")),
}


def test_every_state_looks_different(screen: Screen) -> None:
    view = View(PreparedPhoto(plain(screen.size)), visitor_present=True)
    pictures = {
        name: shown(screen, replace(state, photo=state.photo or view.photo, visitor_present=True))
        for name, state in STATES.items()
    }
    pictures["nothing"] = shown(screen, view)
    names = list(pictures)
    alike = [
        (a, b)
        for i, a in enumerate(names)
        for b in names[:i]
        if np.abs(pictures[a].astype(int) - pictures[b]).max() < 60
    ]
    assert not alike


@pytest.mark.parametrize("present", [False, True])
def test_a_fault_is_readable_with_and_without_a_visitor(screen: Screen, present: bool) -> None:
    """The card is dark and complete, and the words on it are white."""
    picture = shown(
        screen, View(PreparedPhoto(plain(screen.size, (250, 250, 250))), visitor_present=present, faults=(SENTENCE,))
    )
    card = (picture < 70).all(-1) if present else (picture < 50).all(-1)
    columns, rows = np.flatnonzero(card.mean(0) > 0.05), np.flatnonzero(card.mean(1) > 0.3)
    assert len(columns) > 0.4 * screen.size[0]
    inside = picture[rows[0] : rows[-1], columns[0] : columns[-1]]
    assert 0.04 < (inside > 190).all(-1).mean() < 0.4


def test_many_faults_are_smaller_so_that_all_fit() -> None:
    with Screen.open("headless", (320, 240)) as screen:
        many = shown(screen, View(faults=tuple(f"{number}. {SENTENCE}" for number in range(5))))
    bars = np.asarray((np.abs(many.astype(int) - style.AMBER) < 25).all(-1))
    assert not bars[[0, -1]].any(), "no card is cut off"
    assert 4 <= np.count_nonzero(np.diff(bars.any(axis=1).astype(int)) == 1) <= 5


def test_the_ring_closes_by_its_share(screen: Screen) -> None:
    view = View(PreparedPhoto(plain(screen.size)), visitor_present=True)
    ring_areas = [
        (np.abs(shown(screen, replace(view, ring=share)).astype(int) - style.COOL) < 12).all(-1).sum()
        for share in (0.1, 0.5, 0.9)
    ]
    assert ring_areas[1] / ring_areas[0] == pytest.approx(5, rel=0.35)
    assert ring_areas[2] / ring_areas[1] == pytest.approx(1.8, rel=0.15)


def test_shows_the_credit_as_long_as_the_photo(screen: Screen) -> None:
    with_credit = View(PreparedPhoto(plain(screen.size), "Somebody · CC BY 4.0"))
    without = View(with_credit.photo and PreparedPhoto(with_credit.photo.picture))
    corner = slice(-40, None), slice(-200, None)
    assert (shown(screen, with_credit)[corner] > 200).any()
    assert not (shown(screen, without)[corner] > 200).any()


def test_skeleton_omits_guesses_and_colours_the_sides() -> None:
    pose = person(100, 100, 1)
    picture = plain((200, 200), (0, 0, 0))
    draw.draw_skeleton(picture, pose)
    assert find_colour(picture, style.COOL, 30)[0] > 105
    assert find_colour(picture, style.WARM, 30)[0] < 95
    guessed = Pose(pose.xy, np.where(np.arange(17) >= 13, 0.29, 0.9).astype(np.float32), 1.0)
    legless = plain((200, 200), (0, 0, 0))
    draw.draw_skeleton(legless, guessed)
    assert picture[130:].any()
    assert not legless[130:].any()


def test_draws_a_skeleton_far_outside_its_picture() -> None:
    picture = plain((50, 40))
    wild = Pose(np.full((17, 2), 1e9, np.float32), np.ones(17, np.float32), 1.0)
    wild.xy[3] = np.nan
    draw.draw_skeleton(picture, wild)
    draw.draw_skeleton(picture, Pose(-wild.xy, wild.scores, 1.0))


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(1, 900), st.integers(1, 900)),
    st.sampled_from([0, 90, 180, 270]),
    st.sampled_from(sorted(STATES)),
    st.booleans(),
    st.text(max_size=60),
    st.tuples(st.integers(1, 500), st.integers(1, 500)),
)
def test_draws_any_view_at_any_size(
    size: Size, rotate: Rotation, state: str, present: bool, words: str, camera: Size
) -> None:
    with Screen.open("headless", size, rotate) as screen:
        photo = PreparedPhoto(prepare(plain((30, 20)), cover((30, 20), screen.size), screen.size), words)
        everything = View(
            photo,
            ring=0.7,
            camera_image=plain(camera),
            visitor=person(camera[0] / 2, camera[1] / 2, 1),
            visitor_present=present,
            faults=(words,),
            notice=words,
            failed=True,
            countdown=1,
            recording_progress=0.5,
        )
        for view in (everything, replace(STATES[state], photo=photo, visitor_present=present)):
            assert shown(screen, view).shape == (*screen.size[::-1], 3)


def key(code: int, mod: int = 0) -> pygame.event.Event:
    return pygame.event.Event(pygame.KEYDOWN, key=code, mod=mod, unicode="", scancode=0)


def mouse(button: int, touch: bool) -> pygame.event.Event:
    return pygame.event.Event(pygame.MOUSEBUTTONDOWN, button=button, pos=(1, 1), touch=touch)


finger = pygame.event.Event(pygame.FINGERDOWN, touch_id=1, finger_id=1, x=0.5, y=0.5, dx=0, dy=0, pressure=1)


@pytest.mark.parametrize(
    ("posted", "expected"),
    [
        ([key(pygame.K_SPACE)], [Event.PRESS]),
        ([key(pygame.K_RETURN)], [Event.PRESS]),
        ([key(pygame.K_KP_ENTER)], [Event.PRESS]),
        ([mouse(1, touch=False)], [Event.PRESS]),
        ([finger, mouse(1, touch=True)], [Event.PRESS]),
        ([mouse(1, touch=True)], []),
        ([mouse(4, touch=False)], []),
        ([key(pygame.K_a)], []),
        ([key(pygame.K_ESCAPE)], [Event.QUIT]),
        ([key(pygame.K_q, pygame.KMOD_LCTRL)], [Event.QUIT]),
        ([pygame.event.Event(pygame.QUIT), key(pygame.K_SPACE)], [Event.QUIT, Event.PRESS]),
        ([key(pygame.K_SPACE), finger], [Event.PRESS]),
    ],
)
def test_keys_clicks_and_touches_are_events(
    screen: Screen, posted: list[pygame.event.Event], expected: list[Event]
) -> None:
    screen.poll_events(LATER)
    for event in posted:
        pygame.event.post(event)
    assert screen.poll_events(LATER) == expected
    assert screen.poll_events(LATER) == []


@pytest.mark.parametrize(
    ("down", "up"),
    [
        (key(pygame.K_SPACE), pygame.event.Event(pygame.KEYUP, key=pygame.K_SPACE, mod=0)),
        (mouse(1, touch=False), pygame.event.Event(pygame.MOUSEBUTTONUP, button=1, touch=False)),
        (finger, pygame.event.Event(pygame.FINGERUP, touch_id=0, finger_id=0)),
    ],
)
def test_keys_clicks_and_touches_can_be_held(screen: Screen, down: pygame.event.Event, up: pygame.event.Event) -> None:
    screen.poll_events(0.0)
    screen.distinguish_holds(True)
    pygame.event.post(down)
    assert screen.poll_events(10.0) == []
    assert screen.is_held(10.5)
    pygame.event.post(up)
    assert screen.poll_events(10.5) == [Event.PRESS]
    pygame.event.post(down)
    assert screen.poll_events(20.0) == []
    assert screen.poll_events(22.0) == [Event.HOLD]
    pygame.event.post(up)
    assert screen.poll_events(23.0) == []


def test_a_visitor_cannot_close_a_kiosk() -> None:
    with Screen.open("kiosk", (320, 240)) as screen:
        screen.poll_events(LATER)
        for event in (key(pygame.K_ESCAPE), key(pygame.K_q), key(pygame.K_q, pygame.KMOD_CTRL)):
            pygame.event.post(event)
        assert screen.poll_events(LATER) == [Event.QUIT]
        pygame.event.post(key(pygame.K_ESCAPE))
        assert screen.poll_events(LATER) == []
        assert not pygame.mouse.get_visible()


def test_sigterm_is_a_quit_event() -> None:
    code = """
import time
from device.display.screen import Event, Screen
with Screen.open("headless", (64, 48)) as screen:
    print("open", flush=True)
    end = time.monotonic() + 20
    while time.monotonic() < end and Event.QUIT not in screen.poll_events(time.monotonic()):
        time.sleep(0.01)
    raise SystemExit(0 if time.monotonic() < end else 3)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == "open":
                break
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_a_closed_screen_says_so() -> None:
    screen = Screen.open("headless", (64, 48))
    screen.close()
    with pytest.raises(ScreenError, match="closed"):
        screen.draw(View(), 0.0)


def test_opening_headless_restores_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "x11")
    monkeypatch.delenv("DISPLAY", raising=False)
    with Screen.open("headless") as screen:
        assert screen.kind == "headless"
        assert screen.size == (1280, 720)
    assert os.environ["SDL_VIDEODRIVER"] == "x11"
