"""How far a long work is, on stderr: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import logging
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from models.progress import ProgressCallback
from models.text import format_duration

LOG_INTERVAL: Final = 10.0
"""Seconds from line to line in a log."""

RATE_SAMPLES: Final = 7
"""Lines over which the rate is taken: the last minute's, as photos of one folder can be ten times those of the next."""


@contextmanager
def progress_reporter() -> Iterator[ProgressCallback]:
    """What tells on stderr how far a work is: how many of how many, how many a second, and the time left."""
    if not sys.stderr.isatty():
        yield LineReporter()
        return
    with progress_bar(MofNCompleteColumn(), RateColumn(), TimeRemainingColumn()) as bar, _redirect_logging():
        task = bar.add_task("Looking", total=None)

        def show(done: int, total: int | None, what: str) -> None:
            if what != bar.tasks[0].description or done < bar.tasks[0].completed:
                bar.reset(task, completed=done)  # a part of the work has a rate of its own, from what was done before
            bar.update(task, completed=done, total=total, description=what)

        yield show


def progress_bar(*columns: ProgressColumn) -> Progress:
    """A bar on stderr, what is being done before it, and `columns` after it; gone when the work is done."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),  # a file's name may have brackets in it
        BarColumn(),
        *columns,
        console=Console(stderr=True),
        transient=True,
    )


@contextmanager
def _redirect_logging() -> Iterator[None]:
    """While there is a bar `sys.stderr` writes above it; what logs has held on to the one before."""
    with ExitStack() as stack:
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler):
                before = handler.setStream(sys.stderr)
                stack.callback(handler.setStream, before or sys.stderr)
        yield


class RateColumn(ProgressColumn):
    """How many are done a second, as lately."""

    def render(self, task: Task) -> Text:
        """The rate in words; nothing until it is known."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.1f} a second")


class LineReporter:
    """Called as `ProgressCallback` is, prints a line every so many seconds: for ssh, systemd and files."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, interval: float = LOG_INTERVAL) -> None:
        self._clock = clock
        self._every = interval
        self._done, self._what = 0, ""
        self._marks = deque([(clock(), 0)], maxlen=RATE_SAMPLES)

    def __call__(self, done: int, total: int | None, what: str) -> None:
        now = self._clock()
        if what != self._what or done < self._done:
            # a part of the work has a rate of its own, from what was done before
            self._marks = deque([(now, done)], maxlen=RATE_SAMPLES)
        self._done, self._what = done, what
        if now - self._marks[-1][0] < self._every:
            return
        then, before = self._marks[0]
        self._marks.append((now, done))
        rate = (done - before) / (now - then)
        left = f", {format_duration((total - done) / rate)} left" if total and rate else ""
        of = f" of {total:,}" if total else ""
        print(f"{what}: {done:,}{of}, {rate:,.1f} a second{left}", file=sys.stderr, flush=True)
