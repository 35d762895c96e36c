"""Text of unknown encoding: damage is repaired, and text that is right stays as it is."""

from __future__ import annotations

from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.mojibake import decode, repair

NAMES = [
    "José Müller", "Renée Zellweger", "Bjørn Åse", "Łódź", "Şenol Güneş", "Groß", "Özil", "à la carte", "Åke",
    "Nguyễn Văn Đặng", "Иван Петров", "Ελλάδα", "שלום", "محمد", "日本語の写真", "안녕하세요", "ไทย", "हिन्दी",
    "© 2020 Ann", "Müller’s “Sprung” – 1", "😀 fun", "Jose\N{COMBINING ACUTE ACCENT}",
]  # fmt: skip

RIGHT = [
    "AMANHÃ…", "IRMÃ’S", "MANHÃ–TARDE", "SÃO PAULO", "JOÃO", "Ã", "PÍŠE", "PLÉŠ", "ÚŽAS", "fatigué…\xa0!", "CŒUR",
    "É…", "Å… i Lofoten", "Nº 5", "MAÇû", "COSÌ™", "Â", "ÄŽ", "PRÊT-À-PORTER", "Dvořák", "naïve", "JosÃ© – Иван",
    "ÂŸ", "ÂŒ", "Âœ",
]  # fmt: skip
"""Text that is right although much of it is also UTF-8 when its letters are taken for bytes."""


def damaged(text: str, encoding: str = "cp1252") -> str:
    """Return text as a program shows it that takes UTF-8 for another encoding."""
    return "".join(bytes([byte]).decode(encoding, "ignore") or chr(byte) for byte in text.encode())


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
@pytest.mark.parametrize("text", NAMES)
def test_repairs_utf_8_read_in_another_encoding(text: str, encoding: str) -> None:
    once = damaged(text, encoding)
    assert once != text
    assert repair(once) == text
    assert repair(damaged(once, encoding)) == text


@pytest.mark.parametrize("text", [*NAMES, *RIGHT])
def test_leaves_text_that_is_right(text: str) -> None:
    assert repair(text) == text
    assert decode(text.encode()) == text


ALPHABETS = {
    "Portuguese": "aãâáàçéêíóõôúzAÃÂÁÀÇÉÊÍÓÕÔÚZ",
    "French": "aàâæçéèêëîïôœùûüÿzAÀÂÆÇÉÈÊËÎÏÔŒÙÛÜŸZ",
    "German": "aäöüßzAÄÖÜZ",
    "Nordic": "aåäæøöðþýzAÅÄÆØÖÐÞÝZ",
    "Spanish": "aáéíñóúüzAÁÉÍÑÓÚÜZªº",
    "Czech and Estonian": "aáéíóöõäšúýžzAÁÉÍÓÖÕÄŠÚÝŽZ",
}


@pytest.mark.parametrize("alphabet", ALPHABETS.values(), ids=ALPHABETS)
@given(data=st.data())
def test_changes_words_only_into_what_they_may_have_been(data: st.DataObject, alphabet: str) -> None:
    """Words in any letters, in small or capital letters as people write them, with what may follow a word.

    A few of them cannot be told from damaged ones: "Äš" is also what becomes of "Ě".
    """
    small = st.text([c for c in alphabet if c.islower()], min_size=1)
    word = st.one_of(small, small.map(str.upper), small.map(str.capitalize))
    ends = st.sampled_from(["", " ", "’", "’s", "…", "–", "—", "…\xa0!", "\xa0:", ", ", ".", " – "])
    text = "".join(data.draw(st.lists(st.one_of(word, ends))))
    repaired = repair(text)
    assert not any(category(character) == "Cc" for character in repaired), "no text has control characters"
    assert text in [repaired, damaged(repaired), damaged(damaged(repaired))]


@given(st.text())
def test_decodes_any_utf_8_and_repairs_only_once(text: str) -> None:
    try:
        data = text.encode()
    except UnicodeEncodeError:  # lone surrogates
        return
    assert repair(decode(data)) == decode(data)


@given(st.binary())
def test_decodes_any_bytes(data: bytes) -> None:
    decode(data).encode()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"Jos\xe9", "José"),
        (b"\x93Sprung\x94", "“Sprung”"),
        ("José Müller".encode()[:-6], "José M"),
        ("Müller Ü".encode()[:-1], "Müller "),
        (b"\xef\xbb\xbfAnn\0\0", "Ann"),
    ],
    ids=["Latin-1", "Windows", "cut off", "cut off in a letter", "byte-order mark"],
)
def test_decodes_text_of_old_programs(data: bytes, text: str) -> None:
    assert decode(data) == text
