"""Report to systemd that the mirror is up, how it is doing, and that frames keep coming; and ask about its service.

The protocol is that of sd_notify(3): KEY=value lines in datagrams to the socket that $NOTIFY_SOCKET names. Without that
variable, as on a desktop, nothing is sent.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:  # the command line needs this module, but no camera and no screen
    from device.moment import Moment

SERVICE_NAME: Final = "pose-mirror"

WATCHDOG_INTERVAL: Final = 1.0
"""Seconds between two messages to the watchdog, which restarts a mirror after 15 s without one (WatchdogSec)."""

STATUS_INTERVAL: Final = 5.0
"""Seconds between status texts; each reports the average since the last."""

START_TIMEOUT: Final = 30.0
"""How much more time each "still starting" message requests, in seconds: far more than one starter picture takes."""

QUERY_TIMEOUT: Final = 5.0
"""Seconds to wait for `systemctl`, which answers at once unless systemd hangs."""

LAST_WORDS_FILE: Final = "last-words"
"""The file in the service's runtime folder. `systemd/say-why` shows its text on the display while no mirror runs."""


class Notifier:
    """Send messages to the service manager. `address` is the value of $NOTIFY_SOCKET, or empty if nobody listens."""

    def __init__(self, address: str = "") -> None:
        # "@" stands for the zero byte with which the name of an abstract socket begins.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> Notifier:
        """Return the notifier for the service manager that started this process."""
        return cls(environ.get("NOTIFY_SOCKET", ""))

    def notify(self, **values: str) -> None:
        """Send KEY=value for each value. Errors are ignored: the mirror runs without a service manager too."""
        if not self._address:
            return
        message = "\n".join(f"{key}={' '.join(value.split())}" for key, value in values.items())
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto(message.encode(errors="replace"), self._address)  # a file's name may hold any bytes

    def notify_starting(self, status: str, seconds: float = START_TIMEOUT) -> None:
        """Ask for more time to start; `status` says what is being done. The next message must come within `seconds`."""
        self.notify(STATUS=status, EXTEND_TIMEOUT_USEC=f"{seconds * 1e6:.0f}")

    def notify_stopping(self) -> None:
        """Say that the mirror is ending."""
        self.notify(STOPPING="1")


class Averages(NamedTuple):
    """What the mirror draws, on average: frames a second, and milliseconds from camera to display."""

    fps: float
    latency_ms: float


class Beat(NamedTuple):
    """How the mirror is doing: the moment drawn last, what is wrong, and the averages (None: no frames were drawn)."""

    moment: Moment
    faults: tuple[str, ...]
    averages: Averages | None


class Heartbeat:
    """Report that the mirror is up, and that it is still alive, from what it draws.

    READY is sent with the first drawing that shows what the camera sees, or that says why there is nothing to see. The
    watchdog gets its messages as long as the sensing thread delivers new moments and the main thread draws them, so a
    hang of either is noticed. A missing camera is not a hang, because the mirror then says so on the screen; neither is
    a missing display, for which the mirror waits.

    `device` returns where poses are estimated now, and `display_missing` whether no display is plugged in. `on_beat` is
    called with the first drawing, and whenever a status text is sent.
    """

    def __init__(
        self,
        notifier: Notifier,
        device: Callable[[], str],
        display_missing: Callable[[], bool] = lambda: False,
        on_beat: Callable[[Beat], None] = lambda beat: None,
    ) -> None:
        self._notifier, self._device = notifier, device
        self._display_missing, self._on_beat = display_missing, on_beat
        self._last: Moment | None = None
        self._ready = False
        self._watchdog_at = 0.0
        self._status_at, self._frames, self._latency = 0.0, 0, 0.0

    def on_drawn(self, moment: Moment, now: float) -> None:
        """Note that a moment is on the screen. Call it after every drawing; `now` is in seconds of time.monotonic()."""
        if moment is self._last or (moment.frame is None and not moment.faults):
            return
        self._last = moment
        if not self._ready:
            self._ready = True
            self._status_at = self._watchdog_at = now
            self._notifier.notify(READY="1", STATUS="The mirror is running.")
            self._on_beat(Beat(moment, self._faults(moment), None))
        if moment.frame is not None:
            self._frames += 1
            self._latency += now - moment.frame.captured_at
        if now - self._watchdog_at >= WATCHDOG_INTERVAL:
            self._watchdog_at = now
            self._notifier.notify(WATCHDOG="1")
        if now - self._status_at >= STATUS_INTERVAL:
            beat = Beat(moment, self._faults(moment), self._averages(now - self._status_at))
            self._notifier.notify(STATUS=self._describe(beat))
            self._on_beat(beat)
            self._status_at, self._frames, self._latency = now, 0, 0.0

    def _faults(self, moment: Moment) -> tuple[str, ...]:
        return (*moment.faults, "No display is plugged in.") if self._display_missing() else moment.faults

    def _averages(self, seconds: float) -> Averages | None:
        return Averages(self._frames / seconds, 1000 * self._latency / self._frames) if self._frames else None

    def _describe(self, beat: Beat) -> str:
        """Return how it is doing: "24 fps, 61 ms from camera to display, estimated on the CPU.", and its faults."""
        if beat.averages is None:
            return " ".join(beat.faults) or "No frames arrive."
        fps, latency = beat.averages
        performance = f"{fps:.0f} fps, {latency:.0f} ms from camera to display, {describe_device(self._device())}."
        return " ".join([performance, *beat.faults])


def describe_device(device: str) -> str:
    """Return where poses are estimated, in the words of the status.

    The doctor (`device.cli.doctor`) looks for these words in the service's status.
    """
    return f"estimated on the {({'cpu': 'CPU', 'edgetpu': 'Edge TPU'}).get(device, device)}"


class ServiceStatus(NamedTuple):
    """The state of the installed service.

    `state` is "active", "activating", "failed" or "inactive". `status_text` is what its mirror last reported, and
    `restarts` how often systemd restarted it.
    """

    state: str
    status_text: str
    restarts: int


def query_service(name: str = SERVICE_NAME) -> ServiceStatus | None:
    """Return the state of the installed service; None if it is not installed, or if there is no systemd."""
    command = ["systemctl", "show", name, "--property=LoadState,ActiveState,StatusText,NRestarts"]
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=QUERY_TIMEOUT, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    properties = dict(line.partition("=")[::2] for line in result.stdout.splitlines())
    if properties.get("LoadState") != "loaded":
        return None
    restarts = int(properties.get("NRestarts") or 0)
    return ServiceStatus(properties.get("ActiveState", ""), properties.get("StatusText", ""), restarts)


def write_last_words(sentence: str, environ: Mapping[str, str] = os.environ) -> None:
    """Save the error that ended the service, so that `systemd/say-why` can show it on the display."""
    folder = environ.get("RUNTIME_DIRECTORY", "") if environ.get("NOTIFY_SOCKET") else ""
    if folder:
        with contextlib.suppress(OSError):
            Path(folder, LAST_WORDS_FILE).write_text(f"{sentence}\n", encoding="utf-8", errors="replace")
