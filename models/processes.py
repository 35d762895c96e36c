"""Start processes of the program, and end them when the process that started them ends.

There are two kinds. Processes of multiprocessing share work; they are started inside `starting_workers`, import their
parent's main module first, and call `init_worker`. A process of `spawn_python` runs next to the mirror, and imports
only what it needs.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from pathlib import Path

from models.signals import STOP_SIGNALS, hold_stop_signals


def init_worker() -> None:
    """Prepare a process of multiprocessing: it ends with its parent, and leaves Ctrl-C to it.

    OpenCV gets one thread, because there are as many such processes as cores. SIGTERM still ends the process: that is
    how a pool ends its workers.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    threading.Thread(target=_exit_with_parent, name="parent", daemon=True).start()
    import cv2  # not at the top, because the estimator's process imports this module and does without OpenCV

    cv2.setNumThreads(1)


@contextmanager
def starting_workers() -> Iterator[None]:
    """Start processes of multiprocessing inside this context, so that none answers Ctrl-C with a traceback.

    Ctrl-C reaches all processes of a terminal. One that is still importing would print a traceback, so it inherits
    blocked signals, which `init_worker` releases. This process also holds them back, so that it knows every worker that
    it has started.
    """
    resource_tracker.ensure_running()  # otherwise the first worker starts it, and that unblocks the signals
    with hold_stop_signals():
        yield


def ignore_stop_signals() -> None:
    """Ignore Ctrl-C and SIGTERM, which may reach all processes at once: the parent decides when this process ends."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def raise_oom_score(score: int) -> None:
    """Make the kernel kill this process before its parent when memory runs out, so that the mirror goes on.

    `score` (0 to 1000) is added to this process's use of memory, in thousandths of all memory (of its control group's
    memory, if it has a limit); the kernel kills the process with the highest sum. See proc_pid_oom_score_adj(5).
    """
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(score))


def spawn_python(
    program: str,
    *arguments: str | Path,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.DEVNULL,
    pass_fds: Sequence[int] = (),
    env: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a Python that finds the same modules as this one, and runs `program` with `arguments`.

    It is in a process group of its own, so that Ctrl-C only reaches the parent. `env` is added to this process's
    environment. Raises OSError if the system cannot start another process.
    """
    modules = os.pathsep.join(path or os.getcwd() for path in sys.path)
    return subprocess.Popen(
        [sys.executable, "-P", "-c", program, *arguments],
        env={**os.environ, "PYTHONPATH": modules, **(env or {})},
        stdin=stdin,
        stdout=stdout,
        pass_fds=pass_fds,
        process_group=0,
    )


def _exit_with_parent() -> None:
    """Wait for the parent's end and exit: a parent that is killed cannot stop its workers."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
