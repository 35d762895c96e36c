"""Font files: found without fontconfig or a home, and read for the characters that they have."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.display import font_files
from device.display.font_files import FontFile, read_characters, system_fonts
from device.display.fonts import BUNDLED


def font_with(encodings: list[tuple[int, int, bytes]], *, collection: bool = False) -> bytes:
    """Return a file with nothing but a cmap of these tables: platform, encoding, table."""
    start = 16 if collection else 0
    cmap_at = start + 12 + 16
    header = struct.pack(">HH", 0, len(encodings))
    offset = len(header) + 8 * len(encodings)
    records, tables = b"", b""
    for platform, encoding, table in encodings:
        records += struct.pack(">HHI", platform, encoding, offset + len(tables))
        tables += table
    cmap = header + records + tables
    directory = b"\0\1\0\0" + struct.pack(">H6x", 1) + struct.pack(">4sIII", b"cmap", 0, cmap_at, len(cmap))
    return (b"ttcf" + struct.pack(">III", 0x10000, 1, start) if collection else b"") + directory + cmap


def format_4(segments: list[tuple[int, int, int]], glyphs: list[int] | None = None) -> bytes:
    """Return a table of segments: first and last character, and the offset into the glyphs that follow (0: none)."""
    segments = [*segments, (0xFFFF, 0xFFFF, 0)]
    count = len(segments)
    first, last, offsets = zip(*segments, strict=True)
    words = [*last, 0, *first, *[1] * count, *offsets, *(glyphs or [])]
    return struct.pack(f">7H{len(words)}H", 4, 14 + 2 * len(words), 0, 2 * count, 0, 0, 0, *words)


def format_12(groups: list[tuple[int, int, int]]) -> bytes:
    flat = [number for group in groups for number in group]
    return struct.pack(f">HHIII{len(flat)}I", 12, 0, 16 + 4 * len(flat), 0, len(groups), *flat)


@pytest.mark.parametrize("collection", [False, True])
def test_reads_segments_with_and_without_glyphs(collection: bool) -> None:
    # the second segment's list of glyphs begins two words on; its second character has none
    table = format_4([(0x20, 0x7E, 0), (0x3042, 0x3044, 4)], [7, 0, 8])
    data = font_with([(3, 1, table)], collection=collection)
    assert read_characters(data) == [(0x20, 0x7E), (0x3042, 0x3042), (0x3044, 0x3044)]


def test_prefers_the_table_with_all_characters() -> None:
    small, large = (
        format_4([(0x41, 0x5A, 0)]),
        format_12([(0x41, 0x5A, 1), (0x1F600, 0x1F64F, 0), (0x20000, 0x20001, 9)]),
    )
    for encodings in ([(3, 1, small), (3, 10, large)], [(0, 4, large), (0, 3, small)]):
        # the first character of a group without a glyph is "none"
        assert read_characters(font_with(encodings)) == [(0x41, 0x5A), (0x1F601, 0x1F64F), (0x20000, 0x20001)]


def test_a_font_of_symbols_has_no_characters() -> None:
    assert read_characters(font_with([(3, 0, format_4([(0xF020, 0xF0FF, 0)]))])) == []


@given(st.binary(max_size=300))
def test_a_damaged_file_is_no_error(tmp_path_factory: pytest.TempPathFactory, noise: bytes) -> None:
    path = tmp_path_factory.mktemp("fonts") / "damaged.ttf"
    good = font_with([(3, 1, format_4([(0x41, 0x5A, 0), (0x3042, 0x3044, 4)], [7, 0, 8]))])
    for content in (noise, good[: len(noise)], b"ttcf" + noise, good[:60] + noise):
        path.write_bytes(content)
        assert FontFile(str(path)).has("漢") in (False, True)


def test_reads_the_bundled_font() -> None:
    font = FontFile(BUNDLED)
    assert [font.has(character) for character in "aéЯ€…ư漢😀"] == [True, True, True, True, True, False, False, False]


def test_finds_fonts_without_fontconfig_or_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(font_files, "home", lambda: None)
    monkeypatch.setattr(font_files, "SYSTEM_FOLDERS", (tmp_path / "none", tmp_path))
    names = ["DejaVuSans.ttf", "NotoSerifThai-Bold.ttf", "NotoSansThai-Regular.ttf", "NotoSansThai-Bold.ttf"]
    for name in [*names, "NotoColorEmoji.ttf", "readme.txt", "b.pfb"]:
        (tmp_path / "deep" / "er").mkdir(parents=True, exist_ok=True)
        (tmp_path / "deep" / "er" / name).touch()
    found = [Path(font.path).name for font in system_fonts.__wrapped__()]
    assert found == ["NotoSansThai-Bold.ttf", "NotoSansThai-Regular.ttf", "DejaVuSans.ttf", "NotoSerifThai-Bold.ttf"]


def test_finds_the_users_own_fonts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(font_files, "SYSTEM_FOLDERS", ())
    for name in (".fonts/a.otf", ".local/share/fonts/b.TTC", "data/fonts/c.ttf"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    assert [Path(font.path).name for font in system_fonts.__wrapped__()] == ["a.otf", "b.TTC"]
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert [Path(font.path).name for font in system_fonts.__wrapped__()] == ["a.otf", "c.ttf"]
