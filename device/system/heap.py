"""The memory of a process that runs for weeks, with pictures coming and going in several threads.

glibc gives each thread a heap of its own, keeps what is freed in each, in pieces between what stays, and puts ever
larger pieces there: little by little the process grows, though it uses no more. (mallopt(3), malloc_trim(3); another C
library does as it likes.)
"""

from __future__ import annotations

import contextlib
import ctypes
from typing import Final

M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3
M_ARENA_MAX: Final = -8
"""Of malloc.h."""

MMAP_THRESHOLD_BYTES: Final = 2_000_000
"""Bytes from which a piece is no part of the heap, and goes back at once: photos are larger, a camera's pictures, which
come 30 times a second, smaller."""

TRIM_THRESHOLD_BYTES: Final = 16_000_000
"""Bytes that the heap may keep at its end, so that a frame's pictures need not be asked for anew each time."""


def configure() -> None:
    """One heap for all threads, and large pieces outside of it; to be called before there are any threads.

    The interpreter's lock keeps them apart in any case.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_ARENA_MAX, 1)
        libc.mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES)
        libc.mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD_BYTES)


def trim() -> None:
    """What is free goes back to the system."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
