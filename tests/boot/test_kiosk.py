"""From power on to the mirror, and back to it after every fault. One machine meets all faults, one after another.

Screenshots are kept in `kiosk.PICTURE_FOLDER`.
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

from device.display import style
from device.recording.recorder import FAILED
from device.recording.saving import FAILURE_PREFIX
from device.sensing import CANNOT_SEE
from models.estimator.catalogue import BUNDLED_MODEL
from models.estimator.estimator import Estimator
from models.estimator.model_files import WEIGHTS_FOLDER
from models.pose import Pose
from tests.boot.clip import read_pictures
from tests.boot.image import DiskImage
from tests.boot.kiosk import (
    CONFIG_FILE,
    GIF_FOLDER,
    MIN_TEXT_MATCH,
    QUICK_SETTINGS,
    START_SECONDS,
    STATE_FOLDER,
    Kiosk,
    answer_likeness,
    console_text,
    shows_console,
    text_match,
)
from tests.boot.machine import Machine

pytestmark = [pytest.mark.boot, pytest.mark.timeout(900)]

PRESS = "/usr/lib/test-devices/button press"

CLOCK = "cut -d' ' -f1 /proc/uptime"

ESTIMATOR_UP = "The estimator is ready on"
"""The journal's text for each estimator that started."""

STARTER, MINE, ANNOY = f"{STATE_FOLDER}/starter", f"{STATE_FOLDER}/mine", "whole-0.annoy"

PORT = 8765

NOT_PROBED = (
    *("Exec", "Type=", "Restart", "StandardInput=", "TTY", "Conflicts=", "RuntimeDirectory"),
    *("[Install]", "Wanted"),
)
"""The starts of the unit's lines that are not part of its sandbox."""


@pytest.fixture(scope="module")
def booted(image: DiskImage, clip: Path) -> Iterator[Kiosk]:
    """The machine after its first start, with a button, a USB camera and a visitor."""
    with Machine(image, devices=("button", "usb"), clip=clip) as machine:
        kiosk = Kiosk(machine, "kiosk")
        kiosk.wait_until_up()
        yield kiosk


@pytest.fixture(scope="module")
def quick(booted: Kiosk) -> Kiosk:
    """The same machine with quick settings, which every test below starts from."""
    booted.configure(QUICK_SETTINGS)
    booted.wait_until_well()
    return booted


@pytest.fixture
def kiosk(quick: Kiosk, passed: Callable[[], bool | None]) -> Iterator[Kiosk]:
    """The same with a running mirror. After a failed test, what it left behind is removed."""
    quick.machine.run("systemctl start pose-mirror", START_SECONDS)
    quick.wait_until_up()
    yield quick
    if passed() is False:
        quick.machine.run(f"rm -rf /filling {MINE}; systemctl start test-usb; systemctl stop listener", 60)
        quick.machine.run("for display in /sys/class/drm/card*-*/status; do echo detect >$display; done")
        quick.configure(QUICK_SETTINGS)


@pytest.fixture(scope="module")
def visitors(clip: Path) -> list[Pose]:
    """The poses of the person in the clip, as in a mirror."""
    pictures = read_pictures(clip)
    with Estimator(WEIGHTS_FOLDER / f"{BUNDLED_MODEL}.tflite") as estimator:
        estimates = [estimator.estimate(np.ascontiguousarray(picture[:, ::-1])) for picture in pictures]
    return [max(people, key=lambda pose: pose.score) for people in estimates if people]


def test_comes_up_by_itself_without_failures(booted: Kiosk) -> None:
    assert booted.machine.check_output("systemctl is-system-running --wait || true").strip() == "running"
    assert booted.machine.check_output("systemctl --failed --no-legend --plain").strip() == ""
    assert "ordering cycle" not in booted.machine.check_output("journalctl -b --no-pager")
    assert booted.unit_property("NRestarts") == "0"
    assert booted.machine.run("systemctl is-active getty@tty1").status != 0, "a login prompt is on the display"


def test_the_installer_finds_nothing_wrong(booted: Kiosk) -> None:
    result = booted.machine.run("bash /usr/src/pose-mirror/systemd/install.sh --check", 120)
    assert result.status == 0, result.stdout + result.stderr
    assert " bad " not in result.stdout
    assert booted.machine.run("udevadm verify /etc/udev/rules.d/60-pose-mirror.rules").status == 0


def test_answers_a_visitor_with_their_pose(kiosk: Kiosk, visitors: list[Pose]) -> None:
    with Estimator(WEIGHTS_FOLDER / f"{BUNDLED_MODEL}.tflite") as estimator:
        best = 0.0
        deadline = time.monotonic() + 90
        while best < 0.85 and time.monotonic() < deadline:
            screen = kiosk.screenshot("answer")
            best = max(best, *(answer_likeness(screen, estimator, pose) for pose in visitors))
    assert best >= 0.85
    assert not shows_console(screen)
    print(f"\nthe display's answer is like the visitor by {best:.2f}; {kiosk.status}")


@pytest.mark.parametrize("how", ["button", "key"])
def test_a_press_makes_a_gif(kiosk: Kiosk, how: str) -> None:
    gif = kiosk.make_gif(
        partial(kiosk.machine.check_output, PRESS) if how == "button" else partial(kiosk.machine.press, "spc")
    )
    with Picture.open(io.BytesIO(gif)) as picture:
        assert picture.format == "GIF"
        pictures = [frame.convert("RGB") for frame in ImageSequence.Iterator(picture)]
    print(f"a GIF of {len(pictures)} pictures, {len(gif) / 1000:.0f} kB")


def test_restarts_a_frozen_mirror(kiosk: Kiosk) -> None:
    pid, restarts = kiosk.pid, int(kiosk.unit_property("NRestarts"))
    kiosk.machine.check_output(f"kill -STOP {pid}")
    took = kiosk.machine.wait_for(lambda: int(kiosk.unit_property("NRestarts")) > restarts, 120, "the watchdog notices")
    back = kiosk.wait_until_up()
    assert kiosk.pid != pid
    assert "watchdog" in kiosk.machine.check_output("journalctl -b -u pose-mirror --no-pager -n 200")
    print(f"\nnoticed after {took:.0f} s, back {back:.0f} s later")


def estimator_of(kiosk: Kiosk) -> int:
    """The process ID of the estimator."""
    (child,) = kiosk.machine.check_output(f"pgrep -P {kiosk.pid} -f models.estimator.child").split()
    return int(child)


def wait_for_replacement(kiosk: Kiosk, child: int, starts: int) -> float:
    """Wait for another estimator and a healthy mirror; return the seconds until the estimator started."""

    def has_started() -> bool:
        return len(kiosk.journal_lines(ESTIMATOR_UP)) > starts

    took = kiosk.machine.wait_for(has_started, 180, "there is another estimator")
    kiosk.wait_until_well()
    assert estimator_of(kiosk) != child
    return took


def test_replaces_a_killed_estimator(kiosk: Kiosk) -> None:
    pid, child, starts = kiosk.pid, estimator_of(kiosk), len(kiosk.journal_lines(ESTIMATOR_UP))
    kiosk.machine.check_output(f"kill -KILL {child}")
    took = wait_for_replacement(kiosk, child, starts)
    assert kiosk.pid == pid
    print(f"\nreplaced after {took:.1f} s")


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


def test_out_of_memory_kills_the_estimator_not_the_mirror(kiosk: Kiosk) -> None:
    """A process that the kernel may not kill uses all the memory that the unit may have."""
    pid, child, starts = kiosk.pid, estimator_of(kiosk), len(kiosk.journal_lines(ESTIMATOR_UP))
    kiosk.machine.write("/usr/src/hog.py", HOG)
    used = kiosk.machine.check_output("python3 /usr/src/hog.py", 180)
    took = wait_for_replacement(kiosk, child, starts)
    assert kiosk.pid == pid, "the mirror itself was killed"
    print(f"\n{used.strip()} MB were free; replaced {took:.1f} s after memory was free again")


def test_reports_a_lost_camera_and_uses_it_again(kiosk: Kiosk) -> None:
    pid = kiosk.pid
    kiosk.machine.check_output("systemctl stop test-usb && rmmod v4l2loopback || (sleep 5; rmmod v4l2loopback)")
    kiosk.wait_for_fault("No camera found", 180, "no-camera")
    kiosk.wait_for_words(CANNOT_SEE, style.SMALL, 60, "cannot-see")
    kiosk.machine.check_output("systemctl start test-usb")
    took = kiosk.wait_for_status("fps", 180)
    assert kiosk.pid == pid, "the mirror restarted"
    print(f"\nback {took:.0f} s after the camera")


def test_a_full_disk_costs_only_a_gif(kiosk: Kiosk) -> None:
    before = kiosk.gif_names()
    kiosk.machine.check_output("fallocate -l $(df --output=avail -B1 / | tail -1) /filling || true")

    def is_shown() -> bool:
        told = kiosk.journal_lines(f"{FAILURE_PREFIX}only ")
        return bool(told) and text_match(kiosk.screenshot("full-disk"), FAILED, style.BODY) > MIN_TEXT_MATCH

    press = partial(kiosk.machine.check_output, PRESS)
    presses = kiosk.press_until(press, is_shown, 240, "the display says that there is no GIF, and the log why")
    # The mirror deletes old GIFs when the disk is nearly full.
    assert set(kiosk.gif_names()) <= set(before), "an unfinished file is left"
    kiosk.machine.check_output("rm /filling")
    print(f"\n{kiosk.journal_lines(FAILURE_PREFIX)[-1]}: {presses} presses")


def test_shows_the_mirror_on_a_replugged_display(kiosk: Kiosk) -> None:
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
"""Paths that are read-only for the mirror, even those that its user owns."""

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


def run_probe(kiosk: Kiosk, name: str, unit: Iterable[str]) -> dict[str, Any]:
    """Run the probe as the only program of a unit with some lines; return what it found."""
    machine = kiosk.machine
    machine.write("/usr/src/probe.py", PROBE)
    command = ["Type=oneshot", f"ExecStart=/usr/bin/python3 /usr/src/probe.py {PORT} {' '.join(SYSTEM)}"]
    machine.write(f"/run/systemd/system/{name}.service", "\n".join([*unit, *command, ""]))
    machine.check_output(f"systemctl daemon-reload && systemctl start {name}")
    results: dict[str, Any] = json.loads(
        machine.check_output(f"journalctl -b -u {name} -o cat --no-pager | grep '^{{'")
    )
    machine.check_output(f"rm {GIF_FOLDER}/x")
    assert results.pop(f"{GIF_FOLDER}/x") == "done", "the folder of GIFs is not writable"
    return results


def test_the_sandbox_has_no_network_and_few_writable_paths(kiosk: Kiosk) -> None:
    """The very unit, with another program in it; and beside it that program in a unit without a sandbox."""
    kiosk.machine.write("/usr/src/listener.py", LISTENER)
    kiosk.machine.check_output(f"systemd-run --unit listener --service-type notify python3 /usr/src/listener.py {PORT}")
    kiosk.machine.check_output("modprobe dummy numdummies=1")
    bare = run_probe(kiosk, "probe-bare", ["[Service]", "User=pose-mirror"])
    assert (bare["inet"], bare["inet6"]) == ("done", "done"), "without a listener the rest proves nothing"
    assert "dummy0" in bare["interfaces"]
    unit = kiosk.machine.read("/etc/systemd/system/pose-mirror.service").decode().splitlines()
    results = run_probe(kiosk, "probe", (line for line in unit if not line.startswith(NOT_PROBED)))
    kiosk.machine.check_output("systemctl stop listener")
    print(f"\n{results}\nwithout a sandbox: {bare}")
    assert results.pop("interfaces") == ["lo"]
    assert (results.pop("inet"), results.pop("inet6")) == ("EAFNOSUPPORT", "EAFNOSUPPORT")
    assert {results[path] for path in SYSTEM} == {"EROFS"}, "EACCES would only show that this user has no permission"
    assert "done" not in results.values()


def test_the_service_has_little_exposure(kiosk: Kiosk) -> None:
    output = kiosk.machine.check_output("systemd-analyze security --no-pager pose-mirror | tail -1")
    exposure = float(output.split(":")[1].split()[0])
    assert exposure <= 2.5
    print(f"\n{output.strip()}")


def test_stops_in_time_and_leaves_nothing(kiosk: Kiosk) -> None:
    machine = kiosk.machine
    machine.wait_for("! pgrep -u pose-mirror -f device.recording.saving", 90, "no GIF is being made")
    start, end = map(float, machine.check_output(f"{CLOCK}; systemctl stop pose-mirror; {CLOCK}").split())
    assert kiosk.unit_property("Result") == "success", "systemd had to kill it"
    assert not kiosk.journal_lines("does not end in time")
    assert machine.run("pgrep -u pose-mirror").status == 1, "a process is left behind"
    print(f"\nstopped in {end - start:.1f} s")


def test_replaces_a_damaged_library_until_it_is_repaired(quick: Kiosk) -> None:
    shell = quick.machine.check_output
    shell(f"cp -r {STARTER} {MINE} && chown -R pose-mirror: {MINE}", 120)
    shell(f"printf x | dd of={MINE}/{ANNOY} bs=1 seek=1000 conv=notrunc")
    quick.configure({**QUICK_SETTINGS, "library": {"folder": MINE}})
    print("\n" + quick.wait_for_fault("is not as it was built", 180, "damaged-library"))
    shell(f"cp {STARTER}/{ANNOY} {MINE}/new && mv {MINE}/new {MINE}/{ANNOY}")
    quick.wait_until_well()


def test_shows_on_the_display_why_it_cannot_start(kiosk: Kiosk) -> None:
    machine = kiosk.machine
    machine.write(CONFIG_FILE, "[screen]\ndisplay = 'television'\n")
    machine.run("systemctl restart pose-mirror", START_SECONDS)
    machine.wait_for(lambda: int(kiosk.unit_property("NRestarts")) >= 2, 180, "systemd keeps trying")
    screens = []
    for _ in range(10):
        time.sleep(1)
        screens.append(kiosk.screenshot("cannot-start"))
    has_text = [shows_console(screen) and (screen.max(-1) > 150).mean() > 0.005 for screen in screens]
    assert np.mean(has_text) > 0.8, "the text must stay on the display from one try to the next"
    texts: list[str] = []

    def says_why() -> bool:  # not while a failed try is writing the text anew
        texts.append(console_text(machine))
        return "The mirror is restarting." in texts[-1]

    machine.wait_for(says_why, 20, "the console says why")
    text = texts[-1]
    assert "display must be one of auto, kiosk, window, headless, not 'television'" in text
    print(f"\n{text}")
    kiosk.configure(QUICK_SETTINGS)
    machine.wait_for(lambda: not shows_console(kiosk.screenshot()), 60, "the mirror has the display again")
