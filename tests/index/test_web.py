"""Pictures by URL, from a real server on this machine that can misbehave in every way."""

from __future__ import annotations

import builtins
import io
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from PIL import Image as Pillow

from index import connections, web
from index.pictures import PictureError, load_picture, read_bytes
from index.web import is_url


class Server(ThreadingHTTPServer):
    """Answers by path, and records the requests and their user agents."""

    def __init__(self) -> None:
        picture = io.BytesIO()
        Pillow.fromarray(np.full((60, 80, 3), 90, np.uint8)).save(picture, "JPEG")
        self.picture = picture.getvalue()
        self.requests: list[str] = []
        self.agents: set[str | None] = set()
        super().__init__(("127.0.0.1", 0), Answer)


class Answer(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        self.server.agents.add(self.headers["User-Agent"])
        getattr(self, self.path.strip("/").partition("/")[0].partition("?")[0])()

    def good(self) -> None:
        self.answer(200, self.server.picture)

    def moved(self) -> None:
        self.send_response(302)
        self.send_header("Location", "/good")
        self.end_headers()

    def around(self) -> None:
        self.send_response(302)
        self.send_header("Location", self.path)
        self.end_headers()

    def missing(self) -> None:
        self.answer(404, b"not here")

    def busy_once(self) -> None:
        if self.server.requests.count(self.path) == 1:
            self.answer(503, b"later")
        else:
            self.good()

    def broken(self) -> None:
        self.answer(500, b"")

    def short(self) -> None:
        self.answer(200, self.server.picture, len(self.server.picture) + 10)

    def dropped(self) -> None:
        self.connection.shutdown(socket.SHUT_RDWR)

    def silent(self) -> None:
        with suppress(OSError):
            self.rfile.read(1)  # until the client gives up

    def slow(self) -> None:
        self.answer(200, b"", 100)
        try:
            for _ in range(30):
                self.wfile.write(b"x")
                time.sleep(0.02)
        except OSError:
            pass  # the client has hung up

    def large(self) -> None:
        self.answer(200, bytes(5000))

    def page(self) -> None:
        self.answer(200, b"<html>log in first</html>")

    def answer(self, status: int, content: bytes, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def no_retry_delay(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    monkeypatch.setattr(connections, "RETRY_DELAY_SECONDS", 0.0)
    server.requests.clear()


def at(server: Server, path: str) -> str:
    return f"http://127.0.0.1:{server.server_port}{path}"


def failure(url: str) -> PictureError:
    with pytest.raises(PictureError) as error:
        load_picture(url, None)
    assert str(error.value).startswith(url)
    assert "\n" not in str(error.value)
    return error.value


@pytest.mark.parametrize("path", ["/good", "/good?a=1&b=ü x", "/good/My photo (1) ж.jpg", "/moved", "/good#part"])
def test_reads_a_picture_from_the_web(server: Server, path: str) -> None:
    picture = load_picture(at(server, path), None)
    assert (picture.width, picture.height) == (80, 60)
    assert server.agents == {connections.USER_AGENT}


def test_retries_a_busy_server(server: Server) -> None:
    assert read_bytes(at(server, "/busy_once")) == server.picture
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("path", "kind", "message", "requests"),
    [
        ("/missing", "cannot be read", "the server answers 404 Not Found", 1),
        ("/broken", "unreachable", "the server answers 500 Internal Server Error", 3),
        ("/short", "unreachable", "the connection ended after", 2),
        ("/dropped", "unreachable", "the connection was lost|cannot be reached", 3),
        ("/around", "cannot be read", "the server redirects more than 5 times", 6),
        ("/page", "not a picture", "is not a picture, or has a format that is not supported", 1),
    ],
)
def test_reports_errors_of_a_server(server: Server, path: str, kind: str, message: str, requests: int) -> None:
    error = failure(at(server, path))
    assert error.kind == kind
    assert any(part in str(error) for part in message.split("|"))
    assert len(server.requests) == requests


def test_gives_up_on_a_silent_server(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "TIMEOUT_SECONDS", 0.1)
    assert "timed out" in str(failure(at(server, "/silent")))


def test_gives_up_on_an_endless_download(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "MAX_DOWNLOAD_SECONDS", 0.1)
    assert "the download did not finish within 0.1 s" in str(failure(at(server, "/slow")))


def test_gives_up_on_a_file_that_is_too_large(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "MAX_BYTES", 4000)
    assert failure(at(server, "/large")).kind == "too large"


def test_reports_an_unreachable_server() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/a.jpg"
    assert "the server cannot be reached: [Errno 111] Connection refused" in str(failure(url))


@pytest.mark.parametrize(
    "url", ["http://", "http://[", "https://a b/", "http://x:port/", "http:///a.jpg", "http://\0/"]
)
def test_rejects_an_invalid_url(url: str) -> None:
    with pytest.raises(PictureError, match=r"cannot be read \((not a valid URL|no host|the server cannot)"):
        load_picture(url, None)


def test_reads_file_urls(tmp_path: Path) -> None:
    Pillow.new("RGB", (80, 60)).save(tmp_path / "a b.png")
    assert load_picture(f"file://{tmp_path}/a%20b.png", None).width == 80
    assert load_picture(f"file://localhost{tmp_path}/a%20b.png", None).width == 80
    assert "is not a regular file" in str(failure(f"file://{tmp_path}"))
    assert "not of elsewhere" in str(failure("file://elsewhere/a.png"))


def test_reads_shared_storage_by_fsspec() -> None:
    with fsspec.open("memory://photos/a.png", "wb") as file:
        Pillow.new("RGB", (80, 60)).save(file, "PNG")
    assert load_picture("memory://photos/a.png", None).width == 80
    assert failure("memory://photos/missing.png").kind == "cannot be read"
    assert "nonsense" in str(failure("nonsense://bucket/a.png"))


def test_says_how_to_install_fsspec(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "fsspec":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    assert "s3:// needs fsspec: run `.venv/bin/pip install -e '.[dask]'`" in str(failure("s3://bucket/a.jpg"))


def test_distinguishes_urls_from_files() -> None:
    assert all(map(is_url, ["http://a", "HTTPS://a", "s3://a", "git+ssh://a"]))
    assert not any(map(is_url, ["a.jpg", "c://a.jpg", "C:\\a.jpg", "/http://a", "mailto:a", "", str(Path("http://a"))]))
