"""Files that hold several images, often a thumbnail first: raw photos, and TIFF files of several pages or sizes.

The largest image that can be read is the picture. What a camera's sensor recorded cannot be read, but most raw photos
hold a JPEG of full size, too. Nothing here decodes anything.

The structure is that of TIFF 6.0 and BigTIFF; the tags of raw photos are those of TIFF/EP (ISO 12234-2) and DNG 1.7.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from index.formats import PictureError
from index.jpeg_headers import find_jpegs

MIN_PREVIEW_SIDE = 640
"""Pixels of the longer side from which an image in a file is no mere thumbnail: those of the smallest usual photo."""

MAX_PAGES: Final = 100
"""Images of a TIFF file that are looked at: more than any picture in several sizes has."""

RAW_SUFFIXES: Final = (
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".gpr", ".iiq", ".kdc", ".mef", ".mos",
    ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f",
)  # fmt: skip
"""Endings of raw photos' names. Many are TIFF files and look like any other."""

TIFF_LIKE_PREFIXES: Final = b"IIRO", b"IIRS", b"MMOR", b"IIU\0"
"""First bytes of raw photos by Olympus and Panasonic, which are TIFF files but for these bytes."""

RAW_PREFIXES: Final = (*TIFF_LIKE_PREFIXES, b"FUJIFILMCCD-RAW", b"FOVb", b"\0MRM", b"II\x1a\0\0\0HEAPCCDR")
"""First bytes of raw photos that are no TIFF files: also by Fujifilm, Sigma, Minolta and Canon."""

TIFF_PREFIXES: Final = b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"
"""First bytes of TIFF and BigTIFF files, of either order of bytes."""

KIND, WIDTH, HEIGHT, PHOTOMETRIC, ORIENTATION = 254, 256, 257, 262, 274
STRIPS, STRIP_SIZES, TILES, TILE_SIZES, CHILDREN, DNG_VERSION = 273, 279, 324, 325, 330, 50706
"""Numbers of TIFF's tags."""

WANTED_TAGS: Final = {
    KIND, WIDTH, HEIGHT, PHOTOMETRIC, ORIENTATION, STRIPS, STRIP_SIZES, TILES, TILE_SIZES, CHILDREN, DNG_VERSION
}  # fmt: skip
"""The tags that are read here."""

COLOUR_FILTERS, LINEAR_RAW = 32803, 34892
"""Values of PHOTOMETRIC: what a sensor recorded, with a colour per pixel or with all of them."""

MASK: Final = 4
"""Bit of KIND: not a picture but where another is transparent."""

TYPE_FORMATS: Final = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
"""Letters of `struct` for TIFF's types of whole numbers."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """An image in a file: its data, as a file of its own, its size, and the EXIF orientation if the data lacks it."""

    data: bytes
    width: int
    height: int
    orientation: int = 1


@dataclass(frozen=True, slots=True)
class _Page:
    """An image of a TIFF file: where its directory is, and its tags' values."""

    at: int
    tags: dict[int, tuple[int, ...]]

    def value(self, tag: int, default: int = 0) -> int:
        return self.tags.get(tag, (default,))[0]

    @property
    def size(self) -> tuple[int, int]:
        return self.value(WIDTH), self.value(HEIGHT)

    @property
    def is_mask(self) -> bool:
        return self.value(KIND) & MASK != 0

    @property
    def is_plain(self) -> bool:
        """Whether it is an image in grey, RGB or with a palette, of which the size is known."""
        return self.value(PHOTOMETRIC) in range(4) and min(self.size) > 0

    @property
    def is_sensor_data(self) -> bool:
        return self.value(PHOTOMETRIC) in (COLOUR_FILTERS, LINEAR_RAW)

    @property
    def data_range(self) -> range:
        """The bytes that hold the pixels."""
        places = self.tags.get(STRIPS) or self.tags.get(TILES) or ()
        sizes = self.tags.get(STRIP_SIZES) or self.tags.get(TILE_SIZES) or ()
        ends = [place + size for place, size in zip(places, sizes, strict=False)]
        return range(min(places), max(ends)) if ends else range(0)


def find_images(data: bytes, file: Path | str) -> Iterator[Embedded]:
    """Yield the images of a file that holds several, the largest first; none for files that hold one image.

    Those after the first are for when it cannot be decoded. Raises PictureError for a raw photo without an image that
    is large enough.
    """
    pages = list(_read_pages(data)) if data.startswith(TIFF_PREFIXES + TIFF_LIKE_PREFIXES) else []
    if _is_raw(data, file, pages):
        yield from _find_previews(data, file, pages)
    elif len(pages) > 1:
        first, *others = sorted(pages, key=lambda page: 0 if page.is_mask else _area(page.size), reverse=True)
        for page in (first, *(other for other in others if max(other.size) >= MIN_PREVIEW_SIDE)):
            yield _as_file(data, page, pages[0])


def _find_previews(data: bytes, file: Path | str, pages: list[_Page]) -> Iterator[Embedded]:
    """Yield a raw photo's images that are large enough, the largest first. Raises PictureError if there are none."""
    sensor_data = [page.data_range for page in pages if page.is_sensor_data]
    found: list[tuple[tuple[int, int], _Page | int]] = [
        ((header.width, header.height), at)
        for at, header in find_jpegs(data)
        if not any(at in pixels for pixels in sensor_data)
    ]
    found += [(page.size, page) for page in pages if page.is_plain]
    found.sort(key=lambda image: _area(image[0]), reverse=True)
    large = [image for image in found if max(image[0]) >= MIN_PREVIEW_SIDE]
    if not large:
        preview = "only a small preview of {}×{} pixels".format(*found[0][0]) if found else "no preview"
        raise PictureError(file, "raw", f"is a raw photo with {preview}: export it as JPEG from your photo program")
    for size, place in large:
        if isinstance(place, _Page):
            yield _as_file(data, place, pages[0])
        else:
            yield Embedded(data[place:], *size, _raw_orientation(data, pages))


def _raw_orientation(data: bytes, pages: list[_Page]) -> int:
    """Return the orientation of a raw photo."""
    if not pages and (at := data.find(b"CMT1")) >= 0:  # Canon's CR3 has a TIFF directory in this box
        pages = list(_read_pages(data[at + 4 : at + 4 + (1 << 16)]))
    return pages[0].value(ORIENTATION, 1) if pages else 1


def _area(size: tuple[int, int]) -> int:
    return size[0] * size[1]


def _is_raw(data: bytes, file: Path | str, pages: list[_Page]) -> bool:
    if data.startswith(RAW_PREFIXES) or data[4:12] == b"ftypcrx ":
        return True
    is_marked = any(page.is_sensor_data or DNG_VERSION in page.tags for page in pages)
    return bool(pages) and (is_marked or str(file).lower().endswith(RAW_SUFFIXES))


def _as_file(data: bytes, page: _Page, first: _Page) -> Embedded:
    """Return a TIFF file as one in which a page comes first."""
    order = "<" if data.startswith(b"I") else ">"
    if _is_big(data):
        header = data[:8] + struct.pack(order + "Q", page.at)
    else:
        header = data[:2] + struct.pack(order + "HI", 42, page.at)
    has_own = ORIENTATION in page.tags
    return Embedded(header + data[len(header) :], *page.size, 1 if has_own else first.value(ORIENTATION, 1))


def _is_big(data: bytes) -> bool:
    return data[2:4] in (b"+\0", b"\0+")


def _read_pages(data: bytes) -> Iterator[_Page]:
    """Yield the pages of a TIFF file and the pages in them. What is damaged is missing."""
    order = "<" if data.startswith(b"I") else ">"
    is_big = _is_big(data)
    waiting = [_unpack(data, order + ("Q" if is_big else "I"), 8 if is_big else 4)[:1]]
    seen: set[int] = set()
    while waiting and len(seen) < MAX_PAGES:
        places = waiting.pop(0)
        for at in places:
            if at and at not in seen and len(seen) < MAX_PAGES:
                seen.add(at)
                page, following = _read_page(data, at, order, is_big)
                yield page
                waiting += [(following,), page.tags.get(CHILDREN, ())]


def _read_page(data: bytes, at: int, order: str, is_big: bool) -> tuple[_Page, int]:
    """Return a page and the place of the next one; 0 if there is none."""
    word, entry_size = ("Q", 20) if is_big else ("I", 12)
    start = at + (8 if is_big else 2)
    count = (_unpack(data, order + ("Q" if is_big else "H"), at) or (0,))[0]
    tags: dict[int, tuple[int, ...]] = {}
    for entry in range(start, min(start + count * entry_size, len(data)), entry_size):
        tag, kind, values = _unpack(data, f"{order}HH{word}", entry) or (0, 0, 0)
        letter = TYPE_FORMATS.get(kind)
        if tag in WANTED_TAGS and letter is not None and 0 < values <= len(data):
            place = entry + (12 if is_big else 8)
            if values * struct.calcsize(letter) > struct.calcsize(word):
                place = (_unpack(data, order + word, place) or (len(data),))[0]
            tags[tag] = _unpack(data, f"{order}{values}{letter}", place) or (0,)
    following = (_unpack(data, order + word, start + count * entry_size) or (0,))[0]
    return _Page(at, tags), following


def _unpack(data: bytes, format: str, at: int) -> tuple[int, ...]:
    """Return the numbers at a place; none if the file is too short for them."""
    return struct.unpack_from(format, data, at) if at + struct.calcsize(format) <= len(data) else ()
