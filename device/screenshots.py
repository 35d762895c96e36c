"""Write what the screen shows to a folder, one picture a second."""

from __future__ import annotations

import logging
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

import cv2

from models import files
from models.pose import Image
from models.text import printable

TRIAL_BYTES: Final = 2_000_000
"""Bytes that the folder must take at the start: about a picture of a full HD display."""

log = logging.getLogger(__name__)


class ScreenshotError(OSError):
    """The folder of the screenshots cannot be written to. The message is a sentence that says what to do."""


class ScreenshotWriter:
    """Writes pictures of the screen to `folder`, which is created."""

    def __init__(self, folder: Path) -> None:
        """Check that pictures can be written. Raises ScreenshotError."""
        self._folder = folder
        self._start: float | None = None
        self._last_second = -1
        self._failed = False
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as trial:
                trial.write(bytes(TRIAL_BYTES))
        except OSError as error:
            raise ScreenshotError(f"{self._describe(error)}: name another folder with --screenshots.") from error

    def is_due(self, now: float) -> bool:
        """Return whether another second has begun since the last picture. `now` is in seconds of a steady clock."""
        return self._second(now) > self._last_second

    def write(self, picture: Image, now: float) -> None:
        """Write a picture, H×W×3. The mirror goes on if that fails, and the log says so once."""
        self._last_second = self._second(now)
        # OpenCV's own writing of files fails silently, and takes `%03d` in a folder's name for a pattern.
        content = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()
        file = self._folder / f"screen-{self._last_second:04d}.png"
        try:
            file.write_bytes(content)
            self._failed = False
        except OSError as error:
            with suppress(OSError):
                file.unlink()  # it may be there in part
            if not self._failed:
                log.warning("%s. The mirror goes on without them, and tries again each second.", self._describe(error))
            self._failed = True

    def _second(self, now: float) -> int:
        """Return the number of this second, counted from the first call."""
        if self._start is None:
            self._start = now
        return int(now - self._start)

    def _describe(self, error: OSError) -> str:
        """Return the beginning of a sentence."""
        reason = files.explain(error, self._folder) or error.strerror
        if isinstance(error, FileExistsError):
            reason = "it is not a folder"
        return f"Screenshots cannot be written to {printable(self._folder)} ({reason})"
