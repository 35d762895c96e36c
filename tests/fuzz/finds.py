"""What breaks a promise, written down: the first input of each kind, and how it was raised."""

from __future__ import annotations

import hashlib
import sys
import traceback
from pathlib import Path

from tests.fuzz.promise import Reader


def record_finds(read: Reader, found: Path) -> Reader:
    """The same reader, which writes an input that breaks its promise to `found`, and goes on.

    What an earlier run found there is written again: it is no less wrong for having been found before.
    """
    known: set[str] = set()

    def noted(data: bytes) -> None:
        try:
            read(data)
        except Exception as error:
            kind = _error_kind(error)
            if kind not in known:
                known.add(kind)
                file = found / f"{kind}-{type(error).__name__}"
                file.write_bytes(data)
                file.with_suffix(".txt").write_text(traceback.format_exc(), encoding="utf-8", errors="replace")
                print(f"FOUND {type(error).__name__}: {str(error)!r:.200} by {file}", file=sys.stderr, flush=True)

    return noted


def _error_kind(error: BaseException) -> str:
    """What tells errors apart: the class and the place of each that led to it."""
    places: list[str] = []
    origin: BaseException | None = error
    while origin is not None:
        frame = traceback.extract_tb(origin.__traceback__)[-1]
        places.append(f"{type(origin).__name__} {frame.filename}:{frame.lineno}")
        origin = origin.__cause__ or origin.__context__
    return hashlib.sha1("|".join(places).encode()).hexdigest()[:12]
