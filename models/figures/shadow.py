"""The shadows of people on the floor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from models.figures.projection import Camera
from models.figures.skeleton import Skeleton
from models.figures.styles import Style
from models.pose import Image

JOINT_WIDTHS: Final = {
    "head": 0.10, "chest": 0.15, "pelvis": 0.16, "left_knee": 0.07, "right_knee": 0.07, "left_ankle": 0.06,
    "right_ankle": 0.06, "left_toe": 0.05, "right_toe": 0.05, "left_elbow": 0.05, "right_elbow": 0.05,
    "left_wrist": 0.05, "right_wrist": 0.05,
}  # fmt: skip
"""The width of each joint's shadow, in metres."""
BONES: Final = (
    ("head", "chest"), ("chest", "pelvis"), ("pelvis", "left_knee"), ("pelvis", "right_knee"),
    ("left_knee", "left_ankle"), ("right_knee", "right_ankle"), ("left_ankle", "left_toe"),
    ("right_ankle", "right_toe"), ("chest", "left_elbow"), ("chest", "right_elbow"), ("left_elbow", "left_wrist"),
    ("right_elbow", "right_wrist"),
)  # fmt: skip
SHADOW_DIRECTION: Final = (0.165, 0.0, -0.19)
"""Metres by which a shadow falls to the right and back in the camera's axes, for each metre of height."""


def cast_shadow(
    background: Image, bodies: Sequence[Skeleton], camera: Camera, style: Style, strength: float = 1.0
) -> Image:
    """Return the background with the bodies' shadows on the floor, `strength` times as dark as the style's."""
    picture = background.copy()
    if strength <= 0 or camera.rotation[2, 1] < 0.01:
        return picture
    height, width = background.shape[:2]
    mask = np.zeros(((height + 1) // 2, (width + 1) // 2), np.uint8)
    boxes = [box for body in bodies if (box := _draw_body_shadow(mask, body, camera)) is not None]
    if not boxes:
        return picture
    soft = max(float(camera.pixels_per_metre(np.zeros(1))[0]) * (0.006 if style.crisp else 0.02), 0.8)
    room = int(soft * 3) + 1
    left, top = np.clip(np.min([box[:2] for box in boxes], axis=0) - room, 0, mask.shape[::-1]).tolist()
    right, bottom = np.clip(np.max([box[2:] for box in boxes], axis=0) + room, 0, mask.shape[::-1]).tolist()
    if right <= left or bottom <= top:
        return picture
    dark = cv2.GaussianBlur(mask[top:bottom, left:right], (0, 0), soft)
    part = picture[2 * top : 2 * bottom, 2 * left : 2 * right]
    dark = cv2.resize(dark, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)[: part.shape[0], : part.shape[1]]
    if style.crisp:
        dark = cv2.convertScaleAbs(np.maximum(dark, 96) - np.uint8(96), alpha=4)
    kept = cv2.convertScaleAbs(dark, alpha=-strength * style.shadow, beta=255)
    part[:] = cv2.multiply(part, cv2.merge([kept, kept, kept]), scale=1 / 255)
    return picture


def _draw_body_shadow(mask: Image, body: Skeleton, camera: Camera) -> tuple[int, int, int, int] | None:
    """Draw a body projected on the floor along the light, at half the size; return the box around it."""
    names = list(JOINT_WIDTHS)
    places = np.array([body.points[name] for name in names])
    floor = places + places[:, 1:2] * (camera.rotation.T @ np.array(SHADOW_DIRECTION))
    floor[:, 1] = 0
    seen = camera.to_camera(floor)
    if (seen[:, 2] > camera.near_limit).any():
        return None
    pixels = camera.to_pixels(seen) / 2
    scale = dict(zip(names, (camera.pixels_per_metre(seen[:, 2]) / 2).tolist(), strict=True))
    spots = dict(zip(names, np.round(pixels * 16).astype(int).tolist(), strict=True))
    for start, end in BONES:
        width = max(int((JOINT_WIDTHS[start] + JOINT_WIDTHS[end]) * 0.8 * scale[end]), 1)
        cv2.line(mask, spots[start], spots[end], 255, width, cv2.LINE_AA, 4)
    room = int(0.2 * max(scale.values())) + 1
    (left, top), (right, bottom) = (edge.astype(int).tolist() for edge in (pixels.min(0) - room, pixels.max(0) + room))
    return left, top, right, bottom
