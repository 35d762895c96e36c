"""Records the inputs that break a promise: the first of each kind, with its traceback."""

from __future__ import annotations

import hashlib
import sys
import traceback
from pathlib import Path

from tests.fuzz.promise import Reader


def record_finds(read: Reader, folder: Path) -> Reader:
    """Wrap a reader so that it writes each input that breaks a promise to `folder` and goes on.

    An input that an earlier run found is written again: it still breaks the promise.
    """
    known: set[str] = set()

    def recording(data: bytes) -> None:
        try:
            read(data)
        except Exception as error:
            kind = _error_kind(error)
            if kind not in known:
                known.add(kind)
                file = folder / f"{kind}-{type(error).__name__}"
                file.write_bytes(data)
                file.with_suffix(".txt").write_text(traceback.format_exc(), encoding="utf-8", errors="replace")
                print(f"FOUND {type(error).__name__}: {str(error)!r:.200} by {file}", file=sys.stderr, flush=True)

    return recording


def _error_kind(error: BaseException) -> str:
    """Identify an error by the class and the place of each error in its chain."""
    places: list[str] = []
    origin: BaseException | None = error
    while origin is not None:
        frame = traceback.extract_tb(origin.__traceback__)[-1]
        places.append(f"{type(origin).__name__} {frame.filename}:{frame.lineno}")
        origin = origin.__cause__ or origin.__context__
    return hashlib.sha1("|".join(places).encode()).hexdigest()[:12]
