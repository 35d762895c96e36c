"""What is counted by the hour."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.status.hourly import HOUR, HOURS_KEPT, HourlyCounts, hour_start
from device.status.status_file import Hour

NOON = 1_795_867_200
"""A full hour, in seconds since 1970."""

EVENTS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5), st.floats(0, 200 * HOUR)))


@pytest.fixture
def india(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The clock of a place that is half an hour away from the others."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def totals(hours: tuple[Hour, ...]) -> tuple[int, int, int]:
    return sum(h.visitors for h in hours), sum(h.presses for h in hours), sum(h.gifs for h in hours)


def test_counts_in_the_hour_in_which_it_happens() -> None:
    counts = HourlyCounts()
    counts.add(NOON + 10, visitors=1)
    counts.add(NOON + 3599.9, presses=2, gifs=1)
    counts.add(NOON + 3600, visitors=3)
    assert counts.newest(NOON + 4000) == (Hour(NOON, 1, 2, 1), Hour(NOON + 3600, 3))


def test_hours_begin_as_the_clock_of_the_place_says(india: None) -> None:
    assert hour_start(NOON + 1000) == NOON - 1800
    assert hour_start(NOON + 1800) == NOON + 1800


def test_knows_nothing_finer_than_an_hour() -> None:
    early, late = HourlyCounts(), HourlyCounts()
    early.add(NOON, visitors=1)
    late.add(NOON + 3000, visitors=1)
    assert early.newest(NOON + 3600) == late.newest(NOON + 3600)


@given(EVENTS)
def test_keeps_two_days_at_most(events: list[tuple[int, int, int, float]]) -> None:
    counts = HourlyCounts()
    for visitors, presses, gifs, at in events:
        counts.add(NOON + at, visitors=visitors, presses=presses, gifs=gifs)
    now = NOON + 200 * HOUR
    kept = [event for event in events if hour_start(NOON + event[3]) > now - HOURS_KEPT * HOUR]
    hours = counts.newest(now)
    assert len(hours) <= HOURS_KEPT
    assert list(hours) == sorted(hours, key=lambda hour: hour.start)
    assert totals(hours) == tuple(sum(event[part] for event in kept) for part in range(3))


@given(EVENTS, st.floats(-40 * HOUR, 40 * HOUR))
def test_a_clock_that_is_set_loses_nobody(events: list[tuple[int, int, int, float]], jump: float) -> None:
    counts = HourlyCounts()
    for visitors, presses, gifs, at in events:
        counts.add(NOON + at % (40 * HOUR), visitors=visitors, presses=presses, gifs=gifs)
    before = counts.newest(NOON + 41 * HOUR)
    counts.shift(jump)
    after = counts.newest(NOON + 41 * HOUR + jump + HOUR)
    assert totals(after) == totals(before)
    assert all(abs(late.start - early.start - jump) <= HOUR / 2 for early, late in zip(before, after, strict=True))


def test_hours_that_have_not_come_yet_are_dropped() -> None:
    counts = HourlyCounts([Hour(NOON + 7200, 5), Hour(NOON, 1)])
    assert counts.newest(NOON + 60) == (Hour(NOON, 1),)
    assert counts.newest(NOON + 9000) == (Hour(NOON, 1),)
