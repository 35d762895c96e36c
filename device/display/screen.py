"""What the visitor sees: the photo over the whole display, themselves as an inset, and every word of the mirror.

Only the main thread may draw (SDL wants that), and nothing here waits. The canvas is the picture as the visitor sees
it, upright; the display may be mounted turned.
"""

from __future__ import annotations

import enum
from types import TracebackType
from typing import Final, Literal, Self, TypeAlias

import cv2
import numpy as np
import pygame

from device.display.backdrop import BGRX_MASKS, surface_pixels
from device.display.layout import Size
from device.display.panel import DisplayKind, HotplugDisplay, ScreenError
from device.display.scene import Scene, View
from models.pose import Image

Rotation: TypeAlias = Literal[0, 90, 180, 270]
"""Degrees clockwise by which the picture is turned on the display."""

ROTATE_CODES: Final = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}

PRESS_KEYS: Final = (pygame.K_SPACE, pygame.K_RETURN, pygame.K_KP_ENTER)


class Event(enum.Enum):
    """What a visitor or the system may ask of the mirror by the display's own devices."""

    PRESS = "press"
    QUIT = "quit"


class Screen:
    """The display, open; a context manager. Made by `Screen.open`."""

    def __init__(self, display: HotplugDisplay, rotate: Rotation) -> None:
        self._panel = display
        self._rotate = rotate
        self._scene = Scene()
        self._beside: pygame.Surface | None = None

    @classmethod
    def open(cls, display: DisplayKind = "auto", size: Size | None = None, rotate: Rotation = 0) -> Screen:
        """Open the display: full screen with the cursor hidden (kiosk), a resizable window, or headless.

        `auto` is a window on a desktop, the kiosk where a display is plugged in without one, else headless; `kind`
        says which it became. `size` (width, height) is the display's own, before `rotate`: by default 1280×720, and
        in a kiosk what the display has. A kiosk's display may be unplugged and plugged in again, or be another one
        then; it is waited for. Raises ScreenError, a sentence saying what to do, when there is none such.
        """
        panel = HotplugDisplay(display, size)
        pygame.font.init()
        return cls(panel, rotate)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the display back."""
        pygame.display.quit()

    @property
    def kind(self) -> DisplayKind:
        """Kiosk, window or headless."""
        return self._panel.kind

    @property
    def display_missing(self) -> bool:
        """Whether a kiosk's display is missing, so that nobody sees what is drawn."""
        return self._panel.is_missing

    @property
    def size(self) -> Size:
        """The canvas's width and height, after rotation; it may change from one `draw` or `poll_events` to the next."""
        width, height = _surface().get_size()
        return (height, width) if self._rotate in (90, 270) else (width, height)

    def draw(self, view: View, now: float) -> None:
        """Show a view at the time `now` (seconds, any steady clock); nothing is drawn that nobody would see.

        A display that was opened just now is left for the next view: this one has grown old meanwhile.
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

    def poll_events(self) -> list[Event]:
        """What happened since the last call: at most one PRESS and one QUIT.

        PRESS: space, enter, a click or a touch. QUIT: the window closed, SIGTERM, Ctrl+Q, and outside a kiosk, whose
        keyboard is a visitor's, Esc and Q.
        """
        found = (_to_event(event, self.kind) for event in pygame.event.get())
        return list(dict.fromkeys(event for event in found if event))

    def snapshot(self) -> Image:
        """The canvas as last drawn: H×W×3, upright."""
        canvas = self._canvas(_surface())
        return cv2.cvtColor(surface_pixels(canvas), cv2.COLOR_BGRA2RGB).astype(np.uint8, copy=False)

    def _canvas(self, surface: pygame.Surface) -> pygame.Surface:
        """What is drawn on: the display's own surface where it is upright and of our format, else one beside it."""
        if self._rotate == 0 and surface.get_masks() == BGRX_MASKS:
            return surface
        if self._beside is None or self._beside.get_size() != self.size:
            self._beside = pygame.Surface(self.size, 0, 32, BGRX_MASKS)
        return self._beside


def _to_event(event: pygame.event.Event, kind: DisplayKind) -> Event | None:
    if event.type == pygame.QUIT:
        return Event.QUIT
    if event.type == pygame.KEYDOWN:
        if event.key == pygame.K_q and event.mod & pygame.KMOD_CTRL:
            return Event.QUIT
        if event.key in (pygame.K_ESCAPE, pygame.K_q) and kind != "kiosk":
            return Event.QUIT
        return Event.PRESS if event.key in PRESS_KEYS else None
    if event.type == pygame.FINGERDOWN:
        return Event.PRESS
    # SDL makes a click of every touch too; the wheel is a button as well
    clicked = event.type == pygame.MOUSEBUTTONDOWN and event.button <= 3 and not getattr(event, "touch", False)
    return Event.PRESS if clicked else None


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
