"""The process that draws the rest of the starter library: it uses idle time, ends with the mirror, loses nothing."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest

from device.current_library import CHECK_INTERVAL, CurrentLibrary
from device.system import starter_growth as growth
from device.system.starter_growth import STEP_BACK, grow_in_background
from index.build.starter import count_drawn, ensure_starter_library
from index.library import Library, verify_library
from tests.support.paths import ROOT

MIRROR = """
import sys, time
from pathlib import Path
from device.system import starter_growth
from device.system.starter_growth import grow_in_background
starter_growth.STEP_BACK = "import os"
with grow_in_background(Path(sys.argv[1]), count=3000, step=3000):
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tests pass on a busy machine, where a process of the lowest priority gets no time.

    Killed processes are waited for, because pytest takes those that are left for a fault.
    """
    monkeypatch.setattr(growth, "STEP_BACK", "import os")
    monkeypatch.setattr(growth, "KILLED_SECONDS", 30.0)
    monkeypatch.setattr(growth, "GRACE_SECONDS", 60.0)


@pytest.fixture(scope="module")
def small_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ensure_starter_library(tmp_path_factory.mktemp("starter") / "library", count=3)


@pytest.fixture
def folder(small_library: Path, tmp_path: Path) -> Path:
    """A starter library with three pictures."""
    return Path(shutil.copytree(small_library, tmp_path / "starter"))


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"it did not happen within {seconds} s"
        time.sleep(0.02)


def drawing_processes(folder: Path) -> list[int]:
    """Return the ids of the processes that draw into a folder."""
    ids = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if os.fsencode(folder) in arguments and any(
            b"device.system.starter_growth" in argument for argument in arguments
        ):
            ids.append(int(process.name))
    return ids


def unfinished(folder: Path) -> Path:
    """Return where a library is written until it is complete."""
    return folder.parent / f".{folder.name}.building"


@pytest.mark.slow
def test_gives_way_to_everything_else(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "STEP_BACK", STEP_BACK)
    with grow_in_background(folder, count=3000, step=3000):
        wait_until(lambda: bool(drawing_processes(folder)))
        (pid,) = drawing_processes(folder)
        wait_until(lambda: os.sched_getscheduler(pid) == os.SCHED_IDLE)
        assert os.getpriority(os.PRIO_PROCESS, pid) == 19


@pytest.mark.slow
def test_a_library_in_use_grows(folder: Path) -> None:
    with CurrentLibrary(Library.open(folder)) as library, grow_in_background(folder, count=7, step=2):
        wait_until(lambda: bool(drawing_processes(folder)))
        (pid,) = drawing_processes(folder)
        wait_until(lambda: Path(f"/proc/{pid}/oom_score_adj").read_text() == "1000\n")
        checks, sizes = count(1), {3}

        def grown() -> bool:
            library.refresh(next(checks) * CHECK_INTERVAL)
            sizes.add(len({library.item(number).picture for number in range(len(library.keypoints))}))
            return 7 in sizes

        wait_until(grown)
    assert sizes <= {3, 5, 7}
    assert verify_library(folder).pictures == 7


@pytest.mark.slow
def test_ends_with_the_mirror_and_tidies_up(folder: Path) -> None:
    with grow_in_background(folder, count=3000, step=3000):
        wait_until(unfinished(folder).exists)
    assert drawing_processes(folder) == []
    assert not unfinished(folder).exists()
    assert count_drawn(folder) == 3


@pytest.mark.slow
def test_ends_with_a_mirror_that_is_killed(folder: Path) -> None:
    mirror = subprocess.Popen([sys.executable, "-c", MIRROR, folder], cwd=ROOT)
    try:
        wait_until(unfinished(folder).exists)
    finally:
        mirror.send_signal(signal.SIGKILL)
        mirror.wait()
    wait_until(lambda: not drawing_processes(folder) and not unfinished(folder).exists())
    assert count_drawn(folder) == 3


def fails(*_: object) -> NoReturn:
    raise AssertionError("a process was started")


def test_starts_no_process_for_a_complete_library(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "_start_process", fails)
    with grow_in_background(folder, count=3):
        pass


def test_draws_nothing_on_a_disk_that_is_nearly_full(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(growth, "_start_process", fails)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=10**9, free=10**8))
    with caplog.at_level("INFO"), grow_in_background(folder):
        pass
    assert "only 100 MB are free" in caplog.text


def test_draws_nothing_in_a_folder_it_cannot_write(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(growth, "_start_process", fails)
    monkeypatch.setattr(os, "access", lambda *_: False)  # root, who may run these tests, can write anywhere
    with caplog.at_level("INFO"), grow_in_background(folder):
        pass
    assert "cannot be written to" in caplog.text


@pytest.mark.slow
def test_a_second_mirror_leaves_what_the_first_draws(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with grow_in_background(folder, count=3000, step=3000):
        wait_until(unfinished(folder).exists)
        with grow_in_background(folder, count=3000, step=3000):
            pass
        assert unfinished(folder).exists()
        assert capfd.readouterr().err == ""
    assert count_drawn(folder) == 3
