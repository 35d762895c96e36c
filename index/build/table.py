"""Tables of photos with credits: CSV as spreadsheets write it, or JSONL, an object a line."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from index import web
from index.build.photo import Credit, Photo, Skipped, SourceError, check_regular_file, describe_error, title_from_name
from index.pictures import clean_text
from models.text import printable

TABLE_SUFFIXES: Final = (".csv", ".tsv", ".jsonl")
"""How tables' names end."""

PICTURE_COLUMN: Final = "picture"
"""The column with a path, from the table's folder on, or a URL."""

COLUMNS: Final = (PICTURE_COLUMN, *Credit._fields)

SEPARATORS: Final = ",;\t"
"""Of cells: programs write commas, Excel also semicolons and tabs, as the country has it."""


class Row(NamedTuple):
    """A row that names a picture: the line it begins at, the picture's file or URL, and whom to thank."""

    line: int
    picture: Path | str
    credit: Credit


def read_table(file: Path) -> tuple[int, Iterator[Photo | Skipped]]:
    """How many rows a table has, and the picture that each names, in their order. Raises ImportFailed.

    The columns are `picture` and any of title, author, licence, licence_url and source_url (`license` serves too);
    others are left alone. A row that names no picture is skipped.
    """
    rows = read_rows(file)
    return len(rows), (row if isinstance(row, Skipped) else Photo(row.picture, row.credit) for row in rows)


def read_rows(file: Path) -> list[Row | Skipped]:
    """What each row of a table says; empty rows are none. Raises ImportFailed."""
    rows = _read_jsonl(file) if file.suffix.lower() == ".jsonl" else _read_csv(file)
    found = [row if isinstance(row, Skipped) else _parse_row(file, *row) for row in rows]
    if not found:
        raise SourceError(f"{printable(file)} has no rows.")
    return found


def _parse_row(file: Path, line: int, cells: Mapping[str, object]) -> Row | Skipped:
    name = cells.get(PICTURE_COLUMN)
    if not isinstance(name, str) or not name.strip():
        return _skipped(file, line, "no picture", f"names no {PICTURE_COLUMN}")
    name = name.strip()
    words = {field: clean_text(cells.get(field)) for field in Credit._fields}
    if web.is_url(name):
        credit = Credit(**words)
        return Row(line, name, credit._replace(title=credit.title or _title_from_url(name)))
    picture = file.parent / name
    return Row(line, picture, Credit(**{**words, "title": words["title"] or title_from_name(picture)}))


def _title_from_url(url: str) -> str | None:
    try:
        return title_from_name(Path(PurePosixPath(unquote(urlsplit(url).path)).name))
    except ValueError:  # no URL: what reads it will say so
        return clean_text(url)


def _read_jsonl(file: Path) -> Iterator[tuple[int, Mapping[str, object]] | Skipped]:
    """The objects of a JSONL file with their lines."""
    lines = [(number, line) for number, line in enumerate(_read_text(file).split("\n"), 1) if line.strip()]
    objects = 0
    for number, line in lines:
        try:
            document = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield _skipped(file, number, "not a row", f"is no JSON ({describe_error(error)})")
            continue
        if isinstance(document, dict):
            objects += 1
            yield number, {_normalise_column(key): value for key, value in reversed(document.items()) if value}
        else:
            yield _skipped(file, number, "not a row", "is no JSON object")
    if lines and not objects:
        example = json.dumps({PICTURE_COLUMN: "a.jpg", "author": "Ann"})
        raise SourceError(f"{printable(file)} is no table: each line is to be an object such as {example}.")


def _read_csv(file: Path) -> Iterator[tuple[int, Mapping[str, object]] | Skipped]:
    """The rows of a CSV file with the lines where they begin, and first what is strange about its columns."""
    content = _read_text(file)
    separator = _detect_separator(file, content)
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=separator, strict=True)
    columns: list[str] = []
    before = 0
    try:
        for cells in reader:
            line, before = before + 1, reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if not columns:
                columns = [_normalise_column(cell) for cell in cells]
                yield from _find_mistyped_columns(file, line, columns)
            elif any(cell.strip() for cell in cells[len(columns) :]):
                between = "tab" if separator == "\t" else f"“{separator}”"
                said = f"has {len(cells)} cells for {len(columns)} columns: text with a {between} goes in quotes"
                yield _skipped(file, line, "not a row", said)
            else:
                # of two columns of one name (licence and license) the first that says something counts
                yield line, {column: cell for column, cell in reversed([*zip(columns, cells, strict=False)]) if cell}
    except csv.Error as error:
        raise SourceError(f"{printable(file)} is no CSV from line {before + 1} on: {describe_error(error)}.") from error


def _detect_separator(file: Path, content: str) -> str:
    """What stands between the cells: that by which the first line has a column `picture`. Raises ImportFailed."""
    first = next((line for line in content.splitlines() if line.strip(SEPARATORS + " ")), "")
    for separator in SEPARATORS:
        if PICTURE_COLUMN in _parse_header(first, separator):
            return separator
    found = max((_parse_header(first, separator) for separator in SEPARATORS), key=len)
    raise SourceError(
        f"{printable(file)} has no column `{PICTURE_COLUMN}`, but {printable(', '.join(found))[:200] or 'nothing'}."
    )


def _parse_header(line: str, separator: str) -> list[str]:
    try:
        return [_normalise_column(cell) for cell in next(csv.reader([line], delimiter=separator), [])]
    except csv.Error:
        return []


def _normalise_column(name: str) -> str:
    """A column's name as it is known here: `License URL` is licence_url."""
    return "_".join(name.casefold().replace("-", " ").replace("_", " ").split()).replace("license", "licence")


def _find_mistyped_columns(file: Path, line: int, columns: Sequence[str]) -> Iterator[Skipped]:
    """Columns that are not known here, and look as one that is: somebody would miss their name."""
    missing = [column for column in COLUMNS if column not in columns]
    for column in columns:
        near = get_close_matches(column, missing, n=1, cutoff=0.8)
        if near and column not in COLUMNS:
            said = f"has a column `{printable(column)}`, which is not used: `{near[0]}` is"
            yield _skipped(file, line, "unknown column", said)


def _skipped(file: Path, line: int, kind: str, what: str) -> Skipped:
    name = f"{printable(file)}, line {line}"
    return Skipped(name, kind, f"{name} {what}.")


def _read_text(file: Path) -> str:
    """A table's text: UTF-8, or UTF-16 where its mark says so, as Excel's “Unicode text”. Raises ImportFailed."""
    check_regular_file(file)
    try:
        data = file.read_bytes()
        marked = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return data.decode("utf-16" if marked else "utf-8-sig")
    except OSError as error:
        raise SourceError(f"{printable(file)} cannot be read ({error.strerror}).") from error
    except MemoryError as error:
        raise SourceError(f"{printable(file)} is too large for the memory there is.") from error
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise SourceError(
            f"{printable(file)} is not UTF-8 in line {line}: save it as “CSV UTF-8”, so that names are as they were."
        ) from error
