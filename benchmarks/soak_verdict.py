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
from benchmarks.soak_run import PRESS_AT, Soak, Thrown
from benchmarks.soak_watch import medians

GROWTH = 10.0
"""MB that the resident memory may grow by after the first five minutes."""

SPAN = 5.0
"""Minutes of which one median is taken: a minute's own goes up and down by 10 MB, with what happens to be thrown."""


@dataclass(frozen=True)
class Ended:
    """How the mirror ended: the recorder's phase when asked to, status, seconds, the processes and files it left."""

    phase: str
    status: int | None
    seconds: float
    processes: list[int]
    files: list[str]


def verdicts(soak: Soak, ended: Ended, shared: list[str]) -> bool:
    """Print what was found of each criterion; whether all hold."""
    reports, rows = soak.reports, [*figures(soak), *presses(soak), *faults(soak)]
    rows += [
        ("no frame older than 1 s shown", reports.oldest < 1.0, f"the oldest {reports.oldest:.3f} s"),
        (
            "it ends within 5 s of SIGTERM",
            ended.status == 0 and ended.seconds < 5,
            f"{ended.seconds:.1f} s, status {ended.status} (its recorder: {ended.phase})",
        ),
        ("no process left", not ended.processes, f"{len(ended.processes)}"),
        ("no shared memory left in /dev/shm", not shared, ", ".join(shared) or "none"),
        ("no half file left", not ended.files, ", ".join(ended.files) or "none"),
        (
            "no traceback in its log",
            "Traceback" not in (log := (soak.place.folder / "log").read_text()),
            f"{log.count('Traceback')}",
        ),
        (
            "the run was whole",
            not soak.broken,
            soak.broken
            or f"{reports.pictures} pictures of {reports.frames} moments, longest stop {reports.longest:.2f} s",
        ),
    ]
    print("\n| fault | thrown | said | back after (median, longest) |\n|---|---|---|---|")
    for fault in FAULTS:
        print(told(fault, [one for one in soak.thrown if one.fault is fault], soak.place.folder))
    print("\n| | | |\n|---|---|---|")
    for what, holds, found in rows:
        print(f"| {what} | {'holds' if holds else '**FAILS**'} | {found} |")
    return all(holds for _, holds, _ in rows)


Row = tuple[str, bool, str]


def figures(soak: Soak) -> Iterator[Row]:
    """Memory, and what may be left behind while it runs."""
    minutes = min(SPAN, soak.minutes / 3)
    resident = medians(soak.samples, soak.started, 60 * minutes, lambda sample: sample.resident)
    alone = medians(soak.samples, soak.started, 60 * minutes, lambda sample: sample.rss["mirror"])
    if 0 not in resident or len(resident) < 2:
        yield "resident memory", False, "the run was too short to tell"
        return
    first, last = resident[0], max(resident)
    most = max(value for number, value in resident.items() if number > 0)
    yield (
        f"resident memory grows < {GROWTH:g} MB after the first {minutes:g} minutes",
        most - first < GROWTH,
        f"{first:.1f} MB in these, at most {most:.1f} in any {minutes:g} minutes later, {resident[last]:.1f} in the "
        f"last (the mirror alone {alone[0]:.1f} and {alone[last]:.1f})",
    )
    begin = [one for one in soak.samples if 10 < one.at - soak.started < PRESS_AT - 2]
    close = [one for one in soak.samples if one.at > soak.samples[-1].at - 8]
    for what in ("threads", "files", "memories", "children"):
        was, now = (max((getattr(one, what) for one in some), default=-1) for some in (begin, close))
        name = {"files": "open files", "memories": "memfds", "children": "child processes"}.get(what, what)
        yield f"no {name} left behind", 0 <= now <= was, f"{was} at the beginning, {now} at the end"


def presses(soak: Soak) -> Iterator[Row]:
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
            one.fault.spoils and one.struck < outcome[0] and pressed < (one.ended or time.monotonic()) + 3
            for one in soak.thrown
        )
        if outcome[1].startswith("Your GIF is saved"):
            good += 1
        elif excused:
            spoilt += 1
        else:
            lost += 1
    gifs = len(list(soak.place.gifs.glob("*.gif")))
    found = f"{len(soak.presses)} presses: {good} GIFs ({gifs} files), {spoilt} sentences why not, {lost} lost"
    yield "each press is a GIF, or a sentence why not", not lost and gifs == good, found


def faults(soak: Soak) -> Iterator[Row]:
    """Each fault is said, and the mirror comes back."""
    silent = [one.fault.name for one in soak.thrown if not one.told]
    gone = [one.fault.name for one in soak.thrown if one.back is None]
    yield "each fault is said on the screen", not silent, ", ".join(silent) or f"{len(soak.thrown)} faults"
    yield "the mirror is back after each", not gone, ", ".join(gone) or f"{len(soak.thrown)} times"


def told(fault: Fault, thrown: list[Thrown], folder: Path) -> str:
    """A row of the table of faults."""
    said = list(
        dict.fromkeys(sentence for one in thrown for sentence in one.said if re.search(fault.says or "^$", sentence))
    )
    backs = [one.back for one in thrown if one.back is not None]
    back = f"{median(backs):.1f} s, {max(backs):.1f} s" if backs else "–"
    sentence = said[0].replace(f"{folder}/", "") if said else "–"
    return f"| {fault.name} | {len(thrown)} | {sentence} | {back} |"


def keep(soak: Soak, folder: Path) -> None:
    """The mirror's log, and a line for each second."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(soak.place.folder / "log", folder / "log")
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
        json.dumps([[one.fault.name, one.struck - soak.started, one.back, one.said] for one in soak.thrown], indent=1)
    )
