"""Find files by names that another system wrote: with other letter case, accents, separators or folders.

Windows and macOS ignore letter case, and macOS may store “é” as two characters. A table or a file of labels from there
names files that Linux knows under a slightly other name, or in folders that only the other computer has.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from index import archives
from index.build.photo import is_file

MAX_PATH_LENGTH: Final = 4096
"""Characters of a path: Linux opens no longer ones."""

MAX_FOLDERS: Final = 10
"""How many of the last folders of a path from another computer are looked for here."""


class AlikeNames:
    """The names in a folder or an archive, found by any spelling that other systems take for the same."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)
        self._by_folded: dict[str, list[str]] | None = None

    def find(self, name: str) -> str | None:
        """Return the name that is exactly this one, or else the only one that is alike; None if there are several."""
        if name in self._names:
            return name
        if self._by_folded is None:  # most folders never need it
            self._by_folded = {}
            for candidate in self._names:
                self._by_folded.setdefault(fold_name(candidate), []).append(candidate)
        alike = self._by_folded.get(fold_name(name), [])
        if len(alike) > 1:
            composed = unicodedata.normalize("NFC", name)
            alike = [candidate for candidate in alike if unicodedata.normalize("NFC", candidate) == composed]
        return alike[0] if len(alike) == 1 else None


class FileFinder:
    """Finds files by the names that tables, files of labels and people give them.

    It lists each folder once, however many files are looked for in it, because network folders are slow. So it is made
    for one table or file of labels, and does not notice files that come later.
    """

    def __init__(self) -> None:
        self._folders: dict[Path, Path | None] = {}
        self._listings: dict[Path, _Listing | None] = {}

    def find(self, folder: Path, name: str) -> Path | None:
        """Return the file that a path or file:// URL means, seen from a folder; None if none or several may be meant.

        The exact path wins. Otherwise backslashes, percent escapes, letter case and Unicode forms do not matter, and a
        path in folders that are not here leads to the file with most of its last folders.
        """
        return self._find(folder, name).file

    def find_there(self, folder: Path, name: str) -> Path | None:
        """Return the file that a path or file:// URL means as `find` does, but in no other folder than it says."""
        found = self._find(folder, name)
        return None if found.is_moved else found.file

    def find_all(self, folder: Path, names: Sequence[str]) -> list[Path | None]:
        """Return the file of each name as `find` does.

        A file in another folder than its name says is left out if another name means it, too: `2019/1.jpg` and
        `2020/1.jpg` cannot both be the `1.jpg` that is here.
        """
        found = [self._find(folder, name) for name in names]
        counts = Counter(file for _, file in {(name, each.file) for name, each in zip(names, found, strict=True)})
        return [None if each.is_moved and counts[each.file] > 1 else each.file for each in found]

    def find_folder(self, folder: Path) -> Path | None:
        """Return the folder at a path, or the only one at a path that is alike."""
        if folder not in self._folders:
            self._folders[folder] = self._walk(folder)
        return self._folders[folder]

    def _find(self, folder: Path, name: str) -> _Found:
        if len(name) > MAX_PATH_LENGTH or not name.strip():
            return _Found(None)
        readings = list(dict.fromkeys(_readings(name)))
        for path in readings:
            if (file := self._find_path(folder / path)) is not None:
                return _Found(file)
        for path in readings:
            parts = [part for part in re.sub(r"^[A-Za-z]:", "", path).split("/") if part not in ("", ".", "..")]
            is_literal = path == "/".join(parts)  # then the first of them was looked for above
            for start in range(max(is_literal, len(parts) - MAX_FOLDERS), len(parts)):
                file = self._find_path(folder.joinpath(*parts[start:]))
                if file is not None:
                    return _Found(file, is_moved=True)
        return _Found(None)

    def _find_path(self, path: Path) -> Path | None:
        """Return the file at a path, or the only one at a path that is alike."""
        parent = self.find_folder(path.parent)
        if parent is None:
            return None
        listing = self._list(parent)
        if listing is None:  # a folder may be open to those who know the names in it
            return path if is_file(path) else None
        match = listing.files.find(path.name)
        return None if match is None else parent / match

    def _walk(self, folder: Path) -> Path | None:
        """Return a folder, or the only one that is alike, going down from the deepest folder or archive on disk."""
        missing: list[str] = []
        while not (os.path.isdir(folder) or (archives.is_archive(folder) and os.path.isfile(folder))):
            if folder.parent == folder:
                return None
            missing.append(folder.name)
            folder = folder.parent
        for name in reversed(missing):
            listing = self._list(folder)
            match = None if listing is None else listing.folders.find(name)
            if match is None:
                return None
            folder /= match
        return folder

    def _list(self, folder: Path) -> _Listing | None:
        """Return the names in a folder; None if it cannot be listed."""
        if folder not in self._listings:
            files: list[str] = []
            folders: list[str] = []
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        with suppress(OSError):  # a link that leads in a circle
                            if entry.is_file():
                                files.append(entry.name)
                            elif entry.is_dir():
                                folders.append(entry.name)
                self._listings[folder] = _Listing(AlikeNames(files), AlikeNames(folders))
            except OSError:
                inside = archives.list_folder(folder)
                self._listings[folder] = None if inside is None else _Listing(*map(AlikeNames, inside))
        return self._listings[folder]


class _Found(NamedTuple):
    """The file that a name means, and whether it is in another folder than the name says."""

    file: Path | None
    is_moved: bool = False


class _Listing(NamedTuple):
    """The names of a folder's files, and of the folders in it."""

    files: AlikeNames
    folders: AlikeNames


def fold_name(name: str) -> str:
    """Return a name in a form that is the same for all spellings of it: letter case, Unicode forms, blanks."""
    if not name.isascii():
        name = _decode(name)
        name = "".join(" " if c.isspace() else c for c in name if unicodedata.category(c) != "Cf")
        name = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
    return name.casefold().lstrip().rstrip(" .\t")


def is_windows_path(name: str) -> bool:
    r"""Return whether a path begins with a drive or a server, as in `C:\Photos` and `\\server\Photos`."""
    return re.match(r"[A-Za-z]:[\\/]|\\\\", name) is not None


def base_name(name: str) -> str:
    """Return the last part of a path or URL of any system."""
    return re.split(r"[/\\]", name.rstrip("/\\ "))[-1]


def _decode(name: str) -> str:
    """Return a file's name with bytes that are not UTF-8 read as Windows and old cameras write them."""
    try:
        name.encode()
        return name
    except UnicodeEncodeError:
        pass
    try:
        return os.fsencode(name).decode("cp1252")
    except UnicodeDecodeError:
        return os.fsencode(name).decode("latin-1")
    except UnicodeEncodeError:  # a lone surrogate that is no byte: no file has it
        return name


def _readings(name: str) -> Iterator[str]:
    """Yield the paths that a name may mean, the most literal first."""
    url = re.match(r"file:/*(?=/)(?:/localhost(?=/))?", name, re.IGNORECASE)
    if url is not None:
        path = name[url.end() :]
        yield from _plain_readings(re.sub(r"^/(?=[A-Za-z]:)", "", _unquote(path)))
        return
    yield name
    yield from _plain_readings(name.strip())
    if "%" in name:
        yield from _plain_readings(_unquote(name.strip()))


def _plain_readings(name: str) -> Iterator[str]:
    yield name
    if name.startswith("~"):
        yield os.path.expanduser(name)
    if "\\" in name:
        yield name.removeprefix("\\\\?\\").replace("\\", "/")


def _unquote(text: str) -> str:
    """Return text without percent escapes, which may stand for bytes that are not UTF-8."""
    try:
        return os.fsdecode(unquote_to_bytes(text))
    except UnicodeEncodeError:  # a lone surrogate
        return text
