"""The starter library's pictures: people in named poses, each picture the same on every machine by its number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, NamedTuple

import cv2
import numpy as np

from models.figures import indoors, outdoors
from models.figures.brush import haze
from models.figures.daily import EVERYDAY
from models.figures.life import LIFE
from models.figures.movement import Kind, Movement, Prop
from models.figures.painting import Painting, Person, paint
from models.figures.projection import Camera
from models.figures.props import RAISED
from models.figures.rides import room
from models.figures.skeleton import Skeleton, skeleton
from models.figures.sports import SPORTS
from models.figures.stage import ACTING, DANCE, YOGA
from models.figures.stance import INDEX, Stance, mirrored, within_limits
from models.figures.styles import INK, NIGHT, PALETTES, PAPER, POSTER, SOFT, Palette, Style, ground, wear
from models.figures.view import View, aim, choose_view, upright
from models.figures.wardrobe import somebody
from models.pose import Image, Pose

SELDOM: Final[tuple[Movement, ...]] = (*EVERYDAY, *SPORTS, *YOGA, *DANCE, *ACTING)
REPERTOIRE: Final[tuple[Movement, ...]] = (*LIFE, *SELDOM)
"""Every named pose."""

ROUNDS: Final = 3
"""Each round of pictures has all that people do most (`LIFE`); of the rest it takes this many rounds to have all."""

SEED: Final = 20_250_101
"""Another number, another library."""

STYLES: Final[tuple[Style, ...]] = (SOFT, INK, SOFT, POSTER, NIGHT, SOFT, PAPER, INK, NIGHT, POSTER)
"""Styles by how often: one picture in each ten."""

Scene = Callable[[Image, np.random.Generator, float, float], None]

SCENES: Final[dict[Kind, tuple[Scene, ...]]] = {
    "everyday": (indoors.room, indoors.room, outdoors.park, outdoors.town, outdoors.town, outdoors.beach,
                 indoors.studio, outdoors.mountains),
    "sport": (outdoors.court, outdoors.court, indoors.gym, outdoors.park, indoors.studio, outdoors.beach,
              outdoors.sunset),
    "yoga": (outdoors.park, outdoors.beach, indoors.room, indoors.hall, outdoors.sunset, outdoors.mountains,
             indoors.studio),
    "dance": (indoors.stage, indoors.hall, indoors.stage, indoors.studio, outdoors.sunset, indoors.hall),
    "fight": (indoors.dojo, indoors.dojo, indoors.gym, outdoors.mountains, outdoors.sunset, indoors.studio),
    "acting": (indoors.stage, indoors.stage, indoors.studio, outdoors.town, indoors.room, outdoors.sunset),
}  # fmt: skip
PLACES: Final[dict[Prop, tuple[Scene, ...]]] = {
    "skis": (outdoors.snow,), "board": (outdoors.snow,), "surfboard": (outdoors.sea,),
    "skateboard": (outdoors.town, outdoors.park, outdoors.sunset), "umbrella": (outdoors.town, outdoors.park),
    "case": (outdoors.town, indoors.hall), "racket": (outdoors.court, outdoors.court, indoors.gym),
    "bat": (outdoors.court, outdoors.park), "football": (outdoors.park, outdoors.court),
    "frisbee": (outdoors.park, outdoors.beach), "barbell": (indoors.gym, indoors.studio),
    "chair": (indoors.room, indoors.room, indoors.studio, outdoors.park, indoors.stage),
}  # fmt: skip
"""Where a prop belongs."""

LOOSE: Final = {
    "arm": 5.0, "plane": 6.5, "roll": 6.0, "elbow": 6.0, "hip": 3.5, "spread": 3.0, "knee": 4.0, "turnout": 3.0,
}  # fmt: skip
"""By how many degrees (standard deviation) people differ who take the same pose."""


class Picture(NamedTuple):
    """One drawn picture: H×W×3, the people in it with exact key points, and what it is called."""

    image: Image
    poses: list[Pose]
    title: str


def picture(number: int) -> Picture:
    """The picture of a number (0 or more). Raises ValueError for a negative one."""
    if number < 0:
        raise ValueError(f"pictures are numbered from 0, so there is no picture {number}")
    chance = np.random.Generator(np.random.PCG64([SEED, number]))
    movement = choose(number)
    view = choose_view(chance, movement)
    people = cast(chance, movement, view)
    camera = aim(chance, [one.skeleton for one in people], view, [room(one.skeleton, one.props) for one in people])
    style, palette = STYLES[number % len(STYLES)], PALETTES[int(chance.integers(len(PALETTES)))]
    people = [replace(one, look=wear(one.look, palette, chance, style)) for one in people]
    background = backdrop(_scene(chance, movement), camera, chance, view, style, palette)
    painting = paint(background, people, camera, style=style)
    return Picture(painting.picture, poses(painting, people, camera), movement.title)


def poses(painting: Painting, people: list[Person], camera: Camera) -> list[Pose]:
    """The exact poses of people in a painting; scores are 1 where a key point is seen."""
    made = []
    for person, seen in zip(people, painting.seen, strict=True):
        xy = camera.project(person.skeleton.keypoints()).astype(np.float32)
        made.append(Pose(xy, seen.astype(np.float32), float(seen.mean())))
    return made


def backdrop(
    scene: Scene, camera: Camera, chance: np.random.Generator, view: View, style: Style, palette: Palette
) -> Image:
    """A background whose floor is the one that the people stand on; it is half as fine as they are: out of focus."""
    height, width = view.height, view.width
    made = np.zeros((height // 2, width // 2, 3), np.uint8)
    horizon = camera.horizon()
    above = float(camera.target[1]) + camera.distance * float(camera.turn[2, 1])
    line = horizon + camera.focal * max(above, 0.05) / (camera.distance + float(chance.uniform(1.2, 2.6)))
    line = min(max(line, height * 0.30), height * 0.97)
    scene(made, chance, line / 2, min(horizon, line - 4) / 2)
    if not style.crisp:
        haze(made, chance)
        made = ground(style, made, palette, chance)
    made = np.asarray(cv2.resize(made, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
    return ground(style, made, palette, chance) if style.crisp else made  # edges made only now are sharp


def choose(number: int) -> Movement:
    """The movement of a picture: each round takes what belongs to it once, in another order."""
    length = len(LIFE) + -(-len(SELDOM) // ROUNDS)
    lap, place = divmod(number, length)
    order = np.random.Generator(np.random.PCG64([SEED, 1, lap])).permutation(length)
    taken = int(order[place])
    if taken < len(LIFE):
        return LIFE[taken]
    shuffled = np.random.Generator(np.random.PCG64([SEED, 2, lap // ROUNDS])).permutation(len(SELDOM))
    return SELDOM[int(shuffled[((taken - len(LIFE)) * ROUNDS + lap % ROUNDS) % len(SELDOM)])]


def _scene(chance: np.random.Generator, movement: Movement) -> Scene:
    scenes = next((PLACES[prop] for prop in movement.props if prop in PLACES), SCENES[movement.kind])
    return scenes[int(chance.integers(len(scenes)))]


def cast(chance: np.random.Generator, movement: Movement, view: View) -> list[Person]:
    """Whoever is in the picture: mostly one person, sometimes two side by side."""
    wide = view.width > view.height and view.crop == "whole" and abs(view.azimuth) < 50
    count = 2 if wide and not movement.props and chance.random() < 0.12 else 1
    flipped = not movement.props and chance.random() < 0.5
    people = []
    for number in range(count):
        look = somebody(chance, movement.kind)
        taken = movement.taken(chance)
        stance = _varied(chance, mirrored(taken) if flipped != (number == 1) else taken)
        made = skeleton(stance, look.build)
        if look.legs in ("skirt", "dress") and not upright(made):  # a skirt would have to know which way is down
            look = replace(look, legs="leggings", hem=1.9)
        if count == 2:
            beside = 0.78 if number else -0.78
            _shift(made, beside + float(chance.normal(0, 0.05)), 0.0, float(chance.normal(0, 0.12)))
        _shift(made, 0.0, max((RAISED.get(prop, 0.0) for prop in movement.props), default=0.0), 0.0)
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


def _shift(made: Skeleton, x: float, y: float, z: float) -> None:
    for name, point in made.points.items():
        made.points[name] = point + np.array([x, y, z])
