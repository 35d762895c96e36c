"""Report how the mirror is doing: a thread writes the status (`device.status.status_file`) every few seconds.

The main thread counts what happens; the thread reads the hardware and the disk, and writes.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from device.moment import Moment
from device.share.address import NOT_SERVED, read_address, runtime_folder
from device.status.fault_log import FaultLog
from device.status.hourly import HourlyCounts
from device.status.machine_watch import MachineWatch
from device.status.status_file import (
    EstimatorStatus,
    Frames,
    Hour,
    LibraryStatus,
    SharingStatus,
    Status,
    own_folder,
    read_status,
    write_status,
)
from device.system.systemd import Beat

LOOK_INTERVAL: Final = 2.0
"""Seconds between two looks at heat and power."""

CLOCK_TOLERANCE: Final = 60.0
"""Seconds by which the clock may differ from the time that has passed. With more, it was set."""

SHARING_GRACE: Final = 60.0
"""Seconds after the mirror's start in which the page need not be served yet: its server starts after the mirror."""

CLOSE_TIMEOUT: Final = 1.0
"""Seconds to wait for the last status."""

RESTARTED: Final = "The mirror ended unexpectedly, and was started again: `journalctl -u pose-mirror` may say why."

log = logging.getLogger(__name__)


class Counters(Protocol):
    """Counts presses and GIFs since the mirror's start: `device.recording.recorder.Recorder`."""

    presses_total: int
    gifs_total: int

    @property
    def failure(self) -> str: ...


@dataclass(frozen=True, slots=True)
class MirrorFacts:
    """What does not change while a mirror runs."""

    version: str
    model: str
    gif_folder: Path
    is_shared: bool


class _Report(NamedTuple):
    """What the main thread knows at one time, for the thread that writes. `clock_offset` is the start's time."""

    beat: Beat
    device: str
    failure: str
    gifs_total: int
    hours: tuple[Hour, ...]
    clock_offset: float


def uptime() -> float:
    """Return the seconds since the machine was started; no clock that is set changes them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class StatusReporter:
    """Counts what happens, and writes the status into a folder. Close it at the end.

    It goes on from the status of the mirror before, if that is in the folder. `device` returns where poses are
    estimated now.
    """

    def __init__(self, folder: Path, facts: MirrorFacts, counters: Counters, device: Callable[[], str]) -> None:
        before = read_status(folder)
        if before is not None and before.written_uptime > uptime():  # the machine was restarted
            before = None
        self._folder, self._facts, self._counters, self._device = folder, facts, counters, device
        self._clock_offset = before.clock_offset if before else time.time() - uptime()
        self._hours = HourlyCounts(before.hours if before else ())
        self._visitors: frozenset[int] = frozenset()
        self._presses, self._gifs = counters.presses_total, counters.gifs_total
        self._started = self._since = uptime()
        self._well, self._warned = True, False
        self._fault_log = _fault_log_after(before)
        self._machine = MachineWatch(facts.gif_folder, before.hardware if before else None)
        self._reports: queue.SimpleQueue[_Report | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="status", daemon=True)
        self._thread.start()

    def on_drawn(self, moment: Moment, now: float) -> None:
        """Count new visitors, presses and GIFs. Call it after every drawing."""
        visitors = frozenset(answered.number for answered in moment.answered)
        presses, gifs = self._counters.presses_total, self._counters.gifs_total
        if visitors != self._visitors or presses != self._presses or gifs != self._gifs:
            new = len(visitors - self._visitors)
            self._hours.add(
                self._observe_clock(), visitors=new, presses=presses - self._presses, gifs=gifs - self._gifs
            )
            self._visitors, self._presses, self._gifs = visitors, presses, gifs

    def on_beat(self, beat: Beat) -> None:
        """Have the status written. Call it every few seconds, from the same thread."""
        hours = self._hours.newest(self._observe_clock())
        failure, gifs_total = self._counters.failure, self._counters.gifs_total
        self._reports.put(_Report(beat, self._device(), failure, gifs_total, hours, self._clock_offset))

    def close(self) -> None:
        """Write that the mirror has ended."""
        self._reports.put(None)
        self._thread.join(CLOSE_TIMEOUT)

    def _observe_clock(self) -> float:
        """Return the time since 1970. If the clock was set meanwhile, what was counted before moves with it."""
        now = time.time()
        offset = now - uptime()
        if abs(offset - self._clock_offset) > CLOCK_TOLERANCE:
            self._hours.shift(offset - self._clock_offset)
            self._clock_offset = offset
        return now

    def _run(self) -> None:
        status: Status | None = None
        while True:
            self._machine.look()
            try:
                report = self._reports.get(timeout=LOOK_INTERVAL)
            except queue.Empty:
                continue
            if report is None:
                break
            status = self._status(report)
            self._write(status)
        if status is not None:
            now = uptime()
            self._write(replace(status, running=False, written_at=now + status.clock_offset, written_uptime=now))

    def _write(self, status: Status) -> None:
        try:
            write_status(self._folder, status)
        except OSError as error:  # such as a full memory: the mirror goes on, and the next one may succeed
            if not self._warned:
                self._warned = True
                log.warning("The status cannot be written to %s: %s.", self._folder, error.strerror)

    def _status(self, report: _Report) -> Status:
        now, offset, moment = uptime(), report.clock_offset, report.beat.moment
        self._machine.look_at_disk(now, report.gifs_total)
        sharing = self._sharing()
        faults = [*report.beat.faults, *filter(None, [report.failure]), *self._machine.faults]
        if sharing.enabled and sharing.address is None and now - self._started > SHARING_GRACE:
            faults.append(NOT_SERVED)
        faults = list(dict.fromkeys(faults))  # a GIF without a code says the same
        self._fault_log.see(faults, now)
        if self._well != (not faults):
            self._well, self._since = not faults, now
        averages = report.beat.averages
        return Status(
            version=self._facts.version,
            running=True,
            written_at=now + offset,
            written_uptime=now,
            well=self._well,
            since=self._since + offset,
            since_uptime=self._since,
            faults=tuple(faults),
            frames=averages and Frames(round(averages.fps, 1), round(averages.latency_ms, 1)),
            estimator=EstimatorStatus(report.device, self._facts.model),
            hardware=self._machine.hardware,
            disk=self._machine.disk,
            library=LibraryStatus(moment.library, moment.people, moment.pictures, moment.collection),
            sharing=sharing,
            hours=report.hours,
            past_faults=tuple(
                replace(fault, first_seen=fault.first_seen + offset, last_seen=fault.last_seen + offset)
                for fault in self._fault_log.newest()
            ),
        )

    def _sharing(self) -> SharingStatus:
        if not self._facts.is_shared:
            return SharingStatus()
        address = read_address(runtime_folder())
        return SharingStatus(True, address.url if address else None)


def _fault_log_after(before: Status | None) -> FaultLog:
    """Return the faults that the mirror before knew, and that it ended unexpectedly, if it did."""
    if before is None:
        return FaultLog()
    offset = before.clock_offset
    fault_log = FaultLog(
        replace(fault, first_seen=fault.first_seen - offset, last_seen=fault.last_seen - offset)
        for fault in before.past_faults
    )
    if before.running:
        fault_log.see([RESTARTED], before.written_uptime)
    return fault_log


@contextmanager
def open_reporter(facts: MirrorFacts, counters: Counters, device: Callable[[], str]) -> Iterator[StatusReporter | None]:
    """Open a reporter, and close it at the end; yield None where there is no folder in memory."""
    folder = own_folder()
    if folder is None:
        yield None
        return
    reporter = StatusReporter(folder, facts, counters, device)
    try:
        yield reporter
    finally:
        reporter.close()
