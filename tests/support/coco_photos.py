"""How well people are found in the COCO photos beside the project: against the labels, and against Coral's decoder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image as pillow

from models.pose import SIGMAS, Floats, Image, Pose

BOX_TO_BODY = 0.53
LARGE_AREA = 3500.0
"""Square pixels of body from which a person is large; with six labelled points it is easy to say what is right."""


class Photo(NamedTuple):
    name: str
    image: Image
    people: list[Floats]
    """17×3 each: x, y, labelled when the third is over 0."""


def load_photos(shared: Path, limit: int | None = None) -> Iterator[Photo]:
    folder = shared / "photos" / "coco"
    for entry in json.loads((folder / "keypoints.json").read_text())[:limit]:
        image = np.asarray(pillow.open(folder / entry["file"]).convert("RGB"))
        people = [np.array(person, np.float32) for person in entry["persons"]]
        yield Photo(Path(entry["file"]).stem, image, people)


def coral_poses(shared: Path) -> dict[str, list[Pose]]:
    """What Coral's C++ decoder found in each photo, in pixels of 353×481."""
    found = np.load(shared / "reference" / "posenet_353_481_cpp_decoder_on_coco_photos.npz")
    names = [key.removesuffix("_kp") for key in found.files if key.endswith("_kp")]
    return {
        name: [
            Pose(yx[:, ::-1], scores, float(score))
            for yx, scores, score in zip(found[f"{name}_kp"], found[f"{name}_ks"], found[f"{name}_ps"], strict=True)
        ]
        for name in names
    }


def stretch(image: Image, size: tuple[int, int]) -> Image:
    """As the photos were for Coral's decoder."""
    return np.asarray(pillow.fromarray(image).resize(size[::-1], pillow.Resampling.BILINEAR))


def share_within(pixels: float, theirs: Mapping[str, Sequence[Pose]], ours: Mapping[str, Sequence[Pose]]) -> float:
    """The share of their key points (score over 0.5, of people over 0.3) that somebody of ours has as near."""
    points = near = 0
    for name, ours_here in ours.items():
        for pose in theirs[name]:
            sure = pose.scores > 0.5
            if pose.score <= 0.3 or not sure.any():
                continue
            points += int(sure.sum())
            away = [np.hypot(*(one.xy - pose.xy)[sure].T) for one in ours_here]
            near += max((int((d <= pixels).sum()) for d in away), default=0)
    return near / points


def oks(pose: Pose, label: Floats) -> float:
    """COCO's object key-point similarity over the labelled points, with the box's share for the body's area."""
    labelled = label[:, 2] > 0
    away = ((pose.xy - label[:, :2])[labelled] ** 2).sum(1)
    return float(np.exp(-away / (2 * _body_area(label) * (2 * SIGMAS[labelled]) ** 2)).mean())


def is_large(label: Floats) -> bool:
    return bool((label[:, 2] > 0).sum() >= 6 and _body_area(label) >= LARGE_AREA)


def mean_best_oks(people: Mapping[str, Sequence[Floats]], found: Mapping[str, Sequence[Pose]], *, large: bool) -> float:
    """The mean over the labelled people of the OKS of whoever was found there."""
    return float(
        np.mean(
            [
                max((oks(pose, label) for pose in found[name]), default=0.0)
                for name, labels in people.items()
                for label in labels
                if is_large(label) or not large
            ]
        )
    )


def average_precision(people: Mapping[str, Sequence[Floats]], found: Mapping[str, Sequence[Pose]]) -> float:
    """COCO's AP over OKS 0.50, 0.55 … 0.95: who is found that is not there counts against it."""
    thresholds = np.arange(0.5, 0.96, 0.05)
    rows = [row for name, labels in people.items() for row in _hits(labels, found[name], thresholds)]
    hits = np.array([row[1:] for row in sorted(rows, key=lambda row: -row[0])]).cumsum(0)
    precision = hits / np.arange(1, len(hits) + 1)[:, None]
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    recall = hits / sum(map(len, people.values()))
    wanted = np.linspace(0, 1, 101)
    aps = [
        np.where(wanted <= r[-1], p[np.searchsorted(r, wanted).clip(max=len(p) - 1)], 0).mean()
        for p, r in zip(precision.T, recall.T, strict=True)
    ]
    return float(np.mean(aps))


def _hits(
    labels: Sequence[Floats], found: Sequence[Pose], thresholds: npt.NDArray[np.float64]
) -> Iterator[list[float]]:
    """For each person found: the score, then for each threshold whether it is somebody whom no better one found."""
    taken: list[set[int]] = [set() for _ in thresholds]
    for pose in sorted(found, key=lambda pose: -pose.score):
        similar = [oks(pose, label) for label in labels]
        row = [pose.score]
        for threshold, others in zip(thresholds, taken, strict=True):
            free = [i for i, value in enumerate(similar) if i not in others and value >= threshold]
            if free:
                others.add(max(free, key=lambda i: similar[i]))
            row.append(float(bool(free)))
        yield row


def _body_area(label: Floats) -> float:
    points = label[label[:, 2] > 0, :2]
    width, height = np.maximum(np.ptp(points, axis=0), 1)
    return BOX_TO_BODY * float(width) * float(height)
