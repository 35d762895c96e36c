"""Pictures: any bytes are a picture, or a PictureError in a build, and a CameraError before the mirror."""

from __future__ import annotations

import io
import random
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image as Pillow
from PIL import ImageCms

from device.cameras import film
from device.cameras.base import CameraError
from index import pictures
from tests.fuzz import odd
from tests.fuzz.promise import Broken, Mutate, Read, check_sentence

LONGEST: Final = 16_384

WORDS: Final = (
    "IHDR",
    "IDAT",
    "PLTE",
    "tRNS",
    "iCCP",
    "eXIf",
    "acTL",
    "JFIF",
    "Exif",
    "Adobe",
    "GIF89a",
    "RIFF",
    "VP8X",
)

LONG_SIDE: Final = 24

SAVED: Final[tuple[tuple[str, str, dict[str, Any]], ...]] = (
    ("JPEG", "RGB", {"quality": 60}),
    ("JPEG", "RGB", {"progressive": True}),
    ("JPEG", "L", {}),
    ("JPEG", "CMYK", {}),
    ("PNG", "RGB", {}),
    ("PNG", "RGBA", {}),
    ("PNG", "P", {"transparency": 3}),
    ("PNG", "1", {}),
    ("PNG", "I;16", {}),
    ("GIF", "P", {}),
    ("WEBP", "RGB", {}),
    ("WEBP", "RGBA", {"lossless": True}),
    ("TIFF", "RGB", {"compression": "tiff_lzw"}),
    ("TIFF", "RGB", {"compression": "jpeg"}),
    ("TIFF", "F", {}),
    ("TIFF", "I", {}),
    ("TIFF", "CMYK", {"compression": "packbits"}),
    ("TIFF", "1", {"compression": "group4"}),
    ("TIFF", "RGBA", {"compression": "tiff_adobe_deflate"}),
    ("BMP", "RGB", {}),
    ("BMP", "P", {}),
    ("PPM", "RGB", {}),
    ("PPM", "L", {}),
    ("JPEG2000", "RGB", {}),
    ("AVIF", "RGB", {}),
)
"""Formats and modes, and how each is saved."""


def seeds(folder: Path) -> Iterator[bytes]:
    """Small pictures of every format and mode, turned, with a profile, and with several frames."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for format, mode, options in SAVED:
        yield _saved(format, [_picture(mode)], **options)
    for orientation in (3, 6, 9):
        exif = Pillow.Exif()
        exif[pictures.ORIENTATION], exif[pictures.ARTIST] = orientation, "Ann"
        for format in ("JPEG", "PNG", "WEBP", "TIFF"):
            yield _saved(format, [_picture("RGB")], exif=exif)
    for format in ("JPEG", "PNG"):
        yield _saved(format, [_picture("RGB")], icc_profile=profile)
    for format in ("GIF", "PNG", "WEBP", "MPO", "TIFF"):
        frames = [_picture("RGB", shade) for shade in (0, 40, 80)]
        yield _saved(format, frames, save_all=True, append_images=frames[1:])
    yield b"P3 2 2 255 1 2 3 4 5 6 7 8 9 10 11 12\n"
    yield b"Pf 2 1 -1.0\n" + bytes(8)


def reader(folder: Path) -> Read:
    file = folder / "picture"

    def read(data: bytes) -> None:
        file.write_bytes(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # in a kiosk they are lines of its log
            for long_side in (None, LONG_SIDE):
                _build(file, long_side)
            _film(file)

    return read


def mutated(data: bytes, chance: random.Random, bytewise: Mutate) -> bytes:
    """Of a PNG mostly one chunk, with its sum; else other bytes."""
    return odd.png_changed(data, chance, bytewise) if chance.random() < 0.8 else bytewise(data)


def _build(file: Path, long_side: int | None) -> None:
    try:
        loaded = pictures.load(file, long_side)
    except pictures.PictureError as error:
        check_sentence(error, file)
    else:
        _check(loaded.image, long_side)
        if loaded.author is not None and not loaded.author.isprintable():
            raise Broken(f"an author of several lines: {loaded.author!r}")
        pictures.thumbnail(loaded.image)


def _film(file: Path) -> None:
    film._is_picture(file)
    try:
        shown = film.Pictures(file, [file], LONG_SIDE, real_time=False, loop=False)
    except CameraError as error:
        check_sentence(error, file)
    else:
        image = shown.advance(1)
        if image is not None:
            _check(image, LONG_SIDE)


def _check(image: Any, long_side: int | None) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise Broken(f"a picture of {image.dtype} and shape {image.shape}")
    if long_side is not None and max(image.shape[:2]) > long_side:
        raise Broken(f"a picture of {image.shape} where {long_side} is the most")


def _picture(mode: str, shade: int = 0) -> Pillow.Image:
    """Shades and an edge, 32×20."""
    across, down = np.meshgrid(np.arange(32), np.arange(20))
    red = np.where(across > 16, 255 - shade, across * 7 + shade)
    image = Pillow.fromarray(np.dstack([red, down * 12, across + down]).astype(np.uint8))
    if mode == "I;16":
        return Pillow.fromarray((red * 200).astype(np.uint16))
    return image.convert("L").convert(mode) if mode in ("I", "F") else image.convert(mode)


def _saved(format: str, frames: list[Pillow.Image], **options: Any) -> bytes:
    made = io.BytesIO()
    frames[0].save(made, format, **options)
    return made.getvalue()
