"""How long work reports its progress."""

from __future__ import annotations

from collections.abc import Callable

ProgressCallback = Callable[[int, int | None, str], None]
"""Called with the number of items done, their total (None while it is unknown), and the name of the current step."""
