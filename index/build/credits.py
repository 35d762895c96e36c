"""CREDITS.html: the credits of a library's pictures as a page, to be printed or put on a web site."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from index.build.licences import deed_url, short_name
from index.library import Item
from index.manifest import PICTURES_FOLDER

PAGE_HEAD: Final = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Credits and licences</title>
<style>
:root { color-scheme: light dark; --ground: #fbfaf6; --ink: #23303d; --soft: #5d6975; --line: #dcdfe1; --link: #14508c }
@media (prefers-color-scheme: dark) {
  :root { --ground: #101218; --ink: #faf6ec; --soft: #9ea0a6; --line: #262b38; --link: #8fbdf0 }
}
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 76rem; background: var(--ground); color: var(--ink);
  font: 1rem/1.45 system-ui, sans-serif; overflow-wrap: anywhere }
a { color: var(--link) }
h1 { margin: 0 }
h2 { margin: 3rem 0 0; padding-top: .6rem; border-top: 2px solid var(--line) }
p, small, td:last-child { color: var(--soft) }
small { font-weight: normal }
table { border-spacing: 0 }
td { padding: .15rem 1.5rem .15rem 0 }
td:last-child { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }
ul { list-style: none; margin: 1.2rem 0 0; padding: 0; display: grid; gap: 1rem .8rem;
  grid-template-columns: repeat(auto-fill, minmax(8rem, 1fr));
  content-visibility: auto; contain-intrinsic-size: auto 540rem }
li { font-size: .85rem; line-height: 1.3 }
img { display: block; width: 100%; aspect-ratio: 1; object-fit: cover; object-position: 50% 30%;
  margin-bottom: .3rem; border-radius: 4px; background: var(--line) }
li small { display: block; font-size: .78rem }
h2 { break-after: avoid }
@media print { ul { content-visibility: visible; gap: .5rem } li { break-inside: avoid } body { max-width: none } }
</style>
"""

PICTURES_PER_LIST: Final = 360
"""Maximum number of pictures in one list: browsers lay out only the lists in sight. The number fills all rows of 2
to 6, 8, 9 and 10 columns."""


class PictureCredit(NamedTuple):
    """The credit of the picture in the file `picture`; values are empty where they are not known."""

    picture: str
    title: str
    author: str
    licence: tuple[str, str]
    """Name and URL."""
    source_url: str
    year: str


def render_credits(items: Iterable[Item]) -> Iterator[str]:
    """Yield the page in pieces: each picture once, grouped by licence, the most frequent first, and then by author.

    The page needs no script and no network. Its pictures are in the folder `pictures` next to it.
    """
    pictures: dict[str, PictureCredit] = {}
    bare_poses = 0
    for item in items:
        if item.picture is None:
            bare_poses += 1
        elif item.picture.name not in pictures:
            pictures[item.picture.name] = _picture_credit(item, item.picture.name)
    by_licence: dict[tuple[str, str], list[PictureCredit]] = {}
    for picture in pictures.values():
        by_licence.setdefault(picture.licence, []).append(picture)
    licences = sorted(by_licence, key=lambda licence: (licence == ("", ""), -len(by_licence[licence]), licence))
    yield PAGE_HEAD
    yield f"<h1>Credits and licences</h1>\n<p>{_summary(list(pictures.values()), bare_poses)}</p>\n"
    if len(licences) > 1:
        rows = (
            f'<tr><td><a href="#licence-{number}">{escape(_licence_name(licence))}</a>'
            f"<td>{len(by_licence[licence]):,}\n"
            for number, licence in enumerate(licences, 1)
        )
        yield f"<table>\n{''.join(rows)}</table>\n"
    for number, licence in enumerate(licences, 1):
        yield f'<section id="licence-{number}">\n'
        name = render_link(_licence_name(licence), licence[1] or deed_url(licence[0]))
        yield f"<h2>{name} <small>{_format_count(by_licence[licence], 'picture')}</small></h2>\n"
        yield from _render_pictures(by_licence[licence])
        yield "</section>\n"


def render_link(text: str, url: str) -> str:
    """Return text as HTML, as a link if the URL leads to the web."""
    try:
        parts = urlsplit(url)
        is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_web = False
    return f'<a href="{escape(url)}">{escape(text)}</a>' if is_web else escape(text)


def _picture_credit(item: Item, picture: str) -> PictureCredit:
    licence = item.licence or "", item.licence_url or ""
    date = item.date or ""
    year = date[:4] if re.fullmatch(r"\d{4}(-\d\d){0,2}", date) else date
    return PictureCredit(picture, item.title or "", item.author or "", licence, item.source_url or "", year)


def _summary(pictures: Sequence[PictureCredit], bare_poses: int) -> str:
    """Return sentences with the number of pictures and authors, and of poses without a picture."""
    authors = {picture.author for picture in pictures} - {""}
    count = _format_count(pictures, "picture")
    parts = [f"{count} by {_format_count(authors, 'author')}" if authors else count]
    if bare_poses:
        parts.append(f"{bare_poses:,} {'pose' if bare_poses == 1 else 'poses'} without a picture")
    return f"This mirror shows {' and '.join(parts)}. Thank you to everyone who made them."


def _render_pictures(pictures: Sequence[PictureCredit]) -> Iterator[str]:
    """Yield the pictures of one licence, sorted by author; those of unknown authors come last."""
    ordered = sorted(pictures, key=lambda picture: (not picture.author, picture.author.casefold(), picture.author))
    for start in range(0, len(ordered), PICTURES_PER_LIST):
        yield "<ul>\n"
        for picture in ordered[start : start + PICTURES_PER_LIST]:
            line = ", ".join(filter(None, (picture.author, picture.year)))
            author = f"<small>{escape(line)}</small>" if line else ""
            yield f'<li><img src="{PICTURES_FOLDER}/{escape(picture.picture)}" loading="lazy" alt="">'
            yield f"{render_link(picture.title or 'Untitled', picture.source_url)}{author}\n"
        yield "</ul>\n"


def _licence_name(licence: tuple[str, str]) -> str:
    """Return a licence's name, or the short name of its URL, or the URL."""
    name, url = licence
    return name or next(short_name(url), url) or "Licence unknown"


def _format_count(things: Sequence[object] | set[str], noun: str) -> str:
    return f"{len(things):,} {noun}{'' if len(things) == 1 else 's'}"
