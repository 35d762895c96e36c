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
from models.train.backgrounds import Backdrops
from models.train.bank import Bank, Dressed, Placed
from models.train.buffers import Buffers, View, buffers
from models.train.camera_effects import expose
from models.train.costume import dress, lamp
from models.train.gallery import Gallery
from models.train.light import light, soften, textures
from models.train.render import draw

Framing = Literal["close", "whole", "free"]
"""How large the first person is: parts of them, as large as fits, or anyhow and anywhere."""

DRAWN: Final = 0.25
"""Share of the scenes that are pictures of the gallery …"""
DEVELOPED: Final = 0.5
"""… and of those the ones that are photographed too."""
MOST: Final = 4
"""People in a scene at most."""
COUNTS: Final = (0.03, 0.62, 0.86, 0.96)
"""Share of the scenes with nobody, with one person at most, and so on."""
OCCLUDED: Final = 0.3
"""Share of the scenes in which things may stand before people."""
SHADED: Final = 0.65
"""Share of the scenes in which people cast a shadow on the floor."""

HIDDEN_BEHIND: Final = 0.28
"""How many metres before a joint something must be to hide it: more than a body is thick …"""
FACE_BEHIND: Final = 0.07
"""… and before nose, eyes and ears."""
FACE: Final = slice(0, 5)
"""Nose, eyes and ears: people label them only where they see them."""

CLOSE: Final = (
    (0, 1, 2, 3, 4, 5, 6), (0, 1, 2, 3, 4, 5, 6, 7, 8), (0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 12),
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), (0, 1, 2, 3, 4, 5, 6, 11, 12, 13, 14),
)  # fmt: skip
"""Key points that close-ups show: bust, chest, waist, hands too, down to the knees."""
LEAST: Final = 0.28
"""Metres that fill a picture at least: key points of somebody seen from above may lie closer together."""


class Scene(NamedTuple):
    """A picture S×S×3 and the people in it: P×17×3, x and y in pixels, third 0 not to be seen, 1 hidden, 2 seen."""

    image: Image
    people: Floats


class Studio:
    """Makes scenes; holds what they are made from."""

    def __init__(self, bank: Bank, gallery: Gallery | None, seed: int) -> None:
        self.bank, self.gallery = bank, gallery
        self.chance = np.random.default_rng([seed, 1])
        self.backdrops = Backdrops(seed)
        self.grain = textures(seed)

    def scene(self, size: int) -> Scene:
        """A scene by chance, `size` pixels wide and high."""
        chance = self.chance
        if self.gallery is not None and chance.random() < DRAWN:
            return _from(self.gallery, chance, size)
        cast = stand(chance, [self.bank.take(chance) for _ in range(int(np.searchsorted(COUNTS, chance.random())))])
        camera = aim(chance, cast, size)
        picture = self._backdrop(camera, size)
        if chance.random() < SHADED:
            _shade_floor(chance, picture, cast, camera)
        people = self.paint(picture, cast, camera)
        if chance.random() < OCCLUDED:
            hide(people, self.backdrops.occlude(chance, picture, None))
        return Scene(expose(chance, picture), people)

    def _backdrop(self, camera: Camera, size: int) -> Floats:
        horizon = camera.horizon()
        about = horizon if -size < horizon < 2 * size else None
        return np.ascontiguousarray(self.backdrops.paint(self.chance, size, size, about), np.float32)

    def paint(self, picture: Floats, cast: Sequence[Placed], camera: Camera) -> Floats:
        """Draws people into a picture (S×S×3), in place, and says where their key points are (see `Scene`)."""
        if not cast:
            return np.zeros((0, 17, 3), np.float32)
        people = [somebody.seen_by(camera) for somebody in cast]
        view = View.of(camera)
        seen = drawn(people, view, len(picture))
        dressed, lit = dress(self.chance, people), lamp(self.chance)
        light(picture, seen, _reached(seen.near), dressed, self.grain, lit, view)
        soften(picture, seen.near, seen.what, np.empty_like(picture))
        return np.stack([visible(somebody.keypoints, camera, seen.near) for somebody in people])


def _from(gallery: Gallery, chance: np.random.Generator, size: int) -> Scene:
    picture, people = gallery.cut(chance, size)
    image = expose(chance, picture) if chance.random() < DEVELOPED else picture.astype(np.uint8)
    return Scene(image, people)


def stand(chance: np.random.Generator, cast: Sequence[Dressed]) -> list[Placed]:
    """People on the floor of a scene, in its axes; the first, in its middle, is the one the picture is of."""
    together = chance.random() < 0.5
    facing = _facing(chance, 0.68, 0.7)
    placed: list[Placed] = []
    taken: list[float] = []
    for one in cast:
        x, z, angle = 0.0, 0.0, facing
        if placed:
            x, z = _beside(chance, taken, together)
            angle = facing if together else _facing(chance, 0.6, 1.0)
        turn = _about_y(angle + chance.normal(0, 0.4))
        hips = one.keypoints[[11, 12]].mean(0) @ turn.T
        placed.append(Placed(one, turn, np.array([x - hips[0], 0, z - hips[2]], np.float32)))
        taken.append(x)
    return placed


def _facing(chance: np.random.Generator, share: float, spread: float) -> float:
    """Radians from the camera to somebody's left: about 0 for a share of all people, anything for the others."""
    return float(chance.normal(0, spread) if chance.random() < share else chance.uniform(-math.pi, math.pi))


def _beside(chance: np.random.Generator, taken: Sequence[float], together: bool) -> tuple[float, float]:
    """Metres to the side and ahead of the first person: next to those who have their places (to the side) already."""
    apart = chance.uniform(0.3, 0.7) if together else chance.uniform(0.2, 2.2)
    x = min(taken) - apart if chance.random() < 0.5 else max(taken) + apart
    z = chance.normal(0, 0.15) if together else 0.5 - chance.exponential(1.5)
    return float(x), float(z)


def _about_y(angle: float) -> Floats:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]], np.float32)


def aim(chance: np.random.Generator, cast: Sequence[Placed], size: int) -> Camera:
    """A camera by chance for a picture of `size` pixels a side, and how large and where the first person is in it."""
    framing = _framing(chance, len(cast))
    distance = _spread(chance, 1.1, 4.5) if framing == "close" else _spread(chance, 2.2, 12)
    elevation = chance.normal(4, 8) if chance.random() < 0.85 else chance.uniform(10, 50)
    roll = chance.normal(0, 4) if chance.random() < 0.86 else chance.normal(0, 50)
    if not cast:
        middle = np.array([0, 1.0, 0])
        return Camera.around(middle, (size / 2, size / 2), elevation=elevation, distance=distance, focal=size)
    keypoints = cast[0].keypoints.astype(float)
    target = keypoints[FACE].mean(0) * (1, 0.93, 1) if framing == "close" else keypoints.mean(0)
    trial = Camera.around(target, (0, 0), elevation=elevation, roll=roll, distance=distance, focal=1.0)
    shown = keypoints[list(CLOSE[int(chance.integers(len(CLOSE)))])] if framing == "close" else keypoints
    return _fitted(trial, shown, *_room(chance, framing), size)


def _framing(chance: np.random.Generator, count: int) -> Framing:
    draw = chance.random()
    if draw < 0.40:
        return "close"
    whole = 0.56 if count > 1 else 0.72  # others beside the first one are to be in the picture too
    return "whole" if draw < whole else "free"


def _room(chance: np.random.Generator, framing: Framing) -> tuple[float, Vector]:
    """Which share of the picture's side the key points shown take, and how far off its middle they are (2 shares)."""
    if framing == "whole":
        return float(chance.normal(0.66, 0.07)), chance.normal(0, 0.05, 2)
    if framing == "close":
        return _spread(chance, 0.35, 1.05), chance.normal(0, 0.13, 2)
    share = _spread(chance, 0.2, 1.0)
    return share, chance.uniform(-0.5, 0.5, 2) * max(1 - share, 0.1)


def _fitted(trial: Camera, shown: Vector, share: float, off: Vector, size: int) -> Camera:
    """The camera with another focal length and centre, so that N×3 points take their share of the picture."""
    spots = trial.project(shown)
    low, high = spots.min(0), spots.max(0)
    reach = max(float((high - low).max()), LEAST / trial.distance)
    focal = max(share, 0.1) * size / reach
    x, y = (size / 2 + off * size - (low + high) / 2 * focal).tolist()
    return Camera(trial.turn, trial.target, trial.distance, focal, (x, y))


def _spread(chance: np.random.Generator, low: float, high: float) -> float:
    """Between two numbers, as often in each octave."""
    return math.exp(chance.uniform(math.log(low), math.log(high)))


def drawn(people: Sequence[Placed], view: View, size: int) -> Buffers:
    """What is seen of people in the camera's axes, in a picture of `size` pixels a side."""
    firsts = np.cumsum([0] + [len(somebody.one.rows) for somebody in people]).tolist()
    seen = buffers(size, size, firsts.pop())
    for who, (somebody, first) in enumerate(zip(people, firsts, strict=True)):
        trunk = somebody.one.trunk @ somebody.turn.T
        trunk[0] += somebody.move
        draw(somebody.one.rows, somebody.turn, somebody.move, trunk, view, who, first, seen)
    return seen


def visible(places: Floats, camera: Camera, near: Floats) -> Floats:
    """Key points (17×3, the camera's axes) in pixels and whether they are seen (see `Scene`)."""
    size = len(near)
    xy = camera.pixels(places.astype(float))
    at = np.clip(np.round(xy), 0, size - 1).astype(int)
    inside = (places[:, 2] < camera.nearest) & ((xy > -0.5) & (xy < size - 0.5)).all(1)
    before = near[at[:, 1], at[:, 0]] - places[:, 2]
    state = np.where(inside, np.where(before < HIDDEN_BEHIND, 2, 1), 0)
    state[FACE] = np.where(inside[FACE] & (before[FACE] < FACE_BEHIND), 2, 0)
    return np.column_stack([xy, state]).astype(np.float32)


def hide(people: Floats, covered: npt.NDArray[np.bool_]) -> None:
    """Marks key points (P×17×3) that something covers (S×S), in place: hidden, and those of the face not to be seen."""
    at = np.clip(np.round(people[..., :2]), 0, len(covered) - 1).astype(int)
    under = covered[at[..., 1], at[..., 0]] & (people[..., 2] > 0)
    people[under, 2] = 1
    people[:, FACE, 2] = np.where(under[:, FACE], 0, people[:, FACE, 2])


def _reached(near: Floats) -> Floats:
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


def _shade_floor(chance: np.random.Generator, picture: Floats, cast: Sequence[Placed], camera: Camera) -> None:
    """Soft shadows where people stand, in place: half the size is fine enough for what is blurred."""
    size = len(picture)
    mask = np.zeros((size // 2 + 1, size // 2 + 1), np.uint8)
    lean = chance.normal(0, 0.5, 2)
    for somebody in cast:
        places = somebody.keypoints
        if places[15:17, 1].min() > 0.4:  # in the air, or upside down
            continue
        flat = places.astype(float) * (1, 0, 1) + places[:, 1:2] * (lean[0], 0, lean[1])
        if (camera.see(flat)[:, 2] > camera.distance - 0.5).any():
            continue
        spots = camera.project(flat)
        if np.abs(spots).max() < 3 * size:
            cv2.fillConvexPoly(mask, cv2.convexHull((spots / 2).astype(np.int32)), 255)
    if mask.any():
        soft = cv2.GaussianBlur(mask, (0, 0), max(size / 60, 1.0))
        soft = cv2.resize(soft, (size, size), interpolation=cv2.INTER_LINEAR)
        picture *= (1 - soft.astype(np.float32) * np.float32(chance.uniform(0.15, 0.5) / 255))[..., None]
