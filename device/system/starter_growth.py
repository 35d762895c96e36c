"""Draw the rest of the starter library while the mirror runs, in a process that uses only idle time.

The process ends with the mirror, even one that is killed. The pictures drawn so far stay, and the next start resumes.
"""

from __future__ import annotations

import logging
import os
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
from index.errors import LibraryError
from index.library import load_manifest
from models import files
from models.processes import raise_oom_score, spawn_python

MIN_FREE_BYTES: Final = 700_000_000
"""Bytes that must be free on the disk: three times what the complete starter library takes."""

GRACE_SECONDS: Final = 2.5
"""Seconds the process has to tidy up. If that is not enough, the next process that draws does it."""

STEP_BACK: Final = "import os; os.nice(19); os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))"
"""Gives the process the lowest priority there is, before it imports anything large."""

KILLED_SECONDS: float = 0.5
"""Seconds in which a killed process should be gone. A busy machine may need longer, and the mirror does not wait."""

log = logging.getLogger(__name__)


@contextmanager
def grow_in_background(folder: Path, *, count: int = PICTURE_COUNT, step: int = PICTURES_PER_STEP) -> Iterator[None]:
    """Draw the starter library in `folder` up to `count` pictures in another process, while the context is open.

    The library is swapped every `step` pictures. No process starts if the library is complete. If the folder cannot be
    written to, or the disk has too little room, none starts either, and the log says why.
    """
    try:
        if load_manifest(folder).pictures >= count:
            yield
            return
    except LibraryError:
        pass
    obstacle = _find_obstacle(folder.parent)
    if obstacle:
        log.info("The starter library does not grow: %s.", obstacle)
        yield
        return
    process = _start_process(folder, count, step)
    try:
        yield
    finally:
        _stop_process(process)


def _find_obstacle(folder: Path) -> str | None:
    """Return why a library cannot grow in a folder, or None."""
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"{folder} cannot be written to"
    free = files.free_bytes(folder)
    if free is not None and free < MIN_FREE_BYTES:
        return f"only {free / 1e6:.0f} MB are free in {folder}, and {MIN_FREE_BYTES / 1e6:.0f} MB must be"
    return None


def _start_process(folder: Path, count: int, step: int) -> subprocess.Popen[bytes]:
    """Start a process that runs `main`. Its standard input ends when the mirror ends, and tells it so."""
    return spawn_python(
        f"{STEP_BACK}; from device.system.starter_growth import main; main()",
        folder,
        str(count),
        str(step),
        stdin=subprocess.PIPE,
        env={"OPENBLAS_NUM_THREADS": "1"},
    )


def _stop_process(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    with suppress(
        OSError
    ):  # an idle process would get no time to tidy up on a busy machine; not every user may do this
        os.sched_setscheduler(process.pid, os.SCHED_OTHER, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, process.pid, 0)
    process.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
    process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(KILLED_SECONDS)


def main() -> None:
    """Draw until the library is complete or the mirror ends. An unfinished library is deleted."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    raise_oom_score(1000)  # if memory runs out, this process is the first to go
    cv2.setNumThreads(1)
    try:
        grow(Path(sys.argv[1]), int(sys.argv[2]), step=int(sys.argv[3]), workers=1)
    except LibraryError as error:
        sys.exit(f"The starter library does not grow: {error}")


def _exit_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGTERM)
