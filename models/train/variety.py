"""Varies a scene: mirrored, moved, turned, scaled, and in another light."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from models.pose import MIRROR_ORDER, Floats, Image

Transform = npt.NDArray[np.float64]
"""2×3: from pixels of one picture to pixels of another."""


def similarity_transform(
    scale: float, turn: float, start: Transform, end: Transform, mirror: bool = False
) -> Transform:
    """Return a transform that scales, turns by `turn` (radians), mirrors if asked, and moves the point `start` to
    `end`."""
    a, b = scale * math.cos(turn), scale * math.sin(turn)
    flip = -1.0 if mirror else 1.0
    turned = np.array([[a * flip, -b], [b * flip, a]])
    return np.column_stack([turned, end - turned @ start])


def warp(image: Image, people: Floats, transform: Transform, size: int) -> tuple[Image, Floats]:
    """Return a picture and its people (P×17×3) after a transform, `size` pixels a side; key points outside become
    absent."""
    picture = cv2.warpAffine(image, transform, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    is_mirrored = transform[0, 0] * transform[1, 1] < transform[0, 1] * transform[1, 0]
    placed = people[:, MIRROR_ORDER] if is_mirrored else people.copy()
    placed[..., :2] = placed[..., :2] @ transform[:, :2].T + transform[:, 2]
    placed[..., 2] *= ((placed[..., :2] > -0.5) & (placed[..., :2] < size - 0.5)).all(-1)
    return np.asarray(picture, np.uint8), placed


def sample_lights(rng: np.random.Generator, count: int) -> tuple[Transform, Transform]:
    """Return a random gain for each colour (N×3) and a random offset (N×1) for `count` pictures of numbers from −1
    to 1."""
    gain = 1 + rng.normal(0, 0.12, (count, 1)) + rng.normal(0, 0.05, (count, 3))
    return gain, rng.normal(0, 0.08, (count, 1))
