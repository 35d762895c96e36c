"""Measures how well people are found in COCO photos, against the labels and against Coral's decoder."""

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
"""A body's area as a share of the box around its key points."""
LARGE_AREA = 3500.0
"""Square pixels of body from which a person is large. With six labelled points or more it is clear what is right."""


class Photo(NamedTuple):
    """A photo and the labelled people in it."""

    name: str
    image: Image
    people: list[Floats]
    """17×3 each: x, y, and a third number that is over 0 where the point is labelled."""


def load_photos(shared: Path, limit: int | None = None) -> Iterator[Photo]:
    """Yield the photos, `limit` at most."""
    folder = shared / "photos" / "coco"
    for photo in json.loads((folder / "keypoints.json").read_text())[:limit]:
        image = np.asarray(pillow.open(folder / photo["file"]).convert("RGB"))
        people = [np.array(person, np.float32) for person in photo["persons"]]
        yield Photo(Path(photo["file"]).stem, image, people)


def coral_poses(shared: Path) -> dict[str, list[Pose]]:
    """Return what Coral's C++ decoder found in each photo, in pixels of 353×481."""
    arrays = np.load(shared / "reference" / "posenet_353_481_cpp_decoder_on_coco_photos.npz")
    names = [key.removesuffix("_kp") for key in arrays.files if key.endswith("_kp")]
    return {
        name: [
            Pose(yx[:, ::-1], scores, float(score))
            for yx, scores, score in zip(arrays[f"{name}_kp"], arrays[f"{name}_ks"], arrays[f"{name}_ps"], strict=True)
        ]
        for name in names
    }


def stretch(image: Image, size: tuple[int, int]) -> Image:
    """Return the image at another size (height, width), as the photos were stretched for Coral's decoder."""
    return np.asarray(pillow.fromarray(image).resize(size[::-1], pillow.Resampling.BILINEAR))


def share_within(pixels: float, coral: Mapping[str, Sequence[Pose]], own: Mapping[str, Sequence[Pose]]) -> float:
    """Return the share of Coral's key points that one of our people has within some pixels.

    Only Coral's key points with a score over 0.5 count, of people with a score over 0.3.
    """
    points = near = 0
    for name, own_poses in own.items():
        for pose in coral[name]:
            sure = pose.scores > 0.5
            if pose.score <= 0.3 or not sure.any():
                continue
            points += int(sure.sum())
            distances = [np.hypot(*(candidate.xy - pose.xy)[sure].T) for candidate in own_poses]
            near += max((int((d <= pixels).sum()) for d in distances), default=0)
    return near / points


def oks(pose: Pose, label: Floats) -> float:
    """Return COCO's object key-point similarity over the labelled points, with `BOX_TO_BODY` for the body's area."""
    labelled = label[:, 2] > 0
    distances2 = ((pose.xy - label[:, :2])[labelled] ** 2).sum(1)
    return float(np.exp(-distances2 / (2 * _body_area(label) * (2 * SIGMAS[labelled]) ** 2)).mean())


def is_large(label: Floats) -> bool:
    """Return whether a person is large and has at least six labelled points."""
    return bool((label[:, 2] > 0).sum() >= 6 and _body_area(label) >= LARGE_AREA)


def mean_best_oks(people: Mapping[str, Sequence[Floats]], found: Mapping[str, Sequence[Pose]], *, large: bool) -> float:
    """Return the mean OKS over the labelled people, each with the best pose found."""
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
    """Return COCO's AP over OKS 0.50, 0.55 … 0.95; people who are found but not labelled count against it."""
    thresholds = np.arange(0.5, 0.96, 0.05)
    rows = [row for name, labels in people.items() for row in _hits(labels, found[name], thresholds)]
    hits = np.array([row[1:] for row in sorted(rows, key=lambda row: -row[0])]).cumsum(0)
    precision = hits / np.arange(1, len(hits) + 1)[:, None]
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    recall = hits / sum(map(len, people.values()))
    recall_levels = np.linspace(0, 1, 101)
    aps = [
        np.where(recall_levels <= r[-1], p[np.searchsorted(r, recall_levels).clip(max=len(p) - 1)], 0).mean()
        for p, r in zip(precision.T, recall.T, strict=True)
    ]
    return float(np.mean(aps))


def _hits(
    labels: Sequence[Floats], found: Sequence[Pose], thresholds: npt.NDArray[np.float64]
) -> Iterator[list[float]]:
    """Yield a row for each person found, best first: the score, then for each threshold whether it hits a free
    label."""
    used: list[set[int]] = [set() for _ in thresholds]
    for pose in sorted(found, key=lambda pose: -pose.score):
        similarities = [oks(pose, label) for label in labels]
        row = [pose.score]
        for threshold, used_here in zip(thresholds, used, strict=True):
            free = [i for i, value in enumerate(similarities) if i not in used_here and value >= threshold]
            if free:
                used_here.add(max(free, key=lambda i: similarities[i]))
            row.append(float(bool(free)))
        yield row


def _body_area(label: Floats) -> float:
    points = label[label[:, 2] > 0, :2]
    width, height = np.maximum(np.ptp(points, axis=0), 1)
    return BOX_TO_BODY * float(width) * float(height)
