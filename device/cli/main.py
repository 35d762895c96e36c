"""Run a command of `pose-mirror` and report its errors.

An error is one sentence on stderr and exit status 1; a command line that is not valid, status 2.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Final

from device.cli.parser import parse_args
from device.system.shutdown import exit_on_sigterm
from device.system.systemd import write_last_words

EXIT_TIMEOUT: Final = 4.5
"""Seconds a mirror may take to end after SIGTERM. The service manager kills it after 5 (TimeoutStopSec)."""

Command = Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    args = parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    # Only `run` and `demo` set this status to 0 (`device.cli.parser`). They need a time limit: a driver may hang, and
    # a service that systemd has to kill counts as failed. Other commands may tidy up for as long as they need.
    is_mirror = args.sigterm_status == 0
    with exit_on_sigterm(args.sigterm_status, EXIT_TIMEOUT if is_mirror else None):
        return _run_command(args)


def _run_command(args: argparse.Namespace) -> int:
    try:
        command = _load_command(args.function)
        status = command(args)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # the reader of our output has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except (OSError, ValueError, RuntimeError) as error:
        message = str(error) if _is_own_error(error) else _describe_system_error(error)
        if message is None:
            raise
        print(f"pose-mirror: {message}", file=sys.stderr)
        write_last_words(message)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _load_command(function: str) -> Command:
    """Import the function that runs a command, named as "module:name"."""
    module, _, name = function.partition(":")
    command: Command = getattr(import_module(module), name)
    return command


def _is_own_error(error: BaseException) -> bool:
    """Return whether the project raised this error on purpose.

    Of the others, only system errors such as a full disk get a sentence; the rest are bugs and show a traceback.
    """
    return type(error).__module__.partition(".")[0] in ("models", "index", "device")


def _describe_system_error(error: BaseException) -> str | None:
    """Return a sentence for what the system refused, such as a full disk; None for other errors."""
    if not isinstance(error, OSError) or error.errno is None:
        return None
    return f"{error.filename or 'A file'} cannot be read or written ({error.strerror})."


if __name__ == "__main__":
    sys.exit(main())
