"""The starter library's pictures: people in named poses, each picture the same on every machine by its number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import cv2
import numpy as np

from models.figures import indoors, outdoors
from models.figures.brush import haze
from models.figures.camera import Camera
from models.figures.daily import EVERYDAY
from models.figures.movement import Kind, Movement
from models.figures.paint import Painting, Person, paint
from models.figures.skeleton import Skeleton, Vector, skeleton
from models.figures.sports import SPORTS
from models.figures.stage import ACTING, DANCE, YOGA
from models.figures.stance import INDEX, Stance, mirrored, within_limits
from models.figures.styles import INK, NIGHT, PALETTES, PAPER, POSTER, SOFT, Style, ground, wear
from models.figures.wardrobe import somebody
from models.pose import Image, Pose

REPERTOIRE: Final[tuple[Movement, ...]] = (*EVERYDAY, *SPORTS, *YOGA, *DANCE, *ACTING)
"""Every named pose."""

SEED: Final = 20_250_101
"""Another number, another library."""

SIZES: Final = ((960, 720), (960, 720), (960, 640), (960, 640), (1080, 720), (720, 960), (640, 960))
"""Widths and heights of pictures, by how often: most are landscape, as most displays are."""

STYLES: Final[tuple[Style, ...]] = (SOFT, POSTER, INK, SOFT, PAPER, SOFT, NIGHT)

Scene = Callable[[Image, np.random.Generator, float, float], None]

SCENES: Final[dict[Kind, tuple[Scene, ...]]] = {
    "everyday": (
        indoors.room,
        indoors.room,
        outdoors.park,
        outdoors.town,
        outdoors.beach,
        indoors.studio,
        outdoors.mountains,
    ),
    "sport": (
        outdoors.court,
        outdoors.court,
        indoors.gym,
        outdoors.park,
        indoors.studio,
        outdoors.beach,
        outdoors.sunset,
    ),
    "yoga": (
        outdoors.park,
        outdoors.beach,
        indoors.room,
        indoors.hall,
        outdoors.sunset,
        outdoors.mountains,
        indoors.studio,
    ),
    "dance": (indoors.stage, indoors.hall, indoors.stage, indoors.studio, outdoors.sunset, indoors.hall),
    "fight": (indoors.dojo, indoors.dojo, indoors.gym, outdoors.mountains, outdoors.sunset, indoors.studio),
    "acting": (indoors.stage, indoors.stage, indoors.studio, outdoors.town, indoors.room, outdoors.sunset),
}

LOOSE: Final = {
    "arm": 7.0,
    "plane": 9.0,
    "roll": 8.0,
    "elbow": 8.0,
    "hip": 5.0,
    "spread": 4.0,
    "knee": 6.0,
    "turnout": 4.0,
}
"""By how many degrees (standard deviation) people differ who take the same pose."""


class Picture(NamedTuple):
    """One drawn picture: H×W×3, the people in it with exact key points, and what it is called."""

    image: Image
    poses: list[Pose]
    title: str


@dataclass(frozen=True, slots=True)
class _View:
    width: int
    height: int
    azimuth: float
    elevation: float
    distance: float
    crop: str


def picture(number: int) -> Picture:
    """The picture of a number (0 or more). Raises ValueError for a negative one."""
    if number < 0:
        raise ValueError(f"pictures are numbered from 0, so there is no picture {number}")
    chance = np.random.Generator(np.random.PCG64([SEED, number]))
    movement = _choose(number)
    view = _view(chance, movement)
    people = _people(chance, movement, view)
    camera = _aim(chance, [person.skeleton for person in people], view)
    scenes = SCENES[movement.kind]
    scene = scenes[int(chance.integers(len(scenes)))]
    style = STYLES[number % len(STYLES)]
    palette = PALETTES[int(chance.integers(len(PALETTES)))]
    background = backdrop(scene, camera, chance, view.width, view.height, style.crisp)
    background = ground(style, background, palette, chance)
    people = [replace(one, look=wear(one.look, palette, chance)) for one in people]
    painting = paint(background, people, camera, style=style)
    return Picture(painting.picture, poses(painting, people, camera), movement.title)


def poses(painting: Painting, people: list[Person], camera: Camera) -> list[Pose]:
    """The exact poses of people in a painting; scores are 1 where a key point is seen."""
    made = []
    for person, seen in zip(people, painting.seen, strict=True):
        xy = camera.project(person.skeleton.keypoints()).astype(np.float32)
        made.append(Pose(xy, seen.astype(np.float32), float(seen.mean())))
    return made


def backdrop(scene: Scene, camera: Camera, chance: np.random.Generator, width: int, height: int, crisp: bool) -> Image:
    """A background whose floor is the one that the people stand on; it is half as fine as they are: out of focus."""
    made = np.zeros((height // 2, width // 2, 3), np.uint8)
    horizon = camera.horizon()
    above = float(camera.target[1]) + camera.distance * float(camera.turn[2, 1])
    line = horizon + camera.focal * max(above, 0.05) / (camera.distance + float(chance.uniform(1.2, 2.6)))
    line = min(max(line, height * 0.30), height * 0.97)
    scene(made, chance, line / 2, min(horizon, line - 4) / 2)
    if not crisp:
        haze(made, chance)
    return np.asarray(cv2.resize(made, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def _choose(number: int) -> Movement:
    """Each round through the repertoire takes every movement once, in another order."""
    lap, place = divmod(number, len(REPERTOIRE))
    order = np.random.Generator(np.random.PCG64([SEED, 1, lap])).permutation(len(REPERTOIRE))
    return REPERTOIRE[int(order[place])]


def _view(chance: np.random.Generator, movement: Movement) -> _View:
    width, height = SIZES[int(chance.integers(len(SIZES)))]
    draw = chance.random()
    if draw < 0.50:
        azimuth = float(chance.normal(0, 18))
    elif draw < 0.80:
        azimuth = float(chance.choice([-1, 1]) * chance.uniform(25, 60))
    elif draw < 0.93:
        azimuth = float(chance.choice([-1, 1]) * chance.uniform(60, 105))
    else:
        azimuth = float(chance.uniform(120, 240))
    lies = abs(movement.stance[INDEX["tilt"]]) < 40 and not _upright(skeleton(movement.stance))
    if lies and chance.random() < 0.8:  # from the head or the feet nobody would know what it is
        azimuth = float(chance.choice([-1, 1]) * chance.uniform(45, 105))
    azimuth += float(movement.stance[INDEX["turn"]]) * 0.6
    elevation = float(np.clip(chance.normal(7, 5), 1.5, 24))
    draw = 0.0 if movement.props else chance.random()
    crop = "whole" if draw < 0.78 else "knees" if draw < 0.88 else "waist"
    if crop != "whole":
        width, height = width * 4 // 5, height * 4 // 5
    return _View(width, height, azimuth, elevation, float(chance.uniform(3.6, 7.0)), crop)


def _people(chance: np.random.Generator, movement: Movement, view: _View) -> list[Person]:
    """Whoever is in the picture: mostly one person, sometimes two side by side."""
    wide = view.width > view.height and view.crop == "whole" and abs(view.azimuth) < 50
    count = 2 if wide and not movement.props and chance.random() < 0.12 else 1
    flipped = not movement.props and chance.random() < 0.5
    people = []
    for number in range(count):
        look = somebody(chance, movement.kind)
        stance = _varied(chance, mirrored(movement.stance) if flipped != (number == 1) else movement.stance)
        made = skeleton(stance, look.build)
        if look.legs in ("skirt", "dress") and not _upright(made):  # a skirt would have to know which way is down
            look = replace(look, legs="leggings", hem=1.9)
        if count == 2:
            _shift(made, (0.78 if number else -0.78) + float(chance.normal(0, 0.05)), float(chance.normal(0, 0.12)))
        people.append(Person(made, look, movement.props))
    return people


def _varied(chance: np.random.Generator, stance: Stance) -> Stance:
    made = stance.copy()
    for side in ("left", "right"):
        for name, spread in LOOSE.items():
            made[INDEX[f"{side}_{name}"]] += chance.normal(0, spread)
    for name in ("lean", "bend", "side", "twist", "nod", "cock", "look"):
        made[INDEX[name]] += chance.normal(0, 4)
    return within_limits(made)


def _shift(made: Skeleton, x: float, z: float) -> None:
    for name, point in made.points.items():
        made.points[name] = point + np.array([x, 0.0, z])


def _aim(chance: np.random.Generator, skeletons: list[Skeleton], view: _View) -> Camera:
    """A camera that has the people, or their upper part, in the picture as large as they fit, near the middle."""
    places = np.concatenate([_outline(one) for one in skeletons])
    whole = view.crop == "whole" or not all(_upright(one) for one in skeletons)
    if not whole:
        cut = "knee" if view.crop == "knees" else "hip"
        lowest = min(float(one.points[f"{side}_{cut}"][1]) for one in skeletons for side in ("left", "right"))
        places = places[places[:, 1] > lowest - 0.06]
    middle = (places.min(0) + places.max(0)) / 2
    trial = Camera.around(
        middle, (0, 0), azimuth=view.azimuth, elevation=view.elevation, distance=view.distance, focal=1.0
    )
    spots = trial.project(places)
    low, high = spots.min(0), spots.max(0)
    share, down = (float(chance.uniform(0.68, 0.90)), 0.5) if whole else (0.98, float(chance.uniform(0.7, 1.0)))
    focal = share * min(view.width / float(high[0] - low[0]), view.height / float(high[1] - low[1]))
    slack = np.array([view.width, view.height]) - (high - low) * focal
    centre = slack * np.array([float(chance.uniform(0.3, 0.7)), down]) - low * focal
    return Camera(trial.turn, trial.target, trial.distance, focal, (float(centre[0]), float(centre[1])))


def _outline(one: Skeleton) -> Vector:
    """Places around a body that a picture should hold."""
    size = 0.13 * one.build.unit * one.build.head
    head = one.points["head"] + np.array([[0, size, 0], [size * 0.8, 0, 0], [-size * 0.8, 0, 0]])
    joints = np.array([point for name, point in one.points.items() if name not in ("pelvis", "waist", "chest", "head")])
    hands = [one.points[f"{side}_hand"] - one.frames[f"{side}_hand"][:, 1] * 0.09 for side in ("left", "right")]
    room = np.array([0, 0.03, 0])
    return np.concatenate([joints - room, joints + room, head, hands])


def _upright(one: Skeleton) -> bool:
    return bool(one.points["neck"][1] - one.points["pelvis"][1] > 0.30 and one.points["pelvis"][1] > 0.55)
