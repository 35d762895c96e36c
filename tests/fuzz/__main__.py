"""Fuzzes several targets at once, or reads one input again. `make fuzz` runs it; see `python -m tests.fuzz --help`."""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NoReturn

from tests.fuzz.promise import TARGETS, load_target, with_time_limit
from tests.support.paths import ROOT

DEFAULT_FOLDER: Final = ROOT / "build" / "fuzz"
"""Where each target keeps its corpus for the next run, and the inputs that broke a promise."""

REPORT_SECONDS: Final = 60.0
"""Seconds between two progress reports."""

STOP_SECONDS: Final = 30.0
"""Seconds that a fuzzer has to stop after it was asked to; then it is killed."""

NORMAL_STATUSES: Final = (0, 72, 130)
"""Exit statuses of libFuzzer when its time is over, and of libFuzzer and Python after SIGINT."""


@dataclass
class Run:
    """One target being fuzzed in a process of its own, which writes a log; and the result once it has ended."""

    name: str
    seconds: int
    folder: Path
    known_files: set[tuple[Path, int]] = field(default_factory=set)
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    status: int | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.known_files = self._files()
        self._started_at = time.monotonic()
        with self.log.open("wb") as log:
            command = [sys.executable, "-m", "tests.fuzz.driver", self.name, str(self.folder), str(self.seconds)]
            # In a session of its own Ctrl-C does not reach it, so that this process can stop it in order.
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    @property
    def log(self) -> Path:
        """The file that the process writes its output to."""
        return self.folder / "log"

    @property
    def findings(self) -> list[Path]:
        """The inputs that broke a promise in this run, also if an earlier run had found them."""
        return sorted(file for file, _ in self._files() - self.known_files if file.suffix != ".txt")

    def poll(self, *, wait: bool = False) -> bool:
        """Whether the process has ended; with `wait`, wait for it. Then notes its status and the time it took."""
        if self.status is None:
            pid, status, used = os.wait4(self._process.pid, 0 if wait else os.WNOHANG)
            if pid:
                self.status = self._process.returncode = os.waitstatus_to_exitcode(status)
                self.wall_seconds, self.cpu_seconds = time.monotonic() - self._started_at, used.ru_utime + used.ru_stime
        return self.status is not None

    def stop(self) -> None:
        """Ask the process to stop in order."""
        if not self.poll():
            self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """Kill the process and everything it started."""
        if not self.poll():
            os.killpg(self._process.pid, signal.SIGKILL)

    def progress_line(self) -> str:
        """Its progress, on one line."""
        log = self.log.read_text(encoding="utf-8", errors="replace")
        executed = re.findall(r"^#(\d+)\s", log, re.MULTILINE) + re.findall(r"number_of_executed_units: (\d+)", log)
        covered = re.findall(r" cov: (\d+) ft: (\d+) corp: (\d+)", log)
        edges, features, inputs = covered[-1] if covered else ("–", "–", "–")
        counts = f"{int(executed[-1]) if executed else 0:>11,} executions, {edges:>6} edges, {features:>7} features"
        return f"{self.name:<10} {counts}, {inputs:>6} inputs kept, {len(self.findings)} found"

    def result_line(self) -> str:
        """Its result, on one line."""
        took = f"{self.wall_seconds:,.0f} s of wall time, {self.cpu_seconds:,.0f} s of CPU time"
        return f"{self.progress_line()}, {took}" + (
            "" if self.status in NORMAL_STATUSES else f", ended by {self.status}: see {self.log}"
        )

    def _files(self) -> set[tuple[Path, int]]:
        """Everything found so far, by any run, and when each file was last written."""
        return {(file, file.stat().st_mtime_ns) for file in (self.folder / "found").glob("*")}


def main() -> int:
    """Run the command line; the exit status is 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"some of {', '.join(TARGETS)} (default: all)")
    parser.add_argument("--seconds", type=int, default=3600, help="how long to fuzz each target (default: an hour)")
    parser.add_argument(
        "--folder", type=Path, default=DEFAULT_FOLDER, help="where to keep inputs (default: build/fuzz)"
    )
    parser.add_argument(
        "--input", type=Path, metavar="FILE", help="read this input with the one target named, and exit"
    )
    args = parser.parse_args()
    unknown = set(args.targets) - set(TARGETS)
    if unknown:
        parser.error(f"there is no target {min(unknown)!r}: name some of {', '.join(TARGETS)}")
    if args.input is not None:
        if len(args.targets) != 1:
            parser.error("--input needs exactly one target: name it")
        _read_input(args.targets[0], args.input)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:  # under nohup SIGHUP stays ignored
            signal.signal(number, signal.default_int_handler)  # like Ctrl-C
    with start_runs(args.targets or TARGETS, args.seconds, args.folder) as runs:
        return wait_for_runs(runs)


def _read_input(name: str, file: Path) -> NoReturn:
    """Read one input as the fuzzer did; a broken promise ends in its traceback."""
    with tempfile.TemporaryDirectory(prefix=f"fuzz-{name}-", ignore_cleanup_errors=True) as folder:
        with_time_limit(load_target(name).make_reader(Path(folder)))(file.read_bytes())
    print(f"{file} breaks no promise.")
    sys.exit(0)


@contextmanager
def start_runs(names: Sequence[str], seconds: int, folder: Path) -> Iterator[list[Run]]:
    """Fuzz targets; kill every process on leaving, also when another cannot start or Ctrl-C comes twice.

    Each process has a session of its own, so nothing else would end it.
    """
    runs: list[Run] = []
    try:
        for name in names:
            runs.append(Run(name, seconds, folder / name))
        yield runs
    finally:
        for run in runs:
            run.kill()
        for run in runs:
            run.poll(wait=True)


def wait_for_runs(runs: Sequence[Run]) -> int:
    """Wait until all runs have ended; return 1 when a promise was broken, else 0."""
    reported: set[Path] = set()
    due = time.monotonic() + min(REPORT_SECONDS, max(run.seconds for run in runs) / 4)
    try:
        while sum(run.poll() for run in runs) < len(runs):
            time.sleep(0.5)
            for file in [file for run in runs for file in run.findings if file not in reported]:
                reported.add(file)
                print(f"FOUND {file}", flush=True)
            if time.monotonic() > due:
                due += REPORT_SECONDS
                print(*(run.progress_line() for run in runs), "", sep="\n", flush=True)
    except KeyboardInterrupt:
        _stop_runs(runs)
    print(*(run.result_line() for run in runs), sep="\n", flush=True)
    for run in runs:
        for file in run.findings:
            print(f"Read it again: .venv/bin/python -m tests.fuzz {run.name} --input {file}")
    return int(any(run.findings or run.status not in NORMAL_STATUSES for run in runs))


def _stop_runs(runs: Sequence[Run]) -> None:
    """Ask all runs to stop, and kill those that do not within `STOP_SECONDS`."""
    print("Stopping.", flush=True)
    deadline = time.monotonic() + STOP_SECONDS
    for run in runs:
        run.stop()
    while sum(run.poll() for run in runs) < len(runs):
        if time.monotonic() > deadline:
            for run in runs:
                run.kill()
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
