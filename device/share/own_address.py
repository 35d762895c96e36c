"""Under which address phones reach this machine, and which Wi-Fi they have to be in.

Nothing is sent: the kernel is only asked which addresses it has.
"""

from __future__ import annotations

import fcntl
import ipaddress
import json
import os
import socket
import struct
from pathlib import Path
from typing import Final

from device.config import ShareSettings
from device.share.address import MAX_BYTES, Address, Wifi

HOTSPOT_FILE: Final = Path("/etc/pose-mirror-hotspot.json")
"""What `systemd/install.sh --hotspot` writes: the name, the password and the address of the mirror's own Wi-Fi."""

INTERFACES: Final = Path("/sys/class/net")

ELSEWHERE: Final = ("192.0.2.1", 9)
"""An address for examples (RFC 5737): the way to it is the default route."""

SIOCGIFFLAGS: Final = 0x8913
SIOCGIFADDR: Final = 0x8915
IFF_UP: Final = 0x1
IFF_LOOPBACK: Final = 0x8


def find_address(settings: ShareSettings, port: int, hotspot: Path = HOTSPOT_FILE) -> Address | None:
    """Return where phones find the page on this port; None while this machine is in no network.

    What the configuration says wins; next comes the mirror's own Wi-Fi while it is up, and then the network that this
    machine is in.
    """
    wifi = Wifi(settings.wifi, settings.wifi_password) if settings.wifi else None
    if settings.address:
        return Address(f"{settings.address.rstrip('/')}/", wifi)
    if wifi is None and (own := read_hotspot(hotspot)) is not None:
        return Address(_url(own[0], port), own[1])
    address = routed_address() or first_address()
    return Address(_url(address, port), wifi) if address else None


def read_hotspot(file: Path = HOTSPOT_FILE) -> tuple[str, Wifi] | None:
    """Return the address and the Wi-Fi of the mirror's own hotspot; None if it has none, or it is down."""
    try:
        with file.open("rb") as opened:
            values = json.loads(opened.read(MAX_BYTES))
        address = str(ipaddress.IPv4Address(values["address"]))
        wifi = Wifi(str(values["name"]), str(values["password"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return (address, wifi) if is_own(address) else None


def is_own(address: str) -> bool:
    """Return whether an IPv4 address is one of this machine's now: only to those can a socket be bound."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


def routed_address() -> str | None:
    """Return the own IPv4 address on the default route; None without one."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(ELSEWHERE)  # sends nothing: UDP has no connections
            return str(probe.getsockname()[0])
    except OSError:
        return None


def first_address(interfaces: Path = INTERFACES) -> str | None:
    """Return the IPv4 address of the first interface that is up, by name; None without one."""
    try:
        names = sorted(os.listdir(interfaces))
    except OSError:
        return None
    return next(filter(None, map(_interface_address, names)), None)


def _interface_address(name: str) -> str | None:
    """Return an interface's IPv4 address (netdevice(7)); None if it has none, is down, or leads nowhere else."""
    question = struct.pack("256s", os.fsencode(name)[:15])
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            flags = struct.unpack_from("H", fcntl.ioctl(probe, SIOCGIFFLAGS, question), 16)[0]
            if not flags & IFF_UP or flags & IFF_LOOPBACK:
                return None
            return socket.inet_ntoa(fcntl.ioctl(probe, SIOCGIFADDR, question)[20:24])
    except OSError:
        return None


def _url(address: str, port: int) -> str:
    return f"http://{address}/" if port == 80 else f"http://{address}:{port}/"
