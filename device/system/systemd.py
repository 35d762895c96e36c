"""What systemd is told of a mirror that runs as its service: that it is up, how it does, and that frames move.

The protocol is that of sd_notify(3): KEY=value lines in datagrams to the socket that $NOTIFY_SOCKET names. Where there
is none, as on a desktop, nobody is told anything.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:  # the command line needs no camera to say its last words
    from device.mirror import Moment

SERVICE_NAME: Final = "pose-mirror"

WATCHDOG_INTERVAL: Final = 1.0
STATUS_INTERVAL: Final = 5.0
"""Seconds between two words to the watchdog, and between two of how the mirror does."""

LAST_WORDS_FILE: Final = "last-words"
"""The file in the service's folder from which `systemd/say-why` takes what it writes on the display."""


class Notifier:
    """The service manager's ear; `address` is $NOTIFY_SOCKET, empty where nobody listens."""

    def __init__(self, address: str = "") -> None:
        # "@" stands for the zero byte of a name that is no file's.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> Notifier:
        """The one that this process was started with."""
        return cls(environ.get("NOTIFY_SOCKET", ""))

    def notify(self, **values: str) -> None:
        """Say KEY=value for each; whether anybody hears it is not the mirror's trouble."""
        if not self._address:
            return
        said = "\n".join(f"{key}={' '.join(value.split())}" for key, value in values.items())
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto(said.encode(), self._address)

    def notify_starting(self, status: str, seconds: float = 30.0) -> None:
        """The start goes on and takes longer: `status` is being done, and the next word comes within `seconds`."""
        self.notify(STATUS=status, EXTEND_TIMEOUT_USEC=f"{seconds * 1e6:.0f}")

    def notify_stopping(self) -> None:
        """The mirror was asked to end, and does."""
        self.notify(STOPPING="1")


class Heartbeat:
    """Tells by what is drawn that the mirror is up and alive. `device` says where poses are estimated now.

    READY with the first picture that shows what the camera sees, or says why it does not. The watchdog is fed for as
    long as new moments come from the thread that senses and are drawn by the one that shows: either that hangs is
    noticed. A camera that is missing is no hang, as the mirror then says so, and neither is a display that is not
    plugged in (`dark`), for which it waits.
    """

    def __init__(self, notifier: Notifier, device: Callable[[], str], dark: Callable[[], bool] = lambda: False) -> None:
        self._notifier, self._device, self._dark = notifier, device, dark
        self._last: Moment | None = None
        self._ready = False
        self._fed = 0.0
        self._since, self._frames, self._latency = 0.0, 0, 0.0

    def on_drawn(self, moment: Moment, now: float) -> None:
        """The moment is on the screen at `now`, seconds of time.monotonic(); to be called after every drawing."""
        if moment is self._last or (moment.frame is None and not moment.faults):
            return
        self._last = moment
        if not self._ready:
            self._ready = True
            self._since = self._fed = now
            self._notifier.notify(READY="1", STATUS="The first picture is on the display.")
        if moment.frame is not None:
            self._frames += 1
            self._latency += now - moment.frame.captured_at
        if now - self._fed >= WATCHDOG_INTERVAL:
            self._fed = now
            self._notifier.notify(WATCHDOG="1")
        if now - self._since >= STATUS_INTERVAL:
            self._notifier.notify(STATUS=self._status(moment, now - self._since))
            self._since, self._frames, self._latency = now, 0, 0.0

    def _status(self, moment: Moment, seconds: float) -> str:
        """How it does, as "24 fps, 61 ms from camera to display, estimated on the Edge TPU", and what is wrong."""
        faults = (*moment.faults, "No display is plugged in.") if self._dark() else moment.faults
        if not self._frames:
            return " ".join(faults) or "No frames come."
        fps, latency = self._frames / seconds, 1000 * self._latency / self._frames
        said = f"{fps:.0f} fps, {latency:.0f} ms from camera to display, {describe_device(self._device())}."
        return " ".join([said, *faults])


def describe_device(device: str) -> str:
    """Where poses are estimated, in the status's words."""
    return f"estimated on the {({'cpu': 'CPU', 'edgetpu': 'Edge TPU'}).get(device, device)}"


class ServiceStatus(NamedTuple):
    """The installed service: whether it is up ("active", "activating", "failed", "inactive"), what its mirror said of
    itself, and how often it had to be started again."""

    state: str
    status_text: str
    restarts: int


def query_service(name: str = SERVICE_NAME) -> ServiceStatus | None:
    """How the installed service does; None where there is none, or no systemd."""
    asked = ["systemctl", "show", name, "--property=LoadState,ActiveState,StatusText,NRestarts"]
    try:
        ran = subprocess.run(asked, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    found = dict(line.partition("=")[::2] for line in ran.stdout.splitlines())
    if found.get("LoadState") != "loaded":
        return None
    return ServiceStatus(found.get("ActiveState", ""), found.get("StatusText", ""), int(found.get("NRestarts") or 0))


def write_last_words(sentence: str, environ: Mapping[str, str] = os.environ) -> None:
    """Leave the sentence with which the service's mirror ends for the display that is then without one."""
    folder = environ.get("RUNTIME_DIRECTORY", "") if environ.get("NOTIFY_SOCKET") else ""
    if folder:
        with contextlib.suppress(OSError):
            Path(folder, LAST_WORDS_FILE).write_text(f"{sentence}\n", encoding="utf-8")
