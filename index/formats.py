"""Formats of pictures and videos: which are read, how to tell one by its first bytes, and the one way to open a file.

`PictureError` is the error of a file without a picture that can be read.
"""

from __future__ import annotations

import functools
import os
import stat
import warnings
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Final, Literal

import pillow_heif
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from index import jpeg_xl
from models.text import printable

FORMATS: Final = (
    "JPEG", "MPO", "PNG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "JPEG2000", "AVIF", "HEIF", "JXL",
)  # fmt: skip
"""Pillow's names of the formats that are read. It knows more, but runs another program for some, such as EPS."""

ANIMATED_FORMATS: Final = ("GIF", "WEBP", "PNG", "AVIF")
"""Formats in which a file with several frames is a video. In the others its first frame is used."""

VIDEO_SUFFIXES: Final = frozenset((
    ".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".m2t", ".m2ts", ".m2v", ".m4v", ".mkv", ".mov",
    ".mp4", ".mpe", ".mpeg", ".mpg", ".mts", ".mxf", ".ogm", ".ogv", ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv",
))  # fmt: skip
"""Endings of file names that are read as videos."""

PREFIX_LENGTH: Final = 16
"""Bytes at the start of a file that Pillow tells a format by."""

MAX_PIXELS = 80_000_000
"""Pixels that are decoded at most, because more take more memory than a Raspberry Pi can spare.

A larger JPEG is made smaller while it is decoded. A larger picture of another format is refused.
"""

ErrorKind = Literal["cannot be read", "unreachable", "not a picture", "raw", "archive", "damaged", "too large"]

UNREACHABLE: Final = "unreachable"
"""The kind of error of a URL that may be reached later: no network, or a server that is too busy."""


class PictureError(ValueError):
    """A file without a picture that can be read. The text is one sentence that names it; `kind` sorts the reasons."""

    def __init__(self, file: Path | str, kind: ErrorKind, problem: str) -> None:
        super().__init__(f"{printable(file)} {problem}.")
        self.kind: ErrorKind = kind


class TooManyPixelsError(ValueError):
    """A picture has more pixels than there is memory for: the end of a sentence."""


@contextmanager
def open_picture(source: Path | IO[bytes], formats: Collection[str] = FORMATS) -> Iterator[Pillow.Image]:
    """Open a picture with Pillow, as all of this program does. Its pixels are read when they are needed.

    Pillow warns of odd metadata, which does not matter, and of large pictures, which `index.decoding` limits: it says
    nothing while the picture is open. Raises almost anything if the file is damaged: Pillow's decoders do.
    """
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stream = stack.enter_context(source.open("rb")) if isinstance(source, Path) else source
        if identify_format(stream.read(PREFIX_LENGTH)) == "JXL":  # its decoder decodes all of a file that is opened
            stream.seek(0)
            check_size(*jpeg_xl.read_size(stream.read()))
        stream.seek(0)
        yield stack.enter_context(Pillow.open(stream, formats=[n for n in formats if n in _readable_formats()]))


def check_size(width: int, height: int) -> None:
    """Raise TooManyPixelsError if a picture of this size is too large to be decoded."""
    if width * height > MAX_PIXELS:
        limit = f"more than {MAX_PIXELS // 1_000_000} million: save it smaller, or as JPEG"
        raise TooManyPixelsError(f"has {width}×{height} pixels, {limit}")


def identify_format(prefix: bytes) -> str | None:
    """Return Pillow's name of the format that a file's first `PREFIX_LENGTH` bytes announce; None if none is read."""
    for name in _readable_formats():
        accepts = Pillow.OPEN[name][1]
        if accepts is not None and accepts(prefix) is True:
            return name
    return None


def is_still(file: Path) -> bool:
    """Return whether a file is a still picture by its content, whatever its name and whether or not it is damaged.

    An animated one is none: it plays as a video. Nothing but a regular file is opened, and of that no more is read
    than is needed.
    """
    try:
        if not stat.S_ISREG(os.stat(file).st_mode):
            return False
        with file.open("rb") as opened:
            name = identify_format(opened.read(PREFIX_LENGTH))
            if name not in ANIMATED_FORMATS:
                return name is not None
            opened.seek(0)
            with open_picture(opened, [name]) as picture:
                return not getattr(picture, "is_animated", False)
    except UnidentifiedImageError:
        return True  # its first bytes are those of a picture: reading it as a picture says what is wrong with it
    except (OSError, ValueError):  # ValueError: no file can have a name with a zero byte
        return False
    except Exception:  # Pillow's decoders raise almost anything on a damaged file
        return True


@functools.cache
def _readable_formats() -> tuple[str, ...]:
    """Return the formats that can be read here, after making Pillow ready for them."""
    Pillow.init()
    pillow_heif.register_heif_opener()
    from pillow_jxl import JpegXLImagePlugin  # noqa: F401  (registers itself)

    Pillow.MAX_IMAGE_PIXELS = None  # `index.decoding` has limits of its own, as some decoders can scale down
    return tuple(name for name in FORMATS if name in Pillow.OPEN)
