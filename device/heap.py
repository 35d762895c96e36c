"""The memory of a process that runs for weeks, with pictures coming and going in several threads.

glibc gives each thread a heap of its own, and keeps what is freed in each, in pieces between what stays: little by
little the process grows, though it uses no more. (mallopt(3), malloc_trim(3); another C library does as it likes.)
"""

from __future__ import annotations

import contextlib
import ctypes
from typing import Final

ARENA_MAX: Final = -8
"""M_ARENA_MAX of malloc.h."""


def share() -> None:
    """All threads are to use one heap; to be called before there are any. The interpreter's lock keeps them apart."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(ARENA_MAX, 1)


def give_back() -> None:
    """What is free goes back to the system."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
