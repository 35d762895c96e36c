"""How long work reports its progress."""

from __future__ import annotations

from collections.abc import Callable

ProgressCallback = Callable[[int, int | None, str], None]
"""Called with the number done, the total (None while unknown), and what is being done."""
