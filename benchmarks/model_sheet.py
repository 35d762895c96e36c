"""Draw a sheet of what a model finds in photos, training scenes, starter pictures and the performer's video.

The number in a tile's corner is the OKS of the person it is about. A sheet that shows photos does not belong in the
repository.
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
"""Side of a tile in pixels."""
COLUMNS: Final = 9
"""Tiles in a row."""
CROP_COUNT, SCENE_COUNT, PICTURE_COUNT, FRAME_COUNT = 24, 12, 12, 6
"""Tiles of each kind, at most."""


class Reading(NamedTuple):
    """A picture, the people found in it, and the best OKS for the person it is about: NaN if it is about nobody."""

    image: Image
    found: list[Pose]
    oks: float


def write_sheet(estimator: Estimator, photos: Path, file: Path, *, with_scenes: bool) -> None:
    """Write the sheet. Raises OSError when the file cannot be written.

    People in photos are included if the folder `photos` exists: the best, the middle and the worst ones.
    """
    readings: list[Reading] = []
    if photos.is_dir():
        readings += _select_spread(
            sorted(
                (_estimate(estimator, *crop) for crop in measure.load_crops(photos)), key=lambda reading: -reading.oks
            )
        )
    if with_scenes:
        readings += [
            _estimate(estimator, image, _largest(everybody)) for image, everybody in people.make_scenes(SCENE_COUNT)
        ]
    for picture in (*people.unknown_pictures(PICTURE_COUNT), *people.video_pictures(FRAME_COUNT)):
        readings.append(
            _estimate(estimator, picture.image, _largest(np.array([pose.keypoints for pose in picture.poses])))
        )
    tiles = [_make_tile(row) for row in readings]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % COLUMNS)
    rows = [np.hstack(tiles[first : first + COLUMNS]) for first in range(0, len(tiles), COLUMNS)]
    if not cv2.imwrite(str(file), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR)):
        raise OSError(f"{file} cannot be written: choose another folder or a name that ends in .png.")


def _estimate(estimator: Estimator, image: Image, labelled: Floats | None) -> Reading:
    fits = all(side % 16 == 1 for side in image.shape[:2])
    estimator.resize((image.shape[0], image.shape[1]) if fits else size_for(image.shape[1], image.shape[0]))
    found = estimator.estimate(image)
    if labelled is None:
        return Reading(image, found, math.nan)
    return Reading(image, found, max((measure.oks(pose.xy, labelled) for pose in found), default=0.0))


def _largest(everybody: Floats) -> Floats | None:
    """Return the largest of the people P×17×3, or None if nobody is visible."""
    visible = [person for person in everybody if (person[:, 2] > 0).any()]
    return max(visible, key=lambda person: float(np.ptp(person[person[:, 2] > 0, :2], axis=0).prod()), default=None)


def _select_spread(readings: Sequence[Reading]) -> Iterator[Reading]:
    """Yield a third of the crops from the best, the middle and the worst."""
    third, middle = CROP_COUNT // 3, len(readings) // 2 - CROP_COUNT // 6
    parts: Iterable[Sequence[Reading]] = (readings[:third], readings[middle : middle + third], readings[-third:])
    for part in parts:
        yield from part


def _make_tile(reading: Reading) -> Image:
    """Return the whole picture in a tile, with the skeletons of the people that the mirror would answer."""
    height, width = reading.image.shape[:2]
    scale = TILE_SIDE / max(height, width)
    size = round(width * scale), round(height * scale)
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = np.asarray(cv2.resize(reading.image, size, interpolation=interpolation), np.uint8)
    for pose in reading.found:
        if pose.score >= people.MIN_POSE_SCORE:
            draw_skeleton(small, pose.scaled(size[0] / width, size[1] / height), 2.5)
    tile = np.zeros((TILE_SIDE, TILE_SIDE, 3), np.uint8)
    tile[: size[1], : size[0]] = small
    label = "nobody" if math.isnan(reading.oks) else f"{reading.oks:.2f}"
    for colour, thick in (((0, 0, 0), 4), ((255, 255, 255), 1)):
        cv2.putText(tile, label, (6, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.55, colour, thick, cv2.LINE_AA)
    return tile
