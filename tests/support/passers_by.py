"""Videos of real people, and a person cut out of one video who walks past the people of another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from models.pose import Image

WALKING_FRAMES = (184, 185, 186, 187, 189, 187, 186, 185)
"""Frames of the video named below in which the first person is whole and walking."""
WALKER_HEIGHT = 330
"""Pixels from that person's head to their feet."""


def read_video(video: Path) -> tuple[float, list[Image]]:
    """Return a video's frames per second and its frames, BGR."""
    capture = cv2.VideoCapture(str(video))
    pictures: list[Image] = []
    while True:
        ok, picture = capture.read()
        if not ok:
            return capture.get(cv2.CAP_PROP_FPS), pictures
        pictures.append(np.asarray(picture, np.uint8))


def walker_steps(pictures: list[Image]) -> list[tuple[Image, Image]]:
    """Return a person's steps, each cut out with its mask, from the frames of `one-by-one-person-detection.mp4`."""
    empty = np.median(pictures[212:222:2], axis=0).astype(np.uint8)
    return [cut_out(pictures[i], empty) for i in WALKING_FRAMES]


def add_passer_by(
    pictures: list[Image], steps: list[tuple[Image, Image]], *, start: int, step: float, floor: int, height: float
) -> Iterator[Image]:
    """Yield the video's frames with the walker in front, who enters after `start` frames.

    The walker moves by `step` pixels a frame, from the left if that is above 0.
    """
    for i, picture in enumerate(pictures):
        begin = -0.45 * height if step > 0 else picture.shape[1] + 0.45 * height
        person, mask = steps[i % len(steps)]
        yield paste(picture, person, mask, begin + step * max(i - start, 0), floor, height / WALKER_HEIGHT)


def cut_out(picture: Image, empty: Image) -> tuple[Image, Image]:
    """Return the only person in a picture, and their mask, given the same place without anybody."""
    difference = cv2.absdiff(picture, empty).max(2)
    mask = (cv2.GaussianBlur(difference, (7, 7), 0) > 28).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((15, 15), np.uint8))
    _, labels, blobs, _ = cv2.connectedComponentsWithStats(mask)
    largest = 1 + int(np.argmax(blobs[1:, cv2.CC_STAT_AREA]))
    x, y, width, height = blobs[largest, :4]
    box = np.s_[y : y + height, x : x + width]
    return picture[box], (labels[box] == largest).astype(np.uint8)


def paste(picture: Image, person: Image, mask: Image, middle: float, floor: int, scale: float) -> Image:
    """Return the picture with the cut-out person in front, as far as they are inside it."""
    person, mask = (
        np.asarray(cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST), np.uint8)
        for part in (person, mask)
    )
    (height, width), (below, beyond) = mask.shape, picture.shape[:2]
    y, x = floor - height, round(middle - width / 2)
    top, left, bottom, right = max(y, 0), max(x, 0), min(floor, below), min(x + width, beyond)
    result = picture.copy()
    if left < right:
        inside = np.s_[top - y : bottom - y, left - x : right - x]
        part = result[top:bottom, left:right]
        part[mask[inside] > 0] = person[inside][mask[inside] > 0]
    return result
