"""The system's font files, and which characters each can draw.

The files are read directly: fontconfig knows the same, but a kiosk has no need of it otherwise, and often lacks it.
"""

from __future__ import annotations

import mmap
import os
import struct
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final

import numpy as np

from models.home import home

SYSTEM_FOLDERS: Final = (Path("/usr/local/share/fonts"), Path("/usr/share/fonts"))
"""Where packages and administrators put fonts."""

SUFFIXES: Final = (".ttf", ".otf", ".ttc", ".otc")

UNWANTED_STYLES: Final = (
    "Serif", "Mono", "Italic", "Oblique", "Light", "Thin", "Condensed", "Math", "Kufi", "Rashi", "Looped", "Nastaliq",
    "Black", "Medium", "Semi", "Extra", "Narrow", "Emoji",
)  # fmt: skip
"""Words in a font file's name that move it down the list: a plain sans-serif looks best next to the bundled font."""

CMAP_FORMATS: Final = {(3, 10): 2, (0, 6): 2, (0, 4): 2, (3, 1): 1, (0, 3): 1, (0, 2): 1, (0, 1): 1, (0, 0): 1}
"""Platform and encoding of the tables by Unicode, and which is better: some have only the first 65,536 characters."""

Ranges = list[tuple[int, int]]
"""First and last code points, ascending."""


class FontFile:
    """A font file; its characters are read when the first one is asked for."""

    def __init__(self, path: str) -> None:
        self.path = path

    def has(self, character: str) -> bool:
        """Whether the font can draw the character; False for a damaged file."""
        starts, ends = self._ranges
        index = bisect_right(starts, ord(character)) - 1
        return index >= 0 and ord(character) <= ends[index]

    @cached_property
    def _ranges(self) -> tuple[list[int], list[int]]:
        ranges: Ranges = []
        with (
            suppress(OSError, ValueError, IndexError, struct.error),
            open(self.path, "rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            ranges = read_characters(data)
        return [first for first, _ in ranges], [last for _, last in ranges]


@lru_cache(maxsize=1)
def system_fonts() -> tuple[FontFile, ...]:
    """Return the system's outline fonts, plain sans-serifs first. Takes some milliseconds."""
    paths = (path for folder in _font_folders() for path in _font_paths(folder))
    # colour emojis are pictures of one size
    return tuple(FontFile(path) for path in sorted(set(paths), key=_rank) if "ColorEmoji" not in path)


def _font_folders() -> Iterator[Path]:
    own = home()
    data = os.environ.get("XDG_DATA_HOME")
    if data:
        yield Path(data, "fonts")
    elif own:
        yield own / ".local/share/fonts"
    if own:
        yield own / ".fonts"
    yield from SYSTEM_FOLDERS


def _font_paths(folder: Path) -> Iterator[str]:
    for parent, _, names in os.walk(folder):
        for name in names:
            if name.lower().endswith(SUFFIXES):
                yield os.path.join(parent, name)


def _rank(path: str) -> tuple[int, bool, bool, bool, str]:
    """Return a sort key: no unwanted style, then Noto Sans, which covers most scripts in one look, then bold ones."""
    name = Path(path).name
    unwanted = sum(word in name for word in UNWANTED_STYLES)
    return unwanted, "NotoSans" not in name, "Noto" not in name, "Bold" not in name, name


def read_characters(data: bytes | mmap.mmap) -> Ranges:
    """Return the characters in a TrueType or OpenType file's cmap; of a collection, in that of its first font.

    Raises ValueError or struct.error for a damaged file. Source: the OpenType specification, "cmap".
    """
    font = struct.unpack_from(">I", data, 12)[0] if data[:4] == b"ttcf" else 0
    (table_count,) = struct.unpack_from(">H", data, font + 4)
    tables = (struct.unpack_from(">4sIII", data, font + 12 + 16 * number) for number in range(table_count))
    cmap = next((offset for tag, _, offset, _ in tables if tag == b"cmap"), None)
    if cmap is None:
        raise ValueError("the font has no cmap")
    (count,) = struct.unpack_from(">H", data, cmap + 2)
    encodings = [struct.unpack_from(">HHI", data, cmap + 4 + 8 * number) for number in range(count)]
    best = max(encodings, key=lambda encoding: CMAP_FORMATS.get(encoding[:2], 0), default=(0, 0, 0))
    if best[:2] not in CMAP_FORMATS:
        return []  # a font of symbols that have no code points
    table = cmap + best[2]
    (format_,) = struct.unpack_from(">H", data, table)
    if format_ == 4:
        return _read_segments(data, table)
    if format_ == 12:
        return _read_groups(data, table)
    return []


def _read_segments(data: bytes | mmap.mmap, table: int) -> Ranges:
    """Read a cmap of format 4: segments of 16-bit characters, some with a list of glyphs in which 0 is "none"."""
    length, _, double_count = struct.unpack_from(">HHH", data, table + 2)
    count = double_count // 2
    words = np.frombuffer(data, ">u2", (min(table + length, len(data)) - table) // 2, table).astype(int)
    ends, starts = words[7 : 7 + count], words[8 + count : 8 + 2 * count]
    offsets_at = 8 + 3 * count
    ranges: Ranges = []
    for number, (first, last) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        offset = int(words[offsets_at + number])
        if first == 0xFFFF:
            continue
        if offset in (0, 0xFFFF):
            ranges.append((first, last))
            continue
        glyphs_at = offsets_at + number + offset // 2
        present = np.flatnonzero(words[glyphs_at : glyphs_at + last - first + 1])
        for run in np.split(present, np.flatnonzero(np.diff(present) > 1) + 1):
            if run.size:
                ranges.append((first + int(run[0]), first + int(run[-1])))
    return sorted(ranges)


def _read_groups(data: bytes | mmap.mmap, table: int) -> Ranges:
    """Read a cmap of format 12: groups of 32-bit characters with consecutive glyphs."""
    (count,) = struct.unpack_from(">I", data, table + 12)
    groups = np.frombuffer(data, ">u4", count * 3, table + 16).reshape(-1, 3).astype(int).tolist()
    return sorted((first + (glyph == 0), last) for first, last, glyph in groups)
