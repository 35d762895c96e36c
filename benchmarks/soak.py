"""Run the mirror for an hour, inject faults, and print a verdict on everything that must hold.

    python -m benchmarks.soak [--minutes N] [--seed N] [--only PATTERN] [--keep FOLDER]
    make soak MINUTES=6 SEED=3      the same, shorter, with the faults in another order

The mirror is a complete process in front of a video in a loop: one of ../shared/data/videos if that exists, else the
drawn performer. As root it mounts a small disk for the GIFs, so that the disk can be filled. The jumping clock needs
a C compiler. The exit status is 1 when anything fails.
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

from benchmarks.soak_faults import FAULTS, Fault, Workspace, disk_full, process_tree, write_video
from benchmarks.soak_run import PRESS_SECOND, QUIET_SECONDS, Soak
from benchmarks.soak_verdict import Shutdown, print_verdicts, save_logs
from benchmarks.soak_watch import Reports, is_well, take_sample
from index.build.starter import ensure_starter_library
from models.estimator.model_files import select_model
from models.figures import perform
from tests.support.jumping_clock import JumpingClock
from tests.support.paths import SHARED

VIDEO = SHARED / "videos" / "ta_chi.mp4"
VIDEO_SECONDS, VIDEO_FPS = 10, 30
"""Seconds and frames a second of the video. It is short, so that a video that is gone is soon noticed."""

FOREIGN_PREFIX = "lttng-"
"""Files in /dev/shm with this prefix belong to a QEMU that was started meanwhile."""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60.0, metavar="N", help="how long (default: %(default)g)")
    parser.add_argument(
        "--seed", type=int, default=random.randrange(10_000), metavar="N", help="the order of the faults"
    )
    parser.add_argument("--only", default="", metavar="PATTERN", help="inject only faults whose names match")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="write the log and each second's figures there")
    args = parser.parse_args()
    print(f"{args.minutes:g} minutes, seed {args.seed}; setting up the mirror …", flush=True)
    with ExitStack() as stack:
        workspace = stack.enter_context(prepare_workspace())
        shared_before = set(os.listdir("/dev/shm"))
        with (workspace.folder / "log").open("w") as log:
            soak = stack.enter_context(run_mirror(workspace, args.minutes, log))
            try:
                watch(soak, select_faults(workspace, args.only), random.Random(args.seed))
            except KeyboardInterrupt:
                print("\nStopped early.", flush=True)
            finally:
                soak.stopped.set()
            shutdown = stop_mirror(soak)
        shared_left = sorted(
            name for name in set(os.listdir("/dev/shm")) - shared_before if not name.startswith(FOREIGN_PREFIX)
        )
        passed = print_verdicts(soak, shutdown, shared_left)
        if args.keep:
            save_logs(soak, args.keep)
    return 0 if passed else 1


@contextmanager
def prepare_workspace() -> Iterator[Workspace]:
    """Prepare a folder with all that the mirror needs: video, two libraries, model, display, disk and clock."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        workspace = Workspace(folder, None, False)
        for name in ("gifs", "tmp", "clock"):
            (folder / name).mkdir()
        try:
            workspace.clock = JumpingClock(folder / "clock")
        except FileNotFoundError as error:
            print(f"The clock does not jump: {error}")
        mounting = ["mount", "-t", "tmpfs", "-o", "size=150m", "tmpfs", str(workspace.gifs)]
        if os.geteuid() == 0 and subprocess.run(mounting, capture_output=True).returncode == 0:
            workspace.mounted = True
            stack.callback(subprocess.run, ["umount", "-l", str(workspace.gifs)], check=True)
        write_video(workspace.video, video_frames())
        ensure_starter_library(workspace.library, count=150)
        ensure_starter_library(folder / "other", count=100)
        shutil.copy(select_model("auto").file, workspace.model)
        workspace.set_display(True)
        (folder / "mirror.toml").write_text(
            f'[camera]\nsource = "{workspace.video}"\n[estimator]\nmodel = "{workspace.model}"\ndevice = "cpu"\n'
            f'[library]\nfolder = "{workspace.library}"\n[screen]\ndisplay = "kiosk"\n'
            f'[button]\npin = 0\n[gif]\nfolder = "{workspace.gifs}"\n'
        )
        yield workspace


def video_frames() -> Iterator[np.ndarray]:
    """Yield some seconds of a person who moves, H×W×3 RGB."""
    if not VIDEO.exists():
        for number in range(VIDEO_SECONDS * VIDEO_FPS):
            yield perform(number / VIDEO_FPS, 640, 480)[0]
        return
    video = cv2.VideoCapture(str(VIDEO))
    for _ in range(VIDEO_SECONDS * VIDEO_FPS):
        ok, picture = video.read()
        if not ok:
            break
        yield cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    video.release()


def select_faults(workspace: Workspace, pattern: str) -> list[Fault]:
    """Return the faults whose names match, without those that cannot be injected here."""
    faults = [fault for fault in FAULTS if re.search(pattern, fault.name)]
    if workspace.can_fill_disk:
        return faults
    print("The full disk is skipped: root may not mount a disk here, and can write to any folder.")
    return [fault for fault in faults if fault.inject is not disk_full]


@contextmanager
def run_mirror(workspace: Workspace, minutes: float, log: TextIO) -> Iterator[Soak]:
    """Start the mirror, wait until it is well, and kill it at the end.

    It is in a session of its own, because Ctrl-C is meant for this program.
    """
    environment = {
        **os.environ,
        **(workspace.clock.environment if workspace.clock else {}),
        "TMPDIR": str(workspace.folder / "tmp"),
        "PYGAME_HIDE_SUPPORT_PROMPT": "1",
    }
    command = [sys.executable, "-m", "benchmarks.soak_mirror", workspace.folder / "mirror.toml", workspace.drm]
    mirror = subprocess.Popen(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        env=environment,
        start_new_session=True,
    )
    try:
        workspace.pid = mirror.pid
        reports = Reports(mirror)
        if reports.wait(is_well, 0.0, 60) is None:
            sys.exit(f"The mirror did not start:\n{(workspace.folder / 'log').read_text()}")
        yield Soak(workspace, mirror, reports, minutes, time.monotonic())
    finally:
        mirror.kill()
        mirror.wait()


def watch(soak: Soak, faults: list[Fault], rng: random.Random) -> None:
    """Take a sample each second, press the button each minute, and print the progress each minute."""
    injector = threading.Thread(target=soak.inject_all, args=(faults, rng), name="faults", daemon=True)
    minute = pressed = 0
    while soak.elapsed < 60 * soak.minutes and soak.mirror.poll() is None:
        now = time.monotonic()
        sample = take_sample(soak.mirror.pid, now)
        if sample is not None:
            soak.samples.append(sample)
        if soak.elapsed > QUIET_SECONDS and injector.ident is None:
            injector.start()
        is_due = 60 * pressed + PRESS_SECOND <= soak.elapsed < 60 * soak.minutes - QUIET_SECONDS
        if is_due and soak.press():
            pressed += 1
        if soak.elapsed >= 60 * (minute + 1):
            minute += 1
            print_progress(soak, minute)
        time.sleep(max(0.0, 1.0 - (time.monotonic() - now)))
    soak.stopped.set()
    if injector.ident is not None:
        injector.join(60)


def print_progress(soak: Soak, minute: int) -> None:
    """Print the last minute's memory, and the counts so far."""
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
    """End the mirror by SIGTERM in the middle of a recording; only after Ctrl-C it may be doing something else."""
    phase = soak.start_recording()
    processes = process_tree(soak.mirror.pid)
    start = time.monotonic()
    soak.mirror.send_signal(signal.SIGTERM)
    try:
        status: int | None = soak.mirror.wait(10)
    except subprocess.TimeoutExpired:
        status = None
        soak.mirror.kill()
    seconds = time.monotonic() - start
    processes_left = [pid for pid in processes if Path(f"/proc/{pid}").exists() and pid != soak.mirror.pid]
    gifs = soak.workspace.gifs
    files_left = [str(path) for path in (soak.workspace.folder / "tmp").iterdir()]
    files_left += [str(path) for path in gifs.iterdir() if not re.fullmatch(r"pose-mirror-[\d-]+\.gif", path.name)]
    files_left += [str(path) for path in soak.workspace.folder.glob(".*")]
    return Shutdown(phase, status, seconds, processes_left, files_left)


if __name__ == "__main__":
    sys.exit(main())
