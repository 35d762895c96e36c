"""From power on to the mirror, and back to it whatever befalls it: one machine, its faults one after the other.

What the display showed is kept in `kiosk.PICTURES`.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture
from PIL import ImageSequence

from device.recording.saving import FAILURE_PREFIX
from models.estimator.estimator import Estimator
from models.estimator.fetch import BUNDLED_MODEL, WEIGHTS_FOLDER
from models.pose import Pose
from tests.boot.clip import read_pictures
from tests.boot.image import DiskImage
from tests.boot.kiosk import (
    CONFIG_FILE,
    GIF_FOLDER,
    MIN_LIKENESS,
    QUICK_SETTINGS,
    START_SECONDS,
    STATE_FOLDER,
    Kiosk,
    answer_agreement,
    console_text,
    likeness,
    shows_console,
)
from tests.boot.machine import Machine

pytestmark = [pytest.mark.boot, pytest.mark.timeout(900)]

PRESS = "/usr/lib/test-devices/button press"

CLOCK = "cut -d' ' -f1 /proc/uptime"

ESTIMATOR_UP = "estimator up on"
"""What the journal has for each estimator that came up."""

STARTER, MINE, ANNOY = f"{STATE_FOLDER}/starter", f"{STATE_FOLDER}/mine", "whole-0.annoy"

PORT = 8765

NOT_PROBED = (
    *("Exec", "Type=", "Restart", "StandardInput=", "TTY", "Conflicts=", "RuntimeDirectory"),
    *("[Install]", "Wanted"),
)
"""How the unit's lines begin that make it the mirror's, and are no part of its sandbox."""


@pytest.fixture(scope="module")
def booted(image: DiskImage, clip: Path) -> Iterator[Kiosk]:
    """The machine as it is after its first start, with a button, a USB camera and somebody in front of it."""
    with Machine(image, devices=("button", "usb"), clip=clip) as machine:
        found = Kiosk(machine, "kiosk")
        found.wait_until_up()
        yield found


@pytest.fixture(scope="module")
def quick(booted: Kiosk) -> Kiosk:
    """The same machine, spared, so that whichever test is the first of those below finds the same."""
    booted.configure(QUICK_SETTINGS)
    booted.wait_until_well()
    return booted


@pytest.fixture
def kiosk(quick: Kiosk, passed: Callable[[], bool | None]) -> Iterator[Kiosk]:
    """The same with its mirror up, however the test before ended; what a failed one left behind is taken away."""
    quick.machine.run("systemctl start pose-mirror", START_SECONDS)
    quick.wait_until_up()
    yield quick
    if passed() is False:
        quick.machine.run(f"rm -rf /filling {MINE}; systemctl start test-usb; systemctl stop listener", 60)
        quick.machine.run("for display in /sys/class/drm/card*-*/status; do echo detect >$display; done")
        quick.configure(QUICK_SETTINGS)


@pytest.fixture(scope="module")
def visitors(clip: Path) -> list[Pose]:
    """How the somebody of the clip stands from time to time, as they see themselves in the mirror."""
    pictures = read_pictures(clip)
    with Estimator(WEIGHTS_FOLDER / f"{BUNDLED_MODEL}.tflite") as estimator:
        found = [estimator.estimate(np.ascontiguousarray(picture[:, ::-1])) for picture in pictures]
    return [max(people, key=lambda pose: pose.score) for people in found if people]


def test_it_came_up_by_itself_and_nothing_failed(booted: Kiosk) -> None:
    assert booted.machine.check_output("systemctl is-system-running --wait || true").strip() == "running"
    assert booted.machine.check_output("systemctl --failed --no-legend --plain").strip() == ""
    assert "ordering cycle" not in booted.machine.check_output("journalctl -b --no-pager")
    assert booted.unit_property("NRestarts") == "0"
    assert booted.machine.run("systemctl is-active getty@tty1").status != 0, "nobody is asked to log in"


def test_it_is_installed_in_good_order(booted: Kiosk) -> None:
    checked = booted.machine.run("bash /usr/src/pose-mirror/systemd/install.sh --check", 120)
    assert checked.status == 0, checked.stdout + checked.stderr
    assert " bad " not in checked.stdout
    assert booted.machine.run("udevadm verify /etc/udev/rules.d/60-pose-mirror.rules").status == 0


def test_somebody_in_front_of_it_is_answered_by_somebody_in_their_pose(kiosk: Kiosk, visitors: list[Pose]) -> None:
    with Estimator(WEIGHTS_FOLDER / f"{BUNDLED_MODEL}.tflite") as estimator:
        best = 0.0
        until = time.monotonic() + 90
        while best < 0.6 and time.monotonic() < until:
            shown = kiosk.screenshot("answer")
            best = max(best, *(answer_agreement(shown, estimator, pose) for pose in visitors))
    assert best >= 0.6
    assert not shows_console(shown)
    print(f"\nthe display's answer agrees with the visitor: {best:.2f}; {kiosk.status}")


@pytest.mark.parametrize("how", ["button", "key"])
def test_a_press_makes_a_gif(kiosk: Kiosk, how: str) -> None:
    gif = kiosk.make_gif(
        partial(kiosk.machine.check_output, PRESS) if how == "button" else partial(kiosk.machine.press, "spc")
    )
    with Picture.open(io.BytesIO(gif)) as picture:
        assert picture.format == "GIF"
        pictures = [frame.convert("RGB") for frame in ImageSequence.Iterator(picture)]
    print(f"a GIF of {len(pictures)} pictures, {len(gif) / 1000:.0f} kB")


def test_a_mirror_that_stands_still_is_started_again(kiosk: Kiosk) -> None:
    pid, restarts = kiosk.pid, int(kiosk.unit_property("NRestarts"))
    kiosk.machine.check_output(f"kill -STOP {pid}")
    took = kiosk.machine.wait_for(lambda: int(kiosk.unit_property("NRestarts")) > restarts, 120, "the watchdog sees it")
    back = kiosk.wait_until_up()
    assert kiosk.pid != pid
    assert "watchdog" in kiosk.machine.check_output("journalctl -b -u pose-mirror --no-pager -n 200")
    print(f"\nseen after {took:.0f} s, back {back:.0f} s later")


def estimator_of(kiosk: Kiosk) -> int:
    """The process that estimates."""
    (child,) = kiosk.machine.check_output(f"pgrep -P {kiosk.pid} -f models.estimator.child").split()
    return int(child)


def replaced(kiosk: Kiosk, child: int, ups: int) -> float:
    """Waits until there is another estimator, and the mirror does well; for how long until it was up."""

    def up() -> bool:
        return len(kiosk.journal_lines(ESTIMATOR_UP)) > ups

    took = kiosk.machine.wait_for(up, 180, "there is another estimator")
    kiosk.wait_until_well()
    assert estimator_of(kiosk) != child
    return took


def test_an_estimator_that_dies_is_replaced_and_the_display_goes_on(kiosk: Kiosk) -> None:
    pid, child, ups = kiosk.pid, estimator_of(kiosk), len(kiosk.journal_lines(ESTIMATOR_UP))
    kiosk.machine.check_output(f"kill -KILL {child}")
    took = replaced(kiosk, child, ups)
    assert kiosk.pid == pid
    print(f"\nanother one after {took:.1f} s")


HOG = """
import os
GROUP = "/sys/fs/cgroup/system.slice/pose-mirror.service"
def kills():
    with open(f"{GROUP}/memory.events") as file:
        return dict(line.split() for line in file)["oom_kill"]
for path, word in ("/proc/self/oom_score_adj", "-1000"), (f"{GROUP}/cgroup.procs", str(os.getpid())):
    with open(path, "w") as file:
        file.write(word)
before, held = kills(), []
while kills() == before:
    held.append(b"x" * (4 << 20))
print(len(held) * 4)
"""


def test_where_memory_runs_out_the_estimator_goes_first_and_the_mirror_stays(kiosk: Kiosk) -> None:
    """Somebody whom the kernel may not end takes all that the unit may have."""
    pid, child, ups = kiosk.pid, estimator_of(kiosk), len(kiosk.journal_lines(ESTIMATOR_UP))
    kiosk.machine.write("/usr/src/hog.py", HOG)
    taken = kiosk.machine.check_output("python3 /usr/src/hog.py", 180)
    took = replaced(kiosk, child, ups)
    assert kiosk.pid == pid, "the mirror itself was taken"
    print(f"\n{taken.strip()} MB were left; another one {took:.1f} s after there was memory again")


def test_a_camera_that_goes_is_said_and_one_that_comes_back_is_used(kiosk: Kiosk) -> None:
    pid = kiosk.pid
    kiosk.machine.check_output("systemctl stop test-usb && rmmod v4l2loopback || (sleep 5; rmmod v4l2loopback)")
    kiosk.wait_for_fault("No camera found", 180, "no-camera")
    kiosk.machine.check_output("systemctl start test-usb")
    took = kiosk.wait_for_status("fps", 180)
    assert kiosk.pid == pid, "the mirror itself went on"
    print(f"\nback {took:.0f} s after the camera")


def test_a_full_disk_costs_a_gif_and_nothing_else(kiosk: Kiosk) -> None:
    before = kiosk.gif_names()
    kiosk.machine.check_output("fallocate -l $(df --output=avail -B1 / | tail -1) /filling || true")

    def shown() -> bool:
        said = kiosk.journal_lines(f"{FAILURE_PREFIX}only ")  # after another press perhaps with other figures
        return bool(said) and likeness(kiosk.screenshot("full-disk"), said[-1]) > MIN_LIKENESS

    press = partial(kiosk.machine.check_output, PRESS)
    presses = kiosk.press_until(press, shown, 240, "the display says that there is no room")
    assert kiosk.gif_names() == before, "half a file is left"
    kiosk.machine.check_output("rm /filling")
    print(f"\n{kiosk.journal_lines(FAILURE_PREFIX)[-1]}: {presses} presses")


def test_a_display_that_is_unplugged_and_plugged_in_again_shows_the_mirror(kiosk: Kiosk) -> None:
    status = kiosk.machine.check_output("ls /sys/class/drm/card*-*/status").split()[0]
    pid = kiosk.pid
    kiosk.machine.check_output(f"echo off >{status}")
    kiosk.wait_for_status("No display is plugged in.", 180)
    kiosk.machine.check_output(f"echo detect >{status}")
    kiosk.machine.wait_for(
        lambda: "No display" not in kiosk.status and not shows_console(kiosk.screenshot("display-back")),
        60,
        "the display is back",
    )
    assert kiosk.pid == pid


LISTENER = """
import os, signal, socket, sys
lines = [
    socket.create_server((host, int(sys.argv[1])), family=family)
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
]
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
    systemd.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
signal.pause()
"""

SYSTEM = (
    *("/etc/x", "/usr/x", "/opt/pose-mirror/x", "/var/x", "/boot/x"),
    *("/sys/power/state", "/proc/sys/kernel/panic"),
)
"""What is read-only for the mirror, whoever's it is."""

PROBE = """
import errno, json, os, socket, sys
port = int(sys.argv[1])
def tried(what):
    try:
        what()
        return "done"
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
def connected(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as line:
        line.settimeout(3)
        line.connect(address)
def written(path):
    with open(path, "w") as file:
        file.write("x")
print(json.dumps({
    "inet": tried(lambda: connected(socket.AF_INET, ("127.0.0.1", port))),
    "inet6": tried(lambda: connected(socket.AF_INET6, ("::1", port))),
    "interfaces": sorted(os.listdir("/sys/class/net")),
    **{path: tried(lambda: written(path)) for path in (
        *sys.argv[2:], "/root/x", "/home/x", "/dev/shm/../x", "/dev/vda", "/dev/kmsg", "/var/lib/pose-mirror/gifs/x",
    )},
}))
"""


def probed(kiosk: Kiosk, name: str, unit: Iterable[str]) -> dict[str, Any]:
    """What the probe found, as the one program of a unit of these lines."""
    machine = kiosk.machine
    machine.write("/usr/src/probe.py", PROBE)
    added = ["Type=oneshot", f"ExecStart=/usr/bin/python3 /usr/src/probe.py {PORT} {' '.join(SYSTEM)}"]
    machine.write(f"/run/systemd/system/{name}.service", "\n".join([*unit, *added, ""]))
    machine.check_output(f"systemctl daemon-reload && systemctl start {name}")
    found: dict[str, Any] = json.loads(machine.check_output(f"journalctl -b -u {name} -o cat --no-pager | grep '^{{'"))
    machine.check_output(f"rm {GIF_FOLDER}/x")
    assert found.pop(f"{GIF_FOLDER}/x") == "done", "its own folder is there to be written to"
    return found


def test_from_inside_there_is_no_network_and_nothing_to_write_to(kiosk: Kiosk) -> None:
    """The very unit, with another program in it; and beside it that program in a unit without a sandbox."""
    kiosk.machine.write("/usr/src/listener.py", LISTENER)
    kiosk.machine.check_output(f"systemd-run --unit listener --service-type notify python3 /usr/src/listener.py {PORT}")
    kiosk.machine.check_output("modprobe dummy numdummies=1")
    bare = probed(kiosk, "probe-bare", ["[Service]", "User=pose-mirror"])
    assert (bare["inet"], bare["inet6"]) == ("done", "done"), "else nobody listens, and the rest shows nothing"
    assert "dummy0" in bare["interfaces"]
    unit = kiosk.machine.read("/etc/systemd/system/pose-mirror.service").decode().splitlines()
    found = probed(kiosk, "probe", (line for line in unit if not line.startswith(NOT_PROBED)))
    kiosk.machine.check_output("systemctl stop listener")
    print(f"\n{found}\nwithout a sandbox: {bare}")
    assert found.pop("interfaces") == ["lo"]
    assert (found.pop("inet"), found.pop("inet6")) == ("EAFNOSUPPORT", "EAFNOSUPPORT")
    assert {found[path] for path in SYSTEM} == {"EROFS"}, "this user might not write there anyhow, and hear EACCES"
    assert "done" not in found.values()


def test_the_service_is_exposed_as_little_here_as_was_promised(kiosk: Kiosk) -> None:
    said = kiosk.machine.check_output("systemd-analyze security --no-pager pose-mirror | tail -1")
    exposure = float(said.split(":")[1].split()[0])
    assert exposure <= 2.5
    print(f"\n{said.strip()}")


def test_it_ends_in_time_and_leaves_nothing(kiosk: Kiosk) -> None:
    machine = kiosk.machine
    machine.wait_for("! pgrep -u pose-mirror -f device.recording.saving", 90, "no GIF is being made")
    begun, ended = map(float, machine.check_output(f"{CLOCK}; systemctl stop pose-mirror; {CLOCK}").split())
    assert kiosk.unit_property("Result") == "success", "it had to be killed"
    assert not kiosk.journal_lines("does not end, and is left behind")
    assert machine.run("pgrep -u pose-mirror").status == 1, "a process is left"
    print(f"\nstopped in {ended - begun:.1f} s")


def test_a_damaged_library_gives_way_to_the_starter_library_until_it_is_whole(quick: Kiosk) -> None:
    shell = quick.machine.check_output
    shell(f"cp -r {STARTER} {MINE} && chown -R pose-mirror: {MINE}", 120)
    shell(f"printf x | dd of={MINE}/{ANNOY} bs=1 seek=1000 conv=notrunc")
    quick.configure({**QUICK_SETTINGS, "library": {"folder": MINE}})
    print("\n" + quick.wait_for_fault("is not as it was built", 180, "damaged-library"))
    shell(f"cp {STARTER}/{ANNOY} {MINE}/new && mv {MINE}/new {MINE}/{ANNOY}")
    quick.wait_until_well()


def test_a_mirror_that_cannot_start_says_so_on_the_display_until_it_can(kiosk: Kiosk) -> None:
    machine = kiosk.machine
    machine.write(CONFIG_FILE, "[screen]\ndisplay = 'television'\n")
    machine.run("systemctl restart pose-mirror", START_SECONDS)
    machine.wait_for(lambda: int(kiosk.unit_property("NRestarts")) >= 2, 180, "it goes on trying")
    shown = []
    for _ in range(10):
        time.sleep(1)
        shown.append(kiosk.screenshot("cannot-start"))
    written = [shows_console(picture) and (picture.max(-1) > 150).mean() > 0.005 for picture in shown]
    assert np.mean(written) > 0.8, "words stand on the display, while one try follows on the other"
    said = console_text(machine)
    assert "The mirror is being started again." in said
    assert "display must be one of auto, kiosk, window, headless, not 'television'" in said
    print(f"\n{said}")
    kiosk.configure(QUICK_SETTINGS)
    machine.wait_for(lambda: not shows_console(kiosk.screenshot()), 60, "the mirror has the display again")
