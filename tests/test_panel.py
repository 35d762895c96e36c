"""Which display is opened, from what the system says there is."""

from __future__ import annotations

import os
from pathlib import Path

import pygame
import pytest

from device.panel import ScreenError, connected_cards, open_panel, resolve


def connector(drm: Path, name: str, status: str) -> None:
    (drm / name).mkdir(parents=True)
    (drm / name / "status").write_text(status + "\n")


@pytest.fixture
def pi(tmp_path: Path) -> Path:
    """A Raspberry Pi's /sys/class/drm: card0 computes, card1 has the connectors, and a display hangs on the second."""
    (tmp_path / "card0").mkdir()
    (tmp_path / "card1").mkdir()
    (tmp_path / "renderD128").mkdir()
    (tmp_path / "version").write_text("drm 1.1.0 20060810\n")
    connector(tmp_path, "card1-HDMI-A-1", "disconnected")
    connector(tmp_path, "card1-HDMI-A-2", "connected")
    connector(tmp_path, "card1-Writeback-1", "unknown")
    return tmp_path


def test_the_card_with_the_display_is_found(pi: Path) -> None:
    assert connected_cards(pi) == [1]
    connector(pi, "card10-DSI-1", "connected")
    connector(pi, "card2-HDMI-A-1", "connected")
    assert connected_cards(pi) == [1, 2, 10]


def test_there_are_no_cards_without_sysfs_or_without_a_display(tmp_path: Path) -> None:
    assert connected_cards(tmp_path / "none") == []
    connector(tmp_path, "card0-HDMI-A-1", "disconnected")
    assert connected_cards(tmp_path) == []


def test_a_connector_that_cannot_be_read_is_passed_over(pi: Path) -> None:
    (pi / "card3-HDMI-A-1" / "status").mkdir(parents=True)
    assert connected_cards(pi) == [1]


def test_auto_is_a_window_on_a_desktop_a_kiosk_without_one_and_headless_without_a_display(
    pi: Path, tmp_path: Path
) -> None:
    nothing = tmp_path / "nothing"
    assert resolve("auto", {"DISPLAY": ":0"}, pi) == ("window", {})
    assert resolve("auto", {"WAYLAND_DISPLAY": "wayland-0"}, nothing) == ("window", {})
    kind, settings = resolve("auto", {}, pi)
    assert kind == "kiosk"
    assert settings == {"SDL_VIDEODRIVER": "kmsdrm", "SDL_KMSDRM_DEVICE_INDEX": "1"}
    assert resolve("auto", {}, nothing) == ("headless", {"SDL_VIDEODRIVER": "dummy"})
    assert resolve("auto", {"SDL_VIDEODRIVER": "offscreen", "DISPLAY": ":0"}, pi)[0] == "headless"


def test_a_kiosk_takes_the_desktop_where_there_is_one_and_else_the_card_with_the_display(pi: Path) -> None:
    assert resolve("kiosk", {"DISPLAY": ":0"}, pi) == ("kiosk", {})
    assert resolve("kiosk", {}, pi)[1]["SDL_KMSDRM_DEVICE_INDEX"] == "1"
    assert resolve("kiosk", {"SDL_KMSDRM_DEVICE_INDEX": "0"}, pi)[1]["SDL_KMSDRM_DEVICE_INDEX"] == "0"


def test_headless_needs_nothing_and_keeps_a_driver_that_shows_nothing(pi: Path) -> None:
    assert resolve("headless", {"DISPLAY": ":0"}, pi)[1] == {"SDL_VIDEODRIVER": "dummy"}
    assert resolve("headless", {"SDL_VIDEODRIVER": "offscreen"}, pi)[1] == {"SDL_VIDEODRIVER": "offscreen"}


def test_a_display_that_is_not_there_is_said_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ScreenError, match=r"no desktop to open a window on.*--display kiosk"):
        resolve("window", {}, tmp_path)
    with pytest.raises(ScreenError, match=r"no display is plugged in.*connect one"):
        resolve("kiosk", {}, tmp_path)


def test_a_display_that_sdl_cannot_open_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "x11")
    monkeypatch.setenv("DISPLAY", ":4711")
    with pytest.raises(ScreenError, match=r"does not open as window.*groups video and render"):
        open_panel("window", None)
    assert os.environ["SDL_VIDEODRIVER"] == "x11"
    assert not pygame.display.get_init()
