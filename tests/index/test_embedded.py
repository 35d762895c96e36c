"""Files that hold several images, the first often a thumbnail: the largest one that can be read is the picture."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from index import formats
from index.formats import identify_format
from index.pictures import PictureError, load_picture
from models.pose import Image
from tests.support.paths import SHARED
from tests.support.tiff_files import Page, jpeg, jpeg_page, rgb_page, sensor_page, tiff

THUMBNAIL = np.full((120, 160, 3), 90, np.uint8)


def scene(width: int = 800, height: int = 600) -> Image:
    """Return a picture that is dark at the left, light at the right and red at the top."""
    image = np.tile(np.linspace(0, 200, width).astype(np.uint8)[None, :, None], (height, 1, 3))
    image[: height // 8] = 220, 30, 30
    return image


def read(tmp_path: Path, name: str, data: bytes, long_side: int | None = None) -> Image:
    (tmp_path / name).write_bytes(data)
    return load_picture(tmp_path / name, long_side).image


def shows(image: Image, expected: Image) -> bool:
    return image.shape == expected.shape and bool(np.abs(image.astype(int) - expected).mean() < 6)


def raw_photo(preview: Page | None, *, start: bytes = b"II*\0", orientation: int = 1) -> bytes:
    pages = [sensor_page(4000, 3000, bytes(range(256)) * 50), *([preview] if preview else [])]
    return tiff(rgb_page(THUMBNAIL, children=pages, t274=orientation), start=start)


@pytest.mark.parametrize("start", [b"II*\0", b"MM\0*"])
@pytest.mark.parametrize("name", ["a.dng", "a.NEF", "a.tif", "no ending"])
def test_shows_the_preview_in_a_raw_photo(tmp_path: Path, name: str, start: bytes) -> None:
    data = raw_photo(jpeg_page(scene()), start=start)
    assert shows(read(tmp_path, name, data), scene())


def test_a_raw_photo_may_hold_its_preview_as_plain_pixels(tmp_path: Path) -> None:
    assert shows(read(tmp_path, "a.dng", raw_photo(rgb_page(scene()))), scene())


def test_turns_a_preview_as_the_raw_photo_says(tmp_path: Path) -> None:
    turned = np.rot90(scene())
    assert shows(read(tmp_path, "a.nef", raw_photo(jpeg_page(turned), orientation=6)), scene())
    exif = Pillow.Exif()
    exif[0x0112] = 6
    data = raw_photo(jpeg_page(turned, exif=exif), orientation=8)
    assert shows(read(tmp_path, "a.nef", data), scene()), "a preview knows best how it is turned"


@pytest.mark.parametrize(
    "start",
    [b"FUJIFILMCCD-RAW 0201", b"FOVb", b"\0MRM", b"II\x1a\0\0\0HEAPCCDR", b"\0\0\0\x18ftypcrx \0\0\0\1crx isom"],
)
def test_finds_previews_in_raw_photos_of_other_makers(tmp_path: Path, start: bytes) -> None:
    data = start + bytes(100) + jpeg(THUMBNAIL) + bytes(range(256)) * 9 + jpeg(scene()) + bytes(500)
    assert shows(read(tmp_path, "a", data), scene())


@pytest.mark.parametrize("start", [b"IIRO", b"IIRS", b"IIU\0", b"MMOR"])
def test_reads_raw_photos_that_are_nearly_tiff_files(tmp_path: Path, start: bytes) -> None:
    data = raw_photo(jpeg_page(np.rot90(scene())), start=start, orientation=6)
    assert shows(read(tmp_path, "a.orf", data), scene())


def test_turns_the_preview_of_a_canon_cr3(tmp_path: Path) -> None:
    box = b"CMT1" + tiff(Page({256: (6000,), 257: (4000,), 274: (6,)}, b""))
    data = b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(40) + box + bytes(64) + jpeg(np.rot90(scene()))
    assert shows(read(tmp_path, "IMG_1.CR3", data), scene())


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.dng", tiff(rgb_page(THUMBNAIL)), "only a small preview of 160×120 pixels"),
        ("a.tif", raw_photo(None), "only a small preview of 160×120 pixels"),
        ("a.tif", raw_photo(jpeg_page(scene(400, 300))), "only a small preview of 400×300 pixels"),
        ("a.cr3", b"\0\0\0\x18ftypcrx " + bytes(500), "no preview"),
        ("b.raf", b"FUJIFILMCCD-RAW 0201" + bytes(500), "no preview"),
    ],
)
def test_a_raw_photo_with_a_thumbnail_alone_is_raw(tmp_path: Path, name: str, data: bytes, reason: str) -> None:
    with pytest.raises(PictureError) as error:
        read(tmp_path, name, data)
    assert error.value.kind == "raw"
    assert (
        str(error.value)
        == f"{tmp_path / name} is a raw photo with {reason}: export it as JPEG from your photo program."
    )


def test_a_tile_of_sensor_data_is_no_preview(tmp_path: Path) -> None:
    """Some raw photos store what the sensor recorded as JPEG tiles."""
    tile = jpeg(scene(1024, 1024))
    with pytest.raises(PictureError, match="raw photo with only a small preview"):
        read(tmp_path, "a.dng", tiff(rgb_page(THUMBNAIL, children=[sensor_page(2048, 1024, tile + tile)])))


def test_tries_the_next_preview_if_the_largest_is_damaged(tmp_path: Path) -> None:
    damaged = jpeg(scene(1600, 1200))[:3000]
    data = b"FUJIFILMCCD-RAW 0201" + damaged + bytes(100) + jpeg(scene())
    assert shows(read(tmp_path, "a.raf", data), scene())


def test_takes_the_largest_page_of_a_tiff(tmp_path: Path) -> None:
    small, large = rgb_page(THUMBNAIL), rgb_page(scene())
    assert shows(read(tmp_path, "a.tif", tiff(small, large)), scene())
    assert shows(read(tmp_path, "b.tif", tiff(large, small)), scene())
    assert shows(read(tmp_path, "c.tif", tiff(rgb_page(THUMBNAIL, children=[large]))), scene())
    other = rgb_page(scene()[:, ::-1])
    assert shows(read(tmp_path, "d.tif", tiff(large, other)), scene()), "of equal pages the first"


@pytest.mark.parametrize("is_big", [False, True])
def test_takes_the_largest_page_that_pillow_wrote(tmp_path: Path, is_big: bool) -> None:
    pages = [Pillow.fromarray(THUMBNAIL), Pillow.fromarray(scene())]
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "jpeg"):
        buffer = io.BytesIO()
        options = {"big_tiff": is_big, "compression": compression}
        pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:], **options)
        assert shows(read(tmp_path, "a.tif", buffer.getvalue()), scene())


def test_a_mask_is_not_the_picture(tmp_path: Path) -> None:
    mask = Page({256: (900,), 257: (900,), 258: (8,), 259: (1,), 262: (4,), 254: (4,), 277: (1,)}, bytes(900 * 900))
    assert shows(read(tmp_path, "a.tif", tiff(rgb_page(scene()), mask)), scene())


def test_takes_a_smaller_page_when_the_largest_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "MAX_PIXELS", 1_000_000)
    huge = rgb_page(scene(1200, 900))
    assert shows(read(tmp_path, "a.tif", tiff(huge, rgb_page(scene()))), scene())
    with pytest.raises(PictureError) as error:
        read(tmp_path, "b.tif", tiff(huge, rgb_page(THUMBNAIL)))
    assert error.value.kind == "too large", "its thumbnail is no picture"


def test_pages_in_a_circle_end(tmp_path: Path) -> None:
    first = tiff(rgb_page(scene()))
    (at,) = struct.unpack_from("<I", first, 4)
    assert shows(read(tmp_path, "a.tif", tiff(rgb_page(scene()), next_of_last=at)), scene())


def test_takes_the_larger_of_two_pictures_of_a_camera(tmp_path: Path) -> None:
    for first, second in ((THUMBNAIL, scene()), (scene(), THUMBNAIL)):
        buffer = io.BytesIO()
        Pillow.fromarray(first).save(buffer, "MPO", save_all=True, append_images=[Pillow.fromarray(second)])
        assert shows(read(tmp_path, "a.mpo", buffer.getvalue()), scene())
        assert read(tmp_path, "a.jpg", buffer.getvalue(), 400).shape == (300, 400, 3)


@pytest.mark.parametrize("first", [0, 1])
def test_takes_the_largest_picture_of_a_heic(tmp_path: Path, first: int) -> None:
    identify_format(b"")  # makes Pillow ready to write HEIC
    other = scene()[:, ::-1]
    for images, shown in (([THUMBNAIL, scene()], 1), ([scene(), THUMBNAIL], 0), ([scene(), other], first)):
        pictures = [Pillow.fromarray(np.ascontiguousarray(image)) for image in images]
        buffer = io.BytesIO()
        pictures[0].save(buffer, "HEIF", save_all=True, append_images=pictures[1:], primary_index=first)
        assert shows(read(tmp_path, "a.heic", buffer.getvalue()), images[shown])


def test_a_raw_photo_keeps_its_author(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Pillow.fromarray(THUMBNAIL).save(buffer, "TIFF", tiffinfo={315: "Ann"})
    (tmp_path / "a.dng").write_bytes(buffer.getvalue() + jpeg(scene()))
    assert load_picture(tmp_path / "a.dng", None).credit.author == "Ann"


def test_the_raw_photo_of_the_shared_data_is_raw() -> None:
    file = SHARED / "odd" / "raw" / "raw.dng"
    if not file.is_file():
        pytest.skip(f"needs {file}")
    with pytest.raises(PictureError) as error:
        load_picture(file, None)
    assert error.value.kind == "raw"
