"""From power on to the mirror, and back to it whatever befalls it: one machine, its faults one after the other.

Each test leaves the mirror up, for the next. What the display showed is kept in `kiosk.PICTURES`.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from clip import pictures_of
from image import Image
from kiosk import GIFS, QUICK, Kiosk, answer, console, likeness
from machine import Machine
from PIL import Image as Picture
from PIL import ImageSequence

from models.estimator import Estimator
from models.fetch import OWN, WEIGHTS
from models.pose import Pose

pytestmark = [pytest.mark.boot, pytest.mark.timeout(900)]

PRESS = "/usr/lib/test-devices/button press"


@pytest.fixture(scope="module")
def kiosk(image: Image, clip: Path) -> Iterator[Kiosk]:
    """The machine as it is after its first start, with a button, a USB camera and somebody in front of it."""
    with Machine(image, devices=("button", "usb"), clip=clip) as machine:
        found = Kiosk(machine, "kiosk")
        found.wait_up()
        yield found


@pytest.fixture(scope="module")
def visitors(clip: Path) -> list[Pose]:
    """How the somebody of the clip stands from time to time, as they see themselves in the mirror."""
    pictures = pictures_of(clip)
    with Estimator(WEIGHTS / f"{OWN}.tflite") as estimator:
        found = [estimator.estimate(np.ascontiguousarray(picture[:, ::-1])) for picture in pictures[::5]]
    return [max(people, key=lambda pose: pose.score) for people in found if people]


@pytest.fixture(autouse=True)
def up(kiosk: Kiosk) -> Iterator[None]:
    """However a test ends, the next one begins with a mirror that is up."""
    yield
    kiosk.machine.run("systemctl start pose-mirror")
    kiosk.wait_up()


def test_it_came_up_by_itself_and_nothing_failed(kiosk: Kiosk) -> None:
    assert kiosk.machine.shell("systemctl is-system-running --wait || true").strip() == "running"
    assert kiosk.machine.shell("systemctl --failed --no-legend --plain").strip() == ""
    assert "ordering cycle" not in kiosk.machine.shell("journalctl -b --no-pager")
    assert kiosk.told("NRestarts") == "0"
    assert kiosk.machine.run("systemctl is-active getty@tty1").status != 0, "nobody is asked to log in"


def test_it_is_installed_in_good_order(kiosk: Kiosk) -> None:
    checked = kiosk.machine.run("bash /usr/src/pose-mirror/systemd/install.sh --check", 120)
    assert checked.status == 0, checked.stdout + checked.stderr
    assert " bad " not in checked.stdout
    assert kiosk.machine.run("udevadm verify /etc/udev/rules.d/60-pose-mirror.rules").status == 0


def test_somebody_in_front_of_it_is_answered_by_somebody_in_their_pose(kiosk: Kiosk, visitors: list[Pose]) -> None:
    kiosk.configure(QUICK)
    kiosk.wait_for_status("fps", 180)
    with Estimator(WEIGHTS / f"{OWN}.tflite") as estimator:
        best = 0.0
        until = time.monotonic() + 90
        while best < 0.6 and time.monotonic() < until:
            shown = kiosk.screen("answer")
            best = max(best, *(answer(shown, estimator, pose) for pose in visitors))
    assert best >= 0.6
    assert not console(shown)
    print(f"\nthe display's answer agrees with the visitor: {best:.2f}; {kiosk.status}")


@pytest.mark.parametrize("how", ["button", "key"])
def test_a_press_makes_a_gif(kiosk: Kiosk, how: str) -> None:
    before = kiosk.gifs()
    if how == "button":
        kiosk.machine.shell(PRESS)
    else:
        kiosk.machine.press("spc")
    gif = kiosk.wait_for_gif(before, 240)
    with Picture.open(io.BytesIO(gif)) as picture:
        assert picture.format == "GIF"
        pictures = [frame.convert("RGB") for frame in ImageSequence.Iterator(picture)]
    print(f"\na GIF of {len(pictures)} pictures, {len(gif) / 1000:.0f} kB")


def test_it_ends_within_five_seconds_and_leaves_nothing(kiosk: Kiosk) -> None:
    clock = kiosk.machine.shell("cut -d' ' -f1 /proc/uptime; systemctl stop pose-mirror; cut -d' ' -f1 /proc/uptime")
    begun, ended = map(float, clock.split())
    took = ended - begun
    assert kiosk.told("Result") == "success", "it had to be killed"
    assert took < 5.5
    assert kiosk.machine.run("pgrep -u pose-mirror").status == 1, "a process is left"
    print(f"\nstopped in {took:.1f} s")


def test_a_mirror_that_stands_still_is_started_again(kiosk: Kiosk) -> None:
    pid, restarts = kiosk.pid, int(kiosk.told("NRestarts"))
    kiosk.machine.shell(f"kill -STOP {pid}")
    took = kiosk.machine.wait_for(lambda: int(kiosk.told("NRestarts")) > restarts, 60, "the watchdog sees it")
    back = kiosk.wait_up()
    assert kiosk.pid != pid
    assert "watchdog" in kiosk.machine.shell("journalctl -b -u pose-mirror --no-pager -n 200")
    print(f"\nseen after {took:.0f} s, back {back:.0f} s later")


def test_an_estimator_that_dies_is_replaced_and_the_display_goes_on(kiosk: Kiosk) -> None:
    pid = kiosk.pid
    kiosk.wait_for_status("fps", 180)
    (child,) = kiosk.machine.shell(f"pgrep -P {pid} -f models.child").split()
    kiosk.machine.shell(f"kill -KILL {child}")
    took = kiosk.machine.wait_for(
        f"pgrep -P {pid} -f models.child | grep -qvx {child}", 60, "there is another estimator"
    )
    kiosk.wait_for_status("fps", 180)
    assert kiosk.pid == pid
    print(f"\nanother one after {took:.1f} s")


def test_where_memory_runs_out_the_estimator_goes_first_and_the_mirror_stays(kiosk: Kiosk) -> None:
    machine, pid = kiosk.machine, kiosk.pid
    kiosk.wait_for_status("fps", 180)
    (child,) = machine.shell(f"pgrep -P {pid} -f models.child").split()
    held = int(machine.shell(f"ps -o rss= -p {pid}")) * 1024 + 20_000_000
    machine.shell(f"systemctl set-property --runtime pose-mirror MemoryMax={held}")
    try:
        machine.wait_for(f"! kill -0 {child}", 60, "the estimator is taken")
    finally:
        machine.shell("systemctl set-property --runtime pose-mirror MemoryMax=1G")
    took = machine.wait_for(f"pgrep -P {pid} -f models.child", 90, "there is another estimator")
    assert kiosk.pid == pid, "the mirror itself was taken"
    print(f"\nanother one {took:.1f} s after there was memory again")


def test_a_camera_that_goes_is_said_and_one_that_comes_back_is_used(kiosk: Kiosk) -> None:
    pid = kiosk.pid
    kiosk.machine.shell("systemctl stop test-usb && rmmod v4l2loopback || (sleep 5; rmmod v4l2loopback)")
    kiosk.wait_for_fault("No camera found", 180, "no-camera")
    kiosk.machine.shell("systemctl start test-usb")
    took = kiosk.wait_for_status("fps", 180)
    assert kiosk.pid == pid, "the mirror itself went on"
    print(f"\nback {took:.0f} s after the camera")


def test_a_damaged_library_gives_way_to_the_starter_library(kiosk: Kiosk) -> None:
    mine = "/var/lib/pose-mirror/mine"
    kiosk.machine.shell(f"cp -r /var/lib/pose-mirror/starter {mine} && chown -R pose-mirror: {mine}", 120)
    kiosk.machine.shell(f"printf x | dd of={mine}/whole-0.annoy bs=1 seek=1000 conv=notrunc")
    kiosk.configure({**QUICK, "library": {"folder": mine}})
    print("\n" + kiosk.wait_for_fault("is not as it was built", 180, "damaged-library"))
    kiosk.machine.shell(f"rm -rf {mine}")
    kiosk.configure(QUICK)


def test_a_full_disk_costs_a_gif_and_nothing_else(kiosk: Kiosk) -> None:
    before = kiosk.gifs()
    kiosk.machine.shell("fallocate -l $(df --output=avail -B1 / | tail -1) /filling || true")
    try:
        kiosk.machine.shell(PRESS)
        said = "journalctl -b -u pose-mirror --no-pager -o cat | grep 'The GIF could not be written'"
        kiosk.machine.wait_for(f"{said} >/dev/null", 90, "the mirror says that there is no room")
        kiosk.wait_for_words(kiosk.machine.shell(said).strip(), 10, "full-disk")
        assert kiosk.gifs() == before, "half a file is left"
    finally:
        kiosk.machine.shell("rm -f /filling")


def test_a_display_that_is_unplugged_and_plugged_in_again_shows_the_mirror(kiosk: Kiosk) -> None:
    status = kiosk.machine.shell("ls /sys/class/drm/card*-*/status").split()[0]
    pid = kiosk.pid
    kiosk.machine.shell(f"echo off >{status}")
    kiosk.wait_for_status("No display is plugged in.", 180)
    kiosk.machine.shell(f"echo detect >{status}")
    kiosk.machine.wait_for(
        lambda: "No display" not in kiosk.status and not console(kiosk.screen("display-back")),
        60,
        "the display is back",
    )
    assert kiosk.pid == pid


PROBE = """
import errno, json, os, socket
def tried(what):
    try:
        what()
        return "done"
    except OSError as error:
        return errno.errorcode[error.errno]
def connected(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as line:
        line.settimeout(3)
        line.connect(address)
def written(path):
    with open(path, "w") as file:
        file.write("x")
print(json.dumps({
    "inet": tried(lambda: connected(socket.AF_INET, ("10.0.2.2", 80))),
    "inet6": tried(lambda: connected(socket.AF_INET6, ("::1", 80))),
    "local": tried(lambda: connected(socket.AF_INET, ("127.0.0.1", 22))),
    "interfaces": sorted(os.listdir("/sys/class/net")),
    **{path: tried(lambda: written(path)) for path in (
        "/etc/x", "/usr/x", "/opt/pose-mirror/x", "/var/x", "/boot/x", "/root/x", "/home/x", "/dev/shm/../x",
        "/sys/power/state", "/proc/sys/kernel/panic", "/dev/vda", "/dev/kmsg", "/var/lib/pose-mirror/gifs/x",
    )},
}))
"""


def test_from_inside_there_is_no_network_and_nothing_to_write_to(kiosk: Kiosk) -> None:
    """The very unit, with another program in it."""
    kept = [
        line
        for line in kiosk.machine.read("/etc/systemd/system/pose-mirror.service").decode().splitlines()
        if not line.startswith(
            (
                "Exec",
                "Type=",
                "Restart",
                "StandardInput=",
                "TTY",
                "Conflicts=",
                "RuntimeDirectory",
                "[Install]",
                "Wanted",
            )
        )
    ]
    kiosk.machine.write("/usr/src/probe.py", PROBE)
    added = ["Type=oneshot", "ExecStart=/usr/bin/python3 /usr/src/probe.py"]
    kiosk.machine.write("/run/systemd/system/probe.service", "\n".join([*kept, *added, ""]))
    kiosk.machine.shell("systemctl daemon-reload && systemctl start probe")
    found = json.loads(kiosk.machine.shell("journalctl -b -u probe -o cat --no-pager | grep '^{'"))
    kiosk.machine.shell(f"rm {GIFS}/x")
    assert found.pop(f"{GIFS}/x") == "done", "its own folder is there to be written to"
    assert found.pop("interfaces") == ["lo"]
    assert "done" not in found.values(), found
    print(f"\n{found}")


def test_the_service_is_exposed_as_little_here_as_was_promised(kiosk: Kiosk) -> None:
    said = kiosk.machine.shell("systemd-analyze security --no-pager pose-mirror | tail -1")
    exposure = float(said.split(":")[1].split()[0])
    assert exposure <= 2.5
    print(f"\n{said.strip()}")


def test_a_mirror_that_cannot_start_says_so_on_the_display_until_it_can(kiosk: Kiosk) -> None:
    kiosk.machine.write("/etc/pose-mirror.toml", "[screen]\ndisplay = 'television'\n")
    kiosk.machine.run("systemctl restart pose-mirror", 120)
    kiosk.machine.wait_for(lambda: int(kiosk.told("NRestarts")) >= 3, 180, "it goes on trying")
    shown = [kiosk.screen("cannot-start") for _ in range(10) if not time.sleep(1)]
    written = [(picture.max(-1) > 150).mean() > 0.005 for picture in shown]
    assert np.mean(written) > 0.8, "words stand on the display, while one try follows on the other"
    kiosk.configure(QUICK)
    assert likeness(kiosk.screen(), "The mirror is being started again.") < 0.5
