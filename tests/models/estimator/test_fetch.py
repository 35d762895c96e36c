"""Downloading models from a real server on this machine, which makes every mistake that servers make."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import stat
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from models.estimator import catalogue as catalogue_module
from models.estimator import fetch as fetch_module
from models.estimator.catalogue import Model
from models.estimator.fetch import FetchError, fetch_model
from models.estimator.model_files import find_model
from models.estimator.surgery import ModelError
from tests.models.estimator.conftest import CONTENT

NAME = "posenet_of_the_test"
SENTENCE = r"^[^\n]+\.$"


class Server(ThreadingHTTPServer):
    """Answers every request with `status` and `content`, announces `length` bytes, and counts the requests."""

    def __init__(self) -> None:
        self.content, self.status, self.length, self.requests = CONTENT, 200, len(CONTENT), 0
        super().__init__(("127.0.0.1", 0), Answer)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/{NAME}.tflite"


class Answer(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests += 1
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(self.server.length))
        self.end_headers()
        self.wfile.write(self.server.content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server with one model, which is the only one of the catalogue."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as server:
        digest = hashlib.sha256(CONTENT).hexdigest()
        model = Model(NAME, server.url, digest, len(CONTENT), "Apache-2.0", (353, 481), None, "For a test.")
        monkeypatch.setattr(catalogue_module, "catalogue", lambda: [model])
        thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def files_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []


def test_downloads_a_model_once(server: Server, cache: Path) -> None:
    reports: list[tuple[int, int]] = []
    file = fetch_model(NAME, lambda done, total: reports.append((done, total)))
    assert file == cache / f"{NAME}.tflite"
    assert file.read_bytes() == CONTENT
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert reports[0] == (0, len(CONTENT))
    assert reports[-1] == (len(CONTENT), len(CONTENT))
    assert reports == sorted(reports)
    assert fetch_model(f"{NAME}.tflite") == find_model(NAME) == find_model(f"{NAME}.tflite") == file
    assert server.requests == 1
    assert files_in(cache) == [file.name]


def test_does_not_download_what_the_users_folder_has(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / f"{NAME}.tflite"
    file.write_bytes(CONTENT)
    monkeypatch.setenv("POSE_MIRROR_MODELS", str(tmp_path))
    assert fetch_model(NAME) == find_model(NAME) == file
    assert server.requests == 0


def test_replaces_a_damaged_model_in_the_cache(server: Server, cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / f"{NAME}.tflite").write_bytes(CONTENT[:-1])
    with pytest.raises(ModelError, match="is damaged"):
        find_model(NAME)
    assert fetch_model(NAME).read_bytes() == CONTENT
    assert find_model(NAME).read_bytes() == CONTENT


def test_never_replaces_a_damaged_model_of_the_user(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / f"{NAME}.tflite"
    file.write_bytes(b"something else")
    monkeypatch.setenv("POSE_MIRROR_MODELS", str(tmp_path))
    for function in (find_model, fetch_model):
        with pytest.raises(ModelError, match=SENTENCE) as caught:
            function(NAME)
        sentence = str(caught.value)
        assert str(file) in sentence
        assert "has 14 bytes with the sha256 " + hashlib.sha256(b"something else").hexdigest()[:16] in sentence
        assert f"should have {len(CONTENT)} bytes with {hashlib.sha256(CONTENT).hexdigest()[:16]}" in sentence
        assert "delete it and run `pose-mirror models fetch" in sentence
    assert file.read_bytes() == b"something else"


@pytest.mark.parametrize(
    ("content", "status", "length", "reason"),
    [
        (b"gone", 404, 4, "the server answers 404 Not Found"),
        (b"later", 503, 5, "the server answers 503 Service Unavailable"),
        (CONTENT[:-1] + b"?", 200, len(CONTENT), "the download has the sha256 "),
        (CONTENT[:1000], 200, 1000, f"the connection ended after 1000 of {len(CONTENT)} bytes"),
        (CONTENT[:1000], 200, len(CONTENT), "1000"),
        (CONTENT * 2, 200, 2 * len(CONTENT), f"the server sends more than its {len(CONTENT)} bytes"),
    ],
    ids=["not found", "unavailable", "other bytes", "short", "broken off", "long"],
)
def test_reports_what_the_server_does_wrong(
    server: Server, cache: Path, content: bytes, status: int, length: int, reason: str
) -> None:
    server.content, server.status, server.length = content, status, length
    with pytest.raises(FetchError, match=SENTENCE) as caught:
        fetch_model(NAME)
    assert reason in str(caught.value)
    assert f"put {NAME}.tflite from {server.url} into {cache}" in str(caught.value)
    assert files_in(cache) == []


def test_reports_that_there_is_no_network(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    model = catalogue_module.catalogue()[0]._replace(url=url)
    monkeypatch.setattr(catalogue_module, "catalogue", lambda: [model])
    with pytest.raises(FetchError, match=r"the server cannot be reached \(.*refused"):
        fetch_model(NAME)
    assert files_in(cache) == []


def test_gives_up_on_a_silent_server(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_module, "SERVER_TIMEOUT", 0.2)
    silence = threading.Event()
    monkeypatch.setattr(Answer, "do_GET", lambda self: silence.wait(5))
    with pytest.raises(FetchError, match=r"(cannot be reached|was lost) \(timed out\)"):
        fetch_model(NAME)
    silence.set()
    assert files_in(cache) == []


def test_interrupted_download_leaves_no_file(server: Server, cache: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done > 100_000:
            assert [name.endswith(".part") for name in files_in(cache)] == [True]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_model(NAME, interrupt)
    assert files_in(cache) == []


def test_failed_download_leaves_the_old_file(server: Server, cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / f"{NAME}.tflite").write_bytes(b"old")
    server.status = 500
    with pytest.raises(FetchError, match="500"):
        fetch_model(NAME)
    assert (cache / f"{NAME}.tflite").read_bytes() == b"old"


@pytest.mark.parametrize("can_replace", [True, False])
def test_two_downloads_at_once_both_succeed(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, can_replace: bool
) -> None:
    cache.mkdir(parents=True)
    (cache / f"{NAME}.tflite").write_bytes(b"damaged")
    rename, both = os.rename, threading.Barrier(2)

    def refuse_taken_names(source: Path, target: Path) -> None:
        if Path(target).exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        rename(source, target)

    def wait_for_the_other(done: int, total: int) -> None:
        if done == total:
            both.wait(30)

    if not can_replace:
        monkeypatch.setattr(os, "replace", refuse_taken_names)
        monkeypatch.setattr(os, "rename", refuse_taken_names)
    with ThreadPoolExecutor(2) as threads:
        fetched = [threads.submit(fetch_model, NAME, wait_for_the_other) for _ in range(2)]
    assert [future.result().read_bytes() for future in fetched] == [CONTENT] * 2
    assert files_in(cache) == [f"{NAME}.tflite"]


def test_a_disk_without_modes_keeps_a_download(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "fchmod", refuse)
    assert fetch_model(NAME).read_bytes() == CONTENT


def test_full_disk_says_how_much_room_is_needed(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FetchError, match=rf"there is no room for 0\.3 MB in {cache}"):
        fetch_model(NAME)
    assert files_in(cache) == []


def test_names_a_cache_folder_that_cannot_be_created(server: Server, cache: Path) -> None:
    cache.parents[1].mkdir(parents=True)
    (cache.parent).write_text("a file where a folder should be")
    with pytest.raises(FetchError, match=rf"{cache} cannot be written to \({cache.parent} is a file, not a folder\)"):
        fetch_model(NAME)


def test_names_a_cache_folder_without_permission(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.mkdir(parents=True)
    cache.chmod(0o500)
    if os.access(cache, os.W_OK):  # root may write everywhere
        cache.chmod(0o700)

        def refuse(*args: Any, **kwargs: Any) -> None:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

        monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuse)
    with pytest.raises(FetchError, match=rf"{cache} cannot be written to \(Permission denied\)"):
        fetch_model(NAME)
    cache.chmod(0o700)
