"""Writing GIFs: completely or not at all, in a process that may fail, and with a sentence when it does."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import pytest
from PIL import Image as Pillow
from PIL.GifImagePlugin import GifImageFile

from device.recording import saving
from device.recording.saving import (
    MIN_FREE_BYTES,
    GifWriter,
    Outcome,
    SaveError,
    remove_partial_files,
    write_atomically,
)
from device.recording.stills import Recording
from models import files
from tests.support.paths import ROOT
from tests.support.recordings import lively_recording

T = TypeVar("T")
NAME = "pose-mirror-20261122-153045.gif"


def recording() -> Recording:
    return lively_recording(3, 1, size=(64, 48))


def long_recording() -> Recording:
    """Return a recording that takes a process some seconds, time enough to disturb it."""
    return lively_recording(60, 1, size=(1280, 720), noise=40)


def wait_for_outcome(writer: GifWriter, timeout: float = 60.0) -> Outcome:
    return wait_for(writer.poll_outcome, timeout)


def wait_for(get: Callable[[], T | None], timeout: float = 60.0) -> T:
    """Return the first value that is not None."""
    deadline = time.monotonic() + timeout
    while (value := get()) is None:
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
    return value


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Return a function that mounts a small file system in memory with these options, until the test ends."""
    folders: list[Path] = []

    def mount(options: str) -> Path:
        folder = tmp_path / f"mounted-{len(folders)}"
        folder.mkdir()
        result = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True)
        if result.returncode:
            pytest.skip("only root can mount a file system, and not in most containers")
        folders.append(folder)
        return folder

    yield mount
    for folder in folders:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
def test_a_recording_becomes_a_gif_named_by_the_time(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there yet"
    with GifWriter(folder) as writer:
        before = datetime.now().replace(microsecond=0)
        sample = recording()
        writer.start(sample)
        outcome = wait_for_outcome(writer)
        assert outcome.path is not None
        assert names(folder) == [outcome.path.name]
        assert outcome.failure == ""
        assert outcome.titles is not None
        stamp = datetime.strptime(outcome.path.name, "pose-mirror-%Y%m%d-%H%M%S.gif")
        assert before <= stamp <= datetime.now()
        with Pillow.open(outcome.path) as file:
            assert isinstance(file, GifImageFile)
            assert (file.size, file.n_frames) == (sample.layout.size, 3 + len(outcome.titles.closing))
        assert outcome.titles.closing[0].shape == (*sample.layout.size[::-1], 3)
        assert writer.poll_outcome() is None


@pytest.mark.slow
def test_starting_returns_at_once(tmp_path: Path) -> None:
    sample = long_recording()
    with GifWriter(tmp_path) as writer:
        writer.start(sample)
        assert writer.poll_outcome() is None, "making the GIF takes seconds"
        writer.close(timeout=0)


def test_gifs_of_the_same_second_get_different_names(tmp_path: Path) -> None:
    paths = [write_atomically(bytes([number]), tmp_path, NAME) for number in range(4)]
    assert [path.name for path in paths] == [
        NAME,
        "pose-mirror-20261122-153045-2.gif",
        "pose-mirror-20261122-153045-3.gif",
        "pose-mirror-20261122-153045-4.gif",
    ]
    assert [path.read_bytes() for path in paths] == [b"\0", b"\1", b"\2", b"\3"]


def test_syncs_the_file_before_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[bool, list[str]]] = []
    real_fsync = os.fsync

    def fsync(handle: int) -> None:
        synced.append((stat.S_ISDIR(os.fstat(handle).st_mode), [name for name in names(tmp_path) if name[0] != "."]))
        real_fsync(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    write_atomically(b"content", tmp_path, NAME)
    assert synced == [(False, []), (True, [NAME])]


def test_explains_a_full_disk_and_leaves_nothing(mounted: Callable[[str], Path]) -> None:
    folder = mounted("size=1m")
    with pytest.raises(SaveError, match=r"^the disk of .* is full: delete"):
        write_atomically(bytes(2_000_000), folder, NAME, min_free=-10_000_000)
    assert names(folder) == []
    write_atomically(bytes(500_000), folder, NAME, min_free=0)
    assert names(folder) == [NAME]


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "is full"),
        (errno.EDQUOT, "is full"),
        (errno.EROFS, "is not writable"),
        (errno.EACCES, "is not writable"),
        (errno.EIO, "Input/output error"),
    ],
)
@pytest.mark.parametrize("step", ["fsync", "rename"])
def test_explains_an_error_at_any_step_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, sentence: str, step: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    if step == "rename":
        monkeypatch.setattr(files, "_renameat2", fail)
        monkeypatch.setattr(os, "link", fail)
    monkeypatch.setattr(os, step, fail)
    with pytest.raises(SaveError, match=sentence):
        write_atomically(b"content", tmp_path, NAME)
    assert names(tmp_path) == []


@pytest.mark.slow
def test_keeps_some_of_a_nearly_full_disk_free(
    mounted: Callable[[str], Path],
) -> None:
    folder = mounted("size=20m")
    with GifWriter(folder) as writer:
        writer.start(recording())
        outcome = wait_for_outcome(writer)
    assert outcome.path is None
    assert re.match(
        r"The GIF could not be saved: only 2\d MB are free on the disk of .*, but 50 MB are needed: delete",
        outcome.failure,
    )
    assert names(folder) == []
    assert MIN_FREE_BYTES == 50_000_000


@pytest.mark.slow
def test_explains_a_read_only_folder(mounted: Callable[[str], Path]) -> None:
    folder = mounted("size=100m,ro")
    with GifWriter(folder) as writer:
        writer.start(recording())
        outcome = wait_for_outcome(writer)
    assert outcome.path is None
    assert outcome.failure.startswith(f"The GIF could not be saved: {folder} is not writable: allow")


@pytest.mark.slow
@pytest.mark.parametrize("below", [False, True])
def test_explains_a_folder_that_is_a_file(tmp_path: Path, below: bool) -> None:
    file = tmp_path / "gifs"
    file.write_text("not a folder")
    with GifWriter(file / "here" if below else file) as writer:
        writer.start(recording())
        outcome = wait_for_outcome(writer)
    assert outcome.path is None
    assert "is not a folder, or is inside a file: set another folder under [gif]" in outcome.failure
    assert file.read_text() == "not a folder"


@pytest.mark.slow
def test_explains_a_recording_that_cannot_fit(tmp_path: Path) -> None:
    with GifWriter(tmp_path, megabytes=0.0005) as writer:
        writer.start(recording())
        outcome = wait_for_outcome(writer)
    assert outcome.path is None
    assert re.search(r"has \d+ bytes, but only 500 are allowed: .*\.$", outcome.failure)
    assert names(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_recovers_from_a_killed_process(tmp_path: Path, number: signal.Signals) -> None:
    with GifWriter(tmp_path) as writer:
        writer.start(long_recording())
        os.kill(wait_for(lambda: writer.pid), number)
        outcome = wait_for_outcome(writer)
        assert outcome.path is None
        assert outcome.failure == f"The GIF could not be saved: its process was stopped ({number.name}); press again."
        assert names(tmp_path) == []
        writer.start(recording())
        assert wait_for_outcome(writer).path is not None


@pytest.mark.parametrize("locks", [True, False])
def test_a_process_killed_while_writing_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locks: bool
) -> None:
    slow_disk = (
        "import fcntl, os, time\nos.fsync = lambda handle: time.sleep(60)\n"
        f"def refuse(*_): raise OSError(37, 'No locks available')\nif not {locks}: fcntl.flock = refuse\n"
        "from device.recording.saving import main; main()"
    )
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda args, **kwargs: popen([*args[:-1], slow_disk], **kwargs))
    if not locks:
        monkeypatch.setattr(fcntl, "flock", refuse_to_lock)
    with GifWriter(tmp_path) as writer:
        writer.start(recording())
        wait_for(lambda: names(tmp_path) or None)
        assert [re.sub("[0-9a-f]{16}", "", name) for name in names(tmp_path)] == [".pose-mirror-.part"]
        wait_for(lambda: True if (tmp_path / names(tmp_path)[0]).stat().st_size else None)
        assert remove_partial_files(tmp_path) == 0, "a file that is being written must be left alone"
        os.kill(writer.pid or 0, signal.SIGKILL)
        assert wait_for_outcome(writer).path is None
        assert names(tmp_path) == []


def refuse_to_lock(*_: object) -> None:
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


@pytest.mark.parametrize("newest", [1_000_000_000, 4_000_000_000])
def test_tidies_by_the_disks_own_clock_without_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, newest: int
) -> None:
    """The newest file tells what time it is on the disk: this machine's clock may be years away from that."""
    monkeypatch.setattr(fcntl, "flock", refuse_to_lock)
    ages = {NAME: 0.0, ".pose-mirror-1.part": 0.0, ".pose-mirror-2.part": 80_000.0, ".pose-mirror-3.part": 90_000.0}
    for name, age in ages.items():
        (tmp_path / name).write_bytes(b"GIF")
        os.utime(tmp_path / name, (newest - age, newest - age))
    assert remove_partial_files(tmp_path) == 1
    assert names(tmp_path) == [*sorted(ages)[:2], NAME]


def test_kills_a_process_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saving, "WRITE_TIMEOUT", 0.5)
    with GifWriter(tmp_path) as writer:
        writer.start(long_recording())
        os.kill(wait_for(lambda: writer.pid), signal.SIGSTOP)
        assert "SIGKILL" in wait_for_outcome(writer, 10).failure


def test_explains_a_process_that_cannot_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no python"))
    with GifWriter(tmp_path) as writer:
        writer.start(recording())
        outcome = wait_for_outcome(writer)
    assert outcome.path is None
    assert outcome.failure.startswith("The GIF could not be saved: ")


@pytest.mark.slow
def test_closing_waits_for_a_gif_despite_stop_signals(tmp_path: Path) -> None:
    with GifWriter(tmp_path) as writer:
        writer.start(recording())
        pid = wait_for(lambda: writer.pid)
        wait_for(lambda: True if _ignores(pid, signal.SIGTERM) else None)
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGINT)
        writer.close(timeout=30)
        assert len(names(tmp_path)) == 1
        assert wait_for_outcome(writer).path is not None


def _ignores(pid: int, number: signal.Signals) -> bool:
    ignored = re.search(r"^SigIgn:\s*(\w+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert ignored is not None
    return bool(int(ignored[1], 16) >> (number - 1) & 1)


def test_closing_kills_a_process_that_takes_too_long(tmp_path: Path) -> None:
    writer = GifWriter(tmp_path)
    with writer:
        writer.start(long_recording())
        pid = wait_for(lambda: writer.pid)
        started_at = time.monotonic()
        writer.close(timeout=0.2)
        assert time.monotonic() - started_at < 5
    assert not Path(f"/proc/{pid}").exists()
    assert names(tmp_path) == []


@pytest.mark.slow
def test_the_process_has_a_low_priority(tmp_path: Path) -> None:
    with GifWriter(tmp_path) as writer:
        writer.start(long_recording())
        pid = wait_for(lambda: writer.pid)
        own_niceness = os.getpriority(os.PRIO_PROCESS, 0)
        wait_for(
            lambda: True if os.getpriority(os.PRIO_PROCESS, pid) == min(own_niceness + saving.NICENESS, 19) else None
        )
        wait_for(lambda: True if Path(f"/proc/{pid}/oom_score_adj").read_text() == "800\n" else None)
        writer.close(timeout=0)


@pytest.mark.slow
def test_a_killed_mirror_leaves_no_process_and_no_file(tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        "from pathlib import Path\nfrom tests.device.recording.test_saving import long_recording\n"
        "from device.recording.saving import GifWriter\n"
        f"writer = GifWriter(Path({str(tmp_path)!r}))\nwriter.start(long_recording())\n"
        "while writer.pid is None: time.sleep(0.001)\n"
        "print(writer.pid, flush=True); time.sleep(60)"
    )
    mirror = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT)
    with mirror:
        assert mirror.stdout is not None
        pid = int(mirror.stdout.readline().split()[-1])
        mirror.kill()
    wait_for(lambda: None if Path(f"/proc/{pid}").exists() else True)
    assert not [name for name in names(tmp_path) if name.startswith(".")]


def test_entering_removes_only_partial_files(tmp_path: Path) -> None:
    kept = [NAME, ".hidden", ".pose-mirror-notes", "pose-mirror-1.part", "holiday.gif"]
    for name in [*kept, ".pose-mirror-123.part", ".pose-mirror-4567.part"]:
        (tmp_path / name).write_bytes(b"GIF89a")
    with GifWriter(tmp_path):
        assert names(tmp_path) == sorted(kept)


@pytest.mark.parametrize("folder", ["missing", "file"])
def test_removing_partial_files_needs_no_folder(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").write_text("")
    assert remove_partial_files(tmp_path / folder) == 0


@pytest.mark.slow
def test_only_the_gif_is_written_to_disk(tmp_path: Path) -> None:
    """strace reports every file that the process, and the one that starts it, open for writing."""
    if subprocess.run(["which", "strace"], capture_output=True).returncode:
        pytest.skip("strace is not installed")
    code = (
        "import sys, time\n"
        "from pathlib import Path\nfrom tests.device.recording.test_saving import recording, wait_for_outcome\n"
        "from device.recording.saving import GifWriter\n"
        f"with GifWriter(Path({str(tmp_path / 'gifs')!r})) as writer:\n"
        "    writer.start(recording()); assert wait_for_outcome(writer).path\n"
    )
    log = tmp_path / "calls"
    subprocess.run(
        [
            "strace",
            "-f",
            "-qq",
            "-e",
            "trace=openat,open,creat,socket",
            "-o",
            str(log),
            sys.executable,
            "-B",
            "-c",
            code,
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    calls = log.read_text()
    written = set(re.findall(r'open\w*\([^"]*"([^"]+)",[^)]*O_(?:WRONLY|RDWR|CREAT)', calls))
    written = {path for path in written if not path.startswith(("/dev/", "/proc/"))}
    assert len(written) == 1
    assert re.fullmatch(rf"{tmp_path}/gifs/\.pose-mirror-[0-9a-f]+\.part", written.pop())
    assert "socket(" not in calls


@pytest.mark.slow
def test_making_a_gif_hardly_slows_the_screen(
    tmp_path: Path,
) -> None:
    sample = lively_recording(20, 3, size=(1280, 720), noise=6)

    def measure_fps(is_over: Callable[[], bool]) -> float:
        """Run a screen's loop at 30 frames a second, 10 ms of work for each; return the rate that it reached."""
        count, started_at = 0, time.perf_counter()
        while not is_over():
            start = time.perf_counter()
            while time.perf_counter() - start < 0.01:
                pass
            time.sleep(max(0.0, 1 / 30 - (time.perf_counter() - start)))
            count += 1
        return count / (time.perf_counter() - started_at)

    end = time.perf_counter() + 2
    alone = measure_fps(lambda: time.perf_counter() > end)
    outcomes: list[Outcome] = []
    with GifWriter(tmp_path) as writer:

        def is_finished() -> bool:
            outcomes.extend(filter(None, [writer.poll_outcome()]))
            return bool(outcomes)

        started_at = time.perf_counter()
        writer.start(sample)
        meanwhile = measure_fps(is_finished)
        assert time.perf_counter() - started_at < 100, "three seconds at most on a quiet machine"
    assert meanwhile > 0.5 * alone
    assert outcomes[0].path is not None
    assert outcomes[0].path.stat().st_size <= 3_000_000
