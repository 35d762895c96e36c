"""The display itself: which one there is, and opening it by SDL, on a desktop, without one (KMSDRM), or without any."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, TypeAlias

import pygame

from device.layout import Size

Display: TypeAlias = Literal["auto", "kiosk", "window", "headless"]

DRM: Final = Path("/sys/class/drm")
UNSEEN: Final = ("dummy", "offscreen")
"""SDL's video drivers that show nothing."""

DEFAULT_SIZE: Final = (1280, 720)


class ScreenError(RuntimeError):
    """There is no display to show anything on; the sentence says what to do."""


def connected_cards(drm: Path = DRM) -> list[int]:
    """The numbers of the graphics cards with a display plugged in, lowest first.

    A Raspberry Pi has a card that only computes beside the one with the connectors. Source: the kernel's sysfs, where
    `card1-HDMI-A-1/status` says connected, disconnected or unknown.
    """
    cards = set()
    for status in sorted(drm.glob("card*-*/status")):
        number = status.parent.name.removeprefix("card").split("-")[0]
        try:
            if number.isdecimal() and status.read_text().strip() == "connected":
                cards.add(int(number))
        except OSError:
            continue  # unplugged while we looked
    return sorted(cards)


def resolve(display: Display, environ: Mapping[str, str], drm: Path = DRM) -> tuple[Display, dict[str, str]]:
    """Which of kiosk, window and headless is meant here, and the environment that makes SDL open it.

    `auto` is a window on a desktop, the kiosk where a display is plugged in without one, else headless. A driver
    chosen by SDL_VIDEODRIVER stands. Raises ScreenError when what is asked for cannot be had.
    """
    driver = environ.get("SDL_VIDEODRIVER", "")
    desktop = bool(driver or environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))
    cards = connected_cards(drm)
    if display == "auto":
        somewhere: Display = "window" if desktop else "kiosk"
        display = "headless" if driver in UNSEEN or not (desktop or cards) else somewhere
    if display == "headless":
        return display, {"SDL_VIDEODRIVER": driver if driver in UNSEEN else "dummy"}
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
        "SDL_VIDEODRIVER": "kmsdrm",
        "SDL_KMSDRM_DEVICE_INDEX": environ.get("SDL_KMSDRM_DEVICE_INDEX", str(cards[0])),
    }


def open_panel(display: Display, size: Size | None) -> Display:
    """Open the display and return which kind it became; `pygame.display.get_surface()` is then its surface.

    `size` is the display's own, before any rotation: of a window or a headless picture 1280×720 by default, of a
    kiosk whatever the display has. Raises ScreenError.
    """
    kind, settings = resolve(display, os.environ)
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


def _mode(kind: Display, size: Size | None) -> tuple[Size, int]:
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
