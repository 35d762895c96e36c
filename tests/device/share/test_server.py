"""The server: real connections, slow and many, sockets from systemd, and the address that it writes down."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.task import ThreadedTaskDispatcher

from device.config import ShareSettings
from device.share import own_address, server
from device.share.address import Address, Wifi
from device.share.server import MAX_CONNECTIONS, MAX_PER_VISITOR, Connection, ShareError, bind
from device.share.shared_gif import SharedGif, gif_file, lock_to_delete, new_name, write_details
from device.share.web_pages import Pages, create_app

GIF = b"GIF89a" + bytes(3_000_000)

ACTIVATE = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.executable, [sys.executable, "-m", "device.cli.main", *sys.argv[2:]])
"""
"""What systemd does before it starts a service with a socket."""


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("waited a minute in vain")


@dataclass
class Running:
    port: int
    folder: Path
    runtime: Path
    process: psutil.Process

    def get(self, path: str, method: str = "GET", **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        data = response.read()
        connection.close()
        return response, data

    def share(self) -> str:
        now = time.time()
        name = new_name()
        write_details(self.folder, SharedGif(name, now, now + 3600))
        gif_file(self.folder, name).write_bytes(GIF)
        return name

    def connect(self, request: bytes = b"", source: str = "127.0.0.1") -> socket.socket:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(30)
        client.bind((source, 0))
        client.connect(("127.0.0.1", self.port))
        client.sendall(request)
        return client


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server in a process of its own, with a socket from outside, as systemd passes it."""
    folder = tmp_path_factory.mktemp("share")
    (folder / "mirror.toml").write_text(f'[gif]\nfolder = "{folder}"\n[share]\nenabled = true\n')
    (folder / "shared").mkdir()
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        port = listening.getsockname()[1]
        arguments = [str(listening.fileno()), "share", "--config", str(folder / "mirror.toml")]
        environ = os.environ | {"XDG_RUNTIME_DIR": str(folder / "run")}
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", ACTIVATE, *arguments],
                pass_fds=[listening.fileno()],
                env=environ,
                stderr=log,
            )
    try:
        address = folder / "run" / "pose-mirror-share" / "address.json"
        wait_for(lambda: b"The page for phones" in (folder / "log").read_bytes())
        yield Running(port, folder / "shared", address, psutil.Process(process.pid))
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(20)
    assert status == 0
    assert not address.exists()
    lines = (folder / "log").read_text().splitlines()
    assert len(lines) == 1, "the log knows where the page is, and nothing of those who ask"


@pytest.mark.slow
def test_takes_the_socket_from_systemd(running: Running) -> None:
    assert running.get("/")[0].status == 200
    if own_address.find_address(PLAIN, running.port) is None:
        pytest.skip("this machine is in no network")
    assert json.loads(running.runtime.read_text())["url"].endswith(f":{running.port}/")


@pytest.mark.slow
def test_sends_ranges_and_heads(running: Running) -> None:
    name = running.share()
    response, data = running.get(f"/{name}.gif", Range="bytes=2-9")
    assert (response.status, data) == (206, GIF[2:10])
    assert response.headers["Content-Range"] == f"bytes 2-9/{len(GIF)}"
    assert running.get(f"/{name}.gif", Range="bytes=-3")[1] == GIF[-3:]
    assert running.get(f"/{name}.gif", Range="bytes=99999999-")[0].status == 416
    for unusual in ("bytes=0-1,5-6", "bytes=-99999999", "items=0-5"):
        response, data = running.get(f"/{name}.gif", Range=unusual)
        assert (response.status, len(data)) == (200, len(GIF))
    response, data = running.get(f"/{name}.gif", "HEAD")
    assert (response.headers["Content-Length"], data) == (str(len(GIF)), b"")
    assert response.headers["Server"] is None
    assert running.process.num_fds() < 40


@pytest.mark.slow
def test_a_gif_deleted_while_it_is_sent_arrives(running: Running) -> None:
    name = running.share()
    file = gif_file(running.folder, name)
    with running.connect(f"GET /{name}.gif HTTP/1.0\r\n\r\n".encode()) as client:
        received = client.recv(1000)
        with lock_to_delete(file) as may_delete:
            assert not may_delete
        file.unlink()
        while piece := client.recv(65536):
            received += piece
    assert received.partition(b"\r\n\r\n")[2] == GIF
    assert running.get(f"/{name}.gif")[0].status == 404


@pytest.mark.slow
@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", b"431"),
        (b"POST / HTTP/1.1\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000, b"413"),
        (b"GET /../../etc/passwd HTTP/1.0\r\n\r\n", b"404"),
        (b"\0\r\n\r\n", b"400"),
    ],
)
def test_refuses_what_is_too_large_or_wrong(request_: bytes, status: bytes, running: Running) -> None:
    with running.connect(request_) as client:
        assert client.recv(100).split()[1] == status
    assert running.get("/")[0].status == 200


@pytest.mark.slow
@pytest.mark.parametrize("line", [b"GET http://[ HTTP/1.0", b"GET / HTTP/1.1\r\nContent-Length: " + b"9" * 5000])
def test_hangs_up_on_what_is_no_request(line: bytes, running: Running) -> None:
    """The fixture checks that the log says nothing of it."""
    with running.connect(line + b"\r\n\r\n") as client:
        assert client.recv(100) == b""
    assert running.get("/")[0].status == 200


@pytest.mark.slow
def test_the_log_says_nothing_of_phones_that_leave(running: Running) -> None:
    """Their requests are too long or too wrong to have a path. The fixture checks the log."""
    requests = b"\0\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n"
    for number in range(100):
        running.connect(requests[number % 2], f"127.0.2.{1 + number}").close()
    assert running.get("/")[0].status == 200


@pytest.mark.slow
def test_one_visitor_has_few_connections(running: Running) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(running.connect(source="127.0.0.9")) for _ in range(MAX_PER_VISITOR + 20)]
        for client in clients[MAX_PER_VISITOR:]:
            assert client.recv(1) == b""
        assert running.get("/")[0].status == 200


@pytest.mark.slow
def test_many_slow_clients_hold_no_thread(running: Running) -> None:
    """They take a GIF and read none of it: more at once than the server has connections, of many addresses."""
    name = running.share()
    before = running.process.memory_info().rss
    with ExitStack() as stack:
        for number in range(400):
            request = f"GET /{name}.gif HTTP/1.0\r\n\r\n".encode()
            stack.enter_context(running.connect(request, f"127.0.1.{1 + number // 10}"))
        wait_for(lambda: running.process.num_fds() > MAX_CONNECTIONS)
        assert running.process.num_threads() < 12
        assert running.process.num_fds() < 2 * MAX_CONNECTIONS + 40
        assert running.process.memory_info().rss - before < 60e6
    assert running.get("/")[0].status == 200


def test_a_connection_has_little_time() -> None:
    connection = object.__new__(Connection)
    connection.creation_time, connection.last_activity, connection.requests = 1000, 1000, []
    assert not connection.has_timed_out(1009)
    assert connection.has_timed_out(1011)
    connection.total_outbufs_len = 5
    assert not connection.has_timed_out(1011)
    assert connection.has_timed_out(1021)
    connection.last_activity = 1175
    assert not connection.has_timed_out(1179)
    assert connection.has_timed_out(1181)
    connection.last_activity = 1000
    assert not connection.has_timed_out(999), "the clock was corrected"
    assert connection.has_timed_out(900), "the clock was put back"


def test_a_phone_may_come_while_another_is_cut_off(tmp_path: Path) -> None:
    """Both happen in the same turn of the loop, and the new connection may get the number of the old one."""
    channels: dict[int, Any] = {}
    limits, dispatcher = Adjustments(**server.LIMITS), ThreadedTaskDispatcher()
    dispatcher.set_thread_count(1)
    with bind(0) as listening, ExitStack() as stack:
        listening.listen()
        address = listening.getsockname()
        info = (listening.family, listening.type, listening.proto, address)
        app = create_app(Pages(tmp_path))
        bounded = server.BoundedServer(app, channels, True, listening, dispatcher, limits, info, False)
        stack.callback(dispatcher.shutdown)
        stack.callback(wasyncore.close_all, channels)

        def turn_until(condition: Callable[[], bool]) -> None:
            end = time.monotonic() + 60
            while not condition():
                assert time.monotonic() < end
                wasyncore.loop(timeout=0.1, count=1, map=channels, use_poll=True)

        dripping = stack.enter_context(socket.create_connection(("127.0.0.1", address[1]), 60))

        def connections() -> list[Connection]:
            return [channel for channel in channels.values() if isinstance(channel, Connection)]

        turn_until(lambda: len(connections()) == 1)
        connections()[0].creation_time -= 1000
        bounded.next_channel_cleanup = 0
        coming = stack.enter_context(socket.create_connection(("127.0.0.1", address[1]), 60))
        coming.sendall(b"GET / HTTP/1.0\r\n\r\n")
        coming.setblocking(False)
        answer: list[bytes] = []

        def has_answer() -> bool:
            with suppress(BlockingIOError):
                answer.append(coming.recv(100))
            return bool(answer)

        turn_until(has_answer)
        assert answer[0].startswith(b"HTTP/1.0 200 OK")
        assert dripping.recv(1) == b""


def test_ends_if_sharing_is_off(tmp_path: Path) -> None:
    (tmp_path / "mirror.toml").write_text("")
    command = [sys.executable, "-m", "device.cli.main", "share", "--config", str(tmp_path / "mirror.toml")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert ended.stderr == "pose-mirror: Sharing is off: set enabled = true under [share] in the configuration.\n"


def test_names_a_port_that_is_in_use() -> None:
    with bind(0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ShareError, match=f"Port {port} cannot be used .*--port"):
            bind(port)


def test_sockets_of_another_process_are_left_alone() -> None:
    assert server.passed_sockets({"LISTEN_PID": "1", "LISTEN_FDS": "1"}) == []
    assert server.passed_sockets({}) == []


# The address

PLAIN = ShareSettings(True, 24, "", "", "")


def test_the_configuration_names_the_address() -> None:
    settings = ShareSettings(True, 24, "http://mirror.local", "Museum", "secret")
    assert own_address.find_address(settings, 80) == Address("http://mirror.local/", Wifi("Museum", "secret"))


def test_a_hotspot_that_is_up_wins(tmp_path: Path) -> None:
    file = tmp_path / "hotspot.json"
    file.write_text(json.dumps({"name": "Mirror", "password": "12345678", "address": "127.0.0.41"}))
    assert own_address.find_address(PLAIN, 80, file) == Address("http://127.0.0.41/", Wifi("Mirror", "12345678"))
    named = ShareSettings(True, 24, "", "Museum", "")
    address = own_address.find_address(named, 80, file)
    assert address is None or address.wifi == Wifi("Museum")


@pytest.mark.parametrize(
    "text", ['{"address": "192.0.2.250", "name": "x", "password": "y"}', "[]", "{", "", '{"a": 1}']
)
def test_a_hotspot_that_is_down_or_damaged_is_none(text: str, tmp_path: Path) -> None:
    file = tmp_path / "hotspot.json"
    file.write_text(text)
    assert own_address.read_hotspot(file) is None
    assert own_address.read_hotspot(tmp_path / "missing") is None


def test_without_a_network_there_is_no_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(own_address, "routed_address", lambda: None)
    monkeypatch.setattr(own_address, "first_address", lambda: None)
    assert own_address.find_address(PLAIN, 80, tmp_path / "missing") is None
    monkeypatch.setattr(own_address, "first_address", lambda: "192.0.2.7")
    assert own_address.find_address(PLAIN, 8080, tmp_path / "missing") == Address("http://192.0.2.7:8080/")


def test_own_addresses_lead_elsewhere(tmp_path: Path) -> None:
    for address in (own_address.routed_address(), own_address.first_address()):
        assert address is None or (own_address.is_own(address) and not address.startswith("127."))
    assert own_address.first_address(tmp_path / "missing") is None
    (tmp_path / "lo").mkdir()
    assert own_address.first_address(tmp_path) is None


IMPATIENT = """
import sys
from pathlib import Path
from device.share import server
from device.share.web_pages import Pages, create_app
server.IDLE_SECONDS = server.REQUEST_SECONDS = 5.0
listening = server.bind(0)
listening.listen()
print(listening.getsockname()[1], flush=True)
server.serve(create_app(Pages(Path(sys.argv[1]))), [listening])
"""


@pytest.mark.slow
def test_cuts_off_who_takes_or_sends_nothing(tmp_path: Path) -> None:
    """Neither a client that reads nothing of a GIF nor one that never ends its request keeps its connection."""
    command = [sys.executable, "-c", IMPATIENT, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process, ExitStack() as stack:
        stack.callback(process.kill)
        assert process.stdout is not None
        server_ = Running(int(process.stdout.readline()), tmp_path, tmp_path, psutil.Process(process.pid))
        server_.get("/")  # it is up
        wait_for(lambda: not server_.process.net_connections("tcp")[1:])
        name, fds = server_.share(), server_.process.num_fds()
        reading = stack.enter_context(server_.connect(f"GET /{name}.gif HTTP/1.0\r\n\r\n".encode()))
        assert reading.recv(1) == b"H"
        dripping = stack.enter_context(server_.connect(b"GET / HTTP/1.0\r\nX: "))
        with suppress(ConnectionResetError):
            assert dripping.recv(100) == b""
        wait_for(lambda: server_.process.num_fds() <= fds)
        assert server_.get("/")[0].status == 200


STEPPED = """
import time
from pathlib import Path
from device.share import server
from device.share.web_pages import Pages, create_app
server.IDLE_SECONDS = server.REQUEST_SECONDS = 5.0
real, start = time.time, time.monotonic()
time.time = lambda: real() - (3600 if time.monotonic() > start + 5 else 0)
listening = server.bind(0)
listening.listen()
print(listening.getsockname()[1], flush=True)
server.serve(create_app(Pages(Path("missing"))), [listening])
"""
"""A server whose clock is put back by an hour five seconds after its start."""


@pytest.mark.slow
def test_a_clock_that_is_put_back_keeps_no_connection() -> None:
    with subprocess.Popen([sys.executable, "-c", STEPPED], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        with socket.create_connection(("127.0.0.1", int(process.stdout.readline())), 60) as dripping:
            dripping.sendall(b"GET / HTTP/1.0\r\nX: ")
            try:
                assert dripping.recv(100) == b""
            finally:
                process.kill()
