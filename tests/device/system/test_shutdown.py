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

from device.system.shutdown import close_all


def test_parts_end_at_the_same_time() -> None:
    began = time.monotonic()
    close_all(**{f"part{number}": lambda: time.sleep(0.2) for number in range(10)})
    assert 0.2 <= time.monotonic() - began < 1.0


def test_a_part_that_hangs_is_named_and_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    hangs, ended = threading.Event(), threading.Event()
    began = time.monotonic()
    close_all(0.3, camera=lambda: hangs.wait(10), gif=ended.set)
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
    close_all(camera=fails, gif=ended.set)
    assert ended.is_set()
    assert "The mirror's camera did not end in good order" in caplog.text
    assert "The bus is gone." in caplog.text


HANGS = """
import sys, time
from device.cli import main as cli
cli.EXIT_TIMEOUT = 0.5
def hang(asked):
    try:
        print("here", flush=True)
        time.sleep(60)
    finally:
        time.sleep(60)
cli._load_command = lambda function: hang
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
import os, signal, sys, time, weakref
from device.cli import main as cli
def signalled(*_):
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.01)
class Dies:
    __del__ = signalled
class Referred:
    pass
def destructor():
    Dies()
def weak_reference():
    referred = Referred()
    kept = weakref.ref(referred, signalled)
    del referred
def clears_errors():
    try:  # as C code does without a word
        signalled()
    except BaseException:
        pass
def run(asked):
    globals()[sys.argv[1]]()
    print("lost", flush=True)
    try:
        time.sleep(20)
    finally:
        try:
            [][0]
        except IndexError:
            signalled()
        signalled()
        time.sleep(0.2)
        print("cleared up", flush=True)
cli._load_command = lambda function: run
sys.exit(cli.main(sys.argv[2:]))
"""


@pytest.mark.parametrize("place", ["destructor", "weak_reference", "clears_errors"])
@pytest.mark.parametrize(("words", "status"), [(["run"], 0), (["index", "info", "x"], 128 + signal.SIGTERM)])
def test_a_signal_whose_exception_is_lost_ends_the_program_all_the_same_and_once(
    words: list[str], status: int, place: str
) -> None:
    program = [sys.executable, "-c", LOSES, place, *words]
    ran = subprocess.run(program, capture_output=True, text=True, timeout=10, check=False)
    assert ran.returncode == status, ran.stderr
    assert ran.stdout == "lost\ncleared up\n"


IMPORTS = """
import sys, time
from device.cli import main as cli
def run(asked):
    import slow
    time.sleep(20)
cli._load_command = lambda function: run
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
