"""Picture files: read them in any usual format, upright and in sRGB, and encode them as JPEG."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from index import archives, web
from index.archives import ArchiveError
from index.credit import NO_CREDIT, Credit
from index.credit import clean_text as clean_text
from index.decoding import Picture as Picture
from index.decoding import decode_picture, scale_down
from index.formats import UNREACHABLE, open_picture
from index.formats import PictureError as PictureError
from index.picture_credit import read_credit
from models.pose import Image

LONG_SIDE = 1920
"""Pixels of a stored picture's longer side: those of a full-HD display."""

JPEG_QUALITY = 88
"""JPEG quality of a stored picture. Its file has half the size of 95, and visitors see no difference."""

THUMBNAIL_SIZE, THUMBNAIL_QUALITY = 160, 70
"""Pixels of a thumbnail's longer side, and its JPEG quality. A thumbnail takes about 5 kB."""


def load_picture(file: Path | str, long_side: int | None) -> Picture:
    """Read the picture in a file or at a URL, scaled down so that its longer side is at most `long_side` pixels.

    It comes upright (by its EXIF orientation), in sRGB, with transparent parts on white; of an animation, the first
    frame; of several images, the largest. Without `long_side` it keeps its size, unless there is no memory for so many
    pixels and its format can be decoded smaller. Raises PictureError.
    """
    return decode_picture(read_bytes(file), file, long_side)


def load_credit(file: Path | str) -> Credit:
    """Return the credit in a picture's own metadata, without decoding the picture; an empty one if it is none."""
    try:
        data = read_bytes(file)
        with open_picture(io.BytesIO(data)) as opened:
            return read_credit(opened, data)
    except Exception:  # scanning the picture will report it
        return NO_CREDIT


def encode_jpeg(image: Image, long_side: int, quality: int) -> tuple[bytes, Image]:
    """Scale an image down to at most `long_side` pixels on its longer side; return the JPEG and the scaled image."""
    picture = scale_down(Pillow.fromarray(image), long_side)
    jpeg = io.BytesIO()
    picture.save(jpeg, "JPEG", quality=quality)
    return jpeg.getvalue(), np.asarray(picture)


def make_thumbnail(image: Image) -> bytes:
    """Return a small JPEG of a picture, for the report."""
    return encode_jpeg(image, THUMBNAIL_SIZE, THUMBNAIL_QUALITY)[0]


def read_bytes(file: Path | str) -> bytes:
    """Return the bytes of a regular file, of one in an archive, or of what a URL leads to. Raises PictureError.

    Nothing but a regular file is opened: opening a pipe would wait until somebody writes to it.
    """
    try:
        if isinstance(file, str):
            place = web.local_path(file)
            if place is None:
                return web.fetch(file)
        else:
            place = file
        if (member := archives.split(place)) is not None:
            return archives.read_member(*member)
        status = os.stat(place)
        if not stat.S_ISREG(status.st_mode):
            raise PictureError(file, "cannot be read", "is not a regular file")
        if status.st_size > web.MAX_BYTES:
            raise web.TooLargeError(f"more than {web.MAX_BYTES // 1_000_000} MB")
        return place.read_bytes()
    except PictureError:
        raise
    except ArchiveError as error:
        raise PictureError(file, error.kind, str(error)) from error
    except web.TooLargeError as error:
        raise PictureError(file, "too large", f"is too large ({error})") from error
    except web.TemporaryError as error:
        raise PictureError(file, UNREACHABLE, f"cannot be reached ({error})") from error
    except (OSError, ValueError) as error:  # ValueError: a table can name a file with a zero byte
        reason = getattr(error, "strerror", None) or error
        raise PictureError(file, "cannot be read", f"cannot be read ({reason})") from error
