"""Real human movement as skeletons: motion capture gives the bones' directions, a build their lengths.

A file of motion capture is an .npz with `X`, N×17×3: COCO's 17 key points in 3-D, hip-centred, y up, lengths in any
unit, facing anywhere. What 17 points do not tell (how far a back is rounded, how a head is held, hands, toes) is chosen
by chance, as people have it. The files serve training and nothing else.
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
"""Which key points a bone lies between, from the trunk outwards."""
HINGE_BEND_DEGREES: Final = {"arm": (6.0, 20.0), "leg": (10.0, 30.0)}
"""A limb bent less (degrees) than the first has its hinge from the trunk, one bent more than the second from itself."""
KNEE_TURNOUT: Final = 0.16
"""How far the kneecap of a straight leg looks outwards, as a tangent."""
SPINE_BEND_RATIO: Final = 0.25
"""The spine's bend for each degree that the thighs are before the trunk."""
HEAD_SPREAD_DEGREES: Final = {"look": 22.0, "nod": 11.0, "cock": 7.0}
"""How heads are held besides what the face's key points tell (standard deviations in degrees)."""
FACE_WEIGHT: Final = 0.5
"""How much of the head's turn is taken from the face's key points, which are approximated."""
NOSE_DROP_DEGREES: Final = math.degrees(math.atan2(0.016, 0.112))
"""A nose is this much lower, seen from between the ears, than the head looks."""
TRUNK_PARENTS: Final = (("waist", "pelvis"), ("chest", "waist"), ("neck", "chest"), ("head", "neck"))
"""Each of the trunk's points, and the one that it stands on."""
ANKLE_TO_BALL: Final = FOOT_POINTS["ball"][2]
"""From the ankle ahead to the ball, metres of an average adult."""


def load_poses(files: Sequence[Path]) -> Floats:
    """The poses of some files one after the other, N×17×3. Raises ValueError for a file that is no motion capture."""
    return np.concatenate([np.zeros((0, 17, 3), np.float32), *(_read_file(Path(file)) for file in files)])


def _read_file(file: Path) -> Floats:
    try:
        with file.open("rb") as opened, np.load(opened) as stored:
            joints = np.asarray(stored["X"], np.float32)
    except (OSError, EOFError, ValueError, LookupError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{file} is no motion capture: give an .npz with the key points as X ({error})") from error
    if joints.ndim != 3 or joints.shape[1:] != (17, 3):
        raise ValueError(f"{file} is no motion capture: its X is {'×'.join(map(str, joints.shape))}, not N×17×3")
    if not np.isfinite(joints).all():
        raise ValueError(f"{file} has key points that are not finite: leave those poses out")
    return joints


def skeleton_from_joints(joints: npt.NDArray[np.floating], build: Build, rng: np.random.Generator) -> Skeleton:
    """The skeleton of a pose (17×3, y up), facing where the pose does, on the floor with its pelvis above the origin.

    Limbs and the lines between both hips and both shoulders have the pose's directions; all lengths are the build's.
    """
    at = np.asarray(joints, np.float64)
    ways = {bone: _normalised(at[end] - at[start]) for bone, (start, end) in LIMB_BONES.items()}
    grips = {side: float(rng.beta(1.2, 2.0)) for side in SIDES}
    made = Skeleton(build, {"pelvis": np.zeros(3)}, {}, grips)
    _place_trunk(made, at, ways, rng)
    for side in SIDES:
        _place_arm(made, side, ways, rng)
        _place_leg(made, side, ways)
    floor = min(
        _lowest_height(made), *(float(made.points[f"{side}_ankle"][1]) - ANKLE_HEIGHT * build.scale for side in SIDES)
    )
    for side in SIDES:
        _place_foot(made, side, floor, rng)
    up = np.array([0.0, -_lowest_height(made), 0.0])
    for name, point in made.points.items():
        made.points[name] = point + up
    return made


def _place_trunk(made: Skeleton, at: Vector, ways: dict[str, Vector], rng: np.random.Generator) -> None:
    """Pelvis, waist, chest, neck, head and shoulders."""
    points, frames, rest = made.points, made.frames, _rest_offsets(made.build)
    spine = _normalised((at[5] + at[6]) - (at[11] + at[12]))
    pelvis, chest = _frame_across(at[11] - at[12], spine), _frame_across(at[5] - at[6], spine)
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
    look, nod, cock = _head_angles(at, frames["chest"], rng)
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
    """How a raised arm takes its shoulder along."""
    way = ways[f"{side}_upper_arm"] @ chest
    sign = 1.0 if side == "left" else -1.0
    lifted = _smoothstep(math.degrees(math.acos(min(max(-float(way[1]), -1.0), 1.0))), 40.0, 180.0)
    return about_y(-14 * sign * float(way[2])) @ about_z(30 * sign * lifted)


def _head_angles(at: Vector, chest: Frame, rng: np.random.Generator) -> tuple[float, float, float]:
    """Look, nod and cock of a head against its chest, in degrees."""
    nose, ears, across = at[0], (at[3] + at[4]) / 2, at[3] - at[4]
    ahead = _normalised(nose - ears) @ chest
    told = {
        "look": math.degrees(math.atan2(ahead[0], ahead[2])),
        "nod": -math.degrees(math.asin(min(max(float(ahead[1]), -1.0), 1.0))) - NOSE_DROP_DEGREES,
        "cock": -math.degrees(math.asin(min(max(float((_normalised(across) @ chest)[1]), -1.0), 1.0))),
    }
    held = []
    for name, spread in HEAD_SPREAD_DEGREES.items():
        low, high = LIMITS[ANGLE_INDEX[name]]
        held.append(min(max(FACE_WEIGHT * told[name] + float(rng.normal(0, spread)), 0.9 * low), 0.9 * high))
    return held[0], held[1], held[2]


def _place_arm(made: Skeleton, side: str, ways: dict[str, Vector], rng: np.random.Generator) -> None:
    points, frames, build = made.points, made.frames, made.build
    upper, fore = ways[f"{side}_upper_arm"], ways[f"{side}_forearm"]
    hinge = _hinge(upper, -_cross(upper, fore), frames["chest"], HINGE_BEND_DEGREES["arm"], 0.0)
    frames[f"{side}_upper_arm"], frames[f"{side}_forearm"] = _bone_frame(upper, hinge), _bone_frame(fore, hinge)
    palm, wrist = float(np.clip(rng.normal(10, 30), -70, 75)), float(np.clip(rng.normal(5, 14), -40, 45))
    sign = 1.0 if side == "left" else -1.0
    frames[f"{side}_hand"] = frames[f"{side}_forearm"] @ about_y(sign * palm) @ about_z(-sign * wrist)
    points[f"{side}_elbow"] = points[f"{side}_shoulder"] + upper * build.bone_length("upper_arm")
    points[f"{side}_wrist"] = points[f"{side}_elbow"] + fore * build.bone_length("forearm")
    points[f"{side}_hand"] = points[f"{side}_wrist"] - frames[f"{side}_hand"][:, 1] * build.bone_length("palm")


def _place_leg(made: Skeleton, side: str, ways: dict[str, Vector]) -> None:
    points, frames, build = made.points, made.frames, made.build
    thigh, shank = ways[f"{side}_thigh"], ways[f"{side}_shank"]
    outwards = KNEE_TURNOUT if side == "left" else -KNEE_TURNOUT
    hinge = _hinge(thigh, _cross(thigh, shank), frames["pelvis"], HINGE_BEND_DEGREES["leg"], outwards)
    frames[f"{side}_thigh"], frames[f"{side}_shank"] = _bone_frame(thigh, hinge), _bone_frame(shank, hinge)
    points[f"{side}_knee"] = points[f"{side}_hip"] + thigh * build.bone_length("thigh")
    points[f"{side}_ankle"] = points[f"{side}_knee"] + shank * build.bone_length("shank")


def _hinge(way: Vector, own: Vector, trunk: Frame, bent: tuple[float, float], outwards: float) -> Vector:
    """The axis about which a limb bends, as long as 1: its `own` (as long as its bend's sine) if it bends enough.

    That of a straight limb is as if it were swung to its place from hanging, its front ahead.
    """
    front = trunk @ np.array([outwards, float(way @ trunk[:, 2]), 1.0])
    swung = _normalised(_cross(front, way))
    bend = math.sqrt(float(own @ own))
    share = _smoothstep(bend, *(math.sin(math.radians(degrees)) for degrees in bent))
    return swung if share == 0 else _normalised(own * (share / bend) + swung * (1 - share))


def _place_foot(made: Skeleton, side: str, floor: float, rng: np.random.Generator) -> None:
    """A foot near the floor stands on its sole, or on its ball where its heel is up; another hangs."""
    points, frames, u = made.points, made.frames, made.build.scale
    shank, ankle = frames[f"{side}_shank"], points[f"{side}_ankle"]
    high = (float(ankle[1]) - floor) / u - ANKLE_HEIGHT
    near = 1 - _smoothstep(high, 0.08, 0.22)
    low, most = LIMITS[ANGLE_INDEX["left_point"]]
    level = math.degrees(math.atan2(shank[1, 2], shank[1, 1]))  # turned so far about x, its length is level
    heel = math.degrees(math.asin(min(max(high, 0.0) / ANKLE_TO_BALL, 0.8))) * _smoothstep(-level, 0.0, 20.0)
    near *= 1 - _smoothstep(abs(level), 55.0, 80.0)  # the shank lies: nobody stands on that foot
    point = (level + heel) * near + float(np.clip(rng.normal(25, 10), 0, 50)) * (1 - near)
    foot = shank @ about_x(min(max(point, low), most))
    roll = math.degrees(math.atan2(-foot[1, 0], max(float(foot[1, 1]), 0.2))) * near
    foot = foot @ about_z(min(max(roll, -MAX_EVERSION), MAX_EVERSION))
    frames[f"{side}_foot"] = foot
    for name in ("heel", "ball"):
        points[f"{side}_{name}"] = ankle + foot @ (np.array(FOOT_POINTS[name]) * u)
    toes = np.array(FOOT_POINTS["toe"]) - FOOT_POINTS["ball"]
    points[f"{side}_toe"] = points[f"{side}_ball"] + foot @ about_x(-heel * near) @ toes * u


def _lowest_height(made: Skeleton) -> float:
    """The height of the lowest part of the body, in metres."""
    parts = ((point[1], name.removeprefix("left_").removeprefix("right_")) for name, point in made.points.items())
    return min(float(height) - PART_RADII[part] * made.build.scale for height, part in parts if part in PART_RADII)


@lru_cache(maxsize=256)
def _rest_offsets(build: Build) -> dict[tuple[str, str], Vector]:
    """What is how far from what it hangs on, in metres of that bone's axes: from a figure at attention."""
    zero = make_stance() * 0  # all bones parallel to the figure
    points = pose_skeleton(zero, build).points
    headless = pose_skeleton(zero, replace(build, head=0.0)).points
    found = {(name, ""): points[name] - points[below] for name, below in TRUNK_PARENTS}
    found["nape", ""] = headless["head"] - headless["neck"]
    found["head", ""] -= found["nape", ""]
    for side in SIDES:
        for name, below in (("clavicle", "chest"), ("shoulder", f"{side}_clavicle"), ("hip", "pelvis")):
            found[name, side] = points[f"{side}_{name}"] - points[below]
    return found


def _frame_across(left: Vector, up: Vector) -> Frame:
    """The frame whose x is along `left` and whose y is as near to `up` as can be."""
    x = _normalised(left)
    z = _normalised(_cross(x, up))
    return np.array([x, _cross(z, x), z]).T


def _bone_frame(way: Vector, hinge: Vector) -> Frame:
    """The frame of a bone that goes along `way`, with x as near to its hinge as can be."""
    z = _normalised(_cross(way, hinge))
    return np.array([_cross(z, way), -way, z]).T


def _mean_frame(one: Frame, other: Frame) -> Frame:
    return _frame_across(one[:, 0] + other[:, 0], one[:, 1] + other[:, 1])


def _smoothstep(value: float, low: float, high: float) -> float:
    """0 below `low`, 1 above `high`, smooth in between."""
    share = min(max((value - low) / (high - low), 0.0), 1.0)
    return share * share * (3 - 2 * share)


def _cross(a: Vector, b: Vector) -> Vector:
    """NumPy's takes ten times as long for two short vectors."""
    (a0, a1, a2), (b0, b1, b2) = a.tolist(), b.tolist()
    return np.array([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0])


def _normalised(way: Vector) -> Vector:
    return way / max(math.sqrt(float(way @ way)), 1e-9)
