"""Tables of photos with credits, as spreadsheets and programs write them; a bad row is skipped with its line number."""

from __future__ import annotations

import json
import os
from pathlib import Path
from unicodedata import normalize

import pytest

from index.build.photo import Credit, Photo, Skipped, SourceError
from index.build.table import read_table
from index.build.tree import read_folder

ANN = Credit(
    "Jump", "Ann", "CC BY 4.0", "https://creativecommons.org/licenses/by/4.0/", "https://x.org/1", "2019", "Dance"
)


def table(folder: Path, content: str | bytes, name: str = "table.csv") -> list[Photo | Skipped]:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read_table(folder / name))


def file_name(photo: Photo | Skipped) -> str:
    assert isinstance(photo, Photo)
    return Path(photo.file).name


def reason(skipped: Photo | Skipped) -> str:
    assert isinstance(skipped, Skipped)
    return skipped.reason


def failure(folder: Path, content: str | bytes, name: str = "table.csv") -> str:
    with pytest.raises(SourceError) as error:
        table(folder, content, name)
    sentence = str(error.value)
    assert sentence.startswith(str(folder / name))
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


COLUMNS = ("picture", "title", "author", "licence", "licence_url", "source_url", "date", "collection")
ROW = ("a.jpg", *(text or "" for text in ANN))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_reads_csv_from_programs_and_spreadsheets(tmp_path: Path, separator: str, encoding: str, end: str) -> None:
    rows = [COLUMNS, ROW, ("b.jpg", "Łódź 写真", "Bjørn", *[""] * 5)]
    content = "".join(separator.join(row) + end for row in rows).encode(encoding)
    ann, second = table(tmp_path, content)
    assert isinstance(ann, Photo)
    assert isinstance(second, Photo)
    assert (ann.file, ann.credit) == (tmp_path / "a.jpg", ANN)
    assert second.credit == Credit("Łódź 写真", "Bjørn")


def test_reads_relative_and_absolute_paths_and_urls(tmp_path: Path) -> None:
    rows = table(
        tmp_path, "picture\nsub/a.jpg\n/else/b_c.jpg\nhttps://x.org/p/My%20jump.jpg?size=large\ns3://b/d.jpg\n"
    )
    photos = [row for row in rows if isinstance(row, Photo)]
    assert [photo.file for photo in photos] == [
        tmp_path / "sub/a.jpg",
        Path("/else/b_c.jpg"),
        "https://x.org/p/My%20jump.jpg?size=large",
        "s3://b/d.jpg",
    ]
    assert [photo.credit.title for photo in photos] == ["a", "b c", "My jump", "d"]


def test_reads_columns_in_any_order_and_spelling(tmp_path: Path) -> None:
    content = "Camera;License URL;LICENSE;Picture;Author\nX100;http://l;CC0;a.jpg;Ann\n"
    (photo,) = table(tmp_path, content)
    assert isinstance(photo, Photo)
    assert photo.credit == Credit("a", "Ann", "CC0", "http://l")


def test_uses_the_filled_one_of_two_columns(tmp_path: Path) -> None:
    (photo,) = table(tmp_path, "picture,licence,license\na.jpg,,CC0\n")
    assert isinstance(photo, Photo)
    assert photo.credit.licence == "CC0"


def test_quotes_may_hold_separators_and_lines(tmp_path: Path) -> None:
    first, second = table(tmp_path, 'picture,title,author\n"a, b.jpg","two\nlines","""Ann"""\nc.jpg\n')
    assert isinstance(first, Photo)
    assert isinstance(second, Photo)
    assert (file_name(first), first.credit[:2]) == ("a, b.jpg", ("two lines", '"Ann"'))
    assert file_name(second) == "c.jpg"


def test_ignores_empty_rows(tmp_path: Path) -> None:
    content = "\n;;\npicture;author;\n\n;;\na.jpg;Ann;\n\n \n"
    (photo,) = table(tmp_path, content)
    assert isinstance(photo, Photo)
    assert photo.credit.author == "Ann"


def test_skips_bad_rows_and_names_their_lines(tmp_path: Path) -> None:
    content = 'picture,title,author\na.jpg,"two\nlines",Ann\n,Jump,Ann\nb.jpg,Jump, high,Ann\nc.jpg,,\n'
    rows = table(tmp_path, content)
    assert [row.kind if isinstance(row, Skipped) else file_name(row) for row in rows] == [
        "a.jpg", "no picture", "not a row", "c.jpg",
    ]  # fmt: skip
    name = tmp_path / "table.csv"
    assert reason(rows[1]) == f"{name}, line 4 names no picture."
    assert reason(rows[2]) == f"{name}, line 5 has 4 cells for 3 columns: put text with a “,” in quotes."


def test_reports_a_mistyped_column(tmp_path: Path) -> None:
    rows = table(tmp_path, "picture,autor,focal_length\na.jpg,Ann,35\n")
    assert reason(rows[0]).endswith("line 1 has a column `autor`, which is not used: rename it to `author`.")
    assert len(rows) == 2


def test_rejects_a_table_larger_than_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_large(file: Path) -> bytes:
        raise MemoryError

    monkeypatch.setattr(Path, "read_bytes", too_large)
    (tmp_path / "table.csv").touch()
    with pytest.raises(SourceError, match=r"table\.csv is too large for this computer's memory\.$"):
        read_table(tmp_path / "table.csv")


def test_shows_only_printable_characters_in_reasons(tmp_path: Path) -> None:
    odd, tabs = table(tmp_path, "picture\ttit\x16e\na.jpg\tJump\thigh\n", "table.tsv")
    assert isinstance(odd, Skipped)
    assert odd.reason.endswith("line 1 has a column `tit�e`, which is not used: rename it to `title`.")
    assert isinstance(tabs, Skipped)
    assert tabs.reason.endswith("line 2 has 3 cells for 2 columns: put text with a tab in quotes.")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("\n", "is empty: write a column `picture`"),
        ("file,author\na.jpg,Ann\n", "has no column `picture`, but file, author: give the column"),
        ("picture,author\n", "has no rows"),
        ('picture,author\na.jpg,"Ann\nb.jpg,Bob\n', "is not valid CSV from line 2 on: unexpected end of data"),
        ("picture,author\na.jpg,Andr\xe9\n".encode("latin-1"), "is not UTF-8 in line 2: save it as “CSV UTF-8”"),
        (bytes(range(256)), "is not UTF-8"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "has no column `picture`|is not UTF-8"),
        (b"\xff\xfea", "is not UTF-8"),
        ("picture,title\na.jpg," + "x" * 200_000, "is not valid CSV from line 2 on"),
    ],
)
def test_rejects_a_file_that_is_not_a_table(tmp_path: Path, content: str | bytes, sentence: str) -> None:
    message = failure(tmp_path, content)
    assert any(part in message for part in sentence.split("|"))


def test_rejects_what_is_not_a_regular_file(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    for name in ("folder.csv", "missing.csv"):
        with pytest.raises(SourceError, match=r"not a regular file|cannot be read"):
            read_table(tmp_path / name)


def test_reads_jsonl_with_an_object_per_line(tmp_path: Path) -> None:
    lines = [dict(zip(COLUMNS, ROW, strict=True)), {"picture": "b.jpg", "License": "CC0", "year": 2019, "title": None}]
    ann, second = table(tmp_path, "\n".join(map(json.dumps, lines)) + "\r\n\n", "t.jsonl")
    assert isinstance(ann, Photo)
    assert isinstance(second, Photo)
    assert ann.credit == ANN
    assert second.credit == Credit("b", licence="CC0")


def test_skips_bad_lines_of_jsonl(tmp_path: Path) -> None:
    content = '{"picture": "a.jpg"}\n[1]\n{"picture": \n{"title": "x"}\n{"picture": 7}\n' + "[" * 100_000
    skipped = [row for row in table(tmp_path, content, "t.jsonl")[1:] if isinstance(row, Skipped)]
    assert [row.name.rpartition(" ")[2] for row in skipped] == ["2", "3", "4", "5", "6"]
    assert [row.kind for row in skipped] == [
        "not a row", "not a row", "no picture", "no picture", "not a row",
    ]  # fmt: skip


def test_rejects_jsonl_without_objects(tmp_path: Path) -> None:
    assert "each line must be an object" in failure(tmp_path, "[\n]\n", "t.jsonl")
    assert "has no rows" in failure(tmp_path, "\n", "t.jsonl")


@pytest.mark.parametrize("line", ["sep=;", '"sep=;"', "SEP=;;;", "sep=;\r", "sep=,"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_reads_a_table_after_excels_separator_line(tmp_path: Path, line: str, encoding: str) -> None:
    first, second = table(tmp_path, f"{line}\npicture;author\na.jpg;Ann, Bo\n;Cem\n".encode(encoding))
    assert isinstance(first, Photo)
    assert first.credit == Credit("a", "Ann, Bo")
    assert reason(second).endswith("table.csv, line 4 names no picture.")


def test_reads_the_separator_that_excels_line_declares(tmp_path: Path) -> None:
    (photo,) = table(tmp_path, "sep=|\r\npicture|author\r\na.jpg|Ann\r\n")
    assert isinstance(photo, Photo)
    assert photo.credit.author == "Ann"


def test_reads_utf16_without_a_byte_order_mark(tmp_path: Path) -> None:
    (photo,) = table(tmp_path, "picture;author\na.jpg;José\n".encode("utf-16-le"))
    assert isinstance(photo, Photo)
    assert photo.credit.author == "José"


def test_reads_columns_with_curly_quotes_and_hidden_marks(tmp_path: Path) -> None:
    content = "\ufeff“picture”,„Author“,«title»\n“a.jpg”,“Ann”, “b”\n"
    (photo,) = table(tmp_path, content.encode("utf-8-sig"))
    assert isinstance(photo, Photo)
    assert (file_name(photo), photo.credit) == ("a.jpg", Credit("b", "Ann"))


def test_keeps_the_quotes_of_a_title(tmp_path: Path) -> None:
    (photo,) = table(tmp_path, "picture,title\na.jpg,“Jump”\n")
    assert isinstance(photo, Photo)
    assert photo.credit.title == "“Jump”"


def test_finds_pictures_by_names_of_other_systems(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for name in ("photos/a.jpg", "photos/B.JPG", normalize("NFD", "é.jpg"), "c d.jpg", "photos/e.jpg"):
        (tmp_path / name).touch()
    rows = table(
        tmp_path,
        f"picture\nphotos\\a.jpg\nPhotos/b.jpg\né.jpg\nfile://{tmp_path}/c%20d.jpg\nC:\\Users\\photos\\e.jpg\n",
    )
    files = [row.file for row in rows if isinstance(row, Photo)]
    names = ["photos/a.jpg", "photos/B.JPG", normalize("NFD", "é.jpg"), "c d.jpg", "photos/e.jpg"]
    assert files == [tmp_path / name for name in names]


def test_skips_a_path_of_another_computer(tmp_path: Path) -> None:
    rows = table(tmp_path, "picture\nC:\\Users\\Ann\\gone.jpg\n\\\\nas\\gone.jpg\n")
    assert [reason(row).partition("line ")[2] for row in rows] == [
        r"2 names C:\Users\Ann\gone.jpg, a path of another computer: put the picture next to the table.",
        r"3 names \\nas\gone.jpg, a path of another computer: put the picture next to the table.",
    ]


def test_replaces_lone_surrogates(tmp_path: Path) -> None:
    (photo,) = table(tmp_path, '{"picture": "a\\ud800.jpg", "author": "Ann \\udc00"}', "t.jsonl")
    assert isinstance(photo, Photo)
    assert photo.credit == Credit("a�", "Ann �")


def test_a_folders_own_table_credits_its_photos(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg", "sub/c.jpg", "sub/deep/d.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "credits.csv").write_text("picture,author\na.jpg,Ann\nsub/deep/d.jpg,Dora\ngone.jpg,Gus\n")
    (tmp_path / "sub" / "Credits.JSONL").write_text('{"picture": "c.jpg", "title": "See", "author": "Cem"}')
    found = list(read_folder(tmp_path))
    credits = {file_name(photo): photo.credit for photo in found if isinstance(photo, Photo)}
    assert credits == {
        "a.jpg": Credit("a", "Ann"),
        "b.jpg": Credit("b"),
        "c.jpg": Credit("See", "Cem"),
        "d.jpg": Credit("d", "Dora"),
    }
    (skipped,) = (entry for entry in found if isinstance(entry, Skipped))
    assert "credits.csv, line 4 names" in skipped.reason
    assert "gone.jpg, which is not a file" in skipped.reason


def test_a_folders_table_may_spell_names_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table made on a Mac or a Windows computer credits the photos that were copied from there."""
    for name in ("IMG.JPG", normalize("NFD", "José.jpg"), os.fsdecode(b"caf\xe9.jpg"), "sub/a.jpg", "b.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "sub" / "credits.csv").write_text("picture,author\n./a.jpg,Bo\n")
    monkeypatch.chdir(tmp_path)
    rows = ["img.jpg,Ann", "José.jpg,Bo", "café.jpg,Cem", r"D:\Photos\SUB\A.JPG,Ann", f"{tmp_path}/sub/../b.jpg,Dora"]
    (tmp_path / "credits.csv").write_text("\n".join(["picture,author", *rows]))
    credits = [entry.credit.author for entry in read_folder(Path()) if isinstance(entry, Photo)]
    assert credits == ["Ann", "Bo", "Dora", "Cem", "Bo"]


def test_skips_a_folders_table_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    (tmp_path / "credits.csv").write_text("bank,amount\nA,7\n")
    skipped, photo = read_folder(tmp_path)
    assert isinstance(skipped, Skipped)
    assert skipped.kind == "not a table"
    assert isinstance(photo, Photo)
    assert photo.credit == Credit("a")
