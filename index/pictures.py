"""Picture files of any sort, read as people see them, and made ready for the display."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL import ImageCms, UnidentifiedImageError

from index import web
from index.fingerprint import fingerprint
from models.pose import Floats, Image
from models.text import printable

FORMATS: Final = ("JPEG", "MPO", "PNG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "JPEG2000", "AVIF")
"""What is read. Pillow knows more, among them EPS, which it hands to another program to run."""

MAX_PIXELS = 80_000_000
"""A picture of more is left out: decoded, it takes more memory than a Raspberry Pi can spare."""

LONG_SIDE = 1920
"""Pixels of a stored picture's longer side: a full-HD display's."""

JPEG_QUALITY = 88
"""JPEG quality: differences are not seen at a display's distance, and it halves the size of 95."""

THUMBNAIL_SIZE, THUMBNAIL_QUALITY = 160, 70
"""Pixels of a thumbnail's longer side, and its JPEG quality: some 5 kB."""

MAX_TEXT_LENGTH = 200
"""Characters of a title or a name; some cameras and programs write pages."""

MAX_URL_LENGTH = 2000
"""Characters of a URL, which leads nowhere when it is cut."""

ErrorKind = Literal["cannot be read", "not a picture", "damaged", "too large"]

ORIENTATION_TAG, ARTIST_TAG = 0x0112, 0x013B
"""Tags of EXIF 2.3."""

TRANSPOSE_BY_ORIENTATION: Final = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}
"""What makes a picture upright, by EXIF's orientation."""


class PictureError(ValueError):
    """A file that gives no picture: `kind` says of which sort, the text is a sentence that names the file."""

    def __init__(self, file: Path | str, kind: ErrorKind, problem: str) -> None:
        super().__init__(f"{printable(file)} {problem}.")
        self.kind: ErrorKind = kind


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A picture as people see it: `image` upright RGB, perhaps scaled down; `width` and `height` before that."""

    image: Image
    width: int
    height: int
    author: str | None


@dataclass(frozen=True, eq=False)
class EncodedPicture:
    """A picture as a library keeps it: JPEG, RGB, upright, scaled to the display."""

    jpeg: bytes
    width: int
    height: int
    fingerprint: bytes

    @cached_property
    def name(self) -> str:
        """Its file's name in the library: the sha256 of what is in it."""
        return f"{hashlib.sha256(self.jpeg).hexdigest()}.jpg"


@dataclass(frozen=True, eq=False)
class StoredPicture:
    """A picture that already lies somewhere as a library keeps it: its file is linked, or copied, and not read."""

    file: Path
    width: int
    height: int
    fingerprint: bytes

    @property
    def name(self) -> str:
        """Its file's name in the library: the sha256 of what is in it."""
        return self.file.name


def read_image(file: Path | str) -> Image:
    """The picture in a file or at a URL, H×W×3 RGB: upright as EXIF says, in sRGB, on white, the first of its frames.

    Raises PictureError when there is none that can be read.
    """
    return load_picture(file, None).image


def load_picture(file: Path | str, long_side: int | None) -> Picture:
    """As `read_image`, with the longer side at most `long_side` pixels. Raises PictureError."""
    data = read_bytes(file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of large pictures and odd metadata; the first is our own gate
        try:
            with Pillow.open(io.BytesIO(data), formats=_readable_formats()) as opened:
                return _decode(opened, file, long_side)
        except UnidentifiedImageError as error:
            raise PictureError(file, "not a picture", _unidentified_reason(data)) from error
        except Pillow.DecompressionBombError as error:
            raise PictureError(file, "too large", f"is too large ({error})") from error
        except PictureError:
            raise
        except MemoryError as error:
            raise PictureError(file, "too large", "is too large for the memory there is") from error
        except Exception as error:  # Pillow's decoders raise almost anything on damaged files
            raise PictureError(file, "damaged", f"is damaged ({_one_line(error)})") from error


def encode_picture(image: Image, long_side: int = LONG_SIDE, quality: int = JPEG_QUALITY) -> EncodedPicture:
    """A picture made ready for a library; key points in it are to be scaled by the ratio of the sizes."""
    picture = _scale_down(Pillow.fromarray(image), long_side)
    jpeg = io.BytesIO()
    picture.save(jpeg, "JPEG", quality=quality)
    return EncodedPicture(jpeg.getvalue(), *picture.size, fingerprint(np.asarray(picture)))


def make_thumbnail(image: Image) -> bytes:
    """A small JPEG of a picture, for pages."""
    jpeg = io.BytesIO()
    _scale_down(Pillow.fromarray(image), THUMBNAIL_SIZE).save(jpeg, "JPEG", quality=THUMBNAIL_QUALITY)
    return jpeg.getvalue()


def clean_text(value: object) -> str | None:
    """A title or name from anywhere as one line of text; None when nothing is left."""
    plain = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")
    plain = plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # halves of characters are no text
    line = " ".join("".join(c if c.isprintable() else " " for c in plain).split())
    return line[: MAX_URL_LENGTH if web.is_url(line) else MAX_TEXT_LENGTH] or None


def read_bytes(file: Path | str) -> bytes:
    """The bytes of a plain file, or of what a URL names. Raises PictureError.

    What is no plain file is not opened: opening a pipe would wait for somebody to write to it.
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
            raise PictureError(file, "cannot be read", "is no plain file")
        if status.st_size > web.MAX_BYTES:
            raise web.TooLargeError(f"more than {web.MAX_BYTES // 1_000_000} MB")
        return place.read_bytes()
    except PictureError:
        raise
    except web.TooLargeError as error:
        raise PictureError(file, "too large", f"is too large ({error})") from error
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte, from somebody's list of files
        said = getattr(error, "strerror", None) or error
        raise PictureError(file, "cannot be read", f"cannot be read ({said})") from error


def _readable_formats() -> list[str]:
    Pillow.init()
    return [name for name in FORMATS if name in Pillow.OPEN]


def _unidentified_reason(data: bytes) -> str:
    if not data:
        return "is empty"
    if data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"hevc", b"mif1", b"msf1"):
        return "is a HEIC picture, which is not read here: save it as JPEG"
    return "is not a picture that can be read here"


def _decode(opened: Pillow.Image, file: Path | str, long_side: int | None) -> Picture:
    width, height = opened.size
    if width * height > MAX_PIXELS:
        raise PictureError(
            file, "too large", f"has {width}×{height} pixels, more than {MAX_PIXELS // 1_000_000} million"
        )
    # JPEG can come out at ½, ¼ or ⅛, and much sooner
    drafted = None if long_side is None else opened.draft(None, _fit_size(width, height, long_side))
    opened.load()
    orientation, author = _read_metadata(opened)  # not before: TIFF is turned by loading it
    if drafted is None:
        width, height = opened.size
    picture = _scale_down(_to_eight_bits(opened), long_side)
    picture = _turn_upright(_to_srgb(picture, opened.info.get("icc_profile")), orientation)
    if orientation in (5, 6, 7, 8):
        width, height = height, width
    return Picture(np.asarray(picture), width, height, author)


def _read_metadata(opened: Pillow.Image) -> tuple[int, str | None]:
    try:
        exif = opened.getexif()
        return int(exif.get(ORIENTATION_TAG, 1)), clean_text(exif.get(ARTIST_TAG))
    except Exception:  # a picture is worth showing when its metadata is not worth reading
        return 1, None


def _turn_upright(picture: Pillow.Image, orientation: int) -> Pillow.Image:
    turn = TRANSPOSE_BY_ORIENTATION.get(orientation)
    return picture if turn is None else picture.transpose(turn)


def _to_eight_bits(picture: Pillow.Image) -> Pillow.Image:
    """The picture as L, RGB, RGBA or CMYK."""
    if picture.mode in ("L", "RGB", "RGBA", "CMYK"):
        return picture
    if picture.mode.startswith("I;16"):
        return Pillow.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.mode in ("I", "F"):
        return Pillow.fromarray(_to_grey(np.array(picture, np.float32), picture.mode))
    see_through = picture.mode in ("LA", "PA", "La", "RGBa") or "transparency" in picture.info
    return picture.convert("RGBA" if see_through else "RGB")


def _to_grey(numbers: Floats, mode: str) -> npt.NDArray[np.uint8]:
    """Numbers of 32 bits as bytes; they are changed, as there may not be the memory for them once more."""
    np.nan_to_num(numbers, copy=False)
    low, high = float(numbers.min()), float(numbers.max())
    # 16 bits in 32 are PNG's and TIFF's; other ranges have no rule, so black to white is what there is
    if mode == "I" and low >= 0:
        low, high = 0, 65535
    scale = 255 / (high - low) if high > low else 0
    numbers *= scale
    numbers -= low * scale
    return np.clip(numbers, 0, 255, out=numbers).astype(np.uint8)


def _to_srgb(picture: Pillow.Image, profile: bytes | None) -> Pillow.Image:
    """RGB as displays take it: the colour profile applied, what is seen through on white."""
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
            pass  # a profile that cannot be read or is for other colours: the picture as it is
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
