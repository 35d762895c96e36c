"""Run a command of `pose-mirror`, report its errors, and end it in an orderly way on Ctrl-C.

An error is one sentence on stderr and exit status 1; a command line that is not valid, status 2.
"""

from __future__ import annotations

import argparse
import errno
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

from device.cli.output import discard_output, prepare_output
from device.cli.parser import parse_args
from device.system.shutdown import exit_at_once, exit_on_signals
from device.system.systemd import write_last_words
from models.permissions import explain_refusal
from models.signals import STOP_SIGNALS
from models.text import printable

EXIT_TIMEOUT: Final = 4.5
"""Seconds a mirror may take to end after SIGTERM. The service manager kills it after 5 (TimeoutStopSec)."""

Command = Callable[[argparse.Namespace], int]


def run_command_line(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status. Call it with the stop signals held back (`models.signals`)."""
    prepare_output()
    try:
        return _run_command(parse_args(argv))
    except (OSError, ValueError, RuntimeError) as error:
        if (requested_exit := _find_exit(error)) is not None:  # a closed terminal, say, takes no last line either
            raise requested_exit from None
        if isinstance(error, BrokenPipeError):  # the reader of our output has read enough
            return 128 + signal.SIGPIPE
        message = str(error) if _is_own_error(error) else _describe_system_error(error)
        if message is None:
            raise
        message = printable(message)
        print(f"pose-mirror: {message}", file=sys.stderr)
        write_last_words(message)
        return 1
    finally:
        discard_output()


def _run_command(args: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    statuses = {number: 128 + number for number in STOP_SIGNALS} | {signal.SIGTERM: args.sigterm_status}
    # Only `run`, `demo` and `share` set this status to 0 (`device.cli.parser`). They need a time limit: a driver or a
    # disk may hang, and a service that systemd has to kill counts as failed. Other commands may tidy up for as long as
    # they need.
    is_service = args.sigterm_status == 0
    with exit_at_once(statuses):  # imports may take seconds, and there is nothing to tidy up yet
        command = _load_command(args.function)
    with exit_on_signals(statuses, EXIT_TIMEOUT if is_service else None):
        try:
            return command(args)
        finally:
            sys.stdout.flush()


def _load_command(function: str) -> Command:
    """Import the function that runs a command, named as "module:name"."""
    module, _, name = function.partition(":")
    command: Command = getattr(import_module(module), name)
    return command


def _find_exit(error: BaseException) -> SystemExit | None:
    """Return the exit that was under way when an error was raised; None if there was none."""
    context = error.__context__
    while context is not None and not isinstance(context, SystemExit):
        context = context.__context__
    return context


def _is_own_error(error: BaseException) -> bool:
    """Return whether the project raised this error on purpose.

    Of the others, only system errors such as a full disk get a sentence; the rest are bugs and show a traceback.
    """
    return type(error).__module__.partition(".")[0] in ("models", "index", "device")


def _describe_system_error(error: BaseException) -> str | None:
    """Return a sentence for what the system refused, such as a full disk; None for other errors."""
    if not isinstance(error, OSError) or error.errno is None:
        return None
    if error.filename is None or isinstance(error.filename, int):
        return f"The output or a file cannot be written ({error.strerror})."
    file = Path(os.fsdecode(error.filename))
    refusal = explain_refusal(file) if error.errno == errno.EACCES else None
    return f"{file} {refusal or f'cannot be read or written ({error.strerror})'}."
