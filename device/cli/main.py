"""Start `pose-mirror`: hold Ctrl-C back first, and import the program only then.

Python answers Ctrl-C during an import with a traceback. So this module imports nothing large.
"""

from __future__ import annotations

import signal
import sys
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

            return run_command_line(argv)
        finally:
            if argv is None:
                for number in STOP_SIGNALS:
                    signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    sys.exit(main())
