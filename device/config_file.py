"""A configuration's file: read it, and explain what is wrong with it."""

from __future__ import annotations

import codecs
import difflib
import re
import tomllib
from collections.abc import Mapping
from datetime import date, time
from pathlib import Path
from typing import Any, Final

from models.permissions import explain_refusal
from models.text import printable

MAX_FILE_BYTES: Final = 1_000_000
"""Bytes of a configuration at most: many times what anybody writes, but a device such as /dev/zero never ends."""

MAX_VALUE_LENGTH: Final = 80
"""Characters of a value that an error message quotes, so that it stays one short sentence."""


class ConfigError(ValueError):
    """A configuration cannot be used. The message names the file, the section, the key and what is allowed."""


def read_toml(file: Path) -> dict[str, Any]:
    text = _read_text(file)
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # RecursionError: lists nested a thousand deep
        raise ConfigError(f"{printable(file)}: is not TOML: {_explain(error, text)}") from error


def _read_text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_FILE_BYTES + 1)
    except IsADirectoryError as error:
        raise ConfigError(f"{printable(file)}: is a folder: name the file in it") from error
    except OSError as error:
        refusal = explain_refusal(file) or f"cannot be read: {error.strerror}"
        raise ConfigError(f"{printable(file)}: {refusal}") from error
    if len(content) > MAX_FILE_BYTES:
        raise ConfigError(f"{printable(file)}: is larger than a configuration can be ({MAX_FILE_BYTES / 1e6:g} MB)")
    try:
        # Windows' editors put a byte-order mark before the text
        text = content.removeprefix(codecs.BOM_UTF8).decode().replace("\r\n", "\n")
        return f"{text}\n"  # else an error in a last line without an end names no line
    except UnicodeDecodeError as error:
        is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        kind = "UTF-16 text" if is_utf16 else f"not UTF-8 text (byte {error.start})"
        raise ConfigError(f"{printable(file)}: is {kind}: save it as UTF-8") from error


def _explain(error: Exception, text: str) -> str:
    """Return what is wrong with a text that is not TOML: the parser's words, and the remedy for a common mistake."""
    message = f"{error!s:.200}"
    found = re.search(r"\(at line (\d+), column \d+\)$", message)
    place = text.split("\n")[int(found[1]) - 1] if found else text
    line = re.sub("#.*", "", place)
    for pattern, remedy in COMMON_MISTAKES:
        if re.search(pattern, f"{message}\n{line}"):
            return f"{message}: {remedy}"
    return message


COMMON_MISTAKES: Final = (
    ("[\u00a0\u2000-\u200d\u202f\u2060\u3000\ufeff]", "a blank there is not a plain one: type the line again"),
    ("[−–—]", "write a plain minus, -"),
    ("[“”„‟‘’‚‛«»″′]", 'write straight quotation marks, "like this"'),
    ("^Cannot overwrite a value", "this key stands there twice: delete one of the two lines"),
    ("^Cannot declare .* twice", "this section stands there twice: put its keys below the first"),
    (r"^Unescaped '\\'|^Invalid (hex|escape)|not a Unicode", r"write / instead of \ in a path"),
    (r"^Expected newline.*\n[^=]*=\s*\d+,\d", "write a decimal point, not a comma"),
    (r"^Invalid value.*\n[^=]*=\s*(True|False|yes|no|on|off)\b", "write true or false"),
    (r"^Invalid value.*\n[^=]*=\s*[^\s\d\"'\[{+-]", "write text in quotation marks"),
)
"""Mistakes that people make in a TOML file: a pattern for the parser's message and the line below it, and a remedy."""


def short_repr(value: object) -> str:
    """Quote a value or a name for an error message, shortened to MAX_VALUE_LENGTH."""
    try:
        text = str(value).lower() if isinstance(value, (bool, date, time)) else repr(value)  # as TOML writes them
    except ValueError:  # Python refuses to print an integer of more than 4300 digits
        return "a number of thousands of digits"
    return text if len(text) <= MAX_VALUE_LENGTH else f"{text[:MAX_VALUE_LENGTH]}…"


def suggest_name(name: str, known: Mapping[str, object]) -> str:
    """Return the end of an error message about an unknown name: the nearest known name, or else all of them."""
    similar = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {similar[0]!r}?" if similar else f"; there are {', '.join(known)}"
