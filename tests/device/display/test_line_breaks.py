"""Where lines break: never where Unicode's line breaking forbids it, and as readers expect it in each script."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from uniseg.linebreak import line_break_units

from device.display.line_breaks import break_units

ALPHABET = "あいっゃカッー々、。！？「」（）・…漢字图片GIFabc 12 3,.!()[]-–—〜：；:/éß゛ゝ\u00a0"


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("Step in front", ["Step ", "in ", "front"]),
        ("「ちょっと、きて！」", ["「ちょっ", "と、", "き", "て！」"]),
        ("スキー場で", ["ス", "キー", "場", "で"]),
        ("人々も", ["人々", "も"]),
        ("GIFを3枚保存…", ["GIF", "を", "3枚", "保", "存…"]),
        ("动起来，153,045\u00a0张图片", ["动", "起", "来，", "153,045\u00a0张", "图", "片"]),
        ("（动图）已", ["（动", "图）", "已"]),
        ("12\u00a0% de", ["12\u00a0% ", "de"]),
        ("한국어 사진", ["한국어 ", "사진"]),
        ("か\u3099か", ["か\u3099", "か"]),
        ("", []),
    ],
)
def test_breaks_where_readers_expect_it(text: str, units: list[str]) -> None:
    assert list(break_units(text)) == units


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=ALPHABET, max_size=12))
def test_breaks_only_where_unicode_allows_it(text: str) -> None:
    """At spaces lines may always break here; Unicode has exceptions there, such as after an opening bracket."""
    assert "".join(break_units(text)) == text.lstrip(" ")
    ours, theirs = breaks(text), breaks(text, unicode=True)
    assert {place for place in ours - theirs if text[place - 1] != " "} == set()


def breaks(text: str, *, unicode: bool = False) -> set[int]:
    """Return the places in a text where a line may begin."""
    units = line_break_units(text) if unicode else break_units(text)
    place, places = len(text) - len(text.lstrip(" ")) if not unicode else 0, set()
    for unit in units:
        place += len(unit)
        places.add(place)
    return places
