"""People to draw: each is dressed once, kept as arrays, and drawn from any side in other colours each time."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from models.figures.body import add_body
from models.figures.figure_builder import FigureBuilder
from models.figures.head import add_head
from models.figures.look import Look, Material
from models.figures.movement import Kind, Movement
from models.figures.projection import Camera
from models.figures.props import add_prop
from models.figures.skeleton import Skeleton, Vector, pose_skeleton
from models.figures.solids import Solids
from models.figures.stance import ANGLE_INDEX, Stance, clamp_to_limits, mirrored
from models.figures.starter_pictures import REPERTOIRE
from models.figures.view import is_upright
from models.figures.wardrobe import choose_look
from models.pose import MIRROR_ORDER, Floats
from models.train.mocap import skeleton_from_joints
from models.train.render import (
    CAPS,
    CUT,
    END,
    IS_CUT,
    LIMIT,
    MATERIAL,
    MELT,
    ON_TRUNK,
    RADII,
    SOLID_COLUMNS,
    SQUASH,
    START,
)

MOCAP_CLOTHING_KINDS: Final[tuple[Kind, ...]] = ("everyday", "everyday", "everyday", "sport", "dance")
"""The kinds of clothes for people in recorded poses, each as often as it is listed."""
TRUNK_MATERIALS: Final = (int(Material.TOP), int(Material.STRIPES), int(Material.BELT))
"""Materials of the trunk: the pattern of their cloth starts at the chest."""
MOCAP_SHARE: Final = 0.6
"""Share of people in recorded poses, where there are recorded poses."""


class Figure(NamedTuple):
    """One person in the person's own axes: metres, with the floor at y = 0."""

    rows: Floats
    """Solids, N×27 (`models.train.render.SOLID_COLUMNS`)."""
    keypoints: Floats
    """17×3."""
    head: Floats
    """4×3: the centre, then the directions to the head's left, up and ahead."""
    head_scale: float
    """The head's size relative to an average adult's."""
    trunk: Floats
    """3×3: the chest, then the directions up and to the left."""
    look: Look


class PlacedFigure(NamedTuple):
    """A figure with the `rotation` (3×3) and `translation` (3) from its own axes to those of a scene or a camera."""

    figure: Figure
    rotation: Floats
    translation: Floats

    @property
    def keypoints(self) -> Floats:
        """17×3."""
        return self.figure.keypoints @ self.rotation.T + self.translation

    def in_camera_axes(self, camera: Camera) -> PlacedFigure:
        """Return the figure moved from a scene's axes to a camera's."""
        turn, move = camera.rotation @ self.rotation, camera.rotation @ (self.translation - camera.target)
        return PlacedFigure(self.figure, turn.astype(np.float32), move.astype(np.float32))


class Bank:
    """`count` people, in recorded poses (N×17×3, see `models.train.mocap.load_poses`) and in the program's named
    movements."""

    def __init__(self, rng: np.random.Generator, count: int, mocap_poses: Floats | None = None) -> None:
        self._rng, self._mocap_poses = rng, mocap_poses
        self.people = [self._make_figure() for _ in range(count)]

    def renew(self, count: int) -> None:
        """Replace `count` random people with new ones."""
        for index in self._rng.integers(0, len(self.people), count).tolist():
            self.people[index] = self._make_figure()

    def grow(self, count: int) -> None:
        """Add `count` people."""
        self.people.extend(self._make_figure() for _ in range(count))

    def pick(self, rng: np.random.Generator) -> Figure:
        """Return a random person."""
        return self.people[int(rng.integers(len(self.people)))]

    def _make_figure(self) -> Figure:
        rng = self._rng
        if self._mocap_poses is not None and rng.random() < MOCAP_SHARE:
            look = _vary_build(
                choose_look(rng, MOCAP_CLOTHING_KINDS[int(rng.integers(len(MOCAP_CLOTHING_KINDS)))]), rng
            )
            joints = _vary_joints(self._mocap_poses[int(rng.integers(len(self._mocap_poses)))], rng)
            return make_figure(skeleton_from_joints(joints, look.build, rng), look)
        movement = REPERTOIRE[int(rng.integers(len(REPERTOIRE)))]
        look = _vary_build(choose_look(rng, movement.kind), rng)
        return make_figure(pose_skeleton(_vary_stance(movement, rng), look.build), look, movement)


def make_figure(skeleton: Skeleton, look: Look, movement: Movement | None = None) -> Figure:
    """Return a person's solids, and the solids of what they hold, as arrays."""
    if look.legs in ("skirt", "dress") and not is_upright(skeleton):
        # Skirts are drawn as if they hung towards the feet: wrong for anyone who lies or stands on their hands.
        look = replace(look, legs="leggings", hem=1.9)
    solids = Solids()
    builder = FigureBuilder(solids, skeleton, look, 0, False)
    add_body(builder)
    add_head(builder)
    for prop in movement.props if movement else ():
        add_prop(builder, prop)
    frame = skeleton.frames["head"]
    chest = skeleton.frames["chest"]
    return Figure(
        _to_rows(solids),
        skeleton.keypoints().astype(np.float32),
        np.vstack([skeleton.points["head"], frame.T]).astype(np.float32),
        skeleton.build.scale * skeleton.build.head,
        np.vstack([skeleton.points["chest"], chest[:, 1], chest[:, 0]]).astype(np.float32),
        look,
    )


def _to_rows(solids: Solids) -> Floats:
    """Return the solids as N×`SOLID_COLUMNS`."""
    count = len(solids.starts)
    rows = np.zeros((count, SOLID_COLUMNS), np.float32)
    rows[:, START:END], rows[:, END:RADII], rows[:, RADII:SQUASH] = solids.starts, solids.ends, solids.radii
    rows[:, SQUASH:CUT] = np.asarray(solids.squashes).reshape(count, 9)
    for number, cut in enumerate(solids.cuts):
        if cut is not None:
            rows[number, CUT:LIMIT], rows[number, LIMIT], rows[number, IS_CUT] = cut[0], cut[1], 1
    rows[:, MELT], rows[:, CAPS:MATERIAL], rows[:, MATERIAL] = solids.melts, solids.caps, solids.materials
    rows[:, ON_TRUNK] = np.isin(solids.materials, TRUNK_MATERIALS)
    return rows


def _vary_build(look: Look, rng: np.random.Generator) -> Look:
    """Return the look on a body of its own: people differ more than a cast of ten."""
    b = look.build
    build = replace(
        b,
        height=b.height * float(rng.normal(1, 0.03)),
        head=b.head * float(rng.normal(1, 0.05)),
        shoulders=b.shoulders * float(rng.normal(1, 0.05)),
        hips=b.hips * float(rng.normal(1, 0.05)),
        legs=b.legs * float(rng.normal(1, 0.04)),
        arms=b.arms * float(rng.normal(1, 0.04)),
        chest=b.chest * float(rng.normal(1, 0.06)),
        belly=b.belly * float(np.clip(rng.normal(1.03, 0.12), 0.8, 1.5)),
        limbs=b.limbs * float(np.clip(rng.normal(1.02, 0.12), 0.75, 1.4)),
    )
    return replace(
        look,
        build=build,
        loose=float(np.clip(look.loose + rng.normal(0, 0.2), 0, 1.2)),
        fit=float(np.clip(look.fit + rng.normal(0, 0.2), 0, 1.2)),
    )


def _vary_stance(movement: Movement, rng: np.random.Generator) -> Stance:
    """Return a movement as one person does it, mostly loosely."""
    stance = movement.sample_stance(rng).copy()
    if not movement.props and rng.random() < 0.5:
        stance = mirrored(stance)
    loose = float(rng.choice([1.0, 2.0, 3.5]))
    for side in ("left", "right"):
        for name, spread in (("arm", 8), ("plane", 10), ("roll", 10), ("elbow", 10), ("hip", 4), ("spread", 4),
                             ("knee", 5), ("turnout", 4), ("wrist", 12), ("palm", 15)):  # fmt: skip
            stance[ANGLE_INDEX[f"{side}_{name}"]] += rng.normal(0, spread * loose * (0.6 if movement.props else 1))
    for name in ("lean", "bend", "side", "twist"):
        stance[ANGLE_INDEX[name]] += rng.normal(0, 4 * loose)
    for name, spread in (("nod", 12), ("cock", 6), ("look", 24)):
        stance[ANGLE_INDEX[name]] += rng.normal(0, spread)
    return clamp_to_limits(stance)


def _vary_joints(joints: Floats, rng: np.random.Generator) -> Floats:
    """Return a recorded pose with arms and legs moved a little or a lot: there are few poses and many people."""
    varied = joints.astype(np.float64)
    if rng.random() < 0.5:
        varied = varied[MIRROR_ORDER] * (-1, 1, 1)
    spread = float(rng.choice([0.08, 0.2, 0.45]))
    for root, middle, end in ((5, 7, 9), (6, 8, 10), (11, 13, 15), (12, 14, 16)):
        share = 1.4 if root < 11 else 0.6
        turn = _random_rotation(rng, spread * share)
        varied[[middle, end]] = (varied[[middle, end]] - varied[root]) @ turn.T + varied[root]
        varied[end] = (varied[end] - varied[middle]) @ _random_rotation(rng, spread * share).T + varied[middle]
    return varied.astype(np.float32)


def _random_rotation(rng: np.random.Generator, spread: float) -> Vector:
    """Return a rotation about a random axis (Rodrigues' formula); `spread` is the angle's standard deviation in
    radians."""
    axis = rng.normal(size=3)
    x, y, z = axis / np.linalg.norm(axis)
    angle = rng.normal(0, spread)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    rotation: Vector = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return rotation
