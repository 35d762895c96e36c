"""Open SQLite files that only one process uses, on any disk."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from models import files


def connect(file: Path) -> sqlite3.Connection:
    """Open or create a SQLite file that this process alone uses: SQLite asks the file system for no lock.

    The caller holds a lock of its own, and many network disks have none. Where a file system cannot sync, SQLite does
    not ask for that either. Raises OSError or sqlite3.Error.
    """
    database = sqlite3.connect(f"file:{quote(os.fsencode(file.absolute()))}?vfs=unix-none", uri=True)
    try:
        database.execute("PRAGMA locking_mode = EXCLUSIVE")  # needs no shared memory, which network disks lack
        with file.open("rb") as opened:
            can_sync = files.sync_file(opened.fileno())
        if not can_sync:
            database.execute("PRAGMA synchronous = OFF")
    except BaseException:
        database.close()
        raise
    return database
