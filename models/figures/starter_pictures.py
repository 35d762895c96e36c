"""The starter library's pictures: people in named poses.

The same number gives the same people, in the same poses and places, on every machine. Pixels may differ a little
between processors, because OpenCV and NumPy round differently.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np

from models.figures.brush import add_haze
from models.figures.combine import SEATS, combine
from models.figures.daily import EVERYDAY
from models.figures.indoors import paint_dojo, paint_gym, paint_hall, paint_room, paint_stage, paint_studio
from models.figures.life import COMMON_MOVEMENTS
from models.figures.movement import Kind, Movement, Prop
from models.figures.outdoors import (
    paint_beach,
    paint_court,
    paint_mountains,
    paint_park,
    paint_sea,
    paint_snow,
    paint_sunset,
    paint_town,
)
from models.figures.painting import Painting, Person, paint
from models.figures.projection import Camera
from models.figures.props import PROP_HEIGHTS
from models.figures.rides import prop_outline
from models.figures.skeleton import SIDES, Skeleton, pose_skeleton
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
from models.figures.view import Shot, View, aim_camera, choose_view, is_upright
from models.figures.wardrobe import choose_look
from models.pose import Image, Pose

REPERTOIRE: Final[tuple[Movement, ...]] = (*COMMON_MOVEMENTS, *EVERYDAY, *SPORTS, *YOGA, *DANCE, *ACTING)
"""Every named pose."""

RECIPE_COUNT: Final = 60_000
"""Recipes from which the library's pictures are chosen. Other pictures, which no library holds, have later ones."""

COMBINED_SHARE: Final = 0.65
"""The share of recipes with combined poses; the others have named ones."""

SEED: Final = 20_250_101
"""The seed of all pictures; another seed gives another library."""

STYLES: Final[tuple[Style, ...]] = (SOFT, INK, SOFT, POSTER, NIGHT, SOFT, PAPER, INK, NIGHT, POSTER)
"""The styles of ten pictures in a row: a style that is listed twice is twice as frequent."""

ScenePainter = Callable[[Image, np.random.Generator, float, float], None]
"""A function of `indoors` or `outdoors`: picture, random numbers, the row where the floor begins, the horizon's row."""

SCENES_BY_KIND: Final[dict[Kind, tuple[ScenePainter, ...]]] = {
    "everyday": (
        paint_room,
        paint_room,
        paint_park,
        paint_town,
        paint_town,
        paint_beach,
        paint_studio,
        paint_mountains,
    ),
    "sport": (paint_court, paint_court, paint_gym, paint_park, paint_studio, paint_beach, paint_sunset),
    "yoga": (paint_park, paint_beach, paint_room, paint_hall, paint_sunset, paint_mountains, paint_studio),
    "dance": (paint_stage, paint_hall, paint_stage, paint_studio, paint_sunset, paint_hall),
    "fight": (paint_dojo, paint_dojo, paint_gym, paint_mountains, paint_sunset, paint_studio),
    "acting": (paint_stage, paint_stage, paint_studio, paint_town, paint_room, paint_sunset),
}
"""The scenes of each kind of movement; a scene that is listed twice is twice as likely."""

SCENES_BY_PROP: Final[dict[Prop, tuple[ScenePainter, ...]]] = {
    "skis": (paint_snow,),
    "board": (paint_snow,),
    "surfboard": (paint_sea,),
    "skateboard": (paint_town, paint_park, paint_sunset),
    "umbrella": (paint_town, paint_park),
    "case": (paint_town, paint_hall),
    "racket": (paint_court, paint_court, paint_gym),
    "bat": (paint_court, paint_park),
    "football": (paint_park, paint_court),
    "frisbee": (paint_park, paint_beach),
    "barbell": (paint_gym, paint_studio),
    "chair": (paint_room, paint_room, paint_studio, paint_park, paint_stage),
}
"""The scenes where a prop belongs; they take precedence over `SCENES_BY_KIND`."""

ANGLE_SIGMAS: Final = {
    "arm": 5.0, "plane": 6.5, "roll": 6.0, "elbow": 6.0, "hip": 3.5, "spread": 3.0, "knee": 4.0, "turnout": 3.0,
}  # fmt: skip
"""Degrees (standard deviation) by which people differ in the same pose."""


class Picture(NamedTuple):
    """One drawn picture: H×W×3, the exact poses of the people in it, its title, and its kind of movement."""

    image: Image
    poses: list[Pose]
    title: str
    kind: Kind = "everyday"


def is_seat(prop: Prop) -> bool:
    """Return whether people sit on a prop."""
    return prop in SEATS


class Plan(NamedTuple):
    """All of a picture but its painting."""

    movement: Movement
    person: Person
    view: View
    shot: Shot
    rng: np.random.Generator
    """The random numbers that the painting goes on with."""


def draw_picture(number: int) -> Picture:
    """Return a picture by its number, from 0 upwards. Raises ValueError for a negative number."""
    plan = plan_picture(number)
    rng, camera, movement = plan.rng, plan.shot.camera, plan.movement
    style, palette = STYLES[number % len(STYLES)], PALETTES[int(rng.integers(len(PALETTES)))]
    person = replace(plan.person, look=recolour_clothes(plan.person.look, palette, rng, style))
    background = draw_background(_choose_scene(rng, movement), plan.shot, rng, style, palette)
    painting = paint(background, [person], camera, style=style)
    return Picture(painting.picture, exact_poses(painting, [person], camera), movement.title, movement.kind)


def plan_picture(number: int) -> Plan:
    """Return who is in a picture, and the camera. Raises ValueError for a negative number."""
    if number < 0:
        raise ValueError(f"pictures are numbered from 0, so there is no picture {number}")
    chosen = chosen_recipes()
    return plan_recipe(chosen[number] if number < len(chosen) else RECIPE_COUNT + number)


def plan_recipe(recipe: int) -> Plan:
    """Return the plan that the random numbers of a recipe give."""
    rng = recipe_rng(recipe)
    movement = choose_movement(rng)
    view = choose_view(rng, movement)
    person = choose_person(rng, movement)
    shot = aim_camera(rng, person.skeleton, view, prop_outline(person.skeleton, person.props))
    return Plan(movement, person, view, shot, rng)


def recipe_rng(recipe: int) -> np.random.Generator:
    """Return the random numbers of a recipe."""
    return np.random.Generator(np.random.PCG64([SEED, recipe]))


@cache
def chosen_recipes() -> tuple[int, ...]:
    """Return the recipes of the starter library's pictures, the most useful first.

    `benchmarks/starter_choice.py` chose them among the first `RECIPE_COUNT`.
    """
    return tuple(map(int, Path(__file__).with_name("recipes.txt").read_text("ascii").split()))


def exact_poses(painting: Painting, people: list[Person], camera: Camera) -> list[Pose]:
    """Return the exact poses of the people in a painting; the score of a visible key point is 1, of any other 0."""
    poses = []
    for person, seen in zip(people, painting.seen, strict=True):
        xy = camera.project(person.skeleton.keypoints()).astype(np.float32)
        poses.append(Pose(xy, seen.astype(np.float32), float(seen.mean())))
    return poses


def draw_background(scene: ScenePainter, shot: Shot, rng: np.random.Generator, style: Style, palette: Palette) -> Image:
    """Return a background whose floor fits the camera, so that the people stand on it.

    It is drawn at half the size and enlarged, so that it looks out of focus.
    """
    camera, width, height = shot
    picture = np.zeros((height // 2, width // 2, 3), np.uint8)
    horizon = camera.horizon()
    above = float(camera.target[1]) + camera.distance * float(camera.rotation[2, 1])
    line = horizon + camera.focal * max(above, 0.05) / (camera.distance + float(rng.uniform(1.2, 2.6)))
    line = min(max(line, height * 0.30), height * 0.97)
    scene(picture, rng, line / 2, min(horizon, line - 4) / 2)
    if not style.crisp:
        add_haze(picture, rng)
        picture = style_background(style, picture, palette, rng)
    picture = np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
    # A crisp style is applied after enlarging, so that its edges are sharp.
    return style_background(style, picture, palette, rng) if style.crisp else picture


def choose_movement(rng: np.random.Generator) -> Movement:
    """Return a named movement, or more often a combined one."""
    if rng.random() < COMBINED_SHARE:
        return combine(rng, REPERTOIRE)
    return REPERTOIRE[int(rng.integers(len(REPERTOIRE)))]


def _choose_scene(rng: np.random.Generator, movement: Movement) -> ScenePainter:
    scenes = next(
        (SCENES_BY_PROP[prop] for prop in movement.props if prop in SCENES_BY_PROP), SCENES_BY_KIND[movement.kind]
    )
    return scenes[int(rng.integers(len(scenes)))]


def choose_person(rng: np.random.Generator, movement: Movement) -> Person:
    """Return a person in a movement."""
    look = choose_look(rng, movement.kind)
    stance = movement.sample_stance(rng)
    flipped = not movement.props and rng.random() < 0.5
    skeleton = pose_skeleton(_vary_stance(rng, mirrored(stance) if flipped else stance), look.build)
    if look.legs in ("skirt", "dress") and not _skirt_hangs(skeleton):
        look = replace(look, legs="leggings", hem=1.9)
    _raise(skeleton, max((PROP_HEIGHTS.get(prop, 0.0) for prop in movement.props), default=0.0))
    return Person(skeleton, look, movement.props)


def _skirt_hangs(skeleton: Skeleton) -> bool:
    """Return whether legs and trunk are such that a drawn skirt looks right: it cannot fall over knees or sideways."""
    thighs = [skeleton.frames[f"{side}_thigh"][:, 1] for side in SIDES]
    shanks = [skeleton.frames[f"{side}_shank"][:, 1] for side in SIDES]
    level = min(float(bone[1]) for bone in (*thighs, *shanks))
    return is_upright(skeleton) and level > 0.8 and float(thighs[0] @ thighs[1]) > 0.85


def _vary_stance(rng: np.random.Generator, stance: Stance) -> Stance:
    varied = stance.copy()
    for side in ("left", "right"):
        for name, sigma in ANGLE_SIGMAS.items():
            varied[ANGLE_INDEX[f"{side}_{name}"]] += rng.normal(0, sigma)
    for name in ("lean", "bend", "side", "twist", "nod", "cock", "look"):
        varied[ANGLE_INDEX[name]] += rng.normal(0, 4)
    return clamp_to_limits(varied)


def _raise(skeleton: Skeleton, height: float) -> None:
    for name, point in skeleton.points.items():
        skeleton.points[name] = point + np.array([0, height, 0])
