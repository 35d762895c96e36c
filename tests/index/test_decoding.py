"""Decoding pictures of all formats: upright once, in sRGB, in little memory, and as far as a cut file goes."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image as Pillow
from PIL import ImageCms

from index import decoding, formats
from index.credit import NO_CREDIT
from index.cut_short import MAX_MISSING_SHARE
from index.decoding import Picture
from index.formats import identify_format
from index.pictures import PictureError, load_credit, load_picture
from models.pose import Image
from tests.index.test_pictures import linear_rgb, looks_like, quarters
from tests.support.paths import SHARED

identify_format(b"")  # makes Pillow ready to write all formats


def encode(image: Image | Pillow.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture = image if isinstance(image, Pillow.Image) else Pillow.fromarray(np.ascontiguousarray(image))
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def load(tmp_path: Path, data: bytes, long_side: int | None = None) -> Picture:
    (tmp_path / "picture").write_bytes(data)
    return load_picture(tmp_path / "picture", long_side)


def error_of(tmp_path: Path, data: bytes, long_side: int | None = None) -> PictureError:
    with pytest.raises(PictureError) as error:
        load(tmp_path, data, long_side)
    return error.value


def exif(orientation: int) -> Pillow.Exif:
    tags = Pillow.Exif()
    tags[0x0112] = orientation
    return tags


def as_stored(scene: Image, orientation: int) -> Image:
    """Return a scene's pixels as a file holds them that says this orientation."""
    stored: Image = {
        1: scene, 2: scene[:, ::-1], 3: scene[::-1, ::-1], 4: scene[::-1],
        5: scene.transpose(1, 0, 2), 6: np.rot90(scene, 1),
        7: scene[::-1, ::-1].transpose(1, 0, 2), 8: np.rot90(scene, -1),
    }[orientation]  # fmt: skip
    return stored


def scene(width: int = 640, height: int = 480) -> Image:
    """Return a picture with detail everywhere, and no grey of the kind that stands for missing pixels."""
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    waves = 40 * np.sin(across / 9) * np.cos(down / 7)
    return np.dstack([200 - waves, 90 + waves, 40 + 60 * down / height]).astype(np.uint8)


# Formats


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["HEIF", "AVIF"])
def test_turns_heic_and_avif_once(tmp_path: Path, format: str, orientation: int) -> None:
    data = encode(as_stored(quarters(), orientation), format, quality=90, exif=exif(orientation).tobytes())
    assert (b"irot" in data or b"imir" in data) == (orientation > 1)
    picture = load(tmp_path, data)
    assert looks_like(picture.image, quarters())
    assert (picture.width, picture.height) == (64, 48)


def test_exif_does_not_turn_a_heic_a_second_time(tmp_path: Path) -> None:
    """In HEIF the container's boxes turn a picture. Its EXIF may say the same, or what was true before an edit."""
    data = encode(as_stored(quarters(), 6), "HEIF", quality=90, exif=exif(6).tobytes())
    tag = re.search(rb"(?s)\x01\x12\x00\x03\x00\x00\x00\x01\x00(.)|\x12\x01\x03\x00\x01\x00\x00\x00(.)", data)
    assert tag is not None
    place = tag.start(1) if tag[1] else tag.start(2)
    for orientation in (1, 6, 8):
        picture = load(tmp_path, data[:place] + bytes([orientation]) + data[place + 1 :])
        assert looks_like(picture.image, quarters())


def test_a_jpeg_xl_decoder_turns_pictures_by_itself(tmp_path: Path) -> None:
    """The standard says so, and that EXIF's orientation does not count; but a packed JPEG comes back as it was."""
    upright = encode(quarters(), "JXL", lossless=True, exif=exif(6).tobytes())
    assert looks_like(load(tmp_path, upright).image, quarters(), 1)
    (tmp_path / "a.jpg").write_bytes(encode(as_stored(quarters(), 6), "JPEG", exif=exif(6)))
    with Pillow.open(tmp_path / "a.jpg") as opened, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        packed = encode(opened, "JXL", lossless_jpeg=True)
    picture = load(tmp_path, packed)
    assert looks_like(picture.image, quarters())
    assert (picture.width, picture.height) == (64, 48)


def test_reads_a_heic_of_tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pillow_heif.options, "GRID_TILE_SIZE", 64)
    data = encode(scene(150, 100), "HEIF", quality=90)
    assert b"grid" in data
    assert looks_like(load(tmp_path, data).image, scene(150, 100))


def test_reads_a_heic_of_ten_bits(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    sixteen_bits = (quarters().astype(np.uint16) * 257).tobytes()
    pillow_heif.encode("RGB;16", (64, 48), sixteen_bits, buffer, quality=90)
    assert looks_like(load(tmp_path, buffer.getvalue()).image, quarters())


def test_shows_a_heic_that_has_a_thumbnail(tmp_path: Path) -> None:
    data = encode(scene(320, 240), "HEIF", quality=90, thumbnails=[128])
    assert b"thmb" in data
    assert looks_like(load(tmp_path, data).image, scene(320, 240))
    small = load(tmp_path, data, 100)
    assert (small.image.shape, small.width, small.height) == ((75, 100, 3), 320, 240)


@pytest.mark.parametrize("format", ["WEBP", "AVIF", "HEIF", "JXL", "PNG"])
def test_shows_what_is_transparent_as_white(tmp_path: Path, format: str) -> None:
    clear = np.dstack([quarters(), np.zeros((48, 64), np.uint8)])
    assert load(tmp_path, encode(clear, format)).image.min() > 250


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "AVIF", "HEIF", "TIFF"])
def test_applies_the_colour_profile_of_every_format(tmp_path: Path, format: str) -> None:
    data = encode(quarters(), format, icc_profile=linear_rgb())
    assert load(tmp_path, data).image[40, 10, 1] > 90, "linear 40 of 255 is lighter than sRGB's"


def test_applies_a_grey_profile(tmp_path: Path) -> None:
    data = encode(Pillow.new("L", (20, 20), 40), "PNG", icc_profile=linear_grey())
    assert abs(int(load(tmp_path, data).image[5, 5, 1]) - 110) < 4


def linear_grey() -> bytes:
    """Return a colour profile of grey that is as light as its numbers (ICC.1:2022, 8.3.4)."""
    white = b"XYZ \0\0\0\0" + b"\x00\x00\xf6\xd6\x00\x01\x00\x00\x00\x00\xd3\x2d"
    curve = b"curv" + bytes(8)
    tags = (b"wtpt", 156, white), (b"kTRC", 176, curve)
    table = b"".join(name + at.to_bytes(4, "big") + len(data).to_bytes(4, "big") for name, at, data in tags)
    head = bytearray(128)
    head[8:12], head[12:24], head[36:40] = b"\x02\x40\0\0", b"mntrGRAYXYZ ", b"acsp"
    head[68:80] = white[8:]
    profile = bytes(head) + (2).to_bytes(4, "big") + table + white + curve
    return len(profile).to_bytes(4, "big") + profile[4:]


def test_converts_lab_to_rgb(tmp_path: Path) -> None:
    transform = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    lab = ImageCms.applyTransform(Pillow.fromarray(quarters()), transform)
    assert lab is not None
    assert looks_like(load(tmp_path, encode(lab, "TIFF")).image, quarters())


@pytest.mark.parametrize("format", ["GIF", "WEBP", "AVIF", "PNG", "TIFF", "HEIF"])
def test_shows_the_first_of_several_frames(tmp_path: Path, format: str) -> None:
    others = [Pillow.new("RGB", (64, 48), colour) for colour in ("red", "blue")]
    data = encode(quarters(), format, save_all=True, append_images=others)
    assert looks_like(load(tmp_path, data).image, quarters())


@pytest.mark.parametrize("behind", [b"", b"\0" * 99, b"\xff" * 99, b"hello", b"\0\0\0\x18ftypmp42" + bytes(range(256))])
@pytest.mark.parametrize("format", ["JPEG", "MPO", "HEIF", "PNG"])
def test_a_picture_may_have_something_behind_it(tmp_path: Path, format: str, behind: bytes) -> None:
    """Phones put a film there, and call it a motion photo."""
    assert looks_like(load(tmp_path, encode(quarters(), format) + behind).image, quarters())


# Sizes


@pytest.mark.parametrize("long_side", [1920, 160, None])
def test_decodes_a_huge_jpeg_small(tmp_path: Path, long_side: int | None) -> None:
    data = encode(Pillow.new("L", (12_000, 9_000), 77), "JPEG")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = load(tmp_path, data, long_side)
    assert (picture.width, picture.height) == (12_000, 9_000)
    assert picture.image.shape == {1920: (1440, 1920, 3), 160: (120, 160, 3), None: (4500, 6000, 3)}[long_side]
    assert picture.image[50, 50].tolist() == [77] * 3


def test_the_huge_jpeg_of_the_shared_data_is_shown() -> None:
    file = SHARED / "odd" / "samsung108mp.jpg"
    if not file.is_file():
        pytest.skip(f"needs {file}")
    picture = load_picture(file, 1920)
    assert (picture.width, picture.height, max(picture.image.shape)) == (9_000, 12_000, 1920)


def test_decodes_a_huge_jpeg_2000_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "MAX_PIXELS", 100_000)
    picture = load(tmp_path, encode(scene(), "JPEG2000"), 200)
    assert (picture.width, picture.height) == (640, 480)
    assert looks_like(picture.image, np.asarray(Pillow.fromarray(scene()).resize((200, 150))))
    assert error_of(tmp_path, encode(scene(), "JPEG2000"), 600).kind == "too large"


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF", "HEIF", "AVIF", "JXL", "BMP", "GIF"])
def test_a_huge_picture_that_stays_huge_is_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    monkeypatch.setattr(formats, "MAX_PIXELS", 640 * 480 - 1)
    error = error_of(tmp_path, encode(scene(), format), 100)
    assert error.kind == "too large"
    assert "has 640×480 pixels, more than 0 million: save it smaller, or as JPEG." in str(error)


def test_the_size_of_a_jpeg_xl_is_checked_before_decoding(tmp_path: Path) -> None:
    """Its decoder decodes all of it at once, so a small file could take all memory."""
    side = 2**30
    bits = 3 << 1 | (side - 1) << 3 | 0 << 33 | 3 << 36 | (side - 1) << 38
    bare = b"\xff\x0a" + bits.to_bytes(20, "little")
    boxed = b"\0\0\0\x0cJXL \r\n\x87\n" + b"\0\0\0\x14ftypjxl \0\0\0\0jxl " + b"\0\0\0\0jxlc" + bare
    for data in (bare, boxed):
        assert load_credit(tmp_path / "picture") == NO_CREDIT
        error = error_of(tmp_path, data)
        assert (error.kind, f"{side}×{side}" in str(error)) == ("too large", True)


def test_a_progressive_jpeg_that_needs_too_much_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its decoder keeps all coefficients of the picture, so making it smaller does not help."""
    monkeypatch.setattr(decoding, "MAX_COEFFICIENT_BYTES", 1_000_000)
    assert load(tmp_path, encode(scene(), "JPEG", progressive=True), 100).width == 640
    error = error_of(tmp_path, encode(scene(), "JPEG", progressive=True, subsampling=0), 100)
    assert error.kind == "too large"
    assert "too many for a progressive JPEG: save it as a baseline JPEG." in str(error)


@pytest.mark.slow
@pytest.mark.parametrize(("progressive", "most"), [(False, 300e6), (True, 1e9)])
def test_a_huge_jpeg_takes_little_memory(tmp_path: Path, progressive: bool, most: float) -> None:
    Pillow.new("RGB", (12_000, 9_000), "teal").save(tmp_path / "a.jpg", progressive=progressive, subsampling=0)
    code = (
        "import sys; from pathlib import Path; from index.pictures import load_picture;"
        "load_picture(Path(sys.argv[1]), 1920); print(Path('/proc/self/status').read_text())"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.jpg")]
    status = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    peak = re.search(r"VmHWM:\s*(\d+) kB", status)
    assert peak is not None
    assert int(peak[1]) * 1024 < most


# Pictures cut short


@pytest.mark.parametrize("cut", [1, 2, 3, 20, 200, 0.02])
@pytest.mark.parametrize("long_side", [None, 160])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
def test_shows_a_jpeg_cut_by_a_few_bytes(
    tmp_path: Path, options: dict[str, Any], long_side: int | None, cut: float
) -> None:
    data = encode(scene(), "JPEG", **options)
    cut = int(len(data) * cut) if cut < 1 else cut
    picture = load(tmp_path, data[: len(data) - int(cut)], long_side)
    complete = load(tmp_path, data, long_side).image
    assert (picture.width, picture.height) == (640, 480)
    difference = np.abs(picture.image.astype(int) - complete).mean((1, 2))
    assert (difference > 3).mean() <= MAX_MISSING_SHARE + 16 / 480
    assert not (picture.image == 128).all(2).any(1)[-20:].any(), "what is missing is not grey"


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_shows_a_grey_or_cmyk_jpeg_cut_by_a_few_bytes(tmp_path: Path, mode: str) -> None:
    picture = Pillow.fromarray(scene()).convert(mode)
    data = encode(picture, "JPEG")
    difference = np.abs(load(tmp_path, data[:-300]).image.astype(int) - load(tmp_path, data).image).mean((1, 2))
    assert (difference > 3).mean() <= 0.1
    assert "is cut short" in str(error_of(tmp_path, data[: len(data) // 2]))


@pytest.mark.parametrize(("share", "percent"), [(0.9, 10), (0.5, 50), (0.1, 90)])
def test_leaves_out_a_jpeg_of_which_part_is_missing(tmp_path: Path, share: float, percent: int) -> None:
    data = encode(scene(), "JPEG")
    error = error_of(tmp_path, data[: int(len(data) * share)])
    assert error.kind == "damaged"
    told = re.search(
        r"is cut short, and the lower (\d+) % of it is missing: copy it again from the original\.$", str(error)
    )
    assert told is not None
    assert abs(int(told[1]) - percent) < 6


@pytest.mark.parametrize("share", [0.5, 0.3, 0.1])
def test_leaves_out_a_progressive_jpeg_without_detail(tmp_path: Path, share: float) -> None:
    data = encode(scene(), "JPEG", progressive=True)
    error = error_of(tmp_path, data[: int(len(data) * share)])
    assert error.kind == "damaged"
    assert "is cut short" in str(error)


def test_a_cut_camera_file_shows_its_first_picture(tmp_path: Path) -> None:
    data = encode(scene(), "MPO", save_all=True, append_images=[Pillow.new("RGB", (64, 48), "red")])
    assert looks_like(load(tmp_path, data[:-400]).image, scene())


@pytest.mark.parametrize("format", ["PNG", "WEBP", "BMP", "PPM", "TIFF", "HEIF"])
def test_shows_other_formats_cut_by_a_few_bytes(tmp_path: Path, format: str) -> None:
    data = encode(scene(), format)
    complete = load(tmp_path, data).image
    for cut in (1, 3, 20, len(data) // 200, len(data) // 100):
        difference = np.abs(load(tmp_path, data[:-cut]).image.astype(int) - complete).mean((1, 2))
        assert (difference > 8).mean() <= 0.06, cut


@pytest.mark.parametrize("format", ["PNG", "WEBP", "BMP", "PPM", "TIFF", "HEIF", "AVIF", "JXL", "GIF"])
def test_leaves_out_other_formats_with_part_missing(tmp_path: Path, format: str) -> None:
    data = encode(scene(), format)
    for share in (0.9, 0.5):
        assert error_of(tmp_path, data[: int(len(data) * share)]).kind == "damaged"


def test_a_text_is_not_a_damaged_picture(tmp_path: Path) -> None:
    for text in (b"hello", b"<html>", b"%PDF-1.4", b"GIF"):
        error = error_of(tmp_path, text)
        assert error.kind == "not a picture"
        assert str(error).endswith("has a format that is not supported: save it as JPEG or PNG.")
