"""Power cuts at random moments, while a GIF or a library is being written: it boots, all is whole, nothing is lost."""

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

LONGEST: Final = {"gif": 2.0, "library": 4.0}
"""Seconds within which the power is cut, counted from when something half-written lies in its folder."""

SLOW: Final = 4
"""Writes of the disk a second while a GIF is made: else it is there within milliseconds, and no power cut hits it."""

ONE, OTHER = f"{STATE_FOLDER}/one", f"{STATE_FOLDER}/other"

PROGRAM = "runuser -u pose-mirror -- pose-mirror"

HALF: Final = {"gif": f"{GIF_FOLDER}/.pose-mirror-*.part", "library": f"{STATE_FOLDER}/.one.building"}
"""Where what is not whole yet lies, until it gets its name."""

MERGED = "/run/merged"

MERGES = f"while {PROGRAM} index merge {ONE} {OTHER} --out {ONE} >{MERGED}.half; do mv {MERGED}.half {MERGED}; done"
"""Merges until that fails, as the journal then says; what it said when it succeeded is in MERGED."""

NOW: Final = "-- now"

WATCH = f"""
import glob, sys, time
half, after = sys.argv[1], float(sys.argv[2])
while glob.glob(half):
    time.sleep(0.001)
while not glob.glob(half):
    time.sleep(0.001)
time.sleep(after)
with open("/dev/ttyS0", "w") as line:
    line.write("\\n{NOW} " + sys.argv[3] + "\\n")
"""
"""HALF SECONDS NUMBER: tells over the serial line, in the very moment, that the power is to be cut for this time."""

TELL = "journalctl -b -f -n all -u pose-mirror -o cat | grep --line-buffered '^saved ' >/dev/ttyS0"
"""Tells over the serial line of each GIF that the mirror says to be saved: the journal is gone with the power."""

SEED = int(os.environ.get("POSE_MIRROR_BOOT_SEED") or random.randrange(10**6))


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Two small libraries, packed."""
    folder = tmp_path_factory.mktemp("libraries")
    grow(folder / "one", 12, step=12, workers=1)
    grow(folder / "other", 24, step=24, workers=1)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name in ("one", "other"):
            tar.add(folder / name, name)
    return packed.getvalue()


@pytest.fixture(scope="module")
def kiosk(image: DiskImage, clip: Path, libraries: bytes) -> Iterator[Kiosk]:
    """A mirror with a GIF and two libraries."""
    with Machine(image, devices=("usb",), clip=clip) as machine:
        found = Kiosk(machine, "power")
        machine.write("/var/tmp/libraries.tar", libraries)
        machine.check_output(
            f"tar -C {STATE_FOLDER} -xf /var/tmp/libraries.tar && chown -R pose-mirror: {STATE_FOLDER}"
        )
        machine.write("/usr/src/watch.py", WATCH)
        machine.check_output("sync")
        found.configure(QUICK_SETTINGS)
        in_background(machine, TELL)
        found.make_gif(partial(machine.press, "spc"))
        yield found


def in_background(machine: Machine, command: str) -> None:
    machine.check_output(f"systemd-run --quiet --collect sh -c {shlex.quote(command)}")


def announced(kiosk: Kiosk) -> set[str]:
    """The names of the GIFs that were ever said to be saved."""
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


def cut_power(kiosk: Kiosk, what: str, after: float, cue: str, press: Callable[[], object]) -> None:
    """Cuts the power so many seconds after something begins to be written, and starts the machine again."""
    machine = kiosk.machine
    in_background(machine, f"python3 /usr/src/watch.py '{HALF[what]}' {after:.3f} {cue}")
    kiosk.press_until(press, lambda: f"{NOW} {cue}" in machine.serial, 300, f"a {what} is being written", 0.01)
    machine.kill()
    machine.power_on()
    in_background(machine, TELL)
    kiosk.wait_until_up()


def cut_while_a_gif_is_made(kiosk: Kiosk, after: float, cue: str) -> None:
    kiosk.wait_for_status("fps", 180)
    before = whole_gifs(kiosk)
    assert before, "else none could be lost"
    kiosk.machine.throttle_disk(SLOW)
    cut_power(kiosk, "gif", after, cue, partial(kiosk.machine.press, "spc"))
    now = whole_gifs(kiosk)
    assert before.items() <= now.items(), "an earlier GIF is lost"
    assert announced(kiosk) <= now.keys(), "a GIF is lost that was said to be saved"
    print(f"{len(before)} GIFs before, {len(now)} afterwards, {len(announced(kiosk))} announced")


def cut_while_a_library_is_written(kiosk: Kiosk, after: float, cue: str) -> None:
    machine = kiosk.machine
    machine.check_output("systemctl stop pose-mirror")  # it has another library open, and would take the time
    in_background(machine, MERGES)
    machine.wait_for(f"test -e {MERGED}", 300, "two libraries are merged")
    merged = machine.check_output(f"head -1 {MERGED}").removeprefix(f"{ONE}: ").partition(",")[0]
    cut_power(kiosk, "library", after, cue, lambda: None)
    verified = machine.run(f"{PROGRAM} index verify {ONE}", 120)
    assert verified.status == 0, verified.stderr
    assert f": {merged}" in verified.stdout, f"what was merged is lost: {merged}"
    print(verified.stdout.strip(), machine.check_output(f"ls -A {STATE_FOLDER}").split())


def cut(kiosk: Kiosk, number: int) -> None:
    """The power cut of this number."""
    rng = random.Random(f"{SEED}-{number}")
    what = "library" if number % 2 else "gif"
    after = rng.uniform(0, LONGEST[what])
    print(f"\npower cut {number} (POSE_MIRROR_BOOT_SEED={SEED}): {what}, after {after:.2f} s")
    if what == "gif":
        cut_while_a_gif_is_made(kiosk, after, f"{number}")
    else:
        cut_while_a_library_is_written(kiosk, after, f"{number}")


@pytest.mark.parametrize("number", range(2))
def test_a_power_cut_while_something_is_written(kiosk: Kiosk, number: int) -> None:
    cut(kiosk, number)


@pytest.mark.boot_long
@pytest.mark.parametrize("number", range(2, 20))
def test_many_power_cuts_while_something_is_written(kiosk: Kiosk, number: int) -> None:
    cut(kiosk, number)
