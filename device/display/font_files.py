"""The system's font files, and which characters each can draw.

The folders are searched directly: fontconfig knows the same, but a kiosk has no need of it otherwise, and often lacks
it. HarfBuzz reads the files: it is made for damaged ones, and needs 0.1 s for all of fonts-noto-core on a PC, where
fontTools needs 2 s. pygame cannot tell a missing character from the box that is drawn for it.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final

import uharfbuzz

from models.home import home

SYSTEM_FOLDERS: Final = (Path("/usr/local/share/fonts"), Path("/usr/share/fonts"))
"""Where packages and administrators put fonts."""

SUFFIXES: Final = (".ttf", ".otf", ".ttc", ".otc")

UNWANTED_STYLES: Final = (
    "Serif", "Mono", "Italic", "Oblique", "Light", "Thin", "Condensed", "Math", "Kufi", "Rashi", "Looped", "Nastaliq",
    "Black", "Medium", "Semi", "Extra", "Narrow", "Emoji",
)  # fmt: skip
"""Words in a font file's name that move it down the list: a plain sans-serif looks best next to the bundled font."""


class FontFile:
    """A font file; its characters are read when the first one is asked for."""

    def __init__(self, path: str) -> None:
        self.path = path

    def has(self, character: str) -> bool:
        """Whether the font can draw the character; False for a damaged file."""
        return ord(character) in self._code_points

    @cached_property
    def _code_points(self) -> Collection[int]:
        """The font's code points; of a collection, those of its first font, which is the one that pygame opens."""
        with suppress(uharfbuzz.HarfBuzzError):
            code_points: Collection[int] = uharfbuzz.Face(uharfbuzz.Blob.from_file_path(self.path)).unicodes
            return code_points
        return ()


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
