"""Who of the people in a photo is worth a display of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from models.estimator import Estimator
from models.pose import Floats, Image, Pose

PERSON = 0.4
"""A pose scored less is often no person: PoseNet reports down to 0.2, where folds and shadows come in."""

POINT = 0.3
"""A key point scored less is a guess, and counts as unseen in the library."""

FEWEST_POINTS, FEWEST_BODY_POINTS = 8, 6
"""Of 17 and of the 12 below the head: shoulders, arms and hips, or more. Of less no pose can be told."""

SMALLEST = 0.3
"""The longer side of somebody's points in parts of the photo's shorter one: the photo is to show them, not a view."""

OTHERS = 0.6
"""Somebody this much smaller than the largest person stands behind them."""

CROWD = 5
"""So many people of about one size: a visitor would not know who of them is meant."""

FEWEST_PIXELS = 100
"""A photo whose shorter side is smaller is only blocks on a display."""


BLURRED = 0.62
"""Of `blur` from here on: nobody is shown well by a picture of which blurring once more changes so little."""


class Finder(Protocol):
    """Finds the people in pictures, as `models.estimator.Estimator` does."""

    def estimate(self, image: Image) -> list[Pose]:
        """The people in a picture, best first, in its pixels."""
        ...


FinderFactory = Callable[[], AbstractContextManager[Finder]]
"""Opens a finder; has to be picklable, as every process that looks at pictures opens its own."""


def photo_finder(model: Path, size: tuple[int, int] | None = None) -> FinderFactory:
    """What opens PoseNet in each process that looks at pictures, with one thread: there are processes enough."""
    return partial(Estimator, model, size=size, threads=1)


def prominent(people: Sequence[Pose], width: int, height: int) -> list[Floats] | str:
    """The key points (17×3, unseen ones 0) of those whom a photo of this size shows well, or why there is nobody.

    Labelled people have scores of 0 and 1 and pass the same gates.
    """
    if min(width, height) < FEWEST_PIXELS:
        return "too small"
    if not any(_is_person(pose) for pose in people):
        return "no person"
    # Also somebody whom the estimator is not sure of may be the one that the photo shows.
    largest = max(_size(pose) for pose in people)
    near = [pose for pose in people if _is_person(pose) and _size(pose) >= OTHERS * largest]
    if len(near) >= CROWD:
        return "crowd"
    large = [pose for pose in near if _size(pose) >= SMALLEST * min(width, height)]
    if not large:
        return "person too small"
    return [known_points(pose) for pose in large if _shows_enough(pose)] or "too few points"


def sharp_enough(image: Image, keypoints: Floats) -> bool:
    """Whether a picture (H×W×3) is sharp where somebody is (17×3, third ≤ 0 where unseen)."""
    return blur(image, keypoints) < BLURRED


def blur(image: Image, keypoints: Floats) -> float:
    """How blurred a picture is where somebody is: 0 sharp, 1 smooth (Crete et al., The blur effect, 2007)."""
    height, width = image.shape[:2]
    seen = keypoints[keypoints[:, 2] > 0, :2]
    if not len(seen):
        return 1.0
    left, top = np.clip(np.floor(seen.min(0)), 0, (width - 2, height - 2)).astype(int)
    right, bottom = np.clip(np.ceil(seen.max(0)) + 1, (left + 2, top + 2), (width, height)).astype(int)
    grey = cv2.cvtColor(np.ascontiguousarray(image[top:bottom, left:right]), cv2.COLOR_RGB2GRAY).astype(np.float32)
    shares = []
    for axis, kernel in ((0, (1, 9)), (1, (9, 1))):
        before = np.abs(np.diff(grey, axis=axis))
        after = np.abs(np.diff(cv2.blur(grey, kernel), axis=axis))
        shares.append(1 - float(np.maximum(before - after, 0).sum()) / max(float(before.sum()), 1e-6))
    return max(shares)


def known_points(pose: Pose) -> Floats:
    """17×3 with zeros for what the estimator only guessed."""
    return np.where(pose.scores[:, None] >= POINT, pose.keypoints, 0).astype(np.float32)


def _is_person(pose: Pose) -> bool:
    labelled = bool(np.isin(pose.scores, (0, 1)).all())
    return labelled or pose.score >= PERSON


def _shows_enough(pose: Pose) -> bool:
    seen = pose.scores >= POINT
    return int(seen.sum()) >= FEWEST_POINTS and int(seen[5:].sum()) >= FEWEST_BODY_POINTS


def _size(pose: Pose) -> float:
    """The longer side of the box around somebody's points, in pixels."""
    box = pose.box(POINT)
    return 0.0 if box is None else max(box[2] - box[0], box[3] - box[1])
