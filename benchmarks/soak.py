"""Watches the mirror for an hour while faults are thrown at it, and prints a verdict on each thing that must hold.

make soak        (one hour; `make soak MINUTES=6 SEED=3` is shorter, with the faults in another order)

The mirror runs as a process of its own, all of it, before a film in a loop: of ../shared/data/videos where that is,
else of the drawn performer. As root a small disk is mounted for the GIFs, so that it can be filled.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import cv2
import numpy as np
from jumping_clock import JumpingClock
from soak_faults import FAULTS, Fault, Place, processes, write_film
from soak_watch import Reports, Sample, by_minute, look, well

from index.starter import starter
from models.fetch import chosen
from models.figures import perform

SHARED = Path(__file__).parents[2] / "shared" / "data"
VIDEO = SHARED / "videos" / "ta_chi.mp4"
SECONDS, FPS = 10, 30
"""Of the film: so short that a film that is gone is soon missed."""

QUIET = 30.0
"""Seconds without a fault at the beginning and at the end, when what there is is counted."""

GAP = (4.0, 15.0)
"""Seconds between two faults, at least and at most."""

PRESS_AT = 30.0
"""The second of each minute at which the button is pressed."""

FOREIGN = "lttng-"
"""In /dev/shm: made by a QEMU that was started meanwhile."""

GROWTH = 10.0
"""MB that the resident memory may grow by after the first five minutes."""


@dataclass
class Thrown:
    """One fault as it went: when, what was said, and how many seconds until the mirror was well again (None: never)."""

    fault: Fault
    struck: float
    ended: float = 0.0
    said: list[str] = field(default_factory=list)
    told: bool = True
    back: float | None = None


@dataclass
class Soak:
    """A run: the mirror's process, what was seen of it and done to it."""

    place: Place
    mirror: subprocess.Popen[str]
    reports: Reports
    minutes: float
    started: float
    samples: list[Sample] = field(default_factory=list)
    thrown: list[Thrown] = field(default_factory=list)
    presses: list[float] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    broken: str = ""

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.started

    def press(self) -> bool:
        """The space bar, by a signal that the mirror's witness makes one of; False while the last is not done with."""
        if self.reports.phase != "idle":
            return False
        self.presses.append(time.monotonic())
        self.mirror.send_signal(signal.SIGUSR1)
        return True

    def throw_all(self, faults: list[Fault], chance: random.Random) -> None:
        """The thread: one fault after the other, each kind as often, until it is time for the quiet end."""
        bag: list[Fault] = []
        try:
            while not self.over.wait(chance.uniform(*GAP)):
                if not bag:
                    bag = chance.sample(faults, len(faults))
                fault = bag.pop()
                if fault.presses and not self._between_presses():
                    return
                if self.elapsed > 60 * self.minutes - QUIET - fault.seconds[1] - 30:
                    return
                self._throw(fault, chance.uniform(*fault.seconds))
        except Exception as error:
            self.broken = f"{type(error).__name__}: {error}"
            raise

    def _between_presses(self) -> bool:
        """Wait until the last press of the minute is over and the next is far; False when the run is over."""
        while not 50 <= self.elapsed % 60 < 55:
            if self.over.wait(0.5):
                return False
        return True

    def _throw(self, fault: Fault, seconds: float) -> None:
        struck = time.monotonic()
        if fault.presses:
            while not self.press() and not self.over.wait(0.2):
                pass
            self.over.wait(1.0)
        thrown = Thrown(fault, struck)
        self.thrown.append(thrown)
        with fault.throw(self.place):
            self.over.wait(seconds)
            if fault.says:
                pattern = re.compile(fault.says)
                thrown.told = (
                    self.reports.wait(lambda one: any(map(pattern.search, _sentences(one))), struck, 25) is not None
                )
        mended = time.monotonic()
        self.over.wait(1.5)  # for a fault that nobody would notice, the mirror goes on all the same
        again = self.reports.wait(well, mended if seconds else self._worst(struck, mended), 40)
        thrown.back = None if again is None else max(again["at"] - (mended if seconds else struck), 0.0)
        thrown.said, thrown.ended = self.reports.said(struck), time.monotonic()

    def _worst(self, struck: float, mended: float) -> float:
        """When the mirror was last seen unwell since the fault; where it never was, when that was clear."""
        unwell = self.reports.wait(lambda one: not well(one), struck, 0)
        return mended if unwell is None else unwell["at"]


def _sentences(report: dict[str, object]) -> list[str]:
    faults = report["faults"]
    assert isinstance(faults, list)
    return [*faults, str(report["notice"] or "")]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=random.randrange(10_000), help="the order of the faults")
    parser.add_argument("--only", default="", metavar="PATTERN", help="throw only the faults whose names it fits")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="write the log and each second's figures there")
    asked = parser.parse_args()
    print(f"{asked.minutes:g} minutes, seed {asked.seed}; the mirror is being set up …", flush=True)
    with ExitStack() as stack:
        place = stack.enter_context(prepared())
        shared = set(os.listdir("/dev/shm"))
        with (place.folder / "log").open("w") as log:
            soak = begun(place, asked.minutes, log)
            try:
                watched(soak, [one for one in FAULTS if re.search(asked.only, one.name)], random.Random(asked.seed))
            except KeyboardInterrupt:
                print("\nStopped early.", flush=True)
            finally:
                soak.over.set()
            ended = end(soak)
        left = sorted(name for name in set(os.listdir("/dev/shm")) - shared if not name.startswith(FOREIGN))
        good = verdicts(soak, ended, left)
        if asked.keep:
            keep(soak, asked.keep)
    return 0 if good else 1


@contextmanager
def prepared() -> Iterator[Place]:
    """A folder with all that the mirror needs: film, two libraries, model, display, disk and clock."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        place = Place(folder, None, False)
        for name in ("gifs", "tmp", "clock"):
            (folder / name).mkdir()
        try:
            place.clock = JumpingClock(folder / "clock")
        except FileNotFoundError as error:
            print(f"The clock does not jump: {error}.")
        mounting = ["mount", "-t", "tmpfs", "-o", "size=150m", "tmpfs", str(place.gifs)]
        if os.geteuid() == 0 and subprocess.run(mounting, capture_output=True).returncode == 0:
            place.mounted = True
            stack.callback(subprocess.run, ["umount", "-l", str(place.gifs)], check=True)
        write_film(place.film, frames())
        starter(place.library, count=150)
        starter(folder / "other", count=100)
        shutil.copy(chosen("auto").file, place.model)
        place.plug(True)
        (folder / "mirror.toml").write_text(
            f'[camera]\nsource = "{place.film}"\n[estimator]\nmodel = "{place.model}"\ndevice = "cpu"\n'
            f'[library]\nfolder = "{place.library}"\n[screen]\ndisplay = "kiosk"\n'
            f'[button]\npin = 0\n[gif]\nfolder = "{place.gifs}"\n'
        )
        yield place


def frames() -> Iterator[np.ndarray]:
    """Some seconds of somebody who moves, H×W×3 RGB."""
    if not VIDEO.exists():
        for number in range(SECONDS * FPS):
            yield perform(number / FPS, 640, 480)[0]
        return
    film = cv2.VideoCapture(str(VIDEO))
    for _ in range(SECONDS * FPS):
        whole, picture = film.read()
        if not whole:
            break
        yield cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    film.release()


def begun(place: Place, minutes: float, log: object) -> Soak:
    """The mirror, started and well."""
    environment = {
        **os.environ,
        **(place.clock.environment if place.clock else {}),
        "TMPDIR": str(place.folder / "tmp"),
        "PYGAME_HIDE_SUPPORT_PROMPT": "1",
    }
    command = [sys.executable, Path(__file__).with_name("soak_mirror.py"), place.folder / "mirror.toml", place.drm]
    mirror = subprocess.Popen(
        [str(word) for word in command], stdout=subprocess.PIPE, stderr=log, text=True, env=environment
    )
    place.pid = mirror.pid
    reports = Reports(mirror)
    if reports.wait(well, 0.0, 60) is None:
        mirror.kill()
        sys.exit(f"The mirror did not begin:\n{(place.folder / 'log').read_text()}")
    return Soak(place, mirror, reports, minutes, time.monotonic())


def watched(soak: Soak, faults: list[Fault], chance: random.Random) -> None:
    """Look each second, press each minute, say how it goes each minute."""
    throwing = threading.Thread(target=soak.throw_all, args=(faults, chance), name="throwing", daemon=True)
    minute = pressed = 0
    while soak.elapsed < 60 * soak.minutes and soak.mirror.poll() is None:
        now = time.monotonic()
        sample = look(soak.mirror.pid, now)
        if sample is not None:
            soak.samples.append(sample)
        if soak.elapsed > QUIET and throwing.ident is None:
            throwing.start()
        due = 60 * pressed + PRESS_AT <= soak.elapsed < 60 * soak.minutes - QUIET
        if due and soak.press():
            pressed += 1
        if soak.elapsed >= 60 * (minute + 1):
            minute += 1
            progress(soak, minute)
        time.sleep(max(0.0, 1.0 - (time.monotonic() - now)))
    soak.over.set()
    if throwing.ident is not None:
        throwing.join(60)


def progress(soak: Soak, minute: int) -> None:
    recent = [sample for sample in soak.samples if sample.at > time.monotonic() - 60]
    if not recent:
        return
    last = recent[-1]
    gifs = len(list(soak.place.gifs.glob("*.gif")))
    print(
        f"{minute:3} min: mirror {median(s.rss['mirror'] for s in recent):.1f} MB, estimator "
        f"{median(s.rss['estimator'] for s in recent):.1f} MB, PSS {median(s.pss for s in recent):.1f} MB, "
        f"{last.threads} threads, {last.files} files; {len(soak.presses)} presses, {gifs} GIFs; "
        f"{len(soak.thrown)} faults; oldest frame {soak.reports.oldest:.2f} s, "
        f"longest stop {soak.reports.longest:.2f} s",
        flush=True,
    )


@dataclass(frozen=True)
class Ended:
    """How the mirror ended: its status, within how many seconds, which of its processes were left, which files."""

    status: int | None
    seconds: float
    processes: list[int]
    files: list[str]


def end(soak: Soak) -> Ended:
    """SIGTERM, in the middle of a recording."""
    family = processes(soak.mirror.pid)
    asked = time.monotonic()
    soak.mirror.send_signal(signal.SIGTERM)
    try:
        status: int | None = soak.mirror.wait(10)
    except subprocess.TimeoutExpired:
        status = None
        soak.mirror.kill()
    seconds = time.monotonic() - asked
    left = [pid for pid in family if Path(f"/proc/{pid}").exists() and pid != soak.mirror.pid]
    gifs = soak.place.gifs
    files = [str(path) for path in (soak.place.folder / "tmp").iterdir()]
    files += [str(path) for path in gifs.iterdir() if not re.fullmatch(r"pose-mirror-[\d-]+\.gif", path.name)]
    files += [str(path) for path in soak.place.folder.glob(".*")]
    return Ended(status, seconds, left, files)


def verdicts(soak: Soak, ended: Ended, shared: list[str]) -> bool:
    """Print what was found of each criterion; whether all hold."""
    reports, rows = soak.reports, [*figures(soak), *presses(soak), *faults(soak)]
    rows += [
        ("no frame older than 1 s shown", reports.oldest < 1.0, f"the oldest {reports.oldest:.3f} s"),
        (
            "it ends within 5 s of SIGTERM",
            ended.status == 0 and ended.seconds < 5,
            f"{ended.seconds:.1f} s, status {ended.status}",
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
    minutes = by_minute(soak.samples, soak.started, lambda sample: sample.resident)
    alone = by_minute(soak.samples, soak.started, lambda sample: sample.rss["mirror"])
    first = 4 if soak.minutes > 8 else int(soak.minutes // 2) - 1
    later = [value for minute, value in minutes.items() if minute > first]
    if first not in minutes or not later:
        yield "resident memory", False, "the run was too short to tell"
        return
    grown = max(later) - minutes[first]
    last = max(minutes)
    yield (
        f"resident memory grows < {GROWTH:g} MB after minute {first + 1}",
        grown < GROWTH,
        f"{minutes[first]:.1f} MB then, {max(later):.1f} at most, {minutes[last]:.1f} at the end "
        f"(the mirror alone {alone[first]:.1f} and {alone[last]:.1f})",
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


if __name__ == "__main__":
    sys.exit(main())
