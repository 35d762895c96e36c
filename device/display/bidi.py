"""In which order the characters of a line are drawn: Arabic and Hebrew from right to left, numbers in them from left.

The Unicode Bidirectional Algorithm (https://www.unicode.org/reports/tr9/) without the explicit formatting characters,
which `lettering.clean` removes, and for the brackets of European scripts. python-bidi, which the tests compare it with,
returns a line in its new order but without the levels, and HarfBuzz must know which runs are from right to left.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Sequence
from typing import Final, TypeVar

RTL: Final = ("R", "AL")
NUMBERS: Final = ("EN", "AN")

BRACKETS: Final = {"(": ")", "[": "]", "{": "}"}

Item = TypeVar("Item")


def base_level(text: str) -> int:
    """Return the level of a paragraph: 1 if its first letter is from right to left, else 0 (rules P2 and P3)."""
    types = map(unicodedata.bidirectional, text)
    return int(next((kind for kind in types if kind in ("L", *RTL)), "L") in RTL)


def levels(text: str, base: int) -> list[int]:
    """Return each character's embedding level: even from left to right, odd from right to left.

    A line of a paragraph of level 1 has odd levels for all that is not a number or a Latin word.
    """
    types = [unicodedata.bidirectional(character) or "L" for character in text]
    _resolve_weak(types, "R" if base else "L")
    _resolve_brackets(text, types, "R" if base else "L")
    _resolve_neutral(types, "R" if base else "L")
    if base:
        return [1 if kind == "R" else 2 for kind in types]
    return [{"L": 0, "R": 1}.get(kind, 2) for kind in types]


def visual_order(items: Sequence[Item], item_levels: Sequence[int]) -> list[Item]:
    """Return the items of a line from left to right, from those in reading order and their levels (rule L2)."""
    pairs = list(zip(item_levels, items, strict=True))
    for level in range(max(item_levels, default=0), 0, -1):
        ordered: list[tuple[int, Item]] = []
        for _, group in itertools.groupby(pairs, lambda pair: pair[0] >= level):  # noqa: B023 (used at once)
            run = list(group)
            ordered += run[::-1] if run[0][0] >= level else run
        pairs = ordered
    return [item for _, item in pairs]


def _resolve_weak(types: list[str], base: str) -> None:
    """Resolve marks, numbers and what belongs to numbers (rules W1 to W7), in place."""
    before, strong = base, base
    for index, kind in enumerate(types):
        if kind in ("NSM", "BN"):
            kind = before
        if kind in ("L", *RTL):
            strong = kind
        elif kind == "EN" and strong == "AL":
            kind = "AN"
        types[index] = before = kind
    for index in range(1, len(types) - 1):
        around = {types[index - 1], types[index + 1]}
        if (types[index] in ("ES", "CS") and around == {"EN"}) or (types[index] == "CS" and around == {"AN"}):
            types[index] = types[index - 1]
    for step in (1, -1):  # a percent sign or a currency's, after a number or before it
        for index in range(len(types))[::step]:
            if types[index] == "ET" and 0 <= index - step < len(types) and types[index - step] == "EN":
                types[index] = "EN"
    strong = base
    for index, kind in enumerate(types):
        if kind in ("L", *RTL):
            strong = kind
        if kind == "EN" and strong == "L":
            types[index] = "L"
        elif kind == "AL":
            types[index] = "R"


def _resolve_brackets(text: str, types: list[str], base: str) -> None:
    """Give both brackets of a pair one direction: the line's, or that of what is inside and before (rule N0)."""
    opened: list[tuple[int, str]] = []
    pairs = []
    for index, character in enumerate(text):
        if character in BRACKETS and types[index] == "ON":
            opened.append((index, BRACKETS[character]))
        elif character in BRACKETS.values() and any(closing == character for _, closing in opened):
            while opened[-1][1] != character:
                opened.pop()
            pairs.append((opened.pop()[0], index))
    for start, stop in sorted(pairs):
        inside = set(_strong(types[start + 1 : stop])) - {""}
        before = next((kind for kind in reversed(_strong(types[:start])) if kind), base)
        if inside:
            types[start] = types[stop] = base if base in inside else before


def _strong(types: list[str]) -> list[str]:
    """Return each character's direction, R or L; "" for those without one. Numbers count as R here."""
    return ["R" if kind in ("R", *NUMBERS) else kind if kind == "L" else "" for kind in types]


def _resolve_neutral(types: list[str], base: str) -> None:
    """Give what is between two letters of one direction that direction, and the rest the line's (rules N1 and N2)."""
    strong = _strong(types)
    index = 0
    for is_neutral, run in itertools.groupby(strong, key=lambda kind: kind == ""):
        stop = index + len(list(run))
        if is_neutral:
            before = strong[index - 1] if index else base
            after = strong[stop] if stop < len(strong) else base
            types[index:stop] = [before if before == after else base] * (stop - index)
        index = stop
