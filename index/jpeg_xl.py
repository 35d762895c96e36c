"""The size of a JPEG XL picture, from its header: the decoder decodes all of it when a file is opened.

The header is that of ISO/IEC 18181-1 (2024), D.2; the boxes around it are those of ISO/IEC 18181-2.
"""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import Final

SIGNATURE: Final = b"\xff\x0a"
"""How a bare picture begins, without boxes around it."""

RATIOS: Final = tuple(map(Fraction, ("1", "6/5", "4/3", "3/2", "16/9", "5/4", "2")))
"""Widths, as a multiple of the height, that a header says in three bits."""

SIZE_BITS: Final = 9, 13, 18, 30
"""Bits that a side may take. Two bits before them say how many."""

HEADER_BYTES: Final = 16
"""Bytes at the start of a picture that hold its size."""


def read_size(data: bytes) -> tuple[int, int]:
    """Return the (width, height) of a JPEG XL picture, before it is turned. Raises ValueError if it is damaged."""
    header = _first_bytes(data)
    if not header.startswith(SIGNATURE) or len(header) < HEADER_BYTES // 2:
        raise ValueError("it has no header")
    bits = _Bits(header[len(SIGNATURE) :])
    is_small = bits.take(1) == 1
    height = _read_side(bits, is_small)
    ratio = bits.take(3)
    return (int(height * RATIOS[ratio - 1]) if ratio else _read_side(bits, is_small)), height


class _Bits:
    """Bytes as a row of bits, the lowest first. After the end come zeros."""

    def __init__(self, data: bytes) -> None:
        self._bits = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        value = self._bits & ((1 << count) - 1)
        self._bits >>= count
        return value


def _read_side(bits: _Bits, is_small: bool) -> int:
    return (bits.take(5) + 1) * 8 if is_small else bits.take(SIZE_BITS[bits.take(2)]) + 1


def _first_bytes(data: bytes) -> bytes:
    """Return the first bytes of the picture, without the boxes around it."""
    if data.startswith(SIGNATURE):
        return data[:HEADER_BYTES]
    header, at = b"", 0
    while at + 8 <= len(data) and len(header) < HEADER_BYTES:
        length, kind = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if length == 1 and at + 16 <= len(data):
            (length,) = struct.unpack_from(">Q", data, start)
            start += 8
        end = at + length if length else len(data)
        if end < start:
            break
        if kind in (b"jxlc", b"jxlp"):  # jxlp: a part of the picture, after the part's number
            start += 4 if kind == b"jxlp" else 0
            header += data[start : min(end, start + HEADER_BYTES)]
        at = end
    return header
