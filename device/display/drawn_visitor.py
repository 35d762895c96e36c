"""The visitor that is drawn while nobody is there: how they move from pose to pose. Everything is pure.

The visitor is seen as in a mirror, so their left is on the right of the picture, as in the mirrored camera picture
(`models.pose.Pose.mirrored`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from device.display.layout import Size
from models.pose import Pose

Vector: TypeAlias = npt.NDArray[np.float64]
"""x to the visitor's left, y up, z towards the mirror; metres."""

HOLD_SECONDS: Final = 2.6
MOVE_SECONDS: Final = 1.2
"""Seconds for which the visitor holds a pose, so that the answer can be looked at, and that the next one takes."""

ARM_DELAY: Final = 0.18
"""Share of a movement after which the arms follow the trunk and the legs: bodies move from the middle outwards."""

ROOM: Final = (1.9, 2.36)
"""Width and height in metres that a pane shows at least: arms wide, and arms up."""

FLOOR: Final = 0.91
"""Where the feet are, as a share of the pane's height."""

UPPER_ARM, FOREARM, THIGH, SHIN = 0.285, 0.25, 0.42, 0.41
TRUNK, NECK, SHOULDER, HIP, ANKLE = 0.5, 0.185, 0.176, 0.095, 0.085
"""Metres: bones, from the hips to the shoulders and on to the middle of the head, half the width of shoulders and of
hips, and the ankle's height."""

FACE: Final = np.array(
    [(0, -0.03, 0.1), (0.034, 0.01, 0.08), (-0.034, 0.01, 0.08), (0.08, -0.01, 0), (-0.08, -0.01, 0)]
)
"""Nose, eyes and ears, in metres from the middle of the head."""

DISTANCE: Final = 4.5
"""Metres from the visitor to the mirror's eye."""

TRUNK_ANGLES: Final = 6
"""How many angles come before those of the limbs: turn to the left, bend to the left, bow, and the head's turn, tilt to
the left, and nod."""

STILL: Final = (0, 0, 0, 0, 0, 0)
STANDING: Final = (5, 2, 4, -2)
HANGING: Final = (13, 4, 8, 14)
ON_HIP: Final = (46, -16, -52, 22)
POSES: Final = (
    # trunk and head, left arm, right arm, left leg, right leg
    ((0, 0, 0, 0, 3, 0), (82, 12, 168, 14), HANGING, STANDING, STANDING),  # waving
    (STILL, (92, 0, 92, 0), (92, 0, 92, 0), (9, 1, 8, -1), (9, 1, 8, -1)),  # arms wide
    ((0, -2, 0, 0, -3, 0), ON_HIP, (174, 2, 178, 2), (9, 2, 8, 0), (3, 1, 3, -1)),  # one arm up
    ((0, 0, -3, 0, 0, -8), (148, 0, 154, 0), (148, 0, 154, 0), (12, 0, 11, 0), (12, 0, 11, 0)),  # victory
    ((4, 0, 0, 8, 0, 0), ON_HIP, ON_HIP, (10, 3, 8, -2), (5, 1, 4, -1)),  # hands on hips
    ((0, 0, 0, 45, 0, 0), (90, 0, 90, 0), (90, 0, 90, 0), (57, 14, -4, -4), (42, 0, 40, -2)),  # warrior
    (STILL, (166, 6, 190, 6), (166, 6, 190, 6), (1, 1, 1, -1), (62, 14, -58, 2)),  # tree
    ((0, 20, 0, 0, 6, 0), ON_HIP, (150, 0, 204, 0), (14, 2, 12, 0), (14, 2, 12, 0)),  # side stretch
    ((0, 0, -2, 0, 0, 0), (126, 0, 128, 0), (126, 0, 128, 0), (28, 0, 27, 0), (28, 0, 27, 0)),  # star
    ((-6, -7, 0, 20, -4, -6), (138, 12, 140, 12), ON_HIP, (24, 4, 20, 0), (-4, 24, 2, -16)),  # disco
    ((0, 0, 0, 0, 0, 0), (90, 0, 176, 4), (90, 0, 176, 4), (62, 18, -2, -6), (62, 18, -2, -6)),  # goddess
    ((0, 4, 0, 0, 8, 0), (108, -8, 244, -8), (108, -8, 244, -8), (8, 2, 6, 0), (8, 2, 6, 0)),  # hands behind the head
    ((6, 10, 0, 30, 0, 6), (112, 0, 112, 0), (70, 34, -86, 26), (22, 4, 4, -10), (20, 0, 20, -2)),  # dab
    ((0, -12, 0, 0, -6, 0), (160, 0, 178, 4), (74, 0, 66, 0), (20, 0, 20, -2), (2, 6, 2, -8)),  # dancing
)
"""Degrees. An arm or leg has four: how far its upper bone is raised sideways from hanging, and how far it points to the
mirror; then the same of its lower bone. The arms turn with the trunk."""

WAVING: Final = 0
WAVE: Final = 20.0
WAVE_SECONDS: Final = 0.9
"""The number of the pose that waves, degrees by which its forearm waves, and the seconds of one wave."""

_TABLE: Final = np.array([np.concatenate(pose) for pose in POSES], np.float64)
_ARMS: Final = slice(TRUNK_ANGLES, TRUNK_ANGLES + 8)
_LEFT_FOREARM: Final = TRUNK_ANGLES + 2


ALL_POSES: Final = tuple(range(len(POSES)))
"""The numbers of all poses, in the order in which the visitor takes them."""


def pose_at(now: float, pane: Size, poses: Sequence[int] = ALL_POSES) -> Pose:
    """Return the drawn visitor's pose at the time `now` in seconds, in pixels of a pane of this (width, height).

    `poses` are the numbers of the poses that the visitor takes, one after another.
    """
    return _project(_joints(_angles_at(now, poses)), pane)


def held_pose(number: int, pane: Size) -> Pose:
    """Return a pose as the drawn visitor holds it, in pixels of a pane."""
    return pose_at(HOLD_SECONDS / 2, pane, [number])


def is_still(now: float, poses: Sequence[int] = ALL_POSES) -> bool:
    """Return whether the drawn visitor holds a pose at the time `now`, and hardly moves. Waving is a movement."""
    number, seconds = divmod(now, HOLD_SECONDS + MOVE_SECONDS)
    return seconds < HOLD_SECONDS and poses[int(number) % len(poses)] != WAVING


def _angles_at(now: float, poses: Sequence[int]) -> Vector:
    """Return the angles at a time: a pose that is held, or what is between two."""
    number, seconds = divmod(now, HOLD_SECONDS + MOVE_SECONDS)
    first, second = (_TABLE[poses[int(number + step) % len(poses)]] for step in (0, 1))
    share = max(seconds - HOLD_SECONDS, 0.0) / MOVE_SECONDS
    angles: Vector = first + (second - first) * _ease(share / (1 - ARM_DELAY))
    angles[_ARMS] = (first + (second - first) * _ease((share - ARM_DELAY) / (1 - ARM_DELAY)))[_ARMS]
    angles[1] += 0.8 * math.sin(2 * math.pi * now / 4.1)
    angles[2] += 0.7 * math.sin(2 * math.pi * now / 3.3)
    if poses[int(number) % len(poses)] == WAVING:
        strength = _ease(seconds / 0.4) * _ease((HOLD_SECONDS - seconds) / 0.4)
        angles[_LEFT_FOREARM] -= WAVE * strength * math.sin(2 * math.pi * seconds / WAVE_SECONDS)
    return angles


def _ease(share: float) -> float:
    """Return Perlin's smootherstep: from 0 to 1 without a jerk at the start or the end."""
    share = min(max(share, 0.0), 1.0)
    return share**3 * (share * (share * 6 - 15) + 10)


def _joints(angles: Vector) -> Vector:
    """Return the 17 key points in metres, 17×3, with the feet on the floor."""
    turn, bend, bow, look, tilt, nod = angles[:TRUNK_ANGLES]
    pelvis = _turned(1, turn)
    trunk = pelvis @ _turned(2, -bend) @ _turned(0, bow)
    head = trunk @ _turned(1, look) @ _turned(2, -tilt) @ _turned(0, nod)
    chest = trunk @ (0, TRUNK, 0)
    points = np.empty((17, 3))
    points[:5] = chest + (trunk + head) @ (0, NECK / 2, 0.01) + FACE @ head.T
    for number, side in enumerate((1, -1)):
        arm, leg = (angles[TRUNK_ANGLES + start + 4 * number :][:4] for start in (0, 8))
        points[5 + number] = chest + trunk @ (side * SHOULDER, 0, 0)
        points[7 + number] = points[5 + number] + trunk @ _direction(side, *arm[:2]) * UPPER_ARM
        points[9 + number] = points[7 + number] + trunk @ _direction(side, *arm[2:]) * FOREARM
        points[11 + number] = pelvis @ (side * HIP, 0, 0)
        points[13 + number] = points[11 + number] + pelvis @ _direction(side, *leg[:2]) * THIGH
        points[15 + number] = points[13 + number] + pelvis @ _direction(side, *leg[2:]) * SHIN
    feet = points[15:17]
    # the feet that carry the visitor stay in the middle, so that the weight shifts as somebody's does who stands there
    carrying = np.exp((feet[:, 1].min() - feet[:, 1]) / 0.08)
    points[:, 0] -= float(carrying @ feet[:, 0] / carrying.sum())
    points[:, 1] += ANKLE - feet[:, 1].min()
    return points


def _direction(side: int, raised: float, ahead: float) -> Vector:
    """Return the direction of a bone of the left (1) or right (−1) side."""
    up, out = math.radians(ahead), math.radians(raised)
    return np.array([side * math.sin(out) * math.cos(up), -math.cos(out) * math.cos(up), math.sin(up)])


def _turned(axis: int, degrees: float) -> Vector:
    """Return a rotation about the x axis (0: bows), y (1: turns to the left) or z (2: bends to the right)."""
    rotation = np.eye(3)
    first, second = (axis + 1) % 3, (axis + 2) % 3
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    rotation[[first, second], [first, second]] = cos
    rotation[first, second], rotation[second, first] = -sin, sin
    return rotation


def _project(points: Vector, pane: Size) -> Pose:
    """Return key points in metres as a pose in pixels of a pane."""
    scale = min(pane[0] / ROOM[0], pane[1] / ROOM[1])
    nearness = scale * DISTANCE / (DISTANCE - points[:, 2])
    x = (pane[0] - 1) / 2 + points[:, 0] * nearness
    y = pane[1] * FLOOR - points[:, 1] * nearness
    return Pose(np.stack([x, y], axis=1).astype(np.float32), np.ones(17, np.float32), 1.0)
