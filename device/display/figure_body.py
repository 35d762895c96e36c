"""From a pose's key points to a body that can be drawn: its size, its joints, and guesses for what is not seen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from models.pose import (
    LEFT_EAR,
    LEFT_EYE,
    LEFT_HIP,
    LEFT_SHOULDER,
    NOSE,
    RIGHT_EAR,
    RIGHT_EYE,
    RIGHT_HIP,
    RIGHT_SHOULDER,
    Pose,
)
from models.seen import LAYOUT_SCORE

Points: TypeAlias = npt.NDArray[np.float64]
"""x and y in pixels: 2, or N×2."""

SIDES: Final = ("left", "right")

PROPORTIONS: Final = (
    (5, 6, 0.205), (5, 7, 0.166), (6, 8, 0.166), (7, 9, 0.146), (8, 10, 0.146), (5, 11, 0.29), (6, 12, 0.29),
    (11, 13, 0.24), (12, 14, 0.24), (13, 15, 0.235), (14, 16, 0.235), (3, 4, 0.09), (1, 2, 0.042),
    (0, 3, 0.078), (0, 4, 0.078),
)  # fmt: skip
"""Two key points, and their distance in an average adult's body as a share of the height."""

SHOULDER_WIDTH: Final = 0.205
HEAD_RADIUS: Final = 0.056
NECK_LENGTH: Final = 0.105
TRUNK_LENGTH: Final = 0.285
HIP_WIDTH: Final = 0.11
HAND_LENGTH: Final = 0.04
FOOT_LENGTH: Final = 0.085
"""Lengths as shares of the height; the neck's reaches from the shoulders to the middle of the head."""

PROFILE: Final = 0.35
"""Shoulders closer together than this share of their width are seen from the side."""


@dataclass(frozen=True, slots=True, eq=False)
class Limb:
    """A limb's joints, each None if it is not seen; `tip` is the end of the hand or foot.

    `is_raised` tells whether a leg is in front of the trunk, as that of somebody who sits.
    """

    root: Points | None
    middle: Points | None
    end: Points | None
    tip: Points | None = None
    is_raised: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """A head: its middle, its radius in pixels, and its upward direction.

    `face` points from the middle to where the face is, in radii: (0, 0) looks at the camera. None looks away.
    """

    centre: Points
    radius: float
    up: Points
    face: Points | None


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """A person's body in a picture. `points` are the key points, NaN where not seen; `height` is the person's, upright.

    `across` is a direction: to the right for somebody who stands. `shoulders` and `hips` are 2×2, left first.
    `sideways` is −1 for somebody turned to the left of the picture, 1 to the right, as seen along `across`.
    `is_profile` tells whether the far arm is behind the trunk.
    """

    points: Points
    height: float
    across: Points
    shoulders: Points | None
    hips: Points | None
    head: Head | None
    arms: dict[str, Limb]
    legs: dict[str, Limb]
    sideways: float
    is_profile: bool

    @property
    def up(self) -> Points:
        """The direction from the hips to the head."""
        return np.array([self.across[1], -self.across[0]])


def complete_body(pose: Pose) -> Body | None:
    """Return the body of a pose; None if too little is seen to tell its size."""
    seen = (pose.scores >= LAYOUT_SCORE) & np.isfinite(pose.xy).all(-1) & (np.abs(pose.xy) < 1e6).all(-1)
    points = np.where(seen[:, None], pose.xy, np.nan).astype(np.float64)
    height = _estimate_height(points)
    if height is None:
        return None
    shoulders = _pair(points, LEFT_SHOULDER, LEFT_HIP)
    up = _up(points, shoulders)
    across = np.array([-up[1], up[0]])
    if shoulders is not None:
        points[LEFT_SHOULDER : RIGHT_SHOULDER + 1] = shoulders
    hips = _pair(points, LEFT_HIP, LEFT_SHOULDER)
    if hips is None and shoulders is not None:
        hips = _guess_hips(shoulders, up, height)
    head = _find_head(points, shoulders, up, height)
    span = float((shoulders[0] - shoulders[1]) @ across) / (SHOULDER_WIDTH * height) if shoulders is not None else 1.0
    sideways = 0.0
    if head is not None and head.face is not None:
        # a head that looks aside does not turn the trunk: shoulders as wide as they are have not turned
        sideways = float(head.face @ across) * math.sqrt(max(1 - span * span, 0.0))
    arms = {side: _arm(points, number, height) for number, side in enumerate(SIDES)}
    legs = {side: _leg(points, number, height, up, (sideways, span)) for number, side in enumerate(SIDES)}
    profile = abs(span) < PROFILE and abs(sideways) > 0.3
    return Body(points, height, across, shoulders, hips, head, arms, legs, sideways, profile)


def _estimate_height(points: Points) -> float | None:
    """Return the person's height in pixels, from the distances that are seen.

    Bones that point to the camera look short, so the longer ones are right: this is the upper quartile.
    """
    ratios = np.array(PROPORTIONS)
    a, b = points[ratios[:, 0].astype(int)], points[ratios[:, 1].astype(int)]
    heights = np.hypot(*(a - b).T) / ratios[:, 2]
    known = np.sort(heights[np.isfinite(heights)])
    if not len(known):
        return None
    place = 0.75 * (len(known) - 1)
    low, share = int(place), place % 1
    height = float(known[low] * (1 - share) + known[min(low + 1, len(known) - 1)] * share)
    return height if height > 0 else None


def _pair(points: Points, first: int, other: int) -> Points | None:
    """Return the left and right point of a joint; one that is missing is guessed from the pair that starts at `other`.

    None if neither is seen.
    """
    pair = points[first : first + 2].copy()
    missing = np.isnan(pair[:, 0])
    if missing.all():
        return None
    if missing.any():
        gap = points[other] - points[other + 1]
        gap = np.where(np.isnan(gap), 0.0, gap) * 1.2
        pair[missing] = pair[~missing] + (gap if missing[0] else -gap)
    return pair


def _up(points: Points, shoulders: Points | None) -> Points:
    """Return the direction from the hips to the head."""
    bottom = _mean(points[LEFT_HIP : RIGHT_HIP + 1])
    if shoulders is not None and bottom is not None:
        return _unit(shoulders.mean(0) - bottom)
    face = _mean(points[: RIGHT_EAR + 1])
    if shoulders is not None and face is not None:
        return _unit(_unit(face - shoulders.mean(0)) + np.array([0.0, -0.6]))
    return np.array([0.0, -1.0])


def _guess_hips(shoulders: Points, up: Points, height: float) -> Points:
    middle = shoulders.mean(0) - up * TRUNK_LENGTH * height
    half = (shoulders[0] - shoulders[1]) / 2 * (HIP_WIDTH / SHOULDER_WIDTH)
    pair: Points = np.stack([middle + half, middle - half])
    return pair


def _find_head(points: Points, shoulders: Points | None, up: Points, height: float) -> Head | None:
    """Return the head, from ears, eyes and nose; without them it is guessed above the shoulders."""
    radius = HEAD_RADIUS * height
    ears, front = points[[LEFT_EAR, RIGHT_EAR]], points[[NOSE, LEFT_EYE, RIGHT_EYE]]
    ear, face = _mean(ears), _mean(front)
    if ear is None and face is None:
        if shoulders is None:
            return None
        return Head(shoulders.mean(0) + up * NECK_LENGTH * height, radius, up, np.zeros(2))
    if ear is not None and face is not None:
        share = 0.38 if np.isnan(ears).any() else 0.0
        centre: Points | None = ear * (1 - share) + face * share
    else:
        centre = ear if face is None else face
    assert centre is not None
    if shoulders is not None:
        up = _unit(_unit(centre - shoulders.mean(0)) * 0.7 + up * 0.3)
    centre = centre + up * radius * 0.22
    if face is None:
        return Head(centre, radius, up, None)
    offset = (face - (centre - up * radius * 0.22)) / radius
    length = math.hypot(*offset)
    return Head(centre, radius, up, offset / max(length, 1.0))


def _arm(points: Points, number: int, height: float) -> Limb:
    root, middle, end = (_known(points[5 + joint + number]) for joint in (0, 2, 4))
    middle = _bridge(root, middle, end)
    tip = None
    if end is not None and middle is not None:
        tip = end + _unit(end - middle) * HAND_LENGTH * height
    return Limb(root, middle, end, tip)


def _leg(points: Points, number: int, height: float, up: Points, view: tuple[float, float]) -> Limb:
    """Return a leg. `view` is how far the person looks sideways, and the shoulders' width as seen."""
    root, middle, end = (_known(points[11 + joint + number]) for joint in (0, 2, 4))
    middle = _bridge(root, middle, end)
    raised = root is not None and middle is not None and float((middle - root) @ up) > 0.02 * height
    tip = None
    if end is not None and middle is not None:
        down = _unit(end - middle)
        ahead = np.array([down[1], -down[0]])  # to the right for a leg that hangs down
        outwards = 0.34 * view[1] * (1 if number == 0 else -1)
        sideways = min(max(1.25 * view[0] + outwards, -1.0), 1.0)
        step = ahead * sideways + down * (0.66 - 0.36 * abs(sideways))
        tip = end + step * FOOT_LENGTH * height
    return Limb(root, middle, end, tip, raised)


def _bridge(root: Points | None, middle: Points | None, end: Points | None) -> Points | None:
    """Return the middle joint; between two ends that are seen it is guessed."""
    return (root + end) / 2 if middle is None and root is not None and end is not None else middle


def _known(point: Points) -> Points | None:
    return None if np.isnan(point[0]) else point


def _mean(points: Points) -> Points | None:
    known = points[~np.isnan(points[:, 0])]
    return known.mean(0) if len(known) else None


def _unit(vector: Points) -> Points:
    length = math.hypot(vector[0], vector[1])
    return vector / length if length > 1e-9 else np.array([0.0, -1.0])
