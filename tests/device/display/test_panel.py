"""Which display is opened, from what the system says there is."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pygame
import pytest

from device.display import panel, screen
from device.display.layout import Size
from device.display.panel import (
    POLL_INTERVAL,
    DisplayKind,
    HotplugDisplay,
    ScreenError,
    connected_cards,
    open_display,
    resolve_display,
)
from device.display.scene import View
from device.display.screen import Screen
from tests.support.held import held_resources


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
    assert resolve_display("auto", {"DISPLAY": ":0"}, pi) == ("window", {})
    assert resolve_display("auto", {"WAYLAND_DISPLAY": "wayland-0"}, nothing) == ("window", {})
    kind, settings = resolve_display("auto", {}, pi)
    assert kind == "kiosk"
    assert settings == {"SDL_VIDEODRIVER": "kmsdrm", "SDL_KMSDRM_DEVICE_INDEX": "1"}
    assert resolve_display("auto", {}, nothing) == ("headless", {"SDL_VIDEODRIVER": "dummy"})
    assert resolve_display("auto", {"SDL_VIDEODRIVER": "offscreen", "DISPLAY": ":0"}, pi)[0] == "headless"


def test_a_kiosk_takes_the_desktop_where_there_is_one_and_else_the_card_with_the_display(pi: Path) -> None:
    assert resolve_display("kiosk", {"DISPLAY": ":0"}, pi) == ("kiosk", {})
    assert resolve_display("kiosk", {}, pi)[1]["SDL_KMSDRM_DEVICE_INDEX"] == "1"
    assert resolve_display("kiosk", {"SDL_KMSDRM_DEVICE_INDEX": "0"}, pi)[1]["SDL_KMSDRM_DEVICE_INDEX"] == "0"


def test_headless_needs_nothing_and_keeps_a_driver_that_shows_nothing(pi: Path) -> None:
    assert resolve_display("headless", {"DISPLAY": ":0"}, pi)[1] == {"SDL_VIDEODRIVER": "dummy"}
    assert resolve_display("headless", {"SDL_VIDEODRIVER": "offscreen"}, pi)[1] == {"SDL_VIDEODRIVER": "offscreen"}


def test_a_display_that_is_not_there_is_said_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ScreenError, match=r"no desktop to open a window on.*--display kiosk"):
        resolve_display("window", {}, tmp_path)
    with pytest.raises(ScreenError, match=r"no display is plugged in.*connect one"):
        resolve_display("kiosk", {}, tmp_path)


def test_a_display_that_sdl_cannot_open_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "x11")
    monkeypatch.setenv("DISPLAY", ":4711")
    with pytest.raises(ScreenError, match=r"does not open as window.*groups video and render"):
        open_display("window", None)
    assert os.environ["SDL_VIDEODRIVER"] == "x11"
    assert not pygame.display.get_init()


def plug(drm: Path, modes: str | None) -> None:
    """Plug a display that takes these sizes into the second connector, or pull it out."""
    (drm / "card1-HDMI-A-2" / "modes").write_text(modes or "")
    (drm / "card1-HDMI-A-2" / "status").write_text("connected\n" if modes else "disconnected\n")


@pytest.fixture
def kiosk(pi: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Screen]:
    """Opens the screen of a kiosk without a desktop: SDL's dummy driver stands in KMSDRM's place, all else is real."""

    def mode(kind: DisplayKind, size: Size | None) -> tuple[Size, int]:
        """KMSDRM gives a full screen the display's first size; the dummy driver gives every one the same."""
        if kind != "kiosk":
            return size or panel.DEFAULT_SIZE, 0
        width, _, height = panel.connected_displays(pi)[0].modes.split()[0].partition("x")
        return (int(width), int(height)), 0

    for name in ("SDL_VIDEODRIVER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(panel, "KIOSK_DRIVER", "dummy")
    monkeypatch.setattr(panel, "_mode", mode)
    monkeypatch.setattr(screen, "HotplugDisplay", partial(HotplugDisplay, drm=pi))
    plug(pi, "640x360\n320x180\n")
    return partial(Screen.open, "kiosk")


def test_a_display_that_is_unplugged_is_waited_for_and_opened_again_when_it_is_back(
    pi: Path, kiosk: Callable[[], Screen], caplog: pytest.LogCaptureFixture
) -> None:
    with kiosk() as opened:
        opened.draw(View(), 0.0)
        assert (opened.kind, opened.size, opened.display_missing) == ("kiosk", (640, 360), False)
        plug(pi, None)
        opened.draw(View(), POLL_INTERVAL)
        assert opened.display_missing
        assert opened.poll_events() == []
        assert opened.size == (640, 360), "photos are made ready for it all the same"
        assert opened.snapshot().shape == (360, 640, 3)
        for second in range(2, 30):
            opened.draw(View(), POLL_INTERVAL * second)
        plug(pi, "640x360\n320x180\n")
        opened.draw(View(notice="Here again."), POLL_INTERVAL * 30)
        assert (opened.size, opened.display_missing) == ((640, 360), False)
        assert opened.snapshot().max() == 0, "the view has grown old while the display was opened"
        opened.draw(View(notice="Here again."), POLL_INTERVAL * 30.1)
        assert opened.snapshot().max() > 200, "the words are drawn"
    assert [record.getMessage() for record in caplog.records] == [
        "The display was unplugged: plug it in again. The mirror keeps running.",
        "A display is connected after 29 s: 640×360 pixels, at HDMI-A-2.",
    ]


def test_another_display_is_opened_at_its_own_size(pi: Path, kiosk: Callable[[], Screen]) -> None:
    with kiosk() as opened:
        plug(pi, None)
        opened.draw(View(), POLL_INTERVAL)
        plug(pi, "300x200\n")
        opened.draw(View(), POLL_INTERVAL * 2)
        assert opened.size == (300, 200)
        plug(pi, "200x300\n")  # exchanged between two looks
        opened.draw(View(), POLL_INTERVAL * 3)
        assert opened.size == (200, 300)
        assert opened.snapshot().shape == (300, 200, 3)


def test_a_kiosk_that_starts_without_a_display_waits_for_it_and_says_so(
    pi: Path, kiosk: Callable[[], Screen], caplog: pytest.LogCaptureFixture
) -> None:
    plug(pi, None)
    with kiosk() as opened:
        assert (opened.kind, opened.display_missing) == ("kiosk", True)
        for second in range(1, 6):
            opened.draw(View(), POLL_INTERVAL * second)
        assert opened.display_missing
        plug(pi, "640x360\n")
        opened.draw(View(), POLL_INTERVAL * 6)
        assert (opened.size, opened.display_missing) == ((640, 360), False)
    first, second = (record.getMessage() for record in caplog.records)
    assert first == (f"No display is plugged in according to {pi}: connect one and switch it on. The mirror waits for it.")
    assert second == "A display is connected after 5 s: 640×360 pixels, at HDMI-A-2."


def test_the_card_that_the_display_hangs_on_now_is_the_one_that_is_opened(
    pi: Path, kiosk: Callable[[], Screen], monkeypatch: pytest.MonkeyPatch
) -> None:
    cards: list[str | None] = []
    plain = pygame.display.set_mode
    monkeypatch.setattr(
        pygame.display,
        "set_mode",
        lambda *words: cards.append(os.environ.get("SDL_KMSDRM_DEVICE_INDEX")) or plain(*words),
    )
    with kiosk() as opened:
        plug(pi, None)
        opened.draw(View(), POLL_INTERVAL)
        connector(pi, "card0-HDMI-A-1", "connected")
        (pi / "card0-HDMI-A-1" / "modes").write_text("300x200\n")
        opened.draw(View(), POLL_INTERVAL * 2)
    assert cards == ["1", None, "0"]


def test_a_display_is_looked_for_once_a_second_and_opened_only_when_something_changed(
    pi: Path, kiosk: Callable[[], Screen], monkeypatch: pytest.MonkeyPatch
) -> None:
    with kiosk() as opened:
        looks: list[Path] = []
        plain = panel.connected_displays
        monkeypatch.setattr(panel, "connected_displays", lambda drm: looks.append(drm) or plain(drm))
        monkeypatch.setattr(panel, "open_display", lambda *_: pytest.fail("it was opened again"))
        for picture in range(300):
            opened.draw(View(), picture / 30)
    assert len(looks) == 10


def test_a_display_that_does_not_open_when_it_is_back_is_tried_again_and_said_once(
    pi: Path, kiosk: Callable[[], Screen], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with kiosk() as opened:
        plug(pi, None)
        opened.draw(View(), POLL_INTERVAL)
        with monkeypatch.context() as patch:
            patch.setattr(panel, "KIOSK_DRIVER", "no such driver")
            plug(pi, "640x360\n")
            for second in range(2, 8):
                opened.draw(View(), POLL_INTERVAL * second)
                assert opened.display_missing
        opened.draw(View(), POLL_INTERVAL * 8)
        assert not opened.display_missing
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 3
    assert said[1].startswith("A display is plugged in, but the display does not open as kiosk (SDL says: ")


def test_a_display_that_takes_no_more_pictures_is_opened_again(
    pi: Path, kiosk: Callable[[], Screen], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails() -> None:
        raise pygame.error("Could not queue pageflip: -22")

    with kiosk() as opened:
        with monkeypatch.context() as patch:
            patch.setattr(pygame.display, "flip", fails)
            opened.draw(View(), 0.0)
        assert opened.display_missing
        opened.draw(View(), POLL_INTERVAL)
        assert not opened.display_missing
    assert "Could not queue pageflip: -22" in caplog.text
    with Screen.open("headless", (64, 48)) as opened:
        monkeypatch.setattr(pygame.display, "flip", fails)
        with pytest.raises(pygame.error, match="pageflip"):
            opened.draw(View(), 0.0)


def test_opening_a_display_again_and_again_leaves_no_file_open(pi: Path, kiosk: Callable[[], Screen]) -> None:
    gc.collect()
    before = held_resources()
    with kiosk() as opened:
        came = []
        for turn in range(8):
            plug(pi, None)
            opened.draw(View(), 2 * POLL_INTERVAL * turn + POLL_INTERVAL)
            plug(pi, "640x360\n")
            opened.draw(View(), 2 * POLL_INTERVAL * turn + 2 * POLL_INTERVAL)
            came.append(held_resources() - before)
    assert came[-1].total() == came[1].total(), came[-1] - came[1]
