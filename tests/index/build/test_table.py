"""Tables of photos with credits, as spreadsheets and programs write them; a bad row is told with its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from index.build.importers import read_folder
from index.build.photo import Credit, Photo, Skipped, SourceError
from index.build.table import read_table

ANN = Credit("Jump", "Ann", "CC BY 4.0", "https://creativecommons.org/licenses/by/4.0/", "https://x.org/1")


def table(folder: Path, content: str | bytes, name: str = "table.csv") -> list[Photo | Skipped]:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read_table(folder / name))


def failure(folder: Path, content: str | bytes, name: str = "table.csv") -> str:
    with pytest.raises(SourceError) as error:
        table(folder, content, name)
    sentence = str(error.value)
    assert sentence.startswith(str(folder / name))
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


COLUMNS = ("picture", "title", "author", "licence", "licence_url", "source_url")
ROW = ("a.jpg", *ANN)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv_is_read_as_programs_and_spreadsheets_write_it(tmp_path, separator, encoding, end):
    rows = [COLUMNS, ROW, ("b.jpg", "Łódź 写真", "Bjørn", "", "", "")]
    content = "".join(separator.join(row) + end for row in rows).encode(encoding)
    ann, second = table(tmp_path, content)
    assert isinstance(ann, Photo)
    assert isinstance(second, Photo)
    assert (ann.file, ann.credit) == (tmp_path / "a.jpg", ANN)
    assert second.credit == Credit("Łódź 写真", "Bjørn")


def test_pictures_are_named_from_the_table_s_folder_absolutely_or_by_url(tmp_path):
    found = table(
        tmp_path, "picture\nsub/a.jpg\n/else/b_c.jpg\nhttps://x.org/p/My%20jump.jpg?size=large\ns3://b/d.jpg\n"
    )
    photos = [one for one in found if isinstance(one, Photo)]
    assert [one.file for one in photos] == [
        tmp_path / "sub/a.jpg",
        Path("/else/b_c.jpg"),
        "https://x.org/p/My%20jump.jpg?size=large",
        "s3://b/d.jpg",
    ]
    assert [one.credit.title for one in photos] == ["a", "b c", "My jump", "d"]


def test_columns_are_known_in_any_order_and_writing_and_others_left_alone(tmp_path):
    content = "Camera;License URL;LICENSE;Picture;Author\nX100;http://l;CC0;a.jpg;Ann\n"
    (photo,) = table(tmp_path, content)
    assert isinstance(photo, Photo)
    assert photo.credit == Credit("a", "Ann", "CC0", "http://l")


def test_of_two_columns_for_one_thing_the_one_that_says_something_counts(tmp_path):
    (photo,) = table(tmp_path, "picture,licence,license\na.jpg,,CC0\n")
    assert isinstance(photo, Photo)
    assert photo.credit.licence == "CC0"


def test_quotes_hold_separators_and_lines(tmp_path):
    first, second = table(tmp_path, 'picture,title,author\n"a, b.jpg","two\nlines","""Ann"""\nc.jpg\n')
    assert isinstance(first, Photo)
    assert isinstance(second, Photo)
    assert (first.file.name, first.credit[:2]) == ("a, b.jpg", ("two lines", '"Ann"'))
    assert second.file.name == "c.jpg"


def test_empty_rows_are_none(tmp_path):
    content = "\n;;\npicture;author;\n\n;;\na.jpg;Ann;\n\n \n"
    (photo,) = table(tmp_path, content)
    assert isinstance(photo, Photo)
    assert photo.credit.author == "Ann"


def test_bad_rows_are_told_with_their_lines(tmp_path):
    content = 'picture,title,author\na.jpg,"two\nlines",Ann\n,Jump,Ann\nb.jpg,Jump, high,Ann\nc.jpg,,\n'
    found = table(tmp_path, content)
    assert [one.kind if isinstance(one, Skipped) else one.file.name for one in found] == [
        "a.jpg", "no picture", "not a row", "c.jpg",
    ]  # fmt: skip
    name = tmp_path / "table.csv"
    assert found[1].reason == f"{name}, line 4 names no picture."
    assert found[2].reason == f"{name}, line 5 has 4 cells for 3 columns: put text with a “,” in quotes."


def test_a_mistyped_column_is_told(tmp_path):
    found = table(tmp_path, "picture,autor,focal_length\na.jpg,Ann,35\n")
    assert isinstance(found[0], Skipped)
    assert found[0].reason.endswith("line 1 has a column `autor`, which is not used: rename it to `author`.")
    assert len(found) == 2


def test_a_table_larger_than_the_memory_is_told(tmp_path, monkeypatch):
    def too_large(file: Path) -> bytes:
        raise MemoryError

    monkeypatch.setattr(Path, "read_bytes", too_large)
    (tmp_path / "table.csv").touch()
    with pytest.raises(SourceError, match=r"table\.csv is too large for this computer's memory\.$"):
        read_table(tmp_path / "table.csv")


def test_what_is_no_print_stays_out_of_sentences(tmp_path):
    odd, tabs = table(tmp_path, "picture\ttit\x16e\na.jpg\tJump\thigh\n", "table.tsv")
    assert isinstance(odd, Skipped)
    assert odd.reason.endswith("line 1 has a column `tit�e`, which is not used: rename it to `title`.")
    assert isinstance(tabs, Skipped)
    assert tabs.reason.endswith("line 2 has 3 cells for 2 columns: put text with a tab in quotes.")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "has no column `picture`, but nothing"),
        ("file,author\na.jpg,Ann\n", "has no column `picture`, but file, author"),
        ("picture,author\n", "has no rows"),
        ('picture,author\na.jpg,"Ann\nb.jpg,Bob\n', "is not valid CSV from line 2 on: unexpected end of data"),
        ("picture,author\na.jpg,Andr\xe9\n".encode("latin-1"), "is not UTF-8 in line 2: save it as “CSV UTF-8”"),
        (bytes(range(256)), "is not UTF-8"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "has no column `picture`|is not UTF-8"),
        (b"\xff\xfea", "is not UTF-8"),
        ("picture,title\na.jpg," + "x" * 200_000, "is not valid CSV from line 2 on"),
    ],
)
def test_a_table_that_is_none_is_told(tmp_path, content, sentence):
    said = failure(tmp_path, content)
    assert any(part in said for part in sentence.split("|"))


def test_no_plain_file_is_told(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    for name in ("folder.csv", "missing.csv"):
        with pytest.raises(SourceError, match=r"not a regular file|cannot be read"):
            read_table(tmp_path / name)


def test_jsonl_has_an_object_a_line(tmp_path):
    lines = [dict(zip(COLUMNS, ROW, strict=True)), {"picture": "b.jpg", "License": "CC0", "year": 2019, "title": None}]
    ann, second = table(tmp_path, "\n".join(map(json.dumps, lines)) + "\r\n\n", "t.jsonl")
    assert isinstance(ann, Photo)
    assert isinstance(second, Photo)
    assert ann.credit == ANN
    assert second.credit == Credit("b", licence="CC0")


def test_bad_lines_of_jsonl_are_told(tmp_path):
    content = '{"picture": "a.jpg"}\n[1]\n{"picture": \n{"title": "x"}\n{"picture": 7}\n' + "[" * 100_000
    found = table(tmp_path, content, "t.jsonl")
    assert [one.name.rpartition(" ")[2] for one in found[1:] if isinstance(one, Skipped)] == ["2", "3", "4", "5", "6"]
    assert [one.kind for one in found[1:] if isinstance(one, Skipped)] == [
        "not a row", "not a row", "no picture", "no picture", "not a row",
    ]  # fmt: skip


def test_jsonl_without_any_object_is_told(tmp_path):
    assert "each line must be an object" in failure(tmp_path, "[\n]\n", "t.jsonl")
    assert "has no rows" in failure(tmp_path, "\n", "t.jsonl")


def test_halves_of_characters_are_no_text(tmp_path):
    (photo,) = table(tmp_path, '{"picture": "a\\ud800.jpg", "author": "Ann \\udc00"}', "t.jsonl")
    assert isinstance(photo, Photo)
    assert photo.credit == Credit("a�", "Ann �")


def test_a_folder_s_own_table_credits_its_photos(tmp_path):
    for name in ("a.jpg", "b.jpg", "sub/c.jpg", "sub/deep/d.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "credits.csv").write_text("picture,author\na.jpg,Ann\nsub/deep/d.jpg,Dora\ngone.jpg,Gus\n")
    (tmp_path / "sub" / "Credits.JSONL").write_text('{"picture": "c.jpg", "title": "See", "author": "Cem"}')
    found = list(read_folder(tmp_path))
    credits = {one.file.name: one.credit for one in found if isinstance(one, Photo)}
    assert credits == {
        "a.jpg": Credit("a", "Ann"),
        "b.jpg": Credit("b"),
        "c.jpg": Credit("See", "Cem"),
        "d.jpg": Credit("d", "Dora"),
    }
    (skipped,) = (one for one in found if isinstance(one, Skipped))
    assert "credits.csv, line 4 names" in skipped.reason
    assert "gone.jpg, which is not a file" in skipped.reason


def test_a_folder_with_a_table_of_something_else_gives_its_photos(tmp_path):
    (tmp_path / "a.jpg").touch()
    (tmp_path / "credits.csv").write_text("bank,amount\nA,7\n")
    skipped, photo = read_folder(tmp_path)
    assert isinstance(skipped, Skipped)
    assert skipped.kind == "not a table"
    assert isinstance(photo, Photo)
    assert photo.credit == Credit("a")
