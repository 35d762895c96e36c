"""Writing GIFs: a short-lived process of low priority for each, and a file that is there whole or not at all.

The process is a plain `python -c` that reads the recording from a pipe, as multiprocessing's would import the parent's
main module first. No picture touches the disk but in the GIF, which gets its name when it is complete.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import json
import logging
import os
import pickle
import queue
import shutil
import signal
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

import cv2

from device.recording.gif import GifError, Recording, encode
from device.system import heap
from models.estimator.child import disable_core_dumps
from models.processes import ignore_stop_signals, raise_oom_score, spawn_python

FILE_PREFIX: Final = "pose-mirror-"
PARTIAL_SUFFIX: Final = ".part"

MIN_FREE_BYTES: Final = 50_000_000
"""Bytes that stay free on the disk: a full one stops more than GIFs."""

NICENESS: Final = 5
"""How far the process steps back for the mirror, which goes on meanwhile: at 10 a busy machine leaves it no time."""

WRITE_TIMEOUT: Final = 60.0
"""Seconds after which a process that still has not finished is taken to hang; on a Raspberry Pi it takes some ten."""

FAILURE_PREFIX: Final = "The GIF could not be written: "

log = logging.getLogger(__name__)


class SaveError(OSError):
    """A GIF that could not be written; the message goes on after 'The GIF could not be written: '."""


class Outcome(NamedTuple):
    """How a GIF's writing ended: its file, None when there is none, and a sentence for the screen."""

    path: Path | None
    sentence: str


class Job(NamedTuple):
    """What the process is to do: the recording, how many bytes the GIF may have, and where it goes."""

    recording: Recording
    max_bytes: int
    folder: Path
    name: str


class GifWriter:
    """Makes GIFs in `folder` (made when missing), one at a time, of at most `megabytes` each. A context manager.

    Entering removes what a killed process left half-written in the folder; leaving lets a GIF under way be finished.
    """

    def __init__(self, folder: Path, *, megabytes: float = 3.0) -> None:
        self._folder, self._limit = folder, round(megabytes * 1e6)
        self._outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        remove_partial_files(self._folder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The process that writes now."""
        return self._process.pid if self._process else None

    def start(self, recording: Recording) -> None:
        """Begin to write; returns at once, and whatever goes wrong is an `poll_outcome`. Not while one is under way."""
        name = f"{FILE_PREFIX}{datetime.now():%Y%m%d-%H%M%S}.gif"
        jobs = [Job(recording, self._limit, self._folder, name)]
        self._thread = threading.Thread(target=self._write, args=(jobs,), name="gif", daemon=True)
        self._thread.start()

    def poll_outcome(self) -> Outcome | None:
        """How it ended, told once; None before."""
        try:
            return self._outcomes.get_nowait()
        except queue.Empty:
            return None

    def close(self, timeout: float = 3.0) -> None:
        """Let a GIF under way be finished for so many seconds, then end its process; nothing half-written stays."""
        if self._thread is None:
            return
        self._thread.join(timeout)
        if self._process is not None:
            self._process.kill()
        self._thread.join(1.0)  # a disk that hangs keeps even a killed process
        self._thread = None

    def _write(self, jobs: list[Job]) -> None:
        """In a thread: have a process do the one job, and tell how it ended, whatever happens."""
        try:
            with _start_process() as self._process:
                outcome = _run_job(self._process, jobs.pop())
        except Exception as error:
            log.exception("no GIF")
            outcome = Outcome(None, f"{FAILURE_PREFIX}{error}; press again.")
        self._process = None
        if outcome.path is None:
            remove_partial_files(self._folder)
            log.warning("%s", outcome.sentence)
        heap.trim()
        self._outcomes.put(outcome)


def _start_process() -> subprocess.Popen[bytes]:
    """A process that runs `main`."""
    return spawn_python(
        f"import os; os.nice({NICENESS}); from device.recording.saving import main; main()",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PYGAME_HIDE_SUPPORT_PROMPT": "1", "OPENBLAS_NUM_THREADS": "1"},
    )


def _run_job(process: subprocess.Popen[bytes], job: Job) -> Outcome:
    """Hand the job over, a photo at a time, and wait for the answer. A process that hangs is ended."""
    assert process.stdin is not None
    assert process.stdout is not None
    watchdog = threading.Timer(WRITE_TIMEOUT, process.kill)
    watchdog.start()
    try:
        with contextlib.suppress(BrokenPipeError), process.stdin as pipe:  # broken: it is dead, as its answer tells
            pickle.dump(job, pipe, protocol=5)
        answer = process.stdout.read()
        status = process.wait()
    finally:
        watchdog.cancel()
    if status or not answer:
        return Outcome(None, f"{FAILURE_PREFIX}{_exit_reason(status)}; press again.")
    told = json.loads(answer)
    if "fault" in told:
        return Outcome(None, f"{FAILURE_PREFIX}{told['fault']}.")
    path = Path(told["path"])
    log.info("saved %s: %s", path, told["as"])
    return Outcome(path, f"Your GIF is saved as {path.name}.")


def _exit_reason(status: int) -> str:
    if status >= 0:
        return f"its process ended by itself (status {status})"
    with contextlib.suppress(ValueError):
        return f"its process was stopped ({signal.Signals(-status).name})"
    return f"its process was stopped (signal {-status})"


def main() -> None:
    """The process's life: one job from standard input, one answer (JSON) to standard output.

    It leaves stopping to its parent, which ends it with a SIGKILL when it wants no GIF any more.
    """
    ignore_stop_signals()
    disable_core_dumps()
    raise_oom_score(800)  # a visitor can press again; the estimator is missed sooner
    cv2.setNumThreads(1)
    try:
        job: Job = pickle.load(sys.stdin.buffer)
    except (EOFError, pickle.UnpicklingError):
        sys.exit("pose-mirror: the recording ended in the middle, as the mirror did")
    try:
        gif = encode(job.recording, job.max_bytes)
        path = write_atomically(gif.data, job.folder, job.name)
    except (GifError, SaveError) as error:
        print(json.dumps({"fault": str(error)}))
    else:
        width, height = gif.size
        chosen = f"{len(gif.data) / 1e6:.2f} MB, {width}×{height}, {gif.frames} frames, {gif.colours} colours"
        print(json.dumps({"path": str(path), "as": chosen}))


def write_atomically(data: bytes, folder: Path, name: str, *, min_free: int = MIN_FREE_BYTES) -> Path:
    """Write a file into `folder`, made when missing: complete and on the disk, or not at all. Returns its path.

    It is named otherwise where there is such a file. Raises SaveError.
    """
    unfinished = folder / f".{FILE_PREFIX}{os.getpid()}{PARTIAL_SUFFIX}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _check_free_space(folder, len(data) + min_free)
        with unfinished.open("xb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # `remove_partial_files` leaves it alone for as long as this process lives
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            path = _unused_path(folder / name)
            unfinished.rename(path)
        _sync_folder(folder)
    except OSError as error:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise error if isinstance(error, SaveError) else SaveError(_explain(error, folder)) from error
    return path


def remove_partial_files(folder: Path) -> int:
    """Remove what killed processes left half-written in `folder`, and say how many files that were."""
    removed = 0
    with contextlib.suppress(OSError):  # a card that is dying may not even list its files
        for unfinished in folder.glob(f".{FILE_PREFIX}*{PARTIAL_SUFFIX}"):
            with contextlib.suppress(OSError), unfinished.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                unfinished.unlink()
                removed += 1
    return removed


def _check_free_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise SaveError(
            f"only {free / 1e6:.0f} MB are free on the disk of {folder}, and {needed / 1e6:.0f} MB must be: "
            "delete what is not needed there"
        )


def _unused_path(path: Path) -> Path:
    """The path, or where there is such a file the same with the first number that there is none of.

    Two GIFs may be of one second: a Raspberry Pi's clock goes on from where it stood when it is switched on again.
    """
    numbered = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))
    return next(unused for unused in itertools.chain([path], numbered) if not unused.exists())


def _sync_folder(folder: Path) -> None:
    """Have the file's new name on the disk too; some file systems cannot promise it, and the file is whole anyway."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _explain(error: OSError, folder: Path) -> str:
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return f"the disk of {folder} is full: delete what is not needed there"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return f"{folder} may not be written to: allow it, or name another folder under [gif] in the configuration"
        case errno.EEXIST | errno.ENOTDIR:
            return f"{folder} is no folder, or lies in none: name another under [gif] in the configuration"
        case _:
            return f"{folder}: {error.strerror or error}"
