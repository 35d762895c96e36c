"""The button, on a board that gpiozero simulates."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from gpiozero import Device
from gpiozero.pins.mock import MockFactory, MockPin

from device import gpio
from device.button import SETTLE_TIME, Button
from device.gpio import GpioError
from device.presses import HOLD_SECONDS

PIN = 17


@pytest.fixture
def pin() -> Iterator[MockPin]:
    """The button's pin on a simulated board."""
    before, Device.pin_factory = Device.pin_factory, MockFactory()
    try:
        yield Device.pin_factory.pin(PIN)
    finally:
        Device.pin_factory.reset()
        Device.pin_factory = before


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that the button reads, as a list of one element that the test changes."""
    now = [100.0]
    monkeypatch.setattr("device.button.time.monotonic", lambda: now[0])
    return now


def test_counts_each_press_once(pin: MockPin, clock: list[float]) -> None:
    with Button(PIN) as button:
        assert button.pop_presses() == 0
        for _ in range(3):
            clock[0] += 1
            pin.drive_low()
            clock[0] += 1
            pin.drive_high()
        assert button.pop_presses() == 3
        assert button.pop_presses() == 0


def test_a_bouncing_press_counts_once(pin: MockPin, clock: list[float]) -> None:
    with Button(PIN) as button:
        for drive in (pin.drive_low, pin.drive_high) * 5:
            drive()
            clock[0] += 0.01
        pin.drive_low()
        assert button.pop_presses() == 1


def test_a_bouncing_release_is_not_a_press(pin: MockPin, clock: list[float]) -> None:
    with Button(PIN) as button:
        pin.drive_low()
        clock[0] += 2
        for drive in (pin.drive_high, pin.drive_low) * 4:
            drive()
            clock[0] += 0.01
        pin.drive_high()
        assert button.pop_presses() == 1
        clock[0] += SETTLE_TIME
        pin.drive_low()
        assert button.pop_presses() == 1


def test_a_held_button_is_one_press(pin: MockPin, clock: list[float]) -> None:
    with Button(PIN) as button:
        pin.drive_low()
        assert button.pop_presses() == 1
        clock[0] += 3600
        assert button.pop_presses() == 0


def test_a_button_stuck_from_the_start_is_not_a_press(pin: MockPin) -> None:
    pin.drive_low()
    pin._pull = "up"  # otherwise the simulated pin goes high when the pull-up is set
    pin._set_pull = lambda value: None
    with Button(PIN) as button:
        assert not pin.state
        assert button.pop_presses() == 0


def test_the_pin_is_pulled_up_and_debounced(pin: MockPin) -> None:
    with Button(PIN):
        assert pin.pull == "up"
        assert pin.bounce == pytest.approx(0.05)


def test_a_short_press_counts_at_its_end_with_holds(pin: MockPin, clock: list[float]) -> None:
    with Button(PIN, holds=True) as button:
        pin.drive_low()
        clock[0] += 0.3
        assert (button.pop_presses(), button.is_held) == (0, True)
        pin.drive_high()
        clock[0] += SETTLE_TIME
        assert (button.pop_presses(), button.pop_holds(), button.is_held) == (1, 0, False)


def test_a_hold_counts_while_the_button_is_down(pin: MockPin, clock: list[float]) -> None:
    with Button(PIN, holds=True) as button:
        pin.drive_low()
        clock[0] += HOLD_SECONDS
        assert (button.pop_presses(), button.pop_holds()) == (0, 1)
        clock[0] += 3600
        pin.drive_high()
        clock[0] += SETTLE_TIME
        assert (button.pop_presses(), button.pop_holds()) == (0, 0)


def test_holds_can_be_switched_on_and_off(pin: MockPin, clock: list[float]) -> None:
    with Button(PIN) as button:
        button.distinguish_holds(True)
        pin.drive_low()
        assert button.pop_presses() == 0
        button.distinguish_holds(False)
        assert button.pop_presses() == 1


def test_loses_and_doubles_no_press_of_another_thread(pin: MockPin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("device.button.SETTLE_TIME", 0.0)
    presses = 500

    def press_repeatedly() -> None:
        for _ in range(presses):
            pin.drive_low()
            pin.drive_high()

    with Button(PIN) as button:
        thread, counted = threading.Thread(target=press_repeatedly), 0
        thread.start()
        while thread.is_alive():
            counted += button.pop_presses()
        assert counted + button.pop_presses() == presses


def test_closing_releases_the_pin(pin: MockPin) -> None:
    with Button(PIN) as button:
        with pytest.raises(GpioError, match=r"GPIO 17 cannot be used .*end the program that uses it"):
            Button(PIN)
        button.close()
        with Button(PIN) as again:
            pin.drive_low()
            assert (button.pop_presses(), again.pop_presses()) == (0, 1)


@pytest.mark.parametrize("no_pin", [0, None])
def test_without_a_pin_it_is_never_pressed(no_pin: int | None) -> None:
    with Button(no_pin) as button:
        assert button.pop_presses() == 0
    button.close()


def test_rejects_a_pin_that_the_board_lacks(pin: MockPin) -> None:
    with pytest.raises(GpioError, match="GPIO 99 cannot be used"):
        Button(99)


@pytest.mark.skipif(bool(list(Path("/dev").glob("gpiochip*"))), reason="this machine has GPIO")
def test_a_pc_without_gpio_gets_one_short_sentence() -> None:
    pytest.importorskip("lgpio")
    with pytest.raises(GpioError, match=rf"^this machine is not a Raspberry Pi, so it has no pin GPIO {PIN}$"):
        Button(PIN)


def test_pins_that_may_not_be_opened_name_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OSError("can not open gpiochip")

    monkeypatch.setattr(gpio, "_lgpio_factory", refuse)
    message = (
        r"^the GPIO pins cannot be used \(can not open gpiochip\): add your user to the group gpio, or set pin = 0"
    )
    with pytest.raises(GpioError, match=message):
        Button(PIN)


def test_names_the_folder_for_temporary_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("lgpio")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(GpioError, match=r"a folder for temporary files \(No such file.*\): .* set TMPDIR"):
        Button(PIN)


def test_a_deleted_working_folder_does_not_matter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("lgpio")
    (tmp_path / "deleted").mkdir()
    monkeypatch.chdir(tmp_path / "deleted")
    (tmp_path / "deleted").rmdir()
    try:
        Button(PIN).close()
    except GpioError as error:  # on a machine without GPIO
        assert "No such file" not in str(error)  # noqa: PT017
    with pytest.raises(FileNotFoundError):
        os.getcwd()
    os.chdir(tmp_path)


@pytest.mark.parametrize("missing", ["gpiozero", "lgpio"])
def test_a_missing_library_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in ("gpiozero", "lgpio")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(GpioError, match=rf"no {missing}: run `make setup` again"):
        Button(PIN)


@pytest.mark.real_machine
def test_opening_gpio_leaves_no_file_and_keeps_the_folder(tmp_path: Path) -> None:
    code = (
        "import os\n"
        "from device.button import Button\n"
        "from device.gpio import GpioError\n"
        "try:\n    Button(17).close()\nexcept GpioError: pass\n"
        "print(os.getcwd(), os.environ.get('LG_WD'))"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp"), "PYTHONPATH": os.pathsep.join(sys.path)}
    (tmp_path / "tmp").mkdir()
    (tmp_path / "here").mkdir()
    finished = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", code],
        cwd=tmp_path / "here",
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout.split() == [str(tmp_path / "here"), "None"]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["here", "tmp"]
