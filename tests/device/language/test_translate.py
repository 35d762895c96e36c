"""Saying messages: translated, with numbers and plurals as each language has them."""

from __future__ import annotations

import contextlib
import pickle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.language.catalogues import LanguageError
from device.language.message import Message, message, plural_message
from device.language.translate import Language, load_language, read_catalogue

HEADER = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n'
RUSSIAN = (
    HEADER + '"Plural-Forms: nplurals=3; plural=(n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || '
    'n%100>=20) ? 1 : 2);\\n"\n\nmsgid "{count} picture"\nmsgid_plural "{count} pictures"\n'
    'msgstr[0] "{count} картина"\nmsgstr[1] "{count} картины"\nmsgstr[2] "{count} картин"\n'
)


def test_english_needs_no_catalogue() -> None:
    assert Language().say(message("Come closer")) == "Come closer"
    assert Language().say(plural_message("one picture", "{count} pictures", 1)) == "one picture"
    assert Language().say(plural_message("one picture", "{count} pictures", 153_045)) == "153,045 pictures"


@pytest.mark.parametrize(
    ("code", "sentence"),
    [("de", "Komm näher"), ("fr", "Approche-toi"), ("es", "Acércate"), ("ja", "もう少し近づいてください"),
     ("zh", "请靠近一点"), ("ar", "اقترب أكثر"), ("de_AT", "Komm näher"), ("zh-Hans-CN", "请靠近一点")],
)  # fmt: skip
def test_says_a_message(code: str, sentence: str) -> None:
    assert load_language(code).say(message("Come closer")) == sentence
    assert Language(code).say(message("Not translated")).strip("\u200f") == "Not translated"


@pytest.mark.parametrize(
    ("code", "number"),
    [("en", "153,045"), ("de", "153.045"), ("fr", "153\u202f045"), ("es", "153.045"), ("ja", "153,045"),
     ("zh", "153,045"), ("ar", "153,045"), ("ar_EG", "١٥٣٬٠٤٥"), ("fa", "۱۵۳٬۰۴۵"), ("en_IN", "1,53,045"),
     ("xx", "153,045")],
)  # fmt: skip
def test_writes_numbers_as_the_language_does(code: str, number: str) -> None:
    assert Language(code).number(153_045) == number


def test_uses_the_plural_forms_of_the_language(own_folder: Path) -> None:
    (own_folder / "ru.po").write_text(RUSSIAN, encoding="utf-8")
    said = [
        Language("ru").say(plural_message("{count} picture", "{count} pictures", count)) for count in (1, 3, 11, 21)
    ]
    assert said == ["1 картина", "3 картины", "11 картин", "21 картина"]


def test_knows_which_way_a_language_is_read() -> None:
    directions = {code: Language(code).direction for code in ("en", "de", "ja", "ar", "ar_EG", "he", "xx")}
    assert [code for code, direction in directions.items() if direction == "rtl"] == ["ar", "ar_EG", "he"]


def test_knows_what_a_language_calls_itself() -> None:
    assert [Language(code).name for code in ("en", "fr", "ja", "zh_Hans", "xx")] == [
        "English", "Français", "日本語", "中文 (简体)", "xx",
    ]  # fmt: skip


def test_a_sentence_keeps_its_languages_direction() -> None:
    """An Arabic sentence that begins with a Latin word still runs from right to left, and a mark says so."""
    assert Language("ar").say(Message("GIF جاهز")) == "\u200fGIF جاهز"
    assert Language("ar").say(Message("جاهز GIF")) == "جاهز GIF"
    assert Language("en").say(Message("عمر danced")) == "\u200eعمر danced"


def test_braces_without_a_value_stay() -> None:
    assert Language().say(message("{name} and {other} {", name="{other}")) == "{other} and {other} {"
    assert Language("de").say(message("")) == ""


def test_fuzzy_and_empty_translations_are_not_used(own_folder: Path) -> None:
    (own_folder / "da.po").write_text(
        f'{HEADER}\n#, fuzzy\nmsgid "Get ready"\nmsgstr "Far"\n\nmsgid "Recording"\nmsgstr ""\n', encoding="utf-8"
    )
    assert [Language("da").say(message(text)) for text in ("Get ready", "Recording")] == ["Get ready", "Recording"]


def test_reads_what_windows_editors_write(own_folder: Path) -> None:
    content = f'{HEADER}\nmsgid "Come closer"\nmsgstr "Kom tættere på"\n'.replace("\n", "\r\n")
    (own_folder / "da.po").write_bytes(b"\xef\xbb\xbf" + content.encode())
    assert Language("da").say(message("Come closer")) == "Kom tættere på"


def test_a_language_travels_to_another_process() -> None:
    assert pickle.loads(pickle.dumps(Language("de"))) == Language("de")


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe",
        b"msgid",
        b'msgid "\\',
        b'msgid ""\nmsgstr "Content-Type: text/plain; charset=x\\n"\n',
        b'msgid ""\nmsgstr "Plural-Forms: nplurals=2; plural=import os;\\n"\n',
    ],
)
def test_a_bad_catalogue_is_named(own_folder: Path, content: bytes) -> None:
    file = own_folder / "da.po"
    file.write_bytes(content)
    with pytest.raises(LanguageError, match=r"da\.po is not a catalogue of translations") as caught:
        read_catalogue(file)
    assert str(caught.value).count("is not a catalogue") == 1


def test_a_bad_catalogue_of_ones_own_does_not_stop_it(own_folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("da", "de"):
        (own_folder / f"{name}.po").write_bytes(b'msgid "Come closer"\nmsgstr "K\xf8m')
    assert load_language("da").say(message("Come closer")) == "Come closer"
    assert load_language("de").say(message("Come closer")) == "Komm näher"
    assert all(f"{name}.po is not a catalogue" in caplog.text for name in ("da", "de"))


def test_a_missing_catalogue_is_named(tmp_path: Path) -> None:
    with pytest.raises(LanguageError, match=r"gone\.po cannot be read: No such file"):
        read_catalogue(tmp_path / "gone.po")


@settings(max_examples=100)
@given(st.binary(max_size=200) | st.text(alphabet='msgidtr"\\ n[]0#,:~=\n', max_size=60).map(str.encode))
def test_any_file_is_a_catalogue_or_an_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.po"
    file.write_bytes(HEADER.encode() + content)
    with contextlib.suppress(LanguageError):
        read_catalogue(file).ngettext("a", "b", 3)
