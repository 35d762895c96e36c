"""Turns motion capture into skeletons: it gives the directions of the bones, and a build gives their lengths.

A file of motion capture is an .npz with `X`, N×17×3: COCO's 17 key points in 3-D, hip-centred, y up, in any unit,
facing anywhere. What 17 points do not show (a rounded back, the way a head is held, hands, toes) is chosen at
random, as people have it. The files are used for training only.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from models.figures.skeleton import (
    ANKLE_HEIGHT,
    FOOT_POINTS,
    MAX_EVERSION,
    PART_RADII,
    SIDES,
    Build,
    Frame,
    Skeleton,
    Vector,
    about_x,
    about_y,
    about_z,
    pose_skeleton,
)
from models.figures.stance import ANGLE_INDEX, LIMITS, make_stance

Floats = npt.NDArray[np.float32]

LIMB_BONES: Final = {
    "left_upper_arm": (5, 7), "left_forearm": (7, 9), "right_upper_arm": (6, 8), "right_forearm": (8, 10),
    "left_thigh": (11, 13), "left_shank": (13, 15), "right_thigh": (12, 14), "right_shank": (14, 16),
}  # fmt: skip
"""The key points at the ends of each bone, from the trunk outwards."""
HINGE_BEND_DEGREES: Final = {"arm": (6.0, 20.0), "leg": (10.0, 30.0)}
"""Below the first bend, in degrees, a limb's hinge follows from the trunk; above the second, from the limb itself.
"""
KNEE_TURNOUT: Final = 0.16
"""How far the kneecap of a straight leg points outwards, as a tangent."""
SPINE_BEND_RATIO: Final = 0.25
"""The spine's bend for each degree that the thighs are in front of the trunk."""
HEAD_SPREAD_DEGREES: Final = {"look": 22.0, "nod": 11.0, "cock": 7.0}
"""Random turn of heads besides what the face's key points show (standard deviations in degrees)."""
FACE_WEIGHT: Final = 0.5
"""How much of the head's turn comes from the face's key points, which are only approximate."""
NOSE_DROP_DEGREES: Final = math.degrees(math.atan2(0.016, 0.112))
"""Seen from between the ears, a nose is this much lower than the direction in which the head looks."""
TRUNK_PARENTS: Final = (("waist", "pelvis"), ("chest", "waist"), ("neck", "chest"), ("head", "neck"))
"""Each point of the trunk, and the point below it."""
ANKLE_TO_BALL: Final = FOOT_POINTS["ball"][2]
"""From the ankle forward to the ball of the foot, in metres, for an average adult."""


def load_poses(files: Sequence[Path]) -> Floats:
    """Return the poses of some files one after the other, N×17×3. Raises ValueError for a file that is not motion
    capture."""
    return np.concatenate([np.zeros((0, 17, 3), np.float32), *(_read_file(Path(file)) for file in files)])


def _read_file(file: Path) -> Floats:
    try:
        with file.open("rb") as opened, np.load(opened) as stored:
            joints = np.asarray(stored["X"], np.float32)
    except (OSError, EOFError, ValueError, LookupError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{file} is not motion capture: give an .npz with the key points as X ({error})") from error
    if joints.ndim != 3 or joints.shape[1:] != (17, 3):
        raise ValueError(f"{file} is not motion capture: its X is {'×'.join(map(str, joints.shape))}, not N×17×3")
    if not np.isfinite(joints).all():
        raise ValueError(f"{file} has key points that are not finite: remove those poses")
    return joints


def skeleton_from_joints(joints: npt.NDArray[np.floating], build: Build, rng: np.random.Generator) -> Skeleton:
    """Return the skeleton of a pose (17×3, y up): on the floor, the pelvis above the origin, facing as the pose
    does.

    Limbs, and the lines between the hips and between the shoulders, have the pose's directions; all lengths are the
    build's.
    """
    positions = np.asarray(joints, np.float64)
    ways = {bone: _normalised(positions[end] - positions[start]) for bone, (start, end) in LIMB_BONES.items()}
    grips = {side: float(rng.beta(1.2, 2.0)) for side in SIDES}
    skeleton = Skeleton(build, {"pelvis": np.zeros(3)}, {}, grips)
    _place_trunk(skeleton, positions, ways, rng)
    for side in SIDES:
        _place_arm(skeleton, side, ways, rng)
        _place_leg(skeleton, side, ways)
    floor = min(
        _lowest_height(skeleton),
        *(float(skeleton.points[f"{side}_ankle"][1]) - ANKLE_HEIGHT * build.scale for side in SIDES),
    )
    for side in SIDES:
        _place_foot(skeleton, side, floor, rng)
    up = np.array([0.0, -_lowest_height(skeleton), 0.0])
    for name, point in skeleton.points.items():
        skeleton.points[name] = point + up
    return skeleton


def _place_trunk(skeleton: Skeleton, positions: Vector, ways: dict[str, Vector], rng: np.random.Generator) -> None:
    """Place pelvis, waist, chest, neck, head and shoulders."""
    points, frames, rest = skeleton.points, skeleton.frames, _rest_offsets(skeleton.build)
    spine = _normalised((positions[5] + positions[6]) - (positions[11] + positions[12]))
    pelvis, chest = (
        _frame_across(positions[11] - positions[12], spine),
        _frame_across(positions[5] - positions[6], spine),
    )
    thighs = [ways[f"{side}_thigh"] @ pelvis for side in SIDES]
    raised = sum(math.degrees(math.atan2(float(way[2]), max(-float(way[1]), -0.5))) for way in thighs) / 2
    bend = min(max(SPINE_BEND_RATIO * raised + float(rng.normal(0, 5)), -20.0), 45.0)
    frames["pelvis"] = pelvis @ about_x(-bend / 2)
    places = {
        side: rest["clavicle", side] + _shoulder_rotation(side, ways, chest) @ rest["shoulder", side] for side in SIDES
    }
    line = _frame_across(places["left"] - places["right"], np.array([0.0, 1.0, 0.0]))
    frames["chest"] = chest @ about_x(bend / 2) @ line.T  # shoulders that ride up keep the pose's line
    frames["waist"] = _mean_frame(frames["pelvis"], frames["chest"])
    look, nod, cock = _head_angles(positions, frames["chest"], rng)
    frames["neck"] = frames["chest"] @ about_y(look / 2) @ about_x(nod / 2) @ about_z(-cock / 2)
    frames["head"] = frames["chest"] @ about_y(look) @ about_x(nod) @ about_z(-cock)
    for name, below in (("waist", "pelvis"), ("chest", "waist"), ("neck", "chest")):
        points[name] = points[below] + frames[below] @ rest[name, ""]
    points["head"] = points["neck"] + frames["neck"] @ rest["nape", ""] + frames["head"] @ rest["head", ""]
    for side in SIDES:
        points[f"{side}_clavicle"] = points["chest"] + frames["chest"] @ rest["clavicle", side]
        points[f"{side}_shoulder"] = points["chest"] + frames["chest"] @ places[side]
        points[f"{side}_hip"] = points["pelvis"] + frames["pelvis"] @ rest["hip", side]


def _shoulder_rotation(side: str, ways: dict[str, Vector], chest: Frame) -> Frame:
    """Return how a raised arm turns its shoulder."""
    direction = ways[f"{side}_upper_arm"] @ chest
    sign = 1.0 if side == "left" else -1.0
    lifted = _smoothstep(math.degrees(math.acos(min(max(-float(direction[1]), -1.0), 1.0))), 40.0, 180.0)
    return about_y(-14 * sign * float(direction[2])) @ about_z(30 * sign * lifted)


def _head_angles(positions: Vector, chest: Frame, rng: np.random.Generator) -> tuple[float, float, float]:
    """Return look, nod and cock of a head relative to its chest, in degrees."""
    nose, ears, across = positions[0], (positions[3] + positions[4]) / 2, positions[3] - positions[4]
    ahead = _normalised(nose - ears) @ chest
    measured = {
        "look": math.degrees(math.atan2(ahead[0], ahead[2])),
        "nod": -math.degrees(math.asin(min(max(float(ahead[1]), -1.0), 1.0))) - NOSE_DROP_DEGREES,
        "cock": -math.degrees(math.asin(min(max(float((_normalised(across) @ chest)[1]), -1.0), 1.0))),
    }
    angles = []
    for name, spread in HEAD_SPREAD_DEGREES.items():
        low, high = LIMITS[ANGLE_INDEX[name]]
        angles.append(min(max(FACE_WEIGHT * measured[name] + float(rng.normal(0, spread)), 0.9 * low), 0.9 * high))
    return angles[0], angles[1], angles[2]


def _place_arm(skeleton: Skeleton, side: str, ways: dict[str, Vector], rng: np.random.Generator) -> None:
    points, frames, build = skeleton.points, skeleton.frames, skeleton.build
    upper, fore = ways[f"{side}_upper_arm"], ways[f"{side}_forearm"]
    hinge = _hinge(upper, -_cross(upper, fore), frames["chest"], HINGE_BEND_DEGREES["arm"], 0.0)
    frames[f"{side}_upper_arm"], frames[f"{side}_forearm"] = _bone_frame(upper, hinge), _bone_frame(fore, hinge)
    palm, wrist = float(np.clip(rng.normal(10, 30), -70, 75)), float(np.clip(rng.normal(5, 14), -40, 45))
    sign = 1.0 if side == "left" else -1.0
    frames[f"{side}_hand"] = frames[f"{side}_forearm"] @ about_y(sign * palm) @ about_z(-sign * wrist)
    points[f"{side}_elbow"] = points[f"{side}_shoulder"] + upper * build.bone_length("upper_arm")
    points[f"{side}_wrist"] = points[f"{side}_elbow"] + fore * build.bone_length("forearm")
    points[f"{side}_hand"] = points[f"{side}_wrist"] - frames[f"{side}_hand"][:, 1] * build.bone_length("palm")


def _place_leg(skeleton: Skeleton, side: str, ways: dict[str, Vector]) -> None:
    points, frames, build = skeleton.points, skeleton.frames, skeleton.build
    thigh, shank = ways[f"{side}_thigh"], ways[f"{side}_shank"]
    outwards = KNEE_TURNOUT if side == "left" else -KNEE_TURNOUT
    hinge = _hinge(thigh, _cross(thigh, shank), frames["pelvis"], HINGE_BEND_DEGREES["leg"], outwards)
    frames[f"{side}_thigh"], frames[f"{side}_shank"] = _bone_frame(thigh, hinge), _bone_frame(shank, hinge)
    points[f"{side}_knee"] = points[f"{side}_hip"] + thigh * build.bone_length("thigh")
    points[f"{side}_ankle"] = points[f"{side}_knee"] + shank * build.bone_length("shank")


def _hinge(direction: Vector, own: Vector, trunk: Frame, bend_degrees: tuple[float, float], outwards: float) -> Vector:
    """Return the unit axis around which a limb bends.

    A limb that bends enough has its `own`, whose length is the sine of the bend. The hinge of a straight limb is as
    if the limb had swung to its place from hanging down with its front ahead.
    """
    front = trunk @ np.array([outwards, float(direction @ trunk[:, 2]), 1.0])
    swung = _normalised(_cross(front, direction))
    bend = math.sqrt(float(own @ own))
    share = _smoothstep(bend, *(math.sin(math.radians(degrees)) for degrees in bend_degrees))
    return swung if share == 0 else _normalised(own * (share / bend) + swung * (1 - share))


def _place_foot(skeleton: Skeleton, side: str, floor: float, rng: np.random.Generator) -> None:
    """Place a foot. Near the floor it stands on its sole, or on its ball if its heel is up; otherwise it hangs."""
    points, frames, u = skeleton.points, skeleton.frames, skeleton.build.scale
    shank, ankle = frames[f"{side}_shank"], points[f"{side}_ankle"]
    high = (float(ankle[1]) - floor) / u - ANKLE_HEIGHT
    near = 1 - _smoothstep(high, 0.08, 0.22)
    low, most = LIMITS[ANGLE_INDEX["left_point"]]
    level = math.degrees(math.atan2(shank[1, 2], shank[1, 1]))  # a foot turned by this about x is level
    heel = math.degrees(math.asin(min(max(high, 0.0) / ANKLE_TO_BALL, 0.8))) * _smoothstep(-level, 0.0, 20.0)
    near *= 1 - _smoothstep(abs(level), 55.0, 80.0)  # the shank lies down, so nobody stands on that foot
    point = (level + heel) * near + float(np.clip(rng.normal(25, 10), 0, 50)) * (1 - near)
    foot = shank @ about_x(min(max(point, low), most))
    roll = math.degrees(math.atan2(-foot[1, 0], max(float(foot[1, 1]), 0.2))) * near
    foot = foot @ about_z(min(max(roll, -MAX_EVERSION), MAX_EVERSION))
    frames[f"{side}_foot"] = foot
    for name in ("heel", "ball"):
        points[f"{side}_{name}"] = ankle + foot @ (np.array(FOOT_POINTS[name]) * u)
    toes = np.array(FOOT_POINTS["toe"]) - FOOT_POINTS["ball"]
    points[f"{side}_toe"] = points[f"{side}_ball"] + foot @ about_x(-heel * near) @ toes * u


def _lowest_height(skeleton: Skeleton) -> float:
    """Return the height of the lowest part of the body, in metres."""
    parts = ((point[1], name.removeprefix("left_").removeprefix("right_")) for name, point in skeleton.points.items())
    return min(float(height) - PART_RADII[part] * skeleton.build.scale for height, part in parts if part in PART_RADII)


@lru_cache(maxsize=256)
def _rest_offsets(build: Build) -> dict[tuple[str, str], Vector]:
    """Return each point's offset from its parent, in metres along the parent's axes, from a figure at attention."""
    zero = make_stance() * 0  # all bones parallel to the figure
    points = pose_skeleton(zero, build).points
    headless = pose_skeleton(zero, replace(build, head=0.0)).points
    offsets = {(name, ""): points[name] - points[below] for name, below in TRUNK_PARENTS}
    offsets["nape", ""] = headless["head"] - headless["neck"]
    offsets["head", ""] -= offsets["nape", ""]
    for side in SIDES:
        for name, below in (("clavicle", "chest"), ("shoulder", f"{side}_clavicle"), ("hip", "pelvis")):
            offsets[name, side] = points[f"{side}_{name}"] - points[below]
    return offsets


def _frame_across(left: Vector, up: Vector) -> Frame:
    """Return the frame whose x points along `left` and whose y is as near to `up` as possible."""
    x = _normalised(left)
    z = _normalised(_cross(x, up))
    return np.array([x, _cross(z, x), z]).T


def _bone_frame(direction: Vector, hinge: Vector) -> Frame:
    """Return the frame of a bone along `direction` whose x is as near to the bone's hinge as possible."""
    z = _normalised(_cross(direction, hinge))
    return np.array([_cross(z, direction), -direction, z]).T


def _mean_frame(a: Frame, b: Frame) -> Frame:
    return _frame_across(a[:, 0] + b[:, 0], a[:, 1] + b[:, 1])


def _smoothstep(value: float, low: float, high: float) -> float:
    """Return 0 below `low`, 1 above `high`, and a smooth step in between."""
    share = min(max((value - low) / (high - low), 0.0), 1.0)
    return share * share * (3 - 2 * share)


def _cross(a: Vector, b: Vector) -> Vector:
    """Return the cross product; for two short vectors NumPy's takes ten times as long."""
    (a0, a1, a2), (b0, b1, b2) = a.tolist(), b.tolist()
    return np.array([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0])


def _normalised(vector: Vector) -> Vector:
    return vector / max(math.sqrt(float(vector @ vector)), 1e-9)
