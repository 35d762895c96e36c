"""From where a picture shows people, and how much of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

import numpy as np

from models.figures.movement import Movement
from models.figures.projection import Camera
from models.figures.skeleton import SIDES, Skeleton, Vector, pose_skeleton
from models.figures.stance import ANGLE_INDEX

NO_POINTS: Final = np.zeros((0, 3))

PICTURE_PIXELS: Final = 600_000
"""Pixels of a picture, whatever its shape: about 900 on the long side, which half a display of 1920×1080 shows."""

SHAPES: Final = (4 / 5, 4 / 3)
"""Least and greatest width relative to the height: near a square, so that a picture serves displays of any shape."""

SIZE_STEP: Final = 16
"""Width and height are multiples of this many pixels, as JPEG files are made of such blocks."""

MIN_ROOM: Final = 0.10
"""Share of a picture's width and height, both sides together, that people leave free at least."""

ROOM_ABOVE_HEAD: Final = 0.115
"""Metres above an average adult's head that must be in the picture: half a head."""


@dataclass(frozen=True, slots=True)
class View:
    """The camera's place (degrees, metres) and the crop: "whole" or "waist"."""

    azimuth: float
    elevation: float
    distance: float
    crop: str


class Shot(NamedTuple):
    """A camera, and its picture's size in pixels."""

    camera: Camera
    width: int
    height: int


def choose_view(rng: np.random.Generator, movement: Movement) -> View:
    """Return a random view of a movement: mostly from the front, as visitors are seen, sometimes from any side."""
    draw = rng.random()
    if draw < 0.50:
        azimuth = float(rng.normal(0, 18))
    elif draw < 0.82:
        azimuth = float(rng.choice([-1, 1]) * rng.uniform(22, 65))
    elif draw < 0.92:
        azimuth = float(rng.choice([-1, 1]) * rng.uniform(60, 110))
    else:
        azimuth = float(rng.uniform(110, 250))
    if _is_lying(movement) and rng.random() < 0.8:  # from head or feet the pose is unrecognisable
        azimuth = float(rng.choice([-1, 1]) * rng.uniform(45, 105))
    azimuth += float(movement.stance[ANGLE_INDEX["turn"]]) * 0.6
    steep = rng.random() < 0.12
    elevation = float(rng.uniform(16, 36) if steep else np.clip(rng.normal(6.5, 5), 1.5, 24))
    crop = "waist" if not movement.props and rng.random() < 0.12 else "whole"
    return View(azimuth, elevation, float(rng.uniform(2.6, 7.0)), crop)


@cache
def _is_lying(movement: Movement) -> bool:
    return bool(abs(movement.stance[ANGLE_INDEX["tilt"]]) < 40 and not is_upright(pose_skeleton(movement.stance)))


def aim_camera(rng: np.random.Generator, skeleton: Skeleton, view: View, extra_points: Vector = NO_POINTS) -> Shot:
    """Return a camera that shows a person, or their upper part, near the middle of a picture that suits them.

    `extra_points` are more points, N×3, that must be in a picture of a whole person: the ends of their props.
    """
    cut = _waist_cut(skeleton) if view.crop == "waist" else None
    places = _outline(skeleton)
    places = np.concatenate([places, extra_points]) if cut is None else places[places[:, 1] > cut]
    middle = (places.min(0) + places.max(0)) / 2
    trial = Camera.around(
        middle, (0, 0), azimuth=view.azimuth, elevation=view.elevation, distance=view.distance, focal=1.0
    )
    spots = trial.project(places)
    low, high = spots.min(0), spots.max(0)
    size = high - low
    shape = float(np.clip(max(size[0] / size[1], rng.uniform(0.8, 1.2)), *SHAPES))
    width, height = (round((PICTURE_PIXELS * ratio) ** 0.5 / SIZE_STEP) * SIZE_STEP for ratio in (shape, 1 / shape))
    focal = (1 - MIN_ROOM - float(rng.uniform(0, 0.1))) * min(width / float(size[0]), height / float(size[1]))
    slack = np.array([width, height]) - size * focal
    down = float(rng.uniform(0.4, 0.6)) if cut is None else 1.0
    centre = slack * np.array([float(rng.uniform(0.35, 0.65)), down]) - low * focal
    return Shot(Camera(trial.rotation, trial.target, trial.distance, focal, tuple(centre.tolist())), width, height)


def _waist_cut(skeleton: Skeleton) -> float | None:
    """Return the height in metres at which a picture may cut a person: below hips and hands. None: not at all."""
    points = skeleton.points
    hips, hands = (min(float(points[f"{side}_{name}"][1]) for side in SIDES) for name in ("hip", "hand"))
    knees = max(float(points[f"{side}_knee"][1]) for side in SIDES)
    cut = min(hips - 0.08, hands - 0.12)
    return cut if is_upright(skeleton) and cut > knees + 0.05 else None


def is_upright(skeleton: Skeleton) -> bool:
    """Return whether a person stands or kneels upright."""
    return bool(
        skeleton.points["neck"][1] - skeleton.points["pelvis"][1] > 0.30 and skeleton.points["pelvis"][1] > 0.55
    )


def _outline(body: Skeleton) -> Vector:
    """Return points around a body that must be in the picture, N×3 metres."""
    size = 0.13 * body.build.scale * body.build.head
    above = size + ROOM_ABOVE_HEAD * body.build.scale * body.build.head
    head = body.points["head"] + np.array([[0, above, 0], [size * 0.8, 0, 0], [-size * 0.8, 0, 0]])
    inner = ("pelvis", "waist", "chest", "head")
    joints = np.array([point for name, point in body.points.items() if name not in inner])
    hands = [body.points[f"{side}_hand"] - body.frames[f"{side}_hand"][:, 1] * 0.09 for side in ("left", "right")]
    room = np.array([0, 0.03, 0])
    return np.concatenate([joints - room, joints + room, head, hands])
