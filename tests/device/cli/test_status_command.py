"""What `pose-mirror status` prints."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from device.cli import status_command
from device.cli.dispatch import run_command_line
from device.cli.status_command import STALE_SECONDS, describe, find_problem
from device.status import status_file
from device.status.status_file import FILE_NAME, Hardware, PastFault, Status, parse_status, write_status
from device.system.systemd import ServiceStatus
from tests.support.sample_status import NOON, SAMPLE

NO_CAMERA = "Camera /dev/video0 was unplugged: plug it in again."


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The runtime folder of the service, in a place without a summer time."""
    monkeypatch.setattr(status_file, "SERVICE_FOLDER", tmp_path)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "none"))
    monkeypatch.setattr(status_command, "query_service", lambda: None)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield tmp_path
    monkeypatch.undo()
    time.tzset()


def write_fresh(folder: Path, status: Status = SAMPLE) -> None:
    """Write a status as of now."""
    write_status(folder, replace(status, written_uptime=time.clock_gettime(time.CLOCK_BOOTTIME)))


def test_prints_a_report() -> None:
    assert "\n".join(describe(SAMPLE, NOON + 600.0)) == (
        """\
The mirror has been well since 10:20 (1 h 50 min).

frames       24 a second, 61 ms from camera to display
poses        estimated on the CPU, with posenet
machine      61 °C, under-voltage earlier (use the power supply made for this machine)
library      starter: 6,012 people in 6,000 pictures, in the collection dance
disk         12.3 GB free, 14 GIFs
sharing      phones find the page at http://10.41.0.1/
version      1.2.3

Today        visitors  presses  GIFs
11:00-12:00        12        3     2  ########################
12:00-13:00         6        1     0  ############
together           18        4     2

Last faults:
  10:53, 2 times: No camera found."""
    )


def test_prints_what_is_wrong_first() -> None:
    status = replace(SAMPLE, well=False, faults=(NO_CAMERA,), since=NOON + 570.0, frames=None)
    lines = list(describe(status, NOON + 600.0))
    assert lines[:2] == ["The mirror has been unwell since 12:09 (30 s).", f"  {NO_CAMERA}"]


def test_prints_only_what_is_known() -> None:
    text = "\n".join(describe(replace(SAMPLE, hardware=Hardware(), library=None, hours=(), past_faults=()), NOON))
    assert "its temperature is unknown" in text
    assert "library" not in text
    assert "Last faults" not in text
    assert text.splitlines()[-1].split() == ["together", "0", "0", "0"]


def test_faults_of_other_days_have_their_date() -> None:
    old = PastFault("No camera found.", NOON - 90_000.0, NOON - 86_400.0, 1)
    lines = list(describe(replace(SAMPLE, past_faults=(old,)), NOON))
    date = time.strftime("%Y-%m-%d", time.gmtime(NOON - 86_400))
    assert lines[-1] == f"  {date} 12:00, once: No camera found."


def test_yesterday_is_not_today() -> None:
    lines = list(describe(replace(SAMPLE, past_faults=()), NOON + 86_400.0))
    assert lines[-2].startswith("Today")
    assert lines[-1].split() == ["together", "0", "0", "0"]


def test_is_well(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_fresh(folder)
    assert run_command_line(["status"]) == 0
    assert capsys.readouterr().out.startswith("The mirror has been well since")


def test_is_not_well(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_fresh(folder, replace(SAMPLE, well=False, faults=("\033[2JNo.",)))
    assert run_command_line(["status"]) == 1
    assert "  �[2JNo." in capsys.readouterr().out, "a file's name cannot control the terminal"
    assert run_command_line(["status", "--json"]) == 1


def test_json_is_the_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_fresh(folder)
    assert run_command_line(["status", "--json"]) == 0
    printed = capsys.readouterr().out
    assert json.loads(printed) == json.loads((folder / FILE_NAME).read_text())
    assert parse_status(printed.encode()).hours == SAMPLE.hours


@pytest.mark.parametrize(
    ("service", "remedy"),
    [
        (None, "start it with `pose-mirror run`."),
        (ServiceStatus("inactive", "", 0), "start it with `sudo systemctl start pose-mirror`."),
        (ServiceStatus("activating", "", 9), "its service does not come up (activating), and `journalctl -u pose-m"),
        (ServiceStatus("failed", "", 9), "its service does not come up (failed), and `journalctl -u pose-mirror -b` s"),
    ],
)
def test_says_how_to_start_a_mirror(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], service: ServiceStatus | None, remedy: str
) -> None:
    monkeypatch.setattr(status_command, "query_service", lambda: service)
    assert run_command_line(["status"]) == 1
    assert f"No mirror is running here: {remedy}" in capsys.readouterr().out
    assert run_command_line(["status", "--json"]) == 1
    assert capsys.readouterr().out == "null\n"


def test_an_ended_mirror_does_not_run() -> None:
    problem = find_problem(replace(SAMPLE, running=False), SAMPLE.written_uptime)
    assert problem == "No mirror is running here: start it with `pose-mirror run`."


@pytest.mark.parametrize(("age", "responds"), [(0, True), (STALE_SECONDS, True), (STALE_SECONDS + 1, False)])
def test_a_mirror_without_news_does_not_respond(age: float, responds: bool) -> None:
    problem = find_problem(SAMPLE, SAMPLE.written_uptime + age)
    assert problem.startswith("" if responds else "The mirror does not respond: its last status is 31 s old.")
    assert bool(problem) is not responds


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": 1}'])
def test_a_damaged_file_is_no_mirror(folder: Path, capsys: pytest.CaptureFixture[str], content: str) -> None:
    (folder / FILE_NAME).write_text(content)
    assert run_command_line(["status"]) == 1
    assert capsys.readouterr().out.startswith("No mirror is running here")
