"""One heap for all threads, and what is free of it given back: asked of glibc itself, in a process of its own."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library does as it likes")

HEAPS = """
import ctypes, os, sys, threading
from device.system import heap
if "settled" in sys.argv:
    heap.configure()
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
libc.malloc_info.argtypes = ctypes.c_int, ctypes.c_void_p
threads = [threading.Thread(target=libc.malloc, args=(1000,)) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
file = libc.fopen(b"/dev/stdout", b"w")
libc.malloc_info(0, file)
libc.fflush(None)
"""

GIVEN_BACK = """
import os
from device.system import heap
def held():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
pieces = [bytes(100_000) for _ in range(1000)]
kept = pieces[::50]
del pieces
before = held()
heap.trim()
print(before - held())
"""


def told(program: str, *words: str) -> str:
    return subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=True).stdout


def test_all_threads_share_one_heap() -> None:
    assert told(HEAPS).count("<heap nr=") > 1, "else there is nothing to share"
    assert told(HEAPS, "settled").count("<heap nr=") == 1


def test_what_is_free_between_other_things_goes_back_to_the_system() -> None:
    assert int(told(GIVEN_BACK)) > 50_000_000
