"""Read photos of Wikimedia Commons from saved answers of its programming interface (`api.php`).

An answer lists files with `prop=imageinfo`; `iiprop=url|mime|size|extmetadata` adds their URLs and credits, and
`iiurlwidth` the URL of a smaller copy, which is used where there is one. Texts in it are HTML. A file may hold one
answer, or a list of answers, as a long category comes in several.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

from index import web
from index.build.photo import Credit, Photo, Skipped, SourceError, describe_error, read_file
from index.credit import clean_date, clean_text
from models.text import printable

ANSWER: Final = re.compile(rb'\s*\[?\s*\{\s*"(?:batchcomplete|continue|curtimestamp|limits|query|warnings)"')
"""Matches the beginning of an answer. A COCO file begins with other keys."""

MIN_BYTES: Final = 200
"""Bytes of a file that tell whether it is an answer."""

TITLE: Final = re.compile(r"(?:File|Image):(.*?)(?:\.\w{2,5})?", re.IGNORECASE)
"""A page's title, which is the file's name."""

HIDING: Final = re.compile(r"display\s*:\s*none\b", re.IGNORECASE)
"""Finds in a style what hides an element."""

JsonObject = Mapping[str, Any]


def is_commons(file: Path) -> bool:
    """Return whether a JSON file is an answer of Wikimedia Commons, by its first bytes."""
    try:
        with file.open("rb") as opened:
            return ANSWER.match(opened.read(MIN_BYTES).removeprefix(b"\xef\xbb\xbf")) is not None
    except OSError:  # reading it as another kind of file will report it
        return False


def read_commons(file: Path) -> Iterator[Photo | Skipped]:
    """Yield the photos that a file's answers list, each file once. Raises SourceError if it is no such answer.

    Of continued answers, several may list a file, of which only one has its `imageinfo`.
    """
    try:
        document = json.loads(read_file(file).decode("utf-8-sig"))
    except OSError as error:
        raise SourceError(f"{printable(file)} cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{printable(file)} is not valid JSON ({describe_error(error)}): save it again.") from error
    seen: set[str] = set()
    without_info: dict[str, JsonObject] = {}
    for answer in document if isinstance(document, list) else [document]:
        for page in _pages(file, answer):
            title = clean_text(page.get("title"))
            if title is None or title in seen:
                continue
            if page.get("imageinfo"):
                seen.add(title)
                yield _read_page(file, title, page)
            else:
                without_info.setdefault(title, page)
    for title, page in without_info.items():
        if title not in seen:
            yield _read_page(file, title, page)


def _pages(file: Path, answer: object) -> list[JsonObject]:
    """Return an answer's pages, which are a list in `formatversion=2`, and else by their numbers."""
    query = answer.get("query") if isinstance(answer, dict) else None
    pages = query.get("pages") if isinstance(query, dict) else None
    if isinstance(pages, dict):
        pages = list(pages.values())
    if not isinstance(pages, list):
        raise SourceError(
            f"{printable(file)} lists no pages: ask with generator=categorymembers, gcmtype=file, prop=imageinfo and "
            "iiprop=url|mime|size|extmetadata."
        )
    return [page for page in pages if isinstance(page, dict)]


def _read_page(file: Path, title: str, page: JsonObject) -> Photo | Skipped:
    infos = page.get("imageinfo")
    info = infos[0] if isinstance(infos, list) and infos and isinstance(infos[0], dict) else {}
    name = f"{printable(file)}, “{printable(title)}”,"
    if not str(info.get("mime", "image/")).startswith("image/"):
        return Skipped(name, "no picture", f"{name} is no picture, but {printable(info['mime'])}.")
    urls = [info.get(key) for key in ("thumburl", "url")]
    url = next((url for url in urls if isinstance(url, str) and web.is_url(url)), None)
    if url is None:
        return Skipped(name, "no picture", f"{name} has no URL: ask with iiprop=url|mime|size|extmetadata.")
    return Photo(url, _read_credit(title, info))


def _read_credit(title: str, info: JsonObject) -> Credit:
    metadata = info.get("extmetadata")

    def text(key: str) -> str | None:
        entry = metadata.get(key) if isinstance(metadata, dict) else None
        value = entry.get("value") if isinstance(entry, dict) else None
        return None if value is None else _plain_text(str(value))

    name = TITLE.fullmatch(title)
    date = text("DateTimeOriginal")
    return Credit(
        text("ObjectName") or (title if name is None else name[1]),
        text("Artist"),
        text("LicenseShortName") or text("UsageTerms"),
        text("LicenseUrl"),
        clean_text(info.get("descriptionurl")),
        None if date is None else clean_date(date),
    )


class _TextReader(HTMLParser):
    """Collects the text of HTML that visitors see."""

    HIDDEN: Final = ("style", "script", "template")
    VOID: Final = ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr")

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._hidden: list[str] = []  # the element that is not shown, and those open in it

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what is not shown; a tag may separate two words."""
        is_hidden = tag in self.HIDDEN or any(name == "style" and HIDING.search(value or "") for name, value in attrs)
        if (self._hidden or is_hidden) and tag not in self.VOID:
            self._hidden.append(tag)
        self.texts.append(" " if tag in ("br", "p", "div", "li", "td", "tr") else "")

    def handle_endtag(self, tag: str) -> None:
        """Note the end of what is not shown, and of all in it that nobody closed."""
        if tag in self._hidden:
            del self._hidden[len(self._hidden) - 1 - self._hidden[::-1].index(tag) :]

    def handle_data(self, data: str) -> None:
        """Keep text that is shown."""
        if not self._hidden:
            self.texts.append(data)


def _plain_text(html: str) -> str | None:
    """Return the text of HTML as one line; None if it has none."""
    reader = _TextReader()
    reader.feed(html)
    reader.close()
    return clean_text("".join(reader.texts))
