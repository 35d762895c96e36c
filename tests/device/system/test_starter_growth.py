"""The process that draws the rest of the starter library: it steps back, ends with the mirror, and loses nothing."""

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
from typing import NoReturn

import pytest

from device.collection import CHECK_INTERVAL, Collection
from device.system import starter_growth as growth
from device.system.starter_growth import grow_in_background
from index.build.starter import count_drawn, ensure_starter_library
from index.library import Library, verify_library
from tests.support.paths import ROOT

MIRROR = """
import sys, time
from pathlib import Path
from device.system.starter_growth import grow_in_background
with grow_in_background(Path(sys.argv[1]), count=3000, step=3000):
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ensure_starter_library(tmp_path_factory.mktemp("starter") / "library", count=3)


@pytest.fixture
def folder(short: Path, tmp_path: Path) -> Path:
    """A starter library of three pictures."""
    return Path(shutil.copytree(short, tmp_path / "starter"))


def wait_until(what: Callable[[], bool], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.02)


def growers(folder: Path) -> list[int]:
    """The processes that draw into a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if os.fsencode(folder) in words and any(b"device.system.starter_growth" in word for word in words):
            found.append(int(process.name))
    return found


def unfinished(folder: Path) -> Path:
    return folder.parent / f".{folder.name}.building"


def test_a_library_in_use_grows_step_by_step_at_the_lowest_priority(folder: Path) -> None:
    with Collection(Library.open(folder)) as collection, grow_in_background(folder, count=7, step=2):
        wait_until(lambda: bool(growers(folder)))
        (pid,) = growers(folder)
        wait_until(lambda: os.sched_getscheduler(pid) == os.SCHED_IDLE)
        assert os.getpriority(os.PRIO_PROCESS, pid) == 19
        wait_until(lambda: Path(f"/proc/{pid}/oom_score_adj").read_text() == "1000\n")
        looks, sizes = count(1), {3}

        def grown() -> bool:
            collection.refresh(next(looks) * CHECK_INTERVAL)
            sizes.add(len({collection.item(number).picture for number in range(len(collection.keypoints))}))
            return 7 in sizes

        wait_until(grown)
    assert sizes <= {3, 5, 7}
    assert verify_library(folder).pictures == 7


def test_the_drawing_ends_with_the_mirror_and_leaves_nothing_half_done(folder: Path) -> None:
    with grow_in_background(folder, count=3000, step=3000):
        wait_until(unfinished(folder).exists)
    assert growers(folder) == []
    assert not unfinished(folder).exists()
    assert count_drawn(folder) == 3


def test_the_drawing_ends_with_a_mirror_that_is_killed(folder: Path) -> None:
    killed = subprocess.Popen([sys.executable, "-c", MIRROR, folder], cwd=ROOT)
    try:
        wait_until(unfinished(folder).exists)
    finally:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    wait_until(lambda: not growers(folder) and not unfinished(folder).exists())
    assert count_drawn(folder) == 3


def fails(*_: object) -> NoReturn:
    raise AssertionError("a process was begun")


def test_a_library_that_has_all_its_pictures_has_no_process(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "_start_process", fails)
    with grow_in_background(folder, count=3):
        pass


def test_on_a_disk_that_is_nearly_full_nothing_is_drawn(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(growth, "_start_process", fails)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 9 * 10**8, 10**8))  # type: ignore[attr-defined]
    with caplog.at_level("INFO"), grow_in_background(folder):
        pass
    assert "only 100 MB are free" in caplog.text


def test_where_nothing_can_be_written_nothing_is_drawn(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(growth, "_start_process", fails)
    monkeypatch.setattr(os, "access", lambda *_: False)  # these tests may be run by root, who can write anywhere
    with caplog.at_level("INFO"), grow_in_background(folder):
        pass
    assert "cannot be written to" in caplog.text


def test_two_mirrors_do_not_draw_into_one_library(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with grow_in_background(folder, count=3000, step=3000):
        wait_until(unfinished(folder).exists)
        with grow_in_background(folder, count=3000, step=3000):
            wait_until(lambda: "Another build is writing" in capfd.readouterr().err)
    assert count_drawn(folder) == 3
