"""Generate training scenes: where people stand, what is behind them, the light, and how a camera frames them."""

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
from models.train.light import Lighting, make_textures, shade_people, soften_outlines
from models.train.render import Person, draw_person

Framing = Literal["close", "whole", "free"]
"""How large the first person is: a part of them, the whole person filling the picture, or any size anywhere."""

GALLERY_SHARE: Final = 0.25
"""Share of scenes that are crops of the gallery's pictures."""
PHOTOGRAPHED_SHARE: Final = 0.5
"""Share of those crops that go through the camera's effects."""
MAX_PEOPLE: Final = 4
"""Maximum number of people in a scene."""
COUNT_THRESHOLDS: Final = (0.03, 0.62, 0.86, 0.96)
"""Share of scenes with nobody, with at most one person, and so on."""
OCCLUSION_SHARE: Final = 0.3
"""Share of scenes in which objects may be in front of people."""
SHADOW_SHARE: Final = 0.65
"""Share of scenes in which people cast a shadow on the floor."""

HIDING_DISTANCE: Final = 0.28
"""Metres that something must be in front of a joint to hide it: more than a body is thick."""
FACE_HIDING_DISTANCE: Final = 0.07
"""The same in front of nose, eyes and ears, which are on the body's surface."""
FACE: Final = slice(0, 5)
"""Nose, eyes and ears. People who label photos mark these only where they are visible, so scenes do the same."""

CLOSE_UPS: Final = (
    (0, 1, 2, 3, 4, 5, 6), (0, 1, 2, 3, 4, 5, 6, 7, 8), (0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 12),
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), (0, 1, 2, 3, 4, 5, 6, 11, 12, 13, 14),
)  # fmt: skip
"""Key points that close-ups show: bust, chest, waist, hands too, down to the knees."""
MIN_EXTENT: Final = 0.28
"""Metres; the camera zooms in on nothing smaller. Seen from above, a person's key points may be closer together."""


class Scene(NamedTuple):
    """A picture S×S×3 and the people in it, P×17×3: x and y in pixels, then 0 for absent, 1 for hidden, 2 for
    visible."""

    image: Image
    people: Floats


class SceneGenerator:
    """Generates scenes from a bank of people, a gallery, backdrops and textures."""

    def __init__(self, bank: Bank, gallery: Gallery | None, seed: int) -> None:
        self.bank, self.gallery = bank, gallery
        self.rng = np.random.default_rng([seed, 1])
        self.backdrops = BackdropPainter(seed)
        self.textures = make_textures(seed)

    def generate(self, size: int) -> Scene:
        """Return a random scene, `size` pixels wide and high."""
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
        row = horizon if -size < horizon < 2 * size else None
        return np.ascontiguousarray(self.backdrops.paint(self.rng, size, size, row), np.float32)

    def paint_people(self, picture: Floats, cast: Sequence[PlacedFigure], camera: Camera) -> Floats:
        """Draw people into a picture (S×S×3), in place, and return their key points (see `Scene`)."""
        if not cast:
            return np.zeros((0, 17, 3), np.float32)
        people = [placed.in_camera_axes(camera) for placed in cast]
        view = Projection.from_camera(camera)
        seen = render_people(people, view, len(picture))
        appearance = sample_appearance(self.rng, people)
        lighting = Lighting(sample_lamp(self.rng), _ambient_light(seen.depth))
        shade_people(picture, seen, appearance, self.textures, lighting, view)
        soften_outlines(picture, seen.depth, seen.tags, np.empty_like(picture))
        return np.stack([project_keypoints(placed.keypoints, camera, seen.depth) for placed in people])


def _scene_from_gallery(gallery: Gallery, rng: np.random.Generator, size: int) -> Scene:
    picture, people = gallery.crop(rng, size)
    image = expose(rng, picture) if rng.random() < PHOTOGRAPHED_SHARE else picture.astype(np.uint8)
    return Scene(image, people)


def place_people(rng: np.random.Generator, cast: Sequence[Figure]) -> list[PlacedFigure]:
    """Place people on the floor of a scene. The first is in the middle, where the camera aims."""
    together = rng.random() < 0.5
    facing = _sample_angle(rng, 0.68, 0.7)
    placed: list[PlacedFigure] = []
    columns: list[float] = []
    for figure in cast:
        x, z, angle = 0.0, 0.0, facing
        if placed:
            x, z = _place_beside(rng, columns, together)
            angle = facing if together else _sample_angle(rng, 0.6, 1.0)
        turn = _rotation_about_y(angle + rng.normal(0, 0.4))
        hips = figure.keypoints[[11, 12]].mean(0) @ turn.T
        placed.append(PlacedFigure(figure, turn, np.array([x - hips[0], 0, z - hips[2]], np.float32)))
        columns.append(x)
    return placed


def _sample_angle(rng: np.random.Generator, share: float, spread: float) -> float:
    """Return how far a person turns left from the camera, in radians: near 0 for a share of people, else any angle."""
    return float(rng.normal(0, spread) if rng.random() < share else rng.uniform(-math.pi, math.pi))


def _place_beside(rng: np.random.Generator, columns: Sequence[float], together: bool) -> tuple[float, float]:
    """Return metres sideways and ahead of the first person, next to the people who have a place already."""
    apart = rng.uniform(0.3, 0.7) if together else rng.uniform(0.2, 2.2)
    x = min(columns) - apart if rng.random() < 0.5 else max(columns) + apart
    z = rng.normal(0, 0.15) if together else 0.5 - rng.exponential(1.5)
    return float(x), float(z)


def _rotation_about_y(angle: float) -> Floats:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]], np.float32)


def aim_camera(rng: np.random.Generator, cast: Sequence[PlacedFigure], size: int) -> Camera:
    """Return a random camera for a picture of `size` pixels a side, with the first person at a random size and
    place."""
    framing = _sample_framing(rng, len(cast))
    distance = _log_uniform(rng, 1.1, 4.5) if framing == "close" else _log_uniform(rng, 2.2, 12)
    elevation = rng.normal(4, 8) if rng.random() < 0.85 else rng.uniform(10, 50)
    roll = rng.normal(0, 4) if rng.random() < 0.86 else rng.normal(0, 50)
    if not cast:
        middle = np.array([0, 1.0, 0])
        return Camera.around(middle, (size / 2, size / 2), elevation=elevation, distance=distance, focal=size)
    keypoints = cast[0].keypoints.astype(float)
    target = keypoints[FACE].mean(0) * (1, 0.93, 1) if framing == "close" else keypoints.mean(0)
    trial = Camera.around(target, (0, 0), elevation=elevation, distance=distance, focal=1.0).rolled(roll)
    shown = keypoints[list(CLOSE_UPS[int(rng.integers(len(CLOSE_UPS)))])] if framing == "close" else keypoints
    return _fit_camera(trial, shown, *_sample_share_and_offset(rng, framing), size)


def _sample_framing(rng: np.random.Generator, count: int) -> Framing:
    draw = rng.random()
    if draw < 0.40:
        return "close"
    whole_below = 0.56 if count > 1 else 0.72  # with a group, leave room for the people next to the first
    return "whole" if draw < whole_below else "free"


def _sample_share_and_offset(rng: np.random.Generator, framing: Framing) -> tuple[float, Vector]:
    """Return the share of the picture's side that the shown key points take, and their offset from its middle (2
    shares)."""
    if framing == "whole":
        return float(rng.normal(0.66, 0.07)), rng.normal(0, 0.05, 2)
    if framing == "close":
        return _log_uniform(rng, 0.35, 1.05), rng.normal(0, 0.13, 2)
    share = _log_uniform(rng, 0.2, 1.0)
    return share, rng.uniform(-0.5, 0.5, 2) * max(1 - share, 0.1)


def _fit_camera(trial: Camera, shown: Vector, share: float, off: Vector, size: int) -> Camera:
    """Return the camera with the focal length and centre that make N×3 points take their share of the picture."""
    spots = trial.project(shown)
    low, high = spots.min(0), spots.max(0)
    reach = max(float((high - low).max()), MIN_EXTENT / trial.distance)
    focal = max(share, 0.1) * size / reach
    x, y = (size / 2 + off * size - (low + high) / 2 * focal).tolist()
    return Camera(trial.rotation, trial.target, trial.distance, focal, (x, y))


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Return a random number from `low` to `high`, with every octave equally likely."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def render_people(people: Sequence[PlacedFigure], view: Projection, size: int) -> Buffers:
    """Return what is visible of people in the camera's axes, in a picture of `size` pixels a side."""
    firsts = np.cumsum([0] + [len(placed.figure.rows) for placed in people]).tolist()
    seen = empty_buffers(size, size, firsts.pop())
    for number, (placed, first) in enumerate(zip(people, firsts, strict=True)):
        trunk = placed.figure.trunk @ placed.rotation.T
        trunk[0] += placed.translation
        person = Person(placed.figure.rows, placed.rotation, placed.translation, trunk, number, first)
        draw_person(person, view, seen)
    return seen


def project_keypoints(points: Floats, camera: Camera, depth: Floats) -> Floats:
    """Return key points (17×3, the camera's axes) in pixels, and whether they are visible (see `Scene`)."""
    size = len(depth)
    xy = camera.to_pixels(points.astype(float))
    pixels = np.clip(np.round(xy), 0, size - 1).astype(int)
    inside = (points[:, 2] < camera.near_limit) & ((xy > -0.5) & (xy < size - 0.5)).all(1)
    in_front = depth[pixels[:, 1], pixels[:, 0]] - points[:, 2]
    state = np.where(inside, np.where(in_front < HIDING_DISTANCE, 2, 1), 0)
    state[FACE] = np.where(inside[FACE] & (in_front[FACE] < FACE_HIDING_DISTANCE), 2, 0)
    return np.column_stack([xy, state]).astype(np.float32)


def mark_hidden(people: Floats, covered: npt.NDArray[np.bool_]) -> None:
    """Mark key points (P×17×3) that something covers (S×S), in place: as hidden, and those of the face as absent."""
    pixels = np.clip(np.round(people[..., :2]), 0, len(covered) - 1).astype(int)
    under = covered[pixels[..., 1], pixels[..., 0]] & (people[..., 2] > 0)
    people[under, 2] = 1
    people[:, FACE, 2] = np.where(under[:, FACE], 0, people[:, FACE, 2])


def _ambient_light(depth: Floats) -> Floats:
    """Return the share of the ambient light that reaches each pixel (S×S, 0.4 to 1).

    It is less where the surroundings, averaged by a blur, are nearer to the camera (Luft et al., Image enhancement by
    unsharp masking the depth buffer, 2006).
    """
    size = len(depth)
    clipped = np.maximum(depth, np.float32(-6))  # the background counts as six metres behind the people
    small = cv2.resize(clipped, (size // 4 + 1, size // 4 + 1), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), 1.6)
    nearer: Floats = cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR).astype(np.float32) - clipped
    np.clip(nearer * np.float32(2.2), 0, np.float32(0.6), out=nearer)
    light: Floats = 1 - nearer
    return light


def _shade_floor(rng: np.random.Generator, picture: Floats, cast: Sequence[PlacedFigure], camera: Camera) -> None:
    """Paint soft shadows where people stand, in place. Half the size is fine enough, as the shadows are blurred."""
    size = len(picture)
    mask = np.zeros((size // 2 + 1, size // 2 + 1), np.uint8)
    lean = rng.normal(0, 0.5, 2)
    for placed in cast:
        points = placed.keypoints
        if points[15:17, 1].min() > 0.4:  # in the air, or upside down
            continue
        flat = points.astype(float) * (1, 0, 1) + points[:, 1:2] * (lean[0], 0, lean[1])
        if (camera.to_camera(flat)[:, 2] > camera.distance - 0.5).any():
            continue
        spots = camera.project(flat)
        if np.abs(spots).max() < 3 * size:
            cv2.fillConvexPoly(mask, cv2.convexHull((spots / 2).astype(np.int32)), 255)
    if mask.any():
        soft = cv2.GaussianBlur(mask, (0, 0), max(size / 60, 1.0))
        soft = cv2.resize(soft, (size, size), interpolation=cv2.INTER_LINEAR)
        picture *= (1 - soft.astype(np.float32) * np.float32(rng.uniform(0.15, 0.5) / 255))[..., None]
