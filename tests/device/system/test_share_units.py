"""The files with which systemd serves the page for phones, and starts it as the configuration says."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.device.system.test_systemd import SYSTEMD, UNIT, analyze

SHARE = SYSTEMD / "pose-mirror-share.service"
SOCKET = SYSTEMD / "pose-mirror-share.socket"
FIREWALL = SYSTEMD / "pose-mirror-firewall@.service"
HOTSPOT = SYSTEMD / "pose-mirror-hotspot@.service"
FOLLOWER = SYSTEMD / "pose-mirror-follow-sharing.service"
FOLLOW = SYSTEMD / "follow-sharing"

SERVICE_STARTED_AT = 1_000_000_000
"""When the stand-in for `systemctl` says that the page's server was started, in seconds since 1970."""

SYSTEMCTL = f"""#!/bin/sh
case $1 in
show) echo "@{SERVICE_STARTED_AT}" ;;
*) echo "$*" >>"$CALLS" ;;
esac
"""


@pytest.mark.parametrize("unit", [SHARE, FOLLOWER, HOTSPOT])
def test_the_service_has_little_exposure(unit: Path) -> None:
    result = analyze("security", "--offline=true", "--threshold=20", unit)
    assert result.returncode == 0, result.stdout


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    """The program is replaced, because it exists only on an installed kiosk."""
    for unit in (SHARE, SOCKET, FOLLOWER):
        lines = unit.read_text().splitlines()
        text = "\n".join("ExecStart=/bin/true" if line.startswith("ExecStart=") else line for line in lines)
        (tmp_path / unit.name).write_text(f"{text}\n")
    errors = analyze("verify", *tmp_path.iterdir()).stderr
    assert "pose-mirror" not in errors, errors


def test_the_firewall_is_there_before_the_wifi_and_stays() -> None:
    lines = FIREWALL.read_text().splitlines()
    assert any(line.startswith("Before=") and "NetworkManager.service" in line.split() for line in lines)
    assert "RemainAfterExit=yes" in lines
    assert f"Requires={FIREWALL.stem}%i.service" in HOTSPOT.read_text().splitlines()


def test_the_server_waits_for_no_camera_and_no_mirror() -> None:
    text = SHARE.read_text()
    assert "pose-mirror.service" not in text
    assert not [line for line in text.splitlines() if line.startswith(("DeviceAllow", "SupplementaryGroups"))]


def test_the_mirror_follows_sharing_without_depending_on_it() -> None:
    lines = UNIT.read_text().splitlines()
    assert f"Wants={FOLLOWER.name}" in lines
    assert not [line for line in lines if line.startswith(("Requires=", "BindsTo=", "PartOf="))]
    assert "After=pose-mirror.service" in FOLLOWER.read_text().splitlines()
    assert os.access(FOLLOW, os.X_OK)


def test_nothing_hangs_up_the_console_of_a_running_mirror() -> None:
    """Whatever the mirror's unit runs opens its terminal first, and with TTYVHangup that ends who has it."""
    assert not [line for line in UNIT.read_text().splitlines() if line.startswith(("ExecStartPost", "ExecReload"))]


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    """A configuration with sharing on, older than the server's start."""
    file = tmp_path / "pose-mirror.toml"
    write(file, "[share]\nenabled = true\n", SERVICE_STARTED_AT - 60)
    return file


def write(file: Path, text: str, changed_at: float) -> None:
    file.write_text(text, encoding="utf-8")
    os.utime(file, (changed_at, changed_at))


def follow(file: Path, *options: str) -> tuple[int, list[str]]:
    """Run `follow-sharing` with a stand-in for `systemctl`; return its status, and the calls that change units."""
    systemctl, calls = file.with_name("systemctl"), file.with_name("calls")
    systemctl.write_text(SYSTEMCTL)
    systemctl.chmod(0o755)
    calls.write_text("")
    environment = {**os.environ, "PATH": f"{file.parent}:{os.environ['PATH']}", "CALLS": str(calls)}
    result = subprocess.run([FOLLOW, *options, file], env=environment, stderr=subprocess.DEVNULL, check=False)
    return result.returncode, calls.read_text().splitlines()


def test_starts_the_server_without_cutting_phones_off(configuration: Path) -> None:
    assert follow(configuration) == (0, ["--no-block start pose-mirror-share.service"])


def test_a_changed_configuration_starts_the_server_again(configuration: Path) -> None:
    write(configuration, configuration.read_text() + "hours = 1.0\n", time.time())
    assert follow(configuration) == (0, ["--no-block restart pose-mirror-share.service"])


@pytest.mark.parametrize("text", ["", "[share]\nhours = 1.0\n", "[share]\nenabled = false\n"])
def test_stops_the_server_and_closes_its_port(configuration: Path, text: str) -> None:
    write(configuration, text, time.time())
    assert follow(configuration)[1] == ["--no-block stop pose-mirror-share.socket pose-mirror-share.service"]
    assert follow(configuration, "--ask") == (3, [])


def test_asking_changes_nothing(configuration: Path) -> None:
    assert follow(configuration, "--ask") == (0, [])


@pytest.mark.parametrize("text", ["[share\n", "share = 3\n"])
def test_a_damaged_configuration_changes_nothing(configuration: Path, text: str) -> None:
    write(configuration, text, time.time())
    status, calls = follow(configuration, "--ask")
    assert status not in (0, 3)
    assert follow(configuration)[1] == calls == []
