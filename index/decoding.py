"""Decode pictures: upright, in sRGB, and no larger than there is use and memory for.

A picture that is cut short is decoded as far as it goes if only little of it is missing, as every viewer does.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image as Pillow
from PIL import UnidentifiedImageError
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.JpegImagePlugin import JpegImageFile

from index import formats
from index.colours import to_eight_bits, to_srgb
from index.credit import MAX_TEXT_LENGTH, NO_CREDIT, Credit
from index.cut_short import REMEDY, CutShortError, complete, fill_missing_rows
from index.embedded import Embedded, find_images
from index.formats import (
    PREFIX_LENGTH,
    PictureError,
    TooManyPixelsError,
    check_size,
    identify_format,
    open_picture,
)
from index.jpeg_headers import read_header
from index.picture_credit import read_credit
from models.pose import Image
from models.text import printable

MAX_COEFFICIENT_BYTES = 800_000_000
"""Memory for the coefficients of a progressive JPEG, all of which its decoder keeps: enough for 266 megapixels."""

JPEG_SCALES: Final = (1, 2, 4, 8)
"""Divisors by which the JPEG decoder makes a picture smaller by itself."""

MAX_LEVELS: Final = 32
"""Times that the JPEG 2000 standard lets a picture be halved at most."""

ORIENTATION_TAG = 0x0112
"""EXIF's tag of the way to turn a picture upright."""

TRANSPOSE_BY_ORIENTATION: Final = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}
"""How to turn a picture upright, by its EXIF orientation. Orientation 1 is upright."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A decoded picture: `image` is upright RGB, perhaps scaled down; `width` and `height` are the size before that.

    `credit` is that of the file's own metadata. `orientation` (1 to 8, as in EXIF) says how the pixels were turned.
    """

    image: Image
    width: int
    height: int
    credit: Credit
    orientation: int = 1


def decode_picture(data: bytes, file: Path | str, long_side: int | None) -> Picture:
    """Decode the picture that a file's bytes hold; of several images the largest. Raises PictureError.

    `long_side` is as in `index.pictures.load_picture`.
    """
    images = find_images(data, file)
    first = next(images, None)
    if first is None:
        return _decode_image(data, file, long_side)
    credit = _container_credit(data)
    try:
        return _decode_embedded(first, file, long_side, credit)
    except PictureError as error:
        for other in images:
            try:
                return _decode_embedded(other, file, long_side, credit)
            except PictureError:
                continue
        raise error


def scale_down(picture: Pillow.Image, long_side: int | None) -> Pillow.Image:
    """Return a picture, its longer side at most `long_side` pixels."""
    if long_side is None or max(picture.size) <= long_side:
        return picture
    return picture.resize(_fit_size(*picture.size, long_side), Pillow.Resampling.BICUBIC, reducing_gap=3.0)


def _container_credit(data: bytes) -> Credit:
    """Return the credit in the file around several images. Pillow may know that file, or not."""
    try:
        with open_picture(io.BytesIO(data)) as opened:
            return read_credit(opened, data)
    except Exception:  # what is in the file is tried by itself
        return NO_CREDIT


def _decode_embedded(image: Embedded, file: Path | str, long_side: int | None, credit: Credit) -> Picture:
    picture = _decode_image(image.data, file, long_side, image.orientation)
    return replace(picture, credit=credit.completed_by(picture.credit))


def _decode_image(data: bytes, file: Path | str, long_side: int | None, orientation: int = 1) -> Picture:
    """Decode a file with one image; `orientation` is for one that does not say which it has. Raises PictureError."""
    try:
        with _as_picture_error(file, data):
            return _decode(data, long_side, orientation, is_completed=False)
    except PictureError as error:
        if error.kind not in ("damaged", "not a picture"):
            raise
        try:
            with _as_picture_error(file, data):
                completed = complete(data)
                if completed is not None:
                    return _decode(completed, long_side, orientation, is_completed=True)
        except PictureError as second:
            if isinstance(second.__cause__, CutShortError):
                raise second from None
        raise


@contextmanager
def _as_picture_error(file: Path | str, data: bytes) -> Iterator[None]:
    """Turn what a decoder raises into a PictureError."""
    try:
        yield
    except UnidentifiedImageError as error:
        raise _unidentified(file, data) from error
    except PictureError:
        raise
    except TooManyPixelsError as error:
        raise PictureError(file, "too large", str(error)) from error
    except MemoryError as error:
        raise PictureError(file, "too large", "is too large for the memory there is") from error
    except CutShortError as error:
        raise PictureError(file, "damaged", str(error)) from error
    except Exception as error:  # Pillow's decoders raise almost anything on damaged files
        # What the decoder of JPEG XL says is meant for its developers.
        reason = "" if "libjxl" in str(error) else f" ({_one_line(error)})"
        raise PictureError(file, "damaged", f"is damaged{reason}: {REMEDY}") from error


def _unidentified(file: Path | str, data: bytes) -> PictureError:
    """Return the error about a file that no decoder accepts."""
    if not data:
        return PictureError(file, "not a picture", "is empty")
    name = identify_format(data[:PREFIX_LENGTH])
    if name is None:
        reason = "is not a picture, or has a format that is not supported: save it as JPEG or PNG"
        return PictureError(file, "not a picture", reason)
    reason = f"is damaged, or of a kind of {name} that is not supported: {REMEDY}, or save it as JPEG"
    return PictureError(file, "damaged", reason)


def _decode(data: bytes, long_side: int | None, orientation: int, *, is_completed: bool) -> Picture:
    with open_picture(io.BytesIO(data)) as opened:
        if opened.format in ("MPO", "HEIF") and getattr(opened, "n_frames", 1) > 1:
            opened.seek(_find_largest_frame(data))
        width, height = opened.size
        drafted = _draft(opened, data, long_side)
        check_size(*(drafted or opened.size))
        stored_orientation = _read_orientation(opened, orientation)
        opened.load()
        if is_completed and isinstance(opened, JpegImageFile):
            fill_missing_rows(opened, data)
        orientation = _read_orientation(opened, orientation)  # after load(), which turns a TIFF upright by itself
        credit = read_credit(opened, data)
        if drafted is None:
            width, height = opened.size
        picture = scale_down(to_eight_bits(opened), long_side)
        picture = _turn_upright(to_srgb(picture, opened.info.get("icc_profile")), orientation)
    if orientation in (5, 6, 7, 8):
        width, height = height, width
    return Picture(np.asarray(picture), width, height, credit, stored_orientation)


def _find_largest_frame(data: bytes) -> int:
    """Return the number of the largest of the pictures in one file; of equal ones, that which the file opens with."""
    areas = []
    with open_picture(io.BytesIO(data)) as opened:
        first = opened.tell()
        for number in range(getattr(opened, "n_frames", 1)):
            try:
                opened.seek(number)
            except Exception:  # the file is cut short
                break
            areas.append(opened.size[0] * opened.size[1])
    return max(range(len(areas)), key=lambda number: (areas[number], number == first), default=first)


def _draft(opened: Pillow.Image, data: bytes, long_side: int | None) -> tuple[int, int] | None:
    """Let a decoder that can do so make the picture smaller by itself, which is faster; return the size it gives."""
    width, height = opened.size
    if isinstance(opened, JpegImageFile):
        header = read_header(data)
        if header is not None and header.coefficient_bytes > MAX_COEFFICIENT_BYTES:
            reason = f"has {width}×{height} pixels, too many for a progressive JPEG: save it as a baseline JPEG"
            raise TooManyPixelsError(reason)
        if long_side is None:
            scale = next(
                (scale for scale in JPEG_SCALES if width * height <= formats.MAX_PIXELS * scale**2), JPEG_SCALES[-1]
            )
            return None if scale == 1 else _draft_to(opened, (width // scale, height // scale))
    if long_side is None:
        return None
    if isinstance(opened, Jpeg2KImageFile):
        halvings = min(_resolution_levels(data), max(1, max(width, height) // long_side).bit_length() - 1)
        opened.reduce = halvings
        return (width >> halvings, height >> halvings) if halvings else None
    return _draft_to(opened, _fit_size(width, height, long_side))


def _draft_to(opened: Pillow.Image, size: tuple[int, int]) -> tuple[int, int] | None:
    return None if opened.draft(None, size) is None else opened.size


def _resolution_levels(data: bytes) -> int:
    """Return how often a JPEG 2000 decoder can halve a picture (ISO 15444-1, A.6.1)."""
    marker = data.find(b"\xff\x52\0")
    return min(data[marker + 9], MAX_LEVELS) if 0 <= marker < len(data) - 9 else 0


def _read_orientation(opened: Pillow.Image, default: int) -> int:
    # A JPEG XL decoder turns a picture by itself, as the standard says, unless it gives back the JPEG that was packed.
    if opened.format == "JXL" and not getattr(opened, "jpeg", False):
        return 1
    try:
        return int(opened.getexif().get(ORIENTATION_TAG, default))
    except Exception:  # the picture may be fine even if its metadata is damaged
        return default


def _turn_upright(picture: Pillow.Image, orientation: int) -> Pillow.Image:
    turn = TRANSPOSE_BY_ORIENTATION.get(orientation)
    return picture if turn is None else picture.transpose(turn)


def _fit_size(width: int, height: int, long_side: int) -> tuple[int, int]:
    scale = min(1.0, long_side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _one_line(error: Exception) -> str:
    return printable(" ".join(str(error).split()))[:MAX_TEXT_LENGTH] or type(error).__name__
