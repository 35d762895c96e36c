"""What is barred from a library: the authors and URLs of pictures that were taken down.

The library keeps a list of them, so that later builds, merges and collections leave such pictures out without fetching
them. Fingerprints only tell after fetching.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, NamedTuple, get_args
from urllib.parse import unquote, urlsplit

from index import web
from index.credit import Credit

Kind = Literal["author", "page", "url"]
"""An author by name, an author by the URL of their page, or a picture by its source URL or its own."""

KINDS: Final = get_args(Kind)

FLICKR_SHARED_PAGES: Final = frozenset(("flickr.com/people", "flickr.com/photos"))
"""Pages that everybody on Flickr shares, as `url_key` returns them."""


DEFAULT_PORTS: Final = {"http": 80, "https": 443}

ONE_FORM: Final = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201b\u2032\u02bb\u02bc\u02bd`\u00b4", "'"),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2043", "-"),
        "\u0131": "i",
    }
)
"""The characters for which people type another one: curly apostrophes and accents, all hyphens, and the dotless i."""


class BarredEntry(NamedTuple):
    """One author, page or URL that is barred, as somebody wrote it."""

    kind: Kind
    text: str

    @property
    def key(self) -> tuple[str, str]:
        """What all spellings of it have in common."""
        return self.kind, (author_key if self.kind == "author" else url_key)(self.text)


@dataclass(frozen=True, eq=False)
class Barred:
    """The authors and URLs whose pictures stay out of a library.

    Two lists are equal if they bar the same. A library may hold several spellings of one author, which counted as
    several authors when they were barred.
    """

    entries: tuple[BarredEntry, ...] = ()

    def __eq__(self, other: object) -> bool:
        return self._keys == other._keys if isinstance(other, Barred) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._keys)

    def bars(self, credit: Credit, url: str | None = None, author_url: str | None = None) -> bool:
        """Return whether a picture stays out: by its author, or by its source URL, its own URL or its author's page.

        The page of an author bars every picture whose URL begins with it, as those of one member do on Flickr and many
        other sites.
        """
        if not self._keys:
            return False
        if credit.author and ("author", author_key(credit.author)) in self._keys:
            return True
        pictures = [url_key(place) for place in (credit.source_url, url) if place]
        pages = [url_key(place) for place in (author_url, credit.author) if place and web.is_url(place)]
        return any(("url", key) in self._keys for key in pictures) or any(
            ("page", page) in self._keys for key in (*pictures, *pages) for page in pages_above(key)
        )

    def joined_with(self, entries: Iterable[BarredEntry]) -> Barred:
        """Return these entries and others; of two spellings of one thing, the earlier stays."""
        joined = {entry.key: entry for entry in (*self.entries, *entries)[::-1]}
        return Barred(tuple(sorted(joined.values())))

    @cached_property
    def _keys(self) -> frozenset[tuple[str, str]]:
        return frozenset(entry.key for entry in self.entries)


NOTHING_BARRED: Final = Barred()
"""The list of a library that bars nobody."""


def author_key(name: str) -> str:
    """Return what all spellings of an author's name have in common.

    Letter case, spaces, apostrophes, hyphens, and the forms of accents and of wide letters differ. The Turkish letters
    İ and ı count as i, as one of them is the other case of i, and programs disagree which.
    """
    text = unicodedata.normalize("NFC", name).translate(ONE_FORM)  # before an accent that stands alone is taken apart
    text = unicodedata.normalize("NFKC", text).casefold().translate(ONE_FORM)
    text = re.sub("i\u0307+", "i", unicodedata.normalize("NFKC", text))
    return " ".join(unicodedata.normalize("NFKC", text).split())


def url_key(url: str) -> str:
    """Return what all spellings of a URL have in common.

    Browsers and tables show one with and without percent escapes, http or https, the port that goes without saying,
    `www.`, a dot after the host and a slash at the end. A member of Flickr has a page below /people/ and pictures below
    /photos/, which count as one place.
    """
    text = url.strip()
    try:
        parts = urlsplit(text)
        scheme = "" if parts.scheme in ("http", "https") else f"{parts.scheme}://"
        port = f":{parts.port}" if parts.port and parts.port != DEFAULT_PORTS.get(parts.scheme) else ""
        host = (parts.hostname or "").removesuffix(".").removeprefix("www.") + port
    except ValueError:  # not a valid URL, but perhaps the only one there is
        return unicodedata.normalize("NFC", unquote(text))
    path = unquote(parts.path).rstrip("/")
    if host == "flickr.com":
        path = re.sub(r"^/people/", "/photos/", path)
    query = f"?{unquote(parts.query)}" if parts.query else ""
    return unicodedata.normalize("NFC", f"{scheme}{host}{path}{query}")


def is_shared_page(url: str) -> bool:
    """Return whether a URL is that of a whole site, so that it cannot stand for one author."""
    key = url_key(url)
    return "/" not in key.partition("://")[2 if "://" in key else 0] or key in FLICKR_SHARED_PAGES


def pages_above(key: str) -> Iterator[str]:
    """Yield the key of a URL, and then those of the pages above it."""
    path, question, _ = key.partition("?")
    if question:
        yield key
    while path:
        yield path
        path = path.rpartition("/")[0]
