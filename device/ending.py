"""How the mirror ends: when it is told to, and its parts all at the same time, to take no longer than the slowest.

A service manager is patient for some seconds only, and what is killed then leaves something behind.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Final

PATIENCE: Final = 3.5
"""Seconds after which a part that still has not ended is left to the kernel."""

AGAIN: Final = 0.05
"""Seconds after which a signal that came at a bad moment is sent again."""

log = logging.getLogger(__name__)


def by_sigterm(status: int, patience: float | None = None) -> None:
    """From now on SIGTERM ends the program with `status`: through every `with`, and a second one disturbs none.

    The kernel ends it (by SIGALRM) when it still hangs after `patience` seconds, whatever it hangs in; None: never.

    An import is finished first: it may lose the exception, keep the import lock, or make another of it (Python's
    `__set_name__`). One that is lost in a destructor or a weak reference's callback is raised again, Ctrl-C's too.
    """
    otherwise = sys.unraisablehook

    def told(number: int, frame: FrameType | None) -> None:
        if patience is not None and not signal.getitimer(signal.ITIMER_REAL)[0]:
            signal.setitimer(signal.ITIMER_REAL, patience)
        if _importing(frame):
            _signal_soon(number)
            return
        signal.signal(number, signal.SIG_IGN)
        raise SystemExit(status)

    def lost(what: sys.UnraisableHookArgs) -> None:
        if isinstance(what.exc_value, SystemExit):
            signal.signal(signal.SIGTERM, told)
            _signal_soon(signal.SIGTERM)
        elif isinstance(what.exc_value, KeyboardInterrupt):
            _signal_soon(signal.SIGINT)
        else:
            otherwise(what)

    signal.signal(signal.SIGTERM, told)
    sys.unraisablehook = lost


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _signal_soon(number: int) -> None:
    threading.Timer(AGAIN, os.kill, (os.getpid(), number)).start()


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
