"""Ask web servers for files, over connections that all threads share.

A request that fails for a moment is tried again; redirects and the environment's proxies are followed.
"""

from __future__ import annotations

import logging
import math
import ssl
import string
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from http.client import IncompleteRead
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

from urllib3 import BaseHTTPResponse, PoolManager, ProxyManager, Retry, make_headers
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    InvalidHeader,
    LocationValueError,
    MaxRetryError,
    ProxyError,
    SSLError,
)

from index.deadlines import POOLS, answers_until, seconds_left
from index.deadlines import TooLateError as TooLateError
from index.urls import (
    CHUNK_SIZE,
    WEB_SCHEMES,
    ChangedError,
    FetchError,
    GoneError,
    LostError,
    TemporaryError,
    is_url,
    one_line,
    scheme_of,
)

if TYPE_CHECKING:
    from types import TracebackType

    from urllib3.connectionpool import ConnectionPool

TIMEOUT_SECONDS: Final = 30.0
"""Seconds that a server may send nothing before the try fails."""

RETRIES: Final = 2
"""Further tries after one that failed at the server or on the way to it."""

RETRY_DELAY_SECONDS = 1.0
"""Unit of the seconds between two tries, which double each time. Chance adds to them, so that threads spread out."""

MAX_RETRY_AFTER_SECONDS: Final = 60.0
"""Seconds to wait at most when a server says when to come again."""

MAX_REDIRECTS: Final = 5
"""How often a server may send us elsewhere."""

CONNECTIONS_PER_HOST: Final = 64
"""Connections to one server at a time: further threads wait for one. Whoever downloads side by side uses fewer threads,
unless an owner asks for more."""

USER_AGENT: Final = "Pose-Mirror (pose-mirror index)"
"""Name that the program gives servers: some refuse clients without a name."""

RETRY_STATUSES: Final = frozenset((408, 425, 429, 500, 502, 503, 504))
"""HTTP statuses after which another try may succeed."""

GONE_STATUSES: Final = frozenset((404, 410))
"""HTTP statuses that say that nothing is at a URL."""

WHOLE: Final = (200, 203)
"""HTTP statuses with a whole file. 203 says that a proxy has changed something of it."""

PART: Final = 206
"""HTTP status with the part of a file that was asked for."""

NO_RANGE: Final = 416
"""HTTP status that says that a file has no bytes from the offset on."""

SAFE_CHARACTERS: Final = "/%:@!$&'()*+,;=~-._"
"""Characters that stay as they are in a URL (RFC 3986). Others are quoted: people paste URLs from browsers."""

logging.getLogger("urllib3").setLevel(logging.ERROR)  # it warns of each further try


@contextmanager
def request(url: str, headers: dict[str, str], deadline: float = math.inf) -> Iterator[BaseHTTPResponse]:
    """Ask the server of a URL for a file, with further headers; yield the answer, whose content is not read yet.

    Raises FetchError for errors on the way, and for any answer but the file, a part of it, or, where a part was asked
    for, that there is none. After the `deadline` (`time.monotonic`), this and reading the content raise TooLateError.
    """
    with answers_until(deadline):
        response = _follow(url, {"User-Agent": USER_AGENT, **headers})
    try:
        # a part that was not asked for would pass for the whole file
        if response.status not in (*WHOLE, *((PART, NO_RANGE) if "Range" in headers else ())):
            _drain(response)
            raise status_error(response)
        yield response
    finally:
        response.close()  # unless it is read to its end: then the connection serves again
        response.release_conn()


def _follow(url: str, headers: dict[str, str]) -> BaseHTTPResponse:
    """Return the answer of the server that a URL leads to, over redirects; its content is not read yet."""
    retries = _Retries(
        total=None,
        connect=RETRIES,
        read=RETRIES,
        status=RETRIES,
        other=0,
        status_forcelist=RETRY_STATUSES,
        raise_on_status=False,
        backoff_factor=RETRY_DELAY_SECONDS,
        backoff_jitter=RETRY_DELAY_SECONDS,
    )
    try:
        url = _quote_url(url)
        for _ in range(MAX_REDIRECTS + 1):
            response = _manager(_proxy(url)).request(
                "GET",
                url,
                headers=headers,
                redirect=False,  # each may need another proxy, and quoting
                retries=retries,
                timeout=TIMEOUT_SECONDS,
                preload_content=False,
                decode_content=False,
            )
            location = response.get_redirect_location()
            if not location:
                return response
            try:
                _drain(response)
            finally:
                response.close()
                response.release_conn()
            # http.client reads headers as Latin-1, whatever they are
            url = _quote_url(urljoin(url, quote(location, string.punctuation, "latin-1")))
            if scheme_of(url) not in WEB_SCHEMES:
                raise FetchError(f"the server redirects to {scheme_of(url)}://")
    except (ValueError, LocationValueError) as error:
        raise FetchError(f"not a valid URL: {one_line(error)}") from error
    except HTTPError as error:
        raise _connection_error(error) from error
    raise FetchError(f"the server redirects more than {MAX_REDIRECTS} times")


class _Retries(Retry):
    """Waits as the server asks, but not for hours, nor past a deadline; what it asks may also make no sense."""

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        """Return the rules for the next try. Raises MaxRetryError if there is none any more."""
        following = super().increment(method, url, response, error, _pool, _stacktrace)
        asked = None if response is None else self.get_retry_after(response)
        if _pool is not None and (asked or following.get_backoff_time()) >= seconds_left():
            raise MaxRetryError(_pool, url or "", error)
        return following

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        with suppress(InvalidHeader, ValueError, OverflowError):
            return min(super().get_retry_after(response) or 0.0, MAX_RETRY_AFTER_SECONDS)
        return None


def _proxy(url: str) -> str | None:
    """Return the proxy that the environment names for a URL; None if there is none. Raises FetchError."""
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme)
    if not proxy or proxy_bypass(parts.netloc):
        return None
    if not is_url(proxy):
        return f"http://{proxy}"
    if scheme_of(proxy) not in WEB_SCHEMES:
        raise FetchError(f"the environment names a proxy with {scheme_of(proxy)}://, but only http:// is supported")
    return proxy


@cache
def _manager(proxy: str | None) -> PoolManager:
    """Return what keeps the connections of all threads, directly or over a proxy."""
    if proxy is None:
        manager = PoolManager(maxsize=CONNECTIONS_PER_HOST, block=True)
        manager.pool_classes_by_scheme = POOLS
        return manager
    user = urlsplit(proxy).netloc.rpartition("@")[0]
    headers = make_headers(proxy_basic_auth=unquote(user)) if user else None
    manager = ProxyManager(proxy, proxy_headers=headers, maxsize=CONNECTIONS_PER_HOST, block=True)
    manager.pool_classes_by_scheme = POOLS
    return manager


def read_chunks(response: BaseHTTPResponse, skip: int = 0) -> Iterator[bytes]:
    """Yield what a server sends after `skip` bytes. Raises LostError if the connection ends before it does."""
    done = 0
    while chunk := _read_chunk(response, done):
        done += len(chunk)
        if done > skip:
            yield chunk[max(0, len(chunk) - (done - skip)) :]
    if done < skip:
        raise ChangedError(f"the file has only {done:,} bytes now")


def _read_chunk(response: BaseHTTPResponse, done: int) -> bytes:
    """Return the next bytes that have arrived, after `done` others; none at the end."""
    try:
        return response.read1(CHUNK_SIZE)
    except HTTPError as error:
        origin = _origin(error)
        if isinstance(origin, IncompleteRead) and response.length_remaining:
            total = done + response.length_remaining
            raise LostError(f"the connection ended after {done} of {total} bytes") from error
        raise LostError(f"the connection was lost: {one_line(origin)}") from error


def _drain(response: BaseHTTPResponse) -> None:
    """Read an answer that is of no interest. If it is short, as most are, its connection can then serve again."""
    with suppress(HTTPError):
        response.read1(CHUNK_SIZE)


def status_error(response: BaseHTTPResponse) -> FetchError:
    """Return the error of an answer that is not the file that was asked for."""
    message = f"the server answers {response.status} {one_line(response.reason or '')}".rstrip()
    if response.status in GONE_STATUSES:
        return GoneError(message)
    return (TemporaryError if response.status in RETRY_STATUSES else FetchError)(message)


def _connection_error(error: Exception) -> FetchError:
    """Return the error of a try that brought no answer."""
    if isinstance(error, MaxRetryError) and error.reason is not None:
        return _connection_error(error.reason)
    origin = _origin(error)
    if isinstance(origin, ssl.SSLCertVerificationError):
        return FetchError(f"the server's certificate is not valid: {one_line(origin.verify_message)}")
    if isinstance(error, ProxyError):
        return TemporaryError(f"the proxy cannot be reached: {one_line(origin)}")
    if isinstance(error, ConnectTimeoutError | SSLError):
        return TemporaryError(f"the server cannot be reached: {one_line(origin)}")
    return TemporaryError(f"the connection was lost: {one_line(origin)}")


def _origin(error: BaseException) -> BaseException:
    """Return the error of the system or of Python that urllib3 wrapped, perhaps several times."""
    while inner := error.__cause__ or next((arg for arg in error.args if isinstance(arg, BaseException)), None):
        error = inner
    return error


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
