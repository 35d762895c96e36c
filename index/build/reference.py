"""The reference poses that a library's coverage is told by: every named pose of the figures, from its best side.

Each is a query for the library's people, and a small drawing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from models.figures import REPERTOIRE
from models.figures.movement import Kind, Movement
from models.figures.projection import Camera, Vector
from models.figures.skeleton import Skeleton, pose_skeleton
from models.figures.stance import ANGLE_INDEX
from models.pose import Floats

VIEW_AZIMUTHS: Final = (0.0, -35.0, 35.0, -65.0, 65.0, -90.0, 90.0)
"""Azimuths that a pose is looked at from, in degrees, from before the figure."""

FRONT_VIEW_BIAS: Final = 1.08
"""How much more the limbs must show from another side than from the front, where faces are seen."""

CAMERA_ELEVATION, CAMERA_DISTANCE = 5.0, 4.5
"""The camera's, in degrees and metres."""

PIXELS_PER_METRE: Final = 200.0
"""To the metre."""

TRUNK: Final = ("left_shoulder", "right_shoulder", "right_hip", "left_hip")
LIMBS: Final = tuple(
    (f"{side}_{start}", f"{side}_{end}")
    for side in ("left", "right")
    for start, end in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
)


TILE_SIZE: Final = 100
"""The side of a figure's drawing."""

MAX_SCALE: Final = 0.26
"""Of a figure, in the drawing's units to a pixel: nobody who sits is drawn larger than who stands."""

MAX_FIGURE_SIZE: Final = 90
"""What a figure fills of its drawing, at most."""


FAR_LIMB_DEPTH: Final = 15.0
"""Pixels behind the pelvis from which a limb is drawn as the far one."""


@dataclass(frozen=True, slots=True, eq=False)
class ReferencePose:
    """A named pose from one side: COCO's key points (17×2 pixels), and its joints by name (x, y, nearness) with the
    floor below the pelvis."""

    title: str
    kind: Kind
    keypoints: Floats
    joints: dict[str, Vector]


@cache
def reference_poses() -> tuple[ReferencePose, ...]:
    """All of them, in the repertoire's order."""
    return tuple(_make_reference_pose(movement) for movement in REPERTOIRE)


def _make_reference_pose(movement: Movement) -> ReferencePose:
    made = pose_skeleton(movement.stance)
    turned = float(movement.stance[ANGLE_INDEX["turn"]])
    views = [_camera(made, turned + azimuth) for azimuth in VIEW_AZIMUTHS]
    shown = [_projected_length(made, view) for view in views]
    best = int(np.argmax(shown))
    view = views[best] if shown[best] > FRONT_VIEW_BIAS * shown[0] else views[0]
    points = np.array(list(made.points.values()))
    places = np.column_stack([view.project(points), view.to_camera(points)[:, 2] * PIXELS_PER_METRE])
    joints = dict(zip(made.points, places, strict=True))
    joints["floor"] = np.append(view.project(made.points["pelvis"][None] * (1, 0, 1))[0], 0)
    return ReferencePose(movement.title, movement.kind, view.project(made.keypoints()).astype(np.float32), joints)


def _camera(made: Skeleton, azimuth: float) -> Camera:
    points = np.array(list(made.points.values()))
    middle = (points.min(0) + points.max(0)) / 2
    return Camera.around(
        middle,
        (0, 0),
        azimuth=azimuth,
        elevation=CAMERA_ELEVATION,
        distance=CAMERA_DISTANCE,
        focal=PIXELS_PER_METRE * CAMERA_DISTANCE,
    )


def _projected_length(made: Skeleton, view: Camera) -> float:
    """How long the limbs and the trunk are in the picture, in pixels: foreshortened ones tell little."""
    trunk = (("neck", "pelvis"), ("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"))
    ends = np.array([[made.points[start], made.points[end]] for start, end in (*LIMBS, *trunk)])
    seen = view.project(ends.reshape(-1, 3)).reshape(-1, 2, 2)
    return float(np.linalg.norm(seen[:, 0] - seen[:, 1], axis=1).sum())


def render_figure(reference: ReferencePose) -> str:
    """The pose as what is inside an SVG of `TILE_SIZE`×`TILE_SIZE`, far parts first.

    Classes say what to colour: `floor`, `edge` (around each part), `near` and `far` for strokes and `fill` for areas.
    """
    joints = {name: place[:2] for name, place in reference.joints.items()}
    head = reference.joints["head"]
    around = np.array([*joints.values(), head[:2] - 25, head[:2] + 25])
    low, high = around.min(0), around.max(0)
    scale = min(MAX_SCALE, MAX_FIGURE_SIZE / float((high - low).max()))
    at = {name: (place - (low + high) / 2) * scale + TILE_SIZE / 2 for name, place in joints.items()}
    depth = {name: float(place[2]) for name, place in reference.joints.items()}
    middle = depth["pelvis"]
    parts = [(middle, _render_trunk(at, scale)), (depth["head"], _render_head(at, scale))]
    for side in ("left", "right"):
        for joint, names, width in (("elbow", ("shoulder", "elbow", "wrist", "hand"), 21), ("knee", LEG_JOINTS, 28)):
            nearness = depth[f"{side}_{joint}"] * 0.8 + depth[f"{side}_{names[0]}"] * 0.2
            line = _path([at[f"{side}_{name}"] for name in names])
            parts.append(
                (nearness, _stroke(line, width * scale, "near" if nearness > middle - FAR_LIMB_DEPTH else "far"))
            )
    x, y = at["floor"]
    floor = f'<ellipse class="floor" cx="{x:.0f}" cy="{y + 1:.0f}" rx="{90 * scale:.0f}" ry="{12 * scale:.0f}"/>'
    return floor + "".join(drawn for _, drawn in sorted(parts, key=lambda part: part[0]))


LEG_JOINTS: Final = ("hip", "knee", "ankle", "toe")


def _render_trunk(at: dict[str, Vector], scale: float) -> str:
    waist = [at["waist"] + (at[f"{side}_hip"] - at["pelvis"]) * 0.95 for side in ("right", "left")]
    corners = [at[TRUNK[0]], at[TRUNK[1]], waist[0], at[TRUNK[2]], at[TRUNK[3]], waist[1]]
    return _stroke(_path(corners) + "Z", 20 * scale, "near fill")


def _render_head(at: dict[str, Vector], scale: float) -> str:
    neck = _stroke(_path([at["neck"], at["head"]]), 14 * scale, "near")
    x, y = at["head"]
    circles = (
        f'<circle class="{name}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"/>'
        for name, radius in (("edge fill", 25 * scale + 0.4), ("near fill", 25 * scale - 1))
    )
    return neck + "".join(circles)


def _stroke(line: str, width: float, name: str) -> str:
    edge = f'<path class="edge" stroke-width="{width + 2.4:.1f}" d="{line}"/>'
    return f'{edge}<path class="{name}" stroke-width="{width:.1f}" d="{line}"/>'


def _path(points: list[Vector]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
