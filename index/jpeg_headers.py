"""What JPEG files say about themselves before they are decoded: size, memory, and whether all of it is there.

The markers are those of ITU-T T.81 (1992), annex B.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

BASELINE, EXTENDED, PROGRESSIVE = 0xC0, 0xC1, 0xC2
"""Frame markers of the kinds that decoders know. Raw photos hold others, such as lossless ones with 14 bits."""

FRAME_MARKERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Second bytes of the markers that begin a frame's header, which gives the picture's size."""

SCAN_MARKER, END_MARKER = 0xDA, 0xD9
"""Second bytes of the markers before a scan's data, and at the picture's end."""

END: Final = b"\xff\xd9"
"""What the end of a picture looks like."""

COEFFICIENTS: Final = 64
"""Coefficients of a block. A progressive picture sends them in several scans, bit by bit."""


MAX_SEGMENTS: Final = 1000
"""Parts of a header that are read: many more than colour profiles and previews take, and no endless number."""

MAX_JPEGS: Final = 10_000
"""JPEGs that are searched for in one file. Some raw photos consist of some hundred small ones."""


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """A JPEG's size, kind (the frame's marker) and components: identifier → samples across and down, in a unit."""

    width: int
    height: int
    kind: int
    components: dict[int, tuple[int, int]]
    scans_at: int

    @property
    def coefficient_bytes(self) -> int:
        """Bytes that a decoder needs at once for the coefficients: all of a progressive picture's, else none."""
        if self.kind != PROGRESSIVE:
            return 0
        sampling = self.components.values()
        unit = max(across for across, _ in sampling) * max(down for _, down in sampling)
        return 2 * sum(across * down for across, down in sampling) * self.width * self.height // unit


def read_header(data: bytes, start: int = 0) -> JpegHeader | None:
    """Return the header of the JPEG that starts at a byte; None if there is none that can be decoded to 8 bits."""
    try:
        if data[start : start + 2] != b"\xff\xd8":
            return None
        at = start + 2
        for _ in range(MAX_SEGMENTS):
            at, marker = _next_marker(data, at)
            (length,) = struct.unpack_from(">H", data, at)
            if marker in FRAME_MARKERS:
                return _read_frame(data, at, marker, at + length)
            if marker in (SCAN_MARKER, END_MARKER):
                return None
            at += length
    except (struct.error, IndexError):
        pass  # the data ends
    return None


def find_jpegs(data: bytes) -> Iterator[tuple[int, JpegHeader]]:
    """Yield the place and header of each JPEG in a file of another kind, such as the previews in a raw photo."""
    for found in islice(re.finditer(rb"\xff\xd8\xff[\xc0-\xfe]", data), MAX_JPEGS):
        header = read_header(data, found.start())
        if header is not None:
            yield found.start(), header


def has_last_scan(data: bytes, header: JpegHeader) -> bool:
    """Return whether a progressive JPEG that is cut short reaches its last scan, and so lacks only fine detail.

    That is so when scans with the last bit of every coefficient of every component have begun.
    """
    missing = {component: set(range(COEFFICIENTS)) for component in header.components}
    for found in re.finditer(rb"\xff\xda", data[header.scans_at :]):
        at = header.scans_at + found.end() + 2
        count = data[at] if at < len(data) else 0
        if at + 2 * count + 4 > len(data):
            break
        first, last, precision = data[at + 2 * count + 1 : at + 2 * count + 4]
        if precision & 15 == 0:
            for component in data[at + 1 : at + 2 * count + 1 : 2]:
                missing.get(component, set()).difference_update(range(first, last + 1))
    return not any(missing.values())


def _next_marker(data: bytes, at: int) -> tuple[int, int]:
    """Return the place after the marker here, and the marker's second byte. Raises IndexError if there is none."""
    if data[at] != 0xFF:
        raise IndexError(at)
    while data[at + 1] == 0xFF:  # fill bytes
        at += 1
    return at + 2, data[at + 1]


def _read_frame(data: bytes, at: int, marker: int, scans_at: int) -> JpegHeader | None:
    precision, height, width, count = struct.unpack_from(">BHHB", data, at + 2)
    if precision != 8 or marker not in (BASELINE, EXTENDED, PROGRESSIVE) or not (width and height and count):
        return None
    components = {}
    for place in range(at + 8, at + 8 + 3 * count, 3):
        name, sampling = data[place], data[place + 1]
        components[name] = max(1, sampling >> 4), max(1, sampling & 15)
    return JpegHeader(width, height, marker, components, scans_at)
