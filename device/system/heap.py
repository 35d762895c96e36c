"""Keep the memory of a process that runs for weeks from growing, while pictures come and go in several threads.

glibc gives each thread a heap of its own. What is freed stays in that heap, in pieces between memory still in use, and
glibc puts ever larger objects there. The process then grows little by little although it does not use more memory. See
mallopt(3) and malloc_trim(3). With another C library, both functions do nothing.
"""

from __future__ import annotations

import contextlib
import ctypes
from typing import Final

M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3
M_ARENA_MAX: Final = -8
"""mallopt's parameters, from malloc.h."""

MMAP_THRESHOLD_BYTES: Final = 2_000_000
"""Bytes from which memory is taken from the system directly, and returned to it as soon as it is freed.

Photos are larger. A camera's frames, which come 30 times a second, are smaller and reuse memory of the heap.
"""

TRIM_THRESHOLD_BYTES: Final = 16_000_000
"""Free bytes that may stay at the end of the heap, so that each frame's pictures need not ask the system again."""


def configure() -> None:
    """Use one heap for all threads, and take large objects from the system. Call it before starting any thread.

    One heap is enough, because the interpreter's lock keeps the threads apart in any case.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_ARENA_MAX, 1)
        libc.mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES)
        libc.mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD_BYTES)


def trim() -> None:
    """Return free memory to the system."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
