"""The display itself: which one there is, and opening it by SDL, on a desktop, without one (KMSDRM), or without any.

On a desktop its windows come and go by themselves. Without one the display's cable is ours to mind: SDL looks for
displays when it is opened and never again, so a `HotplugDisplay` looks for it.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

import pygame

from device.display.layout import Size

DisplayKind: TypeAlias = Literal["auto", "kiosk", "window", "headless"]

DRM: Final = Path("/sys/class/drm")
KIOSK_DRIVER: Final = "kmsdrm"
"""SDL's video driver for a display without a desktop."""

HEADLESS_DRIVERS: Final = ("dummy", "offscreen")
"""SDL's video drivers that show nothing."""

DEFAULT_SIZE: Final = (1280, 720)

POLL_INTERVAL: Final = 1.0
"""Seconds between two looks at what is plugged in: some small files of the kernel's, read in a tenth of a millisecond.

The kernel also tells by a network socket of its own, which a service without a network does not get.
"""

log = logging.getLogger(__name__)


class ScreenError(RuntimeError):
    """There is no display to show anything on; the sentence says what to do."""


class ConnectedDisplay(NamedTuple):
    """A display that is plugged in: its card's number, its connector as `HDMI-A-1`, and the sizes that it takes."""

    card: int
    connector: str
    modes: str


def connected_displays(drm: Path = DRM) -> tuple[ConnectedDisplay, ...]:
    """The displays that are plugged in, by their cards and connectors.

    Source: the kernel's sysfs, where `card1-HDMI-A-1/status` says connected, disconnected or unknown, and `modes` has
    a line for each size.
    """
    found = []
    for status in drm.glob("card*-*/status"):
        number, _, connector = status.parent.name.removeprefix("card").partition("-")
        try:
            if number.isdecimal() and status.read_text().strip() == "connected":
                modes = status.with_name("modes")
                found.append(ConnectedDisplay(int(number), connector, modes.read_text() if modes.exists() else ""))
        except OSError:
            continue  # unplugged while we looked
    return tuple(sorted(found))


def connected_cards(drm: Path = DRM) -> list[int]:
    """The numbers of the graphics cards with a display plugged in, lowest first.

    A Raspberry Pi has a card that only computes beside the one with the connectors.
    """
    return sorted({display.card for display in connected_displays(drm)})


def resolve_display(
    display: DisplayKind, environ: Mapping[str, str], drm: Path = DRM
) -> tuple[DisplayKind, dict[str, str]]:
    """Which of kiosk, window and headless is meant here, and the environment that makes SDL open it.

    `auto` is a window on a desktop, the kiosk where a display is plugged in without one, else headless. A driver
    chosen by SDL_VIDEODRIVER stands. Raises ScreenError when what is asked for cannot be had.
    """
    driver = environ.get("SDL_VIDEODRIVER", "")
    desktop = _has_desktop(environ)
    cards = connected_cards(drm)
    if display == "auto":
        somewhere: DisplayKind = "window" if desktop else "kiosk"
        display = "headless" if driver in HEADLESS_DRIVERS or not (desktop or cards) else somewhere
    if display == "headless":
        return display, {"SDL_VIDEODRIVER": driver if driver in HEADLESS_DRIVERS else "dummy"}
    if desktop:
        return display, {}
    if display == "window":
        raise ScreenError(
            "there is no desktop to open a window on: start it from one (DISPLAY or WAYLAND_DISPLAY is then set), or "
            "use --display kiosk or headless"
        )
    if not cards:
        raise ScreenError(
            f"no display is plugged in according to {drm}: connect one and switch it on, or use --display headless"
        )
    return display, {
        "SDL_VIDEODRIVER": KIOSK_DRIVER,
        "SDL_KMSDRM_DEVICE_INDEX": environ.get("SDL_KMSDRM_DEVICE_INDEX", str(cards[0])),
    }


def _has_desktop(environ: Mapping[str, str]) -> bool:
    """Whether there is a desktop to open on, or a driver was chosen by hand."""
    return any(environ.get(name) for name in ("SDL_VIDEODRIVER", "DISPLAY", "WAYLAND_DISPLAY"))


def open_display(display: DisplayKind, size: Size | None, drm: Path = DRM) -> DisplayKind:
    """Open the display and return which kind it became; `pygame.display.get_surface()` is then its surface.

    `size` is the display's own, before any rotation: of a window or a headless picture 1280×720 by default, of a
    kiosk whatever the display has. Raises ScreenError.
    """
    kind, settings = resolve_display(display, os.environ, drm)
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        pygame.display.init()
        pygame.display.set_caption("Pose Mirror")
        pygame.display.set_mode(*_mode(kind, size))
    except pygame.error as error:
        pygame.display.quit()
        raise ScreenError(
            f"the display does not open as {kind} (SDL says: {error}): is this user in the groups video and render, "
            "and does no other program hold the display?"
        ) from error
    finally:
        _restore(before)
    pygame.display.set_allow_screensaver(False)
    pygame.mouse.set_visible(kind != "kiosk")
    return kind


class HotplugDisplay:
    """The display, open; a kiosk's without a desktop is waited for, and opened again whenever another is plugged in.

    `kind` is which it became. While a kiosk's display is missing (`is_missing`), one that nobody sees stands in for it, of
    the size that it had, so that everything else goes on. Raises ScreenError as `open_display` does, but not for a
    display that is only not plugged in. For the main thread.
    """

    def __init__(self, display: DisplayKind, size: Size | None, drm: Path = DRM) -> None:
        self._size, self._drm = size, drm
        self._look_at = -math.inf
        self._dark_since: float | None = None
        self._told = ""
        self._shown: tuple[ConnectedDisplay, ...] | None = None
        by_kernel = not _has_desktop(os.environ)
        if display == "kiosk" and by_kernel and not connected_displays(drm):
            self.kind: DisplayKind = "kiosk"
            self._log_once(
                f"No display is plugged in according to {drm}: connect one and switch it on; it is waited for."
            )
            self._open_stand_in(size)
        else:
            self.kind = open_display(display, size, drm)
            if self.kind == "kiosk" and by_kernel:
                self._shown = connected_displays(
                    drm
                )  # after it was opened, as SDL has the kernel ask the display for its sizes

    @property
    def is_missing(self) -> bool:
        """Whether nobody sees what is drawn, as a kiosk's display is not there."""
        return self.kind == "kiosk" and self._shown == ()

    def poll(self, now: float) -> bool:
        """Look, when it is time, whether the display is still there, and open the one that is; True when it did.

        `now`: seconds of any steady clock. Takes some tenths of a second when something has changed.
        """
        if self._shown is None or now < self._look_at:
            return False
        self._look_at = now + POLL_INTERVAL
        found = connected_displays(self._drm)
        if self.is_missing and self._dark_since is None:
            self._dark_since = now
        if found == self._shown:
            return False
        if not found:
            self._lose(now, "The display was unplugged: plug it in again; the mirror goes on without.")
        else:
            self._reopen(now)
        return True

    def handle_error(self, error: pygame.error, now: float) -> None:
        """SDL could not show a picture: the display is lost, when it is one that can come back, or the error raised."""
        if self._shown is None:
            raise error
        self._lose(now, f"The display takes no more pictures (SDL says: {error}): it is opened again.")

    def _lose(self, now: float, sentence: str) -> None:
        self._log_once(sentence)
        size = pygame.display.get_window_size()
        pygame.display.quit()
        self._open_stand_in(size)
        self._dark_since = now

    def _reopen(self, now: float) -> None:
        """Open what is plugged in now; where that fails it is said once, and tried at each look."""
        size = pygame.display.get_window_size()
        pygame.display.quit()
        try:
            open_display("kiosk", self._size, self._drm)
        except ScreenError as error:
            self._log_once(f"A display is plugged in, but {error}")
            self._open_stand_in(size)
            return
        self._shown = connected_displays(self._drm)
        waited = "" if self._dark_since is None else f" after {now - self._dark_since:.0f} s"
        connectors = ", ".join(display.connector for display in self._shown)
        self._log_once(
            f"There is a display{waited}: {_format_size(pygame.display.get_window_size())} pixels, at {connectors}."
        )
        self._dark_since = None

    def _open_stand_in(self, size: Size | None) -> None:
        open_display("headless", size)
        self._shown = ()

    def _log_once(self, sentence: str) -> None:
        """In the log, once until there is something else to tell: nobody sees a display that is not there."""
        if sentence != self._told:
            log.warning("%s", sentence)
        self._told = sentence


def _format_size(size: Size) -> str:
    return f"{size[0]}×{size[1]}"


def _mode(kind: DisplayKind, size: Size | None) -> tuple[Size, int]:
    """What to ask SDL for: a size, where (0, 0) is the display's own, and flags."""
    if kind == "kiosk":
        return size or (0, 0), pygame.FULLSCREEN
    return size or DEFAULT_SIZE, pygame.RESIZABLE if kind == "window" else 0


def _restore(before: Mapping[str, str | None]) -> None:
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
