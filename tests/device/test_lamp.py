"""The light in the button, on a board that gpiozero simulates."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gpiozero import Device
from gpiozero.pins.mock import MockFactory, MockPWMPin

from device import gpio
from device.button import Button
from device.gpio import GpioError
from device.lamp import INTERVAL, Lamp

PIN = 18


@pytest.fixture
def pin() -> Iterator[MockPWMPin]:
    """The light's pin on a simulated board."""
    before, Device.pin_factory = Device.pin_factory, MockFactory(pin_class=MockPWMPin)
    try:
        yield Device.pin_factory.pin(PIN)
    finally:
        Device.pin_factory.reset()
        Device.pin_factory = before


def test_is_as_bright_as_it_looks(pin: MockPWMPin) -> None:
    with Lamp(PIN) as lamp:
        shown = []
        for number, brightness in enumerate((0.0, 0.25, 0.5, 1.0, 2.0, -1.0)):
            lamp.update(brightness, 1.0 + number)
            shown.append(pin.state)
    assert shown == pytest.approx([0.0, 0.05, 0.22, 1.0, 1.0, 0.0])


def test_is_dark_at_first_and_at_the_end(pin: MockPWMPin) -> None:
    with Lamp(PIN) as lamp:
        assert (pin.function, pin.state) == ("output", 0.0)
        lamp.update(1.0, 1.0)
        assert pin.state == 1.0
        lamp.close()
        assert pin.state == 0.0
        lamp.update(1.0, 2.0)
    assert pin.state == 0.0


def test_changes_only_so_often(pin: MockPWMPin) -> None:
    with Lamp(PIN) as lamp:
        lamp.update(1.0, 1.0)
        lamp.update(0.0, 1.0 + INTERVAL / 2)
        assert pin.state == 1.0
        lamp.update(0.0, 1.001 + INTERVAL)
        assert pin.state == 0.0
        pin.clear_states()
        for number in range(100):
            lamp.update(0.001, 2.0 + number)
        assert len(pin.states) == 1, "no call for what nobody sees"


def test_without_a_pin_there_is_no_light() -> None:
    with Lamp(0) as lamp:
        lamp.update(1.0, 1.0)


def test_button_and_light_need_pins_of_their_own(pin: MockPWMPin) -> None:
    message = r"the light's pin GPIO 17 cannot be used .*set another led under \[button\]"
    with Button(17), pytest.raises(GpioError, match=message):
        Lamp(17)


def test_an_error_names_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OSError("can not open gpiochip")

    monkeypatch.setattr(gpio, "_lgpio_factory", refuse)
    with pytest.raises(GpioError, match=r"the group gpio, or set led = 0 under \[button\]"):
        Lamp(PIN)
