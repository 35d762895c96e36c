"""Tables read block by block: odd cells, resuming at every offset, faults of servers, and files that are no tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index import connections, web
from index.build.photo import SourceError
from index.collect import rows
from index.collect.rows import START, Block, Cells, Form, Position, read_blocks
from tests.index.collect.table_server import TableServer, serve

FORM = Form("ImageID,Title,Size", "ImageID,Title")
HEADER = "ImageID,Title,Size,Rotation\r\n"


@pytest.fixture(autouse=True)
def small_and_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "BLOCK_BYTES", 100)
    monkeypatch.setattr(web, "CHUNK_SIZE", 64)
    monkeypatch.setattr(connections, "CHUNK_SIZE", 64)
    monkeypatch.setattr(rows, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(connections, "RETRY_DELAY_SECONDS", 0.0)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TableServer]:
    with serve(tmp_path) as running:
        yield running


def write(folder: Path, content: str | bytes) -> str:
    file = folder / "table.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(file)


def read(place: str, start: Position = START, form: Form = FORM) -> list[Block]:
    return list(read_blocks(place, form, start))


def cells(blocks: list[Block]) -> list[Cells]:
    return [row for block in blocks for row in block.rows]


def failure(place: str) -> str:
    with pytest.raises(SourceError) as error:
        read(place)
    sentence = str(error.value)
    assert sentence.startswith(place)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


def many(count: int) -> str:
    return HEADER + "".join(
        f'{number:016x},"Jump no. {number}, ""high""\nand far",{number},\r\n' for number in range(count)
    )


def test_quotes_commas_and_line_breaks(tmp_path: Path) -> None:
    blocks = read(write(tmp_path, many(50)))
    assert len(blocks) > 10
    assert cells(blocks) == [(f"{number:016x}", f'Jump no. {number}, "high"\nand far') for number in range(50)]
    assert blocks[-1].after.offset == (tmp_path / "table.csv").stat().st_size == blocks[0].total
    assert sum(block.bad for block in blocks) == 0


def test_resume_after_each_block(tmp_path: Path) -> None:
    place = write(tmp_path, many(50))
    blocks = read(place)
    for number, block in enumerate(blocks):
        assert cells(read(place, block.after)) == cells(blocks[number + 1 :])


TEXTS = st.text(st.sampled_from('ab,"\n\r éß漢\u2028\x0b'), max_size=12)


@given(titles=st.lists(TEXTS, min_size=1, max_size=30), end=st.sampled_from(["\n", "\r\n"]), cut=st.integers(0, 1000))
def test_any_table_as_csv_reads_it(
    tmp_path_factory: pytest.TempPathFactory, titles: list[str], end: str, cut: int
) -> None:
    text = io.StringIO(newline="")
    text.write(HEADER)
    writer = csv.writer(text, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([str(number), title, "1", ""] for number, title in enumerate(titles))
    place = write(tmp_path_factory.mktemp("tables"), text.getvalue())
    blocks = read(place)
    assert cells(blocks) == [(str(number), title) for number, title in enumerate(titles)]
    number = cut % len(blocks)
    assert cells(read(place, blocks[number].after)) == cells(blocks[number + 1 :])


def test_only_wanted_rows(tmp_path: Path) -> None:
    place = write(tmp_path, HEADER + "a,x,1,\nb,y,2,\nc,x,3,\n")
    (block,) = read(place, form=Form(FORM.columns, "ImageID,Size", ("Title", {"x"})))
    assert block.rows == [("a", "1"), ("c", "3")]
    assert block.read == 3


@given(titles=st.lists(st.sampled_from(["x", "x\r", "y", "", "é", "x,y", '"', "x\nx"]), max_size=40))
def test_unwanted_rows_change_no_position(tmp_path_factory: pytest.TempPathFactory, titles: list[str]) -> None:
    """Rows are dropped before they are parsed, as long as no cell is quoted."""
    text = io.StringIO(newline="")
    text.write(HEADER)
    csv.writer(text, lineterminator="\n").writerows(
        [str(number), title, "1", ""] for number, title in enumerate(titles)
    )
    place = write(tmp_path_factory.mktemp("tables"), text.getvalue())
    form = Form(FORM.columns, FORM.take, ("Title", {"x"}))
    blocks = read(place, form=form)
    assert cells(blocks) == [(str(number), title) for number, title in enumerate(titles) if title == "x"]
    assert blocks[-1].after.offset == len(text.getvalue().encode())
    for number, block in enumerate(blocks):
        assert cells(read(place, block.after, form)) == cells(blocks[number + 1 :])


def test_a_file_cut_off_in_an_unwanted_row(tmp_path: Path) -> None:
    place = write(tmp_path, HEADER + "1,y,1,\n" * 50 + "2,y")
    with pytest.raises(SourceError, match="in the middle of a row"):
        read(place, form=Form(FORM.columns, FORM.take, ("Title", {"x"})))


def test_bad_rows_are_counted(tmp_path: Path) -> None:
    content = HEADER.encode() + b"a,one,1,\nb,two\nc,thr\xffee,3,\n\n,,,,,\nd,four,4,\n" + b'e,"never closed,5,\n'
    blocks = read(write(tmp_path, content))
    assert cells(blocks) == [("a", "one"), ("d", "four")]
    assert sum(block.bad for block in blocks) == 4


def test_rows_after_an_endless_cell(tmp_path: Path) -> None:
    good = "".join(f"{number},jump,1,\n" for number in range(30_000))
    blocks = read(write(tmp_path, HEADER + 'a,"never closed,1,\n' + good))
    assert len(cells(blocks)) > 10_000
    assert sum(block.bad for block in blocks) == 1


def test_byte_order_mark(tmp_path: Path) -> None:
    place = write(tmp_path, b"\xef\xbb\xbf" + many(20).encode())
    blocks = read(place)
    assert len(cells(blocks)) == 20
    assert cells(read(place, blocks[3].after)) == cells(blocks[4:])


def test_without_a_header(tmp_path: Path) -> None:
    form = Form("LabelName,DisplayName", "LabelName,DisplayName", has_header=False)
    for header in ("", "LabelName,DisplayName\n"):
        assert cells(read(write(tmp_path, f"{header}/m/1,Dance\n/m/2,Jump\n"), form=form)) == [
            ("/m/1", "Dance"),
            ("/m/2", "Jump"),
        ]


def test_no_newline_at_the_end(tmp_path: Path) -> None:
    assert cells(read(write(tmp_path, HEADER + "a,one,1,"))) == [("a", "one")]


def test_a_file_cut_off_in_a_row(tmp_path: Path) -> None:
    assert "in the middle of a row: download it again" in failure(write(tmp_path, many(50)[:-20]))


def test_other_columns(tmp_path: Path) -> None:
    assert "the columns ImageID,Title,Size… but begins with “id,name”" in failure(write(tmp_path, "id,name\n1,x\n"))


def test_a_page_in_place_of_a_table(tmp_path: Path) -> None:
    assert "begins with “<!doctype html>”" in failure(write(tmp_path, "<!doctype html>\n<title>Log in</title>\n"))


def test_an_empty_file(tmp_path: Path) -> None:
    assert "is empty" in failure(write(tmp_path, b""))


PARTS = st.sampled_from(
    [b"a,b,1,2\n", b"a,b\n", b'"', b",", b"\n", b"\r", b"\xff", b"\x00", "é".encode(), b'"x\ny"', b"\r\n"]
)


@given(parts=st.lists(PARTS, max_size=60), has_header=st.booleans())
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, parts: list[bytes], has_header: bool) -> None:
    """Whatever is in a file, it is read to its end or refused in one sentence, and each position leads on."""
    content = HEADER.encode() * has_header + b"".join(parts)
    place = write(tmp_path_factory.mktemp("tables"), content)
    form = Form(FORM.columns, FORM.take, ("Title", {"b"}))
    try:
        blocks = read(place, form=form)
    except SourceError:
        return
    assert blocks[-1].after.offset == len(content)
    for number, block in enumerate(blocks):
        assert cells(read(place, block.after, form)) == cells(blocks[number + 1 :])


def test_a_file_without_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MAX_LINE_BYTES", 1000)
    assert "is not a table: it has a line of" in failure(write(tmp_path, bytes(2000)))


def test_no_file(tmp_path: Path) -> None:
    assert "there is no such file" in failure(str(tmp_path / "missing.csv"))


def test_lost_connections(tmp_path: Path, server: TableServer) -> None:
    write(tmp_path, many(5000))
    server.resets = 5
    blocks = read(f"{server.url}/table.csv")
    assert len(cells(blocks)) == 5000
    assert [start > 0 for _, start in server.starts] == [False, True, True, True, True, True]


def test_a_server_without_ranges(tmp_path: Path, server: TableServer) -> None:
    write(tmp_path, many(5000))
    server.resets, server.has_ranges, server.reset_after = 1, False, 100_000
    assert len(cells(read(f"{server.url}/table.csv"))) == 5000


def test_a_server_that_only_breaks_off(tmp_path: Path, server: TableServer) -> None:
    write(tmp_path, many(5000))
    server.resets, server.reset_after = 1000, 0
    assert "check the network and try again" in failure(f"{server.url}/table.csv")
    assert len(server.starts) < 100


def test_resume_from_a_server(tmp_path: Path, server: TableServer) -> None:
    write(tmp_path, many(5000))
    blocks = read(f"{server.url}/table.csv")
    middle = blocks[len(blocks) // 2].after
    assert cells(read(f"{server.url}/table.csv", middle)) == cells(blocks[len(blocks) // 2 + 1 :])
    assert server.starts[-1] == ("table.csv", middle.offset)
    assert read(f"{server.url}/table.csv", blocks[-1].after) == []


def test_another_file_than_before(tmp_path: Path, server: TableServer) -> None:
    write(tmp_path, many(500))
    middle = read(f"{server.url}/table.csv")[5].after
    write(tmp_path, many(501))
    with pytest.raises(web.ChangedError):
        read(f"{server.url}/table.csv", middle)


def test_missing_at_the_server(server: TableServer) -> None:
    assert "404" in failure(f"{server.url}/table.csv")
    assert len(server.starts) == 0
