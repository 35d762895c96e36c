"""A picture to look at: what a model finds in photos, training's scenes, starter pictures and the film.

The number in a tile's corner is OKS, of the person that it is about. Photos are only looked at: a sheet that shows some
is not for the repository.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np

from benchmarks import people_measures as people
from device.display.draw import draw_skeleton
from models.estimator.estimator import Estimator, size_for
from models.pose import Floats, Image, Pose
from models.train import measure

TILE_SIDE: Final = 256
"""Pixels of a tile's side."""
COLUMNS: Final = 9
CROP_COUNT, SCENE_COUNT, PICTURE_COUNT, FRAME_COUNT = 24, 12, 12, 6


class Reading(NamedTuple):
    """A picture, who was found in it, and how similar the best of them is to the one it is about: NaN for nobody."""

    image: Image
    found: list[Pose]
    oks: float


def write_sheet(estimator: Estimator, photos: Path, file: Path, *, with_scenes: bool) -> None:
    """Write the sheet; photos' people only where there are some in the folder `photos`: the best, the middle, the
    worst."""
    rows: list[Reading] = []
    if photos.is_dir():
        rows += _select_spread(
            sorted((_estimate(estimator, *crop) for crop in measure.load_crops(photos)), key=lambda one: -one.oks)
        )
    if with_scenes:
        rows += [
            _estimate(estimator, image, _largest(everybody)) for image, everybody in people.make_scenes(SCENE_COUNT)
        ]
    for made in (*people.unknown_pictures(PICTURE_COUNT), *people.film_pictures(FRAME_COUNT)):
        rows.append(_estimate(estimator, made.image, _largest(np.array([pose.keypoints for pose in made.poses]))))
    tiles = [_make_tile(row) for row in rows]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % COLUMNS)
    lines = [np.hstack(tiles[first : first + COLUMNS]) for first in range(0, len(tiles), COLUMNS)]
    if not cv2.imwrite(str(file), cv2.cvtColor(np.vstack(lines), cv2.COLOR_RGB2BGR)):
        raise OSError(f"{file} cannot be written")


def _estimate(estimator: Estimator, image: Image, labelled: Floats | None) -> Reading:
    fits = all(side % 16 == 1 for side in image.shape[:2])
    estimator.resize((image.shape[0], image.shape[1]) if fits else size_for(image.shape[1], image.shape[0]))
    found = estimator.estimate(image)
    if labelled is None:
        return Reading(image, found, math.nan)
    return Reading(image, found, max((measure.oks(pose.xy, labelled) for pose in found), default=0.0))


def _largest(everybody: Floats) -> Floats | None:
    """Of P×17×3; None where nobody is to be seen."""
    seen = [one for one in everybody if (one[:, 2] > 0).any()]
    return max(seen, key=lambda one: float(np.ptp(one[one[:, 2] > 0, :2], axis=0).prod()), default=None)


def _select_spread(reads: Sequence[Reading]) -> Iterator[Reading]:
    """A third of the first, of the middle and of the last."""
    third, middle = CROP_COUNT // 3, len(reads) // 2 - CROP_COUNT // 6
    chosen: Iterable[Sequence[Reading]] = (reads[:third], reads[middle : middle + third], reads[-third:])
    for part in chosen:
        yield from part


def _make_tile(read: Reading) -> Image:
    """As large as it fits, and whoever the mirror would take for somebody drawn into it."""
    height, width = read.image.shape[:2]
    scale = TILE_SIDE / max(height, width)
    size = round(width * scale), round(height * scale)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = np.asarray(cv2.resize(read.image, size, interpolation=how), np.uint8)
    for pose in read.found:
        if pose.score >= people.MIN_POSE_SCORE:
            draw_skeleton(small, pose.scaled(size[0] / width, size[1] / height), 2.5)
    tile = np.zeros((TILE_SIDE, TILE_SIDE, 3), np.uint8)
    tile[: size[1], : size[0]] = small
    said = "nobody" if math.isnan(read.oks) else f"{read.oks:.2f}"
    for colour, thick in (((0, 0, 0), 4), ((255, 255, 255), 1)):
        cv2.putText(tile, said, (6, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.55, colour, thick, cv2.LINE_AA)
    return tile
