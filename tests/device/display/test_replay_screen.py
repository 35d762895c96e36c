"""The screen after a recording: its codes can be read, wherever and in whichever language they are shown."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.display.layout import Size
from device.display.replay_screen import arrange_replay
from device.display.scene import Scene
from device.display.screen import Screen
from device.display.views import Recorded, ShownPage, View
from device.language.message import message
from device.language.translate import Language
from device.language.turns import Languages
from device.recording.sharing import shown_page
from device.share.address import Address, Wifi
from models.pose import Image

NAME = "abcdefghijklmnopqrstuvwxyz"
PAGE = f"http://192.168.178.20/{NAME}"
WIFI = "WIFI:T:WPA;S:Pose Mirror;P:kite-rosy-54;;"
ADDRESS = Address("http://192.168.178.20/")
SIZES = [(800, 480), (480, 320), (1280, 720), (1920, 1080), (1080, 1920), (320, 480)]


def gif(shade: int = 90, size: Size = (640, 380)) -> Image:
    return np.full((size[1], size[0], 3), shade, np.uint8)


def page(wifi: Wifi | None = None) -> ShownPage:
    return shown_page(Address(ADDRESS.url, wifi), NAME, 24)


def draw(size: Size, shown: ShownPage | None, language: str = "en", picture: Image | None = None) -> Image:
    """Return the screen with a GIF that is being made."""
    recorded = Recorded(notice=message("Making your GIF …"), replay=gif() if picture is None else picture, page=shown)
    languages = Languages([Language(language)])
    with Screen.open("headless", size, make_scene=lambda: Scene(languages=languages)) as screen:
        for now in (0.0, 1.0):
            screen.draw(View(recorded=recorded), now)
        return screen.snapshot()


def read_codes(picture: Image, shown: ShownPage, rtl: bool) -> list[str]:
    """Return what a decoder reads in each code's half of the space between codes, as a phone that is held in front."""
    codes = [shown.code] if shown.wifi_code is None else [shown.wifi_code, shown.code]
    size = picture.shape[1], picture.shape[0]
    places = arrange_replay(size, tuple(code.shape[0] for code in codes), rtl)
    texts = []
    for place in places.codes:
        seen = place.tile.inflate(16, 16).clip((0, 0, *size))
        part = picture[seen.top : seen.bottom, seen.left : seen.right]
        texts.append(cv2.QRCodeDetector().detectAndDecode(cv2.cvtColor(part, cv2.COLOR_RGB2GRAY))[0])
    return texts


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("size", SIZES)
def test_a_phone_reads_the_pages_code(size: Size, language: str) -> None:
    picture = draw(size, page(), language)
    text, *_ = cv2.QRCodeDetector().detectAndDecode(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))
    assert text == PAGE, "in the picture of the whole screen"


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("size", SIZES)
def test_a_phone_reads_both_codes_in_order(size: Size, language: str) -> None:
    shown = page(Wifi("Pose Mirror", "kite-rosy-54"))
    assert read_codes(draw(size, shown, language), shown, language == "ar") == [WIFI, PAGE]


def test_shows_each_new_picture_of_the_gif() -> None:
    with Screen.open("headless", (800, 480), make_scene=Scene) as screen:
        shown, counts = page(), []
        screen.draw(View(recorded=Recorded(notice=message("x"), replay=gif(), page=shown)), 0)
        for now, shade in ((1, 40), (2, 200)):
            screen.draw(View(recorded=Recorded(notice=message("x"), replay=gif(shade), page=shown)), now)
            counts.append(int((screen.snapshot() == shade).all(-1).sum()))
    assert min(counts) > 0.25 * 800 * 480


def test_words_change_when_the_gif_is_ready() -> None:
    with Screen.open("headless", (800, 480), make_scene=Scene) as screen:
        shown, picture, pictures = page(), gif(), []
        for now, words in enumerate((message("Making your GIF …"), message("Your GIF is ready"))):
            screen.draw(View(recorded=Recorded(notice=words, replay=picture, page=shown)), now)
            pictures.append(screen.snapshot())
    assert (pictures[0] != pictures[1]).any()


def test_arabic_has_the_code_on_the_left() -> None:
    left, right = (draw((1280, 720), page(), language) for language in ("ar", "en"))
    whites = [np.argwhere((picture == 255).all(-1))[:, 1].mean() / 1280 for picture in (left, right)]
    assert whites[0] < 0.4 < 0.6 < whites[1]


@given(
    st.integers(160, 2200),
    st.integers(160, 2200),
    st.lists(st.sampled_from([37, 41, 45]), min_size=1, max_size=2),
    st.booleans(),
)
def test_nothing_overlaps_or_leaves_the_display(width: int, height: int, modules: list[int], rtl: bool) -> None:
    places = arrange_replay((width, height), tuple(modules), rtl)
    rects = [places.gif, places.words, *(rect for code in places.codes for rect in (code.tile, code.caption))]
    for number, rect in enumerate(rects):
        assert rect.left >= 0
        assert rect.top >= 0
        assert rect.right <= width
        assert rect.bottom <= height
        assert rect.collidelist(rects[number + 1 :]) == -1
    unit = min(width, height)
    if unit >= 320:
        assert min(code.tile.width for code in places.codes) / unit >= (0.36 if len(modules) == 1 else 0.2)
