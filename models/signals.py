"""The signals that ask the program to stop, and how to hold them back where one would do harm."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, the request of a service manager, and a terminal that was closed."""


@contextmanager
def hold_stop_signals() -> Iterator[None]:
    """Let signals that ask the program to stop wait until the context is closed.

    Processes and threads that start meanwhile inherit this, and hold the signals back until they say otherwise.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
