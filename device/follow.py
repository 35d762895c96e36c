"""Follow the visitors: everybody the estimator finds goes in, one steady visitor comes out, or up to four.

Every person in the picture has a track, not only the visitors. So what the estimator finds of people who walk past goes
to their own tracks, not to a visitor's. All functions are pure: times are arguments.

docs/explanation/following-and-choosing.md has the measurements behind the constants.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from device.associate import associate, remember_before_crowd
from device.looks import Look
from device.presence import presence
from device.track import ENTER_AFTER, MAX_GAP, Track, age_track, new_track, similarity, update_track
from models.pose import Pose
from models.seen import TRACKING_SCORE

STAY_SCORE_RATIO: Final = 0.1
"""A tracked person stays tracked down to this share of `FollowSettings.min_score`, so that nobody near the limit
flickers, or is lost when only their arms are seen."""

CLOSE_SCORE_RATIO: Final = 0.4
"""The share of `FollowSettings.min_score` that a close look must reach, after its score is multiplied by how similar
the pose is to the one in the whole frame. A coat that looks like somebody in one picture rarely does so in another."""

TAKEOVER_RATIO: Final = 2.0
"""A person this many times as prominent as the visitor takes over, after `FollowSettings.yield_after`."""

MAX_VISITORS: Final = 4
"""People who get an answer each at most. Photos of more would be too small, from three metres."""

JOIN_RATIO: Final = 1 / TAKEOVER_RATIO
"""A person who is at least this many times as prominent as the visitor becomes another visitor …"""
LEAVE_RATIO: Final = 0.33
"""… and stops being one below this. The gap keeps somebody near the limit from flickering. People who sit further back
only watch."""

REORDER_AFTER: Final = 1.5
"""Seconds for which visitors must stand in another order, before their answers change places. People who cross, or bow,
are back in their places before that."""


@dataclass(frozen=True, slots=True)
class FollowSettings:
    """Who counts as present, and how strongly their key points are smoothed.

    - `people`: "one" follows one visitor, "all" up to `MAX_VISITORS`.
    - `min_score`: how sure it must be that somebody is there (`device.presence`), 0 to 1.
    - `gone_after`: seconds without being found after which a person is gone.
    - `yield_after`: seconds after which a person who is twice as near or central becomes the visitor.
    - `min_cutoff` (Hz) and `beta` (Hz for each body height a second): parameters of the One Euro filter. A lower
      `min_cutoff` is steadier at rest, a higher `beta` is quicker in motion.
    """

    people: str = "one"
    min_score: float = 0.3
    gone_after: float = 1.2
    yield_after: float = 5.0
    min_cutoff: float = 1.0
    beta: float = 20.0


Prominences = Mapping[int, float]
"""How near and central each person is (`_prominence`), by the number of their track."""


class Visitor(NamedTuple):
    """A visitor's smoothed pose, and the number of their track, which nobody else has before or after."""

    number: int
    pose: Pose


@dataclass(frozen=True, slots=True, eq=False)
class FollowState:
    """Everybody in the picture, and which of them are visitors.

    `visitor_number` is the number of the visitor's track; the next visitor has another number. `visitor_numbers` are
    those of all visitors from left to right; they have stood in another order for `reordered_seconds`, and keep this
    one until `REORDER_AFTER`. `rival_number` is the track that has been far more prominent than the visitor for
    `rival_seconds`, and `candidate_number` one that a close look should show.
    """

    time: float | None = None
    tracks: tuple[Track, ...] = ()
    visitor_number: int | None = None
    visitor_numbers: tuple[int, ...] = ()
    reordered_seconds: float = 0.0
    rival_number: int | None = None
    rival_seconds: float = 0.0
    candidate_number: int | None = None
    next_number: int = 0

    @property
    def visitor(self) -> Pose | None:
        """The visitor's smoothed pose; the last one, while the estimator loses them for a moment.

        Of several visitors it is the one who was the most prominent when the one before had left.
        """
        return next((track.pose for track in self.tracks if track.number == self.visitor_number), None)

    @property
    def visitors(self) -> tuple[Visitor, ...]:
        """All visitors from left to right, the one of `visitor` among them."""
        poses = {track.number: track.pose for track in self.tracks}
        return tuple(Visitor(number, poses[number]) for number in self.visitor_numbers)

    @property
    def people(self) -> tuple[Pose, ...]:
        """The smoothed poses of all who have been seen for long enough to be more than ghosts, visitors or not."""
        return tuple(track.pose for track in self.tracks if track.is_confirmed)


def follow(
    state: FollowState,
    people: Sequence[Pose],
    size: tuple[int, int],
    now: float,
    settings: FollowSettings,
    look: Look | None = None,
) -> FollowState:
    """Return the state after a frame of `size` (width, height), captured at `now` (seconds).

    `people` are those found in the frame, in its pixels and in any order. A frame that is not later than the last one
    moves nobody. `look` is how the estimator looked at the frame; without it, each look counts as a close look at
    everybody.
    """
    elapsed = 0.0 if state.time is None else min(max(now - state.time, 0.0), MAX_GAP)
    aged = remember_before_crowd([age_track(track, elapsed) for track in state.tracks])
    judged = (_judge(person, size) for person in people)
    present = [person for person in judged if person.score >= STAY_SCORE_RATIO * settings.min_score]
    pairs = associate(aged, present)
    tracks = [
        _track_after_look(track, present[pairs[i]] if i in pairs else None, look, state.visitor_numbers, settings)
        for i, track in enumerate(aged)
    ]
    tracks = [track for track in tracks if track.lost_seconds < _max_lost_seconds(track, settings)]
    known = set(pairs.values())
    newcomers = [
        person
        for j, person in enumerate(present)
        if j not in known and (look is None or look.shows_newcomer(person, size))
    ]
    tracks += [
        new_track(
            state.next_number + i,
            person,
            surely_there=person.score >= settings.min_score,
            is_verified=look is None,
        )
        for i, person in enumerate(newcomers)
    ]
    after = replace(state, time=now, tracks=tuple(tracks), next_number=state.next_number + len(newcomers))
    prominences = {track.number: _prominence(track, size) for track in tracks}
    after = _select_visitors(after, prominences, elapsed, settings)
    return replace(after, candidate_number=_candidate_number(after, prominences, settings))


def _judge(person: Pose, size: tuple[int, int]) -> Pose:
    """Return a person whose score is how sure it is that somebody is there: see `presence`.

    It is 0 for a second reading of a likelier person. PoseNet's score for a person leaves out the key points that are
    also a likelier person's, so a second reading has a low score although its key points have high scores.
    """
    is_second_reading = person.score < float(person.scores.mean()) / 2
    return replace(person, score=0.0 if is_second_reading else presence(person, size[1]))


def _continue_track(track: Track, person: Pose, settings: FollowSettings) -> Track:
    return update_track(
        track,
        person,
        min_cutoff=settings.min_cutoff,
        beta=settings.beta,
        min_score=settings.min_score,
    )


def _track_after_look(
    track: Track, person: Pose | None, look: Look | None, visitors: tuple[int, ...], settings: FollowSettings
) -> Track:
    """Return a track after a look that found its person, or did not (None)."""
    is_close = look is None or track.number in look.numbers
    if look is not None and look.is_glance and track.number in visitors and track.lost_seconds == 0:
        return track  # a crop of the same frame follows, and reads the visitor better
    if person is None:
        if is_close:
            refusals = track.refusals + (not track.is_verified)
            return replace(track, lost_seconds=track.missed_seconds, refusals=refusals)
        # a visitor is read in crops, and may be too small to be found in the whole frame
        is_judged = look is None or (look.is_whole and track.number not in visitors)
        return replace(track, lost_seconds=track.missed_seconds) if is_judged else track
    if look is not None and not look.shows(track):
        return track
    if track.is_verified and not is_close:
        # what a close look has shown, a look at the whole frame does not put in doubt
        person = replace(person, score=max(person.score, track.pose.score))
    continued = _continue_track(track, person, settings)
    if track.is_verified or not is_close:
        return continued
    agrees = person.score * similarity(track, person) >= CLOSE_SCORE_RATIO * settings.min_score
    return replace(continued, is_verified=agrees, refusals=track.refusals + (not agrees))


def _max_lost_seconds(track: Track, settings: FollowSettings) -> float:
    """Return for how many seconds a track is kept after its person was last found."""
    return settings.gone_after if track.is_confirmed else MAX_GAP


def _prominence(track: Track, size: tuple[int, int]) -> float:
    """Return how near and central a person is: their height in pixels, halved at the picture's left and right edge."""
    centre = (size[0] - 1) / 2
    return track.height * (1 - 0.5 * min(abs(_middle(track) - centre) / (size[0] / 2), 1.0))


def _middle(track: Track) -> float:
    """Return where a person is, in pixels from the left."""
    seen = track.pose.scores >= TRACKING_SCORE
    return float(track.pose.xy[seen if seen.any() else slice(None), 0].mean())


def _select_visitors(
    state: FollowState, prominences: Prominences, elapsed: float, settings: FollowSettings
) -> FollowState:
    """Return the state with its visitors: those before, while they are there, and those who have come."""
    ready = [
        track for track in state.tracks if track.is_confirmed and track.is_verified and track.lost_seconds < ENTER_AFTER
    ]
    if settings.people == "one":
        state = _select_visitor(state, ready, prominences, elapsed, settings)
        return replace(state, visitor_numbers=() if state.visitor_number is None else (state.visitor_number,))
    known = [track for track in state.tracks if track.number in state.visitor_numbers]
    # with all places taken, somebody who comes near waits until one is free
    state = _select_visitor(state, ready if len(known) < MAX_VISITORS else known, prominences, elapsed, settings)
    if state.visitor_number is None and known:
        state = _with_visitor(state, max(known, key=lambda track: prominences[track.number]).number)
    leader = next((track for track in state.tracks if track.number == state.visitor_number), None)
    if leader is None:
        return replace(state, visitor_numbers=(), reordered_seconds=0.0)
    others = _others(leader, known, ready, prominences)
    return _with_order(state, [leader, *others], elapsed)


def _others(leader: Track, known: list[Track], ready: list[Track], prominences: Prominences) -> list[Track]:
    """Return the visitors besides the leading one, of those `known` as visitors, and those `ready` to become one."""
    height = prominences[leader.number]
    stay = [track for track in known if track is not leader and prominences[track.number] >= LEAVE_RATIO * height]
    join = [
        track
        for track in ready
        if track is not leader and track not in known and prominences[track.number] >= JOIN_RATIO * height
    ]
    join.sort(key=lambda track: prominences[track.number], reverse=True)
    return [*stay, *join][: MAX_VISITORS - 1]


def _with_order(state: FollowState, visitors: list[Track], elapsed: float) -> FollowState:
    """Return the state with these visitors in their order from left to right.

    Those who were visitors before keep their places for a while after they have changed them.
    """
    visitors = sorted(visitors, key=_middle)
    numbers = [track.number for track in visitors]
    kept = [number for number in state.visitor_numbers if number in numbers]
    reordered_seconds = state.reordered_seconds + elapsed if kept != [n for n in numbers if n in kept] else 0.0
    if reordered_seconds >= REORDER_AFTER:
        return replace(state, visitor_numbers=tuple(numbers), reordered_seconds=0.0)
    for place, number in enumerate(numbers):
        if number not in kept:
            kept.insert(place, number)
    return replace(state, visitor_numbers=tuple(kept), reordered_seconds=reordered_seconds)


def _select_visitor(
    state: FollowState, candidates: Sequence[Track], prominences: Prominences, elapsed: float, settings: FollowSettings
) -> FollowState:
    """Return the state with its visitor: the same one while they are there, else the most prominent candidate.

    A candidate who is far more prominent than the visitor for long enough takes over.
    """
    visitor = next((track for track in state.tracks if track.number == state.visitor_number), None)
    first = max(candidates, key=lambda track: prominences[track.number], default=None)
    if visitor is None:
        return _with_visitor(state, None if first is None else first.number)
    if first is None or first is visitor or prominences[first.number] < TAKEOVER_RATIO * prominences[visitor.number]:
        return _with_visitor(state, visitor.number)
    rival_seconds = state.rival_seconds + elapsed if first.number == state.rival_number else 0.0
    if rival_seconds >= settings.yield_after:
        return _with_visitor(state, first.number)
    return replace(state, rival_number=first.number, rival_seconds=rival_seconds)


def _candidate_number(state: FollowState, prominences: Prominences, settings: FollowSettings) -> int | None:
    """Return the number of the track to look at closely, to learn whether it may become a visitor; None for none.

    While there is a visitor, only a track that could take over, or join, is worth a look. A track that close looks have
    refused waits for its turn: it may be a coat that looks like somebody only in the whole frame.
    """
    visitor = next((track for track in state.tracks if track.number == state.visitor_number), None)
    if len(state.visitor_numbers) == MAX_VISITORS:
        return None
    ratio = TAKEOVER_RATIO if settings.people == "one" else JOIN_RATIO
    least = 0.0 if visitor is None else ratio * prominences[visitor.number]
    candidates = [
        track
        for track in state.tracks
        if track.lost_seconds == 0
        and track.number not in state.visitor_numbers
        and (visitor is None or not track.is_verified)
        and prominences[track.number] >= least
    ]
    best = min(candidates, key=lambda track: (track.refusals, -prominences[track.number]), default=None)
    return None if best is None else best.number


def _with_visitor(state: FollowState, number: int | None) -> FollowState:
    """Return the state with this visitor and no rival."""
    return replace(state, visitor_number=number, rival_number=None, rival_seconds=0.0)
