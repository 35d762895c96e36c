"""The memory of a process that runs for weeks, with pictures coming and going in several threads.

glibc gives each thread a heap of its own, keeps what is freed in each, in pieces between what stays, and puts ever
larger pieces there: little by little the process grows, though it uses no more. (mallopt(3), malloc_trim(3); another C
library does as it likes.)
"""

from __future__ import annotations

import contextlib
import ctypes
from typing import Final

TRIM_THRESHOLD: Final = -1
MMAP_THRESHOLD: Final = -3
ARENA_MAX: Final = -8
"""Of malloc.h."""

LARGE: Final = 2_000_000
"""Bytes from which a piece is no part of the heap, and goes back at once: photos are larger, a camera's pictures, which
come 30 times a second, smaller."""

SPARE: Final = 16_000_000
"""Bytes that the heap may keep at its end, so that a frame's pictures need not be asked for anew each time."""


def settle() -> None:
    """One heap for all threads, and large pieces outside of it; to be called before there are any threads.

    The interpreter's lock keeps them apart in any case.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(ARENA_MAX, 1)
        libc.mallopt(MMAP_THRESHOLD, LARGE)
        libc.mallopt(TRIM_THRESHOLD, SPARE)


def give_back() -> None:
    """What is free goes back to the system."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
