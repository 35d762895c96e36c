"""From where a picture shows people, and how much of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from models.figures.movement import Movement
from models.figures.projection import Camera
from models.figures.skeleton import Skeleton, Vector, pose_skeleton
from models.figures.stance import ANGLE_INDEX

PICTURE_SIZES: Final = ((1024, 768), (1024, 768), (1024, 682), (1024, 682), (1088, 612), (768, 1024), (682, 1024))
"""Widths and heights of pictures, equally likely: most are landscape, as most displays are."""


@dataclass(frozen=True, slots=True)
class View:
    """A picture's size in pixels, the camera's place (degrees, metres) and the crop: "whole", "knees" or "waist"."""

    width: int
    height: int
    azimuth: float
    elevation: float
    distance: float
    crop: str


def choose_view(rng: np.random.Generator, movement: Movement) -> View:
    """Return a random view of a movement: mostly from the front, sometimes from any side."""
    width, height = PICTURE_SIZES[int(rng.integers(len(PICTURE_SIZES)))]
    draw = rng.random()
    if draw < 0.48:
        azimuth = float(rng.normal(0, 20))
    elif draw < 0.78:
        azimuth = float(rng.choice([-1, 1]) * rng.uniform(25, 65))
    elif draw < 0.90:
        azimuth = float(rng.choice([-1, 1]) * rng.uniform(60, 110))
    else:
        azimuth = float(rng.uniform(110, 250))
    if _is_lying(movement) and rng.random() < 0.8:  # from head or feet the pose is unrecognisable
        azimuth = float(rng.choice([-1, 1]) * rng.uniform(45, 105))
        width, height = max(width, height), min(width, height)
    azimuth += float(movement.stance[ANGLE_INDEX["turn"]]) * 0.6
    elevation = float(np.clip(rng.normal(6.5, 5), 1.5, 24))
    draw = 0.0 if movement.props else rng.random()
    crop = "whole" if draw < 0.84 else "knees" if draw < 0.92 else "waist"
    if crop != "whole":
        width, height = width * 4 // 5, height * 4 // 5
    return View(width, height, azimuth, elevation, float(rng.uniform(3.4, 7.0)), crop)


@cache
def _is_lying(movement: Movement) -> bool:
    return bool(abs(movement.stance[ANGLE_INDEX["tilt"]]) < 40 and not is_upright(pose_skeleton(movement.stance)))


def aim_camera(
    rng: np.random.Generator, skeletons: Sequence[Skeleton], view: View, extra_points: Sequence[Vector] = ()
) -> Camera:
    """Return a camera that shows the people, or their upper part, near the middle and as large as they fit.

    `extra_points` are more points, N×3 each, that must be in a picture of whole people: the ends of their props.
    """
    places = np.concatenate([_outline(skeleton) for skeleton in skeletons])
    whole = view.crop == "whole" or not all(is_upright(skeleton) for skeleton in skeletons)
    if whole:
        places = np.concatenate([places, *extra_points])
    else:
        cut = "knee" if view.crop == "knees" else "hip"
        lowest = min(float(body.points[f"{side}_{cut}"][1]) for body in skeletons for side in ("left", "right"))
        places = places[places[:, 1] > lowest - 0.06]
    middle = (places.min(0) + places.max(0)) / 2
    trial = Camera.around(
        middle, (0, 0), azimuth=view.azimuth, elevation=view.elevation, distance=view.distance, focal=1.0
    )
    spots = trial.project(places)
    low, high = spots.min(0), spots.max(0)
    share, down = (float(rng.uniform(0.70, 0.90)), 0.5) if whole else (0.98, float(rng.uniform(0.7, 1.0)))
    focal = share * min(view.width / float(high[0] - low[0]), view.height / float(high[1] - low[1]))
    slack = np.array([view.width, view.height]) - (high - low) * focal
    centre = slack * np.array([float(rng.uniform(0.3, 0.7)), down]) - low * focal
    return Camera(trial.rotation, trial.target, trial.distance, focal, (float(centre[0]), float(centre[1])))


def is_upright(skeleton: Skeleton) -> bool:
    """Return whether a person stands or kneels upright."""
    return bool(
        skeleton.points["neck"][1] - skeleton.points["pelvis"][1] > 0.30 and skeleton.points["pelvis"][1] > 0.55
    )


def _outline(body: Skeleton) -> Vector:
    """Return points around a body that must be in the picture, N×3 metres."""
    size = 0.13 * body.build.scale * body.build.head
    head = body.points["head"] + np.array([[0, size, 0], [size * 0.8, 0, 0], [-size * 0.8, 0, 0]])
    inner = ("pelvis", "waist", "chest", "head")
    joints = np.array([point for name, point in body.points.items() if name not in inner])
    hands = [body.points[f"{side}_hand"] - body.frames[f"{side}_hand"][:, 1] * 0.09 for side in ("left", "right")]
    room = np.array([0, 0.03, 0])
    return np.concatenate([joints - room, joints + room, head, hands])
