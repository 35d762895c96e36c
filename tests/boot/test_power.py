"""Power cuts at random moments, while a GIF or a library is being written: it boots, all is whole, nothing is lost."""

from __future__ import annotations

import io
import os
import random
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from image import Image
from kiosk import GIFS, QUICK, Kiosk
from machine import Machine

from index.starter import grow

pytestmark = [pytest.mark.boot, pytest.mark.timeout(3600)]

LONGEST: float = 20.0
"""Seconds after a press, or after a library began to be written, within which the power is cut."""

STATE = "/var/lib/pose-mirror"
ONE, OTHER = f"{STATE}/one", f"{STATE}/other"

PROGRAM = "runuser -u pose-mirror -- pose-mirror"

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
def kiosk(image: Image, clip: Path, libraries: bytes) -> Iterator[Kiosk]:
    with Machine(image, devices=("usb",), clip=clip) as machine:
        found = Kiosk(machine, "power")
        found.wait_up()
        machine.write("/var/tmp/libraries.tar", libraries)
        machine.shell(f"tar -C {STATE} -xf /var/tmp/libraries.tar && chown -R pose-mirror: {STATE} && sync")
        found.configure(QUICK)
        yield found


def whole_gifs(kiosk: Kiosk) -> dict[str, str]:
    """The checksum of each GIF; nothing lies beside them, and each ends as a GIF does."""
    names = kiosk.gifs()
    assert all(name.endswith(".gif") for name in names), f"half a file: {names}"
    if not names:
        return {}
    ends = kiosk.machine.shell(f"cd {GIFS}; for gif in *.gif; do tail -c 1 $gif | od -An -tx1; done").split()
    assert set(ends) == {"3b"}, "a GIF lacks its end"
    lines = kiosk.machine.shell(f"cd {GIFS}; sha256sum *.gif").splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def cut_while_a_gif_is_made(kiosk: Kiosk, after: float) -> None:
    kiosk.wait_for_status("fps", 120)
    before = whole_gifs(kiosk)
    kiosk.machine.press("spc")
    time.sleep(after)
    kiosk.machine.kill()
    kiosk.machine.power_on()
    kiosk.wait_up()
    now = whole_gifs(kiosk)
    assert before.items() <= now.items(), "an earlier GIF is lost"


def cut_while_a_library_is_written(kiosk: Kiosk, after: float) -> None:
    machine = kiosk.machine
    machine.shell(f"nohup sh -c 'while {PROGRAM} index merge {ONE} {OTHER} --out {ONE}; do :; done' >/dev/null 2>&1 &")
    time.sleep(after)
    machine.kill()
    machine.power_on()
    kiosk.wait_up()
    verified = machine.run(f"{PROGRAM} index verify {ONE}", 120)
    assert verified.status == 0, verified.stderr
    print(machine.shell(f"ls -A {STATE}").split())


def cut(kiosk: Kiosk, number: int) -> None:
    """The power cut of this number."""
    chance = random.Random(f"{SEED}-{number}")
    after = chance.uniform(0, LONGEST)
    what = cut_while_a_gif_is_made if number % 2 == 0 else cut_while_a_library_is_written
    print(f"\npower cut {number} (POSE_MIRROR_BOOT_SEED={SEED}): {what.__name__}, after {after:.1f} s")
    what(kiosk, after)


@pytest.mark.parametrize("number", range(2))
def test_a_power_cut_while_something_is_written(kiosk: Kiosk, number: int) -> None:
    cut(kiosk, number)


@pytest.mark.boot_long
@pytest.mark.parametrize("number", range(2, 20))
def test_many_power_cuts_while_something_is_written(kiosk: Kiosk, number: int) -> None:
    cut(kiosk, number)
