"""Recordings for tests: soft patches of colour instead of photos, and a person who moves a little."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from device.recording.stills import Recording, RecordingBuilder, Snapshot, Words
from models.pose import Image, Pose

CANVAS: Final = (320, 240)
"""Width and height of the canvas in pixels."""

STANDING: Final = np.array([
    (160, 50), (165, 46), (155, 46), (170, 49), (150, 49), (182, 75), (138, 75), (200, 105), (120, 105), (216, 132),
    (104, 132), (174, 135), (146, 135), (176, 170), (144, 170), (178, 205), (142, 205),
], np.float32)  # fmt: skip
"""A person who stands in the middle of the canvas, arms held away from the body; the left hand is on the right."""


def standing(shift: float = 0.0, scale: float = 1.0) -> Pose:
    """Return the person of `STANDING`, moved down by `shift` pixels, on a canvas `scale` times as large."""
    return Pose(((STANDING + np.array((0, shift))) * scale).astype(np.float32), np.ones(17, np.float32), 1.0)


def soft_picture(seed: int, size: tuple[int, int] = CANVAS, noise: int = 8) -> Image:
    """Return soft patches of colour with some noise, about as hard to compress as a photo."""
    random = np.random.default_rng(seed)
    patches = cv2.resize(random.integers(0, 256, (5, 6, 3), np.uint8), size, interpolation=cv2.INTER_CUBIC)
    return np.clip(patches.astype(int) + random.integers(-noise, noise + 1, patches.shape), 0, 255).astype(np.uint8)


def snapshot(
    photo: Image, visitor: Pose | None = None, camera_image: Image | None = None, credit: str = "Ann Example, CC0"
) -> Snapshot:
    """Return a snapshot in which the photo's person stands as in `STANDING`, as large as the photo."""
    scale = photo.shape[0] / CANVAS[1]
    picture = np.full((48, 64, 3), 90, np.uint8) if camera_image is None else camera_image
    return Snapshot(photo, standing(scale=scale), credit, visitor or standing(scale=scale), picture, CANVAS)


def record(
    snapshots: Sequence[Snapshot], *, fps: float = 12, camera: bool = False, words: Words | None = None
) -> Recording:
    """Return the recording of some snapshots, `fps` a second."""
    builder = RecordingBuilder(len(snapshots), 640)
    for number, one in enumerate(snapshots):
        builder.add(one, number / fps, camera)
    return builder.build(len(snapshots) / fps, words or Words())


def lively_recording(
    photos: int = 4, each: int = 3, *, size: tuple[int, int] = CANVAS, noise: int = 8, words: Words | None = None
) -> Recording:
    """Return a recording of some photos, each for so many stills, in which a visitor moves up and down."""
    pictures = [soft_picture(number, size, noise) for number in range(photos)]
    scale = size[1] / CANVAS[1]
    return record(
        [
            snapshot(pictures[k // each], standing(k % 7 - 3, scale), credit=f"Photo {k // each}, Ann Example, CC0")
            for k in range(photos * each)
        ],
        words=words,
    )
