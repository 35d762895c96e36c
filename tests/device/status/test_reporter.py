"""What the mirror reports about itself, from the moments that it draws."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device.moment import Answered, Moment
from device.share.address import NOT_SERVED, Address, write_address
from device.status import machine_watch, reporter, status_file
from device.status.machine_watch import FULL_DISK, HEAT, WEAK_SUPPLY
from device.status.reporter import RESTARTED, SHARING_GRACE, MirrorFacts, StatusReporter, open_reporter
from device.status.status_file import EstimatorStatus, Frames, Hour, LibraryStatus, Status, read_status, write_status
from device.system.systemd import Averages, Beat
from models import files
from models.pose import Pose
from tests.support.sample_status import NOON, SAMPLE

CANVAS = (64, 48)


@dataclass
class Counters:
    """Stands in for the recorder."""

    presses_total: int = 0
    gifs_total: int = 0
    failure: str = ""


class Clocks:
    """The machine's clocks, which a test sets."""

    def __init__(self) -> None:
        self.time, self.uptime = NOON + 600.0, 5000.0

    def pass_by(self, seconds: float) -> None:
        self.time += seconds
        self.uptime += seconds


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    clocks = Clocks()

    class FakeTime:
        """The module `time`, with the clocks of the test."""

        def __getattr__(self, name: str) -> Any:
            return (lambda: clocks.time) if name == "time" else getattr(time, name)

    monkeypatch.setattr(reporter, "time", FakeTime())
    monkeypatch.setattr(reporter, "uptime", lambda: clocks.uptime)
    monkeypatch.setattr(reporter, "CLOSE_TIMEOUT", 60.0)  # a busy machine may take its time
    monkeypatch.setattr(machine_watch, "read_temperature", lambda: 61.0)
    monkeypatch.setattr(machine_watch, "read_under_voltage", lambda: False)
    return clocks


class Mirror:
    """A mirror that draws what a test says, and reports it."""

    def __init__(self, folder: Path, *, is_shared: bool = False) -> None:
        self.folder, self.counters = folder, Counters()
        facts = MirrorFacts("1.2.3", "posenet", folder / "gifs", is_shared)
        self.reporter = StatusReporter(folder, facts, self.counters, lambda: "edgetpu")

    def draw(self, *numbers: int) -> None:
        """Draw a moment in which these visitors are answered."""
        pose = Pose(np.zeros((17, 2), np.float32), np.ones(17, np.float32), 1.0)
        answered = tuple(Answered(pose, number=number) for number in numbers)
        self.reporter.on_drawn(Moment(CANVAS, answered=answered), 0.0)

    def status(self, *faults: str, averages: Averages | None = None) -> Status:
        """Report, and return the status that is written."""
        before = read_status(self.folder)
        moment = Moment(CANVAS, pictures=6000, people=6012, library="starter", collection="dance")
        (self.folder / status_file.FILE_NAME).unlink(missing_ok=True)
        self.reporter.on_beat(Beat(moment, faults, averages))
        end = time.monotonic() + 60
        while (status := read_status(self.folder)) is None:
            assert time.monotonic() < end, f"no status after {before}"
            time.sleep(0.005)
        return status

    def kill(self) -> None:
        """End the thread as SIGKILL does: without the last status."""
        left = (self.folder / status_file.FILE_NAME).read_bytes()
        self.reporter.close()
        (self.folder / status_file.FILE_NAME).write_bytes(left)


@pytest.fixture
def mirror(tmp_path: Path, clocks: Clocks) -> Iterator[Mirror]:
    mirror = Mirror(tmp_path)
    yield mirror
    mirror.reporter.close()


def test_reports_what_the_mirror_does(mirror: Mirror) -> None:
    status = mirror.status(averages=Averages(24.03, 61.27))
    assert status.frames == Frames(24.0, 61.3)
    assert status.estimator == EstimatorStatus("edgetpu", "posenet")
    assert status.library == LibraryStatus("starter", 6012, 6000, "dance")
    assert (status.version, status.running, status.well, status.faults) == ("1.2.3", True, True, ())
    assert (status.written_at, status.written_uptime) == (NOON + 600.0, 5000.0)
    assert status.hardware.temperature == 61.0


def test_counts_each_visitor_once_while_there(mirror: Mirror) -> None:
    for numbers in [(), (3,), (3,), (3, 4), (4, 3), (4,), (), (), (7,)]:
        mirror.draw(*numbers)
    assert mirror.status().hours == (Hour(NOON, visitors=3),)


def test_counts_presses_and_gifs_by_the_hour(mirror: Mirror, clocks: Clocks) -> None:
    mirror.counters.presses_total = 2
    mirror.draw()
    clocks.pass_by(3600)
    mirror.counters.presses_total, mirror.counters.gifs_total = 3, 1
    mirror.draw()
    assert mirror.status().hours == (Hour(NOON, presses=2), Hour(NOON + 3600, presses=1, gifs=1))


def test_hours_roll_over_two_days(mirror: Mirror, clocks: Clocks) -> None:
    for number in range(60):
        mirror.draw(number)
        clocks.pass_by(3600)
    hours = mirror.status().hours
    assert 47 <= len(hours) <= 48
    assert all(hour.visitors == 1 for hour in hours)


def test_says_since_when_it_is_well_or_not(mirror: Mirror, clocks: Clocks) -> None:
    assert mirror.status().since == NOON + 600
    clocks.pass_by(100)
    status = mirror.status("No camera found.")
    assert (status.well, status.since, status.since_uptime) == (False, NOON + 700, 5100)
    clocks.pass_by(100)
    mirror.counters.failure = "The GIF could not be saved: the disk is full."
    status = mirror.status("No camera found.")
    assert status.faults == ("No camera found.", "The GIF could not be saved: the disk is full.")
    assert status.since == NOON + 700, "it has been unwell since then, whatever is wrong now"
    mirror.counters.failure = ""
    clocks.pass_by(100)
    status = mirror.status()
    assert (status.well, status.since, status.faults) == (True, NOON + 900, ())
    fault = next(fault for fault in status.past_faults if fault.sentence == "No camera found.")
    assert (fault.first_seen, fault.last_seen, fault.count) == (NOON + 700, NOON + 800, 1)


def test_a_clock_that_is_set_moves_all_times(mirror: Mirror, clocks: Clocks) -> None:
    mirror.draw(1)
    mirror.status("No camera found.")
    clocks.time += 90 * 86_400  # a machine without a battery finds a network
    clocks.pass_by(60)
    mirror.draw(1, 2)
    status = mirror.status()
    day = NOON + 90 * 86_400
    assert status.hours == (Hour(day, visitors=2),)
    assert status.past_faults[0].first_seen == day + 600
    assert status.since == day + 660
    clocks.time -= 90 * 86_400
    assert mirror.status().hours == (Hour(NOON, visitors=2),)


def test_goes_on_counting_after_a_restart(tmp_path: Path, clocks: Clocks) -> None:
    first = Mirror(tmp_path)
    first.draw(1)
    first.status("No camera found.")
    first.reporter.close()
    ended = read_status(tmp_path)
    assert ended is not None
    assert not ended.running
    clocks.pass_by(30)
    second = Mirror(tmp_path)
    second.draw(1)
    status = second.status()
    second.reporter.close()
    assert status.hours == (Hour(NOON, visitors=2),)
    assert [fault.sentence for fault in status.past_faults] == ["No camera found."]
    assert status.since == NOON + 630


def test_says_that_it_ended_unexpectedly(tmp_path: Path, clocks: Clocks) -> None:
    first = Mirror(tmp_path)
    first.status()
    first.kill()
    clocks.pass_by(30)
    second = Mirror(tmp_path)
    status = second.status()
    second.reporter.close()
    assert [(fault.sentence, fault.count) for fault in status.past_faults] == [(RESTARTED, 1)]
    assert status.well


@pytest.mark.parametrize("content", [b"", b"{", b"\xff" * 300_000, b'{"hours": [{"start": "x"}]}', b"[]"])
def test_a_damaged_file_starts_a_new_count(tmp_path: Path, clocks: Clocks, content: bytes) -> None:
    (tmp_path / status_file.FILE_NAME).write_bytes(content)
    mirror = Mirror(tmp_path)
    mirror.draw(1)
    assert mirror.status().hours == (Hour(NOON, visitors=1),)
    mirror.reporter.close()


def test_a_file_from_before_the_machines_start_is_old(tmp_path: Path, clocks: Clocks) -> None:
    write_status(tmp_path, replace(SAMPLE, written_uptime=clocks.uptime + 1))
    mirror = Mirror(tmp_path)
    status = mirror.status()
    mirror.reporter.close()
    assert (status.hours, status.past_faults) == ((), ())
    assert not status.hardware.under_voltage_earlier


def test_remembers_heat_and_under_voltage(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror.status()
    watch = mirror.reporter._machine
    monkeypatch.setattr(machine_watch, "read_temperature", lambda: 81.0)
    monkeypatch.setattr(machine_watch, "read_under_voltage", lambda: True)
    watch.look()
    assert list(watch.faults) == [WEAK_SUPPLY, HEAT]
    monkeypatch.setattr(machine_watch, "read_temperature", lambda: 70.0)
    monkeypatch.setattr(machine_watch, "read_under_voltage", lambda: False)
    watch.look()
    hardware = watch.hardware
    assert list(watch.faults) == []
    assert (hardware.too_hot, hardware.too_hot_earlier) == (False, True)
    assert (hardware.under_voltage, hardware.under_voltage_earlier) == (False, True)


def test_counts_the_gifs_on_the_disk(tmp_path: Path, clocks: Clocks, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.gif", "b.gif", "shared/c.gif", "shared/c.json", ".d.part"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    watch = machine_watch.MachineWatch(tmp_path)
    watch.look_at_disk(0.0, 0)
    assert watch.disk.gifs == 3
    (tmp_path / "e.gif").touch()
    watch.look_at_disk(10.0, 0)
    assert watch.disk.gifs == 3, "a disk is not asked every five seconds"
    watch.look_at_disk(11.0, 1)
    assert watch.disk.gifs == 4
    monkeypatch.setattr(files, "free_bytes", lambda folder: 150_000_000)
    watch.look_at_disk(100.0, 1)
    assert watch.faults == (FULL_DISK,)


def test_says_that_the_page_is_not_served(tmp_path: Path, clocks: Clocks, monkeypatch: pytest.MonkeyPatch) -> None:
    server = tmp_path / "server"
    monkeypatch.setattr(reporter, "runtime_folder", lambda: server)
    mirror = Mirror(tmp_path, is_shared=True)
    assert mirror.status().faults == (), "the server starts after the mirror"
    clocks.pass_by(SHARING_GRACE + 1)
    assert mirror.status().faults == (NOT_SERVED,)
    write_address(server, Address("http://10.41.0.1/"))
    status = mirror.status()
    mirror.reporter.close()
    assert status.well
    assert (status.sharing.enabled, status.sharing.address) == (True, "http://10.41.0.1/")


def test_without_a_folder_nothing_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(reporter, "own_folder", lambda: None)
    before = threading.active_count()
    with open_reporter(MirrorFacts("1", "m", tmp_path, False), Counters(), lambda: "cpu") as opened:
        assert opened is None
        assert threading.active_count() == before


def test_a_full_memory_is_reported_once_and_tried_again(
    tmp_path: Path, clocks: Clocks, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tried: list[Status] = []

    def fail(folder: Path, status: Status) -> None:
        tried.append(status)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(reporter, "write_status", fail)
    mirror = Mirror(tmp_path)
    for _ in range(3):
        mirror.reporter.on_beat(Beat(Moment(CANVAS), (), None))
    mirror.reporter.close()
    assert [status.running for status in tried] == [True, True, True, False]
    assert caplog.text.count("The status cannot be written") == 1
    assert list(tmp_path.iterdir()) == []
