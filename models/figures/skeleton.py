"""A skeleton: bone lengths by build, and the 3-D place of every joint in a stance, with the figure on the floor.

Metres in the figure's own axes: x to its left, y up, z ahead. A bone's frame is the rotation from the bone's own axes
(at rest parallel to the figure's) to the figure's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from models.figures.stance import ANGLE_INDEX, ANGLE_NAMES, LIMITS, Stance, clamp_to_limits

Vector = npt.NDArray[np.float64]
"""x, y, z in metres: 3, or N×3."""
Frame = npt.NDArray[np.float64]
"""A rotation, 3×3."""

SIDES: Final = ("left", "right")
FACE_POINTS: Final = (
    (0.0, -0.026, 0.104),
    (0.034, 0.014, 0.080),
    (-0.034, 0.014, 0.080),
    (0.080, -0.010, -0.008),
    (-0.080, -0.010, -0.008),
)
"""Nose, eyes and ears, in metres from the centre of an average adult's head."""
MAX_EVERSION: Final = 32.0
"""Degrees by which a planted foot rolls sideways against its shank, at most."""
_FLIP: Final = np.outer([-1.0, 1.0, 1.0], [-1.0, 1.0, 1.0])
"""Multiplies a rotation of a left bone into the mirrored rotation of the right one."""


@dataclass(frozen=True, slots=True)
class Build:
    """A person's build. `height`, `shoulders` and `hips` are in metres, the rest relative to an average adult."""

    height: float = 1.72
    head: float = 1.0
    shoulders: float = 0.172
    hips: float = 0.092
    legs: float = 1.0
    arms: float = 1.0
    chest: float = 1.0
    belly: float = 1.0
    seat: float = 1.0
    bust: float = 0.0
    limbs: float = 1.0

    @property
    def scale(self) -> float:
        """The height relative to the average adult's."""
        return self.height / 1.72

    def bone_length(self, name: str) -> float:
        """Return the length of a bone in metres: thigh, shank, upper_arm, forearm or palm."""
        return BONE_LENGTHS[name] * self.scale * (self.legs if name in ("thigh", "shank") else self.arms)


BONE_LENGTHS: Final = {"thigh": 0.42, "shank": 0.41, "upper_arm": 0.285, "forearm": 0.25, "palm": 0.085}
ANKLE_HEIGHT: Final = 0.085
"""Metres from an average adult's sole to the ankle."""
FOOT_POINTS: Final = {"heel": (0.0, -0.05, -0.045), "ball": (0.0, -0.05, 0.115), "toe": (0.0, -0.055, 0.175)}
"""Points of the foot, in metres from the ankle in the foot's own axes; each is `FOOT_RADIUS` above the sole."""
FOOT_RADIUS: Final = 0.035
PART_RADII: Final = {
    "heel": 0.035, "ball": 0.035, "toe": 0.03, "knee": 0.06, "hip": 0.11, "wrist": 0.03, "hand": 0.03, "elbow": 0.045,
    "shoulder": 0.07, "head": 0.11, "chest": 0.11,
}  # fmt: skip
"""Metres from a point to the floor when its part of the body is on the floor."""


@dataclass(frozen=True, slots=True, eq=False)
class Skeleton:
    """Joints in metres, with the floor at y = 0, and the bones' frames.

    Points: pelvis, waist, chest, neck, head (its centre), and left_ and right_ clavicle, shoulder, elbow, wrist, hand,
    hip, knee, ankle, heel, ball, toe. Frames: pelvis, waist, chest, neck, head, and left_ and right_ upper_arm,
    forearm, hand, thigh, shank, foot. `grips`: how far each side's hand is closed, 0 to 1.
    """

    build: Build
    points: dict[str, Vector]
    frames: dict[str, Frame]
    grips: dict[str, float]

    def keypoints(self) -> Vector:
        """Return COCO's 17 key points, 17×3."""
        unit = self.build.scale * self.build.head
        face = [self.points["head"] + self.frames["head"] @ (np.array(place) * unit) for place in FACE_POINTS]
        names = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
        return np.array(face + [self.points[f"{side}_{name}"] for name in names for side in SIDES])


def about_x(degrees: float) -> Frame:
    """Return a rotation of y towards z: a positive angle bends forward."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


def about_y(degrees: float) -> Frame:
    """Return a rotation of z towards x: a positive angle turns to the left."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def about_z(degrees: float) -> Frame:
    """Return a rotation of x towards y: a positive angle tilts to the right."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def pose_skeleton(stance: Stance, build: Build = Build()) -> Skeleton:
    """Return the skeleton in a stance: on the floor unless the stance lifts it, with the pelvis above the origin."""
    angles = dict(zip(ANGLE_NAMES, clamp_to_limits(stance).tolist(), strict=True))
    skeleton = Skeleton(build, {"pelvis": np.zeros(3)}, {}, {side: angles[f"{side}_grip"] for side in SIDES})
    _pose_trunk(skeleton, angles)
    for side in SIDES:
        limb = {name.removeprefix(f"{side}_"): value for name, value in angles.items() if name.startswith(side)}
        _pose_arm(skeleton, side, limb)
        _pose_leg(skeleton, side, limb)
    if angles["floor"] > 0:
        _settle(skeleton, angles["turn"], angles["floor"])
    _stand(skeleton, angles)
    return skeleton


def _pose_trunk(skeleton: Skeleton, angles: dict[str, float]) -> None:
    points, frames, u = skeleton.points, skeleton.frames, skeleton.build.scale
    frames["pelvis"] = about_y(angles["turn"]) @ about_x(angles["lean"]) @ about_z(-angles["tilt"])
    half = about_y(angles["twist"] / 2) @ about_x(angles["bend"] / 2) @ about_z(-angles["side"] / 2)
    frames["waist"] = frames["pelvis"] @ half
    frames["chest"] = frames["waist"] @ half
    head = about_y(angles["look"]) @ about_x(angles["nod"]) @ about_z(-angles["cock"])
    part = about_y(angles["look"] / 2) @ about_x(angles["nod"] / 2) @ about_z(-angles["cock"] / 2)
    frames["neck"] = frames["chest"] @ part
    frames["head"] = frames["chest"] @ head
    points["waist"] = points["pelvis"] + frames["pelvis"] @ (0, 0.112 * u, 0)
    points["chest"] = points["waist"] + frames["waist"] @ (0, 0.183 * u, 0)
    points["neck"] = points["chest"] + frames["chest"] @ (0, 0.182 * u, -0.012 * u)
    top = points["neck"] + frames["neck"] @ (0, 0.062 * u, 0.018 * u)
    points["head"] = top + frames["head"] @ (0, 0.082 * u * skeleton.build.head, 0.012 * u * skeleton.build.head)


def _pose_arm(skeleton: Skeleton, side: str, limb: dict[str, float]) -> None:
    points, frames, build = skeleton.points, skeleton.frames, skeleton.build
    sign, u = (1.0, build.scale) if side == "left" else (-1.0, build.scale)
    lifted = min(max((limb["arm"] - 40) / 140, 0.0), 1.0)
    ahead = limb["plane"] / 90 * math.sin(math.radians(min(limb["arm"], 90.0)))
    girdle = about_y(-14 * ahead) @ about_z(limb["shrug"] + 30 * lifted * lifted * (3 - 2 * lifted))
    swing = about_y(-limb["plane"]) @ about_z(limb["arm"]) @ about_y(limb["plane"] + limb["roll"])
    chest = frames["chest"]
    points[f"{side}_clavicle"] = points["chest"] + chest @ (sign * 0.028 * u, 0.146 * u, 0.012 * u)
    out = np.array([sign * (build.shoulders - 0.028) * u, -0.024 * u, -0.022 * u])
    points[f"{side}_shoulder"] = points[f"{side}_clavicle"] + chest @ _mirror_for_side(side, girdle) @ out
    frames[f"{side}_upper_arm"] = chest @ _mirror_for_side(side, swing)
    frames[f"{side}_forearm"] = frames[f"{side}_upper_arm"] @ about_x(-limb["elbow"])
    hand = about_y(limb["palm"]) @ about_z(-limb["wrist"])
    frames[f"{side}_hand"] = frames[f"{side}_forearm"] @ _mirror_for_side(side, hand)
    _place_below(skeleton, f"{side}_elbow", f"{side}_shoulder", f"{side}_upper_arm")
    _place_below(skeleton, f"{side}_wrist", f"{side}_elbow", f"{side}_forearm")
    points[f"{side}_hand"] = points[f"{side}_wrist"] + frames[f"{side}_hand"] @ (0, -build.bone_length("palm"), 0)


def _pose_leg(skeleton: Skeleton, side: str, limb: dict[str, float]) -> None:
    points, frames, build = skeleton.points, skeleton.frames, skeleton.build
    sign = 1.0 if side == "left" else -1.0
    points[f"{side}_hip"] = points["pelvis"] + frames["pelvis"] @ (
        sign * build.hips * build.scale,
        -0.07 * build.scale,
        0,
    )
    swing = about_x(-limb["hip"]) @ about_z(limb["spread"]) @ about_y(limb["turnout"])
    frames[f"{side}_thigh"] = frames["pelvis"] @ _mirror_for_side(side, swing)
    frames[f"{side}_shank"] = frames[f"{side}_thigh"] @ about_x(limb["knee"])
    frames[f"{side}_foot"] = frames[f"{side}_shank"] @ about_x(limb["point"])
    _place_leg(skeleton, side)


def _place_leg(skeleton: Skeleton, side: str) -> None:
    """Compute the leg's points from its hip and its frames."""
    _place_below(skeleton, f"{side}_knee", f"{side}_hip", f"{side}_thigh")
    _place_below(skeleton, f"{side}_ankle", f"{side}_knee", f"{side}_shank")
    for name, place in FOOT_POINTS.items():
        away = np.array(place) * skeleton.build.scale
        skeleton.points[f"{side}_{name}"] = skeleton.points[f"{side}_ankle"] + skeleton.frames[f"{side}_foot"] @ away


def _place_below(skeleton: Skeleton, point: str, above: str, bone: str) -> None:
    length = skeleton.build.bone_length(bone.partition("_")[2])
    skeleton.points[point] = skeleton.points[above] - length * skeleton.frames[bone][:, 1]


def _mirror_for_side(side: str, turn: Frame) -> Frame:
    return turn if side == "left" else turn * _FLIP


def _lowest_points(skeleton: Skeleton) -> tuple[Vector, Vector]:
    """Return the lowest points of the N parts that may be on the floor, N×3, and their weights, N."""
    u, places, weights = skeleton.build.scale, [], []
    for name, point in skeleton.points.items():
        part = name.removeprefix("left_").removeprefix("right_")
        if part in PART_RADII:
            places.append(point - (0, PART_RADII[part] * u, 0))
            weights.append({"hip": 3.0, "chest": 6.0, "shoulder": 1.0, "head": 2.0, "knee": 1.5}.get(part, 0.3))
    return np.array(places), np.array(weights)


def _settle(skeleton: Skeleton, turn: float, share: float) -> None:
    """Let the figure fall forward or back about its lowest part, until parts on both sides of its weight support it."""
    ahead = about_y(turn)[:, 2]
    fallen = 0.0
    for _ in range(4):
        places, weights = _lowest_points(skeleton)
        forth = places @ ahead
        low = int(places[:, 1].argmin())
        direction = 1.0 if float(forth @ weights) / weights.sum() > forth[low] else -1.0
        distance = (forth - forth[low]) * direction
        angles = np.degrees(np.arctan2(places[:, 1] - places[low, 1], np.maximum(distance, 1e-9)))
        angles[distance < 0.05] = 90.0
        angle = float(angles.min())
        if angle < 0.3 or abs(fallen + direction * angle) > 60:
            return
        fallen += direction * angle
        fall = about_y(turn) @ about_x(direction * angle * share) @ about_y(-turn)
        for name, point in skeleton.points.items():
            skeleton.points[name] = fall @ point
        for name, frame in skeleton.frames.items():
            skeleton.frames[name] = fall @ frame


def _stand(skeleton: Skeleton, angles: dict[str, float]) -> None:
    """Raise or lower the figure until it touches the floor, and plant its feet as the stance says."""
    shares = {side: angles[f"{side}_planted"] for side in SIDES}
    places, _ = _lowest_points(skeleton)
    height = -float(places[:, 1].min())
    if max(shares.values()) > 0:
        soles = min(
            _ankle_height(skeleton, angles[f"{side}_heel"]) - skeleton.points[f"{side}_ankle"][1] + 2 * (1 - share)
            for side, share in shares.items()
        )
        height += (max(soles, _depth_below_floor(skeleton, shares)) - height) * max(shares.values())
    _raise(skeleton, height)
    for _ in range(3):
        for side, share in shares.items():
            if share > 0:
                _plant(skeleton, side, share, angles[f"{side}_heel"])
        if (sunk := _depth_below_floor(skeleton, shares)) < 0.001 or max(shares.values()) == 0:
            break
        _raise(skeleton, sunk)
    _raise(skeleton, angles["lift"] / 100)


def _depth_below_floor(skeleton: Skeleton, shares: dict[str, float]) -> float:
    """Return how far below the floor anything but a planted foot is, in metres; negative if all of it is above."""
    return -min(
        float(point[1]) - PART_RADII[part] * skeleton.build.scale
        for name, point in skeleton.points.items()
        for side, _, part in [name.partition("_")]
        if part in ("knee", "hip", "hand") or (part in FOOT_POINTS and not shares[side])
    )


def _raise(skeleton: Skeleton, height: float) -> None:
    for name, point in skeleton.points.items():
        skeleton.points[name] = point + np.array([0, height, 0])


def _ankle_height(skeleton: Skeleton, heel: float) -> float:
    """Return the ankle's height in metres when the heel is raised by an angle in degrees (0: the sole is flat)."""
    _, down, ahead = FOOT_POINTS["ball"]
    tip = math.radians(heel)
    return skeleton.build.scale * (FOOT_RADIUS - down * math.cos(tip) + ahead * math.sin(tip))


def _plant(skeleton: Skeleton, side: str, share: float, heel: float) -> None:
    """Move a foot vertically to the floor by bending hip and knee.

    The toes stay flat when the heel is raised. If the ankle cannot bend far enough, the heel rises too.
    """
    points, frames = skeleton.points, skeleton.frames
    target, free = points[f"{side}_ankle"].copy(), frames[f"{side}_foot"]
    height = _ankle_height(skeleton, heel)
    from_above = target[1]
    for _ in range(3):
        target[1] = from_above + (height - from_above) * share
        _reach(skeleton, side, target)
        shank = frames[f"{side}_shank"]
        ahead = shank[:, 2] * (1, 0, 1) - 0.2 * shank[:, 1] * (1, 0, 1)
        mixed = _level_frame(ahead) @ about_x(heel) * share + free * (1 - share)
        frames[f"{side}_foot"] = shank @ _limit_ankle(shank.T @ _orthonormalise(mixed))
        _place_leg(skeleton, side)
        ball, back = points[f"{side}_ball"], points[f"{side}_heel"]
        height -= min(float(ball[1]), float(back[1])) - FOOT_RADIUS * skeleton.build.scale
    foot = frames[f"{side}_foot"]
    tip = math.degrees(math.atan2(-foot[1, 2], foot[1, 1])) * share
    toes = foot @ about_x(-tip) @ (np.array(FOOT_POINTS["toe"]) - FOOT_POINTS["ball"])
    points[f"{side}_toe"] = points[f"{side}_ball"] + toes * skeleton.build.scale


def _reach(skeleton: Skeleton, side: str, target: Vector) -> None:
    """Move the ankle to a place and keep the knee's direction: inverse kinematics of two bones."""
    points, frames, build = skeleton.points, skeleton.frames, skeleton.build
    thigh, shank = build.bone_length("thigh"), build.bone_length("shank")
    offset = target - points[f"{side}_hip"]
    folded = math.radians(180 - LIMITS[ANGLE_INDEX["left_knee"], 1])
    least = math.sqrt(thigh**2 + shank**2 - 2 * thigh * shank * math.cos(folded))
    distance = min(max(float(np.linalg.norm(offset)), least), (thigh + shank) * 0.9999)
    bent = (thigh**2 + shank**2 - distance**2) / (2 * thigh * shank)
    knee = 180 - math.degrees(math.acos(min(max(bent, -1.0), 1.0)))
    before = frames[f"{side}_thigh"] @ (-thigh * about_x(0)[:, 1] - shank * about_x(knee)[:, 1])
    frames[f"{side}_thigh"] = _rotation_between(before, offset) @ frames[f"{side}_thigh"]
    frames[f"{side}_shank"] = frames[f"{side}_thigh"] @ about_x(knee)
    _place_leg(skeleton, side)


def _rotation_between(before: Vector, after: Vector) -> Frame:
    """Return the smallest rotation from one direction to another, by Rodrigues' formula."""
    a, b = before / np.linalg.norm(before), after / np.linalg.norm(after)
    axis, cosine = np.cross(a, b), float(a @ b)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    rotation: Frame = np.eye(3) + cross + cross @ cross / max(1 + cosine, 1e-6)
    return rotation


def _level_frame(ahead: Vector) -> Frame:
    """Return a frame whose z is along a level direction."""
    z = ahead / max(float(np.linalg.norm(ahead)), 1e-9)
    return np.column_stack([np.cross((0, 1, 0), z), (0, 1, 0), z])


def _orthonormalise(rough: Frame) -> Frame:
    """Return a frame near a mixture of two: Gram and Schmidt's method, from the z axis."""
    z = rough[:, 2] / max(float(np.linalg.norm(rough[:, 2])), 1e-9)
    x = np.cross(rough[:, 1], z)
    x /= max(float(np.linalg.norm(x)), 1e-9)
    return np.column_stack([x, np.cross(z, x), z])


def _limit_ankle(turn: Frame) -> Frame:
    """Limit a foot's rotation against its shank to what an ankle can do: first about x, then along the foot."""
    low, high = LIMITS[ANGLE_INDEX["left_point"]]
    point = math.degrees(math.atan2(-turn[1, 2], turn[2, 2]))
    rest = about_x(-point) @ turn
    roll = math.degrees(math.atan2(rest[1, 0], rest[1, 1]))
    return about_x(min(max(point, low), high)) @ about_z(min(max(roll, -MAX_EVERSION), MAX_EVERSION))
