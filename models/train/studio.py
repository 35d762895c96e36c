"""Scenes for training: who stands where, before what, in which light, and how a camera frames it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from models.figures.projection import Camera
from models.figures.skeleton import Vector
from models.pose import Floats, Image
from models.train.backgrounds import BackdropPainter
from models.train.bank import Bank, Figure, PlacedFigure
from models.train.buffers import Buffers, Projection, empty_buffers
from models.train.camera_effects import expose
from models.train.costume import sample_appearance, sample_lamp
from models.train.gallery import Gallery
from models.train.light import make_textures, shade_people, soften_outlines
from models.train.render import draw_person

Framing = Literal["close", "whole", "free"]
"""How large the first person is: parts of them, as large as fits, or anyhow and anywhere."""

GALLERY_SHARE: Final = 0.25
"""Share of the scenes that are pictures of the gallery …"""
PHOTOGRAPHED_SHARE: Final = 0.5
"""… and of those the ones that are photographed too."""
MAX_PEOPLE: Final = 4
"""People in a scene at most."""
COUNT_THRESHOLDS: Final = (0.03, 0.62, 0.86, 0.96)
"""Share of the scenes with nobody, with one person at most, and so on."""
OCCLUSION_SHARE: Final = 0.3
"""Share of the scenes in which things may stand before people."""
SHADOW_SHARE: Final = 0.65
"""Share of the scenes in which people cast a shadow on the floor."""

HIDING_DISTANCE: Final = 0.28
"""How many metres before a joint something must be to hide it: more than a body is thick …"""
FACE_HIDING_DISTANCE: Final = 0.07
"""… and before nose, eyes and ears."""
FACE: Final = slice(0, 5)
"""Nose, eyes and ears: people label them only where they see them."""

CLOSE_UPS: Final = (
    (0, 1, 2, 3, 4, 5, 6), (0, 1, 2, 3, 4, 5, 6, 7, 8), (0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 12),
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), (0, 1, 2, 3, 4, 5, 6, 11, 12, 13, 14),
)  # fmt: skip
"""Key points that close-ups show: bust, chest, waist, hands too, down to the knees."""
MIN_EXTENT: Final = 0.28
"""Metres that fill a picture at least: key points of somebody seen from above may lie closer together."""


class Scene(NamedTuple):
    """A picture S×S×3 and the people in it: P×17×3, x and y in pixels, third 0 not to be seen, 1 hidden, 2 seen."""

    image: Image
    people: Floats


class SceneGenerator:
    """Makes scenes; holds what they are made from."""

    def __init__(self, bank: Bank, gallery: Gallery | None, seed: int) -> None:
        self.bank, self.gallery = bank, gallery
        self.rng = np.random.default_rng([seed, 1])
        self.backdrops = BackdropPainter(seed)
        self.textures = make_textures(seed)

    def generate(self, size: int) -> Scene:
        """A scene by chance, `size` pixels wide and high."""
        rng = self.rng
        if self.gallery is not None and rng.random() < GALLERY_SHARE:
            return _scene_from_gallery(self.gallery, rng, size)
        cast = place_people(
            rng, [self.bank.pick(rng) for _ in range(int(np.searchsorted(COUNT_THRESHOLDS, rng.random())))]
        )
        camera = aim_camera(rng, cast, size)
        picture = self._backdrop(camera, size)
        if rng.random() < SHADOW_SHARE:
            _shade_floor(rng, picture, cast, camera)
        people = self.paint_people(picture, cast, camera)
        if rng.random() < OCCLUSION_SHARE:
            mark_hidden(people, self.backdrops.occlude(rng, picture, None))
        return Scene(expose(rng, picture), people)

    def _backdrop(self, camera: Camera, size: int) -> Floats:
        horizon = camera.horizon()
        about = horizon if -size < horizon < 2 * size else None
        return np.ascontiguousarray(self.backdrops.paint(self.rng, size, size, about), np.float32)

    def paint_people(self, picture: Floats, cast: Sequence[PlacedFigure], camera: Camera) -> Floats:
        """Draws people into a picture (S×S×3), in place, and says where their key points are (see `Scene`)."""
        if not cast:
            return np.zeros((0, 17, 3), np.float32)
        people = [somebody.in_camera_axes(camera) for somebody in cast]
        view = Projection.from_camera(camera)
        seen = render_people(people, view, len(picture))
        dressed, lit = sample_appearance(self.rng, people), sample_lamp(self.rng)
        shade_people(picture, seen, _ambient_light(seen.depth), dressed, self.textures, lit, view)
        soften_outlines(picture, seen.depth, seen.tags, np.empty_like(picture))
        return np.stack([project_keypoints(somebody.keypoints, camera, seen.depth) for somebody in people])


def _scene_from_gallery(gallery: Gallery, rng: np.random.Generator, size: int) -> Scene:
    picture, people = gallery.crop(rng, size)
    image = expose(rng, picture) if rng.random() < PHOTOGRAPHED_SHARE else picture.astype(np.uint8)
    return Scene(image, people)


def place_people(rng: np.random.Generator, cast: Sequence[Figure]) -> list[PlacedFigure]:
    """People on the floor of a scene, in its axes; the first, in its middle, is the one the picture is of."""
    together = rng.random() < 0.5
    facing = _sample_angle(rng, 0.68, 0.7)
    placed: list[PlacedFigure] = []
    taken: list[float] = []
    for one in cast:
        x, z, angle = 0.0, 0.0, facing
        if placed:
            x, z = _place_beside(rng, taken, together)
            angle = facing if together else _sample_angle(rng, 0.6, 1.0)
        turn = _rotation_about_y(angle + rng.normal(0, 0.4))
        hips = one.keypoints[[11, 12]].mean(0) @ turn.T
        placed.append(PlacedFigure(one, turn, np.array([x - hips[0], 0, z - hips[2]], np.float32)))
        taken.append(x)
    return placed


def _sample_angle(rng: np.random.Generator, share: float, spread: float) -> float:
    """Radians from the camera to somebody's left: about 0 for a share of all people, anything for the others."""
    return float(rng.normal(0, spread) if rng.random() < share else rng.uniform(-math.pi, math.pi))


def _place_beside(rng: np.random.Generator, taken: Sequence[float], together: bool) -> tuple[float, float]:
    """Metres to the side and ahead of the first person: next to those who have their places (to the side) already."""
    apart = rng.uniform(0.3, 0.7) if together else rng.uniform(0.2, 2.2)
    x = min(taken) - apart if rng.random() < 0.5 else max(taken) + apart
    z = rng.normal(0, 0.15) if together else 0.5 - rng.exponential(1.5)
    return float(x), float(z)


def _rotation_about_y(angle: float) -> Floats:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]], np.float32)


def aim_camera(rng: np.random.Generator, cast: Sequence[PlacedFigure], size: int) -> Camera:
    """A camera by chance for a picture of `size` pixels a side, and how large and where the first person is in it."""
    framing = _sample_framing(rng, len(cast))
    distance = _log_uniform(rng, 1.1, 4.5) if framing == "close" else _log_uniform(rng, 2.2, 12)
    elevation = rng.normal(4, 8) if rng.random() < 0.85 else rng.uniform(10, 50)
    roll = rng.normal(0, 4) if rng.random() < 0.86 else rng.normal(0, 50)
    if not cast:
        middle = np.array([0, 1.0, 0])
        return Camera.around(middle, (size / 2, size / 2), elevation=elevation, distance=distance, focal=size)
    keypoints = cast[0].keypoints.astype(float)
    target = keypoints[FACE].mean(0) * (1, 0.93, 1) if framing == "close" else keypoints.mean(0)
    trial = Camera.around(target, (0, 0), elevation=elevation, roll=roll, distance=distance, focal=1.0)
    shown = keypoints[list(CLOSE_UPS[int(rng.integers(len(CLOSE_UPS)))])] if framing == "close" else keypoints
    return _fit_camera(trial, shown, *_sample_share_and_offset(rng, framing), size)


def _sample_framing(rng: np.random.Generator, count: int) -> Framing:
    draw = rng.random()
    if draw < 0.40:
        return "close"
    whole = 0.56 if count > 1 else 0.72  # others beside the first one are to be in the picture too
    return "whole" if draw < whole else "free"


def _sample_share_and_offset(rng: np.random.Generator, framing: Framing) -> tuple[float, Vector]:
    """Which share of the picture's side the key points shown take, and how far off its middle they are (2 shares)."""
    if framing == "whole":
        return float(rng.normal(0.66, 0.07)), rng.normal(0, 0.05, 2)
    if framing == "close":
        return _log_uniform(rng, 0.35, 1.05), rng.normal(0, 0.13, 2)
    share = _log_uniform(rng, 0.2, 1.0)
    return share, rng.uniform(-0.5, 0.5, 2) * max(1 - share, 0.1)


def _fit_camera(trial: Camera, shown: Vector, share: float, off: Vector, size: int) -> Camera:
    """The camera with another focal length and centre, so that N×3 points take their share of the picture."""
    spots = trial.project(shown)
    low, high = spots.min(0), spots.max(0)
    reach = max(float((high - low).max()), MIN_EXTENT / trial.distance)
    focal = max(share, 0.1) * size / reach
    x, y = (size / 2 + off * size - (low + high) / 2 * focal).tolist()
    return Camera(trial.rotation, trial.target, trial.distance, focal, (x, y))


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Between two numbers, as often in each octave."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def render_people(people: Sequence[PlacedFigure], view: Projection, size: int) -> Buffers:
    """What is seen of people in the camera's axes, in a picture of `size` pixels a side."""
    firsts = np.cumsum([0] + [len(somebody.figure.rows) for somebody in people]).tolist()
    seen = empty_buffers(size, size, firsts.pop())
    for who, (somebody, first) in enumerate(zip(people, firsts, strict=True)):
        trunk = somebody.figure.trunk @ somebody.rotation.T
        trunk[0] += somebody.translation
        draw_person(somebody.figure.rows, somebody.rotation, somebody.translation, trunk, view, who, first, seen)
    return seen


def project_keypoints(places: Floats, camera: Camera, near: Floats) -> Floats:
    """Key points (17×3, the camera's axes) in pixels and whether they are seen (see `Scene`)."""
    size = len(near)
    xy = camera.to_pixels(places.astype(float))
    at = np.clip(np.round(xy), 0, size - 1).astype(int)
    inside = (places[:, 2] < camera.near_limit) & ((xy > -0.5) & (xy < size - 0.5)).all(1)
    before = near[at[:, 1], at[:, 0]] - places[:, 2]
    state = np.where(inside, np.where(before < HIDING_DISTANCE, 2, 1), 0)
    state[FACE] = np.where(inside[FACE] & (before[FACE] < FACE_HIDING_DISTANCE), 2, 0)
    return np.column_stack([xy, state]).astype(np.float32)


def mark_hidden(people: Floats, covered: npt.NDArray[np.bool_]) -> None:
    """Marks key points (P×17×3) that something covers (S×S), in place: hidden, and those of the face not to be seen."""
    at = np.clip(np.round(people[..., :2]), 0, len(covered) - 1).astype(int)
    under = covered[at[..., 1], at[..., 0]] & (people[..., 2] > 0)
    people[under, 2] = 1
    people[:, FACE, 2] = np.where(under[:, FACE], 0, people[:, FACE, 2])


def _ambient_light(near: Floats) -> Floats:
    """How much of the light from all around reaches each pixel (S×S, 0.4 to 1): less where its surroundings, a few of
    four pixels each, are nearer (Luft et al., Image enhancement by unsharp masking the depth buffer, 2006)."""
    size = len(near)
    depth = np.maximum(near, np.float32(-6))  # what is farther counts as six metres behind the people
    small = cv2.resize(depth, (size // 4 + 1, size // 4 + 1), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), 1.6)
    nearer: Floats = cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR).astype(np.float32) - depth
    np.clip(nearer * np.float32(2.2), 0, np.float32(0.6), out=nearer)
    made: Floats = 1 - nearer
    return made


def _shade_floor(rng: np.random.Generator, picture: Floats, cast: Sequence[PlacedFigure], camera: Camera) -> None:
    """Soft shadows where people stand, in place: half the size is fine enough for what is blurred."""
    size = len(picture)
    mask = np.zeros((size // 2 + 1, size // 2 + 1), np.uint8)
    lean = rng.normal(0, 0.5, 2)
    for somebody in cast:
        places = somebody.keypoints
        if places[15:17, 1].min() > 0.4:  # in the air, or upside down
            continue
        flat = places.astype(float) * (1, 0, 1) + places[:, 1:2] * (lean[0], 0, lean[1])
        if (camera.to_camera(flat)[:, 2] > camera.distance - 0.5).any():
            continue
        spots = camera.project(flat)
        if np.abs(spots).max() < 3 * size:
            cv2.fillConvexPoly(mask, cv2.convexHull((spots / 2).astype(np.int32)), 255)
    if mask.any():
        soft = cv2.GaussianBlur(mask, (0, 0), max(size / 60, 1.0))
        soft = cv2.resize(soft, (size, size), interpolation=cv2.INTER_LINEAR)
        picture *= (1 - soft.astype(np.float32) * np.float32(rng.uniform(0.15, 0.5) / 255))[..., None]
