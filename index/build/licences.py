"""Licences: matching them by patterns such as `CC BY*`, and the names and deeds of Creative Commons."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final
from urllib.parse import unquote

from index.credit import AFTER_URL

LICENCE: Final = re.compile(r"cc[-_ ](by[a-z-]*?)(?:[-_ ]v?(\d\.\d))?", re.IGNORECASE)
"""Matches a name such as `CC BY-SA 4.0` in any spelling, as a whole: groups are `BY-SA` and `4.0`."""

PUBLIC_DOMAIN: Final = re.compile(
    r"(cc0|public domain mark)(?:[-_ ]v?(\d\.\d))?(?: universal)?(?: \(cc0 1\.0\))?"
    r"(?::? public domain(?: dedication)?)?",
    re.IGNORECASE,
)
"""Matches a name such as `CC0 1.0 Universal` as a whole: groups are `CC0` and `1.0`."""

PLACE: Final = re.compile(
    r"(?<![^\s(<\[\"'“„])(?:https?:)?(?://)?(?:www\.)?creativecommons\.org/([^\s<>\"]+)", re.IGNORECASE
)
"""Finds URLs at Creative Commons, also in a sentence, but not within another URL; the group is the path."""

DEED: Final = re.compile(
    r"(?:licenses|publicdomain)/([a-z]+(?:-[a-z]+)*)(?:/(\d\.\d)(?:/[\w.-]*)*|/)?(?:[?#].*)?", re.IGNORECASE
)
"""Matches the path of a deed, as a whole: `by_nc` is no kind of licence, and must not be read as `by`."""

RESTRICTIONS: Final[Mapping[str, re.Pattern[str]]] = {
    "commercial use": re.compile(
        r"\b(non|no|not|not for|nicht) ?(commercial|kommerziell)|\b(by|cc0)( sa| nd| \d \d)* nc\b|"
        r"\bcommercial use (is )?(forbidden|prohibited)"
    ),
    "changes": re.compile(r"\bno ?deriv|\b(by|cc0)( nc| \d \d)* nd\b"),
    "all": re.compile(
        r"\ball rights (are )?reserved|\balle rechte vorbehalten|\balle rechten voorbehouden|\btous droits réservés|"
        r"\btodos (los derechos|os direitos) reservados|\btutti i diritti (sono )?riservati"
    ),
}
"""What a licence may forbid, and how that is written, in small letters and with a space for all that is no letter."""


def matches_licence(licence: str | None, patterns: Sequence[str], url: str | None = None) -> bool:
    """Return whether a licence's name or URL matches one of the patterns (`*`, `?`, `[…]`), ignoring case.

    Creative Commons licences also match by their short names, however they are written: the URL
    `http://creativecommons.org/licenses/by/2.0/` and the name `CC-BY-2.0` both match `CC BY 2.0`. An unknown licence
    matches no pattern. If the other one of name and URL contradicts the one that matches, it must match, too.
    """
    texts = [text for text in (licence, url) if text]
    fitting = [text for text in texts if _matches(text, patterns)]
    others = [text for text in texts if text not in fitting]
    return bool(fitting) and not any(_contradicts(other, fitting[0]) for other in others)


def _matches(text: str, patterns: Sequence[str]) -> bool:
    names = [name.casefold() for name in (text, *short_name(text))]
    return any(fnmatchcase(name, pattern.casefold()) for pattern in patterns for name in names)


def _contradicts(other: str, text: str) -> bool:
    """Return whether two texts, of which one is from Creative Commons, cannot be name and URL of the same licence.

    They can, if the other one says nothing of that, such as “see my page”.
    """
    names = sorted([*short_name(other), *short_name(text)])
    if len(names) == 2:
        return not f"{names[1]} ".startswith(f"{names[0]} ")  # one of them may lack the version
    return bool(names) and not _restrictions(other) <= _restrictions(text)


def _restrictions(text: str) -> set[str]:
    """Return what a licence forbids, as far as its name or URL tells."""
    plain = re.sub(r"[\W_]+", " ", unquote(text).casefold())
    return {name for name, written in RESTRICTIONS.items() if written.search(plain)}


def short_name(licence: str) -> Iterator[str]:
    """Yield the short name of a Creative Commons licence, given its URL or any spelling; else nothing.

    The URL may be in a sentence, unless that names several licences, or forbids what the licence allows.
    """
    spelling = _spelling(licence)
    names = set(_deeds(licence)) if spelling is None else {" ".join(filter(None, spelling))}
    yield from (name for name in names if len(names) == 1 and _restrictions(licence) <= _restrictions(name))


def _spelling(licence: str) -> tuple[str, str | None] | None:
    """Return the name and the version of a Creative Commons licence, given its name in any spelling."""
    spelling, public = LICENCE.fullmatch(licence), PUBLIC_DOMAIN.fullmatch(licence)
    if spelling is not None:
        return f"CC {spelling[1].upper()}", spelling[2]
    if public is not None:
        return ("CC0" if public[1].casefold() == "cc0" else "Public Domain Mark"), public[2]
    return None


def _deeds(text: str) -> Iterator[str]:
    """Yield the short names of the licences whose URLs are in a text."""
    for place in PLACE.finditer(text):
        deed = DEED.fullmatch(unquote(place[1].rstrip(AFTER_URL)))
        if deed is not None:
            kind, version = deed[1].upper(), deed[2]
            name = {"ZERO": "CC0", "MARK": "Public Domain Mark"}.get(kind, f"CC {kind}")
            yield f"{name} {version}" if version else name


def deed_url(licence: str) -> str:
    """Return the URL at which Creative Commons explains a licence, given its name; empty for other licences."""
    name, version = _spelling(licence) or ("", None)
    if name == "CC0":
        return "https://creativecommons.org/publicdomain/zero/1.0/"
    kind = name.removeprefix("CC ").lower()
    return f"https://creativecommons.org/licenses/{kind}/{version}/" if name.startswith("CC ") and version else ""
