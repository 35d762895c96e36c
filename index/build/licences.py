"""Licences: matching them by patterns such as `CC BY*`, and the names and deeds of Creative Commons."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase


def matches_licence(licence: str | None, patterns: Sequence[str], url: str | None = None) -> bool:
    """Return whether a licence's name or URL matches one of the patterns (`*`, `?`, `[…]`), ignoring case.

    Creative Commons licences also match by their short names, however they are written: the URL
    `http://creativecommons.org/licenses/by/2.0/` and the name `CC-BY-2.0` both match `CC BY 2.0`. An unknown licence
    matches no pattern.
    """
    names = [name.casefold() for name in _all_names(licence, url)]
    return any(fnmatchcase(name, pattern.casefold()) for pattern in patterns for name in names)


def _all_names(licence: str | None, url: str | None) -> Iterator[str]:
    for name in (licence, url):
        if name:
            yield name
            yield from short_name(name)


def short_name(licence: str) -> Iterator[str]:
    """Yield the short name of a Creative Commons licence, given its URL or any spelling; else nothing."""
    deed = re.search(r"creativecommons\.org/(licenses|publicdomain)/([a-z-]+)(?:/(\d\.\d))?", licence, re.IGNORECASE)
    spelling = _match_short_name(licence)
    if deed is not None:
        kind, version = deed[2].upper(), deed[3]
        name = {"ZERO": "CC0", "MARK": "Public Domain Mark"}.get(kind, f"CC {kind}")
    elif spelling is not None:
        name, version = f"CC {spelling[1].upper()}", spelling[2]
    else:
        return
    yield f"{name} {version}" if version else name


def deed_url(licence: str) -> str:
    """Return the URL at which Creative Commons explains a licence, given its name; empty for other licences."""
    spelling = _match_short_name(licence)
    if spelling is not None and spelling[2]:
        return f"https://creativecommons.org/licenses/{spelling[1].lower()}/{spelling[2]}/"
    return "https://creativecommons.org/publicdomain/zero/1.0/" if re.match("cc0", licence, re.IGNORECASE) else ""


def _match_short_name(licence: str) -> re.Match[str] | None:
    """Match a name such as `CC BY-SA 4.0` in any spelling: groups are `BY-SA` and `4.0`."""
    return re.fullmatch(r"cc[-_ ](by[a-z-]*?)(?:[-_ ]v?(\d\.\d))?", licence, re.IGNORECASE)
