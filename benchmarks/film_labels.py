"""The labelled frames of the films in ../shared/data/videos, and how well PoseNet reads the people in them.

    python -m benchmarks.film_labels

film_labels.json holds 61 frames of four films, each with one person's key points, and the stretches of frames in which
nobody is seen (a shadow may be). They were labelled by eye, in frames enlarged about sixfold. In exercise.avi the
person is the gymnast in front. The person's own left and right count, also where they stand with their back to the
camera. A key point is seen (2), hidden but clear from what is seen (1), or unknown (0, at 0, 0): such as a forearm
that the trunk hides. Points are exact to about 3 % of the person's height. Limbs that point at the camera are short in
the picture, and their direction is rough; they are one in fifty.

The table gives the share of labelled limbs that PoseNet reads within 30°, whatever its scores, on the whole frame at
353×481 and on a square crop of 1.5 times the box found there, at 353×353. Nobody found counts as 0. It takes ten
seconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np

from benchmarks.answer_visitors import MAX_ANGLE
from models.estimator.catalogue import DEFAULT_MODEL
from models.estimator.estimator import Estimator
from models.pose import LIMBS, Image, Pose
from tests.support.coco_photos import oks
from tests.support.paths import SHARED

LABELS: Final = Path(__file__).with_suffix(".json")

CROP: Final = 1.5
"""The crop's side as a multiple of the box's longer side."""

ARMS: Final = 4
"""The first limbs of `LIMBS` are upper arms and forearms."""


class LabelledFrame(NamedTuple):
    """One labelled frame: the film's file name, the frame's number from 0, the size (width, height) and the person."""

    film: str
    frame: int
    size: tuple[int, int]
    label: Pose


class EmptyStretch(NamedTuple):
    """Frames `first` to `last` of a film, both included, in which nobody is seen."""

    film: str
    first: int
    last: int


def labelled_frames() -> list[LabelledFrame]:
    """Return the labelled frames, film by film, in the order of their numbers."""
    return [
        LabelledFrame(entry["film"], entry["frame"], tuple(entry["size"]), Pose.from_keypoints(entry["keypoints"]))
        for entry in json.loads(LABELS.read_text(encoding="utf-8"))["frames"]
    ]


def empty_stretches() -> list[EmptyStretch]:
    """Return the stretches of the films in which nobody is seen."""
    return [
        EmptyStretch(entry["film"], *entry["frames"])
        for entry in json.loads(LABELS.read_text(encoding="utf-8"))["empty"]
    ]


def read_frames(film: Path, numbers: Iterable[int]) -> Iterator[Image]:
    """Yield frames of a film (H×W×3 RGB) by ascending numbers. Seeking is not exact in every film, so all are read."""
    wanted, capture, number = set(numbers), cv2.VideoCapture(str(film)), 0
    while wanted:
        read, picture = capture.read()
        if not read:
            raise ValueError(f"{film} ends before frame {min(wanted)}")
        if number in wanted:
            yield np.ascontiguousarray(picture[:, :, ::-1])
        wanted.discard(number)
        number += 1
    capture.release()


def limbs_within(label: Pose, person: Pose | None) -> np.ndarray:
    """Return for each limb 1 if it is read within `MAX_ANGLE`, 0 if not, nan if it is not labelled."""
    labelled = label.scores[LIMBS].min(1) > 0
    if person is None:
        return np.where(labelled, 0.0, np.nan)
    true, found = ((pose.xy[LIMBS[:, 1]] - pose.xy[LIMBS[:, 0]]).astype(np.float64) for pose in (label, person))
    lengths = np.maximum(np.hypot(*true.T) * np.hypot(*found.T), 1e-9)
    within = (true * found).sum(1) / lengths >= np.cos(np.radians(MAX_ANGLE))
    return np.where(labelled, within.astype(float), np.nan)


def crop_around(picture: Image, person: Pose) -> tuple[Image, tuple[int, int]]:
    """Return the square crop around a person, black outside the picture, and its left and top in the picture."""
    box = person.box()
    assert box is not None
    side = round(CROP * max(box[2] - box[0], box[3] - box[1], 1.0))
    left, top = round((box[0] + box[2] - side) / 2), round((box[1] + box[3] - side) / 2)
    padded = np.pad(picture, ((side, side), (side, side), (0, 0)))
    return np.ascontiguousarray(padded[top + side : top + 2 * side, left + side : left + 2 * side]), (left, top)


def main() -> None:
    frames = labelled_frames()
    model = SHARED / "models" / f"{DEFAULT_MODEL}.tflite"
    results: dict[str, list[np.ndarray]] = {}
    with Estimator(model, size=(353, 481)) as whole, Estimator(model, size=(353, 353)) as square:
        for film in dict.fromkeys(frame.film for frame in frames):
            labels = [frame.label for frame in frames if frame.film == film]
            pictures = read_frames(SHARED / "videos" / film, (frame.frame for frame in frames if frame.film == film))
            rows = [_read_limbs(whole, square, *pair) for pair in zip(pictures, labels, strict=True)]
            results[film] = [np.array(column) for column in zip(*rows, strict=True)]
    results["all"] = [np.concatenate(columns) for columns in zip(*results.values(), strict=True)]
    print("| film | whole frame | arms | legs | crop | arms | legs |\n|---|---|---|---|---|---|---|")
    for name, columns in results.items():
        shares = [np.nanmean(part) for column in columns for part in (column, column[:, :ARMS], column[:, ARMS:])]
        print(f"| {name} | {' | '.join(f'{share:.3f}' for share in shares)} |")


def _read_limbs(whole: Estimator, square: Estimator, picture: Image, label: Pose) -> tuple[np.ndarray, np.ndarray]:
    """Return `limbs_within` for PoseNet's pose in the whole frame, and for that in the crop around it."""
    person = _most_alike(whole.estimate(picture), label)
    if person is None:
        return limbs_within(label, None), limbs_within(label, None)
    crop, corner = crop_around(picture, person)
    shifted = [
        Pose(pose.xy + np.asarray(corner, np.float32), pose.scores, pose.score) for pose in square.estimate(crop)
    ]
    return limbs_within(label, person), limbs_within(label, _most_alike(shifted, person))


def _most_alike(people: list[Pose], to: Pose) -> Pose | None:
    """Return the person found nearest to where `to` is; None if nobody is found."""
    return max(people, key=lambda person: float(oks(person, to.keypoints)), default=None)


if __name__ == "__main__":
    main()
