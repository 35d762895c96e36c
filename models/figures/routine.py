"""The performer: a friendly figure in front of a camera, who moves through many poses, leaves, and comes back.

The picture is a camera's, so it is not mirrored: the performer's left hand is on the right of the picture. Everything
is a function of the time, so tests and the demo show the same.
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

from models.figures.brush import add_haze
from models.figures.indoors import paint_room
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
"""Metres from the camera to the performer's place."""
CAMERA_HEIGHT: Final = 1.12
"""Metres from the floor to the camera."""
MIN_VISIBLE_SIZE: Final = (2.05, 2.42)
"""Width and height in metres, at the performer's place, that every picture shows at least."""


@dataclass(frozen=True, slots=True)
class _Cue:
    """The next pose by its title: `transition` seconds to take it, `hold` seconds to keep it.

    `x` is the place in metres to the performer's left, `z` in metres towards the camera, `turn` in degrees to the left.
    `sway` names angles that swing by some degrees during the hold, `rate` times a second. With `walk` the performer
    walks to the place.
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
"""Seconds after which the performance repeats."""
_STARTS: Final = [0.0, *accumulate(cue.transition + cue.hold for cue in CUES)]
_STANCES: Final = {movement.title: movement.stance for movement in REPERTOIRE}
STEP_LENGTH: Final = 0.62
"""Metres of one step."""


def perform(seconds: float, width: int, height: int) -> tuple[Image, Pose]:
    """Return the performer at a time, in a picture of `width`×`height` pixels, and the exact pose.

    The score of a key point is 1 if it is visible in the picture, else 0.
    """
    skeleton = skeleton_at(seconds)
    camera = _camera(width, height)
    painting = paint(_background(width, height), [Person(skeleton, LOOK)], camera, shadow_strength=0.85, quick=True)
    xy = camera.project(skeleton.keypoints()).astype(np.float32)
    seen = painting.seen[0]
    return painting.picture, Pose(xy, seen.astype(np.float32), float(seen.mean()))


def skeleton_at(seconds: float) -> Skeleton:
    """Return the performer's skeleton at a time, at its place in the room."""
    stance, x, z = _stance_at(seconds % CYCLE_SECONDS)
    breath = math.sin(seconds * 2 * math.pi / 3.7)
    stance[ANGLE_INDEX["bend"]] += 0.9 * breath
    stance[ANGLE_INDEX["side"]] += 0.8 * math.sin(seconds * 2 * math.pi / 5.3)
    skeleton = pose_skeleton(clamp_to_limits(stance), LOOK.build)
    for name, point in skeleton.points.items():
        skeleton.points[name] = point + np.array([x, 0.0, z])
    return skeleton


def _stance_at(seconds: float) -> tuple[Stance, float, float]:
    """Return the stance at a time of the cycle, and the place on the floor (x, z)."""
    number = min(bisect_right(_STARTS, seconds) - 1, len(CUES) - 1)
    before, cue = CUES[number - 1], CUES[number]
    since = seconds - _STARTS[number]
    share = _smootherstep(min(since / cue.transition, 1.0))
    x, z = before.x + (cue.x - before.x) * share, before.z + (cue.z - before.z) * share
    stance = _cue_stance(before) * (1 - share) + _cue_stance(cue) * share
    if cue.walk:
        amount = min(since, cue.transition - since, 0.5) * 2
        stance = _with_steps(stance, cue.x - before.x, cue.z - before.z, share, amount)
    held = since - cue.transition
    envelope = _smootherstep(min(max(held, 0) / 0.3, 1.0)) * _smootherstep(min(max(cue.hold - held, 0) / 0.3, 1.0))
    for order, (name, swing) in enumerate(cue.sway):
        # In a pair of angles, the right one swings against the left one.
        phase = math.pi if name.startswith("right") and order else 0.0
        stance[ANGLE_INDEX[name]] += envelope * swing * math.sin(2 * math.pi * cue.rate * held + phase)
    return stance, x, z


def _cue_stance(cue: _Cue) -> Stance:
    stance = _STANCES[cue.title].copy()
    stance[ANGLE_INDEX["turn"]] += cue.turn
    return stance


def _with_steps(stance: Stance, x: float, z: float, share: float, amount: float) -> Stance:
    """Return the stance mixed with walking: legs and arms swing with the distance, and the body turns to its path."""
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
    return stance * (1 - amount) + make_stance(**angles) * amount


def _smootherstep(share: float) -> float:
    """Return Perlin's smootherstep: from 0 to 1 without a jerk at the start or the end."""
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
    """Return the room, drawn once for each size; the array is read-only."""
    rng = np.random.Generator(np.random.PCG64(6))
    camera = _camera(width, height)
    room = np.zeros((height, width, 3), np.uint8)
    line = camera.project(np.array([[0.0, 0.0, -1.6]]))[0, 1]
    paint_room(room, rng, float(line), camera.horizon())
    add_haze(room, rng, 1.5)
    blurred = np.asarray(cv2.GaussianBlur(room, (0, 0), max(height / 480 * 0.9, 0.3)), np.uint8)
    blurred.setflags(write=False)
    return blurred
