"""Choose a video's frames for a library: one wherever a person's pose has changed enough."""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

# FFmpeg's AV_LOG_QUIET, to be set before OpenCV is imported: the report has a sentence for each bad video instead.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

import cv2
import numpy as np

from index.agreement import agreement
from index.build.people import PoseEstimator, is_sharp, select_prominent
from index.build.photo import Credit, NewPicture, Skipped, scale_keypoints
from models.pose import Floats, Image
from models.text import printable

SCAN_FPS = 5.0
"""Frames scanned per second of video. Going from one pose to another takes people longer than a fifth of a second."""

SAME_POSE_AGREEMENT = 0.7
"""A frame is kept if its person's pose agrees less than this with the pose in the last frame kept."""

MIN_DETAIL_RATIO = 0.6
"""A frame with less than this share of the median detail of the frames before it is blurred by movement."""

DETAIL_WINDOW = 50
"""Frames that a frame's detail is compared with: ten seconds, in which the scene mostly stays the same."""


def scan(
    file: Path,
    credit: Credit,
    estimator: PoseEstimator,
    long_side: int,
    save_picture: Callable[[NewPicture], NewPicture],
) -> list[NewPicture] | Skipped:
    """Return the frames of a video that are worth keeping, with the people in each; or why there are none.

    Each frame goes through `save_picture` at once, so that a long video does not fill the memory. A damaged video ends
    where the damage begins.
    """
    name, reason = printable(file), "cannot be read"
    try:
        if not stat.S_ISREG(os.stat(file).st_mode):  # opening a pipe would wait until somebody writes to it
            return Skipped(name, reason, f"{name} is not a regular file.")
        descriptor = os.open(file, os.O_RDONLY)
    except OSError as error:
        return Skipped(name, reason, f"{name} cannot be read ({error.strerror}).")
    frame_count, kept = 0, []
    try:
        for result in _select_frames(_read_frames(descriptor), estimator, long_side):
            frame_count += 1
            if isinstance(result, str):
                reason = result
            else:
                kept.append(replace(save_picture(result), credit=credit))
    finally:
        os.close(descriptor)
    if not frame_count:
        return Skipped(name, "not a video", f"{name} is not a video, or has a format that is not supported.")
    return kept or Skipped(name, reason, f"{name} shows nobody well in {frame_count} frames ({reason}).")


def _read_frames(descriptor: int) -> Iterator[Image]:
    """Yield about `SCAN_FPS` frames a second of an open video as H×W×3 RGB.

    The path by descriptor works for a file of any name, whereas OpenCV interprets some characters of a name.
    """
    capture = cv2.VideoCapture(f"/proc/self/fd/{descriptor}", cv2.CAP_FFMPEG)
    try:
        rate = capture.get(cv2.CAP_PROP_FPS)
        step = max(1, round(rate / SCAN_FPS)) if 1 <= rate <= 240 else 5
        number = 0
        while capture.grab():
            if number % step == 0:
                ok, frame = capture.retrieve()
                if ok and frame is not None and frame.ndim == 3:
                    yield np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8)
            number += 1
    finally:
        capture.release()


def _select_frames(frames: Iterator[Image], estimator: PoseEstimator, long_side: int) -> Iterator[NewPicture | str]:
    """Yield for each frame its picture with the sharp people in it, or the kind of reason why it is skipped."""
    last_kept: Floats | None = None
    details: deque[float] = deque(maxlen=DETAIL_WINDOW)
    for frame in frames:
        people = select_prominent(estimator.estimate(frame), frame.shape[1], frame.shape[0])
        if isinstance(people, str):
            yield people
            continue
        details.append(_detail(frame, people[0]))
        if details[-1] < MIN_DETAIL_RATIO * float(np.median(details)) or not is_sharp(frame, people[0]):
            yield "blurred"
        elif last_kept is not None and _agreement(people[0], last_kept) >= SAME_POSE_AGREEMENT:
            yield "pose not changed"
        else:
            last_kept = people[0]
            picture = NewPicture.encode(frame, long_side=long_side)
            scale = picture.width / frame.shape[1], picture.height / frame.shape[0]
            sharp = [scale_keypoints(person, *scale) for person in people if is_sharp(frame, person)]
            yield replace(picture, people=sharp)


def _agreement(query: Floats, candidate: Floats) -> float:
    weights = (query[:, 2] > 0).astype(np.float32)
    return float(agreement(query[:, :2], weights, candidate[None, :, :2], candidate[None, :, 2] > 0)[0])


def _detail(frame: Image, person: Floats) -> float:
    """Return how sharp a frame is around a person: the variance of its Laplacian (Pech-Pacheco et al., 2000)."""
    height, width = frame.shape[:2]
    seen = np.clip(person[person[:, 2] > 0, :2].round().astype(int), 0, (width - 1, height - 1))
    (left, top), (right, bottom) = seen.min(0), seen.max(0) + 1
    grey = cv2.cvtColor(np.ascontiguousarray(frame[top:bottom, left:right]), cv2.COLOR_RGB2GRAY)
    return float(cv2.Laplacian(grey, cv2.CV_32F).var())
