"""The mirror's own Wi-Fi, with virtual radios: a phone joins it, and reaches the page and nothing else.

The kernel's mac80211_hwsim makes two radios. The second one is the phone's, in a network namespace of its own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import cv2
import pytest

from tests.boot.image import DiskImage
from tests.boot.kiosk import CONFIG_FILE, QUICK_SETTINGS, START_SECONDS, Kiosk
from tests.boot.machine import GUEST_ADDRESS, Machine

pytestmark = [pytest.mark.boot, pytest.mark.timeout(1800)]

PRESS = "/usr/lib/test-devices/button press"

INSTALL = "PIP_NO_INDEX=1 PIP_FIND_LINKS=/usr/src/wheels bash /usr/src/pose-mirror/systemd/install.sh"

HOTSPOT_FILE = "/etc/pose-mirror-hotspot.json"

ADDRESS: Final = "10.41.0.1"

NETWORK_UNITS = "NetworkManager.service NetworkManager-wait-online.service wpa_supplicant.service"
"""The test machine has them switched off."""

PHONE = "ip netns exec phone"
"""Runs a command on the phone."""

DHCP_SCRIPT = """#!/bin/sh
# what a phone does with the address that it is given
[ "$1" = bound ] || exit 0
ip address replace "$ip/$mask" dev "$interface"
ip route replace default via "$router"
echo "nameserver $dns" >/etc/resolv.conf
echo "$ip $mask $router $dns $lease" >/run/phone-lease
"""

WPA_SUPPLICANT = """
network={{
    ssid="{name}"
    psk="{password}"
    key_mgmt=WPA-PSK
    proto=RSN
    pairwise=CCMP
}}
"""

WALK = """
import errno, json, socket, sys
address, cable = sys.argv[1:]
def named(name, family):
    try:
        return sorted({found[4][0] for found in socket.getaddrinfo(name, 80, family, socket.SOCK_STREAM)})
    except socket.gaierror as error:
        return [error.errno == socket.EAI_NODATA or str(error)]
def got(host, path):
    with socket.create_connection((host, 80), 20) as line:
        line.sendall(f"GET {path} HTTP/1.1\\r\\nHost: {host}\\r\\nAccept-Language: de\\r\\n\\r\\n".encode())
        answer = b""
        while part := line.recv(65536):
            answer += part
    head, _, body = answer.decode().partition("\\r\\n\\r\\n")
    lines = head.split("\\r\\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    return [int(lines[0].split()[1]), headers.get("Location", ""), body]
def tried(host, port):
    try:
        socket.create_connection((host, port), 4).close()
        return "open"
    except OSError as error:
        return errno.errorcode.get(error.errno, "timeout")
print(json.dumps({
    "names": {name: named(name, socket.AF_INET) for name in ("connectivitycheck.gstatic.com", "mirror.lan", "x")},
    "ipv6": named("captive.apple.com", socket.AF_INET6),
    "android": got("connectivitycheck.gstatic.com", "/generate_204"),
    "apple": got("captive.apple.com", "/hotspot-detect.html"),
    "windows": got("www.msftconnecttest.com", "/connecttest.txt"),
    "welcome": got(address, "/welcome"),
    "android again": got("connectivitycheck.gstatic.com", "/generate_204"),
    "start": got(address, "/"),
    "elsewhere": got("example.org", "/some/page"),
    "open": [port for port in (*range(1, 100), 443, 853, 5353, 8000, 8765) if tried(address, port) == "open"],
    "https": tried(address, 443),
    "cable": {port: tried(cable, port) for port in (80, 8765)},
    "beyond": tried("192.0.2.7", 80),
}))
"""


@pytest.fixture(scope="module")
def kiosk(image: DiskImage, clip: Path) -> Iterator[Kiosk]:
    """A machine on a cable with a Wi-Fi device, a button, a camera and a visitor; sharing is off."""
    with Machine(image, devices=("button", "usb"), clip=clip, network=True) as machine:
        kiosk = Kiosk(machine, "hotspot")
        kiosk.wait_until_up()
        kiosk.configure(QUICK_SETTINGS)
        machine.connect()
        machine.check_output(f"systemctl unmask {NETWORK_UNITS}")
        yield kiosk


@pytest.fixture(scope="module")
def radios(kiosk: Kiosk) -> None:
    """Plug the machine's Wi-Fi in, and hand the second radio to the phone."""
    kiosk.machine.check_output("modprobe mac80211_hwsim radios=2 && udevadm settle && ip netns add phone")
    kiosk.machine.check_output("iw phy $(cat /sys/class/net/wlan1/phy80211/name) set netns name phone")


@pytest.fixture(scope="module")
def wifi(kiosk: Kiosk, radios: None) -> dict[str, str]:
    """The name and the password of the mirror's own Wi-Fi, which the installer makes."""
    output = kiosk.machine.check_output(f"{INSTALL} --hotspot", 900)
    wifi: dict[str, str] = json.loads(kiosk.machine.read(HOTSPOT_FILE))
    assert wifi["password"] in output
    print(f"\n{output}")
    wait_for_address(kiosk)
    return wifi


def wait_for_address(kiosk: Kiosk) -> None:
    """Wait until the page is served on the Wi-Fi, and the mirror can know that."""
    served = f"grep -q {ADDRESS} /run/pose-mirror-share/address.json"
    kiosk.machine.wait_for(served, START_SECONDS, "the page has its address")


@pytest.fixture(scope="module")
def phone(kiosk: Kiosk, wifi: dict[str, str]) -> dict[str, Any]:
    """What a phone finds that joins the Wi-Fi."""
    machine = kiosk.machine
    machine.write("/run/phone.conf", WPA_SUPPLICANT.format_map(wifi))
    machine.write("/usr/src/phone-dhcp", DHCP_SCRIPT)
    machine.write("/run/walk.py", WALK)
    machine.write("/etc/netns/phone/resolv.conf", "")  # the namespace's own, instead of the machine's
    start = time.monotonic()
    machine.check_output(f"chmod +x /usr/src/phone-dhcp; {PHONE} wpa_supplicant -B -i wlan1 -c /run/phone.conf")
    machine.wait_for(f"{PHONE} iw dev wlan1 link | grep -q '^Connected'", 60, "the phone has joined")
    machine.check_output(f"{PHONE} udhcpc -i wlan1 -q -n -s /usr/src/phone-dhcp")
    print(f"\njoined, with an address, after {time.monotonic() - start:.1f} s")
    machine.check_output("systemd-run --unit listener python3 -m http.server 8765")
    machine.wait_for(f"python3 -c 'import socket; socket.create_connection((\"{ADDRESS}\", 8765))'", 60, "it listens")
    found: dict[str, Any] = json.loads(
        machine.check_output(f"{PHONE} python3 /run/walk.py {ADDRESS} {GUEST_ADDRESS}", 300)
    )
    return found


def test_the_installer_makes_a_wifi_and_turns_sharing_on(kiosk: Kiosk, wifi: dict[str, str]) -> None:
    assert kiosk.machine.read(CONFIG_FILE).decode().endswith("[share]\nenabled = true\n")
    assert wifi["address"] == ADDRESS
    details = kiosk.machine.check_output("iw dev wlan0 info")
    assert "type AP" in details
    assert f"ssid {wifi['name']}" in details
    result = kiosk.machine.run(f"{INSTALL} --check", 120)
    assert (result.status, " bad " in result.stdout) == (0, False), result.stdout + result.stderr
    assert result.stdout.count("own Wi-Fi") >= 6


def test_the_phone_gets_an_address_and_one_answer_to_every_name(kiosk: Kiosk, phone: dict[str, Any]) -> None:
    ip, mask, router, dns, lease = kiosk.machine.read("/run/phone-lease").decode().split()
    assert ip.startswith("10.41.0.")
    assert (mask, router, dns) == ("24", ADDRESS, ADDRESS)
    assert 300 <= int(lease) <= 3600
    assert set(map(tuple, phone["names"].values())) == {(ADDRESS,)}
    assert phone["ipv6"] == [True]


def test_the_page_opens_by_itself(phone: dict[str, Any]) -> None:
    for probe in ("android", "apple", "windows"):
        assert phone[probe][:2] == [302, f"http://{ADDRESS}/welcome"], probe
    status, _, body = phone["welcome"]
    assert status == 200
    assert 'lang="de"' in body
    assert phone["android again"][0] == 204, "the phone would leave a Wi-Fi without internet"
    assert phone["start"][0] == 200
    assert phone["elsewhere"][:2] == [302, f"http://{ADDRESS}/"]


def test_the_phone_reaches_the_page_and_nothing_else(phone: dict[str, Any]) -> None:
    """A server listens at 8765 on all of the machine's addresses."""
    assert phone["open"] == [53, 80]
    assert phone["https"] == "ECONNREFUSED", "phones would wait for https"
    assert set(phone["cable"].values()) == {"ECONNREFUSED"}
    assert phone["beyond"] != "open"


def test_nothing_is_forwarded(kiosk: Kiosk, phone: dict[str, Any]) -> None:
    """Not even on a machine that forwards for others, such as one with containers, to a network behind it."""
    machine = kiosk.machine
    machine.check_output("ip netns add behind && ip link add near type veth peer far netns behind")
    machine.check_output(
        "ip address add 10.77.0.1/24 dev near && ip link set near up && sysctl -qw net.ipv4.ip_forward=1"
    )
    behind = "ip netns exec behind"
    machine.check_output(f"{behind} ip address add 10.77.0.2/24 dev far && {behind} ip link set far up")
    machine.check_output(f"{behind} ip route add default via 10.77.0.1")
    machine.check_output(
        "systemd-run --unit behind -p NetworkNamespacePath=/run/netns/behind python3 -m http.server 80"
    )
    connect = "python3 -c 'import socket; socket.create_connection((\"10.77.0.2\", 80), 5)'"
    machine.wait_for(connect, 60, "the machine itself reaches the server behind it")
    assert machine.run(f"{PHONE} {connect}").status != 0
    machine.check_output("nft delete table inet pose_mirror_hotspot")
    assert machine.run(f"{PHONE} {connect}").status == 0, (
        "without the firewall it is reached, so the firewall is what helps"
    )
    machine.check_output("systemctl reload pose-mirror-firewall@wlan0; sysctl -qw net.ipv4.ip_forward=0")
    assert machine.run(f"{PHONE} {connect}").status != 0


def test_the_display_shows_both_codes(kiosk: Kiosk, phone: dict[str, Any], wifi: dict[str, str]) -> None:
    seen: set[str] = set()

    def both_are_shown() -> bool:
        found = cv2.QRCodeDetector().detectAndDecodeMulti(kiosk.screenshot("codes"))[1]
        seen.update(text for text in found if text)
        return len(seen) >= 2

    kiosk.press_until(
        lambda: kiosk.machine.check_output(PRESS), both_are_shown, 300, "the display shows both codes", 0.2
    )
    page, join = sorted(seen, key=lambda text: text.startswith("WIFI:"))
    assert page.startswith(f"http://{ADDRESS}/")
    assert f"S:{wifi['name']};" in join
    assert f"P:{wifi['password']};" in join
    assert "T:WPA;" in join


@pytest.mark.boot_long
def test_comes_back_after_a_power_cut(kiosk: Kiosk, phone: dict[str, Any], wifi: dict[str, str]) -> None:
    """The radios of this machine appear late, as those of a Wi-Fi stick that is plugged in."""
    machine = kiosk.machine
    machine.check_output("sync")
    machine.kill()
    machine.power_on()
    firewall = "nft list table inet pose_mirror_hotspot"
    machine.wait_for(firewall, 120, "the firewall is up without a Wi-Fi")
    machine.check_output("modprobe mac80211_hwsim radios=1")
    machine.wait_for("ss -lnt | grep -q 10.41.0.1:53", 180, "names are answered")
    assert "type AP" in machine.check_output("iw dev wlan0 info")
    kiosk.wait_until_up(START_SECONDS)
    wait_for_address(kiosk)
    machine.check_output("rmmod mac80211_hwsim; sleep 3; modprobe mac80211_hwsim radios=1")
    machine.wait_for("ss -lnt | grep -q 10.41.0.1:53", 180, "names are answered after unplugging")


@pytest.mark.boot_long
def test_another_installation_keeps_the_password(kiosk: Kiosk, wifi: dict[str, str]) -> None:
    kiosk.machine.check_output(f"{INSTALL} --hotspot", 900)
    assert json.loads(kiosk.machine.read(HOTSPOT_FILE)) == wifi


def test_removes_the_wifi_and_nothing_else(kiosk: Kiosk, wifi: dict[str, str]) -> None:
    machine = kiosk.machine
    machine.check_output(f"{INSTALL} --no-hotspot", 120)
    assert machine.run(f"test -e {HOTSPOT_FILE}").status == 1
    assert machine.check_output("nft list tables").strip() == ""
    assert (
        machine.check_output("systemctl list-units --no-legend 'pose-mirror-hotspot@*' 'pose-mirror-firewall@*'") == ""
    )
    assert machine.run("find /etc/systemd /etc/NetworkManager | grep -E 'hotspot|firewall'").stdout == ""
    assert kiosk.unit_property("ActiveState") == "active"
    result = machine.run(f"{INSTALL} --check", 120)
    assert (result.status, "own Wi-Fi" in result.stdout) == (0, False), result.stdout
    assert machine.check_output("systemctl --failed --no-legend --plain") == ""
