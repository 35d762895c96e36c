"""The measures of benchmarks/model_accuracy.py: how well a model reads people in photos and in drawn pictures.

Each takes an estimator and returns its figures by name. If a person may be read several times, the best reading
counts; a person who is not found counts 0. `measure_drawn` takes any pictures whose true poses are known.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image as pillow

from index.agreement import agreement
from index.build import starter
from index.library import Library
from index.match import Match, Matcher
from models.estimator.estimator import Estimator, size_for
from models.estimator.posenet import decode
from models.figures import Picture, perform
from models.figures import starter_pictures as pictures
from models.figures.painting import paint
from models.figures.projection import Camera
from models.figures.routine import CYCLE_SECONDS
from models.pose import LEFT_HIP, RIGHT_SHOULDER, Floats, Image, Pose
from models.train import measure
from tests.support.coco_photos import Photo, average_precision, is_large
from tests.support.libraries import NewItem, write_library

if TYPE_CHECKING:
    from models.train.studio import Scene

Figures = dict[str, float]
Flags = npt.NDArray[np.bool_]

PHOTO_SIZE: Final = (353, 481)
"""Height and width that photos are stretched to, or whose number of pixels they get in their own shape."""

PCK_THRESHOLD: Final = 0.2
"""How far a key point may be from its place, as a share of the torso from the left hip to the right shoulder (Sapp &
Taskar, MODEC, 2013)."""

LSPET_KEYPOINTS: Final = (16, 14, 12, 11, 13, 15, 10, 8, 6, 5, 7, 9)
"""COCO's number of each of the first joints of Leeds Sports Poses; the neck and the top of the head, which follow,
are not in COCO."""

PAIRED_KEYPOINTS: Final = {"shoulders": 5, "elbows": 7, "wrists": 9, "hips": 11, "knees": 13, "ankles": 15}
"""The number of the left one; the right one's is the next."""

LIBRARY_SIZE: Final = 3000
"""Starter pictures, numbered from 0, in the library that answers …"""
FIRST_UNKNOWN: Final = 900_000
"""… and the first number of those that are read, which no library holds."""
PICTURE_COUNT: Final = 200
"""Pictures of the video, and starter pictures, that are read."""
VIDEO_SIZE: Final = 480, 640
"""Height and width of the video, as a camera gives it to the mirror."""

SCENE_COUNT: Final = 300
"""Scenes like training's that are read …"""
SCENE_SIDE: Final = 353
"""… and the side of each in pixels."""
HELD_OUT_SEED: Final = 1 << 31
"""Seeds scenes, with a 1 at the end. Training seeds with three numbers, and its scene generators with smaller ones.
"""
NOBODY_OKS: Final = 0.1
"""A found person whose OKS with everybody is below this counts as found where nobody is."""

MIN_POSE_SCORE: Final = 0.25
"""The score from which the mirror answers a person."""


class Truth(NamedTuple):
    """A person in a picture, 17×3, and the pose found that reads them best; None if nobody was found."""

    labelled: Floats
    best: Pose | None


def measure_whole_photos(estimator: Estimator, photos: Sequence[Photo]) -> Figures:
    """Measure on photos as they are, each stretched to `PHOTO_SIZE`, as in docs/explanation/finding-people.md."""
    estimator.resize(PHOTO_SIZE)
    found = {photo.name: estimator.estimate(photo.image) for photo in photos}
    people = {photo.name: photo.people for photo in photos}
    truths = [find_best(found[photo.name], person) for photo in photos for person in photo.people]
    all_oks = np.array([_oks(truth) for truth in truths])
    large_oks = all_oks[[is_large(truth.labelled) for truth in truths]]
    crop_oks = all_oks[[measure.is_croppable(truth.labelled) for truth in truths]]
    return {
        f"OKS, {len(large_oks)} large people": float(large_oks.mean()),
        f"OKS, the {len(crop_oks)} people who are cropped below": float(crop_oks.mean()),
        "over 0.5 of them": _hit_rate(crop_oks),
        f"OKS, all {len(all_oks)} people": float(all_oks.mean()),
        "AP": average_precision(people, found),
    }


def measure_crops(estimator: Estimator, people: Sequence[measure.Crop]) -> Figures:
    """Measure on people cropped out of their photos (`models.train.measure.load_crops`)."""
    decoded, by_cells = [], []
    for image, labelled in people:
        estimator.resize((image.shape[0], image.shape[1]))
        heads = estimator.heads(image)
        decoded.append(_oks(find_best(decode(heads), labelled)))
        by_cells.append(measure.oks(measure.likeliest_keypoints(measure.dequantize_heads(heads))[0], labelled))
    return {
        "OKS": float(np.mean(decoded)),
        "over 0.5": _hit_rate(decoded),
        "OKS, likeliest cells": float(np.mean(by_cells)),
        "over 0.5, likeliest cells": _hit_rate(by_cells),
    }


def measure_one_pose(people: Sequence[measure.Crop]) -> Figures:
    """Measure the same answer for all crops, the median of each point: what a model must be better than."""
    labelled = np.array([person for _, person in people])
    median = np.nanmedian(np.where(labelled[:, :, 2:] > 0, labelled[:, :, :2], np.nan), 0).astype(np.float32)
    similarities = [measure.oks(median, person) for person in labelled]
    return {"OKS": float(np.mean(similarities)), "over 0.5": _hit_rate(similarities)}


def measure_lspet(estimator: Estimator, photos: Iterable[tuple[Image, Floats]]) -> Figures:
    """Measure on photos of sports with 12 joints of one person each, in each photo's shape."""
    is_correct = np.array([_correct_keypoints(_estimate(estimator, image), labelled) for image, labelled in photos])
    limbs = {f"PCK, {name}": float(is_correct[:, left : left + 2].mean()) for name, left in PAIRED_KEYPOINTS.items()}
    return {"PCK": float(is_correct[:, LSPET_KEYPOINTS].mean()), **limbs}


def load_lspet_photos(folder: Path, limit: int | None) -> Iterator[tuple[Image, Floats]]:
    """Yield each photo of Leeds Sports Poses, extended, and its person's 17×3; photos without a labelled torso are
    skipped."""
    joints = json.loads((folder / "joints.json").read_text(encoding="utf-8"))
    for name, rows in list(joints.items())[:limit]:
        labelled = np.zeros((17, 3), np.float32)
        labelled[list(LSPET_KEYPOINTS)] = np.array(rows, np.float32)[: len(LSPET_KEYPOINTS)]
        if (labelled[[LEFT_HIP, RIGHT_SHOULDER], 2] > 0).all():
            yield np.asarray(pillow.open(folder / name).convert("RGB")), labelled


class Answers:
    """A library of the starter pictures' poses that answers as the mirror does; the true pose judges the answer."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._matcher = Matcher(library)

    def agreement(self, true: Pose, found: Pose | None) -> float:
        """Return the agreement of the true pose with the answer to a found pose; 0 for a person the mirror ignores."""
        if found is None or found.score < MIN_POSE_SCORE:
            return 0.0
        matches = self._matcher.find(found, 1)
        return self._agreement(true, matches[0]) if matches else 0.0

    def _agreement(self, true: Pose, match: Match) -> float:
        photo = self._library.pose(match.item)
        photo = photo.mirrored(0) if match.mirrored else photo
        return float(agreement(true.xy, true.scores, photo.xy[None], photo.scores[None] > 0)[0])


def measure_drawn(estimator: Estimator, pictures: Sequence[Picture], answers: Answers | None = None) -> Figures:
    """Measure on pictures with true poses, in each one's shape, for people with enough visible key points.

    Enough are `index.build.starter.MIN_KEYPOINTS_OF_ITEM`. With `answers` it also measures the answers to the found
    poses, relative to the answers to the true poses.
    """
    similarities, is_correct, from_found, from_true = [], [], [], []
    for picture in pictures:
        people = _estimate(estimator, picture.image)
        for pose in picture.poses:
            labelled = pose.keypoints
            if pose.scores.sum() < starter.MIN_KEYPOINTS_OF_ITEM:
                continue
            truth = find_best(people, labelled)
            similarities.append(_oks(truth))
            is_correct.append(_correct_keypoints(people, labelled)[pose.scores > 0])
            if answers is not None:
                from_found.append(answers.agreement(pose, truth.best))
                from_true.append(answers.agreement(pose, pose))
    figures = {f"OKS, {len(similarities)} people": float(np.mean(similarities)), "over 0.5": _hit_rate(similarities)}
    figures["PCK"] = float(np.concatenate(is_correct).mean())
    if answers is not None:
        figures["agreement, of the true pose's"] = float(np.sum(from_found) / np.sum(from_true))
    return figures


def measure_hard_scenes(estimator: Estimator, scenes: Sequence[tuple[Image, Floats]]) -> Figures:
    """Measure on scenes, for people who are large enough and have enough visible key points.

    Their hidden key points count too, as in COCO's labels.
    """
    similarities, is_correct, nobody = [], [], 0
    for image, everybody in scenes:
        estimator.resize((image.shape[0], image.shape[1]))
        people = estimator.estimate(image)
        nobody += sum(_is_nobody(pose, everybody) for pose in people if pose.score >= MIN_POSE_SCORE)
        for labelled in everybody:
            if measure.is_croppable(np.where(labelled[:, 2:] > 1, labelled, 0)):
                similarities.append(_oks(find_best(people, labelled)))
                is_correct.append(_correct_keypoints(people, labelled)[labelled[:, 2] > 0])
    return {
        f"OKS, {len(similarities)} people": float(np.mean(similarities)),
        "over 0.5": _hit_rate(similarities),
        "PCK": float(np.concatenate(is_correct).mean()),
        "found where nobody is, a scene": nobody / len(scenes),
    }


def make_scenes(count: int = SCENE_COUNT) -> list[Scene]:
    """Return scenes like training's, with clutter, crops and several people, that training never draws.

    The people are in named poses. Needs numba.
    """
    from models.train.bank import Bank
    from models.train.studio import SceneGenerator

    studio = SceneGenerator(Bank(np.random.default_rng([HELD_OUT_SEED, 0, 0, 1]), 400), None, HELD_OUT_SEED)
    return [studio.generate(SCENE_SIDE) for _ in range(count)]


def video_pictures(count: int = PICTURE_COUNT) -> list[Picture]:
    """Return pictures of the performer as the mirror sees them, from the third showing on: nothing quite repeats."""
    height, width = VIDEO_SIZE
    video = []
    for number in range(count):
        image, pose = perform(CYCLE_SECONDS * (2 + (number + 0.5) / count), width, height)
        video.append(Picture(np.ascontiguousarray(image[:, ::-1]), [pose.mirrored(width)], "the performer"))
    return video


def unknown_pictures(count: int = PICTURE_COUNT) -> list[Picture]:
    """Return starter pictures that no library holds."""
    return [pictures.draw_picture(FIRST_UNKNOWN + number) for number in range(count)]


def write_starter_library(folder: Path, count: int = LIBRARY_SIZE) -> Library:
    """Write a library of the starter pictures' poses at `folder`, and return it open."""
    write_library(
        (
            NewItem(None, pose.keypoints)
            for poses in map(starter_poses, range(count))
            for pose in poses
            if pose.scores.sum() >= min(starter.MIN_KEYPOINTS_OF_ITEM, max(pose.scores.sum() for pose in poses))
        ),
        folder,
    )
    return Library.open(folder)


def starter_poses(number: int) -> list[Pose]:
    """Return the poses of a starter picture, painted only as far as needed to know what is visible."""
    plan = pictures.plan_picture(number)
    camera, width, height = plan.shot
    half = Camera(camera.rotation, camera.target, camera.distance, camera.focal / 2, _halve_centre(camera.centre))
    ground = np.zeros((height // 2, width // 2, 3), np.uint8)
    painting = paint(ground, [plan.person], half, shadow_strength=0.0, quick=True)
    return pictures.exact_poses(painting, [plan.person], camera)


def find_best(people: Sequence[Pose], labelled: Floats) -> Truth:
    """Return a person's labels with the most similar pose found."""
    return Truth(labelled, max(people, key=lambda pose: measure.oks(pose.xy, labelled), default=None))


def _estimate(estimator: Estimator, image: Image) -> list[Pose]:
    estimator.resize(size_for(image.shape[1], image.shape[0], PHOTO_SIZE))
    return estimator.estimate(image)


def _correct_keypoints(people: Sequence[Pose], labelled: Floats) -> Flags:
    """Return which of a person's labelled key points are right, for the pose found that has most of them right."""
    reach = PCK_THRESHOLD * float(np.hypot(*(labelled[LEFT_HIP] - labelled[RIGHT_SHOULDER])[:2]))
    is_correct = [(np.hypot(*(pose.xy - labelled[:, :2]).T) <= reach) & (labelled[:, 2] > 0) for pose in people]
    return max(is_correct, key=np.count_nonzero, default=np.zeros(17, bool))


def _oks(truth: Truth) -> float:
    return 0.0 if truth.best is None else measure.oks(truth.best.xy, truth.labelled)


def _is_nobody(pose: Pose, everybody: Floats) -> bool:
    return all(measure.oks(pose.xy, person) < NOBODY_OKS for person in everybody if person[:, 2].any())


def _hit_rate(similarities: Sequence[float] | npt.NDArray[np.float64]) -> float:
    return float(np.mean(np.asarray(similarities) > measure.HIT_OKS))


def _halve_centre(centre: tuple[float, float]) -> tuple[float, float]:
    """Return the centre in a picture of half the size; pixel centres are at whole numbers."""
    return (centre[0] + 0.5) / 2 - 0.5, (centre[1] + 0.5) / 2 - 0.5
