"""The runtime's greeting is hidden, and nothing else that is written to stderr."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

GREETING = "INFO: Created TensorFlow Lite XNNPACK delegate for CPU."

PROGRAM = """
import ctypes, os, sys
from models.estimator.runtime_messages import hide_greeting
libc = ctypes.CDLL(None)
libc.fputs.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
def say(text):
    libc.fputs(text, ctypes.c_void_p.in_dll(libc, "stderr"))
"""


def run(program: str, *arguments: str | Path) -> str:
    """Run a program in a process of its own, and return what it wrote to stderr."""
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM + program, *arguments], capture_output=True, text=True, check=False
    )
    assert finished.stdout == "done\n", finished.stderr
    return finished.stderr


@pytest.mark.real_machine
def test_a_start_of_the_estimator_prints_nothing(each_posenet: Path) -> None:
    load = "from pathlib import Path\nfrom models.estimator.estimator import Estimator\nmodel = Path(sys.argv[1])\n"
    assert (
        run(load + "Estimator(model).close()\nEstimator(model, size=(257, 257)).close()\nprint('done')", each_posenet)
        == ""
    )


@pytest.mark.real_machine
def test_the_runtime_still_greets(bundled_posenet: Path) -> None:
    """If the runtime stops printing it, this module can go."""
    runtime = pytest.importorskip("ai_edge_litert")
    program = (
        "from ai_edge_litert.interpreter import Interpreter\nInterpreter(sys.argv[1]).allocate_tensors()\nprint('done')"
    )
    assert GREETING in run(program, bundled_posenet), runtime


def test_other_messages_come_through() -> None:
    program = f"""
with hide_greeting():
    say(b"ERROR: before\\n")
    say(b"INFO: ")
    say(b"{GREETING.removeprefix("INFO: ")}\\n")
    say(b"ERROR: after\\n")
say(b"later\\n")
print("done")
"""
    assert run(program) == "ERROR: before\nERROR: after\nlater\n"


def test_other_messages_come_through_after_an_error() -> None:
    program = """
try:
    with hide_greeting():
        say(b"ERROR: no memory\\n")
        raise RuntimeError
except RuntimeError:
    print("done")
say(b"later\\n")
"""
    assert run(program) == "ERROR: no memory\nlater\n"


def test_python_and_children_print_at_once() -> None:
    program = """
import subprocess
with hide_greeting():
    say(b"third\\n")
    print("first", file=sys.stderr)
    subprocess.run(["sh", "-c", "echo second >&2"], check=True)
print("done")
"""
    assert run(program) == "first\nsecond\nthird\n"


def test_threads_get_their_stderr_back() -> None:
    program = """
import threading
together = threading.Barrier(4)
def allocate():
    together.wait()
    with hide_greeting():
        pass
threads = [threading.Thread(target=allocate) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
say(b"later\\n")
print("done")
"""
    assert run(program) == "later\n"
