"""How the button glows in each phase, and that it never flashes."""

from __future__ import annotations

import itertools
from typing import get_args

import numpy as np
import pytest

from device.display.style import MAX_FLASHES
from device.glow import BREATH_SECONDS, FAILED_SECONDS, ButtonPhase, ButtonState, glow

PHASES: tuple[ButtonPhase, ...] = get_args(ButtonPhase)

RATE = 100
"""Samples of a second."""


def samples(phase: ButtonPhase, seconds: float = 12.0) -> list[float]:
    state = ButtonState(phase, since=5.0)
    return [glow(state, 5.0 + number / RATE) for number in range(round(seconds * RATE))]


def peaks(values: list[float], swing: float = 0.1) -> list[int]:
    """Where the values begin to fall by at least `swing` after they rose by at least that."""
    found, low, high, at = [], values[0], values[0], 0
    for number, value in enumerate(values):
        if value > high:
            high, at = value, number
        elif high - value >= swing:
            if high - low >= swing:
                found.append(at)
            low = high = value
        low = min(low, value)
    return found


@pytest.mark.parametrize("phase", PHASES)
def test_brightness_is_a_share(phase: ButtonPhase) -> None:
    assert all(0 <= value <= 1 for value in samples(phase))
    assert 0 <= glow(ButtonState(phase, since=5.0), 4.0) <= 1, "a clock that is behind changes nothing"


@pytest.mark.parametrize("phase", PHASES)
def test_never_flashes(phase: ButtonPhase) -> None:
    found = peaks(samples(phase))
    assert all(sum(at <= other < at + RATE for other in found) <= MAX_FLASHES for at in found)


def test_breathes_slowly_while_it_waits() -> None:
    values = samples("idle")
    assert len(peaks(values)) == round(12.0 / BREATH_SECONDS)
    assert max(abs(a - b) for a, b in itertools.pairwise(values)) < 0.01, "it never jumps"


def test_the_countdown_pulses_stronger_each_second() -> None:
    starts = [glow(ButtonState("countdown", 5.0), 5.0 + second) for second in range(4)]
    assert starts[0] < starts[1] < starts[2] == starts[3]
    assert len(peaks(samples("countdown", 10.0))) == 9


def test_is_bright_while_it_is_held_or_records() -> None:
    assert set(samples("held")) == set(samples("recording")) == {1.0}


def test_saving_has_a_rhythm_of_its_own() -> None:
    gaps = np.diff(peaks(samples("saving"))) / RATE
    assert gaps[:3] == pytest.approx([0.5, 1.9, 0.5], abs=0.02)


def test_fades_out_after_a_failure_then_breathes() -> None:
    state = ButtonState("failed", 5.0)
    assert glow(state, 5.0) > 0.9
    assert glow(state, 5.0 + FAILED_SECONDS - 0.01) < 0.01
    assert glow(state, 5.0 + FAILED_SECONDS + BREATH_SECONDS / 2) > 0.7


def test_a_phase_begins_once() -> None:
    state = ButtonState().enter("recording", 7.0)
    assert state == ButtonState("recording", 7.0)
    assert state.enter("recording", 8.0) is state
    assert state.enter("saving", 9.0) == ButtonState("saving", 9.0)
