"""A build in its own process, for tests that kill it: `python building.py PHOTOS OUT WORKERS [MOMENT]`.

Prints every progress report. MOMENT (module:function:before or after) is where the build kills itself.
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


def main(photos: str, out: str, workers: str, moment: str = "") -> None:
    if moment:
        module_name, name, when = moment.split(":")
        module = importlib.import_module(module_name)
        setattr(module, name, kill_around(getattr(module, name), when))
    settings, options = ScanSettings(LoggingFinder, ("m", "1")), BuildOptions(workers=int(workers))
    result = build([Path(photos)], Path(out), settings, options, print_progress)
    print("done", result.scanned, result.resumed, flush=True)


def print_progress(done: int, total: int | None, step: str) -> None:
    print(f"{step} {done}", flush=True)


def kill_around(function: Callable[..., Any], when: str) -> Callable[..., Any]:
    """Return a function that kills this process, as `kill -9` does, before or after calling `function`."""

    @wraps(function)
    def killing(*args: Any, **kwargs: Any) -> None:
        if when == "after":
            function(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    return killing


if __name__ == "__main__":
    main(*sys.argv[1:])
