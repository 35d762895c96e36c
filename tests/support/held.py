"""What this process holds on to, for tests that nothing is left behind.

Earlier tests' garbage may be let go of at any time. So a test asks what is held that was not, never how much there is.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import Counter
from pathlib import Path


def held_resources() -> Counter[str]:
    """This process's threads, children and open files, by name; `held() - before` is what came and stayed."""
    holds = Counter(f"thread {thread.name} ({id(thread)})" for thread in threading.enumerate())
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the listing's own
            holds[f"file {os.readlink(f'/proc/self/fd/{number}')}"] += 1
    holds.update(f"child {pid}" for pid in child_pids())
    return holds


def child_pids() -> set[int]:
    """The processes that this one has started and not waited for."""
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # a thread that ends meanwhile hands its children to another
            found.update(map(int, (task / "children").read_text().split()))
    return found
