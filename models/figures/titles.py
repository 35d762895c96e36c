"""Titles for combined poses: what the arms do, and the legs, in a few words."""

from __future__ import annotations

from typing import Final

from models.figures.skeleton import SIDES, Skeleton, Vector

ARM_TITLES: Final[dict[str, tuple[str, str, str]]] = {
    "up": ("Both arms up", "One arm up", "one up"),
    "side": ("Arms wide", "One arm out to the side", "one out to the side"),
    "ahead": ("Both arms ahead", "One arm ahead", "one ahead"),
    "back": ("Both arms back", "One arm back", "one back"),
    "head": ("Both hands at the head", "One hand at the head", "one at the head"),
    "hip": ("Hands on the hips", "One hand on the hip", "one on the hip"),
    "across": ("Arms crossed in front", "One arm across the chest", "one across the chest"),
    "bent": ("Both elbows bent", "One elbow bent", "one bent"),
    "down": ("Arms down", "One arm down", "one down"),
}
"""For what an arm does: the words for both arms, for the first of two, and for the second."""


def combined_title(skeleton: Skeleton, *, seated: bool) -> str:
    """Return a title such as "One arm up, one on the hip, in a lunge"."""
    doing = sorted((_arm(skeleton, side) for side in SIDES), key=list(ARM_TITLES).index)
    both, first, _ = ARM_TITLES[doing[0]]
    arms = both if doing[0] == doing[1] else f"{first}, {ARM_TITLES[doing[1]][2]}"
    legs = _legs(skeleton, seated)
    return f"{arms}, {legs}" if legs else arms


def _arm(skeleton: Skeleton, side: str) -> str:
    """Return a key of `ARM_TITLES`."""
    points, u = skeleton.points, skeleton.build.scale
    chest, sign = skeleton.frames["chest"], 1.0 if side == "left" else -1.0
    shoulder, elbow, wrist = (points[f"{side}_{name}"] for name in ("shoulder", "elbow", "wrist"))
    reach = (wrist - shoulder) @ chest / u * (sign, 1, 1)
    hand = points[f"{side}_hand"]
    if _distance(hand, points["head"]) < 0.19 * u:
        return "head"
    if _distance(hand, points[f"{side}_hip"]) < 0.19 * u and _distance(elbow, wrist) and reach[1] < -0.3:
        return "hip" if _distance(shoulder, wrist) < 0.47 * u else "down"
    if reach[1] > 0.18:
        return "up"
    if reach[0] < -0.10 and reach[2] > 0.05:
        return "across"
    longest = max(range(3), key=lambda axis: abs(float(reach[axis])))
    if longest == 1 and reach[1] < -0.33:
        return "down" if reach[2] > -0.2 else "back"
    if longest == 0 and reach[0] > 0.3:
        return "side"
    if longest == 2 and abs(float(reach[2])) > 0.26:
        return "ahead" if reach[2] > 0 else "back"
    return "bent"


def _legs(skeleton: Skeleton, seated: bool) -> str:
    points, u = skeleton.points, skeleton.build.scale
    trunk = points["neck"] - points["pelvis"]
    upright = float(trunk[1]) / max(float((trunk @ trunk) ** 0.5), 1e-9)
    pelvis = float(points["pelvis"][1]) / u
    ankles = sorted(float(points[f"{side}_ankle"][1]) / u for side in SIDES)
    knees = sorted(float(points[f"{side}_knee"][1]) / u for side in SIDES)
    apart = _distance(points["left_ankle"], points["right_ankle"]) / u
    if seated:
        return "sitting"
    if upright < -0.2:
        return "upside down" if pelvis > 0.5 else "on the floor"
    if pelvis < 0.36:
        return "lying down" if upright < 0.35 else "on the floor"
    if ankles[0] > 0.25:
        return "in the air"
    if knees[0] < 0.16:
        return "on one knee" if knees[1] > 0.3 else "kneeling"
    if ankles[1] > 0.55:
        return "one leg raised"
    if pelvis < 0.62:
        return "crouching"
    if upright < 0.75:
        return "bending over"
    if apart > 0.7:
        return "in a lunge" if pelvis < 0.82 else "with a wide step"
    if ankles[1] > 0.3:
        return "on one leg"
    return ""


def _distance(first: Vector, second: Vector) -> float:
    difference = first - second
    return float((difference @ difference) ** 0.5)
