"""Make stdout and stderr fit for any name of a file, for any terminal, and for none."""

from __future__ import annotations

import codecs
import io
import os
import sys
from contextlib import suppress
from typing import Final

ERROR_HANDLER: Final = "pose-mirror"
"""The name under which `encode_anything` is registered."""


def prepare_output() -> None:
    """Let `print` never fail because of what it prints, nor because stdout or stderr was closed."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            # Else the next file that is opened would get this number, and whatever prints would write into it. The
            # system gives the lowest free number, which is this one.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    codecs.register_error(ERROR_HANDLER, encode_anything)
    if isinstance(sys.stdout, io.TextIOWrapper):  # Python's stderr prints anything already
        sys.stdout.reconfigure(errors=ERROR_HANDLER)


def encode_anything(error: UnicodeError) -> tuple[str | bytes, int]:
    """Encode a character that an encoding does not have: an error handler for `codecs.register_error`.

    Python stands a lone surrogate for each byte of a file's name that is not text. Such a byte is printed as it is, so
    that another program can use the name. Other characters become escapes, such as `\\xe9` on an ASCII terminal.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character = ord(error.object[error.start])
    if 0xDC80 <= character <= 0xDCFF:
        return bytes([character - 0xDC00]), error.start + 1
    first = UnicodeEncodeError(error.encoding, error.object, error.start, error.start + 1, error.reason)
    return codecs.backslashreplace_errors(first)


def discard_output() -> None:
    """Drop what cannot be written to stdout: Python would try again at its end, and fail with an error of its own."""
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
