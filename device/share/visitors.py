"""What the server remembers of the phones that ask it: how often, and who has read the welcome page.

Both are forgotten soon, are never written down, and are bounded, so that no crowd and no attacker fills the memory.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

MAX_REMEMBERED: Final = 4096
"""Addresses remembered at most, some 200 bytes each. The one that was heard of longest ago is forgotten first."""

BURST: Final = 240
"""Requests that an address may make at once. A page takes three, and some phones may share one address."""

REFILL: Final = 4.0
"""Requests a second that an address may make in the long run."""

WELCOME_SECONDS: Final = 3600.0
"""How long a phone that has read the welcome page is spared it."""


def visitor_key(address: str) -> str:
    """Return what counts as one visitor: an address. All phones of a Wi-Fi may have the same IPv6 prefix."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(parsed)


class RateLimit:
    """A bucket of requests for each visitor, which refills steadily. All threads may use it."""

    def __init__(
        self, burst: float = BURST, refill: float = REFILL, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._burst, self._refill, self._clock = burst, refill, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._buckets)

    def allows(self, key: str) -> bool:
        """Count a request of a visitor; return whether it is to be answered."""
        now = self._clock()
        with self._lock:
            left, since = self._buckets.pop(key, (self._burst, now))
            left = min(left + self._refill * (now - since), self._burst)
            allowed = left >= 1
            self._buckets[key] = (left - 1 if allowed else left, now)
            if len(self._buckets) > MAX_REMEMBERED:
                self._buckets.popitem(last=False)
        return allowed


class Welcomed:
    """The visitors who have read the welcome page within the last hour. All threads may use it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._until)

    def add(self, key: str) -> None:
        """Remember that a visitor has read the page."""
        with self._lock:
            self._until.pop(key, None)
            self._until[key] = self._clock() + WELCOME_SECONDS
            if len(self._until) > MAX_REMEMBERED:
                self._until.popitem(last=False)

    def __contains__(self, key: str) -> bool:
        with self._lock:
            return self._until.get(key, 0.0) > self._clock()
