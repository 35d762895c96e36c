"""Large downloads, which go on where they stopped."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index import connections
from index.downloads import DownloadError, download
from models import files
from tests.support.file_server import FileServer, file_server
from tests.support.paths import ROOT

CONTENT = os.urandom(1_500_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setattr(connections, "RETRY_DELAY_SECONDS", 0.0)
    with file_server() as running:
        running.files["/library.tar"] = CONTENT
        running.headers["ETag"] = '"one"'
        yield running


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "library.tar"


def interrupt(server: FileServer, file: Path, size: int, sha256: str | None = SHA256) -> None:
    """Download the first bytes of a file, after which the server is gone."""
    server.breaks = [size]
    answers, server.answers = server.answers, []
    content = server.files["/library.tar"]

    def leave(done: int, total: int | None, what: str) -> None:
        server.answers = [(503, {})] * 100

    with pytest.raises(DownloadError, match=r"503.*run the same command again, and it goes on there"):
        download(server.url("/library.tar"), file, sha256, leave)
    server.answers, server.files["/library.tar"] = answers, content
    assert not file.exists()


def test_downloads_a_file(server: FileServer, file: Path) -> None:
    reports: list[tuple[int, int | None, str]] = []
    download(server.url("/library.tar"), file, SHA256, lambda *report: reports.append(report))
    assert file.read_bytes() == CONTENT
    assert os.listdir(file.parent) == [file.name]
    assert reports == [(0, 2, "Downloading, in MB"), (1, 2, "Downloading, in MB")]


def test_downloads_a_file_without_a_sum(server: FileServer, file: Path) -> None:
    server.headers = {}
    server.breaks = [1000, 2000]
    download(server.url("/library.tar"), file)
    assert file.read_bytes() == CONTENT
    assert server.ranges == [None] * 3  # nothing would tell whether the rest is that of another file


def test_does_not_download_twice(server: FileServer, file: Path) -> None:
    for _ in range(2):
        download(server.url("/library.tar"), file, SHA256)
    assert len(server.ranges) == 1


@pytest.mark.slow
@settings(max_examples=20)
@given(breaks=st.lists(st.integers(1, 400_000), max_size=8))
def test_goes_on_past_any_breaks(tmp_path_factory: pytest.TempPathFactory, breaks: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch, file_server() as server:
        patch.setattr(connections, "RETRY_DELAY_SECONDS", 0.0)
        server.files["/library.tar"], server.headers["ETag"], server.breaks = CONTENT, '"one"', breaks
        file = tmp_path_factory.mktemp("breaks") / "library.tar"
        download(server.url("/library.tar"), file, SHA256)
    assert file.read_bytes() == CONTENT


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_resumes_in_a_later_call(server: FileServer, file: Path, knows_ranges: bool) -> None:
    interrupt(server, file, 1_000_000)
    server.knows_ranges = knows_ranges
    size = file.with_name("library.tar.part").stat().st_size
    server.ranges.clear()
    download(server.url("/library.tar"), file, SHA256)
    assert server.ranges == [f"bytes={size}-"]
    assert 0 < size <= 1_000_000
    assert file.read_bytes() == CONTENT
    assert os.listdir(file.parent) == [file.name]


def test_starts_over_if_another_file_is_there(server: FileServer, file: Path) -> None:
    interrupt(server, file, 1_000_000, None)
    server.files["/library.tar"], server.headers["ETag"] = CONTENT[::-1], '"two"'
    download(server.url("/library.tar"), file)
    assert file.read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("answer", [(416, {}), (416, {"Content-Range": "bytes */100000"})])
def test_takes_no_short_file_for_a_whole_one(
    server: FileServer, file: Path, answer: tuple[int, dict[str, str]]
) -> None:
    """The part is 100,000 bytes long, as the file that the server has in the meantime may be."""
    interrupt(server, file, 100_000, None)
    assert file.with_name("library.tar.part").stat().st_size == 100_000
    server.answers = [answer]
    download(server.url("/library.tar"), file)
    assert file.read_bytes() == CONTENT


def test_starts_over_for_another_address(server: FileServer, file: Path) -> None:
    interrupt(server, file, 1_000_000, None)
    server.files["/other.tar"] = CONTENT[::-1]
    download(server.url("/other.tar"), file)
    assert file.read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("note", [b"", b"[" * 100_000, b"[]", b'{"url": 1}'])
def test_starts_over_after_a_damaged_note(server: FileServer, file: Path, note: bytes) -> None:
    interrupt(server, file, 1_000_000, None)
    file.with_name("library.tar.part.json").write_bytes(note)
    download(server.url("/library.tar"), file)
    assert file.read_bytes() == CONTENT


def test_gives_up_on_a_file_that_changes_each_time(server: FileServer, file: Path) -> None:
    server.changes, server.breaks = True, [100_000] * 100
    with pytest.raises(DownloadError, match="another file is there now"):
        download(server.url("/library.tar"), file)
    assert len(server.ranges) == 6


def test_deletes_what_has_another_sum(server: FileServer, file: Path) -> None:
    with pytest.raises(DownloadError, match=re.escape(f"has the sha256 {SHA256[:12]}…, not 000000000000…")):
        download(server.url("/library.tar"), file, "0" * 64)
    assert os.listdir(file.parent) == []


def test_replaces_a_file_with_another_sum(server: FileServer, file: Path) -> None:
    file.write_bytes(b"old")
    download(server.url("/library.tar"), file, SHA256)
    assert file.read_bytes() == CONTENT


def test_downloads_nothing_without_room(server: FileServer, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "free_bytes", lambda folder: len(CONTENT) + 500_000)
    with pytest.raises(DownloadError, match=r"There is no room on the disk of .*: free 1 MB, and run"):
        download(server.url("/library.tar"), file, SHA256, copies=2)
    assert os.listdir(file.parent) == []
    download(server.url("/library.tar"), file, SHA256)


@pytest.mark.parametrize(("missing", "amount"), [(1, "1 MB"), (1_400_000, "2 MB"), (1_010_000_000, "1.1 GB")])
def test_asks_for_as_much_room_as_it_takes(
    server: FileServer, file: Path, monkeypatch: pytest.MonkeyPatch, missing: int, amount: str
) -> None:
    monkeypatch.setattr(files, "free_bytes", lambda folder: len(CONTENT) - missing)
    with pytest.raises(DownloadError, match=f"There is no room on the disk of .*: free {amount}, and run"):
        download(server.url("/library.tar"), file, SHA256)


def test_says_that_a_file_is_no_folder(server: FileServer, file: Path) -> None:
    file.touch()
    with pytest.raises(DownloadError, match=f"^{file}/more cannot be written .{file} is a file, not a folder"):
        download(server.url("/library.tar"), file / "more", SHA256)


def test_asks_once_for_what_is_not_there(server: FileServer, file: Path) -> None:
    with pytest.raises(DownloadError, match=r"404 Not Found\): check the address"):
        download(server.url("/missing.tar"), file)
    assert len(server.ranges) == 1
    assert os.listdir(file.parent) == []


def test_waits_for_another_process(server: FileServer, file: Path) -> None:
    def download_again(done: int, total: int | None, what: str) -> None:
        with pytest.raises(DownloadError, match="Another process is downloading"):
            download(server.url("/library.tar"), file, SHA256)

    download(server.url("/library.tar"), file, SHA256, download_again)
    assert file.read_bytes() == CONTENT


def test_resumes_after_being_killed(server: FileServer, file: Path) -> None:
    server.pause = 0.001
    program = "import sys, pathlib, index.downloads as d; d.download(sys.argv[1], pathlib.Path(sys.argv[2]))"
    part, sizes = file.with_name("library.tar.part"), [0]
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", program, server.url("/library.tar"), str(file)], cwd=ROOT)
        while process.poll() is None and (not part.exists() or part.stat().st_size < sizes[-1] + 150_000):
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        sizes.append(part.stat().st_size)
    assert sizes == sorted(set(sizes))
    server.ranges.clear()
    download(server.url("/library.tar"), file, SHA256)
    assert server.ranges == [f"bytes={sizes[-1]}-"]
    assert file.read_bytes() == CONTENT
