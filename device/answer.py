"""From a visitor's pose to the photo that answers it: match, choose, lay the photo on the canvas.

Nothing here reads a clock: the time is an argument.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from device.choose import Choice, ChooseSettings, choose
from device.current_library import CurrentLibrary
from device.display.layout import Size, display_fit
from device.placed_photo import PlacedPhoto, place_photo
from index.match import Match
from models.pose import Pose

IDLE_PHOTO_SECONDS: Final = 7.0
"""Seconds that each photo is shown while there is no visitor: long enough to look at, short enough to catch the eye of
somebody who walks past."""

SPARE_MATCHES: Final = 4
"""Matches beyond twice `[choose] remember` that are searched for, so that there is a choice even if it is 0."""

MIRRORED_COST: Final = 0.01
"""The share of its likeness that showing a photo mirrored costs, because lettering in it reads backwards. So of two
photos that are equally alike, the one as it was taken is shown."""


class Answer(NamedTuple):
    """The photo on the screen, and how alike its person and the visitor look now (0 to 1)."""

    photo: PlacedPhoto | None = None
    likeness: float = 0.0


class Answerer:
    """Answers each frame's visitor with a photo of the library; without a visitor, shows one photo after another."""

    def __init__(self, library: CurrentLibrary, settings: ChooseSettings) -> None:
        self._library, self._settings = library, settings
        self._choice = Choice()
        self._answer = Answer()
        self._idle_since = -math.inf

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong with the library now, as sentences for the screen."""
        return self._library.faults

    def update(self, visitor: Pose | None, canvas: Size, now: float) -> Answer:
        """Return the answer to a visitor, whose pose is in pixels of the canvas, at `now` (seconds, monotonic).

        A photo that cannot be read is passed over: the last answer stays for this frame, and the next frame gets
        another photo.
        """
        if self._library.refresh(now):
            # the old choice has the previous library's item numbers, or is of the previous collection
            self._choice, self._idle_since = Choice(), -math.inf
        choice = self._choose(visitor, canvas, now)
        if visitor is None or choice.shown is None:
            self._choice = choice
            self._show_idle_photo(canvas, now)
        elif (photo := self._photo_for(choice.shown, visitor, canvas)) is not None:
            self._choice = choice
            self._answer = Answer(photo, _likeness_now(self._library, choice.shown, visitor))
        return self._answer

    def _choose(self, visitor: Pose | None, canvas: Size, now: float) -> Choice:
        if visitor is None:
            return choose(self._choice, None, now, self._settings)
        shown = self._choice.shown
        # `remember` of the matches may have been shown recently. As many again are left to choose from, because some of
        # the best may suit the canvas less.
        top = 2 * self._settings.remember + SPARE_MATCHES
        matches = _find_matches(self._library, visitor, canvas, top)
        likeness_shown = None if shown is None else _likeness_on_canvas(self._library, shown, visitor, canvas)
        return choose(self._choice, matches, now, self._settings, shown_likeness=likeness_shown)

    def _photo_for(self, match: Match, visitor: Pose, canvas: Size) -> PlacedPhoto | None:
        """The photo of a match: the one on the screen while the match stays the same, else a new one."""
        shown, photo = self._choice.shown, self._answer.photo
        stays = shown is not None and shown.is_same_candidate(match)
        if stays and photo is not None and photo.canvas == canvas:
            return photo
        return place_photo(self._library, match, canvas, visitor)

    def _show_idle_photo(self, canvas: Size, now: float) -> None:
        """Show a random photo if the last one appeared at least `IDLE_PHOTO_SECONDS` ago, or on another canvas.

        So the photo that answered a visitor is replaced at once if the visitor stayed for longer than that, and
        otherwise stays for the rest of the time.
        """
        shown = self._answer.photo
        if shown is not None and shown.canvas == canvas and now - self._idle_since < IDLE_PHOTO_SECONDS:
            return
        photo = place_photo(self._library, self._library.random_match(), canvas)
        if photo is not None:
            self._answer, self._idle_since = Answer(photo), now


def _find_matches(library: CurrentLibrary, visitor: Pose, canvas: Size, top: int) -> list[Match]:
    """Return the matches most like a visitor on this canvas, best first; `top` of them at most."""
    matches = _adjust_for_canvas(library, library.find(visitor, top), visitor, canvas)
    return sorted(matches, key=lambda match: match.likeness, reverse=True)


def _likeness_on_canvas(library: CurrentLibrary, shown: Match, visitor: Pose, canvas: Size) -> float:
    """How alike the shown photo and the visitor look now, adjusted for the canvas."""
    current = shown._replace(likeness=_likeness_now(library, shown, visitor))
    return _adjust_for_canvas(library, [current], visitor, canvas)[0].likeness


def _adjust_for_canvas(library: CurrentLibrary, matches: list[Match], visitor: Pose, canvas: Size) -> list[Match]:
    """Lower each match's likeness a little if its photo suits the canvas less, as a tall photo a wide canvas, and if it
    would be shown mirrored."""
    if not matches:
        return []
    items = [library.item(match.item) for match in matches]
    sizes = np.array([(item.width, item.height) for item in items])
    fits = display_fit(library.keypoints[[item.number for item in items]], sizes, canvas, visitor).tolist()
    costs = (MIRRORED_COST if match.mirrored else 0 for match in matches)
    return [
        match._replace(likeness=match.likeness * fit * (1 - cost))
        for match, fit, cost in zip(matches, fits, costs, strict=True)
    ]


def _likeness_now(library: CurrentLibrary, match: Match, visitor: Pose) -> float:
    """How alike a match's whole person and the visitor look now; 0 while no key point of the visitor is seen."""
    return library.likeness(match, visitor) if visitor.scores.any() else 0.0
