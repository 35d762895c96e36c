"""Writing a GIF in a process of its own, and the file on disk: all of it or nothing."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from device.gif import Recording


class SaveError(OSError):
    """A GIF that could not be written; a sentence for the screen."""


class Outcome(NamedTuple):
    """How a GIF's writing ended: its file, None when there is none, and a sentence for the screen."""

    path: Path | None
    sentence: str


class GifWriter:
    """Makes GIFs in `folder`, one at a time, each in a short-lived process of low priority. A context manager.

    Entering removes what a killed process left half-written in the folder.
    """

    def __init__(self, folder: Path, *, megabytes: float = 3.0) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def start(self, recording: Recording) -> None:
        """Begin to write; returns at once, whatever goes wrong is an `outcome`."""

    def outcome(self) -> Outcome | None:
        """How it ended, told once; None before."""

    def close(self, patience: float = 6.0) -> None:
        """Let a GIF under way be finished for so many seconds, then end its process; nothing half-written stays."""


def sweep(folder: Path) -> int:
    """Remove what killed processes left half-written in `folder`; how many files that were."""
