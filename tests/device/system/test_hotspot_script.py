"""The part of the installer that makes the mirror's own Wi-Fi, on a machine of files and stand-ins."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from device.share.address import Wifi
from device.share.own_address import read_hotspot
from tests.device.system.test_systemd import SYSTEMD

HELPERS = """
set -euo pipefail
step() { echo "$*"; }
fail() { echo "$*" >&2; exit 1; }
booted() { true; }
start_mirror() { echo restarted; }
CURRENT=CURRENT_FOLDER CONFIG=CONFIG_FILE
"""

IP = """#!/bin/sh
# ip -brief address show dev NAME scope global
cat "$ADDRESSES/$5" 2>/dev/null
"""


class Machine:
    """A machine of files: network interfaces with addresses, and a folder for what the script writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("net", "addresses", "etc", "bin"):
            (folder / name).mkdir()
        self.config = folder / "etc" / "pose-mirror.toml"
        self.config.write_text("[screen]\n")
        stand_in = folder / "bin" / "ip"
        stand_in.write_text(IP)
        stand_in.chmod(0o755)

    def plug_in(self, name: str, address: str = "", *, wifi: bool = False, real: bool = True) -> None:
        """Add an interface; one that is not real is the kernel's own."""
        interface = self.folder / "net" / name
        (interface / ("phy80211/rfkill0" if wifi else "statistics")).mkdir(parents=True)
        if real:
            (interface / "device").mkdir()
        if wifi:
            self.switch(name, off=False)
        (self.folder / "addresses" / name).write_text(f"{name}  UP  {address}\n" if address else "")

    def switch(self, name: str, *, off: bool) -> None:
        """Switch a Wi-Fi off or on."""
        switch = self.folder / "net" / name / "phy80211" / "rfkill0"
        (switch / "soft").write_text(f"{int(off)}\n")
        (switch / "hard").write_text("0\n")

    def run(self, commands: str) -> subprocess.CompletedProcess[str]:
        """Run shell commands with the script's functions; its paths are those of this machine."""
        script = (SYSTEMD / "hotspot.sh").read_text()
        script = script.replace("/sys/class/net", f"{self.folder}/net").replace("=/etc/", f"={self.folder}/etc/")
        helpers = HELPERS.replace("CURRENT_FOLDER", str(SYSTEMD.parent)).replace("CONFIG_FILE", str(self.config))
        environment = {
            **os.environ,
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
            "ADDRESSES": f"{self.folder}/addresses",
        }
        return subprocess.run(
            ["bash", "-c", f"{helpers}\n{script}\n{commands}"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def output(self, commands: str) -> str:
        """Return the output of commands that must succeed."""
        result = self.run(commands)
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    machine.plug_in("lo", real=False)
    return machine


def test_needs_a_wifi_device(machine: Machine) -> None:
    machine.plug_in("eth0", "192.168.1.5/24")
    assert "has no Wi-Fi device" in machine.run("hotspot_on").stderr


def test_takes_a_wifi_that_nobody_uses(machine: Machine) -> None:
    machine.plug_in("wlan0", "192.168.1.5/24", wifi=True)
    machine.plug_in("wlan1", wifi=True)
    assert machine.output("choose_wifi") == "wlan1"


def test_refuses_the_only_connection(machine: Machine) -> None:
    machine.plug_in("wlan0", "192.168.1.5/24", wifi=True)
    machine.plug_in("docker0", "172.17.0.1/16", real=False)
    machine.plug_in("eth0")
    result = machine.run("hotspot_on")
    assert result.returncode == 1
    assert "wlan0 is the only connection" in result.stderr
    assert "Ethernet" in result.stderr


def test_takes_a_wifi_next_to_a_cable(machine: Machine) -> None:
    machine.plug_in("wlan0", "192.168.1.5/24", wifi=True)
    machine.plug_in("eth0", "192.168.1.6/24")
    assert machine.output("check_wifi wlan0") == ""


def test_its_own_address_is_no_connection(machine: Machine) -> None:
    """An upgrade of a kiosk without any network keeps its hotspot."""
    machine.plug_in("wlan0", "10.41.0.1/24", wifi=True)
    assert machine.output("check_wifi wlan0") == ""


def test_says_how_to_switch_a_wifi_on(machine: Machine) -> None:
    machine.plug_in("wlan0", wifi=True)
    machine.switch("wlan0", off=True)
    assert re.search(r"wlan0 is switched off: .*sudo", machine.run("hotspot_on").stderr)


def test_writes_what_the_server_reads(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("device.share.own_address.is_own", lambda address: True)
    machine.output("write_hotspot_file")
    file = machine.folder / "etc" / "pose-mirror-hotspot.json"
    hotspot = read_hotspot(file)
    assert hotspot is not None
    address, wifi = hotspot
    assert address == "10.41.0.1"
    assert re.fullmatch(r"Pose Mirror [A-HJ-NP-Z2-9]{4}", wifi.name)
    assert re.fullmatch(r"[a-hjkmnp-z2-9]{12}", wifi.password)
    assert file.stat().st_mode & 0o777 == 0o644


def test_upgrades_keep_the_name_and_the_password(machine: Machine) -> None:
    first = machine.output("umask 022; write_hotspot_file; hotspot_value name; hotspot_value password")
    assert machine.output("write_hotspot_file; hotspot_value name; hotspot_value password") == first


def test_each_machine_has_a_password_of_its_own(machine: Machine) -> None:
    passwords = machine.output("for i in 1 2 3 4 5; do random_characters 12 a-hjkmnp-z2-9; done").split()
    assert len(set(passwords)) == 5


def test_only_root_reads_the_profile(machine: Machine) -> None:
    machine.output("umask 022; write_hotspot_file; write_hotspot_profile wlan7")
    profile = machine.folder / "etc/NetworkManager/system-connections/pose-mirror-hotspot.nmconnection"
    assert profile.stat().st_mode & 0o777 == 0o600
    values = json.loads((machine.folder / "etc" / "pose-mirror-hotspot.json").read_text())
    wifi = Wifi(values["name"], values["password"])
    lines = profile.read_text().splitlines()
    assert {f"ssid={wifi.name}", f"psk={wifi.password}", "mode=ap", "proto=rsn;", "never-default=true"} <= set(lines)
    assert not [line for line in lines if line.startswith(("gateway", "dns"))]
    assert machine.output("hotspot_interface") == "wlan7"


def test_turns_sharing_on(machine: Machine) -> None:
    assert "restarted" in machine.output("turn_on_sharing")
    assert machine.config.read_text() == "[screen]\n\n[share]\nenabled = true\n"
    assert machine.output("turn_on_sharing") == "", "it is on already"


@pytest.mark.parametrize("text", ["[share]\nenabled = false\n", "[ share ]\n", "share.enabled = false\n"])
def test_leaves_an_owners_decision_about_sharing(machine: Machine, text: str) -> None:
    machine.config.write_text(text)
    assert "set enabled = true under [share]" in machine.output("turn_on_sharing")
    assert machine.config.read_text() == text


def test_a_networkmanager_that_is_new_takes_no_other_network(machine: Machine) -> None:
    commands = 'list_missing() { printf "%s\\n" "$@"; }; apt_install() { cat "$HOTSPOT_ONLY"; }'
    text = machine.output(f"{commands}; install_hotspot_packages wlan0")
    assert "unmanaged-devices=*,except:interface-name:wlan0" in text


def test_one_that_is_there_keeps_its_networks(machine: Machine) -> None:
    machine.output("list_missing() { echo dnsmasq-base; }; apt_install() { true; }; install_hotspot_packages wlan0")
    assert not (machine.folder / "etc/NetworkManager/conf.d").exists()


def test_nothing_to_remove_says_nothing(machine: Machine) -> None:
    assert machine.output("hotspot_off") == ""


def test_the_firewall_and_dnsmasq_know_the_address(machine: Machine) -> None:
    """Three files name it: the script, the firewall and dnsmasq's."""
    address = machine.output('echo "$HOTSPOT_ADDRESS"')
    for name in ("hotspot.nft", "hotspot-dnsmasq.conf"):
        found = set(re.findall(r"\b\d+\.\d+\.\d+\.1\b", (SYSTEMD / name).read_text()))
        assert found == {address}, name
