"""Picture files: read them in any usual format, upright and in sRGB, and encode them as JPEG."""

from __future__ import annotations

import io
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL import ImageCms, UnidentifiedImageError

from index import web
from index.credit import MAX_TEXT_LENGTH, Credit
from index.credit import clean_text as clean_text
from index.formats import is_still as is_still
from index.formats import open_picture
from index.picture_credit import read_credit
from models.pose import Floats, Image
from models.text import printable

MAX_PIXELS = 80_000_000
"""Larger pictures are refused, because decoding one takes more memory than a Raspberry Pi can spare."""

LONG_SIDE = 1920
"""Pixels of a stored picture's longer side: those of a full-HD display."""

JPEG_QUALITY = 88
"""JPEG quality of a stored picture. Its file has half the size of 95, and visitors see no difference."""

THUMBNAIL_SIZE, THUMBNAIL_QUALITY = 160, 70
"""Pixels of a thumbnail's longer side, and its JPEG quality. A thumbnail takes about 5 kB."""

ErrorKind = Literal["cannot be read", "not a picture", "damaged", "too large"]

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


class PictureError(ValueError):
    """A file without a picture that can be read. The text is one sentence that names it; `kind` sorts the reasons."""

    def __init__(self, file: Path | str, kind: ErrorKind, problem: str) -> None:
        super().__init__(f"{printable(file)} {problem}.")
        self.kind: ErrorKind = kind


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A decoded picture: `image` is upright RGB, perhaps scaled down; `width` and `height` are the size before that.

    `credit` is that of the file's own metadata.
    """

    image: Image
    width: int
    height: int
    credit: Credit


def read_image(file: Path | str) -> Image:
    """Read the picture in a file or at a URL as H×W×3 RGB.

    It comes upright (by its EXIF orientation), in sRGB, with transparent parts on white; of an animation, the first
    frame. Raises PictureError.
    """
    return load_picture(file, None).image


def load_picture(file: Path | str, long_side: int | None) -> Picture:
    """Read a picture as `read_image` does, scaled down so that its longer side is at most `long_side` pixels.

    Raises PictureError.
    """
    data = read_bytes(file)
    try:
        with open_picture(io.BytesIO(data)) as opened:
            return _decode(opened, file, long_side)
    except UnidentifiedImageError as error:
        raise PictureError(file, "not a picture", _unidentified_reason(data)) from error
    except PictureError:
        raise
    except MemoryError as error:
        raise PictureError(file, "too large", "is too large for the memory there is") from error
    except Exception as error:  # Pillow's decoders raise almost anything on damaged files
        raise PictureError(file, "damaged", f"is damaged ({_one_line(error)})") from error


def encode_jpeg(image: Image, long_side: int, quality: int) -> tuple[bytes, Image]:
    """Scale an image down to at most `long_side` pixels on its longer side; return the JPEG and the scaled image."""
    picture = _scale_down(Pillow.fromarray(image), long_side)
    jpeg = io.BytesIO()
    picture.save(jpeg, "JPEG", quality=quality)
    return jpeg.getvalue(), np.asarray(picture)


def make_thumbnail(image: Image) -> bytes:
    """Return a small JPEG of a picture, for the report."""
    return encode_jpeg(image, THUMBNAIL_SIZE, THUMBNAIL_QUALITY)[0]


def read_bytes(file: Path | str) -> bytes:
    """Return the bytes of a regular file or of what a URL leads to. Raises PictureError.

    Nothing but a regular file is opened: opening a pipe would wait until somebody writes to it.
    """
    try:
        if isinstance(file, str):
            place = web.local_path(file)
            if place is None:
                return web.fetch(file)
        else:
            place = file
        status = os.stat(place)
        if not stat.S_ISREG(status.st_mode):
            raise PictureError(file, "cannot be read", "is not a regular file")
        if status.st_size > web.MAX_BYTES:
            raise web.TooLargeError(f"more than {web.MAX_BYTES // 1_000_000} MB")
        return place.read_bytes()
    except PictureError:
        raise
    except web.TooLargeError as error:
        raise PictureError(file, "too large", f"is too large ({error})") from error
    except (OSError, ValueError) as error:  # ValueError: a table can name a file with a zero byte
        reason = getattr(error, "strerror", None) or error
        raise PictureError(file, "cannot be read", f"cannot be read ({reason})") from error


def _unidentified_reason(data: bytes) -> str:
    if not data:
        return "is empty"
    if data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"hevc", b"mif1", b"msf1"):
        return "is a HEIC picture, which is not supported: save it as JPEG"
    return "is not a picture, or has a format that is not supported: save it as JPEG or PNG"


def _decode(opened: Pillow.Image, file: Path | str, long_side: int | None) -> Picture:
    width, height = opened.size
    if width * height > MAX_PIXELS:
        raise PictureError(
            file, "too large", f"has {width}×{height} pixels, more than {MAX_PIXELS // 1_000_000} million"
        )
    # The JPEG decoder can scale to ½, ¼ or ⅛ by itself, which is much faster.
    drafted = None if long_side is None else opened.draft(None, _fit_size(width, height, long_side))
    opened.load()
    orientation = _read_orientation(opened)  # after load(), which turns a TIFF upright by itself
    if drafted is None:
        width, height = opened.size
    picture = _scale_down(_to_eight_bits(opened), long_side)
    picture = _turn_upright(_to_srgb(picture, opened.info.get("icc_profile")), orientation)
    if orientation in (5, 6, 7, 8):
        width, height = height, width
    return Picture(np.asarray(picture), width, height, read_credit(opened))


def _read_orientation(opened: Pillow.Image) -> int:
    try:
        return int(opened.getexif().get(ORIENTATION_TAG, 1))
    except Exception:  # the picture may be fine even if its metadata is damaged
        return 1


def _turn_upright(picture: Pillow.Image, orientation: int) -> Pillow.Image:
    turn = TRANSPOSE_BY_ORIENTATION.get(orientation)
    return picture if turn is None else picture.transpose(turn)


def _to_eight_bits(picture: Pillow.Image) -> Pillow.Image:
    """Return the picture as L, RGB, RGBA or CMYK."""
    if picture.mode in ("L", "RGB", "RGBA", "CMYK"):
        return picture
    if picture.mode.startswith("I;16"):
        return Pillow.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.mode in ("I", "F"):
        return Pillow.fromarray(_to_grey(np.array(picture, np.float32), picture.mode))
    transparent = picture.mode in ("LA", "PA", "La", "RGBa") or "transparency" in picture.info
    return picture.convert("RGBA" if transparent else "RGB")


def _to_grey(numbers: Floats, mode: str) -> npt.NDArray[np.uint8]:
    """Return 32-bit numbers as bytes, and overwrite the numbers: there may not be enough memory for a copy."""
    np.nan_to_num(numbers, copy=False)
    low, high = float(numbers.min()), float(numbers.max())
    # PNG and TIFF store 16-bit grey in 32-bit integers. Nothing defines other ranges: spread them from black to white.
    if mode == "I" and low >= 0:
        low, high = 0, 65535
    scale = 255 / (high - low) if high > low else 0
    numbers *= scale
    numbers -= low * scale
    return np.clip(numbers, 0, 255, out=numbers).astype(np.uint8)


def _to_srgb(picture: Pillow.Image, profile: bytes | None) -> Pillow.Image:
    """Return the picture in sRGB: its colour profile applied, transparent parts on white."""
    if picture.mode == "RGBA":
        white = Pillow.new("RGBA", picture.size, "white")
        picture = Pillow.alpha_composite(white, picture).convert("RGB")
    if profile and picture.mode in ("RGB", "CMYK"):
        try:
            embedded = ImageCms.getOpenProfile(io.BytesIO(profile))
            if "sRGB" not in ImageCms.getProfileDescription(embedded):
                converted = ImageCms.profileToProfile(
                    picture, embedded, ImageCms.createProfile("sRGB"), outputMode="RGB"
                )
                picture = picture if converted is None else converted
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            pass  # the profile is damaged or is for other colours: keep the colours as they are
    return picture.convert("RGB")


def _scale_down(picture: Pillow.Image, long_side: int | None) -> Pillow.Image:
    if long_side is None or max(picture.size) <= long_side:
        return picture
    return picture.resize(_fit_size(*picture.size, long_side), Pillow.Resampling.BICUBIC, reducing_gap=3.0)


def _fit_size(width: int, height: int, long_side: int) -> tuple[int, int]:
    scale = min(1.0, long_side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _one_line(error: Exception) -> str:
    return printable(" ".join(str(error).split()))[:MAX_TEXT_LENGTH] or type(error).__name__
