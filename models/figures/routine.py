"""The performer: one friendly figure in a room before a camera, who moves through many poses, leaves, and comes back.

It is what a webcam sees of a visitor, and not mirrored: the left hand of somebody who faces the camera is on the
picture's right. Everything is a function of the time, so a test and a demonstration see the same.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import Final

import cv2
import numpy as np

from models.figures import indoors
from models.figures.brush import add_haze
from models.figures.look import Look
from models.figures.painting import Person, paint
from models.figures.projection import Camera
from models.figures.skeleton import Build, Skeleton, pose_skeleton
from models.figures.stance import ANGLE_INDEX, Stance, clamp_to_limits, make_stance
from models.figures.starter_pictures import REPERTOIRE
from models.pose import Image, Pose

LOOK: Final = Look(
    build=Build(height=1.70, head=1.08, shoulders=0.166, hips=0.092, belly=0.92, limbs=0.95),
    skin=(224, 168, 130), hair=(58, 40, 32), top=(222, 92, 62), bottom=(48, 70, 116), shoes=(240, 240, 236),
    hair_style="side",
    legs="trousers", hem=1.96, loose=0.25, fit=0.3, sleeves=0.55,
)  # fmt: skip
CAMERA_DISTANCE: Final = 3.2
"""How far before the figure's place the camera stands, in metres …"""
CAMERA_HEIGHT: Final = 1.12
"""… and how high."""
MIN_VISIBLE_SIZE: Final = (2.05, 2.42)
"""How wide and how high a piece of the world, in metres at the figure's place, is in the picture at least."""


@dataclass(frozen=True, slots=True)
class _Cue:
    """What comes next: a pose by its title, taken in `transition` seconds and held for `hold`, at a place on the floor.

    `x` is metres to the performer's left, `z` towards the camera,
    `turn` degrees to the left; `sway` names angles that
    go to and fro meanwhile, in degrees; a `walk` goes there on foot.
    """

    title: str
    transition: float = 1.0
    hold: float = 1.3
    x: float = 0.0
    z: float = 0.0
    turn: float = 0.0
    sway: tuple[tuple[str, float], ...] = ()
    rate: float = 1.6
    walk: bool = False


WAVE: Final = (("left_roll", 14.0), ("left_elbow", 16.0))
TWO_WAVES: Final = (("left_elbow", 14.0), ("right_elbow", 14.0))
SWING: Final = (("twist", 10.0), ("tilt", 4.0))
BOUNCE: Final = (("left_knee", 10.0), ("right_knee", 10.0), ("side", 7.0))

CUES: Final[tuple[_Cue, ...]] = (
    _Cue("Standing", 0.8, 0.8),
    _Cue("Waving hello", 0.9, 1.8, sway=WAVE),
    _Cue("Upward salute", 1.2, 1.2),
    _Cue("Arms wide", 1.0, 1.3),
    _Cue("Squat", 1.1, 1.1),
    _Cue("Victory", 1.0, 1.2),
    _Cue("Side stretch", 1.1, 1.2),
    _Cue("Hands on hips", 0.9, 1.0, x=0.35, walk=True),
    _Cue("Warrior II", 1.3, 1.5, x=0.2),
    _Cue("Flexing both arms", 1.1, 1.0),
    _Cue("Disco", 0.9, 1.6, sway=BOUNCE, rate=2.0),
    _Cue("Saturday night", 0.8, 1.4, sway=BOUNCE, rate=2.0),
    _Cue("The twist", 0.8, 1.5, sway=SWING, rate=2.0),
    _Cue("Tree with folded hands", 1.3, 1.6, x=-0.2),
    _Cue("Waving with both hands", 1.1, 1.4, x=0.0, z=0.6, walk=True, sway=TWO_WAVES),
    _Cue("Shrug", 0.8, 1.0, z=0.6),
    _Cue("Hands behind the head", 1.0, 1.0, z=0.6),
    _Cue("Thumbs up", 0.9, 1.0, z=0.6),
    _Cue("Lunge", 1.4, 1.2, x=0.1, turn=-30, walk=True),
    _Cue("Boxing guard", 1.0, 0.6),
    _Cue("Jab", 0.35, 0.3),
    _Cue("Boxing guard", 0.4, 0.4),
    _Cue("Jab", 0.35, 0.3),
    _Cue("Boxing guard", 0.5, 0.4),
    _Cue("Standing", 2.4, 2.0, x=-2.9, walk=True),
    _Cue("Waving hello", 2.6, 1.4, x=-0.1, walk=True, sway=WAVE),
    _Cue("Ta-dah!", 0.9, 1.2),
    _Cue("Goddess", 1.1, 1.3),
    _Cue("Standing on one leg", 1.1, 1.2),
    _Cue("Star jump", 0.45, 0.12),
    _Cue("Standing", 0.45, 0.3),
    _Cue("Star jump", 0.45, 0.12),
    _Cue("Standing", 0.45, 0.5),
    _Cue("Over there!", 0.9, 1.1, turn=14),
    _Cue("Air guitar", 1.0, 1.4, sway=(("right_elbow", 14.0), ("left_elbow", 4.0)), rate=2.4),
    _Cue("Jazz hands", 1.0, 1.3),
    _Cue("Egyptian", 1.0, 1.2),
    _Cue("Look up there!", 1.0, 1.2),
    _Cue("Right hand up", 1.0, 1.2),
    _Cue("Side lunge", 1.2, 1.2),
    _Cue("Thank you, thank you", 1.2, 1.2),
    _Cue("Open arms", 1.0, 1.2),
)
CYCLE_SECONDS: Final = sum(cue.transition + cue.hold for cue in CUES)
"""Seconds until it begins again."""
_STARTS: Final = [0.0, *accumulate(cue.transition + cue.hold for cue in CUES)]
_STANCES: Final = {movement.title: movement.stance for movement in REPERTOIRE}
STEP_LENGTH: Final = 0.62
"""Metres to a step."""


def perform(seconds: float, width: int, height: int) -> tuple[Image, Pose]:
    """The performer at a time, as a camera of `width`×`height` pixels sees it, and its exact pose.

    A key point's score is 1 where it is seen in the picture and 0 elsewhere.
    """
    made = skeleton_at(seconds)
    camera = _camera(width, height)
    painting = paint(_background(width, height), [Person(made, LOOK)], camera, shadow_strength=0.85, quick=True)
    xy = camera.project(made.keypoints()).astype(np.float32)
    seen = painting.seen[0]
    return painting.picture, Pose(xy, seen.astype(np.float32), float(seen.mean()))


def skeleton_at(seconds: float) -> Skeleton:
    """The performer's skeleton at a time, where it stands in the room."""
    taken, x, z = _stance_at(seconds % CYCLE_SECONDS)
    breath = math.sin(seconds * 2 * math.pi / 3.7)
    taken[ANGLE_INDEX["bend"]] += 0.9 * breath
    taken[ANGLE_INDEX["side"]] += 0.8 * math.sin(seconds * 2 * math.pi / 5.3)
    made = pose_skeleton(clamp_to_limits(taken), LOOK.build)
    for name, point in made.points.items():
        made.points[name] = point + np.array([x, 0.0, z])
    return made


def _stance_at(seconds: float) -> tuple[Stance, float, float]:
    """The stance at a time within the cycle, and where on the floor."""
    number = min(bisect_right(_STARTS, seconds) - 1, len(CUES) - 1)
    before, cue = CUES[number - 1], CUES[number]
    since = seconds - _STARTS[number]
    share = _smootherstep(min(since / cue.transition, 1.0))
    x, z = before.x + (cue.x - before.x) * share, before.z + (cue.z - before.z) * share
    made = _cue_stance(before) * (1 - share) + _cue_stance(cue) * share
    if cue.walk:
        made = _with_steps(made, cue.x - before.x, cue.z - before.z, share, min(since, cue.transition - since, 0.5) * 2)
    for which, until in ((cue, since - cue.transition), (before, -since)):
        envelope = (
            _smootherstep(min(max(until, 0) / 0.3, 1.0)) * _smootherstep(min(max(cue.hold - until, 0) / 0.3, 1.0))
            if which is cue
            else 0.0
        )
        for number_, (name, swing) in enumerate(which.sway):
            phase = math.pi if name.startswith("right") and number_ else 0.0
            made[ANGLE_INDEX[name]] += envelope * swing * math.sin(2 * math.pi * which.rate * until + phase)
    return made, x, z


def _cue_stance(cue: _Cue) -> Stance:
    made = _STANCES[cue.title].copy()
    made[ANGLE_INDEX["turn"]] += cue.turn
    return made


def _with_steps(made: Stance, x: float, z: float, share: float, amount: float) -> Stance:
    """Steps on the way: legs and arms swing with the distance gone, the body turns to where it goes."""
    amount = _smootherstep(min(max(amount, 0.0), 1.0))
    distance = math.hypot(x, z)
    phase = share * max(round(distance / STEP_LENGTH / 2), 1) * 2 * math.pi
    left, right = math.sin(phase), -math.sin(phase)
    lifted = {"left": max(math.cos(phase), 0.0), "right": max(-math.cos(phase), 0.0)}
    angles = {"turn": min(max(math.degrees(math.atan2(x, abs(z) + 0.35)), -62), 62), "lean": 4.0, "twist": -6 * left}
    for side, swing in (("left", left), ("right", right)):
        angles |= {
            f"{side}_hip": 22 * swing + 4, f"{side}_knee": 8 + 44 * lifted[side],
            f"{side}_planted": 1 - 0.9 * lifted[side],
            f"{side}_arm": 17.0, f"{side}_plane": 10 - 70 * swing, f"{side}_elbow": 22.0,
            f"{side}_heel": 20 * max(-swing, 0.0) * (1 - lifted[side]),
        }  # fmt: skip
    return made * (1 - amount) + make_stance(**angles) * amount


def _smootherstep(share: float) -> float:
    """From 0 to 1 with neither a jerk at the start nor at the end (Perlin's smootherstep)."""
    return share**3 * (share * (share * 6 - 15) + 10)


@cache
def _camera(width: int, height: int) -> Camera:
    focal = min(width / MIN_VISIBLE_SIZE[0], height / MIN_VISIBLE_SIZE[1]) * CAMERA_DISTANCE
    centre = ((width - 1) / 2, (height - 1) / 2)
    return Camera.around(
        np.array([0.0, CAMERA_HEIGHT - 0.06, 0.0]), centre, elevation=1.2, distance=CAMERA_DISTANCE, focal=focal
    )


@cache
def _background(width: int, height: int) -> Image:
    """The room, drawn once for each size; not to be written to."""
    rng = np.random.Generator(np.random.PCG64(6))
    camera = _camera(width, height)
    made = np.zeros((height, width, 3), np.uint8)
    line = camera.project(np.array([[0.0, 0.0, -1.6]]))[0, 1]
    indoors.paint_room(made, rng, float(line), camera.horizon())
    add_haze(made, rng, 1.5)
    blurred = np.asarray(cv2.GaussianBlur(made, (0, 0), max(height / 480 * 0.9, 0.3)), np.uint8)
    blurred.setflags(write=False)
    return blurred
