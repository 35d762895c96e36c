"""Find in a library what a person asks to take down: pictures by number, name, URL or look, and authors."""

from __future__ import annotations

import hashlib
import os
import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import takewhile
from pathlib import Path
from typing import Final, NamedTuple

from index import pictures, web
from index.barred import Barred, BarredEntry, is_shared_page, pages_above, url_key
from index.build.duplicates import is_near_duplicate
from index.build.foreign_names import FileFinder
from index.build.photo import NewPicture, SourceError, is_file, read_file
from index.build.reuse import credit_of
from index.credit import clean_text
from index.errors import LibraryError
from index.library import Item, Library
from models.text import printable

MIN_NAME_DIGITS: Final = 6
"""Digits of a picture's name that may stand for it. Two of 100,000 pictures seldom begin with the same six."""

NUMBER_DIGITS_LIMIT: Final = 10
"""Digits at which a text is no longer read as an item's number: Python refuses to convert thousands of digits."""

BARE_URL: Final = re.compile(r"(?:[a-z0-9-]+\.)+[a-z]{2,}/", re.IGNORECASE)
"""Matches the beginning of a URL without `https://`."""

MAX_LISTED: Final = 4
"""Pictures that an error message lists."""


class Found(NamedTuple):
    """What a person asked for: the names of pictures, what to bar, and what of it the library has no picture of.

    `taken_down_before` are the names of pictures that are gone already.
    """

    names: set[str]
    barred: list[BarredEntry]
    without_picture: list[str]
    taken_down_before: set[str]


class PictureLookup:
    """Finds a library's pictures by any of the names that `index.build.edit.remove` accepts."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self.items: dict[str, Item] = {}
        self._names_by_url: defaultdict[str, set[str]] = defaultdict(set)
        self._below: Counter[str] = Counter()
        self._removed = {removed.picture for removed in library.removed_pictures()}
        for item in library.items():
            if item.picture is not None and item.picture.name not in self.items:
                self.items[item.picture.name] = item
                if item.source_url is not None:
                    key = url_key(item.source_url)
                    self._names_by_url[key].add(item.picture.name)
                    self._below.update(pages_above(key))
        self._sorted_names = sorted(self.items)

    def find_all(self, targets: Iterable[str], authors: Iterable[str]) -> Found:
        """Return what targets and authors mean, and what to bar, so that it does not come back.

        URLs and authors that have no picture in it are barred, too. The source URL of a picture is barred
        with it, unless a picture that stays comes from there, too: some people credit a whole album.

        Raises LibraryError if another target names no picture, or if one names several.
        """
        found = Found(set(), [], [], set())
        for target in targets:
            if target in self._removed:
                found.taken_down_before.add(target)
            elif names := self._find(target):
                found.names.update(names)
            else:
                found.barred.append(BarredEntry("url", clean_text(target) or ""))
                found.without_picture.append(found.barred[-1].text)
        for author in authors:
            for entry, names in self._find_author(author):
                found.names.update(names)
                found.barred.append(entry)
                if not names:
                    found.without_picture.append(entry.text)
        for name in sorted(found.names):
            url = self.items[name].source_url
            if url is not None and _is_remote(url) and self._names_by_url[url_key(url)] <= found.names:
                found.barred.append(BarredEntry("url", url))
        return found

    def _find(self, target: str) -> set[str]:
        """Return the name of the picture that a target means; nothing if it is a URL from which there is none.

        Raises LibraryError if anything else means none, or if it means several.
        """
        folder = printable(self._library.folder)
        matches = self._find_by_name(target)
        if not matches and _is_remote(target):
            if below := self._below[url_key(target)]:
                raise LibraryError(
                    f"{printable(target)} is above the URLs of {below} pictures of {folder}: name each of them, or "
                    "give it after --author."
                )
            return set()
        if not matches:
            file = Path(target) if _exists(target) else FileFinder().find_there(Path(), target)
            matches = set() if file is None else self._find_by_look(file)
        if not matches:
            raise LibraryError(
                f"{printable(target)} names no picture of {folder}: give an item's number, a picture's name or at "
                f"least {MIN_NAME_DIGITS} digits of it, its source URL, or a picture file."
            )
        if len(matches) > 1:
            listed = ", ".join(sorted(matches)[:MAX_LISTED]) + (", …" if len(matches) > MAX_LISTED else "")
            raise LibraryError(
                f"{printable(target)} names {len(matches)} pictures of {folder} ({listed}): name each of them."
            )
        return matches

    def _find_author(self, author: str) -> list[tuple[BarredEntry, set[str]]]:
        """Return what bars an author, and the pictures that it bars.

        Of a text that may be a name or the URL of a page, that is what the library has pictures of, or both if it has
        none. Raises LibraryError if it can only be a whole site.
        """
        entries = author_entries(author)
        found = [(entry, self._names_of(entry)) for entry in entries if not _is_site(entry)]
        fitting = [(entry, names) for entry, names in found if names]
        if not fitting and any(map(_is_site, entries)):
            no_name = "" if len(entries) == 1 else ", and no picture in the library has an author of this name"
            raise LibraryError(
                f"{printable(entries[0].text)} is a whole site, not one author's page{no_name}: give the author's page "
                "on it, or the name."
            )
        return fitting or found

    def _names_of(self, entry: BarredEntry) -> set[str]:
        """Return the pictures that an entry bars."""
        barred = Barred((entry,))
        return {name for name, item in self.items.items() if barred.bars(credit_of(item))}

    def _find_by_name(self, target: str) -> set[str]:
        """Return the pictures with this item number, with this name or beginning of a name, or from this URL."""
        matches = set(self._names_by_url.get(url_key(target), ()))
        if target.isdecimal() and len(target) < NUMBER_DIGITS_LIMIT and int(target) < len(self._library):
            picture = self._library.item(int(target)).picture
            if picture is None:
                raise LibraryError(f"Item {target} of {printable(self._library.folder)} is a pose without a picture.")
            matches.add(picture.name)
        if len(target) >= MIN_NAME_DIGITS:
            digits, names = target.lower(), self._sorted_names
            following = (names[place] for place in range(bisect_left(names, digits), len(names)))
            matches.update(takewhile(lambda name: name.startswith(digits), following))
        return matches

    def _find_by_look(self, file: Path) -> set[str]:
        """Return the picture that is this file or was made from it; otherwise those that look like it.

        Raises PictureError if the file cannot be read as a picture.
        """
        picture = NewPicture.encode(pictures.load_picture(file, pictures.LONG_SIDE).image)
        same_file = f"{hashlib.sha256(pictures.read_bytes(file)).hexdigest()}.jpg"
        for name in (same_file, picture.name):
            if name in self.items:
                return {name}
        return {name for name, bits in self._library.fingerprints() if is_near_duplicate(bits, picture.fingerprint)}


def author_entries(author: str) -> list[BarredEntry]:
    """Return the entries that may bar an author, given by name or by the URL of a page. Raises LibraryError.

    People copy a page's URL without `https://`. It looks like some names then: A.Dupont/AFP.
    """
    text = clean_text(author) or ""
    if not text:
        raise LibraryError("An author's name is empty: give a name, or the URL of the author's page.")
    if web.is_url(text):
        return [BarredEntry("page", text)]
    name = BarredEntry("author", text)
    if " " in text or not BARE_URL.match(text):
        return [name]
    return [name, BarredEntry("page", f"https://{text}")]


def read_targets(file: Path) -> list[str]:
    """Return the pictures that a file names, one in each line, as contact sheets write it.

    Empty lines and those that begin with # say nothing. Raises SourceError if the file is missing or not UTF-8.
    """
    try:
        text = read_file(file).decode("utf-8-sig")
    except OSError as error:
        raise SourceError(f"{printable(file)} cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise SourceError(f"{printable(file)} is not UTF-8: save it so, with one picture in each line.") from error
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _is_site(entry: BarredEntry) -> bool:
    return entry.kind == "page" and is_shared_page(entry.text)


def _is_remote(name: str) -> bool:
    return web.is_url(name.strip()) and not name.strip().lower().startswith("file:")


def _exists(target: str) -> bool:
    return os.path.exists(target) or is_file(Path(target))
