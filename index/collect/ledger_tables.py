"""The tables of a ledger (`index.collect.ledger`)."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from index.build import database
from index.errors import LibraryError
from models.text import printable

VERSION: Final = 1
"""Version of the tables. A ledger of another version is not used."""

DATABASE: Final = "ledger.sqlite"

TABLES: Final = """
CREATE TABLE photo (
    number INTEGER PRIMARY KEY, key TEXT UNIQUE, outcome TEXT, reason TEXT, picture TEXT, width INTEGER, height INTEGER,
    fingerprint BLOB, credit TEXT, keypoints BLOB
);
CREATE INDEX photo_outcome ON photo (outcome);
CREATE TABLE wave (looked INTEGER, kept INTEGER, coverage REAL, judges INTEGER);
CREATE TABLE state (name TEXT PRIMARY KEY, value BLOB);
"""


def open_ledger(file: Path) -> sqlite3.Connection:
    """Open the tables in a file, or make them. Raises LibraryError if they cannot be used, and OSError."""
    try:
        return database.open_tables(file, TABLES, VERSION)
    except database.UnusableError as error:
        raise LibraryError(
            f"{printable(file)} cannot be used ({error}): collect into another folder, or delete "
            f"{printable(file.parent)} and the library, to collect from the beginning."
        ) from error
