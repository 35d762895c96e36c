"""Presses and holds of a contact, also one that bounces, is stuck, or whose opening is missed."""

from __future__ import annotations

import pytest

from device.presses import HOLD_SECONDS, Presses

SETTLE = 0.2

LONG_ENOUGH = HOLD_SECONDS + 0.001
"""Seconds of a hold, also after a rounding error."""


def counts(presses: Presses, now: float) -> tuple[int, int]:
    """The presses and holds up to the time `now`."""
    return presses.pop_presses(now), presses.pop_holds(now)


def bounce(presses: Presses, start: float, *, times: int = 5) -> float:
    """Open and close a contact every 10 ms; return when it closed last."""
    for number in range(times):
        presses.open(start + 0.02 * number)
        presses.close(start + 0.02 * number + 0.01)
    return start + 0.02 * (times - 1) + 0.01


def test_without_holds_a_press_counts_at_once() -> None:
    presses = Presses(SETTLE)
    presses.close(10.0)
    assert counts(presses, 10.0) == (1, 0)
    assert counts(presses, 100.0) == (0, 0)
    presses.open(100.0)
    assert counts(presses, 101.0) == (0, 0)


def test_with_holds_a_press_counts_at_its_end() -> None:
    presses = Presses(holds=True)
    presses.close(10.0)
    assert counts(presses, 10.5) == (0, 0)
    presses.open(10.5)
    assert counts(presses, 10.5) == (1, 0)


def test_a_hold_counts_when_it_is_long_enough() -> None:
    presses = Presses(holds=True)
    presses.close(10.0)
    assert counts(presses, 9.99 + HOLD_SECONDS) == (0, 0)
    assert counts(presses, 10.0 + LONG_ENOUGH) == (0, 1)
    assert counts(presses, 9999.0) == (0, 0)
    presses.open(9999.0)
    assert counts(presses, 9999.5) == (0, 0)


def test_a_hold_counts_though_nobody_asked_meanwhile() -> None:
    presses = Presses(SETTLE, holds=True)
    presses.close(10.0)
    presses.open(10.0 + LONG_ENOUGH)
    assert counts(presses, 15.0) == (0, 1)


@pytest.mark.parametrize("holds", [False, True])
def test_a_contact_bouncing_at_both_ends_is_one_press(holds: bool) -> None:
    presses = Presses(SETTLE, holds=holds)
    presses.close(10.0)
    bounce(presses, 10.01)
    presses.open(10.5)
    last = bounce(presses, 10.51)
    presses.open(last + 0.01)
    assert counts(presses, last + 0.02 + SETTLE) == (1, 0)
    presses.close(20.0)
    presses.open(20.5)
    assert counts(presses, 21.0) == (1, 0)


@pytest.mark.parametrize("begins", [0.01, HOLD_SECONDS - 0.02])
def test_a_hold_may_bounce(begins: float) -> None:
    presses = Presses(SETTLE, holds=True)
    presses.close(10.0)
    bounce(presses, 10.0 + begins)
    assert counts(presses, 10.2 + HOLD_SECONDS) == (0, 1)
    bounce(presses, 13.0)
    presses.open(13.2)
    assert counts(presses, 14.0) == (0, 0)


def test_a_press_goes_on_while_it_is_not_counted() -> None:
    presses = Presses(SETTLE, holds=True)
    assert not presses.is_held(9.0)
    presses.close(10.0)
    assert presses.is_held(10.1)
    assert not presses.is_held(10.0 + LONG_ENOUGH)


def test_a_missed_opening_costs_no_later_press() -> None:
    presses = Presses(holds=True)
    presses.close(10.0)
    assert counts(presses, 20.0) == (0, 1)
    presses.close(30.0)
    presses.open(30.2)
    assert counts(presses, 30.2) == (1, 0)


def test_a_second_finger_starts_the_press_anew() -> None:
    presses = Presses(holds=True)
    presses.close(10.0)
    presses.close(11.0)
    presses.open(11.5)
    presses.open(11.6)
    assert counts(presses, 20.0) == (1, 0)


def test_an_opening_alone_is_nothing() -> None:
    presses = Presses(SETTLE, holds=True)
    presses.open(10.0)
    assert counts(presses, 11.0) == (0, 0)
