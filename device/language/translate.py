"""Translating messages: a language, and its catalogue."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import Final, Literal

from babel import Locale, UnknownLocaleError
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po
from babel.numbers import format_decimal

from device.display.bidi import base_level
from device.language.catalogues import ENGLISH, LanguageError, find_catalogues
from device.language.message import Message
from models.text import printable

LEFT_TO_RIGHT_MARK: Final = "\u200e"
RIGHT_TO_LEFT_MARK: Final = "\u200f"

FIRST_DIGITS: Final = {
    "arab": "٠", "arabext": "۰", "beng": "০", "deva": "०", "mymr": "၀", "tibt": "༠",
}  # fmt: skip
"""The zero of numbering systems that languages use. Babel knows which one does, but writes the digits 0 to 9."""


@dataclass(frozen=True, slots=True)
class Language:
    """A language that the mirror speaks; without arguments, English.

    `code` is "en", "de", "pt_BR", … `direction` tells whether it is read from left to right or from right to left: a
    layout is mirrored for the latter.
    """

    code: str = ENGLISH
    direction: Literal["ltr", "rtl"] = "ltr"
    _catalogue: NullTranslations = field(default_factory=NullTranslations, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The language's name in itself, such as "Deutsch"; its code, if Babel does not know it."""
        locale = _locale(self.code)
        name = locale.get_display_name() if locale else None
        return f"{name[:1].upper()}{name[1:]}" if name else self.code

    def say(self, message: Message) -> str:
        """Return a message in this language, with its values filled in. It is English if it is not translated.

        A mark begins a sentence whose first letter runs against the language's direction: "GIF" does in Arabic.
        """
        if not message.text:  # a catalogue's text for "" is its header
            return ""
        if message.plural:
            text = self._catalogue.ngettext(message.text, message.plural, message.count)
        else:
            text = self._catalogue.gettext(message.text)
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
    """Return a language with its catalogues. Raises LanguageError if there is none, or it cannot be read."""
    files = find_catalogues(code)
    locale = _locale(code)
    is_rtl = locale is not None and locale.text_direction == "rtl"
    return Language(code, "rtl" if is_rtl else "ltr", _chain(map(read_catalogue, files)))


def read_catalogue(file: Path) -> NullTranslations:
    """Return a catalogue's translations, without those marked as fuzzy. Raises LanguageError for a bad file."""
    try:
        with file.open("rb") as opened:
            catalogue = read_po(opened, abort_invalid=True)
        compiled = io.BytesIO()
        write_mo(compiled, catalogue)
        compiled.seek(0)
        return GNUTranslations(compiled)
    except OSError as error:
        raise LanguageError(f"{printable(file)} cannot be read: {error.strerror}.") from error
    except (PoFileError, ValueError, LookupError, AttributeError) as error:
        raise LanguageError(
            f"{printable(file)} is not a catalogue of translations ({printable(error)}): `msgfmt --check` says more."
        ) from error


def _chain(catalogues: Iterable[NullTranslations]) -> NullTranslations:
    """Return catalogues as one, which takes each message from the first of them that has it."""
    first = NullTranslations()
    for catalogue in catalogues:
        first.add_fallback(catalogue)
    return first


def _locale(code: str) -> Locale | None:
    """Return what Babel knows of a language; None for one that it does not know. Babel keeps what it has read."""
    try:
        return Locale.parse(code.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        return None
