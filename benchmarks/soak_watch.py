"""What `soak.py` sees of the mirror from outside: memory, threads and files of its processes, and what its screen
shows."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from benchmarks.soak_faults import process_tree

OUTCOME_PATTERN = re.compile(r"^(Your GIF is ready|The GIF could not be saved|Nobody was there)")
"""Matches the notices that end a recording."""

FONT_SUFFIXES = (".ttf", ".otf", ".ttc")
"""Fonts stay open, one file for each size of letters that was drawn, 64 at most; they do not count as left behind.
"""


class Sample(NamedTuple):
    """One sample of the mirror's processes: megabytes by role, and counts of all that may be left behind."""

    at: float
    rss: dict[str, float]
    pss: float
    threads: int
    files: int
    memories: int
    children: int

    @property
    def resident(self) -> float:
        """MB of the mirror and its estimator; the process of a GIF comes and goes."""
        return self.rss.get("mirror", 0.0) + self.rss.get("estimator", 0.0)


def take_sample(pid: int, now: float) -> Sample | None:
    """Return a sample, or None while the estimator is being replaced or when the mirror has ended."""
    processes = process_tree(pid)
    rss: dict[str, float] = {}
    pss = 0.0
    try:
        for process, role in processes.items():
            rss[role] = rss.get(role, 0.0) + _read_megabytes(Path(f"/proc/{process}/status"), "VmRSS")
            pss += _read_megabytes(Path(f"/proc/{process}/smaps_rollup"), "Pss")
        links = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()]
        threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
    except (OSError, ValueError):
        return None
    if "estimator" not in rss:
        return None
    memories = sum(link.startswith("/memfd:") for link in links)
    links = [link for link in links if not link.endswith(FONT_SUFFIXES)]
    return Sample(now, rss, pss, threads, len(links), memories, len(processes) - 1)


def _read_megabytes(file: Path, name: str) -> float:
    """Return a figure of a file in /proc, which is in kilobytes, as megabytes."""
    match = re.search(rf"^{name}:\s+(\d+) kB", file.read_text(), re.MULTILINE)
    if match is None:
        raise ValueError(f"{file} has no {name}")
    return int(match[1]) / 1000


def medians(
    samples: list[Sample], start: float, seconds: float, value_of: Callable[[Sample], float]
) -> dict[int, float]:
    """Return the median over each span of `seconds`, by the span's number, without spans sampled for under a third."""
    spans: dict[int, list[float]] = {}
    for sample in samples:
        spans.setdefault(int((sample.at - start) // seconds), []).append(value_of(sample))
    return {number: median(values) for number, values in spans.items() if len(values) > seconds / 3}


class Reports:
    """The reports of the mirror's witness, read by a thread until the mirror ends."""

    def __init__(self, mirror: subprocess.Popen[str]) -> None:
        self._mirror = mirror
        self._changed = threading.Condition()
        self._all: list[dict[str, Any]] = []
        self.oldest_frame = self.longest_stop = 0.0
        self.pictures = self.frames = 0
        self.outcomes: list[tuple[float, str]] = []
        threading.Thread(target=self._read, name="reports", daemon=True).start()

    def _read(self) -> None:
        assert self._mirror.stdout is not None
        for line in self._mirror.stdout:
            report = json.loads(line)
            with self._changed:
                self._add(report)
                self._changed.notify_all()

    def _add(self, report: dict[str, Any]) -> None:
        before = self._all[-1]["notice"] if self._all else None
        if report["notice"] != before and OUTCOME_PATTERN.match(report["notice"] or ""):
            self.outcomes.append((report["at"], report["notice"]))
        if self._all:  # the first report follows the start, which takes long
            self.longest_stop = max(self.longest_stop, report["longest"])
        self.oldest_frame = max(self.oldest_frame, report["oldest"])
        self.pictures += report["pictures"]
        self.frames += report["frames"]
        self._all = [*self._all[-600:], report]

    @property
    def phase(self) -> str:
        """The recorder's phase in the latest report."""
        with self._changed:
            return str(self._all[-1]["phase"]) if self._all else "idle"

    def wait(self, condition: Callable[[dict[str, Any]], bool], since: float, timeout: float) -> dict[str, Any] | None:
        """Return the first report from `since` on that meets a condition, or None after `timeout` seconds."""
        end = time.monotonic() + timeout
        with self._changed:
            while True:
                match = next((report for report in self._all if report["at"] >= since and condition(report)), None)
                if match is not None or (left := end - time.monotonic()) <= 0 or self._mirror.poll() is not None:
                    return match
                self._changed.wait(min(left, 1.0))

    def sentences_since(self, since: float) -> list[str]:
        """Return the sentences on the screen from then on, each once."""
        with self._changed:
            shown = [report for report in self._all if report["at"] >= since]
        return list(
            dict.fromkeys(
                sentence for report in shown for sentence in (*report["faults"], report["notice"]) if sentence
            )
        )


def is_well(report: dict[str, Any]) -> bool:
    """Return whether the mirror works: it shows the camera's picture, and no fault."""
    return bool(report["live"]) and not report["faults"] and not report["dark"]
