"""A person's pose: 17 key points, with a score for each.

Names, order and spreads are those of COCO's key-point task (Lin et al., 2014, https://cocodataset.org/#keypoints-eval).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Image = npt.NDArray[np.uint8]
"""H×W×3, RGB."""

KEYPOINT_NAMES: Final = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)
"""The key points' names in COCO's order. Left and right are the person's own."""

MIRROR_ORDER: Final = np.array([0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15])
"""The order of the key points in a mirror image, where left becomes right."""

SIGMAS: Final = np.array(
    [.026, .025, .025, .035, .035, .079, .079, .072, .072, .062, .062, .107, .107, .087, .087, .089, .089],
    dtype=np.float32,
)  # fmt: skip
"""How much COCO's labellers differ on each key point, as a share of the person's size."""

BODY_TO_BOX_RATIO: Final = 0.53
"""The share of a person's box that the body covers, on average over COCO."""

EDGES: Final = (
    (0, 1), (0, 2), (1, 3), (2, 4), (5, 6), (5, 7), (7, 9), (6, 8), (8, 10),
    (5, 11), (6, 12), (11, 12), (11, 13), (13, 15), (12, 14), (14, 16),
)  # fmt: skip
"""Pairs of key points that a drawn skeleton connects."""

NOSE, LEFT_EYE, RIGHT_EYE, LEFT_EAR, RIGHT_EAR = range(5)
LEFT_SHOULDER, RIGHT_SHOULDER, LEFT_ELBOW, RIGHT_ELBOW, LEFT_WRIST, RIGHT_WRIST = range(5, 11)
LEFT_HIP, RIGHT_HIP, LEFT_KNEE, RIGHT_KNEE, LEFT_ANKLE, RIGHT_ANKLE = range(11, 17)

LIMBS: Final = np.array([
    (LEFT_SHOULDER, LEFT_ELBOW), (RIGHT_SHOULDER, RIGHT_ELBOW), (LEFT_ELBOW, LEFT_WRIST), (RIGHT_ELBOW, RIGHT_WRIST),
    (LEFT_HIP, LEFT_KNEE), (RIGHT_HIP, RIGHT_KNEE), (LEFT_KNEE, LEFT_ANKLE), (RIGHT_KNEE, RIGHT_ANKLE),
])  # fmt: skip
"""Upper arms, forearms, thighs and shins, each from its upper to its lower end: 8×2 key points."""


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """One person in a picture.

    `xy` is 17×2 in pixels of the picture, x to the right and y down, with pixel centres at whole numbers. `scores` are
    17 numbers from 0 to 1; for a labelled person, 1 where the point is labelled and 0 elsewhere. `score` is that of the
    whole person.
    """

    xy: Floats
    scores: Floats
    score: float

    @classmethod
    def from_keypoints(cls, keypoints: npt.ArrayLike) -> Pose:
        """Return a labelled person's pose.

        `keypoints` is 17×3: x, y, and a number above 0 if the point is seen, as in COCO and in the .npz files of poses.
        Raises ValueError for any other shape.
        """
        points = np.asarray(keypoints, dtype=np.float32)
        if points.shape != (17, 3):
            raise ValueError(f"key points must be 17×3, not {'×'.join(map(str, points.shape))}")
        seen = (points[:, 2] > 0).astype(np.float32)
        return cls(points[:, :2].copy(), seen, float(seen.mean()))

    @property
    def keypoints(self) -> Floats:
        """The key points as 17×3: x, y, score."""
        return np.column_stack([self.xy, self.scores]).astype(np.float32)

    def mirrored(self, width: float) -> Pose:
        """Return the pose in the mirror image of its picture, `width` pixels wide: left and right are swapped."""
        xy = self.xy[MIRROR_ORDER]
        xy[:, 0] = width - 1 - xy[:, 0]
        return Pose(xy, self.scores[MIRROR_ORDER], self.score)

    def scaled(self, x: float, y: float) -> Pose:
        """Return the pose in its picture resized by `x` horizontally and `y` vertically."""
        xy = (self.xy + 0.5) * np.array([x, y], np.float32) - 0.5
        return Pose(xy.astype(np.float32), self.scores, self.score)

    @property
    def visibility(self) -> Floats:
        """How much each key point counts in a comparison, 17 from 0 to 1: the root of its score.

        A doubtful point is worth more than its score says: an arm that counts a little beats an arm that is missing.
        """
        return np.sqrt(np.maximum(self.scores, 0))

    def box(self, threshold: float = 0.0) -> tuple[float, float, float, float] | None:
        """Return left, top, right, bottom of the key points with scores above `threshold`; None if there are none."""
        seen = self.xy[self.scores > threshold]
        if not len(seen):
            return None
        (left, top), (right, bottom) = seen.min(0), seen.max(0)
        return float(left), float(top), float(right), float(bottom)
