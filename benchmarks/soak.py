"""Watches the mirror for an hour while faults are thrown at it, and prints a verdict on each thing that must hold.

make soak        (one hour; `make soak MINUTES=6 SEED=3` is shorter, with the faults in another order)

The mirror runs as a process of its own, all of it, before a film in a loop: of ../shared/data/videos where that is,
else of the drawn performer. As root a small disk is mounted for the GIFs, so that it can be filled.
"""

from __future__ import annotations

import argparse
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
from pathlib import Path
from statistics import median
from typing import TextIO

import cv2
import numpy as np

from benchmarks.soak_faults import FAULTS, Fault, Workspace, disk_full, process_tree, write_film
from benchmarks.soak_run import PRESS_SECOND, QUIET_SECONDS, Soak
from benchmarks.soak_verdict import Shutdown, print_verdicts, save_logs
from benchmarks.soak_watch import Reports, is_well, take_sample
from index.build.starter import ensure_starter_library
from models.estimator.fetch import select_model
from models.figures import perform
from tests.support.jumping_clock import JumpingClock
from tests.support.paths import SHARED

VIDEO = SHARED / "videos" / "ta_chi.mp4"
FILM_SECONDS, FILM_FPS = 10, 30
"""Of the film: so short that a film that is gone is soon missed."""

FOREIGN_PREFIX = "lttng-"
"""In /dev/shm: made by a QEMU that was started meanwhile."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=random.randrange(10_000), help="the order of the faults")
    parser.add_argument("--only", default="", metavar="PATTERN", help="throw only the faults whose names it fits")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="write the log and each second's figures there")
    asked = parser.parse_args()
    print(f"{asked.minutes:g} minutes, seed {asked.seed}; the mirror is being set up …", flush=True)
    with ExitStack() as stack:
        place = stack.enter_context(prepare_workspace())
        shared = set(os.listdir("/dev/shm"))
        with (place.folder / "log").open("w") as log:
            soak = stack.enter_context(run_mirror(place, asked.minutes, log))
            try:
                watch(soak, select_faults(place, asked.only), random.Random(asked.seed))
            except KeyboardInterrupt:
                print("\nStopped early.", flush=True)
            finally:
                soak.stopped.set()
            ended = stop_mirror(soak)
        left = sorted(name for name in set(os.listdir("/dev/shm")) - shared if not name.startswith(FOREIGN_PREFIX))
        good = print_verdicts(soak, ended, left)
        if asked.keep:
            save_logs(soak, asked.keep)
    return 0 if good else 1


@contextmanager
def prepare_workspace() -> Iterator[Workspace]:
    """A folder with all that the mirror needs: film, two libraries, model, display, disk and clock."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        place = Workspace(folder, None, False)
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
        write_film(place.film, film_frames())
        ensure_starter_library(place.library, count=150)
        ensure_starter_library(folder / "other", count=100)
        shutil.copy(select_model("auto").file, place.model)
        place.set_display(True)
        (folder / "mirror.toml").write_text(
            f'[camera]\nsource = "{place.film}"\n[estimator]\nmodel = "{place.model}"\ndevice = "cpu"\n'
            f'[library]\nfolder = "{place.library}"\n[screen]\ndisplay = "kiosk"\n'
            f'[button]\npin = 0\n[gif]\nfolder = "{place.gifs}"\n'
        )
        yield place


def film_frames() -> Iterator[np.ndarray]:
    """Some seconds of somebody who moves, H×W×3 RGB."""
    if not VIDEO.exists():
        for number in range(FILM_SECONDS * FILM_FPS):
            yield perform(number / FILM_FPS, 640, 480)[0]
        return
    film = cv2.VideoCapture(str(VIDEO))
    for _ in range(FILM_SECONDS * FILM_FPS):
        whole, picture = film.read()
        if not whole:
            break
        yield cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    film.release()


def select_faults(place: Workspace, pattern: str) -> list[Fault]:
    """The faults that are asked for, less what cannot be brought about here."""
    asked = [one for one in FAULTS if re.search(pattern, one.name)]
    if place.can_fill_disk:
        return asked
    print("No disk can be filled: root may not mount one here, and writes into any folder.")
    return [one for one in asked if one.inject is not disk_full]


@contextmanager
def run_mirror(place: Workspace, minutes: float, log: TextIO) -> Iterator[Soak]:
    """The mirror, started and well, in a session of its own: Ctrl-C is for who watches it. It never outlives this."""
    environment = {
        **os.environ,
        **(place.clock.environment if place.clock else {}),
        "TMPDIR": str(place.folder / "tmp"),
        "PYGAME_HIDE_SUPPORT_PROMPT": "1",
    }
    command = [sys.executable, "-m", "benchmarks.soak_mirror", place.folder / "mirror.toml", place.drm]
    mirror = subprocess.Popen(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        env=environment,
        start_new_session=True,
    )
    try:
        place.pid = mirror.pid
        reports = Reports(mirror)
        if reports.wait(is_well, 0.0, 60) is None:
            sys.exit(f"The mirror did not begin:\n{(place.folder / 'log').read_text()}")
        yield Soak(place, mirror, reports, minutes, time.monotonic())
    finally:
        mirror.kill()
        mirror.wait()


def watch(soak: Soak, faults: list[Fault], rng: random.Random) -> None:
    """Look each second, press each minute, say how it goes each minute."""
    throwing = threading.Thread(target=soak.inject_all, args=(faults, rng), name="throwing", daemon=True)
    minute = pressed = 0
    while soak.elapsed < 60 * soak.minutes and soak.mirror.poll() is None:
        now = time.monotonic()
        sample = take_sample(soak.mirror.pid, now)
        if sample is not None:
            soak.samples.append(sample)
        if soak.elapsed > QUIET_SECONDS and throwing.ident is None:
            throwing.start()
        due = 60 * pressed + PRESS_SECOND <= soak.elapsed < 60 * soak.minutes - QUIET_SECONDS
        if due and soak.press():
            pressed += 1
        if soak.elapsed >= 60 * (minute + 1):
            minute += 1
            print_progress(soak, minute)
        time.sleep(max(0.0, 1.0 - (time.monotonic() - now)))
    soak.stopped.set()
    if throwing.ident is not None:
        throwing.join(60)


def print_progress(soak: Soak, minute: int) -> None:
    recent = [sample for sample in soak.samples if sample.at > time.monotonic() - 60]
    if not recent:
        return
    last = recent[-1]
    gifs = len(list(soak.workspace.gifs.glob("*.gif")))
    print(
        f"{minute:3} min: mirror {median(s.rss['mirror'] for s in recent):.1f} MB, estimator "
        f"{median(s.rss['estimator'] for s in recent):.1f} MB, PSS {median(s.pss for s in recent):.1f} MB, "
        f"{last.threads} threads, {last.files} files; {len(soak.presses)} presses, {gifs} GIFs; "
        f"{len(soak.fault_records)} faults; oldest frame {soak.reports.oldest_frame:.2f} s, "
        f"longest stop {soak.reports.longest_stop:.2f} s",
        flush=True,
    )


def stop_mirror(soak: Soak) -> Shutdown:
    """SIGTERM, in the middle of a recording: only after Ctrl-C the mirror may be at something else."""
    phase = soak.start_recording()
    family = process_tree(soak.mirror.pid)
    asked = time.monotonic()
    soak.mirror.send_signal(signal.SIGTERM)
    try:
        status: int | None = soak.mirror.wait(10)
    except subprocess.TimeoutExpired:
        status = None
        soak.mirror.kill()
    seconds = time.monotonic() - asked
    left = [pid for pid in family if Path(f"/proc/{pid}").exists() and pid != soak.mirror.pid]
    gifs = soak.workspace.gifs
    files = [str(path) for path in (soak.workspace.folder / "tmp").iterdir()]
    files += [str(path) for path in gifs.iterdir() if not re.fullmatch(r"pose-mirror-[\d-]+\.gif", path.name)]
    files += [str(path) for path in soak.workspace.folder.glob(".*")]
    return Shutdown(phase, status, seconds, left, files)


if __name__ == "__main__":
    sys.exit(main())
