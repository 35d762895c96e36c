"""Fuzzes targets at the same time, or reads one input again: `python -m tests.fuzz --help`; `make fuzz` runs it."""

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
"""Where each target keeps the inputs that reached something new, for the next time, and those that broke a promise."""

REPORT_SECONDS: Final = 60.0
"""Seconds between two words about how it goes on."""

STOP_SECONDS: Final = 30.0
"""Seconds in which a fuzzer that is asked to stop has to."""

NORMAL_STATUSES: Final = (0, 72, 130)
"""How libFuzzer ends when its time is over; and it, or Python in it, when asked to stop."""


@dataclass
class Run:
    """One target being fuzzed in a process of its own, whose words go to a log; what came of it when it has ended."""

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
        self._began = time.monotonic()
        with self.log.open("wb") as log:
            command = [sys.executable, "-m", "tests.fuzz.driver", self.name, str(self.folder), str(self.seconds)]
            # a session of its own, so that Ctrl-C ends it here, and in order
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def findings(self) -> list[Path]:
        """Inputs that broke a promise in this run, whether or not they did so in an earlier one."""
        return sorted(file for file, _ in self._files() - self.known_files if file.suffix != ".txt")

    def poll(self, *, wait: bool = False) -> bool:
        """Whether it has ended, or `wait` until it has; then also when, how, and what it took."""
        if self.status is None:
            pid, status, used = os.wait4(self._process.pid, 0 if wait else os.WNOHANG)
            if pid:
                self.status = self._process.returncode = os.waitstatus_to_exitcode(status)
                self.wall_seconds, self.cpu_seconds = time.monotonic() - self._began, used.ru_utime + used.ru_stime
        return self.status is not None

    def stop(self) -> None:
        """Ask it to end in order."""
        if not self.poll():
            self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """End it, with all that it may have started."""
        if not self.poll():
            os.killpg(self._process.pid, signal.SIGKILL)

    def progress_line(self) -> str:
        """How far it is, in a line."""
        log = self.log.read_text(encoding="utf-8", errors="replace")
        executed = re.findall(r"^#(\d+)\s", log, re.MULTILINE) + re.findall(r"number_of_executed_units: (\d+)", log)
        covered = re.findall(r" cov: (\d+) ft: (\d+) corp: (\d+)", log)
        edges, features, inputs = covered[-1] if covered else ("–", "–", "–")
        counts = f"{int(executed[-1]) if executed else 0:>11,} executions, {edges:>6} edges, {features:>7} features"
        return f"{self.name:<10} {counts}, {inputs:>6} inputs kept, {len(self.findings)} found"

    def result_line(self) -> str:
        """What came of it, in a line."""
        took = f"{self.wall_seconds:,.0f} s by the clock, {self.cpu_seconds:,.0f} s of the processor"
        return f"{self.progress_line()}, {took}" + (
            "" if self.status in NORMAL_STATUSES else f", ended by {self.status}: see {self.log}"
        )

    def _files(self) -> set[tuple[Path, int]]:
        """What has been found at any time, and when it was written last."""
        return {(file, file.stat().st_mtime_ns) for file in (self.folder / "found").glob("*")}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all by default")
    parser.add_argument("--seconds", type=int, default=3600, help="how long each is fuzzed; an hour by default")
    parser.add_argument(
        "--folder", type=Path, default=DEFAULT_FOLDER, help="where inputs are kept; build/fuzz by default"
    )
    parser.add_argument("--input", type=Path, metavar="FILE", help="read this input of the one target named, and end")
    wanted = parser.parse_args()
    unknown = set(wanted.targets) - set(TARGETS)
    if unknown:
        parser.error(f"there is no target {min(unknown)!r}: name some of {', '.join(TARGETS)}")
    if wanted.input is not None:
        if len(wanted.targets) != 1:
            parser.error("--input is read by one target: name it")
        _read_input(wanted.targets[0], wanted.input)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:  # under nohup a terminal may go
            signal.signal(number, signal.default_int_handler)  # as Ctrl-C
    with start_runs(wanted.targets or TARGETS, wanted.seconds, wanted.folder) as runs:
        return wait_for_runs(runs)


def _read_input(name: str, file: Path) -> NoReturn:
    """Reads one input as the fuzzer did, without it; what breaks a promise ends in its traceback."""
    with tempfile.TemporaryDirectory(prefix=f"fuzz-{name}-", ignore_cleanup_errors=True) as folder:
        with_time_limit(load_target(name).make_reader(Path(folder)))(file.read_bytes())
    print(f"{file} is read as it should be.")
    sys.exit(0)


@contextmanager
def start_runs(names: Sequence[str], seconds: int, folder: Path) -> Iterator[list[Run]]:
    """Targets being fuzzed; none outlives this, not even where another cannot be started, or Ctrl-C comes twice.

    Each has a session of its own, so nobody else would end it.
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
    """Waits for targets that are fuzzed; the exit status is 1 when a promise was broken."""
    told: set[Path] = set()
    due = time.monotonic() + min(REPORT_SECONDS, max(run.seconds for run in runs) / 4)
    try:
        while sum(run.poll() for run in runs) < len(runs):
            time.sleep(0.5)
            for file in [file for run in runs for file in run.findings if file not in told]:
                told.add(file)
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
    """Asks all that run to end, and ends those that do not."""
    print("Stopping.", flush=True)
    until = time.monotonic() + STOP_SECONDS
    for run in runs:
        run.stop()
    while sum(run.poll() for run in runs) < len(runs):
        if time.monotonic() > until:
            for run in runs:
                run.kill()
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
