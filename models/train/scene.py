"""Scenes for training: who stands where, before what, in which light, and how a camera frames it."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from models.figures.camera import Camera
from models.figures.look import Material
from models.pose import Floats, Image
from models.train.backdrop import Backdrops
from models.train.bank import Bank, Dressed
from models.train.costume import colours, face, lamp
from models.train.gallery import Gallery
from models.train.light import HEAD, light, soften, textures
from models.train.photo import expose
from models.train.render import AXES, buffers, draw

DRAWN: Final = 0.10
"""Of the scenes that are pictures of the gallery."""
MOST: Final = 4
"""People in a scene at most."""
HIDDEN_BEHIND: Final = 0.28
"""How many metres before a joint something must be to hide it: more than a body is thick …"""
FACE_BEHIND: Final = 0.07
"""… and before nose, eyes and ears."""

CLOSE: Final = (
    (0, 1, 2, 3, 4, 5, 6), (0, 1, 2, 3, 4, 5, 6, 7, 8), (0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 12),
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), (0, 1, 2, 3, 4, 5, 6, 11, 12, 13, 14),
)  # fmt: skip
"""What close-ups show: bust, chest, waist, hands too, down to the knees."""


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
            picture, people = self.gallery.cut(chance, size)
            image = expose(chance, picture) if chance.random() < 0.5 else picture.astype(np.uint8)
            return Scene(image, people)
        count = _count(chance)
        cast = [self.bank.take(chance) for _ in range(count)]
        turns, moves = _stand(chance, cast)
        camera = _aim(chance, cast, turns, moves, size)
        horizon = camera.horizon()
        picture = self.backdrops.paint(chance, size, size, horizon if -size < horizon < 2 * size else None)
        picture = np.ascontiguousarray(picture, np.float32)
        people = np.zeros((0, 17, 3), np.float32)
        if count:
            _shade_floor(chance, picture, cast, turns, moves, camera)
            people = self._draw(picture, cast, turns, moves, camera)
        if chance.random() < 0.3:
            hidden = self.backdrops.occlude(chance, picture, None)
            _hide(people, hidden)
        return Scene(expose(chance, picture), people)

    def _draw(
        self, picture: Floats, cast: list[Dressed], turns: list[Floats], moves: list[Floats], camera: Camera
    ) -> Floats:
        """Draws people into a picture, in place, and says where their key points are."""
        chance, size = self.chance, len(picture)
        near, normals, what, which = buffers(size, size)
        firsts = np.cumsum([0] + [len(one.rows) for one in cast])
        axes = np.zeros((int(firsts[-1]), AXES), np.float32)
        heads = np.zeros((len(cast), HEAD), np.float32)
        places = []
        cx, cy = camera.centre
        for who, one in enumerate(cast):
            turn = (camera.turn @ turns[who]).astype(np.float32)
            move = (camera.turn @ (moves[who] - camera.target)).astype(np.float32)
            trunk = one.trunk @ turn.T
            trunk[0] += move
            draw(one.rows, turn, move, trunk, camera.focal, camera.distance, cx, cy, who, int(firsts[who]),
                 near, normals, what, which, axes)  # fmt: skip
            heads[who] = face(chance, one, turn, move)
            places.append(one.keypoints @ turn.T + move)
        palette, cloths = zip(*(colours(chance, one) for one in cast), strict=True)
        for who in range(len(cast)):
            heads[who, 16:19] = palette[who][Material.HAIR]
        way, tint = lamp(chance)
        behind = np.empty_like(picture)
        light(picture, near, normals, what, which, axes, _open(near, size), np.stack(palette), np.stack(cloths), heads,
              self.grain, way, tint, camera.focal, camera.distance, cx, cy)  # fmt: skip
        soften(picture, near, what, behind)
        return np.stack([_seen(place, camera, near, size) for place in places])


def _count(chance: np.random.Generator) -> int:
    return int(np.searchsorted((0.03, 0.70, 0.89, 0.97), chance.random()))


def _about_y(angle: float) -> Floats:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]], np.float32)


def _stand(chance: np.random.Generator, cast: list[Dressed]) -> tuple[list[Floats], list[Floats]]:
    """Which way people face (turns) and where they stand (moves); the first is the one the picture is of."""
    turns, moves, taken = [], [], [0.0]
    together = chance.random() < 0.5
    facing = chance.normal(0, 0.7) if chance.random() < 0.68 else chance.uniform(-math.pi, math.pi)
    for number, one in enumerate(cast):
        angle = facing + chance.normal(0, 0.4)
        if number and not together:
            angle = chance.normal(0, 1.0) if chance.random() < 0.6 else chance.uniform(-math.pi, math.pi)
        turn = _about_y(angle)
        if number:
            side = float(chance.choice([-1, 1]))
            x = side * (float(chance.uniform(0.35, 0.8)) if together else float(chance.uniform(0.2, 2.2)))
            x += min(taken) if side < 0 else max(taken)
            z = float(chance.normal(0, 0.15)) if together else -float(chance.exponential(1.5)) + 0.5
            taken.append(x)
        else:
            x = z = 0.0
        middle = one.keypoints[[11, 12]].mean(0) @ turn.T
        turns.append(turn)
        moves.append(np.array([x - middle[0], 0, z - middle[2]], np.float32))
    return turns, moves


def _aim(
    chance: np.random.Generator, cast: list[Dressed], turns: list[Floats], moves: list[Floats], size: int
) -> Camera:
    """A camera, and how large and where the first person is in its picture."""
    draw = chance.random()
    framing = "close" if draw < 0.40 else "crop" if draw < 0.72 else "free"
    if len(cast) > 1 and framing == "crop" and chance.random() < 0.5:
        framing = "free"
    distance = math.exp(chance.uniform(math.log(1.1), math.log(4.5))) if framing == "close" else math.exp(
        chance.uniform(math.log(2.2), math.log(12))
    )  # fmt: skip
    elevation = chance.normal(4, 8) if chance.random() < 0.85 else chance.uniform(10, 50)
    roll = chance.normal(0, 4) if chance.random() < 0.86 else chance.normal(0, 50)
    if not cast:
        return Camera.around(np.array([0, 1.0, 0]), (size / 2, size / 2), elevation=elevation, distance=distance,
                             focal=size)  # fmt: skip
    keypoints = cast[0].keypoints @ turns[0].T + moves[0]
    target = keypoints[:5].mean(0) * (1, 0.93, 1) if framing == "close" else keypoints.mean(0)
    trial = Camera.around(target, (0, 0), elevation=elevation, roll=roll, distance=distance, focal=1.0)
    shown = keypoints[list(CLOSE[int(chance.integers(len(CLOSE)))])] if framing == "close" else keypoints
    spots = trial.project(shown.astype(float))
    low, high = spots.min(0), spots.max(0)
    reach = max(float((high - low).max()), 0.28 / distance)
    if framing == "crop":
        share, off = chance.normal(0.66, 0.07), chance.normal(0, 0.05, 2)
    elif framing == "close":
        share, off = math.exp(chance.uniform(math.log(0.35), math.log(1.05))), chance.normal(0, 0.13, 2)
    else:
        share = math.exp(chance.uniform(math.log(0.2), math.log(1.0)))
        off = chance.uniform(-0.5, 0.5, 2) * max(1 - share, 0.1)
    focal = max(share, 0.1) * size / reach
    centre = size / 2 + off * size - (low + high) / 2 * focal
    return Camera(trial.turn, trial.target, distance, focal, (float(centre[0]), float(centre[1])))


def _seen(place: Floats, camera: Camera, near: Floats, size: int) -> Floats:
    """17×3 from 17×3 in the camera's axes."""
    before = place[:, 2] < camera.nearest
    xy = camera.pixels(place.astype(float))
    at = np.clip(np.round(xy), 0, size - 1).astype(int)
    inside = before & ((xy > -0.5) & (xy < size - 0.5)).all(1)
    gap = near[at[:, 1], at[:, 0]] - place[:, 2]
    free = gap < HIDDEN_BEHIND
    free[:5] = gap[:5] < FACE_BEHIND
    state = np.where(inside, np.where(free, 2, 1), 0)
    state[:5] = np.where(inside[:5] & free[:5], 2, 0)
    return np.column_stack([xy, state]).astype(np.float32)


def _hide(people: Floats, hidden: npt.NDArray[np.bool_]) -> None:
    """Key points behind something are hidden, and those of the face are not to be seen at all."""
    size = len(hidden)
    at = np.clip(np.round(people[..., :2]), 0, size - 1).astype(int)
    under = hidden[at[..., 1], at[..., 0]] & (people[..., 2] > 0)
    people[..., 2] = np.where(under, 1, people[..., 2])
    people[:, :5, 2] = np.where(under[:, :5], 0, people[:, :5, 2])


def _open(near: Floats, size: int) -> Floats:
    """How much of the light from all around reaches a pixel: less where its surroundings are nearer (Luft, 2006)."""
    depth = np.maximum(near, np.float32(-6))
    small = cv2.resize(depth, (size // 4 + 1, size // 4 + 1), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), 1.6)
    nearer: Floats = cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR).astype(np.float32) - depth
    np.clip(nearer * np.float32(2.2), 0, np.float32(0.6), out=nearer)
    made: Floats = 1 - nearer
    return made


def _shade_floor(
    chance: np.random.Generator, picture: Floats, cast: list[Dressed], turns: list[Floats], moves: list[Floats],
    camera: Camera,
) -> None:  # fmt: skip
    """Soft shadows where people stand, in place: half the size is fine enough for what is blurred."""
    if chance.random() < 0.35:
        return
    size = len(picture)
    mask = np.zeros((size // 2 + 1, size // 2 + 1), np.uint8)
    lean = chance.normal(0, 0.5, 2)
    for one, turn, move in zip(cast, turns, moves, strict=True):
        places = one.keypoints @ turn.T + move
        if float(places[15:17, 1].min()) > 0.4:
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
