"""The threads, processes and files of this process, for tests that nothing is left behind.

Garbage of earlier tests may be collected at any time. So tests compare what is new, never how much there is.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import Counter
from pathlib import Path


def held_resources() -> Counter[str]:
    """Return this process's threads, children and open files; `held_resources() - before` is what is new."""
    resources = Counter(f"thread {thread.name} ({id(thread)})" for thread in threading.enumerate())
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the file of the listing itself
            resources[f"file {os.readlink(f'/proc/self/fd/{number}')}"] += 1
    resources.update(f"child {pid}" for pid in child_pids())
    return resources


def child_pids() -> set[int]:
    """Return the processes that this one has started and not waited for."""
    pids: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # a thread that has just ended passes its children on
            pids.update(map(int, (task / "children").read_text().split()))
    return pids
