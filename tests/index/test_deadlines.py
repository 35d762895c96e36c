"""A picture is there in time or not at all, however slowly a server sends what comes before it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from index import connections, web
from index.deadlines import answers_until, seconds_left
from index.web import FetchError, TemporaryError, fetch, open_stream

Answer = Callable[[socket.socket], object]


class Server:
    """Answers each request by a function that may take for ever, until the client hangs up."""

    def __init__(self) -> None:
        self.answer: Answer = socket.socket.close
        self.requests = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/1.jpg"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            connected, _ = self._listening.accept()
            with connected, contextlib.suppress(OSError):
                if not connected.recv(65536):
                    return
                self.requests += 1
                self.answer(connected)

    def close(self) -> None:
        """Stop the server."""
        with socket.create_connection(self._listening.getsockname()):
            pass
        self._thread.join()
        self._listening.close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(connections, "RETRY_DELAY_SECONDS", 0.0)
    running = Server()
    yield running
    running.close()


def repeat(first: bytes, then: bytes) -> Answer:
    def answer(connected: socket.socket) -> None:
        connected.sendall(first)
        while True:
            connected.sendall(then)
            time.sleep(0.01)

    return answer


ENDLESS: dict[str, Answer] = {
    "going on": repeat(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "header": repeat(b"HTTP/1.1 200 OK\r\nX: ", b"a"),
    "size of a chunk": repeat(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;", b"a"),
    "content": repeat(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"a"),
    "content of an error": repeat(b"HTTP/1.1 503 Busy\r\nContent-Length: 100000\r\n\r\n", b"a"),
    "redirect": repeat(b"HTTP/1.1 302 Moved\r\nTransfer-Encoding: chunked\r\nLocation: /2.jpg\r\n\r\n5;", b"a"),
    "nothing": lambda connected: connected.recv(1),
}


@pytest.mark.parametrize("case", ENDLESS)
def test_ends_in_time(server: Server, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    monkeypatch.setattr(web, "MAX_DOWNLOAD_SECONDS", 0.3)
    server.answer = ENDLESS[case]
    with pytest.raises(FetchError, match=r"the download did not finish within 0.3 s|the server answers 503"):
        fetch(server.url)


def test_waits_for_a_busy_server_no_longer_than_it_may(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "MAX_DOWNLOAD_SECONDS", 59.0)
    server.answer = lambda connected: connected.sendall(
        b"HTTP/1.1 503 Busy\r\nRetry-After: 60\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
    with pytest.raises(TemporaryError, match="the server answers 503"):
        fetch(server.url)
    assert server.requests == 1


def test_a_connection_serves_again_without_a_deadline(server: Server) -> None:
    """A connection outlives the answer that had one."""
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    def answer(connected: socket.socket) -> None:
        connected.sendall(whole)
        connected.recv(65536)
        connected.sendall(whole)

    server.answer = answer
    assert fetch(server.url) == b"ok"
    with open_stream(server.url) as stream:
        assert b"".join(stream.chunks) == b"ok"
    assert server.requests == 1


def test_a_deadline_is_that_of_its_thread() -> None:
    left: list[float] = []
    with answers_until(time.monotonic() - 1):
        thread = threading.Thread(target=lambda: left.append(seconds_left()))
        thread.start()
        thread.join()
        assert seconds_left() < 0
    assert left == [float("inf")]
    assert seconds_left() == float("inf")
