"""Which person of a new frame each track goes on with. All functions are pure.

Where people are near one another, the estimator gives some of one person's limbs to another, so a track in a crowd also
remembers what its person was like before. docs/explanation/following-and-choosing.md has the measurements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from device.track import Track, body_height, median_point, predicted_shift, recently_seen
from models.pose import MIRROR_ORDER, Floats, Pose
from models.seen import TRACKING_SCORE

Flags = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]

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


def remember_before_crowd(tracks: list[Track]) -> list[Track]:
    """Return the tracks, where those near other people remember what they were like before.

    In a crowd the estimator gives some of one person's limbs to another, and a track may leave with the wrong person.
    """
    if len(tracks) < 2:
        return [replace(track, before_crowd=None) for track in tracks]
    centres = np.stack([median_point(track.pose.xy) for track in tracks])
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


def associate(tracks: Sequence[Track], people: Sequence[Pose]) -> dict[int, int]:
    """Return which track each person continues, as track index → person index. The likeliest pairs go first."""
    if not tracks or not people:
        return {}
    likelihoods = _likelihoods(tracks, people)
    pairs: dict[int, int] = {}
    for cell in np.argsort(-likelihoods, axis=None, kind="stable")[: np.count_nonzero(likelihoods)].tolist():
        i, j = divmod(cell, len(people))
        if i not in pairs and j not in pairs.values():
            pairs[i] = j
    return pairs


def _likelihoods(tracks: Sequence[Track], people: Sequence[Pose]) -> Floats:
    """Return how likely each of N people is each of T tracks' person, as T×N; 0 if it cannot be."""
    memories = [(i, track.before_crowd) for i, track in enumerate(tracks) if track.before_crowd is not None]
    states = [*tracks, *(memory for _, memory in memories)]
    in_crowd = np.array([track.before_crowd is not None for track in tracks] + [True] * len(memories))
    growth = np.repeat([SIGMA_GROWTH, CROWD_SIGMA_GROWTH], [len(tracks), len(memories)])
    fits = _fit(states, people, in_crowd, growth)
    likelihoods, remembered = fits[: len(tracks)], fits[len(tracks) :]
    for (i, _), fit in zip(memories, remembered, strict=True):
        likelihoods[i] = np.maximum(likelihoods[i], fit)
    likelihoods[[not track.is_confirmed for track in tracks]] *= np.float32(NEW_TRACK_PRIOR)
    return likelihoods


def _fit(tracks: Sequence[Track], people: Sequence[Pose], in_crowd: Flags, growth: Doubles) -> Floats:
    """Return how well each of N people fits each of T tracks, as T×N: Dice's share of the key points that are where
    they are expected.

    The expectation becomes less certain by `growth` (T) for each second since the person was found. The result is a
    density, so that a track whose person may be anywhere does not win over one whose person was just found; it is 0
    below `MIN_OVERLAP`. Left and right may be mistaken for each other. Where a track is `in_crowd` (T), the height must
    fit too: a person who passes in front is nearer, and so larger.
    """
    xy, scores = np.stack([person.xy for person in people]), np.stack([person.scores for person in people])
    seen = (scores >= TRACKING_SCORE) * scores
    known = np.stack([recently_seen(track) * track.pose.scores for track in tracks])
    expected = np.stack([track.pose.xy + predicted_shift(track) for track in tracks])[:, None]
    heights = np.array([track.height for track in tracks])
    spread = 1 + growth * np.array([track.missed_seconds for track in tracks])
    sigmas = (POINT_SIGMA * heights * spread)[:, None, None]
    squared_miss = np.minimum(((xy - expected) ** 2).sum(3), ((xy[:, MIRROR_ORDER] - expected) ** 2).sum(3))
    hits = np.exp(-squared_miss / (2 * sigmas**2).astype(np.float32)) * np.minimum(known[:, None], seen)
    share = 2 * hits.sum(2) / np.maximum(known.sum(1)[:, None] + seen.sum(1), 1e-6)
    if in_crowd.any():
        off = np.log([body_height(person) for person in people]) - np.log(heights)[:, None]
        share = np.where(in_crowd[:, None], share * np.exp(-((off / LOG_HEIGHT_SIGMA) ** 2) / 2), share)
    return np.where(share >= MIN_OVERLAP, share / spread[:, None] ** 2, 0.0).astype(np.float32)
