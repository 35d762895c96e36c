"""The mirror's end: all parts at once, none waited for too long, and the kernel's help where all else hangs."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

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


SWALLOWS = """
import os, signal, sys, time
from device import cli
class Swallows:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.1)
def imported(name):
    Swallows()
    return sys.modules["__main__"]
cli.import_module = imported
def run(asked):
    print("it ran", flush=True)
    return 3
sys.exit(cli.main(["run"]))
"""


def test_a_signal_that_an_import_swallows_ends_the_mirror_when_that_is_done() -> None:
    ran = subprocess.run([sys.executable, "-c", SWALLOWS], capture_output=True, text=True, timeout=20, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == ""
    assert "SystemExit" in ran.stderr, "Python says that it was ignored"
