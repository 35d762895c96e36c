"""Pictures: any bytes are a picture, or a PictureError in a build and a CameraError in the mirror."""

from __future__ import annotations

import io
import random
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import ExifTags, ImageCms
from PIL import Image as Pillow

from device.cameras import playback
from device.cameras.base import CameraError
from index import pictures
from index.decoding import ORIENTATION_TAG
from index.formats import identify_format, is_still
from tests.fuzz import odd
from tests.fuzz.promise import BrokenPromise, Mutator, Reader, check_sentence
from tests.support.tiff_files import jpeg, jpeg_page, rgb_page, sensor_page, tiff

MAX_BYTES: Final = 16_384

DICTIONARY: Final = (
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
    "ftypheic",
    "ftypavif",
    "ftypcrx ",
    "irot",
    "grid",
    "iloc",
    "JXL ",
    "jxlc",
    "jxlp",
    "CMT1",
    "FUJIFILMCCD-RAW",
)

LONG_SIDE: Final = 24

FORMATS: Final[tuple[tuple[str, str, dict[str, Any]], ...]] = (
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
    ("AVIF", "RGBA", {}),
    ("HEIF", "RGB", {}),
    ("HEIF", "L", {}),
    ("HEIF", "RGBA", {}),
    ("HEIF", "RGB", {"thumbnails": [16]}),
    ("JXL", "RGB", {}),
    ("JXL", "RGBA", {"lossless": True}),
    ("JXL", "L", {"use_container": True}),
    ("JXL", "I;16", {"lossless": True}),
)
"""Pillow's name of each format, the mode, and the options to save it with."""


def seeds(folder: Path) -> Iterator[bytes]:
    """Small pictures of every format and mode, rotated, with a colour profile, and with several frames."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    identify_format(b"")  # makes Pillow ready to write all formats
    for format, mode, options in FORMATS:
        yield _encode(format, [_sample_picture(mode)], **options)
    for orientation in (3, 6, 9):
        exif = Pillow.Exif()
        exif[ORIENTATION_TAG], exif[ExifTags.Base.Artist] = orientation, "Ann"
        for format in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"):
            yield _encode(format, [_sample_picture("RGB")], exif=exif.tobytes())
    for format in ("JPEG", "PNG"):
        yield _encode(format, [_sample_picture("RGB")], icc_profile=profile)
    for format in ("GIF", "PNG", "WEBP", "MPO", "TIFF"):
        frames = [_sample_picture("RGB", shade) for shade in (0, 40, 80)]
        yield _encode(format, frames, save_all=True, append_images=frames[1:])
    yield from _raw_photos()
    for format in ("JPEG", "PNG", "WEBP", "HEIF"):
        yield _encode(format, [_sample_picture("RGB")])[:-9]
    yield b"P3 2 2 255 1 2 3 4 5 6 7 8 9 10 11 12\n"
    yield b"Pf 2 1 -1.0\n" + bytes(8)


def _raw_photos() -> Iterator[bytes]:
    """Raw photos of several makers, with a preview that is large enough, or with none; and a TIFF of several sizes."""
    thumbnail, preview = np.full((6, 8, 3), 90, np.uint8), np.full((480, 640, 3), 90, np.uint8)
    sensor = sensor_page(4000, 3000, bytes(range(64)))
    for start in (b"II*\0", b"MM\0*", b"IIRO"):
        yield tiff(rgb_page(thumbnail, children=[sensor, jpeg_page(preview)], t274=6), start=start)
    yield tiff(rgb_page(thumbnail, children=[sensor]))
    yield tiff(rgb_page(thumbnail), rgb_page(np.asarray(_sample_picture("RGB"))))
    yield b"FUJIFILMCCD-RAW 0201" + bytes(80) + jpeg(preview)
    box = b"CMT1" + tiff(rgb_page(thumbnail, t274=8))
    yield b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + box + jpeg(preview)


def make_reader(folder: Path) -> Reader:
    file = folder / "picture"

    def read(data: bytes) -> None:
        file.write_bytes(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a kiosk logs them
            for long_side in (None, LONG_SIDE):
                _check_load(file, long_side)
            _check_playback(file)

    return read


def mutate(data: bytes, rng: random.Random, bytewise: Mutator) -> bytes:
    """Mostly change one chunk of a PNG and its checksum; or change some bytes."""
    return odd.mutate_png(data, rng, bytewise) if rng.random() < 0.8 else bytewise(data)


def _check_load(file: Path, long_side: int | None) -> None:
    try:
        loaded = pictures.load_picture(file, long_side)
    except pictures.PictureError as error:
        check_sentence(error, file)
    else:
        _check_image(loaded.image, long_side)
        if any(text is not None and not text.isprintable() for text in loaded.credit):
            raise BrokenPromise(f"a credit of several lines: {loaded.credit}")
        pictures.make_thumbnail(loaded.image)


def _check_playback(file: Path) -> None:
    is_still(file)
    try:
        shown = playback.Slideshow(file, [file], LONG_SIDE, real_time=False, loop=False)
    except CameraError as error:
        check_sentence(error, file)
    else:
        due = shown.next_due()
        if due is not None:
            _check_image(shown.advance(due).image, LONG_SIDE)


def _check_image(image: Any, long_side: int | None) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise BrokenPromise(f"a picture of {image.dtype} and shape {image.shape}")
    if long_side is not None and max(image.shape[:2]) > long_side:
        raise BrokenPromise(f"a picture of {image.shape} where {long_side} is the most")


def _sample_picture(mode: str, shade: int = 0) -> Pillow.Image:
    """A picture of 32×20 pixels with gradients and an edge."""
    across, down = np.meshgrid(np.arange(32), np.arange(20))
    red = np.where(across > 16, 255 - shade, across * 7 + shade)
    image = Pillow.fromarray(np.dstack([red, down * 12, across + down]).astype(np.uint8))
    if mode == "I;16":
        return Pillow.fromarray((red * 200).astype(np.uint16))
    return image.convert("L").convert(mode) if mode in ("I", "F") else image.convert(mode)


def _encode(format: str, frames: list[Pillow.Image], **options: Any) -> bytes:
    made = io.BytesIO()
    frames[0].save(made, format, **options)
    return made.getvalue()
