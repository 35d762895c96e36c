"""Showing a GIF on the display, from the recording that is still in memory: when it is saved, or already before."""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import Final

from device.recording.frames import Composer
from device.recording.gif import CLOSING_SECONDS
from device.recording.gif_titles import Titles, draw_backdrop
from device.recording.stills import Recording
from models.pose import Image

REPLAY_SECONDS: Final = 7.0
"""Seconds for which a GIF is shown on the display: one of five seconds with its last frame."""

CODE_SECONDS: Final = 20.0
"""Seconds for which a GIF is shown that has a code: time to take out a phone, and to scan it."""

TWO_CODES_SECONDS: Final = 40.0
"""The same where phones join a Wi-Fi first, which takes up to 25 s before the second code is any use."""


class Replay:
    """The frames of a GIF as time goes by, over and over. Each is drawn when it is needed, and not dithered.

    Without `titles` the GIF is not ready: it has no closing frames yet.
    """

    def __init__(self, recording: Recording, titles: Titles | None, since: float) -> None:
        self._composer = Composer(recording, titles=titles or Titles(draw_backdrop(recording.layout, recording.words)))
        self._closing = self._composer.titles.closing
        pages = [recording.seconds + page * CLOSING_SECONDS for page in range(len(self._closing))]
        self._starts = [*(still.at for still in recording.stills), *pages]
        self._end = recording.seconds + CLOSING_SECONDS * len(pages)
        self._since = since
        self._shown = -1
        self._frame = self._composer.titles.backdrop

    def finished(self, titles: Titles, now: float) -> Replay:
        """Return the replay of the finished GIF, which goes on where this one is."""
        return Replay(self._composer.recording, titles, now - self._at(now))

    def frame(self, now: float) -> Image:
        """Return the frame to show at `now`, H×W×3: the same object for as long as it is the same frame."""
        recording = self._composer.recording
        index = max(bisect_right(self._starts, self._at(now)) - 1, 0)
        if index != self._shown:
            self._shown = index
            page = index - len(recording.stills)
            self._frame = self._closing[page] if page >= 0 else self._composer.frame(recording.stills[index])
        return self._frame

    def _at(self, now: float) -> float:
        """Return the second of the GIF that is shown at `now`."""
        return math.fmod(max(now - self._since, 0.0), self._end)
