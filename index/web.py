"""Files by URL: from the web, from this machine, and from shared storage if fsspec is installed.

This is the package's only door to the web. Its connections are kept open and shared by all threads.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple
from urllib.parse import urlsplit
from urllib.request import url2pathname

from index.urls import CHUNK_SIZE, WEB_SCHEMES, LostError, one_line, scheme_of
from index.urls import ChangedError as ChangedError
from index.urls import FetchError as FetchError
from index.urls import GoneError as GoneError
from index.urls import TemporaryError as TemporaryError
from index.urls import is_url as is_url

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

# `index.connections` is imported where it is used: it loads urllib3, which opens a socket to see what the machine can
# do. A mirror that needs no network opens none.

MAX_DOWNLOAD_SECONDS = 120.0
"""Seconds that one picture may take in total: a server that trickles would stop a build."""

MAX_BYTES = 200_000_000
"""Maximum size of a picture's file in bytes. No picture within the limit on pixels is larger."""

CONTENT_RANGE: Final = re.compile(r"bytes (?:(\d{1,18})-\d+|\*)/(\d{1,18}|\*)")
"""Takes apart which part of a file a server sends (RFC 9110): its first byte, and the whole file's size."""

NO_PICTURE: Final = re.compile(r"(?:text/(?:html|xml)|application/(?:xhtml|xml|json|pdf)|video/|audio/)", re.IGNORECASE)
"""Finds content types that no picture has. Others prove nothing: many servers do not know what they send."""


PLACEHOLDER: Final = re.compile(r"(?:photo|image)_unavailable|/(?:no|missing)[-_]?(?:image|photo)\b", re.IGNORECASE)
"""Finds the pictures to which sites redirect those who ask for a picture that is gone, as Flickr's
photo_unavailable.png."""


class TooLargeError(FetchError):
    """The file at a URL is larger than `MAX_BYTES`."""


class Stream(NamedTuple):
    """The content of a file from some byte on.

    `chunks` yields it, and raises FetchError where the connection is lost. `total` is the whole file's size in bytes.
    `validator` tells the file from a later one at the same URL: its strong ETag, else when it was last modified. Either
    is None where the server does not say.
    """

    chunks: Iterator[bytes]
    total: int | None
    validator: str | None


def local_path(url: str) -> Path | None:
    """Return the path of a file:// URL; None for other URLs. Raises FetchError if it is invalid or elsewhere."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise FetchError(f"not a valid URL: {error}") from error
    if parts.scheme != "file":
        return None
    if parts.netloc not in ("", "localhost"):
        raise FetchError(f"a file:// URL needs three slashes and names files of this machine, not of {parts.netloc}")
    return Path(url2pathname(parts.path))


def fetch(url: str) -> bytes:
    """Return the content at a URL. Tries http and https again if that may help. Raises FetchError."""
    return _fetch(url, lambda response: None)


def fetch_picture(url: str) -> bytes:
    """Return the content at a URL as `fetch` does, unless the server says that it is no picture.

    Raises FetchError; GoneError if nothing is there.
    """
    return _fetch(url, _refuse_other_than_picture)


@contextmanager
def open_stream(url: str, offset: int = 0, validator: str | None = None, total: int | None = None) -> Iterator[Stream]:
    """Open the file at a URL (http, https or file) or at a path, of any size, from byte `offset` on.

    Tries again until the server answers, but not once it has: then the caller opens the file again where it stopped.
    With the `validator` and the `total` of the first part, raises ChangedError if another file is there now, or one
    that is shorter than `offset`. The chunks end only where the server says that the file does. Raises FetchError;
    GoneError if nothing is there; TemporaryError where a later try may help.
    """
    file = local_path(url) if is_url(url) else Path(url)
    if file is not None:
        opened, status = _open_file(file)
        with opened:
            now = f"{status.st_mtime_ns}-{status.st_size}"
            if validator not in (None, now) or offset > status.st_size:
                raise ChangedError("another file is there now")
            opened.seek(offset)
            yield Stream(_read_file(opened), status.st_size, now)
    elif scheme_of(url) not in WEB_SCHEMES:
        raise FetchError(f"{scheme_of(url)}:// is not supported here: use http, https or a file")
    else:
        from index import connections

        headers = {"Range": f"bytes={offset}-"} if offset else {}
        if offset and validator is not None:
            headers["If-Range"] = validator
        with connections.request(url, headers) as response:
            yield _to_stream(response, offset, validator, total)


def _open_file(file: Path) -> tuple[BinaryIO, os.stat_result]:
    """Open a file of this machine, and return its status, too. Raises FetchError."""
    try:
        if not stat.S_ISREG(file.stat().st_mode):  # opening a pipe would wait until somebody writes to it
            raise FetchError("not a regular file")
        opened = file.open("rb")
        return opened, os.fstat(opened.fileno())
    except FileNotFoundError as error:
        raise GoneError("there is no such file") from error
    except FetchError:
        raise
    except OSError as error:
        raise FetchError(one_line(error.strerror or error)) from error
    except ValueError as error:  # a name with a null character, which %00 stands for
        raise FetchError(f"not a valid name: {one_line(error)}") from error


def _read_file(opened: BinaryIO) -> Iterator[bytes]:
    try:
        while chunk := opened.read(CHUNK_SIZE):
            yield chunk
    except OSError as error:
        raise TemporaryError(one_line(error.strerror or error)) from error


def _to_stream(response: BaseHTTPResponse, offset: int, validator: str | None, before: int | None) -> Stream:
    """Return what a server sends as a stream from `offset` on, whether it sends this part or the whole file.

    `before` is the size that the server said earlier.
    """
    from index import connections

    etag, date = response.headers.get("ETag", ""), response.headers.get("Last-Modified")
    if validator is not None:
        now = etag if validator.startswith('"') else date
        # a part may come without them, as the server has compared them itself
        if now != validator and (now or response.status == 200):
            raise ChangedError("another file is there now")
    start, total = _read_range(response)
    if total is not None and total < offset:
        raise ChangedError(f"the file has only {total:,} bytes now")
    if None not in (total, before) and total != before:
        raise ChangedError("another file is there now")
    now = etag if etag.startswith('"') else date or validator
    if response.status == connections.NO_RANGE:
        if total != offset:  # such an answer alone does not say that the offset is the end: the file may be shorter
            raise ChangedError(str(connections.status_error(response)))
        return Stream(iter(()), offset, now)
    if start is None or start > offset:
        raise FetchError("the server sends another part of the file than the one asked for")
    chunks, total = connections.read_chunks(response, offset - start), before if total is None else total
    if total is not None:
        chunks = _up_to(total - offset, chunks)
    elif response.status == connections.PART:
        chunks = _without_end(chunks)
    return Stream(chunks, total, now)


def _without_end(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield chunks of a part of a file that may go on after it. Raises TemporaryError, so that the caller asks on."""
    yield from chunks
    raise TemporaryError("the server does not say where the file ends")


def _up_to(size: int, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield chunks of `size` bytes. Raises TemporaryError for fewer: a server may send less than it was asked for."""
    done = 0
    for chunk in chunks:
        done += len(chunk)
        if done > size:
            raise FetchError(f"the server sends more than the {size} bytes that it says")
        yield chunk
    if done < size:
        raise TemporaryError(f"the connection ended after {done} of {size} bytes")


def _read_range(response: BaseHTTPResponse) -> tuple[int | None, int | None]:
    """Return the first byte that a server sends, and the whole file's size; None for what it does not say."""
    from index import connections

    if response.status not in (connections.PART, connections.NO_RANGE):
        return 0, response.length_remaining
    match = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if match is None:
        return None, None
    start, size = match.groups()
    return None if start is None else int(start), None if size == "*" else int(size)


def _fetch(url: str, check: Callable[[BaseHTTPResponse], None]) -> bytes:
    """Return the content at a URL unless `check` raises a FetchError for the server's answer."""
    if scheme_of(url) not in WEB_SCHEMES:
        return _fetch_fsspec(url)
    from index import connections

    deadline = time.monotonic() + MAX_DOWNLOAD_SECONDS
    try:
        try:
            return _fetch_http(url, check, deadline)
        except LostError:
            time.sleep(connections.RETRY_DELAY_SECONDS)
            return _fetch_http(url, check, deadline)
    except connections.TooLateError as error:
        raise FetchError(f"the download did not finish within {MAX_DOWNLOAD_SECONDS:g} s") from error


def _fetch_http(url: str, check: Callable[[BaseHTTPResponse], None], deadline: float) -> bytes:
    """Return the content at a URL. Raises FetchError, or TooLateError if it is not there by the deadline."""
    from index import connections

    data = bytearray()
    with connections.request(url, {}, deadline) as response:
        check(response)
        _check_size(response.length_remaining or 0)
        for chunk in connections.read_chunks(response):
            data += chunk
            _check_size(len(data))
    return bytes(data)


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        raise TooLargeError(f"more than {MAX_BYTES // 1_000_000} MB")


def _refuse_other_than_picture(response: BaseHTTPResponse) -> None:
    if PLACEHOLDER.search(response.url or ""):
        raise GoneError("the server shows a picture that stands for one that is gone")
    kind = response.headers.get("Content-Type", "")
    if NO_PICTURE.match(kind):
        raise FetchError(f"the server sends {one_line(kind.partition(';')[0])}, not a picture")


def _fetch_fsspec(url: str) -> bytes:
    scheme = url.partition(":")[0]
    try:
        import fsspec
    except ImportError as error:
        raise FetchError(
            f"{scheme}:// needs fsspec: run `.venv/bin/pip install -e '.[dask]'` in the project's folder"
        ) from error
    try:
        with fsspec.open(url, "rb") as opened:
            data: bytes = opened.read(MAX_BYTES + 1)
    except Exception as error:  # each storage back end raises its own errors
        raise FetchError(one_line(error)) from error
    if len(data) > MAX_BYTES:
        raise TooLargeError(f"more than {MAX_BYTES // 1_000_000} MB")
    return data
