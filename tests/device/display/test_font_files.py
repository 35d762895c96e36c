"""Font files: found without fontconfig or a home, and read for the characters that they have."""

from __future__ import annotations

import struct
from pathlib import Path

import pygame.freetype
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.display import font_files
from device.display.font_files import FontFile, system_fonts
from device.display.fonts import BUNDLED


@given(st.characters() | st.characters(max_codepoint=0x2FFF))
def test_has_the_characters_that_can_be_drawn(character: str) -> None:
    """Any character that FreeType, by which pygame draws, finds a glyph for, and no other."""
    pygame.freetype.init()
    drawn = pygame.freetype.Font(BUNDLED, 20).get_metrics(character) != [None]
    assert FontFile(BUNDLED).has(character) == drawn


def test_reads_the_first_font_of_a_collection(tmp_path: Path) -> None:
    font = Path(BUNDLED).read_bytes()
    (count,) = struct.unpack_from(">H", font, 4)
    header = b"ttcf" + struct.pack(">III", 0x10000, 1, 16)
    collection = bytearray(header + font)
    for record in range(16 + 12, 16 + 12 + 16 * count, 16):  # tables are found by their place in the collection
        (offset,) = struct.unpack_from(">I", collection, record + 8)
        struct.pack_into(">I", collection, record + 8, offset + len(header))
    path = tmp_path / "collection.ttc"
    path.write_bytes(collection)
    assert [FontFile(str(path)).has(character) for character in "aЯ漢"] == [True, True, False]


@pytest.mark.parametrize("name", ["写真 é.ttf", "\udcff.ttf"])
def test_reads_a_font_of_any_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(Path(BUNDLED).read_bytes())
    assert FontFile(str(tmp_path / name)).has("a")


@settings(max_examples=30)
@given(st.binary(max_size=300), st.integers(0, 2000))
def test_a_damaged_file_is_no_error(tmp_path_factory: pytest.TempPathFactory, noise: bytes, start: int) -> None:
    path = tmp_path_factory.mktemp("fonts") / "damaged.ttf"
    good = Path(BUNDLED).read_bytes()
    for content in (noise, good[:start], b"ttcf" + noise, good[:start] + noise + good[start + len(noise) :]):
        path.write_bytes(content)
        assert FontFile(str(path)).has("a") in (False, True)
    assert not FontFile(str(path.parent)).has("a")
    assert not FontFile(str(path.parent / "gone.ttf")).has("a")


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
