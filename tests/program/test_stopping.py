"""Ctrl-C, SIGTERM and a closed terminal end every command silently, whatever it is doing, and nothing stays behind.

No test waits for a moment: a program sends the signal to its own process group at the Nth audit event of Python (an
import, an opened file, a started process …), so that each run is interrupted at a known point.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image as Pillow

from models.figures import draw_picture
from tests.support.paths import ROOT

INTERRUPTED = """
import os, signal, sys, threading
number, at = int(sys.argv.pop(1)), sys.argv.pop(1)
events, main_thread = 0, threading.get_ident()
from device.cli.main import main
def count_events(name, args):
    global events
    if threading.get_ident() == main_thread:
        events += 1
        if at == str(events) or (name == "open" and not at.isdigit() and str(args[0]).endswith(at)):
            for _ in range(3):  # somebody presses Ctrl-C again and again
                os.killpg(0, number)
def report():
    if at == "0":
        print("events:", events, file=sys.stderr, flush=True)
def report_and_exit(status, exit=os._exit):
    report()
    exit(status)
os._exit = report_and_exit  # a program whose threads are still at work ends with it
sys.addaudithook(count_events)
try:
    sys.exit(main())
finally:
    report()
"""


def interrupt(number: int, at: int | str, command: list[str], home: Path) -> subprocess.CompletedProcess[str]:
    """Run a command that sends itself and its processes a signal.

    It does so at an event, or when it opens a file with this end of its name; 0 sends none and prints how many events
    there are.
    """
    environment = {**os.environ, "HOME": str(home), "TMPDIR": str(home), "SDL_VIDEODRIVER": "dummy"}
    for name in ("XDG_CACHE_HOME", "XDG_DATA_HOME", "POSE_MIRROR_MODELS"):
        environment.pop(name, None)
    return subprocess.run(
        [sys.executable, "-P", "-c", INTERRUPTED, str(number), str(at), *command],
        cwd=home,
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
        start_new_session=True,
        check=False,
    )


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(6):
        Pillow.fromarray(draw_picture(number).image).save(folder / f"{number}.png")
    return folder


def commands(tmp_path: Path, photos: Path) -> dict[str, list[str]]:
    return {
        "build": ["index", "build", str(photos), "--out", str(tmp_path / "library"), "--workers", "2"],
        "starter": ["index", "starter", "--count", "8"],
        "poses": ["poses", str(photos / "0.png")],
        "list": ["models", "list"],
        "demo": ["demo", "--seconds", "0.5", "--display", "headless"],
        "doctor": ["doctor"],
    }


def left_behind(home: Path) -> list[str]:
    return [str(file) for file in home.rglob("*") if file.name.endswith((".part", ".tmp")) or ".building" in file.name]


COMPLAINTS = "Traceback", "KeyboardInterrupt", "Exception", "Error"
"""What Python prints when something ends in disorder."""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["build", "starter", "poses", "list", "demo", "doctor"])
def test_ctrl_c_is_silent_at_any_moment(tmp_path: Path, photos: Path, name: str) -> None:
    command = commands(tmp_path, photos)[name]
    complete = interrupt(signal.SIGINT, 0, command, tmp_path)
    events = int(complete.stderr.rpartition("events:")[2])
    for share in (0.0, 0.5, 0.8, 0.95):
        result = interrupt(signal.SIGINT, 1 + round(share * events), command, tmp_path)
        assert not any(word in result.stderr for word in COMPLAINTS), (share, result.stderr)
        assert result.returncode == 130 or (result.returncode == complete.returncode and share), (share, result.stderr)
        assert left_behind(tmp_path) == [], share


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_build_ends_tidily_on_other_signals(tmp_path: Path, photos: Path, number: int, status: int) -> None:
    command = commands(tmp_path, photos)["build"]
    events = int(interrupt(number, 0, command, tmp_path).stderr.rpartition("events:")[2])
    for share in (0.0, 0.5, 0.8):
        result = interrupt(number, 1 + round(share * events), command, tmp_path)
        assert not any(word in result.stderr for word in COMPLAINTS), (share, result.stderr)
        assert result.returncode == status, (share, result.stderr)
        assert left_behind(tmp_path) == [], share


@pytest.mark.slow
def test_a_build_leaves_nothing_if_it_ends_while_it_locks_its_folder(tmp_path: Path, photos: Path) -> None:
    result = interrupt(signal.SIGTERM, ".library.building", commands(tmp_path, photos)["build"], tmp_path)
    assert not any(word in result.stderr for word in COMPLAINTS), result.stderr
    assert result.returncode == 143, result.stderr
    assert left_behind(tmp_path) == []


PRELUDE = """
import faulthandler, os, signal
faulthandler.dump_traceback_later(50, exit=True)  # a program that hangs says where
send = lambda: [os.kill(os.getpid(), number) for number in (1, 2, 15)]
"""


def run_python(program: str, *prefix: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*prefix, sys.executable, "-c", f"{PRELUDE}\n{program}", "models", "path", "bundled"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_signal_while_python_ends_changes_nothing() -> None:
    program = "import atexit, sys; atexit.register(send); from device.cli.main import main; sys.exit(main())"
    result = run_python(program)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.endswith(".tflite\n")


def test_a_signal_while_the_command_is_imported_is_silent() -> None:
    program = """
import sys
from device.cli.main import main
class Interrupts:
    @staticmethod
    def find_spec(name, path, target=None):
        if name == NAME:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupts)
sys.exit(main())
"""
    for module in ("device.cli.dispatch", "device.cli.parser", "device.cli.model_commands"):
        result = run_python(program.replace("NAME", repr(module)))
        assert (result.returncode, result.stdout, result.stderr) == (130, "", ""), module


def test_ignored_signals_stay_ignored() -> None:
    """As after nohup, and in a script that starts a command with `&`."""
    program = """
import sys
from device.cli import dispatch, main
def command(args):
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGHUP)
    print("goes on")
    return 0
dispatch._load_command = lambda function: command
sys.exit(main.main())
"""
    result = run_python(program, "sh", "-c", 'trap "" INT HUP; exec "$@"', "sh")
    assert (result.returncode, result.stdout, result.stderr) == (0, "goes on\n", "")


@pytest.mark.parametrize("error", ["OSError(5, 'Input/output error')", "BrokenPipeError(32, 'Broken pipe')"])
def test_an_error_while_it_stops_changes_nothing(error: str) -> None:
    """A terminal that was closed, and a pipe whose reader Ctrl-C ended, take no output any more."""
    program = f"""
import sys, time
from device.cli import dispatch, main
def command(args):
    try:
        os.kill(os.getpid(), signal.SIGHUP)
        time.sleep(20)
    finally:
        raise {error}
dispatch._load_command = lambda function: command
sys.exit(main.main())
"""
    result = run_python(program)
    assert (result.returncode, result.stdout, result.stderr) == (129, "", "")


@pytest.mark.real_machine
@pytest.mark.parametrize("end", ["return 3", "raise SystemExit(3)"])
def test_a_busy_thread_does_not_abort_the_exit(end: str) -> None:
    """C++ aborts a process whose thread Python ends inside of it. Two threads are nearly always in there."""
    program = f"""
import sys, threading, time
import cv2, numpy
cv2.setNumThreads(1)  # its pool of threads is not what this is about
from device.cli import dispatch, main
def blur():
    cv2.GaussianBlur(numpy.zeros((1000, 1000, 3), numpy.uint8), (31, 31), 9)
blur()  # if two threads are in there for the first time at once, they may wait for each other for ever
def work():
    while True:
        blur()
def command(args):
    for _ in range(2):
        threading.Thread(target=work, daemon=True).start()
    time.sleep(0.3)
    print("done")
    {end}
dispatch._load_command = lambda function: command
sys.exit(main.main())
"""
    result = run_python(program)
    assert (result.returncode, result.stdout, result.stderr) == (3, "done\n", "")
