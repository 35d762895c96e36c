"""Who of the people in a photo is worth a display of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import cv2
import numpy as np

from models.estimator.estimator import Estimator
from models.pose import Floats, Image, Pose
from models.seen import LIBRARY_SCORE

MIN_PERSON_SCORE = 0.4
"""A pose scored less is often no person: PoseNet reports down to 0.2, where folds and shadows come in."""

MIN_KEYPOINTS, MIN_BODY_KEYPOINTS = 8, 6
"""Of 17 and of the 12 below the head: shoulders, arms and hips, or more. Of less no pose can be told."""

MIN_PERSON_SIZE_RATIO = 0.3
"""The longer side of somebody's points in parts of the photo's shorter one: the photo is to show them, not a view."""

FOREGROUND_SIZE_RATIO = 0.6
"""Somebody this much smaller than the largest person stands behind them."""

CROWD_SIZE = 5
"""So many people of about one size: a visitor would not know who of them is meant."""

MIN_PHOTO_SIDE = 100
"""A photo whose shorter side is smaller is only blocks on a display."""


BLUR_THRESHOLD = 0.45
"""Of `blur` from here on: edges are wider than about a twentieth of the person, at least along one direction."""

BLUR_SIDE = 160
"""Somebody is made no larger than this to judge blur, in pixels of the longer side: it counts for what is seen of them,
and neither for how many pixels a camera has nor for its noise."""

EDGE_PERCENT = 10
"""Per cent of places whose change is largest: edges, which noise and plain walls are not."""


class PoseEstimator(Protocol):
    """Finds the people in pictures, as `models.estimator.estimator.Estimator` does."""

    def estimate(self, image: Image) -> list[Pose]:
        """The people in a picture, best first, in its pixels."""
        ...


EstimatorFactory = Callable[[], AbstractContextManager[PoseEstimator]]
"""Opens a finder; has to be picklable, as every process that looks at pictures opens its own."""


def estimator_factory(model: Path, size: tuple[int, int] | None = None) -> EstimatorFactory:
    """What opens PoseNet in each process that looks at pictures, with one thread: there are processes enough."""
    return partial(Estimator, model, size=size, threads=1)


def select_prominent(people: Sequence[Pose], width: int, height: int) -> list[Floats] | str:
    """The key points (17×3, unseen ones 0) of those whom a photo of this size shows well, or why there is nobody.

    Labelled people have scores of 0 and 1 and pass the same gates.
    """
    if min(width, height) < MIN_PHOTO_SIDE:
        return "too small"
    if not any(_is_person(pose) for pose in people):
        return "no person"
    # Also somebody whom the estimator is not sure of may be the one that the photo shows.
    largest = max(_size(pose) for pose in people)
    near = [pose for pose in people if _is_person(pose) and _size(pose) >= FOREGROUND_SIZE_RATIO * largest]
    if len(near) >= CROWD_SIZE:
        return "crowd"
    large = [pose for pose in near if _size(pose) >= MIN_PERSON_SIZE_RATIO * min(width, height)]
    if not large:
        return "person too small"
    return [seen_keypoints(pose) for pose in large if _has_enough_keypoints(pose)] or "too few points"


def is_sharp(image: Image, keypoints: Floats) -> bool:
    """Whether a picture (H×W×3) is sharp where somebody is (17×3, third ≤ 0 where unseen)."""
    return blur(image, keypoints) < BLUR_THRESHOLD


def blur(image: Image, keypoints: Floats) -> float:
    """How blurred a picture (H×W×3) is where somebody is (17×3), from 0, where each edge is one step, to 1.

    It is the share of the steepest edges that is left when the picture is blurred along their direction once more: a
    sharp picture loses much by that and a blurred one little (Crete et al., "The blur effect", 2007). The mean of the
    worst two of four directions, as movement blurs along one and near it. 0 where there are no edges at all.
    """
    grey = _grey_crop(image, keypoints)
    if min(grey.shape) < 3:
        return 0.0
    shares = []
    for change, smooth in _DIRECTIONS:
        before = np.abs(cv2.filter2D(grey, -1, change))
        after = np.abs(cv2.filter2D(cv2.filter2D(grey, -1, smooth), -1, change))
        edges = before >= max(float(np.percentile(before, 100 - EDGE_PERCENT)), 1.0)
        shares.append(float(after[edges].sum() / max(float(before[edges].sum()), 1.0)))
    return sum(sorted(shares)[2:]) / 2


def _grey_crop(image: Image, keypoints: Floats) -> Floats:
    """The part of a picture around somebody's points in grey, its longer side at most `BLUR_SIDE`."""
    height, width = image.shape[:2]
    seen = keypoints[keypoints[:, 2] > 0, :2]
    points = np.clip(seen.round().astype(int), 0, (width - 1, height - 1))
    if not len(points):
        return np.zeros((0, 0), np.float32)
    (left, top), (right, bottom) = points.min(0), points.max(0) + 1
    grey = cv2.cvtColor(np.ascontiguousarray(image[top:bottom, left:right]), cv2.COLOR_RGB2GRAY)
    scale = BLUR_SIDE / max(grey.shape)
    if scale < 1:
        size = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    return np.asarray(grey, np.float32)


def _directions() -> tuple[tuple[Floats, Floats], ...]:
    """Sobel's change across, down and along both diagonals, and a blur of nine pixels' length along each."""
    across = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32)
    falling = (across + across.T) / np.sqrt(np.float32(2))
    rising = (across - across.T) / np.sqrt(np.float32(2))
    level, slope = np.ones((1, 9), np.float32), np.eye(7, dtype=np.float32)
    pairs = (across, level), (across.T, level.T), (falling, slope), (rising, slope[::-1])
    return tuple((np.array(change, np.float32), np.array(blur / blur.sum(), np.float32)) for change, blur in pairs)


_DIRECTIONS: Final = _directions()


def seen_keypoints(pose: Pose) -> Floats:
    """17×3 with zeros for what the estimator only guessed."""
    return np.where(pose.scores[:, None] >= LIBRARY_SCORE, pose.keypoints, 0).astype(np.float32)


def _is_person(pose: Pose) -> bool:
    labelled = bool(np.isin(pose.scores, (0, 1)).all())
    return labelled or pose.score >= MIN_PERSON_SCORE


def _has_enough_keypoints(pose: Pose) -> bool:
    seen = pose.scores >= LIBRARY_SCORE
    return int(seen.sum()) >= MIN_KEYPOINTS and int(seen[5:].sum()) >= MIN_BODY_KEYPOINTS


def _size(pose: Pose) -> float:
    """The longer side of the box around somebody's points, in pixels."""
    box = pose.box(LIBRARY_SCORE)
    return 0.0 if box is None else max(box[2] - box[0], box[3] - box[1])
