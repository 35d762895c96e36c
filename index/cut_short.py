"""Pictures whose file ends too early: let a decoder finish, and tell how much is missing.

A copy that was interrupted shortly before its end lacks a few bytes, and every viewer shows it. One that lacks more is
grey or black below, and nobody wants to see that.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from index.formats import PREFIX_LENGTH, identify_format
from index.jpeg_headers import END, has_last_scan, read_header
from models.pose import Image

MAX_MISSING_SHARE = 0.05
"""Share of a picture's area that may be missing: a strip at the bottom, which is filled with the row above it."""

PADDING_SHARE = 0.02
"""Share of a file's length that may be missing of formats other than JPEG and PNG. Zeros in its place are noise."""

CUT_GREY: Final = 128
"""What the JPEG decoder puts in place of pixels that are missing, in all colours."""

EDGE_WIDTH: Final = 4
"""Pixels at the right edge that show whether a row is missing, because the decoder goes from left to right."""

PNG_SIGNATURE_LENGTH: Final = 8
"""Bytes before a PNG's first chunk."""

CHANNELS_BY_COLOUR_TYPE: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Numbers per pixel of PNG's colour types (ISO 15948, 6.1)."""

MAX_PNG_BYTES: Final = 500_000_000
"""Size of a PNG's pixels up to which it is completed: those of the largest picture that is read, with 16 bits."""

LIKE_ABOVE: Final = b"\x02"
"""PNG's filter after which a row of zeros is like the row above it (ISO 15948, 9.2)."""

REMEDY: Final = "copy it again from the original"
"""What to do about a picture that is cut short."""


class CutShortError(ValueError):
    """A noticeable part of a picture is missing: the end of a sentence."""


def complete(data: bytes) -> bytes | None:
    """Return a file that may be cut short with an end that a decoder accepts; None if its format is not known.

    A JPEG has to be checked with `fill_missing_rows` after it is decoded. Raises CutShortError if too much of a PNG is
    missing.
    """
    name = identify_format(data[:PREFIX_LENGTH])
    if name is None:
        return None
    if name == "JPEG":
        return data + END
    if name == "PNG":
        return _complete_png(data)
    return data + bytes(max(1, int(len(data) * PADDING_SHARE)))


def fill_missing_rows(opened: Pillow.Image, data: bytes) -> None:
    """Fill what is missing at the bottom of a loaded JPEG with the row above; `data` is its file.

    Raises CutShortError if it is too much.
    """
    header = read_header(data)
    if header is not None and header.coefficient_bytes and not has_last_scan(data, header):
        raise CutShortError(f"is cut short, and most detail is missing: {REMEDY}")
    width, height = opened.size
    edge = np.asarray(opened.crop((max(0, width - EDGE_WIDTH), 0, width, height)))
    top = int(np.flatnonzero(~_is_grey(edge).all(1)).max(initial=-1)) + 1
    if top == height:
        return
    _check_share(int(_is_grey(np.asarray(opened.crop((0, top, width, height)))).sum()) / (width * height))
    last = max(0, top - 2)  # the decoder blends the colours of the very last row with the grey below it
    opened.paste(opened.crop((0, last, width, last + 1)).resize((width, height - top)), (0, top))


def _check_share(missing: float) -> None:
    if missing > MAX_MISSING_SHARE:
        raise CutShortError(f"is cut short, and the lower {max(1, round(100 * missing))} % of it is missing: {REMEDY}")


def _is_grey(pixels: Image) -> npt.NDArray[np.bool_]:
    """Return which pixels (H×W or H×W×C) are as those that are missing."""
    grey = np.abs(pixels.astype(np.int16) - CUT_GREY) <= 1
    return np.asarray(grey if grey.ndim == 2 else grey.all(2))


def _complete_png(data: bytes) -> bytes | None:
    """Return a PNG whose missing rows are like the last one; None if they cannot be added. Raises CutShortError."""
    head, packed = _split_png(data)
    if len(head) < PNG_SIGNATURE_LENGTH + 25 or not packed:
        return None
    width, height, depth, colour_type, _, _, is_interlaced = struct.unpack_from(">IIBBBBB", head, 16)
    row_bytes = 1 + (width * CHANNELS_BY_COLOUR_TYPE.get(colour_type, 0) * depth + 7) // 8
    if is_interlaced or not 0 < row_bytes * height <= MAX_PNG_BYTES:
        return None
    rows = zlib.decompressobj().decompress(packed, row_bytes * height)
    present = len(rows) // row_bytes
    _check_share(1 - present / height)
    missing = (LIKE_ABOVE + bytes(row_bytes - 1)) * (height - present)
    return head + _chunk(b"IDAT", zlib.compress(rows[: present * row_bytes] + missing, 1)) + _chunk(b"IEND", b"")


def _split_png(data: bytes) -> tuple[bytes, bytes]:
    """Return a PNG's chunks before its pixels, and what is there of its packed pixels."""
    at, head_end = PNG_SIGNATURE_LENGTH, 0
    packed: list[bytes] = []
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IDAT":
            head_end = head_end or at
            packed.append(data[at + 8 : at + 8 + length])
        elif packed:
            break
        at += length + 12
    return data[:head_end], b"".join(packed)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
