"""Say what is wrong with a file that FFmpeg does not recognise as a video."""

from __future__ import annotations

import codecs
import os
import re
from typing import IO, Final

START_LENGTH: Final = 4096
"""Bytes from the start of a file that tell what it is."""

MP4_BOXES: Final = (b"ftyp", b"mdat", b"moov", b"wide", b"free", b"skip", b"pnot")
"""MP4 and QuickTime files begin with one of these boxes (ISO/IEC 14496-12)."""

ZIP_PREFIX: Final = b"PK\3\4"
"""First bytes of a zip archive. Documents of office programs are such archives, too."""

CONTROL_BYTES: Final = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]")
"""Bytes that no text has, except in UTF-16. Any other file has some of them at its start."""


def find_problem(file: IO[bytes]) -> str | None:
    """Return what a file obviously is instead of a video, as the end of a sentence; None if it may be a video.

    FFmpeg itself finds sound in some texts.
    """
    file.seek(0)
    start = file.read(START_LENGTH)
    if not start:
        return "is empty: copy it again"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or not CONTROL_BYTES.search(start):
        return "is a text, not a video: choose another"
    if start.startswith(ZIP_PREFIX):
        return "is an archive, not a video: unpack it, and choose a video in it"
    if start[4:8] in MP4_BOXES and not _has_index(file):
        return "was cut off before its index, without which no frame can be found: copy it again"
    return None


def _has_index(file: IO[bytes]) -> bool:
    """Return whether an MP4 file has its index, the box `moov`, completely. Cameras write it last."""
    size = file.seek(0, os.SEEK_END)
    position = 0
    while position + 8 <= size:
        file.seek(position)
        header = file.read(16)
        length = int.from_bytes(header[:4])
        if length == 1:  # the length takes eight bytes, and follows
            length = int.from_bytes(header[8:16])
        if length < 8:  # 0: to the end of the file
            return header[4:8] == b"moov" and length == 0
        position += length
        if header[4:8] == b"moov":
            return position <= size
    return False
