"""The button's state, light and sounds, while a recorder works."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from gpiozero import Device
from gpiozero.pins.mock import MockFactory, MockPWMPin

from device.feedback import Feedback, open_feedback
from device.glow import ButtonState


class FakeRecorder:
    """A recorder in any phase."""

    phase = "idle"
    countdown: int | None = None
    failed = False


class Heard:
    """Sounds that write down what they would play, and a lamp that writes down how bright it is."""

    def __init__(self) -> None:
        self.sounds: list[str] = []
        self.brightness = 0.0

    def play(self, sound: str) -> None:
        self.sounds.append(sound)

    def update(self, brightness: float, now: float) -> None:
        self.brightness = brightness


@pytest.fixture
def recorder() -> Any:
    return FakeRecorder()


@pytest.fixture
def heard() -> Any:
    return Heard()


def test_a_recording_ticks_starts_and_is_saved(recorder: Any, heard: Any) -> None:
    feedback = Feedback(heard, heard)
    feedback.update(recorder, False, 0.0)
    recorder.phase = "countdown"
    for frame in range(30):
        recorder.countdown = 3 - frame // 10
        feedback.update(recorder, False, 1.0 + frame / 10)
    assert heard.sounds == ["tick"] * 3
    recorder.phase, recorder.countdown = "recording", None
    for frame in range(50):
        feedback.update(recorder, False, 4.0 + frame / 10)
    assert (feedback.state, heard.brightness) == (ButtonState("recording", 4.0), 1.0)
    recorder.phase = "saving"
    feedback.update(recorder, False, 9.0)
    assert heard.sounds == ["tick"] * 3 + ["start"]
    recorder.phase = "idle"
    feedback.update(recorder, True, 10.0)
    feedback.update(recorder, False, 10.1)
    assert heard.sounds == ["tick"] * 3 + ["start", "saved"]


def test_a_failure_is_silent(recorder: Any, heard: Any) -> None:
    feedback = Feedback(heard, heard)
    recorder.phase = "saving"
    feedback.update(recorder, False, 1.0)
    recorder.phase, recorder.failed = "idle", True
    feedback.update(recorder, False, 2.0)
    assert feedback.state == ButtonState("failed", 2.0)
    assert heard.sounds == []


def test_a_press_lights_the_button_at_once(recorder: Any, heard: Any) -> None:
    feedback = Feedback(heard, heard)
    feedback.update(recorder, True, 1.0)
    assert (feedback.state, heard.brightness) == (ButtonState("held", 1.0), 1.0)
    recorder.phase = "recording"
    feedback.update(recorder, True, 2.0)
    assert feedback.state.phase == "recording"


def test_a_great_fit_has_a_sound(heard: Any) -> None:
    Feedback(heard, heard).celebrate(1.0)
    assert heard.sounds == ["delight"]


def test_lights_the_pin_while_it_is_open(recorder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    board = MockFactory(pin_class=MockPWMPin)
    monkeypatch.setattr(Device, "pin_factory", board)
    with open_feedback(18, 0.0) as feedback:
        feedback.update(recorder, True, 1.0)
        assert board.pin(18).state == 1.0
    assert board.pin(18).state == 0.0


def test_goes_on_without_a_light(
    recorder: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Device, "pin_factory", MockFactory())  # whose pins cannot dim a light
    with caplog.at_level(logging.INFO), open_feedback(18, 0.0) as feedback:
        feedback.update(recorder, True, 1.0)
    assert [record.getMessage()[:32] for record in caplog.records] == ["No light: the light's pin GPIO 1"]
