"""The starter library's pictures: people in named poses, each picture the same on every machine by its number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, NamedTuple

import cv2
import numpy as np

from models.figures import indoors, outdoors
from models.figures.brush import add_haze
from models.figures.daily import EVERYDAY
from models.figures.life import COMMON_MOVEMENTS
from models.figures.movement import Kind, Movement, Prop
from models.figures.painting import Painting, Person, paint
from models.figures.projection import Camera
from models.figures.props import PROP_HEIGHTS
from models.figures.rides import prop_outline
from models.figures.skeleton import Skeleton, pose_skeleton
from models.figures.sports import SPORTS
from models.figures.stage import ACTING, DANCE, YOGA
from models.figures.stance import ANGLE_INDEX, Stance, clamp_to_limits, mirrored
from models.figures.styles import (
    INK,
    NIGHT,
    PALETTES,
    PAPER,
    POSTER,
    SOFT,
    Palette,
    Style,
    recolour_clothes,
    style_background,
)
from models.figures.view import View, aim_camera, choose_view, is_upright
from models.figures.wardrobe import choose_look
from models.pose import Image, Pose

RARE_MOVEMENTS: Final[tuple[Movement, ...]] = (*EVERYDAY, *SPORTS, *YOGA, *DANCE, *ACTING)
REPERTOIRE: Final[tuple[Movement, ...]] = (*COMMON_MOVEMENTS, *RARE_MOVEMENTS)
"""Every named pose."""

ROUNDS_FOR_ALL: Final = 3
"""Each round of pictures has all that people do most (`LIFE`); of the rest it takes this many rounds to have all."""

SEED: Final = 20_250_101
"""Another number, another library."""

STYLES: Final[tuple[Style, ...]] = (SOFT, INK, SOFT, POSTER, NIGHT, SOFT, PAPER, INK, NIGHT, POSTER)
"""Styles by how often: one picture in each ten."""

ScenePainter = Callable[[Image, np.random.Generator, float, float], None]

SCENES_BY_KIND: Final[dict[Kind, tuple[ScenePainter, ...]]] = {
    "everyday": (indoors.paint_room, indoors.paint_room, outdoors.paint_park, outdoors.paint_town, outdoors.paint_town, outdoors.paint_beach,
                 indoors.paint_studio, outdoors.paint_mountains),
    "sport": (outdoors.paint_court, outdoors.paint_court, indoors.paint_gym, outdoors.paint_park, indoors.paint_studio, outdoors.paint_beach,
              outdoors.paint_sunset),
    "yoga": (outdoors.paint_park, outdoors.paint_beach, indoors.paint_room, indoors.paint_hall, outdoors.paint_sunset, outdoors.paint_mountains,
             indoors.paint_studio),
    "dance": (indoors.paint_stage, indoors.paint_hall, indoors.paint_stage, indoors.paint_studio, outdoors.paint_sunset, indoors.paint_hall),
    "fight": (indoors.paint_dojo, indoors.paint_dojo, indoors.paint_gym, outdoors.paint_mountains, outdoors.paint_sunset, indoors.paint_studio),
    "acting": (indoors.paint_stage, indoors.paint_stage, indoors.paint_studio, outdoors.paint_town, indoors.paint_room, outdoors.paint_sunset),
}  # fmt: skip
SCENES_BY_PROP: Final[dict[Prop, tuple[ScenePainter, ...]]] = {
    "skis": (outdoors.paint_snow,), "board": (outdoors.paint_snow,), "surfboard": (outdoors.paint_sea,),
    "skateboard": (outdoors.paint_town, outdoors.paint_park, outdoors.paint_sunset), "umbrella": (outdoors.paint_town, outdoors.paint_park),
    "case": (outdoors.paint_town, indoors.paint_hall), "racket": (outdoors.paint_court, outdoors.paint_court, indoors.paint_gym),
    "bat": (outdoors.paint_court, outdoors.paint_park), "football": (outdoors.paint_park, outdoors.paint_court),
    "frisbee": (outdoors.paint_park, outdoors.paint_beach), "barbell": (indoors.paint_gym, indoors.paint_studio),
    "chair": (indoors.paint_room, indoors.paint_room, indoors.paint_studio, outdoors.paint_park, indoors.paint_stage),
}  # fmt: skip
"""Where a prop belongs."""

ANGLE_SIGMAS: Final = {
    "arm": 5.0, "plane": 6.5, "roll": 6.0, "elbow": 6.0, "hip": 3.5, "spread": 3.0, "knee": 4.0, "turnout": 3.0,
}  # fmt: skip
"""By how many degrees (standard deviation) people differ who take the same pose."""


class Picture(NamedTuple):
    """One drawn picture: H×W×3, the people in it with exact key points, and what it is called."""

    image: Image
    poses: list[Pose]
    title: str


def draw_picture(number: int) -> Picture:
    """The picture of a number (0 or more). Raises ValueError for a negative one."""
    if number < 0:
        raise ValueError(f"pictures are numbered from 0, so there is no picture {number}")
    rng = np.random.Generator(np.random.PCG64([SEED, number]))
    movement = choose_movement(number)
    view = choose_view(rng, movement)
    people = choose_people(rng, movement, view)
    camera = aim_camera(
        rng, [one.skeleton for one in people], view, [prop_outline(one.skeleton, one.props) for one in people]
    )
    style, palette = STYLES[number % len(STYLES)], PALETTES[int(rng.integers(len(PALETTES)))]
    people = [replace(one, look=recolour_clothes(one.look, palette, rng, style)) for one in people]
    background = draw_background(_choose_scene(rng, movement), camera, rng, view, style, palette)
    painting = paint(background, people, camera, style=style)
    return Picture(painting.picture, exact_poses(painting, people, camera), movement.title)


def exact_poses(painting: Painting, people: list[Person], camera: Camera) -> list[Pose]:
    """The exact poses of people in a painting; scores are 1 where a key point is seen."""
    made = []
    for person, seen in zip(people, painting.seen, strict=True):
        xy = camera.project(person.skeleton.keypoints()).astype(np.float32)
        made.append(Pose(xy, seen.astype(np.float32), float(seen.mean())))
    return made


def draw_background(
    scene: ScenePainter, camera: Camera, rng: np.random.Generator, view: View, style: Style, palette: Palette
) -> Image:
    """A background whose floor is the one that the people stand on; it is half as fine as they are: out of focus."""
    height, width = view.height, view.width
    made = np.zeros((height // 2, width // 2, 3), np.uint8)
    horizon = camera.horizon()
    above = float(camera.target[1]) + camera.distance * float(camera.rotation[2, 1])
    line = horizon + camera.focal * max(above, 0.05) / (camera.distance + float(rng.uniform(1.2, 2.6)))
    line = min(max(line, height * 0.30), height * 0.97)
    scene(made, rng, line / 2, min(horizon, line - 4) / 2)
    if not style.crisp:
        add_haze(made, rng)
        made = style_background(style, made, palette, rng)
    made = np.asarray(cv2.resize(made, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
    return style_background(style, made, palette, rng) if style.crisp else made  # edges made only now are sharp


def choose_movement(number: int) -> Movement:
    """The movement of a picture: each round takes what belongs to it once, in another order."""
    length = len(COMMON_MOVEMENTS) + -(-len(RARE_MOVEMENTS) // ROUNDS_FOR_ALL)
    lap, place = divmod(number, length)
    order = np.random.Generator(np.random.PCG64([SEED, 1, lap])).permutation(length)
    taken = int(order[place])
    if taken < len(COMMON_MOVEMENTS):
        return COMMON_MOVEMENTS[taken]
    shuffled = np.random.Generator(np.random.PCG64([SEED, 2, lap // ROUNDS_FOR_ALL])).permutation(len(RARE_MOVEMENTS))
    return RARE_MOVEMENTS[
        int(shuffled[((taken - len(COMMON_MOVEMENTS)) * ROUNDS_FOR_ALL + lap % ROUNDS_FOR_ALL) % len(RARE_MOVEMENTS)])
    ]


def _choose_scene(rng: np.random.Generator, movement: Movement) -> ScenePainter:
    scenes = next(
        (SCENES_BY_PROP[prop] for prop in movement.props if prop in SCENES_BY_PROP), SCENES_BY_KIND[movement.kind]
    )
    return scenes[int(rng.integers(len(scenes)))]


def choose_people(rng: np.random.Generator, movement: Movement, view: View) -> list[Person]:
    """Whoever is in the picture: mostly one person, sometimes two side by side."""
    wide = view.width > view.height and view.crop == "whole" and abs(view.azimuth) < 50
    count = 2 if wide and not movement.props and rng.random() < 0.12 else 1
    flipped = not movement.props and rng.random() < 0.5
    people = []
    for number in range(count):
        look = choose_look(rng, movement.kind)
        taken = movement.sample_stance(rng)
        stance = _vary_stance(rng, mirrored(taken) if flipped != (number == 1) else taken)
        made = pose_skeleton(stance, look.build)
        if look.legs in ("skirt", "dress") and not is_upright(made):  # a skirt would have to know which way is down
            look = replace(look, legs="leggings", hem=1.9)
        if count == 2:
            beside = 0.78 if number else -0.78
            _shift(made, beside + float(rng.normal(0, 0.05)), 0.0, float(rng.normal(0, 0.12)))
        _shift(made, 0.0, max((PROP_HEIGHTS.get(prop, 0.0) for prop in movement.props), default=0.0), 0.0)
        people.append(Person(made, look, movement.props))
    return people


def _vary_stance(rng: np.random.Generator, stance: Stance) -> Stance:
    made = stance.copy()
    for side in ("left", "right"):
        for name, spread in ANGLE_SIGMAS.items():
            made[ANGLE_INDEX[f"{side}_{name}"]] += rng.normal(0, spread)
    for name in ("lean", "bend", "side", "twist", "nod", "cock", "look"):
        made[ANGLE_INDEX[name]] += rng.normal(0, 4)
    return clamp_to_limits(made)


def _shift(made: Skeleton, x: float, y: float, z: float) -> None:
    for name, point in made.points.items():
        made.points[name] = point + np.array([x, y, z])
