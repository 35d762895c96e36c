"""One heap for all threads, and free memory returned to the system: glibc itself is asked, in another process."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these heaps")

LIST_HEAPS = """
import ctypes, os, sys, threading
from device.system import heap
if "configured" in sys.argv:
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

TRIM = """
import os
from device.system import heap
def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
pieces = [bytes(100_000) for _ in range(1000)]
kept = pieces[::50]
del pieces
before = resident_bytes()
heap.trim()
print(before - resident_bytes())
"""


def output_of(program: str, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    ).stdout


def test_all_threads_share_one_heap() -> None:
    assert output_of(LIST_HEAPS).count("<heap nr=") > 1, "without this, the next line would prove nothing"
    assert output_of(LIST_HEAPS, "configured").count("<heap nr=") == 1


def test_returns_free_memory_between_objects() -> None:
    assert int(output_of(TRIM)) > 50_000_000
