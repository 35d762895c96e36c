"""What the doctor says about the mirror's services: the mirror itself, and the page for phones."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from device.cli.finding import Finding
from device.config import Config
from device.share.address import read_address, runtime_folder
from device.system.systemd import SERVICE_NAME, query_service

SHARE_SERVICE: Final = "pose-mirror-share"

HOTSPOT_FILE: Final = Path("/etc/pose-mirror-hotspot.json")
"""Describes the machine's own Wi-Fi, if `systemd/install.sh --hotspot` made one."""


def check_service(config: Config) -> Finding:
    """Return whether the service that runs the mirror is installed, and how it is doing."""
    service = query_service()
    if service is None:
        return Finding(
            "ok", "Not installed: you start the mirror by hand. (`sudo systemd/install.sh` makes this machine a kiosk.)"
        )
    if service.state == "inactive":
        return Finding("note", f"Stopped: start it with `sudo systemctl start {SERVICE_NAME}`.")
    if service.state != "active":
        return Finding("bad", f"It does not come up ({service.state}): `journalctl -u {SERVICE_NAME} -b` says why.")
    if service.restarts:
        times = "once" if service.restarts == 1 else f"{service.restarts} times"
        log_hint = f"`journalctl -u {SERVICE_NAME} -b` says why"
        return Finding("note", f"Running, but restarted {times} ({log_hint}). {service.status_text}".strip())
    return Finding("ok", f"Running. {service.status_text}".strip())


def check_sharing(config: Config) -> Finding:
    """Return whether phones reach the page with a visitor's GIF, and through which Wi-Fi."""
    if not config.share.enabled:
        return Finding("ok", "Not used, because the configuration says [share] enabled = false.")
    address = read_address(runtime_folder())
    if address is not None:
        wifi = f", in the Wi-Fi {address.wifi.name}" if address.wifi else ""
        return Finding("ok", f"Phones find the page at {address.url}{wifi}.")
    if query_service(SHARE_SERVICE) is None:
        return Finding("bad", "Nobody serves the page, so there is no code on the display: run `pose-mirror share`.")
    hotspot = f" (its own Wi-Fi is described in {HOTSPOT_FILE})" if HOTSPOT_FILE.exists() else ""
    return Finding(
        "bad",
        f"The page has no address{hotspot}, so there is no code on the display: connect this machine to a network; "
        f"`systemctl status {SHARE_SERVICE}` says more.",
    )
