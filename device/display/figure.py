"""Drawing a person as a handsome, plain figure from the 17 key points of a pose.

The figure stands in for the visitor where no camera picture is wanted: in the attract loop, in GIFs, in drawings of
hints. `device.display.body` completes what the pose does not show; here it becomes shapes.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from device.display.body import SIDES, Body, Limb, Points, complete_body
from device.display.draw import SUBPIXEL_BITS
from device.display.style import COOL, INK, MIDDLE, WARM, Colour
from models.pose import Image, Pose

HAIR: Final[Colour] = (118, 130, 158)
SKIN: Final[Colour] = (255, 226, 202)
"""The colours of hair, and of face, neck and hands."""

OUTLINE: Final = 0.007
"""Width of the dark line around each part, as a share of the person's height: it tells an arm from the trunk."""

ARM_RADII: Final = (0.031, 0.0245, 0.0175)
LEG_RADII: Final = (0.046, 0.032, 0.0205)
"""Half the width of a limb at its root, middle joint and end, as shares of the person's height."""

HAND_RADII: Final = (0.018, 0.0205)
FOOT_RADII: Final = (0.0225, 0.0165)
SHOULDER_RADIUS, HIP_RADIUS, NECK_RADIUS = 0.036, 0.05, 0.024
WAIST: Final = 0.8
"""How wide the waist is, relative to the mean of shoulders and hips."""

TRUNK_DEPTH: Final = 0.055
"""Half the width of a trunk that is seen from the side, as a share of the person's height."""

ARC_STEPS: Final = 10
"""Corners of each half circle: more cannot be seen at any size of display."""

MAX_COORDINATE: Final = 16_000.0
"""Pixels: OpenCV's fixed-point coordinates overflow far beyond this."""

SIDE_COLOURS: Final = {"left": COOL, "right": WARM}

FixedPoints = npt.NDArray[np.int32]


class Shape(NamedTuple):
    """A filled polygon (N×2 in pixels), its colour, and the same polygon grown by the outline."""

    corners: Points
    grown: Points
    colour: Colour


def draw_figure(picture: Image, pose: Pose) -> None:
    """Draw a pose as a figure into a picture (H×W×3), in its pixels and size; the person's left is cool, right warm.

    Key points that are not seen (`LAYOUT_SCORE`) are guessed where that is safe, such as the head above shoulders, and
    left out otherwise. A pose of which nothing is seen draws nothing.
    """
    body = complete_body(pose)
    if body is None or not _touches(picture, body):
        return
    for part in _parts_in_order(body):
        for shape in part:
            _fill(picture, shape.grown, INK)
        for shape in part:
            _fill(picture, shape.corners, shape.colour)


def _touches(picture: Image, body: Body) -> bool:
    """Return whether a body is near enough to the picture to show, and large enough to see."""
    height, width = picture.shape[:2]
    low, high = np.nanmin(body.points, axis=0), np.nanmax(body.points, axis=0)
    reach = 0.3 * body.height
    outside = (low > np.array([width, height]) + reach) | (high < -reach)
    return 2.0 < body.height < MAX_COORDINATE and not bool(outside.any())


def _parts_in_order(body: Body) -> list[list[Shape]]:
    """Return the parts of a body from back to front; each is outlined as a whole."""
    far, near = ("right", "left") if body.sideways <= 0 else ("left", "right")
    legs = {side: _leg(body, side) for side in SIDES}
    arms = {side: _arm(body, side) for side in SIDES}
    raised = [side for side in (far, near) if body.legs[side].is_raised]
    behind = [arms[far]] if body.is_profile else []
    front = [arms[side] for side in (far, near) if not (body.is_profile and side == far)]
    lowered = [legs[side] for side in (far, near) if side not in raised]
    head = [_neck(body), _head(body)]
    return [*behind, *lowered, _trunk(body), *(legs[side] for side in raised), *head, *front]


def _arm(body: Body, side: str) -> list[Shape]:
    """Return the shapes of an arm and its hand."""
    limb = body.arms[side]
    shapes = _hand(body, limb)
    return shapes + _limb(body, limb, ARM_RADII, SIDE_COLOURS[side])


def _leg(body: Body, side: str) -> list[Shape]:
    """Return the shapes of a leg and its foot."""
    limb = body.legs[side]
    shapes = []
    if limb.tip is not None and limb.end is not None:
        heel = limb.end + (limb.tip - limb.end) * 0.12
        shapes = [_capsule(body, heel, limb.tip, FOOT_RADII, MIDDLE)]
    return shapes + _limb(body, limb, LEG_RADII, SIDE_COLOURS[side])


def _hand(body: Body, limb: Limb) -> list[Shape]:
    if limb.tip is None or limb.end is None:
        return []
    return [_capsule(body, limb.end, limb.tip, HAND_RADII, SKIN)]


def _limb(body: Body, limb: Limb, radii: tuple[float, float, float], colour: Colour) -> list[Shape]:
    """Return the shapes of a limb: two tapered pieces that share a round joint."""
    joints = [limb.root, limb.middle, limb.end]
    shapes = []
    for number in (0, 1):
        a, b = joints[number], joints[number + 1]
        if a is not None and b is not None:
            shapes.append(_capsule(body, a, b, (radii[number], radii[number + 1]), colour))
    return shapes


def _trunk(body: Body) -> list[Shape]:
    """Return the trunk: two sides that curve in at the waist, with round shoulders and hips."""
    shoulder, hip = body.shoulders, body.hips
    if shoulder is None or hip is None:
        return []
    grown = OUTLINE * body.height
    return [Shape(_trunk_outline(body, 0.0), _trunk_outline(body, grown), MIDDLE)]


def _trunk_outline(body: Body, grow: float) -> Points:
    """Return the trunk's outline, N×2, grown by `grow` pixels."""
    assert body.shoulders is not None and body.hips is not None
    shoulders = _wide_pair(body, body.shoulders, TRUNK_DEPTH - SHOULDER_RADIUS)
    hips = _wide_pair(body, body.hips, TRUNK_DEPTH - HIP_RADIUS)
    discs = []
    for pair, radius in ((shoulders, SHOULDER_RADIUS), (hips, HIP_RADIUS)):
        discs += [(point, radius * body.height + grow) for point in pair]
    hull = np.concatenate([point + radius * _CIRCLE for point, radius in discs]).astype(np.float32)
    corners = cv2.convexHull(hull)[:, 0].astype(np.float64)
    return _pinch(corners, shoulders.mean(0), hips.mean(0), WAIST)


def _pinch(corners: Points, top: Points, bottom: Points, waist: float) -> Points:
    """Return a hull with its two long sides curved in towards the axis from `top` to `bottom`."""
    dense = _subdivide(corners)
    axis = bottom - top
    length = float(np.hypot(*axis))
    if length < 1e-6:
        return dense
    along = axis / length
    across = np.array([-along[1], along[0]])
    t = (dense - top) @ along / length
    bump = np.where((t > 0) & (t < 1), np.sin(np.pi * np.clip(t, 0, 1) ** 1.25) ** 2, 0.0)
    offset = (dense - top) @ across
    pinched: Points = dense - (offset * (1 - waist) * bump)[:, None] * across
    return pinched


def _subdivide(corners: Points) -> Points:
    """Return a polygon with its long edges cut into eight, so that they can bend."""
    following = np.roll(corners, -1, axis=0)
    far = np.hypot(*(following - corners).T)
    pieces = []
    longest = far.max()
    for a, b, distance in zip(corners, following, far, strict=True):
        steps = 12 if distance > 0.35 * longest else 1
        pieces.append(a + (b - a) * (np.arange(steps) / steps)[:, None])
    return np.concatenate(pieces)


def _wide_pair(body: Body, pair: Points, least: float) -> Points:
    """Return the two points moved apart, so that a trunk seen from the side is not too thin."""
    middle, half = pair.mean(0), (pair[0] - pair[1]) / 2
    across = float(half @ body.across)
    wide = math.hypot(across, max(least, 0) * body.height)
    along = half - across * body.across
    half = math.copysign(wide, across) * body.across + along * (abs(across) / wide if wide else 0)
    widened: Points = np.stack([middle + half, middle - half])
    return widened


def _neck(body: Body) -> list[Shape]:
    if body.shoulders is None or body.head is None:
        return []
    return [_capsule(body, body.shoulders.mean(0), body.head.centre, (NECK_RADIUS, NECK_RADIUS), SKIN)]


def _head(body: Body) -> list[Shape]:
    """Return the head: hair all around, and the face on the side where the person looks."""
    if body.head is None:
        return []
    head = body.head
    shapes = [_ellipse(body, head.centre, head.up, (head.radius * 0.9, head.radius * 1.08), HAIR)]
    if head.face is not None:
        middle = head.centre + head.face * head.radius * 0.5 - head.up * head.radius * 0.16
        size = head.radius * 0.78, head.radius * 0.86
        face = _ellipse(body, middle, head.up, size, SKIN)
        limit = shapes[0].corners
        shapes.append(Shape(*(_keep_within(points, head.centre, limit) for points in face[:2]), SKIN))
    return shapes


def _keep_within(points: Points, centre: Points, limit: Points) -> Points:
    """Return points drawn in towards the centre, so that none is farther out than the outline `limit` around it."""
    own, edge = points - centre, limit - centre
    reach = np.interp(
        np.arctan2(own[:, 1], own[:, 0]),
        *(lambda angle, order: (angle[order], np.hypot(*edge[order].T)))(
            np.arctan2(edge[:, 1], edge[:, 0]), np.argsort(np.arctan2(edge[:, 1], edge[:, 0]))
        ),
        period=2 * math.pi,
    )
    distance = np.hypot(*own.T)
    kept: Points = centre + own * np.minimum(1, reach / np.maximum(distance, 1e-6))[:, None]
    return kept


_CIRCLE: Final[Points] = np.stack(
    [np.cos(np.linspace(0, 2 * np.pi, 4 * ARC_STEPS, False)), np.sin(np.linspace(0, 2 * np.pi, 4 * ARC_STEPS, False))],
    axis=1,
)


def _ellipse(body: Body, centre: Points, up: Points, radii: tuple[float, float], colour: Colour) -> Shape:
    """Return an ellipse, `radii` pixels across and along the direction `up`."""
    across = np.array([-up[1], up[0]])
    grown = OUTLINE * body.height
    corners, larger = (
        centre + _CIRCLE[:, :1] * across * (radii[0] + extra) + _CIRCLE[:, 1:] * up * (radii[1] + extra)
        for extra in (0.0, grown)
    )
    return Shape(corners, larger, colour)


def _capsule(body: Body, a: Points, b: Points, radii: tuple[float, float], colour: Colour) -> Shape:
    """Return a tapered piece with round ends from a to b; `radii` are shares of the person's height."""
    first, second = radii[0] * body.height, radii[1] * body.height
    grown = OUTLINE * body.height
    return Shape(_taper(a, b, first, second), _taper(a, b, first + grown, second + grown), colour)


def _taper(a: Points, b: Points, first: float, second: float) -> Points:
    """Return the outline of two discs, of radius `first` around a and `second` around b, and what lies between."""
    distance = math.hypot(b[0] - a[0], b[1] - a[1])
    if distance <= abs(first - second) + 1e-9:  # one disc is within the other
        return a + first * _CIRCLE if first >= second else b + second * _CIRCLE
    direction = math.atan2(b[1] - a[1], b[0] - a[0])
    tangent = math.acos((first - second) / distance)
    back = direction + tangent + _STEPS * (2 * math.pi - 2 * tangent)
    ahead = direction - tangent + _STEPS * (2 * tangent)
    angles = np.concatenate([back, ahead])
    turned = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    turned[: len(back)] *= first
    turned[len(back) :] *= second
    turned[: len(back)] += a
    turned[len(back) :] += b
    return turned


_STEPS: Final = np.linspace(0.0, 1.0, ARC_STEPS + 1)


def _fill(picture: Image, corners: Points, colour: Colour) -> None:
    fixed = np.round(np.clip(corners, -MAX_COORDINATE, MAX_COORDINATE) * (1 << SUBPIXEL_BITS)).astype(np.int32)
    cv2.fillPoly(picture, [fixed], colour, cv2.LINE_AA, SUBPIXEL_BITS)
