"""What a ledger remembers of its runs, besides the photographs: what they were asked for, and with which models."""

from __future__ import annotations

import json
from pathlib import Path

from index.collect.ledger_tables import DATABASE, open_ledger
from index.collect.rules import Rules, read_rules
from index.sqlite_errors import as_os_error
from models.text import printable

Model = tuple[str, str]
"""A model: its file's name without the ending, and its sha256."""


class LedgerState:
    """The part of a ledger (`index.collect.ledger.Ledger`) that describes its runs."""

    def __init__(self, folder: Path) -> None:
        """Open the ledger's tables in its folder, or make them. Raises LibraryError if they cannot be used."""
        self.folder = folder
        self._table = open_ledger(folder / DATABASE)

    @property
    def wanted(self) -> int | None:
        """How many photographs the last command wanted to keep; None before the first."""
        count = self._state("count")
        return None if count is None else int(count)

    @wanted.setter
    def wanted(self, count: int) -> None:
        self._set_state("count", str(count).encode())

    @property
    def rules(self) -> Rules:
        """The rules of the last command. Raises SourceError if this program no longer knows them."""
        changes = self._state("rules") or b""
        return read_rules(changes.decode(), f"The rules of the last run in {printable(self.folder / DATABASE)}")

    @rules.setter
    def rules(self, rules: Rules) -> None:
        self._set_state("rules", rules.changes.encode())

    @property
    def models(self) -> tuple[Model, ...]:
        """The models by which photographs were looked at, by name and sha256, in their order."""
        return tuple((name, sha256) for name, sha256 in json.loads(self._state("models") or b"[]"))

    def add_model(self, model: Model) -> None:
        """Note that photographs are looked at with a model."""
        if model not in self.models:
            self._set_state("models", json.dumps([*self.models, model]).encode())

    def _state(self, name: str) -> bytes | None:
        row = self._table.execute("SELECT value FROM state WHERE name = ?", (name,)).fetchone()
        return None if row is None else bytes(row[0])

    def _set_state(self, name: str, value: bytes) -> None:
        with as_os_error(self.folder), self._table:
            self._table.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (name, value))
