"""Choose the photo to show: each stays long enough to be seen, without flicker and without repeats.

Pure: the time is an argument, and the same arguments give the same choice.
docs/explanation/following-and-choosing.md has the measurements behind the settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from index.match import Match

FRESH_PHOTO_TOLERANCE: Final = 0.06
"""How much less alike than the best match a photo that was not shown recently may be, and still be preferred to it.
Within this, ratings by eye hardly differ."""


@dataclass(frozen=True, slots=True)
class ChooseSettings:
    """How long a photo is shown, and what may replace it.

    - `hold`: seconds that a photo is shown at least.
    - `stay`: seconds that a photo is shown at most, while another one is nearly as good.
    - `margin`: how much more alike another photo must be (0 to 1) to replace it before.
    - `remember`: how many of the photos shown last do not come back while another photo is nearly as good.
    """

    hold: float = 0.4
    stay: float = 6.0
    margin: float = 0.03
    remember: int = 30


@dataclass(frozen=True, slots=True)
class Choice:
    """The photo shown, with its present likeness, and what was shown before it.

    `shown` is None while there is no visitor. `since` is the time at which the photo came. `recent` are the item
    numbers of the photos shown last, the newest at the end.
    """

    shown: Match | None = None
    since: float = 0.0
    recent: tuple[int, ...] = ()


def choose(
    state: Choice,
    matches: Sequence[Match] | None,
    now: float,
    settings: ChooseSettings,
    *,
    shown_likeness: float | None = None,
) -> Choice:
    """Return what to show at `now` (seconds of a monotonic clock) to a visitor with these matches, best first.

    `matches` is None if there is no visitor: then no photo is shown. It is empty if too little of the visitor
    is seen to compare: then the photo stays. Pass at least twice `settings.remember` matches, so that there is always
    a photo that was not shown lately.

    `shown_likeness` is how alike the photo on the screen and the visitor look now. By default it is looked up in the
    matches, and is 0 for a photo that is not among them. A photo and its mirror image count as one photo.
    """
    if matches is None:
        return replace(state, shown=None, since=now)
    since = min(state.since, now)  # after the clock is set back, the photo need not wait until it has caught up
    if not matches:
        return replace(state, since=since)
    candidate = _pick_candidate(matches, state.recent, settings.remember)
    if state.shown is None:
        return _show(state, candidate, now, settings)
    likeness = _find_likeness(state.shown, matches) if shown_likeness is None else shown_likeness
    if now - since < settings.hold or not _is_due(candidate, state.shown, likeness, now - since, settings):
        return replace(state, shown=state.shown._replace(likeness=likeness), since=since)
    return _show(state, candidate, now, settings)


def _is_due(candidate: Match, shown: Match, likeness: float, age: float, settings: ChooseSettings) -> bool:
    """Return whether a candidate replaces a photo of this likeness that has been shown for `age` seconds."""
    if age >= settings.stay and candidate.item != shown.item:
        return candidate.likeness >= likeness - FRESH_PHOTO_TOLERANCE
    return candidate.likeness > likeness + settings.margin


def _pick_candidate(matches: Sequence[Match], recent: tuple[int, ...], remember: int) -> Match:
    """Return the best photo that was not shown recently, or the best of all if that one is far better."""
    recent_items = set(recent[-remember:]) if remember else set()
    fresh = next((match for match in matches if match.item not in recent_items), None)
    best = matches[0]
    return best if fresh is None or fresh.likeness < best.likeness - FRESH_PHOTO_TOLERANCE else fresh


def _find_likeness(shown: Match, matches: Sequence[Match]) -> float:
    likenesses = (match.likeness for match in matches if match.is_same_candidate(shown))
    return next(likenesses, 0.0)


def _show(state: Choice, match: Match, now: float, settings: ChooseSettings) -> Choice:
    """Show another photo, and put it at the end of the recent ones."""
    recent = (*(item for item in state.recent if item != match.item), match.item)
    return Choice(match, now, recent[-settings.remember :] if settings.remember else ())
