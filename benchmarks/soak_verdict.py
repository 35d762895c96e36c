"""The results of `soak.py`: a verdict on everything that must hold, and the table of faults."""

from __future__ import annotations

import csv
import json
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.soak_faults import FAULTS, Fault
from benchmarks.soak_run import PRESS_SECOND, FaultRecord, Soak
from benchmarks.soak_watch import medians

MAX_GROWTH_MB = 10.0
"""MB that the resident memory may grow by after the first span."""

SPAN_MINUTES = 5.0
"""Minutes in a span, of which the median counts: that of a single minute varies by 10 MB with the faults in it."""


@dataclass(frozen=True)
class Shutdown:
    """How the mirror ended: the recorder's phase at SIGTERM, the status, the seconds, and the processes and files
    left."""

    phase: str
    status: int | None
    seconds: float
    processes_left: list[int]
    files_left: list[str]


def print_verdicts(soak: Soak, shutdown: Shutdown, shared_left: list[str]) -> bool:
    """Print the result for each criterion, and return whether all hold."""
    reports, rows = soak.reports, [*memory_rows(soak), *press_rows(soak), *fault_rows(soak)]
    rows += [
        ("no frame older than 1 s is shown", reports.oldest_frame < 1.0, f"the oldest: {reports.oldest_frame:.3f} s"),
        (
            "the mirror ends within 5 s of SIGTERM",
            shutdown.status == 0 and shutdown.seconds < 5,
            f"{shutdown.seconds:.1f} s, status {shutdown.status} (recorder: {shutdown.phase})",
        ),
        ("no process is left", not shutdown.processes_left, f"{len(shutdown.processes_left)}"),
        ("no shared memory is left in /dev/shm", not shared_left, ", ".join(shared_left) or "none"),
        ("no incomplete file is left", not shutdown.files_left, ", ".join(shutdown.files_left) or "none"),
        (
            "no traceback is in the log",
            "Traceback" not in (log := (soak.workspace.folder / "log").read_text()),
            f"{log.count('Traceback')}",
        ),
        (
            "the run was complete",
            not soak.error,
            soak.error
            or f"{reports.pictures} pictures of {reports.frames} moments, longest stop {reports.longest_stop:.2f} s",
        ),
    ]
    print("\n| fault | injected | shown | back after (median, longest) |\n|---|---|---|---|")
    for fault in FAULTS:
        print(
            format_fault(
                fault, [record for record in soak.fault_records if record.fault is fault], soak.workspace.folder
            )
        )
    print("\n| | | |\n|---|---|---|")
    for criterion, holds, figures in rows:
        print(f"| {criterion} | {'holds' if holds else '**FAILS**'} | {figures} |")
    return all(holds for _, holds, _ in rows)


Row = tuple[str, bool, str]
"""A criterion, whether it holds, and the figures."""


def memory_rows(soak: Soak) -> Iterator[Row]:
    """Yield the rows about memory, and about what may be left behind during the run."""
    minutes = min(SPAN_MINUTES, soak.minutes / 3)
    resident = medians(soak.samples, soak.started, 60 * minutes, lambda sample: sample.resident)
    mirror_only = medians(soak.samples, soak.started, 60 * minutes, lambda sample: sample.rss["mirror"])
    if 0 not in resident or len(resident) < 2:
        yield "resident memory", False, "the run was too short to tell"
        return
    first, last = resident[0], max(resident)
    largest = max(value for number, value in resident.items() if number > 0)
    yield (
        f"resident memory grows < {MAX_GROWTH_MB:g} MB after the first {minutes:g} minutes",
        largest - first < MAX_GROWTH_MB,
        f"{first:.1f} MB in these, at most {largest:.1f} in any {minutes:g} minutes later, {resident[last]:.1f} in the "
        f"last (the mirror alone {mirror_only[0]:.1f} and {mirror_only[last]:.1f})",
    )
    first_samples = [sample for sample in soak.samples if 10 < sample.at - soak.started < PRESS_SECOND - 2]
    last_samples = [sample for sample in soak.samples if sample.at > soak.samples[-1].at - 8]
    for kind in ("threads", "files", "memories", "children"):
        at_start, at_end = (
            max((getattr(sample, kind) for sample in some), default=-1) for some in (first_samples, last_samples)
        )
        name = {"files": "open files", "memories": "memfds", "children": "child processes"}.get(kind, kind)
        yield f"no {name} left behind", 0 <= at_end <= at_start, f"{at_start} at the beginning, {at_end} at the end"


def press_rows(soak: Soak) -> Iterator[Row]:
    """Yield the row about presses: each must lead to a GIF, or to a sentence if a fault prevented it."""
    outcomes = list(soak.reports.outcomes)
    spoilt = good = lost = 0
    for pressed in soak.presses:
        outcome = next((candidate for candidate in outcomes if candidate[0] > pressed), None)
        if outcome is None:
            lost += 1
            continue
        outcomes.remove(outcome)
        excused = any(
            candidate.fault.may_spoil_gif
            and candidate.started < outcome[0]
            and pressed < (candidate.ended or time.monotonic()) + 3
            for candidate in soak.fault_records
        )
        if outcome[1].startswith("Your GIF is ready"):
            good += 1
        elif excused:
            spoilt += 1
        else:
            lost += 1
    gifs = len(list(soak.workspace.gifs.glob("*.gif")))
    figures = f"{len(soak.presses)} presses: {good} GIFs ({gifs} files), {spoilt} explained, {lost} lost"
    yield "each press leads to a GIF, or to a sentence why not", not lost and gifs == good, figures


def fault_rows(soak: Soak) -> Iterator[Row]:
    """Yield the rows about faults: each must be shown, and the mirror must recover."""
    not_shown = [record.fault.name for record in soak.fault_records if not record.was_announced]
    not_recovered = [record.fault.name for record in soak.fault_records if record.recovery_seconds is None]
    yield (
        "each fault is shown on the screen",
        not not_shown,
        ", ".join(not_shown) or f"{len(soak.fault_records)} faults",
    )
    yield (
        "the mirror recovers from each",
        not not_recovered,
        ", ".join(not_recovered) or f"{len(soak.fault_records)} times",
    )


def format_fault(fault: Fault, records: list[FaultRecord], folder: Path) -> str:
    """Return a row of the table of faults."""
    messages = list(
        dict.fromkeys(
            sentence
            for record in records
            for sentence in record.sentences
            if re.search(fault.message_pattern or "^$", sentence)
        )
    )
    recoveries = [record.recovery_seconds for record in records if record.recovery_seconds is not None]
    recovery = f"{median(recoveries):.1f} s, {max(recoveries):.1f} s" if recoveries else "–"
    sentence = messages[0].replace(f"{folder}/", "") if messages else "–"
    return f"| {fault.name} | {len(records)} | {sentence} | {recovery} |"


def save_logs(soak: Soak, folder: Path) -> None:
    """Write the mirror's log, a line of figures for each second, and the faults."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(soak.workspace.folder / "log", folder / "log")
    with (folder / "samples.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["second", "mirror MB", "estimator MB", "PSS MB", "threads", "files", "memfds", "children"])
        for entry in soak.samples:
            mirror, estimator = entry.rss.get("mirror", 0.0), entry.rss.get("estimator", 0.0)
            table.writerow(
                [
                    round(entry.at - soak.started),
                    mirror,
                    estimator,
                    entry.pss,
                    entry.threads,
                    entry.files,
                    entry.memories,
                    entry.children,
                ]
            )
    (folder / "faults.json").write_text(
        json.dumps(
            [
                [entry.fault.name, entry.started - soak.started, entry.recovery_seconds, entry.sentences]
                for entry in soak.fault_records
            ],
            indent=1,
        )
    )
