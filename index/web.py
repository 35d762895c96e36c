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

PATIENCE: Final = 30.0
"""Seconds that a server may say nothing."""

LONGEST = 120.0
"""Seconds that one file may take in all."""

LARGEST = 200_000_000
"""Bytes of a file: more than any picture has that is not too large."""

PAUSE = 1.0
"""Seconds before the second try, after which a server that was busy is left alone."""

CHUNK: Final = 1 << 16

NAME: Final = "Pose-Mirror (pose-mirror index build)"
"""What servers are told of who asks: some answer nobody who has no name."""

TRY_AGAIN: Final = frozenset((408, 425, 429, 500, 502, 503, 504))
"""Answers of servers that may be others the next time."""

KEPT: Final = "/%:@!$&'()*+,;=~-._"
"""Characters that a URL has as they are (RFC 3986); the others, which people paste from browsers, are quoted."""


class Unreachable(OSError):
    """What a URL names cannot be had: a phrase that says why."""


class TooLarge(Unreachable):
    """What a URL names is larger than a picture is."""


class _Busy(Unreachable):
    """It may be had the next time."""


def is_url(name: str) -> bool:
    """Whether a name says by itself how to get there; a single letter before the colon is a Windows drive."""
    return re.match(r"[a-z][a-z0-9+.-]+://", name, re.IGNORECASE) is not None


def local(url: str) -> Path | None:
    """The file that a file:// URL names on this machine; None for other URLs. Raises Unreachable."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise Unreachable(f"no URL: {error}") from error
    if parts.scheme != "file":
        return None
    if parts.netloc not in ("", "localhost"):
        raise Unreachable(f"a file:// URL names this machine's files, with three slashes, not those of {parts.netloc}")
    return Path(url2pathname(parts.path))


def fetch(url: str) -> bytes:
    """What a URL names, http and https tried twice where it may help. Raises Unreachable."""
    if urlsplit(url).scheme not in ("http", "https"):
        return _by_fsspec(url)
    try:
        return _by_http(url)
    except _Busy:
        time.sleep(PAUSE)
        return _by_http(url)


def _by_http(url: str) -> bytes:
    try:
        request = Request(_quoted(url), headers={"User-Agent": NAME})
        with urlopen(request, timeout=PATIENCE) as answer:
            data, until = bytearray(), time.monotonic() + LONGEST
            while chunk := answer.read1(CHUNK):
                data += chunk
                if len(data) > LARGEST:
                    raise TooLarge(f"more than {LARGEST // 1_000_000} MB")
                if time.monotonic() > until:
                    raise Unreachable(f"not here after {LONGEST:g} s")
            if answer.length:
                raise _Busy(f"the connection ended after {len(data)} of {len(data) + answer.length} bytes")
            return bytes(data)
    except Unreachable:
        raise
    except HTTPError as error:
        error.close()
        reason = "and leads in a circle" if error.code // 100 == 3 else _line(error.reason)
        said = f"the server answers {error.code} {reason}".rstrip()
        raise _Busy(said) if error.code in TRY_AGAIN else Unreachable(said) from error
    except URLError as error:
        raise _Busy(f"the server cannot be reached: {_line(error.reason)}") from error
    except (ValueError, InvalidURL) as error:
        raise Unreachable(f"no URL: {_line(error)}") from error
    except (OSError, HTTPException) as error:
        raise _Busy(f"the connection was lost: {_line(error)}") from error


def _quoted(url: str) -> str:
    """A URL as servers take it. Raises ValueError."""
    parts = urlsplit(url)
    return urlunsplit(
        (
            parts.scheme,
            parts.netloc.encode("idna").decode(),
            quote(parts.path, KEPT),
            quote(parts.query, KEPT + "?"),
            "",
        )
    )


def _by_fsspec(url: str) -> bytes:
    scheme = url.partition(":")[0]
    try:
        import fsspec
    except ImportError as error:
        raise Unreachable(f"{scheme}:// needs fsspec: pip install 'pose-mirror[dask]'") from error
    try:
        with fsspec.open(url, "rb") as opened:
            data: bytes = opened.read(LARGEST + 1)
    except Exception as error:  # each storage has errors of its own
        raise Unreachable(_line(error)) from error
    if len(data) > LARGEST:
        raise TooLarge(f"more than {LARGEST // 1_000_000} MB")
    return data


def _line(said: object) -> str:
    """What somebody says, for a sentence of ours."""
    line = "".join(c if c.isprintable() else " " for c in str(said))
    return " ".join(line.split())[:200].rstrip(".") or type(said).__name__
