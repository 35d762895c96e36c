"""The planned order: mixed, the same each time, and with its shares kept in every beginning."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.collect.planned_order import Limited, plan, shuffled, take_turns

COUNTS = st.integers(0, 400)
PERCENT = st.integers(0, 33)


def in_order(favoured: int, others: int, seated: int, heads: int, shares: tuple[float, float, float]) -> list[str]:
    """Return the kinds in the order in which they are planned, given how many there are of each."""
    kinds = [name for name, count in zip("fosh", (favoured, others, seated, heads), strict=True) for _ in range(count)]
    numbers = [
        range(kinds.index(name), kinds.index(name) + kinds.count(name)) if name in kinds else [] for name in "fosh"
    ]
    limited = [Limited(numbers[2], shares[1]), Limited(numbers[3], shares[2])]
    planned = list(plan(numbers[0], numbers[1], limited, shares[0]))
    assert len(planned) == len(set(planned))
    return [kinds[number] for number in planned]


@given(COUNTS, COUNTS, COUNTS, COUNTS, PERCENT, PERCENT, PERCENT)
def test_shares_hold_in_every_beginning(
    favoured: int, others: int, seated: int, heads: int, at_least: int, sit: int, head: int
) -> None:
    order = in_order(favoured, others, seated, heads, (at_least / 100, sit / 100, head / 100))
    counts: Counter[str] = Counter()
    for length, kind in enumerate(order, 1):
        counts[kind] += 1
        assert counts["s"] <= sit / 100 * length + 1e-6
        assert counts["h"] <= head / 100 * length + 1e-6
        assert counts["f"] >= min(at_least / 100 * length - 1e-6, favoured)
    assert counts["f"] == favoured
    assert counts["o"] == others


def test_limits_are_used_while_there_is_something() -> None:
    order = in_order(600, 4000, 4000, 4000, (0.6, 0.1, 0.05))
    counts = Counter(order[:1000])
    assert counts == pytest.approx({"f": 600, "o": 250, "s": 100, "h": 50}, abs=1)


def test_only_limited_kinds_leave_nothing() -> None:
    assert in_order(0, 0, 50, 50, (0.6, 0.1, 0.05)) == []


def test_a_limit_of_all() -> None:
    assert in_order(0, 0, 50, 0, (0.0, 1.0, 0.0)) == ["s"] * 50


def test_groups_take_turns_until_they_run_out() -> None:
    assert list(take_turns([[1, 2, 3], [], [4], [5, 6]])) == [1, 4, 5, 2, 6, 3]


@given(st.sets(st.integers(-(1 << 63), (1 << 63) - 1), max_size=50), st.sets(st.integers(-(1 << 63), (1 << 63) - 1)))
def test_a_number_keeps_its_place_among_others(first: set[int], more: set[int]) -> None:
    among_more = [number for number in shuffled(first | more) if number in first]
    assert among_more == shuffled(sorted(first))


def test_shuffled_is_mixed() -> None:
    rising = sum(first < second for first, second in pairwise(shuffled(range(1000))))
    assert 400 < rising < 600
