"""Reference poses: every named pose of the drawn figures, from its best side. Coverage is measured against them.

Each is a query to compare the library's people with, and a small drawing.
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
"""Azimuths to choose a pose's view from, in degrees. 0 is in front of the figure, and comes first."""

FRONT_VIEW_BIAS: Final = 1.08
"""Factor by which limbs must appear longer than from the front for another view to be chosen: the front shows the
face."""

CAMERA_ELEVATION, CAMERA_DISTANCE = 5.0, 4.5
"""The camera's elevation in degrees and its distance in metres."""

PIXELS_PER_METRE: Final = 200.0
"""Scale of the projected key points."""

TRUNK: Final = ("left_shoulder", "right_shoulder", "right_hip", "left_hip")
LIMBS: Final = tuple(
    (f"{side}_{start}", f"{side}_{end}")
    for side in ("left", "right")
    for start, end in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
)
ARM_JOINTS: Final = ("shoulder", "elbow", "wrist", "hand")
LEG_JOINTS: Final = ("hip", "knee", "ankle", "toe")

TILE_SIZE: Final = 100
"""Side of a figure's drawing, in its own units."""

MAX_SCALE: Final = 0.26
"""Maximum scale of a figure in a drawing, in units per pixel, so that a sitting figure is not drawn larger than a
standing one."""

MAX_FIGURE_SIZE: Final = 90
"""Maximum height and width of a figure in its drawing, in the drawing's units."""

FAR_LIMB_DEPTH: Final = 15.0
"""Pixels behind the pelvis from which on a limb is drawn in the lighter colour of far limbs."""


@dataclass(frozen=True, slots=True, eq=False)
class ReferencePose:
    """A named pose from one side.

    `keypoints` are COCO's, 17×2 in pixels; `joints` are the figure's by name (x, y, nearness to the camera), and
    `floor` for the point below the pelvis.
    """

    title: str
    kind: Kind
    keypoints: Floats
    joints: dict[str, Vector]


@cache
def reference_poses() -> tuple[ReferencePose, ...]:
    """Return all reference poses, in the repertoire's order."""
    return tuple(_make_reference_pose(movement) for movement in REPERTOIRE)


def _make_reference_pose(movement: Movement) -> ReferencePose:
    skeleton = pose_skeleton(movement.stance)
    turn = float(movement.stance[ANGLE_INDEX["turn"]])
    views = [_camera(skeleton, turn + azimuth) for azimuth in VIEW_AZIMUTHS]
    lengths = [_projected_length(skeleton, view) for view in views]
    longest = int(np.argmax(lengths))
    view = views[longest] if lengths[longest] > FRONT_VIEW_BIAS * lengths[0] else views[0]
    points = np.array(list(skeleton.points.values()))
    places = np.column_stack([view.project(points), view.to_camera(points)[:, 2] * PIXELS_PER_METRE])
    joints = dict(zip(skeleton.points, places, strict=True))
    joints["floor"] = np.append(view.project(skeleton.points["pelvis"][None] * (1, 0, 1))[0], 0)
    keypoints = view.project(skeleton.keypoints()).astype(np.float32)
    return ReferencePose(movement.title, movement.kind, keypoints, joints)


def _camera(skeleton: Skeleton, azimuth: float) -> Camera:
    points = np.array(list(skeleton.points.values()))
    centre = (points.min(0) + points.max(0)) / 2
    return Camera.around(
        centre,
        (0, 0),
        azimuth=azimuth,
        elevation=CAMERA_ELEVATION,
        distance=CAMERA_DISTANCE,
        focal=PIXELS_PER_METRE * CAMERA_DISTANCE,
    )


def _projected_length(skeleton: Skeleton, view: Camera) -> float:
    """Return the total length of limbs and trunk in the view, in pixels: foreshortened limbs show little of a pose."""
    trunk = (("neck", "pelvis"), ("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"))
    ends = np.array([[skeleton.points[start], skeleton.points[end]] for start, end in (*LIMBS, *trunk)])
    projected = view.project(ends.reshape(-1, 3)).reshape(-1, 2, 2)
    return float(np.linalg.norm(projected[:, 0] - projected[:, 1], axis=1).sum())


def render_figure(reference: ReferencePose) -> str:
    """Return the pose as the content of an SVG of `TILE_SIZE`×`TILE_SIZE`, far parts first.

    The page's style colours it by classes: `floor`, `edge` (around each part), `near` and `far` for strokes, and
    `fill` for areas.
    """
    joints = {name: place[:2] for name, place in reference.joints.items()}
    depths = {name: float(place[2]) for name, place in reference.joints.items()}
    head = joints["head"]
    extent = np.array([*joints.values(), head - 25, head + 25])
    low, high = extent.min(0), extent.max(0)
    scale = min(MAX_SCALE, MAX_FIGURE_SIZE / float((high - low).max()))
    at = {name: (place - (low + high) / 2) * scale + TILE_SIZE / 2 for name, place in joints.items()}
    pelvis = depths["pelvis"]
    parts = [(pelvis, _render_trunk(at, scale)), (depths["head"], _render_head(at, scale))]
    for side in ("left", "right"):
        for middle, names, width in (("elbow", ARM_JOINTS, 21), ("knee", LEG_JOINTS, 28)):
            nearness = depths[f"{side}_{middle}"] * 0.8 + depths[f"{side}_{names[0]}"] * 0.2
            line = _path([at[f"{side}_{name}"] for name in names])
            colour = "near" if nearness > pelvis - FAR_LIMB_DEPTH else "far"
            parts.append((nearness, _stroke(line, width * scale, colour)))
    x, y = at["floor"]
    floor = f'<ellipse class="floor" cx="{x:.0f}" cy="{y + 1:.0f}" rx="{90 * scale:.0f}" ry="{12 * scale:.0f}"/>'
    return floor + "".join(part for _, part in sorted(parts, key=lambda part: part[0]))


def _render_trunk(at: dict[str, Vector], scale: float) -> str:
    waist = [at["waist"] + (at[f"{side}_hip"] - at["pelvis"]) * 0.95 for side in ("right", "left")]
    corners = [at[TRUNK[0]], at[TRUNK[1]], waist[0], at[TRUNK[2]], at[TRUNK[3]], waist[1]]
    return _stroke(_path(corners) + "Z", 20 * scale, "near fill")


def _render_head(at: dict[str, Vector], scale: float) -> str:
    neck = _stroke(_path([at["neck"], at["head"]]), 14 * scale, "near")
    x, y = at["head"]
    circles = (
        f'<circle class="{classes}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"/>'
        for classes, radius in (("edge fill", 25 * scale + 0.4), ("near fill", 25 * scale - 1))
    )
    return neck + "".join(circles)


def _stroke(line: str, width: float, classes: str) -> str:
    """Return a path twice: first as a slightly wider edge, which sets it off from the parts behind it."""
    edge = f'<path class="edge" stroke-width="{width + 2.4:.1f}" d="{line}"/>'
    return f'{edge}<path class="{classes}" stroke-width="{width:.1f}" d="{line}"/>'


def _path(points: list[Vector]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
