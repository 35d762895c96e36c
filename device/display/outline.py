"""What of a photo's person must be on the display: a box from the room above the head to the tips of hands and feet.

Key points end at wrists, ankles and eyes. The box goes on to where a hand, a foot and the crown usually end.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from models.pose import (
    LEFT_ANKLE,
    LEFT_ELBOW,
    LEFT_HIP,
    LEFT_KNEE,
    LEFT_SHOULDER,
    LEFT_WRIST,
    LIMBS,
    NOSE,
    RIGHT_ANKLE,
    RIGHT_EAR,
    RIGHT_ELBOW,
    RIGHT_HIP,
    RIGHT_KNEE,
    RIGHT_SHOULDER,
    RIGHT_WRIST,
    Floats,
)

Bools = npt.NDArray[np.bool_]

HAND_LENGTH: Final = 0.35
"""How far a hand reaches past the wrist, as a share of the forearm."""

FOOT_LENGTH: Final = 0.25
"""How far a foot reaches past the ankle, as a share of the shin."""

TIPS: Final = (
    (LEFT_ELBOW, LEFT_WRIST, HAND_LENGTH),
    (RIGHT_ELBOW, RIGHT_WRIST, HAND_LENGTH),
    (LEFT_KNEE, LEFT_ANKLE, FOOT_LENGTH),
    (RIGHT_KNEE, RIGHT_ANKLE, FOOT_LENGTH),
)
"""The limbs that end in a hand or a foot: two key points, and how far it reaches past the second."""

HEAD_BY_NOSE: Final = 1.2
"""Height of a head, as a multiple of the distance from the middle of the shoulders to the nose."""

HEAD_BY_TRUNK: Final = 0.45
"""Height of a head, as a share of the distance from the middle of the shoulders to that of the hips."""

HEAD_BY_FACE: Final = 2.0
"""Height of a head, as a multiple of the distance from the middle of the face to the outermost of nose, eyes and
ears."""

HEAD_BY_LIMB: Final = 0.55
"""Height of a head, as a share of the longest of thighs, shins, upper arms and forearms."""

HEADROOM: Final = 1.15
"""From the middle of the face up to half a head above the crown, in heads."""

THICKNESS: Final = np.repeat(np.array([0.7, 0.2, 0.3, 0.2, 0.45, 0.1, 0.2, 0.0], np.float32), [5, 6, 2, 2, 2, 2, 2, 1])
"""How far the body reaches beyond each point, in heads: 5 points of the face, 6 of the arms, hips, knees, and ankles
because feet point to the side; then hands, feet, and the room above the head."""

FACE: Final = slice(NOSE, RIGHT_EAR + 1)
"""Nose, eyes and ears."""

NECK_LENGTH: Final = 0.4
"""From the middle of the shoulders to the middle of the face, as a share of the trunk."""

UP: Final = np.array([0, -1], np.float32)

LOWER_BODY: Final = ((LEFT_HIP, RIGHT_HIP), (LEFT_KNEE, RIGHT_KNEE), (LEFT_ANKLE, RIGHT_ANKLE))
"""What a visitor may not show, from the top down."""


class Boxes(NamedTuple):
    """Boxes of N people: upper left and lower right corners (N×2 each), in pixels of their photos."""

    low: Floats
    high: Floats


def needed_points(visitor_seen: Bools) -> Bools:
    """Return which key points (17) of an answer must be on the display, given which of the visitor's are seen.

    Head and arms always must. The lower body must as far down as the visitor's is seen: a visitor without legs is
    answered by somebody whose legs may be cut off.
    """
    needed = np.ones(17, bool)
    for level, pair in enumerate(LOWER_BODY):
        lower = [point for below in LOWER_BODY[level:] for point in below]
        needed[list(pair)] = visitor_seen[lower].any()
    return needed


def outline(people: Floats, seen: Bools, sizes: npt.NDArray[np.intp], needed: Bools) -> Boxes:
    """Return a box around the needed part of each person, as far as it is in their photo.

    `people` is N×17×2 in pixels of their photos, `seen` N×17, `sizes` N×2 the photos' widths and heights, and `needed`
    17 as from `needed_points`. Somebody without a needed point has an empty box in the middle of
    the photo.
    """
    counted = seen & needed
    head_height = _head_height(people, seen)
    tips = [people[:, end] + reach * (people[:, end] - people[:, start]) for start, end, reach in TIPS]
    tips_counted = [counted[:, end] & seen[:, start] for start, end, _ in TIPS]
    above, above_counted = _headroom(people, seen, head_height)
    points = np.concatenate([people, np.stack([*tips, above], 1)], 1)
    valid = np.concatenate([counted, np.stack([*tips_counted, above_counted], 1)], 1)[..., None]
    around = (head_height[:, None] * THICKNESS)[..., None]
    low = np.where(valid, points - around, np.inf).min(1)
    high = np.where(valid, points + around, -np.inf).max(1)
    # Outside of the photo there are no pixels to show.
    first, last = np.full(2, -0.5, np.float32), (sizes - 0.5).astype(np.float32)
    nobody, middle = ~valid.any(1), (sizes - 1) / 2
    low = np.where(nobody, middle, np.clip(low, first, last)).astype(np.float32)
    high = np.where(nobody, middle, np.clip(high, first, last)).astype(np.float32)
    return Boxes(low, high)


def _head_height(people: Floats, seen: Bools) -> Floats:
    """Estimate the height of each head in pixels (N); 0 if too little is seen.

    Each estimate is too small if the body is turned out of the picture's plane, so the largest one counts.
    """
    neck, neck_seen = _middle(people, seen, LEFT_SHOULDER, RIGHT_SHOULDER)
    pelvis, pelvis_seen = _middle(people, seen, LEFT_HIP, RIGHT_HIP)
    face, _ = _face(people, seen)
    apart = np.linalg.norm(people[:, FACE] - face[:, None], axis=-1)
    by_face = HEAD_BY_FACE * np.where(seen[:, FACE], apart, 0).max(1)
    by_nose = HEAD_BY_NOSE * np.linalg.norm(people[:, NOSE] - neck, axis=-1) * (neck_seen & seen[:, NOSE])
    by_trunk = HEAD_BY_TRUNK * np.linalg.norm(neck - pelvis, axis=-1) * (neck_seen & pelvis_seen)
    start, end = LIMBS.T
    lengths = np.linalg.norm(people[:, end] - people[:, start], axis=-1)
    by_limb = HEAD_BY_LIMB * np.where(seen[:, start] & seen[:, end], lengths, 0).max(1)
    heights: Floats = np.maximum.reduce([by_face, by_nose, by_trunk, by_limb]).astype(np.float32)
    return heights


def _headroom(people: Floats, seen: Bools, head_height: Floats) -> tuple[Floats, Bools]:
    """Return a point half a head above each crown (N×2), and for whom it can be estimated (N).

    No key point marks the crown. It is where the line from the shoulders to the face, or from the hips to the
    shoulders, goes on to. With neither, the head is taken to be upright.
    """
    neck, neck_seen = _middle(people, seen, LEFT_SHOULDER, RIGHT_SHOULDER)
    pelvis, pelvis_seen = _middle(people, seen, LEFT_HIP, RIGHT_HIP)
    face, face_seen = _face(people, seen)
    trunk_seen = neck_seen & pelvis_seen
    head = np.where(face_seen[:, None], face, neck + (neck - pelvis) * NECK_LENGTH)
    upwards = np.where((face_seen & neck_seen)[:, None], face - neck, np.where(trunk_seen[:, None], neck - pelvis, UP))
    length = np.maximum(np.linalg.norm(upwards, axis=-1, keepdims=True), 1e-6)
    return head + upwards / length * (HEADROOM * head_height)[:, None], face_seen | trunk_seen


def _middle(people: Floats, seen: Bools, left: int, right: int) -> tuple[Floats, Bools]:
    """Return the middle of two key points (N×2), and whether both are seen (N)."""
    middle: Floats = people[:, [left, right]].mean(1, dtype=np.float32)
    return middle, seen[:, left] & seen[:, right]


def _face(people: Floats, seen: Bools) -> tuple[Floats, Bools]:
    """Return the middle of nose, eyes and ears as far as they are seen (N×2), and whether any is (N)."""
    count = seen[:, FACE].sum(1)
    total = np.where(seen[:, FACE, None], people[:, FACE], 0).sum(1)
    middle: Floats = (total / np.maximum(count, 1)[:, None]).astype(np.float32)
    return middle, count > 0
