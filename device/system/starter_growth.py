"""The starter library goes on growing while the mirror runs, in a process that takes only time nobody else wants.

The process ends with the mirror, however that ends. What it has drawn until then stays, and the next start goes on.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import cv2

from index.build.starter import PICTURE_COUNT, PICTURES_PER_STEP, grow
from index.library import LibraryError, load_manifest
from models.processes import raise_oom_score, spawn_python

MIN_FREE_BYTES: Final = 500_000_000
"""Bytes that must be free on the disk: three times what the whole starter library takes."""

GRACE_SECONDS: Final = 2.5
"""Seconds that the process has for clearing up; where they do not suffice, who draws next does it."""

log = logging.getLogger(__name__)


@contextmanager
def grow_in_background(folder: Path, *, count: int = PICTURE_COUNT, step: int = PICTURES_PER_STEP) -> Iterator[None]:
    """Has another process draw what the starter library in `folder` lacks of `count`, as long as the context is open.

    Where that cannot be, or all is drawn, there is no process.
    """
    try:
        if load_manifest(folder).pictures >= count:
            yield
            return
    except LibraryError:
        pass
    obstacle = _obstacle(folder.parent)
    if obstacle:
        log.info("The starter library stays as it is: %s.", obstacle)
        yield
        return
    process = _start_process(folder, count, step)
    try:
        yield
    finally:
        _stop_process(process)


def _obstacle(place: Path) -> str | None:
    """Why a library cannot grow in a folder."""
    if not os.access(place, os.W_OK | os.X_OK):
        return f"{place} cannot be written to"
    free = shutil.disk_usage(place).free
    return f"only {free / 1e6:.0f} MB are free in {place}" if free < MIN_FREE_BYTES else None


def _start_process(folder: Path, count: int, step: int) -> subprocess.Popen[bytes]:
    """A process that runs `main`. Its standard input is never written to: when that ends, the mirror has ended."""
    idle = "import os; os.nice(19); os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))"
    return spawn_python(
        f"{idle}; from device.system.starter_growth import main; main()",
        folder,
        str(count),
        str(step),
        stdin=subprocess.PIPE,
        env={"OPENBLAS_NUM_THREADS": "1"},
    )


def _stop_process(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    with suppress(OSError):  # where that is allowed: on a busy machine it would have no time to clear up
        os.sched_setscheduler(process.pid, os.SCHED_OTHER, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, process.pid, 0)
    process.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
    process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(0.5)


def main() -> None:
    """The process's life: draw until all is there, or the mirror ends; half a library is cleared away."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    raise_oom_score(1000)  # of all there is, this can be spared best
    cv2.setNumThreads(1)
    try:
        grow(Path(sys.argv[1]), int(sys.argv[2]), step=int(sys.argv[3]), workers=1)
    except LibraryError as error:
        sys.exit(f"The starter library stays as it is: {error}")


def _exit_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGTERM)
