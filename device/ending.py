"""How the mirror ends: its parts all at the same time, so that together they take no longer than the slowest.

A service manager is patient for some seconds only, and what is killed then leaves something behind.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

PATIENCE: Final = 3.5
"""Seconds after which a part that still has not ended is left to the kernel."""

log = logging.getLogger(__name__)


def together(patience: float = PATIENCE, /, **closings: Callable[[], object]) -> None:
    """Call each of `closings` in a thread of its own, and return when all have, after `patience` seconds at most.

    Which part, by its name here, raises something or does not end is in the log.
    """
    threads = [threading.Thread(target=_told, args=one, name=one[0], daemon=True) for one in closings.items()]
    for thread in threads:
        thread.start()
    end = time.monotonic() + patience
    for thread in threads:
        thread.join(max(end - time.monotonic(), 0.0))
        if thread.is_alive():
            log.warning("The mirror's %s does not end, and is left behind.", thread.name)


def _told(name: str, closing: Callable[[], object]) -> None:
    try:
        closing()
    except Exception:
        log.exception("The mirror's %s did not end in good order", name)
