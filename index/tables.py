"""The tables of a library: what its file `items.sqlite` holds, and opening it."""

from __future__ import annotations

import os
import re
import sqlite3
from pathlib import Path
from typing import Final
from urllib.parse import quote

from index.barred import KINDS
from index.fingerprint import FINGERPRINT_BYTES

ITEM_COLUMNS: Final = (
    "picture", "width", "height", "left", "top", "right", "bottom",
    "title", "author", "licence", "licence_url", "source_url", "date", "collection",
)  # fmt: skip
"""Columns of the table `item` after `number`; `picture` is the file's name in the folder of pictures."""

TABLES: Final = (
    f"item (number INTEGER PRIMARY KEY, {', '.join(ITEM_COLUMNS)})",
    "fingerprint (picture TEXT PRIMARY KEY, bits BLOB NOT NULL) WITHOUT ROWID",
    "removed (picture TEXT PRIMARY KEY, bits BLOB NOT NULL, title) WITHOUT ROWID",
    "barred (kind TEXT, text TEXT, PRIMARY KEY (kind, text)) WITHOUT ROWID",
)
"""The tables of a new library, as SQL."""

_COLUMN: Final = r"\w+(?: (?:TEXT|BLOB|INTEGER))?(?: PRIMARY KEY| NOT NULL)?"

PLAIN_TABLE: Final = re.compile(
    rf'CREATE TABLE "?\w+"? ?\({_COLUMN}(?:, {_COLUMN})*(?:, PRIMARY KEY \(\w+(?:, \w+)*\))?\)(?: WITHOUT ROWID)?',
    re.ASCII,
)
"""Matches the SQL of a table that only holds values. Views, triggers, checks and generated columns compute, perhaps
without end, and none of a library's tables has them."""

LATER_COLUMNS: Final = ("date", "collection")
"""Columns that libraries of earlier versions lack."""

INVALID_ITEM_QUERY: Final = f"""
    SELECT number FROM item WHERE typeof(number) <> 'integer'
    OR typeof(width) <> 'integer' OR typeof(height) <> 'integer'
    OR {" OR ".join(f"typeof({side}) <> 'real'" for side in ITEM_COLUMNS[3:7])}
    OR {" OR ".join(f"typeof({word}) NOT IN ('text', 'null')" for word in ITEM_COLUMNS[7:])}
    OR (picture IS NOT NULL AND picture NOT IN (SELECT picture FROM fingerprint)) LIMIT 1
"""
"""Finds an item whose values have the wrong types: showing or crediting it would raise an error much later."""

INVALID_PICTURE_QUERY: Final = f"""
    SELECT picture FROM {{table}} WHERE typeof(bits) <> 'blob' OR length(bits) <> {FINGERPRINT_BYTES}
    OR typeof(picture) <> 'text' OR length(picture) <> 68 OR instr(picture, '/') LIMIT 1
"""
"""Finds a stored or taken-down picture with a wrong fingerprint or name; names are 64 hexadecimal digits and `.jpg`."""

INVALID_BARRED_QUERY: Final = f"""
    SELECT text FROM barred WHERE typeof(text) <> 'text' OR kind NOT IN ({", ".join(f"'{kind}'" for kind in KINDS)})
    OR kind IS NULL LIMIT 1
"""
"""Finds an entry of the list of what is barred that says nothing."""


def open_tables(file: Path, count: int) -> sqlite3.Connection:
    """Open the tables of a library with `count` items, read-only. Raises ValueError or sqlite3.Error."""
    tables = open_plain_tables(file)
    try:
        _lend_later_parts(tables)
        counted = tables.execute("SELECT count(*), min(number), max(number) FROM item").fetchone()
        if counted != (count, 0, count - 1):
            raise ValueError(f"{counted[0]} items, not {count}, with numbers from {counted[1]} to {counted[2]}")
        for query in (
            INVALID_ITEM_QUERY,
            *(INVALID_PICTURE_QUERY.format(table=table) for table in ("fingerprint", "removed")),
            INVALID_BARRED_QUERY,
        ):
            invalid = tables.execute(query).fetchone()
            if invalid is not None:
                raise ValueError(f"an invalid row: {invalid[0]!r:.80}")
    except BaseException:
        tables.close()
        raise
    return tables


def open_plain_tables(file: Path) -> sqlite3.Connection:
    """Open a file of tables that only hold values, read-only, whatever is in them. Raises ValueError or sqlite3.Error.

    The file may come from a stranger, and then SQLite must compute nothing that the file says.
    """
    place = f"file:{quote(os.fsencode(file))}?mode=ro&immutable=1"
    tables = sqlite3.connect(place, uri=True, check_same_thread=False)
    try:
        tables.execute("PRAGMA trusted_schema = OFF")
        # by the name that no table of the file can take; an index that SQLite itself made has no SQL
        for (sql,) in tables.execute("SELECT sql FROM main.sqlite_master WHERE sql IS NOT NULL"):
            if not isinstance(sql, str) or not PLAIN_TABLE.fullmatch(sql):
                raise ValueError(f"more than plain tables: {sql!r:.80}")
    except BaseException:
        tables.close()
        raise
    return tables


def check_structure(tables: sqlite3.Connection) -> None:
    """Check that the pages of a file of tables fit together. Raises ValueError or sqlite3.Error.

    For a file that no checksum vouches for, or that a stranger made: pages may lead in circles.
    """
    found = tables.execute("PRAGMA quick_check(1)").fetchone()
    if found != ("ok",):
        raise ValueError(" ".join(str(found[0]).split()))


def _lend_later_parts(tables: sqlite3.Connection) -> None:
    """Lend a library of an earlier version, by views, the columns and the table that it lacks."""
    columns = {row[1] for row in tables.execute("PRAGMA table_info(item)")}
    if lacking := [column for column in LATER_COLUMNS if column not in columns]:
        lent = ", ".join(f"NULL AS {column}" for column in lacking)
        tables.execute(f"CREATE TEMP VIEW item AS SELECT *, {lent} FROM main.item")
    if not tables.execute("PRAGMA table_info(barred)").fetchall():
        tables.execute("CREATE TEMP VIEW barred AS SELECT NULL AS kind, NULL AS text WHERE 0")
