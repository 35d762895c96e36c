"""A visitor takes a GIF home: from the press to the phone, over a network, and until the GIF is deleted.

The phone is this host. Its only way into the machine is the forwarded port. Screenshots are in `kiosk.PICTURE_FOLDER`.
"""

from __future__ import annotations

import http.client
import io
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import cv2
import pytest
from PIL import Image as Picture

from device.share.shared_gif import FOLDER_NAME, NAME
from tests.boot.image import DiskImage
from tests.boot.kiosk import GIF_FOLDER, QUICK_SETTINGS, START_SECONDS, Kiosk, Settings
from tests.boot.machine import GUEST_ADDRESS, Machine

pytestmark = [pytest.mark.boot, pytest.mark.timeout(900)]

PRESS = "/usr/lib/test-devices/button press"

SHARED_FOLDER = f"{GIF_FOLDER}/{FOLDER_NAME}"

ADDRESS_FILE = "/run/pose-mirror-share/address.json"

UNITS = "pose-mirror-share.socket pose-mirror-share.service"

SETTINGS: Settings = {**QUICK_SETTINGS, "share": {"enabled": True, "hours": 1.0}}


class Answer(NamedTuple):
    """What a phone gets."""

    status: int
    body: bytes
    kind: str


@pytest.fixture(scope="module")
def sharing(image: DiskImage, clip: Path) -> Iterator[Kiosk]:
    """A machine on a cable with a button, a camera and a visitor, whose configuration turns sharing on."""
    with Machine(image, devices=("button", "usb"), clip=clip, network=True) as machine:
        kiosk = Kiosk(machine, "share")
        machine.connect()
        kiosk.wait_until_up()
        assert machine.run(f"systemctl is-active {UNITS}").stdout.split() == ["inactive"] * 2, "sharing is off at first"
        kiosk.configure(SETTINGS)
        wait_for_address(kiosk)
        yield kiosk


@pytest.fixture
def kiosk(sharing: Kiosk, passed: Callable[[], bool | None]) -> Iterator[Kiosk]:
    """The same, with everything running. After a failed test, what it left behind is removed."""
    yield sharing
    if passed() is False:
        sharing.configure(SETTINGS)
        wait_for_address(sharing)


@pytest.fixture(scope="module")
def page(sharing: Kiosk) -> str:
    """The path of the page of a complete GIF, read from the code on the display."""
    path, seconds = scan(sharing)
    first = fetch(sharing, path)
    assert first.status == 200
    made = sharing.machine.wait_for(lambda: fetch(sharing, f"{path}.gif").status == 200, 240, "the GIF is there")
    was_making = b'http-equiv="refresh"' in first.body
    print(
        f"\nfrom a press to its code {seconds:.1f} s, to the GIF {made:.1f} s more; scanned before that: {was_making}"
    )
    return path


def wait_for_address(kiosk: Kiosk) -> None:
    """Wait until the mirror can know where the page is."""
    kiosk.machine.wait_for(f"test -e {ADDRESS_FILE}", START_SECONDS, "the page has an address")


def fetch(kiosk: Kiosk, path: str, method: str = "GET") -> Answer:
    """Ask for a path as a phone does; status 0 if there is no answer."""
    assert kiosk.machine.web_port is not None
    connection = http.client.HTTPConnection("127.0.0.1", kiosk.machine.web_port, timeout=60)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", GUEST_ADDRESS)
        connection.endheaders()
        response = connection.getresponse()
        return Answer(response.status, response.read(), response.headers.get("Content-Type", ""))
    except (OSError, http.client.HTTPException):
        return Answer(0, b"", "")
    finally:
        connection.close()


def scan(kiosk: Kiosk) -> tuple[str, float]:
    """Press the button until a code is on the display; return the path it leads to, and the seconds since the press."""
    texts: list[str] = []
    pressed_at = 0.0

    def press() -> None:
        nonlocal pressed_at
        pressed_at = time.monotonic()
        kiosk.machine.check_output(PRESS)

    def is_shown() -> bool:
        text = cv2.QRCodeDetector().detectAndDecode(kiosk.screenshot("code"))[0]
        texts.append(text)
        return bool(text)

    kiosk.press_until(press, is_shown, 300, "the display shows a code", 0.2)
    seconds = time.monotonic() - pressed_at
    address = urlsplit(texts[-1])
    assert (address.scheme, address.netloc) == ("http", GUEST_ADDRESS)
    assert NAME.fullmatch(address.path.removeprefix("/"))
    return address.path, seconds


def share_property(kiosk: Kiosk, name: str) -> str:
    """A property of the page's service."""
    return kiosk.machine.check_output(f"systemctl show --value --property {name} pose-mirror-share").strip()


def test_the_code_leads_to_the_gif(kiosk: Kiosk, page: str) -> None:
    answer = fetch(kiosk, page)
    assert (answer.status, answer.kind) == (200, "text/html; charset=utf-8")
    assert f"{page.removeprefix('/')}.gif".encode() in answer.body
    gif = fetch(kiosk, f"{page}.gif")
    assert (gif.status, gif.kind) == (200, "image/gif")
    with Picture.open(io.BytesIO(gif.body)) as picture:
        picture.load()
        assert (picture.format, getattr(picture, "n_frames", 1) > 1) == ("GIF", True)
    assert gif.body == kiosk.machine.read(f"{SHARED_FOLDER}{page}.gif")
    assert [name for name in kiosk.gif_names() if name.endswith(".gif")] == [], "a second copy would never expire"


@pytest.mark.parametrize(
    "path",
    [
        *(
            f"/{FOLDER_NAME}/",
            "/gifs/",
            "/style.css/..",
            "/aaaaaaaaaaaaaaaaaaaaaaaaaa",
            "/aaaaaaaaaaaaaaaaaaaaaaaaaa.gif",
        ),
        *("/../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/..%2fpose-mirror.toml"),
    ],
)
def test_nothing_else_is_served(kiosk: Kiosk, page: str, path: str) -> None:
    answer = fetch(kiosk, path)
    assert answer.status == 404
    assert page.removeprefix("/").encode() not in answer.body
    assert b"root:" not in answer.body


def test_the_start_page_lists_nothing(kiosk: Kiosk, page: str) -> None:
    answer = fetch(kiosk, "/")
    assert answer.status == 200
    assert page.removeprefix("/").encode() not in answer.body
    assert fetch(kiosk, "/", "DELETE").status == 405


def test_a_new_mirror_cuts_no_phone_off(kiosk: Kiosk, page: str) -> None:
    before = share_property(kiosk, "MainPID")
    kiosk.machine.check_output("systemctl restart pose-mirror", START_SECONDS)
    kiosk.machine.wait_for("! systemctl is-active pose-mirror-follow-sharing", 60, "sharing has followed")
    assert share_property(kiosk, "MainPID") == before
    assert fetch(kiosk, page).status == 200


def test_a_killed_server_comes_back_without_the_mirror(kiosk: Kiosk, page: str) -> None:
    pid, server = kiosk.pid, share_property(kiosk, "MainPID")
    kiosk.machine.check_output("systemctl kill --signal KILL pose-mirror-share.service")
    start = time.monotonic()
    assert fetch(kiosk, page).status == 200, "phones wait while it starts again"
    took = time.monotonic() - start
    wait_for_address(kiosk)
    assert share_property(kiosk, "MainPID") != server
    assert kiosk.pid == pid
    print(f"\nthe page answered {took:.1f} s after its server was killed")


CONNECT = """
import errno, os, socket, sys
try:
    socket.create_connection((sys.argv[1], 80), 5).close()
    print("connected")
except OSError as error:
    print(errno.errorcode.get(error.errno, error))
print(*sorted(os.listdir("/sys/class/net")))
"""


def test_the_mirror_still_reaches_nothing(kiosk: Kiosk) -> None:
    """The page's port is open on this very machine. A process in the mirror's network does not reach it."""
    machine = kiosk.machine
    machine.write("/usr/src/connect.py", CONNECT)
    command = f"python3 /usr/src/connect.py {GUEST_ADDRESS}"
    outside = machine.check_output(command).splitlines()
    assert outside[0] == "connected", "without a server the rest proves nothing"
    inside = machine.check_output(f"nsenter --target {kiosk.pid} --net {command}").splitlines()
    assert inside[0] == "ENETUNREACH"
    links = machine.check_output(f"nsenter --target {kiosk.pid} --net ip -brief link").splitlines()
    assert [line.split()[0] for line in links] == ["lo"]


def test_anybody_reads_the_status_and_no_other_file(kiosk: Kiosk) -> None:
    nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups"
    status = json.loads(kiosk.machine.run(f"{nobody} pose-mirror status --json").stdout)
    assert status["running"]
    assert status["sharing"] == {"enabled": True, "address": f"http://{GUEST_ADDRESS}/"}
    assert kiosk.machine.run(f"{nobody} ls /run/pose-mirror").status != 0
    readable = kiosk.machine.check_output("find /run/pose-mirror -type f -perm /006 -printf '%f\n'")
    assert sorted(readable.split()) == ["started", "status.json"], "the former has the uptime at the start"


def test_the_server_has_little_exposure(kiosk: Kiosk) -> None:
    output = kiosk.machine.check_output("systemd-analyze security --no-pager pose-mirror-share | tail -1")
    assert float(output.split(":")[1].split()[0]) <= 2.0
    print(f"\n{output.strip()}")


PROBE = """
import errno, json, os, socket, sys
def tried(what):
    try:
        what()
        return "done"
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
def sent():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.sendto(b"x", (sys.argv[1], 9))
def connected():
    socket.create_connection((sys.argv[1], 80), 5).close()
def written(path):
    open(path, "w").close()
print(json.dumps({
    "send": tried(sent),
    "connect": tried(connected),
    "devices": [name for name in os.listdir("/dev") if name.startswith(("video", "gpiochip", "dri", "input", "snd"))],
    "user": os.getuid(), "groups": os.getgroups(),
    **{path: tried(lambda: written(path)) for path in sys.argv[2:]},
}))
"""

WRITTEN = (f"{SHARED_FOLDER}/x", f"{GIF_FOLDER}/x", "/etc/x", "/var/lib/x", "/run/pose-mirror/x", "/dev/shm/../kmsg")

NOT_PROBED = ("Exec", "Type=", "Restart", "RuntimeDirectory", "Requires=", "After=")
"""The starts of the unit's lines that are not part of its sandbox."""


def run_probe(kiosk: Kiosk, name: str, unit: list[str]) -> dict[str, Any]:
    """Run the probe as the only program of a unit with these lines; return what it found."""
    machine = kiosk.machine
    machine.write("/usr/src/probe.py", PROBE)
    command = f"/usr/bin/python3 /usr/src/probe.py {GUEST_ADDRESS} {' '.join(WRITTEN)}"
    machine.write(f"/run/systemd/system/{name}.service", "\n".join([*unit, "Type=oneshot", f"ExecStart={command}", ""]))
    machine.check_output(f"systemctl daemon-reload && systemctl start {name}")
    found: dict[str, Any] = json.loads(machine.check_output(f"journalctl -b -u {name} -o cat --no-pager | grep '^{{'"))
    return found


def test_the_server_reads_gifs_and_can_do_nothing_else(kiosk: Kiosk) -> None:
    """The very unit, with another program in it."""
    bare = run_probe(kiosk, "probe-bare", ["[Service]"])
    kiosk.machine.check_output(f"rm {' '.join(WRITTEN[:-1])}")
    assert (bare["send"], bare["connect"], bare[WRITTEN[0]]) == ("done", "done", "done")
    assert bare["devices"]
    unit = kiosk.machine.read("/etc/systemd/system/pose-mirror-share.service").decode().splitlines()
    found = run_probe(kiosk, "probe", [line for line in unit if not line.startswith(NOT_PROBED)])
    print(f"\n{found}\nwithout a sandbox: {bare}")
    assert found.pop("devices") == []
    assert found.pop("user") not in (0, bare["user"])
    assert len(found.pop("groups")) <= 1
    assert {found[path] for path in WRITTEN[:4]} == {"EROFS"}
    assert "done" not in found.values()


CROWD = """
import asyncio, collections, os, sys
os.nice(19)
port, clients, seconds = map(int, sys.argv[1:])
counts = collections.Counter()
async def client(number, end):
    loop = asyncio.get_running_loop()
    while loop.time() < end:
        try:
            reader, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), 30)
            slow = number % 4 == 0
            writer.write(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n" + (b"X-Slow: " if slow else b"\\r\\n"))
            line = await asyncio.wait_for(reader.readline(), 30)
            counts[line.decode().partition(" ")[2].strip() or "closed"] += 1
            writer.close()
        except (OSError, asyncio.TimeoutError) as error:
            counts[type(error).__name__] += 1
        await asyncio.sleep(0.5)
async def main():
    end = asyncio.get_running_loop().time() + seconds
    await asyncio.gather(*(client(number, end) for number in range(clients)))
asyncio.run(main())
print(dict(counts))
"""

CLIENTS = 1000

CROWD_SECONDS = 40


def frames_per_second(kiosk: Kiosk, seconds: float) -> float:
    """The mirror's frames a second, on average, from its status every five seconds."""
    rates: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(5)
        status = json.loads(kiosk.machine.run("pose-mirror status --json").stdout)
        if status and status["frames"]:
            rates.append(status["frames"]["per_second"])
    return mean(rates)


@pytest.mark.boot_long
def test_a_crowd_takes_nothing_from_the_mirror(kiosk: Kiosk, page: str) -> None:
    pid, server = kiosk.pid, share_property(kiosk, "MainPID")
    kiosk.wait_for_status("fps", 120)
    alone = frames_per_second(kiosk, CROWD_SECONDS)
    command = [sys.executable, "-c", CROWD, str(kiosk.machine.web_port), str(CLIENTS), str(CROWD_SECONDS + 10)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as crowd:
        crowded = frames_per_second(kiosk, CROWD_SECONDS)
        tasks, memory = share_property(kiosk, "TasksCurrent"), share_property(kiosk, "MemoryCurrent")
        answers = crowd.communicate(timeout=240)[0].strip()
    peak = int(share_property(kiosk, "MemoryPeak"))
    print(f"\n{alone:.2f} frames a second alone, {crowded:.2f} in a crowd of {CLIENTS}: {crowded / alone:.2f}")
    print(f"the server: {tasks} tasks, {int(memory) / 1e6:.0f} MB, {peak / 1e6:.0f} MB at most; answers: {answers}")
    assert crowded > alone / 4, "the crowd itself, and QEMU's network, use the host's processor, too"
    assert int(tasks) <= 16
    assert peak < 160e6
    assert (kiosk.pid, share_property(kiosk, "MainPID")) == (pid, server)
    # this host's address has used up what one phone may ask
    kiosk.machine.wait_for(lambda: fetch(kiosk, page).status == 200, 120, "phones are answered again")


AGE = """
import json, sys
file, seconds = sys.argv[1], float(sys.argv[2])
with open(file) as opened:
    details = json.load(opened)
details["made_at"] -= seconds
details["expires_at"] -= seconds
with open(file, "w") as opened:
    json.dump(details, opened)
"""


def test_an_expired_gif_is_gone_at_once_and_then_deleted(kiosk: Kiosk, page: str) -> None:
    machine = kiosk.machine
    machine.write("/usr/src/age.py", AGE)
    assert fetch(kiosk, page).status == 200
    machine.check_output(f"python3 /usr/src/age.py {SHARED_FOLDER}{page}.json 3600")
    gone, unknown = fetch(kiosk, page), fetch(kiosk, "/aaaaaaaaaaaaaaaaaaaaaaaaaa")
    assert (gone.status, gone.body) == (404, unknown.body), "nobody can tell that it ever was"
    assert fetch(kiosk, f"{page}.gif").status == 404
    took = machine.wait_for(f"! ls {SHARED_FOLDER}{page}.*", 240, "its files are deleted")
    print(f"\ndeleted {took:.0f} s after its time was over")


def test_sharing_ends_with_the_configuration(kiosk: Kiosk) -> None:
    kiosk.configure(QUICK_SETTINGS)
    kiosk.machine.wait_for(f"! systemctl is-active {UNITS}", 60, "the page is no longer served")
    assert fetch(kiosk, "/").status == 0
    assert kiosk.machine.run(f"test -e {ADDRESS_FILE}").status == 1
    make = partial(kiosk.machine.check_output, PRESS)
    kiosk.make_gif(make)
    assert [name for name in kiosk.gif_names() if name.endswith(".gif")], "it is where GIFs are without sharing"
