"""Keep one harmless message of the runtime off stderr: "INFO: Created TensorFlow Lite XNNPACK delegate for CPU."

The runtime prints it once in each process, from C, and has no setting for it that Python can reach. While it may come,
C's `stderr` stands for a file in memory; everything else that was written to it is then printed. No descriptor changes,
so what Python, other threads and other processes print goes where it always went.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

UNWANTED: Final = b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU."

_lock = threading.Lock()
_done = False


@contextmanager
def hide_greeting() -> Iterator[None]:
    """Hide the message while the first model's memory is allocated; do nothing once that has succeeded."""
    global _done
    if _done:
        yield
        return
    messages: list[bytes] = []
    try:
        with _lock, _capture_c_stderr(messages):
            yield
            _done = True
    finally:
        rest = b"".join(line for line in b"".join(messages).splitlines(keepends=True) if line.strip() != UNWANTED)
        if rest:
            os.write(2, rest)


@contextmanager
def _capture_c_stderr(messages: list[bytes]) -> Iterator[None]:
    """Let C's `stderr`, which glibc's manual allows to be set, stand for a file in memory; add its content to the list.

    The file stays open, as another thread may be about to write to it.
    """
    libc = ctypes.CDLL(None)
    libc.fdopen.restype = ctypes.c_void_p
    libc.fflush.argtypes = [ctypes.c_void_p]
    stderr = ctypes.c_void_p.in_dll(libc, "stderr")
    descriptor, before = os.memfd_create("pose-mirror-stderr"), stderr.value
    stderr.value = libc.fdopen(descriptor, b"w")
    try:
        yield
    finally:
        libc.fflush(stderr)
        stderr.value = before
        messages.append(os.pread(descriptor, os.fstat(descriptor).st_size, 0))
