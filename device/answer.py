"""From visitors' poses to the photos that answer them: match, choose, lay the photos on their panes.

Nothing here reads a clock: the time is an argument.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from device.choose import FRESH_PHOTO_TOLERANCE, Choice, ChooseSettings, choose
from device.current_library import CurrentLibrary
from device.display.drawn_visitor import ALL_POSES, HOLD_SECONDS, MOVE_SECONDS, held_pose, pose_at
from device.display.layout import Size, display_fit
from device.follow import Visitor
from device.placed_photo import PlacedPhoto, place_photo
from device.rating import MIN_GOOD
from index.match import Match
from models.pose import Pose

SPARE_MATCHES: Final = 4
"""Matches beyond twice `[choose] remember` that are searched for, so that there is a choice even if it is 0."""

MIRRORED_COST: Final = 0.01
"""The share of its likeness that showing a photo mirrored costs, because lettering in it reads backwards. So of two
photos that are equally alike, the one as it was taken is shown."""

ATTRACT_STEP: Final = HOLD_SECONDS + MOVE_SECONDS
"""Seconds from one pose of the drawn visitor to the next."""

ATTRACT_LEAD: Final = 0.35 * MOVE_SECONDS
"""Seconds before the drawn visitor has reached a pose when its answer appears: then both seem to arrive together."""

MIN_DRAWN_POSES: Final = 5
"""Minimum number of poses that the drawn visitor takes, even if a small library answers fewer of them well."""

ATTRACT_MATCHES: Final = 24
"""How many answers the attract loop chooses from, and how many of the last ones do not come back."""


class Answer(NamedTuple):
    """The photo for a visitor, and how alike its person and the visitor look now (0 to 1)."""

    photo: PlacedPhoto | None = None
    likeness: float = 0.0


class Answerer:
    """Answers each frame's visitors with photos of the library; without any, the drawn visitor of the attract loop."""

    def __init__(self, library: CurrentLibrary, settings: ChooseSettings) -> None:
        self._library, self._settings = library, settings
        self._choices: dict[int, Choice] = {}
        self._answers: dict[int, Answer] = {}
        self._recent: tuple[int, ...] = ()  # what the last visitor was shown
        self._attract: PlacedPhoto | None = None
        self._newest: PlacedPhoto | None = None  # on any pane
        self._attract_step = -1
        self.drawn_poses: tuple[int, ...] = ()
        """The numbers of the poses that the drawn visitor takes (`device.display.drawn_visitor`)."""
        self._attracted: deque[int] = deque(maxlen=ATTRACT_MATCHES)

    def answer_all(self, visitors: Sequence[Visitor], pane: Size, now: float) -> list[Answer]:
        """Return the answers to visitors, in their order, at `now` (seconds, monotonic), each on a pane of this size.

        The visitors' poses are in pixels of a pane.

        A photo that cannot be read is passed over: the last answer stays for this frame, or any photo that was shown
        before, and the next frame gets another one.
        """
        self._refresh(now)
        self._forget_others([visitor.number for visitor in visitors])
        # `remember` of the matches may have been shown recently. As many again are left to choose from, because some of
        # the best may suit the pane less.
        top = 2 * self._settings.remember + SPARE_MATCHES
        found = self._library.find_all([visitor.pose for visitor in visitors], top)
        for visitor, matches in zip(visitors, found, strict=True):
            self._answer(visitor, matches, pane, now)
        return [self._answers.get(visitor.number, Answer(self._newest)) for visitor in visitors]

    def answer_nobody(self, pane: Size, now: float) -> PlacedPhoto | None:
        """Return the answer to the drawn visitor at `now` (seconds, monotonic), on a pane of this size."""
        self._refresh(now)
        if not self.drawn_poses:
            self.drawn_poses, self._attract_step = self._answerable_poses(pane), -1
        self._forget_others([])
        step, photo = int((now + ATTRACT_LEAD) // ATTRACT_STEP), self._attract
        if step == self._attract_step and photo is not None and photo.canvas == pane:
            return photo
        self._attract_step = step
        visitor = pose_at(step * ATTRACT_STEP + HOLD_SECONDS / 2, pane, self.drawn_poses)
        matches = _adjust_for_pane(self._library, self._library.find(visitor, ATTRACT_MATCHES), visitor, pane)
        enough = max((match.likeness for match in matches), default=0.0) - FRESH_PHOTO_TOLERANCE
        ranked = sorted(
            matches, key=lambda match: (match.likeness < enough, match.item in self._attracted, -match.likeness)
        )
        for match in ranked or [self._library.random_match()]:
            photo = place_photo(self._library, match, pane, visitor)
            if photo is not None:
                self._attracted.append(match.item)
                self._attract = self._newest = photo
                break
        return self._newest

    def _answerable_poses(self, pane: Size) -> tuple[int, ...]:
        """Return the drawn poses that the library answers well, or at least those that it answers best.

        The attract loop says that both panes show the same, so nothing else may be seen in it.
        """
        best = {
            number: max((match.likeness for match in self._library.find(held_pose(number, pane), 1)), default=0.0)
            for number in ALL_POSES
        }
        wanted = max(sum(likeness >= MIN_GOOD for likeness in best.values()), MIN_DRAWN_POSES)
        return tuple(sorted(sorted(ALL_POSES, key=lambda number: -best[number])[:wanted]))

    def _refresh(self, now: float) -> None:
        """Start afresh if another library or collection is in use from now on."""
        if self._library.refresh(now):
            self._choices.clear()  # their item numbers are those of the library before
            self._recent = self.drawn_poses = ()
            self._attracted.clear()

    def _forget_others(self, numbers: Sequence[int]) -> None:
        """Forget the visitors who have gone, but not what they were shown: the next one is shown something else."""
        for number in self._answers.keys() - set(numbers):
            self._recent = self._choices.pop(number, Choice()).recent or self._recent
            del self._answers[number]

    def _answer(self, visitor: Visitor, found: Sequence[Match], pane: Size, now: float) -> None:
        """Choose one visitor's answer among matches, unless its picture cannot be read."""
        before = self._choices.get(visitor.number, Choice(recent=self._recent))
        candidates, shown = list(self._not_shown_to_others(found, visitor)), before.shown
        if shown is not None:
            shown = shown._replace(likeness=_likeness_now(self._library, shown, visitor.pose, found))
            candidates.append(shown)
        matches = _adjust_for_pane(self._library, candidates, visitor.pose, pane)
        likeness = None if shown is None else matches.pop().likeness
        matches.sort(key=lambda match: match.likeness, reverse=True)
        choice = choose(before, matches, now, self._settings, shown_likeness=likeness)
        if choice.shown is None:  # too little of the visitor is seen
            answer = Answer(self._any_photo(pane))
        elif (photo := self._photo_for(visitor, before, choice.shown, pane)) is not None:
            if shown is None or not shown.is_same_candidate(choice.shown):
                shown = choice.shown._replace(likeness=_likeness_now(self._library, choice.shown, visitor.pose, found))
            answer, self._newest = Answer(photo, shown.likeness), photo
        else:
            return
        self._choices[visitor.number], self._answers[visitor.number] = choice, answer

    def _not_shown_to_others(self, found: Sequence[Match], visitor: Visitor) -> Sequence[Match]:
        """Return the matches that no other visitor sees now, if there are any: twice the same picture looks broken."""
        choices = (choice for number, choice in self._choices.items() if number != visitor.number)
        shown = {choice.shown.item for choice in choices if choice.shown is not None}
        return [match for match in found if match.item not in shown] or found

    def _any_photo(self, pane: Size) -> PlacedPhoto | None:
        """Return the newest photo, or a random one, for a visitor with too few key points seen to compare."""
        if self._newest is None or self._newest.canvas != pane:
            self._newest = place_photo(self._library, self._library.random_match(), pane) or self._newest
        return self._newest

    def _photo_for(self, visitor: Visitor, before: Choice, match: Match, pane: Size) -> PlacedPhoto | None:
        """The photo of a match: the one on the screen while the match stays the same, else a new one."""
        shown, photo = before.shown, self._answers.get(visitor.number, Answer()).photo
        stays = shown is not None and shown.is_same_candidate(match)
        if stays and photo is not None and photo.canvas == pane:
            return photo
        return place_photo(self._library, match, pane, visitor.pose)


def _adjust_for_pane(library: CurrentLibrary, matches: Sequence[Match], visitor: Pose, pane: Size) -> list[Match]:
    """Lower each match's likeness a little if its photo suits the pane less, as a tall photo a wide pane, and if it
    would be shown mirrored."""
    if not matches:
        return []
    items = [library.item(match.item) for match in matches]
    sizes = np.array([(item.width, item.height) for item in items])
    fits = display_fit(library.keypoints[[item.number for item in items]], sizes, pane, visitor).tolist()
    costs = (MIRRORED_COST if match.mirrored else 0 for match in matches)
    return [
        match._replace(likeness=match.likeness * fit * (1 - cost))
        for match, fit, cost in zip(matches, fits, costs, strict=True)
    ]


def _likeness_now(library: CurrentLibrary, match: Match, visitor: Pose, found: Sequence[Match]) -> float:
    """How alike a match's whole person and the visitor look now; 0 while no key point of the visitor is seen.

    It is known already if the match is among those that were `found` for the visitor now.
    """
    if not visitor.scores.any():
        return 0.0
    known = (other.likeness for other in found if other.is_same_candidate(match))
    return next(known, None) or library.likeness(match, visitor)
