"""People to draw: dressed once, as arrays, and then seen from everywhere, in other colours each time."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from models.figures.body import Tailor, dress
from models.figures.head import head
from models.figures.look import Look, Material
from models.figures.movement import Kind, Movement
from models.figures.projection import Camera
from models.figures.props import hold
from models.figures.skeleton import Skeleton, Vector, skeleton
from models.figures.solids import Solids
from models.figures.stance import INDEX, Stance, mirrored, within_limits
from models.figures.starter_pictures import REPERTOIRE
from models.figures.view import upright
from models.figures.wardrobe import somebody
from models.pose import SWAP, Floats
from models.train.mocap import skeleton_of
from models.train.render import CAPS, CUT, END, IS_CUT, LIMIT, MATERIAL, MELT, ON_TRUNK, RADII, ROW, SQUASH, START

KINDS: Final[tuple[Kind, ...]] = ("everyday", "everyday", "everyday", "sport", "dance")
"""What people whose pose is a recorded one are dressed for."""
TRUNK: Final = (int(Material.TOP), int(Material.STRIPES), int(Material.BELT))
"""Materials of whose cloth the pattern starts at the chest."""
RECORDED: Final = 0.6
"""Share of the people whose pose is a recorded one, where there are any."""


class Dressed(NamedTuple):
    """One person in the person's own axes: metres, the floor at y = 0."""

    rows: Floats
    """Solids, N×27 (`models.train.render.ROW`)."""
    keypoints: Floats
    """17×3."""
    head: Floats
    """4×3: the centre, then to its left, up and ahead."""
    unit: float
    """The head's size against an average adult's."""
    trunk: Floats
    """3×3: the chest, its up and its left."""
    look: Look


class Placed(NamedTuple):
    """Somebody, with the `turn` (3×3) and the `move` (3) from their own axes to a scene's, or to a camera's."""

    one: Dressed
    turn: Floats
    move: Floats

    @property
    def keypoints(self) -> Floats:
        """17×3."""
        return self.one.keypoints @ self.turn.T + self.move

    def seen_by(self, camera: Camera) -> Placed:
        """The same, from a scene's axes to a camera's."""
        turn, move = camera.turn @ self.turn, camera.turn @ (self.move - camera.target)
        return Placed(self.one, turn.astype(np.float32), move.astype(np.float32))


class Bank:
    """`count` people in recorded poses (N×17×3, `models.train.mocap.load`) and in those of the figures' vocabulary."""

    def __init__(self, chance: np.random.Generator, count: int, recorded: Floats | None = None) -> None:
        self._chance, self._recorded = chance, recorded
        self.people = [self._somebody() for _ in range(count)]

    def renew(self, count: int) -> None:
        """Puts `count` others in the place of some."""
        for place in self._chance.integers(0, len(self.people), count).tolist():
            self.people[place] = self._somebody()

    def grow(self, count: int) -> None:
        """Adds `count`."""
        self.people.extend(self._somebody() for _ in range(count))

    def take(self, chance: np.random.Generator) -> Dressed:
        """Anybody."""
        return self.people[int(chance.integers(len(self.people)))]

    def _somebody(self) -> Dressed:
        chance = self._chance
        if self._recorded is not None and chance.random() < RECORDED:
            look = _builds(somebody(chance, KINDS[int(chance.integers(len(KINDS)))]), chance)
            joints = _shaken(self._recorded[int(chance.integers(len(self._recorded)))], chance)
            return dressed(skeleton_of(joints, look.build, chance), look)
        movement = REPERTOIRE[int(chance.integers(len(REPERTOIRE)))]
        look = _builds(somebody(chance, movement.kind), chance)
        return dressed(skeleton(_stance(movement, chance), look.build), look, movement)


def dressed(made: Skeleton, look: Look, movement: Movement | None = None) -> Dressed:
    """Somebody's solids, and those of what they hold, as arrays."""
    if look.legs in ("skirt", "dress") and not upright(made):  # a skirt would have to know which way is down
        look = replace(look, legs="leggings", hem=1.9)
    solids = Solids()
    tailor = Tailor(solids, made, look, 0, False)
    dress(tailor)
    head(tailor)
    for prop in movement.props if movement else ():
        hold(tailor, prop)
    frame = made.frames["head"]
    chest = made.frames["chest"]
    return Dressed(
        _rows(solids),
        made.keypoints().astype(np.float32),
        np.vstack([made.points["head"], frame.T]).astype(np.float32),
        made.build.unit * made.build.head,
        np.vstack([made.points["chest"], chest[:, 1], chest[:, 0]]).astype(np.float32),
        look,
    )


def _rows(solids: Solids) -> Floats:
    count = len(solids.starts)
    rows = np.zeros((count, ROW), np.float32)
    rows[:, START:END], rows[:, END:RADII], rows[:, RADII:SQUASH] = solids.starts, solids.ends, solids.radii
    rows[:, SQUASH:CUT] = np.asarray(solids.squashes).reshape(count, 9)
    for number, cut in enumerate(solids.cuts):
        if cut is not None:
            rows[number, CUT:LIMIT], rows[number, LIMIT], rows[number, IS_CUT] = cut[0], cut[1], 1
    rows[:, MELT], rows[:, CAPS:MATERIAL], rows[:, MATERIAL] = solids.melts, solids.caps, solids.materials
    rows[:, ON_TRUNK] = np.isin(solids.materials, TRUNK)
    return rows


def _builds(look: Look, chance: np.random.Generator) -> Look:
    """The same look on a body of its own: people differ more than a cast of ten."""
    b = look.build
    build = replace(
        b,
        height=b.height * float(chance.normal(1, 0.03)),
        head=b.head * float(chance.normal(1, 0.05)),
        shoulders=b.shoulders * float(chance.normal(1, 0.05)),
        hips=b.hips * float(chance.normal(1, 0.05)),
        legs=b.legs * float(chance.normal(1, 0.04)),
        arms=b.arms * float(chance.normal(1, 0.04)),
        chest=b.chest * float(chance.normal(1, 0.06)),
        belly=b.belly * float(np.clip(chance.normal(1.03, 0.12), 0.8, 1.5)),
        limbs=b.limbs * float(np.clip(chance.normal(1.02, 0.12), 0.75, 1.4)),
    )
    return replace(
        look,
        build=build,
        loose=float(np.clip(look.loose + chance.normal(0, 0.2), 0, 1.2)),
        fit=float(np.clip(look.fit + chance.normal(0, 0.2), 0, 1.2)),
    )


def _stance(movement: Movement, chance: np.random.Generator) -> Stance:
    """A movement as somebody does it: mostly loosely."""
    made = movement.taken(chance).copy()
    if not movement.props and chance.random() < 0.5:
        made = mirrored(made)
    loose = float(chance.choice([1.0, 2.0, 3.5]))
    for side in ("left", "right"):
        for name, spread in (("arm", 8), ("plane", 10), ("roll", 10), ("elbow", 10), ("hip", 4), ("spread", 4),
                             ("knee", 5), ("turnout", 4), ("wrist", 12), ("palm", 15)):  # fmt: skip
            made[INDEX[f"{side}_{name}"]] += chance.normal(0, spread * loose * (0.6 if movement.props else 1))
    for name in ("lean", "bend", "side", "twist"):
        made[INDEX[name]] += chance.normal(0, 4 * loose)
    for name, spread in (("nod", 12), ("cock", 6), ("look", 24)):
        made[INDEX[name]] += chance.normal(0, spread)
    return within_limits(made)


def _shaken(joints: Floats, chance: np.random.Generator) -> Floats:
    """A recorded pose with its arms and legs moved a little, or much: there are few poses and many people."""
    made = joints.astype(np.float64)
    if chance.random() < 0.5:
        made = made[SWAP] * (-1, 1, 1)
    loose = float(chance.choice([0.08, 0.2, 0.45]))
    for root, middle, end in ((5, 7, 9), (6, 8, 10), (11, 13, 15), (12, 14, 16)):
        share = 1.4 if root < 11 else 0.6
        turn = _turn(chance, loose * share)
        made[[middle, end]] = (made[[middle, end]] - made[root]) @ turn.T + made[root]
        made[end] = (made[end] - made[middle]) @ _turn(chance, loose * share).T + made[middle]
    return made.astype(np.float32)


def _turn(chance: np.random.Generator, spread: float) -> Vector:
    """A turn about an axis by chance (Rodrigues)."""
    axis = chance.normal(size=3)
    x, y, z = axis / np.linalg.norm(axis)
    angle = chance.normal(0, spread)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    made: Vector = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return made
