"""End the program on signals, and all parts of the mirror at the same time, which takes as long as the slowest part.

A service manager waits only a few seconds before it kills a process, and a killed process cannot tidy up.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from _thread import start_new_thread
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Final

CLOSE_TIMEOUT: Final = 3.5
"""Seconds to wait for the parts to close. The kernel ends what is left.

Together with the rest of the exit this stays below the 4.5 s after which the kernel ends a mirror that hangs.
"""

RESEND_DELAY: Final = 0.05
"""Seconds after which the signal is sent again, in case Python lost its exception."""

_resent: list[int] = []
"""The signals that a thread was started to send again."""

log = logging.getLogger(__name__)


@contextmanager
def exit_at_once(statuses: Mapping[signal.Signals, int]) -> Iterator[None]:
    """Let each signal of `statuses` end the process with its status while the context is open; nothing is tidied up."""
    with _handle_signals(lambda number, frame: os._exit(statuses[signal.Signals(number)]), statuses):
        yield


@contextmanager
def exit_on_signals(statuses: Mapping[signal.Signals, int], timeout: float | None = None) -> Iterator[None]:
    """Let the first signal of `statuses` exit the program with its status while the context is open.

    Every `with` and `finally` still runs, and further signals do not disturb them. If the program still hangs after
    `timeout` seconds, in whatever, the kernel ends it with SIGALRM; None never does.

    A signal raises SystemExit. Python may lose an exception in a destructor, or where C code such as pygame's calls
    Python, so the signal is sent again until the exception arrives. During an import nothing is raised, because the
    import lock could stay locked, or another exception could replace this one (`__set_name__`); nor is it while the
    program holds the signal back, although another thread may have received it.
    """
    first: signal.Signals | None = None

    def handler(number: int, frame: FrameType | None) -> None:
        nonlocal first
        if first is None:
            first = signal.Signals(number)
            if timeout is not None:
                signal.setitimer(signal.ITIMER_REAL, timeout)
        if _is_exiting():
            return
        _resent.append(number)
        start_new_thread(_resend_signal, (number,))  # threading.Thread takes locks that the interrupted code may hold
        if not _is_importing(frame) and number not in signal.pthread_sigmask(signal.SIG_BLOCK, ()):
            raise SystemExit(statuses[first])

    with _handle_signals(handler, statuses):
        yield


@contextmanager
def _handle_signals(
    handler: Callable[[int, FrameType | None], None], numbers: Iterable[signal.Signals]
) -> Iterator[None]:
    """Call `handler` for these signals, and stop holding them back. Those that are ignored (nohup, `&`) stay so."""
    previous = {
        number: signal.signal(number, handler) for number in numbers if signal.getsignal(number) != signal.SIG_IGN
    }
    mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, previous)
        yield
    finally:
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        finally:
            for number, before in previous.items():
                signal.signal(number, before)


def _is_exiting() -> bool:
    """Return whether a SystemExit is already on its way out through `with` and `finally`."""
    error = sys.exc_info()[1]
    while error is not None and not isinstance(error, SystemExit):
        error = error.__context__
    return error is not None


def _is_importing(frame: FrameType | None) -> bool:
    """Return whether the interrupted code is part of an import, at any depth."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _resend_signal(number: int) -> None:
    time.sleep(RESEND_DELAY)
    os.kill(os.getpid(), number)


def has_resent_signals() -> bool:
    """Return whether a thread was ever started to send a signal again.

    Nobody can know when such a thread is completely gone, and Python 3.11 crashes (SIGSEGV) if the interpreter ends
    while one begins or ends.
    """
    return bool(_resent)


def close_all(timeout: float = CLOSE_TIMEOUT, /, **closers: Callable[[], object]) -> None:
    """Call each of `closers` in a thread of its own. Return when all have returned, or after `timeout` seconds.

    The log names each part, by its keyword here, that raises an exception or does not end in time.
    """
    threads = [
        threading.Thread(target=_close, args=(name, close), name=name, daemon=True) for name, close in closers.items()
    ]
    for thread in threads:
        thread.start()
    end = time.monotonic() + timeout
    for thread in threads:
        thread.join(max(end - time.monotonic(), 0.0))
        if thread.is_alive():
            log.warning("The mirror's %s does not end in time, so the mirror ends without it.", thread.name)


def _close(name: str, close: Callable[[], object]) -> None:
    try:
        close()
    except Exception:
        log.exception("The mirror's %s failed while it was being closed", name)
