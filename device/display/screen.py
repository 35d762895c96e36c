"""The screen: shows a photo over the whole display, the visitor as an inset, and all texts; reports presses.

Only the main thread may draw, as SDL requires, and no function here waits. The canvas is upright, as the visitor sees
it; the display itself may be mounted turned.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from types import TracebackType
from typing import Final, Literal, Self, TypeAlias

import cv2
import numpy as np
import pygame

from device.display.backdrop import BGRX_MASKS, surface_pixels
from device.display.layout import Size
from device.display.panel import DisplayKind, HotplugDisplay, ScreenError
from device.display.scene import Scene
from device.display.views import View
from device.language.translate import Language
from device.presses import Presses
from models.pose import Image

Rotation: TypeAlias = Literal[0, 90, 180, 270]
"""Degrees clockwise by which the picture is turned on the display."""

ROTATE_CODES: Final = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}

PRESS_KEYS: Final = (pygame.K_SPACE, pygame.K_RETURN, pygame.K_KP_ENTER)

CLOSING: Final = (pygame.KEYDOWN, pygame.MOUSEBUTTONDOWN, pygame.FINGERDOWN)
"""The events with which a press begins."""


class Event(enum.Enum):
    """An event of the display's own devices (keyboard, mouse, touch) or the system."""

    PRESS = "press"
    HOLD = "hold"
    QUIT = "quit"


class Screen:
    """The open display: a context manager that closes it. Create it with `Screen.open`."""

    def __init__(self, display: HotplugDisplay, rotate: Rotation, scene: Scene) -> None:
        self._panel = display
        self._rotate = rotate
        self._scene = scene
        self._own_canvas: pygame.Surface | None = None
        self._presses = Presses()

    @classmethod
    def open(
        cls,
        display: DisplayKind = "auto",
        size: Size | None = None,
        rotate: Rotation = 0,
        output: str = "",
        make_scene: Callable[[], Scene] = Scene,
    ) -> Screen:
        """Open the display: full screen without a cursor (kiosk), a resizable window, or headless.

        `auto` is a window if there is a desktop, else a kiosk if a display is plugged in, else headless; `kind` tells
        which. `size` is (width, height) before `rotate`; None is 1280×720, and the display's own size in a kiosk.
        `output` is the connector or the number of the display, where there are several; empty is the first. A
        kiosk waits for a display that is unplugged, and also opens a different one. `make_scene` returns what draws on
        it, and is called when letters can be drawn. Raises ScreenError, whose message says what to do.
        """
        panel = HotplugDisplay(display, size, output=output)
        pygame.font.init()
        return cls(panel, rotate, make_scene())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the display."""
        pygame.display.quit()

    @property
    def kind(self) -> DisplayKind:
        """Kiosk, window or headless."""
        return self._panel.kind

    @property
    def display_missing(self) -> bool:
        """Whether a kiosk's display is missing, so that nobody can see what is drawn."""
        return self._panel.is_missing

    @property
    def size(self) -> Size:
        """The canvas's width and height, after rotation. Any `draw` or `poll_events` may change it."""
        width, height = _surface().get_size()
        return (height, width) if self._rotate in (90, 270) else (width, height)

    @property
    def language(self) -> Language:
        """The language that the screen speaks now."""
        return self._scene.language

    def draw(self, view: View, now: float) -> None:
        """Show a view at the time `now`, in seconds of any steady clock. Draws nothing while the display is missing.

        Opening a display takes a while. The view is out of date then, so the new display waits for the next one.
        """
        if self._panel.poll(now) or self.display_missing:
            return
        surface = _surface()
        canvas = self._canvas(surface)
        self._scene.draw(canvas, view, now)
        if canvas is not surface:
            _blit_rotated(canvas, surface, self._rotate)
        try:
            pygame.display.flip()
        except pygame.error as error:
            self._panel.handle_error(error, now)

    def poll_events(self, now: float) -> list[Event]:
        """Return what happened since the last call, each kind of event once at most.

        A press is space, enter, a click or a touch; `device.presses` says when it counts. QUIT is a closed window,
        SIGTERM, Ctrl+Q, and outside a kiosk also Esc and Q: a kiosk's keyboard belongs to the visitors.
        """
        quits = False
        for event in pygame.event.get():
            quits |= _is_quit(event, self.kind)
            if _is_contact(event):
                contact = self._presses.close if event.type in CLOSING else self._presses.open
                contact(now)
        counts = {
            Event.QUIT: quits,
            Event.PRESS: self._presses.pop_presses(now),
            Event.HOLD: self._presses.pop_holds(now),
        }
        return [event for event, count in counts.items() if count]

    def is_held(self, now: float) -> bool:
        """Return whether a press is under way that is not counted yet."""
        return self._presses.is_held(now)

    def distinguish_holds(self, wanted: bool) -> None:
        """Tell holds from presses from now on, or don't."""
        self._presses.holds = wanted

    def snapshot(self) -> Image:
        """Return the canvas as last drawn: H×W×3, upright."""
        canvas = self._canvas(_surface())
        return cv2.cvtColor(surface_pixels(canvas), cv2.COLOR_BGRA2RGB).astype(np.uint8, copy=False)

    def _canvas(self, surface: pygame.Surface) -> pygame.Surface:
        """Return the surface to draw on: the display's own if its rotation and format fit, else a separate one."""
        if self._rotate == 0 and surface.get_masks() == BGRX_MASKS:
            return surface
        if self._own_canvas is None or self._own_canvas.get_size() != self.size:
            self._own_canvas = pygame.Surface(self.size, 0, 32, BGRX_MASKS)
        return self._own_canvas


def _is_quit(event: pygame.event.Event, kind: DisplayKind) -> bool:
    if event.type == pygame.KEYDOWN:
        with_ctrl = event.key == pygame.K_q and bool(event.mod & pygame.KMOD_CTRL)
        return with_ctrl or (event.key in (pygame.K_ESCAPE, pygame.K_q) and kind != "kiosk")
    return bool(event.type == pygame.QUIT)


def _is_contact(event: pygame.event.Event) -> bool:
    """Return whether an event is the beginning or the end of a press."""
    if event.type in (pygame.KEYDOWN, pygame.KEYUP):
        return event.key in PRESS_KEYS
    if event.type in (pygame.MOUSEBUTTONDOWN, pygame.MOUSEBUTTONUP):
        # SDL also reports every touch as a click, and the wheel as buttons above 3.
        return event.button <= 3 and not getattr(event, "touch", False)
    return event.type in (pygame.FINGERDOWN, pygame.FINGERUP)


def _surface() -> pygame.Surface:
    surface = pygame.display.get_surface()
    if surface is None:
        raise ScreenError("the display is closed: open the screen before drawing on it")
    return surface


def _blit_rotated(canvas: pygame.Surface, surface: pygame.Surface, rotate: Rotation) -> None:
    if surface.get_masks() != BGRX_MASKS:
        surface.blit(pygame.transform.rotate(canvas, -rotate), (0, 0))
    else:
        cv2.rotate(surface_pixels(canvas), ROTATE_CODES[rotate], dst=surface_pixels(surface))
