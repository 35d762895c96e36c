"""Show the progress of long work on stderr: a bar on a terminal, a line every ten seconds in a log."""

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
"""Seconds between two lines in a log: often enough to see that it works, rare enough for a build of hours."""

RATE_SAMPLES: Final = 7
"""Lines over which the rate is averaged: the last minute, as one folder's photos can be ten times another's."""


@contextmanager
def progress_reporter() -> Iterator[ProgressCallback]:
    """Yield a callback that shows on stderr how many are done, the total, the rate and the time left."""
    if not sys.stderr.isatty():
        yield LineReporter()
        return
    with progress_bar(MofNCompleteColumn(), RateColumn(), TimeRemainingColumn()) as bar, _redirect_logging():
        task = bar.add_task("Starting", total=None)

        def show(done: int, total: int | None, what: str) -> None:
            if what != bar.tasks[0].description or done < bar.tasks[0].completed:
                bar.reset(task, completed=done)  # each step of the work has a rate of its own
            bar.update(task, completed=done, total=total, description=what)

        yield show


def progress_bar(*columns: ProgressColumn) -> Progress:
    """Return a bar for stderr, after a description and before `columns`. It disappears when the work is done.

    Without a terminal nothing is shown; Rich would print an empty line.
    """
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),  # brackets in a file's name are not markup
        BarColumn(),
        *columns,
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )


@contextmanager
def _redirect_logging() -> Iterator[None]:
    """Send log lines above the bar: Rich replaces `sys.stderr`, but log handlers keep the stream they began with."""
    with ExitStack() as stack:
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler):
                previous = handler.setStream(sys.stderr)
                stack.callback(handler.setStream, previous or sys.stderr)
        yield


class RateColumn(ProgressColumn):
    """A column with the present rate."""

    def render(self, task: Task) -> Text:
        """Return the rate; an empty text until it is known."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.1f} a second")


class LineReporter:
    """A `ProgressCallback` that prints a line every `interval` seconds, for logs, systemd and pipes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, interval: float = LOG_INTERVAL) -> None:
        self._clock = clock
        self._interval = interval
        self._done, self._what = 0, ""
        self._marks = deque([(clock(), 0)], maxlen=RATE_SAMPLES)

    def __call__(self, done: int, total: int | None, what: str) -> None:
        now = self._clock()
        if what != self._what or done < self._done:
            # each step of the work has a rate of its own; a resumed one begins with what was already done
            self._marks = deque([(now, done)], maxlen=RATE_SAMPLES)
        self._done, self._what = done, what
        if now - self._marks[-1][0] < self._interval:
            return
        start, done_before = self._marks[0]
        self._marks.append((now, done))
        rate = (done - done_before) / (now - start)
        time_left = f", {format_duration((total - done) / rate)} left" if total and rate else ""
        of_total = f" of {total:,}" if total else ""
        print(f"{what}: {done:,}{of_total}, {rate:,.1f} a second{time_left}", file=sys.stderr, flush=True)
