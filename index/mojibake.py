"""Text whose encoding nobody wrote down: decode it, and repair UTF-8 that a program took for Windows' Western encoding.

Such text reads “JosÃ©” instead of “José”. A repair must never change text that is right, such as the Portuguese
“AMANHÃ…” or the Czech “PÍŠE”, although both can be read as damaged text, too.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import groupby
from typing import Final

MAX_ROUNDS: Final = 3
"""Times that one text is repaired: some texts went through several such programs."""

BYTE_BY_CHARACTER: Final = {bytes([byte]).decode("cp1252", "ignore"): byte for byte in range(0x80, 0xA0)}
"""Bytes that Windows shows as letters and punctuation where Latin-1 has none. Five bytes are characters of neither."""

NATURAL_FOLLOWERS: Final = frozenset("’”…–—›»™®\N{NO-BREAK SPACE}ŠŽªº·´")
"""Characters that follow a letter in ordinary text, and so are no sign of damage."""

LETTERS_OF_CONTROLS: Final = frozenset("ŒœŠšŽžŸ")
"""Letters that Windows shows for bytes of control characters, such as “Ÿ”. After an “Â” they are letters, too: the two
would be a control character, which no text has."""

RARE_ACCENT: Final = re.compile("[\u0310-\u0326\u0329-\u036f]")
"""Combining accents that no language writes. Common ones are in names that a Mac wrote."""

SEQUENCE: Final = re.compile("[\xc2-\xf4][^\x00-\x7f]{1,3}")
"""A letter that begins a damaged character, and what remains of the character's other bytes."""


def decode(data: bytes) -> str:
    """Return text of an unknown encoding: UTF-8 where it can be, with its damage repaired, else Windows' Western.

    A last character that was cut off in its middle, as by a field of limited length, is dropped.
    """
    data = data.rstrip(b"\0")
    try:
        return repair(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        whole = data[: error.start]
        if error.reason == "unexpected end of data" and not whole.isascii():
            return repair(whole.decode("utf-8-sig"))
    return "".join(bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in data)


def repair(text: str) -> str:
    """Return the text without such damage. Text that may be right stays as it is."""
    for _ in range(MAX_ROUNDS):
        repaired = _undo(text)
        if repaired is None or not _is_damaged(text) or not _is_readable(repaired):
            break
        text = repaired
    return text


def _undo(text: str) -> str | None:
    """Return the text that this one is if a program read its UTF-8 in the wrong way; None if it cannot be."""
    if text.isascii():
        return None
    try:
        data = bytes(BYTE_BY_CHARACTER.get(character, ord(character)) for character in text)
        return data.decode("utf-8")
    except ValueError:  # a character that is no byte, or bytes that are not UTF-8
        return None


def _is_damaged(text: str) -> bool:
    """Return whether some of it cannot be ordinary text: an “Ã” after a small letter, or a “©” after a letter."""
    for match in SEQUENCE.finditer(text):
        first, rest = match[0][0], match[0][1:]
        if first == "Â" and rest[0] in LETTERS_OF_CONTROLS:
            continue
        if not NATURAL_FOLLOWERS.issuperset(rest):
            return True
        before = text[match.start() - 1 : match.start()]
        if first == "Ã" and not before.isupper():
            return True
    return False


def _is_readable(text: str) -> bool:
    """Return whether each word is in one script, as the words of people are, without rare accents."""
    words = ("".join(letters) for is_word, letters in groupby(text, str.isalpha) if is_word)
    return not RARE_ACCENT.search(text) and all(len(set(map(_script, word))) == 1 for word in words)


def _script(letter: str) -> str:
    """Return a letter's script; Japanese mixes several, which count as one."""
    if letter < "\u0180" or letter == "ˆ":  # the latter is one of the characters that damaged text is made of
        return "LATIN"
    name = unicodedata.name(letter, "RARE").split()[0]
    return "CJK" if name in ("HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "IDEOGRAPHIC") else name
