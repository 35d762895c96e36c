"""What the mirror reads about a machine's power and heat."""

from __future__ import annotations

from pathlib import Path

import pytest

from device.system.hardware import read_temperature, read_throttle_bits, read_under_voltage


@pytest.mark.parametrize(("text", "degrees"), [("61234\n", 61.234), ("", None), ("hot", None), ("-5000", -5.0)])
def test_reads_the_temperature(tmp_path: Path, text: str, degrees: float | None) -> None:
    zone = tmp_path / "temp"
    assert read_temperature(zone) is None
    zone.write_text(text)
    assert read_temperature(zone) == degrees


def add_sensor(hwmon: Path, number: int, name: str, **files: str) -> None:
    folder = hwmon / f"hwmon{number}"
    folder.mkdir(parents=True)
    for file, text in {"name": name, **files}.items():
        (folder / file).write_text(f"{text}\n")


@pytest.mark.parametrize(("alarm", "low"), [("1", True), ("0", False)])
def test_reads_the_under_voltage_of_a_pi_alone(tmp_path: Path, alarm: str, low: bool) -> None:
    assert read_under_voltage(tmp_path / "missing") is None
    add_sensor(tmp_path, 0, "cpu_thermal", temp1_input="48312")
    add_sensor(tmp_path, 1, "nct6775", in0_lcrit_alarm="1")
    assert read_under_voltage(tmp_path) is None, "another chip's alarm says nothing about the power supply"
    add_sensor(tmp_path, 2, "rpi_volt", in0_lcrit_alarm=alarm)
    assert read_under_voltage(tmp_path) is low


def test_a_sensor_without_its_alarm_is_unknown(tmp_path: Path) -> None:
    add_sensor(tmp_path, 0, "rpi_volt")
    assert read_under_voltage(tmp_path) is None


@pytest.mark.parametrize(
    ("script", "bits"),
    [("echo throttled=0x50005", 0x50005), ("echo nonsense", None), ("echo throttled=0x0; exit 1", None)],
)
def test_reads_the_firmwares_flags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, bits: int | None
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert read_throttle_bits() is None, "there is no such program on most machines"
    program = tmp_path / "vcgencmd"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    assert read_throttle_bits() == bits
