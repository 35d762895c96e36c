"""The pages in a real browser, Chromium, at the sizes of phones. The pictures of the pages stay in pytest's folder."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from waitress.server import TcpWSGIServer

from device.language.catalogues import available_codes
from device.share import page
from device.share.portal import WELCOME_PATH, Portal
from device.share.shared_gif import SharedGif, gif_file, new_name, write_details
from device.share.web_pages import MAKING_SECONDS, Pages, create_app
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright drives the browser")
CHROMIUM: Final = shutil.which("chromium")

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]

SIZES: Final = ((320, 568), (412, 915), (768, 1024))
"""CSS pixels of an iPhone SE of 2016, of a newer Android phone, and of a tablet."""

ANDROID: Final = "Mozilla/5.0 (Linux; Android 5.1; SM-J500F) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/41.0.2272.96"
IPHONE: Final = "Mozilla/5.0 (iPhone; CPU iPhone OS 10_3 like Mac OS X) AppleWebKit/603.1.30 (KHTML, like Gecko)"

MADE_AT: Final = 1_800_000_000.0
GIF: Final = ROOT / "docs/images/mirror.gif"
CREDITS: Final = (
    "Woman doing yoga on a beach – María-José Carreño Quiñones, CC BY-SA 4.0, https://commons.example.org/wiki/File:Yoga",
    "Aerobics at the Hauptbahnhof – Municipal Archive of the City and the Land, https://archive.example.org/"
    "a-very-long-address-that-no-phone-can-break-at-a-space-because-it-has-none/0123456789abcdef.jpg",
    "太極拳 – 山田太郎, CC BY 4.0",
)


@dataclass
class Site:
    """Pages that a server sends, and the time that they believe in."""

    folder: Path
    address: str = ""
    now: float = MADE_AT
    names: list[str] = field(default_factory=list)

    def announce(self) -> str:
        name = new_name()
        write_details(self.folder, SharedGif(name, MADE_AT, MADE_AT + 86_400, CREDITS))
        return name

    def share(self) -> str:
        name = self.announce()
        shutil.copy(GIF, gif_file(self.folder, name))
        return name


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "shared"
    folder.mkdir()
    site = Site(folder)
    app = create_app(Pages(folder, portal=Portal(lambda: "http://10.41.0.1/"), clock=lambda: site.now))
    server = TcpWSGIServer(app, host="127.0.0.1", port=0)
    assert server.socket is not None
    site.address = f"http://127.0.0.1:{server.socket.getsockname()[1]}/"
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield site
    finally:
        server.close()
        thread.join(20)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


@contextmanager
def phone(
    browser: Browser,
    site: Site,
    agent: str = ANDROID,
    language: str = "en",
    size: tuple[int, int] = SIZES[1],
) -> Iterator[Page]:
    """A phone without JavaScript. Its browser must ask nobody but the server, and have nothing to complain of."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        device_scale_factor=2,
        has_touch=True,
        is_mobile=True,
        locale=language.replace("_", "-"),
        user_agent=agent,
        java_script_enabled=False,
    )
    opened = context.new_page()
    complaints: list[str] = []
    asked: list[str] = []
    opened.on("console", lambda line: complaints.append(line.text))
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))
    yield opened
    context.close()
    harmless = ("status of 404", "?save")  # a page for what is not there, and a download, which ends as a page
    assert [text for text in complaints if not any(words in text for words in harmless)] == []
    assert [url for url in asked if not url.startswith((site.address, "data:"))] == []


def fits(opened: Page) -> bool:
    """Whether a page has no part that a visitor has to move sideways for."""
    return bool(opened.evaluate("document.scrollingElement.scrollWidth <= innerWidth"))


def is_picture_there(opened: Page) -> bool:
    return bool(opened.evaluate("Array.from(document.images).every(i => i.complete && i.naturalWidth > 0)"))


@pytest.mark.parametrize("language", available_codes())
def test_the_pages_fit_every_phone(browser: Browser, site: Site, tmp_path: Path, language: str) -> None:
    name = site.share()
    for size in SIZES:
        with phone(browser, site, language=language, size=size) as opened:
            opened.goto(site.address + name)
            opened.screenshot(path=tmp_path / f"gif-{language}-{size[0]}.png", full_page=True)
            assert opened.evaluate("document.documentElement.lang") == language.replace("_", "-")
            assert is_picture_there(opened)
            assert fits(opened)
            save = opened.locator(".save a").bounding_box()
            assert save is not None
            assert save["y"] + save["height"] <= size[1], "visitors see the button without scrolling"
            assert save["height"] >= 44, "a thumb meets it"
    with phone(browser, site, language=language, size=SIZES[0]) as opened:
        for path in ("", WELCOME_PATH, "x" * 26):
            opened.goto(site.address + path)
            opened.screenshot(path=tmp_path / f"{path or 'start'}-{language}.png", full_page=True)
            assert fits(opened)


def test_saves_the_gif(browser: Browser, site: Site) -> None:
    name = site.share()
    with phone(browser, site) as opened:
        opened.goto(site.address + name)
        with opened.expect_download() as download:
            opened.locator(".save a").click()
        assert download.value.suggested_filename == page.file_name(MADE_AT)
        assert Path(download.value.path()).read_bytes() == GIF.read_bytes()


def test_an_iphone_saves_by_a_long_touch(browser: Browser, site: Site, tmp_path: Path) -> None:
    name = site.share()
    with phone(browser, site, agent=IPHONE, size=SIZES[0]) as opened:
        opened.goto(site.address + name)
        opened.screenshot(path=tmp_path / "gif-iphone.png", full_page=True)
        assert opened.locator(".save").count() == 0
        hold = opened.locator(".hold").bounding_box()
        assert hold is not None
        assert hold["y"] + hold["height"] <= SIZES[0][1]


def test_a_gif_in_the_making_appears_by_itself(browser: Browser, site: Site, tmp_path: Path) -> None:
    name = site.announce()
    with phone(browser, site) as opened:
        opened.goto(site.address + name)
        opened.screenshot(path=tmp_path / "making.png")
        assert opened.locator("img").count() == 0
        shutil.copy(GIF, gif_file(site.folder, name))
        opened.locator("img").wait_for(timeout=30_000)
        opened.wait_for_load_state()
        assert is_picture_there(opened)


def test_an_expired_gif_says_so(browser: Browser, site: Site) -> None:
    name = site.share()
    late = site.announce()
    with phone(browser, site) as opened:
        opened.goto(site.address + name)
        assert opened.locator("img").count() == 1
        site.now += 86_400
        for path in (name, f"{name}.gif", f"{name}.gif?save"):
            response = opened.goto(site.address + path)
            assert response is not None
            assert response.status == 404
            assert opened.locator("h1").inner_text() == "There is no GIF here"
        site.now = MADE_AT + MAKING_SECONDS + 1
        opened.goto(site.address + late)
        assert opened.locator("h1").inner_text() == "There is no GIF here", "a GIF that was never made"
