"""Start `pose-mirror`: hold Ctrl-C back first, and import the program only then.

Python answers Ctrl-C during an import with a traceback. So this module imports nothing large.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Sequence

from models.signals import STOP_SIGNALS, hold_stop_signals


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    Without `argv`, the command line of the process is used and the process is to end afterwards: it then ignores
    signals, as Python would print a traceback for one that comes while the interpreter ends.
    """
    with hold_stop_signals():
        try:
            from device.cli.dispatch import run_command_line

            status = run_command_line(argv)
        except SystemExit as error:
            if argv is None and isinstance(error.code, int):
                _finish(error.code)
            raise
        finally:
            if argv is None:
                _ignore_signals()
        if argv is None:
            _finish(status)
        return status


def _ignore_signals() -> None:
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _finish(status: int) -> None:
    """End the process at once if a daemon thread may be at work, as one is whose camera or disk does not answer.

    Everything is closed by now. Python, before version 3.14, ends such a thread as soon as it wants to go on. If that
    is inside C++, which annoy, OpenCV and TFLite are, C++ then aborts the process: "terminate called without an active
    exception". Libraries have threads of classes of their own, such as lgpio's, which waits in Python. The thread that
    sends a signal again is another one that must not meet the interpreter's end.
    """
    from device.system.shutdown import has_resent_signals

    _ignore_signals()
    if not has_resent_signals() and not any(
        thread.daemon and type(thread) is threading.Thread for thread in threading.enumerate()
    ):
        return
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or nobody reads it any more
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    sys.exit(main())
