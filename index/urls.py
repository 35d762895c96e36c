"""URLs, and why one cannot be fetched: what all that names pictures by URL needs, without the web's own modules."""

from __future__ import annotations

import re
from typing import Final

CHUNK_SIZE: Final = 1 << 16
"""Bytes read at a time, between checks of the limits."""

WEB_SCHEMES: Final = ("http", "https")
"""Schemes of the URLs that are asked of a web server."""


class FetchError(OSError):
    """A URL cannot be fetched: a phrase that says why."""


class GoneError(FetchError):
    """Nothing is at a URL, or no longer: no further try can succeed."""


class ChangedError(FetchError):
    """Another file is at a URL than when the first part of it was read."""


class TemporaryError(FetchError):
    """A URL cannot be fetched now, but a later try may succeed."""


class LostError(TemporaryError):
    """The connection was lost in the middle of a file."""


def is_url(name: str) -> bool:
    """Return whether a name is a URL. A single letter before the colon is a Windows drive, not a scheme."""
    return re.match(r"[a-z][a-z0-9+.-]+://", name, re.IGNORECASE) is not None


def scheme_of(url: str) -> str:
    """Return what is before a URL's colon, in lower case."""
    return url.partition(":")[0].lower()


def one_line(reason: object) -> str:
    """Return an error's text as a short phrase in one line, to be part of a sentence."""
    line = "".join(c if c.isprintable() else " " for c in str(reason))
    return " ".join(line.split())[:200].rstrip(".") or type(reason).__name__
