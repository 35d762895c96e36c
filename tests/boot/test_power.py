"""Power cuts at random moments while a GIF or a library is being written: it boots, and nothing is lost or damaged."""

from __future__ import annotations

import io
import os
import random
import re
import shlex
import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from index.build.starter import grow
from tests.boot.image import DiskImage
from tests.boot.kiosk import GIF_FOLDER, QUICK_SETTINGS, SAVED_PREFIX, STATE_FOLDER, Kiosk
from tests.boot.machine import Machine

pytestmark = [pytest.mark.boot, pytest.mark.timeout(3600)]

MAX_DELAY: Final = {"gif": 2.0, "library": 4.0}
"""Seconds within which the power is cut, counted from when an unfinished file is in its folder."""

WRITES_PER_SECOND: Final = 4
"""The disk's writes a second while a GIF is made. At full speed it is written in milliseconds, and no cut hits it."""

ONE, OTHER = f"{STATE_FOLDER}/one", f"{STATE_FOLDER}/other"

PROGRAM = "runuser -u pose-mirror -- pose-mirror"

UNFINISHED: Final = {"gif": f"{GIF_FOLDER}/.pose-mirror-*.part", "library": f"{STATE_FOLDER}/.one.building"}
"""Patterns of unfinished files, which get their names when they are complete."""

MERGE_OUTPUT = "/run/merged"

MERGE_LOOP = (
    f"while {PROGRAM} index merge {ONE} {OTHER} --out {ONE} >{MERGE_OUTPUT}.half; "
    f"do mv {MERGE_OUTPUT}.half {MERGE_OUTPUT}; done"
)
"""Merges until a merge fails, which the journal then shows. MERGE_OUTPUT has the output of the last success."""

CUT_MARKER: Final = "-- now"

WATCH = f"""
import glob, sys, time
pattern, delay = sys.argv[1], float(sys.argv[2])
while glob.glob(pattern):
    time.sleep(0.001)
while not glob.glob(pattern):
    time.sleep(0.001)
time.sleep(delay)
with open("/dev/ttyS0", "w") as line:
    line.write("\\n{CUT_MARKER} " + sys.argv[3] + "\\n")
"""
"""A program called with PATTERN SECONDS NUMBER: it writes to the serial line at the moment to cut the power."""

REPORT_GIFS = "journalctl -b -f -n all -u pose-mirror -o cat | grep --line-buffered '^saved ' >/dev/ttyS0"
"""Copies the mirror's announcements of saved GIFs to the serial line, as the journal is lost with the power."""

SEED = int(os.environ.get("POSE_MIRROR_BOOT_SEED") or random.randrange(10**6))


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Two small libraries in a tar file."""
    folder = tmp_path_factory.mktemp("libraries")
    grow(folder / "one", 12, step=12, workers=1)
    grow(folder / "other", 24, step=24, workers=1)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name in ("one", "other"):
            tar.add(folder / name, name)
    return archive.getvalue()


@pytest.fixture(scope="module")
def kiosk(image: DiskImage, clip: Path, libraries: bytes) -> Iterator[Kiosk]:
    """A mirror with a GIF and two libraries."""
    with Machine(image, devices=("usb",), clip=clip) as machine:
        kiosk = Kiosk(machine, "power")
        machine.write("/var/tmp/libraries.tar", libraries)
        machine.check_output(
            f"tar -C {STATE_FOLDER} -xf /var/tmp/libraries.tar && chown -R pose-mirror: {STATE_FOLDER}"
        )
        machine.write("/usr/src/watch.py", WATCH)
        machine.check_output("sync")
        kiosk.configure(QUICK_SETTINGS)
        run_in_background(machine, REPORT_GIFS)
        kiosk.make_gif(partial(machine.press, "spc"))
        yield kiosk


def run_in_background(machine: Machine, command: str) -> None:
    """Start a shell command and do not wait for it."""
    machine.check_output(f"systemd-run --quiet --collect sh -c {shlex.quote(command)}")


def announced(kiosk: Kiosk) -> set[str]:
    """The names of all GIFs that were ever announced as saved."""
    return set(re.findall(rf"{re.escape(SAVED_PREFIX)}(\S+\.gif): ", kiosk.machine.serial))


def whole_gifs(kiosk: Kiosk) -> dict[str, str]:
    """The checksum of each GIF; nothing lies beside them, and each ends as a GIF does."""
    names = kiosk.gif_names()
    assert all(name.endswith(".gif") for name in names), f"half a file: {names}"
    ends = kiosk.machine.check_output(
        f"cd {GIF_FOLDER}; for gif in *.gif; do tail -c 1 $gif | od -An -tx1; done"
    ).split()
    assert set(ends) == {"3b"}, "a GIF lacks its end"
    lines = kiosk.machine.check_output(f"cd {GIF_FOLDER}; sha256sum *.gif").splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def cut_power(kiosk: Kiosk, what: str, delay: float, cue: str, press: Callable[[], object]) -> None:
    """Cut the power some seconds after something begins to be written, and start the machine again."""
    machine = kiosk.machine
    run_in_background(machine, f"python3 /usr/src/watch.py '{UNFINISHED[what]}' {delay:.3f} {cue}")
    kiosk.press_until(press, lambda: f"{CUT_MARKER} {cue}" in machine.serial, 300, f"a {what} is being written", 0.01)
    machine.kill()
    machine.power_on()
    run_in_background(machine, REPORT_GIFS)
    kiosk.wait_until_up()


def cut_during_gif(kiosk: Kiosk, delay: float, cue: str) -> None:
    kiosk.wait_for_status("fps", 180)
    before = whole_gifs(kiosk)
    assert before, "without an earlier GIF none could be lost"
    kiosk.machine.throttle_disk(WRITES_PER_SECOND)
    cut_power(kiosk, "gif", delay, cue, partial(kiosk.machine.press, "spc"))
    now = whole_gifs(kiosk)
    assert before.items() <= now.items(), "an earlier GIF is lost"
    assert announced(kiosk) <= now.keys(), "an announced GIF is lost"
    print(f"{len(before)} GIFs before, {len(now)} afterwards, {len(announced(kiosk))} announced")


def cut_during_merge(kiosk: Kiosk, delay: float, cue: str) -> None:
    machine = kiosk.machine
    machine.check_output("systemctl stop pose-mirror")  # it would only take processor time
    run_in_background(machine, MERGE_LOOP)
    machine.wait_for(f"test -e {MERGE_OUTPUT}", 300, "two libraries are merged")
    merged = machine.check_output(f"head -1 {MERGE_OUTPUT}").removeprefix(f"{ONE}: ").partition(".")[0]
    cut_power(kiosk, "library", delay, cue, lambda: None)
    verified = machine.run(f"{PROGRAM} index verify {ONE}", 120)
    assert verified.status == 0, verified.stderr
    assert f": {merged}" in verified.stdout, f"the merged library is lost: {merged}"
    print(verified.stdout.strip(), machine.check_output(f"ls -A {STATE_FOLDER}").split())


def cut(kiosk: Kiosk, number: int) -> None:
    """Cut the power once; the number decides what is being written, and when."""
    rng = random.Random(f"{SEED}-{number}")
    what = "library" if number % 2 else "gif"
    delay = rng.uniform(0, MAX_DELAY[what])
    print(f"\npower cut {number} (POSE_MIRROR_BOOT_SEED={SEED}): {what}, after {delay:.2f} s")
    if what == "gif":
        cut_during_gif(kiosk, delay, f"{number}")
    else:
        cut_during_merge(kiosk, delay, f"{number}")


@pytest.mark.parametrize("number", range(2))
def test_survives_a_power_cut(kiosk: Kiosk, number: int) -> None:
    cut(kiosk, number)


@pytest.mark.boot_long
@pytest.mark.parametrize("number", range(2, 20))
def test_survives_many_power_cuts(kiosk: Kiosk, number: int) -> None:
    cut(kiosk, number)
