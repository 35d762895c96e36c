"""Where phones find the page: the server writes it down, and the mirror, which has no network, reads it.

The file is in the server's runtime folder, which systemd removes when the server ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

RUNTIME_FOLDER: Final = Path("/run/pose-mirror-share")
"""The server's runtime folder when it is a service."""

FILE_NAME: Final = "address.json"

NOT_SERVED: Final = (
    "The page for phones is not being served, so the display has no code: `systemctl status pose-mirror-share` says "
    "why. Without the service, run `pose-mirror share`."
)

MAX_BYTES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Wifi:
    """A Wi-Fi that phones join to reach the page; an open one has no password."""

    name: str
    password: str = ""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the page is: `url` ends with a slash, and a GIF's name follows it. `wifi` is shown if visitors need it."""

    url: str
    wifi: Wifi | None = None


def runtime_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the server's runtime folder: a service's, else one of the user's own."""
    if own := environ.get("XDG_RUNTIME_DIR"):
        return Path(own) / "pose-mirror-share"
    return RUNTIME_FOLDER


def write_address(folder: Path, address: Address) -> None:
    """Write the address, completely or not at all, if it has changed. Raises OSError."""
    if read_address(folder) == address:
        return
    wifi = address.wifi and {"name": address.wifi.name, "password": address.wifi.password}
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{FILE_NAME}.part"
    partial.write_text(json.dumps({"url": address.url, "wifi": wifi}), encoding="utf-8")
    partial.replace(folder / FILE_NAME)


def remove_address(folder: Path) -> None:
    """Remove the address: nobody serves the page any more."""
    with contextlib.suppress(OSError):
        (folder / FILE_NAME).unlink()


def read_address(folder: Path) -> Address | None:
    """Return the address; None if there is none, or its file is damaged.

    The file is of a server that phones talk to, so it may be anything, even a pipe that never ends.
    """
    try:
        with open(folder / FILE_NAME, "rb", opener=_open_at_once) as file:
            values = json.loads(file.read(MAX_BYTES))
        wifi = values.get("wifi")
        return Address(str(values["url"]), wifi and Wifi(str(wifi["name"]), str(wifi["password"])))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _open_at_once(path: str, flags: int) -> int:
    """Open a regular file, and wait for nothing. Raises OSError."""
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path} is not a regular file")
    return descriptor
