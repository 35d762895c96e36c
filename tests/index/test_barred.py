"""What is barred: every spelling of an author or URL, and nothing else."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.barred import NOTHING_BARRED, Barred, BarredEntry, Kind, author_key, is_shared_page, url_key
from index.build.writer import LibraryWriter
from index.credit import NO_CREDIT, Credit
from index.library import Library, read_barred, read_taken_down
from index.manifest import ITEMS_FILE
from tests.support.libraries import add_item
from tests.support.sample_library import items, sign_again

ANN: Final = BarredEntry("author", "Ann Émile")
PAGE: Final = BarredEntry("page", "https://www.flickr.com/people/ann/")
PICTURE: Final = BarredEntry("url", "https://photos.example/a b/1?size=9")


def bars(entry: BarredEntry, credit: Credit = NO_CREDIT, url: str | None = None, page: str | None = None) -> bool:
    return Barred((entry,)).bars(credit, url, page)


@pytest.mark.parametrize("name", ["ann émile", " ANN  ÉMILE ", normalize("NFD", "Ann Émile"), "Ann\tÉmile"])
def test_bars_an_author_in_every_spelling(name: str) -> None:
    assert bars(ANN, Credit(author=name))


@pytest.mark.parametrize(
    "spellings",
    [
        ("Seán O'Brien", "Seán O\u2019Brien", "Sea\u0301n O\u02bcBrien", "SEÁN O´BRIEN", "Seán O\uff07Brien"),
        ("Jean-Luc", "Jean\u2010Luc", "Jean\u2011Luc", "jean\u2013luc", "Jean\u2212Luc", "Jean\uff0dLuc"),
        ("Ann Lee", "\uff21\uff4e\uff4e\u3000Lee", "Ann\u00a0Lee"),
        ("İpek Işık", "ipek ışık", "IPEK IŞIK", "i\u0307pek is\u0327ik"),
        ("Strauß", "STRAUSS"),
    ],
    ids=lambda spellings: str(spellings[0]),
)
def test_all_spellings_of_a_name_are_one_author(spellings: tuple[str, ...]) -> None:
    for stored in spellings:
        assert all(bars(BarredEntry("author", stored), Credit(author=name)) for name in spellings)


def test_a_library_may_hold_several_spellings() -> None:
    stored = Barred((BarredEntry("author", "O'Brien"), BarredEntry("author", "O\u2019Brien"), PAGE))
    assert stored.joined_with([BarredEntry("author", "O\u02bcBrien")]) == stored, "nothing new is barred"
    assert stored != Barred(stored.entries[:2])
    assert len({stored, Barred(stored.entries[1:])}) == 1


@pytest.mark.parametrize("name", ["Ann", "Ann Emile", "Ann Émilee", "by Ann Émile", "", None])
def test_does_not_bar_another_author(name: str | None) -> None:
    assert not bars(ANN, Credit(author=name, title="Ann Émile"), "Ann Émile", "Ann Émile")


@pytest.mark.parametrize(
    "url",
    [
        "https://www.flickr.com/photos/ann/123",
        "http://flickr.com/photos/ann/123/in/album-7/",
        "https://www.flickr.com/people/ann",
        "https://FLICKR.com/photos/%61nn/5?x=1",
    ],
)
def test_a_page_bars_every_picture_below_it(url: str) -> None:
    assert bars(PAGE, Credit(source_url=url))
    assert bars(PAGE, url=url)
    assert bars(PAGE, page=url)
    assert bars(PAGE, Credit(author=url))


@pytest.mark.parametrize(
    "url",
    [
        "https://www.flickr.com/photos/anna/123",
        "https://www.flickr.com/photos/bo/ann",
        "https://www.flickr.com/photos",
        "https://flickr.example/photos/ann/1",
        "https://www.flickr.com/photos/Ann/1",
        "http://[",
        "",
    ],
)
def test_a_page_bars_no_picture_elsewhere(url: str) -> None:
    assert not bars(PAGE, Credit(source_url=url), url, url)


@pytest.mark.parametrize(
    ("url", "barred"),
    [
        ("http://www.photos.example/a%20b/1?size=9", True),
        ("https://photos.example/a b/1/?size=9#top", True),
        ("https://photos.example:443/a b/1?size=9", True),
        ("http://photos.example:80/a b/1?size=9", True),
        ("https://www.photos.example.:443/a b/1?size=9", True),
        ("https://photos.example:80/a b/1?size=9", False),
        ("https://photos.example/a b/1", False),
        ("https://photos.example/a b/1/2?size=9", False),
        ("https://photos.example:8080/a b/1?size=9", False),
        ("ftp://photos.example/a b/1?size=9", False),
    ],
)
def test_bars_a_picture_by_its_url(url: str, barred: bool) -> None:
    assert bars(PICTURE, Credit(source_url=url)) == bars(PICTURE, url=url) == barred
    assert not bars(PICTURE, page=url)


@given(st.text(), st.sampled_from(["author", "page", "url"]))
def test_any_text_has_one_key(text: str, kind: Kind) -> None:
    entry = BarredEntry(kind, text)
    assert author_key(author_key(text)) == author_key(text)
    assert url_key(f" {text}\n") == url_key(text)
    assert Barred((entry,)).joined_with([entry]) == Barred((entry,))
    assert isinstance(is_shared_page(text), bool)


@given(st.lists(st.text("aAé /:.", max_size=6)), st.lists(st.text("aAé /:.", max_size=6)))
def test_a_joined_list_bars_what_either_bars(first: list[str], second: list[str]) -> None:
    one, two = (Barred(tuple(BarredEntry("author", name) for name in names)) for names in (first, second))
    joined = one.joined_with(two.entries)
    assert NOTHING_BARRED.joined_with(joined.entries) == joined
    for name in (*first, *second, "b"):
        credit = Credit(author=name)
        assert joined.bars(credit) == (one.bars(credit) or two.bars(credit))


def test_a_joined_list_keeps_the_first_spelling() -> None:
    assert Barred((ANN,)).joined_with([BarredEntry("author", "ANN ÉMILE"), PAGE]).entries == (ANN, PAGE)


@pytest.mark.parametrize(
    ("url", "shared"),
    [
        ("https://ann.example", True),
        ("https://ann.example/", True),
        ("https://ann.example.:443/", True),
        ("https://www.flickr.com/photos/", True),
        ("http://flickr.com/people", True),
        ("https://www.flickr.com/people/ann", False),
        ("https://ann.example/about", False),
        ("gemini://ann.example", True),
        ("gemini://ann.example/ann", False),
    ],
)
def test_knows_a_whole_site(url: str, shared: bool) -> None:
    assert is_shared_page(url) == shared


def test_a_library_keeps_the_list(tmp_path: Path) -> None:
    with LibraryWriter(tmp_path / "library") as writer:
        add_item(writer, items(1)[0])
        writer.add_barred(Barred((PAGE, ANN)))
        writer.add_barred(Barred((PICTURE, ANN)))
        writer.finish()
    assert read_barred(tmp_path / "library").entries == (ANN, PAGE, PICTURE)
    assert read_taken_down(tmp_path / "library").pictures == []
    assert read_barred(tmp_path / "nowhere") == NOTHING_BARRED


def test_a_library_of_an_earlier_version_bars_nobody(library: Path) -> None:
    _change_items(library, "DROP TABLE barred")
    with Library.open(library) as opened:
        assert opened.barred() == NOTHING_BARRED
        assert opened.item(0).title == "Item 0"


@pytest.mark.parametrize("row", ["'friend', 'Ann'", "x'00', 'Ann'", "'url', x'00'"])
def test_a_list_that_says_nothing_is_damage(library: Path, row: str, caplog: pytest.LogCaptureFixture) -> None:
    _change_items(library, f"INSERT INTO barred VALUES ({row})")
    assert read_barred(library) == NOTHING_BARRED
    assert "may come back" in caplog.text


def _change_items(library: Path, statement: str) -> None:
    tables = sqlite3.connect(library / ITEMS_FILE)
    with tables:
        tables.execute(statement)
    tables.close()
    sign_again(library)
