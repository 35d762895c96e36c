"""The same scene once more: mirrored, moved, turned, nearer or farther, and in another light."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from models.pose import MIRROR_ORDER, Floats, Image

Transform = npt.NDArray[np.float64]
"""2×3: from pixels of one picture to those of another."""


def similarity_transform(
    scale: float, turn: float, start: Transform, end: Transform, mirror: bool = False
) -> Transform:
    """Larger by `scale`, turned by `turn` (radians), with the point `start` at `end` (2 pixels each)."""
    a, b = scale * math.cos(turn), scale * math.sin(turn)
    flip = -1.0 if mirror else 1.0
    turned = np.array([[a * flip, -b], [b * flip, a]])
    return np.column_stack([turned, end - turned @ start])


def warp(image: Image, people: Floats, way: Transform, size: int) -> tuple[Image, Floats]:
    """A picture and its people (P×17×3) as a way takes them, `size` pixels a side; who is outside is not to be seen."""
    picture = cv2.warpAffine(image, way, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    mirrors = way[0, 0] * way[1, 1] < way[0, 1] * way[1, 0]
    placed = people[:, MIRROR_ORDER] if mirrors else people.copy()
    placed[..., :2] = placed[..., :2] @ way[:, :2].T + way[:, 2]
    placed[..., 2] *= ((placed[..., :2] > -0.5) & (placed[..., :2] < size - 0.5)).all(-1)
    return np.asarray(picture, np.uint8), placed


def sample_lights(rng: np.random.Generator, count: int) -> tuple[Transform, Transform]:
    """For `count` pictures: a gain for each colour, N×3, and an offset, N×1; numbers are about 0, −1 to 1."""
    gain = 1 + rng.normal(0, 0.12, (count, 1)) + rng.normal(0, 0.05, (count, 3))
    return gain, rng.normal(0, 0.08, (count, 1))
