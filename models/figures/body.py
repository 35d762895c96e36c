"""Flesh and clothes from the neck down: solids along the bones of a skeleton, in the clothes of a look."""

from __future__ import annotations

from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from models.figures.figure_builder import TRUNK_MELT, FigureBuilder
from models.figures.look import Material
from models.figures.skeleton import SIDES, Frame, Vector, about_x, about_z

HANGING_COSINE: Final = 0.6
"""The cosine between the ways of both legs from which on a skirt hangs as one cone."""

Profile = tuple[tuple[float, float, float], ...]
"""Places along a bone (0 to 1), each with the radius there and how far the flesh bulges backwards, in metres."""

ARM_PROFILES: Final[tuple[Profile, Profile]] = (
    ((0.0, 0.053, 0.0), (1.0, 0.041, 0.0)),
    ((0.0, 0.041, 0.0), (1.0, 0.027, 0.0)),
)
LEG_PROFILES: Final[tuple[Profile, Profile]] = (
    ((0.0, 0.083, 0.0), (1.0, 0.054, -0.004)),
    ((0.0, 0.053, -0.004), (0.32, 0.053, 0.014), (1.0, 0.034, 0.004)),
)


class _Limb(NamedTuple):
    """An arm or a leg: three joints from its root to its end, and two bones with their profiles."""

    joints: list[Vector]
    bones: list[Frame]
    profiles: tuple[Profile, Profile]


class _Cover(NamedTuple):
    """What a limb shows between two places along it: 0 is its root, 1 the elbow or knee, 2 its end."""

    start: float
    end: float
    distance: float = 0.0
    """Metres from the skin to the cloth."""
    flare: float = 0.0
    """Metres by which the cloth is wider at the limb's end."""


def add_body(builder: FigureBuilder) -> None:
    """Add everything below the head."""
    look = builder.look
    _add_trunk(builder)
    for side in SIDES:
        _add_arm(builder, side)
        _add_leg(builder, side)
        _add_hand(builder, side)
        _add_foot(builder, side)
    if look.legs in ("skirt", "dress"):
        _add_skirt(builder)


def _add_trunk(builder: FigureBuilder) -> None:
    _add_hips(builder)
    _add_chest(builder)
    points, u = builder.points, builder.scale
    up, thick = builder.frames["neck"][:, 1], builder.skeleton.build.limbs**0.5
    head = points["head"] + builder.frames["head"] @ (0, -0.04 * u, -0.014 * u)
    builder.add(Material.SKIN, points["neck"] - up * 0.04 * u, head, (0.060 * u * thick, 0.050 * u * thick))
    forward = builder.frames["neck"] @ np.array([0.0, 0.93, 0.37])
    collar = (forward, float(forward @ points["neck"]) - 0.002 * u)
    builder.add(
        Material.TOP,
        points["neck"] - up * 0.05 * u,
        points["neck"] + up * 0.03 * u,
        (0.082 * u * thick, 0.058 * u * thick),
        cut=collar,
        melt=TRUNK_MELT * u,
    )


def _add_hips(builder: FigureBuilder) -> None:
    """Add trousers from the legs to the waist, the shirt's hem over them, and a belt."""
    points, build, u, frame = builder.points, builder.skeleton.build, builder.scale, builder.frames["pelvis"]
    up, cloth = frame[:, 1], 0.006 + 0.012 * builder.look.fit
    bottom = Material.TOP if builder.look.legs == "dress" else Material.BOTTOM
    seat, middle = _seat_radius(builder), _waist_radius(builder)
    low = points["pelvis"] - up * 0.05 * u
    flat = (1.0, 0.42, 0.68)
    builder.add(bottom, low, points["waist"], (seat, middle), frame=frame, squash=flat, melt=TRUNK_MELT * u)
    builder.add(
        bottom, low - up * 0.045 * u, low, (seat * 0.62, seat * 0.93), frame=frame, squash=flat, melt=TRUNK_MELT * u
    )
    if builder.look.legs in ("dress", "skirt"):
        builder.add(
            Material.BOTTOM, low - up * 0.10 * u, low, (seat, seat), frame=frame, squash=flat, melt=TRUNK_MELT * u
        )
    if builder.look.legs == "dress":
        return
    for sign in (1, -1) if builder.look.legs != "skirt" else ():
        size = (0.082 * build.seat, 0.085 * build.seat, 0.075 * build.seat)
        builder.add_ellipsoid(bottom, "pelvis", points["pelvis"], (sign * 0.056, -0.080, -0.044), size, TRUNK_MELT)
    hem = (-up, float(-up @ (points["pelvis"] - up * (0.035 + 0.03 * builder.look.fit) * u)))
    low = points["pelvis"] - up * 0.09 * u
    builder.add(
        Material.TOP,
        low,
        points["waist"],
        (seat + (0.012 + cloth) * u, middle + 0.003 * u),
        frame=frame,
        squash=(1.0, 0.42, 0.74),
        cut=hem,
        melt=TRUNK_MELT * u,
    )
    if builder.look.belt:
        belt = points["pelvis"] + up * 0.05 * u
        tied = (up, float(up @ (belt + up * 0.022 * u)))
        builder.add(
            Material.BELT,
            belt - up * 0.03 * u,
            belt + up * 0.03 * u,
            (middle * 1.16, middle * 1.12),
            frame=frame,
            squash=(1.0, 0.2, 0.74),
            cut=tied,
        )


def _seat_radius(builder: FigureBuilder) -> float:
    return (
        builder.skeleton.build.hips + 0.070 * builder.skeleton.build.seat + 0.005 * builder.look.fit
    ) * builder.scale


def _waist_radius(builder: FigureBuilder) -> float:
    return (0.126 * builder.skeleton.build.belly + 0.006 + 0.012 * builder.look.fit) * builder.scale


def _add_chest(builder: FigureBuilder) -> None:
    points, frames, build, u = builder.points, builder.frames, builder.skeleton.build, builder.scale
    top, chest, cloth = Material.TOP, frames["chest"], 0.006 + 0.012 * builder.look.fit
    ribs = (build.shoulders * 0.84 * build.chest + cloth) * u
    deep = (1.0, 0.42, min(0.70 * build.belly**0.6, 0.95))
    high = points["chest"] + chest[:, 1] * 0.05 * u
    yoke = points["neck"] - chest[:, 1] * 0.06 * u
    builder.add(
        top,
        points["waist"],
        high,
        (_waist_radius(builder), ribs),
        frame=frames["waist"],
        squash=deep,
        melt=TRUNK_MELT * u,
    )
    builder.add(top, high, yoke, (ribs, ribs * 0.64), frame=chest, squash=(1.0, 0.42, 0.70), melt=TRUNK_MELT * u)
    if build.belly > 1.1:
        size = (0.12 * build.belly, 0.11, 0.09 * build.belly)
        builder.add_ellipsoid(top, "waist", points["waist"], (0, 0.01, 0.045), size, TRUNK_MELT)
    for side, sign in (("left", 1), ("right", -1)):
        if build.bust:
            above = points["chest"] + chest @ (np.array([sign * 0.050, 0.125, 0.014]) * u)
            below = points["chest"] + chest @ (np.array([sign * 0.055, 0.038, 0.040]) * u)
            builder.add(
                top,
                above,
                below,
                (0.040 * u, 0.068 * build.bust * u),
                frame=chest,
                squash=(1.0, 1.0, 0.95),
                melt=1.6 * TRUNK_MELT * u,
            )
        shoulder, round_ = points[f"{side}_shoulder"], (0.052 + cloth) * build.limbs * u
        neck = points["neck"] + chest @ (sign * 0.020 * u, 0.008 * u, -0.014 * u)
        builder.add(top, neck, shoulder, (0.040 * u, round_ * 0.94), melt=TRUNK_MELT * u)
        middle = points["neck"] - chest[:, 1] * 0.062 * u
        builder.add(top, middle, shoulder, (0.082 * u, round_), melt=TRUNK_MELT * u)
        flank = points["chest"] + chest @ (sign * 0.072 * build.chest * u, -0.02 * u, -0.022 * u)
        builder.add(top, shoulder, flank, (round_, 0.070 * build.chest * u), melt=TRUNK_MELT * u)


def _add_arm(builder: FigureBuilder, side: str) -> None:
    joints = [builder.points[f"{side}_{name}"] for name in ("shoulder", "elbow", "wrist")]
    bones = [builder.frames[f"{side}_{name}"] for name in ("upper_arm", "forearm")]
    arm, reach = _Limb(joints, bones, ARM_PROFILES), builder.look.sleeves
    _add_limb(builder, Material.SKIN, arm, _Cover(0.0 if reach < 0.1 else reach - 0.08, 2.0))
    if reach >= 0.1:
        _add_limb(
            builder,
            Material.SLEEVES,
            arm,
            _Cover(0.0, reach, 0.006 + 0.013 * builder.look.fit, 0.010 * builder.look.fit),
        )


def _add_leg(builder: FigureBuilder, side: str) -> None:
    joints = [builder.points[f"{side}_{name}"] for name in ("hip", "knee", "ankle")]
    bones = [builder.frames[f"{side}_{name}"] for name in ("thigh", "shank")]
    skirt = builder.look.legs in ("skirt", "dress")
    covered = max(builder.look.hem - 0.3, 0.2) if skirt else builder.look.hem
    leg = _Limb(joints, bones, LEG_PROFILES)
    _add_limb(builder, Material.SKIN, leg, _Cover(covered - 0.08, 2.0))
    if builder.look.socks and 2 - builder.look.socks > covered - 0.3:
        _add_limb(builder, Material.SOCKS, leg, _Cover(2 - builder.look.socks, 2.0, 0.004))
    if skirt:
        return
    tight, loose = (0.003, 0.0), (0.007 + 0.01 * builder.look.loose, 0.028 * builder.look.loose)
    _add_limb(
        builder, Material.BOTTOM, leg, _Cover(0.0, covered, *(tight if builder.look.legs == "leggings" else loose))
    )


def _add_limb(builder: FigureBuilder, material: Material, limb: _Limb, cover: _Cover) -> None:
    """Add the solids of one material along a limb."""
    thick, (since, until, distance, flare) = builder.scale * builder.skeleton.build.limbs, cover
    for number, (profile, bone) in enumerate(zip(limb.profiles, limb.bones, strict=True)):
        start, end = limb.joints[number], limb.joints[number + 1]
        if number == 0 and limb.profiles is LEG_PROFILES:  # the thigh's flesh begins a little inside its joint
            start = start * 0.9 + builder.points["pelvis"] * 0.1
        for (t0, r0, b0), (t1, r1, b1) in pairwise(profile):
            at0, at1 = number + t0, number + t1
            if at1 <= since or at0 >= until - 0.02:
                continue
            if at0 < since:
                hidden = (since - at0) / (at1 - at0)
                t0, r0, b0 = t0 + (t1 - t0) * hidden, r0 + (r1 - r0) * hidden, b0 + (b1 - b0) * hidden
            cut = None
            if until < at1 + 0.02 and until < 1.99:
                axis = -bone[:, 1]
                cut = (axis, float(axis @ (start + (end - start) * (until - number))))
            back = -bone[:, 2] * builder.scale
            cloth0, cloth1 = (distance + flare * max(at - 0.4, 0.0) / 1.6 for at in (at0, at1))
            builder.add(
                material,
                start + (end - start) * t0 + back * b0,
                start + (end - start) * t1 + back * b1,
                (r0 * thick + cloth0 * builder.scale, r1 * thick + cloth1 * builder.scale),
                cut=cut,
                caps=(at0 <= since, cut is None),
            )


def _add_hand(builder: FigureBuilder, side: str) -> None:
    sign = 1.0 if side == "left" else -1.0
    frame, u = builder.frames[f"{side}_hand"], builder.scale * builder.skeleton.build.limbs**0.5
    wrist, knuckles = builder.points[f"{side}_wrist"], builder.points[f"{side}_hand"]
    palm = (0.42, 1.0, 1.0)
    builder.add(
        Material.SKIN,
        wrist - frame[:, 1] * 0.012 * u,
        knuckles,
        (0.029 * u, 0.038 * u),
        frame=frame,
        squash=palm,
        melt=0.012,
    )
    grip = builder.skeleton.grips[side]
    curl = 12 + 92 * grip
    fingers = (0.030, 0.010, -0.010, -0.029) if builder.fine else (0.020, -0.018)
    for number, across in enumerate(fingers):
        fan = (across / 0.03) * 7 * (1 - grip)
        length = (0.040, 0.045, 0.042, 0.033)[number] if builder.fine else 0.037
        radius = 0.0098 if builder.fine else 0.018
        root = knuckles + frame @ (0, 0.006 * u, across * u)
        bone = frame @ _mirror_for_side(side, about_z(-curl * 0.55)) @ about_x(-fan)
        middle = root - bone[:, 1] * length * 1.15 * u
        tip = middle - (bone @ _mirror_for_side(side, about_z(-curl * 0.75)))[:, 1] * length * 1.05 * u
        builder.add(Material.SKIN, root, middle, (radius * u, radius * u * 0.95), melt=0.006)
        builder.add(Material.SKIN, middle, tip, (radius * u * 0.95, radius * u * 0.8), melt=0.006)
    heel = wrist + frame @ (-sign * 0.006 * u, -0.025 * u, 0.022 * u)
    out = about_x(-38 + 12 * grip) @ _mirror_for_side(side, about_z(-20 - 40 * grip))
    thumb = heel - (frame @ out)[:, 1] * 0.045 * u
    tip = thumb - (frame @ about_x(-18 + 8 * grip) @ _mirror_for_side(side, about_z(-25 - 60 * grip)))[:, 1] * 0.032 * u
    builder.add(Material.SKIN, heel, thumb, (0.017 * u, 0.0125 * u), melt=0.008)
    builder.add(Material.SKIN, thumb, tip, (0.0125 * u, 0.009 * u), melt=0.006)


def _mirror_for_side(side: str, turn: Vector) -> Vector:
    return turn if side == "left" else turn * np.outer([-1.0, 1.0, 1.0], [-1.0, 1.0, 1.0])


def _add_foot(builder: FigureBuilder, side: str) -> None:
    frame, u = builder.frames[f"{side}_foot"], builder.scale
    ankle, heel, ball, toe = (builder.points[f"{side}_{name}"] for name in ("ankle", "heel", "ball", "toe"))
    shod = builder.look.shoes is not None
    upper = Material.SHOES if shod else Material.SKIN
    more = 1.12 if shod else 0.95
    instep = ankle + frame @ (0, -0.012 * u, 0.03 * u)
    builder.add(
        upper, heel + frame[:, 1] * 0.012 * u, instep, (0.036 * u * more, 0.036 * u * more), frame=frame, melt=0.012
    )
    builder.add(upper, instep, ball, (0.038 * u * more, 0.041 * u * more), frame=frame, squash=(1, 0.8, 1), melt=0.012)
    builder.add(
        upper,
        ball,
        toe + frame[:, 2] * 0.004 * u,
        (0.042 * u * more, 0.031 * u * more),
        frame=frame,
        squash=(1.02, 0.72, 1),
        melt=0.012,
    )
    builder.add(upper, heel, ball, (0.034 * u * more, 0.041 * u * more), frame=frame, squash=(1, 0.8, 1), melt=0.012)
    if shod:
        down = -frame[:, 1] * 0.022 * u
        builder.add(Material.SOLES, heel + down, ball + down, (0.041 * u, 0.047 * u), frame=frame, squash=(1, 0.32, 1))
        builder.add(Material.SOLES, ball + down, toe + down, (0.047 * u, 0.036 * u), frame=frame, squash=(1, 0.32, 1))


def _add_skirt(builder: FigureBuilder) -> None:
    """Add a skirt's cloth: one cone, or seven solids from the left leg to the right one if the legs are far apart."""
    points, frames, u, look = builder.points, builder.frames, builder.scale, builder.look
    ways = []
    for side in SIDES:
        upper, lower = points[f"{side}_knee"] - points[f"{side}_hip"], points[f"{side}_ankle"] - points[f"{side}_knee"]
        ways.append(upper * min(look.hem, 1.0) + lower * max(look.hem - 1.0, 0.0))
    length = float(np.mean([np.linalg.norm(way) for way in ways]))
    middle = ways[0] + ways[1]
    middle = middle / max(float(np.linalg.norm(middle)), 1e-6)
    if float(ways[0] @ ways[1]) > HANGING_COSINE * length**2:
        _add_hanging_skirt(builder, middle, length)
        return
    wide = (0.095 + (0.03 + 0.10 * look.loose) * min(look.hem, 1.4)) * u
    waist, count = points["pelvis"] + frames["pelvis"][:, 1] * 0.03 * u, 7
    for number in range(count):
        share = number / (count - 1)
        way = ways[0] * (1 - share) + ways[1] * share
        way *= length / max(float(np.linalg.norm(way)), 1e-6)
        hip = points["left_hip"] * (1 - share) + points["right_hip"] * share
        root = waist + (hip - points["pelvis"]) * 0.62
        way = way + hip - root
        axis = way / float(np.linalg.norm(way))
        builder.add(
            Material.BOTTOM,
            root,
            root + way * 1.08,
            (0.088 * u, wide * (0.8 if number in (0, count - 1) else 0.9)),
            cut=(axis, float(axis @ (root + way))),
            melt=TRUNK_MELT * u,
        )


def _add_hanging_skirt(builder: FigureBuilder, down: Vector, length: float) -> None:
    """Add the skirt of somebody whose legs are about parallel: one cone, as wide as both legs, with a smooth hem."""
    points, u, look = builder.points, builder.scale, builder.look
    across = builder.frames["pelvis"][:, 0]
    across = across - down * float(across @ down)
    across = across / max(float(np.linalg.norm(across)), 1e-6)
    frame = np.column_stack([across, -down, np.cross(across, -down)])
    hips = (points["left_hip"] + points["right_hip"]) / 2
    reach = [points["left_knee"] - points["right_knee"], points["left_ankle"] - points["right_ankle"]]
    apart = [abs(float(way @ across)) / 2 for way in reach]
    behind = [abs(float(way @ frame[:, 2])) / 2 for way in reach]
    low = min(max(look.hem - 1.0, 0.0), 1.0)  # how far the hem is below the knees
    wide = (0.100 + (0.03 + 0.09 * look.loose) * min(look.hem, 1.4)) * u
    half_width = wide + (apart[0] * (1 - low) + apart[1] * low) * min(look.hem, 1.0)
    half_depth = wide * 0.95 + (behind[0] * (1 - low) + behind[1] * low) * min(look.hem, 1.0)
    start = points["pelvis"] - builder.frames["pelvis"][:, 1] * 0.06 * u
    end = hips + down * length
    builder.add(
        Material.BOTTOM,
        start,
        end + down * 0.03 * u,
        (_seat_radius(builder) * 0.78, half_width),  # narrower than the hips, so that it shows below the top's hem
        frame=frame,
        squash=(1.0, 0.2, min(max(half_depth / half_width, 0.7), 1.3)),
        cut=(down, float(down @ end)),
        melt=TRUNK_MELT * u,
    )
