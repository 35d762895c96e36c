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
        self._times = [still.at for still in recording.stills]
        self._since = since
        self._shown = -1
        self._frame = titles.closing

    def frame(self, now: float) -> Image:
        """Return the frame to show at `now`, H×W×3: the same object for as long as it is the same frame."""
        recording = self._composer.recording
        at = math.fmod(max(now - self._since, 0.0), recording.seconds + CLOSING_SECONDS)
        index = len(self._times) if at >= recording.seconds else max(bisect_right(self._times, at) - 1, 0)
        if index != self._shown:
            self._shown = index
            ends = index == len(self._times)
            self._frame = self._composer.titles.closing if ends else self._composer.frame(recording.stills[index])
        return self._frame
