"""Combined poses: the legs of one movement with other arms, each arm free of the other, as in real people.

Named movements rarely vary one arm without the other. Most people do: one hand on the hip, the other waving. A combined
pose takes legs and trunk from one movement of the repertoire, and for each arm either the arm of another movement or a
random one. Poses whose arms would pass through the body are drawn again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from models.figures.ease import ARM_ANGLES
from models.figures.freedom import LegMode, random_arm, random_legs
from models.figures.movement import Kind, Movement, Prop
from models.figures.skeleton import SIDES, Skeleton, Vector, pose_skeleton
from models.figures.stance import ANGLE_INDEX, Stance, clamp_to_limits, mirrored
from models.figures.titles import combined_title

SEATS: Final[tuple[Prop, ...]] = ("stool", "chair", "wheelchair")
"""The props that a seated person keeps; a combined pose has no others, as other arms would not hold them."""

KINDS: Final[dict[LegMode, tuple[Kind, ...]]] = {
    "standing": ("everyday", "everyday", "acting", "dance"),
    "stepping": ("everyday", "dance", "sport", "yoga", "fight"),
    "kicking": ("dance", "sport", "fight"),
    "sitting": ("everyday",),
    "crouching": ("everyday", "sport", "yoga"),
    "jumping": ("dance", "sport"),
}
"""The kinds of scene and clothes that suit each way to use legs."""

MAX_TRIES: Final = 30
"""Arms drawn for one pose until they touch nothing; a few trunk positions leave very little room."""

LEG_MODES: Final[dict[LegMode, float]] = {
    "standing": 0.26, "stepping": 0.20, "kicking": 0.10, "sitting": 0.16, "crouching": 0.05, "jumping": 0.05,
}  # fmt: skip
"""How likely each way to use legs is. The other combined poses have the legs of any movement."""

FREE_ARM_SHARE: Final = 0.5
"""The share of arms that are random; the others are arms of the repertoire, which people use most."""

TRUNK_SIGMAS: Final = {"lean": 7.0, "bend": 7.0, "side": 8.0, "twist": 9.0, "nod": 7.0, "cock": 7.0, "look": 14.0}
"""Degrees (standard deviation) by which a combined pose's trunk and head differ from its movement's."""

CHEST_HALF_AXES: Final = np.array([0.165, 0.27, 0.115])
"""Metres from the middle of an average adult's trunk, to its left, up and ahead, to where arms touch it."""
HEAD_RADIUS: Final = 0.088
ARM_RADIUS: Final = 0.062
"""Metres between the middles of two forearms at which they touch."""


def combine(rng: np.random.Generator, repertoire: Sequence[Movement]) -> Movement:
    """Return a pose made from parts of the repertoire's."""
    base, kind, props = _choose_legs(rng, repertoire)
    for name, sigma in TRUNK_SIGMAS.items():
        base[ANGLE_INDEX[name]] += rng.normal(0, sigma)
    base = clamp_to_limits(base)
    both_alike = rng.random() < 0.2
    for _ in range(MAX_TRIES):
        stance = base.copy()
        arm = _choose_arm(rng, repertoire)
        for side in SIDES:
            if side == "right" and not both_alike:
                arm = _choose_arm(rng, repertoire)
            for angle, value in zip(ARM_ANGLES, arm.tolist(), strict=True):
                stance[ANGLE_INDEX[f"{side}_{angle}"]] = value
        stance = clamp_to_limits(stance)
        skeleton = pose_skeleton(stance)
        if not arms_touch(skeleton):
            break
    return Movement(combined_title(skeleton, seated=bool(props)), kind, stance, props)


def _choose_legs(rng: np.random.Generator, repertoire: Sequence[Movement]) -> tuple[Stance, Kind, tuple[Prop, ...]]:
    """Return a stance with the legs and trunk of a combined pose, its kind, and its seat."""
    draw = rng.random()
    for mode, share in LEG_MODES.items():
        if draw < share:
            kinds = KINDS[mode]
            props: tuple[Prop, ...] = (SEATS[int(rng.integers(2))],) if mode == "sitting" else ()
            return random_legs(rng, mode), kinds[int(rng.integers(len(kinds)))], props
        draw -= share
    movement = repertoire[int(rng.integers(len(repertoire)))]
    stance = movement.sample_stance(rng)
    props = tuple(prop for prop in movement.props if prop in SEATS)
    return (mirrored(stance) if rng.random() < 0.5 else stance.copy()), movement.kind, props


def _choose_arm(rng: np.random.Generator, repertoire: Sequence[Movement]) -> Vector:
    """Return the angles of an arm, one for each of `ARM_ANGLES`."""
    if rng.random() < FREE_ARM_SHARE:
        return random_arm(rng)
    stance = repertoire[int(rng.integers(len(repertoire)))].sample_stance(rng)
    side = SIDES[int(rng.integers(2))]
    return np.array([stance[ANGLE_INDEX[f"{side}_{name}"]] for name in ARM_ANGLES])


def arms_touch(skeleton: Skeleton) -> bool:
    """Return whether an arm passes through trunk, head or the other arm."""
    u, chest = skeleton.build.scale, skeleton.frames["chest"]
    middle = skeleton.points["chest"] * 0.55 + skeleton.points["waist"] * 0.45
    forearms = {side: _forearm_points(skeleton, side) for side in SIDES}
    for places in forearms.values():
        inner = places[1:]
        if (np.linalg.norm((inner - middle) @ chest / (CHEST_HALF_AXES * u), axis=1) < 1).any():
            return True
        if (np.linalg.norm(inner - skeleton.points["head"], axis=1) < HEAD_RADIUS * u).any():
            return True
        if (inner[:, 1] < 0.02).any():
            return True
        for side in SIDES:
            thigh = np.linspace(skeleton.points[f"{side}_hip"], skeleton.points[f"{side}_knee"], 6)
            if np.linalg.norm(inner[:, None] - thigh, axis=2).min() < ARM_RADIUS * u * 1.25:
                return True
    gaps = np.linalg.norm(forearms["left"][:, None] - forearms["right"], axis=2)
    return bool(gaps.min() < ARM_RADIUS * u)


def _forearm_points(skeleton: Skeleton, side: str) -> Vector:
    """Return eight places from elbow to fingertips, 8×3 metres."""
    elbow, wrist, hand = (skeleton.points[f"{side}_{name}"] for name in ("elbow", "wrist", "hand"))
    tips = hand + (hand - wrist) * 0.9
    return np.concatenate([np.linspace(elbow, wrist, 6), hand[None], tips[None]])
