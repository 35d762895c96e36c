"""Families of leg and arm stances, for movements that do not prescribe their own.

No two people stand alike. A movement that names a family for its legs or arms gets a mixture of two of its members,
mirrored or not, each time it is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from models.figures.stance import ANGLE_INDEX, Stance, clamp_to_limits, make_stance, mirrored

Limb = Mapping[str, float]
"""Some angles of one side, by their names without the side."""
LegFamily = Literal["standing", "walking", "running", "sitting", "crouching", "ready", "bending", "gliding", "lunging"]
ArmFamily = Literal["hanging", "swinging", "lap", "busy", "balancing", "pumping"]

LEG_ANGLES: Final = ("hip", "spread", "turnout", "knee", "point", "planted", "heel")
ARM_ANGLES: Final = ("arm", "plane", "roll", "elbow", "palm", "wrist", "grip", "shrug")


@dataclass(frozen=True, slots=True)
class LegStance:
    """Both legs, and the trunk's angles that go with them."""

    left: Limb = field(default_factory=dict)
    right: Limb = field(default_factory=dict)
    trunk: Limb = field(default_factory=dict)

    def to_stance(self) -> Stance:
        """Return these legs and trunk as a stance with hanging arms."""
        legs = (("left", self.left), ("right", self.right))
        angles = {f"{side}_{name}": value for side, leg in legs for name, value in leg.items()}
        return make_stance(**angles, **self.trunk)


def _legs(*, trunk: Limb | None = None, both: Limb | None = None, **sides: Limb) -> LegStance:
    both = both or {}
    return LegStance({**both, **sides.get("left", {})}, {**both, **sides.get("right", {})}, trunk or {})


_SEATED_LEG: Final = {"hip": 88, "knee": 86, "spread": 8, "planted": 0}

LEG_FAMILIES: Final[dict[LegFamily, tuple[LegStance, ...]]] = {
    "standing": (
        _legs(),
        _legs(both={"spread": 11}),
        _legs(trunk={"tilt": 4, "side": -5}, left={"knee": 2, "spread": 8}, right={"hip": 12, "knee": 22,
              "spread": 12}),
        _legs(left={"hip": 15, "knee": 5}, right={"hip": -9, "knee": 5}),
        _legs(both={"spread": -1, "turnout": 18}),
        _legs(trunk={"tilt": 3, "side": -3}, right={"hip": 18, "knee": 36, "heel": 14, "spread": 6}),
        _legs(trunk={"lean": 5, "bend": 6}, both={"hip": 8, "knee": 6, "spread": 7}),
        _legs(trunk={"lean": -4, "bend": 8}, both={"hip": -4, "spread": 5}),
        _legs(left={"hip": 10, "spread": -9}, right={"hip": -3, "spread": -3, "knee": 3}),
        _legs(both={"spread": 18, "turnout": 16}),
    ),
    "walking": (
        _legs(trunk={"twist": -7}, left={"hip": 26, "knee": 7}, right={"hip": -17, "knee": 14, "heel": 28}),
        _legs(left={"hip": 3, "knee": 8}, right={"hip": 17, "knee": 54, "planted": 0, "point": 14}),
        _legs(trunk={"twist": -4}, left={"hip": 16, "knee": 9}, right={"hip": -9, "knee": 8, "heel": 10}),
        _legs(trunk={"lean": 4, "twist": 6}, left={"hip": -22, "knee": 26, "heel": 42}, right={"hip": 30, "knee": 8}),
        _legs(left={"hip": 24, "knee": 42, "planted": 0}, right={"hip": -7, "knee": 5, "heel": 8}),
    ),
    "running": (
        _legs(trunk={"lean": 10, "twist": 8}, left={"hip": 64, "knee": 84, "planted": 0, "point": 8},
              right={"hip": -14, "knee": 14, "heel": 34}),
        _legs(trunk={"lean": 8}, left={"hip": 34, "knee": 34}, right={"hip": -6, "knee": 102, "planted": 0,
              "point": 40}),
        _legs(trunk={"lean": 12, "twist": 10, "lift": 9}, left={"hip": 58, "knee": 44, "planted": 0},
              right={"hip": -24, "knee": 48, "planted": 0, "point": 40}),
        _legs(trunk={"lean": 8}, left={"hip": 18, "knee": 24}, right={"hip": 22, "knee": 112, "planted": 0,
              "point": 30}),
        _legs(trunk={"lean": 14, "twist": 8}, left={"hip": 46, "knee": 16}, right={"hip": -22, "knee": 30,
              "heel": 48}),
    ),
    "sitting": (
        _legs(both=_SEATED_LEG),
        _legs(both={**_SEATED_LEG, "knee": 62}, trunk={"lean": -10, "bend": 8}),
        _legs(both={**_SEATED_LEG, "knee": 104, "hip": 92}, trunk={"lean": 6, "bend": 6}),
        _legs(both={**_SEATED_LEG, "spread": 24, "turnout": 14}),
        _legs(both=_SEATED_LEG, left={"knee": 108}, right={"knee": 66}),
        _legs(both=_SEATED_LEG, left={"hip": 100, "spread": -10, "knee": 72, "turnout": -4}),
        _legs(both={**_SEATED_LEG, "spread": 14, "hip": 106}, trunk={"lean": 18, "bend": 16, "nod": -14}),
        _legs(both={**_SEATED_LEG, "hip": 78, "knee": 44, "spread": 10}, trunk={"lean": -22, "bend": 14, "nod": 4}),
    ),
    "crouching": (
        _legs(trunk={"lean": 30, "bend": 16, "nod": -20}, both={"hip": 118, "knee": 120, "spread": 16, "turnout": 18,
              "heel": 14}),
        _legs(trunk={"lean": 12, "bend": 8, "nod": -10}, left={"hip": 96, "knee": 96}, right={"hip": 12, "knee": 104,
              "planted": 0, "point": 50}),
        _legs(trunk={"lean": 36, "bend": 14, "nod": -22}, both={"hip": 92, "knee": 86, "spread": 18, "turnout": 18}),
        _legs(trunk={"lean": 26, "bend": 22, "nod": -16}, left={"hip": 124, "knee": 126}, right={"hip": 84,
              "knee": 120, "heel": 42, "spread": 14}),
    ),
    "ready": (
        _legs(trunk={"lean": 16, "bend": 8, "nod": -14}, both={"hip": 38, "knee": 40, "spread": 15, "turnout": 14}),
        _legs(trunk={"lean": 28, "bend": 14, "nod": -28}, both={"hip": 64, "knee": 62, "spread": 22, "turnout": 20}),
        _legs(trunk={"lean": 12, "bend": 6, "nod": -8}, left={"hip": 40, "knee": 36, "spread": 10}, right={"hip": -4,
              "knee": 30, "heel": 24, "spread": 10}),
        _legs(trunk={"lean": 22, "bend": 8, "tilt": 6, "nod": -20}, left={"hip": 50, "knee": 60, "spread": 26},
              right={"hip": 26, "knee": 16, "spread": 34}),
        _legs(trunk={"lean": 8, "bend": 4, "nod": -6}, both={"hip": 22, "knee": 26, "spread": 20, "turnout": 16}),
    ),
    "bending": (
        _legs(trunk={"lean": 50, "bend": 24, "nod": -10}, both={"hip": 56, "knee": 12, "spread": 8}),
        _legs(trunk={"lean": 32, "bend": 22, "nod": 4}, both={"hip": 38, "knee": 14, "spread": 7}),
        _legs(trunk={"lean": 44, "bend": 20, "nod": -14}, left={"hip": 76, "knee": 44}, right={"hip": 36, "knee": 24,
              "spread": 8}),
        _legs(trunk={"lean": 66, "bend": 26, "nod": -20}, both={"hip": 80, "knee": 28, "spread": 10}),
    ),
    "lunging": (
        _legs(trunk={"lean": 22, "bend": 8, "nod": -16}, left={"hip": 76, "knee": 72, "turnout": 10}, right={"hip": -12,
              "knee": 26, "heel": 42, "spread": 8}),
        _legs(trunk={"lean": 14, "tilt": 12, "side": -4, "nod": -10}, left={"hip": 44, "knee": 62, "spread": 36,
              "turnout": 34}, right={"spread": 44, "knee": 6}),
        _legs(trunk={"lean": 34, "bend": 14, "nod": -24}, left={"hip": 84, "knee": 60}, right={"hip": -4, "knee": 40,
              "heel": 50, "spread": 14}),
        _legs(trunk={"lean": 6, "nod": -6}, left={"hip": 48, "knee": 34, "spread": 10}, right={"hip": -26, "knee": 14,
              "heel": 40, "spread": 12}),
        _legs(trunk={"lean": 46, "bend": 14, "nod": -32}, left={"hip": 96, "knee": 76, "spread": 12}, right={"hip": 20,
              "spread": 34, "knee": 14}),
    ),
    "gliding": (
        _legs(trunk={"lean": 22, "bend": 14, "nod": -20}, both={"hip": 46, "knee": 46, "spread": 5, "turnout": 0}),
        _legs(trunk={"lean": 36, "bend": 20, "nod": -34}, both={"hip": 74, "knee": 66, "spread": 6, "turnout": 0}),
        _legs(trunk={"lean": 10, "bend": 6, "nod": -8}, both={"hip": 20, "knee": 24, "spread": 6, "turnout": 0}),
        _legs(trunk={"lean": 18, "bend": 10, "tilt": 16, "side": -12, "nod": -14}, left={"hip": 30, "knee": 30,
              "spread": 14}, right={"hip": 56, "knee": 62, "spread": 0}),
        _legs(trunk={"lean": 12, "bend": 8, "nod": -10}, both={"hip": 24, "knee": 30, "spread": 16, "turnout": -18}),
        _legs(trunk={"lean": 48, "bend": 26, "nod": -46}, both={"hip": 96, "knee": 86, "spread": 7, "turnout": 0}),
    ),
}  # fmt: skip

ARM_FAMILIES: Final[dict[ArmFamily, tuple[tuple[Limb, Limb], ...]]] = {
    "hanging": (
        ({"arm": 8, "elbow": 12}, {"arm": 8, "elbow": 12}),
        ({"arm": 13, "plane": 30, "elbow": 24, "roll": -10}, {"arm": 11, "plane": 20, "elbow": 18}),
        ({"arm": 12, "plane": -25, "elbow": 14}, {"arm": 14, "plane": 46, "elbow": 30, "roll": -20}),
        ({"arm": 18, "plane": 10, "elbow": 30}, {"arm": 9, "plane": 60, "elbow": 18}),
        ({"arm": 17, "plane": 66, "elbow": 58, "roll": -52}, {"arm": 16, "plane": -10, "elbow": 14}),
        ({"arm": 6, "elbow": 4, "plane": 60}, {"arm": 22, "plane": 4, "elbow": 8}),
        ({"arm": 26, "plane": -14, "roll": -54, "elbow": 58, "grip": 0.6}, {"arm": 9, "elbow": 14}),
        ({"arm": 14, "plane": -40, "elbow": 10}, {"arm": 26, "plane": 60, "roll": -40, "elbow": 88, "grip": 0.6}),
        ({"arm": 48, "plane": -22, "roll": -58, "elbow": 100, "grip": 0.4}, {"arm": 20, "plane": 70, "elbow": 36}),
    ),
    "swinging": (
        ({"arm": 23, "plane": -80, "elbow": 15}, {"arm": 24, "plane": 78, "elbow": 28}),
        ({"arm": 14, "plane": -60, "elbow": 22}, {"arm": 13, "plane": 60, "elbow": 26}),
        ({"arm": 34, "plane": -84, "elbow": 32}, {"arm": 34, "plane": 80, "elbow": 50}),
        ({"arm": 10, "plane": 0, "elbow": 12}, {"arm": 16, "plane": 50, "elbow": 60, "roll": -30}),
    ),
    "lap": (
        ({"arm": 30, "plane": 70, "elbow": 50, "roll": -20}, {"arm": 30, "plane": 70, "elbow": 50, "roll": -20}),
        ({"arm": 22, "plane": 60, "elbow": 66, "roll": -50}, {"arm": 24, "plane": 64, "elbow": 70, "roll": -50}),
        ({"arm": 36, "plane": 80, "elbow": 28}, {"arm": 20, "plane": 40, "elbow": 80, "roll": -40}),
        ({"arm": 20, "plane": -10, "elbow": 30}, {"arm": 34, "plane": 76, "elbow": 84, "roll": -26}),
    ),
    "busy": (
        ({"arm": 33, "plane": 46, "roll": -38, "elbow": 92}, {"arm": 33, "plane": 46, "roll": -38, "elbow": 92}),
        ({"arm": 40, "plane": 72, "elbow": 78, "roll": -20}, {"arm": 36, "plane": 64, "elbow": 92, "roll": -26}),
        ({"arm": 26, "plane": 60, "elbow": 112, "roll": -30}, {"arm": 30, "plane": 50, "elbow": 76, "roll": -30}),
        ({"arm": 52, "plane": 80, "elbow": 58, "roll": -10}, {"arm": 48, "plane": 78, "elbow": 66, "roll": -14}),
        ({"arm": 20, "plane": 30, "elbow": 84, "roll": -30}, {"arm": 60, "plane": 76, "elbow": 40, "roll": -4}),
    ),
    "balancing": (
        ({"arm": 62, "plane": 10, "elbow": 20}, {"arm": 56, "plane": 4, "elbow": 26}),
        ({"arm": 84, "plane": 30, "elbow": 30}, {"arm": 50, "plane": -24, "elbow": 40}),
        ({"arm": 50, "plane": 50, "elbow": 56}, {"arm": 70, "plane": 14, "elbow": 24}),
        ({"arm": 102, "plane": 16, "elbow": 30}, {"arm": 74, "plane": -10, "elbow": 30}),
        ({"arm": 34, "plane": 30, "elbow": 50}, {"arm": 40, "plane": 10, "elbow": 36}),
    ),
    "pumping": (
        ({"arm": 40, "plane": -88, "elbow": 92, "grip": 1}, {"arm": 38, "plane": 84, "elbow": 96, "grip": 1}),
        ({"arm": 30, "plane": -80, "elbow": 78, "grip": 1}, {"arm": 30, "plane": 70, "elbow": 84, "grip": 1,
         "roll": -20}),
        ({"arm": 50, "plane": -86, "elbow": 62, "grip": 0.7}, {"arm": 56, "plane": 86, "elbow": 70, "grip": 0.7}),
        ({"arm": 30, "plane": 30, "elbow": 70, "grip": 0.6}, {"arm": 46, "plane": -30, "elbow": 60, "grip": 0.6}),
    ),
}  # fmt: skip


def with_legs(base: Stance, legs: LegFamily, rng: np.random.Generator | None = None) -> Stance:
    """Return the stance with legs of a family, and the family's trunk angles added to its own.

    Without `rng` the legs are the family's first ones.
    """
    family = [member.to_stance() for member in LEG_FAMILIES[legs]]
    chosen = family[0] if rng is None else _mix_family(rng, family)
    stance, neutral = base.copy(), make_stance()
    for side in ("left", "right"):
        for name in LEG_ANGLES:
            stance[ANGLE_INDEX[f"{side}_{name}"]] = chosen[ANGLE_INDEX[f"{side}_{name}"]]
    for name in ("lean", "tilt", "bend", "side", "twist", "nod", "lift"):
        stance[ANGLE_INDEX[name]] += chosen[ANGLE_INDEX[name]] - neutral[ANGLE_INDEX[name]]
    return clamp_to_limits(stance)


def with_arms(
    base: Stance, arms: ArmFamily, sides: tuple[str, ...] = ("left", "right"), rng: np.random.Generator | None = None
) -> Stance:
    """Return the stance with arms of a family on some sides; without `rng`, with the family's first ones."""
    family = [_arm_stance(*pair) for pair in ARM_FAMILIES[arms]]
    stance = base.copy()
    together = None if rng is None or arms not in ("swinging", "pumping") else _mix_family(rng, family)
    for side in sides:  # swinging arms belong together, as they alternate; other arms are independent
        chosen = family[0] if rng is None else _mix_family(rng, family) if together is None else together
        for name in ARM_ANGLES:
            stance[ANGLE_INDEX[f"{side}_{name}"]] = chosen[ANGLE_INDEX[f"{side}_{name}"]]
    return stance


def _arm_stance(left: Limb, right: Limb) -> Stance:
    arms = (("left", left), ("right", right))
    return make_stance(**{f"{side}_{name}": value for side, arm in arms for name, value in arm.items()})


def _mix_family(rng: np.random.Generator, family: list[Stance]) -> Stance:
    """Return a random mixture of two random members, at least half of it the first, mirrored or not."""
    first, second = rng.permutation(len(family))[:2]
    share = float(rng.uniform(0, 0.5))
    mixture = family[first] * (1 - share) + family[second] * share
    return mirrored(mixture) if rng.random() < 0.5 else mixture
