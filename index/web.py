"""Pictures by URL: from the web, and from shared storage if fsspec is installed."""

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
"""Seconds that a server may send nothing before the try fails."""

MAX_DOWNLOAD_SECONDS = 120.0
"""Seconds that one file may take in total: a server that trickles would stop a build."""

MAX_BYTES = 200_000_000
"""Maximum size of a file in bytes. No picture within the limit on pixels is larger."""

RETRY_DELAY_SECONDS = 1.0
"""Seconds before the second and last try."""

CHUNK_SIZE: Final = 1 << 16
"""Bytes read at a time, between checks of the limits."""

USER_AGENT: Final = "Pose-Mirror (pose-mirror index build)"
"""Name that the program gives servers: some refuse clients without a name."""

RETRY_STATUSES: Final = frozenset((408, 425, 429, 500, 502, 503, 504))
"""HTTP statuses after which a second try may succeed."""

SAFE_CHARACTERS: Final = "/%:@!$&'()*+,;=~-._"
"""Characters that stay as they are in a URL (RFC 3986). Others are quoted: people paste URLs from browsers."""


class FetchError(OSError):
    """A URL cannot be fetched: a phrase that says why."""


class TooLargeError(FetchError):
    """The file at a URL is larger than `MAX_BYTES`."""


class _TemporaryError(FetchError):
    """A URL cannot be fetched now, but a second try may succeed."""


def is_url(name: str) -> bool:
    """Return whether a name is a URL. A single letter before the colon is a Windows drive, not a scheme."""
    return re.match(r"[a-z][a-z0-9+.-]+://", name, re.IGNORECASE) is not None


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
    """Return the content at a URL. Tries http and https twice if that may help. Raises FetchError."""
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
        with urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            data, deadline = bytearray(), time.monotonic() + MAX_DOWNLOAD_SECONDS
            while chunk := response.read1(CHUNK_SIZE):
                data += chunk
                if len(data) > MAX_BYTES:
                    raise TooLargeError(f"more than {MAX_BYTES // 1_000_000} MB")
                if time.monotonic() > deadline:
                    raise FetchError(f"the download did not finish within {MAX_DOWNLOAD_SECONDS:g} s")
            if response.length:
                total = len(data) + response.length
                raise _TemporaryError(f"the connection ended after {len(data)} of {total} bytes")
            return bytes(data)
    except FetchError:
        raise
    except HTTPError as error:
        error.close()
        reason = "and redirects in a circle" if error.code // 100 == 3 else _one_line(error.reason)
        message = f"the server answers {error.code} {reason}".rstrip()
        raise _TemporaryError(message) if error.code in RETRY_STATUSES else FetchError(message) from error
    except URLError as error:
        raise _TemporaryError(f"the server cannot be reached: {_one_line(error.reason)}") from error
    except (ValueError, InvalidURL) as error:
        raise FetchError(f"not a valid URL: {_one_line(error)}") from error
    except (OSError, HTTPException) as error:
        raise _TemporaryError(f"the connection was lost: {_one_line(error)}") from error


def _quote_url(url: str) -> str:
    """Return a URL with its host in IDNA, its path and query quoted and no fragment. Raises ValueError."""
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
        raise FetchError(
            f"{scheme}:// needs fsspec: run `.venv/bin/pip install -e '.[dask]'` in the project's folder"
        ) from error
    try:
        with fsspec.open(url, "rb") as opened:
            data: bytes = opened.read(MAX_BYTES + 1)
    except Exception as error:  # each storage back end raises its own errors
        raise FetchError(_one_line(error)) from error
    if len(data) > MAX_BYTES:
        raise TooLargeError(f"more than {MAX_BYTES // 1_000_000} MB")
    return data


def _one_line(reason: object) -> str:
    """Return an error's text as a short phrase in one line, to be part of a sentence."""
    line = "".join(c if c.isprintable() else " " for c in str(reason))
    return " ".join(line.split())[:200].rstrip(".") or type(reason).__name__
