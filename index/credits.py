"""CREDITS.html: whom to thank for each picture of a library, as a page that can be hung up or put on a web site."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from urllib.parse import urlsplit

from index.library import Item
from index.manifest import PICTURES


def page(items: Iterable[Item]) -> Iterator[str]:
    """The page in pieces: each picture once, with its title, author, licence and source."""
    yield '<!DOCTYPE html>\n<html lang="en">\n<meta charset="utf-8">\n<title>Credits</title>\n<h1>Credits</h1>\n'
    before = None
    for item in items:
        if item.picture is not None and item.picture != before:
            before = item.picture
            yield f'<figure><img src="{PICTURES}/{escape(item.picture.name)}" loading="lazy" alt=""><figcaption>'
            yield f"{linked(item.title, item.source_url)} {escape(item.author or '')} "
            yield f"{linked(item.licence, item.licence_url)}</figcaption></figure>\n"


def linked(words: str | None, url: str | None) -> str:
    """Text for HTML, with a link where there is somewhere on the web to go to."""
    if url is None or urlsplit(url).scheme not in ("http", "https"):
        return escape(words or "")
    return f'<a href="{escape(url)}">{escape(words or url)}</a>'
