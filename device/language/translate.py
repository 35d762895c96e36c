"""Translating messages: a language, and its catalogue."""

from __future__ import annotations

import codecs
import io
import logging
import re
from dataclasses import dataclass
from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import Final, Literal

from babel import Locale, UnknownLocaleError
from babel.messages.catalog import Catalog
from babel.messages.catalog import Message as CatalogMessage
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po
from babel.numbers import format_decimal

from device.display.bidi import base_level
from device.language.catalogues import ENGLISH, LanguageError, find_catalogues
from device.language.message import Message
from models.text import printable

log = logging.getLogger(__name__)

LEFT_TO_RIGHT_MARK: Final = "\u200e"
RIGHT_TO_LEFT_MARK: Final = "\u200f"

FIRST_DIGITS: Final = {
    "arab": "٠", "arabext": "۰", "beng": "০", "deva": "०", "mymr": "၀", "tibt": "༠",
}  # fmt: skip
"""The zero of numbering systems that languages use. Babel knows which one does, but writes the digits 0 to 9."""


@dataclass(frozen=True, slots=True)
class Language:
    """A language that the mirror speaks, by its code: "en", "de", "pt_BR", …

    Its catalogues are read when its first message is said, so that it is a plain value, also for other processes. Call
    `load_language` to read them in advance.
    """

    code: str = ENGLISH

    @property
    def name(self) -> str:
        """The language's name in itself, such as "Deutsch"; its code, if Babel does not know it."""
        locale = _locale(self.code)
        name = locale.get_display_name() if locale else None
        return f"{name[:1].upper()}{name[1:]}" if name else self.code

    @property
    def direction(self) -> Literal["ltr", "rtl"]:
        """Whether it is read from left to right or from right to left. A layout is mirrored for the latter."""
        return _direction(self.code)

    def say(self, message: Message) -> str:
        """Return a message in this language, with its values filled in. It is English if it is not translated.

        A mark begins a sentence whose first letter runs against the language's direction: "GIF" does in Arabic. Raises
        LanguageError for a catalogue that cannot be read.
        """
        if not message.text:  # a catalogue's text for "" is its header
            return ""
        if message.plural:
            text = _translations(self.code).ngettext(message.text, message.plural, message.count)
        else:
            text = _translations(self.code).gettext(message.text)
        values = {name: self.number(value) if isinstance(value, int) else value for name, value in message.values}
        text = re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], found[0]), text)
        is_rtl = self.direction == "rtl"
        if base_level(text) == is_rtl:
            return text
        return f"{RIGHT_TO_LEFT_MARK if is_rtl else LEFT_TO_RIGHT_MARK}{text}"

    def number(self, value: int) -> str:
        """Return a number as this language writes it: 153,045 or 153.045."""
        locale = _locale(self.code) or Locale(ENGLISH)
        text = format_decimal(value, locale=locale, numbering_system="default")
        zero = FIRST_DIGITS.get(locale.default_numbering_system)
        return "".join(chr(ord(zero) + int(char)) if char.isdecimal() else char for char in text) if zero else text


def load_language(code: str) -> Language:
    """Return a language, with its catalogues read. Raises LanguageError if there are none.

    One that cannot be read is logged, and its sentences come from the next one or stay English: a slip in a maker's own
    catalogue must not stop the mirror.
    """
    language = Language(code)
    _translations(code)
    language.number(1)  # Babel reads how numbers are written when it writes the first one
    return language


@lru_cache(maxsize=8)
def _translations(code: str) -> NullTranslations:
    """Return a language's catalogues as one, which takes each message from the first of them that has it."""
    first = NullTranslations()
    for file in find_catalogues(code):
        try:
            first.add_fallback(read_catalogue(file))
        except LanguageError as error:
            log.warning("%s", error)
    return first


@lru_cache(maxsize=8)
def _locale(code: str) -> Locale | None:
    """Return what Babel knows of a language; None for one that it does not know."""
    try:
        return Locale.parse(code.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        return None


@lru_cache(maxsize=8)
def _direction(code: str) -> Literal["ltr", "rtl"]:
    locale = _locale(code)
    return "rtl" if locale is not None and locale.text_direction == "rtl" else "ltr"


def read_catalogue(file: Path) -> NullTranslations:
    """Return a catalogue's translations, without those marked as fuzzy. Raises LanguageError for a bad file."""
    catalogue, compiled = parse_catalogue(file), io.BytesIO()
    try:
        write_mo(compiled, catalogue)
        compiled.seek(0)
        return GNUTranslations(compiled)
    except (ValueError, LookupError, ArithmeticError) as error:
        raise _bad_catalogue(file, error) from error


def parse_catalogue(file: Path) -> Catalog:
    """Return the messages of a catalogue or a template. Raises LanguageError for a bad file."""
    try:
        content = file.read_bytes().removeprefix(codecs.BOM_UTF8)  # which Windows' editors write
        return read_po(io.BytesIO(content), abort_invalid=True)
    except OSError as error:
        raise LanguageError(f"{printable(file)} cannot be read: {error.strerror}.") from error
    except (PoFileError, ValueError, LookupError) as error:
        raise _bad_catalogue(file, error) from error


def translations_of(message: CatalogMessage) -> tuple[str, ...]:
    """Return the translation of a catalogue's message, or that for each of the language's plural forms."""
    text = message.string
    return (text,) if isinstance(text, str) else tuple(text or ())


def is_translated(message: CatalogMessage) -> bool:
    """Return whether a message of a catalogue has a translation that is used: complete, and not marked as fuzzy."""
    texts = translations_of(message)
    return all(texts) and bool(texts) and not message.fuzzy


def _bad_catalogue(file: Path, error: Exception) -> LanguageError:
    return LanguageError(
        f"{printable(file)} is not a catalogue of translations ({printable(str(error))}): `msgfmt --check` says more."
    )
