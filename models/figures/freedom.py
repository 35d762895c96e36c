"""Random limbs for combined poses: any arm, and the legs of people who stand, step, kick, sit, crouch or jump.

Each side is free of the other. The ranges are what people do, not all that joints allow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from models.figures.ease import ARM_ANGLES, Limb
from models.figures.skeleton import SIDES, Vector
from models.figures.stance import ANGLE_INDEX, LIMITS, Stance, clamp_to_limits, make_stance

LegMode = Literal["standing", "stepping", "kicking", "sitting", "crouching", "jumping"]
Range = tuple[float, float]

ELBOWS: Final[tuple[tuple[float, Range], ...]] = ((0.34, (0, 25)), (0.36, (25, 100)), (0.30, (100, 148)))
"""How random elbows are bent: a probability and a range in degrees each."""


@dataclass(frozen=True, slots=True)
class _Legs:
    """The ranges of one way to use legs: of each leg, of a leg that is off the floor (if any), and of the trunk.

    A thigh that is further ahead goes with more lean: `balance` is the lean for each degree of the mean hip.
    """

    leg: dict[str, Range]
    trunk: dict[str, Range]
    free_leg: dict[str, Range] | None = None
    balance: float = 0.0


_UPRIGHT: Final[dict[str, Range]] = {"lean": (-6, 12), "bend": (-8, 14), "tilt": (-6, 6), "side": (-10, 10)}
_OFF: Final[dict[str, Range]] = {"planted": (0, 0), "point": (-5, 45)}

_LEGS: Final[dict[LegMode, _Legs]] = {
    "standing": _Legs(
        {"hip": (-12, 22), "spread": (-5, 20), "knee": (0, 26), "turnout": (0, 28), "heel": (0, 8)}, _UPRIGHT
    ),
    "stepping": _Legs(
        {"hip": (-32, 82), "spread": (-4, 46), "knee": (0, 88), "turnout": (0, 40), "heel": (0, 40)},
        {"lean": (-8, 22), "bend": (-6, 18), "tilt": (-12, 12), "side": (-14, 14)},
        balance=0.4,
    ),
    "kicking": _Legs(
        {"hip": (-10, 30), "spread": (-4, 20), "knee": (0, 36), "turnout": (0, 40), "heel": (0, 20)},
        {"lean": (-14, 26), "bend": (-10, 14), "tilt": (-16, 16), "side": (-14, 14)},
        {"hip": (-40, 115), "spread": (-8, 70), "knee": (0, 128), "turnout": (0, 50), **_OFF},
    ),
    "sitting": _Legs(
        {"hip": (62, 112), "spread": (-12, 48), "knee": (20, 118), "turnout": (-12, 44), "planted": (0, 0)},
        {"lean": (-24, 30), "bend": (-4, 26), "tilt": (-5, 5), "side": (-12, 12)},
    ),
    "crouching": _Legs(
        {"hip": (62, 134), "spread": (0, 44), "knee": (50, 142), "turnout": (0, 44), "heel": (0, 34)},
        {"lean": (4, 46), "bend": (0, 28), "tilt": (-6, 6), "side": (-12, 12)},
    ),
    "jumping": _Legs(
        {"hip": (-30, 100), "spread": (-6, 56), "knee": (0, 120), "turnout": (0, 40), **_OFF},
        {"lean": (-16, 40), "bend": (-16, 18), "tilt": (-22, 22), "side": (-16, 16), "lift": (8, 60)},
    ),
}


def random_arm(rng: np.random.Generator) -> Vector:
    """Return the angles of an arm, one for each of `ARM_ANGLES`."""
    draw, (low, high) = rng.random(), ELBOWS[0][1]
    for share, bounds in ELBOWS:
        if draw < share:
            low, high = bounds
            break
        draw -= share
    # Equal areas of the sphere of directions: the cosine of the angle from hanging is uniform.
    angles: Limb = {
        "arm": float(np.degrees(np.arccos(rng.uniform(-1, 1)))),
        "plane": float(rng.uniform(-70, 125)),
        "roll": float(rng.uniform(-80, 85)),
        "elbow": float(rng.uniform(low, high)),
        "palm": float(rng.uniform(-30, 80)),
        "wrist": float(rng.normal(0, 14)),
        "grip": float(rng.choice([0.0, 0.1, 0.3, 0.8])),
        "shrug": float(rng.uniform(-3, 8)),
    }
    limits = LIMITS[[ANGLE_INDEX[f"left_{name}"] for name in ARM_ANGLES]]
    return np.clip([angles[name] for name in ARM_ANGLES], limits[:, 0], limits[:, 1])


def random_legs(rng: np.random.Generator, mode: LegMode) -> Stance:
    """Return a stance with random legs, the trunk that goes with them, and hanging arms."""
    ranges = _LEGS[mode]
    free_side = SIDES[int(rng.integers(2))] if ranges.free_leg else ""
    angles = {name: float(rng.uniform(*bounds)) for name, bounds in ranges.trunk.items()}
    for side in SIDES:
        leg = ranges.free_leg if side == free_side and ranges.free_leg else ranges.leg
        angles |= {f"{side}_{name}": float(rng.uniform(*bounds)) for name, bounds in leg.items()}
    angles["lean"] += ranges.balance * (angles["left_hip"] + angles["right_hip"]) / 2
    if rng.random() < 0.3 and not free_side:  # legs side by side, as most people keep them
        for name in ranges.leg:
            angles[f"right_{name}"] = angles[f"left_{name}"]
    angles["nod"] = -0.5 * angles["lean"] + float(rng.normal(0, 8))  # most people look ahead
    return clamp_to_limits(make_stance(**angles))
