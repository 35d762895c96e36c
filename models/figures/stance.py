"""A stance: an angle for each way in which a joint can move, with its limits.

A stance is a vector of degrees (and a few shares), one for each name in `ANGLE_NAMES`. Every limit bounds one angle, or
two along a straight line, so a mixture of two stances within the limits is within them too. That is why movements can
be made by interpolation. The ranges are those of supple people (Norkin & White, Measurement of Joint Motion; dancers'
hips and spines have larger ones).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Stance = npt.NDArray[np.float64]
"""One angle (or share) for each name in `ANGLE_NAMES`."""

TRUNK_LIMITS: Final = {
    "turn": (-720, 720),  # the whole figure about the vertical, to its left
    "lean": (-200, 200),  # the pelvis forward
    "tilt": (-200, 200),  # the pelvis to the figure's left
    "bend": (-60, 100),  # the spine forward
    "side": (-50, 50),  # the spine to the left
    "twist": (-70, 70),  # the spine to the left
    "nod": (-50, 50),  # the head down
    "cock": (-40, 40),  # the head to the left shoulder
    "look": (-80, 80),  # the head to the left
    "lift": (0, 150),  # how high the figure is off the floor, in centimetres
    "floor": (0, 1),  # 1: settles on the floor as a falling body does (planks, sitting, lying)
}
SIDE_LIMITS: Final = {
    "arm": (0, 180),  # the upper arm, from hanging to straight up
    "plane": (-95, 140),  # the direction it is raised in: 0 sideways, 90 ahead, -90 back
    "roll": (-90, 95),  # the upper arm about its own axis, outwards
    "elbow": (0, 150),
    "palm": (-90, 90),  # the forearm about its own axis: 0 palm to the thigh, 90 palm ahead
    "wrist": (-70, 75),  # towards the palm
    "grip": (0, 1),  # 0 an open hand, 1 a fist
    "shrug": (-10, 25),
    "hip": (-50, 140),  # the thigh forward
    "spread": (-40, 95),  # the thigh sideways
    "turnout": (-45, 85),  # the leg about its own axis, outwards
    "knee": (0, 155),
    "point": (-40, 65),  # the foot downwards
    "planted": (0, 1),  # 1: the sole is on the floor, and hip and knee bend as needed
    "heel": (0, 60),  # how far the heel of a planted foot is raised
}
ANGLE_NAMES: Final = (
    *TRUNK_LIMITS,
    *(f"left_{name}" for name in SIDE_LIMITS),
    *(f"right_{name}" for name in SIDE_LIMITS),
)
ANGLE_INDEX: Final = {name: number for number, name in enumerate(ANGLE_NAMES)}
LIMITS: Final = np.array([*TRUNK_LIMITS.values(), *SIDE_LIMITS.values(), *SIDE_LIMITS.values()], dtype=float)

MAX_BACKWARD_RAISE: Final = 60.0
"""Degrees to which an arm can be raised straight back (plane -90). The limit grows towards the side, …"""
FULL_RAISE_PLANE: Final = -20.0
"""… and from this plane on, the arm can be raised all the way."""

_SWAP: Final = [ANGLE_INDEX[f"{side}_{name}"] for side in ("right", "left") for name in SIDE_LIMITS]
_MIRROR: Final = np.array([*range(len(TRUNK_LIMITS)), *_SWAP])
_SIGN: Final = np.array(
    [-1.0 if name in ("turn", "tilt", "side", "twist", "cock", "look") else 1.0 for name in ANGLE_NAMES]
)


def make_stance(base: Stance | None = None, /, **angles: float) -> Stance:
    """Return `base` (by default standing to attention) with some angles changed.

    `both_…` sets both sides. Raises KeyError for an unknown angle.
    """
    stance = _ATTENTION.copy() if base is None else base.copy()
    for name, value in angles.items():
        side, _, rest = name.partition("_")
        for full_name in (f"left_{rest}", f"right_{rest}") if side == "both" else (name,):
            stance[ANGLE_INDEX[full_name]] = value
    return stance


def clamp_to_limits(stance: Stance) -> Stance:
    """Return the nearest stance that joints allow, angle by angle."""
    clamped = np.clip(stance, LIMITS[:, 0], LIMITS[:, 1])
    for side in ("left", "right"):
        share = min(1.0, (clamped[ANGLE_INDEX[f"{side}_plane"]] + 90) / (FULL_RAISE_PLANE + 90))
        highest = MAX_BACKWARD_RAISE + (LIMITS[ANGLE_INDEX[f"{side}_arm"], 1] - MAX_BACKWARD_RAISE) * share
        clamped[ANGLE_INDEX[f"{side}_arm"]] = min(clamped[ANGLE_INDEX[f"{side}_arm"]], highest)
    return clamped


def mirrored(stance: Stance) -> Stance:
    """Return the mirror image of a stance, with left and right swapped."""
    mirror_image: Stance = stance[_MIRROR] * _SIGN
    return mirror_image


_ATTENTION: Final = np.zeros(len(ANGLE_NAMES))
_AT_EASE: Final = {"planted": 1.0, "arm": 8.0, "elbow": 12.0, "spread": 4.0, "turnout": 12.0, "grip": 0.25}
for _name, _value in _AT_EASE.items():
    for _side in ("left", "right"):
        _ATTENTION[ANGLE_INDEX[f"{_side}_{_name}"]] = _value
