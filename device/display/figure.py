"""Drawing a person as a handsome, plain figure from the 17 key points of a pose.

The figure stands in for the visitor where no camera picture is wanted: in the attract loop, in GIFs, in drawings of
hints. `device.display.figure_body` completes what the pose does not show; here it becomes shapes.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import cv2
import numpy as np

from device.display.draw import SUBPIXEL_BITS
from device.display.figure_body import SIDES, Body, Limb, Points, complete_body
from device.display.style import COOL, MIDDLE, WARM, Colour
from models.pose import Image, Pose

HAIR: Final[Colour] = (118, 130, 158)
SKIN: Final[Colour] = (255, 226, 202)
"""The colours of hair, and of face, neck and hands."""

LINE: Final[Colour] = (24, 27, 36)
"""The colour of outlines: a little darker than the wall, so that the edges between parts are soft."""

OUTLINE: Final = 0.0065
"""Width of the line around each part, as a share of the person's height."""

FAR_SHADE: Final = 0.24
"""How much darker the far limbs are of somebody who is seen from the side."""

ARM_RADII: Final = (0.0275, 0.0225, 0.0165)
LEG_RADII: Final = (0.044, 0.031, 0.019)
"""Half the width of a limb at its root, middle joint and end, as shares of the person's height."""

HAND_RADII: Final = (0.0195, 0.021)
FOOT_RADII: Final = (0.024, 0.0175)
SHOULDER_RADIUS, HIP_RADIUS, NECK_RADIUS = 0.0265, 0.043, 0.0225
COLLAR: Final = 0.03
"""How far the trunk rises to the neck above the shoulders, as a share of the person's height."""
WAIST: Final = 0.8
"""How wide the waist is, relative to the mean of shoulders and hips."""

TRUNK_DEPTH: Final = 0.055
"""Half the width of a trunk that is seen from the side, as a share of the person's height."""

ARC_STEPS: Final = 10
"""Corners of each half circle: more cannot be seen at any size of display."""

MAX_COORDINATE: Final = 16_000.0
"""Pixels: OpenCV's fixed-point coordinates overflow far beyond this."""

FINENESS: Final = 2
"""How many times larger the figure is drawn before it is shrunk to its size, so that its edges are smooth."""

MIN_HEIGHT, MAX_HEIGHT = 2.0, 16_000.0
"""Pixels: people that are smaller cannot be seen, and of larger ones nothing would be recognised."""

SIDE_COLOURS: Final = {"left": COOL, "right": WARM}

_STEPS: Final = np.linspace(0.0, 1.0, ARC_STEPS + 1)
_CIRCLE: Final[Points] = np.stack(
    [function(np.arange(4 * ARC_STEPS) * np.pi / (2 * ARC_STEPS)) for function in (np.cos, np.sin)], axis=1
)


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
    if body is None or not MIN_HEIGHT < body.height < MAX_HEIGHT:
        return
    parts = _parts_in_order(body)
    left, top, right, bottom = _box(picture, parts)
    if left >= right or top >= bottom:
        return
    region, size = picture[top:bottom, left:right], (right - left, bottom - top)
    # OpenCV's own smooth edges are rough, and twice the size costs little. Enlarged by repeating pixels, what is around
    # the figure comes back unchanged.
    enlarged = size[0] * FINENESS, size[1] * FINENESS
    large = cv2.resize(region, enlarged, interpolation=cv2.INTER_NEAREST).astype(np.uint8, copy=False)
    offset = np.array([left, top]) - 0.5
    for part in parts:
        for shape in part:
            _fill(large, (shape.grown - offset) * FINENESS - 0.5, LINE)
        for shape in part:
            _fill(large, (shape.corners - offset) * FINENESS - 0.5, shape.colour)
    region[:] = cv2.resize(large, size, interpolation=cv2.INTER_AREA)


def _box(picture: Image, parts: list[list[Shape]]) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom of the region of the picture that the shapes touch; it may be empty."""
    points = [shape.grown for part in parts for shape in part]
    if not points:
        return 0, 0, 0, 0
    corners, limits = np.concatenate(points), picture.shape[1::-1]
    left, top = np.clip(corners.min(0) - 1, 0, limits).astype(int).tolist()
    right, bottom = np.clip(corners.max(0) + 3, 0, limits).astype(int).tolist()
    return left, top, right, bottom


def _parts_in_order(body: Body) -> list[list[Shape]]:
    """Return the parts of a body from back to front; each is outlined as a whole."""
    far, near = _far_and_near(body)
    legs = {side: _leg(body, side) for side in SIDES}
    arms = {side: _arm(body, side) for side in SIDES}
    raised = [side for side in (far, near) if body.legs[side].is_raised]
    behind = [arms[far]] if body.is_profile else []
    front = [arms[side] for side in (far, near) if not (body.is_profile and side == far)]
    lowered = [legs[side] for side in (far, near) if side not in raised]
    head = [_neck(body), _head(body)]
    return [*behind, *lowered, _trunk(body), *(legs[side] for side in raised), *head, *front]


def _far_and_near(body: Body) -> tuple[str, str]:
    """Return the sides: somebody who looks to the right of the picture has the right side near."""
    return ("left", "right") if body.sideways > 0 else ("right", "left")


def _side_colour(body: Body, side: str) -> Colour:
    """Return the colour of a side, which is darker on the far side of somebody who is seen from the side."""
    share = 1 - FAR_SHADE * body.sideways**2 * (side == _far_and_near(body)[0])
    red, green, blue = (round(value * share) for value in SIDE_COLOURS[side])
    return red, green, blue


def _arm(body: Body, side: str) -> list[Shape]:
    """Return the shapes of an arm and its hand."""
    limb = body.arms[side]
    shapes = _hand(body, limb)
    return shapes + _limb(body, limb, ARM_RADII, _side_colour(body, side))


def _leg(body: Body, side: str) -> list[Shape]:
    """Return the shapes of a leg and its foot."""
    limb = body.legs[side]
    shapes = []
    if limb.tip is not None and limb.end is not None:
        heel = limb.end + (limb.tip - limb.end) * 0.12
        shapes = [_capsule(body, heel, limb.tip, FOOT_RADII, MIDDLE)]
    return shapes + _limb(body, limb, LEG_RADII, _side_colour(body, side))


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
    """Return the trunk: two sides that curve in at the waist, with sloping shoulders."""
    if body.shoulders is None or body.hips is None:
        return []
    shoulders = _wide_pair(body, body.shoulders, TRUNK_DEPTH - SHOULDER_RADIUS)
    hips = _wide_pair(body, body.hips, TRUNK_DEPTH - HIP_RADIUS)
    collar = shoulders.mean(0) + body.up * COLLAR * body.height
    discs = [*((point, SHOULDER_RADIUS) for point in shoulders), (collar, NECK_RADIUS * 1.3)]
    discs += [(point, HIP_RADIUS) for point in hips]
    corners, grown = (
        _pinch(_hull(discs, body.height, extra), shoulders.mean(0), hips.mean(0)) for extra in (0.0, OUTLINE)
    )
    return [Shape(corners, grown, MIDDLE)]


def _hull(discs: list[tuple[Points, float]], height: float, extra: float) -> Points:
    """Return the outline around discs, whose radii and `extra` are shares of a person's height in pixels."""
    edges = [point + (radius + extra) * height * _CIRCLE for point, radius in discs]
    hull: Points = cv2.convexHull(np.concatenate(edges).astype(np.float32))[:, 0].astype(np.float64)
    return hull


def _pinch(corners: Points, top: Points, bottom: Points) -> Points:
    """Return a hull with its two long sides curved in towards the axis from `top` to `bottom`, as at a waist."""
    axis = bottom - top
    length = math.hypot(axis[0], axis[1])
    if length < 1e-6:
        return corners
    dense, along = _subdivide(corners), axis / length
    across = np.array([-along[1], along[0]])
    depth = np.clip(((dense - top) @ along / length - 0.04) / 0.84, 0, 1)
    amount = (1 - WAIST) * np.sin(np.pi * depth**1.15) ** 2
    pinched: Points = dense - ((dense - top) @ across * amount)[:, None] * across
    return pinched


def _subdivide(corners: Points) -> Points:
    """Return a polygon with its long edges cut into short ones, so that they can bend."""
    edges = np.roll(corners, -1, axis=0) - corners
    lengths = np.hypot(edges[:, 0], edges[:, 1])
    counts = 1 + np.round(15 * lengths / lengths.max()).astype(int)
    first = np.repeat(np.cumsum(counts) - counts, counts)
    shares = (np.arange(len(first)) - first) / np.repeat(counts, counts)
    dense: Points = np.repeat(corners, counts, axis=0) + shares[:, None] * np.repeat(edges, counts, axis=0)
    return dense


def _wide_pair(body: Body, pair: Points, least: float) -> Points:
    """Return the two points moved apart, so that a trunk seen from the side is not too thin."""
    middle, half = pair.mean(0), (pair[0] - pair[1]) / 2
    across = float(half @ body.across)
    wide = (across**4 + (max(least, 0) * body.height) ** 4) ** 0.25  # hardly more than the larger of the two
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
        middle = head.centre + head.face * head.radius * 0.5 - head.up * head.radius * 0.3
        size = head.radius * 0.76, head.radius * 0.84
        face = _ellipse(body, middle, head.up, size, SKIN)
        shapes.append(Shape(_keep_within(face.corners, head.centre, shapes[0].corners), shapes[0].grown, SKIN))
    return shapes


def _keep_within(points: Points, centre: Points, limit: Points) -> Points:
    """Return points drawn in towards the centre, so that none is farther out than the outline `limit` around it."""
    own, edge = points - centre, limit - centre
    directions = np.arctan2(edge[:, 1], edge[:, 0])
    reach = np.interp(
        np.arctan2(own[:, 1], own[:, 0]), directions, np.hypot(edge[:, 0], edge[:, 1]), period=2 * math.pi
    )
    distance = np.maximum(np.hypot(own[:, 0], own[:, 1]), 1e-6)
    kept: Points = centre + own * np.minimum(1, reach / distance)[:, None]
    return kept


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


def _fill(picture: Image, corners: Points, colour: Colour) -> None:
    fixed = np.round(np.clip(corners, -MAX_COORDINATE, MAX_COORDINATE) * (1 << SUBPIXEL_BITS)).astype(np.int32)
    cv2.fillPoly(picture, [fixed], colour, cv2.LINE_AA, SUBPIXEL_BITS)
