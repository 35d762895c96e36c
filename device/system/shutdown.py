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
from _thread import start_new_thread
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

CLOSE_TIMEOUT: Final = 3.5
"""Seconds after which a part that still has not ended is left to the kernel."""

RESEND_DELAY: Final = 0.05
"""Seconds from raising SIGTERM's exception to seeing whether it got lost."""

log = logging.getLogger(__name__)


@contextmanager
def exit_on_sigterm(status: int, timeout: float | None = None) -> Iterator[None]:
    """In here SIGTERM ends the program with `status`: through every `with`, and a second one disturbs none.

    The kernel ends it (by SIGALRM) when it still hangs after `timeout` seconds, whatever it hangs in; None: never.

    Python may lose the exception, in a destructor or where C calls Python, as pygame does: then it is raised again. An
    import is finished first, which may also keep the import lock, or make another exception of it (`__set_name__`).
    """
    heard = False

    def handler(number: int, frame: FrameType | None) -> None:
        nonlocal heard
        if not heard and timeout is not None:
            signal.setitimer(signal.ITIMER_REAL, timeout)
        heard = True
        if _is_exiting():
            return
        start_new_thread(_resend_signal, (number,))  # threading's has locks that may be held by what was interrupted
        if not _is_importing(frame):
            raise SystemExit(status)

    before = signal.signal(signal.SIGTERM, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN if heard else before)


def _is_exiting() -> bool:
    """Whether a `with` or `finally` is just being left because of a SystemExit."""
    error = sys.exc_info()[1]
    while error is not None and not isinstance(error, SystemExit):
        error = error.__context__
    return error is not None


def _is_importing(frame: FrameType | None) -> bool:
    """Whether what a signal interrupted is, at whatever depth, part of an import."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _resend_signal(number: int) -> None:
    time.sleep(RESEND_DELAY)
    os.kill(os.getpid(), number)


def close_all(timeout: float = CLOSE_TIMEOUT, /, **closers: Callable[[], object]) -> None:
    """Call each of `closers` in a thread of its own, and return when all have, after `timeout` seconds at most.

    Which part, by its name here, raises something or does not end is in the log.
    """
    threads = [threading.Thread(target=_close, args=one, name=one[0], daemon=True) for one in closers.items()]
    for thread in threads:
        thread.start()
    end = time.monotonic() + timeout
    for thread in threads:
        thread.join(max(end - time.monotonic(), 0.0))
        if thread.is_alive():
            log.warning("The mirror's %s does not end, and is left behind.", thread.name)


def _close(name: str, closing: Callable[[], object]) -> None:
    try:
        closing()
    except Exception:
        log.exception("The mirror's %s did not end in good order", name)
