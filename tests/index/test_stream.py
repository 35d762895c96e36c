"""Files of any size, read from some byte on: from a real server, from this machine, and past what goes wrong."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index import connections
from index.web import ChangedError, FetchError, GoneError, TemporaryError, fetch, fetch_picture, open_stream
from tests.support.file_server import FileServer, file_server

CONTENT = bytes(range(256)) * 1000


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setattr(connections, "RETRY_DELAY_SECONDS", 0.0)
    with file_server() as running:
        running.files["/table.csv"] = CONTENT
        running.headers["ETag"] = '"one"'
        yield running


def read(url: str, offset: int = 0, validator: str | None = None) -> bytes:
    with open_stream(url, offset, validator) as stream:
        return b"".join(stream.chunks)


def test_reads_a_whole_file(server: FileServer) -> None:
    with open_stream(server.url("/table.csv")) as stream:
        assert (stream.total, stream.validator) == (len(CONTENT), '"one"')
        assert b"".join(stream.chunks) == CONTENT
    assert server.ranges == [None]


@pytest.mark.parametrize("knows_ranges", [True, False])
@pytest.mark.parametrize("offset", [1, 100_000, len(CONTENT) - 1, len(CONTENT)])
@pytest.mark.parametrize("validator", ['"one"', None])
def test_reads_from_an_offset(server: FileServer, knows_ranges: bool, offset: int, validator: str | None) -> None:
    server.knows_ranges = knows_ranges
    with open_stream(server.url("/table.csv"), offset, validator) as stream:
        assert stream.total == len(CONTENT)
        assert b"".join(stream.chunks) == CONTENT[offset:]
    assert server.ranges == [f"bytes={offset}-"]


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_notices_another_file(server: FileServer, knows_ranges: bool) -> None:
    server.knows_ranges, server.headers["ETag"] = knows_ranges, '"two"'
    for offset in (0, 10):
        with pytest.raises(ChangedError, match="another file is there now"):
            read(server.url("/table.csv"), offset, '"one"')


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_notices_a_shorter_file(server: FileServer, knows_ranges: bool) -> None:
    server.knows_ranges = knows_ranges
    with pytest.raises(ChangedError, match="the file has only 256,000 bytes now"):
        read(server.url("/table.csv"), len(CONTENT) + 1)


def test_tells_files_by_date_without_a_strong_tag(server: FileServer) -> None:
    server.headers = {"ETag": 'W/"weak"', "Last-Modified": "Mon, 01 Jun 2026 10:00:00 GMT"}
    with open_stream(server.url("/table.csv")) as stream:
        validator = stream.validator
    assert validator == "Mon, 01 Jun 2026 10:00:00 GMT"
    assert read(server.url("/table.csv"), 1000, validator) == CONTENT[1000:]
    server.headers["Last-Modified"] = "Tue, 02 Jun 2026 10:00:00 GMT"
    with pytest.raises(ChangedError):
        read(server.url("/table.csv"), 1000, validator)


def test_goes_on_where_a_connection_broke(server: FileServer) -> None:
    server.breaks = [50_000, 100_000]
    data, breaks = bytearray(), 0
    while len(data) < len(CONTENT):
        try:
            with open_stream(server.url("/table.csv"), len(data), '"one"') as stream:
                for chunk in stream.chunks:
                    data += chunk
        except TemporaryError:
            breaks += 1
    assert (bytes(data), breaks) == (CONTENT, 2)


def test_notices_an_end_that_comes_too_early(server: FileServer) -> None:
    server.says = len(CONTENT) + 10
    with pytest.raises(TemporaryError, match="the connection ended after 256000 of 256010 bytes"):
        read(server.url("/table.csv"))


@pytest.mark.parametrize("status", [429, 503])
def test_waits_as_long_as_a_server_asks(server: FileServer, status: int) -> None:
    server.answers = [(status, {"Retry-After": "1"})]
    start = time.monotonic()
    assert read(server.url("/table.csv")) == CONTENT
    assert time.monotonic() - start > 0.9
    assert len(server.ranges) == 2


def test_waits_for_no_hours(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_RETRY_AFTER_SECONDS", 0.01)
    server.answers = [(429, {"Retry-After": "86400"}), (429, {"Retry-After": "soon"})]
    assert read(server.url("/table.csv")) == CONTENT


def test_gives_up_on_a_busy_server(server: FileServer) -> None:
    server.answers = [(503, {})] * 3
    with pytest.raises(TemporaryError, match="the server answers 503 Service Unavailable"):
        read(server.url("/table.csv"))


@pytest.mark.parametrize("status", [404, 410])
def test_asks_once_for_what_is_gone(server: FileServer, status: int) -> None:
    server.answers = [(status, {})]
    with pytest.raises(GoneError, match=f"the server answers {status}"):
        fetch_picture(server.url("/table.csv"))
    assert len(server.ranges) == 1


def test_refuses_a_part_that_was_not_asked_for(server: FileServer) -> None:
    server.answers = [(206, {"Content-Range": "bytes 900-999/1000"}), (206, {}), (416, {})]
    for _ in range(2):
        with pytest.raises(FetchError, match="another part of the file"):
            read(server.url("/table.csv"), 100)
    with pytest.raises(FetchError, match="the server answers 416"):
        read(server.url("/table.csv"), 100)


@pytest.mark.parametrize("status", [204, 206])
def test_takes_no_part_for_the_whole(server: FileServer, status: int) -> None:
    for reader in (read, fetch, fetch_picture):
        server.answers = [(status, {"Content-Range": "bytes 0-2/*"})]
        with pytest.raises(FetchError, match=f"the server answers {status}"):
            reader(server.url("/table.csv"))


@pytest.mark.parametrize("headers", [{}, {"Content-Range": "bytes */*"}, {"Content-Range": "bytes */5000"}])
@pytest.mark.parametrize("validator", ['"one"', None])
def test_ends_only_where_the_server_says(server: FileServer, headers: dict[str, str], validator: str | None) -> None:
    server.answers = [(416, headers)]
    with pytest.raises(ChangedError, match="the server answers 416"):
        read(server.url("/table.csv"), 100, validator)


def test_asks_on_after_a_part_without_an_end(server: FileServer) -> None:
    server.answers = [(206, {"Content-Range": "bytes 100-199/*"})]
    with pytest.raises(TemporaryError, match="the server does not say where the file ends"):
        read(server.url("/table.csv"), 100)


@pytest.mark.parametrize("size", ["*", "256000"])
def test_knows_the_size_from_the_first_part(server: FileServer, size: str) -> None:
    server.answers = [(206, {"Content-Range": f"bytes 100-199/{size}"})]
    with (
        pytest.raises(TemporaryError, match="the connection ended after 0 of 255900 bytes"),
        open_stream(server.url("/table.csv"), 100, '"one"', len(CONTENT)) as stream,
    ):
        list(stream.chunks)


@pytest.mark.parametrize(("status", "place"), [(416, "*/100"), (206, "100-199/200")])
def test_notices_another_size(server: FileServer, status: int, place: str) -> None:
    server.answers = [(status, {"Content-Range": f"bytes {place}"})]
    with (
        pytest.raises(ChangedError, match="another file is there now"),
        open_stream(server.url("/table.csv"), 100, '"one"', len(CONTENT)),
    ):
        pass


def test_follows_redirects(server: FileServer) -> None:
    server.files["/Fotos/M%C3%BCller%201.jpg"] = CONTENT
    server.answers = [
        (301, {"Location": "/elsewhere"}),
        (302, {"Location": server.url("/Fotos/M%C3%BCller%201.jpg")}),
    ]
    assert read(server.url("/table.csv")) == CONTENT
    server.answers = [(302, {"Location": "/Fotos/Müller 1.jpg".encode().decode("latin-1")})]
    assert read(server.url("/table.csv")) == CONTENT


def test_leaves_the_web_by_no_redirect(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    server.answers = [(302, {"Location": f"file://{tmp_path}/secret"})]
    with pytest.raises(FetchError, match="the server redirects to file://"):
        read(server.url("/table.csv"))


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/json", "Video/mp4"])
def test_refuses_what_is_no_picture(server: FileServer, kind: str) -> None:
    server.headers["Content-Type"] = kind
    with pytest.raises(FetchError, match=f"the server sends {kind.partition(';')[0]}, not a picture"):
        fetch_picture(server.url("/table.csv"))
    assert fetch(server.url("/table.csv")) == CONTENT


@pytest.mark.parametrize("kind", ["image/jpeg", "application/octet-stream", "text/plain", None])
def test_fetches_what_may_be_a_picture(server: FileServer, kind: str | None) -> None:
    if kind is not None:
        server.headers["Content-Type"] = kind
    assert fetch_picture(server.url("/table.csv")) == CONTENT


def test_fetches_again_what_broke_off(server: FileServer) -> None:
    server.breaks = [1000]
    assert fetch_picture(server.url("/table.csv")) == CONTENT


def test_shares_few_connections_among_threads(server: FileServer) -> None:
    """More threads than connections, of which some break off and some are left in the middle: none is lost."""
    server.breaks = [20_000] * 10
    opened: list[int] = []
    counts: list[int] = []

    def use(number: int) -> None:
        with suppress(TemporaryError):
            if number % 3:
                with open_stream(server.url("/table.csv")) as stream:
                    opened.append(number)
                    counts.append(len(opened))
                    time.sleep(0.01)
                    opened.remove(number)
                    next(stream.chunks)
            else:
                fetch(server.url("/table.csv"))

    with ThreadPoolExecutor(3 * connections.CONNECTIONS_PER_HOST) as threads:
        list(threads.map(use, range(100)))
    assert server.breaks == []
    assert max(counts) <= connections.CONNECTIONS_PER_HOST


def test_goes_through_the_proxy_of_the_environment(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.files["http://pictures.example/1.jpg"] = b"through the proxy"
    monkeypatch.setenv("http_proxy", f"127.0.0.1:{server.server_port}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert fetch("http://pictures.example/1.jpg") == b"through the proxy"
    assert fetch(server.url("/table.csv")) == CONTENT


def test_says_which_proxy_it_cannot_use(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1080")
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(FetchError, match="a proxy with socks5://, but only http:// is supported"):
        fetch("http://pictures.example/1.jpg")


@given(offset=st.integers(0, 5000))
def test_reads_files_of_this_machine(tmp_path_factory: pytest.TempPathFactory, offset: int) -> None:
    file = tmp_path_factory.getbasetemp() / "a table.csv"
    file.write_bytes(CONTENT[:5000])
    for url in (str(file), file.as_uri()):
        with open_stream(url, offset) as stream:
            assert stream.total == 5000
            assert b"".join(stream.chunks) == CONTENT[offset:5000]


def test_notices_another_file_of_this_machine(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_bytes(CONTENT)
    with open_stream(str(file)) as stream:
        validator = stream.validator
    assert read(str(file), 10, validator) == CONTENT[10:]
    os.utime(file, (1, 1))
    for arguments in ((10, validator), (len(CONTENT) + 1, None)):
        with pytest.raises(ChangedError):
            read(str(file), *arguments)


def test_says_why_a_file_of_this_machine_cannot_be_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(GoneError, match="there is no such file"):
        read(str(tmp_path / "missing"))
    for name in ("pipe", "."):
        with pytest.raises(FetchError, match="not a regular file"):
            read(str(tmp_path / name))
    with pytest.raises(FetchError, match="s3:// is not supported here"):
        read("s3://bucket/table.csv")


@pytest.mark.parametrize("name", ["file:///a%00b", "/a\0b"])
def test_refuses_a_name_with_a_null_character(name: str) -> None:
    with pytest.raises(FetchError, match="not a valid name: embedded null"):
        read(name)


def test_passes_on_the_errors_of_who_reads(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_bytes(CONTENT)
    for url in (server.url("/table.csv"), str(tmp_path / "table.csv")):
        with pytest.raises(OSError, match="the disk is full") as error, open_stream(url):
            raise OSError("the disk is full")
        assert not isinstance(error.value, FetchError)
