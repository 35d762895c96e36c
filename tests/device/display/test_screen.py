"""The screen: from the camera to the display's pixels, at any rotation and size, and what each state shows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pygame
import pytest

from device.cameras.base import make_frame, mirror_frame
from device.display import draw, style
from device.display.continuation import prepare
from device.display.layout import Size, camera_to_display, place, transform_pose
from device.display.panel import ScreenError
from device.display.playing import inset_size
from device.display.scene import Scene
from device.display.screen import Event, Rotation, Screen
from device.display.style import MARGIN
from device.display.views import PreparedPhoto, ShownAnswer, View
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

    with Screen.open("headless", (640, 360), rotate, make_scene=lambda: Scene("full", "")) as screen:
        width, height = screen.size
        pose = answer.mirrored(800) if match.mirrored else answer
        reflection = camera_to_display(visitor, (640, 480), screen.size)
        placement = place((800, 600), screen.size, pose, reflection)
        prepared = prepare(photo, placement, screen.size, match.mirrored)
        answered = ShownAnswer(PreparedPhoto(prepared), visitor, 1.0)
        picture = shown(screen, View(answers=(answered,), camera_image=frame.image))
    wrist = transform_pose(pose, placement).xy[RIGHT_WRIST]
    assert find_colour(picture, RED) == pytest.approx(wrist, abs=3)
    assert find_colour(picture, RED)[0] < min(find_colour(picture, BLUE)[0], width / 2)
    inset_width, inset_height = inset_size(frame.image, (width, height))
    left, bottom = round(MARGIN * min(width, height)), height - round(MARGIN * min(width, height))
    assert find_colour(picture[bottom - inset_height : bottom, left : left + inset_width], GREEN)[0] < inset_width / 2


def _dot(picture: Image, at: Floats, colour: tuple[int, int, int], radius: int = 22) -> None:
    y, x = np.ogrid[: picture.shape[0], : picture.shape[1]]
    picture[(x - at[0]) ** 2 + (y - at[1]) ** 2 < radius**2] = colour


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
def test_turns_the_picture_clockwise_on_the_display(rotate: Rotation) -> None:
    with Screen.open("headless", (200, 100), rotate, make_scene=lambda: Scene("full", "")) as screen:
        assert screen.size == ((200, 100) if rotate % 180 == 0 else (100, 200))
        photo = quarters(screen.size)
        assert (shown(screen, View(answers=(ShownAnswer(PreparedPhoto(photo)),))) == photo).all()
        surface = pygame.display.get_surface()
        assert surface is not None
        display = pygame.surfarray.array3d(surface).swapaxes(0, 1)
    assert (display == np.rot90(photo, -rotate // 90)).all()


def test_an_old_photo_fills_a_resized_window() -> None:
    with Screen.open("window", (300, 200), make_scene=lambda: Scene("full", "")) as screen:
        view = View(answers=(ShownAnswer(PreparedPhoto(plain(screen.size, (10, 200, 30)))),))
        shown(screen, view)
        pygame.display.set_mode((500, 700), pygame.RESIZABLE)
        assert screen.size == (500, 700)
        assert (shown(screen, view) == (10, 200, 30)).all()


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
