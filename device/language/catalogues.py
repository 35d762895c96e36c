"""Which languages there are: the catalogues that come with the program, and the maker's own.

A catalogue is a file of translations in gettext's format (.po). A maker's own catalogues are in a folder next to the
libraries; what one of them lacks is taken from the catalogue that comes with the program.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from device import folders
from models.home import PathError

SHIPPED_FOLDER: Final = Path(__file__).parents[1] / "locale"
DOMAIN: Final = "pose-mirror"

TEMPLATE: Final = SHIPPED_FOLDER / f"{DOMAIN}.pot"
"""All messages of the code, which `make messages` writes: the start of a new translation."""

ENGLISH: Final = "en"
"""The language of the messages in the code, which needs no catalogue."""

CODE: Final = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")
"""A language's code, with a script or a country if it has one: de, de_AT, zh-Hant."""


class LanguageError(ValueError):
    """A language cannot be used. The message is a sentence that says why, and what to do."""


def parse_codes(text: str) -> tuple[str, ...]:
    """Return the codes of the languages in a setting such as "de en". Raises LanguageError if one cannot be spoken."""
    codes = tuple(dict.fromkeys(text.replace(",", " ").split()))
    if not codes:
        raise LanguageError('a language is missing: write a code such as "en", or several such as "de en"')
    for code in codes:
        find_catalogues(code)
    return codes


def find_catalogues(code: str) -> list[Path]:
    """Return the catalogues of a language, best first: its own before its language's without the country.

    Empty for English without a catalogue of the maker's own. Raises LanguageError for a language without any.
    """
    names = list(_names(code)) if CODE.fullmatch(code) else []
    known = [_by_name(own_catalogues()), _by_name(shipped_catalogues())]
    files = [catalogues[name] for name in names for catalogues in known if name in catalogues]
    if files or ENGLISH in names:
        return files
    codes = ", ".join(available_codes())
    raise LanguageError(
        f"there is no language {code[:20]!r}: use {codes}, or put a translation of your own into {own_folder()}"
    )


def available_codes() -> list[str]:
    """Return the codes of all languages that can be spoken, in alphabetical order."""
    return sorted({ENGLISH, *shipped_catalogues(), *own_catalogues()})


def shipped_catalogues() -> dict[str, Path]:
    """Return the catalogues that come with the program, by their languages' codes."""
    return {file.parents[1].name: file for file in SHIPPED_FOLDER.glob(f"*/LC_MESSAGES/{DOMAIN}.po")}


def own_catalogues() -> dict[str, Path]:
    """Return the maker's own catalogues, by their languages' codes. Files of other names do not count."""
    folder = own_folder()
    files = folder.glob("*.po") if folder else ()
    return {file.stem: file for file in files if CODE.fullmatch(file.stem)}


def own_folder() -> Path | None:
    """Return the folder for the maker's own catalogues, which need not exist; None for a user without any folder."""
    with suppress(PathError):
        return folders.language_folder()
    return None


def _names(code: str) -> Iterator[str]:
    """Yield a code as files may be named for it: all of it, and then without its last parts."""
    parts = code.replace("-", "_").lower().split("_")
    for stop in range(len(parts), 0, -1):
        yield "_".join(parts[:stop])


def _by_name(catalogues: dict[str, Path]) -> dict[str, Path]:
    return {next(_names(code)): file for code, file in catalogues.items()}
