"""Showing a GIF on the display as soon as it is saved, from the recording that is still in memory."""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import Final

from device.recording.frames import Composer
from device.recording.gif import CLOSING_SECONDS
from device.recording.gif_titles import Titles
from device.recording.stills import Recording
from models.pose import Image

REPLAY_SECONDS: Final = 7.0
"""Seconds for which a GIF is shown on the display: one of five seconds with its last frame."""


class Replay:
    """The frames of a GIF as time goes by, over and over. Each is drawn when it is needed, and not dithered."""

    def __init__(self, recording: Recording, titles: Titles, since: float) -> None:
        self._composer = Composer(recording, titles=titles)
        pages = [recording.seconds + page * CLOSING_SECONDS for page in range(len(titles.closing))]
        self._starts = [*(still.at for still in recording.stills), *pages]
        self._since = since
        self._shown = -1
        self._frame = titles.closing[0]

    def frame(self, now: float) -> Image:
        """Return the frame to show at `now`, H×W×3: the same object for as long as it is the same frame."""
        recording = self._composer.recording
        at = math.fmod(max(now - self._since, 0.0), self._starts[-1] + CLOSING_SECONDS)
        index = max(bisect_right(self._starts, at) - 1, 0)
        if index != self._shown:
            self._shown = index
            page = index - len(recording.stills)
            closing = self._composer.titles.closing
            self._frame = closing[page] if page >= 0 else self._composer.frame(recording.stills[index])
        return self._frame
