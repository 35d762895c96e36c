"""A run of `soak.py`: the mirror's process, its presses, and the faults that are thrown at it, one after the other."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field

from benchmarks.soak_faults import Fault, Place
from benchmarks.soak_watch import Reports, Sample, well

QUIET = 30.0
"""Seconds without a fault at the beginning and at the end, when what there is is counted."""

GAP = (4.0, 15.0)
"""Seconds between two faults, at least and at most."""

PRESS_AT = 30.0
"""The second of each minute at which the button is pressed."""

RECORDED = 1.5
"""Seconds of the five of a recording in which the mirror is ended."""


@dataclass
class Thrown:
    """One fault as it went: when, what was said, and how many seconds until the mirror was well again (None: never)."""

    fault: Fault
    struck: float
    ended: float = 0.0
    said: list[str] = field(default_factory=list)
    told: bool = True
    back: float | None = None


@dataclass
class Soak:
    """A run: the mirror's process, what was seen of it and done to it."""

    place: Place
    mirror: subprocess.Popen[str]
    reports: Reports
    minutes: float
    started: float
    samples: list[Sample] = field(default_factory=list)
    thrown: list[Thrown] = field(default_factory=list)
    presses: list[float] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    broken: str = ""

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.started

    def press(self, *, counts: bool = True) -> bool:
        """The space bar, by a signal that the mirror's witness makes one of; False while the last is not done with.

        Of a press that `counts` a GIF is to come, or a sentence why not.
        """
        if self.reports.phase != "idle":
            return False
        if counts:
            self.presses.append(time.monotonic())
        self.mirror.send_signal(signal.SIGUSR1)
        return True

    def press_and_begin_to_record(self) -> str:
        """Get into the middle of a recording, of which nothing is to come; what the recorder is at then."""
        pressed = time.monotonic()
        if self.mirror.poll() is None and self.press(counts=False):
            self.reports.wait(lambda one: one["phase"] == "recording", pressed, 10)
            time.sleep(RECORDED)
        return self.reports.phase

    def throw_all(self, faults: list[Fault], chance: random.Random) -> None:
        """The thread: one fault after the other, each kind as often, until it is time for the quiet end."""
        bag: list[Fault] = []
        try:
            while faults and not self.over.wait(chance.uniform(*GAP)):
                if not bag:
                    bag = chance.sample(faults, len(faults))
                fault = bag.pop()
                if fault.presses and not self._between_presses():
                    return
                if self.elapsed > 60 * self.minutes - QUIET - fault.seconds[1] - 30:
                    return
                self._throw(fault, chance.uniform(*fault.seconds))
        except Exception as error:
            self.broken = f"{type(error).__name__}: {error}"
            raise

    def _between_presses(self) -> bool:
        """Wait until the last press of the minute is over and the next is far; False when the run is over."""
        while not 50 <= self.elapsed % 60 < 55:
            if self.over.wait(0.5):
                return False
        return True

    def _throw(self, fault: Fault, seconds: float) -> None:
        struck = time.monotonic()
        if fault.presses:
            while not self.press() and not self.over.wait(0.2):
                pass
            self.over.wait(1.0)
        thrown = Thrown(fault, struck)
        self.thrown.append(thrown)
        with fault.throw(self.place):
            self.over.wait(seconds)
            if fault.says:
                pattern = re.compile(fault.says)
                thrown.told = (
                    self.reports.wait(lambda one: any(map(pattern.search, _sentences(one))), struck, 25) is not None
                )
        mended = time.monotonic()
        self.over.wait(1.5)  # for a fault that nobody would notice, the mirror goes on all the same
        again = self.reports.wait(well, mended if seconds else self._worst(struck, mended), 40)
        thrown.back = None if again is None else max(again["at"] - (mended if seconds else struck), 0.0)
        thrown.said, thrown.ended = self.reports.said(struck), time.monotonic()

    def _worst(self, struck: float, mended: float) -> float:
        """When the mirror was last seen unwell since the fault; where it never was, when that was clear."""
        unwell = self.reports.wait(lambda one: not well(one), struck, 0)
        return mended if unwell is None else unwell["at"]


def _sentences(report: dict[str, object]) -> list[str]:
    faults = report["faults"]
    assert isinstance(faults, list)
    return [*faults, str(report["notice"] or "")]
