"""The display: which one is opened, and what happens when it is unplugged."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pygame
import pytest

from device.display import panel
from device.display import screen as screen_module
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
from device.display.screen import Screen
from device.display.views import View
from device.language.message import message
from tests.support.held import held_resources


def add_connector(drm: Path, name: str, status: str) -> None:
    """Add a connector, `card1-HDMI-A-1`, to the kernel's folder."""
    (drm / name).mkdir(parents=True)
    (drm / name / "status").write_text(status + "\n")


@pytest.fixture
def pi(tmp_path: Path) -> Path:
    """A Raspberry Pi's /sys/class/drm: card0 computes, card1 has connectors, the second with a display."""
    (tmp_path / "card0").mkdir()
    (tmp_path / "card1").mkdir()
    (tmp_path / "renderD128").mkdir()
    (tmp_path / "version").write_text("drm 1.1.0 20060810\n")
    add_connector(tmp_path, "card1-HDMI-A-1", "disconnected")
    add_connector(tmp_path, "card1-HDMI-A-2", "connected")
    add_connector(tmp_path, "card1-Writeback-1", "unknown")
    return tmp_path


def test_finds_the_card_with_the_display(pi: Path) -> None:
    assert connected_cards(pi) == [1]
    add_connector(pi, "card10-DSI-1", "connected")
    add_connector(pi, "card2-HDMI-A-1", "connected")
    assert connected_cards(pi) == [1, 2, 10]


def test_finds_no_card_without_a_display(tmp_path: Path) -> None:
    assert connected_cards(tmp_path / "none") == []
    add_connector(tmp_path, "card0-HDMI-A-1", "disconnected")
    assert connected_cards(tmp_path) == []


def test_skips_an_unreadable_connector(pi: Path) -> None:
    (pi / "card3-HDMI-A-1" / "status").mkdir(parents=True)
    assert connected_cards(pi) == [1]


def test_auto_chooses_window_kiosk_or_headless(pi: Path, tmp_path: Path) -> None:
    no_drm = tmp_path / "nothing"
    assert resolve_display("auto", {"DISPLAY": ":0"}, pi) == ("window", {})
    assert resolve_display("auto", {"WAYLAND_DISPLAY": "wayland-0"}, no_drm) == ("window", {})
    kind, settings = resolve_display("auto", {}, pi)
    assert kind == "kiosk"
    assert settings == {"SDL_VIDEODRIVER": "kmsdrm", "SDL_KMSDRM_DEVICE_INDEX": "1"}
    assert resolve_display("auto", {}, no_drm) == ("headless", {"SDL_VIDEODRIVER": "dummy"})
    assert resolve_display("auto", {"SDL_VIDEODRIVER": "offscreen", "DISPLAY": ":0"}, pi)[0] == "headless"


def test_names_a_desktop_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """SDL would draw where nobody sees it."""
    for name in ("SDL_VIDEODRIVER", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DISPLAY", ":4094")
    with pytest.raises(ScreenError, match=r"^no desktop answers at DISPLAY=:4094: "):
        open_display("window", None)
    assert not pygame.display.get_init()


def test_a_kiosk_uses_the_desktop_or_the_connected_card(pi: Path) -> None:
    assert resolve_display("kiosk", {"DISPLAY": ":0"}, pi) == ("kiosk", {})
    assert resolve_display("kiosk", {}, pi)[1]["SDL_KMSDRM_DEVICE_INDEX"] == "1"
    assert resolve_display("kiosk", {"SDL_KMSDRM_DEVICE_INDEX": "0"}, pi)[1]["SDL_KMSDRM_DEVICE_INDEX"] == "0"


def test_headless_keeps_a_driver_that_shows_nothing(pi: Path) -> None:
    assert resolve_display("headless", {"DISPLAY": ":0"}, pi)[1] == {"SDL_VIDEODRIVER": "dummy"}
    assert resolve_display("headless", {"SDL_VIDEODRIVER": "offscreen"}, pi)[1] == {"SDL_VIDEODRIVER": "offscreen"}


@pytest.fixture
def two_displays(pi: Path) -> Path:
    """A Pi with displays at both HDMI connectors, and a touch display on a card of its own."""
    (pi / "card1-HDMI-A-1" / "status").write_text("connected\n")
    add_connector(pi, "card2-DSI-1", "connected")
    # the kernel numbers connectors as it finds them, and SDL counts in that order
    for name, number in (("card1-HDMI-A-1", 46), ("card1-HDMI-A-2", 33), ("card2-DSI-1", 35)):
        (pi / name / "connector_id").write_text(f"{number}\n")
    return pi


@pytest.mark.parametrize(
    ("output", "connectors"),
    [
        ("", ["HDMI-A-2", "HDMI-A-1", "DSI-1"]),
        ("HDMI-A-1", ["HDMI-A-1"]),
        ("hdmi-a-2", ["HDMI-A-2"]),
        ("card1-HDMI-A-1", ["HDMI-A-1"]),
        ("card0-HDMI-A-1", []),
        ("2", ["HDMI-A-1"]),
        ("3", ["DSI-1"]),
        ("4", []),
        ("0", []),
        ("HDMI-A-3", []),
        ("Writeback-1", []),
        ("9" * 5000, []),
    ],
)
def test_finds_a_display_by_connector_or_number(output: str, connectors: list[str], two_displays: Path) -> None:
    assert [display.connector for display in panel.find_output(output, two_displays)] == connectors


@pytest.mark.parametrize(
    ("output", "card", "number"), [("", "1", 0), ("HDMI-A-1", "1", 1), ("HDMI-A-2", "1", 0), ("DSI-1", "2", 0)]
)
def test_opens_the_display_that_output_names(
    output: str, card: str, number: int, two_displays: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SDL_VIDEODRIVER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(panel, "KIOSK_DRIVER", "dummy")
    opened: list[tuple[str | None, int]] = []

    def record(*_: Any, display: int) -> None:
        opened.append((os.environ.get("SDL_KMSDRM_DEVICE_INDEX"), display))

    monkeypatch.setattr(pygame.display, "set_mode", record)
    monkeypatch.setattr(pygame.display, "set_allow_screensaver", lambda _: None)
    open_display("kiosk", None, two_displays, output)
    pygame.display.quit()
    assert opened == [(card, number)]


def test_says_where_the_displays_are_if_not_at_output(pi: Path) -> None:
    with pytest.raises(ScreenError) as caught:
        resolve_display("kiosk", {}, pi, "HDMI-A-1")
    assert str(caught.value).startswith(
        "no display is plugged in at HDMI-A-1, only at HDMI-A-2: connect it, or change [screen] output"
    )
    with pytest.raises(ScreenError, match="no display is plugged in as number 2, only at HDMI-A-2"):
        resolve_display("kiosk", {}, pi, "2")


@pytest.mark.parametrize("output", ["HDMI-A-2", "2", "0"])
def test_explains_a_monitor_that_a_desktop_has_not(output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    message = f'^this desktop has no monitor {output}: set \\[screen\\] output to "", as it has a single one$'
    with pytest.raises(ScreenError, match=message):
        open_display("window", None, output=output)
    assert not pygame.display.get_init()
    assert open_display("window", (64, 48), output="1") == "window"
    assert panel.describe_outputs("window") == [f"1 ({'×'.join(map(str, pygame.display.get_desktop_sizes()[0]))})"]
    pygame.display.quit()


def test_explains_a_missing_display(tmp_path: Path) -> None:
    with pytest.raises(ScreenError, match=r"no desktop to open a window on.*--display kiosk"):
        resolve_display("window", {}, tmp_path)
    with pytest.raises(ScreenError, match=r"no display is plugged in.*connect one"):
        resolve_display("kiosk", {}, tmp_path)


def test_explains_a_display_that_sdl_cannot_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "x11")
    monkeypatch.setenv("DISPLAY", ":4711")
    with pytest.raises(ScreenError, match=r"does not open as window.*groups video and render"):
        open_display("window", None)
    assert os.environ["SDL_VIDEODRIVER"] == "x11"
    assert not pygame.display.get_init()


def plug(drm: Path, modes: str | None) -> None:
    """Plug a display with these sizes into the second connector; with None, unplug it."""
    (drm / "card1-HDMI-A-2" / "modes").write_text(modes or "")
    (drm / "card1-HDMI-A-2" / "status").write_text("connected\n" if modes else "disconnected\n")


@pytest.fixture
def kiosk(pi: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Screen]:
    """Return a function that opens a kiosk's screen without a desktop. SDL's dummy driver stands in for KMSDRM."""

    def mode(kind: DisplayKind, size: Size | None) -> tuple[Size, int]:
        """Return the display's first size, as KMSDRM does. The dummy driver has a single size."""
        if kind != "kiosk":
            return size or panel.DEFAULT_SIZE, 0
        width, _, height = panel.connected_displays(pi)[0].modes.split()[0].partition("x")
        return (int(width), int(height)), 0

    for name in ("SDL_VIDEODRIVER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(panel, "KIOSK_DRIVER", "dummy")
    monkeypatch.setattr(panel, "_mode", mode)
    monkeypatch.setattr(screen_module, "HotplugDisplay", partial(HotplugDisplay, drm=pi))
    plug(pi, "640x360\n320x180\n")
    return partial(Screen.open, "kiosk")


def test_reopens_an_unplugged_display(pi: Path, kiosk: Callable[[], Screen], caplog: pytest.LogCaptureFixture) -> None:
    with kiosk() as screen:
        screen.draw(View(), 0.0)
        assert (screen.kind, screen.size, screen.display_missing) == ("kiosk", (640, 360), False)
        plug(pi, None)
        screen.draw(View(), POLL_INTERVAL)
        assert screen.display_missing
        assert screen.poll_events(0.0) == []
        assert screen.size == (640, 360), "photos are still prepared for this size"
        assert screen.snapshot().shape == (360, 640, 3)
        for second in range(2, 30):
            screen.draw(View(), POLL_INTERVAL * second)
        plug(pi, "640x360\n320x180\n")
        screen.draw(View(starting=message("Hello again.")), POLL_INTERVAL * 30)
        assert (screen.size, screen.display_missing) == ((640, 360), False)
        assert screen.snapshot().max() == 0, "the view is out of date after opening the display"
        for second in (31, 32):
            screen.draw(View(starting=message("Hello again.")), POLL_INTERVAL * second)
        assert screen.snapshot().max() > 200, "the notice is drawn"
    assert [record.getMessage() for record in caplog.records] == [
        "The display was unplugged: plug it in again. The mirror keeps running.",
        "A display is connected after 29 s: 640×360 pixels, at HDMI-A-2.",
    ]


def test_opens_another_display_at_its_own_size(pi: Path, kiosk: Callable[[], Screen]) -> None:
    with kiosk() as screen:
        plug(pi, None)
        screen.draw(View(), POLL_INTERVAL)
        plug(pi, "300x200\n")
        screen.draw(View(), POLL_INTERVAL * 2)
        assert screen.size == (300, 200)
        plug(pi, "200x300\n")  # replaced between two checks
        screen.draw(View(), POLL_INTERVAL * 3)
        assert screen.size == (200, 300)
        assert screen.snapshot().shape == (300, 200, 3)


def test_a_kiosk_waits_for_the_display_at_its_output(
    pi: Path, kiosk: Callable[..., Screen], caplog: pytest.LogCaptureFixture
) -> None:
    with kiosk(output="HDMI-A-1") as screen:
        assert screen.display_missing
        plug(pi, None)
        screen.draw(View(), POLL_INTERVAL)
        plug(pi, "300x200\n")
        screen.draw(View(), 2 * POLL_INTERVAL)
        assert screen.display_missing, "that is the other display"
        (pi / "card1-HDMI-A-1" / "modes").write_text("640x360\n")
        (pi / "card1-HDMI-A-1" / "status").write_text("connected\n")
        plug(pi, None)  # the dummy driver has one display
        screen.draw(View(), 3 * POLL_INTERVAL)
        assert (screen.size, screen.display_missing) == ((640, 360), False)
        plug(pi, "300x200\n")
        screen.draw(View(), 4 * POLL_INTERVAL)
        assert screen.size == (640, 360), "another display is no reason to open it again"
    assert [record.getMessage() for record in caplog.records] == [
        "No display is plugged in at HDMI-A-1, only at HDMI-A-2: connect it, or change [screen] output. "
        "The mirror waits for it.",
        "A display is connected after 2 s: 640×360 pixels, at HDMI-A-1.",
    ]


def test_a_kiosk_waits_for_a_display_at_the_start(
    pi: Path, kiosk: Callable[[], Screen], caplog: pytest.LogCaptureFixture
) -> None:
    plug(pi, None)
    with kiosk() as screen:
        assert (screen.kind, screen.display_missing) == ("kiosk", True)
        for second in range(1, 6):
            screen.draw(View(), POLL_INTERVAL * second)
        assert screen.display_missing
        plug(pi, "640x360\n")
        screen.draw(View(), POLL_INTERVAL * 6)
        assert (screen.size, screen.display_missing) == ((640, 360), False)
    assert [record.getMessage() for record in caplog.records] == [
        f"No display is plugged in according to {pi}: connect one and switch it on. The mirror waits for it.",
        "A display is connected after 5 s: 640×360 pixels, at HDMI-A-2.",
    ]


def test_opens_the_card_that_the_display_is_on_now(
    pi: Path, kiosk: Callable[[], Screen], monkeypatch: pytest.MonkeyPatch
) -> None:
    cards: list[str | None] = []
    set_mode = pygame.display.set_mode

    def record_card(*args: Any, **options: Any) -> pygame.Surface:
        cards.append(os.environ.get("SDL_KMSDRM_DEVICE_INDEX"))
        return set_mode(*args, **options)

    monkeypatch.setattr(pygame.display, "set_mode", record_card)
    with kiosk() as screen:
        plug(pi, None)
        screen.draw(View(), POLL_INTERVAL)
        add_connector(pi, "card0-HDMI-A-1", "connected")
        (pi / "card0-HDMI-A-1" / "modes").write_text("300x200\n")
        screen.draw(View(), POLL_INTERVAL * 2)
    assert cards == ["1", None, "0"]


def test_checks_once_a_second_and_opens_only_after_a_change(
    pi: Path, kiosk: Callable[[], Screen], monkeypatch: pytest.MonkeyPatch
) -> None:
    with kiosk() as screen:
        checks: list[Path] = []
        connected_displays = panel.connected_displays

        def record_check(drm: Path) -> tuple[panel.ConnectedDisplay, ...]:
            checks.append(drm)
            return connected_displays(drm)

        monkeypatch.setattr(panel, "connected_displays", record_check)
        monkeypatch.setattr(panel, "open_display", lambda *_: pytest.fail("the display was opened again"))
        for frame in range(300):
            screen.draw(View(), frame / 30)
    assert len(checks) == 10


def test_retries_a_display_that_does_not_open(
    pi: Path, kiosk: Callable[[], Screen], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with kiosk() as screen:
        plug(pi, None)
        screen.draw(View(), POLL_INTERVAL)
        with monkeypatch.context() as patch:
            patch.setattr(panel, "KIOSK_DRIVER", "no such driver")
            plug(pi, "640x360\n")
            for second in range(2, 8):
                screen.draw(View(), POLL_INTERVAL * second)
                assert screen.display_missing
        screen.draw(View(), POLL_INTERVAL * 8)
        assert not screen.display_missing
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 3
    assert messages[1].startswith("A display is plugged in, but the display does not open as kiosk (SDL says: ")


def fail_to_flip() -> None:
    raise pygame.error("Could not queue pageflip: -22")


def test_reopens_a_display_that_accepts_no_pictures(
    pi: Path, kiosk: Callable[[], Screen], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with kiosk() as screen:
        with monkeypatch.context() as patch:
            patch.setattr(pygame.display, "flip", fail_to_flip)
            screen.draw(View(), 0.0)
        assert screen.display_missing
        screen.draw(View(), POLL_INTERVAL)
        assert (screen.size, screen.display_missing) == ((640, 360), False)
    assert "Could not queue pageflip: -22" in caplog.text


def test_raises_an_error_of_a_display_that_is_not_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    with Screen.open("headless", (64, 48)) as screen:
        monkeypatch.setattr(pygame.display, "flip", fail_to_flip)
        with pytest.raises(pygame.error, match="pageflip"):
            screen.draw(View(), 0.0)


def test_reopening_a_display_leaks_no_files(pi: Path, kiosk: Callable[[], Screen]) -> None:
    gc.collect()
    before = held_resources()
    with kiosk() as screen:
        leaks = []
        for turn in range(8):
            plug(pi, None)
            screen.draw(View(), 2 * POLL_INTERVAL * turn + POLL_INTERVAL)
            plug(pi, "640x360\n")
            screen.draw(View(), 2 * POLL_INTERVAL * turn + 2 * POLL_INTERVAL)
            leaks.append(held_resources() - before)
    assert leaks[-1].total() == leaks[1].total(), leaks[-1] - leaks[1]
