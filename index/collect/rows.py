"""Read CSV tables of gigabytes, block by block, from the web or from a file, and resume at any block's end.

Each block comes with the position after it. Python's `csv` parses the rows, so a quoted cell may hold commas, quotes
and line breaks.
"""

from __future__ import annotations

import codecs
import csv
import io
import time
from collections.abc import Callable, Container, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice
from operator import itemgetter
from typing import Final, NamedTuple

from index import web
from index.build.photo import SourceError
from models.text import printable

BLOCK_BYTES = 1 << 20
"""Bytes that are parsed at a time. With four times as many, the rows no longer fit into a processor's cache."""

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
    pieces = _Pieces(place, start)
    with closing(pieces.chunks):
        yield from _parse(pieces, place, form, start)


def _parse(pieces: _Pieces, place: str, form: Form, start: Position) -> Iterator[Block]:
    reader = csv.reader(chain.from_iterable(pieces.texts()))
    width, is_first_row = start.width, start.offset == 0
    take = _taker(form)
    key, wanted = (form.index(form.only[0]), form.only[1]) if form.only else (None, ())
    while pieces.has_more():
        rows: list[Cells] = []
        read = bad = 0
        if is_first_row:
            is_first_row = False
            first = _read_header(reader, place, form)
            width = len(first)
            if not _is_header(first, form):
                rows.append(take(first))
        try:
            # a row takes one line or several, so these are all rows of this piece, and a few of the next at most
            for row in islice(reader, pieces.lines_left()):
                read += 1
                if len(row) != width:
                    bad += bool(row)
                elif key is None or row[key] in wanted:
                    rows.append(take(row))
        except csv.Error:  # a cell that never ends, or a line break outside quotes
            bad += 1
        if not pieces.is_utf8:
            good = [row for row in rows if _is_utf8(row)]
            bad, rows = bad + len(rows) - len(good), good
        if bad and pieces.ends_in_row():
            raise SourceError(f"{printable(place)} ends in the middle of a row: download it again.")
        yield Block(rows, Position(pieces.offset(), width, pieces.validator), read, bad, pieces.total)
    if is_first_row:
        raise SourceError(f"{printable(place)} is empty: download it again.")


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
    """A table as texts of whole lines, which a CSV reader reads one after the other.

    `is_utf8` turns False with the first byte that is not in UTF-8, for which a surrogate stands from then on.
    """

    def __init__(self, place: str, start: Position) -> None:
        self.place = place
        self.validator = start.validator
        self.total: int | None = None
        self.is_utf8 = True
        self._received = start.offset
        self.chunks = self._receive()
        self._rest = b""
        self._text, self._length = io.StringIO(), 0
        self._end = start.offset  # of the text, in bytes
        self._ends_in_line = False
        self._is_fresh = False

    def texts(self) -> Iterator[io.StringIO]:
        """Yield each piece when the reader asks for its first line."""
        while self._is_fresh or self._load():
            self._is_fresh = False
            yield self._text

    def has_more(self) -> bool:
        """Return whether there are lines that the reader has not had, and load them."""
        if self._text.tell() == self._length:
            self._is_fresh = self._is_fresh or self._load()
            return self._is_fresh
        return True

    def lines_left(self) -> int:
        """Return how many lines of this piece the reader has not had."""
        position = self._text.tell()
        rest = self._text.read()
        self._text.seek(position)
        return rest.count("\n") + (not rest.endswith("\n"))

    def offset(self) -> int:
        """Return the offset in bytes up to which the reader has read."""
        position = self._text.tell()
        rest = self._text.read()
        self._text.seek(position)
        return self._end - len(rest.encode("utf-8", "surrogateescape"))

    def ends_in_row(self) -> bool:
        """Return whether the reader is at the table's end, and that is in the middle of a line."""
        return self._ends_in_line and self._text.tell() == self._length

    def _load(self) -> bool:
        """Make the next lines the text; return False if there are none."""
        data = bytearray(self._rest)
        cut = 0
        for chunk in self.chunks:
            data += chunk
            if len(data) >= BLOCK_BYTES and (cut := data.rfind(b"\n") + 1):
                break
        else:
            cut = len(data)
            if not cut:
                return False
            self._ends_in_line = not data.endswith(b"\n")
        self._rest = bytes(data[cut:])
        piece = bytes(data[:cut])
        if self._end == 0:
            self._end = len(codecs.BOM_UTF8) if piece.startswith(codecs.BOM_UTF8) else 0
            piece = piece[self._end :]
        try:
            text = piece.decode()
        except UnicodeDecodeError:
            text, self.is_utf8 = piece.decode("utf-8", "surrogateescape"), False
        self._text, self._length = io.StringIO(text, newline="\n"), len(text)
        self._end += len(piece)
        return True

    def _receive(self) -> Generator[bytes, None, None]:
        """Yield the table's bytes, over as many connections as it takes. Raises SourceError and ChangedError."""
        failures = 0
        while True:
            before = self._received
            try:
                with web.open_stream(self.place, self._received, self.validator) as stream:
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
