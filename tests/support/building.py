"""A build in a process of its own, for tests that end it: `python building.py PHOTOS OUT WORKERS [DEADLY]`.

Prints each word of progress. DEADLY (module:function:before or after) is where it kills itself.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from index.build.pipeline import BuildOptions, build
from index.build.scan import ScanSettings
from tests.support.finders import LoggingFinder


def main(photos: str, out: str, workers: str, deadly: str = "") -> None:
    if deadly:
        module, name, when = deadly.split(":")
        found = importlib.import_module(module)
        setattr(found, name, kill_around(getattr(found, name), when))
    settings, options = ScanSettings(LoggingFinder, ("m", "1")), BuildOptions(workers=int(workers))
    report = build([Path(photos)], Path(out), settings, options, print_progress)
    print("done", report.scanned, report.resumed, flush=True)


def print_progress(done: int, total: int | None, what: str) -> None:
    print(what, done, flush=True)


def kill_around(call: Callable[..., Any], when: str) -> Callable[..., Any]:
    """Ends this process, as `kill -9` does, before or after a call."""

    @wraps(call)
    def ending(*arguments: Any, **named: Any) -> None:
        if when == "after":
            call(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    return ending


if __name__ == "__main__":
    main(*sys.argv[1:])
