"""Pictures that lie elsewhere: on the web, and in shared storage where fsspec is installed."""

from __future__ import annotations

import re
import time
from http.client import HTTPException, InvalidURL
from pathlib import Path
from typing import Final
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit, urlunsplit
from urllib.request import Request, url2pathname, urlopen

TIMEOUT_SECONDS: Final = 30.0
"""Seconds that a server may say nothing."""

MAX_DOWNLOAD_SECONDS = 120.0
"""Seconds that one file may take in all."""

MAX_BYTES = 200_000_000
"""Bytes of a file: more than any picture has that is not too large."""

RETRY_DELAY_SECONDS = 1.0
"""Seconds before the second try, after which a server that was busy is left alone."""

CHUNK_SIZE: Final = 1 << 16

USER_AGENT: Final = "Pose-Mirror (pose-mirror index build)"
"""What servers are told of who asks: some answer nobody who has no name."""

RETRY_STATUSES: Final = frozenset((408, 425, 429, 500, 502, 503, 504))
"""Answers of servers that may be others the next time."""

SAFE_CHARACTERS: Final = "/%:@!$&'()*+,;=~-._"
"""Characters that a URL has as they are (RFC 3986); the others, which people paste from browsers, are quoted."""


class FetchError(OSError):
    """What a URL names cannot be had: a phrase that says why."""


class TooLargeError(FetchError):
    """What a URL names is larger than a picture is."""


class _TemporaryError(FetchError):
    """It may be had the next time."""


def is_url(name: str) -> bool:
    """Whether a name says by itself how to get there; a single letter before the colon is a Windows drive."""
    return re.match(r"[a-z][a-z0-9+.-]+://", name, re.IGNORECASE) is not None


def local_path(url: str) -> Path | None:
    """The file that a file:// URL names on this machine; None for other URLs. Raises Unreachable."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise FetchError(f"no URL: {error}") from error
    if parts.scheme != "file":
        return None
    if parts.netloc not in ("", "localhost"):
        raise FetchError(f"a file:// URL names this machine's files, with three slashes, not those of {parts.netloc}")
    return Path(url2pathname(parts.path))


def fetch(url: str) -> bytes:
    """What a URL names, http and https tried twice where it may help. Raises Unreachable."""
    if urlsplit(url).scheme not in ("http", "https"):
        return _fetch_fsspec(url)
    try:
        return _fetch_http(url)
    except _TemporaryError:
        time.sleep(RETRY_DELAY_SECONDS)
        return _fetch_http(url)


def _fetch_http(url: str) -> bytes:
    try:
        request = Request(_quote_url(url), headers={"User-Agent": USER_AGENT})
        with urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
            data, until = bytearray(), time.monotonic() + MAX_DOWNLOAD_SECONDS
            while chunk := answer.read1(CHUNK_SIZE):
                data += chunk
                if len(data) > MAX_BYTES:
                    raise TooLargeError(f"more than {MAX_BYTES // 1_000_000} MB")
                if time.monotonic() > until:
                    raise FetchError(f"not here after {MAX_DOWNLOAD_SECONDS:g} s")
            if answer.length:
                raise _TemporaryError(f"the connection ended after {len(data)} of {len(data) + answer.length} bytes")
            return bytes(data)
    except FetchError:
        raise
    except HTTPError as error:
        error.close()
        reason = "and leads in a circle" if error.code // 100 == 3 else _one_line(error.reason)
        said = f"the server answers {error.code} {reason}".rstrip()
        raise _TemporaryError(said) if error.code in RETRY_STATUSES else FetchError(said) from error
    except URLError as error:
        raise _TemporaryError(f"the server cannot be reached: {_one_line(error.reason)}") from error
    except (ValueError, InvalidURL) as error:
        raise FetchError(f"no URL: {_one_line(error)}") from error
    except (OSError, HTTPException) as error:
        raise _TemporaryError(f"the connection was lost: {_one_line(error)}") from error


def _quote_url(url: str) -> str:
    """A URL as servers take it. Raises ValueError."""
    parts = urlsplit(url)
    return urlunsplit(
        (
            parts.scheme,
            parts.netloc.encode("idna").decode(),
            quote(parts.path, SAFE_CHARACTERS),
            quote(parts.query, SAFE_CHARACTERS + "?"),
            "",
        )
    )


def _fetch_fsspec(url: str) -> bytes:
    scheme = url.partition(":")[0]
    try:
        import fsspec
    except ImportError as error:
        raise FetchError(f"{scheme}:// needs fsspec: pip install 'pose-mirror[dask]'") from error
    try:
        with fsspec.open(url, "rb") as opened:
            data: bytes = opened.read(MAX_BYTES + 1)
    except Exception as error:  # each storage has errors of its own
        raise FetchError(_one_line(error)) from error
    if len(data) > MAX_BYTES:
        raise TooLargeError(f"more than {MAX_BYTES // 1_000_000} MB")
    return data


def _one_line(said: object) -> str:
    """What somebody says, for a sentence of ours."""
    line = "".join(c if c.isprintable() else " " for c in str(said))
    return " ".join(line.split())[:200].rstrip(".") or type(said).__name__
