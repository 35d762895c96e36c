"""Read tables of photos with credits: CSV as spreadsheets write it, or JSONL with an object per line."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Final, NamedTuple

from index import web
from index.build.foreign_names import FileFinder, is_windows_path
from index.build.photo import Credit, Photo, Skipped, SourceError, describe_error, read_file, title_from_name
from index.pictures import clean_text
from models.text import printable

TABLE_SUFFIXES: Final = (".csv", ".tsv", ".jsonl")
"""Endings of file names that are read as tables."""

PICTURE_COLUMN: Final = "picture"
"""The column with a picture's path, relative to the table's folder, or its URL."""

COLUMNS: Final = (PICTURE_COLUMN, *Credit._fields)
"""The columns that are read; any others are ignored."""

SEPARATORS: Final = ",;\t"
"""Separators of cells: most programs write commas; Excel writes semicolons in some countries, and tabs."""


CURLY_QUOTES: Final = "“”„‟«»"
"""Quotes that word processors write in place of straight ones."""


class _Line(NamedTuple):
    """The cells of a row by column, and the line where the row begins."""

    number: int
    cells: Mapping[str, object]


class Row(NamedTuple):
    """A row that names a picture: the line where it begins, the picture's file or URL, and its credit."""

    line: int
    picture: Path | str
    credit: Credit


def read_table(file: Path) -> Iterator[Photo | Skipped]:
    """Return the picture that each row of a table names, in order; skip a row that names none. Raises SourceError.

    The columns are `picture` and any of title, author, licence (or license), licence_url and source_url.
    """
    rows = read_rows(file)
    return (row if isinstance(row, Skipped) else Photo(row.picture, row.credit) for row in rows)


def read_rows(file: Path) -> list[Row | Skipped]:
    """Return the rows of a table, without empty ones. Raises SourceError.

    A picture's file is found even if the table comes from a system that spells names in another way.
    """
    cells_by_line = list(_read_jsonl(file) if file.suffix.lower() == ".jsonl" else _read_csv(file))
    if not cells_by_line:
        raise SourceError(f"{printable(file)} has no rows: name a picture in each.")
    names = [_picture_name(cells) for cells in cells_by_line]
    files = FileFinder().find_all(file.parent, ["" if _is_remote(name) else name for name in names])
    return [
        cells if isinstance(cells, Skipped) else _make_row(file, cells, name, found)
        for cells, name, found in zip(cells_by_line, names, files, strict=True)
    ]


def _picture_name(line: _Line | Skipped) -> str:
    """Return what a row names as its picture, or an empty text."""
    name = "" if isinstance(line, Skipped) else line.cells.get(PICTURE_COLUMN)
    return name if isinstance(name, str) else ""


def _make_row(file: Path, line: _Line, name: str, found: Path | None) -> Row | Skipped:
    """Return a row with its picture, which is the file `found` or else a URL or a path that leads nowhere."""
    texts = {field: clean_text(line.cells.get(field)) for field in Credit._fields}
    if found is not None:
        return Row(line.number, found, Credit(**{**texts, "title": texts["title"] or title_from_name(found)}))
    if not name.strip():
        return _skipped(file, line.number, "no picture", f"names no {PICTURE_COLUMN}")
    name = name.strip()
    if web.is_url(name):
        return Row(line.number, name, Credit(**{**texts, "title": texts["title"] or title_from_name(name)}))
    if is_windows_path(name):
        problem = f"names {printable(name):.200}, a path of another computer: put the picture next to the table"
        return _skipped(file, line.number, "cannot be read", problem)
    picture = file.parent / name
    return Row(line.number, picture, Credit(**{**texts, "title": texts["title"] or title_from_name(picture)}))


def _is_remote(name: str) -> bool:
    return web.is_url(name.strip()) and not name.strip().lower().startswith("file:")


def _read_jsonl(file: Path) -> Iterator[_Line | Skipped]:
    """Yield the objects of a JSONL file with their line numbers."""
    lines = [(number, line) for number, line in enumerate(_read_text(file).split("\n"), 1) if line.strip()]
    objects = 0
    for number, line in lines:
        try:
            document = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield _skipped(file, number, "not a row", f"is not valid JSON ({describe_error(error)})")
            continue
        if isinstance(document, dict):
            objects += 1
            cells = {_normalise_column(key): value for key, value in reversed(document.items()) if value}
            yield _Line(number, cells)
        else:
            yield _skipped(file, number, "not a row", "is not a JSON object")
    if lines and not objects:
        example = json.dumps({PICTURE_COLUMN: "a.jpg", "author": "Ann"})
        raise SourceError(f"{printable(file)} is not a table: each line must be an object such as {example}.")


def _read_csv(file: Path) -> Iterator[_Line | Skipped]:
    """Yield the rows of a CSV file with the line numbers where they begin; first, its mistyped columns."""
    content, declared = _take_separator_line(_read_text(file))
    separator = _detect_separator(file, content, declared + SEPARATORS)
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=separator, strict=True)
    columns: list[str] = []
    quotes = ""
    before = 0
    try:
        for cells in reader:
            line, before = before + 1, reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if not columns:
                columns = [_normalise_column(cell) for cell in cells]
                if any(cell.strip().startswith(tuple(CURLY_QUOTES)) for cell in cells):
                    quotes = CURLY_QUOTES + " "
                yield from _find_mistyped_columns(file, line, columns)
            elif any(cell.strip() for cell in cells[len(columns) :]):
                character = "tab" if separator == "\t" else f"“{separator}”"
                problem = f"has {len(cells)} cells for {len(columns)} columns: put text with a {character} in quotes"
                yield _skipped(file, line, "not a row", problem)
            else:
                # of two columns with one name (licence and license), the first cell that is not empty counts
                pairs = reversed([*zip(columns, cells, strict=False)])
                yield _Line(line, {column: cell.strip(quotes) for column, cell in pairs if cell.strip()})
    except csv.Error as error:
        raise SourceError(
            f"{printable(file)} is not valid CSV from line {before + 1} on: {describe_error(error)}."
        ) from error


def _take_separator_line(content: str) -> tuple[str, str]:
    """Return the table with a first line such as `sep=;`, which Excel writes, left empty; and the separator in it."""
    line = re.match(r"\"?sep=([^\w\s\"]|\t)\"?[,;\t ]*(?=[\r\n]|\Z)", content, re.IGNORECASE)
    return (content, "") if line is None else (content[line.end() :], line[1])


def _detect_separator(file: Path, content: str, separators: str) -> str:
    """Return the separator with which the first line has a column `picture`. Raises SourceError."""
    first = next((line for line in content.splitlines() if line.strip(separators + " ")), "")
    for separator in separators:
        if PICTURE_COLUMN in _parse_header(first, separator):
            return separator
    headers = [_parse_header(first, separator) for separator in separators]
    columns = max(headers, key=len)
    if not any(columns):
        raise SourceError(f"{printable(file)} is empty: write a column `{PICTURE_COLUMN}` with paths or URLs.")
    raise SourceError(
        f"{printable(file)} has no column `{PICTURE_COLUMN}`, but {printable(', '.join(columns))[:200]}: give the "
        "column of the pictures' paths or URLs this name."
    )


def _parse_header(line: str, separator: str) -> list[str]:
    try:
        return [_normalise_column(cell) for cell in next(csv.reader([line], delimiter=separator), [])]
    except csv.Error:
        return []


def _normalise_column(name: str) -> str:
    """Return a column's name in the spelling of `COLUMNS`: licence_url for `License URL`."""
    visible = "".join(c for c in name.casefold() if unicodedata.category(c) != "Cf")  # such as a byte order mark
    words = visible.strip().strip(CURLY_QUOTES + "'\"").replace("-", " ").replace("_", " ").split()
    return "_".join(words).replace("license", "licence")


def _find_mistyped_columns(file: Path, line: int, columns: Sequence[str]) -> Iterator[Skipped]:
    """Yield columns whose names look like a misspelt one of `COLUMNS`, because its credits would be missing."""
    missing = [column for column in COLUMNS if column not in columns]
    for column in columns:
        near = get_close_matches(column, missing, n=1, cutoff=0.8)
        if near and column not in COLUMNS:
            problem = f"has a column `{printable(column)}`, which is not used: rename it to `{near[0]}`"
            yield _skipped(file, line, "unknown column", problem)


def _skipped(file: Path, line: int, kind: str, problem: str) -> Skipped:
    name = f"{printable(file)}, line {line}"
    return Skipped(name, kind, f"{name} {problem}.")


def _read_text(file: Path) -> str:
    """Return a table's text: UTF-8, or UTF-16 such as Excel's “Unicode text”, each with a byte order mark or without.

    Text in other encodings is rejected, because nothing tells which one it is: José could become JosŽ. Raises
    SourceError.
    """
    try:
        data = read_file(file)
        return data.decode(json.detect_encoding(data))
    except OSError as error:
        raise SourceError(f"{printable(file)} cannot be read ({error.strerror}).") from error
    except MemoryError as error:
        raise SourceError(f"{printable(file)} is too large for this computer's memory.") from error
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise SourceError(
            f"{printable(file)} is not UTF-8 in line {line}: save it as “CSV UTF-8”, so that names stay correct."
        ) from error
