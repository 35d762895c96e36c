"""Read CSV tables of gigabytes, block by block, from the web or from a file, and resume at any block's end.

Each block comes with the position after it. Python's `csv` parses the rows, so a quoted cell may hold commas, quotes
and line breaks.
"""

from __future__ import annotations

import codecs
import csv
import time
from collections.abc import Callable, Container, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice
from operator import itemgetter, length_hint
from typing import Final, NamedTuple

from index import web
from index.build.photo import SourceError
from models.text import printable

BLOCK_BYTES = 1 << 20
"""Bytes that are parsed at a time. With four times as many, the rows no longer fit into a processor's cache."""

MAX_LINE_BYTES = 1 << 26
"""Bytes after which a line must end. Without, a file that is no table would fill the memory."""

TRIES = 6
"""How often to open a table again that has not sent a byte since."""

RETRY_SECONDS = 1.0
"""Seconds before a table is opened again; they double with each try that brings nothing."""

Cells = tuple[str, ...]
"""The cells of a row that are wanted, in the order in which they were asked for."""


@dataclass(frozen=True, slots=True)
class Form:
    """What a table looks like, and what is wanted of it.

    `columns` are names as in its first row, which begins with them; without `has_header` it may also be a row like all
    others. `take` are two or more columns to return, and `only` is one with the values that a wanted row may have.
    """

    columns: str
    take: str
    only: tuple[str, Container[str]] | None = None
    has_header: bool = True

    def index(self, column: str) -> int:
        """Return the number of a column."""
        return self.columns.split(",").index(column)


class Position(NamedTuple):
    """Where to go on in a table: its bytes and good rows so far, its number of columns, and its file's validator."""

    offset: int = 0
    width: int = 0
    validator: str | None = None


class Block(NamedTuple):
    """Rows of a table. `after` is the position after them, and `read` how many there were, wanted or not.

    `bad` rows could not be read: they have too few or too many cells, or a wanted one is not in UTF-8. `total` is the
    table's size in bytes if that is known.
    """

    rows: list[Cells]
    after: Position
    read: int
    bad: int
    total: int | None


START: Final = Position()
"""A table's beginning."""


def read_blocks(place: str, form: Form, start: Position = START) -> Generator[Block, None, None]:
    """Yield the rows of the table at a URL or path, from a position on.

    Opens the table again if the connection is lost; closing the generator closes it. Raises SourceError if it cannot be
    read, is another table or ends in the middle of a row; ChangedError if it is no longer the one that `start` is a
    position in.
    """
    pieces = _Pieces(place, form, start)
    with closing(pieces.chunks):
        yield from _parse(pieces, place, form, start)


def _parse(pieces: _Pieces, place: str, form: Form, start: Position) -> Iterator[Block]:
    reader = csv.reader(chain.from_iterable(pieces.lines()))
    width = start.width
    while pieces.has_more():
        rows: list[Cells] = []
        if not width:
            first = _read_header(reader, place, form)
            width = len(first)
            rows += [] if _is_header(first, form) else [_taker(form)(first)]
        read, bad, is_last_bad = _read_piece(reader, pieces, form, width, rows)
        if not pieces.is_utf8:
            good = [row for row in rows if _is_utf8(row)]
            bad, rows = bad + len(rows) - len(good), good
        if is_last_bad and pieces.ends_in_row():
            raise SourceError(f"{printable(place)} ends in the middle of a row: download it again.")
        yield Block(rows, Position(pieces.offset(), width, pieces.validator), read, bad, pieces.total)
    if not width:
        raise SourceError(f"{printable(place)} is empty: download it again.")


def _read_piece(
    reader: Iterator[list[str]], pieces: _Pieces, form: Form, width: int, rows: list[Cells]
) -> tuple[int, int, bool]:
    """Add the wanted rows of a piece; return how many rows there were, how many were bad, and whether the last was."""
    take = _taker(form)
    key, wanted = (form.index(form.only[0]), form.only[1]) if form.only else (None, ())
    read, bad, last_bad, is_at_end = pieces.dropped, 0, -1, False
    pieces.dropped = 0
    while not is_at_end:
        try:
            # a row takes one line or several, so these are all rows of this piece, and a few of the next at most
            for row in islice(reader, pieces.lines_left()):
                read += 1
                if row and len(row) != width:
                    bad, last_bad = bad + 1, read
                elif row and (key is None or row[key] in wanted):
                    rows.append(take(row))
            is_at_end = True
        except csv.Error:  # a cell that never ends, or a line break outside quotes
            read, bad, last_bad = read + 1, bad + 1, read + 1
            is_at_end = pieces.has_quotes
    return read, bad, last_bad == read


def _read_header(reader: Iterator[list[str]], place: str, form: Form) -> list[str]:
    """Return the first row. Raises SourceError if it is not that of the wanted table."""
    try:
        first = next(reader, [])
    except csv.Error:
        first = []
    is_row = not form.has_header and len(first) == form.columns.count(",") + 1
    if not is_row and not _is_header(first, form):
        begin = printable(",".join(first))[:80]
        raise SourceError(
            f"{printable(place)} is not the table with the columns {form.columns:.40}… but begins with "
            f"“{begin}”: look whether its address has changed, or a page to log in stands before it."
        )
    return first


def _is_header(row: Sequence[str], form: Form) -> bool:
    return ",".join(row[: form.columns.count(",") + 1]) == form.columns


def _taker(form: Form) -> Callable[[Sequence[str]], Cells]:
    first, second, *others = map(form.index, form.take.split(","))
    return itemgetter(first, second, *others)


def _is_utf8(row: Cells) -> bool:
    """Return whether a row has no byte that `surrogateescape` stands in for."""
    try:
        "".join(row).encode()
    except UnicodeEncodeError:
        return False
    return True


def _remedy(error: web.FetchError) -> str:
    if isinstance(error, web.TemporaryError):
        return "check the network and try again, which goes on from here"
    return "look whether it is still there and may be read"


class _Pieces:
    """A table as pieces of whole lines, which a CSV reader reads one after the other.

    `has_quotes` turns True with the first quote, before which a line is a row. `is_utf8` turns False with the first
    byte that is not in UTF-8, for which a surrogate stands from then on. `dropped` counts rows that the reader does not
    get, as they are not wanted.
    """

    def __init__(self, place: str, form: Form, start: Position) -> None:
        self.place = place
        self.dropped = 0
        self._form = form
        self.validator = start.validator
        self.total: int | None = None
        self.is_utf8 = True
        self._received = start.offset
        self.chunks = self._receive()
        self._rest = b""
        self._lines: list[str] = []
        self._coming = iter(self._lines)
        self._end = start.offset  # of the piece, in bytes
        self.has_quotes = self._ends_in_line = self._is_fresh = False
        self._has_header = start.offset == 0

    def lines(self) -> Iterator[Iterator[str]]:
        """Yield the lines of each piece when the reader asks for its first one."""
        while self._is_fresh or self._load():
            self._is_fresh = False
            yield self._coming

    def has_more(self) -> bool:
        """Return whether there is a piece of which the reader lacks lines, and load it; all of them may be unwanted."""
        if not self.lines_left():
            self._is_fresh = self._load()
            return self._is_fresh
        return True

    def lines_left(self) -> int:
        """Return how many lines of this piece the reader has not had."""
        return length_hint(self._coming)

    def offset(self) -> int:
        """Return the offset in bytes up to which the reader has read."""
        left = self.lines_left()
        if not left:
            return self._end
        rest = "".join(line if line.endswith("\n") else f"{line}\n" for line in self._lines[-left:])
        return self._end + self._ends_in_line - len(rest.encode("utf-8", "surrogateescape"))

    def ends_in_row(self) -> bool:
        """Return whether the reader is at the table's end, and that is in the middle of a line."""
        return self._ends_in_line and not self.lines_left()

    def _load(self) -> bool:
        """Go on to the next piece; return False if there is none."""
        size, cut, parts = len(self._rest), 0, [self._rest]
        for chunk in self.chunks:
            parts.append(chunk)
            size += len(chunk)
            if size >= BLOCK_BYTES and (cut := size - len(chunk) + chunk.rfind(b"\n") + 1) > size - len(chunk):
                break
            if size > MAX_LINE_BYTES:
                raise SourceError(f"{printable(self.place)} is not a table: it has a line of {size / 1e6:.0f} MB.")
        else:
            cut = size
        data = b"".join(parts)
        piece, self._rest = data[:cut], data[cut:]
        if not piece:
            return False
        self._ends_in_line = not piece.endswith(b"\n")
        if self._end == 0 and piece.startswith(codecs.BOM_UTF8):
            self._end = len(codecs.BOM_UTF8)
            piece = piece.removeprefix(codecs.BOM_UTF8)
        self._end += len(piece)
        self.has_quotes = self.has_quotes or b'"' in piece
        self._lines = self._split(piece)
        self._coming = iter(self._lines)
        return True

    def _split(self, piece: bytes) -> list[str]:
        """Return a piece's lines; each with its end if that may be part of a quoted cell."""
        try:
            text = piece.decode()
        except UnicodeDecodeError:
            text, self.is_utf8 = piece.decode("utf-8", "surrogateescape"), False
        lines = text.split("\n")  # not splitlines, for which other characters end a line, too
        if not lines[-1]:
            lines.pop()
        return [f"{line}\n" for line in lines] if self.has_quotes else self._drop(lines)

    def _drop(self, lines: list[str]) -> list[str]:
        """Return the lines whose rows are wanted or bad. Without quotes, each comma ends a cell."""
        if self._form.only is None or self._has_header:
            self._has_header = False
            return lines
        column, wanted = self._form.only
        key = self._form.index(column)
        kept = [line for line in lines if len(cells := line.split(",", key + 1)) <= key or cells[key] in wanted]
        if self._ends_in_line and kept[-1:] != lines[-1:]:
            kept.append(lines[-1])  # to see whether it is whole
        self.dropped += len(lines) - len(kept)
        return kept

    def _receive(self) -> Generator[bytes, None, None]:
        """Yield the table's bytes, over as many connections as it takes. Raises SourceError and ChangedError."""
        failures = 0
        while True:
            before = self._received
            try:
                with web.open_stream(self.place, self._received, self.validator, self.total) as stream:
                    self.validator, self.total = stream.validator, stream.total
                    for chunk in stream.chunks:
                        self._received += len(chunk)
                        yield chunk
                return
            except web.ChangedError:
                raise
            except web.FetchError as error:
                failures = failures + 1 if self._received == before else 1
                if failures == TRIES or not isinstance(error, web.TemporaryError):
                    raise SourceError(f"{printable(self.place)} cannot be read ({error}): {_remedy(error)}.") from error
            time.sleep(RETRY_SECONDS * 2 ** (failures - 1))
