"""Values as text for people: file names, durations and counts."""

from __future__ import annotations

import os
import shlex
from pathlib import Path


def printable(name: Path | str) -> str:
    """Return a file's name with unprintable characters replaced: a name may hold any bytes, even line breaks."""
    return "".join(c if c.isprintable() else "�" for c in str(name))


def shell_word(name: Path | str) -> str:
    """Return a file's name as one word for a shell, such as `'my photos'`, in characters that can be printed."""
    text = str(name)
    if text.isprintable():
        return shlex.quote(text)
    characters = (
        chr(byte) if 32 <= byte < 127 and byte not in b"'\\" else f"\\{byte:03o}" for byte in os.fsencode(text)
    )
    return f"$'{''.join(characters)}'"


def format_duration(seconds: float) -> str:
    """Return a duration in words: 40 s, 25 min, 2 h 10 min."""
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def format_people(count: int) -> str:
    """Return a number of people: 1 person, 1,642 people."""
    return "1 person" if count == 1 else f"{count:,} people"


def format_pictures(count: int) -> str:
    """Return a number of pictures: 1 picture, 1,600 pictures."""
    return "1 picture" if count == 1 else f"{count:,} pictures"


def format_photographs(count: int) -> str:
    """Return a number of photographs: 1 photograph, 25,000 photographs."""
    return "1 photograph" if count == 1 else f"{count:,} photographs"
