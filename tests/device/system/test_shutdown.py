"""The mirror's end: all parts at once, no long wait for any, and the kernel's help when everything hangs."""

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


def test_closes_all_parts_at_the_same_time() -> None:
    all_at_work, closed = threading.Barrier(10), []

    def close() -> None:
        all_at_work.wait(60)
        closed.append(True)

    close_all(60, **{f"part{number}": close for number in range(10)})
    assert len(closed) == 10, "each waits for all others"


def test_ends_without_a_part_that_hangs(caplog: pytest.LogCaptureFixture) -> None:
    hang_over, closed = threading.Event(), threading.Event()
    start = time.monotonic()
    close_all(0.3, camera=lambda: hang_over.wait(10), gif=closed.set)
    assert time.monotonic() - start < 8.0
    assert closed.is_set()
    assert [record.getMessage() for record in caplog.records] == [
        "The mirror's camera does not end in time, so the mirror ends without it."
    ]
    hang_over.set()


def test_closes_the_other_parts_after_an_error(caplog: pytest.LogCaptureFixture) -> None:
    def fails() -> None:
        raise OSError("The bus is gone.")

    closed = threading.Event()
    close_all(camera=fails, gif=closed.set)
    assert closed.is_set()
    assert "The mirror's camera failed while it was being closed" in caplog.text
    assert "The bus is gone." in caplog.text


HANG = """
import sys, time
from device.cli import dispatch, main as cli
dispatch.EXIT_TIMEOUT = 0.5
def hang(args):
    try:
        print("here", flush=True)
        time.sleep(60)
    finally:
        time.sleep(60)
dispatch._load_command = lambda function: hang
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "status", "seconds"), [(["run"], -signal.SIGALRM, 5.0), (["index", "info", "x"], None, 1.5)]
)
def test_the_kernel_ends_only_a_mirror_that_hangs(arguments: list[str], status: int | None, seconds: float) -> None:
    """A build may tidy up as long as it takes. A mirror may not: visitors and the service manager wait for it."""
    with subprocess.Popen([sys.executable, "-c", HANG, *arguments], stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None
            assert program.stdout.readline() == "here\n"
            program.send_signal(signal.SIGTERM)
            if status is None:
                with pytest.raises(subprocess.TimeoutExpired):
                    program.wait(seconds)
            else:
                assert program.wait(seconds) == status
        finally:
            program.kill()


LOSE_THE_SIGNAL = """
import os, signal, sys, time, weakref
from device.cli import dispatch, main as cli
def send_sigterm(*_):
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.01)
class Deleted:
    __del__ = send_sigterm
class Referred:
    pass
def destructor():
    Deleted()
def weak_reference():
    referred = Referred()
    kept = weakref.ref(referred, send_sigterm)
    del referred
def clears_errors():
    try:  # C code swallows exceptions like this
        send_sigterm()
    except BaseException:
        pass
def run(args):
    globals()[sys.argv[1]]()
    print("lost", flush=True)
    try:
        time.sleep(600)
    finally:
        try:
            [][0]
        except IndexError:
            send_sigterm()
        send_sigterm()
        time.sleep(0.2)
        print("tidied up", flush=True)
dispatch._load_command = lambda function: run
sys.exit(cli.main(sys.argv[2:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("place", ["destructor", "weak_reference", "clears_errors"])
@pytest.mark.parametrize(("arguments", "status"), [(["run"], 0), (["index", "info", "x"], 128 + signal.SIGTERM)])
def test_ends_once_although_python_lost_the_signal(arguments: list[str], status: int, place: str) -> None:
    program = [sys.executable, "-c", LOSE_THE_SIGNAL, place, *arguments]
    result = subprocess.run(program, capture_output=True, text=True, timeout=100, check=False)
    assert result.returncode == status, result.stderr
    assert result.stdout == "lost\ntidied up\n"


IMPORT = """
import sys, time
from device.cli import dispatch, main as cli
def run(args):
    import slow
    time.sleep(600)
dispatch._load_command = lambda function: run
sys.exit(cli.main(["run"]))
"""

SLOW_MODULE = """
import os, signal, time
os.kill(os.getpid(), signal.SIGTERM)
class Named:
    def __set_name__(self, owner, name):
        time.sleep(0.2)  # Python 3.11 makes a RuntimeError of any exception raised here
try:
    class Owner:
        name = Named()
except Exception:
    print("swallowed it")
print("imported", flush=True)
"""


def test_finishes_an_import_before_it_ends(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW_MODULE)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    program = [sys.executable, "-c", IMPORT]
    result = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert result.stdout == "imported\n"
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""


HOLD = """
import signal, sys, threading, time
from device.cli import dispatch, main as cli
from models.signals import hold_stop_signals
def run(args):
    other = threading.Thread(target=time.sleep, args=(20,), daemon=True)
    other.start()
    with hold_stop_signals():
        signal.pthread_kill(other.ident, signal.SIGINT)  # as the kernel does if the main thread holds it back
        time.sleep(0.2)
        print("undisturbed", flush=True)
    time.sleep(600)
dispatch._load_command = lambda function: run
sys.exit(cli.main(["index", "info", "x"]))
"""


@pytest.mark.real_machine
def test_a_signal_that_is_held_back_waits_in_any_thread() -> None:
    result = subprocess.run([sys.executable, "-c", HOLD], capture_output=True, text=True, timeout=100, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (130, "undisturbed\n", "")


@pytest.mark.parametrize("send", ["", "os.kill(os.getpid(), signal.SIGTERM); time.sleep(5)"])
def test_runs_no_more_python_after_a_signal(send: str) -> None:
    """Python 3.11 crashes if the interpreter ends while the thread begins or ends that sends the signal again."""
    program = f"""
import atexit, os, signal, sys, time
from device.cli import dispatch, main
def command(args):
    {send or "pass"}
    return 143
atexit.register(print, "the interpreter ends")
dispatch._load_command = lambda function: command
sys.argv[1:] = ["models", "path", "bundled"]
sys.exit(main.main())
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (result.returncode, result.stderr) == (143, "")
    assert result.stdout == ("" if send else "the interpreter ends\n")
