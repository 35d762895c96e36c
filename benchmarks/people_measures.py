"""The measures of benchmarks/model_accuracy.py: how well a model reads people, in real photos and in the demo's world.

Each takes an estimator, and gives its figures by what they are called. Wherever somebody may be read several times, the
reading counts that is best for them; who is not found at all counts 0. `measure_drawn` takes pictures of any sort of which the
true poses are known.
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
from models.figures.rides import prop_outline
from models.figures.routine import CYCLE_SECONDS
from models.figures.view import aim_camera, choose_view
from models.pose import LEFT_HIP, RIGHT_SHOULDER, Floats, Image, Pose
from models.seen import AGREEMENT_SCORE
from models.train import measure
from tests.support.coco_photos import Photo, average_precision, is_large
from tests.support.libraries import NewItem, write_library

if TYPE_CHECKING:
    from models.train.studio import Scene

Figures = dict[str, float]
Flags = npt.NDArray[np.bool_]

PHOTO_SIZE: Final = (353, 481)
"""Height and width that photos are stretched to, or about whose pixels they get in their own shape."""

PCK_THRESHOLD: Final = 0.2
"""Parts of the torso that a key point may be away from where it is; the torso goes from the left hip to the right
shoulder (Sapp & Taskar, MODEC, 2013)."""

LSPET_KEYPOINTS: Final = (16, 14, 12, 11, 13, 15, 10, 8, 6, 5, 7, 9)
"""COCO's number of each of the first joints of Leeds Sports Poses; after them come neck and head top, which COCO has
not."""

PAIRED_KEYPOINTS: Final = {"shoulders": 5, "elbows": 7, "wrists": 9, "hips": 11, "knees": 13, "ankles": 15}
"""The left one's number; the right one's is the next."""

LIBRARY_SIZE: Final = 3000
"""Starter pictures, by their numbers from 0, that photos are found in …"""
FIRST_UNKNOWN: Final = 900_000
"""… and the first number of those that are read: they are in no library."""
PICTURE_COUNT: Final = 200
"""Pictures of the film and of the others that are read."""
FILM_SIZE: Final = 480, 640
"""Height and width of the film, as a camera gives it to the mirror."""

SCENE_COUNT: Final = 300
"""Scenes of training's kind that are read …"""
SCENE_SIDE: Final = 353
"""… and the pixels of their sides."""
HELD_OUT_SEED: Final = 1 << 31
"""What scenes are drawn by, with one at the end: training draws by three numbers, and its studios by smaller ones."""
NOBODY_OKS: Final = 0.1
"""Whoever is found, and is less similar than this to everybody who is there, is not there."""

MIN_POSE_SCORE: Final = 0.25
"""The score from which the mirror answers somebody …"""


class Truth(NamedTuple):
    """Somebody in a picture, 17×3, and who of those found there reads them best; None where nobody was found."""

    labelled: Floats
    best: Pose | None


def measure_whole_photos(estimator: Estimator, photos: Sequence[Photo]) -> Figures:
    """Photos as they are, each stretched to `PHOTO_SIZE`, as in docs/estimator.md."""
    estimator.resize(PHOTO_SIZE)
    found = {photo.name: estimator.estimate(photo.image) for photo in photos}
    people = {photo.name: photo.people for photo in photos}
    truths = [find_best(found[photo.name], person) for photo in photos for person in photo.people]
    every = np.array([_oks(truth) for truth in truths])
    large = every[[is_large(truth.labelled) for truth in truths]]
    cut = every[[measure.is_croppable(truth.labelled) for truth in truths]]
    return {
        f"OKS, {len(large)} large people": float(large.mean()),
        f"OKS, the {len(cut)} people who are cut out below": float(cut.mean()),
        "over 0.5 of them": _hit_rate(cut),
        f"OKS, all {len(every)} people": float(every.mean()),
        "AP": average_precision(people, found),
    }


def measure_crops(estimator: Estimator, people: Sequence[measure.Crop]) -> Figures:
    """People cut out of their photos, `measure.crops`."""
    read, alone = [], []
    for image, labelled in people:
        estimator.resize((image.shape[0], image.shape[1]))
        heads = estimator.heads(image)
        read.append(_oks(find_best(decode(heads), labelled)))
        alone.append(measure.oks(measure.likeliest_keypoints(measure.dequantize_heads(heads))[0], labelled))
    return {
        "OKS": float(np.mean(read)),
        "over 0.5": _hit_rate(read),
        "OKS, likeliest cells": float(np.mean(alone)),
        "over 0.5, likeliest cells": _hit_rate(alone),
    }


def measure_one_pose(people: Sequence[measure.Crop]) -> Figures:
    """What answering every crop with the same pose, each point's median, would be worth."""
    labelled = np.array([person for _, person in people])
    median = np.nanmedian(np.where(labelled[:, :, 2:] > 0, labelled[:, :, :2], np.nan), 0).astype(np.float32)
    similar = [measure.oks(median, person) for person in labelled]
    return {"OKS": float(np.mean(similar)), "over 0.5": _hit_rate(similar)}


def measure_lspet(estimator: Estimator, photos: Iterable[tuple[Image, Floats]]) -> Figures:
    """Sports photos with 12 joints of one person each, in each photo's shape."""
    right = np.array([_correct_keypoints(_estimate(estimator, image), labelled) for image, labelled in photos])
    limbs = {f"PCK, {name}": float(right[:, left : left + 2].mean()) for name, left in PAIRED_KEYPOINTS.items()}
    return {"PCK": float(right[:, LSPET_KEYPOINTS].mean()), **limbs}


def load_lspet_photos(folder: Path, limit: int | None) -> Iterator[tuple[Image, Floats]]:
    """Leeds Sports Poses, extended: each photo and its person's 17×3; those without a torso are left out."""
    joints = json.loads((folder / "joints.json").read_text(encoding="utf-8"))
    for name, rows in list(joints.items())[:limit]:
        labelled = np.zeros((17, 3), np.float32)
        labelled[list(LSPET_KEYPOINTS)] = np.array(rows, np.float32)[: len(LSPET_KEYPOINTS)]
        if (labelled[[LEFT_HIP, RIGHT_SHOULDER], 2] > 0).all():
            yield np.asarray(pillow.open(folder / name).convert("RGB")), labelled


class Answers:
    """A library of the starter pictures' poses, asked as the mirror asks; photos are judged by the true pose."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._matcher = Matcher(library)

    def agreement(self, true: Pose, found: Pose | None) -> float:
        """How well the photo found for a pose agrees with the true one; 0 for somebody whom the mirror passes over."""
        if found is None or found.score < MIN_POSE_SCORE:
            return 0.0
        matches = self._matcher.find(found.thresholded(AGREEMENT_SCORE), 1)
        return self._agreement(true, matches[0]) if matches else 0.0

    def _agreement(self, true: Pose, match: Match) -> float:
        photo = self._library.pose(match.item)
        photo = photo.mirrored(0) if match.mirrored else photo
        return float(agreement(true.xy, true.scores, photo.xy[None], photo.scores[None] > 0)[0])


def measure_drawn(estimator: Estimator, made: Sequence[Picture], answers: Answers | None = None) -> Figures:
    """Pictures with true poses, in each one's shape: of those of whom at least `starter.SEEN` key points are seen.

    With `answers` also what the photos found for the people are worth, in parts of those found for the true poses.
    """
    similar, right, from_found, from_true = [], [], [], []
    for picture in made:
        people = _estimate(estimator, picture.image)
        for pose in picture.poses:
            labelled = pose.keypoints
            if pose.scores.sum() < starter.MIN_KEYPOINTS:
                continue
            truth = find_best(people, labelled)
            similar.append(_oks(truth))
            right.append(_correct_keypoints(people, labelled)[pose.scores > 0])
            if answers is not None:
                from_found.append(answers.agreement(pose, truth.best))
                from_true.append(answers.agreement(pose, pose))
    figures = {f"OKS, {len(similar)} people": float(np.mean(similar)), "over 0.5": _hit_rate(similar)}
    figures["PCK"] = float(np.concatenate(right).mean())
    if answers is not None:
        figures["agreement, of the true pose's"] = float(np.sum(from_found) / np.sum(from_true))
    return figures


def measure_hard_scenes(estimator: Estimator, made: Sequence[Scene]) -> Figures:
    """Scenes as they are: of people of whom at least `measure.FEWEST` key points are seen and who are not too small.

    What of them is hidden but in the picture counts too, as in COCO's labels.
    """
    similar, right, nobody = [], [], 0
    for image, everybody in made:
        estimator.resize((image.shape[0], image.shape[1]))
        people = estimator.estimate(image)
        nobody += sum(_is_nobody(pose, everybody) for pose in people if pose.score >= MIN_POSE_SCORE)
        for labelled in everybody:
            if measure.is_croppable(np.where(labelled[:, 2:] > 1, labelled, 0)):
                similar.append(_oks(find_best(people, labelled)))
                right.append(_correct_keypoints(people, labelled)[labelled[:, 2] > 0])
    return {
        f"OKS, {len(similar)} people": float(np.mean(similar)),
        "over 0.5": _hit_rate(similar),
        "PCK": float(np.concatenate(right).mean()),
        "found where nobody is, a scene": nobody / len(made),
    }


def make_scenes(count: int = SCENE_COUNT) -> list[Scene]:
    """Scenes of the training's kind, with clutter, crops and several people, none of which was ever trained on.

    Their people are in poses that the program has names for. Needs numba.
    """
    from models.train.bank import Bank
    from models.train.studio import SceneGenerator

    studio = SceneGenerator(Bank(np.random.default_rng([HELD_OUT_SEED, 0, 0, 1]), 400), None, HELD_OUT_SEED)
    return [studio.generate(SCENE_SIDE) for _ in range(count)]


def film_pictures(count: int = PICTURE_COUNT) -> list[Picture]:
    """The performer as the mirror sees them, from the third time that the film is shown on: nothing quite repeats."""
    height, width = FILM_SIZE
    made = []
    for number in range(count):
        image, pose = perform(CYCLE_SECONDS * (2 + (number + 0.5) / count), width, height)
        made.append(Picture(np.ascontiguousarray(image[:, ::-1]), [pose.mirrored(width)], "the performer"))
    return made


def unknown_pictures(count: int = PICTURE_COUNT) -> list[Picture]:
    """Starter pictures that no library holds."""
    return [pictures.draw_picture(FIRST_UNKNOWN + number) for number in range(count)]


def write_starter_library(folder: Path, count: int = LIBRARY_SIZE) -> Library:
    """A library at `folder` of the poses that the starter library has; to be closed."""
    write_library(
        (
            NewItem(None, pose.keypoints)
            for poses in map(starter_poses, range(count))
            for pose in poses
            if pose.scores.sum() >= min(starter.MIN_KEYPOINTS, max(one.scores.sum() for one in poses))
        ),
        folder,
    )
    return Library.open(folder)


def starter_poses(number: int) -> list[Pose]:
    """The poses of a starter picture, which is itself painted only as far as it takes to know what is seen."""
    rng = np.random.Generator(np.random.PCG64([pictures.SEED, number]))
    movement = pictures.choose_movement(number)
    view = choose_view(rng, movement)
    people = pictures.choose_people(rng, movement, view)
    camera = aim_camera(
        rng, [one.skeleton for one in people], view, [prop_outline(one.skeleton, one.props) for one in people]
    )
    half = Camera(camera.rotation, camera.target, camera.distance, camera.focal / 2, _halve_centre(camera.centre))
    ground = np.zeros((view.height // 2, view.width // 2, 3), np.uint8)
    return pictures.exact_poses(paint(ground, people, half, shadow_strength=0.0, quick=True), people, camera)


def find_best(people: Sequence[Pose], labelled: Floats) -> Truth:
    """Who of those found is most similar to somebody."""
    return Truth(labelled, max(people, key=lambda pose: measure.oks(pose.xy, labelled), default=None))


def _estimate(estimator: Estimator, image: Image) -> list[Pose]:
    estimator.resize(size_for(image.shape[1], image.shape[0], PHOTO_SIZE))
    return estimator.estimate(image)


def _correct_keypoints(people: Sequence[Pose], labelled: Floats) -> Flags:
    """Which of somebody's labelled key points the one of those found has within reach who has most of them."""
    reach = PCK_THRESHOLD * float(np.hypot(*(labelled[LEFT_HIP] - labelled[RIGHT_SHOULDER])[:2]))
    right = [(np.hypot(*(pose.xy - labelled[:, :2]).T) <= reach) & (labelled[:, 2] > 0) for pose in people]
    return max(right, key=np.count_nonzero, default=np.zeros(17, bool))


def _oks(truth: Truth) -> float:
    return 0.0 if truth.best is None else measure.oks(truth.best.xy, truth.labelled)


def _is_nobody(pose: Pose, everybody: Floats) -> bool:
    return all(measure.oks(pose.xy, one) < NOBODY_OKS for one in everybody if one[:, 2].any())


def _hit_rate(similar: Sequence[float] | npt.NDArray[np.float64]) -> float:
    return float(np.mean(np.asarray(similar) > measure.HIT_OKS))


def _halve_centre(centre: tuple[float, float]) -> tuple[float, float]:
    """Pixel centres lie at whole numbers."""
    return (centre[0] + 0.5) / 2 - 0.5, (centre[1] + 0.5) / 2 - 0.5
