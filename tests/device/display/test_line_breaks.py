"""Where lines break: never where Unicode's line breaking forbids it, and as readers expect it in each script."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from uniseg.linebreak import line_break_units

from device.display.line_breaks import break_units, split_unit

ALPHABET = "あいっゃカッー々、。！？「」（）・…漢字图片GIFabc 12 3,.!()[]-–—〜：；:/éß゛ゝ\u00a0"


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("Step in front", ["Step ", "in ", "front"]),
        ("鏡の前に立ってください", ["鏡の", "前に", "立ってください"]),
        ("153,045枚の写真も動きます", ["153,045枚の", "写真も", "動きます"]),
        ("按下按钮，生成\u00a0GIF", ["按", "下", "按钮，", "生成\u00a0GIF"]),
        ("กดปุ่มเพื่อสร้างภาพ", ["กด", "ปุ่ม", "เพื่อ", "สร้าง", "ภาพ"]),
        ("한국어 사진", ["한국어 ", "사진"]),
        ("12\u00a0% de", ["12\u00a0% ", "de"]),
        ("", []),
    ],
)
def test_words_and_phrases_stay_whole(text: str, units: list[str]) -> None:
    assert list(break_units(text)) == units


@pytest.mark.parametrize(
    ("phrase", "pieces"),
    [
        ("「ちょっと、きて！」", ["「ちょっ", "と、", "き", "て！」"]),
        ("スキー場で", ["ス", "キー", "場", "で"]),
        ("人々も", ["人々", "も"]),
        ("GIFを3枚保存…", ["GIF", "を", "3枚", "保", "存…"]),
        ("动起来，153,045\u00a0张图片", ["动", "起", "来，", "153,045\u00a0张", "图", "片"]),
        ("（动图）已", ["（动", "图）", "已"]),
        ("한국어", ["한국어"]),
        ("か\u3099か", ["か\u3099", "か"]),
        ("", []),
    ],
)
def test_phrases_break_where_readers_expect_it(phrase: str, pieces: list[str]) -> None:
    assert list(split_unit(phrase)) == pieces


@settings(max_examples=300)
@given(st.text(alphabet=ALPHABET, max_size=12))
def test_breaks_only_where_unicode_allows_it(text: str) -> None:
    """At spaces lines may always break here; Unicode has exceptions there, such as after an opening bracket."""
    assert "".join(split_unit(text)) == text
    assert "".join(break_units(text)) == text.lstrip(" ")
    allowed = breaks(line_break_units(text))
    assert {place for place in breaks(split_unit(text)) if text[place - 1] != " "} <= allowed
    lead = len(text) - len(text.lstrip(" "))
    places = {lead + place for place in breaks(break_units(text))}
    assert {place for place in places if text[place - 1] != " "} <= allowed


def breaks(units: Iterable[str]) -> set[int]:
    """Return the places in a text where its units end."""
    return set(itertools.accumulate(map(len, units)))
