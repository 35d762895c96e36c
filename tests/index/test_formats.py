"""Telling pictures from films by a file's content."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from index.formats import identify_format, is_still

GREY = Pillow.new("RGB", (32, 24), "grey")
WHITE = Pillow.new("RGB", (32, 24), "white")


def encoded(format: str) -> bytes:
    buffer = io.BytesIO()
    GREY.save(buffer, format)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "format", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "JPEG2000", "AVIF", "HEIF", "JXL"]
)
def test_a_picture_is_a_still_whatever_its_name(tmp_path: Path, format: str) -> None:
    identify_format(b"")  # makes Pillow ready to write all formats
    for name in ("clip.mp4", "写真", "12:30 %03d.txt", os.fsdecode(b"\xe9.mov")):
        (tmp_path / name).write_bytes(encoded(format))
        assert is_still(tmp_path / name)


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "AVIF"])
def test_an_animated_picture_is_a_video(tmp_path: Path, format: str) -> None:
    GREY.save(tmp_path / "a.jpg", format, save_all=True, append_images=[WHITE])
    assert not is_still(tmp_path / "a.jpg")


@pytest.mark.parametrize("format", ["TIFF", "MPO", "HEIF"])
def test_several_images_in_one_file_are_a_still(tmp_path: Path, format: str) -> None:
    GREY.save(tmp_path / "a", format, save_all=True, append_images=[WHITE])
    assert is_still(tmp_path / "a")


def test_a_damaged_picture_is_a_still(tmp_path: Path) -> None:
    """Reading it as a picture then gives the reason why it cannot be shown."""
    noise = Pillow.fromarray(np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8))
    for format in ("JPEG", "GIF", "PNG"):
        noise.save(tmp_path / "complete", format)
        (tmp_path / "a.mp4").write_bytes((tmp_path / "complete").read_bytes()[:40])
        assert is_still(tmp_path / "a.mp4"), format


def test_other_files_are_no_stills(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name, data in (("empty", b""), ("film", b"\0\0\0\x20ftypisom" + bytes(99)), ("text", b"hello"), ("G", b"GIF")):
        (tmp_path / name).write_bytes(data)
    for name in ("pipe", "folder", "missing", "zero\0byte", "x" * 300, "empty", "film", "text", "G"):
        assert not is_still(tmp_path / name), name


def test_pictures_are_opened_in_one_way() -> None:
    """Elsewhere Pillow's warnings would be printed, and its own limit on pixels or none would hold."""
    root = Path(__file__).parents[2]
    sources = [file for folder in ("index", "device") for file in (root / folder).rglob("*.py")]
    users = {
        str(file.relative_to(root)) for file in sources if re.search(r"\b([Pp]illow|Image)\.open\(", file.read_text())
    }
    assert users == {"index/formats.py", "index/videos.py"}, "videos keep an animation open"
