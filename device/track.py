"""A track: one person over time, with smoothed key points. All functions are pure: times are arguments.

Distances are in body heights, so that a track behaves the same near and far and at any resolution.
"""

from __future__ import annotations

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

ENTER_AFTER: Final = 0.3
"""Seconds for which a person must have been seen before they may be followed. Ghosts last for a frame or two."""

MAX_GAP: Final = 0.5
"""Seconds after which the last sight of a key point says nothing about its speed: smoothing starts again."""

DERIVATIVE_CUTOFF: Final = 2.0
"""Hz; the cutoff at which the One Euro filter smooths speed. Its other two parameters are settings."""

MAX_JUMP: Final = 0.08
"""Body heights that a key point may be off its course in one frame and still be believed."""

MAX_ACCELERATION: Final = 40.0
"""Body heights per second² by which a key point may change its speed, which adds to `MAX_JUMP`.

At 30 frames a second this adds 2 % of the height, and at 10 it adds 20 %. At 5 it lets nearly everything pass, because
by then a wrist may really be anywhere.
"""

HEIGHT_TIME_CONSTANT: Final = 0.5
"""Seconds in which the smoothed body height covers 63 % of a step."""

SCORE_TIME_CONSTANT: Final = 0.1
"""Seconds in which a smoothed score covers 63 % of a step."""

FADE_TIME_CONSTANT: Final = 0.2
"""The same for a score that sinks: a limb that is unseen for a few frames keeps most of its score."""

CARRY_SECONDS: Final = 0.4
"""Seconds for which a key point out of sight goes on by its own motion."""

MOMENTUM_SECONDS: Final = 0.1
"""Seconds in which that motion slows down by 63 %."""

FAINT_TIME_CONSTANT: Final = 0.3
"""Seconds in which a key point that scores just less than `TRACKING_SCORE` covers 63 % of the way to its reading."""

PRESENCE_TIME_CONSTANT: Final = 0.2
"""Seconds in which the smoothed score of the whole person covers 63 % of a step: over a few frames, as ghosts waver."""

SIMILAR_SIGMA: Final = 0.1
"""Body heights by which two readings of one key point differ (one standard deviation), if they are of one person."""

BONES: Final = np.array([
    (LEFT_SHOULDER, RIGHT_SHOULDER), (LEFT_SHOULDER, LEFT_ELBOW), (RIGHT_SHOULDER, RIGHT_ELBOW),
    (LEFT_ELBOW, LEFT_WRIST), (RIGHT_ELBOW, RIGHT_WRIST), (LEFT_SHOULDER, LEFT_HIP), (RIGHT_SHOULDER, RIGHT_HIP),
    (LEFT_HIP, LEFT_KNEE), (RIGHT_HIP, RIGHT_KNEE), (LEFT_KNEE, LEFT_ANKLE), (RIGHT_KNEE, RIGHT_ANKLE),
])  # fmt: skip
"""Pairs of key points that a bone or the trunk joins."""

BONE_LENGTH_RATIOS: Final = np.array(
    [.23, .186, .186, .146, .146, .288, .288, .245, .245, .246, .246], np.float32
)  # fmt: skip
"""The length of each bone as a share of a person's height (Drillis and Contini, 1966)."""


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One person over time.

    - `number`: identifies the track, and is never used again.
    - `pose`: the smoothed pose.
    - `velocity`: 17×2, pixels a second.
    - `unseen_seconds`: 17, seconds since each key point was last seen and believed.
    - `rejected_xy`: 17×2, where the estimator saw the key points that were not believed; NaN for the rest.
    - `height`: the person's height in pixels, as their bones suggest it.
    - `age`: seconds since the person was first surely there; −inf before.
    - `missed_seconds`: seconds since the estimator last found the person.
    - `lost_seconds`: `missed_seconds` at the last look that should have found the person and did not; 0 after one
      that did. A person whom nobody looked for is not lost.
    - `is_verified`: whether a close look agreed that somebody is there.
    - `refusals`: how many close looks did not agree, before one did.
    - `before_crowd`: while other people are near, the track as it was before they came.
    """

    number: int
    pose: Pose
    velocity: Floats
    unseen_seconds: Floats
    rejected_xy: Floats
    height: float
    age: float = 0.0
    missed_seconds: float = 0.0
    lost_seconds: float = 0.0
    is_verified: bool = True
    refusals: int = 0
    before_crowd: Track | None = None

    @property
    def is_confirmed(self) -> bool:
        """Whether the person was seen for long enough to be more than a ghost."""
        return self.age - self.missed_seconds >= ENTER_AFTER


def new_track(number: int, person: Pose, *, surely_there: bool, is_verified: bool = True) -> Track:
    """Return the track of a person who is found for the first time."""
    unseen = np.where(person.scores >= TRACKING_SCORE, 0.0, MAX_GAP).astype(np.float32)
    return Track(
        number,
        person,
        velocity=np.zeros_like(person.xy),
        unseen_seconds=unseen,
        rejected_xy=np.full_like(person.xy, np.nan),
        height=body_height(person),
        age=0.0 if surely_there else -np.inf,
        is_verified=is_verified,
    )


def age_track(track: Track, elapsed: float) -> Track:
    """Return the track `elapsed` seconds later, before it is known whether the person was found again."""
    return replace(
        track,
        unseen_seconds=track.unseen_seconds + np.float32(elapsed),
        age=track.age + elapsed,
        missed_seconds=track.missed_seconds + elapsed,
        before_crowd=track.before_crowd and age_track(track.before_crowd, elapsed),
    )


def update_track(track: Track, person: Pose, *, min_cutoff: float, beta: float, min_score: float) -> Track:
    """Return the track after the person was found.

    Each coordinate passes a One Euro filter (Casiez, Roussel and Vogel, CHI 2012) with the parameters `min_cutoff` (Hz)
    and `beta` (Hz for each body height a second). The person is surely there while their smoothed score is `min_score`
    or more. A track that is not confirmed starts again when it is less: many ghosts are sure for a frame.
    """
    seen = person.scores >= TRACKING_SCORE
    doubted = seen & _find_jumps(track, person)
    believed = seen & ~doubted
    height = track.height + _gain(HEIGHT_TIME_CONSTANT, track.missed_seconds) * (body_height(person) - track.height)
    delta = person.xy - track.pose.xy
    elapsed = track.unseen_seconds[:, None]
    slope = delta / np.maximum(elapsed, 1e-6)
    velocity = track.velocity + _alpha(DERIVATIVE_CUTOFF, elapsed) * (slope - track.velocity)
    step = _alpha(min_cutoff + beta * np.abs(velocity) / height, elapsed) * delta
    restarted = track.unseen_seconds >= MAX_GAP
    step[restarted], velocity[restarted] = delta[restarted], 0.0
    body_step = step[believed].mean(0) if believed.any() else np.zeros(2, np.float32)
    step[~believed] = _steps_out_of_sight(track, person, body_step, doubted)[~believed]
    velocity[~believed] = track.velocity[~believed]
    score = track.pose.score + _gain(PRESENCE_TIME_CONSTANT, track.missed_seconds) * (person.score - track.pose.score)
    age = max(track.age, 0.0) if score >= min_score else (track.age if track.is_confirmed else -np.inf)
    return replace(
        track,
        pose=Pose((track.pose.xy + step).astype(np.float32), _smooth_scores(track, person), score),
        velocity=velocity.astype(np.float32),
        unseen_seconds=np.where(believed, 0.0, track.unseen_seconds).astype(np.float32),
        rejected_xy=np.where(doubted[:, None], person.xy, np.nan).astype(np.float32),
        height=height,
        age=age,
        missed_seconds=0.0,
        lost_seconds=0.0,
    )


def _steps_out_of_sight(track: Track, person: Pose, body_step: Floats, doubted: npt.NDArray[np.bool_]) -> Floats:
    """Return the steps (17×2, pixels) of key points that are out of sight or not believed.

    They travel with the rest of the body. For a moment they also go on as they moved before, ever slower. After that,
    a faint reading draws them: slowly, but an arm that is read faintly is more often there than where it was last seen.
    """
    moved = MOMENTUM_SECONDS * (
        np.exp(-(track.unseen_seconds - track.missed_seconds) / MOMENTUM_SECONDS)
        - np.exp(-track.unseen_seconds / MOMENTUM_SECONDS)
    )
    own = track.velocity - median_point(track.velocity)
    is_carried = track.unseen_seconds < CARRY_SECONDS
    faintness = np.where(doubted | is_carried, 0, np.minimum(person.scores / TRACKING_SCORE, 1) ** 2)
    share = 1 - np.exp(-faintness * track.missed_seconds / FAINT_TIME_CONSTANT)
    towards = person.xy - track.pose.xy - body_step
    carried = np.where(is_carried[:, None], own * moved[:, None], towards * share[:, None])
    return np.asarray(body_step + carried, np.float32)


def _smooth_scores(track: Track, person: Pose) -> Floats:
    """Return the smoothed scores. They sink more slowly than they rise, so that a limb fades instead of vanishing."""
    rising = person.scores > track.pose.scores
    gains = np.where(
        rising, _gain(SCORE_TIME_CONSTANT, track.missed_seconds), _gain(FADE_TIME_CONSTANT, track.missed_seconds)
    )
    return np.asarray(track.pose.scores + gains * (person.scores - track.pose.scores), np.float32)


def recently_seen(track: Track) -> npt.NDArray[np.bool_]:
    """Return which of the 17 key points had been seen recently when the person was last found."""
    seen: npt.NDArray[np.bool_] = track.unseen_seconds < track.missed_seconds + MAX_GAP
    return seen


def predicted_shift(track: Track) -> Floats:
    """Return how far (x and y in pixels) the person has probably moved since they were last found.

    The prediction is that they moved on as before, but slowed down.
    """
    seen = recently_seen(track)
    if not seen.any():
        return np.zeros(2, np.float32)
    velocity = median_point(track.velocity[seen])
    return np.asarray(velocity * MAX_GAP * (1 - np.exp(-track.missed_seconds / MAX_GAP)), np.float32)


def median_point(points: Floats) -> Floats:
    """Return the medians of x and of y of N points (N×2). NumPy's own takes five times as long for so few."""
    ordered = np.sort(points, axis=0)
    middle: Floats = (ordered[(len(points) - 1) // 2] + ordered[len(points) // 2]) / 2
    return middle


def similarity(track: Track, person: Pose) -> float:
    """Return how much a pose is like a track's, 0 to 1: the share of key points that are in the same place."""
    squared = ((person.xy - track.pose.xy) ** 2).sum(1)
    hits = np.exp(-squared / (2 * (SIMILAR_SIGMA * track.height) ** 2))
    weights = np.sqrt(np.maximum(person.scores * track.pose.scores, 0))
    return float((hits * weights).sum() / max(weights.sum(), 1e-6))


def body_height(pose: Pose) -> float:
    """Return a person's height in pixels, as their bones suggest it; never below 1.

    A bone that points at the camera looks short, so the longer bones count. If no bone is seen, the longer side of the
    person's box is used.
    """
    seen = pose.scores >= TRACKING_SCORE
    bone_seen = seen[BONES].all(1)
    if not bone_seen.any():
        left, top, right, bottom = pose.box(TRACKING_SCORE) or (0.0, 0.0, 0.0, 0.0)
        return max(right - left, bottom - top, 1.0)
    ends = pose.xy[BONES[bone_seen]]
    heights = np.sort(np.hypot(*(ends[:, 0] - ends[:, 1]).T) / BONE_LENGTH_RATIOS[bone_seen])
    return max(float(heights[(3 * len(heights)) // 4]), 1.0)


def _find_jumps(track: Track, person: Pose) -> npt.NDArray[np.bool_]:
    """Return which key points moved further than a body can.

    The estimator mistakes left for right, or another person's wrist for this one's, mostly for a single frame. A key
    point that is where it was last rejected is believed.
    """
    elapsed = track.unseen_seconds[:, None]
    limit = track.height * (MAX_JUMP + MAX_ACCELERATION / 2 * track.unseen_seconds**2)
    from_course = np.hypot(*(person.xy - track.pose.xy - track.velocity * elapsed).T)
    from_rejected = np.hypot(*(person.xy - track.rejected_xy).T)
    jumps: npt.NDArray[np.bool_] = (track.unseen_seconds < MAX_GAP) & (from_course > limit) & ~(from_rejected <= limit)
    return jumps


def _alpha(cutoff: npt.ArrayLike, elapsed: Floats) -> Floats:
    """The share of a step that a low-pass filter (cutoff in Hz) lets through after `elapsed` seconds."""
    turn = 2 * np.pi * np.asarray(cutoff) * elapsed
    return np.asarray(turn / (1 + turn), np.float32)


def _gain(time_constant: float, elapsed: float) -> float:
    """The share of a step that exponential smoothing covers in `elapsed` seconds."""
    return 1 - float(np.exp(-elapsed / time_constant))
