"""Connections whose answers come within a time, however slowly a server sends what belongs to one.

A socket's own timeout begins anew with each byte. So a server that sends a header letter by letter, or says again and
again that it will go on, would hold a thread for ever.
"""

from __future__ import annotations

import io
import math
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any, Final

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MIN_TIMEOUT_SECONDS: Final = 0.001
"""Seconds to wait at least: a socket with a timeout of 0 does not wait at all."""


class TooLateError(Exception):
    """An answer was not there in time. No OSError, after which urllib3 would try again."""


class _Limit(threading.local):
    """The time (`time.monotonic`) until which the answers that a thread is waiting for must be there."""

    deadline = math.inf


_limit = _Limit()


@contextmanager
def answers_until(deadline: float) -> Iterator[None]:
    """Let the answers that begin meanwhile in this thread end by a time (`time.monotonic`).

    Reading one after that raises TooLateError, also when this context has ended.
    """
    before, _limit.deadline = _limit.deadline, deadline
    try:
        yield
    finally:
        _limit.deadline = before


def seconds_left() -> float:
    """Return how many seconds the answers that this thread is waiting for have left."""
    return _limit.deadline - time.monotonic()


class _Received(io.RawIOBase):
    """What a socket receives, until a deadline."""

    def __init__(self, raw: io.RawIOBase, connected: socket.socket, deadline: float) -> None:
        self._raw = raw
        self._connected = connected
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TooLateError
        timeout = self._connected.gettimeout()
        if timeout is None or left < timeout:
            self._connected.settimeout(max(MIN_TIMEOUT_SECONDS, left))
        try:
            count: int | None = self._raw.readinto(buffer)
        except TimeoutError as error:
            if time.monotonic() < self._deadline:
                raise
            raise TooLateError from error
        return count

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _Answer(HTTPResponse):
    """An answer that is there by the deadline of the thread that asks for it."""

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        if _limit.deadline < math.inf:
            self.fp = io.BufferedReader(_Received(self.fp.detach(), sock, _limit.deadline))


class _Connection(HTTPConnection):
    response_class = _Answer


class _SecureConnection(HTTPSConnection):
    response_class = _Answer


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


POOLS: Final = {"http": _Pool, "https": _SecurePool}
"""Pools of such connections by scheme, for a PoolManager."""
