"""A run of `soak.py`: the mirror's process, its presses, and the faults that are injected, one after the other."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field

from benchmarks.soak_faults import Fault, Workspace
from benchmarks.soak_watch import Reports, Sample, is_well

QUIET_SECONDS = 30.0
"""Seconds without a fault at the beginning and at the end, in which processes, files and memory are counted."""

GAP_SECONDS = (4.0, 15.0)
"""Fewest and most seconds between two faults."""

PRESS_SECOND = 30.0
"""The second of each minute at which the button is pressed."""

RECORDING_SECONDS = 1.5
"""Seconds of the recording after which the mirror is ended; a recording takes five."""


@dataclass
class FaultRecord:
    """How a fault went: when it struck, what was shown, and how many seconds until the mirror was well again (None:
    never)."""

    fault: Fault
    started: float
    ended: float = 0.0
    sentences: list[str] = field(default_factory=list)
    was_announced: bool = True
    recovery_seconds: float | None = None


@dataclass
class Soak:
    """A run: the mirror's process, the samples of it, and what was done to it."""

    workspace: Workspace
    mirror: subprocess.Popen[str]
    reports: Reports
    minutes: float
    started: float
    samples: list[Sample] = field(default_factory=list)
    fault_records: list[FaultRecord] = field(default_factory=list)
    presses: list[float] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    error: str = ""

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.started

    def press(self, *, expect_gif: bool = True) -> bool:
        """Press the space bar by a signal, which the mirror's witness turns into a key; return False while a
        recording is going on.

        With `expect_gif` the press must lead to a GIF, or to a sentence that says why not.
        """
        if self.reports.phase != "idle":
            return False
        if expect_gif:
            self.presses.append(time.monotonic())
        self.mirror.send_signal(signal.SIGUSR1)
        return True

    def start_recording(self) -> str:
        """Get into the middle of a recording that needs no result, and return the recorder's phase."""
        pressed = time.monotonic()
        if self.mirror.poll() is None and self.press(expect_gif=False):
            self.reports.wait(lambda report: report["phase"] == "recording", pressed, 10)
            time.sleep(RECORDING_SECONDS)
        return self.reports.phase

    def inject_all(self, faults: list[Fault], rng: random.Random) -> None:
        """Inject one fault after the other, each kind as often, until the quiet end. Runs in a thread."""
        bag: list[Fault] = []
        try:
            while faults and not self.stopped.wait(rng.uniform(*GAP_SECONDS)):
                if not bag:
                    bag = rng.sample(faults, len(faults))
                fault = bag.pop()
                if fault.needs_press and not self._wait_between_presses():
                    return
                if self.elapsed > 60 * self.minutes - QUIET_SECONDS - fault.seconds[1] - 30:
                    return
                self._inject(fault, rng.uniform(*fault.seconds))
        except Exception as error:
            self.error = f"{type(error).__name__}: {error}"
            raise

    def _wait_between_presses(self) -> bool:
        """Wait until the minute's press is over and the next is far; return False when the run ends."""
        while not 50 <= self.elapsed % 60 < 55:
            if self.stopped.wait(0.5):
                return False
        return True

    def _inject(self, fault: Fault, seconds: float) -> None:
        start = time.monotonic()
        if fault.needs_press:
            while not self.press() and not self.stopped.wait(0.2):
                pass
            self.stopped.wait(1.0)
        record = FaultRecord(fault, start)
        self.fault_records.append(record)
        with fault.inject(self.workspace):
            self.stopped.wait(seconds)
            if fault.message_pattern:
                pattern = re.compile(fault.message_pattern)
                record.was_announced = (
                    self.reports.wait(lambda report: any(map(pattern.search, _sentences(report))), start, 25)
                    is not None
                )
        end = time.monotonic()
        self.stopped.wait(1.5)  # a fault may have no effect on the screen at all
        well_report = self.reports.wait(is_well, end if seconds else self._last_unwell(start, end), 40)
        record.recovery_seconds = (
            None if well_report is None else max(well_report["at"] - (end if seconds else start), 0.0)
        )
        record.sentences, record.ended = self.reports.sentences_since(start), time.monotonic()

    def _last_unwell(self, struck: float, mended: float) -> float:
        """Return when the mirror was first unwell since the fault, or `mended` if it never was."""
        report = self.reports.wait(lambda candidate: not is_well(candidate), struck, 0)
        return mended if report is None else report["at"]


def _sentences(report: dict[str, object]) -> list[str]:
    """Return the sentences on the screen."""
    faults = report["faults"]
    assert isinstance(faults, list)
    return [*faults, str(report["notice"] or "")]
