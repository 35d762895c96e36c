"""What `soak.py` sees of the mirror from outside: its processes' memory, threads and files, and its screen's words."""

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

OUTCOME_PATTERN = re.compile(r"^(Your GIF is saved as|The GIF could not be written|Nobody was in the mirror)")

FONT_SUFFIXES = (".ttf", ".otf", ".ttc")
"""Files that stay open: each size of letters that was ever drawn, 64 at most."""


class Sample(NamedTuple):
    """One look at the mirror's processes: megabytes by role, and how many there are of each thing that may be left."""

    at: float
    rss: dict[str, float]
    pss: float
    threads: int
    files: int
    memories: int
    children: int

    @property
    def resident(self) -> float:
        """MB of the mirror and its estimator; a GIF's process comes and goes."""
        return self.rss.get("mirror", 0.0) + self.rss.get("estimator", 0.0)


def take_sample(pid: int, now: float) -> Sample | None:
    """A sample; None while the estimator is being exchanged, or the mirror is gone."""
    found = process_tree(pid)
    rss: dict[str, float] = {}
    pss = 0.0
    try:
        for one, role in found.items():
            rss[role] = rss.get(role, 0.0) + _read_megabytes(Path(f"/proc/{one}/status"), "VmRSS")
            pss += _read_megabytes(Path(f"/proc/{one}/smaps_rollup"), "Pss")
        links = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()]
        threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
    except (OSError, ValueError):
        return None
    if "estimator" not in rss:
        return None
    memories = sum(link.startswith("/memfd:") for link in links)
    links = [link for link in links if not link.endswith(FONT_SUFFIXES)]
    return Sample(now, rss, pss, threads, len(links), memories, len(found) - 1)


def _read_megabytes(file: Path, name: str) -> float:
    """A line of /proc's in kilobytes, as megabytes."""
    found = re.search(rf"^{name}:\s+(\d+) kB", file.read_text(), re.MULTILINE)
    if found is None:
        raise ValueError(f"{file} has no {name}")
    return int(found[1]) / 1000


def medians(
    samples: list[Sample], start: float, seconds: float, value_of: Callable[[Sample], float]
) -> dict[int, float]:
    """The median over each span of so many seconds, by the span's number; less those looked at for under a third."""
    spans: dict[int, list[float]] = {}
    for sample in samples:
        spans.setdefault(int((sample.at - start) // seconds), []).append(value_of(sample))
    return {number: median(values) for number, values in spans.items() if len(values) > seconds / 3}


class Reports:
    """What the mirror's witness tells, read by a thread of its own until the mirror ends."""

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
        if self._all:  # the first follows the start, which takes its time
            self.longest_stop = max(self.longest_stop, report["longest"])
        self.oldest_frame = max(self.oldest_frame, report["oldest"])
        self.pictures += report["pictures"]
        self.frames += report["frames"]
        self._all = [*self._all[-600:], report]

    @property
    def phase(self) -> str:
        """What the recorder was at when it was last told."""
        with self._changed:
            return str(self._all[-1]["phase"]) if self._all else "idle"

    def wait(self, condition: Callable[[dict[str, Any]], bool], since: float, timeout: float) -> dict[str, Any] | None:
        """The first report from `since` on of which something holds; None when it does not in `timeout` seconds."""
        end = time.monotonic() + timeout
        with self._changed:
            while True:
                found = next((one for one in self._all if one["at"] >= since and condition(one)), None)
                if found is not None or (left := end - time.monotonic()) <= 0 or self._mirror.poll() is not None:
                    return found
                self._changed.wait(min(left, 1.0))

    def sentences_since(self, since: float) -> list[str]:
        """The sentences on the screen from then on, each once."""
        with self._changed:
            shown = [one for one in self._all if one["at"] >= since]
        return list(dict.fromkeys(s for one in shown for s in (*one["faults"], one["notice"]) if s))


def is_well(report: dict[str, Any]) -> bool:
    """Whether the mirror is one: it shows who is before it, and has nothing to complain of."""
    return bool(report["live"]) and not report["faults"] and not report["dark"]
