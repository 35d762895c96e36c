"""Picture files of any sort, read as people see them; what is none is told and never a crash."""

from __future__ import annotations

import contextlib
import io
import os
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
from index.pictures import MAX_PIXELS, PictureError, clean_text, load_picture, read_image

RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 200, 40), (30, 40, 220), (240, 240, 240)


def quarters(width: int = 64, height: int = 48) -> np.ndarray:
    """Red and green above, blue and white below."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2], picture[: height // 2, width // 2 :] = RED, GREEN
    picture[height // 2 :, : width // 2], picture[height // 2 :, width // 2 :] = BLUE, WHITE
    return picture


def looks_like(found: np.ndarray, wanted: np.ndarray, within: float = 12) -> bool:
    return found.shape == wanted.shape and np.abs(found.astype(int) - wanted).mean() < within


@pytest.mark.parametrize(
    "name", ["a.jpg", "a.png", "a.webp", "a.gif", "a.bmp", "a.tiff", "a.ppm", "a.jp2", "no-ending"]
)
def test_pictures_of_the_usual_sorts_are_read(tmp_path, name):
    Pillow.fromarray(quarters()).save(tmp_path / name, "PNG" if name == "no-ending" else None)
    found = read_image(tmp_path / name)
    assert found.dtype == np.uint8
    assert looks_like(found, quarters())


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tiff"])
def test_a_turned_picture_is_seen_upright(tmp_path, name, orientation):
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


def test_a_large_picture_is_scaled_and_its_own_size_told(tmp_path):
    exif = Pillow.Exif()
    exif[0x0112], exif[0x013B] = 6, "Ann\0"
    Pillow.fromarray(np.ascontiguousarray(np.rot90(quarters(1600, 1200)))).save(tmp_path / "a.jpg", exif=exif)
    picture = load_picture(tmp_path / "a.jpg", 200)
    assert picture.image.shape == (150, 200, 3)
    assert (picture.width, picture.height, picture.author) == (1600, 1200, "Ann")
    assert looks_like(picture.image, quarters(200, 150), 15)


def test_cmyk_has_its_colours(tmp_path):
    Pillow.fromarray(quarters()).convert("CMYK").save(tmp_path / "a.jpg")
    assert looks_like(read_image(tmp_path / "a.jpg"), quarters())


def test_grey_of_16_bits_keeps_its_shades(tmp_path):
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(20, 0)
    for name in ("a.png", "a.tiff"):
        Pillow.fromarray(ramp).save(tmp_path / name)
        assert np.abs(read_image(tmp_path / name)[5, :, 1].astype(int) - np.arange(256)).max() <= 1


def test_colours_of_16_bits_keep_theirs(tmp_path):
    """Pillow cannot write such a PNG, so it is written here."""
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


def test_floating_point_grey_is_spread_from_black_to_white(tmp_path):
    Pillow.fromarray(np.linspace(-3, 5, 256, dtype=np.float32)[None].repeat(9, 0)).save(tmp_path / "a.tiff")
    assert np.abs(read_image(tmp_path / "a.tiff")[5, :, 0].astype(int) - np.arange(256)).max() <= 1


def test_floating_point_grey_may_hold_what_is_no_number(tmp_path):
    row = np.array([np.nan, -np.inf, np.inf, 0], np.float32)
    Pillow.fromarray(np.tile(row, (4, 1))).save(tmp_path / "a.tiff")
    assert read_image(tmp_path / "a.tiff")[0, :, 0].tolist() == [127, 0, 255, 127]


def test_a_file_larger_than_any_picture_is_not_read(tmp_path):
    with (tmp_path / "a.jpg").open("wb") as file:
        file.truncate(200_000_001)
    with pytest.raises(PictureError, match=r"a\.jpg is too large \(more than 200 MB\)\.$"):
        read_image(tmp_path / "a.jpg")


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["F", "I"])
def test_the_largest_picture_of_32_bits_is_read_in_the_memory_of_a_small_computer(tmp_path, mode):
    side = int(MAX_PIXELS**0.5)
    Pillow.new(mode, (side, side)).save(tmp_path / "a.tiff", compression="tiff_adobe_deflate")
    code = (
        "import resource, sys; from pathlib import Path; from index.pictures import load_picture;"
        "load_picture(Path(sys.argv[1]), 1920); print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    peak = subprocess.run([sys.executable, "-c", code, tmp_path / "a.tiff"], check=True, stdout=subprocess.PIPE).stdout
    assert int(peak) * 1024 < 1.5e9


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA"])
def test_other_modes_become_rgb(tmp_path, mode):
    grey = np.tile(np.array([0, 255], np.uint8).repeat(32), (48, 1))
    Pillow.fromarray(grey).convert("RGBA" if mode == "RGBA" else "L").convert(mode).save(tmp_path / "a.png")
    assert looks_like(read_image(tmp_path / "a.png"), grey[:, :, None].repeat(3, 2), 2)


def test_what_is_seen_through_is_white(tmp_path):
    clear = np.dstack([quarters(), np.zeros((48, 64), np.uint8)])
    Pillow.fromarray(clear).save(tmp_path / "a.png")
    assert (read_image(tmp_path / "a.png") == 255).all()


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.tiff"])
def test_of_an_animation_the_first_frame_is_taken(tmp_path, name):
    others = [Pillow.new("RGB", (64, 48), colour) for colour in ("red", "blue")]
    Pillow.fromarray(quarters()).save(tmp_path / name, save_all=True, append_images=others)
    assert looks_like(read_image(tmp_path / name), quarters())


def test_a_colour_profile_is_applied(tmp_path):
    """In Lab's own RGB a colour has other numbers than in sRGB; what is stored is as it is meant to look."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    Pillow.fromarray(quarters()).save(tmp_path / "unfit.png", icc_profile=profile)
    assert looks_like(read_image(tmp_path / "unfit.png"), quarters()), "a profile for other colours changes nothing"
    Pillow.fromarray(quarters()).save(tmp_path / "damaged.jpg", icc_profile=b"x" * 200)
    assert looks_like(read_image(tmp_path / "damaged.jpg"), quarters())
    Pillow.fromarray(quarters()).save(tmp_path / "linear.png", icc_profile=_linear_rgb())
    assert read_image(tmp_path / "linear.png")[40, 10, 1] > 90, "linear 40 of 255 is lighter than sRGB's"


def _linear_rgb() -> bytes:
    """sRGB's own profile with its three tone curves made straight lines."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    (count,) = struct.unpack(">I", profile[128:132])
    for number in range(count):
        kind, place, _ = struct.unpack(">4sII", profile[132 + 12 * number : 144 + 12 * number])
        if kind in (b"rTRC", b"gTRC", b"bTRC"):
            profile[place : place + 12] = b"curv" + bytes(8)
        if kind == b"desc":
            profile = profile.replace("sRGB".encode("utf-16-be"), "line".encode("utf-16-be")).replace(b"sRGB", b"line")
    return bytes(profile)


def fault_of(file: Path) -> str:
    with pytest.raises(PictureError) as error:
        read_image(file)
    said = str(error.value)
    assert said.count("\n") == 0
    said.encode("utf-8")
    assert said.endswith(".")
    return error.value.kind


def saved(kind: str = "JPEG") -> bytes:
    data = io.BytesIO()
    Pillow.fromarray(np.random.default_rng(0).integers(0, 255, (300, 400, 3), np.uint8)).save(data, kind)
    return data.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "JPEG2000"])
def test_a_cut_picture_is_told_as_damaged(tmp_path, kind):
    for share in (0.5, 0.9):
        (tmp_path / "a").write_bytes(saved(kind)[: int(len(saved(kind)) * share)])
        assert fault_of(tmp_path / "a") in ("damaged", "not a picture")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF"])
def test_flipped_bits_give_a_picture_or_a_sentence(tmp_path, kind):
    rng, whole = np.random.default_rng(1), saved(kind)
    for _ in range(25):
        data = bytearray(whole)
        for place in rng.integers(0, min(len(data), 2000), 5):
            data[place] ^= 1 << int(rng.integers(8))
        (tmp_path / "a").write_bytes(data)
        with contextlib.suppress(PictureError):
            assert read_image(tmp_path / "a").ndim == 3


@pytest.mark.parametrize(
    "data", [b"", b"GIF", b"hello", b"\xff\xd8\xff", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"%PDF-1.4"]
)
def test_what_is_no_picture_is_told(tmp_path, data):
    (tmp_path / "a.jpg").write_bytes(data)
    assert fault_of(tmp_path / "a.jpg") in ("not a picture", "damaged")


def test_a_heic_picture_is_told_by_name(tmp_path):
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    with pytest.raises(PictureError, match="HEIC picture, which is not supported: save it as JPEG"):
        read_image(tmp_path / "a.heic")


@pytest.mark.parametrize("size", [(10_001, 8_000), (30_000, 30_000), (2**31 - 1, 1)])
def test_more_than_80_megapixels_are_left_out_before_they_are_decoded(tmp_path, size):
    header = struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    body = zlib.compress(bytes(1000))
    chunk += struct.pack(">I", len(body)) + b"IDAT" + body + struct.pack(">I", zlib.crc32(b"IDAT" + body))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk)
    assert fault_of(tmp_path / "a.png") == "too large"


def test_what_is_no_plain_file_is_not_opened(tmp_path):
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "dangling.jpg").symlink_to("nowhere")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    for name in ("folder.jpg", "pipe.jpg", "dangling.jpg", "loop.jpg", "missing.jpg", "zero\0byte.jpg", "x" * 300):
        assert fault_of(tmp_path / name) == "cannot be read"


@pytest.mark.parametrize("name", ["写真.jpg", "café.jpg", "صورة.jpg", "caf\udce9.jpg", "line\nbreak.jpg", "-x.jpg"])
def test_a_picture_may_have_any_name(tmp_path, name):
    Pillow.fromarray(quarters()).save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").rename(tmp_path / name)
    assert looks_like(read_image(tmp_path / name), quarters())
    (tmp_path / name).write_bytes(b"")
    assert fault_of(tmp_path / name) == "not a picture"


def test_a_stored_picture_is_a_jpeg_named_by_what_is_in_it():
    kept = NewPicture.encode(quarters(400, 200), long_side=100)
    assert (kept.width, kept.height) == (100, 50)
    assert kept.name == NewPicture.encode(quarters(400, 200), long_side=100).name
    assert kept.name != NewPicture.encode(quarters(200, 100), long_side=100).name
    with Pillow.open(io.BytesIO(kept.content)) as opened:
        assert (opened.format, opened.mode, opened.size) == ("JPEG", "RGB", (100, 50))
    assert NewPicture.encode(quarters(), long_side=100).width == 64, "nothing is made larger"


@pytest.mark.parametrize(
    ("given", "wanted"),
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
def test_text_from_anywhere_is_one_line_that_can_be_shown(given, wanted):
    assert clean_text(given) == wanted
