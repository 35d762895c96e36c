"""The catalogues that come with the program: complete, and as the code needs them. And which languages there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog

from device.language import catalogues
from device.language.catalogues import (
    SHIPPED_FOLDER,
    TEMPLATE,
    LanguageError,
    available_codes,
    find_catalogues,
    parse_codes,
    shipped_catalogues,
)
from device.language.message import Message
from device.language.translate import Language, is_translated, parse_catalogue, translations_of
from tools.messages import as_bytes, extract_messages, update_catalogue

LANGUAGES = ["ar", "de", "es", "fr", "ja", "zh"]


def placeholders(texts: tuple[str, ...]) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", " ".join(texts)))


def messages_of(catalogue: Catalog) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Return the translations of each message: one, or one for each plural form."""
    return {
        (message.id,) if isinstance(message.id, str) else tuple(message.id): translations_of(message)
        for message in catalogue
        if message.id
    }


def test_template_has_the_messages_of_the_code() -> None:
    template = extract_messages()
    assert messages_of(parse_catalogue(TEMPLATE)).keys() == messages_of(template).keys(), "run make messages"
    assert len(template) > 20


def test_has_the_languages_that_it_promises() -> None:
    assert sorted(shipped_catalogues()) == LANGUAGES
    assert set(available_codes()) >= {"en", *LANGUAGES}


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_message_is_translated(code: str) -> None:
    catalogue = parse_catalogue(shipped_catalogues()[code])
    assert messages_of(catalogue).keys() == messages_of(parse_catalogue(TEMPLATE)).keys(), "run make messages"
    assert [message.id for message in catalogue if message.id and not is_translated(message)] == []
    assert not catalogue.obsolete


@pytest.mark.parametrize("code", LANGUAGES)
def test_translations_have_the_same_placeholders(code: str) -> None:
    """The last plural form is used for most numbers. The others may do without the number: "two pictures"."""
    for message, translations in messages_of(parse_catalogue(shipped_catalogues()[code])).items():
        assert placeholders(translations) <= placeholders(message)
        assert placeholders(translations[-1:]) == placeholders(message[-1:])


@pytest.mark.parametrize("code", LANGUAGES)
def test_translations_are_typeset_well(code: str) -> None:
    texts = [text for texts in messages_of(parse_catalogue(shipped_catalogues()[code])).values() for text in texts]
    for text in texts:
        assert text == text.strip()
        assert "..." not in text
        assert "'" not in text
        assert "  " not in text


def test_an_update_keeps_translations_and_drops_what_is_gone(tmp_path: Path) -> None:
    template = extract_messages()
    file = tmp_path / "da.po"
    file.write_text(
        'msgid ""\nmsgstr "Language: da\\n"\n\nmsgid "Come closer"\nmsgstr "Kom tættere på"\n\n'
        'msgid "Gone"\nmsgstr "Væk"\n',
        encoding="utf-8",
    )
    file.write_bytes(update_catalogue(file, template))
    updated = parse_catalogue(file)
    assert messages_of(updated).keys() == messages_of(template).keys()
    assert messages_of(updated)["Come closer",] == ("Kom tættere på",)
    assert not updated.obsolete
    assert update_catalogue(file, template) == file.read_bytes()


@pytest.mark.parametrize("code", LANGUAGES)
def test_catalogues_are_as_the_program_writes_them(code: str) -> None:
    file = shipped_catalogues()[code]
    assert as_bytes(parse_catalogue(file)) == file.read_bytes(), "run make messages"


# Which languages there are


def test_finds_a_language_by_its_code(own_folder: Path) -> None:
    german = SHIPPED_FOLDER / "de/LC_MESSAGES/pose-mirror.po"
    assert [find_catalogues(code) for code in ("de", "DE", "de_AT", "de-CH", "en", "en_GB")] == [[german]] * 4 + [
        []
    ] * 2
    assert find_catalogues("zh-Hans") == [SHIPPED_FOLDER / "zh/LC_MESSAGES/pose-mirror.po"]


def test_own_catalogues_come_first(own_folder: Path) -> None:
    for name in ("de.po", "de_AT.po", "da.po", "en.po", "notes.txt", "my copy.po"):
        (own_folder / name).touch()
    german = SHIPPED_FOLDER / "de/LC_MESSAGES/pose-mirror.po"
    assert find_catalogues("de_AT") == [own_folder / "de_AT.po", own_folder / "de.po", german]
    assert find_catalogues("da") == [own_folder / "da.po"]
    assert find_catalogues("en_GB") == [own_folder / "en.po"]
    assert available_codes() == ["ar", "da", "de", "de_AT", "en", "es", "fr", "ja", "zh"]


@pytest.mark.parametrize("code", ["xx", "german", "../de", "de/..", "d", "de_", "\udcff"])
def test_names_the_languages_when_one_is_missing(own_folder: Path, code: str) -> None:
    with pytest.raises(LanguageError, match="use ar, de, en, es, fr, ja, zh, or put a translation"):
        find_catalogues(code)
    with pytest.raises(LanguageError, match=re.escape(str(own_folder))):
        find_catalogues(code)


def test_reads_the_codes_of_a_setting(own_folder: Path) -> None:
    assert parse_codes("de") == ("de",)
    assert parse_codes(" de  en de ") == parse_codes("de, en") == ("de", "en")
    with pytest.raises(LanguageError, match="there is no language 'xx'"):
        parse_codes("de xx")
    with pytest.raises(LanguageError, match='such as "en"'):
        parse_codes(" ")


def test_a_user_without_any_folder_has_the_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogues, "own_folder", lambda: None)
    assert available_codes() == ["ar", "de", "en", "es", "fr", "ja", "zh"]
    assert find_catalogues("fr") != []


def test_a_maker_may_change_single_sentences(own_folder: Path) -> None:
    """What the maker's own catalogue lacks is in the program's."""
    (own_folder / "de.po").write_text('msgid "Come closer"\nmsgstr "Her zu uns!"\n', encoding="utf-8")
    assert Language("de").say(Message("Come closer")) == "Her zu uns!"
    assert Language("de").say(Message("One step back")) == "Geh einen Schritt zurück"
