"""How the mirror ends: its parts all at the same time, so that together they take no longer than the slowest.

A service manager is patient for some seconds only, and what is killed then leaves something behind.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)


def together(*closings: Callable[[], object]) -> None:
    """Call each of `closings` in a thread of its own, and return when all have. What one raises is in the log."""
    threads = [threading.Thread(target=_told, args=(closing,), name="ending", daemon=True) for closing in closings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _told(closing: Callable[[], object]) -> None:
    try:
        closing()
    except Exception:
        log.exception("A part of the mirror did not end in good order")
