"""Write GIFs: a short-lived, low-priority process makes each one, and writes the file completely or not at all.

The process is a plain `python -c` that reads the recording from a pipe: a process of multiprocessing would import the
parent's main module first. The only picture on the disk is the GIF, which gets its name when it is complete.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import pickle
import queue
import secrets
import signal
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

import cv2

from device.display.views import ShownPage
from device.recording.gif import GifError, encode
from device.recording.gif_titles import Titles
from device.recording.keeping import GifKeeper
from device.recording.sharing import Sharing
from device.recording.stills import Recording
from device.share.address import NOT_SERVED
from device.share.shared_gif import FOLDER_NAME, new_name
from device.system import heap
from models import files
from models.estimator.child import disable_core_dumps
from models.processes import ignore_stop_signals, raise_oom_score, spawn_python

FILE_PREFIX: Final = "pose-mirror-"
"""How the name of every GIF starts."""

PARTIAL_SUFFIX: Final = ".part"
"""How the name of an incomplete file ends."""

STALE_SECONDS: Final = 86_400.0
"""Where a file system has no locks, an incomplete file is a killed process's if another file there is so many seconds
newer. Both times are the file system's own; this machine's clock may differ."""

MIN_FREE_BYTES: Final = 50_000_000
"""Bytes that stay free on the disk: a full disk stops more than GIFs."""

NICENESS: Final = 5
"""How much the process yields to the mirror, which keeps running: at 10, a busy machine would leave it no time."""

WRITE_TIMEOUT: Final = 180.0
"""Seconds after which a process counts as hanging. A GIF takes about ten on a Raspberry Pi, and more on a busy one."""

FAILURE_PREFIX: Final = "The GIF could not be saved: "
"""How every line of the log about a failure starts."""

log = logging.getLogger(__name__)


class SaveError(OSError):
    """A GIF could not be saved. The message continues the sentence of `FAILURE_PREFIX`."""


class Outcome(NamedTuple):
    """How the making of a GIF ended: its file, or None and a sentence that says why. Visitors see neither.

    There is a sentence also for a GIF that was saved, but could not be shared. `titles` are the GIF's, for its replay
    on the display; None after a failure.
    """

    path: Path | None
    failure: str = ""
    titles: Titles | None = None


class Job(NamedTuple):
    """What the process has to do: the recording, the GIF's bytes at most, its folder and name, and its partial file."""

    recording: Recording
    max_bytes: int
    folder: Path
    name: str
    partial: str


class Answer(NamedTuple):
    """What the process answers: the GIF's file, details for the log and its titles, or a fault instead of all that."""

    path: Path | None = None
    details: str = ""
    titles: Titles | None = None
    fault: str = ""


class GifWriter:
    """Makes GIFs of at most `megabytes` in `folder` (created when missing), one at a time. A context manager.

    With `sharing`, it makes them in the folder of shared GIFs instead. The `keeper` deletes old ones. Entering the
    context removes incomplete files that a killed process left behind. Leaving it waits for a GIF under way.
    """

    def __init__(
        self, folder: Path, *, megabytes: float = 3.0, sharing: Sharing | None = None, keeper: GifKeeper | None = None
    ) -> None:
        self._folder, self._limit = sharing.folder if sharing else folder, round(megabytes * 1e6)
        self._sharing, self._keeper = sharing, keeper
        self._pages: queue.SimpleQueue[ShownPage] = queue.SimpleQueue()
        self._outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        for folder in (self._folder, self._folder / FOLDER_NAME):  # GIFs may have been shared before, and no longer
            remove_partial_files(folder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The id of the process that is making a GIF; None if there is none."""
        return self._process.pid if self._process else None

    def start(self, recording: Recording) -> None:
        """Start making a GIF, and return at once. `poll_outcome` reports how it ended. Make one GIF at a time."""
        name = f"{new_name() if self._sharing else f'{FILE_PREFIX}{datetime.now():%Y%m%d-%H%M%S}'}.gif"
        if self._keeper is not None:
            self._keeper.protect(Path(name).stem)
        # A list that the thread empties: as a plain argument, the recording would stay in memory until the thread ends.
        jobs = [Job(recording, self._limit, self._folder, name, _partial_name())]
        self._thread = threading.Thread(target=self._write, args=(jobs,), name="gif", daemon=True)
        self._thread.start()

    def poll_page(self) -> ShownPage | None:
        """Return the page of the GIF under way, in the first call after it is there; None in every other call."""
        try:
            return self._pages.get_nowait()
        except queue.Empty:
            return None

    def poll_outcome(self) -> Outcome | None:
        """Return how the GIF ended, in the first call after its end; None in every other call."""
        try:
            return self._outcomes.get_nowait()
        except queue.Empty:
            return None

    def close(self, timeout: float = 3.0) -> None:
        """Wait up to `timeout` seconds for a GIF under way, then kill its process. Incomplete files are removed."""
        thread = self._thread  # another thread may be closing this, too
        if thread is None:
            return
        thread.join(timeout)
        if (process := self._process) is not None:
            process.kill()
        thread.join(1.0)  # when the disk hangs, even a killed process stays
        self._thread = None

    def _write(self, jobs: list[Job]) -> None:
        """Run the thread: have a process do the only job, and put the outcome in the queue, whatever happens."""
        name, partial = Path(jobs[0].name).stem, self._folder / jobs[0].partial
        try:
            warning = self._announce(name, jobs[0].recording)
            with _start_process() as self._process:
                outcome = _run_job(self._process, jobs.pop())
            if outcome.path is not None and warning:
                outcome = outcome._replace(failure=warning)
        except SaveError as error:
            outcome = Outcome(None, f"{FAILURE_PREFIX}{error}.")
        except Exception as error:
            log.exception("The GIF could not be made")
            outcome = Outcome(None, f"{FAILURE_PREFIX}{error}; press again.")
        self._process = None
        if outcome.path is None:
            with contextlib.suppress(OSError):
                partial.unlink()  # its process has ended, whatever a lock says
            remove_partial_files(self._folder)
            if self._sharing is not None:
                self._sharing.withdraw(name)
        if outcome.failure:
            log.warning("%s", outcome.failure)
        heap.trim()
        self._outcomes.put(outcome)
        if self._keeper is not None:
            self._keeper.wake()

    def _announce(self, name: str, recording: Recording) -> str:
        """If GIFs are shared, say where this one will be; return what its owner should know. Raises SaveError."""
        if self._sharing is None:
            return ""
        try:
            self._sharing.announce(name, recording)
        except OSError as error:
            raise SaveError(_explain(error, self._folder)) from error
        page = self._sharing.page(name)
        if page is None:
            return NOT_SERVED
        self._pages.put(page)
        return ""


def _start_process() -> subprocess.Popen[bytes]:
    """Start a process that runs `main`."""
    return spawn_python(
        f"import os; os.nice({NICENESS}); from device.recording.saving import main; main()",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PYGAME_HIDE_SUPPORT_PROMPT": "1", "OPENBLAS_NUM_THREADS": "1"},
    )


def _run_job(process: subprocess.Popen[bytes], job: Job) -> Outcome:
    """Send the job to the process, and wait for its answer. A process that hangs is killed."""
    assert process.stdin is not None
    assert process.stdout is not None
    watchdog = threading.Timer(WRITE_TIMEOUT, process.kill)
    watchdog.start()
    try:
        # A broken pipe means that the process has died, which the missing answer shows too.
        with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
            pickle.dump(job, pipe, protocol=5)
        answer = process.stdout.read()
        status = process.wait()
    finally:
        watchdog.cancel()
    if status or not answer:
        return Outcome(None, f"{FAILURE_PREFIX}{_exit_reason(status)}; press again.")
    path, details, titles, fault = pickle.loads(answer)
    if fault:
        return Outcome(None, f"{FAILURE_PREFIX}{fault}.")
    log.info("saved %s: %s", path, details)
    return Outcome(path, titles=titles)


def _exit_reason(status: int) -> str:
    """Return how a process without an answer ended, from its exit status."""
    if status >= 0:
        return f"its process ended unexpectedly (status {status})"
    with contextlib.suppress(ValueError):
        return f"its process was stopped ({signal.Signals(-status).name})"
    return f"its process was stopped (signal {-status})"


def main() -> None:
    """Run the process: read a `Job` from standard input, write an `Answer` to standard output, both pickled.

    It ignores signals to stop, so that a GIF under way is finished. Its parent kills it when that takes too long.
    """
    ignore_stop_signals()
    disable_core_dumps()
    raise_oom_score(800)  # killed before the estimator when memory runs out: a visitor can press again
    cv2.setNumThreads(1)
    try:
        job: Job = pickle.load(sys.stdin.buffer)
    except (EOFError, pickle.UnpicklingError):
        sys.exit("pose-mirror: the recording is incomplete, because the mirror ended")
    try:
        gif = encode(job.recording, job.max_bytes)
        path = write_atomically(gif.data, job.folder, job.name, partial=job.partial)
    except (GifError, SaveError) as error:
        answer = Answer(fault=str(error))
    else:
        width, height = gif.size
        details = f"{len(gif.data) / 1e6:.2f} MB, {width}×{height}, {gif.frames} frames, {gif.colours} colours"
        answer = Answer(path, details, gif.titles)
    pickle.dump(answer, sys.stdout.buffer, protocol=5)


def write_atomically(
    data: bytes, folder: Path, name: str, *, min_free: int = MIN_FREE_BYTES, partial: str | None = None
) -> Path:
    """Write a file into `folder` (created when missing), complete and synced to disk or not at all; return its path.

    If the name is taken, a number is added: a clock without a battery repeats its seconds, and several mirrors may
    share a folder. `min_free` bytes must stay free. `partial` names the file until it is complete. Raises SaveError.
    """
    unfinished = folder / (partial or _partial_name())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _check_free_space(folder, len(data) + min_free)
        with unfinished.open("xb") as file:
            # While this process lives, `remove_partial_files` must not remove the file. Saving needs no lock.
            files.try_lock(file.fileno())
            file.write(data)
            file.flush()
            files.sync_file(file.fileno())
            path = files.rename_to_free_name(unfinished, folder / name)
        files.sync_folder(folder)
    except OSError as error:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise error if isinstance(error, SaveError) else SaveError(_explain(error, folder)) from error
    return path


def _partial_name() -> str:
    """Return a name for an incomplete file that no other process has, on this machine or another one."""
    return f".{FILE_PREFIX}{secrets.token_hex(8)}{PARTIAL_SUFFIX}"


def remove_partial_files(folder: Path) -> int:
    """Remove the incomplete files of killed processes from `folder`; return their number."""
    removed = 0
    with contextlib.suppress(OSError):  # a failing memory card may not even list its files
        for partial in folder.glob(f".{FILE_PREFIX}*{PARTIAL_SUFFIX}"):
            with contextlib.suppress(OSError), partial.open("r+b") as file:
                if files.try_lock(file.fileno()) or _is_stale(partial):
                    partial.unlink()
                    removed += 1
    return removed


def _is_stale(partial: Path) -> bool:
    newest = max(file.stat().st_mtime for file in partial.parent.iterdir())
    return newest - partial.stat().st_mtime > STALE_SECONDS


def _check_free_space(folder: Path, needed: int) -> None:
    free = files.free_bytes(folder)
    if free is not None and free < needed:
        raise SaveError(
            f"only {free / 1e6:.0f} MB are free on the disk of {folder}, but {needed / 1e6:.0f} MB are needed: "
            "delete files there"
        )


def _explain(error: OSError, folder: Path) -> str:
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return f"the disk of {folder} is full: delete files there"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return (
                f"{folder} is not writable: allow writing there, or set another folder under [gif] in the configuration"
            )
        case errno.EEXIST | errno.ENOTDIR if not folder.is_dir():
            return f"{folder} is not a folder, or is inside a file: set another folder under [gif] in the configuration"
        case _:
            return f"{folder}: {files.explain(error, folder) or error.strerror or error}"
