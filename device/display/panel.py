"""The display itself: finding it, opening it with SDL, and noticing when it is unplugged.

SDL opens a window or a full screen on a desktop, a full screen without a desktop (KMSDRM), or no display at all, which
is called headless. A desktop handles unplugged displays itself. Without one, SDL looks for displays only when it
starts, so `HotplugDisplay` watches the cable.

Where there are several displays, an `output` names one: by its connector (`HDMI-A-2`) or its number from 1; empty is
the first. A desktop's monitors have only numbers, as pygame does not tell SDL's names for them.
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
from models.text import printable

DisplayKind: TypeAlias = Literal["auto", "kiosk", "window", "headless"]

DRM: Final = Path("/sys/class/drm")
"""Where the kernel lists graphics cards and their connectors."""

KIOSK_DRIVER: Final = "kmsdrm"
"""SDL's video driver for a display without a desktop."""

HEADLESS_DRIVERS: Final = ("dummy", "offscreen")
"""SDL's video drivers that show nothing."""

DEFAULT_SIZE: Final = (1280, 720)
"""Width and height of a window, and of the picture without a display."""

POLL_INTERVAL: Final = 1.0
"""Seconds between two checks of what is plugged in. A check reads a few small files of the kernel in 0.1 ms.

The kernel also announces changes on a network socket, but a service without a network cannot hear that.
"""

log = logging.getLogger(__name__)


class ScreenError(RuntimeError):
    """The display cannot be opened, or is closed. The message says what to do."""


class ConnectedDisplay(NamedTuple):
    """A display that is plugged in: its card's number, its connector (`HDMI-A-1`), and its sizes, a line each."""

    card: int
    connector: str
    modes: str


def connected_displays(drm: Path = DRM) -> tuple[ConnectedDisplay, ...]:
    """Return the displays that are plugged in, by card and in the order of the kernel's connectors, as SDL counts them.

    Source: the kernel's sysfs. `card1-HDMI-A-1/status` says connected, disconnected or unknown, `modes` has a line for
    each size, and `connector_id` (since Linux 5.19) is the connector's place.
    """
    displays: list[tuple[int, int, ConnectedDisplay]] = []
    for status in drm.glob("card*-*/status"):
        number, _, connector = status.parent.name.removeprefix("card").partition("-")
        try:
            if number.isdecimal() and status.read_text().strip() == "connected":
                modes, place = status.with_name("modes"), status.with_name("connector_id")
                display = ConnectedDisplay(int(number), connector, modes.read_text() if modes.exists() else "")
                displays.append((display.card, int(place.read_text()) if place.exists() else 0, display))
        except OSError:
            continue  # it was unplugged during the check
    return tuple(display for _, _, display in sorted(displays))


def find_output(output: str, drm: Path = DRM) -> tuple[ConnectedDisplay, ...]:
    """Return the displays that are plugged in and that an output names: all for an empty one, else one or none."""
    displays = connected_displays(drm)
    if not output:
        return displays
    number = _number(output)
    if number is not None:
        return displays[number - 1 : number] if number else ()
    return tuple(display for display in displays if output.lower() in _names(display))


def _number(output: str) -> int | None:
    """Return an output's number; None if it is a name. No machine has a thousand displays."""
    return int(output) if output.isdecimal() and len(output) <= 3 else None


def _names(display: ConnectedDisplay) -> tuple[str, str]:
    """Return a display's names, in small letters: HDMI-A-1, and card0-HDMI-A-1 where two cards have one."""
    return display.connector.lower(), f"card{display.card}-{display.connector}".lower()


def connected_cards(drm: Path = DRM) -> list[int]:
    """Return the numbers of the graphics cards with a display plugged in, lowest first.

    A Raspberry Pi has two cards: one only computes, the other has the connectors.
    """
    return sorted({display.card for display in connected_displays(drm)})


def resolve_display(
    display: DisplayKind, environ: Mapping[str, str], drm: Path = DRM, output: str = ""
) -> tuple[DisplayKind, dict[str, str]]:
    """Return what to open (kiosk, window or headless), and the environment variables that make SDL open it.

    `auto` is a window if there is a desktop, else a kiosk if a display is plugged in, else headless. A driver set by
    SDL_VIDEODRIVER is kept. Raises ScreenError when the wanted display is missing.
    """
    driver = environ.get("SDL_VIDEODRIVER", "")
    desktop = _has_desktop(environ)
    cards = connected_cards(drm)
    if display == "auto":
        visible: DisplayKind = "window" if desktop else "kiosk"
        display = "headless" if driver in HEADLESS_DRIVERS or not (desktop or cards) else visible
    if display == "headless":
        return display, {"SDL_VIDEODRIVER": driver if driver in HEADLESS_DRIVERS else "dummy"}
    if desktop:
        return display, {}
    if display == "window":
        raise ScreenError(
            "there is no desktop to open a window on: start the mirror from a desktop, which sets DISPLAY or "
            "WAYLAND_DISPLAY, or use --display kiosk or --display headless"
        )
    displays = find_output(output, drm)
    if not displays:
        raise ScreenError(f"{_explain_absence(output, drm)}, or use --display headless")
    return display, {
        "SDL_VIDEODRIVER": KIOSK_DRIVER,
        "SDL_KMSDRM_DEVICE_INDEX": environ.get("SDL_KMSDRM_DEVICE_INDEX", str(displays[0].card)),
    }


def _explain_absence(output: str, drm: Path) -> str:
    """Return the beginning of a sentence about an output without a display; it names those that have one."""
    places = ", ".join(display.connector for display in connected_displays(drm))
    if not places:
        return f"no display is plugged in according to {drm}: connect one and switch it on"
    where = f"at {printable(output):.40}" if _number(output) is None else f"as number {output}"
    return f"no display is plugged in {where}, only at {places}: connect it, or change [screen] output"


def _has_desktop(environ: Mapping[str, str]) -> bool:
    """Return whether there is a desktop to open on, or the user chose a driver."""
    return any(environ.get(name) for name in ("SDL_VIDEODRIVER", "DISPLAY", "WAYLAND_DISPLAY"))


def open_display(display: DisplayKind, size: Size | None, drm: Path = DRM, output: str = "") -> DisplayKind:
    """Open the display, and return its kind. `pygame.display.get_surface()` is then its surface.

    `size` is (width, height) before any rotation; None is 1280×720 for a window or headless, and the display's own size
    in a kiosk. Raises ScreenError.
    """
    kind, settings = resolve_display(display, os.environ, drm, output)
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        pygame.display.init()
        if kind != "headless" and not os.environ.get("SDL_VIDEODRIVER"):
            _check_visible()
        pygame.display.set_caption("Pose Mirror")
        pygame.display.set_mode(*_mode(kind, size), display=_sdl_number(kind, settings, output, drm))
    except ScreenError:
        pygame.display.quit()
        raise
    except pygame.error as error:
        pygame.display.quit()
        raise ScreenError(
            f"the display does not open as {kind} (SDL says: {error}): add this user to the groups video and render, "
            "and end any other program that holds the display"
        ) from error
    finally:
        _restore(before)
    pygame.display.set_allow_screensaver(False)
    pygame.mouse.set_visible(kind != "kiosk")
    return kind


def _check_visible() -> None:
    """Raise ScreenError if SDL draws where nobody sees it, as it does when no desktop answers."""
    if pygame.display.get_driver().lower() in HEADLESS_DRIVERS:
        names = [name for name in ("WAYLAND_DISPLAY", "DISPLAY") if os.environ.get(name)]
        places = " and ".join(f"{name}={printable(os.environ[name]):.80}" for name in names)
        raise ScreenError(
            f"no desktop answers at {places}: start the mirror on a desktop that is running, or use --display headless"
        )


def _sdl_number(kind: DisplayKind, settings: Mapping[str, str], output: str, drm: Path) -> int:
    """Return SDL's number, from 0, of the display that an output names. Raises ScreenError if there is none."""
    if kind == "headless" or not output:
        return 0
    if settings.get("SDL_VIDEODRIVER") == KIOSK_DRIVER:
        displays, chosen = connected_displays(drm), find_output(output, drm)
        if not chosen or chosen[0] not in displays:  # unplugged a moment ago
            raise ScreenError(_explain_absence(output, drm))
        # SDL counts the displays of one card
        return [display for display in displays if display.card == chosen[0].card].index(chosen[0])
    count = pygame.display.get_num_displays()
    monitor = _number(output)
    if monitor is None or not 1 <= monitor <= count:
        numbers = 'to "", as it has a single one' if count == 1 else f'to "" or a number from "1" to "{count}"'
        raise ScreenError(f"this desktop has no monitor {printable(output):.40}: set [screen] output {numbers}")
    return monitor - 1


def describe_outputs(kind: DisplayKind, drm: Path = DRM) -> list[str]:
    """Return how each display is named as an output, and its size. The display must be open, of this kind."""
    if pygame.display.get_driver().lower() == KIOSK_DRIVER:
        displays = connected_displays(drm)
        return [f"{display.connector} ({display.modes.partition(chr(10))[0] or 'no size'})" for display in displays]
    if kind == "headless":
        return []
    return [f"{number} ({_format_size(size)})" for number, size in enumerate(pygame.display.get_desktop_sizes(), 1)]


class HotplugDisplay:
    """An open display that may be unplugged: a kiosk without a desktop waits for it, and opens it again.

    `kind` is what was opened. While a kiosk's display is missing (`is_missing`), a headless one of the same size stands
    in, so that everything else keeps running. Creating one raises ScreenError like `open_display`, except for a kiosk's
    display that is not plugged in. Use it in the main thread only.
    """

    def __init__(self, display: DisplayKind, size: Size | None, drm: Path = DRM, output: str = "") -> None:
        self._size, self._drm, self._output = size, drm, output
        self._next_check = -math.inf
        self._dark_since: float | None = None
        self._logged = ""
        self._connected: tuple[ConnectedDisplay, ...] | None = None  # None: not watched
        on_console = not _has_desktop(os.environ)
        if display == "kiosk" and on_console and not find_output(output, drm):
            self.kind: DisplayKind = "kiosk"
            self._log_once(f"N{_explain_absence(output, drm)[1:]}. The mirror waits for it.")
            self._open_stand_in(size)
        else:
            self.kind = open_display(display, size, drm, output)
            if self.kind == "kiosk" and on_console:
                # Read it after opening: only then has the kernel asked the display for its sizes.
                self._connected = find_output(output, drm)

    @property
    def is_missing(self) -> bool:
        """Whether nobody can see what is drawn, because a kiosk's display is not there."""
        return self.kind == "kiosk" and self._connected == ()

    def poll(self, now: float) -> bool:
        """Once every `POLL_INTERVAL`, check what is plugged in, and open it after a change; return whether it changed.

        `now` is in seconds of any steady clock. A change takes some tenths of a second.
        """
        if self._connected is None or now < self._next_check:
            return False
        self._next_check = now + POLL_INTERVAL
        connected = find_output(self._output, self._drm)
        if self.is_missing and self._dark_since is None:
            self._dark_since = now
        if connected == self._connected:
            return False
        if not connected:
            self._lose(now, "The display was unplugged: plug it in again. The mirror keeps running.")
        else:
            self._reopen(now)
        return True

    def handle_error(self, error: pygame.error, now: float) -> None:
        """Treat the display as lost after SDL failed to show a picture. Raises `error` if no display is watched."""
        if self._connected is None:
            raise error
        self._lose(now, f"The display accepts no more pictures (SDL says: {error}): the mirror opens it again.")

    def _lose(self, now: float, message: str) -> None:
        """Replace the display by a headless one."""
        self._log_once(message)
        size = pygame.display.get_window_size()
        pygame.display.quit()
        self._open_stand_in(size)
        self._dark_since = now

    def _reopen(self, now: float) -> None:
        """Open the display that is plugged in now. If that fails, log it once; each check tries again."""
        size = pygame.display.get_window_size()
        pygame.display.quit()
        try:
            open_display("kiosk", self._size, self._drm, self._output)
        except ScreenError as error:
            self._log_once(f"A display is plugged in, but {error}")
            self._open_stand_in(size)
            return
        self._connected = find_output(self._output, self._drm)
        after = "" if self._dark_since is None else f" after {now - self._dark_since:.0f} s"
        connectors = ", ".join(display.connector for display in self._connected)
        self._log_once(
            f"A display is connected{after}: {_format_size(pygame.display.get_window_size())} pixels, at {connectors}."
        )
        self._dark_since = None

    def _open_stand_in(self, size: Size | None) -> None:
        open_display("headless", size)
        self._connected = ()

    def _log_once(self, message: str) -> None:
        """Log a message, unless it is the same as the last one."""
        if message != self._logged:
            log.warning("%s", message)
        self._logged = message


def _format_size(size: Size) -> str:
    return f"{size[0]}×{size[1]}"


def _mode(kind: DisplayKind, size: Size | None) -> tuple[Size, int]:
    """Return the size to ask SDL for ((0, 0): the display's own), and the flags."""
    if kind == "kiosk":
        return size or (0, 0), pygame.FULLSCREEN
    return size or DEFAULT_SIZE, pygame.RESIZABLE if kind == "window" else 0


def _restore(before: Mapping[str, str | None]) -> None:
    """Restore environment variables: child processes should not inherit what was meant for SDL."""
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
