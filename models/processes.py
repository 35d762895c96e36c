"""Processes of our own: how they are started, how they begin, and that none outlives the one that started it.

There are two sorts. multiprocessing's import their parent's main module first, and are for work that is shared out:
they `init_worker`. A plain `spawn_python` imports what it needs and nothing else, and is for what runs beside the mirror.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path


def init_worker() -> None:
    """The first line of a process of multiprocessing's: it ends with its parent, which alone minds Ctrl-C.

    OpenCV gets one thread, as there are as many such processes as there is work for. SIGTERM still ends the process:
    a pool ends so what is left of it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_with_parent, name="parent", daemon=True).start()
    import cv2  # here, as the estimator's process does without

    cv2.setNumThreads(1)


def ignore_stop_signals() -> None:
    """Ctrl-C and SIGTERM, which may reach all processes at once, do nothing to this one."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def raise_oom_score(score: int) -> None:
    """Where memory runs out, the kernel is to end this process before its parent: the mirror goes on without it.

    `score` (0 to 1000) is how many thousandths of all memory are counted to it besides its own: the process with most
    goes first. (proc_pid_oom_score_adj(5); where the memory is a control group's, it is that one's.)
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
    """A Python that sees the modules we see and runs `program`, in a process group of its own: Ctrl-C is the parent's.

    `env` is what it is to find there besides ours. Raises OSError when there is no room for another process.
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
    """A parent that was killed says no goodbye, and nobody asks any more for what this process is doing."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
