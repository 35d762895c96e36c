"""What comes of `soak.py`: a verdict on each thing that must hold, and the table of faults."""

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
"""MB that the resident memory may grow by after the first five minutes."""

SPAN_MINUTES = 5.0
"""Minutes of which one median is taken: a minute's own goes up and down by 10 MB, with what happens to be thrown."""


@dataclass(frozen=True)
class Shutdown:
    """How the mirror ended: the recorder's phase when asked to, status, seconds, the processes and files it left."""

    phase: str
    status: int | None
    seconds: float
    processes_left: list[int]
    files_left: list[str]


def print_verdicts(soak: Soak, ended: Shutdown, shared: list[str]) -> bool:
    """Print what was found of each criterion; whether all hold."""
    reports, rows = soak.reports, [*memory_rows(soak), *press_rows(soak), *fault_rows(soak)]
    rows += [
        ("no frame older than 1 s shown", reports.oldest_frame < 1.0, f"the oldest {reports.oldest_frame:.3f} s"),
        (
            "it ends within 5 s of SIGTERM",
            ended.status == 0 and ended.seconds < 5,
            f"{ended.seconds:.1f} s, status {ended.status} (its recorder: {ended.phase})",
        ),
        ("no process left", not ended.processes_left, f"{len(ended.processes_left)}"),
        ("no shared memory left in /dev/shm", not shared, ", ".join(shared) or "none"),
        ("no half file left", not ended.files_left, ", ".join(ended.files_left) or "none"),
        (
            "no traceback in its log",
            "Traceback" not in (log := (soak.workspace.folder / "log").read_text()),
            f"{log.count('Traceback')}",
        ),
        (
            "the run was whole",
            not soak.error,
            soak.error
            or f"{reports.pictures} pictures of {reports.frames} moments, longest stop {reports.longest_stop:.2f} s",
        ),
    ]
    print("\n| fault | thrown | said | back after (median, longest) |\n|---|---|---|---|")
    for fault in FAULTS:
        print(format_fault(fault, [one for one in soak.fault_records if one.fault is fault], soak.workspace.folder))
    print("\n| | | |\n|---|---|---|")
    for what, holds, found in rows:
        print(f"| {what} | {'holds' if holds else '**FAILS**'} | {found} |")
    return all(holds for _, holds, _ in rows)


Row = tuple[str, bool, str]


def memory_rows(soak: Soak) -> Iterator[Row]:
    """Memory, and what may be left behind while it runs."""
    minutes = min(SPAN_MINUTES, soak.minutes / 3)
    resident = medians(soak.samples, soak.started, 60 * minutes, lambda sample: sample.resident)
    alone = medians(soak.samples, soak.started, 60 * minutes, lambda sample: sample.rss["mirror"])
    if 0 not in resident or len(resident) < 2:
        yield "resident memory", False, "the run was too short to tell"
        return
    first, last = resident[0], max(resident)
    most = max(value for number, value in resident.items() if number > 0)
    yield (
        f"resident memory grows < {MAX_GROWTH_MB:g} MB after the first {minutes:g} minutes",
        most - first < MAX_GROWTH_MB,
        f"{first:.1f} MB in these, at most {most:.1f} in any {minutes:g} minutes later, {resident[last]:.1f} in the "
        f"last (the mirror alone {alone[0]:.1f} and {alone[last]:.1f})",
    )
    begin = [one for one in soak.samples if 10 < one.at - soak.started < PRESS_SECOND - 2]
    close = [one for one in soak.samples if one.at > soak.samples[-1].at - 8]
    for what in ("threads", "files", "memories", "children"):
        was, now = (max((getattr(one, what) for one in some), default=-1) for some in (begin, close))
        name = {"files": "open files", "memories": "memfds", "children": "child processes"}.get(what, what)
        yield f"no {name} left behind", 0 <= now <= was, f"{was} at the beginning, {now} at the end"


def press_rows(soak: Soak) -> Iterator[Row]:
    """Each press became a GIF, or a sentence where a fault kept it from becoming one."""
    outcomes = list(soak.reports.outcomes)
    spoilt = good = lost = 0
    for pressed in soak.presses:
        outcome = next((one for one in outcomes if one[0] > pressed), None)
        if outcome is None:
            lost += 1
            continue
        outcomes.remove(outcome)
        excused = any(
            one.fault.may_spoil_gif and one.started < outcome[0] and pressed < (one.ended or time.monotonic()) + 3
            for one in soak.fault_records
        )
        if outcome[1].startswith("Your GIF is saved"):
            good += 1
        elif excused:
            spoilt += 1
        else:
            lost += 1
    gifs = len(list(soak.workspace.gifs.glob("*.gif")))
    found = f"{len(soak.presses)} presses: {good} GIFs ({gifs} files), {spoilt} sentences why not, {lost} lost"
    yield "each press is a GIF, or a sentence why not", not lost and gifs == good, found


def fault_rows(soak: Soak) -> Iterator[Row]:
    """Each fault is said, and the mirror comes back."""
    silent = [one.fault.name for one in soak.fault_records if not one.was_announced]
    gone = [one.fault.name for one in soak.fault_records if one.recovery_seconds is None]
    yield "each fault is said on the screen", not silent, ", ".join(silent) or f"{len(soak.fault_records)} faults"
    yield "the mirror is back after each", not gone, ", ".join(gone) or f"{len(soak.fault_records)} times"


def format_fault(fault: Fault, thrown: list[FaultRecord], folder: Path) -> str:
    """A row of the table of faults."""
    said = list(
        dict.fromkeys(
            sentence
            for one in thrown
            for sentence in one.sentences
            if re.search(fault.message_pattern or "^$", sentence)
        )
    )
    backs = [one.recovery_seconds for one in thrown if one.recovery_seconds is not None]
    back = f"{median(backs):.1f} s, {max(backs):.1f} s" if backs else "–"
    sentence = said[0].replace(f"{folder}/", "") if said else "–"
    return f"| {fault.name} | {len(thrown)} | {sentence} | {back} |"


def save_logs(soak: Soak, folder: Path) -> None:
    """The mirror's log, and a line for each second."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(soak.workspace.folder / "log", folder / "log")
    with (folder / "samples.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["second", "mirror MB", "estimator MB", "PSS MB", "threads", "files", "memfds", "children"])
        for one in soak.samples:
            mirror, estimator = one.rss.get("mirror", 0.0), one.rss.get("estimator", 0.0)
            table.writerow(
                [
                    round(one.at - soak.started),
                    mirror,
                    estimator,
                    one.pss,
                    one.threads,
                    one.files,
                    one.memories,
                    one.children,
                ]
            )
    (folder / "faults.json").write_text(
        json.dumps(
            [
                [one.fault.name, one.started - soak.started, one.recovery_seconds, one.sentences]
                for one in soak.fault_records
            ],
            indent=1,
        )
    )
