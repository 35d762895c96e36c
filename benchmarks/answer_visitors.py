"""The visitors of benchmarks/answers.py, and what makes an answer to one of them good."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from PIL import Image as pillow

from device.display.layout import Size
from index.agreement import agreement
from index.likeness import likeness
from models.pose import (
    LEFT_ANKLE,
    LEFT_HIP,
    LEFT_SHOULDER,
    LEFT_WRIST,
    LIMBS,
    RIGHT_ANKLE,
    Image,
    Pose,
)
from models.seen import FRAMING_SCORE
from tests.support.coco_photos import oks

MIN_KEYPOINTS: Final = 8
"""Labelled key points from which a person counts as a visitor …"""
MIN_SIDE: Final = 60.0
"""… and the smallest width and height, in pixels, of the box around them. The labels of smaller people are rough."""

MAX_ANGLE: Final = 30.0
"""Degrees by which a limb of the answer may point elsewhere and still show the visitor's."""

SAME_PERSON_OKS: Final = 0.1
"""The OKS from which a pose that was found is of the labelled person, however roughly."""

HEAD: Final = slice(0, 5)
"""The key points of the head."""


class Visitor(NamedTuple):
    """A labelled person in a picture (H×W×3 RGB). Picture and label are mirrored, as in the mirror."""

    name: str
    picture: Image
    label: Pose


class Score(NamedTuple):
    """How good one answer is, each from 0 to 1; all are 0 for a visitor without an answer.

    `soon` tells whether the answer came within half a second, and `whole` whether head, hands and feet of the answer's
    person are on the display.
    """

    limbs: float = 0.0
    likeness: float = 0.0
    agreement: float = 0.0
    found: float = 0.0
    soon: float = 0.0
    whole: float = 0.0


def load_visitors(folder: Path, step: int = 1) -> list[Visitor]:
    """Return every `step`-th visitor of a folder with COCO's photos and their `keypoints.json`."""
    people = [
        (photo, Pose.from_keypoints(person))
        for photo in json.loads((folder / "keypoints.json").read_text(encoding="utf-8"))
        for person in photo["persons"]
        if is_visitor(Pose.from_keypoints(person))
    ]
    visitors = []
    for photo, label in people[::step]:
        picture = np.asarray(pillow.open(folder / photo["file"]).convert("RGB"))
        mirrored = np.ascontiguousarray(picture[:, ::-1])
        visitors.append(Visitor(photo["file"], mirrored, label.mirrored(picture.shape[1])))
    return visitors


def is_visitor(label: Pose) -> bool:
    """Return whether a labelled person is seen well enough to judge the answer to them."""
    box = label.box()
    if box is None or np.count_nonzero(label.scores) < MIN_KEYPOINTS:
        return False
    return min(box[2] - box[0], box[3] - box[1]) >= MIN_SIDE


def nearest_person(people: Sequence[Pose], label: Pose) -> Pose | None:
    """Return the found pose that is of the labelled person; None if nobody found is."""
    similarities = [oks(person, label.keypoints) for person in people]
    if not similarities or max(similarities) < SAME_PERSON_OKS:
        return None
    return people[int(np.argmax(similarities))]


def rate_answer(visitor: Pose, label: Pose, person: Pose, display: Size, *, soon: bool = True) -> Score:
    """Return how good an answer is whose person stands on the display as `person` (pixels of the display).

    `visitor` is the pose that the mirror read, which decides whether feet must be on the display; `label` is the truth.
    """
    seen = person.scores > 0
    alike, agreed = (
        float(measure(label.xy, label.scores, person.xy[None], seen[None])[0]) for measure in (likeness, agreement)
    )
    whole = is_whole(visitor, person, display)
    return Score(limbs_shown(label, person), alike, agreed, 1.0, float(soon), float(whole))


def limbs_shown(label: Pose, person: Pose) -> float:
    """Return the share of the visitor's labelled limbs that the answer's person shows within `MAX_ANGLE`.

    A limb that is not labelled in the answer is not shown. Returns nan if no limb of the visitor is labelled.
    """
    labelled, shown = (pose.scores[LIMBS].min(1) > 0 for pose in (label, person))
    asked, answered = ((pose.xy[LIMBS[:, 1]] - pose.xy[LIMBS[:, 0]]).astype(np.float64) for pose in (label, person))
    lengths = np.hypot(*asked.T) * np.hypot(*answered.T)
    cosines = (asked * answered).sum(1) / np.maximum(lengths, 1e-9)
    alike = shown & (lengths > 0) & (cosines >= np.cos(np.radians(MAX_ANGLE)))
    return float(alike[labelled].mean()) if labelled.any() else float("nan")


def is_whole(visitor: Pose, person: Pose, display: Size) -> bool:
    """Return whether the key points of the answer's head and hands, and feet if the visitor's are seen, are shown."""
    counts = person.scores > 0
    counts[LEFT_SHOULDER:LEFT_WRIST] = counts[LEFT_HIP:LEFT_ANKLE] = False
    if not (visitor.scores[[LEFT_ANKLE, RIGHT_ANKLE]] >= FRAMING_SCORE).any():
        counts[[LEFT_ANKLE, RIGHT_ANKLE]] = False
    points, last = person.xy[counts], np.array(display) - 0.5
    return bool((points >= -0.5).all() and (points <= last).all())
