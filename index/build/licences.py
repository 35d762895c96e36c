"""Licences by patterns: `CC BY*` for what may be shown to everybody with its author's name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase


def matches_licence(licence: str | None, patterns: Sequence[str], url: str | None = None) -> bool:
    """Whether a licence's name, or its URL, fits one of the patterns (`*`, `?`, `[…]`), in capitals or not.

    Creative Commons' licences are also known by their short names, however they are written: what has the URL
    `http://creativecommons.org/licenses/by/2.0/` or the name `CC-BY-2.0` is `CC BY 2.0`. A licence that is not known
    fits none.
    """
    names = [name.casefold() for name in _known_names(licence, url)]
    return any(fnmatchcase(name, pattern.casefold()) for pattern in patterns for name in names)


def _known_names(licence: str | None, url: str | None) -> Iterator[str]:
    for known in (licence, url):
        if known:
            yield known
            yield from short_name(known)


def short_name(licence: str) -> Iterator[str]:
    """Creative Commons' own short name of a licence, given by its deed's URL or a name written another way."""
    found = re.search(r"creativecommons\.org/(licenses|publicdomain)/([a-z-]+)(?:/(\d\.\d))?", licence, re.IGNORECASE)
    written = _match_short_name(licence)
    if found is not None:
        kind, version = found[2].upper(), found[3]
        name = {"ZERO": "CC0", "MARK": "Public Domain Mark"}.get(kind, f"CC {kind}")
    elif written is not None:
        name, version = f"CC {written[1].upper()}", written[2]
    else:
        return
    yield f"{name} {version}" if version else name


def deed_url(licence: str) -> str:
    """Where Creative Commons explains a licence of theirs, given by its name; empty for others."""
    written = _match_short_name(licence)
    if written is not None and written[2]:
        return f"https://creativecommons.org/licenses/{written[1].lower()}/{written[2]}/"
    return "https://creativecommons.org/publicdomain/zero/1.0/" if re.match("cc0", licence, re.IGNORECASE) else ""


def _match_short_name(licence: str) -> re.Match[str] | None:
    """`CC BY-SA 4.0` in its parts, however it is written."""
    return re.fullmatch(r"cc[-_ ](by[a-z-]*?)(?:[-_ ]v?(\d\.\d))?", licence, re.IGNORECASE)
