"""What the doctor says of the languages that visitors read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from device import config
from device.cli.finding import Finding
from device.cli.language_check import check_languages
from device.display import fonts
from device.display.font_files import FontFile
from device.language import translate
from device.language.catalogues import shipped_catalogues


class AnyFont(FontFile):
    """A font with all characters."""

    def has(self, character: str) -> bool:
        return True


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for the maker's own catalogues, which is empty."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    folder = tmp_path / "pose-mirror" / "languages"
    folder.mkdir(parents=True)
    translate._translations.cache_clear()
    yield folder
    translate._translations.cache_clear()


def check(languages: str, monkeypatch: pytest.MonkeyPatch, *system_fonts: FontFile) -> Finding:
    monkeypatch.setattr(fonts, "system_fonts", lambda: system_fonts)
    monkeypatch.setattr(fonts.Fonts, "_try_to_open", lambda self, path: True)
    settings = config.load(search_paths=())
    return check_languages(replace(settings, screen=replace(settings.screen, language=languages)))


def test_names_the_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check("en", monkeypatch) == Finding("ok", "Visitors read English (en).")
    assert check("de fr", monkeypatch) == Finding("ok", "Visitors read Deutsch (de) and Français (fr), in turns.")


@pytest.mark.parametrize(
    ("code", "script", "package"),
    [("ar", "Arabic", "fonts-noto-core"), ("zh", "Chinese", "fonts-wqy-microhei")],
)
def test_names_the_package_of_a_missing_font(
    code: str, script: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    finding = check(code, monkeypatch)
    assert finding.state == "bad"
    assert finding.sentence.startswith("Visitors read English (en). ")
    assert f"{script} letters have no font, so visitors do not read " in finding.sentence
    assert finding.sentence.endswith(f"run `sudo apt install {package}`.")
    assert check(code, monkeypatch, AnyFont("Any.ttf")).state == "ok"


def test_a_single_letter_without_a_font_is_a_box(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (own_folder / "de.po").write_text('msgid "Come closer"\nmsgstr "Komm näher, ข!"\n', encoding="utf-8")
    finding = check("de", monkeypatch)
    assert finding.sentence.startswith("Visitors read Deutsch (de). Thai letters are boxes on the screen")


def test_japanese_needs_its_own_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    finding = check("ja", monkeypatch, AnyFont("Chinese.ttf"))
    assert finding.state == "note"
    assert "`sudo apt install fonts-vlgothic`" in finding.sentence
    assert check("ja", monkeypatch, AnyFont("VL-Gothic.ttf")).state == "ok"


def test_counts_what_is_not_translated(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (own_folder / "da.po").write_text('msgid "Come closer"\nmsgstr "Kom tættere på"\n', encoding="utf-8")
    finding = check("da", monkeypatch)
    total = len(translate.parse_catalogue(shipped_catalogues()["de"]))
    assert finding.state == "note"
    assert f"{total - 1} of {total} sentences are not translated into Dansk" in finding.sentence


def test_an_own_english_needs_no_other_sentences(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (own_folder / "en.po").write_text('msgid "Come closer"\nmsgstr "Come here!"\n', encoding="utf-8")
    assert check("en", monkeypatch).state == "ok"


def test_names_a_catalogue_that_cannot_be_read(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (own_folder / "da.po").write_bytes(b"\xff\xfe")
    finding = check("da", monkeypatch)
    assert finding.state == "bad"
    assert "da.po is not a catalogue of translations" in finding.sentence
    assert not caplog.text, "the sentence is not said twice"
