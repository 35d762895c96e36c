"""Which photograph is shown: long enough to be seen, no flicker, no repeats.

Pure: the time is an argument, and the same arguments give the same choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from index.match import Match

FRESH_PHOTO_TOLERANCE = 0.1
"""A photo not shown lately is near enough to be preferred when it agrees at most so much less than the best."""


@dataclass(frozen=True, slots=True)
class ChooseSettings:
    """How long a photo is held and what replaces it.

    `hold`: seconds that a photo is shown at least; `margin`: how much more another must agree (0 to 1) to replace it;
    `remember`: how many of the photos shown last do not come back while another is near.
    """

    hold: float = 0.25
    margin: float = 0.05
    remember: int = 30


@dataclass(frozen=True, slots=True)
class Choice:
    """What is shown: the photo with its present agreement (None: nobody to show one to), the time it came, and the
    numbers of the photos shown last, the newest, which is shown now, at the end."""

    shown: Match | None = None
    since: float = 0.0
    recent: tuple[int, ...] = ()


def choose(
    state: Choice,
    matches: Sequence[Match] | None,
    now: float,
    settings: ChooseSettings,
    *,
    shown_agreement: float | None = None,
) -> Choice:
    """What to show at `now` (seconds of a monotonic clock) to a visitor for whom `matches` were found, best first.

    None for `matches` says that nobody is there: no photo. An empty list says that somebody is, but too little of
    them is seen to compare: the photo stays. `shown_agreement` is how well the shown photo agrees with the visitor
    now; without it, it is looked up among the matches, and 0 for a photo missing there. A photo and its mirror image
    are one photo. Have at least twice `settings.remember` matches found, so that there are others to turn to.
    """
    if matches is None:
        return replace(state, shown=None, since=now)
    if not matches:
        return replace(state, since=min(state.since, now))
    candidate = _pick_candidate(matches, state.recent, settings.remember)
    if state.shown is None:
        return _show(state, candidate, now, settings)
    since = min(state.since, now)  # a clock set back does not hold the photo until it has caught up
    agreement = _find_agreement(state.shown, matches) if shown_agreement is None else shown_agreement
    if now - since < settings.hold or candidate.agreement <= agreement + settings.margin:
        return replace(state, shown=state.shown._replace(agreement=agreement), since=since)
    return _show(state, candidate, now, settings)


def _pick_candidate(matches: Sequence[Match], recent: tuple[int, ...], remember: int) -> Match:
    """The best photo not shown lately; the best of all when no such photo is near it."""
    lately = set(recent[-remember:]) if remember else set()
    unseen = next((match for match in matches if match.item not in lately), None)
    best = matches[0]
    return best if unseen is None or unseen.agreement < best.agreement - FRESH_PHOTO_TOLERANCE else unseen


def _find_agreement(shown: Match, matches: Sequence[Match]) -> float:
    same = (match.agreement for match in matches if match[:2] == shown[:2])
    return next(same, 0.0)


def _show(state: Choice, match: Match, now: float, settings: ChooseSettings) -> Choice:
    others = tuple(item for item in state.recent if item != match.item)
    return Choice(match, now, (*others, match.item)[-settings.remember :] if settings.remember else ())
