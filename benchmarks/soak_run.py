"""A run of `soak.py`: the mirror's process, its presses, and the faults that are thrown at it, one after the other."""

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
"""Seconds without a fault at the beginning and at the end, when what there is is counted."""

GAP_SECONDS = (4.0, 15.0)
"""Seconds between two faults, at least and at most."""

PRESS_SECOND = 30.0
"""The second of each minute at which the button is pressed."""

RECORDING_SECONDS = 1.5
"""Seconds of the five of a recording in which the mirror is ended."""


@dataclass
class FaultRecord:
    """One fault as it went: when, what was said, and how many seconds until the mirror was well again (None: never)."""

    fault: Fault
    started: float
    ended: float = 0.0
    sentences: list[str] = field(default_factory=list)
    was_announced: bool = True
    recovery_seconds: float | None = None


@dataclass
class Soak:
    """A run: the mirror's process, what was seen of it and done to it."""

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
        """The space bar, by a signal that the mirror's witness makes one of; False while the last is not done with.

        Of a press that `expect_gif` a GIF is to come, or a sentence why not.
        """
        if self.reports.phase != "idle":
            return False
        if expect_gif:
            self.presses.append(time.monotonic())
        self.mirror.send_signal(signal.SIGUSR1)
        return True

    def start_recording(self) -> str:
        """Get into the middle of a recording, of which nothing is to come; what the recorder is at then."""
        pressed = time.monotonic()
        if self.mirror.poll() is None and self.press(expect_gif=False):
            self.reports.wait(lambda one: one["phase"] == "recording", pressed, 10)
            time.sleep(RECORDING_SECONDS)
        return self.reports.phase

    def inject_all(self, faults: list[Fault], rng: random.Random) -> None:
        """The thread: one fault after the other, each kind as often, until it is time for the quiet end."""
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
        """Wait until the last press of the minute is over and the next is far; False when the run is over."""
        while not 50 <= self.elapsed % 60 < 55:
            if self.stopped.wait(0.5):
                return False
        return True

    def _inject(self, fault: Fault, seconds: float) -> None:
        struck = time.monotonic()
        if fault.needs_press:
            while not self.press() and not self.stopped.wait(0.2):
                pass
            self.stopped.wait(1.0)
        thrown = FaultRecord(fault, struck)
        self.fault_records.append(thrown)
        with fault.inject(self.workspace):
            self.stopped.wait(seconds)
            if fault.message_pattern:
                pattern = re.compile(fault.message_pattern)
                thrown.was_announced = (
                    self.reports.wait(lambda one: any(map(pattern.search, _sentences(one))), struck, 25) is not None
                )
        mended = time.monotonic()
        self.stopped.wait(1.5)  # for a fault that nobody would notice, the mirror goes on all the same
        again = self.reports.wait(is_well, mended if seconds else self._last_unwell(struck, mended), 40)
        thrown.recovery_seconds = None if again is None else max(again["at"] - (mended if seconds else struck), 0.0)
        thrown.sentences, thrown.ended = self.reports.sentences_since(struck), time.monotonic()

    def _last_unwell(self, struck: float, mended: float) -> float:
        """When the mirror was last seen unwell since the fault; where it never was, when that was clear."""
        unwell = self.reports.wait(lambda one: not is_well(one), struck, 0)
        return mended if unwell is None else unwell["at"]


def _sentences(report: dict[str, object]) -> list[str]:
    faults = report["faults"]
    assert isinstance(faults, list)
    return [*faults, str(report["notice"] or "")]
