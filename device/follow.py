"""Follow one visitor: everybody the estimator finds goes in, one steady visitor comes out.

Every person in the picture has a track, not only the visitor. So what the estimator finds of people who walk past goes
to their own tracks, not to the visitor's. All functions are pure: times are arguments.

docs/explanation/following-and-choosing.md has the measurements behind the constants.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from device.looks import Look
from device.presence import presence
from device.track import (
    ENTER_AFTER,
    MAX_GAP,
    Track,
    age_track,
    body_height,
    new_track,
    predicted_shift,
    recently_seen,
    similarity,
    update_track,
)
from models.pose import MIRROR_ORDER, Floats, Pose
from models.seen import TRACKING_SCORE

STAY_SCORE_RATIO: Final = 0.1
"""A tracked person stays tracked down to this share of `FollowSettings.min_score`, so that nobody near the limit
flickers, or is lost when only their arms are seen."""

CLOSE_SCORE_RATIO: Final = 0.4
"""The share of `FollowSettings.min_score` that a close look must reach, after its score is multiplied by how similar
the pose is to the one in the whole frame. A coat that looks like somebody in one picture rarely does so in another."""

CROWD_DISTANCE: Final = 1.0
"""Body heights within which two people may be mistaken for each other."""

MEMORY_SECONDS: Final = 3.0
"""Seconds for which a track near other people remembers what its person was like before they came near."""

POINT_SIGMA: Final = 0.08
"""Body heights; the standard deviation of a key point from where it is expected."""

SIGMA_GROWTH: Final = 1.5
"""Growth of `POINT_SIGMA`, as a share of it, for each second since the person was last found."""

CROWD_SIGMA_GROWTH: Final = 0.3
"""The same for the state that a track remembers from before other people came near."""

LOG_HEIGHT_SIGMA: Final = 0.15
"""The standard deviation of the logarithm of a body height, where height tells people apart."""

MIN_OVERLAP: Final = 0.15
"""The share of key points that must be where a track expects them, for a person to be that track's."""

NEW_TRACK_PRIOR: Final = 0.1
"""How likely a track that is not confirmed is, relative to one that is: it may be a ghost of a frame or two."""

TAKEOVER_RATIO: Final = 2.0
"""A person this many times as prominent as the visitor takes over, after `FollowSettings.yield_after`."""


@dataclass(frozen=True, slots=True)
class FollowSettings:
    """Who counts as present, and how strongly their key points are smoothed.

    - `min_score`: how sure it must be that somebody is there (`device.presence`), 0 to 1.
    - `gone_after`: seconds without being found after which a person is gone.
    - `yield_after`: seconds after which a person who is twice as near or central becomes the visitor.
    - `min_cutoff` (Hz) and `beta` (Hz for each body height a second): parameters of the One Euro filter. A lower
      `min_cutoff` is steadier at rest, a higher `beta` is quicker in motion.
    """

    min_score: float = 0.3
    gone_after: float = 1.2
    yield_after: float = 5.0
    min_cutoff: float = 1.0
    beta: float = 20.0


@dataclass(frozen=True, slots=True, eq=False)
class FollowState:
    """Everybody in the picture, and which of them is the visitor.

    `visitor_number` is the number of the visitor's track; the next visitor has another number. `rival_number` is the
    track that has been far more prominent than the visitor for `rival_seconds`, and `candidate_number` one that a close
    look should show.
    """

    time: float | None = None
    tracks: tuple[Track, ...] = ()
    visitor_number: int | None = None
    rival_number: int | None = None
    rival_seconds: float = 0.0
    candidate_number: int | None = None
    next_number: int = 0

    @property
    def visitor(self) -> Pose | None:
        """The visitor's smoothed pose; the last one, while the estimator loses them for a moment."""
        return next((track.pose for track in self.tracks if track.number == self.visitor_number), None)


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
    aged = _remember_before_crowd([age_track(track, elapsed) for track in state.tracks])
    judged = (_judge(person, size) for person in people)
    present = [person for person in judged if person.score >= STAY_SCORE_RATIO * settings.min_score]
    pairs = _associate(aged, present)
    tracks = [
        _track_after_look(track, present[pairs[i]] if i in pairs else None, look, state.visitor_number, settings)
        for i, track in enumerate(aged)
    ]
    tracks = [track for track in tracks if track.lost_seconds < _max_lost_seconds(track, settings)]
    known = set(pairs.values())
    # part of somebody may be at a crop's edge, so only a whole frame shows who is new
    newcomers = [person for j, person in enumerate(present) if j not in known] if look is None or look.is_whole else []
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
    after = _select_visitor(after, size, elapsed, settings)
    return replace(after, candidate_number=_candidate_number(after, size))


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
    track: Track, person: Pose | None, look: Look | None, visitor_number: int | None, settings: FollowSettings
) -> Track:
    """Return a track after a look that found its person, or did not (None)."""
    is_close = look is None or look.number == track.number
    if look is not None and look.is_glance and track.number == visitor_number:
        return track  # a crop of the same frame follows, and reads the visitor better
    if person is None:
        if is_close:
            refusals = track.refusals + (not track.is_verified)
            return replace(track, lost_seconds=track.missed_seconds, refusals=refusals)
        # the visitor is read in crops, and may be too small to be found in the whole frame
        is_judged = look is None or (look.is_whole and track.number != visitor_number)
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


def _remember_before_crowd(tracks: list[Track]) -> list[Track]:
    """Return the tracks, where those near other people remember what they were like before.

    In a crowd the estimator gives some of one person's limbs to another, and a track may leave with the wrong person.
    """
    if len(tracks) < 2:
        return [replace(track, before_crowd=None) for track in tracks]
    centres = np.median([track.pose.xy for track in tracks], axis=1)
    heights = np.array([track.height for track in tracks])
    distances = np.hypot(*(centres[:, None] - centres[None]).transpose(2, 0, 1))
    in_crowd = (distances < CROWD_DISTANCE * np.maximum(heights[:, None], heights[None])).sum(1) > 1
    return [
        replace(track, before_crowd=_state_before_crowd(track) if crowded else None)
        for track, crowded in zip(tracks, in_crowd, strict=True)
    ]


def _state_before_crowd(track: Track) -> Track:
    if track.before_crowd and track.before_crowd.missed_seconds < MEMORY_SECONDS:
        return track.before_crowd
    return replace(track, before_crowd=None)


def _associate(tracks: Sequence[Track], people: Sequence[Pose]) -> dict[int, int]:
    """Return which track each person continues, as track index → person index. The likeliest pairs go first."""
    if not tracks or not people:
        return {}
    keypoints = np.stack([person.keypoints for person in people])
    log_heights = np.log([body_height(person) for person in people])
    likelihoods = np.stack([_likelihood(track, keypoints, log_heights) for track in tracks])
    pairs: dict[int, int] = {}
    for cell in np.argsort(-likelihoods, axis=None, kind="stable")[: np.count_nonzero(likelihoods)].tolist():
        i, j = divmod(cell, len(people))
        if i not in pairs and j not in pairs.values():
            pairs[i] = j
    return pairs


def _likelihood(track: Track, people: Floats, log_heights: npt.NDArray[np.float64]) -> Floats:
    """Return how likely each of N people (N×17×3) is the track's person; 0 if it cannot be."""
    if track.before_crowd is None:
        likelihood = _fit(track, people, None, SIGMA_GROWTH)
    else:
        likelihood = np.maximum(
            _fit(track, people, log_heights, SIGMA_GROWTH),
            _fit(track.before_crowd, people, log_heights, CROWD_SIGMA_GROWTH),
        )
    return likelihood if track.is_confirmed else np.float32(NEW_TRACK_PRIOR) * likelihood


def _fit(track: Track, people: Floats, log_heights: npt.NDArray[np.float64] | None, growth: float) -> Floats:
    """Return how well each of N people fits a track: Dice's share of the key points that are where they are expected.

    The expectation becomes less certain by `growth` for each second since the person was found. The result is a
    density, so that a track whose person may be anywhere does not win over one whose person was just found; it is 0
    below `MIN_OVERLAP`. Left and right may be mistaken for each other. With `log_heights`, the height must fit too: a
    person who passes in front is nearer, and so larger.
    """
    xy, scores = people[:, :, :2], people[:, :, 2]
    known = recently_seen(track) * track.pose.scores
    seen = (scores >= TRACKING_SCORE) * scores
    spread = 1 + growth * track.missed_seconds
    expected = track.pose.xy + predicted_shift(track)
    squared_miss = np.minimum(((xy - expected) ** 2).sum(2), ((xy[:, MIRROR_ORDER] - expected) ** 2).sum(2))
    hits = np.exp(-squared_miss / (2 * (POINT_SIGMA * track.height * spread) ** 2)) * np.minimum(known, seen)
    share = 2 * hits.sum(1) / np.maximum(known.sum() + seen.sum(1), 1e-6)
    if log_heights is not None:
        share = share * np.exp(-(((log_heights - np.log(track.height)) / LOG_HEIGHT_SIGMA) ** 2) / 2)
    return np.where(share >= MIN_OVERLAP, share / spread**2, 0.0).astype(np.float32)


def _prominence(track: Track, size: tuple[int, int]) -> float:
    """Return how near and central a person is: their height in pixels, halved at the picture's left and right edge."""
    seen = track.pose.scores >= TRACKING_SCORE
    x = float(track.pose.xy[seen if seen.any() else slice(None), 0].mean())
    centre = (size[0] - 1) / 2
    return track.height * (1 - 0.5 * min(abs(x - centre) / (size[0] / 2), 1.0))


def _select_visitor(state: FollowState, size: tuple[int, int], elapsed: float, settings: FollowSettings) -> FollowState:
    """Return the state with its visitor: the same one while they are there, else the most prominent person.

    A person who is far more prominent than the visitor for long enough takes over.
    """
    visitor = next((track for track in state.tracks if track.number == state.visitor_number), None)
    candidates = [
        track for track in state.tracks if track.is_confirmed and track.is_verified and track.lost_seconds < ENTER_AFTER
    ]
    first = max(candidates, key=lambda track: _prominence(track, size), default=None)
    if visitor is None:
        return _with_visitor(state, None if first is None else first.number)
    if first is None or first is visitor or _prominence(first, size) < TAKEOVER_RATIO * _prominence(visitor, size):
        return _with_visitor(state, visitor.number)
    rival_seconds = state.rival_seconds + elapsed if first.number == state.rival_number else 0.0
    if rival_seconds >= settings.yield_after:
        return _with_visitor(state, first.number)
    return replace(state, rival_number=first.number, rival_seconds=rival_seconds)


def _candidate_number(state: FollowState, size: tuple[int, int]) -> int | None:
    """Return the number of the track to look at closely, to learn whether it may become the visitor; None for none.

    While there is a visitor, only a track that could take over is worth a look. A track that close looks have refused
    waits for its turn: it may be a coat that looks like somebody only in the whole frame.
    """
    visitor = next((track for track in state.tracks if track.number == state.visitor_number), None)
    least = 0.0 if visitor is None else TAKEOVER_RATIO * _prominence(visitor, size)
    candidates = [
        track
        for track in state.tracks
        if track.lost_seconds == 0
        and track.number != state.visitor_number
        and (visitor is None or not track.is_verified)
        and _prominence(track, size) >= least
    ]
    best = min(candidates, key=lambda track: (track.refusals, -_prominence(track, size)), default=None)
    return None if best is None else best.number


def _with_visitor(state: FollowState, number: int | None) -> FollowState:
    """Return the state with this visitor and no rival."""
    return replace(state, visitor_number=number, rival_number=None, rival_seconds=0.0)
