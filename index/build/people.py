"""Decide which people a photo shows well enough to become items."""

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
"""Pose score of a person. Poses below it are often folds or shadows; PoseNet reports scores down to 0.2."""

MIN_KEYPOINTS_TO_KEEP, MIN_BODY_KEYPOINTS_TO_KEEP = 8, 6
"""Seen key points a person needs: of all 17, and of the 12 below the head, such as shoulders, arms and hips. Fewer do
not show a pose."""

MIN_PERSON_SIZE_RATIO = 0.3
"""The longer side of a person's box, in parts of the photo's shorter side. Smaller people are part of a view."""

FOREGROUND_SIZE_RATIO = 0.6
"""Size of a person, in parts of the largest person's size, below which they count as background."""

CROWD_SIZE = 5
"""People in the foreground that make a crowd: a visitor would not know which of them they are like."""

MIN_PHOTO_SIDE = 100
"""Pixels of a photo's shorter side. On a display, a smaller photo shows its pixels as blocks."""

BLUR_THRESHOLD = 0.45
"""Value of `blur` from which a person is blurred: in one direction at least, edges are wider than about a twentieth of
the person."""

BLUR_SIDE = 160
"""Pixels of a person's longer side, to which larger people are scaled down before measuring blur. So it depends on what
can be seen of them, not on the camera's resolution or noise."""

EDGE_PERCENT = 10
"""Per cent of pixels that count as edges: those with the largest change, which leaves out noise and plain walls."""


class PoseEstimator(Protocol):
    """Finds people in pictures, as `models.estimator.estimator.Estimator` does."""

    def estimate(self, image: Image) -> list[Pose]:
        """Return the people in a picture, best first, in its pixels."""
        ...


EstimatorFactory = Callable[[], AbstractContextManager[PoseEstimator]]
"""Opens an estimator. It must be picklable, because every photo worker opens its own."""


def estimator_factory(model: Path, size: tuple[int, int] | None = None) -> EstimatorFactory:
    """Return what opens PoseNet in each photo worker, with one thread, because the workers already use all cores."""
    return partial(Estimator, model, size=size, threads=1)


def select_prominent(people: Sequence[Pose], width: int, height: int) -> list[Floats] | str:
    """Return the key points (17×3, 0 where unseen) of the people a photo of this size shows well, or why it has none.

    Labelled people, whose scores are 0 or 1, pass the same checks.
    """
    if min(width, height) < MIN_PHOTO_SIDE:
        return "too small"
    if not any(_is_person(pose) for pose in people):
        return "no person"
    # The largest may have a low score and still be the person that the photo is about.
    largest = max(_size(pose) for pose in people)
    near = [pose for pose in people if _is_person(pose) and _size(pose) >= FOREGROUND_SIZE_RATIO * largest]
    if len(near) >= CROWD_SIZE:
        return "crowd"
    large = [pose for pose in near if _size(pose) >= MIN_PERSON_SIZE_RATIO * min(width, height)]
    if not large:
        return "person too small"
    return [seen_keypoints(pose) for pose in large if _has_enough_keypoints(pose)] or "too few points"


def is_sharp(image: Image, keypoints: Floats) -> bool:
    """Return whether a picture (H×W×3) is sharp around a person (17×3, score ≤ 0 where unseen)."""
    return blur(image, keypoints) < BLUR_THRESHOLD


def blur(image: Image, keypoints: Floats) -> float:
    """Return how blurred a picture (H×W×3) is around a person (17×3), from 0, if each edge is one step, to 1.

    It is the share of the steepest edges that is left after blurring the picture further along their direction: a sharp
    picture loses much by that, a blurred one little (Crete et al., "The blur effect", 2007). The result is the mean of
    the worst two of four directions, because movement blurs along one direction and those near it. 0 without any edges.
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
    """Return the part of a picture around a person in grey, scaled down to `BLUR_SIDE` if it is larger."""
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
    """Return Sobel's filters across, down and along both diagonals, each with a blur of nine pixels along it."""
    across = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32)
    falling = (across + across.T) / np.sqrt(np.float32(2))
    rising = (across - across.T) / np.sqrt(np.float32(2))
    level, slope = np.ones((1, 9), np.float32), np.eye(7, dtype=np.float32)
    pairs = (across, level), (across.T, level.T), (falling, slope), (rising, slope[::-1])
    return tuple(
        (np.array(change, np.float32), np.array(smooth / smooth.sum(), np.float32)) for change, smooth in pairs
    )


_DIRECTIONS: Final = _directions()


def seen_keypoints(pose: Pose) -> Floats:
    """Return a pose's key points, 17×3, with zeros for those that the estimator only guessed."""
    return np.where(pose.scores[:, None] >= LIBRARY_SCORE, pose.keypoints, 0).astype(np.float32)


def _is_person(pose: Pose) -> bool:
    labelled = bool(np.isin(pose.scores, (0, 1)).all())
    return labelled or pose.score >= MIN_PERSON_SCORE


def _has_enough_keypoints(pose: Pose) -> bool:
    seen = pose.scores >= LIBRARY_SCORE
    return int(seen.sum()) >= MIN_KEYPOINTS_TO_KEEP and int(seen[5:].sum()) >= MIN_BODY_KEYPOINTS_TO_KEEP


def _size(pose: Pose) -> float:
    """Return the longer side of the box around a person's key points, in pixels."""
    box = pose.box(LIBRARY_SCORE)
    return 0.0 if box is None else max(box[2] - box[0], box[3] - box[1])
