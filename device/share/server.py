"""`pose-mirror share`: serve the page for phones, and write down its address for the mirror.

Every connection carries one request, and has little time for it: so slow clients, and a thousand of them at once, take
neither all connections for long nor any thread. The threads only find files; the main loop sends them.
"""

from __future__ import annotations

import argparse
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Literal

from flask import Flask
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher, WSGITask

from device import config, folders
from device.config import Config
from device.share.address import Address, remove_address, runtime_folder, write_address
from device.share.own_address import HOTSPOT_FILE, find_address, read_hotspot
from device.share.portal import Portal
from device.share.shared_gif import FOLDER_NAME
from device.share.visitors import visitor_key
from device.share.web_pages import Pages, create_app

FIRST_PASSED_FD: Final = 3
"""The first socket that systemd passes (sd_listen_fds(3))."""

THREADS: Final = 4

MAX_CONNECTIONS: Final = 200
"""Connections at once; more wait in the kernel. Each takes two file descriptors at most, of 1024."""

MAX_PER_VISITOR: Final = 16
"""Connections at once from one visitor; more are closed at once. Browsers open six."""

REQUEST_SECONDS: Final = 10.0
"""How long a phone may take to send its request."""

IDLE_SECONDS: Final = 20.0
"""How long a phone may take nothing of an answer."""

ANSWER_SECONDS: Final = 180.0
"""How long a connection may last: at 20 kB a second enough for the largest GIF."""

CLOCK_CORRECTION: Final = 5.0
"""Seconds by which a clock may be put back at any time, to keep it right."""

LIMITS: Final[dict[str, Any]] = {
    "threads": THREADS,
    "connection_limit": MAX_CONNECTIONS,
    "cleanup_interval": 1,
    "channel_timeout": int(IDLE_SECONDS),
    "max_request_header_size": 8192,
    "max_request_body_size": 1024,
    "ident": "",
    "log_socket_errors": False,
    "asyncore_use_poll": True,
}

ADDRESS_SECONDS: Final = 5.0
"""Seconds between two looks at the machine's address, which changes with its network."""

log = logging.getLogger(__name__)


class ShareError(RuntimeError):
    """The page cannot be served. The message is a sentence that says why, and what to do."""


class OneRequestTask(WSGITask):
    """Answers a request, and closes the connection."""

    def start(self) -> None:
        super().start()
        self.set_close_on_finish()


class Request(HTTPRequestParser):
    """A request; waitress logs the path of one whose phone has gone, even if it was too wrong to have one."""

    path = ""


class Connection(HTTPChannel):
    """A connection for one request."""

    task_class = OneRequestTask
    parser_class = Request

    def received(self, data: bytes) -> bool:
        """Take a part of a request. If it is not one, close the connection. Log nothing: phones could fill the log."""
        try:
            return bool(super().received(data))
        except ValueError:  # waitress expects no such URL and no such number
            self.will_close = True
            return False

    def has_timed_out(self, now: float) -> bool:
        """Return whether the client has taken too long, at whatever it does. `now` is in seconds since 1970.

        A connection from before the clock was put back has, too, unless the clock was only corrected.
        """
        age, idle = now - self.creation_time, now - self.last_activity
        if self.requests:  # a thread is at work on it
            return False
        is_answered = self.close_when_flushed or self.total_outbufs_len > 0
        return (
            not -CLOCK_CORRECTION <= age <= ANSWER_SECONDS
            or idle > IDLE_SECONDS
            or (age > REQUEST_SECONDS and not is_answered)
        )


class BoundedServer(TcpWSGIServer):
    """A server with few connections from each visitor, none of which lasts long."""

    channel_class = Connection

    def accept(self) -> tuple[socket.socket, Any] | None:
        accepted: tuple[socket.socket, Any] | None = super().accept()
        if accepted is None:
            return None
        key = visitor_key(accepted[1][0])
        if sum(visitor_key(connection.addr[0]) == key for connection in self._connections()) >= MAX_PER_VISITOR:
            accepted[0].close()
            return None
        return accepted

    def readable(self) -> bool:
        # waitress would wait for a clock that was put back to catch up
        self.next_channel_cleanup = min(self.next_channel_cleanup, int(time.time()) + self.adj.cleanup_interval)
        return bool(super().readable())

    def maintenance(self, now: float) -> None:
        # waitress itself only marks such connections: one whose client takes nothing would stay for ever. The loop
        # closes what is shut down. If this closed it, a phone that connects in the same turn could get its number.
        for connection in self._connections():
            if connection.socket is not None and connection.has_timed_out(now):
                connection.will_close = True
                with suppress(OSError):
                    connection.socket.shutdown(socket.SHUT_RDWR)

    def _connections(self) -> list[Connection]:
        channels: Any = self.active_channels
        return list(channels.values())


def share(args: argparse.Namespace) -> int:
    """Serve the page until the process is ended. Return the exit status. Raises ShareError."""
    settings = config.load(args.config)
    if not settings.share.enabled:
        raise ShareError("Sharing is off: set enabled = true under [share] in the configuration.")
    sockets = passed_sockets() or [bind(args.port)]
    port = sockets[0].getsockname()[1]
    app = create_app(Pages(_shared_folder(settings), portal=Portal(lambda: _portal_url(settings, port))))
    for name in ("waitress", "waitress.queue"):
        logging.getLogger(name).setLevel(logging.ERROR)  # a busy server is no fault
    with published_address(settings, port):
        serve(app, sockets)
    return 0


def serve(app: Flask, sockets: list[socket.socket]) -> None:
    """Answer requests on these sockets until an exception ends it."""
    limits = Adjustments(**LIMITS)
    dispatcher = ThreadedTaskDispatcher()
    dispatcher.set_thread_count(limits.threads)
    channels: dict[int, Any] = {}
    for listening in sockets:
        info = (listening.family, listening.type, listening.proto, listening.getsockname())
        BoundedServer(app, channels, True, listening, dispatcher, limits, info, False)
    try:
        wasyncore.loop(timeout=1, map=channels, use_poll=True)
    finally:
        dispatcher.shutdown(timeout=1)
        wasyncore.close_all(channels)


def passed_sockets(environ: Mapping[str, str] = os.environ) -> list[socket.socket]:
    """Return the sockets that systemd listens on for this process (sd_listen_fds(3)); none if it does not."""
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = int(environ.get("LISTEN_FDS", "0"))
    return [socket.socket(fileno=number) for number in range(FIRST_PASSED_FD, FIRST_PASSED_FD + count)]


def bind(port: int) -> socket.socket:
    """Return a socket that listens on a port of all addresses. Raises ShareError."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("", port))
    except OSError as error:
        listening.close()
        raise ShareError(
            f"Port {port} cannot be used ({error.strerror}): name another one with --port, such as "
            f"{8082 if port == 8081 else 8081}."
        ) from error
    return listening


@contextmanager
def published_address(settings: Config, port: int, folder: Path | None = None) -> Iterator[None]:
    """Keep the page's address in its file while the context is open, and remove it at the end."""
    folder = folder or runtime_folder()
    ended = threading.Event()
    thread = threading.Thread(target=_publish, args=(settings, port, folder, ended), daemon=True, name="address")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(1)
        remove_address(folder)


def _publish(settings: Config, port: int, folder: Path, ended: threading.Event) -> None:
    previous: Address | Literal["unknown"] | None = "unknown"
    failure = ""
    while not ended.is_set():
        address = find_address(settings.share, port)
        try:
            if address is None:
                remove_address(folder)
            else:
                write_address(folder, address)
        except OSError as error:
            if failure != str(error):
                log.warning(
                    "The page's address cannot be written to %s (%s), so the display shows no code: set "
                    "XDG_RUNTIME_DIR to a folder of this user.",
                    folder,
                    error.strerror,
                )
            failure = str(error)
        if address != previous:
            if address is None:
                log.info("The page for phones has no address, because this machine is in no network.")
            else:
                log.info("The page for phones is at %s", address.url)
        previous = address
        ended.wait(ADDRESS_SECONDS)


def _portal_url(settings: Config, port: int) -> str | None:
    """Return the page's address if it is the hotspot's, else None."""
    if settings.share.address or settings.share.wifi or read_hotspot(HOTSPOT_FILE) is None:
        return None
    address = find_address(settings.share, port)
    return address.url if address else None


def _shared_folder(settings: Config) -> Path:
    return folders.gif_folder(settings.gif.folder) / FOLDER_NAME
