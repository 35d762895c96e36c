"""The drawing of a collection's curve."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from index.collect.curve import render_curve


@pytest.mark.parametrize(
    ("curve", "lines"),
    [
        ([(100, 0.73), (200, 0.81), (400, 0.84)], ["0.70", "0.75", "0.80", "0.85", "0.90", "0.95", "1.00"]),
        ([(100, 0.42), (400, 0.84)], ["0.40", "0.50", "0.60", "0.70", "0.80", "0.90", "1.00"]),
        ([(7, 0.0)], ["0.00", "0.10", "0.20", "0.30", "0.40", "0.50", "0.60", "0.70", "0.80", "0.90", "1.00"]),
        ([(7, 1.0)], ["0.95", "1.00"]),
    ],
)
def test_draws_lines_at_round_numbers(curve: list[tuple[int, float]], lines: list[str]) -> None:
    html = render_curve(1_000, curve)
    svg = re.search(r"<svg.*</svg>", html, re.DOTALL)
    assert svg is not None
    texts = [text.text for text in ElementTree.fromstring(svg[0]).iter("text")]
    assert texts[: len(lines)] == lines
    assert texts[-1] == f"{curve[-1][1]:.3f}"
    assert "nan" not in svg[0]


def test_says_how_many_were_looked_at_and_kept() -> None:
    assert "1,000 photographs were looked at, and 400 kept." in render_curve(1_000, [(400, 0.8)])


def test_nothing_without_a_wave() -> None:
    assert render_curve(5, []) == ""
