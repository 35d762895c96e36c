"""The mirror's end: all parts at once, none waited for too long, and the kernel's help where all else hangs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from device.ending import together


def test_parts_end_at_the_same_time() -> None:
    began = time.monotonic()
    together(**{f"part{number}": lambda: time.sleep(0.2) for number in range(10)})
    assert 0.2 <= time.monotonic() - began < 1.0


def test_a_part_that_hangs_is_named_and_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    hangs, ended = threading.Event(), threading.Event()
    began = time.monotonic()
    together(0.3, camera=lambda: hangs.wait(10), gif=ended.set)
    assert time.monotonic() - began < 1.0
    assert ended.is_set()
    assert [record.getMessage() for record in caplog.records] == [
        "The mirror's camera does not end, and is left behind."
    ]
    hangs.set()


def test_what_a_part_raises_keeps_no_other_from_its_end(caplog: pytest.LogCaptureFixture) -> None:
    def fails() -> None:
        raise OSError("The bus is gone.")

    ended = threading.Event()
    together(camera=fails, gif=ended.set)
    assert ended.is_set()
    assert "The mirror's camera did not end in good order" in caplog.text
    assert "The bus is gone." in caplog.text


HANGS = """
import sys, time
from device import cli
cli.PATIENCE = 0.5
def hang(asked):
    try:
        print("here", flush=True)
        time.sleep(60)
    finally:
        time.sleep(60)
cli._later = lambda module, name: hang
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("words", "status", "within"), [(["run"], -signal.SIGALRM, 5.0), (["index", "info", "x"], None, 1.5)]
)
def test_the_kernel_ends_a_mirror_that_hangs_and_no_other_command(
    words: list[str], status: int | None, within: float
) -> None:
    """A build clears up as long as that takes; a mirror's visitors, and who stops it, do not wait."""
    with subprocess.Popen([sys.executable, "-c", HANGS, *words], stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None
            assert program.stdout.readline() == "here\n"
            program.send_signal(signal.SIGTERM)
            if status is None:
                with pytest.raises(subprocess.TimeoutExpired):
                    program.wait(within)
            else:
                assert program.wait(within) == status
        finally:
            program.kill()


LOSES = """
import gc, os, signal, sys, time, weakref
from device import cli
number = signal.Signals[sys.argv[1]]
def signalled(*_):
    os.kill(os.getpid(), number)
    time.sleep(0.01)
class Loses:
    def __init__(self):
        self.myself = self
class Dies(Loses):
    __del__ = signalled
def run(asked):
    if sys.argv[2] == "destructor":
        Dies()
    else:
        kept = weakref.ref(Loses(), signalled)
    print("lost", flush=True)
    gc.collect()
    try:
        time.sleep(20)
    finally:
        print("cleared up", flush=True)
cli._later = lambda module, name: run
sys.exit(cli.main(["run"]))
"""


@pytest.mark.parametrize("place", ["destructor", "weak reference"])
@pytest.mark.parametrize(("number", "status"), [("SIGTERM", 0), ("SIGINT", 128 + signal.SIGINT)])
def test_a_signal_whose_exception_python_loses_ends_the_program_all_the_same(
    number: str, status: int, place: str
) -> None:
    program = [sys.executable, "-c", LOSES, number, place]
    ran = subprocess.run(program, capture_output=True, text=True, timeout=10, check=False)
    assert ran.returncode == status, ran.stderr
    assert ran.stdout == "lost\ncleared up\n"
    assert ran.stderr == ""


IMPORTS = """
import sys, time
from device import cli
def run(asked):
    import slow
    time.sleep(20)
cli._later = lambda module, name: run
sys.exit(cli.main(["run"]))
"""

SLOW = """
import os, signal, time
os.kill(os.getpid(), signal.SIGTERM)
class Named:
    def __set_name__(self, owner, name):
        time.sleep(0.2)  # Python 3.11 makes a RuntimeError of whatever is raised here
try:
    class Owner:
        name = Named()
except Exception:
    print("took it for its own")
print("imported", flush=True)
"""


def test_an_import_is_finished_before_the_program_ends(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    words = [sys.executable, "-c", IMPORTS]
    ran = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=10, check=False)
    assert ran.stdout == "imported\n"
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""


def test_what_else_a_destructor_raises_is_told_as_ever() -> None:
    program = LOSES.replace("__del__ = signalled", "__del__ = lambda self: 1 / 0").replace("sleep(20)", "sleep(0.01)")
    words = [sys.executable, "-c", program, "SIGTERM", "destructor"]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=10, check=False)
    assert "ZeroDivisionError" in ran.stderr
