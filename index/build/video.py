"""Frames of a video for a library: one wherever somebody's pose has changed enough."""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

# FFmpeg's AV_LOG_QUIET: what is wrong with a video is said in the report, in a sentence.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

import cv2
import numpy as np

from index import pictures
from index.agreement import agreement
from index.build.people import PoseEstimator, is_sharp, select_prominent
from index.build.photo import Credit, Skipped
from index.build.writer import NewItem, scale_keypoints
from index.pictures import EncodedPicture, StoredPicture
from models.pose import Floats, Image
from models.text import printable

SCAN_FPS = 5.0
"""Frames a second that are looked at: people do not get from one pose to another in less than a fifth of one."""

SAME_POSE_AGREEMENT = 0.7
"""A frame is kept when its person agrees less than this with the one in the frame kept before."""

MIN_DETAIL_RATIO = 0.6
"""A frame with less detail, in parts of the median of the frames before, is blurred by movement."""

DETAIL_WINDOW = 50
"""How many frames before it a frame's detail is compared with: ten seconds, within which the scene is the same."""


def scan(
    file: Path,
    credit: Credit,
    estimator: PoseEstimator,
    long_side: int,
    save_picture: Callable[[EncodedPicture], EncodedPicture | StoredPicture],
) -> list[NewItem] | Skipped:
    """The people in those of a video's frames that are worth keeping; `save_picture` puts each of the pictures away.

    At damage it is over, as at the end.
    """
    name, reason = printable(file), "cannot be read"
    try:
        if not stat.S_ISREG(os.stat(file).st_mode):  # a pipe would be waited for
            return Skipped(name, reason, f"{name} is no plain file.")
        descriptor = os.open(file, os.O_RDONLY)
    except OSError as error:
        return Skipped(name, reason, f"{name} cannot be read ({error.strerror}).")
    looked, people = 0, []
    try:
        for found in _select_frames(_read_frames(descriptor), estimator, long_side):
            looked += 1
            if isinstance(found, str):
                reason = found
            else:
                frame, points = found
                picture = save_picture(frame)
                people += [NewItem(picture, one, *credit) for one in points]
    finally:
        os.close(descriptor)
    if not looked:
        return Skipped(name, "not a video", f"{name} is not a video that can be read here.")
    return people or Skipped(name, reason, f"{name} shows nobody well in {looked} frames ({reason}).")


def _read_frames(descriptor: int) -> Iterator[Image]:
    """Some frames of the video opened as this descriptor: any name can be opened that way, OpenCV's own takes few."""
    capture = cv2.VideoCapture(f"/proc/self/fd/{descriptor}", cv2.CAP_FFMPEG)
    try:
        rate = capture.get(cv2.CAP_PROP_FPS)
        step = max(1, round(rate / SCAN_FPS)) if 1 <= rate <= 240 else 5
        number = 0
        while capture.grab():
            if number % step == 0:
                whole, frame = capture.retrieve()
                if whole and frame is not None and frame.ndim == 3:
                    yield np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8)
            number += 1
    finally:
        capture.release()


def _select_frames(
    frames: Iterator[Image], estimator: PoseEstimator, long_side: int
) -> Iterator[tuple[EncodedPicture, list[Floats]] | str]:
    """For each frame its picture and the people in that, or why it is not kept."""
    before: Floats | None = None
    details: deque[float] = deque(maxlen=DETAIL_WINDOW)
    for frame in frames:
        people = select_prominent(estimator.estimate(frame), frame.shape[1], frame.shape[0])
        if isinstance(people, str):
            yield people
            continue
        details.append(_detail(frame, people[0]))
        if details[-1] < MIN_DETAIL_RATIO * float(np.median(details)) or not is_sharp(frame, people[0]):
            yield "blurred"
        elif before is not None and _agreement(people[0], before) >= SAME_POSE_AGREEMENT:
            yield "pose not changed"
        else:
            before = people[0]
            stored = pictures.encode_picture(frame, long_side)
            scale = stored.width / frame.shape[1], stored.height / frame.shape[0]
            yield stored, [scale_keypoints(person, *scale) for person in people if is_sharp(frame, person)]


def _agreement(query: Floats, candidate: Floats) -> float:
    weights = (query[:, 2] > 0).astype(np.float32)
    return float(agreement(query[:, :2], weights, candidate[None, :, :2], candidate[None, :, 2] > 0)[0])


def _detail(frame: Image, person: Floats) -> float:
    """How sharp a frame is where the person is: the variance of its Laplacian (Pech-Pacheco et al., 2000)."""
    height, width = frame.shape[:2]
    seen = np.clip(person[person[:, 2] > 0, :2].round().astype(int), 0, (width - 1, height - 1))
    (left, top), (right, bottom) = seen.min(0), seen.max(0) + 1
    grey = cv2.cvtColor(np.ascontiguousarray(frame[top:bottom, left:right]), cv2.COLOR_RGB2GRAY)
    return float(cv2.Laplacian(grey, cv2.CV_32F).var())
