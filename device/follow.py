"""Who is followed, and where they are: everybody the estimator finds goes in, one steady visitor comes out.

Everybody in the picture has a track, not the visitor alone: somebody who walks by claims by it what the estimator
sees of them, and leaves the visitor's to the visitor. Pure: the time is an argument.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from models.pose import (
    LEFT_ANKLE,
    LEFT_ELBOW,
    LEFT_HIP,
    LEFT_KNEE,
    LEFT_SHOULDER,
    LEFT_WRIST,
    MIRROR_ORDER,
    RIGHT_ANKLE,
    RIGHT_ELBOW,
    RIGHT_HIP,
    RIGHT_KNEE,
    RIGHT_SHOULDER,
    RIGHT_WRIST,
    Floats,
    Pose,
)
from models.seen import TRACKING_SCORE

STAY_SCORE_RATIO = 0.6
"""Somebody who is tracked stays so down to this share of `FollowSettings.min_score`."""
ENTER_AFTER = 0.3
"""Seconds that somebody must have been seen before they may be followed."""
MAX_GAP = 0.5
"""Seconds after which what was last seen says nothing about the speed since: smoothing starts afresh."""
CROWD_DISTANCE = 1.0
"""Body heights within which two people may be taken for one another."""
MEMORY_SECONDS = 3.0
"""Seconds for which it counts where somebody was before others came near."""
POINT_SIGMA = 0.08
"""Body heights, the standard deviation of a key point from where it is expected a moment later."""
SIGMA_GROWTH = 1.5
"""How much of that it is more for each second since they were found."""
CROWD_SIGMA_GROWTH = 0.3
"""The same since others came near."""
LOG_HEIGHT_SIGMA = 0.15
"""The standard deviation of the logarithm of a body's height, when it is to tell people apart."""
MIN_OVERLAP = 0.15
"""Somebody is not who they are taken for if less of their key points are where they are expected."""
NEW_TRACK_PRIOR = 0.1
"""How likely it is that somebody was there for only a moment, beside that they were for longer."""
TAKEOVER_RATIO = 2.0
"""Somebody so many times as prominent as the visitor takes over, after `FollowSettings.yield_after`."""
DERIVATIVE_CUTOFF = 2.0
"""Hz; the One Euro filter's third parameter."""
MAX_JUMP = 0.08
"""Body heights by which a key point may be off its course from one frame to the next without being doubted."""
MAX_ACCELERATION = 80.0
"""Body heights a second, each second, that key points may be pushed with besides: at 30 frames a second it adds 4 % of
the height, at 10 it lets nearly all pass, as a wrist may really be anywhere by then."""
HEIGHT_TIME_CONSTANT = 0.5
"""Seconds in which the body's height covers 63 % of a step."""
SCORE_TIME_CONSTANT = 0.1
"""Seconds in which a smoothed score covers 63 % of a step."""

BONES: Final = np.array([
    (LEFT_SHOULDER, RIGHT_SHOULDER), (LEFT_SHOULDER, LEFT_ELBOW), (RIGHT_SHOULDER, RIGHT_ELBOW),
    (LEFT_ELBOW, LEFT_WRIST), (RIGHT_ELBOW, RIGHT_WRIST), (LEFT_SHOULDER, LEFT_HIP), (RIGHT_SHOULDER, RIGHT_HIP),
    (LEFT_HIP, LEFT_KNEE), (RIGHT_HIP, RIGHT_KNEE), (LEFT_KNEE, LEFT_ANKLE), (RIGHT_KNEE, RIGHT_ANKLE),
])  # fmt: skip
"""Pairs of key points that a bone, or the trunk, joins."""
BONE_LENGTH_RATIOS: Final = np.array([.23, .186, .186, .146, .146, .288, .288, .245, .245, .246, .246], np.float32)  # fmt: skip
"""Each bone's length as a share of a person's height (Drillis and Contini, 1966)."""


@dataclass(frozen=True, slots=True)
class FollowSettings:
    """Who counts as there, and how steady they are made.

    `min_score`: the estimator's score for a person from which somebody is there, 0 to 1; `gone_after`: seconds unseen
    after which they are gone; `yield_after`: seconds after which the visitor gives way to somebody twice as near or
    central; `min_cutoff` (Hz) and `beta` (Hz for each body height a second) of the One Euro filter: less of the first
    is steadier at rest, more of the second is quicker in motion.
    """

    min_score: float = 0.25
    gone_after: float = 1.2
    yield_after: float = 5.0
    min_cutoff: float = 1.0
    beta: float = 20.0


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One person over time.

    `pose` is smoothed; `velocity` 17×2 in pixels a second; `unseen_seconds` 17 seconds since each key point was seen;
    `rejected_xy` 17×2 where those were that the estimator was not believed (not a number: believed); `height` their height
    in pixels as their bones tell it; `age` seconds since they came; `missed_seconds` seconds since the estimator found them;
    `before_crowd`, while others are near, what they were like before.
    """

    number: int
    pose: Pose
    velocity: Floats
    unseen_seconds: Floats
    rejected_xy: Floats
    height: float
    age: float = 0.0
    missed_seconds: float = 0.0
    before_crowd: Track | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FollowState:
    """Everybody in the picture and the `visitor_number` of the one who is followed; the next visitor has another number."""

    time: float | None = None
    tracks: tuple[Track, ...] = ()
    visitor_number: int | None = None
    rival_number: int | None = None
    rival_seconds: float = 0.0
    next_number: int = 0

    @property
    def visitor(self) -> Pose | None:
        """The followed person's smoothed pose; while the estimator loses them for a moment, the last one."""
        return next((track.pose for track in self.tracks if track.number == self.visitor_number), None)


def follow(
    state: FollowState, people: Sequence[Pose], size: tuple[int, int], now: float, settings: FollowSettings
) -> FollowState:
    """The state after the people found in a frame of `size` (width, height) that was taken at `now` (seconds).

    The people are in the frame's pixels, in any order. A frame of the same time as the last, or an earlier one,
    changes nobody's place.
    """
    elapsed = 0.0 if state.time is None else max(now - state.time, 0.0)
    aged = _remember_before_crowd([_age_track(track, min(elapsed, MAX_GAP)) for track in state.tracks])
    found = [person for person in people if _strength(person) >= STAY_SCORE_RATIO * settings.min_score]
    pairs = _associate(aged, found)
    tracks = [_update_track(track, found[pairs[i]], settings) if i in pairs else track for i, track in enumerate(aged)]
    tracks = [track for track in tracks if track.missed_seconds < _max_missed_seconds(track, settings)]
    taken = set(pairs.values())
    fresh = [person for j, person in enumerate(found) if j not in taken]
    tracks += [_new_track(state.next_number + i, person, settings) for i, person in enumerate(fresh)]
    after = replace(state, time=now, tracks=tuple(tracks), next_number=state.next_number + len(fresh))
    return _select_visitor(after, size, min(elapsed, MAX_GAP), settings)


def body_height(pose: Pose) -> float:
    """A person's height in pixels as the bones that are seen tell it (one seen end-on looks short, so the longer
    ones); with no bone seen, the longer side of their box. Never below 1."""
    seen = pose.scores >= TRACKING_SCORE
    whole = seen[BONES].all(1)
    if not whole.any():
        left, top, right, bottom = pose.box(TRACKING_SCORE) or (0.0, 0.0, 0.0, 0.0)
        return max(right - left, bottom - top, 1.0)
    ends = pose.xy[BONES[whole]]
    heights = np.sort(np.hypot(*(ends[:, 0] - ends[:, 1]).T) / BONE_LENGTH_RATIOS[whole])
    return max(float(heights[(3 * len(heights)) // 4]), 1.0)


def _strength(person: Pose) -> float:
    """How surely somebody is there; 0 for one with a coordinate that is no number, and for a second reading of a
    likelier person: an estimator's score for somebody leaves out the points that are a likelier one's."""
    second = person.score < float(person.scores.mean()) / 2
    return 0.0 if second or not np.isfinite(person.xy).all() else person.score


def _new_track(number: int, pose: Pose, settings: FollowSettings) -> Track:
    unseen = np.where(pose.scores >= TRACKING_SCORE, 0.0, MAX_GAP).astype(np.float32)
    age = 0.0 if pose.score >= settings.min_score else -np.inf
    still, nowhere = np.zeros_like(pose.xy), np.full_like(pose.xy, np.nan)
    return Track(number, pose, still, unseen, nowhere, body_height(pose), age)


def _age_track(track: Track, elapsed: float) -> Track:
    """The track before it is known whether the person was found `elapsed` seconds later."""
    return replace(
        track,
        unseen_seconds=track.unseen_seconds + np.float32(elapsed),
        age=track.age + elapsed,
        missed_seconds=track.missed_seconds + elapsed,
        before_crowd=track.before_crowd and _age_track(track.before_crowd, elapsed),
    )


def _remember_before_crowd(tracks: list[Track]) -> list[Track]:
    """The tracks, and of those that are near others how they were before: in a crowd the estimator gives some of one
    person's limbs to another, and a track may leave with the wrong one."""
    if len(tracks) < 2:
        return [replace(track, before_crowd=None) for track in tracks]
    centres = np.median([track.pose.xy for track in tracks], axis=1)
    bodies = np.array([track.height for track in tracks])
    apart = np.hypot(*(centres[:, None] - centres[None]).transpose(2, 0, 1))
    near = (apart < CROWD_DISTANCE * np.maximum(bodies[:, None], bodies[None])).sum(1) > 1
    return [
        replace(track, before_crowd=_state_before_crowd(track) if close else None)
        for track, close in zip(tracks, near, strict=True)
    ]


def _state_before_crowd(track: Track) -> Track:
    return (
        track.before_crowd
        if track.before_crowd and track.before_crowd.missed_seconds < MEMORY_SECONDS
        else replace(track, before_crowd=None)
    )


def _is_confirmed(track: Track) -> bool:
    """Whether the person has been seen long enough to be no ghost."""
    return track.age - track.missed_seconds >= ENTER_AFTER


def _max_missed_seconds(track: Track, settings: FollowSettings) -> float:
    """Seconds that a track outlives the last sight of the person."""
    return settings.gone_after if _is_confirmed(track) else ENTER_AFTER


def _associate(tracks: Sequence[Track], found: Sequence[Pose]) -> dict[int, int]:
    """Which track each of the found people continues: track index → person index, the likeliest pairs first."""
    if not tracks or not found:
        return {}
    keypoints = np.stack([person.keypoints for person in found])
    sizes = np.log([body_height(person) for person in found])
    likely = np.stack([_likelihood(track, keypoints, sizes) for track in tracks])
    pairs: dict[int, int] = {}
    for at in np.argsort(-likely, axis=None, kind="stable")[: np.count_nonzero(likely)].tolist():
        i, j = divmod(at, len(found))
        if i not in pairs and j not in pairs.values():
            pairs[i] = j
    return pairs


def _likelihood(track: Track, people: Floats, sizes: npt.NDArray[np.float64]) -> Floats:
    """How likely each of N people (N×17×3) with N logarithms of their height is the track's; 0 for who cannot be."""
    if track.before_crowd is None:
        likelihood = _fit(track, people, None, SIGMA_GROWTH)
    else:
        likelihood = np.maximum(
            _fit(track, people, sizes, SIGMA_GROWTH), _fit(track.before_crowd, people, sizes, CROWD_SIGMA_GROWTH)
        )
    return likelihood if _is_confirmed(track) else np.float32(NEW_TRACK_PRIOR) * likelihood


def _fit(track: Track, people: Floats, sizes: npt.NDArray[np.float64] | None, growth: float) -> Floats:
    """Dice's share of the points of both that lie where they are expected, which is less sure by `growth` for each
    second since the person was found; as a density, so that a track that may be anywhere does not outbid one that
    knows. 0 for too small a share. Left and right may be mistaken for one another; the size may not, where it counts:
    who passes in front is nearer, and so larger."""
    xy, scores = people[:, :, :2], people[:, :, 2]
    known = _recently_seen(track) * track.pose.scores
    found = (scores >= TRACKING_SCORE) * scores
    reach = 1 + growth * track.missed_seconds
    expected = track.pose.xy + _predicted_shift(track)
    off = np.minimum(((xy - expected) ** 2).sum(2), ((xy[:, MIRROR_ORDER] - expected) ** 2).sum(2))
    hit = np.exp(-off / (2 * (POINT_SIGMA * track.height * reach) ** 2)) * np.minimum(known, found)
    share = 2 * hit.sum(1) / np.maximum(known.sum() + found.sum(1), 1e-6)
    if sizes is not None:
        share = share * np.exp(-(((sizes - np.log(track.height)) / LOG_HEIGHT_SIGMA) ** 2) / 2)
    return np.where(share >= MIN_OVERLAP, share / reach**2, 0.0).astype(np.float32)


def _recently_seen(track: Track) -> npt.NDArray[np.bool_]:
    """Which key points were seen lately, when the person last was."""
    known: npt.NDArray[np.bool_] = track.unseen_seconds < track.missed_seconds + MAX_GAP
    return known


def _predicted_shift(track: Track) -> Floats:
    """How far a person is expected to have moved since they were last found: on as before, but slowing down."""
    known = _recently_seen(track)
    if not known.any():
        return np.zeros(2, np.float32)
    pace = np.median(track.velocity[known], axis=0)
    return np.asarray(pace * MAX_GAP * (1 - np.exp(-track.missed_seconds / MAX_GAP)), np.float32)


def _update_track(track: Track, person: Pose, settings: FollowSettings) -> Track:
    """The track with the person found: One Euro (Casiez, Roussel and Vogel, CHI 2012) on each coordinate, its speed
    measured in body heights, so that it is alike near and far and at any resolution."""
    seen = person.scores >= TRACKING_SCORE
    doubted = seen & _find_jumps(track, person)
    sure = seen & ~doubted
    body = track.height + _gain(HEIGHT_TIME_CONSTANT, track.missed_seconds) * (body_height(person) - track.height)
    delta = person.xy - track.pose.xy
    passed = track.unseen_seconds[:, None]
    slope = delta / np.maximum(passed, 1e-6)
    velocity = track.velocity + _alpha(DERIVATIVE_CUTOFF, passed) * (slope - track.velocity)
    step = _alpha(settings.min_cutoff + settings.beta * np.abs(velocity) / body, passed) * delta
    afresh = track.unseen_seconds >= MAX_GAP
    step[afresh], velocity[afresh] = delta[afresh], 0.0
    step[~sure] = step[sure].mean(0) if sure.any() else 0.0
    velocity[~sure] = track.velocity[~sure]
    scores = track.pose.scores + _gain(SCORE_TIME_CONSTANT, track.missed_seconds) * (person.scores - track.pose.scores)
    return replace(
        track,
        pose=Pose((track.pose.xy + step).astype(np.float32), scores.astype(np.float32), person.score),
        velocity=velocity.astype(np.float32),
        unseen_seconds=np.where(sure, 0.0, track.unseen_seconds).astype(np.float32),
        rejected_xy=np.where(doubted[:, None], person.xy, np.nan).astype(np.float32),
        height=body,
        age=max(track.age, 0.0) if person.score >= settings.min_score else track.age,
        missed_seconds=0.0,
    )


def _find_jumps(track: Track, person: Pose) -> npt.NDArray[np.bool_]:
    """Which key points moved as no body does, and not to where they were already last time: the estimator takes left
    for right, or somebody else's wrist for this one's, mostly for a single frame."""
    passed = track.unseen_seconds[:, None]
    limit = track.height * (MAX_JUMP + MAX_ACCELERATION / 2 * track.unseen_seconds**2)
    ahead = np.hypot(*(person.xy - track.pose.xy - track.velocity * passed).T)
    again = np.hypot(*(person.xy - track.rejected_xy).T)
    leaps: npt.NDArray[np.bool_] = (track.unseen_seconds < MAX_GAP) & (ahead > limit) & ~(again <= limit)
    return leaps


def _alpha(cutoff: npt.ArrayLike, passed: Floats) -> Floats:
    """The share of a step that a low-pass filter lets through after `passed` seconds."""
    turn = 2 * np.pi * np.asarray(cutoff) * passed
    return np.asarray(turn / (1 + turn), np.float32)


def _gain(delay: float, passed: float) -> float:
    return 1 - float(np.exp(-passed / delay))


def _prominence(track: Track, size: tuple[int, int]) -> float:
    """How near and central: the body's height, half of it at the picture's left and right edge."""
    seen = track.pose.scores >= TRACKING_SCORE
    across = float(track.pose.xy[seen if seen.any() else slice(None), 0].mean())
    centre = (size[0] - 1) / 2
    return track.height * (1 - 0.5 * min(abs(across - centre) / (size[0] / 2), 1.0))


def _select_visitor(state: FollowState, size: tuple[int, int], elapsed: float, settings: FollowSettings) -> FollowState:
    """Follow on while the visitor is there; else, or when somebody has long been far more prominent, the most
    prominent."""
    ready = [track for track in state.tracks if _is_confirmed(track) and track.missed_seconds < ENTER_AFTER]
    current = next((track for track in state.tracks if track.number == state.visitor_number), None)
    first = max(ready, key=lambda track: _prominence(track, size), default=None)
    if current is None:
        return replace(
            state, visitor_number=None if first is None else first.number, rival_number=None, rival_seconds=0.0
        )
    if first is None or first is current or _prominence(first, size) < TAKEOVER_RATIO * _prominence(current, size):
        return replace(state, rival_number=None, rival_seconds=0.0)
    waited = state.rival_seconds + elapsed if first.number == state.rival_number else 0.0
    if waited >= settings.yield_after:
        return replace(state, visitor_number=first.number, rival_number=None, rival_seconds=0.0)
    return replace(state, rival_number=first.number, rival_seconds=waited)
