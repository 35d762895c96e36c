"""Codes: their squares, and what joins a Wi-Fi."""

from __future__ import annotations

import cv2
import numpy as np
import pygame
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.display.code import QUIET_ZONE, draw_code, encode_code, wifi_text


def read(text: str, pixels: int = 4) -> str:
    surface = draw_code(encode_code(text), pixels)
    picture = np.ascontiguousarray(pygame.surfarray.array3d(surface).swapaxes(0, 1))
    return cv2.QRCodeDetector().detectAndDecode(picture)[0]


def test_a_code_has_a_quiet_zone() -> None:
    modules = encode_code("http://10.41.0.1/abcdefghijklmnopqrstuvwxyz")
    inner = modules[QUIET_ZONE:-QUIET_ZONE, QUIET_ZONE:-QUIET_ZONE]
    assert modules.sum() == inner.sum()
    assert inner[0, :7].all(), "the edge of a corner's mark"


@pytest.mark.parametrize("pixels", [2, 3, 7])
def test_a_drawn_code_is_read_back(pixels: int) -> None:
    assert read("http://192.168.178.20/abcdefghijklmnopqrstuvwxyz", pixels) == (
        "http://192.168.178.20/abcdefghijklmnopqrstuvwxyz"
    )


def test_each_module_is_a_square_of_pixels() -> None:
    modules = encode_code("x")
    surface = draw_code(modules, 5)
    assert surface.get_size() == (5 * modules.shape[0],) * 2
    dark = pygame.surfarray.array_red(surface).T[QUIET_ZONE * 5 : -QUIET_ZONE * 5, QUIET_ZONE * 5 : -QUIET_ZONE * 5]
    inner = modules[QUIET_ZONE:-QUIET_ZONE, QUIET_ZONE:-QUIET_ZONE]
    assert ((dark < 128) == np.kron(inner, np.ones((5, 5), bool))).all()


def test_wifi_names_are_escaped() -> None:
    assert wifi_text('a;b\\c,d:"e', "p;w") == 'WIFI:T:WPA;S:a\\;b\\\\c\\,d\\:\\"e;P:p\\;w;;'


def test_an_open_wifi_has_no_password() -> None:
    assert wifi_text("Museum", "") == "WIFI:T:nopass;S:Museum;;"


@given(st.text(st.characters(codec="ascii"), max_size=30), st.text(st.characters(codec="ascii"), min_size=1))
def test_wifi_texts_can_be_taken_apart(name: str, password: str) -> None:
    fields, field, escaped = [], "", False
    for character in wifi_text(name, password).removeprefix("WIFI:"):
        if character == ";" and not escaped:
            fields.append(field)
            field = ""
        elif character == "\\" and not escaped:
            escaped = True
            continue
        else:
            field += character
        escaped = False
    assert fields == ["T:WPA", f"S:{name}", f"P:{password}", ""]
