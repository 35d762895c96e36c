"""Credits: title, author, licence, source and collection of a picture, as one line of text each."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from index import web

MAX_TEXT_LENGTH = 200
"""Characters that are kept of a title or a name. Some cameras and programs write pages of text there."""

MAX_URL_LENGTH = 2000
"""Characters that are kept of a URL: many more than of a title, because a URL that is cut leads nowhere."""

AFTER_URL: Final = ".,;:!?)]}'”“’»"
"""What may follow a URL in a sentence."""

UNSET_CLOCKS: Final = frozenset(("1970-01-01", "1980-01-01"))
"""Days at which the clocks of computers and of cameras begin."""


class Credit(NamedTuple):
    """Title, author, licence, source, date and collection of a picture; None for what is not known.

    A date is that of the photo: a year, a month (2019-07) or a day (2019-07-14), or what a table says. The collection
    names the group of a library's pictures that it belongs to (`index.collection`); only a source can say that.
    """

    title: str | None = None
    author: str | None = None
    licence: str | None = None
    licence_url: str | None = None
    source_url: str | None = None
    date: str | None = None
    collection: str | None = None

    def completed_by(self, other: Credit) -> Credit:
        """Return this credit, with what it does not know taken from another one.

        A licence and its URL belong together, so they are taken from one credit.
        """
        values = {name: getattr(self, name) or getattr(other, name) for name in self._fields}
        if self.licence or self.licence_url:
            values |= {"licence": self.licence, "licence_url": self.licence_url}
        return Credit(**values)


NO_CREDIT: Final = Credit()
"""The credit of a picture of which nothing is known."""


def clean_date(value: object) -> str | None:
    """Return a date from metadata as in `Credit`; None if it is not one, or that of a clock that was never set."""
    match = re.match(
        r"((?:18|19|20|21)\d\d)(?:[-:/]?(0[1-9]|1[0-2])(?:[-:/]?(0[1-9]|[12]\d|3[01]))?)?(?!\d)", str(value)
    )
    if match is None:
        return None
    date = "-".join(filter(None, match.groups()))
    return None if date in UNSET_CLOCKS else date


def clean_text(value: object) -> str | None:
    """Return a title or name from an unknown source as one line of printable text, or None if it has no text."""
    plain = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")
    plain = plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # lone surrogates become �
    line = " ".join("".join(c if c.isprintable() else " " for c in plain).split())
    return line[: MAX_URL_LENGTH if web.is_url(line) else MAX_TEXT_LENGTH] or None
