"""Reading picture files of any kind upright and in sRGB; a file without a picture is an error, never a crash."""

from __future__ import annotations

import contextlib
import io
import os
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageCms

from index.build.photo import NewPicture
from index.formats import MAX_PIXELS
from index.pictures import PictureError, clean_text, load_picture
from models.pose import Image

RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 200, 40), (30, 40, 220), (240, 240, 240)


def quarters(width: int = 64, height: int = 48) -> Image:
    """Return a picture with red and green above, blue and white below."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2], picture[: height // 2, width // 2 :] = RED, GREEN
    picture[height // 2 :, : width // 2], picture[height // 2 :, width // 2 :] = BLUE, WHITE
    return picture


def read_image(file: Path) -> Image:
    return load_picture(file, None).image


def looks_like(image: Image, expected: Image, max_error: float = 12) -> bool:
    return image.shape == expected.shape and bool(np.abs(image.astype(int) - expected).mean() < max_error)


@pytest.mark.parametrize(
    "name", ["a.jpg", "a.png", "a.webp", "a.gif", "a.bmp", "a.tiff", "a.ppm", "a.jp2", "no-ending"]
)
def test_reads_the_usual_formats(tmp_path: Path, name: str) -> None:
    Pillow.fromarray(quarters()).save(tmp_path / name, "PNG" if name == "no-ending" else None)
    image = read_image(tmp_path / name)
    assert image.dtype == np.uint8
    assert looks_like(image, quarters())


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tiff"])
def test_turns_pictures_upright(tmp_path: Path, name: str, orientation: int) -> None:
    """EXIF's orientation says where the first row and column of the file are in the scene."""
    scene = quarters()
    in_file = {
        1: scene, 2: scene[:, ::-1], 3: scene[::-1, ::-1], 4: scene[::-1],
        5: scene.transpose(1, 0, 2), 6: np.rot90(scene, 1),
        7: scene[::-1, ::-1].transpose(1, 0, 2), 8: np.rot90(scene, -1),
    }[orientation]  # fmt: skip
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    Pillow.fromarray(np.ascontiguousarray(in_file)).save(tmp_path / name, exif=exif)
    picture = load_picture(tmp_path / name, None)
    assert looks_like(picture.image, scene)
    assert (picture.width, picture.height) == (64, 48)


def test_scales_a_large_picture_and_keeps_its_size(tmp_path: Path) -> None:
    exif = Pillow.Exif()
    exif[0x0112], exif[0x013B] = 6, "Ann\0"
    Pillow.fromarray(np.ascontiguousarray(np.rot90(quarters(1600, 1200)))).save(tmp_path / "a.jpg", exif=exif)
    picture = load_picture(tmp_path / "a.jpg", 200)
    assert picture.image.shape == (150, 200, 3)
    assert (picture.width, picture.height, picture.credit.author) == (1600, 1200, "Ann")
    assert looks_like(picture.image, quarters(200, 150), 15)


def test_keeps_the_colours_of_cmyk(tmp_path: Path) -> None:
    Pillow.fromarray(quarters()).convert("CMYK").save(tmp_path / "a.jpg")
    assert looks_like(read_image(tmp_path / "a.jpg"), quarters())


def test_keeps_the_shades_of_16_bit_grey(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(20, 0)
    for name in ("a.png", "a.tiff"):
        Pillow.fromarray(ramp).save(tmp_path / name)
        assert np.abs(read_image(tmp_path / name)[5, :, 1].astype(int) - np.arange(256)).max() <= 1


def test_keeps_16_bit_colours(tmp_path: Path) -> None:
    """Pillow cannot write such a PNG, so the test does."""
    rows = (quarters().astype(">u2") * 257).tobytes()
    lines = b"".join(b"\0" + rows[i : i + 64 * 6] for i in range(0, len(rows), 64 * 6))
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", 64, 48, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(lines)),
        (b"IEND", b""),
    ]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    (tmp_path / "a.png").write_bytes(data)
    assert looks_like(read_image(tmp_path / "a.png"), quarters(), 1)


def test_spreads_floating_point_grey_from_black_to_white(tmp_path: Path) -> None:
    Pillow.fromarray(np.linspace(-3, 5, 256, dtype=np.float32)[None].repeat(9, 0)).save(tmp_path / "a.tiff")
    assert np.abs(read_image(tmp_path / "a.tiff")[5, :, 0].astype(int) - np.arange(256)).max() <= 1


def test_floating_point_grey_may_hold_nan_and_infinity(tmp_path: Path) -> None:
    row = np.array([np.nan, -np.inf, np.inf, 0], np.float32)
    Pillow.fromarray(np.tile(row, (4, 1))).save(tmp_path / "a.tiff")
    assert read_image(tmp_path / "a.tiff")[0, :, 0].tolist() == [127, 0, 255, 127]


def test_does_not_read_a_file_larger_than_any_picture(tmp_path: Path) -> None:
    with (tmp_path / "a.jpg").open("wb") as file:
        file.truncate(200_000_001)
    with pytest.raises(PictureError, match=r"a\.jpg is too large \(more than 200 MB\)\.$"):
        read_image(tmp_path / "a.jpg")


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["F", "I"])
def test_reads_the_largest_picture_in_little_memory(tmp_path: Path, mode: str) -> None:
    side = int(MAX_PIXELS**0.5)
    Pillow.new(mode, (side, side)).save(tmp_path / "a.tiff", compression="tiff_adobe_deflate")
    code = (
        "import sys; from pathlib import Path; from index.pictures import load_picture;"
        "load_picture(Path(sys.argv[1]), 1920); print(Path('/proc/self/status').read_text())"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.tiff")]
    status = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    peak = re.search(r"VmHWM:\s*(\d+) kB", status)  # getrusage would also count the process that started this one
    assert peak is not None
    assert int(peak[1]) * 1024 < 1.5e9


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA"])
def test_converts_other_modes_to_rgb(tmp_path: Path, mode: str) -> None:
    grey = np.tile(np.array([0, 255], np.uint8).repeat(32), (48, 1))
    Pillow.fromarray(grey).convert("RGBA" if mode == "RGBA" else "L").convert(mode).save(tmp_path / "a.png")
    assert looks_like(read_image(tmp_path / "a.png"), grey[:, :, None].repeat(3, 2), 2)


def test_shows_transparency_as_white(tmp_path: Path) -> None:
    clear = np.dstack([quarters(), np.zeros((48, 64), np.uint8)])
    Pillow.fromarray(clear).save(tmp_path / "a.png")
    assert (read_image(tmp_path / "a.png") == 255).all()


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.tiff"])
def test_reads_the_first_frame_of_an_animation(tmp_path: Path, name: str) -> None:
    others = [Pillow.new("RGB", (64, 48), colour) for colour in ("red", "blue")]
    Pillow.fromarray(quarters()).save(tmp_path / name, save_all=True, append_images=others)
    assert looks_like(read_image(tmp_path / name), quarters())


def test_applies_a_colour_profile(tmp_path: Path) -> None:
    """With a profile, the same numbers mean other colours; the picture is converted to look as intended."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    Pillow.fromarray(quarters()).save(tmp_path / "unfit.png", icc_profile=profile)
    assert looks_like(read_image(tmp_path / "unfit.png"), quarters()), "a profile for other colours changes nothing"
    Pillow.fromarray(quarters()).save(tmp_path / "damaged.jpg", icc_profile=b"x" * 200)
    assert looks_like(read_image(tmp_path / "damaged.jpg"), quarters())
    Pillow.fromarray(quarters()).save(tmp_path / "linear.png", icc_profile=linear_rgb())
    assert read_image(tmp_path / "linear.png")[40, 10, 1] > 90, "linear 40 of 255 is lighter than sRGB's"


def linear_rgb() -> bytes:
    """Return the sRGB profile with its three tone curves replaced by straight lines."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    (count,) = struct.unpack(">I", profile[128:132])
    for number in range(count):
        kind, place, _ = struct.unpack(">4sII", profile[132 + 12 * number : 144 + 12 * number])
        if kind in (b"rTRC", b"gTRC", b"bTRC"):
            profile[place : place + 12] = b"curv" + bytes(8)
        if kind == b"desc":
            profile = profile.replace("sRGB".encode("utf-16-be"), "line".encode("utf-16-be")).replace(b"sRGB", b"line")
    return bytes(profile)


def error_kind(file: Path) -> str:
    """Return the kind of error that reading a file raises."""
    with pytest.raises(PictureError) as error:
        read_image(file)
    message = str(error.value)
    assert message.count("\n") == 0
    message.encode("utf-8")
    assert message.endswith(".")
    return error.value.kind


def saved(kind: str = "JPEG") -> bytes:
    data = io.BytesIO()
    Pillow.fromarray(np.random.default_rng(0).integers(0, 255, (300, 400, 3), np.uint8)).save(data, kind)
    return data.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "JPEG2000"])
def test_rejects_a_truncated_picture(tmp_path: Path, kind: str) -> None:
    for share in (0.5, 0.9):
        (tmp_path / "a").write_bytes(saved(kind)[: int(len(saved(kind)) * share)])
        assert error_kind(tmp_path / "a") in ("damaged", "not a picture")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF"])
def test_flipped_bits_give_a_picture_or_an_error(tmp_path: Path, kind: str) -> None:
    rng, complete = np.random.default_rng(1), saved(kind)
    for _ in range(25):
        data = bytearray(complete)
        for place in rng.integers(0, min(len(data), 2000), 5):
            data[place] ^= 1 << int(rng.integers(8))
        (tmp_path / "a").write_bytes(data)
        with contextlib.suppress(PictureError):
            assert read_image(tmp_path / "a").ndim == 3


@pytest.mark.parametrize(
    "data", [b"", b"GIF", b"hello", b"\xff\xd8\xff", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"%PDF-1.4"]
)
def test_rejects_a_file_that_is_not_a_picture(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(data)
    assert error_kind(tmp_path / "a.jpg") in ("not a picture", "damaged")


@pytest.mark.parametrize("size", [(10_001, 8_000), (30_000, 30_000), (2**31 - 1, 1)])
def test_rejects_more_than_80_megapixels_before_decoding(tmp_path: Path, size: tuple[int, int]) -> None:
    header = struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    body = zlib.compress(bytes(1000))
    chunk += struct.pack(">I", len(body)) + b"IDAT" + body + struct.pack(">I", zlib.crc32(b"IDAT" + body))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk)
    assert error_kind(tmp_path / "a.png") == "too large"


def test_does_not_open_special_files(tmp_path: Path) -> None:
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "dangling.jpg").symlink_to("nowhere")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    for name in ("folder.jpg", "pipe.jpg", "dangling.jpg", "loop.jpg", "missing.jpg", "zero\0byte.jpg", "x" * 300):
        assert error_kind(tmp_path / name) == "cannot be read"


@pytest.mark.parametrize("name", ["写真.jpg", "café.jpg", "صورة.jpg", "caf\udce9.jpg", "line\nbreak.jpg", "-x.jpg"])
def test_reads_a_picture_of_any_name(tmp_path: Path, name: str) -> None:
    Pillow.fromarray(quarters()).save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").rename(tmp_path / name)
    assert looks_like(read_image(tmp_path / name), quarters())
    (tmp_path / name).write_bytes(b"")
    assert error_kind(tmp_path / name) == "not a picture"


def test_encodes_a_picture_as_jpeg_named_by_checksum() -> None:
    picture = NewPicture.encode(quarters(400, 200), long_side=100)
    assert (picture.width, picture.height) == (100, 50)
    assert picture.name == NewPicture.encode(quarters(400, 200), long_side=100).name
    assert picture.name != NewPicture.encode(quarters(200, 100), long_side=100).name
    assert isinstance(picture.content, bytes)
    with Pillow.open(io.BytesIO(picture.content)) as opened:
        assert (opened.format, opened.mode, opened.size) == ("JPEG", "RGB", (100, 50))
    assert NewPicture.encode(quarters(), long_side=100).width == 64, "no picture is enlarged"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a\0b\n c", "a b c"),
        ("", None),
        (None, None),
        (b"caf\xe9", "caf�"),
        ("\udce9t\u202e", "�t"),
        (7, "7"),
        ("ж" * 300, "ж" * 200),
    ],
)
def test_cleans_text_to_one_printable_line(value: object, expected: str | None) -> None:
    assert clean_text(value) == expected
